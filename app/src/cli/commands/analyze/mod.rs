//! `analyze`: what an adapter does, question by question.

mod forgetting;
mod geometry;
mod importance;
mod left_out;
mod words;

use clap::{Args, ValueEnum};
use engine::analysis::{
    Analysis, AttentionReport, Decomposition, HeadDecomposition, LeftOut, LensReport, MovedToken, Question,
};
use engine::protocol::{AnalysisRequest, Ask, Report};

use self::forgetting::ForgettingArgs;
use self::geometry::GeometryArgs;
use self::importance::{ablation, importance, shorter};
use self::words::WordsArgs;
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
    /// Rows to look at: 32, of neutral text 64, without it
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// With ablation: a part to leave out, counted from 1, as in slots=2,5 or layers=1-3,heads=4,side=value, all, or
    /// weights,layers=2 of trained weights; may be repeated
    #[arg(long, value_name = "PART", value_parser = left_out::left_out)]
    leave_out: Vec<LeftOut>,
    /// With importance: slots to leave out one at a time, to hold against what the gates tell
    #[arg(long, value_name = "N", default_value_t = 64)]
    leave_one_out: usize,
    /// With importance and shorter: numbers of the best slots whose loss is told, as in 8,4; without it a few from all to none
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    keep: Vec<usize>,
    #[command(flatten)]
    forgetting: ForgettingArgs,
    #[command(flatten)]
    words: WordsArgs,
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
    /// Loss and text without a part of the adapter, which --leave-out names
    Ablation,
    /// How much each slot and each head matters, and what fewer slots cost
    Importance,
    /// What fewer slots cost: the most important ones alone, and as many that are fitted to do what all did
    Shorter,
    /// What it costs on text that has nothing to do with its task, by strength
    Forgetting,
    /// What it says in words, and how much of it a text prompt can do
    Words,
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
    let question = match args.what {
        What::Attention => Question::Attention,
        What::Decomposition => Question::Decomposition,
        What::Lens => Question::Lens,
        What::Ablation if args.leave_out.is_empty() => {
            return Err(CliError::usage("nothing is left out", "Name a part: --leave-out slots=1-3"));
        }
        What::Ablation => Question::Ablation { left_out: args.leave_out },
        What::Importance => Question::Importance { leave_one_out: args.leave_one_out, sizes: args.keep },
        What::Shorter => Question::Shorter { sizes: args.keep },
        What::Forgetting => args.forgetting.question(),
        What::Words => args.words.question(),
        What::Similarity => args.geometry.similarity(),
        What::Map => args.geometry.map(),
        What::Drift => Question::Drift,
        What::LabelWords => Question::LabelWords,
    };
    let plain = question.wants_plain_text();
    let rows = if plain { args.rows.or_file(|| Ok(global.assets().neutral_text()?))? } else { args.rows };
    let (data, _) = asked_rows(&target, rows, global)?;
    let numbers = target.numbers(global);
    let (model, column, _) = target.only()?;
    let Some(adapter) = column.adapter else {
        return Err(CliError::usage("the base model has no adapter", "Name a run or an adapter: --run RUN"));
    };
    let request = AnalysisRequest {
        model,
        device: global.device.unwrap_or_default(),
        numbers,
        adapter,
        other: args.geometry.other(&workspace)?,
        initial: column.initial,
        question,
        data,
        text: args.text,
        rows: args.limit.unwrap_or(if plain { 64 } else { 32 }),
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
            Analysis::Ablation(report) => ablation(&report),
            Analysis::Importance(report) => importance(&report),
            Analysis::Shorter(report) => shorter(&report),
            Analysis::Forgetting(report) => forgetting::print(&report),
            Analysis::Words(report) => words::print(&report),
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
