//! Options of DeBERTa in its second and third version.
//! huggingface/transformers: src/transformers/models/deberta_v2/configuration_deberta_v2.py.

use serde::Deserialize;

use super::block::EncoderConfig;
use super::deberta::NAME;
use crate::error::{EngineError, Result};
use crate::models::activation_named;
use crate::models::load::ConfigFile;
use crate::nn::{Activation, Distances};
use crate::sentence;

/// `config.json` of DeBERTa: BERT's options, and its own.
pub(super) struct DebertaConfig {
    pub(super) bert: EncoderConfig,
    own: Options,
}

/// What DeBERTa adds to BERT's options; fields as Hugging Face names them.
#[derive(Clone, Debug, Deserialize)]
struct Options {
    relative_attention: bool,
    max_relative_positions: i64,
    position_buckets: Option<i64>,
    position_biased_input: bool,
    pos_att_type: Option<Kinds>,
    #[serde(default)]
    share_att_key: bool,
    norm_rel_ebd: Option<String>,
    attention_head_size: Option<usize>,
    #[serde(default)]
    conv_kernel_size: usize,
    conv_groups: Option<usize>,
    conv_act: Option<String>,
    pooler_hidden_act: String,
    pooler_hidden_size: Option<usize>,
}

/// Several words, in one text between bars or in a list.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Kinds {
    Joined(String),
    Listed(Vec<String>),
}

/// What is compared with a distance: contents of queries, contents of keys.
pub(super) const CONTENT_TO_POSITION: &str = "c2p";
pub(super) const POSITION_TO_CONTENT: &str = "p2c";

impl DebertaConfig {
    /// Checks what we compute.
    ///
    /// # Errors
    /// Sizes that contradict each other, or an option that we do not compute, by name.
    pub(super) fn parse(file: &ConfigFile) -> Result<Self> {
        let config = Self { bert: EncoderConfig::parse(NAME, file, &[])?, own: file.read(&[])? };
        let (d, kernel, groups) = (config.bert.hidden_size, config.own.conv_kernel_size, config.conv_groups());
        file.check_sizes(&[("conv_groups", groups), ("conv_kernel_size", kernel.max(1))])?;
        if !d.is_multiple_of(groups) {
            return Err(file.malformed(sentence!(
                "hidden_size {d} is not a multiple of conv_groups {groups}",
                d,
                groups
            )));
        }
        if let Some(Distances { n_buckets, longest }) = config.distances() {
            file.check_sizes(&[("max_relative_positions", longest)])?;
            if n_buckets.is_some_and(|n| n < 2 || n / 2 + 1 >= longest) {
                return Err(file.malformed(sentence!(
                    "{buckets} buckets of distances up to {distance} cannot be",
                    buckets = n_buckets.unwrap_or_default(),
                    distance = longest
                )));
            }
        }
        config.check_options()?;
        Ok(config)
    }

    /// Refuses options that would be computed otherwise than the reference does.
    fn check_options(&self) -> Result<()> {
        let unsupported =
            |option, value: String| Err(EngineError::UnsupportedOption { architecture: NAME, option, value });
        let Options { attention_head_size, conv_kernel_size: kernel, pooler_hidden_size, .. } = &self.own;
        let known = ["", CONTENT_TO_POSITION, POSITION_TO_CONTENT];
        if let Some(other) = self.kinds().into_iter().find(|kind| !known.contains(&kind.as_str())) {
            return unsupported("pos_att_type", other);
        }
        if let Some(other) = self.norms().into_iter().find(|norm| !["none", "layer_norm"].contains(&norm.as_str())) {
            return unsupported("norm_rel_ebd", other);
        }
        if let Some(size) = attention_head_size.filter(|size| *size != self.bert.shape().d_head) {
            return unsupported("attention_head_size", size.to_string());
        }
        if let Some(size) = pooler_hidden_size.filter(|size| *size != self.bert.hidden_size) {
            return unsupported("pooler_hidden_size", size.to_string());
        }
        if *kernel > 0 && kernel.is_multiple_of(2) {
            return unsupported("conv_kernel_size", kernel.to_string());
        }
        self.pooler_activation().and(self.conv_activation()).map(|_| ())
    }

    fn kinds(&self) -> Vec<String> {
        match &self.own.pos_att_type {
            Some(Kinds::Joined(text)) => text.to_lowercase().split('|').map(|kind| kind.trim().to_owned()).collect(),
            Some(Kinds::Listed(kinds)) => kinds.clone(),
            None => Vec::new(),
        }
    }

    /// Whether contents and distances are compared in this way.
    pub(super) fn compares(&self, kind: &str) -> bool {
        self.kinds().iter().any(|own| own == kind)
    }

    /// Whether keys and queries of distances are made as those of contents are.
    pub(super) fn shares_projections(&self) -> bool {
        self.own.share_att_key
    }

    /// Whether positions have embeddings.
    pub(super) fn embeds_positions(&self) -> bool {
        self.own.position_biased_input
    }

    /// Width of the convolution; 0 where there is none.
    pub(super) fn conv_kernel(&self) -> usize {
        self.own.conv_kernel_size
    }

    fn norms(&self) -> Vec<String> {
        let named = self.own.norm_rel_ebd.as_deref().unwrap_or("none").to_lowercase();
        named.split('|').map(|norm| norm.trim().to_owned()).collect()
    }

    /// Whether the vectors of distances are normed.
    pub(super) fn norms_distances(&self) -> bool {
        self.norms().iter().any(|norm| norm == "layer_norm")
    }

    /// How distances are counted, where they are.
    pub(super) fn distances(&self) -> Option<Distances> {
        let at_least_one = |n: i64| usize::try_from(n).ok().filter(|&n| n > 0);
        let longest = at_least_one(self.own.max_relative_positions).unwrap_or(self.bert.max_position_embeddings);
        let n_buckets = self.own.position_buckets.and_then(at_least_one);
        self.own.relative_attention.then_some(Distances { n_buckets, longest })
    }

    pub(super) fn conv_groups(&self) -> usize {
        self.own.conv_groups.unwrap_or(1)
    }

    pub(super) fn conv_activation(&self) -> Result<Activation> {
        activation_named(NAME, "conv_act", self.own.conv_act.as_deref().unwrap_or("tanh"))
    }

    pub(super) fn pooler_activation(&self) -> Result<Activation> {
        activation_named(NAME, "pooler_hidden_act", &self.own.pooler_hidden_act)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(changes: Value) -> Result<DebertaConfig> {
        let mut json = json!({
            "model_type": NAME, "vocab_size": 50, "hidden_size": 24, "intermediate_size": 30, "num_hidden_layers": 2,
            "num_attention_heads": 3, "max_position_embeddings": 64, "relative_attention": true,
        });
        for (key, value) in changes.as_object().into_iter().flatten() {
            json[key] = value.clone();
        }
        DebertaConfig::parse(&ConfigFile::new(json, std::path::Path::new("config.json")))
    }

    #[test]
    fn published_files_say_their_comparisons_in_a_text_and_their_longest_distance_with_a_sign() {
        let third = parse(json!({ "pos_att_type": "p2c|C2P ", "max_relative_positions": -1, "position_buckets": 16 }));
        let third = third.expect("it is a model");
        assert!(third.compares(CONTENT_TO_POSITION) && third.compares(POSITION_TO_CONTENT));
        let Distances { n_buckets, longest } = third.distances().expect("it counts distances");
        assert_eq!((n_buckets, longest), (Some(16), 64));
        let none = parse(json!({ "position_buckets": -1, "max_relative_positions": 5 })).expect("it is a model");
        let Distances { n_buckets, longest } = none.distances().expect("it counts distances");
        assert_eq!((n_buckets, longest, none.compares(POSITION_TO_CONTENT)), (None, 5, false));
        assert!(parse(json!({ "relative_attention": false })).expect("it is a model").distances().is_none());
    }

    #[test]
    fn what_is_not_computed_is_refused_by_name() {
        let cases = [
            (json!({ "pos_att_type": ["c2p", "p2p"] }), "pos_att_type = p2p"),
            (json!({ "norm_rel_ebd": "rms_norm" }), "norm_rel_ebd = rms_norm"),
            (json!({ "attention_head_size": 16 }), "attention_head_size = 16"),
            (json!({ "pooler_hidden_size": 16 }), "pooler_hidden_size = 16"),
            (json!({ "conv_kernel_size": 4 }), "conv_kernel_size = 4"),
            (json!({ "conv_kernel_size": 3, "conv_act": "mish" }), "conv_act = mish"),
            (json!({ "conv_groups": 5 }), "not a multiple of conv_groups 5"),
            (json!({ "conv_groups": 0 }), "conv_groups is 0"),
            (json!({ "position_buckets": 1 }), "1 buckets of distances up to 64"),
            (json!({ "position_buckets": 126 }), "126 buckets of distances up to 64"),
            (
                json!({ "max_relative_positions": 1_i64 << 40 }),
                "max_relative_positions = 1099511627776 is beyond any model",
            ),
        ];
        for (changes, said) in cases {
            let error = parse(changes).err().expect(said).to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
