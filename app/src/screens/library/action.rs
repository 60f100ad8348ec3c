//! Actions on the library and the hub.

use std::path::PathBuf;

use engine::config::DataConfig;
use engine::protocol::{Ask, Event, Report};

use crate::state::State;
use crate::state::library::Counted;
use crate::state::request::Request;
use crate::store::Request as StoreRequest;

/// Something to be done about models and datasets.
#[derive(Clone, Debug)]
pub enum LibraryAction {
    /// Learn a model's facts, and with them keep it in the library.
    Describe(PathBuf),
    /// Keep a dataset in the library.
    AddDataset(PathBuf),
    /// Count what is in a dataset, its training rows and its validation rows.
    Count(PathBuf, Option<PathBuf>),
    /// Take the statistics away.
    HideStatistics,
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
                self.ask_library(StoreRequest::RememberDataset { train, validation: None });
            }
            LibraryAction::Count(train, validation) => self.count(train, validation),
            LibraryAction::HideStatistics => {
                if let Some(mut counted) = self.library.counted.take() {
                    counted.request.stop(&mut self.outbox);
                }
            }
            LibraryAction::ForgetModel(folder) => self.ask_library(StoreRequest::ForgetModel(folder)),
            LibraryAction::ForgetDataset(train) => self.ask_library(StoreRequest::ForgetDataset(train)),
            LibraryAction::LookUp(id) => self.look_up(&id),
            LibraryAction::Download => self.download(),
            LibraryAction::CancelDownload => self.cancel_download(),
        }
    }

    pub(crate) fn ask_library(&mut self, request: StoreRequest) {
        self.outbox.store(request);
        self.outbox.store(StoreRequest::ListLibrary);
    }

    /// Asks for a model's facts, unless that was just asked.
    pub(crate) fn describe(&mut self, folder: PathBuf) {
        let lookup = self.library.lookups.entry(folder.clone()).or_default();
        if !lookup.is_open() {
            lookup.start(self.outbox.ask(Ask::DescribeModel { folder }));
        }
    }

    /// Asks for the statistics of a dataset, in the tokens of the model that was used last.
    fn count(&mut self, train: PathBuf, validation: Option<PathBuf>) {
        if let Some(mut before) = self.library.counted.take() {
            before.request.stop(&mut self.outbox);
        }
        let model = self.library.models.first();
        let name = model.map(|model| model.name.clone());
        let data = DataConfig { validation, ..DataConfig::new(&train) };
        let ask = Ask::DescribeData { data, model: model.map(|model| model.folder.clone()), task: None, n_virtual: 0 };
        let mut request = Request::default();
        request.start(self.outbox.ask(ask));
        self.library.counted = Some(Counted { train, model: name, request });
    }

    pub(crate) fn on_statistics(&mut self, event: &Event) -> bool {
        let counted = self.library.counted.as_mut();
        counted.is_some_and(|counted| {
            counted.request.on(event, |report| match report {
                Report::Statistics(statistics) => Some(statistics.clone()),
                _ => None,
            })
        })
    }

    /// A model whose facts are known is in the library.
    pub(crate) fn on_lookup(&mut self, event: &Event) -> bool {
        let Some(lookup) = self.library.lookups.values_mut().find(|lookup| lookup.is(event.job)) else { return false };
        lookup.on(event, |report| match report {
            Report::Model(model) => Some(model.clone()),
            _ => None,
        });
        if let Report::Model(model) = &event.what {
            self.ask_library(StoreRequest::RememberModel(model.clone()));
        }
        true
    }
}
