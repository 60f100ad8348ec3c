//! Matrices in training: their parameters, and how they change linear layers.

use burn::tensor::Tensor;
use rand::{Rng, RngExt};

use crate::adapters::methods::lora::{LoraLayer, LoraMatrices, LoraSpec, LoraState, TokenRows, TokenTable, transposed};
use crate::adapters::methods::{PartState, Spec, Trained};
use crate::adapters::parameters::{GradParams, Parameter};
use crate::error::Result;
use crate::models::{Conditioning, LinearName, Role, Rows};
use crate::nn::{Dropout, LowRank};

/// Matrices in training.
pub struct Lora {
    /// Their sizes.
    pub spec: LoraSpec,
    /// `lora_A` and `lora_B` of each layer in turn, then the rows of each table.
    pub parameters: Vec<Parameter>,
}

impl Trained for Lora {
    fn spec(&self) -> &dyn Spec {
        &self.spec
    }

    fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut [Parameter] {
        &mut self.parameters
    }

    fn condition(&self, leaves: &GradParams, random: Option<&mut dyn Rng>, conditioning: &mut Conditioning) {
        let tuned = &mut conditioning.tuned;
        let rate = self.spec.config.dropout;
        let mut random = random.filter(|_| rate > 0.0);
        for (index, LoraLayer { linear, rank, scale }) in self.spec.layers.iter().enumerate() {
            let LinearName { d_in, d_out, .. } = *linear;
            let (a, b): (Tensor<2>, Tensor<2>) = match linear.role {
                Role::Layer | Role::Head => {
                    (leaves.shaped(2 * index, [*rank, d_in]), leaves.shaped(2 * index + 1, [d_out, *rank]))
                }
                Role::Embeddings => {
                    let of_tokens: Tensor<2> = leaves.shaped(2 * index, [*rank, d_out]);
                    let of_width: Tensor<2> = leaves.shaped(2 * index + 1, [d_in, *rank]);
                    (of_width.transpose(), of_tokens.transpose())
                }
            };
            let b = b * *scale;
            let dropout = random.as_mut().map(|random| Dropout { rate, draw: random.random() });
            tuned.low_rank.insert(linear.name.clone(), LowRank { a, b, dropout });
        }
        for (index, TokenTable { table, tokens }) in (2 * self.spec.layers.len()..).zip(&self.spec.tables) {
            let values = leaves.shaped(index, [tokens.len(), table.d_in]);
            tuned.rows.insert(format!("{}.weight", table.name), Rows { tokens: tokens.clone(), values });
        }
        tuned.head_apart = !self.spec.config.modules_to_save.is_empty();
    }

    fn to_state(&self) -> Result<PartState> {
        let layers = self.spec.layers.iter().zip(self.parameters.chunks_exact(2));
        let of = |(LoraLayer { linear, rank, scale }, pair): (&LoraLayer, &[Parameter])| {
            let LinearName { name, d_in, d_out, role, .. } = linear.clone();
            let is_embeddings = role == Role::Embeddings;
            let [first, second] = [pair[0].to_vec()?, pair[1].to_vec()?];
            let (a, b) = match is_embeddings {
                false => (first, second),
                true => (transposed(&second, [d_in, *rank]), transposed(&first, [*rank, d_out])),
            };
            Ok(LoraMatrices { name, rank: *rank, d_in, d_out, a, b, scale: *scale, is_embeddings })
        };
        let of_table = |(TokenTable { table, tokens }, parameter): (&TokenTable, &Parameter)| {
            let (table, width) = (table.name.clone(), table.d_in);
            Ok(TokenRows { table, tokens: tokens.clone(), width, values: parameter.to_vec()? })
        };
        let tables = self.spec.tables.iter().zip(&self.parameters[2 * self.spec.layers.len()..]);
        // Embeddings and heads are never the other way round.
        let mut blocks = self.spec.layers.iter().filter(|layer| layer.linear.role == Role::Layer).peekable();
        let lora = LoraState {
            config: self.spec.config.clone(),
            fan_in_fan_out: blocks.peek().is_some() && blocks.all(|layer| layer.linear.is_in_out),
            layers: layers.map(of).collect::<Result<_>>()?,
            rows: tables.map(of_table).collect::<Result<_>>()?,
            residual: None,
            base_copies: Vec::new(),
        };
        Ok(lora.into())
    }
}
