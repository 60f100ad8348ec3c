//! Settings of rotary positions in `config.json`, and the frequencies that follow from them.
//!
//! huggingface/transformers: src/transformers/modeling_rope_utils.py.

use serde::Deserialize;

use crate::error::{EngineError, Result};
use crate::models::load::ConfigFile;

/// The rotary settings, under the newer name (`rope_parameters`) and the older ones (`rope_scaling`, `rope_theta`, and
/// GPT-NeoX's own), of which a file may have several side by side.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct RopeSettings {
    rope_parameters: Option<Rope>,
    rope_scaling: Option<Rope>,
    rope_theta: Option<f64>,
    partial_rotary_factor: Option<f64>,
    original_max_position_embeddings: Option<usize>,
    max_position_embeddings: Option<usize>,
}

#[derive(Clone, Debug, Deserialize)]
struct Rope {
    rope_type: Option<String>,
    /// The older name; the newer one speaks first.
    #[serde(rename = "type")]
    older_type: Option<String>,
    rope_theta: Option<f64>,
    partial_rotary_factor: Option<f64>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<usize>,
}

/// GPT-NeoX's names.
const OTHER_NAMES: [(&str, &str); 2] = [("rotary_emb_base", "rope_theta"), ("rotary_pct", "partial_rotary_factor")];

impl RopeSettings {
    /// Reads the rotary settings of a configuration.
    ///
    /// # Errors
    /// A setting has another type, or two values.
    pub(crate) fn read(file: &ConfigFile) -> Result<Self> {
        file.read(&OTHER_NAMES)
    }

    /// As transformers takes them: `rope_scaling` where it says anything, or else `rope_parameters`.
    fn named(&self) -> impl Iterator<Item = &Rope> {
        let said = self.rope_scaling.iter().filter(|rope| rope.rope_type.is_some() || rope.older_type.is_some());
        said.chain(&self.rope_parameters).take(1)
    }

    /// Share of a head that is turned.
    pub(crate) fn share(&self, default: f64) -> f64 {
        self.named().find_map(|rope| rope.partial_rotary_factor).or(self.partial_rotary_factor).unwrap_or(default)
    }

    /// Refuses a scaling that we do not compute.
    pub(crate) fn check(&self, architecture: &'static str) -> Result<()> {
        for rope in self.named() {
            let complete = match rope.kind() {
                "default" | "dynamic" => true,
                "linear" => rope.factor.is_some_and(|factor| factor > 0.0),
                "llama3" => self.llama3(rope).is_some(),
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
    ///
    /// Dynamic scaling begins where the model's positions end, and no text here is longer.
    pub(crate) fn frequencies(&self, d_rotary: usize) -> Vec<f32> {
        let theta = self.named().find_map(|rope| rope.rope_theta).or(self.rope_theta).unwrap_or(10_000.0) as f32;
        let plain = (0..d_rotary / 2).map(|i| 1.0 / theta.powf((2 * i) as f32 / d_rotary as f32));
        match self.named().next() {
            Some(rope) if rope.kind() == "linear" => {
                let factor = rope.factor.unwrap_or(1.0) as f32;
                plain.map(|frequency| frequency / factor).collect()
            }
            Some(rope) if let Some(llama3) = self.llama3(rope).filter(|_| rope.kind() == "llama3") => {
                plain.map(|frequency| stretched(frequency, llama3)).collect()
            }
            _ => plain.collect(),
        }
    }

    /// Factor, low and high frequency factor, original context: all that LLaMA 3.1's scaling needs.
    fn llama3(&self, rope: &Rope) -> Option<[f32; 4]> {
        let context = self.original_max_position_embeddings.or(rope.original_max_position_embeddings);
        let context = context.or(self.max_position_embeddings).filter(|&context| context > 0)? as f32;
        let (factor, low, high) = (rope.factor?, rope.low_freq_factor?, rope.high_freq_factor?);
        (factor > 0.0 && high > low).then_some([factor as f32, low as f32, high as f32, context])
    }
}

impl Rope {
    fn kind(&self) -> &str {
        self.rope_type.as_ref().or(self.older_type.as_ref()).map_or("default", String::as_str)
    }
}

/// LLaMA 3.1's scaling: long waves are stretched, short ones are not, and between them it goes over smoothly.
fn stretched(frequency: f32, [factor, low, high, context]: [f32; 4]) -> f32 {
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
