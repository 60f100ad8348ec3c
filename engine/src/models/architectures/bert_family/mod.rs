//! Encoders whose block is BERT's: attention and feed-forward, a norm after each.

pub(crate) mod albert;
pub(crate) mod bert;
mod block;
pub(crate) mod distilbert;
pub(crate) mod electra;
pub(crate) mod roberta;
