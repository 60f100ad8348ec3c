//! `--via`: hands the runs of an experiment to Slurm, HyperQueue, hosts by ssh or workers here; says how they stand there, and
//! ends them.

use serde_json::json;

use super::begin::PaceArgs;
use super::rows;
use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::json::named;
use crate::cli::support::out;
use crate::experiments::Plan;
use crate::machines::{Batch, How, Submission, Task, Via, submit, words};
use crate::store::{RunRow, RunState};
use crate::workspace::{RunId, Workspace};

/// The way they are handed over, by what the line says.
pub(super) fn how(via: &Via, pace: &PaceArgs, global: &Global) -> Result<How, CliError> {
    let flags = words(pace.submit_with.as_deref().unwrap_or_default());
    let flags = flags.map_err(|what| CliError::usage(what, "Close the quotation mark"))?;
    if pace.stop_after.is_some() || (!pace.devices.is_empty() && *via != Via::Local) {
        return Err(CliError::usage(
            format!("--stop-after and --devices mean nothing for {via}"),
            "Leave them out; what a job gets is asked for with --submit-with",
        ));
    }
    let at_once = pace.at_once.map(usize::from).filter(|_| *via != Via::Local);
    Ok(How { via: via.clone(), flags, at_once, devices: pace.pace(global.device).devices })
}

/// Hands over what is due, and says under which name.
pub(super) fn hand_over(
    plan: &Plan,
    workspace: &Workspace,
    (via, pace): (&Via, &PaceArgs),
    global: &Global,
) -> Result<(), CliError> {
    let how = how(via, pace, global)?;
    let rows = rows(workspace)?;
    let due = plan.due(&rows.iter().collect::<Vec<_>>(), pace.again);
    let submission = submit(plan, &due, workspace, &how)?;
    let Some(submission) = submission else {
        out::note("Nothing is due that is not handed over already");
        return Ok(());
    };
    let n = submission.runs().len();
    if global.json {
        let line = json!({ "experiment": plan.id, "via": via, "job": submission.job(), "runs": submission.runs() });
        out::result(named("submitted", &line));
    } else {
        out::result(format_args!(
            "{} ({}): {n} runs are with {via} as {}",
            plan.experiment.name,
            plan.id,
            submission.job()
        ));
        let [status, cancel] =
            ["status", "cancel"].map(|word| global.next_command(&format!("experiment {word} {}", plan.id)));
        out::note(format_args!("See how they stand with: {status}\nEnd them with: {cancel}"));
    }
    let left = plan.runs.len() - n;
    if plan.experiment.first.is_some() && left > 0 && n == 1 {
        let next = global.next_command(&format!("experiment resume {} --via {via}", plan.id));
        out::note(format_args!("{left} runs begin with the adapter of this one. When it is done: {next}"));
    }
    Ok(())
}

/// Shows what would be handed over.
pub(super) fn show(
    plan: &Plan,
    workspace: &Workspace,
    (via, pace): (&Via, &PaceArgs),
    global: &Global,
) -> Result<(), CliError> {
    let how = how(via, pace, global)?;
    let all: Vec<usize> = (0..plan.runs.len()).collect();
    let folder = workspace.experiment_folder(&plan.id).join("jobs/1");
    let batch = Batch::of(plan, &all, folder, workspace, &how);
    let machines = via.machines();
    let (script, lines) = (machines.script(&batch), machines.lines(&batch));
    if global.json {
        out::result(named("script", &json!({ "via": via, "script": script, "lines": lines })));
    } else {
        out::piece(format!("{script}\n"));
        lines.iter().for_each(out::note);
    }
    Ok(())
}

/// Ends what was handed over and is not at its end.
pub(super) fn cancel(plan: &Plan, workspace: &Workspace, global: &Global) -> Result<(), CliError> {
    global.refuse_set()?;
    let mut ended = 0;
    for submission in Submission::of(plan, workspace) {
        if submission.tasks()?.iter().flatten().any(|task| task.is_coming) {
            submission.cancel()?;
            out::note(format_args!("Ended with {}: {}", submission.via(), submission.job()));
            ended += 1;
        }
    }
    match ended {
        0 => Err(CliError::failed(
            "nothing of this experiment is handed over and not at its end",
            "experiment status shows how it stands",
        )),
        _ => {
            let next = global.next_command(&format!("experiment resume {}", plan.id));
            out::note(format_args!("What runs writes a checkpoint first. Go on with: {next}"));
            Ok(())
        }
    }
}

/// The words of those who have the runs, where a run is not at its end.
pub(super) struct Elsewhere(Vec<(RunId, String)>);

impl Elsewhere {
    /// Asks them. One that cannot be asked is named, and keeps nobody from what the run folders say.
    pub(super) fn ask(plan: &Plan, workspace: &Workspace, rows: &[&RunRow]) -> Self {
        let is_over = |run: &RunId| {
            let state = rows.iter().find(|row| row.id == *run).map(|row| row.state);
            state.is_some_and(|state| matches!(state, RunState::Finished))
        };
        let mut told: Vec<(RunId, String)> = Vec::new();
        for submission in Submission::of(plan, workspace) {
            let open: Vec<(usize, &RunId)> =
                submission.runs().iter().enumerate().filter(|(_, run)| !is_over(run)).collect();
            if open.is_empty() {
                continue;
            }
            let tasks = submission.tasks().unwrap_or_else(|failure| {
                out::note(format_args!("Note: {}. {}", failure.what, failure.advice));
                Vec::new()
            });
            for (place, run) in open {
                let task: Option<&Task> = tasks.get(place).and_then(Option::as_ref);
                let gone = || format!("no longer with {}; {}", submission.via(), submission.log(place).display());
                told.retain(|(other, _)| other != run);
                told.push((run.clone(), task.map_or_else(gone, Task::to_string)));
            }
        }
        Self(told)
    }

    /// Nothing was handed over.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Of a run.
    pub(super) fn of(&self, run: &RunId) -> &str {
        self.0.iter().find(|(other, _)| other == run).map_or("", |(_, told)| told)
    }
}
