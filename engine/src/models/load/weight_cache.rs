//! Tensors of a folder by name, and the weights and linear layers that an architecture asked for.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;

use burn::tensor::Tensor;

use crate::error::Result;
use crate::nn::FrozenMatrix;

/// Tensors that models of the same files have in common, read or made of what was read, by name.
#[derive(Default)]
pub struct WeightCache {
    made: RefCell<BTreeMap<String, Box<dyn Any>>>,
    /// In the order in which the architecture asked for them.
    weights: RefCell<Vec<WeightName>>,
    linears: RefCell<Vec<LinearName>>,
}

impl WeightCache {
    /// Every weight of the model that was built of them.
    pub fn weights(&self) -> Vec<WeightName> {
        self.weights.borrow().clone()
    }

    /// Every linear layer of the model that was built of them.
    pub fn linears(&self) -> Vec<LinearName> {
        self.linears.borrow().clone()
    }

    pub(super) fn once<T: Clone + 'static>(&self, key: &str, make: impl FnOnce() -> Result<T>) -> Result<T> {
        if let Some(made) = self.made.borrow().get(key).and_then(|made| made.downcast_ref::<T>()) {
            return Ok(made.clone());
        }
        let made = make()?;
        self.made.borrow_mut().insert(key.to_owned(), Box::new(made.clone()));
        Ok(made)
    }

    /// Gives up every tensor; who asks for one again reads it again.
    pub(super) fn forget(&self) {
        self.made.borrow_mut().clear();
    }

    /// The tensor of a weight that was kept under its name.
    pub(crate) fn kept<const D: usize>(&self, weight: &WeightName) -> Option<Tensor<D>> {
        self.made.borrow().get(&weight.name).and_then(|made| made.downcast_ref::<Tensor<D>>()).cloned()
    }

    /// As [`WeightCache::kept`], of a matrix that something is multiplied with.
    pub(crate) fn kept_matrix(&self, weight: &WeightName) -> Option<Tensor<2>> {
        let made = self.made.borrow();
        made.get(&weight.name).and_then(|made| made.downcast_ref::<FrozenMatrix>()).map(FrozenMatrix::dense)
    }

    pub(super) fn note_weight(&self, weight: WeightName) {
        let mut weights = self.weights.borrow_mut();
        if !weights.contains(&weight) {
            weights.push(weight);
        }
    }

    pub(super) fn note_linear(&self, linear: LinearName) {
        let mut linears = self.linears.borrow_mut();
        if !linears.contains(&linear) {
            linears.push(linear);
        }
    }
}

/// A weight as adapters and files know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightName {
    /// As the architecture's own modules are called, such as `transformer.wte.weight`.
    pub name: String,
    /// In the files, which may leave out what stands in front.
    pub stored: String,
    /// Shape of the weight.
    pub shape: Vec<usize>,
}

/// A matrix that low ranks can stand beside, as adapters know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinearName {
    /// The module, such as `transformer.h.0.attn.c_attn`.
    pub name: String,
    /// Width of what it reads; of embeddings their own.
    pub d_in: usize,
    /// Width of what it makes; of embeddings and heads the tokens.
    pub d_out: usize,
    /// Whether the files keep its matrix as `[d_in, d_out]`; otherwise it is `[d_out, d_in]`.
    pub is_in_out: bool,
    /// Where it stands.
    pub role: Role,
}

/// Where a matrix stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A linear layer.
    Layer,
    /// The table of token embeddings.
    Embeddings,
    /// The head that makes logits: it is adapted by itself where it is the table of embeddings, too.
    Head,
}

/// The head that is the table of embeddings: what adapters call its weight, and where that lies in the files. `None` where it
/// has a weight of its own.
pub(crate) fn tied_head(linears: &[LinearName], weights: &[WeightName]) -> Option<WeightName> {
    let head = linears.iter().find(|linear| linear.role == Role::Head)?;
    let (name, shape) = (format!("{}.weight", head.name), vec![head.d_out, head.d_in]);
    if weights.iter().any(|weight| weight.name == name || weight.name == "embed_out.weight") {
        return None;
    }
    // Of several tables of this shape that of tokens is the first.
    let table = weights.iter().find(|weight| weight.shape == shape)?;
    Some(WeightName { name, stored: table.stored.clone(), shape })
}
