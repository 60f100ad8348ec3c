//! Activations by hook: against the hidden states and attentions of transformers + PEFT (`tests/golden/activations.py`),
//! and truths of every architecture that need no reference.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use engine::adapters::formats;
use engine::models::{
    ActivationCache, BaseModel, Conditioning, HookName, HookPoint, Hooks, Model, ModelFolder, PaddedRows, StackName,
};
use safetensors::SafeTensors;

/// A golden model behind its golden prefix, and the rows that the reference has read.
struct Case {
    model: BaseModel,
    conditioning: Conditioning,
    batch: usize,
    tokens: Vec<i32>,
    mask: Vec<f32>,
    types: Option<Vec<i32>>,
    /// Of a model that reads a source: what it is to write, behind its start.
    target: Option<Vec<i32>>,
}

impl Case {
    /// The first rows of `in/right`.
    fn open(name: &str, batch: usize) -> Self {
        let folder = tests::golden_cases().join(name);
        let model = ModelFolder::open(&folder.join("model")).unwrap().load(&device(), &mut |_| Ok(())).unwrap();
        let adapter = formats::read(&folder.join("adapter"), Some(&model.sites())).unwrap();
        let conditioning = adapter.conditioning(&model, &device()).unwrap();
        let bytes = std::fs::read(folder.join("tensors.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let given = |key: &str| -> Option<Vec<i32>> {
            let view = file.tensor(&format!("in/right/{key}")).ok()?;
            let numbers = view.data().chunks_exact(8).map(|bytes| i64::from_le_bytes(bytes.try_into().unwrap()) as i32);
            Some(numbers.take(batch * view.shape().get(1).copied().unwrap_or(1)).collect())
        };
        // A file in GGUF has none, and is of no model that writes a target.
        let padding = std::fs::read_to_string(folder.join("model/config.json")).unwrap_or_default();
        let padding: serde_json::Value = serde_json::from_str(&padding).unwrap_or_default();
        let padding = padding["pad_token_id"].as_i64().unwrap_or(0) as i32;
        let target = matches!(*model, Model::Seq2Seq(_)).then(|| {
            let labels = given("labels").unwrap();
            let shifted = |row: &[i32]| -> Vec<i32> {
                // What the reference puts before a target is its last token where the model has no start of its own.
                let last = *row.iter().rev().find(|&&label| label >= 0).unwrap();
                let start = model.target_start().token.map_or(last, u32::cast_signed);
                let before = row[..row.len() - 1].iter().map(|&label| if label < 0 { padding } else { label });
                std::iter::once(start).chain(before).collect()
            };
            labels.chunks_exact(labels.len() / batch).flat_map(shifted).collect()
        });
        Self {
            conditioning,
            batch,
            tokens: given("input_ids").unwrap(),
            mask: given("attention_mask").unwrap().into_iter().map(|seen| seen as f32).collect(),
            types: given("token_type_ids"),
            target,
            model,
        }
    }

    fn hidden(&self, hooks: Option<&mut dyn Hooks>) -> Tensor<3> {
        let shape = |tokens: &[i32]| [self.batch, tokens.len() / self.batch];
        let types = self.types.as_deref();
        let (tokens, mask) = (self.tokens.as_slice(), self.mask.as_slice());
        let rows = PaddedRows {
            shape: shape(tokens),
            tokens,
            mask,
            types,
            infix_from: vec![0; self.batch],
            starts: None,
            source: None,
        };
        let all = vec![1.0; self.target.as_ref().map_or(0, Vec::len)];
        let rows = match &self.target {
            Some(tokens) => {
                let (shape, mask) = (shape(tokens), all.as_slice());
                PaddedRows {
                    shape,
                    tokens,
                    mask,
                    types: None,
                    infix_from: Vec::new(),
                    starts: None,
                    source: Some(Box::new(rows)),
                }
            }
            None => rows,
        };
        self.model.hidden(&rows, &self.conditioning, hooks, &device()).unwrap()
    }

    /// The largest difference of hidden states where a token is read.
    fn far(&self, a: &[f32], b: &[f32]) -> f32 {
        let stack = if self.target.is_some() { "decoder" } else { "blocks" };
        let seq = self.target.as_ref().map_or(self.tokens.len(), Vec::len) / self.batch;
        let width = a.len() / (self.batch * seq);
        let read = |(at, _): &(usize, _)| self.is_real(stack, at / (width * seq), at / width % seq);
        let both = a.iter().zip(b).enumerate().filter(read);
        both.map(|(_, (a, b))| (a - b).abs()).fold(0.0, f32::max)
    }

    /// Whether a stack reads padding: of a target every column counts.
    fn is_real(&self, stack: &str, row: usize, column: usize) -> bool {
        stack == "decoder" || self.mask[row * (self.mask.len() / self.batch) + column] > 0.0
    }
}

fn device() -> Device {
    engine::device::cpu()
}

fn numbers<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.clone().try_into_vec_as().unwrap()
}

/// A golden case with a prefix of each architecture, both stacks of those that have two, a window, an infix, layers without
/// a prefix.
fn every_prefix() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(tests::golden_cases())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| name.contains("-prefix"));
    names.sort();
    assert!(names.len() >= 40);
    names
}

type Expected = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

fn expected() -> Expected {
    let path = tests::golden_cases().with_file_name("activations.safetensors");
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let read = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        let floats = view.data().chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
        (name, (view.shape().to_vec(), floats))
    };
    file.tensors().into_iter().map(read).collect()
}

#[test]
fn hidden_states_and_patterns_are_those_of_transformers_behind_a_prefix() {
    let expected = expected();
    let mut cases: Vec<&str> = expected.keys().map(|key| key.split('/').next().unwrap()).collect();
    cases.dedup();
    assert_eq!(cases.len(), 12);
    for name in cases {
        let case = Case::open(name, 2);
        let mut cache = ActivationCache::new(&HookName::ALL);
        let hidden = case.hidden(Some(&mut cache));
        for (key, (shape, theirs)) in expected.iter().filter(|(key, _)| key.starts_with(&format!("{name}/"))) {
            let hook = key.split('/').nth(1).unwrap();
            let (stack, at) = hook.split_once('.').unwrap();
            if at == "hidden" && stack == "encoder" {
                continue; // its keys and values are what cross-attention sees
            }
            let ours = match at {
                "hidden" => numbers(&last(name, hidden.clone(), shape)),
                _ if at.ends_with("pattern") => numbers(cache.by_head(hook).unwrap()),
                _ => numbers(cache.stream(hook).unwrap()),
            };
            assert_eq!(ours.len(), theirs.len(), "{key} {shape:?}");
            let scale = theirs.iter().fold(1.0_f32, |largest, x| largest.max(x.abs()));
            let query = if at.ends_with("pattern") { 2 } else { 1 };
            let (width, queries) = (shape[query + 1..].iter().product::<usize>(), shape[query]);
            let heads = if query == 2 { shape[1] } else { 1 };
            for (index, (ours, theirs)) in ours.chunks_exact(width).zip(theirs.chunks_exact(width)).enumerate() {
                let (row, column) = (index / (heads * queries), index % queries);
                let worst = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                let real = case.is_real(stack, row, column);
                assert!(!real || worst <= 1e-5 * scale, "{key}, row {row}, column {column}: {worst} of {scale}");
            }
        }
    }
}

/// Hidden states as `hidden_states[-1]` has them: T5 scales them for its tied head only behind that, and BART's column for
/// the bias of its logits is ours.
fn last(name: &str, hidden: Tensor<3>, shape: &[usize]) -> Tensor<3> {
    let [batch, seq, _] = hidden.dims();
    let d_model = shape[2];
    let hidden = hidden.slice([0..batch, 0..seq, 0..d_model]);
    if name.starts_with("t5") { hidden * (d_model as f64).sqrt() } else { hidden }
}

#[test]
fn every_query_pays_its_whole_attention_and_looking_changes_nothing() {
    let mut stacks = std::collections::BTreeSet::new();
    for name in every_prefix() {
        let case = Case::open(&name, 3);
        let mut cache = ActivationCache::new(&HookName::ALL);
        assert_eq!(numbers(&case.hidden(None)), numbers(&case.hidden(Some(&mut cache))), "{name}");
        let n_layers = case.model.shape().n_layers;
        let points = cache.points();
        for at in &points {
            stacks.insert(at.stack);
            if !matches!(at.name, HookName::Pattern | HookName::CrossPattern) {
                continue;
            }
            let pattern = cache.by_head(&at.to_string()).unwrap();
            let [_, n_heads, seq, kv] = pattern.dims();
            let stack = at.to_string();
            let stack = stack.split('.').next().unwrap();
            for (index, paid) in numbers(pattern).chunks_exact(kv).enumerate() {
                let (row, column) = (index / (n_heads * seq), index % seq);
                // Padding that sees no token pays none.
                let real = case.is_real(stack, row, column);
                let sum = paid.iter().sum::<f32>();
                assert!(!real || (sum - 1.0).abs() < 1e-5, "{name} {at}, row {row}, column {column}: {sum}");
            }
        }
        // What leaves a block enters the next one.
        let stack = if case.target.is_some() { "decoder" } else { "blocks" };
        for layer in 1..n_layers {
            let of = |layer: usize, name: &str| numbers(cache.stream(&format!("{stack}.{layer}.{name}")).unwrap());
            assert_eq!(of(layer - 1, "hook_resid_post"), of(layer, "hook_resid_pre"), "{name}");
        }
        let seen: Vec<HookName> = points.iter().filter(|at| at.layer == 0).map(|at| at.name).collect();
        assert_eq!(seen.len(), if case.target.is_some() { 8 + 12 } else { 8 }, "{name}: {seen:?}");
    }
    assert_eq!(stacks.len(), 3);
}

/// Puts the activations of one pass in the place of another's.
struct Patch<'a> {
    of: &'a ActivationCache,
    names: &'a [HookName],
    heard: Vec<HookPoint>,
}

impl Hooks for Patch<'_> {
    fn wants(&self, at: HookPoint) -> bool {
        self.names.contains(&at.name) && at.stack != StackName::Encoder
    }

    fn stream(&mut self, at: HookPoint, _: &Tensor<3>) -> Option<Tensor<3>> {
        self.heard.push(at);
        self.of.stream(&at.to_string()).cloned()
    }

    fn by_head(&mut self, at: HookPoint, _: &Tensor<4>) -> Option<Tensor<4>> {
        self.heard.push(at);
        self.of.by_head(&at.to_string()).cloned()
    }
}

#[test]
fn what_a_hook_puts_in_is_what_the_next_layers_read() {
    for name in every_prefix() {
        let case = Case::open(&name, 2);
        let mut other = Case::open(&name, 2);
        other
            .tokens
            .iter_mut()
            .chain(other.target.iter_mut().flatten())
            .for_each(|token| *token = 5 + (*token + 7) % 50);
        let (mut cache, mut others) = (ActivationCache::new(&HookName::ALL), ActivationCache::new(&HookName::ALL));
        let (hidden, theirs) = (case.hidden(Some(&mut cache)), other.hidden(Some(&mut others)));
        let (hidden, theirs) = (numbers(&hidden), numbers(&theirs));
        let patched = |of: &ActivationCache, names: &[HookName]| {
            let mut patch = Patch { of, names, heard: Vec::new() };
            let hidden = numbers(&case.hidden(Some(&mut patch)));
            assert!(patch.heard.len() >= case.model.shape().n_layers, "{name} {names:?}");
            hidden
        };
        let far = |a: &[f32], b: &[f32]| case.far(a, b);
        assert_ne!(hidden, theirs, "{name}");
        assert_eq!(patched(&others, &[HookName::ResidPost]), theirs, "{name}: the last stream is all that is read");
        // Its own activations in their own places change nothing, a pattern but for the order of sums.
        for one in [HookName::ResidPre, HookName::K, HookName::V, HookName::AttnOut, HookName::MlpOut] {
            assert_eq!(patched(&cache, &[one]), hidden, "{name} {one:?}");
            assert_ne!(patched(&others, &[one]), hidden, "{name} {one:?} is read");
        }
        assert!(far(&patched(&cache, &[HookName::Pattern]), &hidden) < 2e-5, "{name}");
        assert!(far(&patched(&others, &[HookName::Pattern]), &hidden) > 5e-5, "{name}: the pattern is read");
        if case.target.is_some() {
            for one in [HookName::CrossK, HookName::CrossV, HookName::CrossAttnOut] {
                assert_eq!(patched(&cache, &[one]), hidden, "{name} {one:?}");
                assert_ne!(patched(&others, &[one]), hidden, "{name} {one:?} is read");
            }
            assert!(far(&patched(&cache, &[HookName::CrossPattern]), &hidden) < 2e-5, "{name}");
        }
    }
}
