//! Where an adapter's slots lie: keys or values of a prefix by layer, embeddings of a soft prompt, and the vectors of the
//! whole vocabulary beside them.

use super::sites::{SiteStack, index_name};
use super::subject::Subject;
use super::table::Table;
use super::vocabulary::{VocabularyBuilder, VocabularyStep};
use super::vocabulary_index::VocabularyIndex;
use super::{rows, to_host};
use crate::adapters::AdapterState;
use crate::analysis::Side;
use crate::error::{EngineError, Result};
use crate::models::{KvSource, Model};
use crate::nn::LayerKv;
use crate::sentence;

/// The slots of a layer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SlotLayer {
    /// Number among all layers of all sites of the adapter, from 0.
    pub(super) layer: usize,
    /// As people read it: `blocks.3`, or `encoder.3` where a model has several stacks.
    pub(super) name: String,
    /// By position; all equally wide.
    pub(super) vectors: Vec<Vec<f32>>,
}

/// Whether an adapter has slots at all.
pub(super) fn has_slots(adapter: &AdapterState) -> bool {
    adapter.n_virtual() > 0 && (adapter.prefixes().next().is_some() || adapter.prompt().is_some())
}

/// Whether the slots are embeddings in the text, which have no layers and no sides.
pub(super) fn is_prompt(adapter: &AdapterState) -> bool {
    adapter.sites().is_empty() && adapter.prompt().is_some()
}

/// The slots of the layers that have some; those of a soft prompt are one layer.
///
/// # Errors
/// The adapter has no slots, or the device failed.
pub(super) fn slots(adapter: &AdapterState, side: Side, subject: &Subject) -> Result<Vec<SlotLayer>> {
    if !has_slots(adapter) {
        let reason = sentence!("it has neither a prefix nor a soft prompt, and so no slots that lie anywhere");
        return Err(EngineError::Setting { field: "adapter", reason });
    }
    if let (true, Some(prompt)) = (is_prompt(adapter), adapter.prompt()) {
        let vectors = prompt.values.chunks_exact(prompt.width).take(prompt.n_virtual).map(<[f32]>::to_vec).collect();
        return Ok(vec![SlotLayer { layer: 0, name: "embeddings".to_owned(), vectors }]);
    }
    let own = adapter.prefixed_layers();
    let (mut layers, mut first) = (Vec::new(), 0);
    let one_stack = !matches!(*subject.model.model, Model::Seq2Seq(_));
    for prefix in adapter.prefixes() {
        for (number, LayerKv { key, value }) in prefix.layers(&subject.model.device).into_iter().enumerate() {
            let layer = first + number;
            if own.as_ref().is_some_and(|own| !own.contains(&layer)) {
                continue;
            }
            let slots = if side == Side::Key { key } else { value };
            let [_, n_kv_heads, n, d_head] = slots.dims();
            let vectors = match n {
                0 => Vec::new(),
                _ => rows(&slots)?.chunks_exact(n_kv_heads * d_head).map(<[f32]>::to_vec).collect(),
            };
            let name = if one_stack { "blocks" } else { prefix.site.name() };
            layers.push(SlotLayer { layer, name: format!("{name}.{number}"), vectors });
        }
        first += prefix.shape.n_layers;
    }
    Ok(layers)
}

/// The slots of another adapter of the same model in the same layers, where it has as wide ones.
///
/// # Errors
/// It has no slots, or in no layer of these.
pub(super) fn same_layers(
    other: &AdapterState,
    own: &[SlotLayer],
    side: Side,
    subject: &Subject,
) -> Result<Vec<(usize, SlotLayer)>> {
    let width = |layer: &SlotLayer| layer.vectors.first().map_or(0, Vec::len);
    let theirs = match is_prompt(other) == is_prompt(&subject.adapter) {
        true => slots(other, side, subject)?,
        false => Vec::new(),
    };
    let both = own.iter().enumerate().filter_map(|(index, layer)| {
        let same = theirs.iter().find(|other| other.name == layer.name && width(other) == width(layer))?;
        Some((index, same.clone()))
    });
    let both: Vec<(usize, SlotLayer)> = both.collect();
    if both.is_empty() {
        let reason = sentence!("the two have no layer in which both have slots of one width");
        return Err(EngineError::Setting { field: "other", reason });
    }
    Ok(both)
}

/// The vectors of every token, which slots are among.
#[derive(Debug, Default)]
pub(super) enum Vocabulary {
    /// Nobody asked yet.
    #[default]
    Unopened,
    /// Keys and values are being computed; the share that is done.
    Building(Box<VocabularyBuilder>, f32),
    /// Keys and values.
    Index(VocabularyIndex),
    /// Embeddings, row by row, and their width.
    Embeddings(Vec<f32>, usize),
}

impl Vocabulary {
    /// Does a bounded piece of work; whether the vectors are there.
    ///
    /// # Errors
    /// The index cannot be read or written, or the device failed.
    pub(super) fn step(&mut self, subject: &Subject) -> Result<bool> {
        let model = &subject.model;
        let sites = subject.adapter.sites();
        *self = match std::mem::take(self) {
            Self::Unopened if is_prompt(&subject.adapter) => {
                let embeddings = model.model.embeddings().dense();
                let [_, width] = embeddings.dims();
                Self::Embeddings(to_host(embeddings)?, width)
            }
            Self::Unopened => {
                let cache = model.cache.clone().unwrap_or_else(std::env::temp_dir);
                let stack = SiteStack::new(&model.model, &sites);
                let builder = VocabularyBuilder::new(&cache, stack.sizes(), &index_name(model, &sites));
                Self::Building(Box::new(builder), 0.0)
            }
            Self::Building(mut builder, _) => match builder.step(&SiteStack::new(&model.model, &sites))? {
                VocabularyStep::Share(share) => Self::Building(builder, share),
                VocabularyStep::Done(index) => Self::Index(index),
            },
            there => there,
        };
        Ok(matches!(self, Self::Index(_) | Self::Embeddings(..)))
    }

    /// The share of the work that is done.
    pub(super) fn share(&self) -> f32 {
        match self {
            Self::Unopened => 0.0,
            Self::Building(_, share) => *share,
            Self::Index(_) | Self::Embeddings(..) => 1.0,
        }
    }

    /// The vectors of a layer and their width; nothing as long as they are not there.
    pub(super) fn table(&self, layer: usize, side: Side) -> (Table<'_>, usize) {
        match self {
            Self::Index(index) => (Table::Half(index.table(layer, side)), index.width()),
            Self::Embeddings(numbers, width) => (Table::Full(numbers), *width),
            Self::Unopened | Self::Building(..) => (Table::Full(&[]), 1),
        }
    }
}

/// Tokens evenly spread over a vocabulary, with their vectors.
pub(super) fn sample((table, width): (Table<'_>, usize), count: usize) -> Vec<(u32, Vec<f32>)> {
    let n_rows = table.n_rows(width);
    let count = count.min(n_rows);
    let token = |index: usize| {
        let row = index * n_rows / count.max(1);
        let mut vector = vec![0.0; width];
        table.read_row(row, &mut vector);
        (row as u32, vector)
    };
    (0..count).map(token).collect()
}

/// The cosine of two vectors from a place; 0 where one of them lies there, or is no number.
pub(super) fn cosine(a: &[f32], b: &[f32], origin: &[f32]) -> f64 {
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for ((&a, &b), &origin) in a.iter().zip(b).zip(origin) {
        let (a, b) = (f64::from(a) - f64::from(origin), f64::from(b) - f64::from(origin));
        (ab, aa, bb) = (ab + a * b, aa + a * a, bb + b * b);
    }
    let cosine = ab / (aa * bb).sqrt();
    if cosine.is_finite() { cosine } else { 0.0 }
}

/// Mean and standard deviation.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The standard deviation.
    pub sd: f64,
}

impl Spread {
    /// Of some numbers; zeros of none.
    pub(super) fn of(numbers: &[f64]) -> Self {
        let n = numbers.len().max(1) as f64;
        let mean = numbers.iter().sum::<f64>() / n;
        let sd = (numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
        Self { mean, sd }
    }
}
