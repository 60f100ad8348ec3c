//! Truths about every sequence-to-sequence family that need no reference, on the models of the golden cases.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::adapters::{Adapter, AdapterPart, Parameter, Place, Prefix, PrefixSource, PrefixSpec, TargetRow};
use crate::config::{OptimizerConfig, PrefixConfig, PrefixInit, Reparameterization, Task, TaskRecord};
use crate::data::{Example, SourceBatch, TokenBatch};
use crate::generation::Sampling;
use crate::generation::{Decoder, DecoderModel, DecoderOptions, DecoderStream, SourceOptions};
use crate::models::ModelFolder;
use crate::models::{
    BaseModel, Conditioning, ForwardPass, GenerationConfig, Model, ModelFacts, Seq2SeqModel, Site, read_source,
};
use crate::nn::head_logits;
use crate::training::loss::{hidden, summed_nll};
use crate::training::trainer::Trainer;

const CASES: [&str; 5] =
    ["t5-prefix-2x40", "t5-prefix-3x32-gated", "bart-prefix-3x32", "mbart-prefix-2x24", "pegasus-prefix-2x28"];

fn folder(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/cases").join(case).join("model")
}

fn load(case: &str) -> (BaseModel, Device) {
    let device = crate::device::cpu();
    let model = ModelFolder::open(&folder(case)).unwrap().load(&device, &mut |_| Ok(())).unwrap();
    (model, device)
}

fn seq2seq(model: &Model) -> &dyn Seq2SeqModel {
    match model {
        Model::Seq2Seq(model) => model.as_ref(),
        Model::Causal(_) | Model::Encoder(_) => panic!("the case is one of a source and a target"),
    }
}

const ROWS: [(&[u32], &[u32]); 3] = [
    (&[40, 7, 91, 22, 8, 130], &[2, 60, 61, 9, 3]),
    (&[55, 12, 30], &[2, 14, 200, 3]),
    (&[77, 201, 5, 66], &[2, 99, 3]),
];

fn examples() -> Vec<Example> {
    let example = |(source, tokens): (&[u32], &[u32])| Example {
        row: 1,
        source: source.to_vec(),
        tokens: tokens.to_vec(),
        n_prompt: 1,
        ..Example::default()
    };
    ROWS.map(example).to_vec()
}

/// A prefix at these sites, as large as real keys and values.
fn adapter(model: &BaseModel, device: &Device, sites: &[Site], mlp: Option<Reparameterization>) -> Adapter {
    let config = PrefixConfig {
        n_virtual: 3,
        reparameterization: mlp,
        init: PrefixInit::ScaledRandom,
        sites: Some(sites.to_vec()),
        ..PrefixConfig::default()
    };
    let row = |(source, tokens): (&[u32], &[u32])| TargetRow { source: source.to_vec(), tokens: tokens.to_vec() };
    let target = PrefixSource { rows: ROWS.map(row).to_vec(), ..PrefixSource::default() };
    let at = |(site, shape)| {
        let spec = PrefixSpec { site, shape, config: config.clone() };
        AdapterPart::Prefix(Prefix::initialize(spec, &target, Place { model, device }, 5).unwrap())
    };
    let parts = config.sites_of(&model.prefix_sites()).unwrap().into_iter().map(at).collect();
    Adapter { parts, task: TaskRecord::of(Task::Seq2Seq) }
}

fn nll(model: &Model, conditioning: &Conditioning, batch: &TokenBatch, device: &Device) -> f64 {
    let (sum, _) = summed_nll(model, conditioning, batch, device).unwrap();
    f64::from(sum.into_scalar::<f32>())
}

#[test]
fn cached_decoding_equals_the_whole_target_at_once() {
    for case in CASES {
        let (model, device) = load(case);
        let conditioning = adapter(&model, &device, &Site::ALL, None).eval_conditioning();
        let file = GenerationConfig::read(&folder(case)).unwrap();
        let source = SourceOptions::of(seq2seq(&model), &file, 0);
        let start = source.start;
        let streams = ROWS.map(|(source, _)| DecoderStream::new(source.to_vec(), conditioning.clone()));
        let sampling = Sampling { max_new_tokens: 7, ..Sampling::default() };
        let options = DecoderOptions { sampling, keep_logits: true, source: Some(source), ..DecoderOptions::default() };
        let mut decoder = Decoder::new(model.shape(), streams.to_vec(), options).unwrap();
        let mut cached = vec![Vec::new(); ROWS.len()];
        while !decoder.is_done() {
            for new in decoder.step(DecoderModel::Seq2Seq(seq2seq(&model))).unwrap() {
                cached[new.stream].extend(new.logits.unwrap());
            }
        }
        for (row, (source, _)) in ROWS.iter().enumerate() {
            let mut example = examples().remove(0);
            example.source = source.to_vec();
            example.tokens = std::iter::once(start).chain(decoder.tokens(row)[..6].iter().copied()).collect();
            let batch = TokenBatch::new(&[example], &[0], 1, Task::Seq2Seq);
            let hidden = hidden(&model, &conditioning, &batch, &device).unwrap();
            let whole: Vec<f32> = head_logits(hidden.squeeze_dim(0), model.head().unwrap()).try_into_vec_as().unwrap();
            assert_eq!(whole.len(), cached[row].len());
            let far = whole.iter().zip(&cached[row]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(far < 1e-4, "{case}, row {row}: {far}");
        }
    }
}

#[test]
fn padding_of_a_source_changes_nothing() {
    for case in CASES {
        let (model, device) = load(case);
        let conditioning = adapter(&model, &device, &Site::ALL, None).eval_conditioning();
        let rows = examples();
        let alone = |row: usize| nll(&model, &conditioning, &TokenBatch::new(&rows, &[row], 1, Task::Seq2Seq), &device);
        let together = nll(&model, &conditioning, &TokenBatch::new(&rows, &[0, 1, 2], 1, Task::Seq2Seq), &device);
        let apart: f64 = (0..3).map(alone).sum();
        assert!((together - apart).abs() < 1e-4 * apart, "{case}: {together} {apart}");
        if case.starts_with("t5") {
            // Distances within a text do not care on which side its padding is; those to slots before it would.
            let conditioning = adapter(&model, &device, &[Site::Decoder, Site::Cross], None).eval_conditioning();
            let mut batch = TokenBatch::new(&rows, &[1], 1, Task::Seq2Seq);
            let unpadded = nll(&model, &conditioning, &batch, &device);
            let source = batch.source.take().unwrap();
            let before = |values: &[f32]| [&[0.0, 0.0], values].concat();
            let tokens = [&[9, 9], source.tokens.as_slice()].concat();
            batch.source = Some(SourceBatch { seq: source.seq + 2, tokens, mask: before(&source.mask) });
            assert!((nll(&model, &conditioning, &batch, &device) - unpadded).abs() < 1e-4, "{case}");
        }
    }
}

#[test]
fn the_encoder_is_untouched_by_a_decoder_prefix() {
    for case in CASES {
        let (model, device) = load(case);
        let read = |sites: &[Site]| {
            let conditioning = match sites {
                [] => Conditioning::default(),
                sites => adapter(&model, &device, sites, None).eval_conditioning(),
            };
            let stack = model.stack(Site::Encoder);
            let source = ForwardPass::of_prompt(stack, &[40, 7, 91, 22], 0, &conditioning, &device).unwrap();
            let encoded = read_source(seq2seq(&model), source, &conditioning);
            let last = encoded.cross.last().unwrap();
            last.key.clone().try_into_vec_as::<f32>().unwrap()
        };
        let base = read(&[]);
        assert_eq!(base, read(&[Site::Decoder]), "{case}");
        assert_ne!(base, read(&[Site::Encoder]), "{case}");
        // Cross-attention sees its slots, then what it saw before, head by head.
        let with_cross = read(&[Site::Cross]);
        let d_head = model.shape().d_head;
        let heads = with_cross.chunks_exact(7 * d_head).flat_map(|head| head[3 * d_head..].to_vec());
        assert_eq!(base, heads.collect::<Vec<f32>>(), "{case}");
    }
}

#[test]
fn gradients_at_all_three_sites_are_those_of_small_steps() {
    for (case, mlp) in [("t5-prefix-3x32-gated", None), ("bart-prefix-3x32", Some(5)), ("pegasus-prefix-2x28", None)] {
        let (model, device) = load(case);
        let mlp = mlp.map(|width| Reparameterization { width: Some(width), ..Reparameterization::default() });
        let mut trainer = Trainer::new(adapter(&model, &device, &Site::ALL, mlp), OptimizerConfig::default());
        let batches = [(TokenBatch::new(&examples(), &[0, 1, 2], 1, Task::Seq2Seq), 1.0)];
        let gradients = trainer.gradient(&model, &batches, 0, &device).unwrap().of_parameters;
        let names: Vec<String> = trainer.adapter.named_parameters().map(|(name, _)| name).collect();
        assert!(names.contains(&"encoder.embedding.weight".to_owned()), "{names:?}");
        let mut random = ChaCha8Rng::seed_from_u64(3);
        for (index, gradient) in gradients.iter().enumerate() {
            let gradient: Vec<f32> = gradient.clone().try_into_vec_as().unwrap();
            let direction: Vec<f32> = gradient.iter().map(|_| random.random_range(-1.0..1.0)).collect();
            let expected: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from(g * d)).sum();
            let size: f64 = gradient.iter().map(|g| f64::from(g * g)).sum::<f64>().sqrt();
            let parameter = trainer.adapter.parameters().nth(index).unwrap().clone();
            let start = parameter.to_vec().unwrap();
            let mut at = |step: f32| {
                let moved = start.iter().zip(&direction).map(|(x, d)| x + step * d).collect();
                *trainer.adapter.parameters_mut().nth(index).unwrap() =
                    Parameter::new(parameter.name.clone(), parameter.shape.clone(), moved, &device);
                nll(&model, &trainer.adapter.eval_conditioning(), &batches[0].0, &device)
            };
            let found = (at(4e-3) - at(-4e-3)) / 8e-3;
            at(0.0);
            assert!((found - expected).abs() < 0.02 * size + 1e-3, "{case}, {}: {found} {expected}", names[index]);
            assert!(size > 0.0, "{case}, {} is trained", names[index]);
        }
    }
}
