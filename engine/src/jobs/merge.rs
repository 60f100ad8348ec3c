//! An adapter taken into the weights of its base model.

use std::path::PathBuf;

use crate::adapters::{FoldedAdapter, merge};
use crate::device;
use crate::jobs::exchange::adapter_folder;
use crate::jobs::once;
use crate::message::{Event, JobId};
use crate::models::folder::ModelFolder;
use crate::worker::Job;

/// Writes the base model with an adapter, or the best checkpoint of a run folder, in its weights.
pub(super) fn merged(job: JobId, adapter: PathBuf, model: PathBuf, to: PathBuf) -> Box<dyn Job> {
    once(move |_| {
        let base = ModelFolder::open(&model)?.load(&device::cpu(), &mut |_| Ok(()))?;
        let sites = base.sites();
        let adapter = FoldedAdapter::read(&adapter_folder(adapter), Some(&sites))?;
        adapter.check_fits(&sites)?;
        adapter.check_weights(&base)?;
        merge::merge(&base, &adapter, &to)?;
        Ok(Event::Written { job, folder: to })
    })
}
