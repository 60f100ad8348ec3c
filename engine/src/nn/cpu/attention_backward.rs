//! The gradients of attention: one task for each key head of each text, which owns all it writes.

use super::attention::{Attention, hide, times, times_transposed};
use super::buffer::Buffer;
use super::lanes::{exp, sum, vectorized};
use super::matrix::{Matrix, MatrixMut, Onto, product_here};
use super::softcap;

/// The gradients that are wanted, to be written in full.
pub(super) struct Gradients<'a> {
    /// In the layout of `qkv`
    pub(super) qkv: Option<&'a mut [f32]>,
    /// `[batch, n_kv_heads, n_past, d_head]`, dense, of each text apart
    pub(super) past_key: Option<&'a mut [f32]>,
    /// As `past_key`
    pub(super) past_value: Option<&'a mut [f32]>,
}

/// Results of the forward, and the gradient of its output.
#[derive(Clone, Copy)]
pub(super) struct Saved<'a> {
    /// `[batch, seq, n_heads * d_head]`
    pub(super) grad: &'a [f32],
    /// `[batch, seq, n_heads * d_head]`
    pub(super) output: &'a [f32],
    /// `[batch, n_heads, seq]`
    pub(super) log_sum_exp: &'a [f32],
}

/// The part of the gradients that belongs to one key head of one text.
#[derive(Default)]
struct Share<'a> {
    text: Option<TextShare<'a>>,
    past_key: Option<MatrixMut<'a>>,
    past_value: Option<MatrixMut<'a>>,
}

/// Columns of the gradient of `qkv`: the queries of the group side by side; key and value, if the text has them.
struct TextShare<'a> {
    queries: MatrixMut<'a>,
    own: Option<(MatrixMut<'a>, MatrixMut<'a>)>,
}

/// Writes every gradient that is wanted.
pub(super) fn backward(call: &Attention<'_>, saved: Saved<'_>, wanted: Gradients<'_>) {
    let n_kv_heads = call.shape.n_kv_heads;
    let count = call.batch * n_kv_heads;
    let mut shares: Vec<Share<'_>> = Vec::new();
    shares.resize_with(count, Share::default);
    if let Some(qkv) = wanted.qkv {
        for (text, columns) in qkv.chunks_exact_mut(call.seq * call.width()).enumerate() {
            let shares = &mut shares[text * n_kv_heads..][..n_kv_heads];
            share_out(call, MatrixMut::dense(columns, call.seq, call.width()), shares);
        }
    }
    let past = call.n_past * call.shape.d_head;
    let past_share = |data| MatrixMut::dense(data, call.n_past, call.shape.d_head);
    if let Some(key) = wanted.past_key {
        for (share, key) in shares.iter_mut().zip(key.chunks_exact_mut(past)) {
            share.past_key = Some(past_share(key));
        }
    }
    if let Some(value) = wanted.past_value {
        for (share, value) in shares.iter_mut().zip(value.chunks_exact_mut(past)) {
            share.past_value = Some(past_share(value));
        }
    }
    call.each(shares, |task, share| {
        Task { call, saved, text: task / n_kv_heads, kv_head: task % n_kv_heads }.run(share);
    });
}

/// The gradient of one text's `qkv`, cut into what each key head writes.
fn share_out<'a>(call: &Attention<'_>, all: MatrixMut<'a>, shares: &mut [Share<'a>]) {
    let (n_heads, n_kv_heads, d_head) = (call.shape.n_heads, call.shape.n_kv_heads, call.shape.d_head);
    let (queries, rest) = all.split_at_column(n_heads * d_head);
    let queries = queries.split_columns(n_heads / n_kv_heads * d_head);
    if call.shape.is_cross {
        for (share, queries) in shares.iter_mut().zip(queries) {
            share.text = Some(TextShare { queries, own: None });
        }
        return;
    }
    let (keys, values) = rest.split_at_column(n_kv_heads * d_head);
    let own = keys.split_columns(d_head).zip(values.split_columns(d_head));
    for ((share, queries), own) in shares.iter_mut().zip(queries).zip(own) {
        share.text = Some(TextShare { queries, own: Some(own) });
    }
}

/// One key head of one text, with all query heads that share it.
struct Task<'a> {
    call: &'a Attention<'a>,
    saved: Saved<'a>,
    text: usize,
    kv_head: usize,
}

impl Task<'_> {
    fn run(&self, mut share: Share<'_>) {
        let call = self.call;
        let (tile, n_past) = (call.tile(), call.n_past);
        let (key, value) = (call.key(self.text, self.kv_head), call.value(self.text, self.kv_head));
        let group = call.shape.n_heads / call.shape.n_kv_heads;
        let mut pattern = Buffer::any(tile * call.kv());
        let mut d_scores = Buffer::any(tile * call.kv());
        let mut capped = call.shape.softcap.map(|cap| (cap, Buffer::any(tile * call.kv())));
        let mut onto = Onto::Fresh;
        for member in 0..group {
            let head = self.kv_head * group + member;
            let query = call.query(self.text, head);
            // From the last tile, which sees every key and so writes all that the others add to.
            for start in (0..call.seq).step_by(tile).rev() {
                let end = (start + tile).min(call.seq);
                let rows = end - start;
                // Without the gradient of the text, its columns are not needed.
                let width = n_past + if share.text.is_some() { call.text_seen(end) } else { 0 };
                let (query, grad) = (query.rows(start..end), self.of_head(self.saved.grad, head).rows(start..end));
                let pattern = &mut pattern[..rows * width];
                let d_scores = &mut d_scores[..rows * width];
                let scores = MatrixMut::dense(pattern, rows, width);
                times_transposed(scores, call.shape.scale, query, key, n_past);
                if let Some((cap, slopes)) = &mut capped {
                    softcap::cap_with_slopes(pattern, &mut slopes[..rows * width], *cap);
                }
                call.add_bias(pattern, width, self.text, head, start);
                times_transposed(MatrixMut::dense(d_scores, rows, width), 1.0, grad, value, n_past);
                let output = self.of_head(self.saved.output, head).rows(start..end);
                let lse = (self.text * call.shape.n_heads + head) * call.seq;
                let slopes = Slopes {
                    width,
                    seen: call.seen(start),
                    mask: call.mask(self.text),
                    log_sum_exp: &self.saved.log_sum_exp[lse..][start..end],
                    scale: call.shape.scale,
                };
                score_gradients(pattern, d_scores, grad, output, &slopes);
                if let Some((_, slopes)) = &capped {
                    softcap::times_slopes(d_scores, slopes);
                }
                let pattern = Matrix::dense(pattern, rows, width);
                let d_scores = Matrix::dense(d_scores, rows, width);
                if let Some(past_key) = &mut share.past_key {
                    let d_scores = d_scores.columns(0..n_past).transposed();
                    product_here(past_key.again(), onto, 1.0, d_scores, query);
                }
                if let Some(past_value) = &mut share.past_value {
                    let pattern = pattern.columns(0..n_past).transposed();
                    product_here(past_value.again(), onto, 1.0, pattern, grad);
                }
                if let Some(text) = &mut share.text {
                    let d_head = call.shape.d_head;
                    let mut queries = text.queries.columns_mut(member * d_head..(member + 1) * d_head);
                    times(queries.rows_mut(start..end), d_scores, key, n_past);
                    if let Some((own_key, own_value)) = &mut text.own {
                        let (seen, columns) = (0..width - n_past, n_past..width);
                        let d_key = d_scores.columns(columns.clone()).transposed();
                        product_here(own_key.rows_mut(seen.clone()), onto, 1.0, d_key, query);
                        let d_value = pattern.columns(columns).transposed();
                        product_here(own_value.rows_mut(seen), onto, 1.0, d_value, grad);
                    }
                }
                onto = Onto::Sum;
            }
        }
    }

    /// The rows and columns of one head in `[batch, seq, n_heads * d_head]`.
    fn of_head<'a>(&self, data: &'a [f32], head: usize) -> Matrix<'a> {
        let (seq, d_head) = (self.call.seq, self.call.shape.d_head);
        let width = self.call.shape.n_heads * d_head;
        Matrix::new(&data[self.text * seq * width + head * d_head..], [seq, d_head], [width, 1])
    }
}

/// Inputs that turn a tile's scores into gradients.
struct Slopes<'a> {
    width: usize,
    /// As in the forward: row `i` sees the first `seen.0 + i * seen.1` keys.
    seen: (usize, usize),
    mask: Option<&'a [f32]>,
    log_sum_exp: &'a [f32],
    scale: f32,
}

vectorized! {
    /// `scores` becomes the pattern, and `d_pattern` the gradient of the unscaled scores.
    fn score_gradients(
        scores: &mut [f32],
        d_pattern: &mut [f32],
        grad: Matrix<'_>,
        output: Matrix<'_>,
        slopes: &Slopes<'_>,
    ) {
        let width = slopes.width;
        let rows = scores.chunks_exact_mut(width).zip(d_pattern.chunks_exact_mut(width)).zip(slopes.log_sum_exp);
        for (i, ((row, d_row), &log_sum_exp)) in rows.enumerate() {
            let seen = (slopes.seen.0 + i * slopes.seen.1).min(width);
            let (row, hidden) = row.split_at_mut(seen);
            hidden.fill(0.0);
            let (d_row, hidden) = d_row.split_at_mut(seen);
            hidden.fill(0.0);
            hide(row, slopes.mask);
            let (grad, output) = (grad.row(i), output.row(i));
            let mean = sum(grad.len().min(output.len()), |i| grad[i] * output[i]);
            for (score, d) in row.iter_mut().zip(d_row) {
                *score = exp(*score - log_sum_exp);
                *d = *score * (*d - mean) * slopes.scale;
            }
        }
    }
}
