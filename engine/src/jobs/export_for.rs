//! Adapters as the files that other programs serve: alone, and in the weights of their base model.

use std::path::{Path, PathBuf};

use crate::adapters::formats;
use crate::adapters::formats::programs::write_for;
use crate::adapters::ops::merge_gguf::merge_gguf;
use crate::adapters::{CacheForm, GgufNumbers, Program};
use crate::data::Tokenizer;
use crate::error::{EngineError, IoAction, Result};
use crate::jobs::exchange::adapter_folder;
use crate::jobs::merge::apart_on_base;
use crate::jobs::queries::OneShot;
use crate::jobs::{Job, Outbox};
use crate::models::ModelFolder;
use crate::protocol::Report;
use crate::sentence;

/// Writes an adapter, or the best checkpoint of a run folder, for a program.
pub(super) fn written(adapter: PathBuf, model: PathBuf, program: Program, to: PathBuf) -> Box<dyn Job> {
    Box::new(OneShot(Some(Box::new(move |_, out: &Outbox| {
        let folder = ModelFolder::open(&model)?;
        let adapter = formats::read_for(&adapter_folder(adapter), &folder.sites())?;
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
        let (base, inside, before) = apart_on_base(adapter, &model, out)?;
        make_folder(&to)?;
        let beside = to.with_extension("ggsq");
        if before.is_some() && beside.exists() {
            let reason = sentence!("{to} is there already", to = beside);
            return Err(EngineError::Setting { field: "to", reason });
        }
        // The state first: where it is refused there is no model, and without a model there is no state.
        if let Some(before) = &before {
            write_for(Program::LlamaCpp(CacheForm::default()), before, base.folder(), &beside)?;
        }
        let tokenizer = |n_rows| Tokenizer::from_folder(&model)?.to_gguf(n_rows);
        let merged = merge_gguf(&base, &inside, numbers, tokenizer, &to);
        if merged.is_err() && before.is_some() {
            std::fs::remove_file(&beside).ok();
        }
        merged?;
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
