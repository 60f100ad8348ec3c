//! Experiments in a few words: which there are, how they stand, and what one would train.

use serde_json::json;

use super::asked::Asked;
use super::hand_over::Elsewhere;
use super::{find, rows};
use crate::cli::Global;
use crate::cli::support::columns::aligned;
use crate::cli::support::error::CliError;
use crate::cli::support::json::named;
use crate::cli::support::out;
use crate::cli::support::progress::grouped;
use crate::experiments::{Plan, Standing, ready_made, trained_parameters};
use crate::store::{RunRow, RunState};

/// The experiments that come with the program.
pub(super) fn list_ready(global: &Global) -> Result<(), CliError> {
    global.refuse_set()?;
    let ready = ready_made(&global.assets());
    if global.json {
        let line = |ready: &crate::experiments::ReadyMade| {
            named("ready", &json!({ "name": ready.name, "about": ready.about, "file": ready.file }))
        };
        ready.iter().map(line).for_each(out::result);
    } else {
        let lines: Vec<Vec<String>> = ready.into_iter().map(|ready| vec![ready.name, ready.about]).collect();
        out::piece(aligned(&lines));
    }
    Ok(())
}

/// All experiments of the workspace.
pub(super) fn list(global: &Global) -> Result<(), CliError> {
    global.refuse_set()?;
    let workspace = global.workspace()?;
    let (plans, unread) = Plan::list(&workspace);
    for folder in unread {
        out::note(format_args!("Note: this experiment cannot be read: {}", folder.display()));
    }
    if plans.is_empty() && !global.json {
        out::note("There are no experiments yet. Those that can be begun: prefix-workbench experiment --list-ready");
        return Ok(());
    }
    let rows = rows(&workspace)?;
    let rows: Vec<&RunRow> = rows.iter().collect();
    let mut table = vec![["ID", "NAME", "RUNS", "STATE"].map(str::to_owned).to_vec()];
    for plan in &plans {
        let standing = plan.standing(&rows);
        if global.json {
            let line = json!({ "experiment": plan.id, "name": plan.experiment.name, "standing": standing });
            out::result(named("experiment", &line));
        }
        let (id, name) = (out::one_line(&plan.id), out::one_line(&plan.experiment.name));
        table.push(vec![id, name, standing.runs.to_string(), in_words(standing)]);
    }
    if !global.json {
        out::piece(aligned(&table));
    }
    Ok(())
}

/// One experiment, run by run.
pub(super) fn status(asked: Option<&str>, global: &Global) -> Result<(), CliError> {
    global.refuse_set()?;
    let workspace = global.workspace()?;
    let plan = find(&workspace, asked)?;
    let rows = rows(&workspace)?;
    let rows: Vec<&RunRow> = rows.iter().collect();
    let stands = plan.stands(&rows);
    let standing = plan.standing_of(&stands);
    let left = standing.runs - standing.done - standing.failed;
    if global.json {
        let line = json!({
            "experiment": plan.id, "name": plan.experiment.name, "standing": standing,
            "steps_left": plan.steps_left(&stands), "folder": workspace.experiment_folder(&plan.id),
        });
        out::result(named("experiment", &line));
    } else {
        let name = out::one_line(&plan.experiment.name);
        out::result(format_args!("{name} ({}): {}", out::one_line(&plan.id), in_words(standing)));
    }
    let elsewhere = Elsewhere::ask(&plan, &workspace, &rows);
    let mut table = vec![["RUN", "STATE", "STEP", "NAME", "THERE"].map(str::to_owned).to_vec()];
    for (planned, stand) in plan.runs.iter().zip(&stands) {
        let state = stand.map(|stand| stand.state);
        let step = stand.map_or(0, |stand| stand.step);
        if global.json {
            let (run, name) = (&planned.run, &planned.name);
            let mut line = json!({ "run": run, "name": name, "state": state, "step": step });
            if !elsewhere.of(run).is_empty() {
                line["there"] = elsewhere.of(run).into();
            }
            out::result(named("run", &line));
        }
        let state = state.map_or("to come", RunState::name).to_owned();
        let there = out::one_line(elsewhere.of(&planned.run));
        table.push(vec![out::one_line(&planned.run), state, step.to_string(), out::one_line(&planned.name), there]);
    }
    if !global.json {
        if elsewhere.is_empty() {
            table.iter_mut().for_each(|line| line.truncate(4));
        }
        out::piece(aligned(&table));
        for planned in &plan.runs {
            let row = rows.iter().find(|row| row.id == planned.run);
            if let Some(failure) = row.and_then(|row| row.failure.as_ref()) {
                out::result(format_args!("{} failed: {}. {}", planned.name, failure.what, failure.advice));
            }
        }
    }
    if left > 0 && standing.running == 0 && !global.json {
        let next = global.next_command(&format!("experiment resume {}", plan.id));
        out::note(format_args!("Go on with: {next}"));
    }
    Ok(())
}

/// The runs that there would be.
pub(super) fn dry_run(asked: &Asked, global: &Global) -> Result<(), CliError> {
    let mut table = vec![["RUN", "TRAINS", "NAME"].map(str::to_owned).to_vec()];
    for (index, (member, config)) in asked.members.iter().enumerate() {
        // A model that is no model is said here, before a night is spent on it.
        let trained = trained_parameters(config)?;
        if global.json {
            let values: serde_json::Map<_, _> = member.values.iter().cloned().collect();
            let line = json!({ "name": member.name, "values": values, "trained": trained.count, "config": config });
            out::result(named("run", &line));
        }
        let head = if trained.and_head { " and a head" } else { "" };
        let trains = format!("{}{head}", grouped(trained.count));
        table.push(vec![(index + 1).to_string(), trains, out::one_line(&member.name)]);
    }
    if !global.json {
        out::piece(aligned(&table));
        out::note(format_args!("{}: {} runs", asked.experiment.name, asked.members.len()));
    }
    Ok(())
}

/// `12 of 15 done, 3 of them left behind, 1 failed`.
fn in_words(standing: Standing) -> String {
    let mut text = format!("{} of {} done", standing.done, standing.runs);
    for (n, what) in
        [(standing.dropped, "of them left behind"), (standing.failed, "failed"), (standing.running, "running")]
    {
        if n > 0 {
            text += &format!(", {n} {what}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_experiment_is_told_in_a_few_words() {
        let standing = Standing { runs: 15, done: 12, dropped: 3, failed: 1, running: 0 };
        assert_eq!(in_words(standing), "12 of 15 done, 3 of them left behind, 1 failed");
        assert_eq!(in_words(Standing { runs: 2, ..Standing::default() }), "0 of 2 done");
    }
}
