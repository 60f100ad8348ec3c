//! An adapter as somebody sent it, a file or a folder: ours, PEFT's, or another program's, told by what is in it.

use std::path::Path;

use crate::adapters::{AdapterState, formats};
use crate::bundle::{self, Manifest, ReferenceLogits};
use crate::error::Result;
use crate::models::{BaseModel, ModelShape, Site};
use crate::{Sentence, sentence};

/// An adapter that was sent, once it is read.
#[derive(Clone, Debug)]
pub struct OpenedAdapter {
    /// All parts of the adapter, with its head.
    pub adapter: AdapterState,
    /// Description of what was found, in a sentence.
    pub sentence: Sentence,
    /// The manifest of a file of ours; `None` for other forms.
    pub about: Option<Box<Manifest>>,
    /// Logits that its sender computed.
    pub reference: Option<ReferenceLogits>,
}

impl OpenedAdapter {
    /// Reads it. Without the sites of a model only what says its own sizes can be read: ours and PEFT's.
    ///
    /// # Errors
    /// It is of no known form, damaged, of a kind that is not used here, or does not fit the model.
    pub fn read(path: &Path, like: Option<&[(Site, ModelShape)]>) -> Result<Self> {
        let read = Self::of_any_form(path, like)?;
        if let Some(sites) = like {
            read.adapter.check_fits(sites)?;
        }
        Ok(read)
    }

    fn of_any_form(path: &Path, like: Option<&[(Site, ModelShape)]>) -> Result<Self> {
        if bundle::is_one(path) {
            let file = bundle::read(path)?;
            let sentence = file.adapter.describe(&sentence!("the workbench"));
            let (about, reference) = (Some(Box::new(file.about)), file.reference);
            return Ok(Self { adapter: file.adapter, sentence, about, reference });
        }
        let (adapter, sentence) = formats::open(path, like)?;
        Ok(Self { adapter, sentence, about: None, reference: None })
    }
}

/// The adapter of a run, of a folder or of a file, in any form that can be imported, placed on a model.
///
/// # Errors
/// It is of no known form, damaged, or does not fit the model.
pub(crate) fn open(path: &Path, model: &BaseModel) -> Result<AdapterState> {
    let of_run = path.join("adapter");
    let of_run = of_run.join("adapter_config.json").is_file().then_some(of_run);
    let sites = model.sites();
    let adapter = OpenedAdapter::read(of_run.as_deref().unwrap_or(path), Some(&sites))?.adapter.placed(model)?;
    adapter.check_fits(&sites)?;
    Ok(adapter)
}
