//! BERTScore of predictions by the hidden states of an encoder, a few rows a step.

use std::collections::BTreeMap;
use std::rc::Rc;

use burn::tensor::Tensor;

use crate::error::{EngineError, Result};
use crate::jobs::{Job, Outbox, Progress};
use crate::loaded_model::LoadedModel;
use crate::metrics::bertscore::{BertScore, EmbeddedText, InverseFrequencies};
use crate::models::{Conditioning, HookName, HookPoint, Hooks, PaddedRows};
use crate::nn::{Precision, floats};
use crate::protocol::{BertScoreRequest, Outcome, Phase, Report};
use crate::sentence;
use crate::session::Session;

/// Rows that are scored in a step.
const ROWS: usize = 8;
/// Texts in one forward pass.
const TEXTS: usize = 16;

pub(super) struct BertScoreJob {
    request: BertScoreRequest,
    running: Option<Running>,
}

struct Running {
    model: Rc<LoadedModel>,
    /// From 0.
    layer: usize,
    weights: Option<InverseFrequencies>,
    scores: Vec<BertScore>,
    /// Texts longer than the encoder's positions.
    cut: usize,
}

/// The tokens of a text, those around it among them.
struct Tokens {
    ids: Vec<u32>,
    /// Which of them stand around the text.
    around: Vec<bool>,
}

impl BertScoreJob {
    pub(super) fn new(request: BertScoreRequest) -> Self {
        Self { request, running: None }
    }

    fn start(&self, session: &mut Session, out: &Outbox) -> Result<Running> {
        let BertScoreRequest { encoder, device, layer, idf, references, .. } = &self.request;
        let mut heard = out.loading();
        let model = session.model(encoder, (*device, Precision::F32.into()), &mut heard)?;
        let n_layers = model.model.encoder()?.shape().n_layers;
        let layer = layer.unwrap_or(n_layers);
        if layer == 0 || layer > n_layers {
            let reason = sentence!("the encoder has layers 1 to {n_layers}", n_layers);
            return Err(EngineError::Setting { field: "encoder_layer", reason });
        }
        let mut running = Running { model, layer: layer - 1, weights: None, scores: Vec::new(), cut: 0 };
        if *idf {
            let texts = references.iter().flatten();
            let tokens = texts.map(|text| Ok(running.tokens(text)?.0.ids)).collect::<Result<Vec<_>>>()?;
            running.weights = Some(InverseFrequencies::of(tokens.iter().map(Vec::as_slice)));
        }
        Ok(running)
    }
}

impl Running {
    /// Tokens of a text without spaces around it, and whether its end was cut off.
    fn tokens(&self, text: &str) -> Result<(Tokens, bool)> {
        let encoded = self.model.tokenizer.encode_with_special(text.trim())?;
        let mut tokens = Tokens { around: encoded.words.iter().map(Option::is_none).collect(), ids: encoded.ids };
        let most = self.model.model.shape().n_positions;
        let is_cut = tokens.ids.len() > most;
        // The token behind the text stays.
        let n_cut = tokens.ids.len().saturating_sub(most);
        if let Some(end) = tokens.ids.len().checked_sub(1).filter(|_| is_cut) {
            tokens.ids.drain(end - n_cut..end);
            tokens.around.drain(end - n_cut..end);
        }
        Ok((tokens, is_cut))
    }

    fn weights_of(&self, tokens: &Tokens) -> Vec<f64> {
        let weight = |(&id, &around): (&u32, &bool)| match &self.weights {
            Some(weights) => weights.weight(id),
            None => f64::from(u8::from(!around)),
        };
        tokens.ids.iter().zip(&tokens.around).map(weight).collect()
    }

    /// Scores the next rows.
    fn score(&mut self, predictions: &[String], references: &[Vec<String>]) -> Result<()> {
        let mut texts: BTreeMap<&str, Tokens> = BTreeMap::new();
        for text in predictions.iter().chain(references.iter().flatten()) {
            if !texts.contains_key(text.as_str()) {
                let (tokens, is_cut) = self.tokens(text)?;
                self.cut += usize::from(is_cut);
                texts.insert(text, tokens);
            }
        }
        let embedded = self.embedded(&texts)?;
        let d_model = self.model.model.shape().d_model;
        let weights: BTreeMap<&str, Vec<f64>> =
            texts.iter().map(|(text, tokens)| (*text, self.weights_of(tokens))).collect();
        let text = |text: &str| EmbeddedText {
            values: embedded.get(text).map_or(&[], Vec::as_slice),
            weights: weights.get(text).map_or(&[], Vec::as_slice),
        };
        for (prediction, references) in predictions.iter().zip(references) {
            let scores = references.iter().map(|reference| BertScore::of(text(prediction), text(reference), d_model));
            self.scores.push(scores.reduce(BertScore::best).unwrap_or_default());
        }
        Ok(())
    }

    /// Hidden states of texts, `[tokens, d_model]` of each.
    fn embedded<'a>(&self, texts: &BTreeMap<&'a str, Tokens>) -> Result<BTreeMap<&'a str, Vec<f32>>> {
        let mut order: Vec<(&'a str, &Tokens)> = texts.iter().map(|(text, tokens)| (*text, tokens)).collect();
        order.sort_by_key(|(_, tokens)| tokens.ids.len());
        let mut embedded = BTreeMap::new();
        for batch in order.chunks(TEXTS) {
            let seq = batch.iter().map(|(_, tokens)| tokens.ids.len()).max().unwrap_or(0);
            let hidden = self.hidden(batch, seq)?;
            let d_model = hidden.len() / (batch.len() * seq).max(1);
            for (&(text, tokens), rows) in batch.iter().zip(hidden.chunks_exact((seq * d_model).max(1))) {
                embedded.insert(text, rows[..tokens.ids.len() * d_model].to_vec());
            }
        }
        Ok(embedded)
    }

    fn hidden(&self, batch: &[(&str, &Tokens)], seq: usize) -> Result<Vec<f32>> {
        let LoadedModel { model, tokenizer, device, .. } = self.model.as_ref();
        let (mut ids, mut mask) = (vec![id(tokenizer.pad()); batch.len() * seq], vec![0.0; batch.len() * seq]);
        for (row, (_, tokens)) in batch.iter().enumerate() {
            for (at, &token) in tokens.ids.iter().enumerate() {
                ids[row * seq + at] = id(token);
                mask[row * seq + at] = 1.0;
            }
        }
        let rows = PaddedRows {
            shape: [batch.len(), seq],
            tokens: &ids,
            mask: &mask,
            types: None,
            infix_from: Vec::new(),
            starts: None,
            source: None,
        };
        let mut kept = OneLayer { layer: self.layer, resid: None };
        model.hidden(&rows, &Conditioning::default(), Some(&mut kept), device)?;
        let resid =
            kept.resid.ok_or_else(|| EngineError::Computation(sentence!("the encoder made no hidden states")))?;
        floats(resid)
    }
}

/// Keeps the residual stream behind one block: `hidden_states` of transformers.
struct OneLayer {
    layer: usize,
    resid: Option<Tensor<3>>,
}

impl Hooks for OneLayer {
    fn wants(&self, at: HookPoint) -> bool {
        at.name == HookName::ResidPost && at.layer == self.layer
    }

    fn stream(&mut self, _at: HookPoint, activation: &Tensor<3>) -> Option<Tensor<3>> {
        self.resid = Some(activation.clone());
        None
    }

    fn by_head(&mut self, _at: HookPoint, _activation: &Tensor<4>) -> Option<Tensor<4>> {
        None
    }
}

fn id(token: u32) -> i32 {
    i32::try_from(token).unwrap_or_default()
}

impl Job for BertScoreJob {
    fn step(&mut self, session: &mut Session, out: &Outbox) -> Result<Progress> {
        let Some(running) = &mut self.running else {
            self.running = Some(self.start(session, out)?);
            return Ok(Progress::More);
        };
        let BertScoreRequest { predictions, references, .. } = &self.request;
        let (done, n) = (running.scores.len(), predictions.len().min(references.len()));
        if done < n {
            out.send(Report::Phase(Phase::Evaluating { share: done as f32 / n as f32 }));
            let next = done..(done + ROWS).min(n);
            running.score(&predictions[next.clone()], &references[next])?;
            return Ok(Progress::More);
        }
        if running.cut > 0 {
            let (n, most) = (running.cut, running.model.model.shape().n_positions);
            let text =
                sentence!("{n} {n:text is|texts are} longer than the encoder's {most} positions and cut", n, most);
            out.send(Report::Notice { text });
        }
        let rows = std::mem::take(&mut running.scores);
        out.send(Report::BertScores { rows, encoder: running.model.hash.clone(), layer: running.layer + 1 });
        Ok(Progress::Done(Outcome::Completed))
    }
}
