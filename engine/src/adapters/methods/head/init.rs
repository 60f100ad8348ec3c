//! Initial values of a head: those of the checkpoint's own, those of an adapter, or new ones.

use burn::tensor::Device;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::adapters::methods::head::{Head, HeadSpec};
use crate::adapters::methods::init::InitContext;
use crate::adapters::methods::{NamedShape, Spec};
use crate::adapters::parameters::Parameter;
use crate::adapters::state::AdapterState;
use crate::config::{HeadRecord, TaskRecord};
use crate::error::Result;
use crate::models::Model;
use crate::random::normal;
use crate::weights::NamedTensor;

/// Standard deviation of a fresh head where the checkpoint does not say.
const DEVIATION: f64 = 0.02;

/// The stream of the seed that heads are drawn from, apart from the prefix's.
const STREAM: u64 = 1 << 40;

impl Head {
    /// A head with the initial values of a run.
    ///
    /// # Errors
    /// The checkpoint's own head cannot be read.
    pub(super) fn initial(spec: &HeadSpec, from: &InitContext<'_>) -> Result<Self> {
        let mut head = match &from.own_scores {
            Some(scores) => {
                let weights = from.model.folder().head_weights(from.task.task, scores)?;
                let known = |(name, dims, values): NamedTensor| Parameter::new(name, dims, values, from.device);
                Self { spec: spec.clone(), parameters: weights.into_iter().map(known).collect() }
            }
            None => {
                let deviation = match &**from.model {
                    Model::Encoder(encoder) => encoder.initializer_range(),
                    Model::Causal(_) | Model::Seq2Seq(_) => DEVIATION,
                };
                Self::fresh(spec.clone(), deviation, from.device, from.seed)
            }
        };
        if let Some(adapter) = from.warm_start.first() {
            head.take_from(adapter, from.task, from.device);
        }
        Ok(head)
    }

    /// As transformers draws a fresh head: weights N(0, `deviation`²), biases 0.
    fn fresh(spec: HeadSpec, deviation: f64, device: &Device, seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(STREAM);
        let drawn = |(name, dims): NamedShape| {
            let n = dims.iter().product();
            let is_bias = dims.len() == 1;
            let value = |_| if is_bias { 0.0 } else { normal(&mut random) * deviation as f32 };
            let values = (0..n).map(value).collect();
            Parameter::new(name, dims, values, device)
        };
        let parameters = spec.parameter_shapes().into_iter().map(drawn).collect();
        Self { spec, parameters }
    }

    /// Takes the head of an adapter when it tells the same classes apart, by name or, as PEFT knows no names, by number; of
    /// several heads the one that does, or all of them.
    fn take_from(&mut self, adapter: &AdapterState, task: &TaskRecord, device: &Device) {
        let block = adapter.task.blocks().into_iter().position(|block| adapter.task.classes[block] == task.classes);
        let alone = block.and_then(|at| adapter.clone().with_head(Some(&adapter.task.heads[at].name)).ok());
        let adapter = alone.as_ref().unwrap_or(adapter);
        let TaskRecord { task: its, classes, heads, .. } = &adapter.task;
        let unnamed = classes.iter().enumerate().all(|(at, name)| *name == format!("LABEL_{at}"));
        let n_classes = |heads: &[HeadRecord]| heads.iter().map(|head| head.n_classes).collect::<Vec<_>>();
        let is_same = n_classes(heads) == n_classes(&task.heads) && classes.len() == task.classes.len();
        if *its != task.task || !is_same || !(unnamed || *classes == task.classes) {
            return;
        }
        let found = |parameter: &Parameter| {
            adapter.head().iter().find(|(name, shape, _)| *name == parameter.name && *shape == parameter.shape)
        };
        if self.parameters.iter().all(|parameter| found(parameter).is_some()) {
            for parameter in &mut self.parameters {
                if let Some((_, shape, values)) = found(parameter) {
                    *parameter = Parameter::new(parameter.name.clone(), shape.clone(), values.clone(), device);
                }
            }
        }
    }
}
