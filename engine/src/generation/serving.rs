//! The cost of serving a text: each stream decodes alone, in turn with the others, so that its times are its own and none is
//! that of a batch.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::decoder::{Decoder, DecoderOptions, DecoderStream};
use super::decoder_model::DecoderModel;
use crate::config::Sampling;
use crate::error::Result;
use crate::models::{Conditioning, ModelShape, Site};

/// Times of a stream that decodes alone; medians over the rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServingTime {
    /// Seconds until the first new token: the prompt is read.
    pub first_token_secs: f64,
    /// Seconds of each token after that.
    pub token_secs: f64,
    /// New tokens of a round.
    pub tokens: usize,
    /// Bytes that what stands before the prompt takes in the cache, for each text that is served.
    pub cache_bytes: u64,
}

impl ServingTime {
    /// Tokens a second after the first.
    pub fn tokens_per_sec(&self) -> f64 {
        if self.token_secs > 0.0 { self.token_secs.recip() } else { 0.0 }
    }
}

/// A measurement under way, a token a step. The first round is not counted: a device compiles its kernels in it.
#[derive(Debug)]
pub struct ServingTimer {
    shape: ModelShape,
    streams: Vec<DecoderStream>,
    options: DecoderOptions,
    rounds: usize,
    /// Of each stream, of each round: the first token, and the mean of the others.
    times: Vec<Vec<(f64, f64)>>,
    under_way: Option<(Decoder, f64, f64)>,
    cache_bytes: Vec<u64>,
}

impl ServingTimer {
    /// Streams with the bytes that each has in the cache, to be decoded greedily for so many rounds of so many tokens.
    pub fn new(
        shape: &ModelShape,
        streams: Vec<(DecoderStream, u64)>,
        options: DecoderOptions,
        (rounds, tokens): (usize, usize),
    ) -> Self {
        let sampling = Sampling { max_new_tokens: tokens.max(2), stop_at_end: false, ..Sampling::default() };
        let (streams, cache_bytes): (Vec<_>, Vec<_>) = streams.into_iter().unzip();
        let streams: Vec<_> = streams.into_iter().map(|stream| DecoderStream { options: None, ..stream }).collect();
        Self {
            shape: shape.clone(),
            times: vec![Vec::new(); streams.len()],
            streams,
            options: DecoderOptions { sampling, stops: None, keep_logits: false, ..options },
            rounds: rounds.max(1),
            under_way: None,
            cache_bytes,
        }
    }

    /// The share that is done, 0 to 1.
    pub fn share(&self) -> f32 {
        let done: usize = self.times.iter().map(Vec::len).sum();
        done as f32 / ((self.rounds + 1) * self.streams.len().max(1)) as f32
    }

    /// One more token of one stream; the times after the last.
    ///
    /// # Errors
    /// Those of [`Decoder::new`] and [`Decoder::step`].
    pub fn step<'a>(&mut self, model: impl Into<DecoderModel<'a>>) -> Result<Option<Vec<ServingTime>>> {
        // Round by round, so that a machine that becomes slower does so for all.
        let next = (0..self.streams.len()).min_by_key(|&stream| self.times[stream].len());
        let Some(stream) = next.filter(|&stream| self.times[stream].len() <= self.rounds) else {
            return Ok(Some(self.found()));
        };
        let (decoder, first, others) = match &mut self.under_way {
            Some(under_way) => under_way,
            none => {
                let alone = vec![self.streams[stream].clone()];
                none.insert((Decoder::new(&self.shape, alone, self.options.clone())?, 0.0, 0.0))
            }
        };
        let begun = Instant::now();
        decoder.step(model)?;
        let secs = begun.elapsed().as_secs_f64();
        if decoder.tokens(0).len() <= 1 {
            *first = secs;
        } else {
            *others += secs;
        }
        if decoder.is_done() {
            let after = decoder.tokens(0).len().saturating_sub(1);
            self.times[stream].push((*first, *others / after.max(1) as f64));
            self.under_way = None;
        }
        Ok(None)
    }

    fn found(&self) -> Vec<ServingTime> {
        let of = |(times, &cache_bytes): (&Vec<(f64, f64)>, &u64)| {
            let counted = &times[1.min(times.len())..];
            ServingTime {
                first_token_secs: median(counted.iter().map(|(first, _)| *first).collect()),
                token_secs: median(counted.iter().map(|(_, token)| *token).collect()),
                tokens: self.options.sampling.max_new_tokens,
                cache_bytes,
            }
        };
        self.times.iter().zip(&self.cache_bytes).map(of).collect()
    }
}

/// Bytes that a prefix takes in the cache of a text, and `n_tokens` that an adapter puts before the text as tokens.
pub fn cache_bytes(conditioning: &Conditioning, n_tokens: usize, shape: &ModelShape) -> u64 {
    let numbers = |site| -> usize {
        let layers = conditioning.of(site).unwrap_or_default();
        layers.iter().map(|kv| kv.key.dims().iter().chain(&[2]).product::<usize>()).sum()
    };
    // The source is read once: what stands before it is not kept, but the tokens' keys and values of cross-attention are.
    let prefix = numbers(Site::Decoder) + numbers(Site::Cross);
    let tokens = n_tokens * shape.n_layers * 2 * shape.n_kv_heads * shape.d_head;
    ((prefix + tokens) * size_of::<f32>()) as u64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generation::tiny::TinyModel;
    use crate::models::CausalModel;

    #[test]
    fn each_stream_is_timed_alone_in_turn_with_the_others() {
        let model = TinyModel::new(3);
        let behind = Conditioning::causal(model.prefix(5, 4));
        let shape = model.shape();
        // 2 layers, keys and values, 2 heads of 4, 5 slots, 4 bytes each; three words take three more columns.
        assert_eq!(cache_bytes(&behind, 0, shape), 2 * 2 * 2 * 4 * 5 * 4);
        assert_eq!(cache_bytes(&Conditioning::default(), 3, shape), 2 * 2 * 2 * 4 * 3 * 4);
        let bytes = cache_bytes(&behind, 0, shape);
        let streams = vec![
            (DecoderStream::new(vec![1, 2, 3], Conditioning::default()), 0),
            (DecoderStream::new(vec![1, 2, 3], behind), bytes),
        ];
        let mut timer = ServingTimer::new(shape, streams, DecoderOptions::default(), (2, 6));
        let mut steps = 0;
        let found = loop {
            assert!(timer.share() < 1.0 || timer.under_way.is_none());
            if let Some(found) = timer.step(&model).unwrap() {
                break found;
            }
            steps += 1;
        };
        assert_eq!(steps, 2 * 3 * 6, "a token a step: two streams, three rounds with the first, six tokens");
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|time| time.first_token_secs > 0.0 && time.token_secs > 0.0 && time.tokens == 6));
        assert_eq!((found[0].cache_bytes, found[1].cache_bytes), (0, bytes));
        assert!((found[1].tokens_per_sec() * found[1].token_secs - 1.0).abs() < 1e-9);
        assert_eq!(ServingTime::default().tokens_per_sec(), 0.0);
    }

    #[test]
    fn the_median_is_not_moved_by_a_slow_round() {
        assert_eq!(median(vec![9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(Vec::new()), 0.0);
    }
}
