//! The workspace folder: `experiments.db`, `runs/<id>/`, `cache/`, `settings.toml`; and where the starter set lies.
//!
//! In order: what `--workspace` says, what the environment says, the checkout when the program is started in one, the
//! platform's data folder.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use engine::adapters::single_file;
use engine::config::{LoraConfig, MethodConfig, PrefixConfig, PromptEncoderKind, Reparameterisation, RunConfig};
use engine::device::Trials;
use engine::error::Failure;
use engine::protocol::AdapterFacts;
use engine::recipes::{Form, Scale, recommended_learning_rate};
use engine::{Sentence, sentence};
use serde::{Deserialize, Serialize};

/// Environment variable that names the workspace folder.
pub const WORKSPACE_VARIABLE: &str = "PREFIX_WORKBENCH_WORKSPACE";
/// Environment variable that names the folder of the starter set.
pub const ASSETS_VARIABLE: &str = "PREFIX_WORKBENCH_ASSETS";

/// Name of a run's folder, and of its row: short, sortable by time, unique.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunId(pub String);

impl RunId {
    /// Whether it can be the name of a run's folder: one part of a path, not hidden.
    pub fn is_a_name(&self) -> bool {
        let path = Path::new(&self.0);
        !self.0.starts_with('.') && path.file_name().is_some_and(|name| name == path)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why there is no workspace.
#[derive(Debug)]
pub enum WorkspaceError {
    /// The platform names no folder for a user's data.
    NoDataFolder,
    /// The folder cannot be made or written.
    Unwritable {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The starter model is not where it should be.
    ModelMissing(PathBuf),
    /// A dataset of the starter set is not where it should be.
    DatasetMissing(PathBuf),
}

impl WorkspaceError {
    /// One sentence on what happened, the path last.
    pub fn sentence(&self) -> Sentence {
        match self {
            Self::NoDataFolder => sentence!("the system names no data folder for you; name one with --workspace DIR"),
            Self::Unwritable { path, source } => {
                let reason = engine::error::io_reason(source);
                sentence!("the workspace folder cannot be written ({reason}): {path}", reason, path)
            }
            Self::ModelMissing(path) => sentence!(
                "the starter model is missing; set {variable} to the folder that has it: {path}",
                variable = ASSETS_VARIABLE,
                path
            ),
            Self::DatasetMissing(path) => sentence!(
                "the starter dataset is missing; set {variable} to the folder that has it: {path}",
                variable = ASSETS_VARIABLE,
                path
            ),
        }
    }

    /// One sentence on what to do about it.
    pub fn advice(&self) -> Sentence {
        match self {
            Self::NoDataFolder | Self::Unwritable { .. } => {
                sentence!("Choose a folder that you may write with --workspace DIR")
            }
            Self::ModelMissing(_) | Self::DatasetMissing(_) => {
                sentence!("Keep the assets folder beside the program, or choose a model and a dataset")
            }
        }
    }
}

/// In English, as on the command line.
impl fmt::Display for WorkspaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sentence().fmt(f)
    }
}

impl std::error::Error for WorkspaceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unwritable { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<&WorkspaceError> for Failure {
    fn from(error: &WorkspaceError) -> Self {
        Self { what: error.sentence(), advice: error.advice() }
    }
}

/// A folder that can be written, with everything the program keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// Chooses the folder (see the module) and makes it ready.
    ///
    /// # Errors
    /// [`WorkspaceError`] when there is none or it cannot be written.
    pub fn locate(asked: Option<&Path>) -> Result<Self, WorkspaceError> {
        Self::open(&choose_root(asked)?)
    }

    /// Makes the folder and its parts if need be. One that has runs can be looked at, whether or not it can be written.
    ///
    /// # Errors
    /// [`WorkspaceError::Unwritable`] names the folder.
    pub fn open(root: &Path) -> Result<Self, WorkspaceError> {
        let unwritable = |source| WorkspaceError::Unwritable { path: root.to_owned(), source };
        let root = std::path::absolute(root).map_err(unwritable)?;
        let made = [root.join("runs"), root.join("cache")].iter().try_for_each(fs::create_dir_all);
        match made {
            Err(_) if root.join("runs").is_dir() => Ok(Self { root }),
            made => made.map(|()| Self { root }).map_err(unwritable),
        }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The database: an index of the runs, plus notes and tags.
    pub fn database(&self) -> PathBuf {
        self.root.join("experiments.db")
    }

    /// Locked by the program that writes the database.
    pub fn database_lock(&self) -> PathBuf {
        self.root.join("cache").join("experiments.lock")
    }

    /// How the database looked when it was closed last.
    pub fn database_closed(&self) -> PathBuf {
        self.root.join("cache").join("experiments.closed")
    }

    /// The folder with a folder for each run.
    pub fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// The folder of one run.
    pub fn run_folder(&self, run: &RunId) -> PathBuf {
        self.runs().join(&run.0)
    }

    /// What can be computed again.
    pub fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// How a GPU is tried before its first use: by this program, in a process of its own.
    pub fn trials(&self) -> Option<Trials> {
        std::env::current_exe().ok().map(|program| Trials::new(program, &self.cache()))
    }

    /// What the window remembers.
    pub fn settings(&self) -> PathBuf {
        self.root.join("settings.toml")
    }

    /// Where one was and what was typed.
    pub fn desk(&self) -> PathBuf {
        self.root.join("desk.json")
    }

    /// A new id, with its empty folder.
    ///
    /// # Errors
    /// [`WorkspaceError::Unwritable`] when the folder cannot be made.
    pub fn new_run(&self) -> Result<RunId, WorkspaceError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut moment = now.subsec_nanos() / 15_259; // 65,536 parts of a second
        loop {
            let id = RunId(format!("{}-{moment:04x}", stamp(now.as_secs())));
            moment += 1;
            let folder = self.run_folder(&id);
            match private_folder(&folder) {
                Ok(()) => return Ok(id),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => {
                    return Err(WorkspaceError::Unwritable { path: folder, source });
                }
            }
        }
    }
}

/// Makes a folder that others on the machine cannot look into: samples of one's rows are in it. What is inside has the usual
/// modes, so that a copy of it is as any other file.
fn private_folder(path: &Path) -> io::Result<()> {
    let mut folder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
    folder.create(path)
}

/// Where this program keeps a token for the hub: outside of the workspace, so that no copy of one carries it along.
pub fn kept_token() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "prefix-workbench").map(|dirs| dirs.config_dir().join("hub-token"))
}

fn choose_root(asked: Option<&Path>) -> Result<PathBuf, WorkspaceError> {
    if let Some(asked) = asked {
        return Ok(asked.to_owned());
    }
    if let Some(named) = std::env::var_os(WORKSPACE_VARIABLE).filter(|v| !v.is_empty()) {
        return Ok(PathBuf::from(named));
    }
    if let Ok(current) = std::env::current_dir()
        && is_checkout(&current)
    {
        return Ok(current);
    }
    directories::ProjectDirs::from("", "", "prefix-workbench")
        .map(|dirs| dirs.data_dir().to_owned())
        .ok_or(WorkspaceError::NoDataFolder)
}

fn is_checkout(folder: &Path) -> bool {
    folder.join("Cargo.toml").is_file() && folder.join("assets").is_dir()
}

/// `20261121-031502`, in UTC.
fn stamp(unix_secs: u64) -> String {
    let ([year, month, day], secs) = (civil(unix_secs / 86_400), unix_secs % 86_400);
    format!("{year:04}{month:02}{day:02}-{:02}{:02}{:02}", secs / 3600, secs / 60 % 60, secs % 60)
}

/// Year, month and day of a day counted from 1970-01-01 (Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: u64) -> [u64; 3] {
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153; // months from March
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    [year_of_era + era * 400 + u64::from(month <= 2), month, day_of_year - (153 * shifted + 2) / 5 + 1]
}

/// Seconds since 1970 as `2026-11-21 03:15:02`, in UTC.
pub fn date_and_time(unix_secs: i64) -> String {
    let unix_secs = u64::try_from(unix_secs).unwrap_or(0);
    let ([year, month, day], secs) = (civil(unix_secs / 86_400), unix_secs % 86_400);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", secs / 3600, secs / 60 % 60, secs % 60)
}

/// Seconds since 1970, now.
pub fn now() -> i64 {
    let secs = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(secs).unwrap_or(i64::MAX)
}

/// A name for people from what tells runs apart: `prefix 20 · records`.
pub fn default_name(config: &RunConfig) -> String {
    format!("{} · {}", method_summary(config), dataset_name(&config.data.train))
}

/// The method in a few words: `prefix 20`, `prefix 10 + MLP 512`, `prompt 20 + LoRA 8`.
pub fn method_summary(config: &RunConfig) -> String {
    let alone = of_method(&config.method);
    config.lora.as_ref().map_or_else(|| alone.clone(), |lora| format!("{alone} + LoRA {}", lora.rank))
}

fn of_prefix(prefix: &PrefixConfig) -> String {
    let kind = match (prefix.infix, prefix.n_frozen) {
        (true, _) => "infix",
        (false, 0) => "prefix",
        (false, _) => "cartridge",
    };
    let network = match &prefix.reparameterisation {
        None => String::new(),
        Some(mlp) if mlp.hidden_layers == 1 => format!(" + MLP {}", mlp.width),
        Some(mlp) => format!(" + MLP {}×{}", mlp.hidden_layers, mlp.width),
    };
    let layers = prefix.layers.as_deref().map(|layers| format!(", layers {}", crate::layers::to_text(layers)));
    format!("{kind} {}{network}{}", prefix.n_virtual, layers.unwrap_or_default())
}

fn of_method(method: &MethodConfig) -> String {
    match method {
        MethodConfig::Prefix(prefix) => of_prefix(prefix),
        MethodConfig::Prompt(prompt) => match prompt.encoder.as_ref().map(|encoder| encoder.kind) {
            None => format!("prompt {}", prompt.n_virtual),
            Some(PromptEncoderKind::Mlp) => format!("P-tuning {} + MLP", prompt.n_virtual),
            Some(PromptEncoderKind::Lstm) => format!("P-tuning {} + LSTM", prompt.n_virtual),
            Some(PromptEncoderKind::Tanh) => format!("Embeddings {} + MLP", prompt.n_virtual),
        },
        MethodConfig::Lora(lora) => format!("LoRA {}", lora.rank),
        MethodConfig::Full(full) => match full.top_layers {
            None => "full".to_owned(),
            Some(0) => "head only".to_owned(),
            Some(n) => format!("top {n}"),
        },
        MethodConfig::FewShot(text) => format!("text, {} examples", text.shots),
    }
}

/// What people call a dataset: the file's name, or its folder's where the file is just `train`.
pub fn dataset_name(file: &Path) -> String {
    let stem = last_name(&file.with_extension(""));
    match file.parent().map(last_name) {
        Some(folder) if ["train", "training", "data"].contains(&stem.as_str()) && !folder.is_empty() => folder,
        _ => stem,
    }
}

/// What people call a model: its id where its folder is one of the hub's cache, else the folder's name.
pub fn model_name(folder: &Path) -> String {
    engine::hub::id_of_snapshot(folder).map_or_else(|| last_name(folder), |id| id.to_string())
}

/// The last part of a path, as text.
pub fn last_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// What comes with the program, so that the first minute works offline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assets {
    root: PathBuf,
}

impl Assets {
    /// Finds the folder: the environment, beside the program (or above it, in a checkout's `target`), the current
    /// folder, the checkout that the program was built in. It may still be missing; the questions below say so.
    pub fn locate() -> Self {
        if let Some(named) = std::env::var_os(ASSETS_VARIABLE).filter(|v| !v.is_empty()) {
            return Self { root: PathBuf::from(named) };
        }
        let beside = std::env::current_exe().ok();
        let above = beside.iter().flat_map(|exe| exe.ancestors().skip(1).take(4)).map(Path::to_owned);
        let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned);
        let candidates = above.chain(std::env::current_dir().ok()).chain(built_in);
        let found = candidates.map(|folder| folder.join("assets")).find(|assets| assets.join("datasets").is_dir());
        Self { root: found.unwrap_or_else(|| PathBuf::from("assets")) }
    }

    /// The assets in a folder.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The starter model's folder.
    ///
    /// # Errors
    /// [`WorkspaceError::ModelMissing`] says where it was expected.
    pub fn model(&self) -> Result<PathBuf, WorkspaceError> {
        let path = self.root.join("models").join("starter");
        if path.join("config.json").is_file() { Ok(path) } else { Err(WorkspaceError::ModelMissing(path)) }
    }

    /// Training and validation file of a starter dataset: `records` or `zh_instructions`.
    ///
    /// # Errors
    /// [`WorkspaceError::ModelMissing`] says where it was expected.
    pub fn dataset(&self, name: &str) -> Result<(PathBuf, PathBuf), WorkspaceError> {
        let folder = self.root.join("datasets").join(name);
        let files = (folder.join("train.jsonl"), folder.join("validation.jsonl"));
        if files.0.is_file() && files.1.is_file() { Ok(files) } else { Err(WorkspaceError::DatasetMissing(files.0)) }
    }

    /// The run that is ready when the program starts for the first time: starter model, starter dataset, defaults.
    ///
    /// # Errors
    /// An error when either is not there.
    pub fn starter_run(&self) -> Result<RunConfig, WorkspaceError> {
        let (train, validation) = self.dataset("records")?;
        let mut data = engine::config::DataConfig::new(train);
        data.validation = Some(validation);
        let mut config = RunConfig::new(self.model()?, data);
        // What teaches this model these rows fastest (assets/README.md).
        let reparameterisation = Some(Reparameterisation::default());
        config.method = MethodConfig::Prefix(PrefixConfig { reparameterisation, ..PrefixConfig::default() });
        config.training.epochs = 5.0;
        config.training.schedule = engine::config::Schedule::Cosine;
        let form = Form::of(&config.method, config.task);
        config.training.learning_rate = recommended_learning_rate(form, &config.training.optimizer, Scale::Small);
        config.name = default_name(&config);
        Ok(config)
    }

    /// Other runs that are as ready: another method on the same rows, and Chinese rows.
    pub fn other_starters(&self) -> Vec<RunConfig> {
        let Ok(starter) = self.starter_run() else { return Vec::new() };
        let mut lora = RunConfig { method: MethodConfig::Lora(LoraConfig::default()), ..starter.clone() };
        let form = Form::of(&lora.method, lora.task);
        lora.training.learning_rate = recommended_learning_rate(form, &lora.training.optimizer, Scale::Small);
        let chinese = self.dataset("zh_instructions").ok().map(|(train, validation)| {
            let mut data = engine::config::DataConfig::new(train);
            data.validation = Some(validation);
            RunConfig { data, ..starter }
        });
        let named = |config: RunConfig| RunConfig { name: default_name(&config), ..config };
        [Some(lora), chinese].into_iter().flatten().map(named).collect()
    }
}

/// What is known of a run that was trained elsewhere: its model, its name, its prefix length, how its rows were written.
pub fn imported_config(found: &AdapterFacts, model: PathBuf, name: Option<String>) -> RunConfig {
    let mut data = engine::config::DataConfig::new("");
    if let Some(template) = found.about.as_ref().and_then(|about| about.template.clone()) {
        data.prompt_template = template.prompt_template;
        data.target_template = template.target_template;
        data.begin_token = template.begin_token;
        data.chat = template.chat;
    }
    let mut config = RunConfig::new(model, data);
    let ours = found.path.extension().is_some_and(|ending| ending == single_file::ENDING);
    let stem = found.path.file_stem().filter(|_| ours);
    config.name =
        name.unwrap_or_else(|| stem.map_or_else(|| last_name(&found.path), |stem| stem.to_string_lossy().into_owned()));
    config.method = found.method.clone();
    config.lora.clone_from(&found.lora);
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_are_sortable_and_unique() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(folder.path()).unwrap();
        let ids: std::collections::BTreeSet<RunId> = (0..50).map(|_| workspace.new_run().unwrap()).collect();
        assert_eq!(ids.len(), 50);
        assert!(ids.iter().all(|id| id.0.len() == 20 && workspace.run_folder(id).is_dir()));
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(stamp(0), "19700101-000000");
        assert_eq!(stamp(951_782_399), "20000228-235959");
        assert_eq!(stamp(951_782_400), "20000229-000000");
        assert_eq!(date_and_time(1_795_230_902), "2026-11-21 03:15:02");
    }

    #[test]
    fn a_name_tells_runs_apart() {
        let data = engine::config::DataConfig::new("/sets/records/train.jsonl");
        let mut config = RunConfig::new("/models/starter", data);
        assert_eq!(default_name(&config), "prefix 20 · records");
        config.method = MethodConfig::Prefix(engine::config::PrefixConfig {
            n_virtual: 5,
            reparameterisation: Some(engine::config::Reparameterisation::default()),
            ..Default::default()
        });
        config.data.train = PathBuf::from("/sets/e2e.csv");
        assert_eq!(default_name(&config), "prefix 5 + MLP 512 · e2e");
    }

    #[test]
    fn every_starter_is_a_run_of_its_own_at_the_rate_that_suits_its_method() {
        let assets = Assets::at(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets"));
        let others = assets.other_starters();
        let mut names: Vec<&str> = others.iter().map(|config| config.name.as_str()).collect();
        let starter = assets.starter_run().unwrap();
        names.push(&starter.name);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 3, "{names:?}");
        assert_eq!((starter.training.learning_rate, others[0].training.learning_rate), (4e-3, 4e-3));
        others.iter().for_each(|config| config.check().unwrap());
    }

    #[test]
    fn a_workspace_in_place_of_a_file_is_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("occupied");
        fs::write(&file, "x").unwrap();
        let error = Workspace::open(&file).unwrap_err();
        assert!(error.to_string().contains("cannot be written") && error.to_string().ends_with("occupied"));
    }

    #[test]
    fn missing_assets_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = Assets::at(folder.path()).starter_run().unwrap_err();
        assert!(error.to_string().contains("the starter dataset is missing"));
    }
}
