//! Continuing texts: what the model computes for one more token, and which token is taken.
//!
//! A [`Decoder`] holds any number of streams, each with its own prompt and prefix, and advances them by one token per
//! step; it owns no model, so a training step fits between two of its own.

mod beam;
#[cfg(test)]
mod beam_tests;
mod cache;
mod decoder;
mod decoder_model;
#[cfg(test)]
mod golden_tests;
mod probability;
mod rules;
mod sampling;
mod serving;
mod stop;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod tiny;

pub use beam::Hypothesis;
pub use cache::{KvCache, Segments};
pub use decoder::{Decoder, DecoderOptions, DecoderStream, EndReason, NewToken, known_text, plain_logits};
pub use decoder_model::{DecoderModel, SourceOptions};
pub use probability::{TokenProbability, token_probability};
pub use sampling::TokenSampler;
pub use serving::{ServingTime, ServingTimer, cache_bytes};
pub use stop::{StopStrings, before_stop};

pub use crate::config::{Beams, EarlyStopping, Sampling};
