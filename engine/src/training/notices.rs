//! Notices before the first step of a run, a sentence each.

use crate::config::{HeadRecord, RunConfig, Task, TaskRecord};
use crate::data::DataReport;
use crate::loaded_model::LoadedModel;
use crate::models::{DropoutRates, Model};
use crate::nn::SlidingWindow;
use crate::training::inputs::own_scores;
use crate::{Sentence, sentence};

/// Oddities of the rows, a sentence each.
pub(crate) fn notices(report: &DataReport, window: Option<&SlidingWindow>) -> Vec<Sentence> {
    let mut sentences = Vec::new();
    let longest = report.lengths.iter().max().map_or(0, |&tokens| (tokens as usize).min(report.max_tokens));
    // Token t (from 1) is t columns behind the last slot.
    if let Some(window) = window.filter(|window| longest >= window.columns) {
        sentences.push(sentence!(
            "In {n} of {n_layers} layers a token sees the last {columns} columns: from token {columns} of a row on, none sees the prefix there",
            n = window.n_layers(),
            n_layers = window.layers.len(),
            columns = window.columns
        ));
    }
    sentences.extend(report.notices());
    sentences
}

/// What the base model leaves out in training, where it does, a sentence.
pub(crate) fn dropout_notice(config: &RunConfig, model: &LoadedModel) -> Option<Sentence> {
    if !config.training.base_dropout {
        return None;
    }
    let DropoutRates { embeddings, attention, attn_out, wide, mlp_out, end, .. } = model.model.folder().dropout();
    Some(sentence!(
        "The base model drops in training, as its config.json says: {embeddings} of the embeddings, {attention} of attention's \
         probabilities, {attn_out} of its output, {wide} and {mlp_out} in and behind the feed-forward layer, {end} at the end; \
         heads for classes drop nothing",
        embeddings,
        attention,
        attn_out,
        wide,
        mlp_out,
        end
    ))
}

/// Notices on the head's initial values, and on those drawn because the checkpoint does not have them, a sentence each.
pub(crate) fn head_notices(config: &RunConfig, model: &LoadedModel, task: &TaskRecord) -> Vec<Sentence> {
    if task.task == Task::MultipleChoice {
        return vec![sentence!("a new head that scores a choice is trained")];
    }
    if !task.task.has_head() {
        return Vec::new();
    }
    let is_number = task.task == Task::Regression;
    let n_classes = task.classes.len();
    let head = match own_scores(config.head, model, task) {
        Ok(_) if is_number => sentence!("the head begins as the checkpoint's own, for a number"),
        Ok(_) => sentence!("the head begins as the checkpoint's own, for {n_classes} classes", n_classes),
        Err(reason) => {
            let new = match task.heads.as_slice() {
                [] if is_number => sentence!("a new head for a number is trained"),
                [] => sentence!("a new head for {n_classes} classes is trained", n_classes),
                heads => {
                    let named = |head: &HeadRecord| {
                        sentence!("{name} ({n_classes} classes)", name = head.name, n_classes = head.n_classes)
                    };
                    let named = Sentence::list(heads.iter().map(named)).unwrap_or_default();
                    sentence!("each dataset has a new head that is trained: {named}", named)
                }
            };
            match reason {
                Some(reason) => sentence!("{new}; the checkpoint's own is not used: {reason}", new, reason),
                None => new,
            }
        }
    };
    let pooler = match &*model.model {
        Model::Encoder(encoder) if task.task.is_of_texts() => encoder.text_notice(),
        _ => None,
    };
    std::iter::once(head).chain(pooler).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_out_of_sight_is_said() {
        let window = SlidingWindow { columns: 6, layers: vec![true, false, true] };
        let said = |lengths: &[u32], max_tokens| {
            let report = DataReport { lengths: lengths.to_vec(), max_tokens, ..DataReport::default() };
            notices(&report, Some(&window))
        };
        let sentence =
            "In 2 of 3 layers a token sees the last 6 columns: from token 6 of a row on, none sees the prefix there";
        assert_eq!(said(&[4, 9], 20), [sentence]);
        assert!(said(&[4, 5], 20).is_empty());
        assert!(said(&[4, 9], 5).is_empty(), "rows are cut before that");
    }
}
