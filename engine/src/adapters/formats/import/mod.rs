//! Adapters as other programs keep them: which program wrote a file is told by what is in it, and its prefix is folded.
//!
//! A key for each tensor is all that most of these files have, so the sizes come from the model they are for. The layout
//! of a folded prefix is the same everywhere; where the text's positions begin is not, and is kept with the adapter.

mod adapters_library;
mod chatglm;
mod google;
mod network;
mod p_tuning_v2;
mod paper;
mod stored;

use std::path::Path;

use self::stored::Stored;
use crate::adapters::{AdapterState, PrefixPlacement, PromptState};
use crate::config::{Task, TaskRecord};
use crate::error::{EngineError, Result};
use crate::models::{ModelShape, Site};
use crate::nn::positions::PositionConvention;
use crate::{Sentence, sentence};

/// The program that kept an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Li & Liang's for GPT-2.
    PaperGpt2,
    /// Li & Liang's for BART: a prefix at each of three sites.
    PaperBart,
    /// P-tuning v2's, for encoders.
    PTuningV2,
    /// ChatGLM's.
    ChatGlm,
    /// The adapters library's.
    AdaptersLibrary,
    /// Google's prompt tuning: one array.
    GooglePrompt,
}

impl Source {
    /// In words.
    pub fn sentence(self) -> Sentence {
        match self {
            Self::PaperGpt2 => sentence!("XiangLi1999/PrefixTuning for GPT-2"),
            Self::PaperBart => sentence!("XiangLi1999/PrefixTuning for BART"),
            Self::PTuningV2 => sentence!("THUDM/P-tuning-v2"),
            Self::ChatGlm => sentence!("THUDM/ChatGLM"),
            Self::AdaptersLibrary => sentence!("the adapters library"),
            Self::GooglePrompt => sentence!("google-research/prompt-tuning"),
        }
    }
}

/// Content of a file of another program.
#[derive(Clone, Debug)]
pub enum Imported {
    /// A prefix at each of its sites, and perhaps a head.
    Prefixes(AdapterState),
    /// Embeddings that stand before those of the text.
    SoftPrompt {
        /// Rows.
        n_virtual: usize,
        /// Their width.
        d_model: usize,
        /// `[n_virtual, d_model]`, row by row.
        values: Vec<f32>,
    },
}

impl Imported {
    /// As an adapter of a model with these sites.
    pub(crate) fn adapter(self, sites: &[(Site, ModelShape)]) -> AdapterState {
        let (n_virtual, width, mut values) = match self {
            Self::Prefixes(adapter) => return adapter,
            Self::SoftPrompt { n_virtual, d_model, values } => (n_virtual, d_model, values),
        };
        // PEFT's form has as many rows again for a decoder, which nothing reads.
        let (n_rows, task) = match sites.len() > 1 {
            true => (2 * n_virtual, Task::Seq2Seq),
            false => (n_virtual, Task::Causal),
        };
        values.resize(n_rows * width, 0.0);
        let prompt = PromptState { n_virtual, n_rows, width, values, of_model: None, tasks: None };
        AdapterState::new(TaskRecord::of(task), [prompt])
    }
}

/// Says which program kept an adapter, a file or a folder; `None` where nothing known is in it. Names and shapes are
/// looked at, no number is.
///
/// # Errors
/// A file is damaged, or asks to run something.
pub fn detect(path: &Path) -> Result<Option<Source>> {
    if google::is_one(path)? {
        return Ok(Some(Source::GooglePrompt));
    }
    Ok(Stored::open(path)?.and_then(|stored| source_of(&stored)))
}

/// Reads an adapter of another program for a model with these sites, and says in a sentence what was found.
///
/// # Errors
/// Nothing known is in it, a tensor is missing, damaged or of another shape, or the model is of another kind or size.
pub fn read(path: &Path, like: &[(Site, ModelShape)]) -> Result<(Imported, Source, Sentence)> {
    if google::is_one(path)? {
        let prompt = google::read(path)?;
        let said = sentence!("a soft prompt of {kept_by}", kept_by = Source::GooglePrompt.sentence());
        return Ok((prompt, Source::GooglePrompt, said));
    }
    let stored = Stored::open(path)?.ok_or_else(|| unknown(path))?;
    let source = source_of(&stored).ok_or_else(|| unknown(path))?;
    let folded = match source {
        Source::PaperGpt2 => paper::gpt2(&stored, like),
        Source::PaperBart => paper::bart(&stored, like),
        Source::PTuningV2 => p_tuning_v2::read(&stored, like),
        Source::ChatGlm => chatglm::read(&stored, like),
        Source::AdaptersLibrary => adapters_library::read(&stored, like),
        Source::GooglePrompt => Err(unknown(path)),
    }?;
    let notices = folded.notices.iter().cloned().chain(stored.unread()).collect();
    let folded = AdapterState { notices, ..folded };
    let sentence = folded.describe(&source.sentence());
    Ok((Imported::Prefixes(folded), source, sentence))
}

fn source_of(stored: &Stored) -> Option<Source> {
    let sources = [
        (Source::AdaptersLibrary, adapters_library::is_one(stored)),
        (Source::PaperBart, paper::is_bart(stored)),
        (Source::PaperGpt2, paper::is_gpt2(stored)),
        (Source::ChatGlm, chatglm::is_one(stored)),
        (Source::PTuningV2, p_tuning_v2::is_one(stored)),
    ];
    sources.into_iter().find_map(|(source, is_one)| is_one.then_some(source))
}

fn unknown(path: &Path) -> EngineError {
    EngineError::UnknownAdapter { path: path.to_owned() }
}

/// The only site of a model of one stack.
fn only(like: &[(Site, ModelShape)]) -> Result<(Site, &ModelShape)> {
    match like {
        [(site, shape)] => Ok((*site, shape)),
        _ => Err(EngineError::AdapterMismatch {
            reason: sentence!("it is for a model of one stack, this is an encoder with a decoder"),
        }),
    }
}

/// The sizes of a site.
fn shape_at(like: &[(Site, ModelShape)], site: Site) -> Result<&ModelShape> {
    let found = like.iter().find_map(|(other, shape)| (*other == site).then_some(shape));
    found.ok_or_else(|| EngineError::AdapterMismatch {
        reason: sentence!("it has a prefix for the {site}, which this model does not have", site),
    })
}

/// The task that a model does by itself: for adapters that do not say what they were trained for.
fn own_task(like: &[(Site, ModelShape)]) -> Task {
    match like {
        [(Site::Encoder, _)] => Task::MaskedFill,
        [_] => Task::Causal,
        _ => Task::Seq2Seq,
    }
}

/// An adapter behind which the text's positions begin at 0.
fn unshifted(adapter: AdapterState) -> AdapterState {
    let placement = PrefixPlacement { positions: PositionConvention::Unshifted, ..PrefixPlacement::default() };
    AdapterState { placement, ..adapter }
}
