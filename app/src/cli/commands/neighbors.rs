//! `neighbors`: the nearest tokens of a prefix's cells, judged by the whole vocabulary. People count layers and positions
//! from 1, JSON and CSV from 0.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use engine::analysis::{Discoveries, Metric, Neighbor, NeighborList, Side, Space, VocabularyScores, export_neighbors};
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
    /// Order by CSLS, which takes off how near a token is to every slot of the layer
    #[arg(long, conflicts_with = "metric")]
    csls: bool,
    /// Where vectors are compared
    #[arg(long, value_enum, default_value_t = SpaceArg::Whitened)]
    space: SpaceArg,
    /// Directions of the greatest variance that --space all-but-top takes out
    #[arg(long, value_name = "K", default_value_t = 8)]
    directions: usize,
    /// Each head of keys and values by itself
    #[arg(long)]
    per_head: bool,
    /// A text behind which each token of the vocabulary is read, in place of alone at the beginning of one
    #[arg(long, value_name = "TEXT")]
    context: Option<String>,
    /// False-discovery rate at which neighbors of all lists survive
    #[arg(long, value_name = "RATE", default_value_t = 0.05, value_parser = rate)]
    fdr: f64,
    /// Tokens per list
    #[arg(long, default_value_t = 8)]
    top: usize,
    /// Write the lists to a file as CSV too
    #[arg(long, value_name = "FILE", value_parser = path())]
    csv: Option<PathBuf>,
}

/// Vectors of a prefix.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum SideArg {
    /// Keys, which decide attention
    Key,
    /// Values, which attention brings
    Value,
}

impl From<SideArg> for Side {
    fn from(side: SideArg) -> Self {
        match side {
            SideArg::Key => Self::Key,
            SideArg::Value => Self::Value,
        }
    }
}

/// A share above 0 and below 1.
fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| *rate > 0.0 && *rate < 1.0);
    rate.ok_or_else(|| "a number between 0 and 1, as 0.05".to_owned())
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
    /// From the vocabulary's mean, nothing left along the directions of the greatest variance: see --directions
    AllButTop,
}

pub(in crate::cli) fn run(args: &NeighborsArgs, global: &Global) -> Result<(), CliError> {
    global.refuse_set()?;
    let workspace = global.workspace()?;
    let target = args.target.resolve(&workspace, global)?;
    let numbers = target.numbers(global);
    let (model, column, _) = target.only()?;
    let Some(adapter) = column.adapter else {
        return Err(CliError::usage("the base model has no prefix", "Name a run or an adapter: --run RUN"));
    };
    let side = Side::from(args.side);
    let metric = match args.metric {
        _ if args.csls => Metric::Csls,
        MetricArg::Cosine => Metric::Cosine,
        MetricArg::Dot => Metric::Dot,
        MetricArg::L2 => Metric::L2,
    };
    let space = match args.space {
        SpaceArg::Whitened => Space::Whitened,
        SpaceArg::Centered => Space::Centered,
        SpaceArg::Raw => Space::Raw,
        SpaceArg::AllButTop => Space::AllButTop { directions: args.directions },
    };
    let from_zero = |numbers: &[NonZeroUsize]| numbers.iter().map(|number| number.get() - 1).collect();
    let request = NeighborRequest {
        model,
        device: global.device.unwrap_or_default(),
        numbers,
        adapter,
        initial: column.initial,
        layers: from_zero(&args.layer),
        positions: from_zero(&args.position),
        side,
        metric,
        space,
        top: args.top.max(1),
        per_head: args.per_head,
        context: args.context.clone(),
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
    let found = Discoveries::of(&lists, args.fdr);
    if global.json {
        out::result(json::named("discoveries", &found));
    } else {
        lists.iter().for_each(|list| print_list(list, &found));
        if let Some(list) = lists.first() {
            print_chance(&lists, &list.vocabulary);
        }
        print_discoveries(&found);
    }
    Ok(())
}

/// `*` marks what is above chance, `=` what was so before training, `!` what survives beside all other lists.
fn print_list(list: &NeighborList, found: &Discoveries) {
    let word = |near: &Neighbor, marks: &str| format!("{:?} {:.3} z {:.1}{marks}", near.text, near.score, near.z);
    let marks = |near: &Neighbor| {
        let marks =
            [(list.is_above_chance(near), "*"), (list.has_stayed(near), "="), (found.survives(list, near), "!")];
        marks.iter().filter(|(is_so, _)| *is_so).map(|(_, mark)| *mark).collect::<String>()
    };
    let line = |words: Vec<String>| words.join("  ");
    let head = list.head.map_or(String::new(), |head| format!(" · head {}", head + 1));
    out::result(format_args!("layer {}{head} · position {}", list.layer + 1, list.position + 1));
    let trained = list.nearest.iter().map(|near| word(near, &marks(near))).collect();
    out::result(format_args!("  trained     {}", line(trained)));
    if !list.initial.is_empty() {
        let initial = list.initial.iter().map(|near| word(near, "")).collect();
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

/// What survives of all lists together, and what slots have in common.
fn print_discoveries(found: &Discoveries) {
    if found.tests > 0 {
        out::result(format_args!(
            "! survives at a false-discovery rate of {}: {} of {} neighbors in {} of {} lists, of {} tests",
            found.rate,
            found.survivors,
            found.listed,
            found.cells,
            found.lists,
            format::count(found.tests)
        ));
        out::result(format_args!("= was as near before training: {} of those that survive", found.stayed));
        if found.heavy_tails > 0 {
            out::result(format_args!(
                "lists whose vocabulary reaches further out than a normal distribution, judged by a heavier one: {}",
                found.heavy_tails
            ));
        }
    }
    let shared: Vec<String> = found
        .shared
        .iter()
        .take(5)
        .map(|one| format!("{:?} of {} in layer {}", one.text, one.positions.len(), one.layer + 1))
        .collect();
    let which = if shared.is_empty() { String::new() } else { format!("; {}", shared.join(", ")) };
    out::result(format_args!(
        "slots that share three of their first five neighbors with another: {}{which}",
        found.sharing
    ));
}
