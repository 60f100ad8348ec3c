//! An adapter as somebody sent it, a file or a folder: ours, PEFT's, or another program's, told by what is in it.

use std::path::Path;

use crate::adapters::formats::import::{self, Imported};
use crate::adapters::{FoldedAdapter, FoldedPrompt, Lookalike, describe, no_adapter};
use crate::bundle::{self, About, ReferenceLogits};
use crate::config::{Task, TaskRecord};
use crate::error::{EngineError, Result};
use crate::files::{self, Kind};
use crate::models::{ModelShape, Site};
use crate::{Sentence, sentence};

/// What was sent.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Its prefixes and its head.
    pub adapter: FoldedAdapter,
    /// What was found, in a sentence.
    pub sentence: Sentence,
    /// What a file of ours says beside its numbers.
    pub about: Option<Box<About>>,
    /// What its sender computed.
    pub reference: Option<ReferenceLogits>,
}

impl Incoming {
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
            let sentence = describe(&sentence!("the workbench"), &file.adapter);
            let (about, reference) = (Some(Box::new(file.about)), file.reference);
            return Ok(Self { adapter: file.adapter, sentence, about, reference });
        }
        if is_of_peft(path) {
            let adapter = FoldedAdapter::read(path, like)?;
            return Ok(Self {
                sentence: describe(&sentence!("PEFT's form"), &adapter),
                adapter,
                about: None,
                reference: None,
            });
        }
        if let Some(is @ (Lookalike::Rows | Lookalike::Absent)) = Lookalike::of(path).filter(|_| !path.is_dir()) {
            return Err(EngineError::Lookalike { is, path: path.to_owned() });
        }
        let source = import::detect(path)?.ok_or_else(|| no_adapter(path))?;
        let Some(sites) = like else {
            return Err(EngineError::AdapterMismatch {
                reason: sentence!(
                    "{source} keeps no sizes, so it can only be read for a model",
                    source = source.sentence()
                ),
            });
        };
        match import::read(path, sites)? {
            (Imported::Prefixes(adapter), _, sentence) => Ok(Self { adapter, sentence, about: None, reference: None }),
            (Imported::SoftPrompt { n_virtual, d_model, mut values }, _, sentence) => {
                // PEFT's form has as many rows again for a decoder, which nothing reads.
                let n_rows = if sites.len() > 1 { 2 * n_virtual } else { n_virtual };
                values.resize(n_rows * d_model, 0.0);
                let adapter = FoldedAdapter {
                    prompt: Some(FoldedPrompt {
                        n_virtual,
                        n_rows,
                        width: d_model,
                        values,
                        of_model: None,
                        tasks: None,
                    }),
                    task: TaskRecord::of(if sites.len() > 1 { Task::Seq2Seq } else { Task::Causal }),
                    ..FoldedAdapter::default()
                };
                Ok(Self { adapter, sentence, about: None, reference: None })
            }
        }
    }
}

/// The adapters library has a file of the same name, without the type.
fn is_of_peft(path: &Path) -> bool {
    let text = files::read_to_string(&path.join("adapter_config.json"), Kind::Settings).unwrap_or_default();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    // A folder that is damaged there is still said to be so by what reads it.
    let is_damaged = text.is_empty() && path.join("adapter_model.safetensors").is_file();
    is_damaged || json.get("peft_type").is_some()
}
