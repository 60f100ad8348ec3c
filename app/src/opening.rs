//! Paths that somebody dropped onto the window or named when it was started: their kinds, and what is opened of them.
//!
//! A file's kind is told by names alone; only a run file and the head of a `config.json` are read.

use std::fs;
use std::path::{Path, PathBuf};

use engine::Sentence;
use engine::config::RunConfig;
use engine::error::Failure;
use engine::files;

use crate::cli::{CliError, run_file};
use crate::experiments::OpenedExperiment;
use crate::i18n::failure;
use crate::t;
use crate::workspace::{Assets, RunId, Workspace, last_name};

/// The kind of what lies at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathKind {
    /// Rows to train on.
    Rows,
    /// The folder of a base model, or its file in GGUF.
    Model,
    /// Settings of a run, as TOML.
    RunFile,
    /// A run and what varies of it, as TOML.
    Experiment,
    /// An adapter of any form.
    Adapter,
    /// The folder of a run.
    Run,
    /// Nothing that is opened here.
    Other,
    /// Not there, or nothing that can be read.
    Missing,
}

/// Something that was opened, or the failure to.
#[derive(Clone, Debug)]
pub enum Opened {
    /// Rows to train on, and those to validate on if both came.
    Rows(PathBuf, Option<PathBuf>),
    /// A model folder, or a file in GGUF.
    Model(PathBuf),
    /// Settings of a run.
    RunFile(Box<RunConfig>),
    /// A run of this workspace.
    Run(RunId),
    /// An adapter that somebody sent.
    Adapter(PathBuf),
    /// A run and what varies of it.
    Experiment(Box<OpenedExperiment>),
    /// Several things, in the order in which they are to be taken, and why others were not.
    Several(Vec<Self>),
    /// Why nothing was.
    Failed(Failure),
}

/// Endings of files that hold rows.
const ROWS: [&str; 20] = [
    "jsonl", "ndjson", "json", "csv", "tsv", "tab", "conll", "conllu", "bio", "iob2", "txt", "parquet", "arrow",
    "feather", "ipc", "xlsx", "gz", "zst", "zstd", "xz",
];
/// Endings of files that hold weights.
const WEIGHTS: [&str; 6] = ["safetensors", "bin", "pt", "pth", "ckpt", "msgpack"];

/// Looks at a path.
pub fn kind_of(path: &Path) -> PathKind {
    sorted(path).0
}

/// The kind, and the path that stands for it: the folder of a model for one of its files.
fn sorted(path: &Path) -> (PathKind, PathBuf) {
    match fs::metadata(path) {
        Ok(facts) if facts.is_dir() => (of_folder(path), path.to_owned()),
        Ok(facts) if facts.is_file() => of_file(path),
        _ => (PathKind::Missing, path.to_owned()),
    }
}

fn of_folder(folder: &Path) -> PathKind {
    let has = |name: &str| folder.join(name).is_file();
    if has("metrics.jsonl") && has("config.json") {
        PathKind::Run
    } else if has("adapter_config.json") || (has("config.json") && is_prefix_checkpoint(&folder.join("config.json"))) {
        PathKind::Adapter
    } else if has("config.json") || has_gguf(folder) {
        PathKind::Model
    } else if train_file(folder).is_some() || engine::data::check_file(folder).is_ok() {
        PathKind::Rows
    } else {
        // Checkpoints of other programs are folders of any names; who reads adapters says what is missing.
        PathKind::Adapter
    }
}

/// Whether a folder without `config.json` has a model in GGUF; of several, who reads it says that one is to be chosen.
fn has_gguf(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| is_gguf(&path))
}

fn is_gguf(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gguf"))
}

/// P-tuning v2's programs write the model's own `config.json` beside a checkpoint that holds a prefix alone.
fn is_prefix_checkpoint(config: &Path) -> bool {
    let read = || {
        let config: serde_json::Value = files::read_json(config, files::Kind::Settings, Sentence::default()).ok()?;
        config.get("pre_seq_len")?.as_u64()
    };
    read().is_some_and(|length| length > 0)
}

fn of_file(path: &Path) -> (PathKind, PathBuf) {
    let name = last_name(path).to_lowercase();
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    let of_folder = |name: &str| folder.join(name).is_file();
    let is_weights = WEIGHTS.contains(&ending) || name.ends_with(".index.json");
    let is_part = is_weights
        || ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"]
            .contains(&name.as_str());
    if ending == "toml" {
        (if varies(path) { PathKind::Experiment } else { PathKind::RunFile }, path.to_owned())
    } else if name == "adapter_config.json" || (name.starts_with("adapter_model.") && of_folder("adapter_config.json"))
    {
        (PathKind::Adapter, folder)
    } else if is_part && of_folder("config.json") && self::of_folder(&folder) == PathKind::Model {
        (PathKind::Model, folder)
    } else if ending == "gguf" {
        (PathKind::Model, path.to_owned())
    } else if is_weights || ending == "prefix" {
        (PathKind::Adapter, path.to_owned())
    } else if ROWS.contains(&ending) {
        (PathKind::Rows, path.to_owned())
    } else {
        (PathKind::Other, path.to_owned())
    }
}

/// Whether a run file says what varies. One that cannot be read is a run file: who reads it says what is wrong.
fn varies(path: &Path) -> bool {
    let text = files::read_to_string(path, files::Kind::Settings).unwrap_or_default();
    toml::from_str::<toml::Table>(&text).is_ok_and(|table| table.contains_key("vary"))
}

fn train_file(folder: &Path) -> Option<PathBuf> {
    ROWS.iter().map(|ending| folder.join(format!("train.{ending}"))).find(|file| file.is_file())
}

/// The file of validation rows that lies beside `train.*` in a folder.
fn validation_file(folder: &Path) -> Option<PathBuf> {
    let names = ["validation", "valid", "val", "dev"];
    let files = names.iter().flat_map(|name| ROWS.iter().map(move |ending| folder.join(format!("{name}.{ending}"))));
    files.into_iter().find(|file| file.is_file())
}

/// The folder of validation rows beside those to train on, as `DatasetDict.save_to_disk` writes them.
fn validation_split(folder: &Path) -> Option<PathBuf> {
    let splits = ["validation", "valid", "val", "dev"].map(|name| folder.join(name));
    splits.into_iter().find(|split| split.join("state.json").is_file())
}

/// The order in which things of these kinds are taken: what fills the whole form comes before what fills a field of it,
/// and what asks something comes last.
const ORDER: [PathKind; 8] = [
    PathKind::RunFile,
    PathKind::Model,
    PathKind::Rows,
    PathKind::Experiment,
    PathKind::Run,
    PathKind::Adapter,
    PathKind::Other,
    PathKind::Missing,
];

/// Opens what lies there: one thing of each kind, or a file of training rows with one of validation rows. Of two that
/// exclude each other neither is guessed.
pub fn open(paths: &[PathBuf], workspace: &Workspace, assets: &Assets) -> Opened {
    if paths.is_empty() {
        return Opened::Failed(nothing(Path::new("")));
    }
    let mut opened = Vec::new();
    for kind in ORDER {
        let of_kind: Vec<PathBuf> = paths.iter().filter(|path| kind_of(path) == kind).cloned().collect();
        match of_kind.as_slice() {
            [] => {}
            [path] => opened.push(open_one(path, workspace, assets)),
            several if kind == PathKind::Rows && pair(several).is_some() => {
                opened.extend(pair(several).map(|(train, validation)| Opened::Rows(train, Some(validation))));
            }
            several if matches!(kind, PathKind::Other | PathKind::Missing) => {
                opened.extend(several.iter().map(|path| open_one(path, workspace, assets)));
            }
            several => opened.push(Opened::Failed(too_many(kind, several))),
        }
    }
    match opened.pop() {
        Some(only) if opened.is_empty() => only,
        last => Opened::Several(opened.into_iter().chain(last).collect()),
    }
}

/// Several of a kind of which one can be taken.
fn too_many(kind: PathKind, paths: &[PathBuf]) -> Failure {
    let names = paths.iter().map(|path| last_name(path)).collect::<Vec<_>>().join(", ");
    let what = match kind {
        PathKind::Rows => t!("drop.several_rows", n = paths.len(), names = names),
        PathKind::Model => t!("drop.several_models", n = paths.len(), names = names),
        PathKind::RunFile | PathKind::Experiment => t!("drop.several_files", n = paths.len(), names = names),
        PathKind::Run => t!("drop.several_runs", n = paths.len(), names = names),
        PathKind::Adapter | PathKind::Other | PathKind::Missing => {
            t!("drop.several_adapters", n = paths.len(), names = names)
        }
    };
    let advice = if kind == PathKind::Rows { t!("drop.several_rows_advice") } else { t!("drop.several_advice") };
    failure(what, advice)
}

fn open_one(path: &Path, workspace: &Workspace, assets: &Assets) -> Opened {
    let (kind, path) = sorted(path);
    match kind {
        PathKind::Rows if path.is_dir() => match train_file(&path) {
            Some(train) => Opened::Rows(train, validation_file(&path)),
            None => {
                let validation = validation_split(&path);
                Opened::Rows(path, validation)
            }
        },
        PathKind::Rows => Opened::Rows(path, None),
        PathKind::Model => Opened::Model(path),
        PathKind::RunFile => match run_file::read(&path, assets) {
            Ok(config) => Opened::RunFile(Box::new(config)),
            Err(error) => refused(error, &path),
        },
        PathKind::Run => {
            let ours = path.parent().is_some_and(|parent| parent == workspace.runs());
            if ours {
                return Opened::Run(RunId(last_name(&path)));
            }
            // What keeps no name and no state of a run has its adapter alone.
            if !path.join("run.json").is_file() {
                return Opened::Adapter(path);
            }
            workspace.adopt(&path).map_or_else(|error| Opened::Failed(Failure::from(&error)), Opened::Run)
        }
        PathKind::Adapter => Opened::Adapter(path),
        PathKind::Experiment => match OpenedExperiment::read(&path, assets) {
            Ok(opened) => Opened::Experiment(Box::new(opened)),
            Err(error) => refused(error, &path),
        },
        PathKind::Missing => {
            Opened::Failed(failure(t!("drop.missing", path = path.display()), t!("drop.missing_advice")))
        }
        PathKind::Other => Opened::Failed(nothing(&path)),
    }
}

fn refused(error: CliError, path: &Path) -> Opened {
    Opened::Failed(match error {
        CliError::Usage(failure) | CliError::Failed(failure) => failure,
        CliError::Negative | CliError::GoOn | CliError::Line(_) => nothing(path),
    })
}

fn nothing(path: &Path) -> Failure {
    failure(t!("drop.other_file", path = path.display()), t!("drop.other_advice"))
}

/// Two files of rows of which one is named as validation rows are.
fn pair(paths: &[PathBuf]) -> Option<(PathBuf, PathBuf)> {
    let [a, b] = paths else { return None };
    let validates = |path: &Path| {
        let name = last_name(path).to_lowercase();
        ["valid", "val", "dev", "eval", "test"]
            .iter()
            .any(|word| name.split(['.', '_', '-']).any(|part| part.starts_with(word)))
    };
    let is_rows = |path: &&PathBuf| kind_of(path) == PathKind::Rows && path.is_file();
    if ![a, b].iter().all(is_rows) {
        return None;
    }
    match (validates(a), validates(b)) {
        (false, true) => Some((a.clone(), b.clone())),
        (true, false) => Some((b.clone(), a.clone())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with these files, each with its text.
    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn every_path_goes_where_its_kind_belongs() {
        let home = folder(&[
            ("own.csv", "a,b\n1,2\n"),
            ("own.JSONL", "{}"),
            ("run.toml", ""),
            ("lengths.toml", "[vary]\nmethod.n_virtual = [1, 5]\n"),
            ("mine.prefix", ""),
            ("notes.docx", ""),
            ("SmolLM2.Q4_K_M.gguf", ""),
            ("ggufs/a.gguf", ""),
            ("model/config.json", "{}"),
            ("model/model.safetensors", ""),
            ("model/tokenizer.json", "{}"),
            ("lora/adapter_config.json", "{}"),
            ("lora/adapter_model.safetensors", ""),
            ("chatglm/config.json", r#"{"pre_seq_len": 128}"#),
            ("chatglm/pytorch_model.bin", ""),
            ("set/train.jsonl", ""),
            ("saved/state.json", r#"{"_data_files": [{"filename": "data.arrow"}]}"#),
            ("saved/dataset_info.json", "{}"),
            ("shards/train-0.parquet", ""),
            ("old/args.json", "{}"),
            ("old/prefix.pt", ""),
            ("run/config.json", "{}"),
            ("run/metrics.jsonl", ""),
        ]);
        for (name, kind, stands_for) in [
            ("own.csv", PathKind::Rows, "own.csv"),
            ("own.JSONL", PathKind::Rows, "own.JSONL"),
            ("set", PathKind::Rows, "set"),
            ("saved", PathKind::Rows, "saved"),
            ("shards", PathKind::Rows, "shards"),
            ("old", PathKind::Adapter, "old"),
            ("run.toml", PathKind::RunFile, "run.toml"),
            ("lengths.toml", PathKind::Experiment, "lengths.toml"),
            ("mine.prefix", PathKind::Adapter, "mine.prefix"),
            ("lora", PathKind::Adapter, "lora"),
            ("lora/adapter_model.safetensors", PathKind::Adapter, "lora"),
            ("chatglm", PathKind::Adapter, "chatglm"),
            ("model", PathKind::Model, "model"),
            ("model/model.safetensors", PathKind::Model, "model"),
            ("model/config.json", PathKind::Model, "model"),
            ("model/tokenizer.json", PathKind::Model, "model"),
            ("SmolLM2.Q4_K_M.gguf", PathKind::Model, "SmolLM2.Q4_K_M.gguf"),
            ("ggufs", PathKind::Model, "ggufs"),
            ("run", PathKind::Run, "run"),
            ("notes.docx", PathKind::Other, "notes.docx"),
            ("not there", PathKind::Missing, "not there"),
        ] {
            let found = sorted(&home.path().join(name));
            assert_eq!(found, (kind, home.path().join(stands_for)), "{name}");
        }
    }

    #[test]
    fn rows_come_with_the_validation_rows_that_were_dropped_or_lie_beside_them() {
        let home = folder(&[("a.csv", ""), ("a_dev.csv", ""), ("set/train.csv", ""), ("set/val.csv", "")]);
        let place = tempfile::tempdir().unwrap();
        let (workspace, assets) = (Workspace::open(place.path()).unwrap(), Assets::at("/nowhere"));
        let at = |name: &str| home.path().join(name);
        let opened = |paths: &[PathBuf]| match open(paths, &workspace, &assets) {
            Opened::Rows(train, validation) => (train, validation),
            other => panic!("{other:?}"),
        };
        assert_eq!(opened(&[at("a.csv")]), (at("a.csv"), None));
        assert_eq!(opened(&[at("a_dev.csv"), at("a.csv")]), (at("a.csv"), Some(at("a_dev.csv"))));
        assert_eq!(opened(&[at("set")]), (at("set/train.csv"), Some(at("set/val.csv"))));
        let saved = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/datasets/dict");
        assert_eq!(opened(std::slice::from_ref(&saved)), (saved, None), "its test split is not taken unasked");
        let two = open(&[at("a.csv"), at("set/train.csv")], &workspace, &assets);
        assert!(matches!(two, Opened::Failed(_)), "which of them is meant is not guessed: {two:?}");
    }

    #[test]
    fn of_several_things_each_is_opened_and_what_is_refused_says_why() {
        let home = folder(&[
            ("a.csv", ""),
            ("model/config.json", "{}"),
            ("run.toml", "[training]\nsteps = 9\n"),
            ("one.prefix", ""),
            ("two.prefix", ""),
            ("notes.docx", ""),
        ]);
        let place = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(place.path()).unwrap();
        let assets = Assets::at(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets"));
        let names = ["notes.docx", "a.csv", "two.prefix", "model", "one.prefix", "run.toml"];
        let opened = open(&names.map(|name| home.path().join(name)), &workspace, &assets);
        let Opened::Several(opened) = opened else { panic!("{opened:?}") };
        let [
            Opened::RunFile(config),
            Opened::Model(model),
            Opened::Rows(rows, None),
            Opened::Failed(adapters),
            Opened::Failed(other),
        ] = opened.as_slice()
        else {
            panic!("{opened:?}")
        };
        assert_eq!((config.training.steps, model, rows), (9, &home.path().join("model"), &home.path().join("a.csv")));
        let adapters = adapters.what.to_string();
        assert!(adapters.contains("two.prefix, one.prefix"), "{adapters}");
        assert!(other.what.to_string().contains("notes.docx"), "{other:?}");
    }

    #[cfg(unix)]
    #[test]
    fn a_run_that_is_elsewhere_comes_into_the_list() {
        let place = folder(&[("job/config.json", "{}"), ("job/metrics.jsonl", ""), ("job/run.json", "{}")]);
        let workspace = Workspace::open(&place.path().join("w")).unwrap();
        let assets = Assets::at(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets"));
        let opened = open(&[place.path().join("job")], &workspace, &assets);
        let Opened::Run(run) = &opened else { panic!("{opened:?}") };
        assert!(workspace.run_folder(run).join("run.json").is_file());
    }

    #[test]
    fn a_run_of_this_workspace_is_shown_and_a_run_file_fills_the_form() {
        let place = folder(&[
            ("runs/20261121-a/config.json", "{}"),
            ("runs/20261121-a/metrics.jsonl", ""),
            ("bad.toml", "steps = ["),
        ]);
        let workspace = Workspace::open(place.path()).unwrap();
        let assets = Assets::at(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets"));
        let run = open(&[workspace.runs().join("20261121-a")], &workspace, &assets);
        assert!(matches!(&run, Opened::Run(id) if id.0 == "20261121-a"), "{run:?}");
        let bad = open(&[place.path().join("bad.toml")], &workspace, &assets);
        assert!(matches!(&bad, Opened::Failed(failure) if failure.what.to_string().contains("not TOML")), "{bad:?}");
        fs::write(place.path().join("good.toml"), "[training]\nsteps = 9\n").unwrap();
        let good = open(&[place.path().join("good.toml")], &workspace, &assets);
        assert!(matches!(&good, Opened::RunFile(config) if config.training.steps == 9), "{good:?}");
    }
}
