//! A question about what an adapter does: the model and the rows, then the investigation step by step.

use std::path::Path;

use crate::adapters::AdapterState;
use crate::analysis::{Investigation, Question, Subject};
use crate::config::{CandidateSource, DataConfig};
use crate::data::Example;
use crate::error::Result;
use crate::jobs::evaluate::{adapter_of, scored_rows};
use crate::jobs::whole_texts::{WholeTexts, texts_of_file};
use crate::jobs::{Job, Outbox, Progress};
use crate::loaded_model::LoadedModel;
use crate::protocol::{AnalysisRequest, Outcome, Phase, Report};
use crate::session::Session;

pub(super) struct Analyze {
    request: AnalysisRequest,
    running: Option<(Subject, Box<dyn Investigation>)>,
}

impl Analyze {
    pub(super) fn new(request: AnalysisRequest) -> Self {
        Self { request, running: None }
    }

    fn start(&self, session: &mut Session, out: &Outbox) -> Result<(Subject, Box<dyn Investigation>)> {
        Ok((subject(&self.request, session, out)?, self.request.question.investigation()))
    }
}

/// What a question is about: the model, the adapter, and the rows on which it is looked at.
///
/// # Errors
/// One of them cannot be read, or they do not fit each other.
pub(super) fn subject(request: &AnalysisRequest, session: &mut Session, out: &Outbox) -> Result<Subject> {
    let AnalysisRequest { model, device, numbers, adapter, other, initial, question, data, text, rows, checkpoints } =
        request;
    let mut heard = out.loading();
    let model = session.model(model, (*device, *numbers), &mut heard)?;
    out.send(Report::Phase(Phase::PreparingData));
    let adapter = adapter_of(adapter, data, &model)?;
    out.unread(&adapter);
    let read = |folder: &Option<std::path::PathBuf>| folder.as_deref().map(|f: &Path| model.adapter(f)).transpose();
    let (other, initial) = (read(other)?, read(initial)?);
    let texts = match text {
        Some(text) => Some(vec![text.clone()]),
        None if question.wants_plain_text() => Some(texts_of_file(data, *rows)?),
        None => None,
    };
    let (placed, bare) = match texts {
        _ if question.needs_no_rows() => (Vec::new(), Vec::new()),
        Some(texts) => {
            let WholeTexts { placed, bare, notice } = WholeTexts::of(&texts, &adapter, &model)?;
            notice.into_iter().for_each(|text| out.send(Report::Notice { text }));
            (placed, bare)
        }
        None => {
            let n_before = adapter.n_before().max(adapter.before(&model.tokenizer)?.len());
            // A question asks for no more than leaves most of the model's positions to the rows.
            let n_before = n_before.max(question.n_before().min(model.model.shape().n_positions / 4));
            (
                data_rows(Some(&adapter), data, (n_before, *rows), &model)?,
                data_rows(None, data, (n_before, *rows), &model)?,
            )
        }
    };
    let conditioning = model.conditioning(&adapter)?;
    let tuned = model.model.with_overrides(&conditioning.tuned)?;
    let task = adapter.task.task;
    let words = if *question == Question::LabelWords { words_of(&adapter, data, &model)? } else { Vec::new() };
    let mut states = Vec::new();
    // Those of trained weights may be as large as the model.
    let has_slots = adapter.prefixes().next().is_some() || adapter.prompt().is_some();
    if question.needs_checkpoints() && has_slots {
        for (step, folder) in checkpoints {
            states.push((*step, model.adapter(folder)?));
        }
    }
    let (rows, checkpoints) = (placed, states);
    Ok(Subject { model, adapter, conditioning, tuned, initial, other, rows, bare, task, checkpoints, words })
}

/// The classes with their words: of the verbalizer; without one the names of the classes, which the adapter knows or, where
/// answers are classes, the rows.
fn words_of(adapter: &AdapterState, data: &DataConfig, model: &LoadedModel) -> Result<Vec<(String, String)>> {
    if !data.verbalizer.is_empty() {
        return Ok(data.verbalizer.iter().map(|(class, word)| (class.clone(), word.clone())).collect());
    }
    let named = |names: &[String]| names.iter().map(|name| (name.clone(), name.clone())).collect();
    if adapter.task.task.has_classes() {
        return Ok(named(&adapter.task.classes));
    }
    if data.candidate_source() != CandidateSource::Classes {
        return Ok(Vec::new());
    }
    let dataset = scored_rows(Some(adapter), data, &adapter.task, adapter.n_before(), model)?;
    Ok(named(&dataset.words.classes))
}

/// The first rows of a dataset, as the adapter's task has them.
fn data_rows(
    adapter: Option<&AdapterState>,
    data: &DataConfig,
    (n_before, rows): (usize, usize),
    model: &LoadedModel,
) -> Result<Vec<Example>> {
    let record = match adapter {
        Some(adapter) => adapter.task.clone(),
        None => crate::config::TaskRecord::of(model.task(None)?),
    };
    let dataset = scored_rows(adapter, data, &record, n_before, model)?;
    dataset.train.read(0..rows.max(1).min(dataset.train.len()))
}

impl Job for Analyze {
    fn step(&mut self, session: &mut Session, out: &Outbox) -> Result<Progress> {
        let Some((subject, investigation)) = &mut self.running else {
            self.running = Some(self.start(session, out)?);
            return Ok(Progress::More);
        };
        match investigation.step(subject)? {
            Some(analysis) => {
                out.send(Report::Analysis(Box::new(analysis)));
                Ok(Progress::Done(Outcome::Completed))
            }
            None => {
                out.send(Report::Phase(Phase::Analyzing { share: investigation.share() }));
                Ok(Progress::More)
            }
        }
    }
}
