//! An experiment as it is watched: a line for each run that ends, and on a terminal a bar over all steps.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::cli::support::json::named;
use crate::cli::support::out;
use crate::cli::support::progress::{duration, grouped};
use crate::cli::support::scheduler::Ended;
use crate::experiments::{Plan, Stand};
use crate::store::RunState;

/// Steps of this sitting before which nothing is said about the time left.
const STEPS_BEFORE_ETA: usize = 10;

/// Display of an experiment's progress.
pub(in crate::cli) struct Progress {
    json: bool,
    /// Nothing is told of single runs.
    quiet: bool,
    bar: Option<ProgressBar>,
    /// Runs of the plan that have come to their end, in this sitting or before.
    over: usize,
    /// Steps of this sitting.
    steps: usize,
    begun: Instant,
}

impl Progress {
    pub(in crate::cli) fn new(json: bool) -> Self {
        let on_terminal = !json && std::io::IsTerminal::is_terminal(&std::io::stderr());
        let bar = on_terminal.then(|| ProgressBar::new(0).with_style(style()));
        Self { json, quiet: false, bar, over: 0, steps: 0, begun: Instant::now() }
    }

    /// For a command that has lines of its own for machines.
    pub(in crate::cli) fn quiet(json: bool) -> Self {
        Self { quiet: json, ..Self::new(json) }
    }

    /// The experiment is about to go on from here.
    pub(in crate::cli) fn begin(&mut self, plan: &Plan, stands: &[Option<Stand>]) {
        let standing = plan.standing_of(stands);
        self.over = standing.done + standing.failed;
        self.begun = Instant::now();
        if self.quiet {
            return;
        }
        if self.json {
            let folderless = json!({ "experiment": plan.id, "name": plan.experiment.name, "standing": standing });
            out::result(named("experiment", &folderless));
        } else {
            let ready = if self.over > 0 { format!(", {} done", self.over) } else { String::new() };
            out::note(format_args!("{} ({}): {} runs{ready}", plan.experiment.name, plan.id, plan.runs.len()));
        }
        if let Some(bar) = &self.bar {
            bar.enable_steady_tick(Duration::from_millis(120));
            bar.set_length(plan.runs.len() as u64);
            bar.set_position(self.over as u64);
        }
    }

    /// A run begins or goes on.
    pub(in crate::cli) fn began(&self, plan: &Plan, index: usize) {
        if self.json && !self.quiet {
            let planned = &plan.runs[index];
            out::result(named("run", &json!({ "run": planned.run, "name": planned.name })));
        }
        if let Some(bar) = &self.bar {
            bar.set_message(plan.runs[index].name.clone());
        }
    }

    /// A run has done a step.
    pub(in crate::cli) fn step(&mut self, name: &str, plan: &Plan, stands: &[Option<Stand>]) {
        self.steps += 1;
        if let Some(bar) = &self.bar {
            let left = self.left(plan, stands).map(|left| format!(" · {left}")).unwrap_or_default();
            bar.set_message(format!("{name}{left}"));
        }
    }

    /// A run has come to its end, or to where it is held against others.
    pub(in crate::cli) fn ended(&mut self, plan: &Plan, ended: &Ended, stands: &[Option<Stand>]) {
        let standing = plan.standing_of(stands);
        self.over = standing.done + standing.failed;
        let planned = &plan.runs[ended.index];
        if self.quiet {
            return;
        }
        if self.json {
            let best =
                ended.best.as_ref().map(|(name, value, step)| json!({ "name": name, "value": value, "step": step }));
            let line = json!({
                "run": planned.run, "name": planned.name, "state": ended.state, "step": ended.step,
                "loss": ended.loss, "best": best, "secs": ended.secs, "failure": ended.failure,
            });
            out::result(named("run_ended", &line));
            return;
        }
        let figure = match (&ended.failure, &ended.best) {
            (Some(failure), _) => format!("failed: {}. {}", failure.what, failure.advice),
            (None, Some((name, value, step))) => format!("best {name} {value:.4} at step {step}"),
            (None, None) => format!("step {}", ended.step),
        };
        let held = match ended.state {
            RunState::Stopped => format!(" · stopped after step {}", ended.step),
            _ => String::new(),
        };
        let left = self.left(plan, stands).map(|left| format!(" · {left}")).unwrap_or_default();
        let count = format!("[{}/{}]", self.over, standing.runs);
        self.say(&format!("{count} {}: {figure}{held} · {}{left}", planned.name, duration(ended.secs)));
        if let Some(bar) = &self.bar {
            bar.set_position(self.over as u64);
        }
    }

    /// A line above the bar.
    pub(in crate::cli) fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| out::note(line)),
            None => out::note(line),
        }
    }

    /// The bar disappears; what was said stays.
    pub(in crate::cli) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// The time that is left, by what a step took in this sitting with all that is around it.
    fn left(&self, plan: &Plan, stands: &[Option<Stand>]) -> Option<String> {
        let left = plan.steps_left(stands).filter(|left| *left > 0 && self.steps >= STEPS_BEFORE_ETA)?;
        let per_step = self.begun.elapsed().as_secs_f64() / self.steps as f64;
        Some(format!("{} steps, about {} left", grouped(left), duration(per_step * left as f64)))
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {pos}/{len} runs · {msg}").unwrap_or_else(|_| ProgressStyle::default_bar())
}
