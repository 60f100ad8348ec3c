//! What each command becomes: a job that advances in bounded steps.

mod ask;
mod evaluate;
mod exchange;
mod generate;
mod job;
mod lab;
mod merge;
mod neighbours;
mod probe;
mod range;
mod share;
mod train;
mod vote;

pub(crate) use self::job::{Inbox, Job, Outbox, Progress};
use self::lab::LabJob;
use self::range::RangeJob;
use self::train::TrainJob;

use crate::error::Result;
use crate::protocol::{Command, Event, JobId};
use crate::session::Session;
use crate::training::Beginning;

/// The job of a command. Commands about other jobs never come here.
pub(crate) fn from_command(command: Command) -> (JobId, Box<dyn Job>) {
    match command {
        Command::ListDevices { job } => (job, ask::devices(job)),
        Command::DescribeModel { job, folder } => (job, ask::model(job, folder)),
        Command::Preview { job, model, data, task, n_virtual, rows } => {
            (job, ask::preview(job, model, data, task, n_virtual, rows))
        }
        Command::DescribePrefix { job, adapter, model, initial } => (job, ask::grid(job, adapter, model, initial)),
        Command::Train { job, folder, config, resume } => {
            let beginning = if resume { Beginning::Resumed } else { Beginning::Fresh };
            (job, Box::new(TrainJob::new(job, folder, *config, beginning)))
        }
        Command::ResumeOnOthers { job, folder, config } => {
            (job, Box::new(TrainJob::new(job, folder, *config, Beginning::ResumedOnOthers)))
        }
        Command::TestRange { job, config, range } => (job, Box::new(RangeJob::new(job, *config, range))),
        Command::InitLab { job, config, plan } => (job, Box::new(LabJob::new(job, *config, plan))),
        Command::Generate { job, request } => (job, Box::new(generate::Generate::new(job, *request))),
        Command::Evaluate { job, model, device, precision, adapter, data, task } => {
            (job, Box::new(evaluate::Evaluate::new(job, (model, (device, precision)), adapter, data, task)))
        }
        Command::Vote { job, request } => (job, Box::new(vote::Vote::new(job, *request))),
        Command::Neighbours { job, request } => (job, Box::new(neighbours::Neighbours::new(job, *request))),
        Command::Export { job, adapter, to } => (job, exchange::export(job, adapter, to)),
        Command::Combine { job, adapters, model, how, to } => (job, merge::combined(job, adapters, model, how, to)),
        Command::Merge { job, adapter, model, to } => (job, merge::merged(job, adapter, model, to)),
        Command::Share { job, adapter, model, device, card, with_samples, to } => {
            (job, Box::new(share::Share::new(job, adapter, (model, device), (card, with_samples), to)))
        }
        Command::Inspect { job, adapter, model } => (job, exchange::inspect(job, adapter, model)),
        Command::Import { job, adapter, model, other_base, to } => {
            (job, exchange::import(job, adapter, model, other_base, to))
        }
        Command::Probe { job, adapter, model, device } => {
            (job, Box::new(probe::Probe::new(job, adapter, (model, device))))
        }
        Command::Pause { job } | Command::Continue { job } | Command::Stop { job } | Command::Checkpoint { job } => {
            (job, ask::nothing())
        }
        Command::Unload => (JobId(0), ask::nothing()),
    }
}

/// A job of one step: its answer is one event.
fn once(work: impl FnOnce(&Session) -> Result<Event> + 'static) -> Box<dyn Job> {
    Box::new(ask::Once(Some(Box::new(move |session, _| work(session)))))
}
