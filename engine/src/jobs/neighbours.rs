//! Nearest tokens of a prefix: first the vocabulary's keys and values, then one layer a step.

use std::rc::Rc;

use crate::analysis::{NeighbourSearch, VocabularyBank, VocabularyBuilder, VocabularyStep};
use crate::error::Result;
use crate::message::{Event, JobId, NeighbourList, NeighbourRequest, Outcome, Phase};
use crate::session::{LoadedModel, Session};
use crate::worker::{Job, Outbox, Progress};

pub(super) struct Neighbours {
    id: JobId,
    request: NeighbourRequest,
    stage: Stage,
}

enum Stage {
    Start,
    Vocabulary { model: Rc<LoadedModel>, builder: VocabularyBuilder, search: NeighbourSearch },
    Search { model: Rc<LoadedModel>, bank: Rc<VocabularyBank>, search: NeighbourSearch, lists: Vec<NeighbourList> },
}

impl Neighbours {
    pub(super) fn new(id: JobId, request: NeighbourRequest) -> Self {
        Self { id, request, stage: Stage::Start }
    }

    fn start(&self, session: &mut Session, out: &Outbox) -> Result<Stage> {
        let request = &self.request;
        let mut heard = |share| out.send(Event::Phase { job: self.id, phase: Phase::LoadingModel { share } });
        let model = session.model(&request.model, request.device, &mut heard)?;
        let prefix = model.adapter(&request.adapter)?.layers(&model.device);
        let initial = match &request.initial {
            Some(folder) => Some(model.adapter(folder)?.layers(&model.device)),
            None => None,
        };
        let NeighbourRequest { layers, positions, side, metric, top, .. } = request;
        let search =
            NeighbourSearch::new(&prefix, initial.as_deref(), layers, positions, *side, *metric, (*top).max(1))?;
        Ok(match session.bank(&model.hash) {
            Some(bank) => Stage::Search { model, bank, search, lists: Vec::new() },
            None => {
                let builder = VocabularyBuilder::new(&session.cache, model.model.shape(), &model.hash);
                Stage::Vocabulary { model, builder, search }
            }
        })
    }
}

impl Job for Neighbours {
    fn step(&mut self, session: &mut Session, out: &Outbox) -> Result<Progress> {
        match std::mem::replace(&mut self.stage, Stage::Start) {
            Stage::Start => self.stage = self.start(session, out)?,
            Stage::Vocabulary { model, mut builder, search } => {
                self.stage = match builder.step(&model.model)? {
                    VocabularyStep::Share(share) => {
                        out.send(Event::Phase { job: self.id, phase: Phase::BuildingVocabulary { share } });
                        Stage::Vocabulary { model, builder, search }
                    }
                    VocabularyStep::Done(bank) => {
                        let bank = session.keep_bank(model.hash.clone(), bank);
                        Stage::Search { model, bank, search, lists: Vec::new() }
                    }
                };
            }
            Stage::Search { model, bank, mut search, mut lists } => {
                let Some(more) = search.step(&bank, &|token| model.tokenizer.token_text(token))? else {
                    out.send(Event::Neighbours { job: self.id, lists });
                    return Ok(Progress::Done(Outcome::Completed));
                };
                lists.extend(more);
                self.stage = Stage::Search { model, bank, search, lists };
            }
        }
        Ok(Progress::More)
    }
}
