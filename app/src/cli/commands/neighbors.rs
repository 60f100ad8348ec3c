//! `neighbors`: the nearest tokens of a prefix's cells, judged by the whole vocabulary. People count layers and positions
//! from 1, JSON and CSV from 0.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use engine::analysis::export_neighbors;
use engine::analysis::{Metric, Neighbor, NeighborList, Side, Space, VocabularyScores};
use engine::protocol::{Ask, NeighborRequest, Report};

use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::json;
use crate::cli::support::out;
use crate::cli::support::paths::path;
use crate::cli::support::session::Session;
use crate::cli::support::target::TargetArgs;
use crate::format;

/// Nearest tokens of a prefix, and whether they are nearer than chance explains.
#[derive(Debug, Args)]
pub(in crate::cli) struct NeighborsArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// A layer, counted from 1 as in the window (JSON and CSV count from 0); may be repeated; without it all
    #[arg(long, value_name = "N")]
    layer: Vec<NonZeroUsize>,
    /// A prefix position, counted from 1 as in the window (JSON and CSV count from 0); may be repeated; without it all
    #[arg(long, value_name = "N")]
    position: Vec<NonZeroUsize>,
    /// Keys or values
    #[arg(long, value_enum, default_value_t = SideArg::Key)]
    side: SideArg,
    /// Order of a list
    #[arg(long, value_enum, default_value_t = MetricArg::Cosine)]
    metric: MetricArg,
    /// Where vectors are compared
    #[arg(long, value_enum, default_value_t = SpaceArg::Whitened)]
    space: SpaceArg,
    /// Tokens per list
    #[arg(long, default_value_t = 8)]
    top: usize,
    /// Write the lists to a file as CSV too
    #[arg(long, value_name = "FILE", value_parser = path())]
    csv: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SideArg {
    Key,
    Value,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MetricArg {
    Cosine,
    Dot,
    L2,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SpaceArg {
    /// From the vocabulary's mean, the directions that most tokens share scaled down
    Whitened,
    /// From the vocabulary's mean
    Centered,
    /// As they are: what all tokens have in common counts as nearness
    Raw,
}

pub(in crate::cli) fn run(args: &NeighborsArgs, global: &Global) -> Result<(), CliError> {
    global.refuse_set()?;
    let workspace = global.workspace()?;
    let (model, column, _) = args.target.resolve(&workspace, global)?.only()?;
    let Some(adapter) = column.adapter else {
        return Err(CliError::usage("the base model has no prefix", "Name a run or an adapter: --run RUN"));
    };
    let side = match args.side {
        SideArg::Key => Side::Key,
        SideArg::Value => Side::Value,
    };
    let metric = match args.metric {
        MetricArg::Cosine => Metric::Cosine,
        MetricArg::Dot => Metric::Dot,
        MetricArg::L2 => Metric::L2,
    };
    let space = match args.space {
        SpaceArg::Whitened => Space::Whitened,
        SpaceArg::Centered => Space::Centered,
        SpaceArg::Raw => Space::Raw,
    };
    let from_zero = |numbers: &[NonZeroUsize]| numbers.iter().map(|number| number.get() - 1).collect();
    let request = NeighborRequest {
        model,
        device: global.device.unwrap_or_default(),
        adapter,
        initial: column.initial,
        layers: from_zero(&args.layer),
        positions: from_zero(&args.position),
        side,
        metric,
        space,
        top: args.top.max(1),
    };
    let session = Session::start(&workspace, None)?;
    let ask = Ask::Neighbors(Box::new(request));
    let lists = session.ask(ask, |report| {
        if global.json {
            out::result(json::line(&report));
        }
        match report {
            Report::Neighbors { lists } => Some(lists),
            _ => None,
        }
    })?;
    if let Some(file) = &args.csv {
        export_neighbors(file, lists.iter().map(|list| ((side, metric, space), list)))?;
    }
    if !global.json {
        lists.iter().for_each(print_list);
        if let Some(list) = lists.first() {
            print_chance(&lists, &list.vocabulary);
        }
    }
    Ok(())
}

/// `*` marks what is above chance.
fn print_list(list: &NeighborList) {
    let word = |near: &Neighbor, mark: bool| {
        format!("{:?} {:.3} z {:.1}{}", near.text, near.score, near.z, if mark { "*" } else { "" })
    };
    let line = |words: Vec<String>| words.join("  ");
    out::result(format_args!("layer {} · position {}", list.layer + 1, list.position + 1));
    let trained = list.nearest.iter().map(|near| word(near, list.is_above_chance(near))).collect();
    out::result(format_args!("  trained     {}", line(trained)));
    if !list.initial.is_empty() {
        let initial = list.initial.iter().map(|near| word(near, false)).collect();
        out::result(format_args!("  began as    {}", line(initial)));
    }
    let VocabularyScores { mean, sd, .. } = list.vocabulary;
    out::result(format_args!("  vocabulary  cosine {mean:.3} ± {sd:.3}"));
}

/// Explanation of z, and the number of lists that chance alone would mark.
fn print_chance(lists: &[NeighborList], all: &VocabularyScores) {
    let above = lists.iter().filter(|list| list.above_chance() > 0).count();
    out::result(format_args!(
        "z is the cosine in standard deviations above the mean of all {} tokens; by chance the nearest of so many has \
         z {:.1}",
        format::count(all.tokens),
        all.best
    ));
    match all.limit {
        Some(limit) => {
            let expected = lists.len() as f64 * VocabularyScores::LEVEL;
            out::result(format_args!("* is beyond z {limit:.1}, which chance exceeds in one list of twenty"));
            out::result(format_args!(
                "lists with a token above chance: {above} of {}; chance alone marks about {expected:.1}",
                lists.len()
            ));
        }
        None => out::result("raw: what all tokens share decides, so that no token is judged; see --space whitened"),
    }
}
