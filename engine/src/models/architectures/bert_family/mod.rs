//! Encoders whose block is BERT's: attention and feed-forward, a norm after each. Only DeBERTa's attention is another.

pub(crate) mod albert;
pub(crate) mod bert;
mod block;
pub(crate) mod deberta;
mod deberta_config;
pub(crate) mod distilbert;
pub(crate) mod electra;
mod heads;
pub(crate) mod roberta;
