//! The time that each column takes to serve a text: every stream decodes alone, in turn with the others.

use std::rc::Rc;

use super::column::{Columns, tokens_of};
use crate::config::Sampling;
use crate::error::Result;
use crate::generation::{DecoderModel, ServingTimer};
use crate::jobs::{Job, Outbox, Progress};
use crate::loaded_model::LoadedModel;
use crate::protocol::{GenerateRequest, Outcome, Phase, Report};
use crate::session::Session;

/// Rounds that are counted, and new tokens of each.
const ROUNDS: (usize, usize) = (5, 24);

pub(super) struct TimeServing {
    request: GenerateRequest,
    running: Option<(Rc<LoadedModel>, ServingTimer)>,
}

impl TimeServing {
    pub(super) fn new(request: GenerateRequest) -> Self {
        Self { request, running: None }
    }

    fn start(&self, session: &mut Session, out: &Outbox) -> Result<(Rc<LoadedModel>, ServingTimer)> {
        let GenerateRequest { model, device, numbers, streams, .. } = &self.request;
        let model = session.model(model, (*device, *numbers), &mut out.loading())?;
        model.check_writes()?;
        let mut columns = Columns::default();
        let mut alone = Vec::new();
        for stream in streams {
            let column = columns.of(stream, &model, out)?;
            let prompt = tokens_of(&stream.prompt, &model)?;
            alone.push((column.stream(prompt, &model)?, column.cache_bytes(&model)?));
        }
        let timer = ServingTimer::new(model.model.shape(), alone, model.decoding(Sampling::default())?, ROUNDS);
        Ok((model, timer))
    }
}

impl Job for TimeServing {
    fn step(&mut self, session: &mut Session, out: &Outbox) -> Result<Progress> {
        let Some((model, timer)) = &mut self.running else {
            self.running = Some(self.start(session, out)?);
            return Ok(Progress::More);
        };
        if let Some(times) = timer.step(DecoderModel::try_from(&*model.model)?)? {
            out.send(Report::Serving { times });
            return Ok(Progress::Done(Outcome::Completed));
        }
        out.send(Report::Phase(Phase::Predicting { share: timer.share() }));
        Ok(Progress::More)
    }
}
