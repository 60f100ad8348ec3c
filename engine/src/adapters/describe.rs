//! What an adapter is, in a sentence.

use crate::adapters::FoldedAdapter;
use crate::nn::positions::Positions;
use crate::{Sentence, sentence};

/// What an adapter is, in a sentence; `kept_by` is whoever wrote it.
pub(crate) fn describe(kept_by: &Sentence, adapter: &FoldedAdapter) -> Sentence {
    let head = (!adapter.head.is_empty()).then(|| sentence!("a head"));
    let parts = parts(kept_by, adapter).into_iter().chain(head);
    let sentence = parts.reduce(|before, next| sentence!("{before}, with {next}", before, next));
    let sentence = sentence.unwrap_or_else(|| sentence!("an adapter of {kept_by}", kept_by));
    if adapter.prefixes.is_empty() {
        return sentence;
    }
    let positions = match adapter.positions {
        Positions::Shifted => sentence!("the text's positions begin behind it"),
        Positions::Unshifted => sentence!("the text's positions begin at 0"),
        Positions::Infix => sentence!("it stands between prompt and target"),
    };
    sentence!("{sentence}; {positions}", sentence, positions)
}

fn parts(kept_by: &Sentence, adapter: &FoldedAdapter) -> Vec<Sentence> {
    let mut parts = Vec::new();
    if !adapter.prefixes.is_empty() {
        let sites = adapter.prefixes.iter().map(|(site, _)| site.sentence());
        let sites = sites.reduce(|before, next| sentence!("{before}, the {next}", before, next)).unwrap_or_default();
        let slots = adapter.prefixes.iter().map(|(_, prefix)| prefix.shape.n_virtual).max();
        let prefix = sentence!(
            "a prefix of {kept_by}: {slots} virtual tokens at the {sites}",
            kept_by,
            slots = slots.unwrap_or(0),
            sites
        );
        parts.push(match &adapter.layers {
            None => prefix,
            Some(layers) => {
                // People count layers from 1.
                let layers = layers.iter().map(|layer| (layer + 1).to_string()).collect::<Vec<_>>().join(", ");
                sentence!("{prefix}, in layers {layers}", prefix, layers)
            }
        });
    }
    if let Some(prompt) = &adapter.prompt {
        let slots = prompt.n_virtual;
        parts.push(match &prompt.tasks {
            None => sentence!("a soft prompt of {kept_by}: {slots} tokens", kept_by, slots),
            Some(tasks) => {
                let n_tasks = tasks.n_tasks;
                sentence!("a soft prompt of {kept_by}: {slots} tokens of {n_tasks} tasks", kept_by, slots, n_tasks)
            }
        });
    }
    if let Some(lora) = &adapter.lora {
        let rank = lora.layers.iter().map(|layer| layer.rank).max().unwrap_or(lora.config.rank);
        let n_layers = lora.layers.len();
        parts.push(sentence!("LoRA of {kept_by}: rank {rank} beside {n_layers} layers", kept_by, rank, n_layers));
        let tokens: usize = lora.rows.iter().map(|rows| rows.tokens.len()).sum();
        if tokens > 0 {
            parts.push(sentence!("trained rows of embeddings for {tokens} tokens", tokens));
        }
    }
    let n = adapter.weights.len();
    if n > 0 {
        parts.push(sentence!("{n} trained {n:weight|weights} of {kept_by}", n, kept_by));
    }
    if adapter.text.is_some() {
        parts.push(sentence!("words of {kept_by} before every prompt", kept_by));
    }
    parts
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
        let said = describe(&sentence!("PEFT's form"), &FoldedAdapter { prefixes, ..FoldedAdapter::default() });
        assert_eq!(
            said,
            "a prefix of PEFT's form: 2 virtual tokens at the decoder; the text's positions begin behind it"
        );
        let alone = FoldedAdapter {
            weights: vec![("ln.bias".to_owned(), vec![1], vec![0.0])],
            head: vec![("score.weight".to_owned(), vec![1], vec![0.0])],
            ..FoldedAdapter::default()
        };
        assert_eq!(describe(&sentence!("the workbench"), &alone), "1 trained weight of the workbench, with a head");
        let text = FoldedAdapter { text: Some("Say it.".to_owned()), ..FoldedAdapter::default() };
        assert_eq!(describe(&sentence!("the workbench"), &text), "words of the workbench before every prompt");
    }
}
