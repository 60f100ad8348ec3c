//! One job for each command: it advances in bounded steps.

mod analyze;
mod batch_size;
mod bertscore;
mod column;
mod compare_rows;
mod ensemble;
mod evaluate;
mod exchange;
mod export_for;
mod generate;
mod init_comparison;
mod job;
mod lr_range_test;
mod merge;
mod neighbors;
mod predict;
mod probe;
mod queries;
mod score_text;
mod serving;
mod share;
mod shorten;
mod step_time;
mod train;
mod whole_texts;

use self::batch_size::BatchSizeJob;
pub use self::batch_size::{TRY_BATCH_SIZE, try_batch_sizes};
use self::init_comparison::InitComparisonJob;
pub(crate) use self::job::{Inbox, Job, Outbox, Progress};
use self::lr_range_test::LrRangeTestJob;
use self::step_time::StepTimeJob;
use self::train::TrainJob;

use crate::error::Result;
use crate::protocol::{Ask, Report};
use crate::session::Session;
use crate::training::Beginning;

/// The job that answers what is asked; `None` for what is asked about another job.
pub(crate) fn from_ask(ask: Ask) -> Option<Box<dyn Job>> {
    Some(match ask {
        Ask::ListDevices => queries::devices(),
        Ask::DescribeModel { folder } => queries::model(folder),
        Ask::Preview { model, data, task, n_virtual, rows } => queries::preview(model, data, task, n_virtual, rows),
        Ask::DescribeData { data, model, task, n_virtual } => queries::statistics(data, model, task, n_virtual),
        Ask::DescribePrefix { adapter, model, initial } => queries::grid(adapter, model, initial),
        Ask::Train { folder, config, resume, until } => {
            let beginning = if resume { Beginning::Resumed } else { Beginning::Fresh };
            Box::new(TrainJob::new(folder, *config, beginning, until))
        }
        Ask::ResumeOnOthers { folder, config } => {
            Box::new(TrainJob::new(folder, *config, Beginning::ResumedOnOthers, None))
        }
        Ask::TimeSteps { config, steps } => Box::new(StepTimeJob::new(*config, steps)),
        Ask::FindBatchSize { config } => Box::new(BatchSizeJob::new(*config)),
        Ask::TestLrRange { config, range } => Box::new(LrRangeTestJob::new(*config, range)),
        Ask::CompareInits { config, plan } => Box::new(InitComparisonJob::new(*config, plan)),
        Ask::Generate(request) => Box::new(generate::Generate::new(*request)),
        Ask::Evaluate { model, device, numbers, adapter, data, task } => {
            Box::new(evaluate::Evaluate::new((model, (device, numbers)), adapter, data, task))
        }
        Ask::GenerateRows(request) => Box::new(predict::Predict::new(*request)),
        Ask::ScorePredictions { predictions, metrics, wordnet } => {
            Box::new(predict::ScoreAgain::new(predictions, metrics, wordnet))
        }
        Ask::BertScore(request) => Box::new(bertscore::BertScoreJob::new(*request)),
        Ask::Ensemble(request) => Box::new(ensemble::Ensemble::new(*request)),
        Ask::Neighbors(request) => Box::new(neighbors::Neighbors::new(*request)),
        Ask::Export { adapter, to } => exchange::export(adapter, to),
        Ask::ExportFor { adapter, model, program, to } => export_for::written(adapter, model, program, to),
        Ask::Combine { adapters, model, how, to } => merge::combined(adapters, model, how, to),
        Ask::Prune { adapter, model, slots, to } => merge::pruned(adapter, model, slots, to),
        Ask::Shorten { request, slots, to } => Box::new(shorten::Shorten::new(*request, slots, to)),
        Ask::Merge { adapter, model, to } => merge::merged(adapter, model, to),
        Ask::MergeGguf { adapter, model, numbers, to } => export_for::merged(adapter, model, numbers, to),
        Ask::Share { adapter, model, device, card, with_samples, to } => {
            Box::new(share::Share::new(adapter, (model, device), (card, with_samples), to))
        }
        Ask::Analyze(request) => Box::new(analyze::Analyze::new(*request)),
        Ask::Inspect { adapter, model } => exchange::inspect(adapter, model),
        Ask::Import { adapter, model, other_base, to } => exchange::import(adapter, model, other_base, to),
        Ask::Probe { adapter, model, device } => Box::new(probe::Probe::new(adapter, (model, device))),
        Ask::ScoreText(request) => Box::new(score_text::ScoreText::new(*request)),
        Ask::TimeServing(request) => Box::new(serving::TimeServing::new(*request)),
        Ask::CompareRows(request) => Box::new(compare_rows::CompareRows::new(*request)),
        Ask::Pause | Ask::Continue | Ask::Stop | Ask::Checkpoint | Ask::Unload => return None,
    })
}

/// A job of one step: its answer is one event.
fn one_shot(work: impl FnOnce(&Session) -> Result<Report> + 'static) -> Box<dyn Job> {
    Box::new(queries::OneShot(Some(Box::new(move |session, _| work(session)))))
}
