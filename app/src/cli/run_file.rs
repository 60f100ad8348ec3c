//! Run files: a [`RunConfig`] as TOML, in and out. Relative paths in a file are relative to the file.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use engine::config::RunConfig;
use serde_json::{Map, Value};

use super::download::model_folder;
use super::error::CliError;
use super::settings::{self, Kind, SETTINGS};
use crate::workspace::Assets;

/// The settings of a file, not yet a configuration; `None` begins with nothing.
pub(super) fn read_tree(file: Option<&Path>) -> Result<Value, CliError> {
    let Some(file) = file else { return Ok(Value::Object(Map::new())) };
    let text = fs::read_to_string(file).map_err(|error| CliError::io("read", file, &error))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        CliError::usage(
            format!("the run file is not TOML: {} ({})", first_line(&error.to_string()), file.display()),
            "Correct the file; prefix-workbench train --print-config writes a complete one",
        )
    })?;
    let mut tree = serde_json::to_value(table)
        .map_err(|error| CliError::usage(format!("the run file cannot be understood: {error}"), "Correct the file"))?;
    let folder = std::path::absolute(file).ok().and_then(|file| file.parent().map(Path::to_owned));
    make_absolute(&mut tree, &folder.unwrap_or_default());
    Ok(tree)
}

/// Puts a base before the relative paths of a tree; a model may be named by its id on the hub.
pub(super) fn make_absolute(tree: &mut Value, base: &Path) {
    for setting in SETTINGS.iter().filter(|setting| setting.kind == Kind::Path) {
        let path = settings::at(tree, setting.key).and_then(Value::as_str).map(PathBuf::from);
        let keeps = |path: &PathBuf| path.as_os_str().is_empty() || (setting.optional && path == Path::new("none"));
        if let Some(path) = path.filter(|path| path.is_relative() && !keeps(path)) {
            let found = if setting.key == "model" { model_folder(&path, base) } else { base.join(path) };
            settings::put(tree, setting.key, found.to_string_lossy().into());
        }
    }
    for dataset in tree.pointer_mut("/data/more").and_then(Value::as_array_mut).into_iter().flatten() {
        for key in ["train", "validation"] {
            let path = dataset.get(key).and_then(Value::as_str).map(PathBuf::from);
            if let Some(path) = path.filter(|path| path.is_relative()) {
                settings::put(dataset, key, base.join(path).to_string_lossy().into());
            }
        }
    }
}

/// The configuration of a tree. One that names neither model nor rows is the starter run with other settings; in any
/// other, what is not said is the default, and the model or the dataset the starter's.
pub(super) fn complete(mut tree: Value, assets: &Assets) -> Result<RunConfig, CliError> {
    settings::normalise(&mut tree)?;
    if settings::at(&tree, "model").is_none() && settings::at(&tree, "data.train").is_none() {
        let starter = serde_json::to_value(assets.starter_run()?).unwrap_or_default();
        for setting in SETTINGS.iter().filter(|setting| setting.key != "name") {
            // What was switched off has no parts.
            let whole = setting.key.rsplit_once('.').and_then(|(whole, _)| settings::at(&tree, whole));
            let unsaid = settings::at(&tree, setting.key).is_none() && whole.is_none_or(Value::is_object);
            if let Some(value) = settings::at(&starter, setting.key).filter(|_| unsaid) {
                settings::put(&mut tree, setting.key, value.clone());
            }
        }
    }
    if settings::at(&tree, "data.begin_token").is_none() {
        // What is not said means another thing in the folder of a run: there it was made before this could be said.
        settings::put(&mut tree, "data.begin_token", "tokenizer".into());
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
    let config = settings::to_config(&tree)?;
    config.check()?;
    Ok(engine::data::settled(config)?)
}

/// Reads a run file, for the window's "open".
///
/// # Errors
/// [`CliError::Usage`] with the setting that is unknown or cannot be.
pub fn read(file: &Path, assets: &Assets) -> Result<RunConfig, CliError> {
    complete(read_tree(Some(file))?, assets)
}

/// The whole configuration as TOML, each setting with a word on what it is. [`read`] gives the same back.
pub fn write(config: &RunConfig) -> String {
    let tree = serde_json::to_value(config).unwrap_or_default();
    let mut text = String::from("# A run of the Prefix Workbench: prefix-workbench train THIS_FILE\n");
    for setting in &SETTINGS {
        let Some(value) = settings::at(&tree, setting.key) else { continue };
        let name = setting.key.rsplit('.').next().unwrap_or_default();
        // Writing into a string cannot fail.
        match (setting.kind, value) {
            (Kind::Table, Value::Object(_)) => writeln!(text, "\n# {}\n[{}]", setting.help, setting.key),
            (_, Value::Null) => writeln!(text, "{name} = \"none\" # {}", setting.help),
            _ => writeln!(text, "{name} = {} # {}", as_toml(value), setting.help),
        }
        .unwrap_or_default();
    }
    text
}

/// The command that computes the same as a configuration: only what differs from the starter run is named.
pub fn command(config: &RunConfig, assets: &Assets) -> String {
    let starter = assets.starter_run().ok().and_then(|config| serde_json::to_value(config).ok()).unwrap_or_default();
    let plain = crate::workspace::new_config(PathBuf::new(), engine::config::DataConfig::new(""));
    let plain = serde_json::to_value(plain).unwrap_or_default();
    let tree = serde_json::to_value(config).unwrap_or_default();
    let own = |key: &str| settings::at(&tree, key) != settings::at(&starter, key);
    let (own_model, own_data) = (own("model"), own("data.train"));
    let mut text = String::from("prefix-workbench train");
    for setting in SETTINGS.iter().filter(|setting| setting.kind != Kind::Table || setting.optional) {
        let is_starters = match setting.key {
            "model" => true,
            key => !own_data && (!own_model || key.starts_with("data.")),
        };
        let default = settings::at(if is_starters { &starter } else { &plain }, setting.key);
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
fn shell_word(word: &str) -> String {
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
    use engine::config::{DataConfig, MethodConfig, PrefixConfig, PrefixInit, Reparameterisation};

    use super::*;

    fn sample() -> RunConfig {
        let mut data = DataConfig::new("/sets/a \"b\".jsonl");
        data.prompt_template = "{{ name }}\n: ".to_owned();
        let mut config = crate::workspace::new_config(PathBuf::from("/models/tiny"), data);
        config.training.clip_norm = None;
        config.training.patience = Some(4);
        config.training.learning_rate = 1e-3;
        config.method = MethodConfig::Prefix(PrefixConfig {
            n_virtual: 7,
            reparameterisation: Some(Reparameterisation::default()),
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
        let plain = crate::workspace::new_config(PathBuf::from("/m"), DataConfig::new("/d.csv"));
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
        let none = complete(Value::Object(Map::new()), &assets).unwrap();
        assert_eq!((&none.training, &none.method, &none.data), (&starter.training, &starter.method, &starter.data));
        assert_eq!(command(&starter, &assets), "prefix-workbench train");
        let tree = serde_json::json!({ "method": { "reparameterisation": "none" }, "training": { "steps": 9 } });
        let changed = complete(tree, &assets).unwrap();
        let method = changed.method.prefix().unwrap();
        assert_eq!((&method.reparameterisation, changed.training.steps), (&None, 9));
        assert_eq!(changed.training.learning_rate, starter.training.learning_rate);
        let rows = serde_json::json!({ "data": { "train": "/d.csv" } });
        assert_eq!(complete(rows, &assets).unwrap().training, engine::config::TrainingConfig::default());
    }

    #[test]
    fn the_command_names_what_differs() {
        let assets = Assets::at("/nowhere");
        let text = command(&sample(), &assets);
        assert!(
            text.starts_with("prefix-workbench train --set model=/models/tiny --set 'data.train=/sets/a"),
            "{text}"
        );
        assert!(text.contains("--set training.clip_norm=none") && text.contains("--set training.patience=4"), "{text}");
        assert!(!text.contains("batch_size"), "{text}");
    }
}
