//! Initial values of matrices: drawn, or those of a trained adapter.

use burn::tensor::Device;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::adapters::methods::init::{InitContext, lacks};
use crate::adapters::methods::lora::{Lora, LoraLayer, LoraSpec, LoraState, TokenRows, TokenTable, transposed};
use crate::adapters::methods::{NamedShape, Spec};
use crate::adapters::parameters::Parameter;
use crate::config::LoraInit;
use crate::error::{EngineError, Result};
use crate::models::{BaseModel, Role};
use crate::random::normal;
use crate::{Sentence, sentence};

impl Lora {
    /// Matrices with the initial values of a run.
    ///
    /// # Errors
    /// The adapter to start from has none or others, or a table cannot be read.
    pub(super) fn initial(spec: &LoraSpec, from: &InitContext<'_>) -> Result<Self> {
        match &spec.config.init {
            LoraInit::Fresh => Ok(Self::fresh(spec.clone(), rows_of(spec, from.model)?, from.device, from.seed)),
            LoraInit::Adapter { path } => {
                let lora = from.warm_start.at(path)?.lora().ok_or_else(|| lacks(sentence!("matrices")))?;
                Self::start_from(spec.clone(), lora, from.device)
            }
        }
    }

    /// As PEFT draws them: A uniform in ±1/sqrt(d_in), B zeros, of embeddings A zeros and B N(0, 1), so that the model is the
    /// base model at first. `own` are the base model's rows of each table.
    pub fn fresh(spec: LoraSpec, own: Vec<Vec<f32>>, device: &Device, seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(STREAM);
        let mut own = own.into_iter();
        let drawn = |(name, dims): NamedShape| {
            let bound = (dims[1] as f32).sqrt().recip();
            let n = 0..dims.iter().product();
            let values: Vec<f32> = match &name {
                name if name.ends_with("lora_A.weight") => n.map(|_| random.random_range(-bound..bound)).collect(),
                name if name.ends_with("lora_embedding_B") => n.map(|_| normal(&mut random)).collect(),
                name if name.ends_with("trainable_tokens_delta") => own.next().unwrap_or_default(),
                _ => vec![0.0; n.end],
            };
            Parameter::new(name, dims, values, device)
        };
        Self { parameters: spec.parameter_shapes().into_iter().map(drawn).collect(), spec }
    }

    /// Those of a trained adapter. Where it scales what it adds otherwise, B takes the difference, so that the start is
    /// the same function.
    ///
    /// # Errors
    /// [`EngineError::AdapterMismatch`] if its layers or ranks are others, by name.
    fn start_from(spec: LoraSpec, lora: &LoraState, device: &Device) -> Result<Self> {
        let mismatch = |reason: Sentence| EngineError::AdapterMismatch { reason };
        let has = |name: &str| spec.layers.iter().any(|layer| layer.linear.name == name);
        if let Some(other) = lora.layers.iter().find(|layer| !has(&layer.name)) {
            return Err(mismatch(sentence!(
                "it has matrices for {other}, which lora.targets leaves out",
                other = other.name
            )));
        }
        let is_known = |rows: &&TokenRows| {
            spec.tables.iter().any(|known| known.table.name == rows.table && known.tokens == rows.tokens)
        };
        if let Some(rows) = lora.rows.iter().find(|rows| !is_known(rows)) {
            let reason = sentence!("it has rows of {table} that lora.trained_tokens does not name", table = rows.table);
            return Err(mismatch(reason));
        }
        let mut parameters = Vec::new();
        let shapes = spec.parameter_shapes();
        for (LoraLayer { linear, rank, scale }, names) in spec.layers.iter().zip(shapes.chunks(2)) {
            let found = lora.layers.iter().find(|layer| layer.name == linear.name);
            let found =
                found.ok_or_else(|| mismatch(sentence!("it has no matrices for {linear}", linear = linear.name)))?;
            if found.rank != *rank {
                return Err(mismatch(sentence!(
                    "{linear} has rank {rank} there, {wanted} here",
                    linear = linear.name,
                    rank = found.rank,
                    wanted = rank
                )));
            }
            let b = if (found.scale - scale).abs() < 1e-9 * scale {
                found.b.clone()
            } else {
                found.b.iter().map(|value| (f64::from(*value) * found.scale / scale) as f32).collect()
            };
            let values = match linear.role {
                Role::Layer | Role::Head => [found.a.clone(), b],
                Role::Embeddings => [transposed(&b, [linear.d_out, *rank]), transposed(&found.a, [*rank, linear.d_in])],
            };
            for ((name, dims), values) in names.iter().zip(values) {
                parameters.push(Parameter::new(name.clone(), dims.clone(), values, device));
            }
        }
        for (known, (name, dims)) in spec.tables.iter().zip(&shapes[2 * spec.layers.len()..]) {
            let found = lora.rows.iter().find(|rows| rows.table == known.table.name);
            let found =
                found.ok_or_else(|| mismatch(sentence!("it has no rows of {table}", table = known.table.name)))?;
            parameters.push(Parameter::new(name.clone(), dims.clone(), found.values.clone(), device));
        }
        Ok(Self { spec, parameters })
    }
}

/// The stream of the seed that matrices are drawn from, apart from those of prefixes and heads.
const STREAM: u64 = 1 << 41;

/// The base model's own rows of each table whose rows are trained.
///
/// # Errors
/// A table cannot be read.
fn rows_of(spec: &LoraSpec, model: &BaseModel) -> Result<Vec<Vec<f32>>> {
    let weights = model.weights();
    let of = |TokenTable { table, tokens }: &TokenTable| {
        let name = format!("{}.weight", table.name);
        let missing = || EngineError::WeightMissing { name: name.clone() };
        let weight = weights.iter().find(|weight| weight.name == name).ok_or_else(missing)?;
        let values = model.values(weight)?;
        let row = |token: &u32| values[*token as usize * table.d_in..][..table.d_in].to_vec();
        Ok(tokens.iter().flat_map(row).collect())
    };
    spec.tables.iter().map(of).collect()
}
