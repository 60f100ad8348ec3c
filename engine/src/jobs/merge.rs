//! An adapter taken into the weights of its base model, several adapters taken together, and one with some of its slots.

use std::path::{Path, PathBuf};

use crate::adapters::ops::merge;
use crate::adapters::{AdapterState, Combination, combine, formats};
use crate::data::Tokenizer;
use crate::device;
use crate::error::{EngineError, Result};
use crate::jobs::exchange::adapter_folder;
use crate::jobs::one_shot;
use crate::jobs::queries::OneShot;
use crate::jobs::{Job, Outbox};
use crate::models::{BaseModel, ModelFolder};
use crate::protocol::Report;
use crate::sentence;

/// Writes several adapters of one model as one.
pub(super) fn combined(adapters: Vec<PathBuf>, model: PathBuf, how: Combination, to: PathBuf) -> Box<dyn Job> {
    one_shot(move |_| {
        let sites = ModelFolder::open(&model)?.sites();
        let read = |folder| formats::read_for(&adapter_folder(folder), &sites);
        let adapters: Vec<AdapterState> = adapters.into_iter().map(read).collect::<Result<_>>()?;
        formats::write(&combine(&adapters, &how)?, &to, None)?;
        Ok(Report::Written { folder: to })
    })
}

/// Writes an adapter, or the best checkpoint of a run folder, with some of its slots alone; what was written is read again.
pub(super) fn pruned(adapter: PathBuf, model: PathBuf, slots: Vec<usize>, to: PathBuf) -> Box<dyn Job> {
    one_shot(move |_| {
        let sites = ModelFolder::open(&model)?.sites();
        let adapter = formats::read_for(&adapter_folder(adapter), &sites)?;
        let fewer = adapter.with_slots(&slots)?;
        formats::write(&fewer, &to, None)?;
        if formats::read(&to, Some(&sites))?.hash() != fewer.hash() {
            let reason = sentence!("what was written is not what is read again: {to}", to);
            return Err(EngineError::AdapterMismatch { reason });
        }
        Ok(Report::Written { folder: to })
    })
}

/// The base model; what of an adapter, or of the best checkpoint of a run folder, goes into its weights; what stands before the
/// text.
pub(super) fn apart_on_base(
    adapter: PathBuf,
    model: &Path,
    out: &Outbox,
) -> Result<(BaseModel, AdapterState, Option<AdapterState>)> {
    let base = ModelFolder::open(model)?.load(&device::cpu(), &mut |_| Ok(()))?;
    let adapter = formats::read_for(&adapter_folder(adapter), &base.sites())?.placed(&base)?;
    out.unread(&adapter);
    let (inside, before) = merge::apart(&adapter)?;
    Ok((base, inside, before))
}

/// Writes the base model with an adapter, or the best checkpoint of a run folder, in its weights. A prompt or a prefix that was
/// trained beside weights is written as an adapter in a folder below.
pub(super) fn merged(adapter: PathBuf, model: PathBuf, to: PathBuf) -> Box<dyn Job> {
    Box::new(OneShot(Some(Box::new(move |_, out: &Outbox| {
        let (base, inside, before) = apart_on_base(adapter, &model, out)?;
        // A model in one file has its tokenizer within.
        let is_one_file = base.folder().path.is_file();
        let beside = |folder: &Path| match is_one_file {
            true => Tokenizer::from_folder(&model)?.write(folder),
            false => Ok(()),
        };
        merge::merge(&base, &inside, &to, beside)?;
        if let Some(mut before) = before {
            let folder = to.join("adapter");
            before.base_model = Some(to.display().to_string());
            let inexact = formats::export(&before, &folder, Some(base.shape().architecture))?;
            let text = sentence!(
                "The checkpoint has the trained weights; what stands before the text is an adapter of it: {folder}",
                folder
            );
            for text in std::iter::once(text).chain(inexact) {
                out.send(Report::Notice { text });
            }
        }
        Ok(Report::Written { folder: to })
    }))))
}
