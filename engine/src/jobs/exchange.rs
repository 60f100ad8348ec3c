//! Adapters in, in any form that is known, and out, in PEFT's.

use std::path::PathBuf;

use crate::adapters::single_file::BaseModel;
use crate::adapters::{FoldedAdapter, Incoming};
use crate::error::EngineError;
use crate::files::{self, write_json};
use crate::jobs::ask::Once;
use crate::jobs::once;
use crate::message::{AdapterFacts, Event, JobId};
use crate::models::folder::ModelFolder;
use crate::training::run_folder::{Older, RunFolder, read_checkpoints};
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

/// Says what an adapter is, and for a model whether it is the one it was made for.
pub(super) fn inspect(job: JobId, adapter: PathBuf, model: Option<PathBuf>) -> Box<dyn Job> {
    once(move |_| {
        let folder = model.map(|model| ModelFolder::open(&model)).transpose()?;
        let sites = folder.as_ref().map(ModelFolder::sites);
        let sent = Incoming::read(&adapter, sites.as_deref())?;
        let other_base = folder.and_then(|folder| other_base(&sent, &folder));
        let Incoming { adapter: folded, sentence, about, .. } = sent;
        let found = AdapterFacts {
            tasks: if folded.has_tasks() { folded.task.tasks.clone() } else { Vec::new() },
            path: adapter,
            sentence,
            method: folded.method(),
            lora: folded.lora.as_ref().filter(|_| folded.n_virtual() > 0).map(|lora| lora.config.clone()),
            n_virtual: folded.n_virtual(),
            positions: folded.positions,
            task: folded.task.task,
            classes: folded.task.classes,
            other_base,
            about,
        };
        Ok(Event::Inspected { job, found: Box::new(found) })
    })
}

/// Reads an adapter of any form into a run folder, where it looks like a finished run. Nothing is written before it was
/// read whole and fits.
pub(super) fn import(job: JobId, adapter: PathBuf, model: PathBuf, accept_other: bool, to: PathBuf) -> Box<dyn Job> {
    Box::new(Once(Some(Box::new(move |_, out: &Outbox| {
        let model_folder = ModelFolder::open(&model)?;
        let mut sent = Incoming::read(&adapter, Some(&model_folder.sites()))?;
        match other_base(&sent, &model_folder) {
            Some(reason) if !accept_other => return Err(EngineError::OtherBase { reason }),
            Some(reason) => out.send(Event::Notice { job, text: reason }),
            None => {}
        }
        out.send(Event::Notice { job, text: sent.sentence.clone() });
        sent.adapter.base_model = Some(model.display().to_string());
        let origin = serde_json::json!({
            "imported_from": adapter,
            "model": model,
            "positions": sent.adapter.positions,
            "found": sent.sentence,
            "about": sent.about,
        });
        files::write_folder(&to, |draft| {
            let run = RunFolder::open(draft)?;
            run.write_folder("adapter", |folder| sent.adapter.write(folder, None))?;
            let checkpoint = format!("checkpoints/{}", RunFolder::checkpoint_name(0));
            run.write_folder(&checkpoint, |folder| sent.adapter.write(folder, None))?;
            run.note_checkpoint(0, true, Older::KeepAdapter)?;
            write_json(&draft.join("import.json"), &origin)
        })?;
        Ok(Event::Written { job, folder: to })
    }))))
}

/// Why the sender's base model is another than this one; `None` if it is this one or nobody says.
fn other_base(sent: &Incoming, folder: &ModelFolder) -> Option<String> {
    let about = sent.about.as_ref()?;
    about.base.difference(&BaseModel::of(&folder.summary(), &folder.hash()))
}

/// A run folder stands for its best checkpoint; any other folder for itself.
pub(super) fn adapter_folder(folder: PathBuf) -> PathBuf {
    if folder.join("adapter_config.json").is_file() {
        return folder;
    }
    let best = read_checkpoints(&folder).ok().and_then(|index| index.best.or(index.last));
    best.map_or_else(|| folder.join("adapter"), |name| folder.join("checkpoints").join(name))
}
