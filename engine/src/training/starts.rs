//! What the initial values of a prefix are taken from: texts, rows, the names of classes, other adapters.

use std::path::Path;

use crate::adapters::{AdapterState, PrefixTarget, TargetRow, frequent};
use crate::bundle::Incoming;
use crate::config::{PrefixInit, TaskRecord};
use crate::data::Example;
use crate::error::Result;
use crate::loaded_model::LoadedModel;
use crate::models::Site;
use crate::training::prepare::hard;

/// Rows that give the initial values their scale.
const ROWS_FOR_SCALE: usize = 16;

/// What a prefix at a site needs for its initial values.
///
/// # Errors
/// The vocabulary cannot express a text, or the adapter is damaged or of another model's shape.
pub(super) fn prefix_target(
    init: &PrefixInit,
    site: Site,
    model: &LoadedModel,
    rows: &[Example],
    task: &TaskRecord,
) -> Result<PrefixTarget> {
    let mut target = PrefixTarget::default();
    match init {
        PrefixInit::Words { text } | PrefixInit::Prefill { text } => target.words = model.tokenizer.encode(text)?,
        PrefixInit::Frequent => {
            let tokens = rows.iter().flat_map(|example| [hard(&example.source), hard(&example.tokens)].concat());
            target.words = frequent(tokens);
        }
        PrefixInit::Classes => {
            for class in &task.classes {
                target.words.extend(model.tokenizer.encode(class)?);
            }
        }
        PrefixInit::Adapter { path } => {
            target.adapter = adapter(path, model)?.prefix_at(site).cloned();
        }
        PrefixInit::ScaledRandom => {
            let row = |example: &Example| TargetRow { source: hard(&example.source), tokens: hard(&example.tokens) };
            target.rows = rows.iter().take(ROWS_FOR_SCALE).map(row).collect();
        }
        PrefixInit::Random | PrefixInit::Zero | PrefixInit::Vocabulary => {}
    }
    Ok(target)
}

/// The adapter of a run, of a folder or of a file, in any form that can be imported.
pub(super) fn adapter(path: &Path, model: &LoadedModel) -> Result<AdapterState> {
    let of_run = path.join("adapter");
    let of_run = of_run.join("adapter_config.json").is_file().then_some(of_run);
    let adapter = Incoming::read(of_run.as_deref().unwrap_or(path), Some(&model.model.sites()))?.adapter;
    adapter.placed(&model.model)
}
