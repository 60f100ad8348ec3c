//! Initial values of a prefix, and of the network behind it.

use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::adapters::methods::fit::least_change;
use crate::adapters::methods::init::{InitContext, without_soft};
use crate::adapters::methods::prefix::{Demonstrations, Prefix, PrefixShape, PrefixSpec, PrefixState};
use crate::adapters::methods::prompt::frequent;
use crate::adapters::methods::{NamedShape, Spec};
use crate::adapters::parameters::{GradParams, Parameter};
use crate::config::{PrefixInit, Site};
use crate::data::Example;
use crate::error::{EngineError, Result};
use crate::models::Model;
use crate::nn::floats;
use crate::nn::{LayerKv, past_length};
use crate::random::normal;
use crate::{Sentence, sentence};

/// Sources of a prefix's initial values, beside the seed.
#[derive(Clone, Debug, Default)]
pub struct PrefixSource {
    /// Tokens of the text that is read: the one given, the most frequent tokens, the names of the classes, or rows.
    pub words: Vec<u32>,
    /// Rows of the training data whose keys and values give [`PrefixInit::ScaledRandom`] its scale.
    pub rows: Vec<TargetRow>,
    /// The prefix for [`PrefixInit::Adapter`], of the site's layers and heads.
    pub adapter: Option<PrefixState>,
}

/// The tokens of a row.
#[derive(Clone, Debug, Default)]
pub struct TargetRow {
    /// Tokens that an encoder reads; empty where there is none.
    pub source: Vec<u32>,
    /// Tokens that the model goes on with or writes.
    pub tokens: Vec<u32>,
}

/// The model of a prefix.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The model.
    pub model: &'a Model,
    /// Where it is.
    pub device: &'a Device,
}

/// Most tokens of a row that are looked at for the scale.
const LONGEST_ROW: usize = 64;

/// Rows that give the initial values their scale.
const ROWS_FOR_SCALE: usize = 16;

impl PrefixSource {
    /// Takes from a run the sources that a prefix at a site needs.
    fn of(spec: &PrefixSpec, from: &InitContext<'_>) -> Result<Self> {
        let mut target = Self::default();
        match &spec.config.init {
            PrefixInit::Words { text } | PrefixInit::Prefill { text } => target.words = (from.encode)(text)?,
            PrefixInit::Demonstrations { shots } => {
                target.words = Demonstrations::read(from.rows, *shots, from.begin)?.tokens;
            }
            PrefixInit::Frequent => {
                target.words = frequent(from.rows)?;
            }
            PrefixInit::Classes => {
                for class in from.class_names()? {
                    target.words.extend((from.encode)(&class)?);
                }
            }
            PrefixInit::Adapter { path } => {
                target.adapter = from.warm_start.at(path)?.prefix_at(spec.site).cloned();
            }
            PrefixInit::ScaledRandom => {
                let row =
                    |row: &Example| TargetRow { source: without_soft(&row.source), tokens: without_soft(&row.tokens) };
                target.rows = from.rows.read(0..from.rows.len().min(ROWS_FOR_SCALE))?.iter().map(row).collect();
            }
            PrefixInit::Random
            | PrefixInit::Zero
            | PrefixInit::Uniform { .. }
            | PrefixInit::Common { .. }
            | PrefixInit::Vocabulary => {}
        }
        Ok(target)
    }
}

impl Prefix {
    /// A prefix with the initial values of a run.
    ///
    /// # Errors
    /// As [`Prefix::initialize`].
    pub(super) fn initial(spec: &PrefixSpec, from: &InitContext<'_>) -> Result<Self> {
        let place = Place { model: from.model, device: from.device };
        Self::initialize(spec.clone(), &PrefixSource::of(spec, from)?, place, from.seed)
    }

    /// A prefix with its initial values. With a reparameterization the network is first drawn as torch draws it and its
    /// last layer then fitted to the wanted keys and values (except for [`PrefixInit::Random`], which is PEFT's).
    ///
    /// # Errors
    /// There is no text or row to start from, or the device failed.
    pub fn initialize(spec: PrefixSpec, target: &PrefixSource, place: Place<'_>, seed: u64) -> Result<Self> {
        let device = place.device;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        // Where a model has several sites, each draws numbers of its own.
        random.set_stream(match (place.model, spec.site) {
            (Model::Causal(_) | Model::Encoder(_), _) | (_, Site::Decoder) => 0,
            (_, Site::Encoder) => 1,
            (_, Site::Cross) => 2,
        });
        let wanted = target_values(&spec, target, place, (seed, &mut random))?;
        let mut d_in = 1;
        let drawn = |(name, size): NamedShape| {
            // A bias has the bound of its weight, which stands before it.
            d_in = if size.len() == 2 { size[1] } else { d_in };
            let values = draw(&name, &size, d_in, &mut random);
            Parameter::new(name, size, values, device)
        };
        let parameters = spec.parameter_shapes().into_iter().chain(spec.fixed_shapes()).map(drawn).collect();
        let mut prefix = Self::new(spec, parameters);
        if let Some(wanted) = wanted {
            prefix.start_from(&prefix.select_layers(wanted), device)?;
        }
        Ok(prefix)
    }

    /// Makes the prefix equal to `flat`: copied, or fitted with the last layer of the network.
    fn start_from(&mut self, flat: &[f32], device: &Device) -> Result<()> {
        let (n, n_frozen) = (self.spec.shape.n_virtual, self.spec.config.n_frozen);
        let row = self.spec.trained_shape().row();
        if n_frozen > 0 {
            let (frozen, trained) = flat.split_at(n_frozen * row);
            let n_trained = n - n_frozen;
            self.frozen = vec![Parameter::new("frozen_embedding", [n_frozen, row], frozen.to_vec(), device)];
            self.parameters[0] = Parameter::new("trainable_embedding", [n_trained, row], trained.to_vec(), device);
            return Ok(());
        }
        let Some(hidden) = self.last_hidden(&GradParams::detached(&self.parameters)) else {
            self.parameters[0] = Parameter::new("embedding.weight", [n, row], flat.to_vec(), device);
            return Ok(());
        };
        let [_, width] = hidden.dims();
        let residual: Vec<f32> = flat.iter().zip(&self.trained_flat()?).map(|(want, have)| want - have).collect();
        let change = least_change(&floats(hidden)?, &residual, n, width);
        let last = self.parameters.len() - 2;
        let weights = self.parameters[last].to_vec()?.iter().zip(&change).map(|(w, d)| w + d).collect();
        self.parameters[last] = Parameter::new(self.parameters[last].name.clone(), [row, width], weights, device);
        Ok(())
    }
}

/// The flat prefix that training should start from; `None` where the drawn parameters are the start.
fn target_values(
    spec: &PrefixSpec,
    target: &PrefixSource,
    place: Place<'_>,
    (seed, random): (u64, &mut ChaCha8Rng),
) -> Result<Option<Vec<f32>>> {
    let PrefixSpec { site, shape, ref config } = *spec;
    let kept = |tokens: Vec<u32>| {
        let row = TargetRow { source: tokens.clone(), tokens };
        let seen = PrefixShape { n_virtual: row.tokens.len(), ..shape };
        let mut flat = seen.flatten(&keys_and_values_of(place, site, &row))?;
        flat.truncate(shape.stored());
        Ok(Some(flat))
    };
    match &config.init {
        PrefixInit::Random if config.n_frozen > 0 => Ok(Some((0..shape.stored()).map(|_| normal(random)).collect())),
        PrefixInit::Random => Ok(None),
        PrefixInit::Uniform { bound } => {
            let bound = *bound as f32;
            Ok(Some((0..shape.stored()).map(|_| random.random_range(-bound..=bound)).collect()))
        }
        PrefixInit::Zero => Ok(Some(vec![0.0; shape.stored()])),
        PrefixInit::Adapter { .. } => {
            let missing = || EngineError::Setting {
                field: "method.init.path",
                reason: sentence!("the adapter has no prefix for the {site}", site),
            };
            let PrefixState { flat, .. } = target.adapter.as_ref().ok_or_else(missing)?;
            Ok(Some(flat.iter().copied().cycle().take(shape.stored()).collect()))
        }
        init @ (PrefixInit::Words { .. }
        | PrefixInit::Prefill { .. }
        | PrefixInit::Demonstrations { .. }
        | PrefixInit::Vocabulary
        | PrefixInit::Common { .. }
        | PrefixInit::Frequent
        | PrefixInit::Classes) => kept(text_for(init, shape, target, place.model, seed)?),
        PrefixInit::ScaledRandom => {
            let scales = scales((site, shape), &target.rows, place)?;
            let channel = |i: usize| scales[i % shape.row()];
            let value = |i| {
                let (mean, deviation) = channel(i);
                mean + deviation * normal(random)
            };
            Ok(Some((0..shape.stored()).map(value).collect()))
        }
    }
}

/// The stream of the seed that tokens are drawn from, the same for every site: what a model with an encoder is read is one
/// text.
const TOKENS: u64 = 1 << 43;

/// The text whose keys and values are the start: as long as the prefix, or longer where its beginning is taken.
fn text_for(
    init: &PrefixInit,
    shape: PrefixShape,
    target: &PrefixSource,
    model: &Model,
    seed: u64,
) -> Result<Vec<u32>> {
    let PrefixShape { n_virtual, .. } = shape;
    let words = &target.words;
    let missing = |field, reason: Sentence| Err(EngineError::Setting { field, reason });
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(TOKENS);
    let [vocab_size, _] = model.embeddings().dims();
    let first = if let PrefixInit::Common { first } = init { (*first).clamp(1, vocab_size) } else { vocab_size };
    let drawn = std::iter::from_fn(|| Some(random.random_range(0..first as u32)));
    match init {
        PrefixInit::Words { .. } if words.is_empty() => {
            missing("method.init.text", sentence!("the text to start from is empty"))
        }
        PrefixInit::Prefill { .. } if words.len() < n_virtual => {
            let reason = sentence!(
                "the text has {n_words} tokens, and the prefix {n_virtual}",
                n_words = words.len(),
                n_virtual
            );
            missing("method.init.text", reason)
        }
        PrefixInit::Demonstrations { .. } if words.len() < n_virtual => {
            let reason = sentence!(
                "the demonstrations have {n_words} tokens, and the prefix {n_virtual}: read more rows, or take fewer slots",
                n_words = words.len(),
                n_virtual
            );
            missing("method.init.shots", reason)
        }
        PrefixInit::Frequent if words.is_empty() => {
            missing("method.init", sentence!("there are no rows to count tokens in"))
        }
        PrefixInit::Classes if words.is_empty() => {
            missing("method.init", sentence!("the task has no classes whose names could be taken"))
        }
        PrefixInit::Prefill { .. } | PrefixInit::Demonstrations { .. } => {
            Ok(words[..words.len().min(model.shape().n_positions)].to_vec())
        }
        PrefixInit::Vocabulary | PrefixInit::Common { .. } | PrefixInit::Classes => {
            Ok(words.iter().copied().chain(drawn).take(n_virtual).collect())
        }
        _ => Ok(words.iter().copied().cycle().take(n_virtual).collect()),
    }
}

/// Mean and standard deviation of each channel of real keys and values, in the order of a row of the flat prefix.
fn scales((site, shape): (Site, PrefixShape), rows: &[TargetRow], place: Place<'_>) -> Result<Vec<(f32, f32)>> {
    let mut sums = vec![(0.0_f64, 0.0_f64); shape.row()];
    let mut count = 0;
    for row in rows.iter().filter(|row| !row.tokens.is_empty()) {
        let begin = |tokens: &[u32]| tokens[..tokens.len().min(LONGEST_ROW)].to_vec();
        let row = TargetRow { source: begin(&row.source), tokens: begin(&row.tokens) };
        let layers = keys_and_values_of(place, site, &row);
        let seen = past_length(Some(&layers));
        let flat = PrefixShape { n_virtual: seen, ..shape }.flatten(&layers)?;
        for (i, value) in flat.into_iter().enumerate() {
            let (sum, squares) = &mut sums[i % shape.row()];
            *sum += f64::from(value);
            *squares += f64::from(value) * f64::from(value);
        }
        count += seen;
    }
    if count == 0 {
        return Err(EngineError::Setting {
            field: "method.init",
            reason: sentence!("there is no text to take the scale of keys and values from"),
        });
    }
    let n = count as f64;
    let scale = |(sum, squares): (f64, f64)| {
        let mean = sum / n;
        (mean as f32, (squares / n - mean * mean).max(0.0).sqrt() as f32)
    };
    Ok(sums.into_iter().map(scale).collect())
}

/// Keys and values of a row that stands alone, one pair per layer of the site, `[1, n_kv_heads, seq, d_head]`.
fn keys_and_values_of(place: Place<'_>, site: Site, row: &TargetRow) -> Vec<LayerKv> {
    let text = |tokens: &[u32]| {
        let ids: Vec<i32> = tokens.iter().map(|&token| token.cast_signed()).collect();
        let shape = [1, ids.len()];
        Tensor::<2, Int>::from_data(TensorData::new(ids, shape), place.device)
    };
    // A device may refuse a tensor without numbers.
    let source = if row.source.is_empty() { &row.tokens } else { &row.source };
    place.model.keys_and_values(site, text(source), text(&row.tokens))
}

/// As torch draws them: embeddings N(0, 1), linear layers uniform in ±1/sqrt(d_in).
fn draw(name: &str, shape: &[usize], d_in: usize, random: &mut ChaCha8Rng) -> Vec<f32> {
    let n = shape.iter().product();
    if name.contains("embedding") {
        return (0..n).map(|_| normal(random)).collect();
    }
    let bound = (d_in as f32).sqrt().recip();
    (0..n).map(|_| random.random_range(-bound..bound)).collect()
}
