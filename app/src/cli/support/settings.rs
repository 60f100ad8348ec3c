//! Settings of a run as `--set` and run files say them: trees of values by dotted path, checked against the schema.

use engine::config::RunConfig;
use engine::config::schema::{self, Kind, Names, SETTINGS, Setting};
pub(in crate::cli) use engine::config::schema::{RIVALS, at, put};
use engine::sentence;
use serde_json::{Map, Value};

use crate::cli::support::error::CliError;
use crate::typed_value::read_value;

/// The setting of that name.
fn find(key: &str) -> Result<&'static Setting, CliError> {
    Setting::find(key).ok_or_else(|| unknown(key))
}

fn unknown(key: &str) -> CliError {
    let advice = match schema::nearest(key) {
        Some(near) => format!("Did you mean {near}?"),
        None => "prefix-workbench train --print-config lists all settings".to_owned(),
    };
    CliError::usage(sentence!("there is no setting {key:?}", key), advice)
}

/// `key=value`, one after another, into a tree of settings: later ones over earlier ones, under any names.
pub(in crate::cli) fn assign(tree: &mut Value, assignments: &[String], names: &mut Names) -> Result<(), CliError> {
    names.next_source();
    for assignment in assignments {
        let (name, text) = split(assignment)?;
        let Some(kind) = names.kind(name)? else { return Err(unknown(name)) };
        say(tree, name, read_value(kind, text), names)?;
    }
    Ok(())
}

/// A value under any name into a tree of settings.
pub(in crate::cli) fn say(tree: &mut Value, name: &str, value: Value, names: &mut Names) -> Result<(), CliError> {
    for (key, value) in names.read(name, value)?.ok_or_else(|| unknown(name))? {
        schema::say(tree, key, value);
    }
    Ok(())
}

/// Name and value of `key=value`.
fn split(assignment: &str) -> Result<(&str, &str), CliError> {
    let Some((name, text)) = assignment.split_once('=') else {
        return Err(CliError::usage(
            sentence!("{assignment:?} sets nothing", assignment),
            sentence!("Write --set key=value"),
        ));
    };
    // In `key = text` the space before the text belongs to the sign.
    let text = if name.ends_with(' ') { text.strip_prefix(' ').unwrap_or(text) } else { text };
    Ok((name.trim(), text))
}

/// The type of method that assignments ask for, if one does.
pub(in crate::cli) fn method_of(assignments: &[String]) -> Option<String> {
    let mut tree = Value::Object(Map::new());
    for (name, text) in assignments.iter().filter_map(|assignment| split(assignment).ok()) {
        if ["method", "method.type", "peft_type", "method.peft_type"].contains(&name) {
            put(&mut tree, name, text.trim().into());
        }
    }
    schema::method_of(&tree)
}

/// Whether one of the assignments says a setting, under whatever name.
pub(in crate::cli) fn says(assignments: &[String], key: &str) -> bool {
    assignments.iter().filter_map(|assignment| split(assignment).ok()).any(|(name, _)| {
        let last = name.rsplit('.').next().unwrap_or(name);
        let aliases = Setting::find(key).map_or(&[][..], |setting| setting.aliases);
        schema::current(name) == key || aliases.iter().any(|alias| alias.name == last)
    })
}

/// Refuses unknown keys, and writes short forms out.
pub(in crate::cli) fn normalize(tree: &mut Value) -> Result<(), CliError> {
    check_keys(tree, "")?;
    schema::write_out(tree);
    Ok(())
}

fn check_keys(tree: &Value, above: &str) -> Result<(), CliError> {
    let Value::Object(table) = tree else { return Ok(()) };
    table.iter().try_for_each(|(name, value)| {
        let key = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        match find(&key)?.kind {
            Kind::Table | Kind::Text | Kind::Words | Kind::Path => check_keys(value, &key),
            // A value with names of its own is no table of settings.
            _ => Ok(()),
        }
    })
}

/// The tree as a configuration, with the setting's name in the sentence when a value does not fit.
pub(in crate::cli) fn to_config(tree: &Value) -> Result<RunConfig, CliError> {
    serde_json::from_value(tree.clone()).map_err(|error| {
        let culprit = SETTINGS.iter().filter(|setting| setting.kind != Kind::Table).find_map(|setting| {
            let value = at(tree, setting.key)?;
            let error = alone(tree, setting.key, value).err()?;
            Some(CliError::usage(
                sentence!("{setting} = {value} cannot be: {error}", setting = setting.key, value, error),
                format!("{}: {}", setting.key, setting.help),
            ))
        });
        culprit.unwrap_or_else(|| {
            CliError::usage(
                sentence!("the settings do not fit together: {error}", error),
                sentence!("Correct the settings"),
            )
        })
    })
}

/// One setting, everything else at its default.
fn alone(tree: &Value, key: &str, value: &Value) -> serde_json::Result<RunConfig> {
    let mut only = serde_json::json!({"model": "", "data": {"train": ""}});
    if key.starts_with("method.") && key != "method.type" {
        let method = at(tree, "method.type").cloned().unwrap_or_else(|| "prefix".into());
        put(&mut only, "method.type", method);
    }
    for table in ["method", "method.init", "training.schedule", "training.optimizer"] {
        let tag = format!("{table}.type");
        if key.starts_with(&format!("{table}."))
            && key != tag
            && let Some(tag_value) = at(tree, &tag)
        {
            put(&mut only, &tag, tag_value.clone());
        }
    }
    if key.starts_with("method.init") && at(tree, "method.init.text").is_some() {
        put(&mut only, "method.init.text", "text".into());
    }
    for (table, path) in [("method.init", "method.init.path"), ("lora.init", "lora.init.path")] {
        if key.starts_with(table) && at(tree, path).is_some() {
            put(&mut only, path, "path".into());
        }
    }
    put(&mut only, key, value.clone());
    serde_json::from_value(only)
}

#[cfg(test)]
mod tests {
    use engine::config::schema::{Alias, Given, Literal, Reading, Word};
    use engine::config::{OptimizerConfig, PrefixInit, Schedule, SgdConfig};
    use engine::models::Site;
    use serde_json::json;

    use super::*;

    fn set(assignments: &[&str]) -> Result<RunConfig, CliError> {
        let mut tree = json!({"model": "m", "data": {"train": "t.jsonl"}});
        let assignments: Vec<String> = assignments.iter().map(|&assignment| assignment.to_owned()).collect();
        let mut names = Names::of_method(&method_of(&assignments).unwrap_or_else(|| "prefix".to_owned()));
        assign(&mut tree, &assignments, &mut names)?;
        normalize(&mut tree)?;
        names.finish(&mut tree)?;
        to_config(&tree)
    }

    fn sentence(assignments: &[&str]) -> String {
        set(assignments).unwrap_err().to_string()
    }

    #[test]
    fn any_setting_can_be_set() {
        let config = set(&[
            "training.steps=300",
            "training.learning_rate = 1e-3",
            "training.max_grad_norm=none",
            "training.schedule=polynomial",
            "training.schedule.power=2",
            "training.optimizer=sgd",
            "training.optimizer.momentum=0.9",
            "training.warmup_ratio=0.06",
            "data.prompt_template={{ name }}: ",
            "method.n_virtual=5",
            "method.reparameterization.width=64",
            "method.sites=[\"encoder\", \"cross\"]",
            "name=20",
            "device=wgpu:1",
        ])
        .unwrap();
        assert_eq!(
            (config.training.steps, config.training.learning_rate, config.training.max_grad_norm),
            (300, 1e-3, None)
        );
        assert_eq!((config.data.prompt_template.as_str(), config.name.as_str()), ("{{ name }}: ", "20"));
        assert_eq!(config.training.schedule, Schedule::Polynomial { power: 2.0, end_rate: 1e-7 });
        let sgd = SgdConfig { momentum: 0.9, ..SgdConfig::default() };
        assert_eq!(config.training.optimizer, OptimizerConfig::Sgd(sgd));
        assert_eq!(config.training.warmup_ratio, 0.06);
        let prefix = config.method.prefix().unwrap().clone();
        assert_eq!((prefix.n_virtual, prefix.reparameterization.unwrap().width), (5, Some(64)));
        assert_eq!(prefix.sites, Some(vec![Site::Encoder, Site::Cross]));
        assert_eq!(config.device.to_string(), "wgpu:1");
    }

    #[test]
    fn white_space_in_a_text_for_the_model_is_kept() {
        let template = |assignment: &str| set(&[assignment]).unwrap().data.prompt_template;
        assert_eq!(template("data.prompt_template=User: {{ source }}\nAssistant: "), "User: {{ source }}\nAssistant: ");
        assert_eq!(template("data.prompt_template = {{ source }} "), "{{ source }} ", "one space belongs to the sign");
        assert_eq!(template("data.prompt_template=\" {{ source }}\\n\""), " {{ source }}\n", "as TOML writes it");
        assert_eq!(template("data.prompt_template= "), " ");
        let config = set(&["method.init.text= a ", "name= b ", "device= cpu "]).unwrap();
        let words = PrefixInit::Words { text: " a ".to_owned() };
        assert_eq!((&config.method.prefix().unwrap().init, config.name.as_str()), (&words, "b"));
    }

    #[test]
    fn short_forms_are_understood() {
        let init = |assignments: &[&str]| set(assignments).unwrap().method.prefix().unwrap().init.clone();
        assert_eq!(init(&["method.init=zero"]), PrefixInit::Zero);
        assert_eq!(init(&["method.init.text=a table to text"]), PrefixInit::Words { text: "a table to text".into() });
        assert_eq!(init(&["method.init.path=runs/a"]), PrefixInit::Adapter { path: "runs/a".into() });
        let config = set(&["method.reparameterization=true"]).unwrap();
        assert_eq!(config.method.prefix().unwrap().clone().reparameterization.unwrap().width, Some(512));
    }

    /// Values of a setting, as one types them.
    fn values(setting: &Setting) -> Vec<String> {
        let plain = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        match setting.kind {
            Kind::Count(least, most) => [least.max(1), 7, 31].map(|n| n.clamp(least, most).to_string()).to_vec(),
            Kind::Number(..) => plain(&["0.5", "0.25", "1e-4"]),
            Kind::Flag => plain(&["true", "false"]),
            Kind::Choice(words) => plain(words),
            Kind::Text | Kind::Words | Kind::Path => plain(&["/a"]),
            Kind::Entries("list of names") => plain(&["[\"c_attn\", \"c_fc\"]"]),
            Kind::Entries(_) => plain(&["{c_attn = 4}"]),
            Kind::Table => plain(&["true", "false"]),
        }
    }

    /// Values of a name, each with assignments that say the same under our names.
    fn pairs(setting: &Setting, alias: &Alias) -> Vec<(String, Vec<String>)> {
        let one = |theirs: &str, ours: &str| (theirs.to_owned(), vec![format!("{}={ours}", setting.key)]);
        match alias.reading {
            Reading::Same | Reading::Switch => values(setting).iter().map(|value| one(value, value)).collect(),
            Reading::Modules => values(setting).iter().map(|value| one(value, value)).collect(),
            Reading::ZeroIsNone => vec![one("0", "none"), one("0.0", "none"), one("0.5", "0.5")],
            Reading::NotBelowZero => vec![one("-1", "0"), one("0", "0"), one("5", "5")],
            Reading::Steps => vec![one("1", "1"), one("500", "500")],
            Reading::StepsOrShare(share) => {
                vec![one("0", "0"), one("9", "9"), ("0.1".to_owned(), vec![format!("{share}=0.1")])]
            }
            Reading::IfTrue(word) => vec![one("true", word), ("false".to_owned(), Vec::new())],
            Reading::OnlyTrue(word) => vec![one("true", word)],
            Reading::Tokens => vec![one("[1, 2]", "{\"\" = [1, 2]}"), one("{wte = [1]}", "{wte = [1]}")],
            Reading::Words(words) => {
                let says = |(key, literal): &(&str, Literal)| match literal {
                    Literal::Word(word) => format!("{key}={word}"),
                    Literal::Flag(flag) => format!("{key}={flag}"),
                    Literal::Count(count) => format!("{key}={count}"),
                    Literal::Table => format!("{key}=true"),
                };
                let line = |word: &Word| (word.theirs.to_owned(), word.says.iter().map(says).collect());
                words.iter().map(line).collect()
            }
        }
    }

    #[test]
    fn every_name_of_transformers_and_peft_says_what_the_setting_says() {
        let mut compared = 0;
        for setting in SETTINGS {
            for alias in setting.aliases {
                let method = match alias.given {
                    Given::Types("method.type", methods) => methods.first(),
                    _ => setting.methods.last(),
                };
                let mut around: Vec<String> =
                    method.map(|method| format!("method.type={method}")).into_iter().collect();
                if let Given::Table = alias.given {
                    around.push(format!("{}=true", setting.table()));
                }
                if alias.name.starts_with("prompt_tuning_init") {
                    let text = if alias.name.ends_with("text") { "type=words" } else { "text=a" };
                    around.push(format!("method.init.{text}"));
                }
                let name = if setting.key.starts_with("lora.") {
                    format!("lora.{}", alias.name)
                } else {
                    alias.name.to_owned()
                };
                for (theirs, ours) in pairs(setting, alias) {
                    let run = |said: &[String]| {
                        let all: Vec<&str> = around.iter().chain(said).map(String::as_str).collect();
                        // Some initial values have no text.
                        let plain: Vec<&str> =
                            all.iter().copied().filter(|said| !said.starts_with("method.init.text")).collect();
                        set(&all).or_else(|_| set(&plain)).map_err(|error| error.to_string())
                    };
                    let theirs = [format!("{name}={theirs}")];
                    let (theirs_run, ours_run) = (run(&theirs), run(&ours));
                    assert!(ours_run.is_ok(), "{ours:?}: {ours_run:?}");
                    assert_eq!(theirs_run, ours_run, "{theirs:?} and {ours:?}");
                    compared += 1;
                }
            }
        }
        assert!(compared > 100, "{compared}");
    }

    #[test]
    fn an_unknown_setting_gets_the_nearest_name() {
        assert_eq!(
            sentence(&["training.stepps=3"]),
            "there is no setting \"training.stepps\". Did you mean training.steps?"
        );
        assert!(sentence(&["learning_rates=3"]).ends_with("Did you mean training.learning_rate?"));
        assert!(sentence(&["steps=3"]).ends_with("Did you mean training.steps?"));
        assert!(sentence(&["num_virtual_token=3"]).ends_with("Did you mean method.n_virtual?"));
        assert!(sentence(&["qqqq=3"]).contains("--print-config"));
        assert!(sentence(&["training.steps"]).contains("--set key=value"));
    }

    #[test]
    fn a_value_that_does_not_fit_is_named() {
        for (assignment, key) in [
            ("training.steps=many", "training.steps"),
            ("training.steps=-1", "training.steps"),
            ("training.schedule=wild", "training.schedule.type"),
            ("training.optimizer=lion", "training.optimizer.type"),
            ("training.optimizer.momentum=0.9", "training.optimizer.momentum"),
            ("training.optimizer.beta2=fast", "training.optimizer.beta2"),
            ("method.init.type=magic", "method.init.type"),
            ("method.sites=[\"middle\"]", "method.sites"),
            ("method.type=telepathy", "method.type"),
            ("method.reparameterization.activation=swish", "method.reparameterization.activation"),
            ("device=tpu", "device"),
            ("data.append_end_token=perhaps", "data.append_end_token"),
        ] {
            let said = sentence(&["training.epochs=2", assignment]);
            assert!(said.starts_with(key), "{said}");
        }
    }
}
