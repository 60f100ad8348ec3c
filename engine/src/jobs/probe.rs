//! A few logits with an adapter, beside the base model's and its sender's.

use std::path::PathBuf;

use burn::tensor::Tensor;

use crate::adapters::AdapterState;
use crate::bundle::{self, OpenedAdapter, ReferenceLogits};
use crate::data::{Example, TokenBatch, plain_prompt, put_before};
use crate::device::DeviceChoice;
use crate::error::{EngineError, Result};
use crate::generation::Sampling;
use crate::jobs::exchange::run_of;
use crate::jobs::{Job, Outbox, Progress};
use crate::loaded_model::LoadedModel;
use crate::models::{Conditioning, Model};
use crate::nn::{Quantization, floats, head_logits};
use crate::protocol::{Outcome, ProbeReport, Report};
use crate::sentence;
use crate::session::Session;
use crate::training::loss;

/// Texts that an adapter is tried on when nobody says which.
const TEXTS: [&str; 3] = ["The", "name : Ada | kind : bridge", "1 2 3 4 5 6 7 8"];
/// Differences of a logit's size by which two machines may differ.
const TOLERANCE: f32 = 1e-3;

pub(super) struct Probe {
    adapter: PathBuf,
    base: (PathBuf, DeviceChoice),
}

impl Probe {
    pub(super) fn new(adapter: PathBuf, base: (PathBuf, DeviceChoice)) -> Self {
        Self { adapter, base }
    }
}

impl Probe {
    /// How the base's matrices are kept: as the sender had them, or the run that the adapter lies in.
    fn quantization(&self) -> Result<Quantization> {
        if bundle::is_one(&self.adapter) {
            return Ok(bundle::read(&self.adapter)?.about.quantization);
        }
        Ok(run_of(&self.adapter).map_or(Quantization::Stored, |(_, config)| config.quantization))
    }
}

impl Job for Probe {
    fn step(&mut self, session: &mut Session, out: &Outbox) -> Result<Progress> {
        let mut heard = out.loading();
        let model = session.model(&self.base.0, (self.base.1, self.quantization()?.into()), &mut heard)?;
        let sent = OpenedAdapter::read(&self.adapter, Some(&model.model.sites()))?;
        let sent = OpenedAdapter { adapter: sent.adapter.placed(&model.model)?, ..sent };
        let probe = probe(&model, &sent)?;
        out.send(Report::Probed(probe));
        Ok(Progress::Done(Outcome::Completed))
    }
}

fn probe(model: &LoadedModel, sent: &OpenedAdapter) -> Result<ProbeReport> {
    let adapter = &sent.adapter;
    let rows = match &sent.reference {
        Some(reference) => reference.rows.clone(),
        None => rows(model, &TEXTS, adapter)?,
    };
    let conditioning = model.conditioning(adapter)?;
    let (width, with) = last_logits(model, adapter, &conditioning, &rows)?;
    let base = Conditioning { head: conditioning.head, ..Conditioning::default() };
    let bare = AdapterState { task: adapter.task.clone(), ..AdapterState::default() };
    let (_, without) = last_logits(model, &bare, &base, &rows)?;
    let largest = with.iter().map(|x| x.abs()).fold(0.0, f32::max);
    Ok(ProbeReport {
        rows: rows.len(),
        largest,
        from_base: distance(&with, &without),
        from_sender: sent.reference.as_ref().map(|reference| from(reference, &with, width)).transpose()?,
        tolerance: TOLERANCE * largest.max(1.0),
    })
}

/// Token ids of texts, each short enough to stand behind the adapter.
pub(super) fn rows(model: &LoadedModel, texts: &[impl AsRef<str>], adapter: &AdapterState) -> Result<Vec<Vec<u32>>> {
    let room = model.model.shape().n_positions.saturating_sub(adapter.n_before() + 1);
    let row = |text: &str| {
        let mut tokens = plain_prompt(text, &model.tokenizer)?;
        tokens.truncate(room.clamp(1, 64));
        Ok(tokens)
    };
    texts.iter().map(|text| row(text.as_ref())).collect()
}

/// Logits after the last token of each row, row by row, and how many each has. In a task with classes they are the
/// classes' scores; what reads a source has read the row and begins its target.
///
/// # Errors
/// A row has a token that the model does not know, or does not fit behind the adapter.
pub(super) fn last_logits(
    model: &LoadedModel,
    adapter: &AdapterState,
    conditioning: &Conditioning,
    rows: &[Vec<u32>],
) -> Result<(usize, Vec<f32>)> {
    let (mut width, mut all) = (0, Vec::new());
    let tuned = model.model.with_overrides(&conditioning.tuned)?;
    let before = adapter.before(&model.tokenizer)?;
    for row in rows {
        let with = (tuned.as_ref().unwrap_or(&model.model), conditioning);
        let logits = floats(of_row(model, (adapter, &before), with, row)?)?;
        width = logits.len();
        all.extend(logits);
    }
    if all.iter().all(|x| x.is_finite()) {
        return Ok((width, all));
    }
    Err(EngineError::Computation(sentence!("a logit of the probe is not a number")))
}

/// `tuned` is the model with the weights that the adapter changes, `before` what stands before the row.
fn of_row(
    model: &LoadedModel,
    (adapter, before): (&AdapterState, &[u32]),
    (tuned, with): (&Model, &Conditioning),
    row: &[u32],
) -> Result<Tensor<2>> {
    let shape = model.model.shape();
    if let Some(token) = row.iter().find(|&&token| token as usize >= shape.vocab_size) {
        let reason = sentence!(
            "its probe has token {token}, the model knows {vocab_size}",
            token,
            vocab_size = shape.vocab_size
        );
        return Err(EngineError::AdapterMismatch { reason });
    }
    let n_before = adapter.n_before().max(before.len());
    if n_before + row.len() > shape.n_positions {
        let (n_virtual, tokens, n_positions) = (n_before, row.len(), shape.n_positions);
        return Err(EngineError::ContextOverflow { n_virtual, tokens, n_positions });
    }
    let task = adapter.task.task;
    let start = model.decoding(Sampling::default())?.source.map(|source| source.start);
    let mut row = row.to_vec();
    put_before(&mut row, before, model.tokenizer.begins_texts());
    let (source, tokens) = match start {
        Some(start) => (row, vec![start]),
        None => (Vec::new(), row),
    };
    let last = tokens.len() - 1;
    let example = Example {
        row: 1,
        source,
        n_prompt: tokens.len(),
        tokens,
        labels: if task.writes() { Vec::new() } else { vec![(last, 0)] },
        ..Example::default()
    };
    let batch = TokenBatch::new(&[example], &[0], model.tokenizer.pad(), task);
    if !task.writes() {
        return loss::logits(tuned, with, &batch, &model.device);
    }
    let hidden = loss::hidden(tuned, with, &batch, &model.device)?;
    let [_, seq, width] = hidden.dims();
    let last = hidden.slice([0..1, seq - 1..seq, 0..width]).reshape([1, width]);
    Ok(head_logits(last, tuned.head()?))
}

/// The largest difference from what a sender computed.
fn from(reference: &ReferenceLogits, ours: &[f32], width: usize) -> Result<f32> {
    let ReferenceLogits { columns, logits, .. } = reference;
    if let Some(column) = columns.iter().find(|&&column| column as usize >= width) {
        let reason = sentence!("its probe has logit {column}, the model makes {width}", column, width);
        return Err(EngineError::AdapterMismatch { reason });
    }
    let rows = ours.chunks_exact(width.max(1));
    let kept: Vec<f32> = rows.flat_map(|row| columns.iter().map(|&column| row[column as usize])).collect();
    Ok(distance(&kept, logits))
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}
