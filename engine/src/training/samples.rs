//! The model's answers to validation rows at each evaluation: a loss curve is not quality.

use std::rc::Rc;

use crate::adapters::Adapter;
use crate::config::{Task, TrainingConfig};
use crate::data::Example;
use crate::error::Result;
use crate::generation::Sampling;
use crate::generation::{Decoder, DecoderStream};
use crate::loaded_model::LoadedModel;
use crate::training::SampleReport;
use crate::training::metrics::name;
use crate::training::trainer::Trainer;

/// The predictions for a row beside its labels, in words.
pub(crate) fn labels(
    model: &LoadedModel,
    trainer: &Trainer,
    example: &Example,
    row: usize,
    predicted: &[i32],
) -> Result<SampleReport> {
    let record = &trainer.adapter.task;
    let classes = &record.classes;
    let text = match record.task {
        Task::MaskedFill => {
            let tokens: Vec<u32> = predicted.iter().map(|token| token.cast_unsigned()).collect();
            model.tokenizer.decode(&tokens)?.trim().to_owned()
        }
        _ => predicted.iter().map(|&class| name(classes, class)).collect::<Vec<_>>().join(" "),
    };
    let (prompt, reference) = (example.prompt.clone(), example.reference.clone());
    Ok(SampleReport { step: trainer.step, row, prompt, reference, text })
}

/// A decoder for the first validation rows, greedy, with the prefix as it stands.
pub(crate) fn decoder(
    model: &LoadedModel,
    adapter: &Adapter,
    rows: &[Example],
    config: &TrainingConfig,
) -> Result<Decoder> {
    let conditioning = adapter.eval_conditioning();
    let tuned = model.model.with_overrides(&conditioning.tuned)?.map(Rc::new);
    let longest = model.model.shape().n_positions - adapter.n_slots() - 1;
    let stream = |example: &Example| {
        // A row may fill the context with its target; its prompt alone always leaves room for a token.
        let prompt = match example.source.as_slice() {
            [] => &example.tokens[..example.n_prompt.min(longest)],
            source => source,
        };
        DecoderStream { model: tuned.clone(), ..DecoderStream::new(prompt.to_vec(), conditioning.clone()) }
    };
    let streams = rows.iter().take(config.sample_rows).map(stream).collect();
    let sampling = Sampling { max_new_tokens: config.sample_tokens.max(1), ..Sampling::default() };
    Decoder::new(model.model.shape(), streams, model.decoding(sampling)?)
}
