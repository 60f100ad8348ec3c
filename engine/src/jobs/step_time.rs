//! What a run takes in time: a few of its steps, a batch of its evaluation and some tokens of its samples. It begins where the
//! run would begin; nothing of it is kept.

use std::rc::Rc;
use std::time::Instant;

use crate::bundle;
use crate::config::{RunConfig, refuse};
use crate::data::{CandidateReading, Example, Examples, TokenBatch, evaluation_batches, rows_of_epoch, settled};
use crate::error::Result;
use crate::generation::{Decoder, DecoderModel};
use crate::jobs::{Job, Outbox, Progress};
use crate::loaded_model::LoadedModel;
use crate::protocol::{Outcome, Phase, Report};
use crate::sentence;
use crate::session::Session;
use crate::training::StepTime;
use crate::training::batch_sampler::BatchSampler;
use crate::training::candidates::Scorer;
use crate::training::extent::total_steps;
use crate::training::inputs::RunInputs;
use crate::training::loss::{score, weighted};
use crate::training::samples;
use crate::training::schedule::learning_rate;
use crate::training::trainer::{StepSettings, Trainer};

/// Tokens of a sample that are written for the time of one.
const TOKENS: usize = 3;

/// Times that the evaluation's batch is scored: the first compiles kernels.
const PASSES: usize = 2;

/// A measurement.
pub(super) struct StepTimeJob {
    config: RunConfig,
    steps: usize,
    timing: Option<Box<Timing>>,
}

/// A measurement under way.
struct Timing {
    config: RunConfig,
    model: Rc<LoadedModel>,
    train: Examples,
    validation: Vec<Example>,
    reading: CandidateReading,
    feed: BatchSampler,
    trainer: Trainer,
    /// Seconds until the first step.
    preparation: f64,
    /// Seconds of each step; the first compiles kernels.
    steps: Vec<f64>,
    /// Seconds of the evaluation's batch, each time.
    passes: Vec<f64>,
    samples: Samples,
    total_steps: usize,
    trained: usize,
}

/// Samples of an evaluation, as far as they are timed.
#[derive(Default)]
enum Samples {
    #[default]
    ToCome,
    UnderWay {
        decoder: Box<Decoder>,
        secs: f64,
        last: f64,
    },
    Timed(f64),
}

impl StepTimeJob {
    /// A measurement of a run by so many steps.
    pub(super) fn new(config: RunConfig, steps: usize) -> Self {
        Self { config, steps, timing: None }
    }

    fn start(&self, session: &mut Session, out: &Outbox) -> Result<Timing> {
        refuse(&[((1..=1000).contains(&self.steps), "steps", sentence!("must be between 1 and 1000"))])?;
        let begun = Instant::now();
        let config = settled(self.config.clone())?;
        let model = out.load(&config, session)?;
        let inputs = RunInputs::load(&config, model, bundle::open, &out.preparing())?;
        let trainer = inputs.fresh(&config)?;
        let RunInputs { spec, model, data, .. } = inputs;
        let model = session.released(model, trainer.adapter.own_weights())?;
        out.send(Report::Phase(Phase::Training));
        Ok(Timing {
            reading: CandidateReading::of(&model.tokenizer, data.task.task, &config.data),
            total_steps: total_steps(&config, rows_of_epoch(&data.train, &config.data)),
            config,
            model,
            train: data.train,
            validation: data.validation,
            feed: BatchSampler::default(),
            trainer,
            preparation: begun.elapsed().as_secs_f64(),
            steps: Vec::new(),
            passes: Vec::new(),
            samples: Samples::ToCome,
            trained: spec.trained(),
        })
    }
}

impl Job for StepTimeJob {
    fn step(&mut self, session: &mut Session, out: &Outbox) -> Result<Progress> {
        let Some(timing) = &mut self.timing else {
            self.timing = Some(Box::new(self.start(session, out)?));
            return Ok(Progress::More);
        };
        if timing.total_steps > 0 && timing.steps.len() <= self.steps {
            timing.train()?;
        } else if !timing.validation.is_empty() && timing.passes.len() < PASSES {
            timing.evaluate()?;
        } else if timing.writes() && !matches!(timing.samples, Samples::Timed(_)) {
            timing.sample()?;
        } else {
            out.send(Report::StepTime(timing.found()));
            return Ok(Progress::Done(Outcome::Completed));
        }
        Ok(Progress::More)
    }
}

impl Timing {
    fn train(&mut self) -> Result<()> {
        let begun = Instant::now();
        let batches = self.feed.micro_batches(self.trainer.step, &self.config, &self.train, &self.reading)?;
        let t = &self.config.training;
        let batches = weighted(t.loss, batches);
        let settings = StepSettings {
            learning_rate: learning_rate(t, (self.trainer.step + 1).min(self.total_steps), self.total_steps),
            max_grad_norm: t.max_grad_norm,
            seed: self.config.seed,
        };
        self.trainer.step(&self.model.model, &batches, &settings, &self.model.device)?;
        self.steps.push(begun.elapsed().as_secs_f64());
        Ok(())
    }

    /// Whether answers are looked for among candidates.
    fn is_ranked(&self) -> bool {
        self.validation.first().is_some_and(|example| example.candidates.is_some())
    }

    /// Whether an evaluation writes samples.
    fn writes(&self) -> bool {
        let task = self.trainer.adapter.task.task;
        self.config.training.sample_rows > 0 && !self.validation.is_empty() && task.writes() && !self.is_ranked()
    }

    /// Batches of an evaluation, from the shortest rows to the longest.
    fn evaluation(&self) -> Vec<Vec<usize>> {
        let lengths: Vec<usize> = self.validation.iter().map(Example::length).collect();
        evaluation_batches(&lengths, self.config.training.batch_size)
    }

    /// The batch in the middle.
    fn evaluate(&mut self) -> Result<()> {
        let batches = self.evaluation();
        let rows = &batches[batches.len() / 2];
        let begun = Instant::now();
        let conditioning = self.trainer.adapter.eval_conditioning();
        let tuned = self.model.model.with_overrides(&conditioning.tuned)?;
        let model = tuned.as_ref().unwrap_or(&self.model.model);
        let device = &self.model.device;
        if self.is_ranked() {
            let by = (&self.reading, self.config.training.candidate_loss);
            Scorer { model, conditioning: &conditioning, device }.rank(&self.validation, rows, by)?;
        } else {
            let (pad, task) = (self.model.tokenizer.pad(), self.trainer.adapter.task.task);
            score(model, &conditioning, &TokenBatch::new(&self.validation, rows, pad, task), device)?;
        }
        self.passes.push(begun.elapsed().as_secs_f64());
        Ok(())
    }

    /// One step of the samples; after a few tokens the rest are taken to be as fast.
    fn sample(&mut self) -> Result<()> {
        let begun = Instant::now();
        let t = &self.config.training;
        self.samples = match std::mem::take(&mut self.samples) {
            Samples::ToCome => {
                let decoder = samples::decoder(&self.model, &self.trainer.adapter, &self.validation, t)?;
                Samples::UnderWay { decoder: Box::new(decoder), secs: begun.elapsed().as_secs_f64(), last: 0.0 }
            }
            Samples::UnderWay { decoder, secs, last }
                if decoder.is_done()
                    || decoder.tokens(t.sample_rows.min(self.validation.len()) - 1).len() >= TOKENS =>
            {
                let written = decoder.tokens(0).len();
                let left = if decoder.is_done() { 0 } else { t.sample_tokens.saturating_sub(written) };
                Samples::Timed(secs + left as f64 * last)
            }
            Samples::UnderWay { mut decoder, secs, .. } => {
                decoder.step(DecoderModel::try_from(&*self.model.model)?)?;
                let last = begun.elapsed().as_secs_f64();
                Samples::UnderWay { decoder, secs: secs + last, last }
            }
            timed @ Samples::Timed(_) => timed,
        };
        Ok(())
    }

    fn found(&self) -> StepTime {
        let first = self.steps.first().copied().unwrap_or_default();
        let mut counted = self.steps.get(1..).unwrap_or_default().to_vec();
        counted.sort_by(f64::total_cmp);
        let step_secs = counted.get(counted.len() / 2).copied().unwrap_or_default();
        let samples = if let Samples::Timed(secs) = self.samples { secs } else { 0.0 };
        let pass = self.passes.last().copied().unwrap_or_default();
        StepTime {
            step_secs,
            evaluation_secs: pass * self.evaluation().len() as f64 + samples,
            preparation_secs: self.preparation + (first - step_secs).max(0.0),
            total_steps: self.total_steps,
            evaluations: self.config.training.evaluations(self.total_steps),
            trained_parameters: self.trained as u64,
        }
    }
}
