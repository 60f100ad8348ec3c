//! What a run trains: a prefix for each site of the model that has one, and a head where the task has classes.

use rand::Rng;

use crate::adapters::head::Head;
use crate::adapters::parameters::{Parameter, Trainables};
use crate::adapters::prefix::Prefix;
use crate::config::TaskRecord;
use crate::models::{Conditioning, Site};

/// The trained parts, and the order of their parameters: site by site, each prefix's own order, then the head.
pub struct Adapter {
    /// One site each, at least one.
    pub prefixes: Vec<(Site, Prefix)>,
    /// For tasks with classes.
    pub head: Option<Head>,
    /// What is learned.
    pub task: TaskRecord,
}

/// The parameters of one step as leaves of the gradient graph, part by part.
pub struct Leaves {
    prefixes: Vec<Trainables>,
    head: Option<Trainables>,
}

impl Adapter {
    /// For a causal model.
    pub fn causal(prefix: Prefix) -> Self {
        Self { prefixes: vec![(Site::Decoder, prefix)], head: None, task: TaskRecord::default() }
    }

    /// What is trained, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        let head = self.head.iter().flat_map(|head| &head.parameters);
        self.prefixes.iter().flat_map(|(_, prefix)| &prefix.parameters).chain(head)
    }

    /// What is trained, to be written over.
    pub fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Parameter> {
        let head = self.head.iter_mut().flat_map(|head| &mut head.parameters);
        self.prefixes.iter_mut().flat_map(|(_, prefix)| &mut prefix.parameters).chain(head)
    }

    /// The most virtual tokens of a site.
    pub fn n_virtual(&self) -> usize {
        self.prefixes.iter().map(|(_, prefix)| prefix.shape.n_virtual).max().unwrap_or(0)
    }

    /// Leaves whose gradients can be asked for.
    pub fn tracked(&self) -> Leaves {
        Leaves {
            prefixes: self.prefixes.iter().map(|(_, prefix)| Trainables::tracked(&prefix.parameters)).collect(),
            head: self.head.as_ref().map(|head| Trainables::tracked(&head.parameters)),
        }
    }

    /// What the model is given for one step of training, with dropout drawn from `random`.
    pub fn conditioning(&self, leaves: &Leaves, random: &mut impl Rng) -> Conditioning {
        let mut conditioning = Conditioning::default();
        for ((site, prefix), leaves) in self.prefixes.iter().zip(&leaves.prefixes) {
            *conditioning.place(*site) = Some(prefix.past_kv(leaves, random));
        }
        conditioning.head = self.head.as_ref().zip(leaves.head.as_ref()).map(|(head, leaves)| head.with(leaves));
        conditioning
    }

    /// What the model is given as the adapter stands: nothing is recorded or dropped.
    pub fn as_it_stands(&self) -> Conditioning {
        let mut conditioning = Conditioning::default();
        for (site, prefix) in &self.prefixes {
            let flat = prefix.flat(&Trainables::untracked(&prefix.parameters));
            *conditioning.place(*site) = Some(prefix.shape.layers(flat));
        }
        conditioning.head = self.head.as_ref().map(|head| head.with(&Trainables::untracked(&head.parameters)));
        conditioning
    }
}

impl Leaves {
    /// Gradients in the order of the parameters; zeros where the loss does not depend on one.
    pub fn gradients(&self, gradients: &burn::tensor::Gradients) -> Vec<burn::tensor::Tensor<1>> {
        self.prefixes.iter().chain(&self.head).flat_map(|leaves| leaves.gradients(gradients)).collect()
    }
}
