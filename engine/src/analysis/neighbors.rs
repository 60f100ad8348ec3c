//! The tokens nearest to a prefix's keys and values, and whether they are nearer than by chance.
//!
//! Exact search over every row: the table is read once for all questions asked of it. A list is judged by the whole
//! vocabulary: how many standard deviations above the mean cosine a token lies, beside what the nearest of so many
//! reaches by chance. The measure only orders it. A dot product or a distance does not tell by itself, because long
//! vectors have large products with anything. What the cell was near to before training stands beside it as history.

use std::collections::VecDeque;
use std::rc::Rc;

use burn::tensor::Tensor;

use super::geometry::Geometry;
use super::scan::{Found, Near, Scan};
use super::table::Table;
use super::vocabulary_index::VocabularyIndex;
use crate::analysis::{Metric, Neighbor, NeighborList, Side, VocabularyScores};
use crate::error::{EngineError, Result};
use crate::nn::LayerKv;
use crate::sentence;

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

/// Cells whose cosines with the whole vocabulary are in memory at a time.
const BLOCK: usize = 32;

/// A search over the cells of a prefix that advances by one layer per step.
#[derive(Debug)]
pub struct NeighborSearch {
    /// Layers with all their cells.
    layers: VecDeque<(usize, Vec<Cell>)>,
    /// Positions that are asked for.
    positions: Vec<usize>,
    side: Side,
    metric: Metric,
    top: usize,
    /// Heads of keys and values, where each is searched by itself.
    heads: Option<usize>,
}

impl NeighborSearch {
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
            let reason = sentence!("the values before training have another shape");
            return Err(EngineError::AdapterMismatch { reason });
        }
        let vectors = |slots: &LayerKv| super::rows(if side == Side::Key { &slots.key } else { &slots.value });
        let layers = layers.into_iter().map(|layer| {
            let trained = vectors(&prefix[layer])?;
            let initial = initial.map(|initial| vectors(&initial[layer])).transpose()?;
            // All of them: what a token is near to is told by every slot of a layer.
            let all: Vec<usize> = (0..n_virtual).collect();
            Ok((layer, cells(&trained, initial.as_deref(), &all, n_virtual)))
        });
        Ok(Self { layers: layers.collect::<Result<_>>()?, positions, side, metric, top, heads: None })
    }

    /// The same for each of so many heads of keys and values by itself.
    pub fn per_head(self, n_kv_heads: usize) -> Self {
        Self { heads: Some(n_kv_heads.max(1)), ..self }
    }

    /// The layer that is searched next; `None` when all are done.
    pub fn next_layer(&self) -> Option<usize> {
        self.layers.front().map(|(layer, _)| *layer)
    }

    /// Layers still to be searched.
    pub fn layers_left(&self) -> usize {
        self.layers.len()
    }

    /// The next layer's lists, one per position and head, in the space of its table, which is asked for by layer, head and
    /// width; none when all are done. `text` writes a token for people.
    ///
    /// # Errors
    /// [`EngineError::AdapterMismatch`] when the index is that of a model of another shape.
    pub fn step(
        &mut self,
        index: &VocabularyIndex,
        mut geometry: impl FnMut((usize, Option<usize>), Table<'_>, usize) -> Rc<Geometry>,
        text: &dyn Fn(u32) -> String,
    ) -> Result<Vec<NeighborList>> {
        let Some((layer, cells)) = self.layers.pop_front() else {
            return Ok(Vec::new());
        };
        if layer >= index.n_layers() || cells.iter().any(|cell| cell.vector.len() != index.width()) {
            let reason = sentence!(
                "the model has {n_layers} layers of width {width}",
                n_layers = index.n_layers(),
                width = index.width()
            );
            return Err(EngineError::AdapterMismatch { reason });
        }
        let numbers = index.table(layer, self.side);
        let asked = |lists: Vec<NeighborList>| lists.into_iter().filter(|list| self.positions.contains(&list.position));
        let Some(n_heads) = self.heads else {
            let (table, cells) = (Table::Half(numbers), self.searched(cells));
            let geometry = geometry((layer, None), table, index.width());
            return Ok(asked(nearest_tokens(table, &geometry, layer, &cells, self.metric, self.top, text)).collect());
        };
        let width = index.width() / n_heads;
        let mut lists = Vec::new();
        for head in 0..n_heads {
            let table = Table::Part { numbers, stride: index.width(), first: head * width };
            let cells = self.searched(cells.iter().map(|cell| cell.part(head * width, width)).collect());
            let geometry = geometry((layer, Some(head)), table, width);
            let found = nearest_tokens(table, &geometry, layer, &cells, self.metric, self.top, text);
            lists.extend(asked(found).map(|list| NeighborList { head: Some(head), ..list }));
        }
        Ok(lists)
    }

    /// The cells that decide: those asked for, or all where each token is judged by how near it is to every slot.
    fn searched(&self, cells: Vec<Cell>) -> Vec<Cell> {
        if self.metric == Metric::Csls {
            return cells;
        }
        cells.into_iter().filter(|cell| self.positions.contains(&cell.position)).collect()
    }
}

impl Cell {
    /// Some of its numbers.
    fn part(&self, first: usize, width: usize) -> Self {
        let part = |vector: &[f32]| vector[first..first + width].to_vec();
        Self { position: self.position, vector: part(&self.vector), initial: self.initial.as_deref().map(part) }
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
    geometry: impl FnOnce(Table<'_>, usize) -> Rc<Geometry>,
    (metric, top): (Metric, usize),
    text: &dyn Fn(u32) -> String,
) -> Result<Vec<NeighborList>> {
    let ([_, d_model], [n_virtual, width]) = (embeddings.dims(), prompt.dims());
    if width != d_model || initial.is_some_and(|initial| initial.dims() != prompt.dims()) {
        let reason = sentence!("its vectors are {width} wide, the model's embeddings {d_model}", width, d_model);
        return Err(EngineError::AdapterMismatch { reason });
    }
    let table = super::to_host(embeddings.clone())?;
    let prompt = super::to_host(prompt.clone())?;
    let initial = initial.map(|initial| super::to_host(initial.clone())).transpose()?;
    let positions: Vec<usize> = (0..n_virtual).collect();
    let cells = cells(&prompt, initial.as_deref(), &positions, n_virtual);
    let table = Table::Full(&table);
    Ok(nearest_tokens(table, &geometry(table, width), 0, &cells, metric, top, text))
}

/// The nearest rows of a table to each cell, in a space that was made of the table: nearest first and the lower token
/// first among equals. The cosine with a zero vector is 0.
///
/// # Panics
/// When a vector is not as wide as the table's rows.
pub fn nearest_tokens(
    table: Table<'_>,
    geometry: &Geometry,
    layer: usize,
    cells: &[Cell],
    metric: Metric,
    top: usize,
    text: &dyn Fn(u32) -> String,
) -> Vec<NeighborList> {
    let hubs = |vectors: Vec<&[f32]>| match metric {
        Metric::Csls if !vectors.is_empty() => Scan::new(table, geometry, &vectors, metric, top).hubs(),
        _ => Vec::new(),
    };
    let trained = hubs(cells.iter().map(|cell| cell.vector.as_slice()).collect());
    let initial = hubs(cells.iter().filter_map(|cell| cell.initial.as_deref()).collect());
    let hubs = [trained.as_slice(), initial.as_slice()];
    let blocks = cells.chunks(BLOCK);
    blocks.flat_map(|cells| nearest_of_block(table, geometry, layer, cells, (metric, top, hubs), text)).collect()
}

fn nearest_of_block(
    table: Table<'_>,
    geometry: &Geometry,
    layer: usize,
    cells: &[Cell],
    (metric, top, [of_trained, of_initial]): (Metric, usize, [&[f32]; 2]),
    text: &dyn Fn(u32) -> String,
) -> Vec<NeighborList> {
    let trained = cells.iter().map(|cell| cell.vector.as_slice());
    let initial = cells.iter().filter_map(|cell| cell.initial.as_deref());
    let questions: Vec<&[f32]> = trained.chain(initial).collect();
    let hubs = (0..questions.len()).map(|question| if question < cells.len() { of_trained } else { of_initial });
    let scan = Scan::new(table, geometry, &questions, metric, top).less(hubs.collect());
    let mut found = scan.run();
    let mut before = found.split_off(cells.len()).into_iter().zip(cells.len()..);
    let neighbor = |near: &Near, vocabulary: &VocabularyScores, before: Option<f32>| Neighbor {
        token: near.row,
        text: text(near.row),
        score: near.score,
        z: vocabulary.z(near.cosine),
        before,
    };
    let list = |(cell, found): (&Cell, Found)| {
        let before = cell.initial.as_ref().and_then(|_| before.next());
        let z_before = |near: &Near| {
            before.as_ref().map(|(before, question)| before.vocabulary.z(scan.exact(*question, near.row).cosine))
        };
        let nearest = found.nearest.iter().map(|near| neighbor(near, &found.vocabulary, z_before(near))).collect();
        let initial = before
            .iter()
            .flat_map(|(before, _)| before.nearest.iter().map(|near| neighbor(near, &before.vocabulary, None)));
        let initial = initial.collect();
        NeighborList { layer, position: cell.position, head: None, nearest, initial, vocabulary: found.vocabulary }
    };
    cells.iter().zip(found).map(list).collect()
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
        Some(index) => {
            let reason = sentence!("number {index} is asked for, there are {count}", index = index + 1, count);
            Err(EngineError::Setting { field, reason })
        }
        None if asked.is_empty() => Ok((0..count).collect()),
        None => Ok(asked.to_vec()),
    }
}

#[cfg(test)]
#[path = "neighbors_tests.rs"]
mod tests;
