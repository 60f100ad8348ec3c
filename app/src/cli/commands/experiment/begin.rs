//! Begins an experiment, or goes on with one, and stays until its runs are done or somebody stops it.

use std::io::{BufRead, IsTerminal};

use clap::Args;
use engine::device::DeviceChoice;
use engine::experiment::Experiment;

use super::asked::Asked;
use super::{ExperimentArgs, hand_over, overview, table};
use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::out;
use crate::cli::support::pool::Pool;
use crate::cli::support::scheduler::{Pace, Sitting, train};
use crate::cli::support::scheduler_progress::Progress;
use crate::cli::support::session::{list_runs, open_store};
use crate::experiments::Plan;
use crate::machines::Via;
use crate::store::{RunRow, RunState};
use crate::workspace::Workspace;

/// More runs than these are asked about.
const ASKED_ABOUT: usize = 20;

/// Runs at a time, and which of them.
#[derive(Debug, Args)]
pub(super) struct PaceArgs {
    /// Train so many runs at a time on the CPU, whose threads they share, or on the --device that is named;
    /// with --via slurm at most so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256), conflicts_with = "devices")]
    pub(super) at_once: Option<u16>,
    /// Train a run on each of these devices at a time, as in wgpu:0,wgpu:1
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(super) devices: Vec<DeviceChoice>,
    /// Try runs once more that failed, from their last checkpoint
    #[arg(long)]
    pub(super) again: bool,
    /// Go no further when so many runs have ended; experiment resume goes on
    #[arg(long, value_name = "RUNS")]
    pub(super) stop_after: Option<usize>,
    /// Hand the runs to local (workers here that outlive this command), slurm, hq, or ssh:host1,host2
    #[arg(long)]
    via: Option<Via>,
    /// Further flags of sbatch or hq submit, as in "--partition=gpu --gres=gpu:1 --time=2:00:00"
    #[arg(long, value_name = "FLAGS", requires = "via", allow_hyphen_values = true)]
    pub(super) submit_with: Option<String>,
}

impl PaceArgs {
    /// A device for each engine; `None` is that of the run.
    pub(super) fn pace(&self, device: Option<DeviceChoice>) -> Pace {
        let devices = match (self.at_once, self.devices.as_slice()) {
            (Some(n), _) => vec![Some(device.unwrap_or(DeviceChoice::Cpu)); usize::from(n)],
            (None, []) => vec![device],
            (None, devices) => devices.iter().copied().map(Some).collect(),
        };
        Pace { devices, again: self.again, stop_after: self.stop_after }
    }
}

pub(super) fn begin(args: ExperimentArgs, global: &Global) -> Result<(), CliError> {
    let asked = args.asked.read(args.name.as_deref(), global)?;
    if args.dry_run {
        overview::dry_run(&asked, global)?;
        let Some(via) = &args.pace.via else { return Ok(()) };
        let Asked { experiment, members, .. } = asked;
        let plan = Plan::named("NEW", experiment, members);
        return hand_over::show(&plan, &global.workspace()?, (via, &args.pace), global);
    }
    let workspace = global.workspace()?;
    if args.resume
        && let Some(plan) = begun(&workspace, &asked)?
    {
        return go_on(&plan, &workspace, &args.pace, global);
    }
    if let Some(via) = &args.pace.via {
        hand_over::how(via, &args.pace, global)?.check(&asked.experiment.strategy)?;
    }
    if asked.members.len() > ASKED_ABOUT && !args.yes && !confirmed(asked.members.len())? {
        out::note("Nothing was begun");
        return Ok(());
    }
    let Asked { mut experiment, members, text } = asked;
    experiment.name = Plan::free_name(&workspace, &experiment.name);
    let plan = Plan::create(&workspace, experiment, members)?;
    plan.keep_source(&workspace, &text)?;
    go_on(&plan, &workspace, &args.pace, global)
}

/// The newest experiment that this file has begun.
fn begun(workspace: &Workspace, asked: &Asked) -> Result<Option<Plan>, CliError> {
    let name = &asked.experiment.name;
    let is_of_the_name = |plan: &Plan| {
        let rest = plan.experiment.name.strip_prefix(name.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.trim_start().parse::<u32>().is_ok())
    };
    let Some(plan) = Plan::list(workspace).0.into_iter().find(is_of_the_name) else { return Ok(None) };
    let said = |experiment: &Experiment| Experiment { name: String::new(), ..experiment.clone() };
    let (asked, found) = (said(&asked.experiment), said(&plan.experiment));
    match asked == found {
        true => Ok(Some(plan)),
        false => Err(CliError::usage(
            format!("the experiment {} was begun with something else than is asked for now", plan.experiment.name),
            format!("Go on as it was with experiment resume {}, or begin anew without --resume", plan.id),
        )),
    }
}

fn confirmed(runs: usize) -> Result<bool, CliError> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(CliError::usage(
            format!("{runs} runs are many, which needs a yes"),
            "Add --yes, or --dry-run to see them first",
        ));
    }
    out::ask(format_args!("Train {runs} runs? [y/N] "));
    let mut answer = String::new();
    input.lock().read_line(&mut answer).map_err(|error| CliError::failed(error.to_string(), "Add --yes"))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Trains what is due of an experiment and prints its table, or hands it over.
pub(super) fn go_on(plan: &Plan, workspace: &Workspace, pace: &PaceArgs, global: &Global) -> Result<(), CliError> {
    if let Some(via) = &pace.via {
        return hand_over::hand_over(plan, workspace, (via, pace), global);
    }
    let (sitting, rows) = sit(plan, workspace, pace.pace(global.device), Progress::new(global.json))?;
    table::print(plan, &rows, global)?;
    end(plan, &sitting, global)
}

/// Trains what is due, and answers with what came of it and the rows of all runs.
pub(in crate::cli) fn sit(
    plan: &Plan,
    workspace: &Workspace,
    pace: Pace,
    mut progress: Progress,
) -> Result<(Sitting, Vec<RunRow>), CliError> {
    let Some(_held) = plan.hold(workspace)? else {
        return Err(CliError::failed(
            format!("the experiment {} is being trained by another program", plan.experiment.name),
            "Wait until it has ended, or stop it there",
        ));
    };
    let store = open_store(workspace)?;
    let rows = list_runs(&store)?;
    let stands = plan.stands(&rows.iter().collect::<Vec<_>>());
    let pool = Pool::start(workspace, &store.0, &pace.devices)?;
    let sitting = train(plan, workspace, &store, stands, (pool, pace), &mut progress);
    let rows = sitting.as_ref().map_or_else(|_| Ok(Vec::new()), |_| list_runs(&store));
    store.0.close();
    Ok((sitting?, rows?))
}

/// Says how the experiment ended, and how to go on with what is left.
fn end(plan: &Plan, sitting: &Sitting, global: &Global) -> Result<(), CliError> {
    let standing = plan.standing_of(&sitting.stands);
    let left = standing.runs - standing.done - standing.failed;
    let resume = |more: &str| global.next_command(&format!("experiment resume {}{more}", plan.id));
    let failed: Vec<String> = sitting
        .ended
        .iter()
        .filter(|ended| ended.state == RunState::Failed)
        .filter_map(|ended| Some(format!("{} ({})", plan.runs[ended.index].name, ended.failure.as_ref()?.what)))
        .collect();
    if left > 0 {
        let again = resume("");
        out::note(format_args!("{} of {} runs are done. Go on with: {again}", standing.done, standing.runs));
    }
    match (failed.len(), standing.failed) {
        (0, 0) => Ok(()),
        (0, n) => {
            out::note(format_args!("Runs that failed before: {n}. Try them once more with: {}", resume(" --again")));
            Ok(())
        }
        (n, _) => Err(CliError::failed(
            format!("{n} of {} runs failed: {}", standing.runs, failed.join("; ")),
            format!("Try them once more with: {}", resume(" --again")),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_engine_has_a_device() {
        let args = |at_once, devices: &[DeviceChoice]| PaceArgs {
            at_once,
            devices: devices.to_vec(),
            again: false,
            stop_after: None,
            via: None,
            submit_with: None,
        };
        let (cpu, gpu) = (DeviceChoice::Cpu, DeviceChoice::Wgpu(Some(1)));
        assert_eq!(args(None, &[]).pace(None).devices, [None]);
        assert_eq!(args(None, &[]).pace(Some(gpu)).devices, [Some(gpu)]);
        assert_eq!(args(Some(2), &[]).pace(None).devices, [Some(cpu); 2]);
        assert_eq!(args(None, &[gpu, cpu]).pace(None).devices, [Some(gpu), Some(cpu)]);
    }
}
