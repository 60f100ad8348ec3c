//! Adapters as the files that other programs serve: alone, and in the weights of their base model.

use std::path::{Path, PathBuf};

use crate::adapters::formats;
use crate::adapters::formats::programs::write_for;
use crate::adapters::ops::merge::apart;
use crate::adapters::ops::merge_gguf::merge_gguf;
use crate::adapters::{CacheForm, GgufNumbers, Program};
use crate::data::Tokenizer;
use crate::device;
use crate::error::{EngineError, IoAction, Result};
use crate::jobs::exchange::adapter_folder;
use crate::jobs::queries::OneShot;
use crate::jobs::{Job, Outbox};
use crate::models::ModelFolder;
use crate::protocol::Report;
use crate::sentence;

/// Writes an adapter, or the best checkpoint of a run folder, for a program.
pub(super) fn written(adapter: PathBuf, model: PathBuf, program: Program, to: PathBuf) -> Box<dyn Job> {
    Box::new(OneShot(Some(Box::new(move |_, out: &Outbox| {
        let folder = ModelFolder::open(&model)?;
        let sites = folder.sites();
        let adapter = formats::read(&adapter_folder(adapter), Some(&sites))?;
        adapter.check_fits(&sites)?;
        out.unread(&adapter);
        make_folder(&to)?;
        write_for(program, &adapter, &folder, &to)?;
        Ok(Report::Written { folder: to })
    }))))
}

/// Writes the base model with an adapter, or the best checkpoint of a run folder, in its weights as one file in GGUF. A prefix
/// that was trained beside them is the state of a sequence in a file beside it.
pub(super) fn merged(adapter: PathBuf, model: PathBuf, numbers: GgufNumbers, to: PathBuf) -> Box<dyn Job> {
    Box::new(OneShot(Some(Box::new(move |_, out: &Outbox| {
        let base = ModelFolder::open(&model)?.load(&device::cpu(), &mut |_| Ok(()))?;
        let sites = base.sites();
        let adapter = formats::read(&adapter_folder(adapter), Some(&sites))?;
        adapter.check_fits(&sites)?;
        let adapter = adapter.placed(&base)?;
        out.unread(&adapter);
        let (inside, before) = apart(&adapter)?;
        make_folder(&to)?;
        let beside = to.with_extension("ggsq");
        if let Some(before) = &before {
            write_for(Program::LlamaCpp(CacheForm::default()), before, base.folder(), &beside)?;
        }
        merge_gguf(&base, &inside, numbers, |n_rows| Tokenizer::from_folder(&model)?.to_gguf(n_rows), &to)?;
        if before.is_some() {
            let text = sentence!(
                "The model has the trained weights; what stands before the text is the state of a sequence: {beside}",
                beside
            );
            out.send(Report::Notice { text });
        }
        Ok(Report::Written { folder: to })
    }))))
}

fn make_folder(to: &Path) -> Result<()> {
    let folder = to.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(EngineError::io(IoAction::Create, folder))
}
