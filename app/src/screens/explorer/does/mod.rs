//! What an adapter does: the views of its decomposition and of the lens.

pub(super) mod bias;
pub(super) mod heads;
pub(super) mod layers;
pub(super) mod lens;
pub(super) mod moved;
pub(super) mod tokens;
