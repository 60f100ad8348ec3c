//! What a user can ask for: panels return actions, `State::perform` does them.

use std::path::PathBuf;

use engine::config::{DataConfig, RunConfig, Task};
use engine::training::LabPlan;
use serde::{Deserialize, Serialize};

use crate::screens::compare::state::Wish;
use crate::screens::explorer::state::Cell;
use crate::settings::Settings;
use crate::workspace::RunId;

/// The screens, in the order of the rail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Screen {
    /// All runs.
    #[default]
    Runs,
    /// The form of a new run.
    NewRun,
    /// One run: its curves, samples and log.
    Training,
    /// Generations side by side.
    Compare,
    /// Inside a prefix.
    Explorer,
    /// Models and datasets.
    Library,
    /// Language, theme, devices.
    Settings,
}

impl Screen {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Runs, Self::NewRun, Self::Training, Self::Compare, Self::Explorer, Self::Library, Self::Settings];
}

/// What a path is chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// The base model of the new run.
    Model,
    /// Training rows of the new run.
    Train,
    /// Validation rows of the new run.
    Validation,
    /// A model folder for the library.
    LibraryModel,
    /// A dataset for the library.
    LibraryDataset,
    /// Where a list of neighbours is written.
    NeighboursCsv,
    /// Where an adapter is written.
    ExportFolder,
    /// Where an adapter is written as one file.
    ShareFile,
    /// An adapter that somebody sent.
    Adapter,
    /// The base model of an adapter that was sent.
    IncomingModel,
}

impl Pick {
    /// A folder is wanted, not a file.
    pub fn is_folder(self) -> bool {
        matches!(self, Self::Model | Self::LibraryModel | Self::ExportFolder | Self::IncomingModel)
    }
}

/// Something to be done.
#[derive(Clone, Debug)]
pub enum Action {
    /// Show a screen.
    Show(Screen),
    /// Show a run on a screen that shows one run.
    Open(RunId, Screen),
    /// Begin a run with these settings, or put it into the queue.
    Start(Box<RunConfig>),
    /// Go on with a run from its last checkpoint.
    Resume(RunId),
    /// Go on with a run although rows, split, tokenizer or order have changed since it began.
    ResumeOnOthers(RunId),
    /// Fill the form with a run's settings.
    Duplicate(RunId),
    /// Pause or continue a run.
    Pause(RunId, bool),
    /// End a run, with a checkpoint.
    Stop(RunId),
    /// Write a checkpoint of a run now.
    Checkpoint(RunId),
    /// Take a run out of the queue.
    Withdraw(RunId),
    /// Give a run another name.
    Rename(RunId, String),
    /// Delete a run and its files; the question was answered.
    Delete(RunId),
    /// Mark or unmark a run.
    Star(RunId, bool),
    /// Learn a model's facts.
    Describe(PathBuf),
    /// Tokenise rows for the form.
    Preview {
        /// Its tokenizer.
        model: PathBuf,
        /// The rows.
        data: Box<DataConfig>,
        /// What is learned of a row.
        task: Option<Task>,
        /// Prefix length.
        n_virtual: usize,
    },
    /// The same of another of the form's datasets than the first one.
    PreviewBeside {
        /// Its tokenizer.
        model: PathBuf,
        /// The rows.
        data: Box<DataConfig>,
        /// What is learned of a row.
        task: Option<Task>,
        /// Prefix length.
        n_virtual: usize,
    },
    /// Read the validation file that was chosen, to see what columns it has.
    PreviewValidation {
        /// Its tokenizer.
        model: PathBuf,
        /// The file as training rows.
        data: Box<DataConfig>,
        /// What is learned of a row.
        task: Option<Task>,
        /// Prefix length.
        n_virtual: usize,
    },
    /// Try learning rates on the first steps of a run.
    TestRange(Box<RunConfig>),
    /// End that test, or take its curve away.
    EndRange,
    /// Hold initial values against each other on the first steps of a run.
    CompareStarts(Box<RunConfig>, Box<LabPlan>),
    /// End that lab, or take its table away.
    EndLab,
    /// Keep a model in the library.
    AddModel(PathBuf),
    /// Ask the hub which files a model has and how large they are.
    LookUp(String),
    /// Fetch what was looked up and shown.
    Download,
    /// End the look-up or the download, or take its list away.
    CancelDownload,
    /// Keep a token for gated models; empty takes it away.
    KeepToken(Secret),
    /// Keep a dataset in the library.
    AddDataset(PathBuf),
    /// Take a model out of the library.
    ForgetModel(PathBuf),
    /// Take a dataset out of the library.
    ForgetDataset(PathBuf),
    /// Use a model in the form.
    UseModel(PathBuf),
    /// Use a dataset in the form.
    UseDataset(PathBuf, Option<PathBuf>),
    /// Put a run beside the base, or take it away.
    ToggleColumn(RunId),
    /// Use a certain checkpoint of a column's run.
    ColumnCheckpoint(RunId, Option<PathBuf>),
    /// Generate for a certain task of a column's run.
    ColumnTask(RunId, String),
    /// Get rows of the compared runs' dataset.
    FindPrompts,
    /// Continue a prompt in all columns.
    Generate(Box<Wish>),
    /// End the generation.
    StopGenerating,
    /// Look at a checkpoint.
    Explore {
        /// Its folder.
        checkpoint: PathBuf,
    },
    /// Nearest tokens of a cell.
    Neighbours(Cell),
    /// Write an adapter in PEFT's format.
    Export {
        /// Run or checkpoint folder.
        adapter: PathBuf,
        /// Folder to write.
        to: PathBuf,
    },
    /// Write the base model with a run's adapter in its weights.
    Merge {
        /// Run or checkpoint folder.
        adapter: PathBuf,
        /// Its base model.
        model: PathBuf,
        /// Folder to write.
        to: PathBuf,
    },
    /// Write an adapter as one file to hand on.
    Share {
        /// Run or checkpoint folder.
        adapter: PathBuf,
        /// Its base model.
        model: PathBuf,
        /// Whether a few rows of the validation data go along.
        with_samples: bool,
        /// File to write.
        to: PathBuf,
    },
    /// Look at an adapter that somebody sent, a file or a folder.
    OpenAdapter(PathBuf),
    /// Hold it against this model.
    HoldAgainst(PathBuf),
    /// Compute a few logits with it.
    ProbeAdapter,
    /// Make a run of it.
    ImportAdapter {
        /// On a base model of other weights than the sender's.
        other_base: bool,
    },
    /// Make nothing of it.
    PutAdapterAway,
    /// Write a text file and say so.
    Write {
        /// The file.
        path: PathBuf,
        /// Its text.
        text: String,
    },
    /// Open a dialog; the answer comes as a path.
    Browse(Pick),
    /// Keep these settings.
    Keep(Box<Settings>),
    /// Look for devices again.
    ListDevices,
    /// Open what lies at these paths, whatever it is: rows, a model, a run file, an adapter.
    OpenPaths(Vec<PathBuf>),
    /// Take a notice from the screen.
    PutNoticeAway(u64),
    /// All notices were seen.
    NoticesSeen,
    /// Forget all notices.
    ClearNotices,
    /// Take away a banner.
    DismissBanner,
    /// What to do when the window is closed while a run goes on.
    Leave(Leaving),
}

/// What was typed into a field of a secret: it prints as dots.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How the program comes to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leaving {
    /// It does not.
    #[default]
    No,
    /// The window asks, since a run goes on.
    Asking,
    /// Out of sight until all runs are done, then it ends.
    WhenDone,
    /// Runs are being stopped with a checkpoint; then it ends.
    WhenStopped,
    /// Now.
    Now,
}
