//! An adapter with fewer slots: some of its prefix at every site, or of its soft prompt.

use crate::adapters::methods::PartState;
use crate::adapters::methods::prefix::{PrefixShape, PrefixState};
use crate::adapters::methods::prompt::{PromptState, PromptTasksState};
use crate::adapters::state::AdapterState;
use crate::error::{EngineError, Result};
use crate::sentence;

impl AdapterState {
    /// Slots that can be left out: of its prefix, without one of its soft prompt.
    pub fn n_slots(&self) -> usize {
        self.prefixes().map(|prefix| prefix.shape.n_virtual).max().unwrap_or_else(|| self.n_soft())
    }

    /// The adapter with these slots alone, counted from 0, in their order. A prefix has the same at each of its sites.
    ///
    /// # Errors
    /// [`EngineError::Setting`] for no slot or one that it does not have.
    pub fn with_slots(&self, kept: &[usize]) -> Result<Self> {
        let mut kept = kept.to_vec();
        kept.sort_unstable();
        kept.dedup();
        let setting = |reason| EngineError::Setting { field: "slots", reason };
        let n_slots = self.n_slots();
        let Some(&last) = kept.last() else { return Err(setting(sentence!("there must be one to keep"))) };
        if last >= n_slots {
            let number = last + 1;
            return Err(setting(sentence!("there is no slot {number}, the adapter has {n_slots}", number, n_slots)));
        }
        let is_prefix = self.prefixes().next().is_some();
        let part = |part: &PartState| match part {
            PartState::Prefix(prefix) => of_prefix(prefix, &kept).into(),
            PartState::Prompt(prompt) if !is_prefix => of_prompt(prompt, &kept).into(),
            other => other.clone(),
        };
        Ok(Self { parts: self.parts.iter().map(part).collect(), ..self.clone() })
    }
}

fn of_prefix(prefix: &PrefixState, kept: &[usize]) -> PrefixState {
    let n_frozen = kept.iter().filter(|&&slot| slot < prefix.n_frozen).count();
    let kept: Vec<usize> = kept.iter().copied().filter(|&slot| slot < prefix.shape.n_virtual).collect();
    let flat = rows(&prefix.flat, prefix.shape.row(), &kept);
    PrefixState { shape: PrefixShape { n_virtual: kept.len(), ..prefix.shape }, n_frozen, flat, ..*prefix }
}

fn of_prompt(prompt: &PromptState, kept: &[usize]) -> PromptState {
    // PEFT keeps a second block of rows for a model that reads a source and writes a target.
    let blocks = prompt.n_rows / prompt.n_virtual.max(1);
    let all: Vec<usize> =
        (0..blocks).flat_map(|block| kept.iter().map(move |slot| block * prompt.n_virtual + slot)).collect();
    let tasks = prompt.tasks.as_ref().map(|tasks| {
        let of_task = tasks.cols.chunks(prompt.n_rows * tasks.ranks);
        PromptTasksState {
            cols: of_task.flat_map(|cols| rows(cols, tasks.ranks, &all)).collect(),
            rows: tasks.rows.clone(),
            ..*tasks
        }
    });
    let values = rows(&prompt.values, prompt.width, &all);
    PromptState { n_virtual: kept.len(), n_rows: all.len(), values, tasks, ..*prompt }
}

/// Some rows of a matrix of this width.
fn rows(values: &[f32], width: usize, kept: &[usize]) -> Vec<f32> {
    kept.iter().flat_map(|row| &values[row * width..(row + 1) * width]).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TaskRecord;
    use crate::models::Site;

    #[test]
    fn a_prefix_keeps_its_slots_at_every_site_and_what_was_frozen_of_them() {
        let shape = PrefixShape { n_virtual: 3, n_layers: 1, n_kv_heads: 1, d_head: 1 };
        let prefix = |site, first: usize| PrefixState {
            n_frozen: 1,
            ..PrefixState::new(site, shape, (0..6).map(|i| (first + i) as f32).collect())
        };
        let adapter = AdapterState::new(TaskRecord::default(), [prefix(Site::Encoder, 0), prefix(Site::Decoder, 10)]);
        let some = adapter.with_slots(&[2, 1]).unwrap();
        let flat: Vec<&[f32]> = some.prefixes().map(|prefix| prefix.flat.as_slice()).collect();
        assert_eq!(flat, [[2.0, 3.0, 4.0, 5.0], [12.0, 13.0, 14.0, 15.0]]);
        assert_eq!((some.n_slots(), some.n_frozen()), (2, 0));
        assert_eq!(adapter.with_slots(&[0]).unwrap().n_frozen(), 1);
        assert_eq!(adapter.with_slots(&[0, 1, 2]).unwrap(), adapter);
        for refused in [&[][..], &[0, 3]] {
            assert!(adapter.with_slots(refused).is_err(), "{refused:?}");
        }
    }

    #[test]
    fn a_soft_prompt_keeps_both_blocks_and_the_matrices_of_its_tasks() {
        let numbers = |n: usize| (0..n).map(|i| i as f32).collect::<Vec<f32>>();
        let tasks = PromptTasksState { n_tasks: 2, ranks: 1, cols: numbers(8), rows: numbers(4) };
        let prompt =
            PromptState { n_virtual: 2, n_rows: 4, width: 2, values: numbers(8), of_model: None, tasks: Some(tasks) };
        let adapter = AdapterState::new(TaskRecord::default(), [prompt]);
        let some = adapter.with_slots(&[1]).unwrap();
        let prompt = some.prompt().unwrap();
        assert_eq!((prompt.n_virtual, prompt.n_rows, some.n_slots()), (1, 2, 1));
        assert_eq!(prompt.values, [2.0, 3.0, 6.0, 7.0]);
        let tasks = prompt.tasks.as_ref().unwrap();
        assert_eq!((tasks.cols.as_slice(), tasks.rows.len()), (&[1.0, 3.0, 5.0, 7.0][..], 4));
    }
}
