//! Nearest tokens of a prefix: first the vocabulary's keys and values, then one layer a step.

use std::rc::Rc;

use burn::tensor::{Tensor, TensorData};

use crate::adapters::{AdapterState, PromptState};
use crate::analysis::{
    Geometry, NeighborSearch, SiteStack, Table, VocabularyBuilder, VocabularyIndex, VocabularyStep, index_name,
    nearest_in_embeddings,
};
use crate::analysis::{Metric, NeighborList, Side};
use crate::error::{EngineError, Result};
use crate::jobs::{Job, Outbox, Progress};
use crate::loaded_model::LoadedModel;
use crate::models::{KvSource, Site};
use crate::protocol::{NeighborRequest, Outcome, Phase, Report};
use crate::sentence;
use crate::session::Session;

pub(super) struct Neighbors {
    request: NeighborRequest,
    stage: Stage,
}

enum Stage {
    Start,
    Vocabulary {
        model: Rc<LoadedModel>,
        sites: Vec<Site>,
        /// Name of the index.
        key: String,
        builder: VocabularyBuilder,
        search: NeighborSearch,
    },
    Search(Searching),
}

struct Searching {
    model: Rc<LoadedModel>,
    /// The vocabulary's keys and values, by name.
    index: (String, Rc<VocabularyIndex>),
    search: NeighborSearch,
    lists: Vec<NeighborList>,
}

impl Neighbors {
    pub(super) fn new(request: NeighborRequest) -> Self {
        Self { request, stage: Stage::Start }
    }

    fn start(&self, model: &Rc<LoadedModel>, adapter: &AdapterState, session: &mut Session) -> Result<Stage> {
        let (request, model) = (&self.request, Rc::clone(model));
        let (prefix, sites) = (adapter.layers(&model.device), adapter.sites());
        let initial = match &request.initial {
            Some(folder) => Some(model.adapter(folder)?.layers(&model.device)),
            None => None,
        };
        let NeighborRequest { layers, positions, side, metric, top, .. } = request;
        let own = adapter.prefixed_layers();
        if layers.iter().any(|layer| own.as_ref().is_some_and(|own| !own.contains(layer))) {
            let reason = sentence!("the run gave no prefix to a layer that is asked for; look at one that has it");
            return Err(EngineError::Setting { field: "layers", reason });
        }
        let layers = if layers.is_empty() { &own.unwrap_or_default() } else { layers };
        let mut search =
            NeighborSearch::new(&prefix, initial.as_deref(), layers, positions, *side, *metric, (*top).max(1))?;
        if request.per_head {
            search = search.per_head(prefix.first().map_or(1, |slots| slots.key.dims()[1]));
        }
        let context = context_of(request, &model)?;
        let name = index_name(&model, &sites);
        // What stands before the tokens makes another index of the same model.
        let key = if context.is_empty() { name.clone() } else { format!("{name} {context:?}") };
        Ok(match session.vocabulary_index(&key) {
            Some(index) => Stage::Search(Searching { model, index: (key, index), search, lists: Vec::new() }),
            None => {
                let stack = SiteStack::new(&model.model, &sites);
                let builder = VocabularyBuilder::new(&session.cache, stack.sizes(), &name);
                let builder = builder.behind(context, stack.sizes(), &name);
                Stage::Vocabulary { model, sites, key, builder, search }
            }
        })
    }
}

/// Longest text behind which the vocabulary is read, in tokens.
const LONGEST_CONTEXT: usize = 64;

/// The tokens behind which each token of the vocabulary is read.
fn context_of(request: &NeighborRequest, model: &LoadedModel) -> Result<Vec<u32>> {
    let Some(text) = &request.context else { return Ok(Vec::new()) };
    let tokens = model.tokenizer.encode(text)?;
    if tokens.is_empty() || tokens.len() > LONGEST_CONTEXT {
        let (length, most) = (tokens.len(), LONGEST_CONTEXT);
        let reason = sentence!("it has {length} tokens; 1 to {most} can stand before each", length, most);
        return Err(EngineError::Setting { field: "context", reason });
    }
    Ok(tokens)
}

/// The nearest tokens of the asked slots of a soft prompt, in the space of the model's embeddings.
fn of_prompt(
    request: &NeighborRequest,
    model: &LoadedModel,
    prompt: &PromptState,
    session: &mut Session,
) -> Result<Vec<NeighborList>> {
    if request.per_head || request.context.is_some() {
        let field = if request.per_head { "per_head" } else { "context" };
        let reason = sentence!("a soft prompt is compared with embeddings, which have neither heads nor a context");
        return Err(EngineError::Setting { field, reason });
    }
    let asked: Vec<usize> = match request.positions.as_slice() {
        [] => (0..prompt.n_virtual).collect(),
        some => some.to_vec(),
    };
    if let Some(position) = asked.iter().find(|&&position| position >= prompt.n_virtual) {
        let reason = sentence!(
            "number {position} is asked for, there are {n_virtual}",
            position = position + 1,
            n_virtual = prompt.n_virtual
        );
        return Err(EngineError::Setting { field: "positions", reason });
    }
    // What a token is near to is told by every slot, so all are searched for that measure.
    let searched = match request.metric {
        Metric::Csls => (0..prompt.n_virtual).collect(),
        Metric::Cosine | Metric::Dot | Metric::L2 => asked.clone(),
    };
    let slots = |prompt: &PromptState| {
        let row = |&slot: &usize| prompt.values[slot * prompt.width..(slot + 1) * prompt.width].to_vec();
        let values: Vec<f32> = searched.iter().flat_map(row).collect();
        Tensor::<2>::from_data(TensorData::new(values, [searched.len(), prompt.width]), &model.device)
    };
    let before = request.initial.as_ref().map(|folder| model.adapter(folder)).transpose()?;
    let before = before.and_then(|adapter| adapter.prompt().cloned());
    let before = before.filter(|before| before.values.len() == prompt.values.len());
    let mut lists = nearest_in_embeddings(
        &model.model.embeddings().dense(),
        &slots(prompt),
        before.as_ref().map(slots).as_ref(),
        |table, width| {
            let name = (format!("embeddings {}", model.hash), 0, request.space);
            session.geometry(name, |space| Geometry::of(table, width, space))
        },
        (request.metric, request.top.max(1)),
        &|token| model.tokenizer.token_text(token),
    )?;
    for (list, position) in lists.iter_mut().zip(searched) {
        list.position = position;
    }
    lists.retain(|list| asked.contains(&list.position));
    Ok(lists)
}

impl Searching {
    /// Searches the next layer.
    fn step(&mut self, request: &NeighborRequest, session: &mut Session) -> Result<()> {
        let NeighborRequest { side, space, .. } = *request;
        let (name, index) = &self.index;
        let geometry = |(layer, head): (usize, Option<usize>), table: Table<'_>, width: usize| {
            // All heads together, and behind them each by itself.
            let part = head.map_or(0, |head| head + 1) * 2 * index.n_layers();
            let named = (name.clone(), part + 2 * layer + usize::from(side == Side::Value), space);
            session.geometry(named, |space| Geometry::of(table, width, space))
        };
        let lists = self.search.step(index, geometry, &|token| self.model.tokenizer.token_text(token))?;
        self.lists.extend(lists);
        Ok(())
    }
}

impl Job for Neighbors {
    fn step(&mut self, session: &mut Session, out: &Outbox) -> Result<Progress> {
        match std::mem::replace(&mut self.stage, Stage::Start) {
            Stage::Start => {
                let mut heard = out.loading();
                let place = (self.request.device, self.request.numbers);
                let model = session.model(&self.request.model, place, &mut heard)?;
                let adapter = model.adapter(&self.request.adapter)?;
                if let Some(prompt) = adapter.prompt().filter(|_| adapter.sites().is_empty()) {
                    let lists = of_prompt(&self.request, &model, prompt, session)?;
                    out.send(Report::Neighbors { lists });
                    return Ok(Progress::Done(Outcome::Completed));
                }
                self.stage = self.start(&model, &adapter, session)?;
            }
            Stage::Vocabulary { model, sites, key, mut builder, search } => {
                self.stage = match builder.step(&SiteStack::new(&model.model, &sites))? {
                    VocabularyStep::Share(share) => {
                        out.send(Report::Phase(Phase::BuildingVocabulary { share }));
                        Stage::Vocabulary { model, sites, key, builder, search }
                    }
                    VocabularyStep::Done(index) => {
                        let index = (key.clone(), session.keep_vocabulary_index(key, index));
                        Stage::Search(Searching { model, index, search, lists: Vec::new() })
                    }
                };
            }
            Stage::Search(mut searching) => {
                if searching.search.next_layer().is_none() {
                    out.send(Report::Neighbors { lists: searching.lists });
                    return Ok(Progress::Done(Outcome::Completed));
                }
                searching.step(&self.request, session)?;
                self.stage = Stage::Search(searching);
            }
        }
        Ok(Progress::More)
    }
}
