//! What `config.json` says about rotary positions, and the frequencies that follow from it.
//!
//! huggingface/transformers: src/transformers/modeling_rope_utils.py.

use serde::Deserialize;

use crate::error::{EngineError, Result};

/// The rotary settings, under the newer name (`rope_parameters`) and the older ones (`rope_scaling`, `rope_theta`).
#[derive(Clone, Debug, Deserialize)]
pub(super) struct RopeSettings {
    rope_parameters: Option<Rope>,
    rope_scaling: Option<Rope>,
    #[serde(alias = "rotary_emb_base")]
    rope_theta: Option<f64>,
    #[serde(alias = "rotary_pct")]
    partial_rotary_factor: Option<f64>,
}

#[derive(Clone, Debug, Deserialize)]
struct Rope {
    #[serde(alias = "type")]
    rope_type: Option<String>,
    rope_theta: Option<f64>,
    partial_rotary_factor: Option<f64>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<usize>,
}

impl RopeSettings {
    fn named(&self) -> impl Iterator<Item = &Rope> {
        [&self.rope_parameters, &self.rope_scaling].into_iter().flatten()
    }

    /// Share of a head that is turned.
    pub(super) fn share(&self, default: f64) -> f64 {
        self.named().find_map(|rope| rope.partial_rotary_factor).or(self.partial_rotary_factor).unwrap_or(default)
    }

    /// Refuses a scaling that we do not compute.
    pub(super) fn check(&self, architecture: &'static str) -> Result<()> {
        for rope in self.named() {
            let complete = match rope.kind() {
                "default" => true,
                "linear" => rope.factor.is_some_and(|factor| factor > 0.0),
                "llama3" => rope.llama3().is_some(),
                _ => false,
            };
            if !complete {
                let value = rope.kind().to_owned();
                return Err(EngineError::UnsupportedOption { architecture, option: "rope_type", value });
            }
        }
        Ok(())
    }

    /// Angle per position of each pair of numbers, `d_rotary / 2` of them.
    pub(super) fn frequencies(&self, d_rotary: usize) -> Vec<f32> {
        let theta = self.named().find_map(|rope| rope.rope_theta).or(self.rope_theta).unwrap_or(10_000.0) as f32;
        let plain = (0..d_rotary / 2).map(|i| 1.0 / theta.powf((2 * i) as f32 / d_rotary as f32));
        match self.named().find(|rope| rope.kind() != "default") {
            Some(rope) => plain.map(|frequency| rope.scaled(frequency)).collect(),
            None => plain.collect(),
        }
    }
}

impl Rope {
    fn kind(&self) -> &str {
        self.rope_type.as_deref().unwrap_or("default")
    }

    /// Factor, low and high frequency factor, original context: all that LLaMA 3.1's scaling needs.
    fn llama3(&self) -> Option<[f32; 4]> {
        let context = self.original_max_position_embeddings.filter(|&context| context > 0)? as f32;
        let (factor, low, high) = (self.factor?, self.low_freq_factor?, self.high_freq_factor?);
        (factor > 0.0 && high > low).then_some([factor as f32, low as f32, high as f32, context])
    }

    fn scaled(&self, frequency: f32) -> f32 {
        let Some([factor, low, high, context]) = self.llama3().filter(|_| self.kind() == "llama3") else {
            return frequency / self.factor.unwrap_or(1.0) as f32;
        };
        // Long waves are stretched, short ones are not, and between them it goes over smoothly.
        let wave = 2.0 * std::f32::consts::PI / frequency;
        if wave > context / low {
            frequency / factor
        } else if wave < context / high {
            frequency
        } else {
            let smooth = (context / wave - low) / (high - low);
            (1.0 - smooth) * frequency / factor + smooth * frequency
        }
    }
}
