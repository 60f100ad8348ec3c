//! Several adapters of one model as one: side by side, or between them.

use serde::{Deserialize, Serialize};

use crate::adapters::methods::PartState;
use crate::adapters::methods::prefix::{PrefixShape, PrefixState};
use crate::adapters::methods::prompt::PromptState;
use crate::adapters::state::AdapterState;
use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

/// Way in which several adapters become one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Combination {
    /// The slots of all, one after the other.
    Concatenated,
    /// Slot by slot the weighted sum; the weights are as many as the adapters.
    Interpolated {
        /// Factor of each adapter; usually they sum to 1.
        weights: Vec<f64>,
    },
}

/// Combines prefixes with prefixes, soft prompts with soft prompts. Order matters to soft prompts, which have positions, and
/// not to prefixes, which have none.
///
/// # Errors
/// [`EngineError::Setting`] for fewer than two adapters or weights that are not as many, [`EngineError::AdapterMismatch`]
/// for adapters of different kinds, tasks, models or lengths, or of a kind that cannot be combined.
pub fn combine(adapters: &[AdapterState], how: &Combination) -> Result<AdapterState> {
    let setting = |field, reason: Sentence| Err(EngineError::Setting { field, reason });
    let [first, others @ ..] = adapters else { return setting("adapters", sentence!("there must be at least two")) };
    if others.is_empty() {
        return setting("adapters", sentence!("there must be at least two"));
    }
    if let Combination::Interpolated { weights } = how {
        if weights.len() != adapters.len() {
            return setting("weights", sentence!("there must be as many as adapters"));
        }
        if weights.iter().any(|weight| !weight.is_finite()) {
            return setting("weights", sentence!("must be finite numbers"));
        }
    }
    let mismatch = |reason: Sentence| Err(EngineError::AdapterMismatch { reason });
    for adapter in adapters {
        if adapter.parts.iter().any(|part| !matches!(part, PartState::Prefix(_) | PartState::Prompt(_))) {
            return mismatch(sentence!("only prefixes and soft prompts without a head are combined"));
        }
        if adapter.has_tasks() {
            return mismatch(sentence!("a prompt that tasks share is a product, which cannot be combined"));
        }
        if adapter.task != first.task || adapter.placement != first.placement {
            return mismatch(sentence!(
                "they were trained for different tasks, for other layers or with other positions"
            ));
        }
        if adapter.sites() != first.sites() || adapter.prompt().is_some() != first.prompt().is_some() {
            return mismatch(sentence!("they do not stand at the same places"));
        }
    }
    let mut combined = AdapterState { parts: Vec::new(), ..first.clone() };
    for site in first.sites() {
        let parts: Vec<&PrefixState> = adapters.iter().filter_map(|adapter| adapter.prefix_at(site)).collect();
        combined.push(prefix(&parts, how)?);
    }
    let prompts: Vec<&PromptState> = adapters.iter().filter_map(AdapterState::prompt).collect();
    if !prompts.is_empty() {
        combined.push(prompt(&prompts, how)?);
    }
    Ok(combined)
}

fn prefix(parts: &[&PrefixState], how: &Combination) -> Result<PrefixState> {
    let model = |part: &PrefixState| PrefixShape { n_virtual: 0, ..part.shape };
    if parts.iter().any(|part| model(part) != model(parts[0])) {
        let reason = sentence!("they are for models of different layers or heads");
        return Err(EngineError::AdapterMismatch { reason });
    }
    let lengths: Vec<usize> = parts.iter().map(|part| part.shape.n_virtual).collect();
    let values: Vec<&[f32]> = parts.iter().map(|part| part.flat.as_slice()).collect();
    let (n_virtual, flat) = rows(&lengths, &values, how)?;
    Ok(PrefixState { shape: PrefixShape { n_virtual, ..parts[0].shape }, flat, ..*parts[0] })
}

fn prompt(parts: &[&PromptState], how: &Combination) -> Result<PromptState> {
    let first = parts[0];
    if parts.iter().any(|part| part.width != first.width) {
        let reason = sentence!("they are for models whose embeddings have different widths");
        return Err(EngineError::AdapterMismatch { reason });
    }
    let lengths: Vec<usize> = parts.iter().map(|part| part.n_virtual).collect();
    // What lies behind the rows that are read says nothing.
    let values: Vec<&[f32]> = parts.iter().map(|part| &part.values[..part.n_virtual * part.width]).collect();
    let (n_virtual, mut values) = rows(&lengths, &values, how)?;
    let n_rows = n_virtual * (first.n_rows / first.n_virtual.max(1));
    values.resize(n_rows * first.width, 0.0);
    Ok(PromptState { n_virtual, n_rows, values, ..first.clone() })
}

/// The rows of all, or their weighted sum.
fn rows(lengths: &[usize], values: &[&[f32]], how: &Combination) -> Result<(usize, Vec<f32>)> {
    match how {
        Combination::Concatenated => Ok((lengths.iter().sum(), values.concat())),
        Combination::Interpolated { weights } => {
            if lengths.iter().any(|&length| length != lengths[0]) {
                let reason =
                    sentence!("only equal lengths have something between them, these are {lengths:?}", lengths);
                return Err(EngineError::AdapterMismatch { reason });
            }
            let sum = |at: usize| {
                values.iter().zip(weights).map(|(values, weight)| f64::from(values[at]) * weight).sum::<f64>() as f32
            };
            Ok((lengths[0], (0..values[0].len()).map(sum).collect()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TaskRecord;
    use crate::models::Site;

    fn of(n_virtual: usize, value: f32) -> AdapterState {
        let shape = PrefixShape { n_virtual, n_layers: 1, n_kv_heads: 1, d_head: 2 };
        let prefix = PrefixState::new(Site::Decoder, shape, vec![value; shape.stored()]);
        AdapterState::new(TaskRecord::default(), [prefix])
    }

    #[test]
    fn slots_stand_one_after_the_other() {
        let both = combine(&[of(2, 1.0), of(1, 5.0)], &Combination::Concatenated).unwrap();
        let prefix = both.prefixes().next().unwrap();
        assert_eq!(
            (prefix.shape.n_virtual, &prefix.flat[..], prefix.flat[8..] == [5.0; 4]),
            (3, &prefix.flat[..], true)
        );
        assert_eq!(prefix.flat[..8], [1.0; 8]);
    }

    #[test]
    fn what_is_between_is_the_weighted_sum() {
        let between = |weights: &[f64]| Combination::Interpolated { weights: weights.to_vec() };
        let mixed = combine(&[of(2, 1.0), of(2, 5.0)], &between(&[0.25, 0.75])).unwrap();
        assert_eq!(mixed.prefixes().next().unwrap().flat, [4.0; 8]);
        assert_eq!(combine(&[of(2, 1.0), of(2, 5.0)], &between(&[1.0, 0.0])).unwrap().hash(), of(2, 1.0).hash());
        let refused = [
            combine(&[of(2, 1.0), of(3, 5.0)], &between(&[0.5, 0.5])),
            combine(&[of(2, 1.0), of(2, 5.0)], &between(&[0.5])),
            combine(&[of(2, 1.0)], &Combination::Concatenated),
            combine(&[of(2, 1.0), AdapterState::default()], &Combination::Concatenated),
        ];
        assert!(refused.iter().all(Result::is_err));
    }

    #[test]
    fn soft_prompts_keep_the_rows_that_peft_wants() {
        let of = |n_virtual: usize, value: f32| {
            let (n_rows, values) = (2 * n_virtual, vec![value; 4 * n_virtual]);
            let prompt = PromptState { n_virtual, n_rows, width: 2, values, of_model: None, tasks: None };
            AdapterState::new(TaskRecord::default(), [prompt])
        };
        let both = combine(&[of(1, 1.0), of(2, 3.0)], &Combination::Concatenated).unwrap();
        let both = both.prompt().unwrap();
        assert_eq!((both.n_virtual, both.n_rows), (3, 6));
        assert_eq!(both.values, [1.0, 1.0, 3.0, 3.0, 3.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }
}
