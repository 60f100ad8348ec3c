//! What a run trains: a prefix for each site of the model that has one, and a head where the task has classes.

use rand::Rng;

use crate::adapters::folded::{FoldedAdapter, FoldedPrefix};
use crate::adapters::head::Head;
use crate::adapters::parameters::{Parameter, Trainables};
use crate::adapters::prefix::Prefix;
use crate::config::TaskRecord;
use crate::error::Result;
use crate::models::{Conditioning, Site};
use crate::nn::positions::Positions;

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

    /// What is trained as checkpoints name it, in order. A prefix that is the only one needs no site.
    pub fn named_parameters(&self) -> impl Iterator<Item = (String, &Parameter)> {
        let alone = self.prefixes.len() == 1;
        let of_prefixes = self.prefixes.iter().flat_map(move |(site, prefix)| {
            prefix.parameters.iter().map(move |parameter| (Self::name(*site, alone, parameter.name), parameter))
        });
        let of_head = self.head.iter().flat_map(|head| &head.parameters);
        of_prefixes.chain(of_head.map(|parameter| (parameter.name.to_owned(), parameter)))
    }

    /// How checkpoints name a parameter of a site.
    pub fn name(site: Site, alone: bool, name: &str) -> String {
        if alone { name.to_owned() } else { format!("{}.{name}", site.name()) }
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

    /// The adapter as it stands, folded.
    ///
    /// # Errors
    /// The device failed.
    pub fn fold(&self, base_model: &str) -> Result<FoldedAdapter> {
        let fold =
            |(site, prefix): &(Site, Prefix)| Ok((*site, FoldedPrefix { shape: prefix.shape, flat: prefix.fold()? }));
        let kept = |p: &Parameter| Ok((p.name.to_owned(), p.shape.clone(), p.to_vec()?));
        Ok(FoldedAdapter {
            prefixes: self.prefixes.iter().map(fold).collect::<Result<_>>()?,
            head: self.head.iter().flat_map(|head| &head.parameters).map(kept).collect::<Result<_>>()?,
            task: self.task.clone(),
            base_model: Some(base_model.to_owned()),
            positions: Positions::Shifted,
        })
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
            *conditioning.place(*site) = Some(prefix.as_it_stands());
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
