//! Experiment files: a base run, what varies and which of the runs are trained, as TOML. The base is said as in a run file, or
//! is one; paths are relative to the file that says them.

use std::fs;
use std::path::{Path, PathBuf};

use engine::Sentence;
use engine::config::RunConfig;
use engine::config::schema::{self, Kind, Names, SETTINGS, Setting, at};
use engine::error::Failure;
use engine::experiment::{Axis, Experiment, Member, Strategy, axes_beside};
use engine::recipes::{RECIPES, Recipe};
use engine::sentence;
use serde_json::{Map, Value};

use super::first;
use crate::cli::{CliError, run_file};
use crate::workspace::Assets;

/// The parts of a file.
const PARTS: [&str; 7] = ["name", "about", "run", "preset", "first", "vary", "strategy"];

/// An experiment as a file says it, to which more may be said before its runs are made.
#[derive(Debug)]
pub struct ExperimentFile {
    /// The file's text.
    pub text: String,
    /// For people; the file's own name where it says none.
    pub name: String,
    /// What it answers, a sentence; empty where the file says none.
    pub about: String,
    base: Value,
    axes: Vec<Axis>,
    strategy: Strategy,
    first: Option<Value>,
    recipe: Option<&'static Recipe>,
    names: Names,
}

impl ExperimentFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`CliError::Usage`] with the part that is unknown or cannot be.
    pub fn read(file: &Path) -> Result<Self, CliError> {
        let tree = run_file::parse(file)?;
        let text = fs::read_to_string(file).unwrap_or_default();
        if let Some(part) = tree.as_object().and_then(|tree| tree.keys().find(|key| !PARTS.contains(&key.as_str()))) {
            return Err(usage(
                sentence!("an experiment file has no part {part:?}", part),
                sentence!("It has: {parts}. Settings of every run stand under run", parts = PARTS.join(", ")),
            ));
        }
        let recipe = text_of(&tree, "preset")?.map(preset).transpose()?;
        let (said, from) = base(&tree, file)?;
        let method = schema::method_of(&said)
            .or_else(|| recipe.and_then(|recipe| schema::method_of(&recipe.settings())))
            .unwrap_or_else(|| "prefix".to_owned());
        let mut names = Names::of_method(&method);
        let mut base = run_file::settle(said, &from, &mut names)?;
        names.next_source();
        let base_name = base.as_object_mut().and_then(|base| base.remove("name"));
        let first = tree.get("first").map(|said| run_file::settle(said.clone(), file, &mut names)).transpose()?;
        names.next_source();
        let mut axes = tree.get("vary").map_or(Ok(Vec::new()), |vary| axes_beside(&base, vary))?;
        let folder = std::path::absolute(file).ok().and_then(|file| file.parent().map(Path::to_owned));
        let folder = folder.unwrap_or_default();
        axes.iter_mut().for_each(|axis| make_absolute(axis, &folder));
        if first.is_some() {
            first::keep_name(&mut axes, &mut base, &folder);
        }
        let stem = || file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let name = match (text_of(&tree, "name")?, base_name) {
            (Some(name), _) => name.to_owned(),
            (None, Some(Value::String(name))) if !name.trim().is_empty() => name,
            _ => stem().unwrap_or_default(),
        };
        let about = text_of(&tree, "about")?.unwrap_or_default().to_owned();
        let strategy = strategy(tree.get("strategy"))?;
        Ok(Self { text, name, about, base, axes, strategy, first, recipe, names })
    }

    /// Whether some setting varies over this file's runs.
    pub fn varies(&self, key: &str) -> bool {
        self.axes.iter().any(|axis| axis.keys.iter().any(|other| other == key))
    }

    /// Reads names of settings as the file's method has them.
    pub fn names(&mut self) -> &mut Names {
        &mut self.names
    }

    /// Says settings of every run, over what the file says of them. A setting that varied alone no longer does.
    ///
    /// # Errors
    /// It varies together with others.
    pub fn say(&mut self, said: &Value) -> Result<(), CliError> {
        for Setting { key, kind, .. } in SETTINGS {
            let Some(value) = at(said, key).filter(|value| *kind != Kind::Table || !value.is_object()) else {
                continue;
            };
            if let Some(axis) = self.axes.iter().find(|axis| axis.keys.len() > 1 && axis.keys.iter().any(|k| k == key))
            {
                return Err(usage(
                    sentence!("{key} varies together with others: {keys}", key, keys = axis.keys.join(", ")),
                    sentence!("Change it in the file"),
                ));
            }
            self.axes.retain(|axis| axis.keys.iter().all(|other| other != key));
            self.leave_out_rival(key);
            schema::say(&mut self.base, key, value.clone());
        }
        Ok(())
    }

    /// Lets a setting vary, in place of what the file says of it.
    ///
    /// # Errors
    /// It varies together with others.
    pub fn vary(&mut self, mut axis: Axis, folder: &Path) -> Result<(), CliError> {
        make_absolute(&mut axis, folder);
        let is_same = |other: &Axis| other.keys == axis.keys;
        let shared = |other: &&Axis| other.keys.iter().any(|key| axis.keys.contains(key));
        match self.axes.iter().position(is_same) {
            Some(index) => self.axes[index] = axis,
            None => match self.axes.iter().find(shared) {
                None => self.axes.push(axis),
                Some(other) => {
                    return Err(usage(
                        sentence!(
                            "{key} varies together with others: {keys}",
                            key = axis.keys.join(", "),
                            keys = other.keys.join(", ")
                        ),
                        sentence!("Change it in the file"),
                    ));
                }
            },
        }
        Ok(())
    }

    /// The experiment under a name, with its runs.
    ///
    /// # Errors
    /// A setting that is unknown or cannot be, or an experiment that cannot be trained so.
    pub fn finish(self, name: &str, assets: &Assets) -> Result<(Experiment, Vec<(Member, RunConfig)>), CliError> {
        let Self { base, axes, strategy, first, recipe, names, .. } = self;
        let experiment = Experiment { name: name.to_owned(), base, axes, strategy, first };
        let members = super::members(&experiment, (recipe, &names), assets)?;
        Ok((experiment, members))
    }

    fn leave_out_rival(&mut self, key: &str) {
        let rival = schema::RIVALS.iter().find_map(|(a, b)| match key {
            key if key == *a => Some(*b),
            key if key == *b => Some(*a),
            _ => None,
        });
        if let Some(rival) = rival.filter(|rival| !self.varies(rival)) {
            remove(&mut self.base, rival);
        }
    }
}

/// The settings of the base run as they are written, and the file whose folder their paths are relative to.
fn base(tree: &Value, file: &Path) -> Result<(Value, PathBuf), CliError> {
    match tree.get("run") {
        None => Ok((Value::Object(Map::new()), file.to_owned())),
        Some(Value::Object(run)) => Ok((Value::Object(run.clone()), file.to_owned())),
        Some(Value::String(path)) => {
            let path = crate::home::at_home(Path::new(path));
            let path = file.parent().unwrap_or_else(|| Path::new("")).join(path);
            Ok((run_file::parse(&path)?, path))
        }
        Some(_) => Err(usage(
            sentence!("run is neither settings nor the path of a run file"),
            sentence!("Write settings under [run], or run = \"run.toml\""),
        )),
    }
}

fn text_of<'a>(tree: &'a Value, key: &str) -> Result<Option<&'a str>, CliError> {
    match tree.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(usage(sentence!("{key} is a text", key), sentence!("Correct the file"))),
    }
}

fn preset(name: &str) -> Result<&'static Recipe, CliError> {
    Recipe::named(name).ok_or_else(|| {
        let names: Vec<&str> = RECIPES.iter().map(|recipe| recipe.name).collect();
        usage(sentence!("there is no preset {name:?}", name), sentence!("There are: {names}", names = names.join(", ")))
    })
}

fn strategy(said: Option<&Value>) -> Result<Strategy, CliError> {
    let known: &[&str] = match said {
        None => return Ok(Strategy::default()),
        Some(Value::String(_)) => &[],
        Some(said) => match said.get("type").and_then(Value::as_str) {
            Some("random") => &["type", "runs", "seed"],
            Some("halving") => &["type", "factor", "first_steps", "runs", "seed"],
            _ => &["type"],
        },
    };
    let said = match said {
        Some(Value::String(word)) => serde_json::json!({ "type": word }),
        said => said.cloned().unwrap_or_default(),
    };
    let known = if known.is_empty() { &["type"] } else { known };
    let advice = || sentence!("Write type = \"grid\", \"random\" with runs, or \"halving\" with first_steps");
    if let Some(key) = said.as_object().and_then(|said| said.keys().find(|key| !known.contains(&key.as_str()))) {
        return Err(usage(sentence!("this strategy has no {key}", key), advice()));
    }
    serde_json::from_value(said)
        .map_err(|error| usage(sentence!("the strategy cannot be understood: {error}", error), advice()))
}

/// Puts a folder before the relative paths of an axis.
fn make_absolute(axis: &mut Axis, folder: &Path) {
    for (index, key) in axis.keys.iter().enumerate() {
        for value in axis.points.iter_mut().filter_map(|point| point.get_mut(index)) {
            let mut tree = Value::Object(Map::new());
            schema::put(&mut tree, key, value.take());
            run_file::make_absolute(&mut tree, folder);
            *value = at(&tree, key).cloned().unwrap_or_default();
        }
    }
}

/// Takes a setting out of a tree.
fn remove(tree: &mut Value, key: &str) {
    let (table, name) = key.rsplit_once('.').unwrap_or(("", key));
    let table = table.split('.').filter(|part| !part.is_empty()).try_fold(tree, |place, part| place.get_mut(part));
    if let Some(table) = table.and_then(Value::as_object_mut) {
        table.remove(name);
    }
}

fn usage(what: Sentence, advice: Sentence) -> CliError {
    CliError::Usage(Failure { what, advice })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn assets() -> Assets {
        Assets::at(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets"))
    }

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lengths.toml");
        fs::write(&file, text).unwrap();
        (folder, file)
    }

    fn read(text: &str) -> Result<ExperimentFile, CliError> {
        ExperimentFile::read(&written(text).1)
    }

    const SWEEP: &str = "[run]\nlearning_rate = 1e-3\ntraining.epochs = 2\n[vary]\nmethod.n_virtual = [1, 5]\n";

    #[test]
    fn a_file_is_a_run_and_what_varies() {
        let (_folder, path) = written(SWEEP);
        let file = ExperimentFile::read(&path).unwrap();
        assert_eq!((file.name.as_str(), file.text.as_str()), ("lengths", SWEEP));
        let (experiment, members) = file.finish("mine", &assets()).unwrap();
        assert_eq!((experiment.name.as_str(), experiment.strategy), ("mine", Strategy::Grid));
        assert_eq!(experiment.base, json!({ "training": { "learning_rate": 1e-3, "epochs": 2 } }));
        let lengths: Vec<usize> = members.iter().map(|(_, config)| config.method.n_virtual()).collect();
        assert_eq!(lengths, [1, 5]);
        assert!(members.iter().all(|(member, config)| config.name == member.name && config.training.epochs == 2.0));
    }

    #[test]
    fn what_is_said_on_the_command_line_wins() {
        let mut file = read(SWEEP).unwrap();
        file.say(&json!({ "training": { "steps": 12 }, "method": { "n_virtual": 7 } })).unwrap();
        file.vary(Axis { keys: vec!["seed".to_owned()], points: vec![vec![json!(1)], vec![json!(2)]] }, Path::new("/"))
            .unwrap();
        assert!(file.varies("seed") && !file.varies("method.n_virtual"));
        let (_, members) = file.finish("e", &assets()).unwrap();
        let runs = members.iter().map(|(_, run)| (run.method.n_virtual(), run.training.steps, run.seed));
        assert_eq!(runs.collect::<Vec<_>>(), [(7, 12, 1), (7, 12, 2)]);
    }

    #[test]
    fn what_varies_leaves_out_what_says_the_same_otherwise() {
        let text = "[run]\ntraining.steps = 40\n[vary]\ntraining.epochs = [1, 2]\n";
        let (_, members) = read(text).unwrap().finish("e", &assets()).unwrap();
        assert!(members.iter().all(|(_, run)| run.training.steps == 0));
    }

    #[test]
    fn paths_are_relative_to_the_file_and_settings_that_vary_together_stay_together() {
        let (folder, path) = written(
            "[[vary.together]]\nmodel = \"a\"\ntraining.learning_rate = 1e-3\n\
             [[vary.together]]\nmodel = \"b\"\ntraining.learning_rate = 1e-4\n",
        );
        let mut file = ExperimentFile::read(&path).unwrap();
        let models = file.axes[0].keys.iter().position(|key| key == "model").unwrap();
        assert_eq!(file.axes[0].points[0][models], json!(folder.path().join("a")));
        let refused = file.say(&json!({ "model": "/c" })).unwrap_err();
        assert!(refused.to_string().starts_with("model varies together with others"), "{refused}");
    }

    #[test]
    fn a_base_may_be_a_file_or_a_preset() {
        let (folder, path) = written("run = \"run.toml\"\npreset = \"prefix-gpt2-e2e\"\n[vary]\nseed = [1, 2]\n");
        fs::write(folder.path().join("run.toml"), "name = \"base\"\nmethod.n_virtual = 9\n").unwrap();
        let file = ExperimentFile::read(&path).unwrap();
        assert_eq!(file.name, "base");
        let (_, members) = file.finish("e", &assets()).unwrap();
        let (run, other) = (&members[0].1, &members[1].1);
        assert_eq!((run.method.n_virtual(), run.training.learning_rate, run.seed, other.seed), (9, 8e-5, 1, 2));
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (text, said) in [
            ("seeds = [1]\n", "no part \"seeds\""),
            ("run = 3\n", "run is neither"),
            ("name = 3\n", "name is a text"),
            ("preset = \"none\"\n", "no preset \"none\""),
            ("[strategy]\ntype = \"random\"\nsed = 3\n", "no sed"),
            ("[strategy]\ntype = \"halving\"\n", "first_steps"),
            ("strategy = \"guess\"\n", "guess"),
            ("[run]\nmethod.n_virtul = 3\n", "n_virtul"),
            ("[vary]\nmethod.n_virtul = [3]\n", "n_virtul"),
            ("[vary]\nmethod.n_virtual = [0, 5]\n", "n_virtual"),
        ] {
            let file = read(text).and_then(|file| file.finish("e", &assets()));
            let error = file.unwrap_err();
            assert!(matches!(error, CliError::Usage(_)) && error.to_string().contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn every_experiment_that_comes_with_the_program_can_be_trained_on_the_starter() {
        let all = super::super::ready_made(&assets());
        let runs = |name: &str| match name {
            "every-method" => 40,
            "low-data" => 36,
            "placement" | "reparameterization" => 9,
            "lama-relations" => 4,
            "multi-task" => 7,
            _ => 15,
        };
        assert!(all.len() >= 9, "{all:?}");
        for ready in all {
            assert!(!ready.about.is_empty() && !ready.about.ends_with('.'), "{}", ready.name);
            let (_, members) = ExperimentFile::read(&ready.file)
                .and_then(|file| file.finish(&ready.name, &assets()))
                .unwrap_or_else(|error| panic!("{}: {error}", ready.name));
            assert_eq!(members.len(), runs(&ready.name), "{}", ready.name);
            for (member, config) in &members {
                let files = [Some(&config.data.train), config.data.validation.as_ref()];
                assert!(files.into_iter().flatten().all(|path| path.is_file()), "{}: {config:?}", ready.name);
                super::super::trained_parameters(config)
                    .unwrap_or_else(|error| panic!("{}, {}: {error}", ready.name, member.name));
            }
        }
    }
}
