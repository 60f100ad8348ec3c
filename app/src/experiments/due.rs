//! What comes next of an experiment, and how far it is: a pure function of how its runs stand.
//!
//! In successive halving all runs go to the first rung; when each of them is there, or has ended, those with the best figures
//! go on to the next, from their checkpoints. A run that is behind a rung has gone on from it, so that nothing that happens
//! later changes who did.

use super::{Due, Plan, Standing};
use crate::store::{RunRow, RunState};
use crate::study;

/// Where a run stands, as far as it decides what comes next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stand {
    /// Of the run.
    pub state: RunState,
    /// Steps done.
    pub step: usize,
    /// Steps in all; 0 while unknown.
    pub total_steps: usize,
    /// The best figure so far, by `training.best_metric`.
    pub figure: Option<f64>,
}

/// How far a run is to go now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    End,
    /// Where it is held against the others.
    Rung(usize),
    /// It is there, and others are not.
    Wait,
    /// Others go on in its place.
    Dropped,
}

impl Stand {
    fn is_over(&self, again: bool) -> bool {
        self.state == RunState::Finished || (self.state == RunState::Failed && !again)
    }

    /// Whether it can be held against others at this step. A crash at the very step may have lost its evaluation.
    fn is_at(&self, step: usize, again: bool) -> bool {
        self.is_over(again) || self.step > step || (self.state == RunState::Stopped && self.step == step)
    }
}

impl Plan {
    /// What can be trained now, in order, as the runs stand. Runs that failed are passed over unless `again`.
    pub fn due(&self, rows: &[&RunRow], again: bool) -> Vec<Due> {
        self.due_of(&self.stands(rows), again)
    }

    /// How it stands.
    pub fn standing(&self, rows: &[&RunRow]) -> Standing {
        self.standing_of(&self.stands(rows))
    }

    /// Where each run stands, in their order; `None` for one that was not begun.
    pub fn stands(&self, rows: &[&RunRow]) -> Vec<Option<Stand>> {
        let stand = |row: &&RunRow, metric: &str| Stand {
            state: row.state,
            step: usize::try_from(row.step).unwrap_or(usize::MAX),
            total_steps: usize::try_from(row.total_steps).unwrap_or(0),
            figure: if metric == "loss" { row.best_loss } else { row.figures.get(metric).copied() },
        };
        let of = |planned: &super::PlannedRun| {
            let row = rows.iter().find(|row| row.id == planned.run)?;
            Some(stand(row, metric(&planned.config.training.best_metric)))
        };
        self.runs.iter().map(of).collect()
    }

    /// The same as [`due`](Self::due), of runs that somebody follows without the store.
    pub fn due_of(&self, stands: &[Option<Stand>], again: bool) -> Vec<Due> {
        let goals = self.goals(stands, again);
        let due = |(index, (goal, stand)): (usize, (Goal, &Option<Stand>))| {
            let until = match goal {
                Goal::End => None,
                Goal::Rung(step) => Some(step),
                Goal::Wait | Goal::Dropped => return None,
            };
            match stand {
                Some(stand) if stand.state.is_live() || stand.is_over(again) => None,
                stand => Some(Due { index, resume: stand.is_some(), until }),
            }
        };
        let due = goals.into_iter().zip(stands).enumerate().filter_map(due);
        due.filter(|due| !self.waits_for_first(due.index, stands)).collect()
    }

    /// The same as [`standing`](Self::standing), of runs that somebody follows without the store.
    pub fn standing_of(&self, stands: &[Option<Stand>]) -> Standing {
        let mut standing = Standing { runs: self.runs.len(), ..Standing::default() };
        for (goal, stand) in self.goals(stands, false).into_iter().zip(stands) {
            match stand.map(|stand| stand.state) {
                Some(RunState::Failed) => standing.failed += 1,
                Some(RunState::Finished) => standing.done += 1,
                Some(RunState::Preparing | RunState::Running | RunState::Paused) => standing.running += 1,
                _ if goal == Goal::Dropped => {
                    standing.done += 1;
                    standing.dropped += 1;
                }
                _ => {}
            }
        }
        standing
    }

    /// Which of its runs others have gone on in place of.
    pub fn left_behind(&self, stands: &[Option<Stand>]) -> Vec<bool> {
        let is_over = |stand: &Option<Stand>| stand.is_some_and(|stand| stand.is_over(false));
        let goals = self.goals(stands, false).into_iter().zip(stands);
        goals.map(|(goal, stand)| goal == Goal::Dropped && !is_over(stand)).collect()
    }

    /// Steps that are still to be done, as far as it is known how many a run has.
    pub fn steps_left(&self, stands: &[Option<Stand>]) -> Option<usize> {
        let known = |index: usize| {
            let told = stands[index].map_or(0, |stand| stand.total_steps);
            Some(self.runs[index].config.training.steps.max(told)).filter(|steps| *steps > 0)
        };
        let all: Vec<usize> = (0..self.runs.len()).filter_map(known).collect();
        let usual = all.iter().sum::<usize>().checked_div(all.len())?;
        let goals = self.goals(stands, false);
        let rungs = self.rungs();
        // Of runs that are held against each other, some go on from where they now are.
        let undecided = goals.iter().filter(|goal| matches!(goal, Goal::Rung(_) | Goal::Wait)).count();
        let later = |from: usize| {
            let ends = rungs.iter().skip_while(|(step, _)| *step <= from).map(|(step, _)| *step).chain([usual]);
            let parts = rungs.iter().skip_while(|(step, _)| *step < from).zip(ends);
            parts.map(|((step, go_on), end)| go_on.min(&undecided) * end.saturating_sub(*step)).sum::<usize>()
        };
        let rung = goals.iter().find_map(|goal| if let Goal::Rung(step) = goal { Some(*step) } else { None });
        let now = goals.iter().zip(stands).enumerate().map(|(index, (goal, stand))| {
            let done = stand.map_or(0, |stand| stand.step);
            match (goal, stand) {
                (_, Some(stand)) if stand.is_over(false) => 0,
                (Goal::End, _) => known(index).unwrap_or(usual).saturating_sub(done),
                (Goal::Rung(step), _) => step.saturating_sub(done),
                (Goal::Wait | Goal::Dropped, _) => 0,
            }
        });
        Some(now.sum::<usize>() + rung.map_or(0, later))
    }

    /// Steps at which runs are held against each other, with the number that goes on from there.
    fn rungs(&self) -> Vec<(usize, usize)> {
        let Some(first) = self.runs.first() else { return Vec::new() };
        let training = &first.config.training;
        if training.steps == 0 {
            // [`super::check`] refuses halving then.
            return Vec::new();
        }
        let every = if training.eval_every > 0 { training.eval_every } else { training.steps.div_ceil(10).max(1) };
        self.strategy().rungs(self.runs.len(), training.steps, every)
    }

    fn goals(&self, stands: &[Option<Stand>], again: bool) -> Vec<Goal> {
        let mut goals = vec![Goal::Dropped; self.runs.len()];
        let mut left: Vec<usize> = (0..self.runs.len()).collect();
        for (step, go_on) in self.rungs() {
            let is_there = |index: &usize| stands[*index].is_some_and(|stand| stand.is_at(step, again));
            if !left.iter().all(is_there) {
                for index in left {
                    goals[index] = if is_there(&index) { Goal::Wait } else { Goal::Rung(step) };
                }
                return goals;
            }
            left = self.best(left, go_on, step, stands);
        }
        for index in left {
            goals[index] = Goal::End;
        }
        goals
    }

    /// Those that go on from a rung, in their order: who is behind it already, then the best figures, those that failed never.
    fn best(&self, mut runs: Vec<usize>, go_on: usize, step: usize, stands: &[Option<Stand>]) -> Vec<usize> {
        let less_is_better = self.runs.first().is_none_or(|first| {
            let metric = metric(&first.config.training.best_metric);
            metric == "loss" || study::less_is_better(metric)
        });
        let is_behind = |index: usize| stands[index].is_some_and(|stand| stand.step > step);
        let has_failed = |index: usize| stands[index].is_some_and(|stand| stand.state == RunState::Failed);
        runs.retain(|&index| is_behind(index) || !has_failed(index));
        let figure = |index: usize| {
            let figure = stands[index].and_then(|stand| stand.figure).filter(|figure| !figure.is_nan());
            figure.map_or(f64::INFINITY, |figure| if less_is_better { figure } else { -figure })
        };
        runs.sort_by(|&a, &b| is_behind(b).cmp(&is_behind(a)).then(figure(a).total_cmp(&figure(b))).then(a.cmp(&b)));
        runs.truncate(go_on);
        runs.sort_unstable();
        runs
    }
}

/// The name of a figure without the Trainer's `eval_`.
fn metric(name: &str) -> &str {
    name.strip_prefix("eval_").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use engine::config::{DataConfig, RunConfig};
    use engine::experiment::{Experiment, Strategy};
    use serde_json::json;

    use super::super::{ExperimentId, PlannedRun};
    use super::*;
    use crate::workspace::RunId;

    fn plan(n: usize, strategy: Strategy) -> Plan {
        let mut config = RunConfig::new("/m", DataConfig::new("/d.jsonl"));
        (config.training.steps, config.training.eval_every) = (90, 10);
        let planned = |index: usize| PlannedRun {
            run: RunId(format!("run-{index}")),
            name: format!("seed {index}"),
            values: vec![("seed".to_owned(), json!(index))],
            config: Box::new(config.clone()),
        };
        let (name, axes, first) = ("e".to_owned(), Vec::new(), None);
        let experiment = Experiment { name, base: json!({}), axes, strategy, first };
        Plan { id: ExperimentId("e".to_owned()), experiment, runs: (0..n).map(planned).collect() }
    }

    fn row(index: usize, state: RunState, step: u64, loss: f64) -> RunRow {
        RunRow {
            id: RunId(format!("run-{index}")),
            state,
            step,
            total_steps: 90,
            best_loss: Some(loss).filter(|loss| loss.is_finite()),
            ..RunRow::example()
        }
    }

    /// Indices that are due, whether they are resumed, and how far they go.
    fn due(plan: &Plan, rows: &[RunRow], again: bool) -> Vec<(usize, bool, Option<usize>)> {
        let rows: Vec<&RunRow> = rows.iter().collect();
        plan.due(&rows, again).into_iter().map(|due| (due.index, due.resume, due.until)).collect()
    }

    fn standing(plan: &Plan, rows: &[RunRow]) -> Standing {
        plan.standing(&rows.iter().collect::<Vec<_>>())
    }

    #[test]
    fn a_grid_goes_in_order_and_over_what_is_done_computed_or_failed() {
        let plan = plan(7, Strategy::Grid);
        let new: Vec<_> = (0..7).map(|index| (index, false, None)).collect();
        assert_eq!(due(&plan, &[], false), new);
        let rows = [
            row(0, RunState::Finished, 90, 1.0),
            row(1, RunState::Running, 20, 1.0),
            row(2, RunState::Failed, 5, 1.0),
            row(3, RunState::Interrupted, 40, 1.0),
            row(4, RunState::Stopped, 90, 1.0),
            row(5, RunState::Queued, 0, 1.0),
            row(9, RunState::Interrupted, 5, 1.0),
        ];
        // Behind its last step a run may still lack its last evaluation.
        assert_eq!(due(&plan, &rows, false), [(3, true, None), (4, true, None), (6, false, None)]);
        assert_eq!(due(&plan, &rows, true)[0], (2, true, None), "failed runs on request");
        let expected = Standing { runs: 7, done: 1, dropped: 0, failed: 1, running: 1 };
        assert_eq!(standing(&plan, &rows), expected);
        let rows: Vec<&RunRow> = rows.iter().collect();
        // 70 of the second, 50 of the fourth, none of the fifth, all of the two last.
        assert_eq!(plan.steps_left(&plan.stands(&rows)), Some(70 + 50 + 180));
    }

    fn halving() -> Plan {
        plan(9, Strategy::Halving { factor: 3, first_steps: 10, runs: None, seed: 0 })
    }

    /// The loss of a run, the best first: 4, 2, 0, then the others.
    fn loss(index: usize) -> f64 {
        [0.3, 0.9, 0.2, 0.8, 0.1, 0.7, 0.6, 0.5, 0.4][index]
    }

    #[test]
    fn all_go_to_the_first_rung_and_wait_there_for_the_last() {
        let plan = halving();
        let (first, go_on) = plan.rungs()[0];
        assert!(first >= 10 && first.is_multiple_of(10) && go_on == 3, "{:?}", plan.rungs());
        let new: Vec<_> = (0..9).map(|index| (index, false, Some(first))).collect();
        assert_eq!(due(&plan, &[], false), new);
        let mut rows: Vec<RunRow> =
            (0..8).map(|index| row(index, RunState::Stopped, first as u64, loss(index))).collect();
        assert_eq!(due(&plan, &rows, false), [(8, false, Some(first))]);
        rows.push(row(8, RunState::Running, first as u64, loss(8)));
        assert_eq!(due(&plan, &rows, false), [], "it is not there before its checkpoint is");
        rows[8].state = RunState::Interrupted;
        assert_eq!(due(&plan, &rows, false), [(8, true, Some(first))], "a crash may have lost its evaluation");
        assert_eq!(standing(&plan, &rows).done, 0);
    }

    #[test]
    fn the_best_go_on_from_their_checkpoints_and_the_others_are_done() {
        let plan = halving();
        let rungs = plan.rungs();
        let (first, second) = (rungs[0].0, rungs[1].0);
        let mut rows: Vec<RunRow> =
            (0..9).map(|index| row(index, RunState::Stopped, first as u64, loss(index))).collect();
        assert_eq!(due(&plan, &rows, false), [0, 2, 4].map(|index| (index, true, Some(second))));
        assert_eq!(standing(&plan, &rows), Standing { runs: 9, done: 6, dropped: 6, failed: 0, running: 0 });
        let behind = plan.left_behind(&plan.stands(&rows.iter().collect::<Vec<_>>()));
        assert_eq!(behind, [false, true, false, true, false, true, true, true, true]);
        // One of them has gone on, and its figure is now worse than that of one that was left behind.
        (rows[2].state, rows[2].step) = (RunState::Interrupted, first as u64 + 3);
        rows[1].best_loss = Some(0.01);
        assert_eq!(due(&plan, &rows, false)[1], (2, true, Some(second)), "who is behind a rung stays there");
        rows[1].best_loss = Some(loss(1));
        for index in [0, 2, 4] {
            (rows[index].state, rows[index].step) = (RunState::Stopped, second as u64);
        }
        let last = due(&plan, &rows, false);
        assert_eq!(last.iter().map(|(index, ..)| *index).collect::<Vec<_>>(), [4]);
        assert_eq!(last[0].2, rungs.get(2).map(|(step, _)| *step));
        (rows[4].state, rows[4].step) = (RunState::Finished, 90);
        assert_eq!(due(&plan, &rows, false), []);
        assert_eq!(standing(&plan, &rows), Standing { runs: 9, done: 9, dropped: 8, failed: 0, running: 0 });
        let rows: Vec<&RunRow> = rows.iter().collect();
        assert_eq!(plan.steps_left(&plan.stands(&rows)), Some(0));
    }

    #[test]
    fn a_failed_run_holds_nobody_up_and_does_not_go_on() {
        let plan = halving();
        let (first, second) = (plan.rungs()[0].0, plan.rungs()[1].0);
        let mut rows: Vec<RunRow> =
            (0..9).map(|index| row(index, RunState::Stopped, first as u64, loss(index))).collect();
        rows[4] = row(4, RunState::Failed, 3, 0.0);
        rows[2].best_loss = None;
        assert_eq!(due(&plan, &rows, false), [0, 7, 8].map(|index| (index, true, Some(second))));
        assert_eq!(due(&plan, &rows, true), [(4, true, Some(first))], "once more, all wait for it");
        assert_eq!(standing(&plan, &rows), Standing { runs: 9, done: 5, dropped: 5, failed: 1, running: 0 });
    }

    #[test]
    fn a_run_that_ended_early_goes_on_as_it_is() {
        let plan = halving();
        let (first, second) = (plan.rungs()[0].0, plan.rungs()[1].0);
        let mut rows: Vec<RunRow> =
            (0..9).map(|index| row(index, RunState::Stopped, first as u64, loss(index))).collect();
        (rows[4].state, rows[4].step) = (RunState::Finished, 7);
        assert_eq!(due(&plan, &rows, false), [0, 2].map(|index| (index, true, Some(second))));
    }

    #[test]
    fn what_is_left_of_a_halving_counts_those_that_will_go_on() {
        let plan = halving();
        let mut expected = 0;
        let (mut from, mut n) = (0, 9);
        for (step, go_on) in plan.rungs() {
            expected += n * (step - from);
            (from, n) = (step, go_on);
        }
        expected += n * (90 - from);
        assert_eq!(plan.steps_left(&plan.stands(&[])), Some(expected));
    }

    #[test]
    fn steps_that_only_the_rows_decide_are_known_from_a_run_that_began() {
        let mut plan = plan(3, Strategy::Grid);
        plan.runs.iter_mut().for_each(|run| run.config.training.steps = 0);
        assert_eq!(plan.steps_left(&plan.stands(&[])), None);
        let row = row(0, RunState::Finished, 90, 1.0);
        assert_eq!(plan.steps_left(&plan.stands(&[&row])), Some(180), "the others have as many");
    }
}
