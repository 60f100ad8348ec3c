//! Actions that a user can ask for: screens return them, [`State::perform`](crate::state::State::perform) does them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::charts::Picture;
use crate::screens::compare::action::CompareAction;
use crate::screens::evaluate::action::EvaluateAction;
use crate::screens::experiment::action::ExperimentAction;
use crate::screens::explorer::action::ExplorerAction;
use crate::screens::frame::action::FrameAction;
use crate::screens::incoming::action::IncomingAction;
use crate::screens::library::action::LibraryAction;
use crate::screens::new_run::action::NewRunAction;
use crate::screens::runs::action::RunAction;
use crate::screens::settings::action::SettingsAction;
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
    /// Texts for a whole file of rows, and their figures.
    Evaluate,
    /// Inside a prefix.
    Explorer,
    /// Models and datasets.
    Library,
    /// Language, theme, devices.
    Settings,
}

impl Screen {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Runs,
        Self::NewRun,
        Self::Training,
        Self::Compare,
        Self::Evaluate,
        Self::Explorer,
        Self::Library,
        Self::Settings,
    ];
}

/// A purpose for which a path is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// Whatever can be opened.
    Anything,
    /// The base model of the new run.
    Model,
    /// The same, as a file in GGUF.
    ModelFile,
    /// Training rows of the new run.
    Train,
    /// Validation rows of the new run.
    Validation,
    /// A model folder for the library.
    LibraryModel,
    /// A dataset for the library.
    LibraryDataset,
    /// Rows to evaluate on.
    EvaluateRows,
    /// Where a table of the Explorer is written.
    ExplorerCsv,
    /// Where an adapter is written.
    ExportFolder,
    /// Where an adapter is written as one file.
    ShareFile,
    /// Where an adapter is written for another program.
    ProgramFile,
    /// Where a page on runs is written.
    ReportFile,
    /// An adapter that somebody sent.
    Adapter,
    /// The base model of an adapter that was sent.
    IncomingModel,
    /// Where a picture of several runs, or of the Explorer, is written.
    Picture,
    /// Where a table of several runs is written.
    RunsCsv,
    /// Rows for all columns of *Compare*.
    CompareRows,
    /// Where a compared set of rows is written.
    ComparisonFile,
}

impl Pick {
    /// A folder is wanted, not a file.
    pub fn is_folder(self) -> bool {
        matches!(self, Self::Model | Self::LibraryModel | Self::ExportFolder | Self::IncomingModel)
    }
}

/// Something to be done: what any screen may ask for, and what each of them has of its own.
#[derive(Clone, Debug)]
pub enum Action {
    /// Show a screen.
    Show(Screen),
    /// Show a run on a screen that shows one run.
    Open(RunId, Screen),
    /// Open a dialog; the answer comes as a path.
    Browse(Pick),
    /// Open what lies at these paths, whatever it is: rows, a model, a run file, an adapter.
    OpenPaths(Vec<PathBuf>),
    /// Draw a picture into a file, SVG or PNG by its name, and say so.
    Picture {
        /// The file.
        path: PathBuf,
        /// Its content.
        picture: Box<Picture>,
    },
    /// Write a text file and say so.
    Write {
        /// The file.
        path: PathBuf,
        /// Text to write.
        text: String,
    },
    /// Write a page on runs and say so.
    Report {
        /// In their order.
        runs: Vec<RunId>,
        /// The file; its ending is its form.
        to: PathBuf,
    },
    /// Of a run.
    Run(RunAction),
    /// Of an experiment, or of all that waits.
    Experiment(ExperimentAction),
    /// Of the form of a new run.
    NewRun(NewRunAction),
    /// Of *Compare*.
    Compare(CompareAction),
    /// Of *Evaluate*.
    Evaluate(EvaluateAction),
    /// Of *Explorer*.
    Explorer(ExplorerAction),
    /// Of the library and the hub.
    Library(LibraryAction),
    /// Of an adapter that was sent.
    Incoming(IncomingAction),
    /// Of *Settings*.
    Settings(SettingsAction),
    /// Of what stands around every screen.
    Frame(FrameAction),
}
