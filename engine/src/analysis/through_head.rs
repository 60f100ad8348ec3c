//! Vectors of the residual stream, read as the model reads its last one: the final norm, then the vocabulary (nostalgebraist
//! 2020, "interpreting GPT: the logit lens"). It goes through the hooks, so that it is the same on every architecture.

use burn::tensor::Tensor;

use crate::error::Result;
use crate::models::{Conditioning, HookName, HookPoint, Hooks, Model, PaddedRows};
use crate::nn::head_logits;

use super::to_host;

/// A token of the vocabulary with the log-probability, or the logit, that a vector gives it.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LensToken {
    /// Its text, as the tokenizer shows it.
    pub text: String,
    /// Id of the token.
    pub id: u32,
    /// Logit of the vector beside the vocabulary's mean.
    pub logit: f64,
}

/// Puts other vectors in the place of what leaves the last block.
struct Replaced {
    at: (crate::models::StackName, usize),
    vectors: Tensor<3>, // [1, n, d_model]
}

impl Hooks for Replaced {
    fn wants(&self, at: HookPoint) -> bool {
        at.name == HookName::ResidPost && (at.stack, at.layer) == self.at
    }

    fn stream(&mut self, _: HookPoint, _: &Tensor<3>) -> Option<Tensor<3>> {
        Some(self.vectors.clone())
    }

    fn by_head(&mut self, _: HookPoint, _: &Tensor<4>) -> Option<Tensor<4>> {
        None
    }
}

/// The logits of vectors of the residual stream, `[n, d_model]` to `[n, vocab_size]`; at most as many as the model has
/// positions.
///
/// # Errors
/// The model writes no tokens.
pub(super) fn logits(model: &Model, vectors: Tensor<2>) -> Result<Tensor<2>> {
    let ([n, d_model], device) = (vectors.dims(), vectors.device());
    let (tokens, mask) = (vec![0; n], vec![1.0; n]);
    let row = || PaddedRows {
        shape: [1, n],
        tokens: &tokens,
        mask: &mask,
        types: None,
        infix_from: Vec::new(),
        starts: None,
        source: None,
    };
    let source = matches!(model, Model::Seq2Seq(_)).then(|| Box::new(row()));
    let rows = PaddedRows { source, ..row() };
    let stack = model.stack(model.last_site()).name;
    let last = model.shape().n_layers - 1;
    let mut hooks = Replaced { at: (stack, last), vectors: vectors.reshape([1, n, d_model]) };
    let hidden = model.hidden(&rows, &Conditioning::default(), Some(&mut hooks), &device)?;
    let [_, _, width] = hidden.dims();
    Ok(head_logits(hidden.reshape([n, width]), model.head()?))
}

/// The `top` tokens of each row of logits, the largest first; logits count from the mean of their row.
///
/// # Errors
/// The device failed.
pub(super) fn top_tokens(logits: Tensor<2>, top: usize, text: &dyn Fn(u32) -> String) -> Result<Vec<Vec<LensToken>>> {
    let [n, vocab_size] = logits.dims();
    let values = to_host(logits)?;
    let of_row = |row: &[f32]| {
        let mean = row.iter().map(|&logit| f64::from(logit)).sum::<f64>() / vocab_size.max(1) as f64;
        let mut order: Vec<usize> = (0..row.len()).collect();
        let top = top.min(order.len());
        if top < order.len() {
            order.select_nth_unstable_by(top, |&a, &b| row[b].total_cmp(&row[a]));
            order.truncate(top);
        }
        order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
        let token = |&id: &usize| LensToken { text: text(id as u32), id: id as u32, logit: f64::from(row[id]) - mean };
        order.iter().map(token).collect()
    };
    debug_assert_eq!(values.len(), n * vocab_size);
    Ok(values.chunks(vocab_size.max(1)).map(of_row).collect())
}
