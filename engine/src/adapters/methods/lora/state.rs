//! Matrices of low rank as an adapter keeps them, with rows of tables beside them.

use burn::tensor::{Device, Tensor, TensorData};
use sha2::{Digest, Sha256};

use crate::adapters::methods::lora::Residual;
use crate::adapters::methods::{PartState, SavedPart};
use crate::adapters::state::{AdapterState, ModelNames, bytes};
use crate::config::{LoraConfig, MethodConfig};
use crate::error::{EngineError, Result};
use crate::models::{Conditioning, LinearName, Role, Rows};
use crate::nn::LowRank;
use crate::weights::NamedTensor;
use crate::{Sentence, sentence};

/// Matrices of low rank.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraState {
    /// Their settings.
    pub config: LoraConfig,
    /// Whether the layers keep their weights as `[d_in, d_out]`, which PEFT wants to know.
    pub fan_in_fan_out: bool,
    /// Layer by layer.
    pub layers: Vec<LoraMatrices>,
    /// Rows of tables of embeddings for single tokens.
    pub rows: Vec<TokenRows>,
    /// The part of the base model's weights that the matrices began as: it is taken out of these where they are used.
    pub residual: Option<Residual>,
    /// Tensors of the base model in its file, by the names of its weights: most often a copy.
    pub base_copies: Vec<NamedTensor>,
}

/// Rows of a table of embeddings that stand in place of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenRows {
    /// The module.
    pub table: String,
    /// The tokens, each once.
    pub tokens: Vec<u32>,
    /// Width of an embedding.
    pub width: usize,
    /// `[tokens, width]`, row by row.
    pub values: Vec<f32>,
}

/// The matrices of one layer: of a table of embeddings as if it made the tokens of what is looked up.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraMatrices {
    /// The module.
    pub name: String,
    /// Rank.
    pub rank: usize,
    /// Width of what the layer reads.
    pub d_in: usize,
    /// Width of what it makes.
    pub d_out: usize,
    /// `[rank, d_in]`
    pub a: Vec<f32>,
    /// `[d_out, rank]`
    pub b: Vec<f32>,
    /// Factor of what the matrices add.
    pub scale: f64,
    /// Whether they are of a table of embeddings, for which PEFT has names of its own.
    pub is_embeddings: bool,
}

impl TokenRows {
    /// Puts them in place of the rows of a table, row by row; a token that it does not have is left out.
    pub(crate) fn put_in(&self, table: &mut [f32]) {
        for (token, row) in self.tokens.iter().zip(self.values.chunks_exact(self.width.max(1))) {
            let at = *token as usize * self.width;
            if let Some(own) = table.get_mut(at..at + self.width) {
                own.copy_from_slice(row);
            }
        }
    }

    fn check_names(&self, model: &ModelNames) -> Result<()> {
        let table = format!("{}.weight", self.table);
        if !model.weights.iter().any(|weight| weight.name == table && weight.shape.get(1) == Some(&self.width)) {
            return mismatch(sentence!(
                "it has rows of {table}, which this model does not have as wide or as its own",
                table
            ));
        }
        if !model.linears.iter().any(|linear| linear.name == self.table && linear.role != Role::Layer) {
            return mismatch(sentence!(
                "it has rows of {table}, which is neither the model's embeddings nor its head",
                table
            ));
        }
        Ok(())
    }
}

impl LoraMatrices {
    /// `weight + scale · B A`, in f64 so that the order of the sum does not show.
    pub(crate) fn add_to(&self, weight: &mut [f32], is_in_out: bool) {
        let Self { rank, d_in, d_out, a, b, scale, .. } = self;
        for row in 0..*d_out {
            for column in 0..*d_in {
                let product = |r: usize| f64::from(b[row * rank + r]) * f64::from(a[r * d_in + column]);
                let delta = (0..*rank).map(product).sum::<f64>() * scale;
                let at = if is_in_out { column * d_out + row } else { row * d_in + column };
                weight[at] = (f64::from(weight[at]) + delta) as f32;
            }
        }
    }

    /// `‖scale · B A‖`, from the small matrices `Bᵀ B` and `A Aᵀ`: the product itself is never made.
    pub(crate) fn norm(&self) -> f64 {
        let Self { rank, d_in, d_out, a, b, scale, .. } = self;
        let mut sum = 0.0;
        for r in 0..*rank {
            for s in 0..*rank {
                let of_a: f64 = (0..*d_in).map(|i| f64::from(a[r * d_in + i]) * f64::from(a[s * d_in + i])).sum();
                let of_b: f64 = (0..*d_out).map(|o| f64::from(b[o * rank + r]) * f64::from(b[o * rank + s])).sum();
                sum += of_a * of_b;
            }
        }
        scale.abs() * sum.max(0.0).sqrt()
    }

    fn check_names(&self, model: &ModelNames) -> Result<()> {
        let Self { name, d_in, d_out, is_embeddings, .. } = self;
        let Some(known) = model.linears.iter().find(|linear| linear.name == *name) else {
            let weight = format!("{name}.weight");
            return mismatch(match model.weights.iter().any(|known| known.name == weight) {
                true => sentence!("it has matrices for {name}, beside which none are computed here", name),
                false => sentence!("it has matrices for {name}, which this model does not have", name),
            });
        };
        if *is_embeddings != (known.role == Role::Embeddings) {
            return mismatch(sentence!(
                "its matrices for {name} are of another kind of layer than it is in this model",
                name
            ));
        }
        let LinearName { d_in: reads, d_out: makes, .. } = known;
        if (reads, makes) != (d_in, d_out) {
            return mismatch(sentence!(
                "{name} reads {d_in} and makes {d_out} numbers there, {reads} and {makes} here",
                name,
                d_in,
                d_out,
                reads,
                makes
            ));
        }
        Ok(())
    }
}

fn mismatch<T>(reason: Sentence) -> Result<T> {
    Err(EngineError::AdapterMismatch { reason })
}

impl SavedPart for LoraState {
    fn method(&self, _: &AdapterState) -> Option<MethodConfig> {
        Some(MethodConfig::Lora(self.config.clone()))
    }

    fn hash(&self, _: bool, digest: &mut Sha256) {
        for layer in &self.layers {
            digest.update(bytes(&layer.a));
            digest.update(bytes(&layer.b));
        }
        self.residual.iter().for_each(|residual| digest.update(residual.name()));
        for rows in &self.rows {
            rows.tokens.iter().for_each(|token| digest.update(token.to_le_bytes()));
            digest.update(bytes(&rows.values));
        }
        self.base_copies.iter().for_each(|(.., values)| digest.update(bytes(values)));
    }

    fn describe(&self, _: &AdapterState, kept_by: &Sentence) -> Vec<Sentence> {
        let rank = self.layers.iter().map(|layer| layer.rank).max().unwrap_or(self.config.rank);
        let n_layers = self.layers.len();
        let matrices = sentence!("LoRA of {kept_by}: rank {rank} beside {n_layers} layers", kept_by, rank, n_layers);
        let tokens: usize = self.rows.iter().map(|rows| rows.tokens.len()).sum();
        let rows = (tokens > 0).then(|| sentence!("trained rows of embeddings for {tokens} tokens", tokens));
        std::iter::once(matrices).chain(rows).collect()
    }

    fn condition(&self, device: &Device, conditioning: &mut Conditioning) {
        let tuned = &mut conditioning.tuned;
        for LoraMatrices { name, rank, d_in, d_out, a, b, scale, .. } in &self.layers {
            let matrix =
                |values: &[f32], dims: [usize; 2]| Tensor::from_data(TensorData::new(values.to_vec(), dims), device);
            let b = matrix(b, [*d_out, *rank]) * *scale;
            tuned.low_rank.insert(name.clone(), LowRank { a: matrix(a, [*rank, *d_in]), b, dropout: None });
        }
        for TokenRows { table, tokens, width, values } in &self.rows {
            let values = Tensor::from_data(TensorData::new(values.clone(), [tokens.len(), *width]), device);
            tuned.rows.insert(format!("{table}.weight"), Rows { tokens: tokens.clone(), values });
        }
        tuned.head_apart = !self.config.modules_to_save.is_empty();
    }

    fn check_names(&self, _: &AdapterState, model: &ModelNames) -> Result<()> {
        self.layers.iter().try_for_each(|layer| layer.check_names(model))?;
        self.rows.iter().try_for_each(|rows| rows.check_names(model))
    }
}

impl AdapterState {
    /// The adapter's matrices of low rank.
    pub fn lora(&self) -> Option<&LoraState> {
        self.parts.iter().find_map(|part| match part {
            PartState::Lora(lora) => Some(lora),
            _ => None,
        })
    }

    /// The adapter's matrices of low rank, to be changed.
    pub(crate) fn lora_mut(&mut self) -> Option<&mut LoraState> {
        self.parts.iter_mut().find_map(|part| match part {
            PartState::Lora(lora) => Some(lora),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_norm_of_a_product_is_that_of_the_matrix_it_makes() {
        let (rank, d_in, d_out) = (2, 3, 4);
        let a: Vec<f32> = (0..rank * d_in).map(|i| 0.5 - i as f32 * 0.3).collect();
        let b: Vec<f32> = (0..d_out * rank).map(|i| i as f32 * 0.2 - 0.7).collect();
        let entry = |o: usize, i: usize| (0..rank).map(|r| 2.0 * b[o * rank + r] * a[r * d_in + i]).sum::<f32>();
        let made = (0..d_out).flat_map(|o| (0..d_in).map(move |i| (o, i)));
        let expected = made.map(|(o, i)| entry(o, i).powi(2)).sum::<f32>().sqrt();
        let layer = LoraMatrices {
            name: "q".into(),
            rank,
            d_in,
            d_out,
            a: a.clone(),
            b: b.clone(),
            scale: 2.0,
            is_embeddings: false,
        };
        assert!((layer.norm() - f64::from(expected)).abs() < 1e-5);
    }
}
