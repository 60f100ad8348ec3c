//! The activations of a pass, kept: `run_with_cache` of TransformerLens.

use std::collections::BTreeMap;

use burn::tensor::Tensor;

use super::hooks::{HookName, HookPoint, Hooks};

/// Hooks that keep activations and change none.
#[derive(Clone, Debug, Default)]
pub struct ActivationCache {
    names: Vec<HookName>,
    stream: BTreeMap<HookPoint, Tensor<3>>,
    by_head: BTreeMap<HookPoint, Tensor<4>>,
}

impl ActivationCache {
    /// A cache for these activations of each block.
    pub fn new(names: &[HookName]) -> Self {
        Self { names: names.to_vec(), ..Self::default() }
    }

    /// The kept activations, stack by stack, block by block.
    pub fn points(&self) -> Vec<HookPoint> {
        let mut points: Vec<HookPoint> = self.stream.keys().chain(self.by_head.keys()).copied().collect();
        points.sort_unstable();
        points
    }

    /// An activation as wide as the stream, `[batch, seq, d_model]`, by a name such as `blocks.3.hook_resid_post`.
    pub fn stream(&self, name: &str) -> Option<&Tensor<3>> {
        named(&self.stream, name)
    }

    /// Keys, values or a pattern, by a name such as `blocks.3.attn.hook_pattern`.
    pub fn by_head(&self, name: &str) -> Option<&Tensor<4>> {
        named(&self.by_head, name)
    }
}

impl Hooks for ActivationCache {
    fn wants(&self, at: HookPoint) -> bool {
        self.names.contains(&at.name)
    }

    fn stream(&mut self, at: HookPoint, activation: &Tensor<3>) -> Option<Tensor<3>> {
        self.stream.insert(at, activation.clone());
        None
    }

    fn by_head(&mut self, at: HookPoint, activation: &Tensor<4>) -> Option<Tensor<4>> {
        self.by_head.insert(at, activation.clone());
        None
    }
}

fn named<'a, T>(kept: &'a BTreeMap<HookPoint, T>, name: &str) -> Option<&'a T> {
    kept.iter().find(|(at, _)| at.to_string() == name).map(|(_, activation)| activation)
}
