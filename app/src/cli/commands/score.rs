//! `score`: figures of predictions that any program made, against references; two sets of them held against each other.

use std::path::PathBuf;

use clap::Args;
use engine::data::read_text_rows;
use engine::evaluation::{no_synonyms, resources};
use engine::metrics::bertscore::BertScore;
use engine::metrics::{
    Bootstrap, Comparison, DEFAULT_METRICS, Metric, Needs, Resources, Score, TextRow, compare, mean_score, score_with,
};
use engine::protocol::{Ask, BertScoreRequest, Report};
use serde_json::{Map, Value, json};

use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::json::plain;
use crate::cli::support::models::found_model;
use crate::cli::support::out;
use crate::cli::support::paths::path;
use crate::cli::support::session::Session;

/// Figures of a file of predictions against one of references, each with its 95 % interval. A file is a JSON object a line
/// ({"prediction": …}, {"references": [ … ]}) or a text a line; references also several lines a row, with an empty line
/// between rows. With --json one object, metric to figure.
#[derive(Debug, Args)]
pub(in crate::cli) struct ScoreArgs {
    /// Texts to score
    #[arg(long, value_name = "FILE", value_parser = path(), required_unless_present = "list")]
    predictions: Option<PathBuf>,
    /// What would be right; without it the references beside the predictions
    #[arg(long, value_name = "FILE", value_parser = path())]
    references: Option<PathBuf>,
    /// Metrics, with commas between them; without it bleu,chrf,rouge_l,exact_match,token_f1
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    metrics: Vec<String>,
    /// Other predictions on the same rows, held against the first by the paired bootstrap
    #[arg(long, value_name = "FILE", value_parser = path())]
    compare: Option<PathBuf>,
    /// For meteor: folder of WordNet's files (index.noun …); without it the usual places are looked at
    #[arg(long, value_name = "DIR", value_parser = path())]
    wordnet: Option<PathBuf>,
    /// For bertscore: folder of a BERT-like encoder, or the id of one that was downloaded
    #[arg(long, value_name = "DIR", value_parser = path())]
    encoder: Option<PathBuf>,
    /// For bertscore: the layer whose hidden states are compared, from 1; without it the last
    #[arg(long, value_name = "N", requires = "encoder")]
    encoder_layer: Option<usize>,
    /// For bertscore: rare tokens weigh more
    #[arg(long, requires = "encoder")]
    encoder_idf: bool,
    /// Draws of the bootstrap; 0 for no intervals
    #[arg(long, value_name = "N", default_value_t = 1000)]
    draws: usize,
    /// Seed of the draws
    #[arg(long, value_name = "N", default_value_t = 12345)]
    seed: u64,
    /// With --json an object for each metric: figure, ends of its interval, signature
    #[arg(long)]
    details: bool,
    /// List the metrics
    #[arg(long)]
    list: bool,
}

pub(in crate::cli) fn run(args: &ScoreArgs, global: &Global) -> Result<(), CliError> {
    global.refuse_set()?;
    let Some(predictions) = args.predictions.as_ref().filter(|_| !args.list) else {
        list(global.json);
        return Ok(());
    };
    let metrics = asked(args)?;
    if args.draws > 100_000 {
        return Err(CliError::usage(format!("--draws {} is beyond 100000", args.draws), "Choose fewer"));
    }
    let bootstrap = Bootstrap { draws: args.draws, seed: args.seed };
    let names: Vec<String> = metrics.iter().map(|metric| metric.name.to_owned()).collect();
    let resources = resources(&names, args.wordnet.as_deref())?;
    no_synonyms(&names, &resources).iter().for_each(out::note);
    let rows = read_text_rows(predictions, args.references.as_deref())?;
    if let Some(other) = &args.compare {
        // References that stand beside the first predictions are those of the second, whatever stands beside these.
        let other = engine::data::read_predictions(other)?;
        return compared(&metrics, (&rows, other.texts), (bootstrap, &resources), global.json);
    }
    let (by_encoder, of_texts): (Vec<Metric>, Vec<Metric>) =
        metrics.iter().copied().partition(|metric| metric.needs == Needs::Encoder);
    let bootstrap = Some(bootstrap).filter(|bootstrap| bootstrap.draws > 0);
    let scored = score_with(&of_texts, &rows, bootstrap, &resources);
    if let Some(unscored) = scored.unscored.first() {
        return Err(not_scored(&unscored.metric, &unscored.reason));
    }
    let mut scores = scored.scores;
    if !by_encoder.is_empty() {
        scores.extend(encoder_scores(args, global, &by_encoder, &rows, bootstrap)?);
    }
    // In the order asked for.
    scores.sort_by_key(|score| metrics.iter().position(|metric| metric.name == score.metric));
    if global.json {
        out::result(Value::Object(scores.iter().map(|score| as_json(score, args.details)).collect::<Map<_, _>>()));
    } else {
        scores.iter().for_each(|score| out::result(line(score)));
        out::note(format_args!("{} rows", rows.len()));
    }
    Ok(())
}

/// The metrics that were named, each once.
fn asked(args: &ScoreArgs) -> Result<Vec<Metric>, CliError> {
    let names: Vec<&str> = match args.metrics.as_slice() {
        [] => DEFAULT_METRICS.to_vec(),
        names => names.iter().map(String::as_str).collect(),
    };
    let mut metrics: Vec<Metric> = Vec::new();
    for name in names {
        let metric = Metric::named(name)?;
        if !metrics.contains(&metric) {
            metrics.push(metric);
        }
    }
    if let Some(metric) = metrics.iter().find(|metric| metric.needs == Needs::Encoder && args.encoder.is_none()) {
        return Err(CliError::usage(
            format!("{} needs an encoder", metric.name),
            "Name the folder of a BERT-like model: --encoder DIR",
        ));
    }
    if let Some(metric) = metrics.iter().find(|metric| !metric.is_of_predictions() && metric.needs != Needs::Encoder) {
        return Err(CliError::usage(
            format!("{} is not computed of predictions: it needs {}", metric.name, metric.needs.sentence()),
            "evaluate has it beside the loss, or choose another metric",
        ));
    }
    if let Some(metric) = metrics.iter().find(|metric| args.compare.is_some() && metric.needs == Needs::Encoder) {
        return Err(CliError::usage(format!("{} is not compared", metric.name), "Score each file by itself"));
    }
    Ok(metrics)
}

fn not_scored(metric: &str, reason: &engine::Sentence) -> CliError {
    CliError::failed(format!("{metric} cannot be computed: {reason}"), "Correct the files, or leave the metric out")
}

/// BERTScore by the engine, the one metric that starts a device.
fn encoder_scores(
    args: &ScoreArgs,
    global: &Global,
    metrics: &[Metric],
    rows: &[TextRow],
    bootstrap: Option<Bootstrap>,
) -> Result<Vec<Score>, CliError> {
    if let Some(row) = rows.iter().position(|row| row.references.is_empty()) {
        return Err(CliError::failed(format!("row {} has no reference", row + 1), "Correct the files"));
    }
    let encoder = found_model(args.encoder.as_deref().unwrap_or(std::path::Path::new("")))?;
    let name = encoder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let request = BertScoreRequest {
        encoder,
        device: global.device.unwrap_or_default(),
        layer: args.encoder_layer,
        idf: args.encoder_idf,
        predictions: rows.iter().map(|row| row.prediction.clone()).collect(),
        references: rows.iter().map(|row| row.references.clone()).collect(),
    };
    let session = Session::start(&global.workspace()?, None)?;
    let (of_rows, hash, layer) = session.ask(Ask::BertScore(Box::new(request)), |report| match report {
        Report::BertScores { rows, encoder, layer } => Some((rows, encoder, layer)),
        _ => None,
    })?;
    let hash: String = hash.chars().take(8).collect();
    let idf = if args.encoder_idf { "idf" } else { "no-idf" };
    let signature = format!("encoder:{name}:{hash}|layer:{layer}|{idf}|rescale:no");
    let figure = |metric: &Metric| -> fn(&BertScore) -> f64 {
        match metric.name {
            "bertscore_precision" => |score| score.precision,
            "bertscore_recall" => |score| score.recall,
            _ => |score| score.f1,
        }
    };
    let score = |metric: &Metric| {
        mean_score(metric, of_rows.iter().map(figure(metric)).collect(), signature.clone(), bootstrap)
    };
    Ok(metrics.iter().map(score).collect())
}

fn compared(
    metrics: &[Metric],
    (rows, other): (&[TextRow], Vec<String>),
    (bootstrap, resources): (Bootstrap, &Resources),
    is_json: bool,
) -> Result<(), CliError> {
    if other.len() != rows.len() {
        return Err(CliError::failed(
            format!("there are {} predictions, and {} to compare with", rows.len(), other.len()),
            "Give files with the same rows in the same order",
        ));
    }
    let second: Vec<TextRow> =
        other.into_iter().zip(rows).map(|(prediction, row)| TextRow { prediction, ..row.clone() }).collect();
    let compared = compare(metrics, rows, &second, bootstrap, resources)
        .map_err(|unscored| not_scored(&unscored.metric, &unscored.reason))?;
    if is_json {
        let of = |of: &Comparison| {
            let mut object = plain(of);
            object.as_object_mut().and_then(|fields| fields.shift_remove("metric"));
            (of.metric.clone(), object)
        };
        out::result(Value::Object(compared.iter().map(of).collect::<Map<_, _>>()));
    } else {
        compared.iter().for_each(|of| out::result(comparison_line(of)));
        out::note(format_args!("{} rows, {} draws", rows.len(), bootstrap.draws));
    }
    Ok(())
}

fn digits(figure: f64) -> String {
    // Of per cent two places say as much as four of a share.
    if figure.abs() > 1.0 { format!("{figure:.2}") } else { format!("{figure:.4}") }
}

fn line(score: &Score) -> String {
    let interval = score.interval.map(|of| format!("  [{}, {}]", digits(of.low), digits(of.high)));
    let signature = score.signature.as_ref().map(|signature| format!("  {signature}"));
    format!(
        "{:<24} {:>9}{}{}",
        score.metric,
        digits(score.figure),
        interval.unwrap_or_default(),
        signature.unwrap_or_default()
    )
}

fn comparison_line(of: &Comparison) -> String {
    let head = format!("{:<24} {:>9} → {:>9}", of.metric, digits(of.first), digits(of.second));
    match &of.paired {
        // The test of sacreBLEU calls no difference at all significant.
        Some(paired) if paired.difference == 0.0 && paired.interval.low == paired.interval.high => {
            format!("{head}  no difference")
        }
        Some(paired) => {
            let signed = |figure: f64| format!("{}{}", if figure < 0.0 { "" } else { "+" }, digits(figure));
            let interval = paired.interval;
            format!(
                "{head}  {} [{}, {}]  p {:.4}",
                signed(paired.difference),
                signed(interval.low),
                signed(interval.high),
                paired.p_value
            )
        }
        None => head,
    }
}

/// The figure, or all that is known of it, under the name of its metric.
fn as_json(score: &Score, with_details: bool) -> (String, Value) {
    let value = match with_details {
        false => json!(score.figure),
        true => json!({
            "figure": score.figure,
            "low": score.interval.map(|of| of.low),
            "high": score.interval.map(|of| of.high),
            "signature": score.signature,
        }),
    };
    (score.metric.clone(), value)
}

fn list(is_json: bool) {
    for metric in Metric::all() {
        if is_json {
            out::result(json!({
                "name": metric.name, "label": metric.label, "largest": metric.scale.largest(),
                "higher_is_better": metric.higher_is_better, "needs": metric.needs.sentence().to_string(),
                "description": metric.description,
            }));
        } else {
            out::result(format_args!("{:<24} {}", metric.name, metric.description));
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::metrics::{Interval, Paired};

    use super::*;

    fn interval(low: f64, high: f64) -> Interval {
        Interval { low, high, mean: 0.0 }
    }

    #[test]
    fn a_line_has_the_figure_its_interval_and_its_signature() {
        let score = Score {
            metric: "bleu".to_owned(),
            figure: 34.567,
            signature: Some("nrefs:1".to_owned()),
            rows: vec![1.0],
            interval: Some(interval(30.0, 40.0)),
        };
        assert_eq!(line(&score), "bleu                         34.57  [30.00, 40.00]  nrefs:1");
        assert_eq!(as_json(&score, false), ("bleu".to_owned(), json!(34.567)));
        assert_eq!(as_json(&score, true).1["high"], 40.0);
    }

    #[test]
    fn a_comparison_says_which_way_and_how_sure_or_that_nothing_differs() {
        let of = |difference: f64, interval| Comparison {
            metric: "accuracy".to_owned(),
            first: 0.5,
            second: 0.5 + difference,
            paired: Some(Paired { difference, interval, p_value: 0.0123, higher: 1.0 }),
        };
        let said = comparison_line(&of(0.25, interval(-0.1, 0.4)));
        assert_eq!(said, "accuracy                    0.5000 →    0.7500  +0.2500 [-0.1000, +0.4000]  p 0.0123");
        assert!(comparison_line(&of(0.0, interval(0.0, 0.0))).ends_with("no difference"));
    }
}
