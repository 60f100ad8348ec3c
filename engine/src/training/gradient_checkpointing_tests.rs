//! Every method on every architecture of the golden cases, with blocks that are run again and without.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use crate::adapters::{
    Adapter, HeadSpec, Parameter, PartSpec, PrefixShape, PrefixSpec, PromptEncoderShape, PromptSpec, PromptTasksShape,
    Spec, plan,
};
use crate::config::{
    MethodConfig, OptimizerConfig, PrefixConfig, PromptEncoderKind, Reparameterization, Task, TaskRecord,
};
use crate::data::{IGNORE_INDEX, SourceBatch, TokenBatch};
use crate::models::{BaseModel, LayerPosition, Model, ModelFolder, Site, WeightName};
use crate::nn::{Precision, floats};
use crate::random::normal;
use crate::tokens::SOFT;
use crate::training::trainer::{Gradient, Trainer};

const N_VIRTUAL: usize = 3;
const BATCH: usize = 3;
const SEQ: usize = 9;
const SEED: u64 = 5;

/// The models of the golden cases.
pub(super) fn models() -> Vec<PathBuf> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/cases");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(cases).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases.into_iter().map(|case| case.join("model")).collect()
}

fn load(folder: &Path) -> (BaseModel, Device) {
    load_in(folder, Precision::F32)
}

/// On the CPU, whatever it is asked for otherwise.
pub(super) fn load_in(folder: &Path, precision: Precision) -> (BaseModel, Device) {
    let (folder, device) = (Arc::new(ModelFolder::open(folder).unwrap()), crate::device::cpu());
    (BaseModel::load(folder, (&device, precision), &mut |_| Ok(())).unwrap(), device)
}

fn case(name: &str) -> (BaseModel, Device) {
    load(models().iter().find(|model| model.parent().unwrap().ends_with(name)).unwrap())
}

/// The methods to train, each with a name for error messages.
pub(super) fn methods(model: &BaseModel) -> Vec<(&'static str, Vec<PartSpec>)> {
    let prefix = |sites: &[Site], config: &PrefixConfig| -> Vec<PartSpec> {
        let sites = model.sites().into_iter().filter(|(site, _)| sites.contains(site));
        let plan = |(site, shape)| {
            let (shape, config) = (PrefixShape::new(N_VIRTUAL, &shape), config.clone());
            PartSpec::Prefix(PrefixSpec { site, shape, config })
        };
        sites.map(plan).collect()
    };
    let flat = PrefixConfig { n_virtual: N_VIRTUAL, ..PrefixConfig::default() };
    let mlp = Reparameterization { width: Some(7), ..Reparameterization::default() };
    let mlp = PrefixConfig { reparameterization: Some(mlp), dropout: 0.3, ..flat.clone() };
    let deep = Reparameterization { width: Some(7), hidden_layers: 2, ..Reparameterization::default() };
    // A later layer of GPT-Neo has a window that ends before the labels.
    let deep = PrefixConfig { reparameterization: Some(deep), layers: Some(vec![0]), ..flat.clone() };
    let width = model.embedding_dims()[1];
    let prompt = |encoder| vec![PartSpec::Prompt(PromptSpec { encoder, ..PromptSpec::alone(2, width) })];
    let tasks = Some(PromptTasksShape { n_tasks: 2, ranks: 1 });
    let of_tasks = PromptSpec { tasks, ..PromptSpec::alone(2, width) };
    let encoder = PromptEncoderShape { kind: PromptEncoderKind::Lstm, hidden: 5, layers: 1 };
    let lora = |dropout, targets: Option<&str>| {
        let targets = targets.map(|target| vec![target]);
        let said = json!({ "type": "lora", "rank": 2, "alpha": 4.0, "dropout": dropout, "targets": targets });
        let method: MethodConfig = serde_json::from_value(said).unwrap();
        plan(&[method], &TaskRecord::default(), model).unwrap().parts.remove(0)
    };
    let n_layers = model.shape().n_layers;
    let on_top = |weight: &WeightName| match LayerPosition::of(&weight.name) {
        LayerPosition::Embedding => false,
        LayerPosition::Block(block) => block + 1 >= n_layers && !weight.name.starts_with("encoder."),
        LayerPosition::Head => true,
    };
    let weights = |chosen: &dyn Fn(&WeightName) -> bool| {
        PartSpec::Weights(model.weights().into_iter().filter(chosen).collect::<Vec<_>>().into())
    };
    let mut methods = vec![
        ("prefix", prefix(&Site::ALL, &flat)),
        ("prefix behind a network", prefix(&Site::ALL, &mlp)),
        ("cartridge", prefix(&Site::ALL, &PrefixConfig { n_frozen: 1, ..flat.clone() })),
        ("prefix of one layer behind a deep network", prefix(&[last_site(model)], &deep)),
        ("soft prompt", prompt(None)),
        ("soft prompt of tasks", vec![PartSpec::Prompt(of_tasks)]),
        ("soft prompt behind a network", prompt(Some(encoder))),
        ("LoRA", vec![lora(0.0, None)]),
        ("LoRA everywhere with dropout", vec![lora(0.3, Some("all-linear"))]),
        ("full", vec![weights(&|_| true)]),
        ("top block", vec![weights(&on_top)]),
        ("biases", vec![weights(&|weight| weight.name.ends_with(".bias"))]),
        ("prefix and LoRA", [prefix(&Site::ALL, &flat), vec![lora(0.0, None)]].concat()),
        ("soft prompt and LoRA", [prompt(None), vec![lora(0.0, None)]].concat()),
    ];
    if model.check_infix().is_ok() {
        methods.push(("infix", prefix(&Site::ALL, &PrefixConfig { infix: true, ..flat.clone() })));
    }
    if matches!(**model, Model::Seq2Seq(_)) {
        methods.push(("prefix of the encoder", prefix(&[Site::Encoder], &flat)));
        methods.push(("prefix of the decoder", prefix(&[Site::Decoder], &flat)));
        methods.push(("prefix before the source", prefix(&[Site::Cross], &flat)));
    }
    // T5 has no biases.
    methods.retain(|(_, parts)| parts.iter().all(|part| !part.parameter_shapes().is_empty()));
    methods
}

/// The place of a prefix in the stack whose layers the model counts.
fn last_site(model: &BaseModel) -> Site {
    if matches!(**model, Model::Encoder(_)) { Site::Encoder } else { Site::Decoder }
}

/// Tasks that the model can learn, with one of each kind of loss among the architectures.
pub(super) fn tasks(model: &BaseModel) -> Vec<Task> {
    match &**model {
        Model::Causal(_) => vec![Task::Causal],
        Model::Seq2Seq(_) => vec![Task::Seq2Seq],
        Model::Encoder(encoder) => {
            let fills = encoder.mask_head().map(|_| Task::MaskedFill);
            [Task::SequenceClassification, Task::TokenClassification].into_iter().chain(fills).collect()
        }
    }
}

/// Rows of three lengths that begin with soft tokens, if there are any.
pub(super) fn batch(model: &BaseModel, task: Task, parts: &[PartSpec]) -> TokenBatch {
    let is_soft = parts.iter().any(|part| matches!(part, PartSpec::Prompt(_)));
    let token = |at: usize| match at % SEQ {
        slot if is_soft && slot < 2 => SOFT.cast_signed() + slot as i32,
        _ => (at * 7 % 40) as i32,
    };
    let is_real = |at: &usize| at % SEQ + at / SEQ < SEQ;
    let tokens: Vec<i32> = (0..BATCH * SEQ).map(token).collect();
    let mask: Vec<f32> = (0..BATCH * SEQ).map(|at| if is_real(&at) { 1.0 } else { 0.0 }).collect();
    let label = |at: usize| match task {
        Task::SequenceClassification => {
            if at.is_multiple_of(SEQ) {
                (at / SEQ % 2) as i32
            } else {
                IGNORE_INDEX
            }
        }
        Task::TokenClassification if is_real(&at) => (at % 2) as i32,
        _ if at % SEQ > 3 && is_real(&at) => (at * 5 % 40) as i32,
        _ => IGNORE_INDEX,
    };
    let labels = (0..BATCH * SEQ).map(label).collect();
    let is_pair = matches!(**model, Model::Seq2Seq(_));
    let source = is_pair.then(|| SourceBatch { seq: SEQ, tokens: tokens.clone(), mask: mask.clone() });
    let tokens = if is_pair { (0..BATCH * SEQ).map(|at| (at * 3 % 40) as i32).collect() } else { tokens };
    TokenBatch {
        rows: (0..BATCH).collect(),
        batch: BATCH,
        seq: SEQ,
        tokens,
        mask,
        labels,
        targets: Vec::new(),
        types: None,
        source,
        task,
        contest: None,
        starts: None,
        taught: None,
    }
}

/// A trainer whose parameters are drawn, but for weights of the model itself.
pub(super) fn trainer(model: &BaseModel, device: &Device, task: Task, mut parts: Vec<PartSpec>) -> Trainer {
    if task.has_classes() {
        let (kind, d_model) = (model.head_kind(task).unwrap(), model.head_width());
        parts.push(PartSpec::Head(HeadSpec { kind, d_model, n_classes: 2, blocks: Vec::new() }));
    }
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let mut part = |plan: &PartSpec| {
        let mut parameters = Vec::new();
        for (at, (name, shape)) in plan.parameter_shapes().into_iter().chain(plan.fixed_shapes()).enumerate() {
            let values = match plan {
                PartSpec::Weights(weights) => model.values(&weights.weights[at]).unwrap(),
                _ => (0..shape.iter().product()).map(|_| normal(&mut random) * 0.3).collect(),
            };
            parameters.push(Parameter::new(name, shape, values, device));
        }
        plan.with_parameters(parameters)
    };
    let parts = parts.iter().map(&mut part).collect();
    Trainer::new(Adapter { parts, task: TaskRecord::of(task) }, OptimizerConfig::default())
}

/// The gradients of two batches, as they are and with blocks that are run again.
fn both(model: &BaseModel, device: &Device, task: Task, parts: Vec<PartSpec>) -> [Gradient; 2] {
    let batch = batch(model, task, &parts);
    let mut trainer = trainer(model, device, task, parts);
    let weight = 0.5 / batch.n_labels() as f64;
    let batches = [(batch.clone(), weight), (batch, weight)];
    [false, true].map(|gradient_checkpointing| {
        trainer.gradient_checkpointing = gradient_checkpointing;
        trainer.gradient(model, &batches, SEED, device).unwrap()
    })
}

/// The largest difference of two gradients, infinite where nothing arrives, as a share of the largest number in the same tensor or, in one where nearly
/// nothing arrives, of a hundredth of the largest of all.
pub(super) fn difference([kept, again]: &[Gradient; 2]) -> f64 {
    let numbers = |gradient: &Gradient| -> Vec<Vec<f32>> {
        gradient.of_parameters.iter().map(|tensor| floats(tensor.clone()).unwrap()).collect()
    };
    let largest = |values: &[f32]| values.iter().fold(0.0, |most: f32, x| most.max(x.abs()));
    let (kept, again) = (numbers(kept), numbers(again));
    let all = largest(&kept.concat());
    if all == 0.0 || kept.len() != again.len() {
        return f64::INFINITY;
    }
    let of_tensor = |(kept, again): (&Vec<f32>, &Vec<f32>)| {
        let apart: Vec<f32> = kept.iter().zip(again).map(|(a, b)| a - b).collect();
        f64::from(largest(&apart) / largest(kept).max(all / 100.0))
    };
    kept.iter().zip(&again).map(of_tensor).fold(0.0, f64::max)
}

#[test]
fn blocks_that_are_run_again_give_the_same_gradients() {
    let (mut seen, mut far) = (0, Vec::new());
    for folder in models() {
        let (model, device) = load(&folder);
        for task in tasks(&model) {
            for (method, parts) in methods(&model) {
                // Trained weights take other kernels than those of the first pass, which records nothing.
                let changes = parts.iter().any(|part| matches!(part, PartSpec::Weights(_)));
                let gradients = both(&model, &device, task, parts);
                let [kept, again] = gradients.each_ref().map(|gradient| gradient.loss);
                let (off, apart) = ((kept - again).abs() / kept, difference(&gradients));
                if off > 1e-6 || apart > if changes { 1e-4 } else { 1e-5 } {
                    far.push(format!("{}, {method}, {}: {off:e} {apart:e}", folder.display(), task.name()));
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 500 && far.is_empty(), "{seen} {far:#?}");
}

#[test]
fn what_leaves_the_weights_alone_gets_the_same_bits() {
    let causal = ["gpt2-prefix-2x44", "llama-prefix-2x48", "neox-prefix-2x48"].map(|name| (name, Task::Causal));
    // Its attention is computed step by step, beside the scores of distances.
    let stepwise = ("deberta-prompt-seq", Task::SequenceClassification);
    for (name, task) in causal.into_iter().chain([stepwise]) {
        let (model, device) = case(name);
        for (method, parts) in methods(&model) {
            if parts.iter().all(|part| matches!(part, PartSpec::Prefix(_) | PartSpec::Prompt(_))) {
                let gradients = both(&model, &device, task, parts);
                assert_eq!(gradients[0].loss, gradients[1].loss, "{name}, {method}");
                assert_eq!(difference(&gradients), 0.0, "{name}, {method}");
            }
        }
    }
}

#[test]
fn nothing_is_computed_with_weights_that_others_stand_in_place_of() {
    let mut released = 0;
    for folder in models() {
        let (mut model, device) = load(&folder);
        let task = tasks(&model)[0];
        let (_, parts) = methods(&model).into_iter().find(|(name, _)| *name == "full").unwrap();
        let batches = [(batch(&model, task, &parts), 1.0)];
        let trainer = trainer(&model, &device, task, parts);
        let gradient = |model: &BaseModel| {
            let gradient = trainer.gradient(model, &batches, SEED, &device).unwrap();
            (gradient.loss, gradient.norm)
        };
        let before = gradient(&model);
        model.release(trainer.adapter.own_weights()).unwrap();
        released += usize::from(model.weights().iter().all(|weight| model.kept_matrix(&weight.name).is_none()));
        assert_eq!(before, gradient(&model), "{}", folder.display());
    }
    assert!(released > 50, "{released}");
}
