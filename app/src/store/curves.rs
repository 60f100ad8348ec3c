//! A figure of several runs over their steps, with the tokens, the seconds and the epochs at each point.

use std::collections::BTreeMap;

use engine::training::EvaluationReport;
use rusqlite::{OptionalExtension, Result, params};
use serde_json::Value;

use super::Answer;
use super::figures::of_report;
use super::rows::{Cursor, Curve, CurvePoint};
use super::tables::{self, Key};
use super::thread::{StoreFailure, StoreThread};
use crate::workspace::RunId;

/// Most points of a run.
const POINTS: usize = 2000;
/// Figures that each step has.
const OF_STEPS: [&str; 6] = ["loss", "learning_rate", "grad_norm", "labeled_tokens", "tokens", "elapsed_secs"];

impl StoreThread {
    /// Runs that are not there are left out; one without the figure has no points.
    pub(super) fn curves(&mut self, runs: &[RunId], name: &str) -> Result<(), StoreFailure> {
        let mut curves = Vec::new();
        for run in runs {
            if let Some(key) = tables::key_of(&self.index.db, run)? {
                let points = thinned(self.points(key, usual(name))?, POINTS);
                curves.push(Curve { run: run.clone(), name: name.to_owned(), points });
            }
        }
        self.answer(Answer::Curves(curves));
        Ok(())
    }

    fn points(&self, key: Key, name: &str) -> Result<Vec<CurvePoint>> {
        let mut since = Cursor::default();
        let mut evaluations = self.evaluations(key, &mut since)?;
        evaluations.sort_by_key(|evaluation| evaluation.step);
        let mut walk = Walk { evaluations, ..Walk::default() };
        let mut find = self.index.db.prepare_cached(
            "SELECT step, name, value FROM metrics WHERE run = ?1 AND name IN ('tokens', 'elapsed_secs', ?2)
             ORDER BY step",
        )?;
        let mut rows = find.query(params![key, name])?;
        while let Some(row) = rows.next()? {
            walk.come_to(row.get(0)?, name);
            let value: Option<f64> = row.get(2)?;
            let figure = row.get_ref(1)?.as_str()?;
            match figure {
                "tokens" => walk.tokens += value.unwrap_or(0.0),
                "elapsed_secs" => walk.secs += value.unwrap_or(0.0),
                _ => {}
            }
            if figure == name {
                walk.value = value;
            }
        }
        walk.come_to(i64::MAX, name);
        let per_epoch = self.steps_per_epoch(key)?;
        for point in &mut walk.points {
            point.epoch = per_epoch.map_or(0.0, |steps| point.step as f64 / steps);
        }
        Ok(walk.points)
    }

    fn steps_per_epoch(&self, key: Key) -> Result<Option<f64>> {
        let mut find = self.index.db.prepare_cached("SELECT facts FROM runs WHERE key = ?1")?;
        let facts: Option<String> = find.query_row([key], |row| row.get(0)).optional()?.flatten();
        let facts = facts.and_then(|facts| serde_json::from_str::<Value>(&facts).ok()).unwrap_or_default();
        Ok(facts["steps_per_epoch"].as_f64().filter(|steps| *steps > 0.0))
    }
}

/// Other names of the validation loss.
fn usual(name: &str) -> &str {
    match name.strip_prefix("eval_").unwrap_or(name) {
        "validation_loss" | "val" => "validation loss",
        "loss" if name != "loss" => "validation loss",
        name => name,
    }
}

/// A run from its first step on: evaluations stand behind the steps that they come after.
#[derive(Default)]
struct Walk {
    evaluations: Vec<EvaluationReport>,
    /// Evaluations that lie behind.
    past: usize,
    step: i64,
    tokens: f64,
    secs: f64,
    /// The figure at the step, where it is one of steps.
    value: Option<f64>,
    points: Vec<CurvePoint>,
}

impl Walk {
    /// Ends the step that it stands at, if the next is another, with the evaluations that came before the next.
    fn come_to(&mut self, step: i64, name: &str) {
        if step == self.step {
            return;
        }
        let value = self.value.take();
        self.add(self.step, value);
        while let Some(evaluation) =
            self.evaluations.get(self.past).filter(|evaluation| tables::signed(evaluation.step) < step)
        {
            let at = tables::signed(evaluation.step);
            let value = if OF_STEPS.contains(&name) { None } else { of_report(evaluation, name) };
            self.secs += evaluation.elapsed_secs;
            self.past += 1;
            self.add(at, value);
        }
        self.step = step;
    }

    fn add(&mut self, step: i64, value: Option<f64>) {
        let (step, tokens) = (u64::try_from(step).unwrap_or(0), self.tokens as u64);
        let point = |value| CurvePoint { step, tokens, secs: self.secs, epoch: 0.0, value };
        self.points.extend(value.filter(|value| value.is_finite()).map(point));
    }
}

/// At most so many points: of each stretch the lowest and the highest, so that no peak is lost, and both ends.
fn thinned(points: Vec<CurvePoint>, most: usize) -> Vec<CurvePoint> {
    if points.len() <= most {
        return points;
    }
    let stretches = (most / 2).saturating_sub(1).max(1);
    let width = points.len().div_ceil(stretches);
    let mut kept: BTreeMap<usize, CurvePoint> = BTreeMap::new();
    for (begin, stretch) in (0..).step_by(width).zip(points.chunks(width)) {
        let by_value = |(_, a): &(usize, &CurvePoint), (_, b): &(usize, &CurvePoint)| a.value.total_cmp(&b.value);
        let low = stretch.iter().enumerate().min_by(by_value);
        let high = stretch.iter().enumerate().max_by(by_value);
        kept.extend(low.into_iter().chain(high).map(|(at, point)| (begin + at, *point)));
    }
    let last = points.len() - 1;
    kept.extend([(0, points[0]), (last, points[last])]);
    kept.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(n: usize, value: impl Fn(usize) -> f64) -> Vec<CurvePoint> {
        (0..n).map(|i| CurvePoint { step: i as u64, value: value(i), ..CurvePoint::default() }).collect()
    }

    #[test]
    fn peaks_and_ends_outlive_thinning() {
        let points = line(100_001, |i| if i == 7 || i == 54_321 { 100.0 } else { (i as f64).cos() });
        let few = thinned(points.clone(), 2000);
        assert!((1000..=2000).contains(&few.len()), "{}", few.len());
        assert!(few.is_sorted_by_key(|point| point.step));
        let peaks: Vec<u64> = few.iter().filter(|point| point.value > 1.0).map(|point| point.step).collect();
        assert_eq!(peaks, [7, 54_321]);
        assert_eq!((few[0], few[few.len() - 1]), (points[0], points[100_000]));
        let short = line(2000, |i| i as f64);
        assert_eq!(thinned(short.clone(), 2000), short);
        assert!(thinned(Vec::new(), 2000).is_empty());
    }

    #[test]
    fn the_validation_loss_has_several_names_and_the_loss_one() {
        for name in ["validation loss", "validation_loss", "eval_loss", "val"] {
            assert_eq!(usual(name), "validation loss");
        }
        assert_eq!((usual("loss"), usual("eval_accuracy"), usual("bleu")), ("loss", "accuracy", "bleu"));
    }
}
