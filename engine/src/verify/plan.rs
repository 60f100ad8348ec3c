//! What a case trains: the parts of its adapter, read from its files.

use crate::adapters::formats::peft::{name_in_training, prompt_encoder};
use crate::adapters::{
    AdapterState, HeadShape, LoraLayer, LoraShape, PartPlan, PrefixShape, PrefixState, PromptEncoderShape, PromptShape,
    PromptState, PromptTasksShape, TokenTable, formats,
};
use crate::config::{MlpActivation, PrefixConfig, PrefixInit, PromptEncoderKind, Reparameterisation, Task, TaskRecord};
use crate::error::{EngineError, Result};
use crate::models::{BaseModel, LinearName, WeightName, tied_head};
use crate::nn::positions::Positions;
use crate::training::checkpoint::AdapterPlan;
use crate::verify::case::Case;

/// The adapter of a case, where it has one.
pub(super) fn adapter(case: &Case, model: &BaseModel) -> Result<Option<AdapterState>> {
    let folder = case.folder.join("adapter");
    if !folder.is_dir() {
        return Ok(None);
    }
    let sites = model.sites();
    let adapter = formats::read(&folder, Some(&sites))?;
    adapter.check_fits(&sites)?;
    adapter.placed(model).map(Some)
}

/// The parts that a case trains, read from its files and its trainable tensors; none where it has no such tensors.
pub(super) fn plan(case: &Case, model: &BaseModel, adapter: Option<&AdapterState>) -> Result<AdapterPlan> {
    let task = TaskRecord::of(case.task);
    let Some(adapter) = adapter else {
        // Where the reference trains nothing, the untouched model is what the case is held against.
        let trained = |weight: &WeightName| case.trains(&weight.name);
        let weights: Vec<WeightName> = model.weights().into_iter().filter(trained).collect();
        let mut parts = Vec::new();
        if !weights.is_empty() {
            parts.push(PartPlan::Weights(weights));
            parts.extend(head_plan(case, model, n_classes(case, model)?)?);
        }
        return Ok(AdapterPlan { parts, task });
    };
    if !case.arrays.keys().any(|name| name.starts_with("param/")) {
        return Ok(AdapterPlan { parts: Vec::new(), task });
    }
    let mut parts: Vec<PartPlan> = adapter.prefixes().map(|folded| prefix_plan(case, adapter, folded)).collect();
    if let Some(&PromptState { n_virtual, n_rows, width, ref tasks, .. }) = adapter.prompt() {
        let tasks = tasks.as_ref().map(|tasks| PromptTasksShape { n_tasks: tasks.n_tasks, ranks: tasks.ranks });
        let folder = case.folder.join("adapter");
        parts.push(PartPlan::Prompt(PromptShape {
            n_virtual,
            n_rows,
            width,
            // PEFT has no name for the one of a paper's ablation.
            encoder: prompt_encoder(&folder)?.map(|encoder| match case.facts.method.starts_with("pttanh") {
                true => PromptEncoderShape { kind: PromptEncoderKind::Tanh, ..encoder },
                false => encoder,
            }),
            of_model: None,
            tasks,
        }));
    }
    if let Some(lora) = adapter.lora() {
        let of_case = |linear: LinearName| {
            let layer = lora.layers.iter().find(|layer| layer.name == linear.name)?;
            Some(LoraLayer { rank: layer.rank, scale: layer.scale, linear })
        };
        let (linears, rows) = (model.linears(), &lora.rows);
        let table = |linear: &LinearName| {
            let tokens = rows.iter().find(|rows| rows.table == linear.name)?.tokens.clone();
            Some(TokenTable { table: linear.clone(), tokens })
        };
        let tables = linears.iter().filter_map(table).collect();
        let layers = linears.into_iter().filter_map(of_case).collect();
        parts.push(PartPlan::Lora(LoraShape { config: lora.config.clone(), layers, tables }));
    }
    let trained = |weight: &WeightName| adapter.weights().iter().any(|(name, ..)| *name == weight.name);
    let (linears, mut weights) = (model.linears(), model.weights());
    weights.extend(tied_head(&linears, &weights));
    let weights: Vec<WeightName> = weights.into_iter().filter(trained).collect();
    if !weights.is_empty() {
        parts.push(PartPlan::Weights(weights));
    }
    parts.extend(head_plan(case, model, adapter.task.classes.len())?);
    Ok(AdapterPlan { parts, task })
}

/// The prefix of a site, with the network that the trainable tensors are of.
fn prefix_plan(case: &Case, adapter: &AdapterState, folded: &PrefixState) -> PartPlan {
    let layer = |index| case.floats(&format!("param/{}", name_in_training(&format!("transform.{index}.weight")))).ok();
    let network = |(shape, _): (&[usize], _)| Reparameterisation {
        width: shape[0],
        activation: MlpActivation::Tanh,
        hidden_layers: if layer(4).is_some() { 2 } else { 1 },
    };
    let config = PrefixConfig {
        n_virtual: folded.shape.n_virtual,
        reparameterisation: layer(0).map(network),
        init: PrefixInit::Random,
        n_frozen: folded.n_frozen,
        layers: adapter.placement.layers.clone(),
        infix: adapter.placement.positions == Positions::Infix,
        ..PrefixConfig::default()
    };
    let site = folded.site;
    PartPlan::Prefix { site, shape: PrefixShape { n_layers: n_stored(case, folded.shape), ..folded.shape }, config }
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

/// The head of a task with classes.
fn head_plan(case: &Case, model: &BaseModel, n_classes: usize) -> Result<Option<PartPlan>> {
    if !case.task.has_classes() {
        return Ok(None);
    }
    let (kind, d_model) = (model.head_kind(case.task)?, model.head_width());
    Ok(Some(PartPlan::Head(HeadShape { kind, d_model, n_classes, blocks: Vec::new() })))
}

/// Classes of a case that has no adapter to count them.
fn n_classes(case: &Case, model: &BaseModel) -> Result<usize> {
    if !case.task.has_classes() {
        return Ok(0);
    }
    let last = ["score.weight", "classifier.out_proj.weight", "classifier.weight"];
    let found = last.iter().find_map(|name| case.floats(&format!("param/{name}")).ok().map(|(shape, _)| shape));
    let own = || {
        let mut shapes = model.folder().files().shapes();
        shapes.find(|(name, _)| last.contains(name)).map(|(_, shape)| shape)
    };
    let missing = || EngineError::WeightMissing { name: "param/classifier.weight".to_owned() };
    found.or_else(own).and_then(|shape| shape.first().copied()).ok_or_else(missing)
}
