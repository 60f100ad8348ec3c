//! Adapters in and out, in PEFT's format.

use std::path::PathBuf;

use crate::adapters::FoldedAdapter;
use crate::jobs::ask::Once;
use crate::jobs::once;
use crate::message::{Event, JobId};
use crate::models::folder::ModelFolder;
use crate::training::run_folder::{RunFolder, read_checkpoints};
use crate::weights::write_json;
use crate::worker::{Job, Outbox};

/// Writes an adapter folder, or the best checkpoint of a run folder, to another place.
pub(super) fn export(job: JobId, adapter: PathBuf, to: PathBuf) -> Box<dyn Job> {
    Box::new(Once(Some(Box::new(move |_, out: &Outbox| {
        let adapter = FoldedAdapter::read(&adapter_folder(adapter), None)?;
        if let Some(text) = adapter.export(&to)? {
            out.send(Event::Notice { job, text });
        }
        Ok(Event::Written { job, folder: to })
    }))))
}

/// Reads an adapter into a run folder, where it looks like a finished run.
pub(super) fn import(job: JobId, adapter: PathBuf, model: PathBuf, to: PathBuf) -> Box<dyn Job> {
    once(move |_| {
        let model_folder = ModelFolder::open(&model)?;
        let sites = model_folder.sites();
        let mut folded = FoldedAdapter::read(&adapter, Some(&sites))?;
        folded.check_fits(&sites)?;
        folded.base_model = Some(model.display().to_string());
        let run = RunFolder::open(&to)?;
        folded.write(&to.join("adapter"), None)?;
        folded.write(&run.checkpoint(&RunFolder::checkpoint_name(0)), None)?;
        run.note_checkpoint(0, true)?;
        let origin = serde_json::json!({ "imported_from": adapter, "model": model, "positions": "shifted" });
        write_json(&to.join("import.json"), &origin)?;
        Ok(Event::Written { job, folder: to })
    })
}

/// A run folder stands for its best checkpoint; any other folder for itself.
pub(super) fn adapter_folder(folder: PathBuf) -> PathBuf {
    if folder.join("adapter_config.json").is_file() {
        return folder;
    }
    let best = read_checkpoints(&folder).ok().and_then(|index| index.best.or(index.last));
    best.map_or_else(|| folder.join("adapter"), |name| folder.join("checkpoints").join(name))
}
