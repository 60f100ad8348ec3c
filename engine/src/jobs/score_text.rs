//! The probability of each token of known texts, each under its own column: one text a step.

use std::rc::Rc;

use super::column::{Columns, in_words, tokens_of};
use crate::data::continuation_tokens;
use crate::error::{EngineError, Result};
use crate::generation::{DecoderModel, known_text, token_probability};
use crate::jobs::{Job, Outbox, Progress};
use crate::loaded_model::LoadedModel;
use crate::protocol::{Continuation, Outcome, Phase, Report, ScoreRequest, Stream, TextScore};
use crate::sentence;
use crate::session::Session;

pub(super) struct ScoreText {
    request: ScoreRequest,
    running: Option<Running>,
}

struct Running {
    model: Rc<LoadedModel>,
    columns: Columns,
    scores: Vec<TextScore>,
}

impl ScoreText {
    pub(super) fn new(request: ScoreRequest) -> Self {
        Self { request, running: None }
    }
}

impl Job for ScoreText {
    fn step(&mut self, session: &mut Session, out: &Outbox) -> Result<Progress> {
        let Some(running) = &mut self.running else {
            let place = (self.request.device, self.request.numbers);
            let model = session.model(&self.request.model, place, &mut out.loading())?;
            model.check_writes()?;
            self.running = Some(Running { model, columns: Columns::default(), scores: Vec::new() });
            return Ok(Progress::More);
        };
        let done = running.scores.len();
        let Some((stream, text)) = self.request.texts.get(done) else {
            out.send(Report::TextScored { scores: std::mem::take(&mut running.scores) });
            return Ok(Progress::Done(Outcome::Completed));
        };
        out.send(Report::Phase(Phase::Scoring { share: done as f32 / self.request.texts.len() as f32 }));
        let score = running.score((stream, text), self.request.top, out)?;
        running.scores.push(score);
        Ok(Progress::More)
    }
}

impl Running {
    fn score(&mut self, (stream, text): (&Stream, &Continuation), top: usize, out: &Outbox) -> Result<TextScore> {
        let model = &self.model;
        let tokens = continuation(text, model)?;
        let column = self.columns.of(stream, model, out)?;
        let before = column.stream(tokens_of(&stream.prompt, model)?, model)?;
        let mut score = TextScore::default();
        let mut each = |logits: &[f32]| {
            let token = tokens[score.tokens.len()];
            score.tokens.push(in_words(&token_probability(logits, token, top), model));
        };
        let writer = DecoderModel::try_from(&*model.model)?;
        known_text(writer, model.model.shape(), (before, &tokens), model.source_options(), &mut each)?;
        Ok(score)
    }
}

/// Tokens of a text that continues a prompt.
fn continuation(text: &Continuation, model: &LoadedModel) -> Result<Vec<u32>> {
    let tokens = match text {
        Continuation::Text { text, end } => {
            continuation_tokens(text, &model.tokenizer, model.model.target_start(), *end)?
        }
        Continuation::Tokens(tokens) => tokens.clone(),
    };
    if tokens.is_empty() {
        let reason = sentence!("must have at least one token");
        return Err(EngineError::Setting { field: "text", reason });
    }
    Ok(tokens)
}
