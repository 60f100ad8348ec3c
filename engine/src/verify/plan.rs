//! The plan of the method that a case trains, as its files say it.

use crate::adapters::formats::peft::{name_in_training, prompt_encoder};
use crate::adapters::{AdapterSpec, AdapterState, PartSpec, PrefixShape, PromptEncoderShape, formats, plan};
use crate::config::{
    FullConfig, MethodConfig, MlpActivation, PrefixConfig, PromptConfig, PromptEncoder, PromptEncoderKind,
    Reparameterization, Task, TaskRecord,
};
use crate::error::{EngineError, Result};
use crate::models::BaseModel;
use crate::verify::case::Case;

/// The adapter of a case, where it has one.
pub(super) fn adapter(case: &Case, model: &BaseModel) -> Result<Option<AdapterState>> {
    let folder = case.folder.join("adapter");
    if !folder.is_dir() {
        return Ok(None);
    }
    formats::read_for(&folder, &model.sites())?.placed(model).map(Some)
}

/// Plan of what a case trains, by its files and its trainable tensors; nothing where it has no such tensors.
pub(super) fn spec_of(case: &Case, model: &BaseModel, adapter: Option<&AdapterState>) -> Result<AdapterSpec> {
    let Some(adapter) = adapter else {
        // Where the reference trains nothing, the untouched model is what the case is held against.
        let mut spec = plan(
            &[MethodConfig::Full(FullConfig::default())],
            &TaskRecord::of_size(case.task, n_classes(case, model)?),
            model,
        )?;
        for part in &mut spec.parts {
            if let PartSpec::Weights(trained) = part {
                let root = classifier_root(model, case.task);
                trained.weights.retain(|weight| case.trains(&format!("{root}{}", weight.name)));
            }
        }
        let trains = |part: &PartSpec| matches!(part, PartSpec::Weights(trained) if !trained.weights.is_empty());
        return Ok(if spec.parts.iter().any(trains) { spec } else { AdapterSpec { parts: Vec::new(), ..spec } });
    };
    if !case.arrays.keys().any(|name| name.starts_with("param/")) {
        return Ok(AdapterSpec { parts: Vec::new(), task: TaskRecord::of(case.task) });
    }
    let task =
        TaskRecord { tasks: adapter.task.tasks.clone(), ..TaskRecord::of_size(case.task, adapter.task.classes.len()) };
    let mut spec = plan(&[method_of(case, adapter)?], &task, model)?;
    for part in &mut spec.parts {
        if let PartSpec::Prefix(prefix) = part {
            prefix.shape.n_layers = n_stored(case, prefix.shape);
        }
    }
    Ok(spec)
}

/// Before the names of modules in the reference, where its class for the task has the model under a name of its own.
pub(super) fn classifier_root(model: &BaseModel, task: Task) -> &'static str {
    if task.has_head() { model.folder().architecture().classifier_root } else { "" }
}

/// The method of an adapter, with the network that the trainable tensors are of.
fn method_of(case: &Case, adapter: &AdapterState) -> Result<MethodConfig> {
    Ok(match adapter.method() {
        MethodConfig::Prefix(prefix) => {
            let layer =
                |index| case.floats(&format!("param/{}", name_in_training(&format!("transform.{index}.weight")))).ok();
            let network = |(shape, _): (&[usize], _)| Reparameterization {
                width: Some(shape[0]),
                activation: MlpActivation::Tanh,
                hidden_layers: if layer(4).is_some() { 2 } else { 1 },
            };
            let (reparameterization, sites) = (layer(0).map(network), Some(adapter.sites()));
            MethodConfig::Prefix(PrefixConfig { reparameterization, sites, ..prefix })
        }
        MethodConfig::Prompt(prompt) => {
            let network = |encoder: PromptEncoderShape| PromptEncoder {
                // PEFT has no name for the one of a paper's ablation.
                kind: match case.facts.method.starts_with("pttanh") {
                    true => PromptEncoderKind::Tanh,
                    false => encoder.kind,
                },
                width: Some(encoder.hidden),
                layers: encoder.layers,
            };
            let encoder = prompt_encoder(&case.folder.join("adapter"))?.map(network);
            MethodConfig::Prompt(PromptConfig { encoder, ..prompt })
        }
        other => other,
    })
}

/// Layers of a prefix as it is trained: PEFT makes as many pairs for an encoder with a decoder as the encoder has layers, and
/// the decoder's layers take theirs from them.
fn n_stored(case: &Case, shape: PrefixShape) -> usize {
    let table = ["embedding.weight", "transform.4.weight", "transform.2.weight"];
    let trained = |name: &str| case.floats(&format!("param/{}", name_in_training(name))).ok();
    let row = |(dims, _): (&[usize], &[f32]), is_table: bool| dims.get(usize::from(is_table)).copied();
    let found = match (trained(table[1]), trained(table[2])) {
        (Some(last), _) | (None, Some(last)) => row(last, false),
        (None, None) => trained(table[0]).and_then(|table| row(table, true)),
    };
    match found {
        Some(row) if case.task == Task::Seq2Seq && row.is_multiple_of(2 * shape.d_kv()) => row / (2 * shape.d_kv()),
        _ => shape.n_layers,
    }
}

/// Classes of a case that has no adapter to count them.
fn n_classes(case: &Case, model: &BaseModel) -> Result<usize> {
    if !case.task.has_head() {
        return Ok(0);
    }
    let last =
        ["score.weight", "classifier.out_proj.weight", "classifier.weight", "classification_head.out_proj.weight"];
    let found = last.iter().find_map(|name| case.floats(&format!("param/{name}")).ok().map(|(shape, _)| shape));
    let own = || {
        let mut shapes = model.folder().files().shapes();
        shapes.find(|(name, _)| last.contains(name)).map(|(_, shape)| shape)
    };
    let missing = || EngineError::WeightMissing { name: "param/classifier.weight".to_owned() };
    found.or_else(own).and_then(|shape| shape.first().copied()).ok_or_else(missing)
}
