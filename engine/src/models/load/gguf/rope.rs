//! Rotary positions: the base, the share of a head that turns, and the scaling, which a file may have as factors in a tensor.

use serde_json::{Map, Value, json};

use super::facts::Facts;
use crate::error::Result;
use crate::sentence;

/// By how much each frequency is divided: LLaMA 3.1's scaling.
const FACTORS: &str = "rope_freqs.weight";
/// The same for texts longer and shorter than the model was trained on first: Phi-3's.
const LONG_AND_SHORT: [&str; 2] = ["rope_factors_long.weight", "rope_factors_short.weight"];

/// Whether a tensor is one of these.
pub(super) fn is_table(name: &str) -> bool {
    name == FACTORS || LONG_AND_SHORT.contains(&name)
}

/// LLaMA 3.1's low and high frequency factors, and the context it was trained on first.
const LOW: f32 = 1.0;
const HIGH: f32 = 4.0;
const CONTEXT: usize = 8192;

/// Largest difference of a factor from what a scaling makes, relative to it.
const TOLERANCE: f32 = 1e-3;

/// The settings under the names of `config.json`.
///
/// # Errors
/// Factors that follow no scaling that is computed here.
pub(super) fn settings(facts: &Facts<'_>, d_head: usize) -> Result<Map<String, Value>> {
    let theta = facts.float("rope.freq_base")?.unwrap_or(10_000.0);
    let mut settings = Map::from_iter([("rope_theta".to_owned(), json!(theta))]);
    let d_rotary = facts.size("rope.dimension_count")?.unwrap_or(d_head);
    if d_rotary != d_head && d_head > 0 {
        settings.insert("partial_rotary_factor".into(), json!(d_rotary as f64 / d_head as f64));
    }
    if let Some(scaling) = scaling(facts, theta, d_rotary)? {
        settings.insert("rope_scaling".into(), scaling);
    }
    Ok(settings)
}

fn scaling(facts: &Facts<'_>, theta: f64, d_rotary: usize) -> Result<Option<Value>> {
    let context = facts.size("rope.scaling.original_context_length")?;
    let [long, short] = LONG_AND_SHORT.map(|name| facts.file.vector(name));
    if let (Some(long), Some(short)) = (long?, short?) {
        // The factor on attention follows from the two contexts, as the file's does.
        facts.float("rope.scaling.attn_factor")?;
        return Ok(Some(json!({ "rope_type": "longrope", "long_factor": long, "short_factor": short })));
    }
    if let Some(factors) = facts.file.vector(FACTORS)? {
        return of_factors(&factors, theta as f32, d_rotary, context.unwrap_or(CONTEXT)).ok_or_else(|| {
            facts.file.malformed(sentence!(
                "{tensor} stretches positions in another way than LLaMA 3.1's, which is not computed here",
                tensor = FACTORS
            ))
        });
    }
    // Files of 2023 say the factor under another name, and no type.
    let factor = match facts.float("rope.scaling.factor")? {
        Some(factor) => Some(factor),
        None => facts.float("rope.scale_linear")?,
    };
    Ok(match (facts.word("rope.scaling.type"), factor) {
        (None, Some(factor)) if factor != 0.0 && factor != 1.0 => {
            Some(json!({ "rope_type": "linear", "factor": factor }))
        }
        (None | Some("none"), _) => None,
        (Some("linear"), factor) => {
            factor.filter(|factor| *factor != 1.0).map(|factor| json!({ "rope_type": "linear", "factor": factor }))
        }
        (Some(kind), factor) => {
            Some(json!({ "rope_type": kind, "factor": factor, "original_max_position_embeddings": context }))
        }
    })
}

/// The scaling that makes these factors: none where all are 1, LLaMA 3.1's where they are its own; `None` where they are
/// neither.
fn of_factors(factors: &[f32], theta: f32, d_rotary: usize, context: usize) -> Option<Option<Value>> {
    if factors.len() != d_rotary / 2 {
        return None;
    }
    let factor = factors.iter().copied().fold(1.0, f32::max);
    let near = |found: f32, expected: f32| (found - expected).abs() <= TOLERANCE * expected;
    if factors.iter().all(|found| near(*found, 1.0)) {
        return Some(None);
    }
    let is_llama3 = factors.iter().enumerate().all(|(pair, found)| {
        let wave = 2.0 * std::f32::consts::PI * theta.powf((2 * pair) as f32 / d_rotary as f32);
        let smooth = ((context as f32 / wave - LOW) / (HIGH - LOW)).clamp(0.0, 1.0);
        near(*found, 1.0 / ((1.0 - smooth) / factor + smooth))
    });
    is_llama3.then(|| {
        Some(json!({
            "rope_type": "llama3", "factor": factor, "low_freq_factor": LOW, "high_freq_factor": HIGH,
            "original_max_position_embeddings": context,
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As transformers scales the frequencies of LLaMA 3.1's published models.
    fn factors(factor: f32, theta: f32, d: usize) -> Vec<f32> {
        let factor_of = |pair: usize| {
            let wave = 2.0 * std::f32::consts::PI * theta.powf((2 * pair) as f32 / d as f32);
            match wave {
                wave if wave < 8192.0 / 4.0 => 1.0,
                wave if wave > 8192.0 => factor,
                wave => {
                    let smooth = (8192.0 / wave - 1.0) / 3.0;
                    1.0 / ((1.0 - smooth) / factor + smooth)
                }
            }
        };
        (0..d / 2).map(factor_of).collect()
    }

    #[test]
    fn factors_are_known_as_the_scaling_that_makes_them() {
        let of = |factors: &[f32]| of_factors(factors, 500_000.0, 64, CONTEXT);
        let scaling = of(&factors(32.0, 500_000.0, 64)).unwrap().unwrap();
        assert_eq!((&scaling["rope_type"], &scaling["factor"]), (&json!("llama3"), &json!(32.0)));
        assert_eq!(of(&[1.0; 32]), Some(None), "nothing is scaled");
        assert_eq!(of(&[2.0; 32]), None, "another scaling");
        assert_eq!(of(&factors(8.0, 10_000.0, 64)), None, "of another base");
        assert_eq!(of(&[1.0; 16]), None, "of other heads");
        assert_eq!(of(&[f32::NAN; 32]), None);
    }
}
