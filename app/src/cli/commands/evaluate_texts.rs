//! `evaluate --generate`: texts for a whole file of rows, and figures of them; `evaluate --predictions`: figures of texts that
//! were kept.

use std::path::{Path, PathBuf};

use clap::Args;
use engine::config::RunConfig;
use engine::evaluation::{FOLDER, GroupFigures, MetricFigure, ScoredPredictions, usual_metrics};
use engine::protocol::{Ask, Report, RowsRequest};
use serde_json::json;

use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::json::{named, plain};
use crate::cli::support::out;
use crate::cli::support::paths::path;
use crate::cli::support::session::Session;
use crate::cli::support::target::{Column, Target};
use crate::workspace::Workspace;

/// Texts that are written for the rows, and their figures.
#[derive(Debug, Default, Args)]
pub(super) struct TextArgs {
    /// Write a text for every row and score it; --set generation.… says how, as in --set generation.n_beams=5
    #[arg(long)]
    pub(super) generate: bool,
    /// Metrics of texts, as in bleu,rouge_l [default: the run's training.best_metric where it is one of texts, or the
    /// usual ones]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    metrics: Vec<String>,
    /// File of the predictions, one JSON object a line; without --generate they are read from it and scored again
    #[arg(long, value_name = "FILE", value_parser = path())]
    predictions: Option<PathBuf>,
    /// Figures for each value of a column too
    #[arg(long, value_name = "COLUMN", requires = "generate")]
    by: Option<String>,
    /// Only the first so many sources
    #[arg(long, value_name = "N", requires = "generate")]
    limit: Option<usize>,
    /// For meteor: folder of WordNet's files (index.noun …); without it the usual places are looked at
    #[arg(long, value_name = "DIR", value_parser = path())]
    wordnet: Option<PathBuf>,
}

impl TextArgs {
    /// Predictions that are to be scored without writing any.
    pub(super) fn kept(&self) -> Result<Option<&Path>, CliError> {
        match (&self.predictions, self.generate) {
            (Some(predictions), false) => Ok(Some(predictions)),
            (None, false) if !self.metrics.is_empty() => Err(CliError::usage(
                "--metrics are of texts",
                "Add --generate to write them, or --predictions FILE to score those that were kept",
            )),
            _ => Ok(None),
        }
    }

    fn metrics(&self, config: Option<&RunConfig>) -> Vec<String> {
        let best = config.map(|config| config.training.best_metric.clone());
        let best = best.filter(|name| engine::evaluation::check_metrics(std::slice::from_ref(name)).is_ok());
        match (self.metrics.is_empty(), best) {
            (false, _) => self.metrics.clone(),
            (true, Some(best)) => vec![best],
            (true, None) => usual_metrics(),
        }
    }
}

pub(super) fn run(
    target: Target,
    config: RunConfig,
    args: &TextArgs,
    (workspace, global): (&Workspace, &Global),
) -> Result<(), CliError> {
    if args.predictions.is_some() && target.columns.len() > 1 {
        let n = target.columns.len();
        let what = format!("--predictions is one file, and {n} models or adapters would write to it");
        return Err(CliError::usage(what, "Ask for them one by one"));
    }
    let metrics = args.metrics(target.config.as_ref());
    let session = Session::start(workspace, None)?;
    // Of the base beside a run its folder keeps the evaluation, too.
    let beside = target.columns.iter().find_map(|column| column.run.clone());
    let numbers = target.numbers(global);
    for Column { name, adapter, run, .. } in target.columns {
        let request = RowsRequest {
            model: target.model.clone(),
            device: global.device.unwrap_or_default(),
            numbers,
            adapter,
            data: config.data.clone(),
            task: config.task,
            generation: config.generation.clone(),
            metrics: metrics.clone(),
            by: args.by.clone(),
            limit: args.limit,
            predictions: args.predictions.clone(),
            keep: run.or_else(|| beside.clone()).map(|run| run.join(FOLDER)),
            wordnet: args.wordnet.clone(),
        };
        let mut told = 0;
        session.ask(Ask::GenerateRows(Box::new(request)), |report| match report {
            Report::Prediction { done, total, .. } => {
                let tenth = 10 * done / total.max(1);
                if tenth > told {
                    told = tenth;
                    out::note(format_args!("{name}: {done} of {total} rows"));
                }
                None
            }
            Report::Metrics { predictions, scored } => {
                print(&name, predictions.as_deref(), &scored, global);
                Some(())
            }
            _ => None,
        })?;
    }
    Ok(())
}

/// Figures of predictions that were kept.
pub(super) fn score_again(predictions: &Path, args: &TextArgs, global: &Global) -> Result<(), CliError> {
    let session = Session::start(&global.workspace()?, None)?;
    let (metrics, predictions, wordnet) = (args.metrics(None), predictions.to_owned(), args.wordnet.clone());
    let name = predictions.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    session.ask(Ask::ScorePredictions { predictions, metrics, wordnet }, |report| match report {
        Report::Metrics { predictions, scored } => {
            print(&name, predictions.as_deref(), &scored, global);
            Some(())
        }
        _ => None,
    })
}

fn print(name: &str, predictions: Option<&Path>, scored: &ScoredPredictions, global: &Global) {
    let rows = scored.total;
    if global.json {
        let line = json!({
            "name": name, "rows": rows, "figures": plain(&scored.figures), "by": plain(&scored.by),
            "predictions": predictions,
        });
        out::result(named("metrics", &line));
        return;
    }
    out::result(format_args!("{name}: {} · {rows} rows", figures(&scored.figures)));
    for GroupFigures { value, rows, figures: of_value } in &scored.by {
        out::result(format_args!("  {}: {} · {rows} rows", out::one_line(value), figures(of_value)));
    }
    if let Some(predictions) = predictions {
        out::note(format_args!("Predictions: {}", predictions.display()));
    }
}

/// Each figure with its interval: `bleu 27.41 [26.02, 28.90]`.
fn figures(figures: &[MetricFigure]) -> String {
    let figure = |MetricFigure { name, figure, low, high, .. }: &MetricFigure| {
        let digits = if figure.abs() <= 1.0 { 4 } else { 2 };
        format!("{name} {figure:.digits$} [{low:.digits$}, {high:.digits$}]")
    };
    figures.iter().map(figure).collect::<Vec<_>>().join(" · ")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: TextArgs,
    }

    fn args(line: &str) -> TextArgs {
        Line::try_parse_from(format!("evaluate {line}").split_whitespace()).unwrap().args
    }

    #[test]
    fn predictions_alone_are_scored_and_beside_generate_written() {
        assert_eq!(args("--predictions p.jsonl").kept().unwrap(), Some(Path::new("p.jsonl")));
        assert_eq!(args("--predictions p.jsonl --generate").kept().unwrap(), None);
        assert_eq!(args("").kept().unwrap(), None);
        assert!(args("--metrics bleu").kept().is_err(), "of which texts?");
        assert!(Line::try_parse_from(["evaluate", "--by", "category"]).is_err());
    }

    #[test]
    fn a_figure_stands_with_its_interval() {
        let figure = |name: &str, figure| MetricFigure {
            name: name.to_owned(),
            figure,
            low: figure - 0.5,
            high: figure + 0.5,
            signature: None,
        };
        assert_eq!(
            figures(&[figure("bleu", 27.411), figure("exact_match", 0.25)]),
            "bleu 27.41 [26.91, 27.91] · exact_match 0.2500 [-0.2500, 0.7500]"
        );
    }

    #[test]
    fn the_metrics_are_those_named_or_the_runs_own_or_the_usual_ones() {
        assert_eq!(args("--generate --metrics a,b").metrics(None), ["a", "b"]);
        assert_eq!(args("--generate").metrics(None), usual_metrics());
        let mut config = RunConfig::new("m", engine::config::DataConfig::new("d"));
        assert_eq!(args("--generate").metrics(Some(&config)), usual_metrics(), "the loss is of no text");
        config.training.best_metric = "exact_match".to_owned();
        assert_eq!(args("--generate").metrics(Some(&config)), ["exact_match"]);
    }
}
