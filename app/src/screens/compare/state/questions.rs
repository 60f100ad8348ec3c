//! Questions of *Compare* to the engine, and what has to be known of runs for them.

use std::path::PathBuf;

use engine::config::{RunConfig, Strength, Task};
use engine::nn::{MatrixNumbers, Quantization};
use engine::protocol::{Ask, GenerateRequest, Mixture, Prompt, RowSetRequest, ScoreRequest, Stream};

use super::set::{SetColumn, SetForm};
use super::{Asked, Column, ColumnId, ColumnSetup, GenerateForm, SharedText, TOP};
use crate::state::State;
use crate::workspace::RunId;
use crate::{format, t};

/// Characters of words in the name of their column.
const WORDS_NAMED: usize = 24;

impl State {
    /// The model of the compared runs.
    pub fn compared_model(&self) -> Option<PathBuf> {
        let run = self.comparison.runs().next();
        run.and_then(|run| self.row(run))
            .map(|row| row.model_folder.clone())
            .or_else(|| self.env.starter.as_ref().map(|starter| starter.model.clone()))
    }

    /// The question that each column would be asked now.
    pub fn questions(&self, form: &GenerateForm) -> Vec<Asked> {
        self.comparison.columns.iter().map(|column| self.question(column, form)).collect()
    }

    fn question(&self, column: &Column, form: &GenerateForm) -> Asked {
        let setup = &column.setup;
        let of = |run: &RunId, checkpoint: &Option<PathBuf>| checkpoint.clone().or_else(|| self.adapter_of(run));
        let mixed = setup.mix.as_ref().and_then(|mix| {
            let adapter = of(&mix.run, &None)?;
            Some(Mixture { adapter, how: mix.how() })
        });
        let first_task = || setup.run.as_ref().and_then(|run| self.runs.tasks_of(run).first().cloned());
        Asked {
            prompt: form.prompt.clone(),
            sampling: setup.sampling.clone().unwrap_or_else(|| form.sampling.clone()),
            is_own: setup.sampling.is_some(),
            strength: Strength::new(setup.strength, &setup.layer_strengths),
            adapter: setup.run.as_ref().and_then(|run| of(run, &setup.checkpoint)),
            mixed,
            task: setup.task.clone().or_else(first_task),
            words: setup.words.clone().unwrap_or_default(),
            samples: form.samples,
        }
    }

    /// Starts the columns on what is typed.
    pub(crate) fn generate(&mut self, form: &GenerateForm) {
        let Some(model) = self.compared_model() else { return };
        self.stop_generating();
        let questions = self.questions(form);
        let place = (self.settings.device, self.compared_numbers());
        let request = self.comparison.request(model, place, questions);
        self.comparison.generation.start(self.outbox.ask(Ask::Generate(Box::new(request))));
    }

    /// Asks for the probabilities of texts that beams have written, once all are there.
    pub(crate) fn score_written(&mut self) {
        let comparison = &self.comparison;
        let of_stream = |&(id, sample): &(ColumnId, usize)| {
            let column = comparison.column(id)?;
            let done = column.samples.get(sample)?.done.as_ref()?;
            let tokens = SharedText::Of(id, done.tokens.clone()).continuation();
            Some((column.asked.as_ref()?.stream(sample), tokens))
        };
        let texts: Option<Vec<_>> = comparison.streams.iter().map(of_stream).collect();
        let (Some(texts), Some(model)) = (texts, self.compared_model()) else { return };
        let (device, numbers) = (self.settings.device, self.compared_numbers());
        let request = ScoreRequest { model, device, numbers, texts, top: TOP };
        self.comparison.written.start(self.outbox.ask(Ask::ScoreText(Box::new(request))));
    }

    /// The columns with what they would be asked, however tokens are chosen.
    pub fn bare_questions(&self, form: &GenerateForm) -> Vec<(ColumnId, Asked)> {
        let questions = self.questions(form);
        let ids = self.comparison.columns.iter().map(|column| column.id);
        ids.zip(questions.iter().map(Asked::without_decoding)).collect()
    }

    /// Has every column score one text.
    pub(crate) fn score_same_text(&mut self, form: &GenerateForm, text: SharedText) {
        let Some(model) = self.compared_model() else { return };
        self.comparison.same_text.request.stop(&mut self.outbox);
        let columns = self.bare_questions(form);
        let texts = columns.iter().map(|(_, asked)| (asked.stream(0), text.continuation())).collect();
        let (device, numbers) = (self.settings.device, self.compared_numbers());
        let request = ScoreRequest { model, device, numbers, texts, top: TOP };
        self.comparison.same_text.request.start(self.outbox.ask(Ask::ScoreText(Box::new(request))));
        self.comparison.same_text.of = Some((text, columns));
    }

    /// Times every column alone.
    pub(crate) fn time_serving(&mut self, form: &GenerateForm) {
        let Some(model) = self.compared_model() else { return };
        self.comparison.serving.request.stop(&mut self.outbox);
        let columns = self.bare_questions(form);
        let request = GenerateRequest {
            model,
            device: self.settings.device,
            numbers: self.compared_numbers(),
            streams: columns.iter().map(|(_, asked)| asked.stream(0)).collect(),
            sampling: form.sampling.clone(),
            top: 0,
        };
        self.comparison.serving.request.start(self.outbox.ask(Ask::TimeServing(Box::new(request))));
        self.comparison.serving.of = columns;
    }

    /// Starts all columns on a set of rows.
    pub(crate) fn compare_rows(&mut self, form: &SetForm) {
        let (Some(model), Some(config)) = (self.compared_model(), self.compared()) else { return };
        let (mut data, task) = (config.data.clone(), config.task);
        (data.train, data.validation) = (form.data.clone(), None);
        let questions = self.questions(&form.asked);
        let names = self.column_names();
        let columns: Vec<SetColumn> = self
            .comparison
            .columns
            .iter()
            .zip(names)
            .map(|(column, name)| SetColumn { id: column.id, name, is_base: column.setup.is_base() })
            .collect();
        let stream =
            |asked: &Asked| Stream { sampling: asked.is_own.then(|| asked.sampling.clone()), ..asked.stream(0) };
        let request = RowSetRequest {
            model,
            device: self.settings.device,
            numbers: self.compared_numbers(),
            columns: questions.iter().map(stream).collect(),
            data,
            task,
            sampling: form.asked.sampling.clone(),
            metrics: form.metrics.clone(),
            losses: form.losses,
            limit: form.limit,
        };
        self.comparison.set.request.stop(&mut self.outbox);
        self.comparison.set.begin(columns, form);
        let job = self.outbox.ask(Ask::CompareRows(Box::new(request)));
        self.comparison.set.request.start(job);
    }

    /// A name for each column by what stands in it; those that would have the same one are numbered.
    pub fn column_names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for column in &self.comparison.columns {
            let name = self.name_of(&column.setup);
            let mut free = name.clone();
            let mut n = 1;
            while names.contains(&free) {
                n += 1;
                free = format!("{name} ({n})");
            }
            names.push(free);
        }
        names
    }

    fn name_of(&self, setup: &ColumnSetup) -> String {
        let named = |run: &RunId| self.row(run).map_or_else(|| run.to_string(), crate::store::RunRow::title);
        let Some(run) = &setup.run else {
            return match &setup.words {
                None => t!("compare.base").to_owned(),
                Some(words) if words.trim().is_empty() => t!("compare.words").to_owned(),
                Some(words) => t!("compare.words_named", words = format::shortened(words.trim(), WORDS_NAMED)),
            };
        };
        let mut name = named(run);
        if let Some(step) = setup.checkpoint.as_ref().and_then(|folder| self.step_of(run, folder)) {
            name = t!("compare.at_step", name = name, step = step);
        }
        if let Some(mix) = &setup.mix {
            name = t!("compare.mixed_name", name = name, other = named(&mix.run));
        }
        name
    }

    /// The step of a checkpoint of a run.
    fn step_of(&self, run: &RunId, folder: &PathBuf) -> Option<u64> {
        let checkpoints = self.runs.checkpoints.get(run)?;
        checkpoints.iter().find(|checkpoint| checkpoint.folder == *folder).map(|checkpoint| checkpoint.step)
    }

    /// Layers of the compared model, the encoder's where it has more; `None` as long as nobody knows.
    pub fn compared_layers(&self) -> Option<usize> {
        let model = self.model(&self.compared_model()?)?;
        Some(model.n_layers.max(model.encoder_layers))
    }

    /// Whether the compared model's chat template writes turns; `None` as long as nobody knows.
    pub fn holds_conversations(&self) -> Option<bool> {
        self.comparison.prompts.answer.as_ref().map(|preview| preview.has_chat_template)
    }

    /// Settings of the first of the compared runs, or of the starter run while there is none.
    pub fn compared(&self) -> Option<&RunConfig> {
        match self.comparison.runs().next() {
            Some(run) => self.runs.configs.get(run).map(Box::as_ref),
            None => self.env.starter.as_deref(),
        }
    }

    /// In what the compared model's matrices are kept and multiplied: in f32, as every device computes and nothing is
    /// rounded that was not in training, and in the blocks that the first of the runs was trained on.
    fn compared_numbers(&self) -> MatrixNumbers {
        self.compared().map_or_else(Quantization::default, |config| config.quantization).into()
    }

    /// Whether there is a prompt and a model to ask.
    pub fn can_be_asked(&self, form: &GenerateForm) -> bool {
        let is_answered = match &form.prompt {
            Prompt::Chat { turns } => turns.last().is_none_or(|turn| turn.role == "assistant"),
            Prompt::Text(_) | Prompt::Source { .. } => false,
        };
        !is_answered && !form.prompt.typed().trim().is_empty() && self.compared_model().is_some()
    }

    /// Whether the compared runs can be asked by themselves: all that is to be known of them is.
    pub fn can_ask(&self) -> bool {
        let comparison = &self.comparison;
        let known = |run: &RunId| {
            let tasks = |config: &RunConfig| !config.method.has_tasks() || !self.runs.tasks_of(run).is_empty();
            self.row(run).is_some() && self.runs.configs.get(run).is_some_and(|config| tasks(config))
        };
        !self.env.engine_gone
            && !comparison.waits
            && !comparison.generation.is_open()
            && comparison.runs().next().is_some()
            && comparison.runs().all(known)
            && comparison.task().is_some_and(Task::writes)
    }
}
