//! An adapter in training: the parts of its method, and a head where the task has classes.

use std::collections::BTreeSet;

use rand::Rng;

use crate::adapters::methods::{AdapterPart, Trained};
use crate::adapters::parameters::{GradParams, Parameter};
use crate::adapters::state::AdapterState;
use crate::config::{Site, TaskRecord};
use crate::error::Result;
use crate::models::Conditioning;

/// The trained parts, in the order of their parameters: prefixes site by site, soft prompt, matrices, weights, head.
pub struct Adapter {
    /// At least one.
    pub parts: Vec<AdapterPart>,
    /// The task that is learned.
    pub task: TaskRecord,
}

/// The parameters of one step as leaves of the gradient graph, part by part.
pub struct AdapterGradParams(Vec<GradParams>);

impl Adapter {
    /// For a causal model.
    pub fn causal(part: AdapterPart) -> Self {
        Self { parts: vec![part], task: TaskRecord::default() }
    }

    /// The trained parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        self.parts.iter().flat_map(Trained::parameters)
    }

    /// The model's own weights among what is trained, by name.
    pub fn own_weights(&self) -> BTreeSet<String> {
        let of_part = |part: &AdapterPart| match part {
            AdapterPart::Weights(weights) => weights.spec.weights.iter().map(|weight| weight.name.clone()).collect(),
            _ => Vec::new(),
        };
        self.parts.iter().flat_map(of_part).collect()
    }

    /// The trained parameters as checkpoints name them, in order.
    pub fn named_parameters(&self) -> impl Iterator<Item = (String, &Parameter)> {
        self.named(Trained::parameters)
    }

    /// Parameters that stay as they were initialized and no optimizer knows, as checkpoints name them.
    pub fn named_fixed(&self) -> impl Iterator<Item = (String, &Parameter)> {
        self.named(Trained::fixed)
    }

    fn named<'a>(
        &'a self,
        of: impl Fn(&'a AdapterPart) -> &'a [Parameter],
    ) -> impl Iterator<Item = (String, &'a Parameter)> {
        let n_sites = self.sites().count();
        self.parts.iter().flat_map(move |part| {
            let key = part.spec().key(n_sites);
            of(part).iter().map(move |parameter| (format!("{key}{}", parameter.name), parameter))
        })
    }

    /// The trained parameters, mutable.
    pub fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Parameter> {
        self.parts.iter_mut().flat_map(Trained::parameters_mut)
    }

    /// The most slots before a text. Soft tokens and words are in the text.
    pub fn n_slots(&self) -> usize {
        let slots = self.parts.iter().map(|part| match part {
            AdapterPart::Prefix(prefix) => prefix.spec.shape.n_virtual,
            _ => 0,
        });
        slots.max().unwrap_or(0)
    }

    /// Where prefixes stand.
    pub fn sites(&self) -> impl Iterator<Item = Site> {
        self.parts.iter().filter_map(|part| match part {
            AdapterPart::Prefix(prefix) => Some(prefix.spec.site),
            _ => None,
        })
    }

    /// The adapter as a folder keeps it: networks folded away.
    ///
    /// # Errors
    /// The device failed.
    pub fn to_state(&self, base_model: &str) -> Result<AdapterState> {
        let parts = self.parts.iter().map(Trained::to_state).collect::<Result<Vec<_>>>()?;
        let placement = self.parts.iter().find_map(|part| match part {
            AdapterPart::Prefix(prefix) => Some(prefix.placement()),
            _ => None,
        });
        Ok(AdapterState {
            base_model: Some(base_model.to_owned()),
            placement: placement.unwrap_or_default(),
            ..AdapterState::new(self.task.clone(), parts)
        })
    }

    /// Leaves whose gradients can be asked for.
    pub fn requires_grad(&self) -> AdapterGradParams {
        AdapterGradParams(self.parts.iter().map(|part| GradParams::requires_grad(part.parameters())).collect())
    }

    /// Conditioning of the model for one step of training, with dropout drawn from `random`.
    pub fn conditioning(&self, leaves: &AdapterGradParams, random: &mut impl Rng) -> Conditioning {
        let mut conditioning = Conditioning::default();
        for (part, leaves) in self.parts.iter().zip(&leaves.0) {
            part.condition(leaves, Some(random), &mut conditioning);
        }
        conditioning
    }

    /// Conditioning of the model by the adapter as it stands: nothing is recorded or dropped.
    pub fn eval_conditioning(&self) -> Conditioning {
        let mut conditioning = Conditioning::default();
        for part in &self.parts {
            part.condition(&GradParams::detached(part.parameters()), None, &mut conditioning);
        }
        conditioning
    }
}

impl AdapterGradParams {
    /// Gradients in the order of the parameters; zeros where the loss does not depend on one.
    pub fn gradients(&self, gradients: &burn::tensor::Gradients) -> Vec<burn::tensor::Tensor<1>> {
        self.0.iter().flat_map(|leaves| leaves.gradients(gradients)).collect()
    }
}
