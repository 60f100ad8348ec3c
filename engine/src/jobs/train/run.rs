//! A run under way: which step, evaluation, sample or checkpoint comes next.

use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use crate::adapters::formats;
use crate::bundle;
use crate::config::{RunConfig, Task, TaskRecord};
use crate::data::{CandidateReading, Example, Examples, TokenBatch, evaluation_batches, rows_of_epoch, settled};
use crate::device::{DeviceChoice, DeviceInfo, notice_on_auto};
use crate::error::{EngineError, Result};
use crate::evaluation::PredictedRow;
use crate::generation::{Decoder, DecoderModel};
use crate::jobs::{Outbox, Progress};
use crate::loaded_model::LoadedModel;
use crate::nn::{MatrixNumbers, Precision, Quantization};
use crate::protocol::{Outcome, Phase, Report};
use crate::session::Session;
use crate::training::batch_sampler::BatchSampler;
use crate::training::best::BestMetric;
use crate::training::candidates::{RankedRow, Scorer};
use crate::training::checkpoint::{self, CheckpointState};
use crate::training::extent::steps_per_epoch;
use crate::training::inputs::RunInputs;
use crate::training::loss::{score, weighted};
use crate::training::metrics::MetricAccumulator;
use crate::training::notices::{dropout_notice, head_notices, notices};
use crate::training::prepare::{Beginning, PreparedRun, prepare};
use crate::training::run_folder::{Record, Retention, RunFolder};
use crate::training::samples;
use crate::training::schedule::learning_rate;
use crate::training::sources::grouped;
use crate::training::text_writer::{TextWriter, Writing};
use crate::training::trainer::{StepSettings, Trainer};
use crate::training::{BestFigure, EvaluationReport, RunFacts, SampleReport, StepReport};

/// The next piece of work.
enum Next {
    Train,
    Evaluate(Box<Evaluation>),
    Write(Box<Texts>),
    Sample(Box<Decoder>),
    End(Outcome),
}

/// An evaluation under way.
struct Evaluation {
    next_batch: usize,
    nll: f64,
    tokens: usize,
    begun: Instant,
    tally: MetricAccumulator,
    /// Predictions for the first rows, where labels are predicted.
    said: Vec<Said>,
}

/// Texts of an evaluation under way, whose figure says whether it is the best.
struct Texts {
    evaluation: Evaluation,
    writer: TextWriter,
    asked: HashMap<usize, PredictedRow>,
    written: Vec<PredictedRow>,
}

/// The predictions for a validation row, in the order of its labels.
struct Said {
    row: usize,
    predicted: Vec<i32>,
    /// In a regression.
    number: Option<f32>,
}

/// A run whose model, rows and adapter are there.
pub(super) struct Run {
    config: RunConfig,
    model: Rc<LoadedModel>,
    folder: RunFolder,
    train: Examples,
    validation: Vec<Example>,
    validation_batches: Vec<TokenBatch>,
    /// Names of datasets or relations, and which of them a row is of.
    parts: (Vec<String>, fn(&Example) -> usize),
    /// The task as its figures are made.
    judged: TaskRecord,
    reading: CandidateReading,
    trainer: Trainer,
    state: CheckpointState,
    saved_step: Option<usize>,
    total_steps: usize,
    /// The step after which it is stopped to be gone on with.
    until: Option<usize>,
    eval_every: usize,
    feed: BatchSampler,
    next: Next,
    best_metric: BestMetric,
    /// Figure of the evaluation under way, and whether it is the best: it counts once the samples are there too.
    verdict: Option<(f64, bool)>,
    /// The phase told at the last step of this sitting.
    told: Option<Phase>,
}

impl Evaluation {
    /// Keeps the predictions for the first rows, to be shown.
    fn note(&mut self, batch: &TokenBatch, (predicted, numbers): (&[i32], &[f32]), rows: usize) {
        if predicted.is_empty() && numbers.is_empty() {
            return;
        }
        for (index, &row) in batch.rows.iter().enumerate().filter(|(_, row)| **row < rows) {
            let labels = batch.labeled().into_iter().zip(predicted);
            let predicted = labels.filter(|((at, _), _)| batch.row_of(*at) == index).map(|(_, guess)| *guess).collect();
            self.said.push(Said { row, predicted, number: numbers.get(index).copied() });
        }
    }

    /// The same of candidates.
    fn note_ranked(&mut self, ranked: &[RankedRow], rows: usize) {
        let best = |found: &RankedRow| Said { row: found.row, predicted: vec![found.best as i32], number: None };
        self.said.extend(ranked.iter().filter(|found| found.row < rows).map(best));
    }
}

impl Run {
    pub(super) fn start(
        path: &Path,
        config: RunConfig,
        (beginning, until): (Beginning, Option<usize>),
        session: &mut Session,
        out: &Outbox,
    ) -> Result<Self> {
        let config = settled(config)?;
        let model = out.load(&config, session)?;
        let prepared = prepare(path, &config, beginning, (model, bundle::open), &out.preparing())?;
        let PreparedRun { inputs, folder, trainer, state, total_steps, notices: changes } = prepared;
        let RunInputs { spec, model, data, .. } = inputs;
        let model = session.released(model, trainer.adapter.own_weights())?;
        let t = &config.training;
        let eval_every = t.steps_between_evaluations(total_steps);
        let facts = RunFacts {
            device: in_words(&model.device_info, config.numbers()),
            architecture: model.summary.architecture.clone(),
            n_layers: model.summary.n_layers,
            model_hash: model.hash.clone(),
            trained_parameters: spec.trained(),
            stored_parameters: spec.stored(),
            base_parameters: model.summary.parameters,
            all_parameters: model.summary.parameters + spec.added(),
            total_steps,
            done_steps: trainer.step,
            steps_per_epoch: (steps_per_epoch(&config, rows_of_epoch(&data.train, &config.data)).ceil() as usize)
                .max(1),
            train_rows: data.train.len(),
            validation_rows: data.validation.len(),
            truncated_rows: data.report.truncated_rows,
            skipped_rows: data.report.skipped_rows,
            task: data.task.task,
            classes: data.judged().classes,
        };
        folder.write_facts(&facts)?;
        out.send(Report::RunStarted(Box::new(facts)));
        let of_rows = notices(&data.report, model.model.window());
        let dropout = dropout_notice(&config, &model);
        let of_device = (config.device == DeviceChoice::Auto).then(notice_on_auto).flatten();
        let changes = changes.into_iter().chain(of_device);
        for text in changes.chain(dropout).chain(of_rows).chain(head_notices(&config, &model, &data.task)) {
            out.send(Report::Notice { text });
        }
        let lengths: Vec<usize> = data.validation.iter().map(Example::length).collect();
        let pad = model.tokenizer.pad();
        let task = data.task.task;
        let batches = evaluation_batches(&lengths, t.batch_size);
        let validation_batches =
            batches.iter().map(|rows| TokenBatch::new(&data.validation, rows, pad, task)).collect();
        let (names, part_of) = data.parts();
        let parts = (names.to_vec(), part_of);
        let best_metric = BestMetric::of(&t.best_metric, task)?;
        let mut run = Self {
            parts,
            judged: data.judged(),
            reading: CandidateReading::of(&model.tokenizer, task, &config.data),
            saved_step: (trainer.step > 0).then_some(trainer.step),
            model,
            folder,
            train: data.train,
            validation: data.validation,
            validation_batches,
            trainer,
            state,
            total_steps,
            until,
            eval_every,
            feed: BatchSampler::default(),
            next: Next::Train,
            best_metric,
            verdict: None,
            told: None,
            config,
        };
        run.next = run.after_step();
        Ok(run)
    }

    /// The task that is learned.
    fn task(&self) -> Task {
        self.trainer.adapter.task.task
    }

    /// Whether the answers of rows are looked for among candidates.
    fn is_ranked(&self) -> bool {
        self.validation.first().is_some_and(|example| example.candidates.is_some())
    }

    /// Whether there are steps that no checkpoint holds.
    pub(super) fn unsaved(&self) -> bool {
        self.trainer.step > 0 && self.saved_step != Some(self.trainer.step)
    }

    /// One bounded piece of work.
    pub(super) fn advance(&mut self, out: &Outbox) -> Result<Progress> {
        match std::mem::replace(&mut self.next, Next::Train) {
            Next::Train => self.train_step(out)?,
            Next::Evaluate(evaluation) => self.evaluate(evaluation, out)?,
            Next::Write(texts) => self.write(*texts, out)?,
            Next::Sample(decoder) => self.sample(decoder, out)?,
            Next::End(outcome) => {
                if outcome == Outcome::Stopped && self.unsaved() {
                    self.save(false, out)?;
                }
                self.finish(out)?;
                return Ok(Progress::Done(outcome));
            }
        }
        Ok(Progress::More)
    }

    /// The work after an optimizer step, or at the start.
    fn after_step(&self) -> Next {
        let step = self.trainer.step;
        let due = step.is_multiple_of(self.eval_every) || step >= self.total_steps;
        if due && self.state.evaluated != Some(step) {
            if self.until.is_some_and(|until| step > until) {
                return Next::End(Outcome::Stopped);
            }
            let (names, part_of) = &self.parts;
            let (tally, said) = (MetricAccumulator::by_part(&self.judged, names, *part_of), Vec::new());
            let evaluation = Evaluation { next_batch: 0, nll: 0.0, tokens: 0, begun: Instant::now(), tally, said };
            return Next::Evaluate(Box::new(evaluation));
        }
        let patience = self.config.training.patience;
        if patience.is_some_and(|patience| self.state.without_improvement >= patience) {
            return Next::End(Outcome::StoppedEarly);
        }
        match self.until {
            _ if step >= self.total_steps => Next::End(Outcome::Completed),
            Some(until) if step >= until => Next::End(Outcome::Stopped),
            _ => Next::Train,
        }
    }

    fn train_step(&mut self, out: &Outbox) -> Result<()> {
        // The first of this sitting compiles kernels, whatever its number.
        let phase = if self.told.is_none() { Phase::FirstStep } else { Phase::Training };
        if self.told != Some(phase) || self.state.evaluated == Some(self.trainer.step) {
            out.send(Report::Phase(phase));
        }
        self.told = Some(phase);
        let begun = Instant::now();
        let batches = self.feed.micro_batches(self.trainer.step, &self.config, &self.train, &self.reading)?;
        let batches = weighted(self.config.training.loss, batches);
        let t = &self.config.training;
        let settings = StepSettings {
            learning_rate: learning_rate(t, self.trainer.step + 1, self.total_steps),
            max_grad_norm: t.max_grad_norm,
            seed: self.config.seed,
        };
        let (loss, grad_norm) = self.trainer.step(&self.model.model, &batches, &settings, &self.model.device)?;
        let report = StepReport {
            step: self.trainer.step,
            loss,
            learning_rate: settings.learning_rate,
            grad_norm,
            labeled_tokens: batches.iter().map(|(batch, _)| batch.n_labels()).sum(),
            tokens: batches.iter().map(|(batch, _)| batch.n_tokens()).sum(),
            elapsed_secs: begun.elapsed().as_secs_f64(),
        };
        self.folder.append(&Record::Step(report))?;
        out.send(Report::Step(report));
        self.next = self.after_step();
        let every = self.config.training.save_every;
        if every > 0 && report.step.is_multiple_of(every) && !matches!(self.next, Next::Evaluate(_)) {
            self.save(false, out)?;
        }
        Ok(())
    }

    fn evaluate(&mut self, mut evaluation: Box<Evaluation>, out: &Outbox) -> Result<()> {
        let total = self.validation_batches.len();
        if let Some(batch) = self.validation_batches.get(evaluation.next_batch) {
            let share = evaluation.next_batch as f32 / total as f32;
            out.send(Report::Phase(Phase::Evaluating { share }));
            let conditioning = self.trainer.adapter.eval_conditioning();
            let tuned = self.model.model.with_overrides(&conditioning.tuned)?;
            let model = tuned.as_ref().unwrap_or(&self.model.model);
            let device = &self.model.device;
            if self.is_ranked() {
                let scorer = Scorer { model, conditioning: &conditioning, device };
                let by = (&self.reading, self.config.training.candidate_loss);
                let ranked = scorer.rank(&self.validation, &batch.rows, by)?;
                evaluation.nll += ranked.nll;
                evaluation.tokens += ranked.labels;
                evaluation.tally.add_ranked(&ranked.rows, &self.validation);
                evaluation.note_ranked(&ranked.rows, self.config.training.sample_rows);
            } else {
                let scored = score(model, &conditioning, batch, device)?;
                evaluation.nll += scored.nll;
                evaluation.tokens += scored.labels;
                evaluation.tally.add(batch, &scored.predicted, &self.validation);
                evaluation.tally.add_numbers(batch, &scored.numbers, &self.validation);
                evaluation.tally.add_spans(batch, &scored.spans, &self.validation);
                let said = (scored.predicted.as_slice(), scored.numbers.as_slice());
                evaluation.note(batch, said, self.config.training.sample_rows);
            }
            evaluation.next_batch += 1;
            self.next = Next::Evaluate(evaluation);
            return Ok(());
        }
        if total > 0 && matches!(self.best_metric, BestMetric::Texts(_)) {
            self.next = Next::Write(Box::new(self.texts(*evaluation)?));
            return Ok(());
        }
        self.after_figures(*evaluation, &[], out)
    }

    /// The texts of the first validation rows, with all references of each source.
    fn texts(&self, evaluation: Evaluation) -> Result<Texts> {
        let (asked, mut firsts) = grouped(&self.validation, self.model.tokenizer.eos_text())?;
        firsts.truncate(self.config.training.metric_rows);
        let writer = TextWriter::new(&firsts, &self.config.generation);
        Ok(Texts { evaluation, writer, asked, written: Vec::new() })
    }

    fn write(&mut self, mut texts: Texts, out: &Outbox) -> Result<()> {
        if texts.writer.is_done() {
            texts.written.sort_by_key(|row| row.row);
            return self.after_figures(texts.evaluation, &texts.written, out);
        }
        out.send(Report::Phase(Phase::Predicting { share: texts.writer.share() }));
        let conditioning = self.trainer.adapter.eval_conditioning();
        let tuned = self.model.model.with_overrides(&conditioning.tuned)?.map(Rc::new);
        let n_before = self.trainer.adapter.n_slots();
        let with = Writing { model: &self.model, tuned: tuned.as_ref(), conditioning: &conditioning, n_before };
        for (index, prediction) in texts.writer.step(&with, |place| Ok(self.validation[place].clone()))? {
            texts.written.extend(texts.asked.remove(&index).map(|row| PredictedRow { prediction, ..row }));
        }
        self.next = Next::Write(Box::new(texts));
        Ok(())
    }

    /// The figures are there: the verdict, then the samples.
    fn after_figures(&mut self, mut evaluation: Evaluation, texts: &[PredictedRow], out: &Outbox) -> Result<()> {
        let total = self.validation_batches.len();
        if total > 0 {
            self.conclude(&evaluation, texts, out)?;
        }
        if !self.task().writes() || self.is_ranked() {
            evaluation.said.sort_by_key(|said| said.row);
            for said in &evaluation.said {
                let example = &self.validation[said.row];
                let report = match self.is_ranked() {
                    true => samples::ranked(
                        &self.model,
                        (self.trainer.step, &self.judged),
                        example,
                        (said.row, said.predicted[0]),
                    )?,
                    false => {
                        samples::labels(&self.model, &self.trainer, example, said.row, (&said.predicted, said.number))?
                    }
                };
                self.folder.append(&Record::Sample(report.clone()))?;
                out.send(Report::Sample(Box::new(report)));
            }
            return self.close_evaluation(out);
        }
        if self.config.training.sample_rows > 0 && total > 0 {
            out.send(Report::Phase(Phase::Sampling));
            let decoder =
                samples::decoder(&self.model, &self.trainer.adapter, &self.validation, &self.config.training)?;
            self.next = Next::Sample(Box::new(decoder));
            return Ok(());
        }
        self.close_evaluation(out)
    }

    fn conclude(&mut self, evaluation: &Evaluation, texts: &[PredictedRow], out: &Outbox) -> Result<()> {
        let loss = evaluation.nll / evaluation.tokens.max(1) as f64;
        let step = self.trainer.step;
        if !loss.is_finite() {
            return Err(EngineError::Diverged { step });
        }
        let elapsed_secs = evaluation.begun.elapsed().as_secs_f64();
        let figures = evaluation.tally.figures();
        let value = self.best_metric.value(loss, figures.as_ref(), texts)?;
        let best = self.state.best.is_none_or(|(before, _)| self.best_metric.is_better(value, before));
        self.verdict = Some((value, best));
        let metric = (self.best_metric != BestMetric::Loss)
            .then(|| BestFigure { name: self.best_metric.name().to_owned(), value });
        let report = EvaluationReport { step, loss, best, elapsed_secs, figures, metric };
        self.folder.append(&Record::Evaluation(report.clone()))?;
        out.send(Report::Evaluated(report));
        Ok(())
    }

    fn sample(&mut self, mut decoder: Box<Decoder>, out: &Outbox) -> Result<()> {
        decoder.step(DecoderModel::try_from(&*self.model.model)?)?;
        if !decoder.is_done() {
            self.next = Next::Sample(decoder);
            return Ok(());
        }
        let rows = self.config.training.sample_rows.min(self.validation.len());
        for row in 0..rows {
            let text = self.model.tokenizer.decode(decoder.tokens(row))?;
            let example = &self.validation[row];
            let (prompt, reference) = (example.prompt.clone(), example.reference.clone());
            let report = SampleReport { step: self.trainer.step, row, prompt, reference, text };
            self.folder.append(&Record::Sample(report.clone()))?;
            out.send(Report::Sample(Box::new(report)));
        }
        self.close_evaluation(out)
    }

    /// The evaluation of this step is complete, samples included: keep where we are.
    fn close_evaluation(&mut self, out: &Outbox) -> Result<()> {
        let step = self.trainer.step;
        self.state.evaluated = Some(step);
        match self.verdict.take() {
            Some((figure, true)) => {
                self.state.best = Some((figure, step));
                self.state.without_improvement = 0;
            }
            Some(_) => self.state.without_improvement += 1,
            None => {}
        }
        let best = self.state.best.is_some_and(|(_, at)| at == step);
        let every = self.config.training.save_every;
        let is_due = every == 0 || step.is_multiple_of(every) || step >= self.total_steps;
        // What is called the best can be held in hands, the untouched start too.
        if best || (step > 0 && is_due) {
            self.save(best, out)?;
        }
        self.next = self.after_step();
        Ok(())
    }

    /// Writes a checkpoint of the present step.
    pub(super) fn save(&mut self, best: bool, out: &Outbox) -> Result<()> {
        out.send(Report::Phase(Phase::Saving));
        let step = self.trainer.step;
        self.state.step = step;
        let folder = self.folder.checkpoint(&RunFolder::checkpoint_name(step));
        checkpoint::write(&folder, &self.trainer, &self.state, &self.config.method, &self.base_name())?;
        let older = if self.config.trains_weights() { Retention::Delete } else { Retention::AdapterOnly };
        self.folder.note_checkpoint(step, best, older)?;
        self.saved_step = Some(step);
        out.send(Report::CheckpointWritten { step, folder, best });
        Ok(())
    }

    /// Copies the best adapter, or the last, to where people look for it.
    pub(super) fn finish(&mut self, _out: &Outbox) -> Result<()> {
        let index = self.folder.checkpoints()?;
        let kept = match index.best.or(index.last) {
            Some(name) => formats::read(&self.folder.checkpoint(&name), None)?,
            None => self.trainer.adapter.to_state(&self.base_name())?,
        };
        self.folder.write_folder("adapter", |adapter| formats::write(&kept, adapter, Some(&self.config.method)))
    }

    fn base_name(&self) -> String {
        self.config.model.display().to_string()
    }
}

/// A device, and the numbers of the matrices where they are not the usual ones.
fn in_words(device: &DeviceInfo, numbers: MatrixNumbers) -> String {
    let MatrixNumbers { precision, quantization } = numbers;
    let mut words = format!("{} ({})", device.name, device.api);
    if precision != Precision::F32 {
        words.push_str(&format!(", {precision}"));
    }
    if quantization != Quantization::Stored {
        words.push_str(&format!(", {quantization}"));
    }
    words
}
