//! What a run trains: a prefix for each site of the model that has one.

use rand::Rng;

use crate::adapters::folded::{AdapterTask, FoldedAdapter};
use crate::adapters::parameters::{Parameter, Trainables};
use crate::adapters::peft::FoldedPrefix;
use crate::adapters::prefix::Prefix;
use crate::error::Result;
use crate::models::{Conditioning, Site};

/// The trained parts, and the order of their parameters: site by site, each prefix's own order.
pub struct Adapter {
    /// For which kind of model.
    pub task: AdapterTask,
    /// One site each, at least one.
    pub prefixes: Vec<(Site, Prefix)>,
}

/// The parameters of one step as leaves of the gradient graph, part by part.
pub struct Leaves {
    prefixes: Vec<Trainables>,
}

impl Adapter {
    /// For a causal model.
    pub fn causal(prefix: Prefix) -> Self {
        Self { task: AdapterTask::Causal, prefixes: vec![(Site::Decoder, prefix)] }
    }

    /// For a model that reads a source and writes a target.
    pub fn seq2seq(prefixes: Vec<(Site, Prefix)>) -> Self {
        Self { task: AdapterTask::Seq2Seq, prefixes }
    }

    /// What is trained, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        self.prefixes.iter().flat_map(|(_, prefix)| &prefix.parameters)
    }

    /// What is trained as checkpoints name it, in order. The decoder's prefix, if it is the only one, needs no site.
    pub fn named_parameters(&self) -> impl Iterator<Item = (String, &Parameter)> {
        let alone = matches!(self.prefixes.as_slice(), [(Site::Decoder, _)]);
        self.prefixes.iter().flat_map(move |(site, prefix)| {
            prefix.parameters.iter().map(move |parameter| (Self::name(*site, alone, parameter.name), parameter))
        })
    }

    /// How checkpoints name a parameter of a site.
    pub fn name(site: Site, alone: bool, name: &str) -> String {
        if alone { name.to_owned() } else { format!("{}.{name}", site.name()) }
    }

    /// What is trained, to be written over.
    pub fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Parameter> {
        self.prefixes.iter_mut().flat_map(|(_, prefix)| &mut prefix.parameters)
    }

    /// The most virtual tokens of a site.
    pub fn n_virtual(&self) -> usize {
        self.prefixes.iter().map(|(_, prefix)| prefix.shape.n_virtual).max().unwrap_or(0)
    }

    /// The adapter as it stands, folded.
    ///
    /// # Errors
    /// The device failed.
    pub fn fold(&self, base_model: &str) -> Result<FoldedAdapter> {
        let fold = |(site, prefix): &(Site, Prefix)| {
            let base_model = Some(base_model.to_owned());
            Ok((*site, FoldedPrefix { shape: prefix.shape, flat: prefix.fold()?, base_model }))
        };
        Ok(FoldedAdapter { task: self.task, prefixes: self.prefixes.iter().map(fold).collect::<Result<_>>()? })
    }

    /// Leaves whose gradients can be asked for.
    pub fn tracked(&self) -> Leaves {
        Leaves { prefixes: self.prefixes.iter().map(|(_, prefix)| Trainables::tracked(&prefix.parameters)).collect() }
    }

    /// What the model is given for one step of training, with dropout drawn from `random`.
    pub fn conditioning(&self, leaves: &Leaves, random: &mut impl Rng) -> Conditioning {
        let mut conditioning = Conditioning::default();
        for ((site, prefix), leaves) in self.prefixes.iter().zip(&leaves.prefixes) {
            *conditioning.place(*site) = Some(prefix.past_kv(leaves, random));
        }
        conditioning
    }

    /// What the model is given as the adapter stands: nothing is recorded or dropped.
    pub fn as_it_stands(&self) -> Conditioning {
        let mut conditioning = Conditioning::default();
        for (site, prefix) in &self.prefixes {
            *conditioning.place(*site) = Some(prefix.as_it_stands());
        }
        conditioning
    }
}

impl Leaves {
    /// Gradients in the order of the parameters; zeros where the loss does not depend on one.
    pub fn gradients(&self, gradients: &burn::tensor::Gradients) -> Vec<burn::tensor::Tensor<1>> {
        self.prefixes.iter().flat_map(|leaves| leaves.gradients(gradients)).collect()
    }
}
