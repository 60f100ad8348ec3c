//! Differences of our results from the reference's, group by group.

use serde::Serialize;

use crate::config::Task;
use crate::verify::case::{Arrays, Case, Values};

/// One tensor, compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// Name of the tensor in the case.
    pub group: String,
    /// Largest absolute difference; for tokens, how many differ.
    pub max_abs_diff: f64,
    /// Largest difference allowed: 20 times the noise of f32 against f64, and never less than a floor.
    pub tolerance: f64,
    /// Within tolerance.
    pub ok: bool,
}

/// All that was computed, compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// In the order of their names.
    pub groups: Vec<Group>,
}

impl Report {
    /// Whether all is within tolerance.
    pub fn ok(&self) -> bool {
        self.groups.iter().all(|group| group.ok)
    }
}

pub(super) fn compare(case: &Case, computed: &Arrays) -> Report {
    let mut groups = Vec::new();
    for (name, ours) in computed {
        let Some(reference) = case.arrays.get(name) else { continue };
        let max_abs_diff = if ours.shape != reference.shape {
            f64::INFINITY
        } else {
            match (&ours.values, &reference.values) {
                (Values::Floats(a), Values::Floats(b)) => largest_difference(a, b, visible(case, name).as_deref()),
                (Values::Integers(a), Values::Integers(b)) => a.iter().zip(b).filter(|(x, y)| x != y).count() as f64,
                _ => f64::INFINITY,
            }
        };
        let tolerance = tolerance(case, name);
        groups.push(Group { group: name.clone(), max_abs_diff, tolerance, ok: max_abs_diff <= tolerance });
    }
    Report { groups }
}

/// NaN counts as infinitely far.
fn largest_difference(ours: &[f32], reference: &[f32], visible: Option<&[bool]>) -> f64 {
    let width = visible.map_or(1, |rows| ours.len() / rows.len().max(1)).max(1);
    let looked_at = |i: usize| visible.is_none_or(|rows| rows[i / width]);
    let difference = |(a, b): (&f32, &f32)| {
        let d = (f64::from(*a) - f64::from(*b)).abs();
        if d.is_nan() { f64::INFINITY } else { d }
    };
    ours.iter()
        .zip(reference)
        .enumerate()
        .filter(|(i, _)| looked_at(*i))
        .map(|(_, pair)| difference(pair))
        .fold(0.0, f64::max)
}

/// Logits of padding are not looked at: no user sees them, and implementations differ there.
fn visible(case: &Case, name: &str) -> Option<Vec<bool>> {
    let side = name.strip_prefix("out/")?.strip_suffix("/logits")?;
    // A classifier of texts has no logits for each position.
    let logits = case.arrays.get(name).filter(|logits| logits.shape.len() == 3)?;
    if case.task == Task::Seq2Seq {
        let (_, labels) = case.integers(&format!("in/{side}/labels")).ok()?;
        return Some(labels.iter().map(|&label| label >= 0).collect());
    }
    let (shape, mask) = case.integers(&format!("in/{side}/attention_mask")).ok()?;
    let &[_, seq] = shape else { return None };
    // Soft tokens stand before everything.
    let n_soft = logits.shape[1].saturating_sub(seq);
    let of_row = |row: &[i64]| std::iter::repeat_n(true, n_soft).chain(row.iter().map(|&real| real == 1)).collect();
    Some(mask.chunks_exact(seq).flat_map::<Vec<bool>, _>(of_row).collect())
}

fn tolerance(case: &Case, name: &str) -> f64 {
    let noise = |path: &[&str]| {
        let found = path.iter().try_fold(&case.facts.noise_f32_vs_f64, |value, key| value.get(key));
        found.and_then(serde_json::Value::as_f64).unwrap_or(0.0)
    };
    let (noise, floor) = match name.split('/').collect::<Vec<_>>()[..] {
        ["out", side, "loss"] => (noise(&[side, "loss"]), 2e-5),
        ["out", side, _] => (noise(&[side, "logits"]), 1e-5 * noise(&[side, "logits_scale"])),
        ["grad", side, ..] => (noise(&[side, "grad"]), 1e-5 * noise(&[side, "grad_scale"])),
        ["train", _] => (noise(&["train_losses"]), 2e-5),
        ["sched", "losses"] => (noise(&["sched_losses"]), 2e-5),
        ["sched", "grad_norms"] => (noise(&["sched_grad_norms"]), 2e-5),
        ["sched", _] => (0.0, 1e-8),
        // AdamW turns a gradient that is zero but for rounding into a full step: such parameters are listed apart.
        ["param_after", ref parameter @ ..] => {
            let own = noise(&["param_after_noisy", &parameter.join("/")]);
            (own.max(noise(&["param_after"])), 2e-5)
        }
        ["prefix", _] => (0.0, 2e-5),
        // Nats, as losses are. Texts of beams must be the same to the token: where two are worth as much as each other
        // within the noise and change places, the tokens say so and the scores next to them tell why.
        ["gen", scores] if scores.ends_with("_scores") => (noise(&[name]), 2e-5),
        ["gen", "greedy_logits"] => (noise(&["gen/greedy_logits"]), 1e-5 * noise(&["left", "logits_scale"])),
        _ => (0.0, 0.0),
    };
    (20.0 * noise).max(floor)
}
