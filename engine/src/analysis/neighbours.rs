//! Which tokens are nearest to a prefix's keys and values, and how near anything would be.
//!
//! Exact search over every row: the table is read once for all questions asked of it. The null of a list is threefold:
//! what the same cell was near to before training, how near the best token comes to random vectors of the cell's
//! norm, and the scores of the whole vocabulary.

use std::collections::VecDeque;

use burn::tensor::Tensor;

use super::bank::VocabularyBank;
use super::scan::{RANDOM_VECTORS, Scan, Table, sample_mean_sd};
use crate::error::{EngineError, Result};
use crate::message::{Metric, Neighbour, NeighbourList, Side};
use crate::nn::LayerKv;

/// One question: the vector at a position of a prefix.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Prefix position, from 0.
    pub position: usize,
    /// As wide as the table.
    pub vector: Vec<f32>,
    /// The same cell before training.
    pub initial: Option<Vec<f32>>,
}

/// A search over the cells of a prefix that advances by one layer per step.
#[derive(Debug)]
pub struct NeighbourSearch {
    layers: VecDeque<(usize, Vec<Cell>)>,
    side: Side,
    metric: Metric,
    top: usize,
}

impl NeighbourSearch {
    /// Takes the vectors off the device. Empty `layers` or `positions` are all of them.
    ///
    /// # Shapes
    /// - `prefix` and `initial`: one pair per layer, `[1, n_kv_heads, n_virtual, d_head]`
    ///
    /// # Errors
    /// - [`EngineError::Setting`] for a layer or position that is not there
    /// - [`EngineError::AdapterMismatch`] when the initial prefix has another shape
    pub fn new(
        prefix: &[LayerKv],
        initial: Option<&[LayerKv]>,
        layers: &[usize],
        positions: &[usize],
        side: Side,
        metric: Metric,
        top: usize,
    ) -> Result<Self> {
        let n_virtual = prefix.first().map_or(0, |slots| slots.key.dims()[2]);
        let layers = chosen(layers, prefix.len(), "layers")?;
        let positions = chosen(positions, n_virtual, "positions")?;
        let matches = |initial: &[LayerKv]| {
            initial.len() == prefix.len()
                && initial.iter().zip(prefix).all(|(initial, slots)| initial.key.dims() == slots.key.dims())
        };
        if initial.is_some_and(|initial| !matches(initial)) {
            let reason = "the values before training have another shape".to_owned();
            return Err(EngineError::AdapterMismatch { reason });
        }
        let vectors = |slots: &LayerKv| super::rows(if side == Side::Key { &slots.key } else { &slots.value });
        let layers = layers.into_iter().map(|layer| {
            let trained = vectors(&prefix[layer])?;
            let initial = initial.map(|initial| vectors(&initial[layer])).transpose()?;
            Ok((layer, cells(&trained, initial.as_deref(), &positions, n_virtual)))
        });
        Ok(Self { layers: layers.collect::<Result<_>>()?, side, metric, top })
    }

    /// Layers still to be searched.
    pub fn layers_left(&self) -> usize {
        self.layers.len()
    }

    /// The next layer's lists, one per position; `None` when all are done. `text` writes a token for people.
    ///
    /// # Errors
    /// [`EngineError::AdapterMismatch`] when the bank is that of a model of another shape.
    pub fn step(&mut self, bank: &VocabularyBank, text: &dyn Fn(u32) -> String) -> Result<Option<Vec<NeighbourList>>> {
        let Some((layer, cells)) = self.layers.pop_front() else {
            return Ok(None);
        };
        if layer >= bank.n_layers() || cells.iter().any(|cell| cell.vector.len() != bank.width()) {
            let reason = format!("the model has {} layers of width {}", bank.n_layers(), bank.width());
            return Err(EngineError::AdapterMismatch { reason });
        }
        let table = Table::Half(bank.table(layer, self.side));
        Ok(Some(nearest_tokens(table, layer, &cells, self.metric, self.top, text)))
    }
}

/// The nearest tokens of an embedding-level prompt, in the model's input embeddings. The lists' layer is 0.
///
/// # Shapes
/// - `embeddings`: `[vocab_size, d_model]`
/// - `prompt`, `initial`: `[n_virtual, d_model]`
///
/// # Errors
/// [`EngineError::AdapterMismatch`] when the widths differ, [`EngineError::Computation`] when the device fails.
pub fn nearest_in_embeddings(
    embeddings: &Tensor<2>,
    prompt: &Tensor<2>,
    initial: Option<&Tensor<2>>,
    metric: Metric,
    top: usize,
    text: &dyn Fn(u32) -> String,
) -> Result<Vec<NeighbourList>> {
    let ([_, d_model], [n_virtual, width]) = (embeddings.dims(), prompt.dims());
    if width != d_model || initial.is_some_and(|initial| initial.dims() != prompt.dims()) {
        let reason = format!("its vectors are {width} wide, the model's embeddings {d_model}");
        return Err(EngineError::AdapterMismatch { reason });
    }
    let table = super::to_host(embeddings.clone())?;
    let prompt = super::to_host(prompt.clone())?;
    let initial = initial.map(|initial| super::to_host(initial.clone())).transpose()?;
    let positions: Vec<usize> = (0..n_virtual).collect();
    let cells = cells(&prompt, initial.as_deref(), &positions, n_virtual);
    Ok(nearest_tokens(Table::Full(&table), 0, &cells, metric, top, text))
}

/// The nearest rows of a table to each cell, nearest first and the lower token first among equals, with their null.
/// The cosine with a zero vector is 0.
///
/// # Panics
/// When a vector is not as wide as the table's rows, given that all cells are equally wide.
pub fn nearest_tokens(
    table: Table<'_>,
    layer: usize,
    cells: &[Cell],
    metric: Metric,
    top: usize,
    text: &dyn Fn(u32) -> String,
) -> Vec<NeighbourList> {
    let Some(first) = cells.first() else {
        return Vec::new();
    };
    let width = first.vector.len();
    let trained = cells.iter().map(|cell| cell.vector.as_slice());
    let initial = cells.iter().filter_map(|cell| cell.initial.as_deref());
    let vectors: Vec<&[f32]> = trained.chain(initial).collect();
    let scan = Scan::new(table, width, &vectors, cells.len(), metric, top, layer as u64);
    let found = scan.run();

    let list = |query: usize| -> Vec<Neighbour> {
        let nearest = scan.exact(query, &found.best[query], top);
        nearest.into_iter().map(|(token, score)| Neighbour { token, text: text(token), score }).collect()
    };
    let mut next_initial = cells.len()..;
    let lists = cells.iter().enumerate().map(|(query, cell)| NeighbourList {
        layer,
        position: cell.position,
        nearest: list(query),
        initial: match cell.initial {
            Some(_) => list(next_initial.next().expect("an open range")),
            None => Vec::new(),
        },
        random_best: sample_mean_sd(&found.random_best[query * RANDOM_VECTORS..][..RANDOM_VECTORS]),
        vocabulary: found.moments[query].mean_sd(scan.n_rows),
    });
    lists.collect()
}

fn cells(trained: &[f32], initial: Option<&[f32]>, positions: &[usize], n_virtual: usize) -> Vec<Cell> {
    let width = trained.len() / n_virtual.max(1);
    let of = |vectors: &[f32], position: usize| vectors[position * width..][..width].to_vec();
    let cell = |&position: &usize| Cell {
        position,
        vector: of(trained, position),
        initial: initial.map(|initial| of(initial, position)),
    };
    positions.iter().map(cell).collect()
}

fn chosen(asked: &[usize], count: usize, field: &'static str) -> Result<Vec<usize>> {
    match asked.iter().find(|&&index| index >= count) {
        Some(index) => Err(EngineError::Setting { field, reason: format!("{index} is not below {count}") }),
        None if asked.is_empty() => Ok((0..count).collect()),
        None => Ok(asked.to_vec()),
    }
}

#[cfg(test)]
#[path = "neighbours_tests.rs"]
mod tests;
