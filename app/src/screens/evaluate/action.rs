//! Actions of *Evaluate*: texts for a file of rows, figures of texts that were kept.

use std::path::PathBuf;

use engine::config::RunConfig;
use engine::evaluation::FOLDER;
use engine::nn::{MatrixNumbers, Precision};
use engine::protocol::{Ask, Event, Report, RowsRequest};

use super::state::{EvaluateForm, Evaluation};
use crate::state::State;
use crate::store::{KeptEvaluation, Request as StoreRequest};

/// Something to be done in *Evaluate*.
#[derive(Clone, Debug)]
pub enum EvaluateAction {
    /// Write texts for the rows and score them.
    Start(Box<EvaluateForm>),
    /// End what is under way; what was written stays, and goes on at the next start.
    Stop,
    /// Show predictions that were kept, scored by these metrics.
    Score {
        /// File of the predictions.
        predictions: PathBuf,
        /// Metrics of texts by their names.
        metrics: Vec<String>,
    },
}

impl State {
    pub(crate) fn perform_evaluate(&mut self, action: EvaluateAction) {
        match action {
            EvaluateAction::Start(form) => self.evaluate(*form),
            EvaluateAction::Stop => self.stop_evaluating(),
            EvaluateAction::Score { predictions, metrics } => {
                self.begin_evaluating();
                let job = self.outbox.ask(Ask::ScorePredictions { predictions, metrics, wordnet: None });
                self.evaluation.adapter.request.start(job);
            }
        }
    }

    /// What is shown of another run goes.
    pub(crate) fn begin_evaluation(&mut self) {
        let run = self.runs.view.as_ref().map(|view| view.id.clone());
        if self.evaluation.run != run {
            self.stop_evaluating();
            self.evaluation = Evaluation { run, ..Evaluation::default() };
        }
    }

    fn begin_evaluating(&mut self) {
        self.stop_evaluating();
        let run = self.runs.view.as_ref().map(|view| view.id.clone());
        self.evaluation = Evaluation { run, ..Evaluation::default() };
    }

    pub(crate) fn stop_evaluating(&mut self) {
        self.evaluation.adapter.request.stop(&mut self.outbox);
        self.evaluation.base.request.stop(&mut self.outbox);
    }

    fn evaluate(&mut self, form: EvaluateForm) {
        self.begin_evaluating();
        let Some(view) = &self.runs.view else { return };
        let (Some(config), Some(row)) = (&view.config, &view.row) else { return };
        let adapter = self.adapter_of(&view.id);
        let keep = Some(row.folder.join(FOLDER));
        let EvaluateForm { data: train, generation, metrics, with_base, by, limit } = form;
        let RunConfig { data, task, quantization, .. } = config.as_ref();
        let mut data = data.clone();
        (data.train, data.validation) = (train, None);
        let request = RowsRequest {
            model: row.model_folder.clone(),
            device: self.settings.device,
            // What every device computes in, and nothing is rounded that was not in training.
            numbers: MatrixNumbers { precision: Precision::F32, quantization: *quantization },
            adapter: adapter.clone(),
            data,
            task: *task,
            generation,
            metrics,
            by,
            limit,
            predictions: None,
            keep,
            wordnet: None,
        };
        if with_base || adapter.is_none() {
            let base = RowsRequest { adapter: None, ..request.clone() };
            self.evaluation.base.request.start(self.outbox.ask(Ask::GenerateRows(Box::new(base))));
        }
        if adapter.is_some() {
            self.evaluation.adapter.request.start(self.outbox.ask(Ask::GenerateRows(Box::new(request))));
        }
    }

    /// What was scored is kept in the run's folder, which the store then reads again.
    pub(crate) fn on_evaluate(&mut self, event: &Event) -> bool {
        let is_ours = self.evaluation.on(event);
        if is_ours
            && matches!(event.what, Report::Metrics { .. })
            && let Some(run) = &self.evaluation.run
        {
            self.outbox.store(StoreRequest::Evaluated(run.clone()));
        }
        is_ours
    }

    /// The evaluations of the run on screen, the newest first.
    pub fn kept_evaluations(&self) -> &[KeptEvaluation] {
        self.runs.view.as_ref().map_or(&[], |view| &view.kept)
    }
}
