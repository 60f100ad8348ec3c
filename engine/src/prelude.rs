//! The names that a program on top of the engine needs, and one request carried out.

use std::sync::mpsc::channel;

pub use crate::adapters::Combination;
pub use crate::analysis::{Metric, NeighborList, Side, Space};
pub use crate::config::{BeginToken, TrainingConfig};
pub use crate::config::{DataConfig, HeadInit, LoraConfig, MethodConfig, PrefixConfig, PromptConfig, RunConfig, Task};
pub use crate::device::DeviceChoice;
pub use crate::error::{EngineError, Failure};
pub use crate::generation::Sampling;
pub use crate::loaded_model::LoadedModel;
pub use crate::nn::Precision;
pub use crate::protocol::{
    Ask, Command, Event, GenerateRequest, JobId, NeighborRequest, Outcome, Prompt, Report, Stream,
};
pub use crate::worker::Engine;

use crate::Sentence;
use crate::error::IoAction;
use crate::worker::SendError;

/// Carries out one request on an engine of its own, GPUs untried, and hears what it reports until the job ends. A program
/// that asks more than once keeps an [`Engine`], which keeps the model loaded.
///
/// # Errors
/// The engine cannot start, or the job failed.
pub fn carry_out(ask: Ask, mut hear: impl FnMut(Report)) -> Result<Outcome, Failure> {
    let failed = |error: EngineError| Failure::from(&error);
    let cache =
        tempfile::tempdir().map_err(|error| failed(EngineError::io(IoAction::Create, std::env::temp_dir())(error)))?;
    let (send, events) = channel();
    // A program that no longer listens is told nothing.
    let engine = Engine::spawn(cache.path(), None, move |event| drop(send.send(event))).map_err(failed)?;
    let refused = |error: SendError| Failure { what: error.sentence(), advice: Sentence::default() };
    engine.send(Command { job: JobId(1), ask }).map_err(refused)?;
    for event in &events {
        match event.what {
            Report::Finished { outcome } => return Ok(outcome),
            Report::Failed(failure) => return Err(failure),
            report => hear(report),
        }
    }
    Ok(Outcome::Stopped)
}
