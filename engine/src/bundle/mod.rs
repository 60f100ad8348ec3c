//! One file that is an adapter with all that belongs to it, `.prefix`: safetensors, whose metadata holds our JSON.
//!
//! The tensors are `<site>.prompt_embeddings` of a prefix, laid out as PEFT's, those of `parts.rs`, `head.<name>`, and
//! `reference.logits` of a few rows as its sender computed them. The JSON says the rest: sizes, task, where positions begin,
//! the base model with the SHA-256 of its weights, templates, figures, samples, a card.

mod manifest;
mod opened;
pub mod parts;
mod read;
mod write;

use std::path::Path;

pub use self::manifest::{BaseModel, Manifest, SharedTemplate, SiteSizes};
pub use self::opened::OpenedAdapter;
pub(crate) use self::opened::open;
pub use self::parts::OtherParts;
pub use self::read::read;
pub use self::write::write;
use crate::adapters::AdapterState;
use crate::error::EngineError;
use crate::models::Site;
use crate::weights::read_metadata;
use crate::{Sentence, sentence};

/// The ending of such a file.
pub const ENDING: &str = "prefix";
/// The metadata under which the JSON is kept.
const KEY: &str = "prefix_workbench";
/// The newest form, which this program reads and writes where the first, of prefixes alone, is not enough.
const FORMAT: u32 = 2;
/// The first form's name for the method of a prefix.
const METHOD: &str = "prefix_tuning";
const REFERENCE: &str = "reference.logits";
/// Logits after the last token of a few rows, as a sender computed them.
#[derive(Clone, Debug, PartialEq)]
pub struct ReferenceLogits {
    /// Token ids of each row; of a model that reads a source, the source's.
    pub rows: Vec<Vec<u32>>,
    /// The columns that are kept.
    pub columns: Vec<u32>,
    /// `[rows, columns]`, row by row.
    pub logits: Vec<f32>,
}

/// A file, read.
#[derive(Clone, Debug)]
pub struct PrefixFile {
    /// All parts of the adapter, with its head.
    pub adapter: AdapterState,
    /// Everything that the file says beside.
    pub about: Manifest,
    /// Logits that its sender computed.
    pub reference: Option<ReferenceLogits>,
}

/// Whether a file is one of ours; `false` for what is no safetensors file.
pub fn is_one(path: &Path) -> bool {
    path.is_file() && read_metadata(path).is_ok_and(|metadata| metadata.contains_key(KEY))
}

fn malformed(path: &Path) -> impl Fn(Sentence) -> EngineError {
    |reason| EngineError::Malformed { what: sentence!("the prefix file"), path: path.to_owned(), reason }
}

fn tensor_name(site: Site) -> String {
    format!("{}.prompt_embeddings", site.name())
}
