//! Adapters in and out, in PEFT's format.

use std::path::PathBuf;

use crate::adapters::peft::FoldedPrefix;
use crate::jobs::once;
use crate::message::{Event, JobId};
use crate::models::folder::ModelFolder;
use crate::training::run_folder::{RunFolder, read_checkpoints};
use crate::weights::write_json;
use crate::worker::Job;

/// Writes an adapter folder, or the best checkpoint of a run folder, to another place.
pub(super) fn export(job: JobId, adapter: PathBuf, to: PathBuf) -> Box<dyn Job> {
    once(move |_| {
        FoldedPrefix::read(&adapter_folder(adapter), None)?.write(&to, None)?;
        Ok(Event::Written { job, folder: to })
    })
}

/// Reads an adapter into a run folder, where it looks like a finished run.
pub(super) fn import(job: JobId, adapter: PathBuf, model: PathBuf, to: PathBuf) -> Box<dyn Job> {
    once(move |_| {
        let model_folder = ModelFolder::open(&model)?;
        let mut prefix = FoldedPrefix::read(&adapter, Some(&model_folder.shape()))?;
        prefix.check_fits(&model_folder.shape())?;
        prefix.base_model = Some(model.display().to_string());
        let run = RunFolder::open(&to)?;
        prefix.write(&to.join("adapter"), None)?;
        prefix.write(&run.checkpoint(&RunFolder::checkpoint_name(0)), None)?;
        run.note_checkpoint(0, true)?;
        let origin = serde_json::json!({ "imported_from": adapter, "model": model, "positions": "shifted" });
        write_json(&to.join("import.json"), &origin)?;
        Ok(Event::Written { job, folder: to })
    })
}

/// A run folder stands for its best checkpoint; any other folder for itself.
fn adapter_folder(folder: PathBuf) -> PathBuf {
    if folder.join("adapter_config.json").is_file() {
        return folder;
    }
    let best = read_checkpoints(&folder).ok().and_then(|index| index.best.or(index.last));
    best.map_or_else(|| folder.join("adapter"), |name| folder.join("checkpoints").join(name))
}
