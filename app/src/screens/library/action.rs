//! Actions on the library and the hub.

use std::path::PathBuf;

use engine::protocol::{Ask, Event, Report};

use crate::state::State;
use crate::store::Request;

/// Something to be done about models and datasets.
#[derive(Clone, Debug)]
pub enum LibraryAction {
    /// Learn a model's facts, and with them keep it in the library.
    Describe(PathBuf),
    /// Keep a dataset in the library.
    AddDataset(PathBuf),
    /// Take a model out of the library.
    ForgetModel(PathBuf),
    /// Take a dataset out of the library.
    ForgetDataset(PathBuf),
    /// Ask the hub which files a model has and how large they are.
    LookUp(String),
    /// Fetch what was looked up and shown.
    Download,
    /// End the look-up or the download, or take its list away.
    CancelDownload,
}

impl State {
    pub(crate) fn perform_library(&mut self, action: LibraryAction) {
        match action {
            LibraryAction::Describe(folder) => self.describe(folder),
            LibraryAction::AddDataset(train) => {
                self.ask_library(Request::RememberDataset { train, validation: None });
            }
            LibraryAction::ForgetModel(folder) => self.ask_library(Request::ForgetModel(folder)),
            LibraryAction::ForgetDataset(train) => self.ask_library(Request::ForgetDataset(train)),
            LibraryAction::LookUp(id) => self.look_up(&id),
            LibraryAction::Download => self.download(),
            LibraryAction::CancelDownload => self.cancel_download(),
        }
    }

    pub(crate) fn ask_library(&mut self, request: Request) {
        self.outbox.store(request);
        self.outbox.store(Request::ListLibrary);
    }

    /// Asks for a model's facts, unless that was just asked.
    pub(crate) fn describe(&mut self, folder: PathBuf) {
        let lookup = self.library.lookups.entry(folder.clone()).or_default();
        if !lookup.is_open() {
            lookup.start(self.outbox.ask(Ask::DescribeModel { folder }));
        }
    }

    /// A model whose facts are known is in the library.
    pub(crate) fn on_lookup(&mut self, event: &Event) -> bool {
        let Some(lookup) = self.library.lookups.values_mut().find(|lookup| lookup.is(event.job)) else { return false };
        lookup.on(event, |report| match report {
            Report::Model(model) => Some(model.clone()),
            _ => None,
        });
        if let Report::Model(model) = &event.what {
            self.ask_library(Request::RememberModel(model.clone()));
        }
        true
    }
}
