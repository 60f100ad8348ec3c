//! Dropout of a base model in training, at the rates that its configuration says: what transformers' models do in train
//! mode, in which PEFT trains. What is left out follows from one draw, so that a block that runs again leaves out the same.

use burn::tensor::Tensor;
use serde_json::Value;

use super::hooks::StackName;
use super::pass::ForwardPass;
use crate::nn::Dropout;

/// Shares that a base model leaves out, by place; 0 leaves out nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DropoutRates {
    /// Of what enters the first block.
    pub embeddings: f64,
    /// Of the probabilities of attention.
    pub attention: f64,
    /// Of what attention adds to the stream.
    pub attn_out: f64,
    /// Of the wide layer of the feed-forward network.
    pub wide: f64,
    /// Of what the feed-forward network adds to the stream.
    pub mlp_out: f64,
    /// Of what leaves the last norm.
    pub end: f64,
    /// Of the vectors of distances, by block, and of what a convolution makes: DeBERTa.
    pub beside: f64,
}

/// Dropout of one forward pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BaseDropout {
    /// Shares that are left out.
    pub rates: DropoutRates,
    /// Decides what is left out.
    pub draw: u64,
}

/// A place where numbers are left out.
#[derive(Clone, Copy)]
pub(super) enum Place {
    Embeddings,
    Attention,
    CrossAttention,
    AttnOut,
    CrossAttnOut,
    Wide,
    MlpOut,
    End,
    Distances,
    Convolution,
}

impl DropoutRates {
    /// Of a `config.json`, with transformers' defaults. Heads for classes have dropout of their own there, which is not done.
    pub fn of(model_type: &str, options: &Value) -> Self {
        let of = |name: &str, usual: f64| {
            let said = options.get(name).and_then(Value::as_f64).unwrap_or(usual);
            if (0.0..1.0).contains(&said) { said } else { 0.0 }
        };
        let none = Self::default();
        // huggingface/transformers: src/transformers/models/*/modeling_*.py and configuration_*.py
        match model_type {
            "gpt2" | "gptj" => {
                let usual = if model_type == "gpt2" { 0.1 } else { 0.0 };
                let of = |name: &str| of(name, usual);
                let resid = of("resid_pdrop");
                let (embeddings, attention) = (of("embd_pdrop"), of("attn_pdrop"));
                Self { embeddings, attention, attn_out: resid, mlp_out: resid, ..none }
            }
            "gpt_neo" => {
                let resid = of("resid_dropout", 0.0);
                let (embeddings, attention) = (of("embed_dropout", 0.0), of("attention_dropout", 0.0));
                Self { embeddings, attention, attn_out: resid, mlp_out: resid, ..none }
            }
            "gpt_neox" => {
                let hidden = of("hidden_dropout", 0.0);
                let attention = of("attention_dropout", 0.0);
                Self { embeddings: hidden, attention, attn_out: hidden, mlp_out: hidden, ..none }
            }
            "bloom" => {
                let hidden = of("hidden_dropout", 0.0);
                Self { attention: of("attention_dropout", 0.0), attn_out: hidden, mlp_out: hidden, ..none }
            }
            "falcon" => {
                // Side by side, both parts are one sum there, of which each number is left out or is not.
                let is = |name: &str, usual: bool| options.get(name).and_then(Value::as_bool).unwrap_or(usual);
                let (hidden, attention) = (of("hidden_dropout", 0.0), of("attention_dropout", 0.0));
                let in_turn = !is("new_decoder_architecture", false) && !is("parallel_attn", true);
                let attn_out = if in_turn { attention } else { hidden };
                let attention = if is("alibi", false) { attention } else { 0.0 };
                Self { attention, attn_out, mlp_out: hidden, ..none }
            }
            "opt" => {
                let hidden = of("dropout", 0.1);
                Self { attention: of("attention_dropout", 0.0), attn_out: hidden, mlp_out: hidden, ..none }
            }
            "phi" => {
                let resid = of("resid_pdrop", 0.0);
                let (embeddings, attention) = (of("embd_pdrop", 0.0), of("attention_dropout", 0.0));
                Self { embeddings, attention, attn_out: resid, mlp_out: resid, ..none }
            }
            "phi3" => {
                let resid = of("resid_pdrop", 0.0);
                Self { attention: of("attention_dropout", 0.0), attn_out: resid, mlp_out: resid, ..none }
            }
            "stablelm" => Self { attention: of("attention_dropout", 0.0), mlp_out: of("hidden_dropout", 0.0), ..none },
            "bert" | "roberta" | "camembert" | "xlm-roberta" | "electra" => {
                let hidden = of("hidden_dropout_prob", 0.1);
                let attention = of("attention_probs_dropout_prob", 0.1);
                Self { embeddings: hidden, attention, attn_out: hidden, mlp_out: hidden, ..none }
            }
            "deberta-v2" => {
                let hidden = of("hidden_dropout_prob", 0.1);
                let attention = of("attention_probs_dropout_prob", 0.1);
                Self { embeddings: hidden, attention, attn_out: hidden, mlp_out: hidden, beside: hidden, ..none }
            }
            "albert" => {
                let hidden = of("hidden_dropout_prob", 0.0);
                let attention = of("attention_probs_dropout_prob", 0.0);
                Self { embeddings: hidden, attention, attn_out: hidden, ..none }
            }
            "distilbert" => {
                let hidden = of("dropout", 0.1);
                Self { embeddings: hidden, attention: of("attention_dropout", 0.1), mlp_out: hidden, ..none }
            }
            "t5" | "mt5" => {
                let all = of("dropout_rate", 0.1);
                Self { embeddings: all, attention: all, attn_out: all, wide: all, mlp_out: all, end: all, ..none }
            }
            "bart" | "mbart" | "pegasus" => {
                let hidden = of("dropout", 0.1);
                let (attention, wide) = (of("attention_dropout", 0.0), of("activation_dropout", 0.0));
                Self { embeddings: hidden, attention, attn_out: hidden, wide, mlp_out: hidden, ..none }
            }
            _ => Self { attention: of("attention_dropout", 0.0), ..none },
        }
    }

    /// Whether nothing is left out.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    fn at(&self, place: Place) -> f64 {
        match place {
            Place::Embeddings => self.embeddings,
            Place::Attention | Place::CrossAttention => self.attention,
            Place::AttnOut | Place::CrossAttnOut => self.attn_out,
            Place::Wide => self.wide,
            Place::MlpOut => self.mlp_out,
            Place::End => self.end,
            Place::Distances | Place::Convolution => self.beside,
        }
    }
}

impl BaseDropout {
    /// What is left out at a place of a block; `None` where nothing is. Blocks and places draw apart from each other.
    fn at(&self, stack: StackName, layer: usize, place: Place) -> Option<Dropout> {
        let rate = self.rates.at(place);
        let number = (layer as u64) << 8 | (stack as u64) << 4 | place as u64;
        // SplitMix64: neighbors get draws that have nothing in common.
        let mut draw = self.draw.wrapping_add((number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        draw = (draw ^ (draw >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        draw = (draw ^ (draw >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (rate > 0.0).then_some(Dropout { rate, draw: draw ^ (draw >> 31) })
    }
}

impl ForwardPass<'_> {
    /// What is left out at a place of a block.
    pub(super) fn dropout(&self, layer: usize, place: Place) -> Option<Dropout> {
        self.dropout.and_then(|dropout| dropout.at(self.stack, layer, place))
    }

    /// An activation with what is left out of it.
    pub(super) fn dropped<const D: usize>(&self, layer: usize, place: Place, activation: Tensor<D>) -> Tensor<D> {
        let Some(dropout) = self.dropout(layer, place) else { return activation };
        let mask = dropout.mask(activation.dims(), &activation.device());
        activation * mask
    }

    /// The wide layer of a feed-forward network, behind its activation, `[batch, seq, d_ff]`.
    pub(crate) fn wide(&self, layer: usize, wide: Tensor<3>) -> Tensor<3> {
        self.dropped(layer, Place::Wide, wide)
    }

    /// The vectors of distances as a block reads them, `[1, rows, d_model]`.
    pub(crate) fn distances(&self, layer: usize, vectors: Tensor<3>) -> Tensor<3> {
        self.dropped(layer, Place::Distances, vectors)
    }

    /// What a convolution of tokens makes beside a block, `[batch, seq, d_model]`.
    pub(crate) fn convolved(&self, layer: usize, convolved: Tensor<3>) -> Tensor<3> {
        self.dropped(layer, Place::Convolution, convolved)
    }

    /// What the last norm of a stack makes, where the architecture leaves something out of it.
    pub(crate) fn normed_end(&self, normed: Tensor<3>) -> Tensor<3> {
        self.dropped(0, Place::End, normed)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rates_are_the_configurations_and_transformers_where_it_says_nothing() {
        let gpt2 = DropoutRates::of("gpt2", &json!({ "attn_pdrop": 0.0, "resid_pdrop": 0.2 }));
        assert_eq!((gpt2.embeddings, gpt2.attention, gpt2.attn_out, gpt2.mlp_out), (0.1, 0.0, 0.2, 0.2));
        assert!(DropoutRates::of("llama", &json!({})).is_none());
        assert!(DropoutRates::of("bloom", &json!({ "hidden_dropout": 1.5 })).is_none(), "no share");
        let albert = DropoutRates::of("albert", &json!({ "hidden_dropout_prob": 0.1 }));
        assert_eq!((albert.attn_out, albert.mlp_out), (0.1, 0.0), "nothing behind its feed-forward network");
        assert_eq!(DropoutRates::of("t5", &json!({ "dropout_rate": 0.3 })).end, 0.3);
    }

    #[test]
    fn each_place_draws_apart_and_again_the_same() {
        let rates = DropoutRates::of("t5", &json!({}));
        let dropout = BaseDropout { rates, draw: 7 };
        let mut draws = std::collections::BTreeSet::new();
        for stack in [StackName::Encoder, StackName::Decoder] {
            for layer in 0..3 {
                for place in [Place::Attention, Place::CrossAttention, Place::AttnOut, Place::Wide, Place::MlpOut] {
                    let once = dropout.at(stack, layer, place).unwrap();
                    assert_eq!(Some(once), dropout.at(stack, layer, place));
                    assert!(draws.insert(once.draw));
                }
            }
        }
        assert!(
            !draws.contains(&BaseDropout { draw: 8, ..dropout }.at(StackName::Encoder, 0, Place::Wide).unwrap().draw)
        );
    }
}
