//! Depth of a weight in a model, as far as its name tells.

/// Before the blocks, in one of them, or behind them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerPosition {
    /// Embeddings, and whatever is not known to stand elsewhere.
    Embedding,
    /// In a block, or in one that the blocks from here on share.
    Block(usize),
    /// The last norm, the head.
    Head,
}

impl LayerPosition {
    /// Of a weight or a module: blocks are numbered, what stands before and behind them is not.
    pub fn of(name: &str) -> Self {
        if let Some(block) = name.split('.').find_map(|part| part.parse().ok()) {
            return Self::Block(block);
        }
        let is_behind = ["norm", "ln_f", "lm_head"].iter().any(|part| name.contains(part)) && !name.contains("embed");
        if is_behind { Self::Head } else { Self::Embedding }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_how_deep_a_weight_stands() {
        for (name, depth) in [
            ("transformer.wte.weight", LayerPosition::Embedding),
            ("transformer.h.11.attn.c_attn.weight", LayerPosition::Block(11)),
            ("transformer.ln_f.bias", LayerPosition::Head),
            ("transformer.word_embeddings_layernorm.weight", LayerPosition::Embedding),
            ("encoder.block.0.layer.1.DenseReluDense.wo", LayerPosition::Block(0)),
            ("encoder.final_layer_norm.weight", LayerPosition::Head),
            ("encoder.albert_layer_groups.1.albert_layers.0.ffn", LayerPosition::Block(1)),
            ("lm_head.weight", LayerPosition::Head),
        ] {
            assert_eq!(LayerPosition::of(name), depth, "{name}");
        }
    }
}
