//! Nearest tokens of a prefix: first the vocabulary's keys and values, then one layer a step.

use std::rc::Rc;

use crate::analysis::{NeighbourSearch, SiteStack, VocabularyBank, VocabularyBuilder, VocabularyStep};
use crate::error::Result;
use crate::message::{Event, JobId, NeighbourList, NeighbourRequest, Outcome, Phase};
use crate::models::{KeysAndValues, Model, Site};
use crate::session::{LoadedModel, Session};
use crate::worker::{Job, Outbox, Progress};

pub(super) struct Neighbours {
    id: JobId,
    request: NeighbourRequest,
    stage: Stage,
}

enum Stage {
    Start,
    Vocabulary { model: Rc<LoadedModel>, sites: Vec<Site>, builder: VocabularyBuilder, search: NeighbourSearch },
    Search { model: Rc<LoadedModel>, bank: Rc<VocabularyBank>, search: NeighbourSearch, lists: Vec<NeighbourList> },
}

impl Neighbours {
    pub(super) fn new(id: JobId, request: NeighbourRequest) -> Self {
        Self { id, request, stage: Stage::Start }
    }

    fn start(&self, session: &mut Session, out: &Outbox) -> Result<Stage> {
        let request = &self.request;
        let mut heard = out.loading(self.id);
        let model = session.model(&request.model, request.device, &mut heard)?;
        let adapter = model.adapter(&request.adapter)?;
        let (prefix, sites) = (adapter.layers(&model.device), adapter.sites());
        let initial = match &request.initial {
            Some(folder) => Some(model.adapter(folder)?.layers(&model.device)),
            None => None,
        };
        let NeighbourRequest { layers, positions, side, metric, top, .. } = request;
        let search =
            NeighbourSearch::new(&prefix, initial.as_deref(), layers, positions, *side, *metric, (*top).max(1))?;
        let name = bank_name(&model, &sites);
        Ok(match session.bank(&name) {
            Some(bank) => Stage::Search { model, bank, search, lists: Vec::new() },
            None => {
                let builder =
                    VocabularyBuilder::new(&session.cache, SiteStack::new(&model.model, &sites).sizes(), &name);
                Stage::Vocabulary { model, sites, builder, search }
            }
        })
    }
}

/// Which bank a question needs: that of the weights and, where there are several sites, of those asked about.
fn bank_name(model: &LoadedModel, sites: &[Site]) -> String {
    match &*model.model {
        Model::Causal(_) | Model::Encoder(_) => model.hash.clone(),
        // File names keep the beginning, so that the sites come first.
        Model::Seq2Seq(_) => {
            let initials: String = sites.iter().map(|site| &site.name()[..1]).collect();
            format!("{initials}{}", model.hash)
        }
    }
}

impl Job for Neighbours {
    fn step(&mut self, session: &mut Session, out: &Outbox) -> Result<Progress> {
        match std::mem::replace(&mut self.stage, Stage::Start) {
            Stage::Start => self.stage = self.start(session, out)?,
            Stage::Vocabulary { model, sites, mut builder, search } => {
                self.stage = match builder.step(&SiteStack::new(&model.model, &sites))? {
                    VocabularyStep::Share(share) => {
                        out.send(Event::Phase { job: self.id, phase: Phase::BuildingVocabulary { share } });
                        Stage::Vocabulary { model, sites, builder, search }
                    }
                    VocabularyStep::Done(bank) => {
                        let bank = session.keep_bank(bank_name(&model, &sites), bank);
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
