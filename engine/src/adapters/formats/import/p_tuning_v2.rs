//! P-tuning v2: `prefix_encoder`, flat or behind a network, and the trained head `classifier`. Whether that names texts or
//! words, and its classes, is in `config.json` beside it; without the file it names texts. Keys as in THUDM/P-tuning-v2:
//! model/prefix_encoder.py, model/sequence_classification.py.

use super::{Stored, network, only, own_task};
use crate::adapters::{AdapterState, HeadState, PartState};
use crate::config::{MAX_CLASSES, Task, TaskRecord};
use crate::error::Result;
use crate::models::{ModelShape, Site};
use crate::sentence;
use crate::weights::NamedTensor;

const ROOT: &str = "prefix_encoder.";
const HEAD: &str = "classifier.";

pub(super) fn is_one(stored: &Stored) -> bool {
    stored.contains(&format!("{ROOT}embedding.weight"))
}

pub(super) fn read(stored: &Stored, like: &[(Site, ModelShape)]) -> Result<AdapterState> {
    let place = only(like)?;
    let prefix = network::prefix(stored, place, &format!("{ROOT}embedding.weight"), &format!("{ROOT}trans"))?;
    let head = head(stored)?;
    let task = match head.iter().find(|(name, ..)| name.ends_with("weight")) {
        Some((_, shape, _)) => classes(stored, shape[0])?,
        None => TaskRecord::of(own_task(like)),
    };
    Ok(AdapterState::new(task, [PartState::from(prefix), HeadState(head).into()]))
}

fn head(stored: &Stored) -> Result<Vec<NamedTensor>> {
    let mut head = Vec::new();
    for (name, _) in stored.shapes().filter(|(name, _)| name.starts_with(HEAD)) {
        let (shape, values) = match stored.shape(name) {
            Some([_]) => stored.numbers::<1>(name).map(|(shape, values)| (shape.to_vec(), values))?,
            _ => stored.numbers::<2>(name).map(|(shape, values)| (shape.to_vec(), values))?,
        };
        head.push((name.to_owned(), shape, values));
    }
    Ok(head)
}

/// Task and classes of the head; a class without a name gets transformers' name for it.
fn classes(stored: &Stored, n_classes: usize) -> Result<TaskRecord> {
    let config = stored.json("config.json")?.unwrap_or_default();
    let made_for = config.pointer("/architectures/0").and_then(|name| name.as_str()).unwrap_or_default();
    let task = match made_for {
        name if name.ends_with("ForTokenClassification") => Task::TokenClassification,
        name if name.contains("ForQuestionAnswering") => return Ok(TaskRecord::of(Task::QuestionAnswering)),
        _ => Task::SequenceClassification,
    };
    let name = |class: usize| {
        let name = config.pointer(&format!("/id2label/{class}")).and_then(|name| name.as_str());
        name.map_or_else(|| format!("LABEL_{class}"), str::to_owned)
    };
    if n_classes > MAX_CLASSES {
        return Err(stored.malformed(sentence!(
            "its head has {n_classes} classes, more than {max_classes}",
            n_classes,
            max_classes = MAX_CLASSES
        )));
    }
    Ok(TaskRecord { classes: (0..n_classes).map(name).collect(), ..TaskRecord::of(task) })
}
