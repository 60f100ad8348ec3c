//! What an adapter is, in a sentence.

use crate::adapters::FoldedAdapter;
use crate::nn::positions::Positions;

/// What an adapter is, in a sentence; `kept_by` is whoever wrote it.
pub(super) fn describe(kept_by: &str, adapter: &FoldedAdapter) -> String {
    let mut parts = Vec::new();
    if !adapter.prefixes.is_empty() {
        let sites: Vec<&str> = adapter.prefixes.iter().map(|(site, _)| site.name()).collect();
        let slots = adapter.prefixes.iter().map(|(_, prefix)| prefix.shape.n_virtual).max().unwrap_or(0);
        // People count layers from 1.
        let numbers = |layers: &Vec<usize>| layers.iter().map(|layer| (layer + 1).to_string()).collect::<Vec<_>>();
        let layers = adapter.layers.as_ref().map(|layers| format!(", in layers {}", numbers(layers).join(", ")));
        let layers = layers.unwrap_or_default();
        parts.push(format!("a prefix of {kept_by}: {slots} virtual tokens at the {}{layers}", sites.join(", the ")));
    }
    if let Some(prompt) = &adapter.prompt {
        let tasks = prompt.tasks.as_ref().map(|tasks| format!(" of {} tasks", tasks.n_tasks)).unwrap_or_default();
        parts.push(format!("a soft prompt of {kept_by}: {} tokens{tasks}", prompt.n_virtual));
    }
    if let Some(lora) = &adapter.lora {
        let ranks = lora.layers.iter().map(|layer| layer.rank).max().unwrap_or(lora.config.rank);
        parts.push(format!("LoRA of {kept_by}: rank {ranks} beside {} layers", lora.layers.len()));
        let tokens: usize = lora.rows.iter().map(|rows| rows.tokens.len()).sum();
        if tokens > 0 {
            parts.push(format!("trained rows of embeddings for {tokens} tokens"));
        }
    }
    if !adapter.weights.is_empty() {
        let n = adapter.weights.len();
        parts.push(format!("{n} trained {} of {kept_by}", if n == 1 { "weight" } else { "weights" }));
    }
    if adapter.text.is_some() {
        parts.push(format!("words of {kept_by} before every prompt"));
    }
    let mut sentence = parts.join(", with ");
    if sentence.is_empty() {
        sentence = format!("an adapter of {kept_by}");
    }
    if !adapter.head.is_empty() {
        sentence.push_str(", with a head");
    }
    if adapter.prefixes.is_empty() {
        return sentence;
    }
    let positions = match adapter.positions {
        Positions::Shifted => "the text's positions begin behind it",
        Positions::Unshifted => "the text's positions begin at 0",
        Positions::Infix => "it stands between prompt and target",
    };
    format!("{sentence}; {positions}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::{FoldedPrefix, PrefixShape};
    use crate::models::Site;

    #[test]
    fn every_kind_of_adapter_is_told_in_a_sentence() {
        let shape = PrefixShape { n_virtual: 2, n_layers: 1, n_kv_heads: 1, d_head: 2 };
        let prefixes = vec![(Site::Decoder, FoldedPrefix { shape, flat: vec![0.0; shape.stored()] })];
        let said = describe("PEFT's form", &FoldedAdapter { prefixes, ..FoldedAdapter::default() });
        assert_eq!(
            said,
            "a prefix of PEFT's form: 2 virtual tokens at the decoder; the text's positions begin behind it"
        );
        let alone = FoldedAdapter {
            weights: vec![("ln.bias".to_owned(), vec![1], vec![0.0])],
            head: vec![("score.weight".to_owned(), vec![1], vec![0.0])],
            ..FoldedAdapter::default()
        };
        assert_eq!(describe("the workbench", &alone), "1 trained weight of the workbench, with a head");
        let text = FoldedAdapter { text: Some("Say it.".to_owned()), ..FoldedAdapter::default() };
        assert_eq!(describe("the workbench", &text), "words of the workbench before every prompt");
    }
}
