//! `vote`: several adapters answer the rows of a dataset, and the majority counts.

use std::path::PathBuf;

use clap::Args;
use engine::protocol::{Ask, EnsembleReport, EnsembleRequest, EnsembleRow, Report};
use engine::training::ClassificationMetrics;

use crate::cli::Global;
use crate::cli::commands::evaluate::{RowsArgs, asked_rows};
use crate::cli::support::error::CliError;
use crate::cli::support::json;
use crate::cli::support::out;
use crate::cli::support::progress::figures_line;
use crate::cli::support::session::Session;
use crate::cli::support::target::TargetArgs;

/// Let several runs of one task answer every row of a dataset, and count the majority beside each of them. Of answers that
/// as many give, the one with the higher summed log-probability wins.
#[derive(Debug, Args)]
pub(in crate::cli) struct VoteArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    asked: RowsArgs,
    /// Most new tokens of an answer that is written
    #[arg(long, default_value_t = 32, value_name = "N")]
    max_new_tokens: usize,
    /// Print every row with its answers, as they come
    #[arg(long)]
    rows: bool,
}

pub(in crate::cli) fn run(args: VoteArgs, global: &Global) -> Result<(), CliError> {
    if args.max_new_tokens == 0 {
        return Err(CliError::usage("--max-new-tokens must be at least 1", "Correct it"));
    }
    let workspace = global.workspace()?;
    let target = args.target.resolve(&workspace, global)?;
    let members: Vec<(String, PathBuf)> =
        target.columns.iter().filter_map(|column| Some((column.name.clone(), column.adapter.clone()?))).collect();
    if members.len() < 2 {
        return Err(CliError::usage(
            format!("a vote takes at least two adapters, not {}", members.len()),
            "Repeat --run or --adapter",
        ));
    }
    let (data, _) = asked_rows(&target, args.asked, global)?;
    let (names, adapters): (Vec<String>, Vec<PathBuf>) = members.into_iter().unzip();
    let (device, numbers) = (global.device.unwrap_or_default(), target.numbers(global));
    let max_new_tokens = args.max_new_tokens;
    let request = EnsembleRequest { model: target.model, device, numbers, adapters, data, max_new_tokens };
    let session = Session::start(&workspace, None)?;
    session.ask(Ask::Ensemble(Box::new(request)), |report| match &report {
        Report::Voted { rows } => {
            match (args.rows, global.json) {
                (false, _) => {}
                (true, true) => out::result(json::line(&report)),
                (true, false) => rows.iter().for_each(|row| print(&names, row)),
            }
            None
        }
        Report::Ensemble(vote) => {
            if global.json {
                let mut line = json::line(&report);
                line["names"] = json::plain(&names);
                out::result(line);
            } else {
                table(&names, vote).iter().for_each(out::result);
            }
            Some(())
        }
        _ => None,
    })
}

fn print(names: &[String], row: &EnsembleRow) {
    out::result(format_args!("row {}, wanted: {}", row.row, row.reference));
    for (name, answer) in names.iter().zip(&row.answers) {
        out::result(format_args!("  [{name}] {answer}"));
    }
    out::result(format_args!("  [vote] {}", row.vote));
}

/// A line for each adapter, their mean, the best of them, and the vote.
fn table(names: &[String], vote: &EnsembleReport) -> Vec<String> {
    let percent = |share: f64| format!("accuracy {:.1} %", 100.0 * share);
    let wide = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(4);
    let line = |name: &str, said: String| format!("{name:wide$}  {said}");
    let of = |figures: &ClassificationMetrics| figures_line(figures);
    let members = names.iter().zip(&vote.members).map(|(name, figures)| line(name, of(figures)));
    let by_score = match vote.by_score {
        0 => String::new(),
        n => format!(" · {n} by log-probability"),
    };
    let summed = [
        line("mean", percent(vote.mean())),
        line("best", percent(vote.best())),
        line("vote", format!("{} · {} rows{by_score}", of(&vote.vote), vote.total)),
    ];
    members.chain(summed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_each_adapter_their_mean_the_best_and_the_vote() {
        let figures = |accuracy| ClassificationMetrics { accuracy: Some(accuracy), ..ClassificationMetrics::default() };
        let members = vec![figures(0.5), figures(0.75)];
        let vote = EnsembleReport { members, vote: figures(1.0), by_score: 1, total: 4 };
        let table = table(&["first".to_owned(), "b".to_owned()], &vote);
        assert_eq!(
            table,
            [
                "first  accuracy 50.0 %",
                "b      accuracy 75.0 %",
                "mean   accuracy 62.5 %",
                "best   accuracy 75.0 %",
                "vote   accuracy 100.0 % · 4 rows · 1 by log-probability",
            ]
        );
    }
}
