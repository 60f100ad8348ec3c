//! Another prompt in which an adapter's vectors stand at some places, gone on with by the model as it was: InSPEcT (Ramati et
//! al. 2025) for the hidden states of soft tokens. A prefix has none; what it adds to the residual stream is put there instead.

use std::collections::{BTreeMap, VecDeque};

use burn::tensor::{Tensor, TensorData};

use super::pool::is_unspaced_text;
use super::report::{Patched, PatchedWhat};
use super::said::{LENGTH, is_word};
use crate::analysis::decomposition_passes::{Masked, Watched};
use crate::analysis::subject::Subject;
use crate::analysis::{through_head, to_host};
use crate::data::plain_prompt;
use crate::error::Result;
use crate::generation::{Decoder, DecoderModel, DecoderOptions, DecoderStream, Sampling};
use crate::models::{
    ActivationCache, Conditioning, ForwardPass, HookName, HookPoint, Hooks, Model, PaddedRows, Site, StackName,
};
use crate::nn::{LayerKv, head_logits};
use crate::tokens::SOFT;

/// Descriptions of tasks, of which the places behind them are to be another.
const EXAMPLES: &str =
    "Translate the sentence into French | Summarize the text in one line | Say whether the review is good or bad |";
/// The same for Chinese rows.
const CHINESE: &str = "把这句话译成英语 | 用一句话概括这段文字 | 判断这条评论是好是坏 |";
/// Stands at the places until something is put there.
const PLACEHOLDER: &str = " x";
/// Pairs of layers that are tried, at most.
const MOST_PAIRS: usize = 49;
/// Pairs in one forward pass.
const BATCH: usize = 16;
/// Tokens that a continuation needs at least.
const LEAST: usize = 8;
/// Rows of which the mean of what a prefix adds is taken.
const BIAS_ROWS: usize = 2;
/// Tokens near what a prefix adds in each layer.
const NEAREST: usize = 4;

/// A place in the stack: behind a layer, or `None` behind the embeddings.
type Place = Option<usize>;

/// The work: a forward pass of some pairs of layers, then a token of each a step.
#[derive(Default)]
pub(super) struct Patching {
    what: Option<PatchedWhat>,
    /// Vectors of each place that they are taken from, `[n, d_model]`.
    vectors: Vec<(Place, Tensor<2>)>,
    /// Tokens of the other prompt, and where its places begin.
    prompt: (Vec<u32>, usize),
    /// Index of the vectors, and where they are put.
    pairs: VecDeque<(usize, Place)>,
    n_pairs: usize,
    running: Option<(Vec<Begun>, Decoder)>,
    texts: Vec<Patched>,
}

/// A pair of layers, with the first token that follows.
struct Begun {
    from: Place,
    into: Place,
    first: u32,
    /// Whether the text ends before it has begun.
    is_empty: bool,
}

impl Patching {
    /// Takes the vectors; there are none of an adapter with neither soft tokens nor slots, or of a model with a source.
    pub(super) fn new(subject: &Subject) -> Result<Self> {
        let Model::Causal(_) = &*subject.model.model else { return Ok(Self::default()) };
        let (what, vectors) = if subject.conditioning.soft_prompt.is_some() {
            (PatchedWhat::HiddenStates, hidden_states(subject)?)
        } else if subject.conditioning.of(Site::Decoder).is_some() {
            (PatchedWhat::Bias, biases(subject)?)
        } else {
            return Ok(Self::default());
        };
        let n = vectors.first().map_or(0, |(_, vectors)| vectors.dims()[0]);
        let n_layers = subject.model.model.shape().n_layers;
        let targets: Vec<Place> = std::iter::once(None).chain((0..n_layers.saturating_sub(1)).map(Some)).collect();
        let sources: Vec<Place> = vectors.iter().map(|(place, _)| *place).collect();
        let (mut pairs, mut prompt) = (VecDeque::new(), (Vec::new(), 0));
        if let Some(found) = prompt_of(n, subject)?.filter(|_| n > 0) {
            (pairs, prompt) = (band(&sources, &targets, MOST_PAIRS).into(), found);
        }
        Ok(Self { what: Some(what), vectors, prompt, n_pairs: pairs.len(), pairs, running: None, texts: Vec::new() })
    }

    /// Whether every pair is done.
    pub(super) fn step(&mut self, subject: &Subject) -> Result<bool> {
        let Some((begun, decoder)) = &mut self.running else {
            if self.pairs.is_empty() {
                return Ok(true);
            }
            let n = BATCH.min(self.pairs.len());
            let pairs: Vec<(usize, Place)> = self.pairs.drain(..n).collect();
            self.running = Some(self.begin(&pairs, subject)?);
            return Ok(false);
        };
        if !decoder.is_done() {
            decoder.step(DecoderModel::try_from(&*subject.model.model)?)?;
            return Ok(false);
        }
        for (index, begun) in begun.iter().enumerate() {
            let tokens: Vec<u32> = std::iter::once(begun.first).chain(decoder.tokens(index).iter().copied()).collect();
            let text = if begun.is_empty { String::new() } else { subject.model.tokenizer.decode(&tokens)? };
            self.texts.push(Patched { from: begun.from, into: begun.into, text });
        }
        self.running = None;
        Ok(self.pairs.is_empty())
    }

    /// Reads the prompt once for each pair, and keeps what comes after it: keys and values that go on as a prefix does.
    fn begin(&self, pairs: &[(usize, Place)], subject: &Subject) -> Result<(Vec<Begun>, Decoder)> {
        let (model, device) = (subject.model.model.causal()?, &subject.model.device);
        let (prompt, place) = &self.prompt;
        let (n, seq) = (pairs.len(), prompt.len());
        let tokens: Vec<i32> = (0..n).flat_map(|_| prompt.iter().map(|&token| token as i32)).collect();
        let mask = vec![1.0; n * seq];
        let rows = PaddedRows {
            shape: [n, seq],
            tokens: &tokens,
            mask: &mask,
            types: None,
            infix_from: vec![],
            starts: None,
            source: None,
        };
        let patches = pairs.iter().map(|&(source, into)| (into, self.vectors[source].1.clone())).collect();
        let mut hooks = Patch { what: self.what, patches, place: *place };
        let nothing = Conditioning::default();
        let pass = ForwardPass::of_batch(model.stack(), &rows, &nothing, device)?.keeping_kv();
        let mut pass = pass.with_hooks(Some(&mut hooks));
        let hidden = model.hidden(&mut pass); // [n, seq, head width]
        let kv = pass.take_kv();
        let [_, _, width] = hidden.dims();
        let last = hidden.slice([0..n, seq - 1..seq, 0..width]).reshape([n, width]);
        let logits = to_host(head_logits(last, model.logit_head()))?;
        let best = |row: &[f32]| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0) as u32;
        let firsts: Vec<u32> = logits.chunks(logits.len() / n).map(best).collect();
        let of_row = |slots: &Tensor<4>, row: usize| {
            let [_, heads, seq, d_head] = slots.dims();
            slots.clone().slice([row..row + 1, 0..heads, 0..seq, 0..d_head])
        };
        let stream = |(row, &first): (usize, &u32)| {
            let layers = kv.iter().map(|kv| LayerKv { key: of_row(&kv.key, row), value: of_row(&kv.value, row) });
            DecoderStream::new(vec![first], Conditioning::causal(layers.collect()))
        };
        let streams = firsts.iter().enumerate().map(stream).collect();
        let sampling = Sampling { max_new_tokens: LENGTH - 1, ..Sampling::default() };
        let options = DecoderOptions { exact_base: false, ..subject.model.decoding(sampling)? };
        let ends = options.end_tokens.clone();
        let decoder = Decoder::new(model.shape(), streams, options)?;
        let begun = |(&(source, into), first): (&(usize, Place), u32)| {
            let (from, is_empty) = (self.vectors[source].0, ends.contains(&first));
            Begun { from, into, first, is_empty }
        };
        Ok((pairs.iter().zip(firsts).map(begun).collect(), decoder))
    }

    pub(super) fn share(&self) -> f32 {
        let running = self.running.as_ref().map_or(0, |(begun, _)| begun.len());
        1.0 - (self.pairs.len() + running) as f32 / self.n_pairs.max(1) as f32
    }

    /// The tokens that what a prefix adds points to, layer by layer.
    pub(super) fn near(&self, subject: &Subject) -> Result<Vec<String>> {
        if self.what != Some(PatchedWhat::Bias) || self.vectors.is_empty() {
            return Ok(Vec::new());
        }
        let vectors = Tensor::cat(self.vectors.iter().map(|(_, vectors)| vectors.clone()).collect(), 0);
        let logits = through_head::logits(subject.tuned_model(), vectors)?;
        let tokenizer = &subject.model.tokenizer;
        let text = |id| tokenizer.decode(&[id]).unwrap_or_default();
        let layers = through_head::top_tokens(logits, NEAREST, &text)?;
        Ok(layers.into_iter().flatten().filter(|near| is_word(near.id, tokenizer)).map(|near| near.text).collect())
    }

    pub(super) fn texts(self) -> (Vec<Patched>, Option<PatchedWhat>) {
        (self.texts, self.what)
    }
}

/// Puts vectors into the rows of a batch, each behind a layer of its own.
struct Patch {
    what: Option<PatchedWhat>,
    /// Of each row where they are put, and the vectors, `[n, d_model]`.
    patches: Vec<(Place, Tensor<2>)>,
    /// The column of the first.
    place: usize,
}

impl Patch {
    fn of(at: HookPoint) -> Option<Place> {
        match at.name {
            HookName::ResidPre if at.layer == 0 => Some(None),
            HookName::ResidPost => Some(Some(at.layer)),
            _ => None,
        }
    }
}

impl Hooks for Patch {
    fn wants(&self, at: HookPoint) -> bool {
        Self::of(at).is_some_and(|place| self.patches.iter().any(|(into, _)| *into == place))
    }

    fn stream(&mut self, at: HookPoint, activation: &Tensor<3>) -> Option<Tensor<3>> {
        let place = Self::of(at)?;
        let mut patched = activation.clone();
        for (row, (_, vectors)) in self.patches.iter().enumerate().filter(|(_, (into, _))| *into == place) {
            let ([_, _, d_model], [n, _]) = (patched.dims(), vectors.dims());
            let places = [row..row + 1, self.place..self.place + n, 0..d_model];
            let mut vectors = vectors.clone().unsqueeze_dim::<3>(0); // [1, n, d_model]
            if self.what == Some(PatchedWhat::Bias) {
                let length = |of: Tensor<3>| of.powf_scalar(2.0).sum_dim(2).sqrt();
                let stood = length(patched.clone().slice(places.clone()));
                vectors = vectors.clone() * (stood / length(vectors).clamp_min(1e-12));
            }
            patched = patched.slice_assign(places, vectors);
        }
        Some(patched)
    }

    fn by_head(&mut self, _: HookPoint, _: &Tensor<4>) -> Option<Tensor<4>> {
        None
    }
}

/// Hidden states of the soft tokens behind the embeddings and behind each layer but the last, `[n, d_model]`.
fn hidden_states(subject: &Subject) -> Result<Vec<(Place, Tensor<2>)>> {
    let before = subject.adapter.before(&subject.model.tokenizer)?;
    let mut tokens: Vec<i32> = before.iter().filter(|&&token| token >= SOFT).map(|&token| token as i32).collect();
    let n = tokens.len();
    tokens.push(subject.model.tokenizer.bos() as i32);
    let (seq, mask) = (tokens.len(), vec![1.0; n + 1]);
    let rows = PaddedRows {
        shape: [1, seq],
        tokens: &tokens,
        mask: &mask,
        types: None,
        infix_from: vec![seq - 1],
        starts: None,
        source: None,
    };
    let mut cache = ActivationCache::new(&[HookName::ResidPre, HookName::ResidPost]);
    subject.tuned_model().hidden(&rows, &subject.conditioning, Some(&mut cache), &subject.model.device)?;
    let n_layers = subject.model.model.shape().n_layers;
    let places = std::iter::once(None).chain((0..n_layers.saturating_sub(1)).map(Some));
    let states = |place: Place| {
        let (layer, name) = place.map_or((0, HookName::ResidPre), |layer| (layer, HookName::ResidPost));
        let states = cache.stream(&HookPoint { stack: StackName::Blocks, layer, name }.to_string())?;
        let [_, _, d_model] = states.dims();
        Some((place, states.clone().slice([0..1, 0..n, 0..d_model]).reshape([n, d_model])))
    };
    Ok(places.filter_map(states).collect())
}

/// The mean over tokens of what the prefix adds to the stream in each layer that sees it, `[1, d_model]`.
fn biases(subject: &Subject) -> Result<Vec<(Place, Tensor<2>)>> {
    let rows: Vec<usize> = (0..BIAS_ROWS.min(subject.rows.len())).collect();
    let batch = subject.batch(&rows);
    let mut watched = Watched::default();
    subject.run(&batch, Some(&mut watched))?;
    let mut slots_alone = Masked::new(subject.adapter.n_virtual(), &watched.out);
    subject.run(&batch, Some(&mut slots_alone))?;
    let mut nothing = Masked::new(0, &watched.out);
    subject.run(&batch, Some(&mut nothing))?;
    let real = TensorData::new(batch.mask.clone(), [batch.batch * batch.seq, 1]);
    let real = Tensor::<2>::from_data(real, &subject.model.device);
    let n = batch.mask.iter().sum::<f32>().max(1.0);
    let mut means = BTreeMap::new();
    for (at, slots) in &slots_alone.found {
        let sees = subject.conditioning.layers.as_ref().is_none_or(|layers| layers.contains(&at.layer));
        let Some(bare) = nothing.found.get(at).filter(|_| sees && at.stack == StackName::Blocks) else { continue };
        let [batch, seq, d_model] = slots.dims();
        let added = (slots.clone() - bare.clone()).reshape([batch * seq, d_model]);
        means.insert(at.layer, (added * real.clone()).sum_dim(0) / n);
    }
    Ok(means.into_iter().map(|(layer, mean)| (Some(layer), mean)).collect())
}

/// The other prompt with `n` places behind it, shorter where the model has little room; `None` if it has none at all.
fn prompt_of(n: usize, subject: &Subject) -> Result<Option<(Vec<u32>, usize)>> {
    let tokenizer = &subject.model.tokenizer;
    let is_chinese = subject.bare.first().is_some_and(|row| is_unspaced_text(&row.prompt));
    let examples = if is_chinese { CHINESE } else { EXAMPLES };
    let Some(&placeholder) = tokenizer.encode_continuation(PLACEHOLDER)?.last() else { return Ok(None) };
    for text in [examples, "|"] {
        let mut tokens = plain_prompt(text, tokenizer)?;
        let place = tokens.len();
        tokens.extend(std::iter::repeat_n(placeholder, n));
        if tokens.len() + LEAST <= subject.model.model.shape().n_positions {
            return Ok(Some((tokens, place)));
        }
    }
    Ok(None)
}

/// Pairs of places whose layers lie near each other, nearest first: all if there are few, else a band as wide as goes, or
/// some along the diagonal.
fn band(sources: &[Place], targets: &[Place], most: usize) -> Vec<(usize, Place)> {
    let number = |place: Place| place.map_or(0, |layer| layer + 1);
    let mut pairs: Vec<(usize, usize, Place)> = Vec::new();
    for (index, &source) in sources.iter().enumerate() {
        pairs.extend(targets.iter().map(|&target| (number(source).abs_diff(number(target)), index, target)));
    }
    pairs.sort_by_key(|&(distance, index, target)| (distance, index, number(target)));
    let within = |width: usize| pairs.iter().take_while(|(distance, ..)| *distance <= width).count();
    let widest = pairs.last().map_or(0, |(distance, ..)| *distance);
    let width = (0..=widest).rev().find(|&width| within(width) <= most);
    match width {
        Some(width) => pairs.truncate(within(width)),
        None => {
            let diagonal = within(0);
            let chosen: Vec<_> = (0..most).map(|nth| pairs[nth * diagonal / most]).collect();
            pairs = chosen;
        }
    }
    pairs.into_iter().map(|(_, index, target)| (index, target)).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::rc::Rc;

    use super::*;
    use crate::adapters::AdapterState;
    use crate::config::Task;
    use crate::device::DeviceChoice;
    use crate::loaded_model::LoadedModel;
    use crate::nn::Precision;

    /// A subject without an adapter.
    fn bare(case: &str) -> Subject {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/cases").join(case).join("model");
        let place = (DeviceChoice::Cpu, Precision::F32);
        Subject {
            model: Rc::new(LoadedModel::load(&folder, place, None, &mut |_| Ok(())).unwrap()),
            adapter: AdapterState::default(),
            conditioning: Conditioning::default(),
            tuned: None,
            initial: None,
            other: None,
            rows: Vec::new(),
            bare: Vec::new(),
            task: Task::Causal,
            checkpoints: Vec::new(),
            words: Vec::new(),
        }
    }

    #[test]
    fn a_prompt_in_which_nothing_is_put_goes_on_as_the_model_does() {
        for case in ["gpt2-prefix-2x44", "llama-prefix-2x48", "bloom-prefix-2x40"] {
            let subject = bare(case);
            let prompt: Vec<u32> = vec![15, 29, 114, 36, 70];
            let sampling = Sampling { max_new_tokens: LENGTH, ..Sampling::default() };
            let options = subject.model.decoding(sampling).unwrap();
            let stream = DecoderStream::new(prompt.clone(), Conditioning::default());
            let mut plain = Decoder::new(subject.model.model.shape(), vec![stream], options).unwrap();
            while !plain.is_done() {
                plain.step(DecoderModel::try_from(&*subject.model.model).unwrap()).unwrap();
            }
            let expected = subject.model.tokenizer.decode(plain.tokens(0)).unwrap();
            let d_model = subject.model.model.shape().d_model;
            let vectors = vec![(None, Tensor::<2>::ones([1, d_model], &subject.model.device) * 5.0)];
            // No layer has such a number; the second is put behind the embeddings.
            let pairs = VecDeque::from([(0, Some(99)), (0, None)]);
            let what = Some(PatchedWhat::HiddenStates);
            let mut patching =
                Patching { what, vectors, prompt: (prompt, 2), n_pairs: 2, pairs, ..Patching::default() };
            while !patching.step(&subject).unwrap() {}
            let (texts, _) = patching.texts();
            assert_eq!(texts[0].text, expected, "{case}");
            // The tiny BLOOM writes one letter, whatever it is given.
            assert!(texts[1].text != expected || case.starts_with("bloom"), "{case}");
        }
    }

    fn places(n: usize) -> Vec<Place> {
        std::iter::once(None).chain((0..n - 1).map(Some)).collect()
    }

    #[test]
    fn pairs_of_layers_are_all_or_a_band_or_some_of_the_diagonal() {
        let all = band(&places(3), &places(3), 9);
        assert_eq!(all.len(), 9);
        assert_eq!(&all[..3], [(0, None), (1, Some(0)), (2, Some(1))], "the diagonal comes first");
        let narrow = band(&places(4), &places(4), 12);
        assert_eq!(narrow.len(), 4 + 2 * 3, "no layer is farther than one");
        assert_eq!(band(&places(8), &places(8), 3), [(0, None), (2, Some(1)), (5, Some(4))]);
        assert!(band(&[], &places(2), 3).is_empty());
    }

    #[test]
    fn a_bias_takes_the_length_of_what_stood_there_and_hidden_states_their_own() {
        let device = crate::device::cpu();
        let tensor =
            |values: Vec<f32>, shape: [usize; 2]| Tensor::<2>::from_data(TensorData::new(values, shape), &device);
        let stream = tensor(vec![1.0, 0.0, 0.0, 3.0, 1.0, 1.0, 0.0, 5.0], [4, 2]).reshape([2, 2, 2]);
        let at = HookPoint { stack: StackName::Blocks, layer: 1, name: HookName::ResidPost };
        let put = |what, into| {
            let vectors = tensor(vec![8.0, 6.0], [1, 2]);
            let mut hooks = Patch {
                what: Some(what),
                patches: vec![(into, vectors), (None, tensor(vec![9.0, 9.0], [1, 2]))],
                place: 1,
            };
            hooks.wants(at).then(|| to_host(hooks.stream(at, &stream).unwrap()).unwrap())
        };
        let bias = put(PatchedWhat::Bias, Some(1)).unwrap();
        let expected = [1.0, 0.0, 2.4, 1.8, 1.0, 1.0, 0.0, 5.0];
        assert!(bias.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{bias:?}");
        let states = put(PatchedWhat::HiddenStates, Some(1)).unwrap();
        assert_eq!(states, [1.0, 0.0, 8.0, 6.0, 1.0, 1.0, 0.0, 5.0], "the other row is left as it is");
        assert!(put(PatchedWhat::Bias, Some(0)).is_none(), "another layer is not asked for");
    }
}
