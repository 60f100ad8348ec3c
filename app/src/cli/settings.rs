//! Settings of a run as `--set` and run files say them: trees of values by dotted path, checked against the schema.

use engine::config::RunConfig;
use engine::config::schema::{Kind, SETTINGS, Setting};
use engine::sentence;
use serde_json::{Map, Value};

use super::error::CliError;

/// Pairs of which one being said leaves the other out, whatever a preset or the starter has.
pub(super) const RIVALS: [(&str, &str); 2] =
    [("training.steps", "training.epochs"), ("training.warmup_steps", "training.warmup_share")];

/// Names of other programs, for the question "did you mean".
const OTHER_NAMES: [(&str, &str); 15] = [
    ("lr", "training.learning_rate"),
    ("prefix_length", "method.n_virtual"),
    ("num_virtual_tokens", "method.n_virtual"),
    ("prefix_projection", "method.reparameterisation.width"),
    ("encoder_hidden_size", "method.reparameterisation.width"),
    ("mid_dim", "method.reparameterisation.width"),
    ("warmup", "training.warmup_steps"),
    ("warmup_ratio", "training.warmup_share"),
    ("lr_scheduler_type", "training.schedule"),
    ("optim", "training.optimizer"),
    ("max_steps", "training.steps"),
    ("batch", "training.batch_size"),
    ("gradient_accumulation_steps", "training.accumulation"),
    ("max_grad_norm", "training.clip_norm"),
    ("max_length", "data.max_tokens"),
];

/// The setting of that name.
pub(super) fn find(key: &str) -> Result<&'static Setting, CliError> {
    Setting::find(key).ok_or_else(|| {
        let advice = match nearest(key) {
            Some(near) => format!("Did you mean {near}?"),
            None => "prefix-workbench train --print-config lists all settings".to_owned(),
        };
        CliError::usage(sentence!("there is no setting {key:?}", key), advice)
    })
}

fn nearest(key: &str) -> Option<&'static str> {
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let name = last(key);
    let exact = SETTINGS.iter().map(|setting| setting.key).find(|known| last(known) == name);
    let other = OTHER_NAMES.iter().find(|(theirs, _)| *theirs == name).map(|(_, ours)| *ours);
    exact.or(other).or_else(|| {
        let score = |known: &str| similarity(&name, &last(known)).max(similarity(key, known));
        let best = SETTINGS.iter().map(|setting| (score(setting.key), setting.key));
        best.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(score, _)| *score >= 0.6).map(|(_, known)| known)
    })
}

fn similarity(a: &str, b: &str) -> f32 {
    similar::TextDiff::from_chars(a, b).ratio()
}

/// `key=value` into a tree of settings.
pub(super) fn assign(tree: &mut Value, assignment: &str) -> Result<(), CliError> {
    let Some((key, text)) = assignment.split_once('=') else {
        return Err(CliError::usage(
            sentence!("{assignment:?} sets nothing", assignment),
            sentence!("Write --set key=value"),
        ));
    };
    let setting = find(key.trim())?;
    // In `key = text` the space before the text belongs to the sign.
    let text = if key.ends_with(' ') { text.strip_prefix(' ').unwrap_or(text) } else { text };
    put(tree, setting.key, read_value(setting.kind, text));
    Ok(())
}

/// As TOML reads it where that makes sense; quotes are not needed.
fn read_value(kind: Kind, text: &str) -> Value {
    let trimmed = text.trim();
    let quoted = trimmed.len() >= 2 && (trimmed.starts_with('"') || trimmed.starts_with('\''));
    let as_is = || Value::String(text.to_owned());
    let text = trimmed;
    let as_toml = || text.parse::<toml::Value>().ok().and_then(|value| serde_json::to_value(value).ok());
    let as_text = || Value::String(text.to_owned());
    match kind {
        Kind::Words if quoted => as_toml().unwrap_or_else(as_is),
        Kind::Words => as_is(),
        Kind::Text | Kind::Path if !quoted => as_text(),
        _ => as_toml().unwrap_or_else(as_text),
    }
}

/// Tables on the way are made; what is no table on the way is replaced, and a name there is the table's type.
pub(super) fn put(tree: &mut Value, key: &str, value: Value) {
    let mut place = tree;
    let mut above = String::new();
    for part in key.split('.') {
        if !place.is_object() {
            let tag = format!("{above}.type");
            let named = place.is_string() && SETTINGS.iter().any(|setting| setting.key == tag);
            let name = place.take();
            *place = Value::Object(Map::new());
            if named {
                place["type"] = name;
            }
        }
        above = if above.is_empty() { part.to_owned() } else { format!("{above}.{part}") };
        place = &mut place[part];
    }
    *place = value;
}

/// What is at a dotted path.
pub(super) fn at<'a>(tree: &'a Value, key: &str) -> Option<&'a Value> {
    key.split('.').try_fold(tree, |place, part| place.get(part))
}

/// Refuses unknown keys, and brings the short forms into the form of [`RunConfig`]: `"none"`, `init = "zero"`, a
/// method without its type.
pub(super) fn normalise(tree: &mut Value) -> Result<(), CliError> {
    check_keys(tree, "")?;
    for setting in SETTINGS.iter().filter(|setting| setting.optional) {
        let says = |word: &str| at(tree, setting.key).and_then(Value::as_str) == Some(word);
        let off = at(tree, setting.key) == Some(&Value::Bool(false));
        if says("none") || (setting.kind == Kind::Table && off) {
            put(tree, setting.key, Value::Null);
        } else if setting.kind == Kind::Table && at(tree, setting.key) == Some(&Value::Bool(true)) {
            put(tree, setting.key, Value::Object(Map::new()));
        }
    }
    for key in ["method", "method.init", "method.tasks.init", "lora.init", "training.schedule", "training.optimizer"] {
        if let Some(Value::String(name)) = at(tree, key) {
            let name = name.clone();
            put(tree, key, Value::Object(Map::from_iter([("type".to_owned(), Value::String(name))])));
        }
    }
    if at(tree, "method").is_some() && at(tree, "method.type").is_none() {
        put(tree, "method.type", "prefix".into());
    }
    if at(tree, "method.init").is_some() && at(tree, "method.init.type").is_none() {
        let kind = if at(tree, "method.init.path").is_some() { "adapter" } else { "words" };
        put(tree, "method.init.type", kind.into());
    }
    if at(tree, "lora.init.path").is_some() && at(tree, "lora.init.type").is_none() {
        put(tree, "lora.init.type", "adapter".into());
    }
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
pub(super) fn to_config(tree: &Value) -> Result<RunConfig, CliError> {
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
    use engine::config::{OptimizerConfig, PrefixInit, Schedule, SgdConfig};
    use engine::models::Site;
    use serde_json::json;

    use super::*;

    fn set(assignments: &[&str]) -> Result<RunConfig, CliError> {
        let mut tree = json!({"model": "m", "data": {"train": "t.jsonl"}});
        assignments.iter().try_for_each(|assignment| assign(&mut tree, assignment))?;
        normalise(&mut tree)?;
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
            "training.clip_norm=none",
            "training.schedule=polynomial",
            "training.schedule.power=2",
            "training.optimizer=sgd",
            "training.optimizer.momentum=0.9",
            "training.warmup_share=0.06",
            "data.prompt_template={{ name }}: ",
            "method.n_virtual=5",
            "method.reparameterisation.width=64",
            "method.sites=[\"encoder\", \"cross\"]",
            "name=20",
            "device=wgpu:1",
        ])
        .unwrap();
        assert_eq!(
            (config.training.steps, config.training.learning_rate, config.training.clip_norm),
            (300, 1e-3, None)
        );
        assert_eq!((config.data.prompt_template.as_str(), config.name.as_str()), ("{{ name }}: ", "20"));
        assert_eq!(config.training.schedule, Schedule::Polynomial { power: 2.0, end_rate: 1e-7 });
        let sgd = SgdConfig { momentum: 0.9, ..SgdConfig::default() };
        assert_eq!(config.training.optimizer, OptimizerConfig::Sgd(sgd));
        assert_eq!(config.training.warmup_share, 0.06);
        let prefix = config.method.prefix().unwrap().clone();
        assert_eq!((prefix.n_virtual, prefix.reparameterisation.unwrap().width), (5, 64));
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
        let config = set(&["method.reparameterisation=true"]).unwrap();
        assert_eq!(config.method.prefix().unwrap().clone().reparameterisation.unwrap().width, 512);
    }

    #[test]
    fn an_unknown_setting_gets_the_nearest_name() {
        assert_eq!(
            sentence(&["training.stepps=3"]),
            "there is no setting \"training.stepps\". Did you mean training.steps?"
        );
        assert!(sentence(&["lr=3"]).ends_with("Did you mean training.learning_rate?"));
        assert!(sentence(&["steps=3"]).ends_with("Did you mean training.steps?"));
        assert!(sentence(&["num_virtual_tokens=3"]).ends_with("Did you mean method.n_virtual?"));
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
            ("method.reparameterisation.activation=swish", "method.reparameterisation.activation"),
            ("device=tpu", "device"),
            ("data.append_end_token=perhaps", "data.append_end_token"),
        ] {
            let said = sentence(&["training.epochs=2", assignment]);
            assert!(said.starts_with(key), "{said}");
        }
    }
}
