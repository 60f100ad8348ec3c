//! Run files: a [`RunConfig`] as TOML, in and out. Relative paths in a file are relative to the file.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use engine::config::RunConfig;
use engine::config::schema::{self, Kind, Names, SETTINGS, Setting};
use engine::recipes::{Form, Recipe, Scale, recommended_learning_rate};
use engine::sentence;
use serde_json::Value;

use crate::cli::support::error::CliError;
use crate::cli::support::models::{model_folder, rows_path};
use crate::cli::support::settings::{self, RIVALS};
use crate::home::at_home;
use crate::workspace::Assets;

/// The settings of a file under the names that it has for them.
pub(crate) fn parse(file: &Path) -> Result<Value, CliError> {
    let text = fs::read_to_string(file).map_err(|error| CliError::io("read", file, &error))?;
    if file.extension().is_some_and(|extension| extension == "json") {
        return serde_json::from_str(&text).map_err(|error| {
            CliError::usage(
                sentence!("the run file is not JSON: {error} ({file})", error, file),
                sentence!("Correct the file"),
            )
        });
    }
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        CliError::usage(
            sentence!("the run file is not TOML: {error} ({file})", error = first_line(&error.to_string()), file),
            sentence!("Correct the file; prefix-workbench train --print-config writes a complete one"),
        )
    })?;
    serde_json::to_value(table).map_err(|error| {
        CliError::usage(sentence!("the run file cannot be understood: {error}", error), sentence!("Correct the file"))
    })
}

/// A tree of [`parse`] under our names, with paths from the file's folder on.
pub(crate) fn settle(tree: Value, file: &Path, names: &mut Names) -> Result<Value, CliError> {
    let mut tree = names.read_tree(tree)?;
    let folder = std::path::absolute(file).ok().and_then(|file| file.parent().map(Path::to_owned));
    make_absolute(&mut tree, &folder.unwrap_or_default());
    Ok(tree)
}

/// Puts a base before the relative paths of a tree, and the user's folder in place of `~`; a model may be named by its id on the hub.
pub(crate) fn make_absolute(tree: &mut Value, base: &Path) {
    for setting in SETTINGS.iter().filter(|setting| setting.kind == Kind::Path) {
        let path = settings::at(tree, setting.key).and_then(Value::as_str).map(|path| at_home(Path::new(path)));
        let keeps = |path: &PathBuf| path.as_os_str().is_empty() || (setting.optional && path == Path::new("none"));
        if let Some(path) = path.filter(|path| !keeps(path)) {
            let by_name = setting.key == "model" && path.is_relative();
            let found = match setting.key {
                _ if by_name => model_folder(&path, base),
                "data.train" | "data.validation" => rows_path(&path, base),
                _ => base.join(path),
            };
            settings::put(tree, setting.key, found.to_string_lossy().into());
        }
    }
    for dataset in tree.pointer_mut("/data/more").and_then(Value::as_array_mut).into_iter().flatten() {
        for key in ["train", "validation"] {
            let path = dataset.get(key).and_then(Value::as_str).map(|path| at_home(Path::new(path)));
            if let Some(path) = path {
                settings::put(dataset, key, rows_path(&path, base).to_string_lossy().into());
            }
        }
    }
}

/// The configuration of a tree. One that names neither model nor rows is the starter run with other settings; in any
/// other, what is not said is the default, and the model or the dataset the starter's. A recipe comes before both.
pub(crate) fn complete(
    mut tree: Value,
    recipe: Option<&Recipe>,
    names: &Names,
    assets: &Assets,
) -> Result<RunConfig, CliError> {
    settings::normalize(&mut tree)?;
    if let Some(recipe) = recipe {
        fill(&mut tree, &recipe.settings());
    }
    // What is not said means another thing in the folder of a run: there it was made before these could be said.
    for (key, usual) in [
        ("data.begin_token", "tokenizer".into()),
        ("data.truncate", "longest_first".into()),
        ("data.form", "auto".into()),
        ("data.references", "each".into()),
        ("data.split_seed", 0.into()),
        ("training.epoch_end", "smaller_step".into()),
        ("training.weight_decay_on", "matrices".into()),
    ] {
        if settings::at(&tree, key).is_none() {
            settings::put(&mut tree, key, usual);
        }
    }
    let mut rate_is_known = settings::at(&tree, "training.learning_rate").is_some();
    if settings::at(&tree, "model").is_none() && settings::at(&tree, "data.train").is_none() {
        let mut starter = serde_json::to_value(assets.starter_run()?).unwrap_or_default();
        // Another method has other settings.
        let method = settings::at(&tree, "method.type");
        if method.is_some() && method != settings::at(&starter, "method.type") {
            settings::put(&mut starter, "method", Value::Null);
        } else {
            rate_is_known = true;
        }
        fill(&mut tree, &starter);
    }
    if settings::at(&tree, "model").is_none() {
        settings::put(&mut tree, "model", assets.model()?.to_string_lossy().into());
    }
    if settings::at(&tree, "data.train").is_none() {
        let (train, validation) = assets.dataset("records")?;
        settings::put(&mut tree, "data.train", train.to_string_lossy().into());
        if settings::at(&tree, "data.validation").is_none() {
            settings::put(&mut tree, "data.validation", validation.to_string_lossy().into());
        }
    }
    names.finish(&mut tree)?;
    let mut config = settings::to_config(&tree)?;
    if !rate_is_known {
        config.training.learning_rate = usual_rate(&config, assets);
    }
    config.check()?;
    if let Some(recipe) = recipe {
        recipe.check(&config.method, config.task)?;
    }
    Ok(engine::data::settled(config)?)
}

/// The rate that is taken where none is said: the starter is small, any other model is not known before it is read.
fn usual_rate(config: &RunConfig, assets: &Assets) -> f64 {
    let is_starter = assets.model().is_ok_and(|starter| starter == config.model);
    let scale = if is_starter { Scale::Small } else { Scale::Usual };
    recommended_learning_rate(Form::of(&config.method, config.task), &config.training.optimizer, scale)
}

/// Takes what is not said from other settings, but for the name.
fn fill(tree: &mut Value, others: &Value) {
    let said = tree.clone();
    for Setting { key, .. } in SETTINGS.iter().filter(|setting| setting.key != "name") {
        let rival = RIVALS.iter().find_map(|(a, b)| match *key {
            key if key == *a => Some(*b),
            key if key == *b => Some(*a),
            _ => None,
        });
        let ruled_out = rival.is_some_and(|rival| settings::at(&said, rival).is_some());
        if let Some(value) = settings::at(others, key).filter(|_| !ruled_out && leaves_open(tree, others, key)) {
            settings::put(tree, key, value.clone());
        }
    }
}

/// Whether a tree neither has a setting nor a table around it that is switched off, or of another type than there.
fn leaves_open(tree: &Value, others: &Value, key: &str) -> bool {
    let tables = key.match_indices('.').map(|(end, _)| &key[..end]);
    let same = |table: &str| {
        let tag = format!("{table}.type");
        let types = (settings::at(tree, &tag), settings::at(others, &tag));
        settings::at(tree, table).is_none_or(Value::is_object) && (types.0.is_none() || types.0 == types.1)
    };
    settings::at(tree, key).is_none() && tables.into_iter().all(same)
}

/// Reads a run file, for the window's "open".
///
/// # Errors
/// [`CliError::Usage`] with the setting that is unknown or cannot be.
pub fn read(file: &Path, assets: &Assets) -> Result<RunConfig, CliError> {
    let said = parse(file)?;
    let mut names = schema::method_of(&said).map_or_else(Names::default, |method| Names::of_method(&method));
    complete(settle(said, file, &mut names)?, None, &names, assets)
}

/// The whole configuration as TOML, each setting with a word on what it is. [`read`] gives the same back.
pub fn write(config: &RunConfig) -> String {
    let tree = serde_json::to_value(config).unwrap_or_default();
    let mut text = String::from("# A run of the Prefix Workbench: prefix-workbench train THIS_FILE\n");
    for setting in SETTINGS {
        let Some(value) = settings::at(&tree, setting.key) else { continue };
        let name = setting.key.rsplit('.').next().unwrap_or_default();
        // Writing into a string cannot fail.
        let help = explained(setting);
        match (setting.kind, value) {
            (Kind::Table, Value::Object(_)) => writeln!(text, "\n# {help}\n[{}]", setting.key),
            (_, Value::Null) => writeln!(text, "{name} = \"none\" # {help}"),
            _ => writeln!(text, "{name} = {} # {help}", as_toml(value)),
        }
        .unwrap_or_default();
    }
    text
}

/// Help of a setting, with its other names.
fn explained(setting: &Setting) -> String {
    let names: Vec<&str> =
        setting.aliases.iter().map(|alias| alias.name).filter(|name| *name != setting.name()).collect();
    match names.as_slice() {
        [] => setting.help.to_owned(),
        names => format!("{} (also {})", setting.help, names.join(", ")),
    }
}

/// The command that computes the same as a configuration: only what differs from the starter run is named.
pub fn command(config: &RunConfig, assets: &Assets) -> String {
    let starter = assets.starter_run().ok().and_then(|config| serde_json::to_value(config).ok()).unwrap_or_default();
    let plain = RunConfig::new(PathBuf::new(), engine::config::DataConfig::new(""));
    let plain = serde_json::to_value(plain).unwrap_or_default();
    let tree = serde_json::to_value(config).unwrap_or_default();
    let own = |key: &str| settings::at(&tree, key) != settings::at(&starter, key);
    let (own_model, own_data) = (own("model"), own("data.train"));
    let usual_rate = Value::from(usual_rate(config, assets));
    let mut text = String::from("prefix-workbench train");
    for setting in SETTINGS.iter().filter(|setting| setting.kind != Kind::Table || setting.optional) {
        let is_starters = match setting.key {
            "model" => true,
            key => !own_data && (!own_model || key.starts_with("data.")),
        };
        let by = if is_starters { &starter } else { &plain };
        // Another method has other settings.
        let same = !setting.key.starts_with("method.")
            || settings::at(by, "method.type") == settings::at(&tree, "method.type");
        let default = settings::at(by, setting.key).filter(|_| same || setting.key == "method.type");
        let takes_usual = setting.key == "training.learning_rate" && (!is_starters || own("method.type"));
        let default = if takes_usual { Some(&usual_rate) } else { default };
        let value = settings::at(&tree, setting.key);
        let assigned = match value {
            Some(Value::Object(_)) => continue,
            _ if value == default || (value.is_none_or(Value::is_null) && default.is_none_or(Value::is_null)) => {
                continue;
            }
            None => continue,
            Some(Value::Null) => "none".to_owned(),
            Some(Value::String(word)) => word.clone(),
            Some(other) => other.to_string(),
        };
        text.push_str(" --set ");
        text.push_str(&shell_word(&format!("{}={assigned}", setting.key)));
    }
    text
}

/// In single quotes where a shell would read more into it.
pub(crate) fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "=._-/:+,".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

fn as_toml(value: &Value) -> String {
    toml::Value::try_from(value).map(|value| value.to_string()).unwrap_or_default()
}

fn first_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use engine::config::{
        AdafactorConfig, DataConfig, MethodConfig, OptimizerConfig, PrefixConfig, PrefixInit, Reparameterization,
        Schedule, SgdConfig,
    };

    use super::*;

    fn sample() -> RunConfig {
        let mut data = DataConfig::new("/sets/a \"b\".jsonl");
        data.prompt_template = "{{ name }}\n: ".to_owned();
        let mut config = RunConfig::new("/models/tiny", data);
        config.training.max_grad_norm = None;
        config.training.patience = Some(4);
        config.training.learning_rate = 1e-3;
        config.training.schedule = Schedule::InverseSqrt { timescale: None };
        config.training.optimizer = OptimizerConfig::Adafactor(AdafactorConfig::USUAL);
        config.method = MethodConfig::Prefix(PrefixConfig {
            n_virtual: 7,
            reparameterization: Some(Reparameterization::default()),
            dropout: 0.1,
            init: PrefixInit::Words { text: "表 to text".to_owned() },
            sites: Some(vec![engine::models::Site::Encoder, engine::models::Site::Cross]),
            ..PrefixConfig::default()
        });
        config
    }

    fn read_back(config: &RunConfig) -> RunConfig {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("run.toml");
        fs::write(&file, write(config)).unwrap();
        read(&file, &Assets::at(folder.path())).unwrap_or_else(|error| panic!("{error}\n{}", write(config)))
    }

    #[test]
    fn a_written_file_reads_back_the_same() {
        let config = sample();
        assert_eq!(read_back(&config), config);
        let plain = RunConfig::new("/m", DataConfig::new("/d.csv"));
        assert_eq!(read_back(&plain), plain);
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("run.toml");
        fs::write(&file, "model = \"tiny\"\n[data]\ntrain = \"../d.csv\"\nvalidation = \"none\"\n").unwrap();
        let config = read(&file, &Assets::at(folder.path())).unwrap();
        assert_eq!(config.model, folder.path().join("tiny"));
        assert_eq!(config.data.train, folder.path().join("../d.csv"));
        assert_eq!(config.data.validation, None);
    }

    #[test]
    fn a_tilde_in_a_file_or_a_setting_is_the_users_folder() {
        let home = crate::home::typed("~");
        let mut tree = serde_json::json!({
            "model": "~/models/tiny",
            "data": { "train": "~/rows.csv", "more": [{ "train": "~/more.csv" }], "prompt_template": "~" },
            "method": { "init": { "path": "~/runs/a" } },
        });
        make_absolute(&mut tree, Path::new("/base"));
        let at = |pointer: &str| PathBuf::from(tree.pointer(pointer).and_then(Value::as_str).unwrap());
        assert_eq!(at("/model"), home.join("models/tiny"));
        assert_eq!((at("/data/train"), at("/data/more/0/train")), (home.join("rows.csv"), home.join("more.csv")));
        assert_eq!((at("/method/init/path"), at("/data/prompt_template")), (home.join("runs/a"), PathBuf::from("~")));
    }

    #[test]
    fn a_file_that_cannot_be_is_bad_usage() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("run.toml");
        let head = "model = \"m\"\ndata = { train = \"d.csv\" }\n";
        for (text, said) in [
            ("[method\n", "is not TOML"),
            ("[method]\nn_virtul = 3\n", "Did you mean method.n_virtual?"),
            ("[training]\nbatch_size = 0\n", "training.batch_size"),
            ("[training]\nsteps = \"all\"\n", "training.steps = \"all\""),
        ] {
            fs::write(&file, format!("{head}{text}")).unwrap();
            let error = read(&file, &Assets::at(folder.path())).unwrap_err();
            assert!(matches!(error, CliError::Usage(_)) && error.to_string().contains(said), "{error}");
        }
    }

    #[test]
    fn without_model_and_rows_it_is_the_starter_run() {
        let assets = Assets::at(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets"));
        let starter = assets.starter_run().unwrap();
        let none = complete(Value::Object(serde_json::Map::new()), None, &Names::default(), &assets).unwrap();
        assert_eq!((&none.training, &none.method, &none.data), (&starter.training, &starter.method, &starter.data));
        assert_eq!(command(&starter, &assets), "prefix-workbench train");
        let tree = serde_json::json!({ "method": { "reparameterization": "none" }, "training": { "steps": 9 } });
        let changed = complete(tree, None, &Names::default(), &assets).unwrap();
        let method = changed.method.prefix().unwrap();
        assert_eq!((&method.reparameterization, changed.training.steps), (&None, 9));
        assert_eq!(changed.training.learning_rate, starter.training.learning_rate);
        let rows = serde_json::json!({ "data": { "train": "/d.csv" } });
        let usual = engine::config::TrainingConfig { learning_rate: 2e-2, ..Default::default() };
        assert_eq!(complete(rows, None, &Names::default(), &assets).unwrap().training, usual, "as small models learn");
        let lora = serde_json::json!({ "method": { "type": "lora" } });
        assert_eq!(complete(lora, None, &Names::default(), &assets).unwrap().training.learning_rate, 4e-3);
    }

    #[test]
    fn what_is_said_wins_over_a_preset_and_a_preset_over_the_starter() {
        let assets = Assets::at(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets"));
        let with = |tree: Value, name: &str| complete(tree, Recipe::named(name), &Names::default(), &assets);
        let plain = with(Value::Object(serde_json::Map::new()), "prefix-gpt2-e2e").unwrap();
        let method = plain.method.prefix().unwrap();
        assert_eq!((method.n_virtual, plain.training.learning_rate, plain.training.batch_size), (5, 8e-5, 10));
        assert_eq!(plain.data, assets.starter_run().unwrap().data);
        let said = serde_json::json!({
            "method": { "reparameterization": "none", "n_virtual": 7 },
            "training": { "epochs": 2.0, "warmup_ratio": 0.1, "optimizer": { "type": "sgd", "momentum": 0.5 } },
        });
        let config = with(said.clone(), "prefix-gpt2-low-data").unwrap();
        let method = config.method.prefix().unwrap();
        assert_eq!((method.n_virtual, &method.reparameterization), (7, &None));
        assert_eq!((config.training.steps, config.training.epochs), (0, 2.0), "epochs were said, not steps");
        assert_eq!((config.training.warmup_steps, config.training.warmup_ratio), (0, 0.1));
        let sgd = SgdConfig { momentum: 0.5, ..SgdConfig::default() };
        assert_eq!(config.training.optimizer, OptimizerConfig::Sgd(sgd), "nothing of AdamW is mixed in");
        assert_eq!(config.training.learning_rate, 5e-5);
        let starter = complete(said, None, &Names::default(), &assets).unwrap();
        assert_eq!(starter.training.optimizer, OptimizerConfig::Sgd(sgd));
        let lora = with(serde_json::json!({}), "lora-gpt2-e2e").unwrap();
        assert_eq!(serde_json::to_value(&lora.method).unwrap()["rank"], 4, "{:?}", lora.method);
        let prefix = serde_json::json!({ "method": { "type": "prefix" } });
        let refused = with(prefix, "lora-gpt2-e2e").unwrap_err().to_string();
        assert!(refused.contains("is for LoRA"), "{refused}");
    }

    #[test]
    fn the_command_names_what_differs() {
        let assets = Assets::at("/nowhere");
        let text = command(&sample(), &assets);
        assert!(
            text.starts_with("prefix-workbench train --set model=/models/tiny --set 'data.train=/sets/a"),
            "{text}"
        );
        assert!(
            text.contains("--set training.max_grad_norm=none") && text.contains("--set training.patience=4"),
            "{text}"
        );
        assert!(!text.contains("batch_size"), "{text}");
    }
}
