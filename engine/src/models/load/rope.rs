//! Settings of rotary positions in `config.json`, and the frequencies that follow from them: transformers' scalings of long
//! texts (`linear`, `dynamic`, `llama3`, `yarn`, `longrope`).
//!
//! huggingface/transformers: src/transformers/modeling_rope_utils.py.

use serde::Deserialize;
use serde_json::Value;

use crate::error::{EngineError, Result, json_reason};
use crate::models::load::ConfigFile;
use crate::nn::{Frequencies, FrequencyKind};

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

#[derive(Clone, Debug, Default, Deserialize)]
struct Rope {
    rope_type: Option<String>,
    /// The older name; the newer one speaks first.
    #[serde(rename = "type")]
    older_type: Option<String>,
    rope_theta: Option<f64>,
    partial_rotary_factor: Option<f64>,
    factor: Option<f64>,
    original_max_position_embeddings: Option<usize>,
    // LLaMA 3.1's.
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    // YaRN's, of which LongRoPE has the first.
    attention_factor: Option<f64>,
    beta_fast: Option<f64>,
    beta_slow: Option<f64>,
    mscale: Option<f64>,
    mscale_all_dim: Option<f64>,
    truncate: Option<bool>,
    // LongRoPE's.
    short_factor: Option<Vec<f64>>,
    long_factor: Option<Vec<f64>>,
    // Settings by the kind of a layer, which a model of its own reads.
    full_attention: Option<Value>,
    sliding_attention: Option<Value>,
}

/// GPT-NeoX's names.
const OTHER_NAMES: [(&str, &str); 2] = [("rotary_emb_base", "rope_theta"), ("rotary_pct", "partial_rotary_factor")];

/// The base where nothing is said.
const THETA: f64 = 10_000.0;

impl RopeSettings {
    /// Reads the rotary settings of a configuration.
    ///
    /// # Errors
    /// A setting has another type, or two values.
    pub(crate) fn read(file: &ConfigFile) -> Result<Self> {
        file.read(&OTHER_NAMES)
    }

    /// Those of the layers that see everything, and those of the layers with a window, where both turn differently (Gemma 3).
    /// In older files the scaling and `rope_theta` are those of the first, `local_base` is the base of the others.
    ///
    /// # Errors
    /// A setting has another type, or the newer form does not tell the two kinds apart.
    pub(crate) fn read_by_kind(
        file: &ConfigFile,
        architecture: &'static str,
        [global_base, local_base]: [f64; 2],
    ) -> Result<[Self; 2]> {
        let all = Self::read(file)?;
        let older = file.options().get("rope_scaling");
        let newer = file.options().get("rope_parameters").filter(|value| !value.is_null());
        let of_kind = |kind: &str| newer.and_then(|kinds| kinds.get(kind)).filter(|value| !value.is_null());
        if newer.is_some() && of_kind("full_attention").is_none() && of_kind("sliding_attention").is_none() {
            let (option, value) = ("rope_parameters", "{ rope_type: … }".to_owned());
            return Err(EngineError::UnsupportedOption { architecture, option, value });
        }
        let kind = |kind: &str, scaling: Option<&Value>, theta: f64| {
            let mut settings = of_kind(kind).and_then(Value::as_object).cloned().unwrap_or_default();
            settings.extend(scaling.and_then(Value::as_object).cloned().unwrap_or_default());
            let mut rope: Rope =
                serde_json::from_value(Value::Object(settings)).map_err(|error| file.malformed(json_reason(&error)))?;
            rope.rope_theta.get_or_insert(theta);
            // Where kinds are told apart, the reference looks for this beside them and finds nothing.
            rope.truncate = None;
            let max_position_embeddings = all.max_position_embeddings;
            Ok(Self { rope_parameters: Some(rope), max_position_embeddings, ..Self::default() })
        };
        Ok([
            kind("full_attention", older, all.rope_theta.unwrap_or(global_base))?,
            kind("sliding_attention", None, local_base)?,
        ])
    }

    /// The same where files call a kind of scaling by other names.
    pub(crate) fn renamed(mut self, others: &[&str], own: &str) -> Self {
        for rope in self.rope_parameters.iter_mut().chain(&mut self.rope_scaling) {
            if others.contains(&rope.kind()) {
                rope.rope_type = Some(own.to_owned());
            }
        }
        self
    }

    /// As transformers takes them: `rope_scaling` where it says anything, or else `rope_parameters`.
    fn named(&self) -> Option<&Rope> {
        let said = self.rope_scaling.iter().find(|rope| rope.rope_type.is_some() || rope.older_type.is_some());
        said.or(self.rope_parameters.as_ref())
    }

    /// Share of a head that is turned.
    pub(crate) fn share(&self, default: f64) -> f64 {
        let named = self.named().and_then(|rope| rope.partial_rotary_factor);
        named.or(self.partial_rotary_factor).unwrap_or(default)
    }

    /// The name of the scaling.
    pub(crate) fn kind(&self) -> &str {
        self.named().map_or("default", Rope::kind)
    }

    /// The positions that a text can take, of a model with `own`: as many as its scaling was made for.
    pub(crate) fn n_positions(&self, own: usize) -> usize {
        let stretched = |of: usize, factor: f64| (of as f64 * factor).min((1_u64 << 28) as f64) as usize;
        match self.named() {
            Some(rope) if rope.kind() == "dynamic" => stretched(own, rope.factor.unwrap_or(1.0)).max(own),
            Some(rope) if rope.kind() == "yarn" => {
                let original = self.original(rope).unwrap_or(own);
                rope.factor.map_or(own, |factor| stretched(original, factor).max(own))
            }
            _ => own,
        }
    }

    /// Refuses a scaling that we do not compute, and one that lacks what it needs to turn `d_rotary` numbers of a head.
    pub(crate) fn check(&self, architecture: &'static str, d_rotary: usize) -> Result<()> {
        let unsupported = |option, value: String| Err(EngineError::UnsupportedOption { architecture, option, value });
        let Some(rope) = self.named() else { return Ok(()) };
        if rope.full_attention.is_some() || rope.sliding_attention.is_some() {
            return unsupported("rope_parameters", "{ full_attention: … }".to_owned());
        }
        let positive = |factor: Option<f64>| factor.is_some_and(|factor| factor > 0.0);
        let complete = match rope.kind() {
            "default" => true,
            "linear" => positive(rope.factor),
            "dynamic" => positive(rope.factor) && self.max_position_embeddings > Some(0) && d_rotary > 2,
            "llama3" => self.llama3(rope).is_some(),
            "yarn" => positive(self.factor(rope)) && self.original(rope) > Some(0) && self.theta() > 1.0,
            "longrope" => {
                for (option, factors) in [("long_factor", &rope.long_factor), ("short_factor", &rope.short_factor)] {
                    let Some(factors) = factors else { return unsupported(option, "null".to_owned()) };
                    if factors.len() != d_rotary / 2 || factors.iter().any(|&factor| factor <= 0.0) {
                        return unsupported(option, format!("{factors:?}"));
                    }
                }
                self.original(rope) > Some(1)
            }
            _ => false,
        };
        if complete { Ok(()) } else { unsupported("rope_type", rope.kind().to_owned()) }
    }

    /// Angle per position of each pair of numbers, `d_rotary / 2` of them, as [`RopeSettings::check`] found them whole.
    pub(crate) fn frequencies(&self, d_rotary: usize) -> Frequencies {
        let theta = self.theta() as f32;
        let exponent = |pair: usize| (2 * pair) as f32 / d_rotary as f32;
        let plain: Vec<f32> = (0..d_rotary / 2).map(|pair| 1.0 / theta.powf(exponent(pair))).collect();
        let Some(rope) = self.named() else { return plain.into() };
        match rope.kind() {
            "linear" => {
                let factor = rope.factor.unwrap_or(1.0) as f32;
                plain.into_iter().map(|frequency| frequency / factor).collect::<Vec<f32>>().into()
            }
            "dynamic" => {
                let original = self.max_position_embeddings.unwrap_or(usize::MAX);
                let factor = rope.factor.unwrap_or(1.0) as f32;
                let kind = FrequencyKind::Growing { theta, factor, original, d_rotary };
                Frequencies { kind, attention_factor: 1.0 }
            }
            "llama3" => match self.llama3(rope) {
                Some(llama3) => {
                    plain.into_iter().map(|frequency| stretched(frequency, llama3)).collect::<Vec<f32>>().into()
                }
                None => plain.into(),
            },
            "yarn" => self.yarn(rope, d_rotary, plain),
            "longrope" => self.longrope(rope, |pair| theta.powf(exponent(pair))),
            _ => plain.into(),
        }
    }

    /// By how much each plain frequency is divided.
    pub(super) fn factors(&self, d_rotary: usize) -> Vec<f32> {
        let theta = self.theta() as f32;
        let llama3 = self.named().and_then(|rope| self.llama3(rope));
        let factor = |pair: usize| {
            let plain = 1.0 / theta.powf((2 * pair) as f32 / d_rotary as f32);
            llama3.map_or(1.0, |llama3| plain / stretched(plain, llama3))
        };
        (0..d_rotary / 2).map(factor).collect()
    }

    /// The factor of a linear scaling.
    pub(super) fn linear_factor(&self) -> f64 {
        self.named().and_then(|rope| rope.factor).unwrap_or(1.0)
    }

    /// The base of the frequencies.
    pub(super) fn theta(&self) -> f64 {
        self.named().and_then(|rope| rope.rope_theta).or(self.rope_theta).unwrap_or(THETA)
    }

    /// The positions that a model was trained with before its context was stretched.
    fn original(&self, rope: &Rope) -> Option<usize> {
        let said = self.original_max_position_embeddings.or(rope.original_max_position_embeddings);
        said.or(self.max_position_embeddings)
    }

    /// By how much the context was stretched, said or found.
    fn factor(&self, rope: &Rope) -> Option<f64> {
        let found = || Some(self.max_position_embeddings? as f64 / self.original(rope)? as f64);
        rope.factor.or_else(found)
    }

    /// Factor, low and high frequency factor, original context: all that LLaMA 3.1's scaling needs.
    fn llama3(&self, rope: &Rope) -> Option<[f32; 4]> {
        let context = self.original(rope).filter(|&context| context > 0)? as f32;
        let (factor, low, high) = (rope.factor?, rope.low_freq_factor?, rope.high_freq_factor?);
        (factor > 0.0 && high > low).then_some([factor as f32, low as f32, high as f32, context])
    }

    /// Peng et al. 2023, "YaRN": pairs that turn often keep their frequency, those that turn less than once are stretched, and
    /// between them it goes over evenly.
    fn yarn(&self, rope: &Rope, d_rotary: usize, plain: Vec<f32>) -> Frequencies {
        let (factor, theta) = (self.factor(rope).unwrap_or(1.0), self.theta());
        let original = self.original(rope).unwrap_or(1) as f64;
        let scale = |by: f64| if factor <= 1.0 { 1.0 } else { 0.1 * by * factor.ln() + 1.0 };
        let said = |value: Option<f64>| value.filter(|&value| value != 0.0);
        let attention_factor =
            rope.attention_factor.unwrap_or_else(|| match (said(rope.mscale), said(rope.mscale_all_dim)) {
                (Some(own), Some(all)) => scale(own) / scale(all),
                _ => scale(1.0),
            });
        // The pair, as a number of the head, that turns so many times within the original context.
        let pair_turning =
            |times: f64| d_rotary as f64 * (original / (times * 2.0 * std::f64::consts::PI)).ln() / (2.0 * theta.ln());
        let fast = pair_turning(said(rope.beta_fast).unwrap_or(32.0));
        let slow = pair_turning(said(rope.beta_slow).unwrap_or(1.0));
        let (first, last) = if rope.truncate.unwrap_or(true) { (fast.floor(), slow.ceil()) } else { (fast, slow) };
        let (first, last) = (first.max(0.0), last.min(d_rotary as f64 - 1.0));
        let width = if first == last { 0.001 } else { last - first } as f32;
        let of_pair = |(pair, frequency): (usize, f32)| {
            let stretched = ((pair as f32 - first as f32) / width).clamp(0.0, 1.0);
            let kept = 1.0 - stretched;
            frequency / factor as f32 * (1.0 - kept) + frequency * kept
        };
        let fixed = plain.into_iter().enumerate().map(of_pair).collect();
        Frequencies { kind: FrequencyKind::Fixed(fixed), attention_factor: attention_factor as f32 }
    }

    /// Ding et al. 2024, "LongRoPE": found factors for each pair, others for texts beyond the original context. `period` is
    /// the inverse of a pair's plain frequency.
    fn longrope(&self, rope: &Rope, period: impl Fn(usize) -> f32) -> Frequencies {
        let original = self.original(rope).unwrap_or(2);
        let factor = self.factor(rope).unwrap_or(1.0);
        let found = if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / (original as f64).ln()).sqrt() };
        let of = |factors: &Option<Vec<f64>>| {
            let factors = factors.iter().flatten().enumerate();
            factors.map(|(pair, &factor)| 1.0 / (factor as f32 * period(pair))).collect()
        };
        let kind = FrequencyKind::ByLength { short: of(&rope.short_factor), long: of(&rope.long_factor), original };
        Frequencies { kind, attention_factor: rope.attention_factor.unwrap_or(found) as f32 }
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

#[cfg(test)]
#[path = "rope_tests.rs"]
mod tests;
