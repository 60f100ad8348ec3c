//! `neighbors`: the nearest tokens of a prefix's cells, beside what its initial values and random vectors give.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use engine::analysis::export_neighbours;
use engine::message::{Command, Event, Metric, Neighbour, NeighbourList, NeighbourRequest, Side};

use super::error::CliError;
use super::paths::path;
use super::session::{JOB, Session};
use super::target::TargetArgs;
use super::{Global, json, out};

/// Nearest tokens of a prefix, with their null.
#[derive(Debug, Args)]
pub(super) struct NeighborsArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// A layer, from 0; may be repeated; without it all
    #[arg(long, value_name = "N")]
    layer: Vec<usize>,
    /// A prefix position, from 0; may be repeated; without it all
    #[arg(long, value_name = "N")]
    position: Vec<usize>,
    /// Keys or values
    #[arg(long, value_enum, default_value_t = SideArg::Key)]
    side: SideArg,
    /// How near two vectors are
    #[arg(long, value_enum, default_value_t = MetricArg::Cosine)]
    metric: MetricArg,
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

pub(super) fn run(args: &NeighborsArgs, global: &Global) -> Result<(), CliError> {
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
    let request = NeighbourRequest {
        model,
        device: global.device.unwrap_or_default(),
        adapter,
        initial: column.initial,
        layers: args.layer.clone(),
        positions: args.position.clone(),
        side,
        metric,
        top: args.top.max(1),
    };
    let session = Session::start(&workspace, None)?;
    let command = Command::Neighbours { job: JOB, request: Box::new(request) };
    let lists = session.ask(command, |event| {
        if global.json {
            out::result(json::line(&event));
        }
        match event {
            Event::Neighbours { lists, .. } => Some(lists),
            _ => None,
        }
    })?;
    if let Some(file) = &args.csv {
        export_neighbours(file, lists.iter().map(|list| (side, metric, list)))?;
    }
    if !global.json {
        lists.iter().for_each(print_list);
    }
    Ok(())
}

fn print_list(list: &NeighbourList) {
    let words = |found: &[Neighbour]| {
        found.iter().map(|near| format!("{:?} {:.3}", near.text, near.score)).collect::<Vec<_>>().join("  ")
    };
    out::result(format_args!("layer {} · position {}", list.layer, list.position));
    out::result(format_args!("  trained  {}", words(&list.nearest)));
    if !list.initial.is_empty() {
        out::result(format_args!("  initial  {}", words(&list.initial)));
    }
    let ((mean, spread), (all, all_spread)) = (list.random_best, list.vocabulary);
    out::result(format_args!(
        "  random vectors reach {mean:.3} ± {spread:.3}; the whole vocabulary {all:.3} ± {all_spread:.3}"
    ));
}
