//! Where a gradient graph is cut, so that the parts of a model can be run backwards one by one.
//!
//! burn consumes a graph in its backward pass, so what several passes share must be a leaf of its own in each of them.
//! Afterwards the gradients that reached the leaves go on into what they were cut from, in one last pass.

use std::cell::RefCell;

use burn::tensor::{Device, Gradients, Tensor};

use crate::models::{Conditioning, WeightOverrides};
use crate::nn::{FrozenLinear, LayerKv, LowRank};

/// The cuts of one graph.
#[derive(Default)]
pub struct GraphCut(RefCell<Vec<Box<dyn Seam>>>);

/// A leaf of several graphs, with the gradient that it has had so far.
pub(crate) struct Leaf<const D: usize> {
    pub(crate) tensor: Tensor<D>,
    pub(crate) gradient: Option<Tensor<D>>,
}

/// A tracked tensor and the leaf that stands for it.
struct Cut<const D: usize> {
    whole: Tensor<D>,
    leaf: Leaf<D>,
}

trait Seam {
    /// Takes the leaf's share of a backward pass.
    fn accumulate(&mut self, gradients: &mut Gradients);

    /// A number, `[1]`, whose gradient with respect to the tensor that was cut is the leaf's.
    fn reconnected(self: Box<Self>) -> Option<Tensor<1>>;
}

impl GraphCut {
    /// The leaf that stands for a tensor; what is not tracked stays as it is.
    pub fn cut<const D: usize>(&self, whole: Tensor<D>) -> Tensor<D> {
        if !whole.is_tracked() {
            return whole;
        }
        let tensor = leaf(whole.clone());
        let leaf = Leaf { tensor: tensor.clone(), gradient: None };
        self.0.borrow_mut().push(Box::new(Cut { whole, leaf }));
        tensor
    }

    /// The leaves of what an adapter gives a model. Other weights are not among them: the model is built of their leaves.
    pub fn conditioning(&self, whole: &Conditioning) -> Conditioning {
        let prefix = |layers: &Option<Vec<LayerKv>>| {
            let cut = |kv: &LayerKv| LayerKv { key: self.cut(kv.key.clone()), value: self.cut(kv.value.clone()) };
            layers.as_ref().map(|layers| layers.iter().map(cut).collect())
        };
        let mut head = whole.head.clone();
        for weight in head.iter_mut().flat_map(|head| &mut head.weights) {
            *weight = self.cut(weight.clone());
        }
        Conditioning {
            encoder: prefix(&whole.encoder),
            decoder: prefix(&whole.decoder),
            cross: prefix(&whole.cross),
            soft_prompt: whole.soft_prompt.clone().map(|prompt| self.cut(prompt)),
            tuned: WeightOverrides::default(),
            head,
            positions: whole.positions,
            layers: whole.layers.clone(),
            slots_of_rows: whole.slots_of_rows.clone(),
            dropout: whole.dropout,
        }
    }

    /// The leaves of a linear layer.
    pub(crate) fn linear(&self, whole: FrozenLinear) -> FrozenLinear {
        let FrozenLinear { weight, bias, low_rank } = whole;
        let low_rank = low_rank.map(|LowRank { a, b, dropout }| LowRank { a: self.cut(a), b: self.cut(b), dropout });
        FrozenLinear { weight: weight.map(|values| self.cut(values)), bias: bias.map(|bias| self.cut(bias)), low_rank }
    }

    /// Takes the share that leaves have in a backward pass.
    pub fn accumulate(&self, gradients: &mut Gradients) {
        self.0.borrow_mut().iter_mut().for_each(|seam| seam.accumulate(gradients));
    }

    /// The backward pass of what was cut, from the gradients that its leaves have had.
    pub fn backward(self, device: &Device) -> Gradients {
        // What no gradient has reached still needs a pass that says so.
        let start: Tensor<1> = leaf(Tensor::zeros([1], device));
        let reconnected = self.0.into_inner().into_iter().filter_map(|seam| seam.reconnected());
        reconnected.fold(start, |sum, part| sum + part).backward()
    }
}

impl<const D: usize> Leaf<D> {
    /// Takes its share of a backward pass.
    pub(crate) fn accumulate(&mut self, gradients: &mut Gradients) {
        if let Some(share) = self.tensor.grad_remove(gradients) {
            self.gradient = Some(match self.gradient.take() {
                Some(before) => before + share,
                None => share,
            });
        }
    }
}

impl<const D: usize> Seam for Cut<D> {
    fn accumulate(&mut self, gradients: &mut Gradients) {
        self.leaf.accumulate(gradients);
    }

    fn reconnected(self: Box<Self>) -> Option<Tensor<1>> {
        let Self { whole, leaf } = *self;
        leaf.gradient.map(|gradient| with_gradient(whole, gradient))
    }
}

/// A leaf with the numbers of a tensor.
pub(crate) fn leaf<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    Tensor::from_inner(tensor.inner()).require_grad()
}

/// A number, `[1]`, whose gradient with respect to a tensor is the given one.
pub(crate) fn with_gradient<const D: usize>(tensor: Tensor<D>, gradient: Tensor<D>) -> Tensor<1> {
    (tensor * Tensor::from_inner(gradient)).sum()
}
