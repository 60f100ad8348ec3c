//! The program's costs: a training step, the first step and decoding, at the shape of GPT-2 small or of SmolLM2-135M.
//!
//! Each measurement is meant to run in a process of its own, so that its peak memory is its own.
//! `tests/golden/bench_torch.py` measures the same with PyTorch + PEFT.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Device;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::adapters::{Adapter, InitContext, WarmStart, formats, plan};
use crate::config::{
    MethodConfig, OptimizerConfig, PrefixConfig, PrefixInit, PromptConfig, PromptInit, Reparameterization, Task,
    TaskRecord,
};
use crate::data::{Examples, IGNORE_INDEX, SourceBatch, TokenBatch, Tokenizer};
use crate::device::{self, DeviceChoice, peak_memory_bytes};
use crate::error::{EngineError, IoAction, Result};
use crate::files::write_json;
use crate::generation::Sampling;
use crate::generation::{
    Decoder, DecoderModel, DecoderOptions, DecoderStream, ServingTime, ServingTimer, SourceOptions, cache_bytes,
};
use crate::models::ModelFolder;
use crate::models::{BaseModel, Conditioning, GenerationConfig, Model};
use crate::nn::MatrixNumbers;
use crate::tokens::SOFT;
use crate::training::trainer::{StepSettings, Trainer};
use crate::weights::{Floats, write_bf16, write_floats};

/// A measurement.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// As figures name it.
    pub name: &'static str,
    /// The measured work, in words.
    pub what: &'static str,
    /// The method whose optimizer steps are measured; `None` for greedy tokens of one text behind a prefix.
    trains: Option<fn() -> MethodConfig>,
}

/// Every measurement.
pub const MEASURES: [Measure; 6] = [
    Measure { name: "prefix", what: "Training a flat prefix", trains: Some(|| prefix(None)) },
    Measure {
        name: "prefix_mlp",
        what: "Training a prefix behind its network",
        trains: Some(|| prefix(Some(Reparameterization { width: Some(WIDTH), ..Reparameterization::default() }))),
    },
    Measure { name: "prompt", what: "Training a soft prompt", trains: Some(prompt) },
    Measure { name: "lora", what: "Training matrices of low rank", trains: Some(MethodConfig::lora) },
    Measure { name: "full", what: "Training every weight", trains: Some(MethodConfig::full) },
    Measure { name: "decode", what: "Greedy decoding of one text", trains: None },
];

fn prefix(reparameterization: Option<Reparameterization>) -> MethodConfig {
    let (n_virtual, init) = (N_VIRTUAL, PrefixInit::Random);
    MethodConfig::Prefix(PrefixConfig { n_virtual, reparameterization, init, ..PrefixConfig::default() })
}

fn prompt() -> MethodConfig {
    let (n_virtual, init) = (N_VIRTUAL, PromptInit::Random);
    MethodConfig::Prompt(PromptConfig { n_virtual, init, ..PromptConfig::default() })
}

/// The extent of a measurement.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Steps, or texts.
    pub steps: usize,
    /// Tokens of each row that is trained on.
    pub seq: usize,
    /// Whether blocks are run again in the backward pass.
    pub gradient_checkpointing: bool,
}

/// The shape of a checkpoint of random weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BenchShape {
    /// GPT-2 small: 12 layers of 768, matrices in f32.
    #[default]
    Gpt2,
    /// SmolLM2-135M: 30 narrow layers of 576, grouped keys, gated feed-forwards, RMS norms, matrices in bf16.
    Llama,
}

impl BenchShape {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Gpt2, Self::Llama];

    /// As it is asked for.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gpt2 => "gpt2-small",
            Self::Llama => "llama",
        }
    }
}

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// Name of the measured quantity.
    pub bench: &'static str,
    /// Whose program.
    #[serde(rename = "impl")]
    pub implementation: &'static str,
    /// The method, and the differences from its usual computation.
    pub variant: String,
    /// The figure.
    pub value: f64,
    /// Unit of the figure.
    pub unit: &'static str,
}

const N_VIRTUAL: usize = 10;
const BATCH: usize = 4;
const PROMPT: usize = 64;
const NEW_TOKENS: usize = 64;
const WIDTH: usize = 512;
const SEED: u64 = 7;

/// Measures in this process; `started` is when it began.
///
/// # Errors
/// The checkpoint cannot be read, or the device failed or does not compute in the precision.
pub fn measure(
    folder: &Path,
    what: Measure,
    extent: Extent,
    (choice, numbers): (DeviceChoice, MatrixNumbers),
    started: Instant,
) -> Result<Vec<Figure>> {
    let (model, device) = open(folder, (choice, numbers))?;
    match what.trains {
        Some(method) => train(model, (what.name, method()), extent, &device, started),
        None => decode(&model, extent.steps, &device),
    }
}

/// Measures in this process what one text costs behind an adapter, beside the base model alone: both decode the same prompt,
/// in turn, each by itself.
///
/// # Errors
/// The checkpoint or the adapter cannot be read, they do not fit, or the device failed or does not compute in the precision.
pub fn measure_serving(
    (folder, adapter): (&Path, &Path),
    rounds: usize,
    (choice, numbers): (DeviceChoice, MatrixNumbers),
) -> Result<Vec<Figure>> {
    let (model, device) = open(folder, (choice, numbers))?;
    let adapter = formats::read_for(adapter, &model.sites())?.placed(&model)?;
    let before = match (adapter.text(), adapter.n_soft()) {
        (None, 0) => Vec::new(),
        (None, n) => (0..n as u32).map(|slot| SOFT + slot).collect(),
        (Some(_), _) => adapter.before(&Tokenizer::from_folder(folder)?)?,
    };
    let conditioning = adapter.conditioning(&model, &device)?;
    let bytes = cache_bytes(&conditioning, before.len(), model.shape());
    let tuned = model.with_overrides(&conditioning.tuned)?.map(Rc::new);
    // A small model has room for a shorter text.
    let shape = model.shape();
    let room = shape.n_positions.saturating_sub(adapter.n_before().max(before.len()));
    let (n_prompt, new_tokens) = (PROMPT.min(room / 2).max(1), NEW_TOKENS.min(room / 2).max(2));
    let prompt = random_prompt(&model, n_prompt);
    let behind = [before, prompt.clone()].concat();
    let streams = vec![
        (DecoderStream::new(prompt, Conditioning::default()), 0),
        (DecoderStream { model: tuned, ..DecoderStream::new(behind, conditioning) }, bytes),
    ];
    let options = DecoderOptions { source: source_of(&model), ..DecoderOptions::default() };
    let mut timer = ServingTimer::new(model.shape(), streams, options, (rounds, new_tokens));
    let times = loop {
        if let Some(times) = timer.step(DecoderModel::try_from(&*model)?)? {
            break times;
        }
    };
    Ok(["base", "adapter"].into_iter().zip(times).flat_map(|(variant, time)| figures_of(variant, time)).collect())
}

fn figures_of(variant: &str, time: ServingTime) -> [Figure; 3] {
    let figure =
        |bench, value, unit| Figure { bench, implementation: "workbench", variant: variant.to_owned(), value, unit };
    [
        figure("first_token", time.first_token_secs * 1e3, "ms"),
        figure("decode_token", time.token_secs * 1e3, "ms"),
        figure("cache_of_adapter", time.cache_bytes as f64, "bytes"),
    ]
}

fn open(folder: &Path, (choice, numbers): (DeviceChoice, MatrixNumbers)) -> Result<(BaseModel, Device)> {
    let files = ModelFolder::open(folder)?;
    let (info, device) = device::open(choice, files.largest_binding(numbers.quantization), None)?;
    device::check_precision(&info, &device, numbers.precision, None)?;
    Ok((BaseModel::load(Arc::new(files), (&device, numbers), &mut |_| Ok(()))?, device))
}

fn train(
    mut model: BaseModel,
    (name, method): (&str, MethodConfig),
    Extent { steps, seq, gradient_checkpointing }: Extent,
    device: &Device,
    started: Instant,
) -> Result<Vec<Figure>> {
    let variant = format!("{name}{}", if gradient_checkpointing { "_checkpointed" } else { "" });
    let n_soft = method.n_soft();
    let adapter = adapter(&model, method, device)?;
    model.release(adapter.own_weights())?;
    let mut trainer = Trainer { gradient_checkpointing, ..Trainer::new(adapter, OptimizerConfig::default()) };
    let batch = batch(&model, seq, n_soft);
    let weight = 1.0 / batch.n_labels() as f64;
    let batches = [(batch, weight)];
    let settings = StepSettings { learning_rate: 1e-4, max_grad_norm: Some(1.0), seed: SEED };
    trainer.step(&model, &batches, &settings, device)?;
    let first = started.elapsed().as_secs_f64();
    let mut seconds = Vec::new();
    for _ in 0..steps.max(1) {
        let begun = Instant::now();
        trainer.step(&model, &batches, &settings, device)?;
        seconds.push(begun.elapsed().as_secs_f64());
    }
    let figure =
        |bench, value, unit| Figure { bench, implementation: "workbench", variant: variant.clone(), value, unit };
    let mut figures = vec![figure("train_step", median(seconds), "s"), figure("first_step", first, "s")];
    figures.extend(peak_memory_bytes().map(|bytes| figure("train_peak_memory", bytes as f64, "bytes")));
    Ok(figures)
}

fn decode(model: &BaseModel, repeats: usize, device: &Device) -> Result<Vec<Figure>> {
    let conditioning = adapter(model, prefix(None), device)?.eval_conditioning();
    let decoder_model = DecoderModel::try_from(&**model)?;
    let (source, prompt) = (source_of(model), random_prompt(model, PROMPT));
    let mut milliseconds = Vec::new();
    for _ in 0..repeats.max(1) {
        let stream = DecoderStream::new(prompt.clone(), conditioning.clone());
        let sampling = Sampling { max_new_tokens: NEW_TOKENS, stop_at_end: false, ..Sampling::default() };
        let options = DecoderOptions { sampling, source: source.clone(), ..DecoderOptions::default() };
        let mut decoder = Decoder::new(model.shape(), vec![stream], options)?;
        let begun = Instant::now();
        while !decoder.is_done() {
            decoder.step(decoder_model)?;
        }
        milliseconds.push(begun.elapsed().as_secs_f64() * 1e3 / NEW_TOKENS as f64);
    }
    let variant = "prefix";
    let figure =
        |bench, value, unit| Figure { bench, implementation: "workbench", variant: variant.to_owned(), value, unit };
    let mut figures = vec![figure("decode_token", median(milliseconds), "ms")];
    figures.extend(peak_memory_bytes().map(|bytes| figure("decode_peak_memory", bytes as f64, "bytes")));
    Ok(figures)
}

fn source_of(model: &Model) -> Option<SourceOptions> {
    match model {
        Model::Causal(_) | Model::Encoder(_) => None,
        Model::Seq2Seq(model) => Some(SourceOptions::of(model.as_ref(), &GenerationConfig::default(), 0)),
    }
}

fn random_prompt(model: &Model, n: usize) -> Vec<u32> {
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let vocab_size = model.shape().vocab_size as u32;
    (0..n).map(|_| random.random_range(0..vocab_size)).collect()
}

fn adapter(model: &BaseModel, method: MethodConfig, device: &Device) -> Result<Adapter> {
    let task = TaskRecord::default();
    let from = InitContext {
        words: &[],
        model,
        device,
        encode: &|_| Ok(Vec::new()),
        begin: &[],
        rows: &Examples::default(),
        task: &task,
        own_scores: None,
        warm_start: WarmStart::default(),
        seed: SEED,
    };
    plan(&[method], &task, model)?.initial(&from)
}

/// Rows of random tokens whose first half has no label, behind soft ones if there are any; a model that reads a source gets
/// one of as many tokens.
fn batch(model: &Model, seq: usize, n_soft: usize) -> TokenBatch {
    let vocab_size = model.shape().vocab_size;
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let is_pair = matches!(model, Model::Seq2Seq(_));
    let mut rows = |n_soft: usize| -> Vec<i32> {
        let soft = |slot: usize| (SOFT + slot as u32).cast_signed();
        let row = |_| -> Vec<i32> {
            let text = (0..seq).map(|_| random.random_range(0..vocab_size as i32));
            (0..n_soft).map(soft).chain(text).collect()
        };
        (0..BATCH).flat_map(row).collect()
    };
    let source = is_pair.then(|| rows(n_soft));
    let n_soft_here = if is_pair { 0 } else { n_soft };
    let (tokens, width) = (rows(n_soft_here), seq + n_soft_here);
    let label = |(at, &token): (usize, &i32)| if at % width < n_soft_here + seq / 2 { IGNORE_INDEX } else { token };
    let labels = tokens.iter().enumerate().map(label).collect();
    let source = source.map(|tokens| SourceBatch { seq: seq + n_soft, mask: vec![1.0; tokens.len()], tokens });
    TokenBatch {
        rows: (0..BATCH).collect(),
        batch: BATCH,
        seq: width,
        mask: vec![1.0; tokens.len()],
        tokens,
        labels,
        targets: Vec::new(),
        types: None,
        contest: None,
        starts: None,
        taught: None,
        task: if is_pair { Task::Seq2Seq } else { Task::Causal },
        source,
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Writes a checkpoint of a shape with random weights, unless the folder has one.
///
/// # Errors
/// The folder cannot be written to.
pub fn random_checkpoint(folder: &Path, shape: BenchShape) -> Result<()> {
    if folder.join("model.safetensors").is_file() {
        return Ok(());
    }
    std::fs::create_dir_all(folder).map_err(EngineError::io(IoAction::Create, folder))?;
    let (shapes, config) = match shape {
        BenchShape::Gpt2 => gpt2_small(),
        BenchShape::Llama => smollm2_135m(),
    };
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let mut values = |name: &str, n: usize| match name.rsplit('.').next() {
        Some("bias") => vec![0.0; n],
        _ if name.contains("ln_") || name.contains("norm") => vec![1.0; n],
        // Uniform with the standard deviation of GPT-2's initial weights.
        _ => (0..n).map(|_| random.random_range(-0.034_641_f32..0.034_641)).collect(),
    };
    let with_values = |(name, shape): (String, Vec<usize>)| {
        let values = values(&name, shape.iter().product());
        (name, (shape, values))
    };
    let tensors: Floats = shapes.into_iter().map(with_values).collect();
    write_json(&folder.join("config.json"), &config)?;
    let metadata = std::collections::HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let write = match shape {
        BenchShape::Gpt2 => write_floats,
        BenchShape::Llama => write_bf16,
    };
    write(&folder.join("model.safetensors"), &tensors, Some(metadata))
}

/// Names and shapes of a checkpoint's tensors, and its `config.json`.
type Checkpoint = (Vec<(String, Vec<usize>)>, serde_json::Value);

fn gpt2_small() -> Checkpoint {
    let (vocab, positions, d, layers) = (50_257, 1024, 768, 12);
    let mut tensors = Vec::new();
    let mut add = |name: String, shape: Vec<usize>| tensors.push((name, shape));
    add("wte.weight".to_owned(), vec![vocab, d]);
    add("wpe.weight".to_owned(), vec![positions, d]);
    add("ln_f.weight".to_owned(), vec![d]);
    add("ln_f.bias".to_owned(), vec![d]);
    for layer in 0..layers {
        for (name, shape) in [("ln_1", vec![d]), ("ln_2", vec![d])] {
            add(format!("h.{layer}.{name}.weight"), shape.clone());
            add(format!("h.{layer}.{name}.bias"), shape);
        }
        let linears =
            [("attn.c_attn", d, 3 * d), ("attn.c_proj", d, d), ("mlp.c_fc", d, 4 * d), ("mlp.c_proj", 4 * d, d)];
        for (name, d_in, d_out) in linears {
            add(format!("h.{layer}.{name}.weight"), vec![d_in, d_out]);
            add(format!("h.{layer}.{name}.bias"), vec![d_out]);
        }
    }
    let config = serde_json::json!({
        "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "vocab_size": vocab, "n_positions": positions,
        "n_embd": d, "n_layer": layers, "n_head": 12, "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5, "bos_token_id": 50_256, "eos_token_id": 50_256,
        "attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0
    });
    (tensors, config)
}

fn smollm2_135m() -> Checkpoint {
    let (vocab, d, d_ff, layers, heads, kv_heads, d_head) = (49_152, 576, 1536, 30, 9, 3, 64);
    let mut tensors =
        vec![("model.embed_tokens.weight".to_owned(), vec![vocab, d]), ("model.norm.weight".to_owned(), vec![d])];
    for layer in 0..layers {
        let of_layer = [
            ("input_layernorm", vec![d]),
            ("post_attention_layernorm", vec![d]),
            ("self_attn.q_proj", vec![heads * d_head, d]),
            ("self_attn.k_proj", vec![kv_heads * d_head, d]),
            ("self_attn.v_proj", vec![kv_heads * d_head, d]),
            ("self_attn.o_proj", vec![d, heads * d_head]),
            ("mlp.gate_proj", vec![d_ff, d]),
            ("mlp.up_proj", vec![d_ff, d]),
            ("mlp.down_proj", vec![d, d_ff]),
        ];
        tensors.extend(of_layer.map(|(name, shape)| (format!("model.layers.{layer}.{name}.weight"), shape)));
    }
    let config = serde_json::json!({
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": vocab, "hidden_size": d,
        "intermediate_size": d_ff, "num_hidden_layers": layers, "num_attention_heads": heads,
        "num_key_value_heads": kv_heads, "head_dim": d_head, "hidden_act": "silu", "max_position_embeddings": 8192,
        "rms_norm_eps": 1e-5, "rope_theta": 100_000.0, "tie_word_embeddings": true, "bos_token_id": 1,
        "eos_token_id": 2, "dtype": "bfloat16"
    });
    (tensors, config)
}
