//! What a case trains: the parts of its adapter, read from its files.

use crate::adapters::peft::{name_in_training, prompt_encoder};
use crate::adapters::{
    FoldedAdapter, FoldedPrefix, FoldedPrompt, HeadShape, LoraLayer, LoraShape, PartPlan, PromptEncoderShape,
    PromptShape, PromptTasksShape, TokenTable,
};
use crate::config::{MlpActivation, PrefixConfig, PrefixInit, PromptEncoderKind, Reparameterisation, TaskRecord};
use crate::error::{EngineError, Result};
use crate::models::{BaseModel, LinearName, Site, WeightName, tied_head};
use crate::nn::positions::Positions;
use crate::training::checkpoint::AdapterPlan;
use crate::verify::case::Case;

/// The adapter of a case, where it has one.
pub(super) fn adapter(case: &Case, model: &BaseModel) -> Result<Option<FoldedAdapter>> {
    let folder = case.folder.join("adapter");
    if case.facts.method == "full" && !folder.is_dir() {
        return Ok(None);
    }
    let sites = model.sites();
    let adapter = FoldedAdapter::read(&folder, Some(&sites))?;
    adapter.check_fits(&sites)?;
    adapter.placed(model).map(Some)
}

/// The parts that a case trains, read from its files and its trainable tensors; none where it has no such tensors.
pub(super) fn plan(case: &Case, model: &BaseModel, adapter: Option<&FoldedAdapter>) -> Result<AdapterPlan> {
    let task = TaskRecord::of(case.task());
    let Some(adapter) = adapter else {
        // Where the reference trains nothing, the untouched model is what the case is held against.
        let trained = |weight: &WeightName| case.floats(&format!("param/{}", weight.name)).is_ok();
        let weights: Vec<WeightName> = model.weights().into_iter().filter(trained).collect();
        let mut parts = Vec::new();
        if !weights.is_empty() {
            parts.push(PartPlan::Weights(weights));
            parts.extend(head_plan(case, model, n_classes(case)?)?);
        }
        return Ok(AdapterPlan { parts, task });
    };
    if !case.arrays.keys().any(|name| name.starts_with("param/")) {
        return Ok(AdapterPlan { parts: Vec::new(), task });
    }
    let mut parts: Vec<PartPlan> =
        adapter.prefixes.iter().map(|(site, folded)| prefix_plan(case, adapter, *site, folded)).collect();
    if let Some(&FoldedPrompt { n_virtual, n_rows, width, ref tasks, .. }) = adapter.prompt.as_ref() {
        let tasks = tasks.as_ref().map(|tasks| PromptTasksShape { n_tasks: tasks.n_tasks, ranks: tasks.ranks });
        let folder = case.folder.join("adapter");
        parts.push(PartPlan::Prompt(PromptShape {
            n_virtual,
            n_rows,
            width,
            // PEFT has no name for the one of a paper's ablation.
            encoder: prompt_encoder(&folder)?.map(|encoder| match case.facts.method.as_str() {
                "pttanh" => PromptEncoderShape { kind: PromptEncoderKind::Tanh, ..encoder },
                _ => encoder,
            }),
            of_model: None,
            tasks,
        }));
    }
    if let Some(lora) = &adapter.lora {
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
    let trained = |weight: &WeightName| adapter.weights.iter().any(|(name, ..)| *name == weight.name);
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
fn prefix_plan(case: &Case, adapter: &FoldedAdapter, site: Site, folded: &FoldedPrefix) -> PartPlan {
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
        n_frozen: adapter.n_frozen,
        layers: adapter.layers.clone(),
        infix: adapter.positions == Positions::Infix,
        ..PrefixConfig::default()
    };
    PartPlan::Prefix { site, shape: folded.shape, config }
}

/// The head of a task with classes.
fn head_plan(case: &Case, model: &BaseModel, n_classes: usize) -> Result<Option<PartPlan>> {
    if !case.task().has_classes() {
        return Ok(None);
    }
    let (kind, d_model) = (model.head_kind(case.task())?, model.head_width());
    Ok(Some(PartPlan::Head(HeadShape { kind, d_model, n_classes, blocks: Vec::new() })))
}

/// Classes of a case that has no adapter to count them.
fn n_classes(case: &Case) -> Result<usize> {
    if !case.task().has_classes() {
        return Ok(0);
    }
    let last = ["score.weight", "classifier.out_proj.weight", "classifier.weight"];
    let found = last.iter().find_map(|name| case.floats(&format!("param/{name}")).ok());
    let missing = || EngineError::WeightMissing { name: "param/classifier.weight".to_owned() };
    found.and_then(|(shape, _)| shape.first().copied()).ok_or_else(missing)
}
