//! An adapter as one file, with what its run knows of it.

use std::path::{Path, PathBuf};

use crate::bundle::{self, BaseModel, Manifest, ReferenceLogits, SharedTemplate};
use crate::config::DataConfig;
use crate::device::DeviceChoice;
use crate::error::Result;
use crate::jobs::exchange::{adapter_folder, run_of};
use crate::jobs::probe::{last_logits, rows};
use crate::jobs::{Job, Outbox, Progress};
use crate::nn::Quantization;
use crate::protocol::{Outcome, Report};
use crate::sentence;
use crate::session::Session;
use crate::training::run_folder::{Record, read_checkpoints, read_records, step_of};

/// Samples that go along, and rows of the probe.
const SAMPLES: usize = 3;
/// Columns of the probe: enough to tell, few enough for a small file.
const COLUMNS: usize = 64;
/// Texts for the probe when the run has no samples.
const TEXTS: [&str; 2] = ["The", "1 2 3 4 5 6 7 8"];

pub(super) struct Share {
    adapter: PathBuf,
    base: (PathBuf, DeviceChoice),
    card: String,
    with_samples: bool,
    to: PathBuf,
}

impl Share {
    /// `said` is the card, and whether samples go along.
    pub(super) fn new(
        adapter: PathBuf,
        base: (PathBuf, DeviceChoice),
        (card, with_samples): (String, bool),
        to: PathBuf,
    ) -> Self {
        Self { adapter, base, card, with_samples, to }
    }
}

impl Job for Share {
    fn step(&mut self, session: &mut Session, out: &Outbox) -> Result<Progress> {
        let folder = adapter_folder(self.adapter.clone());
        let mut heard = out.loading();
        let run = run_of(&folder);
        let quantization = run.as_ref().map_or(Quantization::Stored, |(_, config)| config.quantization);
        let model = session.model(&self.base.0, (self.base.1, quantization.into()), &mut heard)?;
        let adapter = model.adapter(&folder)?;
        let base = BaseModel::of(&model.summary, &model.hash);
        let mut about = Manifest { card: self.card.clone(), quantization, ..Manifest::new(&adapter, base) };
        if let Some((run, config)) = run {
            add_run(&mut about, &folder, run, config.data);
        }
        if !self.with_samples {
            // The rows of the probe are then texts of ours, too.
            about.samples.clear();
        }
        let n_samples = about.samples.len();
        let prompts: Vec<&str> = about.samples.iter().map(|sample| sample.prompt.as_str()).collect();
        let rows = match prompts.as_slice() {
            [] => rows(&model, &TEXTS, &adapter)?,
            prompts => rows(&model, prompts, &adapter)?,
        };
        let (width, logits) = last_logits(&model, &adapter, &model.conditioning(&adapter)?, &rows)?;
        let reference = spread(rows, width, &logits);
        bundle::write(&self.to, &adapter, about, Some(&reference))?;
        if n_samples > 0 {
            let text = sentence!(
                "The file carries {n_samples} rows of the validation data, with prompt and target; --no-samples leaves them out",
                n_samples
            );
            out.send(Report::Notice { text });
        }
        out.send(Report::Written { folder: self.to.clone() });
        Ok(Progress::Done(Outcome::Completed))
    }
}

/// Some columns of the logits, spread over all.
fn spread(rows: Vec<Vec<u32>>, width: usize, logits: &[f32]) -> ReferenceLogits {
    let kept = width.min(COLUMNS);
    let columns: Vec<u32> = (0..kept).map(|i| (i * width / kept) as u32).collect();
    let all = logits.chunks_exact(width.max(1));
    let logits = all.flat_map(|row| columns.iter().map(|&column| row[column as usize])).collect();
    ReferenceLogits { rows, columns, logits }
}

/// Adds facts from the run of an adapter folder: templates, the evaluation of that checkpoint or the best, samples.
fn add_run(about: &mut Manifest, adapter: &Path, run: &Path, data: DataConfig) {
    about.template = Some(SharedTemplate {
        prompt_template: data.prompt_template,
        target_template: data.target_template,
        begin_token: data.begin_token,
        chat: data.chat,
    });
    let records = read_records(&run.join("metrics.jsonl")).unwrap_or_default();
    let best = || step_of(&read_checkpoints(run).ok()?.best?);
    let step = adapter.file_name().and_then(|name| step_of(name.to_str()?)).or_else(best);
    about.figures = records.iter().rev().find_map(|record| match record {
        Record::Evaluation(evaluation) if Some(evaluation.step) == step => Some(evaluation.clone()),
        _ => None,
    });
    let at = about.figures.as_ref().map(|evaluation| evaluation.step);
    let samples = records.into_iter().filter_map(|record| match record {
        Record::Sample(sample) if Some(sample.step) == at => Some(sample),
        _ => None,
    });
    about.samples = samples.take(SAMPLES).collect();
}
