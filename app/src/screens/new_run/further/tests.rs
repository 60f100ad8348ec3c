//! Tests of the rows of settings that have no control of their own.

use std::collections::BTreeSet;

use engine::config::{MethodConfig, PromptInit, PromptTasks};

use super::super::check::Facts;
use super::super::form::TextFields;
use super::super::tuning::{Beside, MethodKind};
use super::super::vary::Known;
use super::*;
use crate::i18n::{Language, set_language};

fn ready() -> RunForm {
    let text = TextFields { model: "/models/a".into(), train: "/data/a.jsonl".into(), ..RunForm::default().text };
    RunForm { text, ..RunForm::default() }
}

fn setting(key: &str) -> &'static Setting {
    Setting::find(key).unwrap()
}

fn shown(form: &RunForm) -> Vec<&'static str> {
    form.shown_further(&form.settings_tree()).iter().map(|setting| setting.key).collect()
}

/// Forms that between them have every table.
fn forms() -> Vec<RunForm> {
    let mut forms = Vec::new();
    for kind in MethodKind::ALL {
        for beside in [Beside::Nothing, Beside::Lora, Beside::TopLayers] {
            let mut form = ready();
            (form.tuning.kind, form.tuning.beside) = (kind, beside);
            forms.push(form.clone());
            if kind == MethodKind::Prompt {
                form.add_further(setting("method.tasks"));
                forms.push(form);
            }
        }
    }
    forms
}

#[test]
fn every_setting_has_a_control_or_a_row() {
    let mut reachable: BTreeSet<&str> = CONTROLS.iter().copied().collect();
    assert_eq!(reachable.len(), CONTROLS.len(), "none stands twice");
    assert!(reachable.iter().all(|key| Setting::find(key).is_some()), "each is a setting");
    for form in forms() {
        let tree = form.settings_tree();
        reachable.extend(without_control(&tree).map(|setting| setting.key));
    }
    let is_a_value = |setting: &&Setting| setting.kind != Kind::Table || setting.optional;
    let all: BTreeSet<&str> = SETTINGS.iter().filter(is_a_value).map(|setting| setting.key).collect();
    assert_eq!(reachable, all);
}

/// A value of a setting that is not its default.
fn other_value(setting: &Setting) -> &'static str {
    match (setting.key, setting.kind) {
        ("data.more", _) => r#"[{ train = "/b.csv" }]"#,
        ("data.verbalizer", _) => r#"{ bad = "terrible" }"#,
        ("method.template", _) => "(3, sub, 3, obj)",
        ("generation.suppress_tokens", _) => "[3, 4]",
        ("generation.bad_words_ids", _) => "[[3, 4]]",
        (key, _) if key.ends_with("_pattern") => "{ c_attn = 4 }",
        (key, _) if key.ends_with("trained_tokens") => r#"{ wte = [7, 40] }"#,
        (_, Kind::Entries(_)) => r#"["attn"]"#,
        (_, Kind::Count(..)) => "3",
        (_, Kind::Number(..)) => "0.5",
        _ => "/a b",
    }
}

#[test]
fn a_row_changes_its_setting_and_goes_back_to_the_default() {
    set_language(Language::English);
    for form in forms() {
        let plain = form.settings_tree();
        for setting in without_control(&plain) {
            let (mut form, key) = (form.clone(), setting.key);
            let before = value_of(setting, &plain);
            form.add_further(setting);
            assert!(shown(&form).contains(&key), "{key}");
            match setting.kind {
                // It is there already, and was added so.
                Kind::Table if before.is_object() => continue,
                Kind::Choice(_) => {
                    let other = words_of(setting).iter().find(|word| before != **word).unwrap();
                    form.set_further(setting, (*other).into()).unwrap();
                }
                Kind::Flag | Kind::Table => form.set_further(setting, (before != true).into()).unwrap(),
                _ => {
                    form.type_further(setting, other_value(setting).to_owned());
                    assert_eq!(form.check_further(), [], "{key}");
                }
            }
            let changed = form.settings_tree();
            assert_ne!(value_of(setting, &changed), before, "{key}");
            // A run with it shows it, whoever made it.
            form.further.clear();
            assert!(shown(&form).contains(&key), "{key}");
            form.remove_further(setting);
            assert_eq!(form.settings_tree(), plain, "{key}");
            assert!(!shown(&form).contains(&key), "{key}");
        }
    }
}

#[test]
fn what_is_no_value_stands_under_its_row_and_changes_nothing() {
    set_language(Language::English);
    let mut form = ready();
    let rows = setting("training.metric_rows");
    form.type_further(rows, "many".into());
    let issues = form.check(Facts::default()).unwrap_err();
    assert_eq!(issues[0].field, Field::Setting("training.metric_rows"), "{issues:?}");
    assert!(issues[0].sentence.starts_with("training.metric_rows = many"), "{issues:?}");
    form.type_further(rows, "0".into());
    let issues = form.check(Facts::default()).unwrap_err();
    assert_eq!(issues[0].field, Field::Setting("training.metric_rows"), "out of its range: {issues:?}");
    form.type_further(rows, " 5 ".into());
    assert_eq!(form.check(Facts::default()).unwrap().training.metric_rows, 5);
    form.type_further(rows, String::new());
    assert_eq!(form.settings_tree(), ready().settings_tree());
}

#[test]
fn a_list_in_a_row_is_an_experiment() {
    let mut form = ready();
    form.type_further(setting("training.head_learning_rate"), "1e-4, 1e-3".into());
    let config = form.check(Facts::default()).unwrap();
    let varied = form.variation(&config, &Known::default()).unwrap().unwrap();
    let rates: Vec<_> = varied.runs.iter().map(|(_, run)| run.training.head_learning_rate).collect();
    assert_eq!(rates, [Some(1e-4), Some(1e-3)]);
    form.vary_nothing();
    assert!(form.variation(&config, &Known::default()).unwrap().is_none());
    assert_eq!(form.check(Facts::default()).unwrap().training.head_learning_rate, None);
}

#[test]
fn a_run_comes_back_with_the_rows_of_what_it_has_beyond_the_controls() {
    let mut config = ready().check(Facts::default()).unwrap();
    config.method = MethodConfig::Prompt(PromptConfig {
        tasks: Some(PromptTasks { ranks: 2, ..PromptTasks::default() }),
        init: PromptInit::Random,
        ..PromptConfig::default()
    });
    config.training.save_every = 7;
    config.generation.beams.n_beams = 5;
    let form = RunForm::from(&config);
    let expected = ["training.save_every", "method.tasks", "method.tasks.ranks", "generation.beams.n_beams"];
    let found: BTreeSet<_> = shown(&form).into_iter().collect();
    assert_eq!(found, BTreeSet::from(expected));
    assert_eq!(form.further_text(setting("training.save_every"), &form.settings_tree()), "7");
    assert_eq!(form.check(Facts::default()).unwrap(), config);
}

#[test]
fn a_setting_is_found_by_its_name_its_name_elsewhere_or_what_it_does() {
    set_language(Language::English);
    let found = |wanted: &str, key: &str| super::ui::is_found(setting(key), wanted);
    assert!(found("save", "training.save_every") && found("save_steps", "training.save_every"));
    assert!(found("checkpoint steps", "training.save_every") && !found("beams", "training.save_every"));
}
