//! A prefix as llama.cpp saves the state of one sequence: what a text of as many tokens would have left in its cache of keys
//! and values. The text that is read on top of it has its positions behind it.
//!
//! The file is little-endian: `ggsq`, a version, the tokens of the sequence, then the cells (position and sequence of each)
//! and layer by layer the keys, layer by layer the values. ggml-org/llama.cpp: src/llama-context.cpp
//! (`state_seq_save_file`), src/llama-kv-cache.cpp (`state_write`).

use std::path::Path;

use half::f16;

use super::refused;
use crate::adapters::formats::programs::{CacheForm, CacheNumbers};
use crate::adapters::methods::PartState;
use crate::adapters::methods::prefix::{PrefixShape, PrefixState};
use crate::adapters::state::AdapterState;
use crate::config::Task;
use crate::error::Result;
use crate::files::write_whole;
use crate::models::load::GgufLayout;
use crate::models::{ModelFolder, ModelShape, Site};
use crate::nn::positions::PositionConvention;
use crate::sentence;

/// `ggsq`, as a number.
const MAGIC: u32 = 0x6767_7371;
/// The token that the sequence is said to be of: none was read, and whoever restores it names as many of it.
const TOKEN: i32 = 0;

/// Writes a prefix as the state of a sequence.
///
/// # Errors
/// [`EngineError::NoPlace`](crate::error::EngineError::NoPlace) for anything else, with the reason; or the file cannot be
/// written.
pub(in crate::adapters::formats) fn write(
    adapter: &AdapterState,
    model: &ModelFolder,
    cache: CacheForm,
    to: &Path,
) -> Result<()> {
    let prefix = check(adapter)?;
    let layout = layout(&model.shape(), model.tasks())?;
    write_whole(to, &bytes(prefix, layout.key_order().as_deref(), cache)?)
}

/// The prefix of an adapter that is nothing else, and that a cache can hold.
fn check(adapter: &AdapterState) -> Result<&PrefixState> {
    let [PartState::Prefix(prefix)] = adapter.parts.as_slice() else {
        return refused(sentence!(
            "the state of a sequence is a prefix alone, and this adapter is or has something else; a soft prompt goes to vLLM, \
             trained weights into a merged model"
        ));
    };
    if prefix.site != Site::Decoder || adapter.task.task != Task::Causal {
        return refused(sentence!("the state of a sequence is for a model that goes on with a text"));
    }
    match adapter.placement.positions {
        PositionConvention::Shifted => {}
        PositionConvention::Unshifted => {
            return refused(sentence!(
                "it was trained with a text's positions from 0 on, and behind the state of a sequence they begin at {n}",
                n = prefix.shape.n_virtual
            ));
        }
        PositionConvention::Infix => {
            return refused(sentence!("it stands between prompt and target, and the state of a sequence before both"));
        }
    }
    if adapter.placement.layers.is_some() {
        return refused(sentence!("some layers have no prefix, and every layer of a cache has the same cells"));
    }
    Ok(prefix)
}

fn layout(shape: &ModelShape, tasks: &[Task]) -> Result<GgufLayout> {
    if !tasks.contains(&Task::Causal) {
        let architecture = shape.architecture;
        return refused(sentence!(
            "a model of {architecture} goes on with no text, and keeps no keys and values of one",
            architecture
        ));
    }
    let layout = GgufLayout::of(shape)?;
    if !layout.has_one_cache() {
        return refused(sentence!(
            "layers with a window have a cache of their own in {architecture}, and its saved states are not written here",
            architecture = layout.architecture()
        ));
    }
    Ok(layout)
}

/// The whole file. `key_order` says of each number of all key heads where the cache has it.
fn bytes(prefix: &PrefixState, key_order: Option<&[u32]>, cache: CacheForm) -> Result<Vec<u8>> {
    let PrefixShape { n_virtual, n_layers, .. } = prefix.shape;
    let d_kv = prefix.shape.d_kv();
    let n = n_virtual as u32;
    let mut file = Vec::with_capacity(prefix.flat.len() * 4 + n_virtual * 16 + 64);
    put(&mut file, &[MAGIC, cache.version, n]);
    (0..n).for_each(|_| file.extend(TOKEN.to_le_bytes()));
    // One stream, its cells: position, and the one sequence that each belongs to.
    put(&mut file, &[1, n]);
    (0..n).for_each(|position| put(&mut file, &[position, 1, 0]));
    put(&mut file, &[u32::from(!cache.flash_attention), n_layers as u32]);
    let (kind, width) = match cache.numbers {
        CacheNumbers::F32 => (0, 4),
        CacheNumbers::F16 => (1, 2),
    };
    let row = |layer: usize, side: usize, slot: usize| {
        let first = slot * prefix.shape.row() + (2 * layer + side) * d_kv;
        &prefix.flat[first..first + d_kv]
    };
    let mut turned = vec![0.0; d_kv];
    for layer in 0..n_layers {
        put(&mut file, &[kind]);
        file.extend(((d_kv * width) as u64).to_le_bytes());
        for slot in 0..n_virtual {
            let keys = row(layer, 0, slot);
            match key_order {
                None => turned.copy_from_slice(keys),
                Some(order) => order.iter().zip(keys).for_each(|(&to, key)| turned[to as usize] = *key),
            }
            put_numbers(&mut file, turned.iter().copied(), cache.numbers)?;
        }
    }
    for layer in 0..n_layers {
        put(&mut file, &[kind]);
        if cache.flash_attention {
            file.extend(((d_kv * width) as u64).to_le_bytes());
            for slot in 0..n_virtual {
                put_numbers(&mut file, row(layer, 1, slot).iter().copied(), cache.numbers)?;
            }
        } else {
            // On its side: of each number all slots.
            put(&mut file, &[width as u32, d_kv as u32]);
            for at in 0..d_kv {
                put_numbers(&mut file, (0..n_virtual).map(|slot| row(layer, 1, slot)[at]), cache.numbers)?;
            }
        }
    }
    Ok(file)
}

fn put(file: &mut Vec<u8>, numbers: &[u32]) {
    file.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

fn put_numbers(file: &mut Vec<u8>, mut numbers: impl Iterator<Item = f32>, form: CacheNumbers) -> Result<()> {
    numbers.try_for_each(|number| {
        match form {
            CacheNumbers::F32 => file.extend(number.to_le_bytes()),
            CacheNumbers::F16 if f16::from_f32(number).is_finite() => file.extend(f16::from_f32(number).to_le_bytes()),
            CacheNumbers::F16 => {
                return refused(sentence!("the prefix has a number of {number}, which 16 bits do not hold", number));
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::PrefixPlacement;
    use crate::config::TaskRecord;

    /// As tests/golden/llama_cpp.py packs the same numbers.
    const GOLDEN: &str = include_str!("../../../../../tests/golden/llama_cpp.json");
    const SHAPE: PrefixShape = PrefixShape { n_virtual: 3, n_layers: 2, n_kv_heads: 2, d_head: 4 };

    fn prefix() -> PrefixState {
        PrefixState::new(Site::Decoder, SHAPE, (0..SHAPE.stored()).map(|i| i as f32 / 8.0 - 3.0).collect())
    }

    fn adapter(placement: PrefixPlacement) -> AdapterState {
        AdapterState { placement, ..AdapterState::new(TaskRecord::default(), [prefix()]) }
    }

    #[test]
    fn the_file_is_that_of_a_script_of_its_own() {
        let golden: serde_json::Value = serde_json::from_str(GOLDEN).unwrap();
        let order: &[u32] = &[0, 2, 1, 3, 4, 6, 5, 7];
        for (name, key_order, cache) in [
            ("f16 flash permuted", Some(order), CacheForm::default()),
            ("f16 flash plain", None, CacheForm::default()),
            (
                "f32 plain transposed",
                None,
                CacheForm { numbers: CacheNumbers::F32, flash_attention: false, version: 2 },
            ),
            ("f16 permuted transposed", Some(order), CacheForm { flash_attention: false, ..CacheForm::default() }),
        ] {
            let found = bytes(&prefix(), key_order, cache).unwrap();
            assert_eq!(crate::weights::hex(&found), golden[name].as_str().unwrap(), "{name}");
        }
    }

    #[test]
    fn what_no_cache_can_hold_is_refused_with_the_reason() {
        let refusal = |adapter: &AdapterState| check(adapter).map(|_| ()).unwrap_err().to_string();
        let placed = |positions, layers| adapter(PrefixPlacement { positions, layers });
        assert!(check(&adapter(PrefixPlacement::default())).is_ok());
        assert!(refusal(&placed(PositionConvention::Unshifted, None)).contains("positions from 0 on"));
        assert!(refusal(&placed(PositionConvention::Infix, None)).contains("between prompt and target"));
        assert!(refusal(&placed(PositionConvention::Shifted, Some(vec![0]))).contains("some layers"));
        let classes = TaskRecord::of(Task::SequenceClassification);
        assert!(refusal(&AdapterState { task: classes, ..adapter(PrefixPlacement::default()) }).contains("goes on"));
        assert!(refusal(&AdapterState::default()).contains("a prefix alone"));
        let cross = PrefixState { site: Site::Cross, ..prefix() };
        assert!(refusal(&AdapterState::new(TaskRecord::default(), [cross])).contains("goes on"));
        let large = PrefixState { flat: vec![1e6; SHAPE.stored()], ..prefix() };
        assert!(bytes(&large, None, CacheForm::default()).unwrap_err().to_string().contains("1000000"));
    }
}
