//! `lr-find`: tries learning rates from low to high on the first steps of a run, and suggests one. Nothing is written.

use clap::Args;
use engine::protocol::{Ask, Report};
use engine::training::{LrRangeFindings, RateRange};

use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::json;
use crate::cli::support::out;
use crate::cli::support::run_args::RunArgs;
use crate::cli::support::session::Session;

/// Learning-rate range test of a run.
#[derive(Debug, Args)]
pub(in crate::cli) struct LrFindArgs {
    #[command(flatten)]
    run: RunArgs,
    /// The lowest rate
    #[arg(long, default_value_t = RateRange::default().from, value_name = "RATE")]
    from: f64,
    /// The highest rate
    #[arg(long, default_value_t = RateRange::default().to, value_name = "RATE")]
    to: f64,
    /// Number of rates, each for one step
    #[arg(long, default_value_t = RateRange::default().steps, value_name = "N")]
    tries: usize,
}

pub(in crate::cli) fn run(args: &LrFindArgs, global: &Global) -> Result<(), CliError> {
    let config = args.run.config(None, global)?;
    let session = Session::start(&global.workspace()?, None)?;
    let range = RateRange { from: args.from, to: args.to, steps: args.tries };
    let ask = Ask::TestLrRange { config: Box::new(config), range };
    let findings = session.ask(ask, |report| {
        if global.json && matches!(report, Report::LrRangeStep(_) | Report::LrRange(_)) {
            out::result(json::line(&report));
        }
        match report {
            Report::LrRangeStep(point) if !global.json => {
                let (rate, loss, smoothed) = (point.learning_rate, point.loss, point.smoothed);
                out::result(format_args!("rate {rate:.3e}  loss {loss:.4}  smoothed {smoothed:.4}"));
                None
            }
            Report::LrRange(findings) => Some(findings),
            _ => None,
        }
    })?;
    out::note(sentence(&findings));
    Ok(())
}

fn sentence(findings: &LrRangeFindings) -> String {
    let fastest = findings.steepest.map(|rate| format!("the loss falls fastest at {rate:.1e}"));
    let highest = findings.diverged.zip(findings.tenth());
    let highest = highest.map(|(rate, tenth)| format!("it is too high from {rate:.1e} on, a tenth is {tenth:.1e}"));
    match (fastest, highest) {
        (Some(fastest), Some(highest)) => format!("Suggestion: {fastest}; {highest}"),
        (Some(one), None) | (None, Some(one)) => format!("Suggestion: {one}"),
        (None, None) => "The loss neither fell nor rose: try higher rates with --to".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suggestion_names_what_was_found() {
        let both = LrRangeFindings { steepest: Some(3.2e-3), diverged: Some(0.5) };
        assert_eq!(
            sentence(&both),
            "Suggestion: the loss falls fastest at 3.2e-3; it is too high from 5.0e-1 on, a tenth is 5.0e-2"
        );
        assert!(sentence(&LrRangeFindings::default()).contains("--to"));
    }
}
