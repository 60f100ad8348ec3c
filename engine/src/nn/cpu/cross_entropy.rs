//! The loss at the labels on the CPU: blocks of the vocabulary, a running softmax over them, and the gradient of each
//! row in the same pass.

use rayon::prelude::*;

use super::buffer::Buffer;
use super::lanes::{exp, max, sum, vectorized};
use super::matrix::{Matrix, MatrixMut, Onto};
use super::row_source::{Part as _, RowSource};
use super::softcap;

/// Rows that share a pass over the head.
const ROWS: usize = 1024;

/// Logits that exist at a time.
const LOGITS: usize = 1 << 19;

/// The question of each row, and the changes to its logits.
#[derive(Clone, Copy)]
pub(super) struct Labels<'a> {
    /// The target of each row.
    pub(super) targets: &'a [usize],
    /// Added to the logits, `[vocab_size]`.
    pub(super) bias: Option<&'a [f32]>,
    /// Bound of the logits.
    pub(super) softcap: Option<f32>,
}

/// State of a row after some blocks of the vocabulary.
#[derive(Clone, Copy)]
struct Running {
    target: usize,
    at_target: f32,
    /// Largest logit so far.
    max: f32,
    /// `Σ e^(logit - max)` so far.
    sum: f32,
}

/// The loss of each row, `[n]`, and with `with_grad` its gradient `[n, d_model]`.
///
/// `hidden [n, d_model]`, `head [vocab_size, d_model]` however it is kept.
pub(super) fn cross_entropy_at_labels(
    hidden: Matrix<'_>,
    head: impl RowSource,
    labels: Labels<'_>,
    with_grad: bool,
) -> (Buffer, Option<Buffer>) {
    let [n, d_model] = hidden.shape();
    let mut loss = Buffer::any(n);
    let mut grad = with_grad.then(|| Buffer::any(n * d_model));
    for start in (0..n).step_by(ROWS) {
        let end = (start + ROWS).min(n);
        let grad = grad.as_mut().map(|grad| &mut grad[start * d_model..end * d_model]);
        let labels = Labels { targets: &labels.targets[start..end], ..labels };
        block_of_rows(&mut loss[start..end], grad, hidden.rows(start..end), head, labels);
    }
    (loss, grad)
}

fn block_of_rows(
    loss: &mut [f32],
    mut grad: Option<&mut [f32]>,
    hidden: Matrix<'_>,
    head: impl RowSource,
    Labels { targets, bias, softcap }: Labels<'_>,
) {
    let [rows, d_model] = hidden.shape();
    let [vocab_size, _] = head.shape();
    let block = (LOGITS / rows).next_multiple_of(64).min(head.most_rows()).min(vocab_size);
    let mut scratch = Buffer::any(rows * block);
    let mut wide = Vec::new();
    let mut running: Vec<Running> = targets
        .iter()
        .map(|&target| {
            assert!(target < vocab_size, "a target is a token of the vocabulary");
            Running { target, at_target: f32::NAN, max: f32::NEG_INFINITY, sum: 0.0 }
        })
        .collect();
    for start in (0..vocab_size).step_by(block) {
        let width = block.min(vocab_size - start);
        let part = head.part(start..start + width, &mut wide);
        let logits = &mut scratch[..rows * width];
        let out = MatrixMut::dense(logits, rows, width);
        part.dots(out, hidden);
        let onto = if start == 0 { Onto::Fresh } else { Onto::Sum };
        let shrink: Vec<f32> = logits
            .par_chunks_exact_mut(width)
            .zip(&mut running)
            .map(|(row, running)| {
                if let Some(bias) = bias {
                    row.iter_mut().zip(&bias[start..]).for_each(|(logit, bias)| *logit += bias);
                }
                if let Some(cap) = softcap {
                    softcap::cap(row, cap);
                }
                if let Some(&logit) = running.target.checked_sub(start).and_then(|at| row.get(at)) {
                    running.at_target = logit;
                }
                match softcap {
                    Some(cap) => advance_capped(row, running, cap),
                    None => advance(row, running),
                }
            })
            .collect();
        if let Some(grad) = grad.as_deref_mut() {
            if onto == Onto::Sum {
                scale_rows(grad, &shrink);
            }
            let weights = Matrix::dense(logits, rows, width);
            part.mix(MatrixMut::dense(grad, rows, d_model), onto, weights);
        }
    }
    for (loss, running) in loss.iter_mut().zip(&running) {
        *loss = running.max + running.sum.ln() - running.at_target;
    }
    if let Some(grad) = grad {
        grad.par_chunks_exact_mut(d_model.max(1)).zip(&running).for_each(|(grad, running)| {
            let factor = 1.0 / running.sum;
            let slope = softcap.map_or(1.0, |cap| softcap::slope(running.at_target, cap));
            let mut wide = Vec::new();
            let target = head.in_f32(running.target..running.target + 1, &mut wide);
            let [_, stride] = target.strides();
            for (grad, weight) in grad.iter_mut().zip(target.flat().iter().step_by(stride)) {
                *grad = *grad * factor - weight * slope;
            }
        });
    }
}

vectorized! {
    /// Takes a row's next logits in; they become `e^(logit - max)`. Returns the factor that brings earlier terms to
    /// the new maximum.
    fn advance(row: &mut [f32], running: &mut Running) -> f32 {
        let most = max(row);
        let most = if running.max > most { running.max } else { most };
        for logit in row.iter_mut() {
            *logit = exp(*logit - most);
        }
        let row = &*row;
        let shrink = exp(running.max - most);
        running.sum = running.sum * shrink + sum(row.len(), |i| row[i]);
        running.max = most;
        shrink
    }

    /// As [`advance`] of logits within a bound, each term then times the slope of its logit.
    fn advance_capped(row: &mut [f32], running: &mut Running, cap: f32) -> f32 {
        let most = max(row);
        let most = if running.max > most { running.max } else { most };
        let logits = &*row;
        let total = sum(logits.len(), |i| exp(logits[i] - most));
        for logit in row.iter_mut() {
            *logit = exp(*logit - most) * softcap::slope(*logit, cap);
        }
        let shrink = exp(running.max - most);
        running.sum = running.sum * shrink + total;
        running.max = most;
        shrink
    }

    /// Each row times its factor, where that is not 1.
    fn scale_rows(rows: &mut [f32], factors: &[f32]) {
        let width = rows.len() / factors.len().max(1);
        for (row, &factor) in rows.chunks_exact_mut(width.max(1)).zip(factors) {
            if factor != 1.0 {
                row.iter_mut().for_each(|x| *x *= factor);
            }
        }
    }
}
