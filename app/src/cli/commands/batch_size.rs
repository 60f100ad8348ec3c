//! `train --probe-batch-size`: the rows of a batch that memory has room for; `try-batch-size`: the process that tries them.

use engine::config::RunConfig;
use engine::device::Trials;
use engine::protocol::{Ask, Report};
use engine::training::BatchFit;

use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::json;
use crate::cli::support::out;
use crate::cli::support::session::Session;
use crate::format::{bytes, count};

/// Looks for the largest batch of a run; nothing is written.
pub(super) fn probe(config: RunConfig, global: &Global) -> Result<(), CliError> {
    let session = Session::start(&global.workspace()?, None)?;
    let ask = Ask::FindBatchSize { config: Box::new(config) };
    let fit = session.ask(ask, |report| {
        if global.json && matches!(report, Report::BatchTrial(_) | Report::BatchFit(_)) {
            out::result(json::line(&report));
        }
        match report {
            Report::BatchTrial(trial) if !global.json => {
                let (memory, secs) = (bytes(trial.memory_bytes), trial.step_secs);
                out::note(format_args!("{} rows: {memory}, {secs:.2} s a step", count(trial.rows)));
                None
            }
            Report::BatchFit(fit) => Some(fit),
            _ => None,
        }
    })?;
    if !global.json {
        out::result(sentence(&fit));
    }
    Ok(())
}

fn sentence(fit: &BatchFit) -> String {
    let BatchFit { rows, tried, is_all, longest, .. } = *fit;
    let (memory, limit) = (bytes(fit.memory_bytes), bytes(fit.limit_bytes));
    let unit = if rows == 1 { "row" } else { "rows" };
    let how = match (is_all, tried < rows) {
        (_, true) => format!(", reckoned from steps of up to {} rows", count(tried)),
        (true, false) => ", which is all that there are".to_owned(),
        (false, false) => String::new(),
    };
    match rows {
        0 => format!("fits: not one row of {longest} tokens in {limit}"),
        _ => format!("fits: {} {unit} of up to {longest} tokens in {memory} of {limit}{how}", count(rows)),
    }
}

/// The process that tries sizes, as the engine asks for it.
pub(in crate::cli) fn try_batch_sizes() -> Result<(), CliError> {
    let program = std::env::current_exe().ok();
    let trials = |cache: &std::path::Path| program.map(|program| Trials::new(program, cache));
    Ok(engine::try_batch_sizes(std::io::stdin(), std::io::stdout(), trials)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_said_with_how_it_is_known() {
        let fit = BatchFit {
            rows: 24,
            tried: 24,
            is_all: false,
            memory_bytes: 3_100_000_000,
            limit_bytes: 4_000_000_000,
            longest: 128,
            step_secs: 1.0,
        };
        assert_eq!(sentence(&fit), "fits: 24 rows of up to 128 tokens in 3.10 GB of 4.00 GB");
        assert!(sentence(&BatchFit { tried: 16, ..fit }).ends_with(", reckoned from steps of up to 16 rows"));
        assert!(sentence(&BatchFit { is_all: true, ..fit }).ends_with(", which is all that there are"));
        assert_eq!(sentence(&BatchFit { rows: 0, tried: 0, ..fit }), "fits: not one row of 128 tokens in 4.00 GB");
    }
}
