//! The batch size that memory has room for. Sizes are tried in a process of their own, so that one which is too large ends
//! that process and nothing else; without a program to start, in this one.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::bundle;
use crate::config::{MAX_ROWS_OF_A_STEP, MethodConfig, ROWS, RunConfig};
use crate::data::{CandidateReading, Examples, settled};
use crate::device::{DeviceChoice, MemoryWatch, Room, Trials};
use crate::error::{EngineError, Failure, IoAction, Result};
use crate::jobs::{Job, Outbox, Progress};
use crate::loaded_model::LoadedModel;
use crate::protocol::{Outcome, Phase, Report};
use crate::sentence;
use crate::session::Session;
use crate::training::batch_fit::{BatchSearch, BatchTrial};
use crate::training::batch_sampler;
use crate::training::inputs::{Preparation, RunInputs};
use crate::training::loss::weighted;
use crate::training::trainer::{StepSettings, Trainer};

/// The command of the process that tries sizes; what it is to try it reads from its input.
pub const TRY_BATCH_SIZE: &str = "try-batch-size";

/// How long a job waits for the process before it looks at its commands.
const PERIOD: Duration = Duration::from_millis(100);

/// The question to that process.
#[derive(Serialize, Deserialize)]
struct Question {
    config: RunConfig,
    cache: PathBuf,
}

/// What it says, a line each.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// Everything is loaded.
    Begun(BatchSearch),
    Tried(BatchTrial),
    Done,
    Failed(Failure),
}

/// A search for the largest batch.
pub(super) struct BatchSizeJob {
    config: RunConfig,
    search: Option<BatchSearch>,
    by: Option<By>,
}

/// Who tries.
enum By {
    Process(Trial),
    Here(Box<Prober>),
}

/// A process that tries sizes; it ends with this.
struct Trial {
    child: Child,
    lines: Receiver<Line>,
}

/// Tries sizes in this process.
struct Prober {
    config: RunConfig,
    model: Rc<LoadedModel>,
    train: Examples,
    reading: CandidateReading,
    trainer: Trainer,
    /// The rows, the longest first.
    order: Vec<usize>,
    watch: MemoryWatch,
}

impl BatchSizeJob {
    /// A search for a run.
    pub(super) fn new(config: RunConfig) -> Self {
        Self { config, search: None, by: None }
    }

    fn start(&mut self, session: &mut Session, out: &Outbox) -> Result<By> {
        self.config.check()?;
        let config = settled(self.config.clone())?;
        out.send(Report::Phase(Phase::LoadingModel { share: 0.0 }));
        if let Some(trials) = &session.trials {
            return Ok(By::Process(Trial::start(trials.program(), Question { config, cache: session.cache.clone() })?));
        }
        let model = out.load(&config, session)?;
        let (prober, search) = Prober::start(config, model, MemoryWatch::start(None), &out.preparing())?;
        self.search = Some(search);
        Ok(By::Here(Box::new(prober)))
    }

    /// One more size; whether there is none left.
    fn advance(&mut self, out: &Outbox) -> Result<bool> {
        let found = match (&mut self.by, &self.search) {
            (Some(By::Here(prober)), Some(search)) => prober.advance(search)?.map_or(Line::Done, Line::Tried),
            (Some(By::Process(trial)), search) => match trial.lines.recv_timeout(PERIOD) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => return Ok(false),
                // What was under way did not fit.
                Err(RecvTimeoutError::Disconnected) if search.is_some() => Line::Done,
                Err(RecvTimeoutError::Disconnected) => return Err(trial.ended()),
            },
            _ => return Ok(true),
        };
        match found {
            Line::Begun(search) => {
                out.send(Report::Phase(Phase::Training));
                self.search = Some(search);
            }
            Line::Tried(trial) => {
                if let Some(search) = &mut self.search {
                    search.trials.push(trial);
                }
                out.send(Report::BatchTrial(trial));
            }
            Line::Failed(Failure { what, .. }) => return Err(EngineError::Computation(what)),
            Line::Done => return Ok(true),
        }
        Ok(false)
    }
}

impl Job for BatchSizeJob {
    fn step(&mut self, session: &mut Session, out: &Outbox) -> Result<Progress> {
        if self.by.is_none() {
            self.by = Some(self.start(session, out)?);
        } else if self.advance(out)? {
            if let Some(search) = &self.search {
                out.send(Report::BatchFit(search.fit()));
            }
            return Ok(Progress::Done(Outcome::Completed));
        }
        Ok(Progress::More)
    }
}

impl Trial {
    fn start(program: &Path, question: Question) -> Result<Self> {
        let io = EngineError::io(IoAction::Start, program);
        let mut child = Command::new(program)
            .arg(TRY_BATCH_SIZE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(io)?;
        // The process reads all of it before it says anything; one that is gone already is seen by its silence.
        if let Some(mut input) = child.stdin.take() {
            serde_json::to_writer(&mut input, &question).ok();
        }
        let (tell, lines) = channel();
        let output = child.stdout.take();
        let read = move || {
            let said =
                output.into_iter().flat_map(|output| BufReader::new(output).lines().map_while(std::io::Result::ok));
            for line in said.filter_map(|line| serde_json::from_str(&line).ok()) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        };
        // It ends with the process whose words it reads.
        let reader = std::thread::Builder::new().name("batch size".to_owned()).spawn(read);
        let trial = Self { child, lines };
        reader.map_err(EngineError::io(IoAction::Start, "a thread")).map(|_| trial)
    }

    /// Why nothing is known.
    fn ended(&mut self) -> EngineError {
        let status = self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        EngineError::Computation(sentence!(
            "the process that tries batch sizes ended before its first step ({status}): there may be no memory for the model",
            status
        ))
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Prober {
    fn start(
        config: RunConfig,
        model: Rc<LoadedModel>,
        watch: MemoryWatch,
        tell: &dyn Fn(Preparation),
    ) -> Result<(Self, BatchSearch)> {
        if matches!(config.method, MethodConfig::FewShot(_)) {
            return Err(EngineError::Setting { field: "method.type", reason: sentence!("has no steps to be tried") });
        }
        let inputs = RunInputs::load(&config, model, bundle::open, tell)?;
        let trainer = inputs.fresh(&config)?;
        let RunInputs { mut model, data, .. } = inputs;
        if let Some(loaded) = Rc::get_mut(&mut model) {
            loaded.model.release(trainer.adapter.own_weights())?;
        }
        let train = data.train;
        let mut order: Vec<usize> = (0..train.len()).collect();
        order.sort_by_key(|&row| std::cmp::Reverse(train.length(row)));
        let most = order.len().min(*ROWS.end()).min(MAX_ROWS_OF_A_STEP / config.training.gradient_accumulation);
        watch.begin();
        let base_bytes = watch.peak();
        let search = BatchSearch {
            base_bytes,
            limit_bytes: base_bytes + Room::now().left.saturating_sub(reserve()),
            most,
            longest: order.first().map_or(0, |&row| train.length(row)),
            is_in_process: model.device_info.choice == DeviceChoice::Cpu,
            trials: Vec::new(),
        };
        let reading = CandidateReading::of(&model.tokenizer, data.task.task, &config.data);
        Ok((Self { config, model, train, reading, trainer, order, watch }, search))
    }

    /// The next size, unless the search is over.
    fn advance(&mut self, search: &BatchSearch) -> Result<Option<BatchTrial>> {
        search.next().map(|rows| self.trial(rows)).transpose()
    }

    /// A step of the longest rows at a rate of 0; gradients that are added up count too.
    fn trial(&mut self, rows: usize) -> Result<BatchTrial> {
        self.watch.begin();
        let begun = Instant::now();
        let t = &self.config.training;
        let of = self.order[..rows].to_vec();
        let batch = batch_sampler::batch(&self.train, of, (&self.reading, t.candidate_loss))?;
        let batch = if t.packing { batch.packed() } else { batch };
        let batches = weighted(t.loss, vec![batch; t.gradient_accumulation.min(2)]);
        let settings = StepSettings { learning_rate: 0.0, max_grad_norm: t.max_grad_norm, seed: self.config.seed };
        self.trainer.step(&self.model.model, &batches, &settings, &self.model.device)?;
        Ok(BatchTrial { rows, memory_bytes: self.watch.peak(), step_secs: begun.elapsed().as_secs_f64() })
    }
}

/// Memory that is left to everything else: a twentieth of all.
fn reserve() -> u64 {
    Room::now().whole / 20
}

/// The work of the process that tries sizes: the question from `input`, what is found to `output`, line by line. It ends
/// itself when the machine has too little memory left.
///
/// # Errors
/// Its input or output is gone.
pub fn try_batch_sizes(
    input: impl Read,
    mut output: impl Write,
    trials: impl FnOnce(&Path) -> Option<Trials>,
) -> Result<()> {
    let question: Question = serde_json::from_reader(input)
        .map_err(|error| EngineError::io(IoAction::Read, "the question")(error.into()))?;
    let trials = trials(&question.cache);
    let mut say = |line: &Line| {
        let text = serde_json::to_string(line).unwrap_or_default();
        writeln!(output, "{text}").and_then(|()| output.flush()).map_err(EngineError::io(IoAction::Write, "the answer"))
    };
    match try_all(question, trials.as_ref(), &mut say) {
        Ok(()) => say(&Line::Done),
        Err(error) => say(&Line::Failed(Failure::from(&error))),
    }
}

fn try_all(
    Question { config, cache }: Question,
    trials: Option<&Trials>,
    say: &mut dyn FnMut(&Line) -> Result<()>,
) -> Result<()> {
    let watch = MemoryWatch::start(Some(reserve() / 2));
    let loaded = LoadedModel::load(&config.model, (config.device, config.numbers()), trials, &mut |_| Ok(()))?;
    let model = Rc::new(LoadedModel { cache: Some(cache), ..loaded });
    let (mut prober, mut search) = Prober::start(config, model, watch, &|_| ())?;
    say(&Line::Begun(search.clone()))?;
    while let Some(trial) = prober.advance(&search)? {
        search.trials.push(trial);
        say(&Line::Tried(trial))?;
    }
    Ok(())
}
