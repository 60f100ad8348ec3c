//! Adapters in, in any form that is known, and out, in PEFT's.

use std::path::{Path, PathBuf};

use crate::Sentence;
use crate::adapters::formats;
use crate::bundle::{BaseModel, OpenedAdapter};
use crate::config::RunConfig;
use crate::error::EngineError;
use crate::files::{self, Kind, write_json};
use crate::jobs::queries::OneShot;
use crate::jobs::{Job, Outbox};
use crate::models::ModelFolder;
use crate::protocol::{AdapterFacts, Report};
use crate::sentence;
use crate::training::run_folder::{Retention, RunFolder, read_checkpoints};

/// Writes an adapter folder, or the best checkpoint of a run folder, to another place.
pub(super) fn export(adapter: PathBuf, to: PathBuf) -> Box<dyn Job> {
    Box::new(OneShot(Some(Box::new(move |_, out: &Outbox| {
        let mut adapter = formats::read(&adapter_folder(adapter), None)?;
        out.unread(&adapter);
        // Its base model may be anywhere, or nowhere any more.
        let base = adapter.base_model.as_ref().and_then(|base| ModelFolder::open(Path::new(base)).ok());
        let architecture = base.map(|base| base.shape().architecture.to_owned());
        adapter.base_model = adapter.base_model.as_deref().map(public_name);
        if let Some(text) = formats::export(&adapter, &to, architecture.as_deref())? {
            out.send(Report::Notice { text });
        }
        Ok(Report::Written { folder: to })
    }))))
}

/// A base model's name where its path means nothing and has somebody's name in it: the id under which the hub's cache
/// keeps it, else the folder's name. A name that is no absolute path stays as it is.
fn public_name(base_model: &str) -> String {
    let path = Path::new(base_model);
    let is_absolute = path.is_absolute() || base_model.starts_with('~') || base_model.get(1..3) == Some(":\\");
    let parts: Vec<&str> = base_model.split(['/', '\\']).filter(|part| !part.is_empty()).collect();
    match parts.iter().find_map(|part| part.strip_prefix("models--")) {
        _ if !is_absolute => base_model.to_owned(),
        Some(id) => id.replacen("--", "/", 1),
        None => parts.last().copied().unwrap_or_default().to_owned(),
    }
}

/// Says what an adapter is, and for a model whether it is the one it was made for.
pub(super) fn inspect(adapter: PathBuf, model: Option<PathBuf>) -> Box<dyn Job> {
    Box::new(OneShot(Some(Box::new(move |_, out: &Outbox| {
        let folder = model.map(|model| ModelFolder::open(&model)).transpose()?;
        let sites = folder.as_ref().map(ModelFolder::sites);
        let sent = OpenedAdapter::read(&adapter, sites.as_deref())?;
        out.unread(&sent.adapter);
        let other_base = folder.and_then(|folder| other_base(&sent, &folder));
        let OpenedAdapter { adapter: folded, sentence, about, .. } = sent;
        let found = AdapterFacts {
            tasks: if folded.has_tasks() { folded.task.tasks.clone() } else { Vec::new() },
            path: adapter,
            sentence,
            method: folded.method(),
            lora: folded.lora().filter(|_| folded.n_virtual() > 0).map(|lora| lora.config.clone()),
            weights: folded.n_virtual() > 0 && folded.lora().is_none() && !folded.weights().is_empty(),
            n_virtual: folded.n_virtual(),
            positions: folded.placement.positions,
            task: folded.task.task,
            classes: folded.task.classes,
            other_base,
            about,
        };
        Ok(Report::Inspected(Box::new(found)))
    }))))
}

/// Reads an adapter of any form into a run folder, where it looks like a finished run. Nothing is written before it was
/// read whole and fits.
pub(super) fn import(adapter: PathBuf, model: PathBuf, accept_other: bool, to: PathBuf) -> Box<dyn Job> {
    Box::new(OneShot(Some(Box::new(move |_, out: &Outbox| {
        let model_folder = ModelFolder::open(&model)?;
        let mut sent = OpenedAdapter::read(&adapter, Some(&model_folder.sites()))?;
        match other_base(&sent, &model_folder) {
            Some(reason) if !accept_other => return Err(EngineError::OtherBase { reason }),
            Some(reason) => out.send(Report::Notice { text: reason }),
            None => {}
        }
        out.send(Report::Notice { text: sent.sentence.clone() });
        sent.adapter.base_model = Some(model.display().to_string());
        let origin = serde_json::json!({
            "imported_from": adapter,
            "model": model,
            "positions": sent.adapter.placement.positions,
            "found": sent.sentence.to_string(),
            "about": sent.about,
        });
        files::write_folder(&to, |draft| {
            let run = RunFolder::open(draft)?;
            run.write_folder("adapter", |folder| formats::write(&sent.adapter, folder, None))?;
            let checkpoint = format!("checkpoints/{}", RunFolder::checkpoint_name(0));
            run.write_folder(&checkpoint, |folder| formats::write(&sent.adapter, folder, None))?;
            run.note_checkpoint(0, true, Retention::AdapterOnly)?;
            write_json(&draft.join("import.json"), &origin)
        })?;
        Ok(Report::Written { folder: to })
    }))))
}

/// Why the sender's base model is another than this one; `None` if it is this one or nobody says.
fn other_base(sent: &OpenedAdapter, folder: &ModelFolder) -> Option<Sentence> {
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

/// The run folder that an adapter folder lies in, with its settings. An adapter from elsewhere has none.
pub(super) fn run_of(adapter: &Path) -> Option<(&Path, RunConfig)> {
    let run = adapter.ancestors().take(3).find(|folder| folder.join("config.json").is_file())?;
    let config = files::read_json(&run.join("config.json"), Kind::RunRecord, sentence!("config.json"));
    Some((run, config.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_model_goes_out_by_its_id_or_its_folders_name() {
        let cached = "/home/ada/.cache/huggingface/hub/models--EleutherAI--gpt-neo-125m/snapshots/0123abcd";
        assert_eq!(public_name(cached), "EleutherAI/gpt-neo-125m");
        assert_eq!(public_name("/home/ada/.cache/huggingface/hub/models--gpt2/snapshots/01"), "gpt2");
        assert_eq!(public_name("/home/ada/models/mine/"), "mine");
        assert_eq!(public_name("C:\\Users\\ada\\mine"), "mine");
        assert_eq!(public_name("EleutherAI/gpt-neo-125m"), "EleutherAI/gpt-neo-125m");
    }
}
