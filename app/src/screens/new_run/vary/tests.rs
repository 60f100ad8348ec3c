//! Tests of what a form with lists and several choices stands for.

use engine::config::{MethodConfig, PrefixInit, RunConfig};
use engine::experiment::Strategy;

use super::super::check::{Facts, Field, Issue};
use super::super::form::{LengthUnit, RunForm};
use super::*;
use crate::i18n::{Language, set_language};

fn form(change: impl FnOnce(&mut RunForm)) -> RunForm {
    let mut form = RunForm::default();
    (form.text.model, form.text.train) = ("/models/a".into(), "/data/records.jsonl".into());
    change(&mut form);
    form
}

fn list(form: &mut RunForm, key: &str, text: &str) {
    form.vary.lists.insert(key.to_owned(), text.to_owned());
}

fn variation(form: &RunForm) -> Result<Option<Variation>, Vec<Issue>> {
    let config = form.check(Facts::default())?;
    form.variation(&config, &Known::default())
}

fn runs(form: &RunForm) -> Vec<RunConfig> {
    let varied = variation(form).unwrap().expect("something varies");
    varied.runs.into_iter().map(|(_, run)| run).collect()
}

fn length(run: &RunConfig) -> usize {
    run.method.n_virtual()
}

#[test]
fn a_form_without_lists_is_a_run() {
    assert_eq!(variation(&form(|_| {})), Ok(None));
    for text in ["", "5", "5,", "  7 "] {
        assert_eq!(variation(&form(|form| list(form, "method.n_virtual", text))), Ok(None), "{text:?}");
    }
}

#[test]
fn lists_are_crossed_and_runs_are_named_by_what_differs() {
    let form = form(|form| {
        list(form, "method.n_virtual", "5, 10, 20");
        list(form, "seed", "1, 2");
    });
    let varied = variation(&form).unwrap().expect("something varies");
    assert_eq!(varied.experiment.name, "seed × n_virtual · records");
    let found: Vec<(usize, u64)> = varied.runs.iter().map(|(_, run)| (length(run), run.seed)).collect();
    assert_eq!(found, [(5, 1), (10, 1), (20, 1), (5, 2), (10, 2), (20, 2)]);
    assert!(varied.runs.iter().all(|(_, run)| run.training.learning_rate == 5e-3));
    let names: std::collections::BTreeSet<&str> = varied.runs.iter().map(|(_, run)| run.name.as_str()).collect();
    assert_eq!(names.len(), 6);
    assert!(names.iter().all(|name| !name.contains("records")), "{names:?}");
    assert!(varied.runs[0].0.name.contains("n_virtual 5") && varied.runs[0].0.name.contains("seed 1"));
}

#[test]
fn a_list_that_its_form_has_no_use_for_stays_and_varies_nothing() {
    let mut form = form(|form| {
        list(form, "method.n_virtual", "5, 10");
        list(form, "training.steps", "100, 200");
        list(form, "training.schedule.power", "1, 2");
        list(form, "lora.rank", "4, 8");
    });
    assert_eq!(runs(&form).len(), 2);
    form.tuning.kind = MethodKind::Lora;
    assert_eq!(variation(&form), Ok(None));
    form.memory.length_unit = LengthUnit::Steps;
    let steps: Vec<usize> = runs(&form).iter().map(|run| run.training.steps).collect();
    assert_eq!(steps, [100, 200]);
}

#[test]
fn rates_are_a_list_too_and_a_wrong_one_is_said_under_its_field() {
    let mut form = form(|form| form.text.learning_rate = "1e-4, 1e-3, 1e-2".into());
    let rates: Vec<f64> = runs(&form).iter().map(|run| run.training.learning_rate).collect();
    assert_eq!(rates, [1e-4, 1e-3, 1e-2]);
    form.vary_nothing();
    assert_eq!((form.text.learning_rate.as_str(), variation(&form)), ("1e-4", Ok(None)));
    form.text.learning_rate = "1e-4, fast".into();
    assert_eq!(variation(&form).unwrap_err()[0].field, Field::LearningRate);
    form.text.learning_rate = "1e-4".into();
    list(&mut form, "method.n_virtual", "5, many");
    assert_eq!(variation(&form).unwrap_err()[0].field, Field::List("method.n_virtual"));
}

#[test]
fn methods_are_held_against_each_other_each_with_its_own_lists_and_rate() {
    let form = form(|form| {
        form.vary.methods = vec![MethodKind::Lora, MethodKind::Prompt];
        list(form, "method.n_virtual", "5, 10");
        list(form, "method.rank", "2, 4, 8");
    });
    let varied = variation(&form).unwrap().expect("something varies");
    let names: Vec<&str> = varied.runs.iter().map(|(member, _)| member.name.as_str()).collect();
    assert_eq!(names, ["prefix 5", "prefix 10", "prompt 5", "prompt 10", "LoRA 2", "LoRA 4", "LoRA 8"]);
    let rates: Vec<f64> = varied.runs.iter().map(|(_, run)| run.training.learning_rate).collect();
    assert_eq!((rates[0], rates[2], rates[4]), (5e-3, 1e-3, 2e-4), "as suits each of them");
    let mut typed = form.clone();
    (typed.rate_edited, typed.text.learning_rate) = (true, "0.01".into());
    assert!(runs(&typed).iter().all(|run| run.training.learning_rate == 0.01), "somebody typed it");
}

#[test]
fn initial_values_models_and_datasets_vary() {
    let with_inits = form(|form| form.vary.inits = vec![InitKind::Zero, InitKind::Uniform, InitKind::Words]);
    let inits: Vec<PrefixInit> = runs(&with_inits)
        .iter()
        .map(|run| match &run.method {
            MethodConfig::Prefix(prefix) => prefix.init.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    let uniform = PrefixInit::Uniform { bound: 0.5 };
    assert_eq!(inits, [PrefixInit::ScaledRandom, PrefixInit::Zero, uniform], "words would have to be typed");
    let with_rows = form(|form| {
        let rows = OtherRows { train: "/data/others.jsonl".into(), validation: Some("/data/dev.jsonl".into()) };
        form.vary.datasets = vec![rows];
    });
    let found = runs(&with_rows);
    assert_eq!(found[0].data.validation, None);
    assert_eq!(found[1].data.train, std::path::Path::new("/data/others.jsonl"));
    assert_eq!(found[1].data.validation.as_deref(), Some(std::path::Path::new("/data/dev.jsonl")));
    assert!(found[1].name.starts_with("others"), "{}", found[1].name);
    let config = form(|_| {}).check(Facts::default()).unwrap();
    let known = Known { others: vec![("/models/b".into(), None)], ..Known::default() };
    let varied = form(|_| {}).variation(&config, &known).unwrap().expect("two models");
    assert_eq!(varied.runs.len(), 2);
    assert_eq!(varied.runs[1].1.model, std::path::Path::new("/models/b"));
}

#[test]
fn some_combinations_are_drawn_and_halving_needs_steps() {
    let mut form = form(|form| {
        list(form, "seed", "1 .. 10");
        list(form, "method.n_virtual", "5, 10");
        form.vary.strategy = StrategyForm { kind: StrategyKind::Random, runs: 7, ..StrategyForm::default() };
    });
    assert_eq!(runs(&form).len(), 7);
    form.vary.strategy = StrategyForm { kind: StrategyKind::Halving, runs: 0, ..StrategyForm::default() };
    set_language(Language::English);
    let issue = &variation(&form).unwrap_err()[0];
    assert!(issue.field == Field::Epochs && issue.sentence.contains("in steps"), "{issue:?}");
    (form.memory.length_unit, form.config.training.steps) = (LengthUnit::Steps, 900);
    let varied = variation(&form).unwrap().expect("something varies");
    assert_eq!(varied.runs.len(), 20);
    assert!(matches!(varied.experiment.strategy, Strategy::Halving { factor: 3, first_steps: 100, runs: None, .. }));
    list(&mut form, "training.steps", "900, 1800");
    assert!(variation(&form).is_err(), "they could not be held against each other");
}

#[test]
fn values_that_are_alike_are_no_experiment() {
    for text in ["5, 5", "5 .. 5"] {
        let issue = &variation(&form(|form| list(form, "method.n_virtual", text))).unwrap_err()[0];
        assert_eq!(issue.field, Field::List("method.n_virtual"), "{text}");
    }
    assert_eq!(runs(&form(|form| list(form, "method.n_virtual", "5, 10, 5"))).len(), 2);
}

#[test]
fn too_many_combinations_are_refused_with_their_number() {
    set_language(Language::English);
    let form = form(|form| {
        list(form, "seed", "1 .. 100");
        list(form, "method.n_virtual", "1 .. 100");
    });
    let issue = &variation(&form).unwrap_err()[0];
    assert!(issue.sentence.contains("10,000"), "{issue:?}");
}
