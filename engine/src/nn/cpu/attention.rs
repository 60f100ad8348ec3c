//! Attention on the CPU: each head of each text apart, in tiles of queries, on the buffers as they are.
//!
//! Heads are strided views of `qkv` and of the output, so nothing is permuted or copied, and a causal tile ends at the
//! last key that its queries see. The backward computes each tile's pattern again from the saved log-sum-exp.

use rayon::prelude::*;

use super::buffer::Buffer;
use super::lanes::{exp, max, sum, vectorized};
use super::matrix::{Matrix, MatrixMut, Onto, product_here};
use super::softcap;
use crate::nn::attention::AttentionShape;

/// Scores of a tile: they stay in the second-level cache.
const TILE_SCORES: usize = 64 * 1024;

/// Below this many multiplications threads cost more than they give.
const WORTH_THREADS: usize = 1 << 19;

/// One call: views of what attention reads.
pub(super) struct Attention<'a> {
    pub(super) shape: &'a AttentionShape,
    pub(super) batch: usize,
    pub(super) seq: usize,
    pub(super) n_past: usize,
    /// `[batch, seq, width]`, dense
    pub(super) qkv: &'a [f32],
    pub(super) past: Option<[PastView<'a>; 2]>,
    /// `[batch, kv]`, dense
    pub(super) key_mask: Option<&'a [f32]>,
    pub(super) bias: Option<Bias<'a>>,
}

/// Bias on the scores, `[1 or batch, 1 or n_heads, 1 or seq, kv]`, dense.
#[derive(Clone, Copy)]
pub(super) struct Bias<'a> {
    data: &'a [f32],
    kv: usize,
    /// Of batch, head and query; 0 where all share.
    strides: [usize; 3],
}

impl<'a> Bias<'a> {
    pub(super) fn new(data: &'a [f32], [batch, n_heads, seq, kv]: [usize; 4]) -> Self {
        let stride = |n: usize, stride: usize| if n == 1 { 0 } else { stride };
        let strides = [stride(batch, n_heads * seq * kv), stride(n_heads, seq * kv), stride(seq, kv)];
        Self { data, kv, strides }
    }

    /// Onto the scores of a tile whose first query is `first`, `width` keys wide.
    fn add_to(self, scores: &mut [f32], width: usize, text: usize, head: usize, first: usize) {
        let [of_text, of_head, of_query] = self.strides;
        for (i, row) in scores.chunks_exact_mut(width).enumerate() {
            let bias = &self.data[text * of_text + head * of_head + (first + i) * of_query..][..self.kv];
            row.iter_mut().zip(bias).for_each(|(score, bias)| *score += bias);
        }
    }
}

/// Past keys or values `[batch, n_kv_heads, n_past, d_head]`, neighbors along `d_head` only.
#[derive(Clone, Copy)]
pub(super) struct PastView<'a> {
    pub(super) data: &'a [f32],
    /// Of batch (0 where the batch shares it), head and position.
    pub(super) strides: [usize; 3],
}

/// Keys or values of one head of one text: the past's, if there is one, and the text's own.
#[derive(Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) past: Option<Matrix<'a>>,
    pub(super) text: Option<Matrix<'a>>,
}

impl<'a> Attention<'a> {
    pub(super) fn width(&self) -> usize {
        self.shape.width()
    }

    pub(super) fn kv(&self) -> usize {
        self.n_past + self.n_text()
    }

    /// Keys of the text.
    fn n_text(&self) -> usize {
        self.shape.n_text(self.seq)
    }

    /// The bias onto the scores of a tile, which are within their bounds already.
    pub(super) fn add_bias(&self, scores: &mut [f32], width: usize, text: usize, head: usize, first: usize) {
        if let Some(bias) = self.bias {
            bias.add_to(scores, width, text, head, first);
        }
    }

    /// Queries of a tile.
    pub(super) fn tile(&self) -> usize {
        (TILE_SCORES / self.kv().max(1)).clamp(16, 64)
    }

    /// Runs the tasks on all threads, or right here when there is too little to do in them.
    pub(super) fn each<T: Send>(&self, tasks: Vec<T>, work: impl Fn(usize, T) + Sync) {
        let cost = self.batch * self.shape.n_heads * self.seq * self.kv() * self.shape.d_head;
        if cost < WORTH_THREADS {
            tasks.into_iter().enumerate().for_each(|(index, task)| work(index, task));
        } else {
            tasks.into_par_iter().enumerate().for_each(|(index, task)| work(index, task));
        }
    }

    /// Column block `block` of one text's rows in `qkv`, `[seq, d_head]`.
    fn columns(&self, text: usize, block: usize) -> Matrix<'a> {
        let (width, d_head) = (self.width(), self.shape.d_head);
        let start = text * self.seq * width + block * d_head;
        Matrix::new(&self.qkv[start..], [self.seq, d_head], [width, 1])
    }

    pub(super) fn query(&self, text: usize, head: usize) -> Matrix<'a> {
        self.columns(text, head)
    }

    pub(super) fn key(&self, text: usize, kv_head: usize) -> Head<'a> {
        self.head(text, kv_head, 0, self.shape.n_heads)
    }

    pub(super) fn value(&self, text: usize, kv_head: usize) -> Head<'a> {
        self.head(text, kv_head, 1, self.shape.n_heads + self.shape.n_kv_heads)
    }

    fn head(&self, text: usize, kv_head: usize, which: usize, first_block: usize) -> Head<'a> {
        let past = self.past.map(|past| {
            let [of_text, of_head, of_position] = past[which].strides;
            let data = &past[which].data[text * of_text + kv_head * of_head..];
            Matrix::new(data, [self.n_past, self.shape.d_head], [of_position, 1])
        });
        let text = (!self.shape.is_cross).then(|| self.columns(text, first_block + kv_head));
        Head { past, text }
    }

    pub(super) fn mask(&self, text: usize) -> Option<&'a [f32]> {
        self.key_mask.map(|mask| &mask[text * self.kv()..][..self.kv()])
    }

    /// The text keys that some query before `end` sees.
    pub(super) fn text_seen(&self, end: usize) -> usize {
        if self.shape.causal { end } else { self.n_text() }
    }

    /// The keys that query `first` of a tile sees, and by how many that grows from query to query.
    pub(super) fn seen(&self, first: usize) -> (usize, usize) {
        if self.shape.causal { (self.n_past + first + 1, 1) } else { (self.kv(), 0) }
    }

    /// Writes the output `[batch, seq, n_heads * d_head]` and the log-sum-exp `[batch, n_heads, seq]`.
    pub(super) fn forward(&self, output: &mut [f32], log_sum_exp: &mut [f32]) {
        let (heads, d_head) = (self.shape.n_heads, self.shape.d_head);
        if self.seq == 0 || self.batch == 0 {
            return;
        }
        let outputs = output
            .chunks_exact_mut(self.seq * heads * d_head)
            .flat_map(|text| MatrixMut::dense(text, self.seq, heads * d_head).split_columns(d_head));
        let tasks: Vec<_> = outputs.zip(log_sum_exp.chunks_exact_mut(self.seq)).collect();
        self.each(tasks, |task, (mut output, log_sum_exp)| {
            self.forward_head(task / heads, task % heads, &mut output, log_sum_exp);
        });
    }

    fn forward_head(&self, text: usize, head: usize, output: &mut MatrixMut<'_>, log_sum_exp: &mut [f32]) {
        let kv_head = head / (self.shape.n_heads / self.shape.n_kv_heads);
        let (key, value) = (self.key(text, kv_head), self.value(text, kv_head));
        let query = self.query(text, head);
        let tile = self.tile();
        let mut scratch = Buffer::any(tile * self.kv());
        let mut sums = vec![0.0; tile];
        for start in (0..self.seq).step_by(tile) {
            let end = (start + tile).min(self.seq);
            let text_seen = self.text_seen(end);
            let width = self.n_past + text_seen;
            let scores = &mut scratch[..(end - start) * width];
            let tile_scores = MatrixMut::dense(scores, end - start, width);
            times_transposed(tile_scores, self.shape.scale, query.rows(start..end), key, self.n_past);
            if let Some(cap) = self.shape.softcap {
                softcap::cap(scores, cap);
            }
            self.add_bias(scores, width, text, head, start);
            softmax(scores, width, self.seen(start), self.mask(text), &mut log_sum_exp[start..end], &mut sums);
            let pattern = Matrix::dense(scores, end - start, width);
            let mut output = output.rows_mut(start..end);
            times(output.again(), pattern, value, self.n_past);
            for (row, &sum) in sums.iter().enumerate().take(end - start) {
                let factor = if sum == 0.0 { 0.0 } else { 1.0 / sum };
                output.row_mut(row).iter_mut().for_each(|out| *out *= factor);
            }
        }
    }
}

/// `out = scale · query · keyᵀ`, the past's columns before the text's.
pub(super) fn times_transposed(mut out: MatrixMut<'_>, scale: f32, query: Matrix<'_>, key: Head<'_>, n_past: usize) {
    let [_, width] = out.shape();
    if let Some(past) = key.past {
        let out = out.columns_mut(0..n_past);
        product_here(out, Onto::Fresh, scale, query, past.transposed());
    }
    if let Some(text) = key.text.filter(|_| width > n_past) {
        let text = text.rows(0..width - n_past);
        let out = out.columns_mut(n_past..width);
        product_here(out, Onto::Fresh, scale, query, text.transposed());
    }
}

/// `out = pattern · value`, the pattern's first `n_past` columns against the past.
pub(super) fn times(mut out: MatrixMut<'_>, pattern: Matrix<'_>, value: Head<'_>, n_past: usize) {
    let [_, width] = pattern.shape();
    let mut onto = Onto::Fresh;
    if let Some(past) = value.past {
        product_here(out.again(), onto, 1.0, pattern.columns(0..n_past), past);
        onto = Onto::Sum;
    }
    if let Some(text) = value.text {
        product_here(out, onto, 1.0, pattern.columns(n_past..width), text.rows(0..width - n_past));
    }
}

vectorized! {
    /// Each row of scores becomes `e^(score - max)`, 0 where hidden; its sum and log-sum-exp come out. Row `i` sees
    /// the first `seen + i * step` keys, less the masked.
    fn softmax(
        scores: &mut [f32],
        width: usize,
        seen: (usize, usize),
        mask: Option<&[f32]>,
        log_sum_exp: &mut [f32],
        sums: &mut [f32],
    ) {
        let rows = scores.chunks_exact_mut(width).zip(log_sum_exp).zip(sums);
        for (i, ((row, log_sum_exp), total)) in rows.enumerate() {
            let (row, hidden) = row.split_at_mut(seen.0 + i * seen.1);
            hidden.fill(0.0);
            hide(row, mask);
            let most = max(row);
            // No key to see, or nothing but NaN, which the exponential then shows.
            let most = if most == f32::NEG_INFINITY { 0.0 } else { most };
            for score in row.iter_mut() {
                *score = exp(*score - most);
            }
            let row = &*row;
            *total = sum(row.len(), |i| row[i]);
            *log_sum_exp = if *total == 0.0 { f32::INFINITY } else { most + total.ln() };
        }
    }
}

/// Scores of masked keys become `-inf`.
#[inline(always)]
pub(super) fn hide(row: &mut [f32], mask: Option<&[f32]>) {
    if let Some(mask) = mask {
        for (score, &mask) in row.iter_mut().zip(mask) {
            *score = if mask > 0.5 { *score } else { f32::NEG_INFINITY };
        }
    }
}
