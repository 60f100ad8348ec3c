//! Norms of queries and keys, head by head, before they are turned.

use burn::tensor::Tensor;

use super::attention::AttentionShape;
use super::rms_norm::RmsNorm;

/// RMS norms of each head of the queries and of the keys. Values stay.
#[derive(Clone, Debug)]
pub struct QkNorm {
    /// Of each head of the queries, `[d_head]`.
    pub query: RmsNorm,
    /// Of each head of the keys, `[d_head]`.
    pub key: RmsNorm,
}

impl QkNorm {
    /// # Shapes
    /// - `qkv`: `[batch, seq, (n_heads + 2 * n_kv_heads) * d_head]`
    /// - returns the same
    pub fn forward(&self, qkv: Tensor<3>, shape: &AttentionShape) -> Tensor<3> {
        let [batch, seq, width] = qkv.dims();
        let (queries, keys) = (shape.n_heads * shape.d_head, shape.n_kv_heads * shape.d_head);
        let part = |from: usize, to: usize| qkv.clone().slice([0..batch, 0..seq, from..to]);
        let by_head = |norm: &RmsNorm, x: Tensor<3>, n_heads: usize| {
            let heads = x.reshape([batch, seq * n_heads, shape.d_head]);
            norm.forward(heads).reshape([batch, seq, n_heads * shape.d_head])
        };
        let query = by_head(&self.query, part(0, queries), shape.n_heads);
        let key = by_head(&self.key, part(queries, queries + keys), shape.n_kv_heads);
        Tensor::cat(vec![query, key, part(queries + keys, width)], 2)
    }
}
