//! Shared parts of the tests: a tiny model, rows for it, and an engine whose events are collected.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the answer")]

pub mod hub_server;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};

use engine::config::{DataConfig, MethodConfig, PrefixConfig, RunConfig, TrainingConfig};
use engine::device::DeviceChoice;
use engine::generation::Sampling;
use engine::nn::Precision;
use engine::protocol::{Ask, Command, Event, GenerateRequest, GeneratedStream, JobId, Report, Stream};
use engine::training::ClassificationMetrics;
use engine::training::run_folder::{Record, read_records};
use engine::worker::Engine;

/// The folder of the golden cases.
pub fn golden_cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/cases")
}

/// Files of rows as the datasets library and others write them.
pub fn datasets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/datasets")
}

/// A GPT-2 of two layers with random weights and a tokenizer.
pub fn tiny_model() -> PathBuf {
    golden_cases().join("gpt2-prefix-2x44/model")
}

/// Rows that the tiny model can overfit.
pub fn tiny_rows(folder: &Path) -> PathBuf {
    let path = folder.join("rows.jsonl");
    let row = |i: usize| {
        let (a, b) = (["a", "b", "c", "d"][i % 4], ["e", "f", "g"][i % 3]);
        serde_json::json!({ "source": format!("{a} {b}"), "target": format!("{b} {a}") }).to_string()
    };
    let text: Vec<String> = (0..24).map(row).collect();
    std::fs::write(&path, text.join("\n")).unwrap();
    path
}

/// The figures without what a clock decides.
pub fn curve(folder: &Path) -> Vec<Record> {
    let mut records = read_records(&folder.join("metrics.jsonl")).unwrap();
    for record in &mut records {
        match record {
            Record::Step(report) => report.elapsed_secs = 0.0,
            Record::Evaluation(report) => report.elapsed_secs = 0.0,
            Record::Sample(_) => {}
        }
    }
    records
}

/// A short run of the tiny model on the tiny rows.
pub fn tiny_run(folder: &Path) -> RunConfig {
    let data = DataConfig { validation_share: 0.25, ..DataConfig::new(tiny_rows(folder)) };
    RunConfig {
        name: "tiny".to_owned(),
        device: DeviceChoice::Cpu,
        seed: 7,
        method: MethodConfig::Prefix(PrefixConfig { n_virtual: 4, ..PrefixConfig::default() }),
        training: TrainingConfig {
            steps: 12,
            batch_size: 4,
            learning_rate: 0.02,
            eval_every: 4,
            sample_rows: 2,
            sample_tokens: 5,
            ..TrainingConfig::default()
        },
        ..RunConfig::new(tiny_model(), data)
    }
}

/// A request for these texts, on the CPU in f32.
pub fn generation(model: &Path, streams: Vec<Stream>, sampling: Sampling) -> Ask {
    let (device, numbers) = (DeviceChoice::Cpu, Precision::F32.into());
    Ask::Generate(Box::new(GenerateRequest { model: model.to_owned(), device, numbers, streams, sampling, top: 0 }))
}

/// The job of a test that needs one only.
pub const JOB: JobId = JobId(1);

/// An engine and its events. The engine waits at each event until it is heard: what is sent after one is obeyed before
/// the next but one.
pub struct Talk {
    // Dropped first, so that an engine nobody listens to waits no longer.
    events: Receiver<Event>,
    engine: Engine,
    cache: tempfile::TempDir,
}

impl Default for Talk {
    fn default() -> Self {
        Self::new()
    }
}

impl Talk {
    /// Starts an engine with a cache of its own.
    pub fn new() -> Self {
        let cache = tempfile::tempdir().unwrap();
        let (send, events) = sync_channel(0);
        // A test that is over hears no more.
        let engine = Engine::spawn(cache.path(), None, move |event| drop(send.send(event))).unwrap();
        Self { events, engine, cache }
    }

    /// Where the engine keeps what it computes once per model.
    pub fn cache(&self) -> &Path {
        self.cache.path()
    }

    /// Asks for a job.
    pub fn send(&self, ask: Ask) {
        self.send_as(JOB, ask);
    }

    /// Asks under a name of its own.
    pub fn send_as(&self, job: JobId, ask: Ask) {
        self.engine.send(Command { job, ask }).unwrap();
    }

    /// Everything up to and with the end of the job.
    pub fn until_end(&self) -> Vec<Report> {
        self.until_end_of(JOB)
    }

    /// Everything up to and with the end of a job.
    pub fn until_end_of(&self, job: JobId) -> Vec<Report> {
        let ends = |what: &Report| matches!(what, Report::Finished { .. } | Report::Failed(_));
        self.hear(|event| event.job == job && ends(&event.what))
    }

    /// Everything up to and with the first report that fits.
    pub fn until(&self, fits: impl Fn(&Report) -> bool) -> Vec<Report> {
        self.hear(|event| fits(&event.what))
    }

    fn hear(&self, is_last: impl Fn(&Event) -> bool) -> Vec<Report> {
        let mut heard = Vec::new();
        loop {
            let event = self.events.recv().expect("the engine goes on until the job ends");
            let is_over = is_last(&event);
            heard.push(event.what);
            if is_over {
                return heard;
            }
        }
    }

    /// Asks, and hears to the end; panics if it fails.
    pub fn run(&self, ask: Ask) -> Vec<Report> {
        self.send(ask);
        let heard = self.until_end();
        if let Some(Report::Failed(failure)) = heard.last() {
            panic!("{failure:?}");
        }
        heard
    }

    /// The texts of a [`generation`]; panics if it fails.
    pub fn generate(&self, ask: Ask) -> Vec<GeneratedStream> {
        let written = self.run(ask).into_iter().find_map(|report| match report {
            Report::Generated { streams } => Some(streams),
            _ => None,
        });
        written.expect("texts were written")
    }

    /// Loss and figures on all training rows of a run, of an adapter or of the base model; panics if it fails.
    pub fn score(&self, config: &RunConfig, adapter: Option<PathBuf>) -> (f64, Option<ClassificationMetrics>) {
        let ask = Ask::Evaluate {
            model: config.model.clone(),
            device: DeviceChoice::Cpu,
            numbers: Precision::F32.into(),
            adapter,
            data: config.data.clone(),
            task: config.task,
        };
        let scored = self.run(ask).into_iter().find_map(|report| match report {
            Report::Score { loss, figures, .. } => Some((loss, figures)),
            _ => None,
        });
        scored.expect("rows were scored")
    }
}
