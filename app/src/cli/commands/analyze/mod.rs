//! `analyze`: what an adapter does, question by question.

mod geometry;

use clap::{Args, ValueEnum};
use engine::analysis::{Analysis, AttentionReport, Decomposition, HeadDecomposition, LensReport, MovedToken, Question};
use engine::protocol::{AnalysisRequest, Ask, Report};

use self::geometry::GeometryArgs;
use super::evaluate::{RowsArgs, asked_rows};
use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::json;
use crate::cli::support::out;
use crate::cli::support::session::Session;
use crate::cli::support::target::TargetArgs;
use crate::store::checkpoint_folders;

/// What an adapter does: a question about it, looked at on rows or on a text.
#[derive(Debug, Args)]
pub(in crate::cli) struct AnalyzeArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// The question
    #[arg(long, value_enum)]
    what: What,
    #[command(flatten)]
    rows: RowsArgs,
    /// A text to look at in place of rows
    #[arg(long, value_name = "TEXT", conflicts_with = "data")]
    text: Option<String>,
    /// Rows to look at
    #[arg(long, value_name = "N", default_value_t = 32)]
    limit: usize,
    #[command(flatten)]
    geometry: GeometryArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// How much of its attention each head pays to each slot
    Attention,
    /// What each head scales, and what it adds
    Decomposition,
    /// What each layer would say next, with the adapter and without
    Lens,
    /// How alike slots are, to each other and to those of --other
    Similarity,
    /// Where the slots of a layer lie among tokens, now and at every checkpoint
    Map,
    /// How far slots have moved, by checkpoint
    Drift,
    /// Whether the words of the classes are among the nearest tokens of slots, before training and after
    LabelWords,
}

pub(in crate::cli) fn run(args: AnalyzeArgs, global: &Global) -> Result<(), CliError> {
    let workspace = global.workspace()?;
    let target = args.target.resolve(&workspace, global)?;
    let (data, _) = asked_rows(&target, args.rows, global)?;
    let (model, column, _) = target.only()?;
    let Some(adapter) = column.adapter else {
        return Err(CliError::usage("the base model has no adapter", "Name a run or an adapter: --run RUN"));
    };
    let question = match args.what {
        What::Attention => Question::Attention,
        What::Decomposition => Question::Decomposition,
        What::Lens => Question::Lens,
        What::Similarity => args.geometry.similarity(),
        What::Map => args.geometry.map(),
        What::Drift => Question::Drift,
        What::LabelWords => Question::LabelWords,
    };
    let request = AnalysisRequest {
        model,
        device: global.device.unwrap_or_default(),
        adapter,
        other: args.geometry.other(&workspace)?,
        initial: column.initial,
        question,
        data,
        text: args.text,
        rows: args.limit,
        checkpoints: column.run.as_deref().map(checkpoint_folders).unwrap_or_default(),
    };
    let session = Session::start(&workspace, None)?;
    let analysis = session.ask(Ask::Analyze(Box::new(request)), |report| match report {
        Report::Analysis(analysis) => Some(analysis),
        _ => None,
    })?;
    if global.json {
        out::result(json::line(&Report::Analysis(analysis)));
    } else {
        match *analysis {
            Analysis::Attention(report) => attention(&report),
            Analysis::Decomposition(report) => decomposition(&report),
            Analysis::Lens(report) => lens(&report),
            Analysis::Similarity(report) => geometry::similarity(&report),
            Analysis::Map(report) => geometry::map(&report),
            Analysis::Drift(report) => geometry::drift(&report),
            Analysis::LabelWords(report) => geometry::label_words(&report),
        }
    }
    Ok(())
}

/// The mass of each head, a layer a line.
fn attention(report: &AttentionReport) {
    for layer in &report.layers {
        let mass = |slots: &Vec<f64>| format!("{:5.1}", 100.0 * slots.iter().sum::<f64>());
        out::result(format_args!("{:<28} {} %", layer.name, layer.mass.iter().map(mass).collect::<Vec<_>>().join(" ")));
    }
    out::note(format_args!("Of each head, its attention on the {} slots; {} tokens", report.n_virtual, report.tokens));
}

/// A layer a line: its mass, what it adds beside what attention adds in all, how constant that is, where it points.
fn decomposition(report: &Decomposition) {
    for layer in &report.layers {
        let n = layer.heads.len().max(1) as f64;
        let mean = |of: fn(&HeadDecomposition) -> f64| layer.heads.iter().map(of).sum::<f64>() / n;
        let lens: Vec<String> =
            layer.lens.iter().take(5).map(|token| format!("{:?} {:.1}", token.text, token.logit)).collect();
        let sinks: usize = layer.heads.iter().map(|head| head.sinks.len()).sum();
        out::result(format_args!(
            "{:<28} A {:5.1} %  |bias|/|out| {:.2}  constant {:.3}  rank {:.1}{}{}",
            layer.name,
            100.0 * mean(|head| head.mass),
            layer.bias_norm / layer.out_norm.max(f64::MIN_POSITIVE),
            mean(|head| head.constancy),
            mean(|head| head.effective_rank),
            if sinks > 0 { format!("  sinks {sinks}") } else { String::new() },
            if lens.is_empty() { String::new() } else { format!("  → {}", lens.join(", ")) },
        ));
    }
    if let Some(layer) = report.layers.iter().find(|layer| !layer.lens.is_empty()) {
        let (mean, sd) = (layer.lens_by_chance, layer.lens_by_chance_sd);
        out::note(format_args!("A random vector as long as the first bias reaches {mean:.1} ± {sd:.1}"));
    }
    out::note(format_args!("{} tokens, {} slots", report.tokens, report.n_virtual));
}

/// A layer a line, then the tokens that moved most.
fn lens(report: &LensReport) {
    for layer in &report.layers {
        out::result(format_args!(
            "{:<28} KL {:7.4}  next token {:8.4} with, {:8.4} without",
            layer.name, layer.kl, layer.with, layer.without
        ));
    }
    let moved = |tokens: &[MovedToken]| {
        let token = |token: &MovedToken| format!("{:?} {:.4} → {:.4}", token.text, token.before, token.after);
        tokens.iter().take(8).map(token).collect::<Vec<_>>().join(", ")
    };
    out::result(format_args!("more probable: {}", moved(&report.up)));
    out::result(format_args!("less probable: {}", moved(&report.down)));
    out::note(format_args!("{} positions; log-probabilities in nats", report.positions));
}
