//! Rows of the form as tokens.

use std::path::PathBuf;

use engine::config::{DataConfig, Task};
use engine::data::DataPreview;
use engine::error::Failure;
use engine::protocol::{Ask, Event, JobId, Report};

use crate::state::request::Request;

/// Rows that the form asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreviewOf {
    /// Those that train.
    Rows,
    /// Those of a dataset beside them.
    Beside,
    /// Those that validate, to see what columns they have.
    Validation,
}

impl PreviewOf {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rows, Self::Beside, Self::Validation];

    /// Rows that are shown.
    fn rows(self) -> usize {
        if self == Self::Validation { 1 } else { 40 }
    }
}

/// The rows of a preview, and how they become tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct PreviewQuestion {
    /// The model whose tokenizer is used.
    pub model: PathBuf,
    /// The rows, as training rows.
    pub data: Box<DataConfig>,
    /// The task; `None` is the model's own.
    pub task: Option<Task>,
    /// Prefix length.
    pub n_virtual: usize,
}

impl PreviewQuestion {
    /// The engine's words for it.
    pub fn ask(&self, of: PreviewOf) -> Ask {
        let Self { model, data, task, n_virtual } = self.clone();
        Ask::Preview { model, data: *data, task, n_virtual, rows: of.rows() }
    }
}

/// A preview: the last answer, or why there is none.
#[derive(Clone, Debug, Default)]
pub struct Preview {
    request: Request<Box<DataPreview>>,
    /// The model and the training rows that were asked about.
    about: Option<(PathBuf, PathBuf)>,
}

impl Preview {
    /// Waits for a job. Of the same training rows the last answer stays until the next has come; of others it would be
    /// wrong.
    pub fn start(&mut self, of: PreviewOf, question: &PreviewQuestion, job: JobId) {
        let about = Some((question.model.clone(), question.data.train.clone()));
        if of == PreviewOf::Rows && self.about == about {
            self.request.renew(job);
        } else {
            self.request.start(job);
        }
        self.about = about;
    }

    /// Takes in what its job tells. Rows that cannot be read any more are not shown.
    pub fn on(&mut self, event: &Event) -> bool {
        let is_ours = self.request.on(event, |report| match report {
            Report::Preview(preview) => Some(preview.clone()),
            _ => None,
        });
        if self.request.failure.is_some() {
            self.request.answer = None;
        }
        is_ours
    }

    /// The last answer.
    pub fn known(&self) -> Option<&DataPreview> {
        self.request.answer.as_deref()
    }

    /// Why there is none.
    pub fn failure(&self) -> Option<&Failure> {
        self.request.failure.as_ref()
    }

    /// Whether the question is under way.
    pub fn is_open(&self) -> bool {
        self.request.is_open()
    }

    /// There will be no answer.
    pub fn engine_gone(&mut self) {
        self.request.engine_gone();
    }
}
