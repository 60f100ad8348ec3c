//! One run as it is shown: put together from the store's answers, whether the run is live, finished or reopened.

use std::path::PathBuf;

use engine::config::RunConfig;
use engine::training::{EvaluationReport, RunFacts, SampleReport};

use crate::series::Series;
use crate::store::{CheckpointRow, Cursor, KeptEvaluation, LogLine, RunDetail, RunRow, RunState};
use crate::workspace::RunId;

/// Everything that is known of a run.
#[derive(Clone, Debug)]
pub struct RunView {
    /// The run.
    pub id: RunId,
    /// Row of the run; `None` until the store has answered.
    pub row: Option<RunRow>,
    /// Settings of the run.
    pub config: Option<Box<RunConfig>>,
    /// Facts from its start: device, sizes, rows.
    pub facts: Option<Box<RunFacts>>,
    /// Training loss over steps.
    pub loss: Series,
    /// Learning rate over steps.
    pub learning_rate: Series,
    /// Norm of the gradient before clipping over steps.
    pub grad_norm: Series,
    /// Tokens per second over steps.
    pub speed: Series,
    /// The figure by which an evaluation is the best, where that is not the loss, over steps.
    pub metric: Series,
    /// By step.
    pub evaluations: Vec<EvaluationReport>,
    /// By step and row.
    pub samples: Vec<SampleReport>,
    /// By step.
    pub checkpoints: Vec<CheckpointRow>,
    /// Evaluations of whole files of rows, the newest first.
    pub kept: Vec<KeptEvaluation>,
    /// Oldest first.
    pub log: Vec<LogLine>,
    /// Where the next question goes on.
    pub cursor: Cursor,
    /// A question is under way.
    pub asked: bool,
    /// There is more to ask for.
    pub stale: bool,
    /// Changes whenever the curves begin anew.
    pub generation: u64,
}

impl RunView {
    /// Nothing is known yet.
    pub fn new(id: RunId) -> Self {
        Self {
            id,
            row: None,
            config: None,
            facts: None,
            loss: Series::default(),
            learning_rate: Series::default(),
            grad_norm: Series::default(),
            speed: Series::default(),
            metric: Series::default(),
            evaluations: Vec::new(),
            samples: Vec::new(),
            checkpoints: Vec::new(),
            kept: Vec::new(),
            log: Vec::new(),
            cursor: Cursor::default(),
            asked: false,
            stale: true,
            generation: 0,
        }
    }

    /// Takes in an answer about this run.
    pub fn absorb(&mut self, detail: RunDetail) {
        if detail.replace {
            let fresh = Self::new(self.id.clone());
            *self = Self { generation: self.generation + 1, ..fresh };
        }
        self.asked = false;
        self.stale = detail.more;
        self.cursor = detail.cursor;
        for (name, curve) in
            [("loss", &mut self.loss), ("learning_rate", &mut self.learning_rate), ("grad_norm", &mut self.grad_norm)]
        {
            for &[step, value] in points(&detail, name) {
                curve.push(step, value);
            }
        }
        for (&[step, tokens], &[_, secs]) in points(&detail, "tokens").iter().zip(points(&detail, "elapsed_secs")) {
            self.speed.push(step, tokens / secs);
        }
        for evaluation in &detail.evaluations {
            if let Some(metric) = &evaluation.metric {
                self.metric.push(evaluation.step as f64, metric.value);
            }
        }
        self.evaluations.extend(detail.evaluations);
        self.samples.extend(detail.samples);
        self.log.extend(detail.log);
        self.checkpoints = detail.checkpoints;
        self.kept = detail.kept;
        self.config = detail.config;
        self.facts = detail.facts;
        self.row = Some(detail.row);
    }

    /// The adapter before the first step; an imported run has none.
    pub fn initial(&self) -> Option<PathBuf> {
        let row = self.row.as_ref().filter(|_| self.facts.is_some())?;
        Some(row.folder.join("initial"))
    }

    /// The best checkpoint, the last, or what an imported run has in its folder.
    pub fn adapter(&self) -> Option<PathBuf> {
        let best = self.checkpoints.iter().rev().find(|c| c.best).or_else(|| self.checkpoints.last());
        let imported = self.row.as_ref().filter(|row| self.facts.is_none() && row.state == RunState::Finished);
        best.map(|c| c.folder.clone()).or_else(|| imported.map(|row| row.folder.clone()))
    }

    /// Name of the figure by which an evaluation is the best, where that is not the loss.
    pub fn metric_name(&self) -> Option<&str> {
        self.evaluations.iter().find_map(|evaluation| evaluation.metric.as_ref()).map(|metric| metric.name.as_str())
    }

    /// Tokens per second, as the mean over the last `steps` steps; `None` before the first.
    pub fn mean_speed(&self, steps: usize) -> Option<f64> {
        let speeds = self.speed.values().iter().rev().filter(|speed| speed.is_finite()).take(steps);
        let (sum, n) = speeds.fold((0.0, 0_usize), |(sum, n), speed| (sum + speed, n + 1));
        (n > 0).then(|| sum / n as f64)
    }

    /// The evaluation with the lowest loss.
    /// The evaluation of the checkpoint that is kept as the best.
    pub fn best(&self) -> Option<&EvaluationReport> {
        let kept = self.checkpoints.iter().rev().find(|checkpoint| checkpoint.best)?;
        self.evaluations.iter().rev().find(|evaluation| evaluation.step as u64 == kept.step)
    }
}

fn points<'a>(detail: &'a RunDetail, name: &str) -> &'a [[f64; 2]] {
    detail.series.iter().find(|series| series.name == name).map_or(&[], |series| &series.points)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speed_is_the_mean_of_the_last_steps_and_nothing_before_the_first() {
        let mut view = RunView::new(RunId("a".into()));
        assert_eq!(view.mean_speed(20), None);
        for step in 1..=30 {
            view.speed.push(f64::from(step), if step <= 10 { 9000.0 } else { 900.0 + f64::from(step % 2) * 200.0 });
        }
        assert_eq!(view.mean_speed(20), Some(1000.0));
        assert!(view.mean_speed(usize::MAX).is_some_and(|speed| speed > 3000.0));
    }
}
