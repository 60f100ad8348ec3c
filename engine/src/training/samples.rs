//! The model's answers to validation rows at each evaluation: a loss curve is not quality.

use std::rc::Rc;

use crate::adapters::Adapter;
use crate::config::{Task, TaskRecord, TrainingConfig};
use crate::data::{Candidates, Example};
use crate::error::{EngineError, Result};
use crate::generation::Sampling;
use crate::generation::{Decoder, DecoderStream};
use crate::loaded_model::LoadedModel;
use crate::training::SampleReport;
use crate::training::answers;
use crate::training::metrics::name;
use crate::training::trainer::Trainer;

/// The predictions for a row beside its labels, in words, or the number that it is taken for.
pub(crate) fn labels(
    model: &LoadedModel,
    trainer: &Trainer,
    example: &Example,
    row: usize,
    (predicted, number): (&[i32], Option<f32>),
) -> Result<SampleReport> {
    let record = &trainer.adapter.task;
    let classes = &record.classes;
    let text = match record.task {
        Task::Regression => number.map_or_else(String::new, |number| format!("{number:.3}")),
        Task::MaskedFill => {
            let tokens: Vec<u32> = predicted.iter().map(|token| token.cast_unsigned()).collect();
            model.tokenizer.decode(&tokens)?.trim().to_owned()
        }
        Task::QuestionAnswering => match *predicted {
            [begin, end] if begin <= end => {
                answers::text(example, usize::try_from(begin).unwrap_or(0), usize::try_from(end).unwrap_or(0))
            }
            _ => String::new(),
        },
        _ => predicted.iter().map(|&class| name(classes, class)).collect::<Vec<_>>().join(" "),
    };
    let (prompt, reference) = (example.prompt.clone(), example.reference.clone());
    Ok(SampleReport { step: trainer.step, row, prompt, reference, text })
}

/// The candidate that a row's answer was taken for, in words.
pub(crate) fn ranked(
    model: &LoadedModel,
    (step, record): (usize, &TaskRecord),
    example: &Example,
    (row, best): (usize, i32),
) -> Result<SampleReport> {
    let index = usize::try_from(best).unwrap_or_default();
    let of_tokens = |tokens: &[u32]| Ok::<_, EngineError>(model.tokenizer.decode(tokens)?.trim().to_owned());
    let text = match example.candidates.as_deref() {
        _ if !record.classes.is_empty() => name(&record.classes, best).to_owned(),
        Some(Candidates::Answers(answers)) => of_tokens(answers.get(index).map_or(&[], |answer| &answer.tokens))?,
        Some(Candidates::Rows(rows)) => rows.get(index).map_or_else(String::new, |row| row.reference.clone()),
        Some(Candidates::Vocabulary) => of_tokens(&[best.cast_unsigned()])?,
        None => String::new(),
    };
    let right = example.right.first().and_then(|&right| i32::try_from(right).ok()).unwrap_or_default();
    let reference = match record.classes.as_slice() {
        [] => example.reference.clone(),
        classes => name(classes, right).to_owned(),
    };
    Ok(SampleReport { step, row, prompt: example.prompt.clone(), reference, text })
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
