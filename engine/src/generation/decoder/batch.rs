//! Batches: streams of one model decode together in one cache, padded on the left.

use std::rc::Rc;
use std::time::Instant;

use super::prompt::{Hidden, Ready};
use super::streams::StreamState;
use super::{Decoder, NewToken, in_place_of};
use crate::error::Result;
use crate::generation::cache::KvCache;
use crate::generation::decoder_model::{DecoderModel, cross_cache};
use crate::models::{Conditioning, Model};
use crate::nn::positions::Place;

/// Room for new tokens that a cache starts with, at most.
const SPARE_TOKENS: usize = 128;

/// Streams that go through the model together; those that ended stay as idle rows until half of the rows are idle.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) cache: KvCache,
    /// Keys and values of cross-attention.
    pub(super) cross: Option<KvCache>,
    pub(super) model: Option<Rc<Model>>,
    /// Each has `n_rows` rows.
    pub(super) streams: Vec<usize>,
    /// One, or as many as there are beams.
    pub(super) n_rows: usize,
}

impl Batch {
    /// Drops idle rows when half of them are; `false` when none is live.
    pub(super) fn drop_idle(&mut self, streams: &[StreamState]) -> bool {
        let live: Vec<usize> =
            (0..self.streams.len()).filter(|&place| streams[self.streams[place]].end.is_none()).collect();
        if !live.is_empty() && live.len() * 2 <= self.streams.len() {
            let rows: Vec<usize> =
                live.iter().flat_map(|place| place * self.n_rows..(place + 1) * self.n_rows).collect();
            self.cache.keep(&rows);
            if let Some(cross) = &mut self.cross {
                cross.keep(&rows);
            }
            self.streams = live.iter().map(|&place| self.streams[place]).collect();
        }
        !live.is_empty()
    }

    /// Each beam's row gets what came before its last token. What cross-attention sees is the same for all.
    fn reorder(&mut self, streams: &[StreamState]) {
        let mut rows = Vec::new();
        for (place, &index) in self.streams.iter().enumerate() {
            let search = streams[index].search.as_ref().expect("it has beams");
            rows.extend(search.parents().map(|row| place * self.n_rows + row));
        }
        self.cache.reorder(&rows);
    }
}

impl Decoder {
    pub(super) fn form_batches(&mut self) {
        let exact = self.options.exact_base;
        let alone = |ready: &Ready| exact && !self.streams[ready.stream].has_slots;
        let (alone, together): (Vec<_>, Vec<_>) = std::mem::take(&mut self.ready).into_iter().partition(alone);
        let model = |ready: &Ready| self.streams[ready.stream].model.clone();
        let n_rows = |ready: &Ready| self.streams[ready.stream].choice.options.sampling.beams.n_beams;
        // One batch for each model and number of beams.
        let mut groups: Vec<Vec<Ready>> = Vec::new();
        for row in together {
            let address = |row: &Ready| model(row).map(|model| Rc::as_ptr(&model).cast::<()>());
            let is_like =
                |group: &&mut Vec<Ready>| address(&group[0]) == address(&row) && n_rows(&group[0]) == n_rows(&row);
            match groups.iter_mut().find(is_like) {
                Some(group) => group.push(row),
                None => groups.push(vec![row]),
            }
        }
        let spare = self.streams.iter().map(|stream| stream.most).max().unwrap_or(0).min(SPARE_TOKENS);
        self.batches = groups
            .into_iter()
            .chain(alone.into_iter().map(|row| vec![row]))
            .map(|rows| {
                let (model, n_rows) = (model(&rows[0]), n_rows(&rows[0]));
                let (mut streams, mut own, mut cross) = (Vec::new(), Vec::new(), Vec::new());
                let mut hidden = Vec::new();
                for row in rows {
                    streams.push(row.stream);
                    own.extend(std::iter::repeat_n(row.own, n_rows));
                    cross.extend(std::iter::repeat_n(row.cross, n_rows));
                    hidden.extend(std::iter::repeat_n(row.hidden, n_rows));
                }
                let slots = |n: fn(&Hidden) -> usize| hidden.iter().map(|row| row.slots(n(row))).collect();
                let cache = KvCache::new(&own, spare).hiding(slots(|row| row.own));
                let cross = cross_cache(cross).map(|cache| cache.hiding(slots(|row| row.cross)));
                Batch { cache, cross, model, streams, n_rows }
            })
            .collect();
    }

    /// One token for each row of a batch.
    pub(super) fn advance(
        &mut self,
        batch: &mut Batch,
        model: DecoderModel<'_>,
        news: &mut Vec<NewToken>,
    ) -> Result<()> {
        let tokens = batch.streams.iter().flat_map(|&index| self.streams[index].last_tokens());
        let tokens = tokens.map(i64::from).collect();
        let added = batch.cache.added();
        let place = |index: usize| self.streams[index].next.after(added);
        let places = batch.streams.iter().flat_map(|&index| std::iter::repeat_n(place(index), batch.n_rows));
        let places: Vec<Place> = places.collect();
        let model = in_place_of(model, batch.model.as_deref())?;
        let (begun, first) = (Instant::now(), news.len());
        // [streams * n_rows, vocab_size]
        let mut logits = model.advance(tokens, places.clone(), &mut batch.cache, batch.cross.as_ref())?;
        self.read_anew(model, (&batch.streams, batch.n_rows), &places, &mut batch.cache, &mut logits)?;
        for (row, &index) in logits.chunks_exact(logits.len() / batch.streams.len()).zip(&batch.streams) {
            if self.streams[index].end.is_none() {
                news.push(self.choose(index, row.to_vec())?);
            }
        }
        if batch.n_rows > 1 {
            batch.reorder(&self.streams);
        }
        let secs = begun.elapsed().as_secs_f64();
        news[first..].iter_mut().for_each(|new| new.secs = secs);
        Ok(())
    }

    /// Reads the texts anew that have come to where the model wants it, in place of their keys, values and logits.
    fn read_anew(
        &self,
        model: DecoderModel<'_>,
        (streams, n_rows): (&[usize], usize),
        places: &[Place],
        cache: &mut KvCache,
        logits: &mut [f32], // [streams * n_rows, vocab_size]
    ) -> Result<()> {
        let Some(at) = model.rereads_at() else { return Ok(()) };
        let vocab_size = logits.len() / places.len();
        for (place, &index) in streams.iter().enumerate() {
            let stream = &self.streams[index];
            let first = place * n_rows;
            if stream.end.is_some() || stream.has_prompt || places[first].position != at {
                continue;
            }
            for (row, text) in (first..).zip(stream.texts()) {
                let read = model.read(&text, 0, &Conditioning::default(), None)?;
                cache.rewrite(row, &read.text);
                logits[row * vocab_size..][..vocab_size].copy_from_slice(&read.logits);
            }
        }
        Ok(())
    }
}
