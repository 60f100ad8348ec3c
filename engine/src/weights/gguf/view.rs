//! A weight made of a tensor that a file keeps under another name and in another order.

use std::sync::Arc;

/// A weight, and the tensor of the file that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The tensor's name in the file.
    pub tensor: String,
    /// What makes the weight of it.
    pub change: Change,
}

/// What makes a weight of a tensor. None of it takes a block apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is the weight.
    Nothing,
    /// These rows of it, in this order; of a vector, these numbers.
    Rows(Arc<[u32]>),
    /// Every number less one: a norm that is kept with the one that the model adds.
    LessOne,
    /// Its rows are the weight's columns.
    Transposed,
}
