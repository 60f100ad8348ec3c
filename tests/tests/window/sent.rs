//! An adapter that was sent: dropped onto the window, held against a model, probed, imported or put away.

use std::path::{Path, PathBuf};

use app::i18n::Language;
use app::store::{Answer, ModelRow, Request, RunState};
use egui_kittest::kittest::Queryable as _;
use engine::bundle::{BaseModel, Manifest, OtherParts, SharedTemplate};
use engine::config::{BeginToken, MethodConfig, PrefixConfig, Task, TaskRecord};
use engine::error::Failure;
use engine::nn::positions::PositionConvention;
use engine::protocol::{AdapterFacts, Ask, Command, JobId, Outcome, ProbeReport, Report};

use crate::fixtures::row;
use crate::scenes::click;
use crate::world::{Bench, Start, settings};

#[derive(Debug)]
pub(crate) struct Dropped(pub(crate) PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }
    fn bytes(&self) -> Result<Vec<u8>, String> {
        Err("nobody reads it here".to_owned())
    }
}

fn library(models: &[(&str, &str)]) -> Answer {
    let row = |(at, (folder, hash)): (usize, &(&str, &str))| ModelRow {
        folder: (*folder).into(),
        name: "starter".into(),
        architecture: Some("gpt2".into()),
        parameters: None,
        hash: Some((*hash).to_owned()),
        last_used: at as i64,
        runs: 1,
    };
    Answer::Library { models: models.iter().enumerate().map(row).collect(), datasets: Vec::new() }
}

/// A window onto which a file was dropped, and the question to the engine.
fn dropped(language: Language, models: &[(&str, &str)]) -> Bench {
    let settings = app::settings::Settings { language, ..settings() };
    let start = Start { settings, ..Start::default() };
    let mut bench = Bench::with_runs(start, vec![row("a", "A run", RunState::Finished)]);
    bench.answer(library(models));
    let file = Dropped("/mail/records.prefix".into());
    bench.harness.input_mut().dropped_files.push(std::sync::Arc::new(file));
    bench.settle();
    bench
}

fn asked(bench: &Bench) -> (JobId, Option<PathBuf>) {
    let asked = bench.last(|command| match command {
        Command { job, ask: Ask::Inspect { model, adapter } } => {
            assert_eq!(adapter, Path::new("/mail/records.prefix"));
            Some((*job, model.clone()))
        }
        _ => None,
    });
    asked.expect("the engine is asked what it is")
}

pub(crate) fn facts(other_base: Option<&str>) -> Box<AdapterFacts> {
    let base = BaseModel {
        name: "starter".into(),
        architecture: "gpt2".into(),
        fingerprint: "0123456789abcdef".into(),
        n_layers: 6,
        d_model: 384,
        n_kv_heads: 6,
        d_head: 64,
        vocab_size: 8192,
    };
    let about = Manifest {
        format: 1,
        method: "prefix_tuning".into(),
        sites: Vec::new(),
        n_frozen: 0,
        layers: None,
        others: OtherParts::default(),
        task: TaskRecord::default(),
        positions: PositionConvention::Unshifted,
        base,
        template: Some(SharedTemplate {
            prompt_template: "{{ source }} =>".into(),
            target_template: "{{ target }}".into(),
            begin_token: BeginToken::Template,
            chat: false,
        }),
        figures: None,
        samples: Vec::new(),
        card: "Records into sentences".into(),
        reference_rows: Vec::new(),
        reference_columns: Vec::new(),
        quantization: engine::nn::Quantization::Stored,
    };
    Box::new(AdapterFacts {
        path: "/mail/records.prefix".into(),
        sentence: engine::Sentence::verbatim(
            "a prefix of the workbench: 12 virtual tokens at the decoder; the text's positions begin at 0",
        ),
        method: MethodConfig::Prefix(PrefixConfig { n_virtual: 12, ..PrefixConfig::default() }),
        lora: None,
        weights: false,
        n_virtual: 12,
        positions: PositionConvention::Unshifted,
        task: Task::Causal,
        classes: Vec::new(),
        tasks: Vec::new(),
        other_base: other_base.map(engine::Sentence::verbatim),
        about: Some(Box::new(about)),
    })
}

const MODELS: [(&str, &str); 1] = [("/models/starter", "ffff")];

#[test]
fn a_dropped_file_is_looked_at_probed_and_imported() {
    let mut bench = dropped(Language::English, &MODELS);
    let (job, model) = asked(&bench);
    assert_eq!(model, Some("/models/starter".into()));
    bench.event(job, Report::Inspected(facts(None)));
    bench.event(job, Report::Finished { outcome: Outcome::Completed });
    bench.harness.get_by_label_contains("12 virtual tokens at the decoder");
    bench.harness.get_by_label_contains("Records into sentences");
    bench.harness.check_accessibility();
    click(&mut bench, "Probe");
    let job = bench.last(|command| match command {
        Command { job, ask: Ask::Probe { .. } } => Some(*job),
        _ => None,
    });
    let job = job.expect("the engine probes it");
    let probe = ProbeReport { rows: 2, largest: 9.0, from_base: 3.5, from_sender: Some(1e-6), tolerance: 0.009 };
    bench.event(job, Report::Probed(probe));
    bench.event(job, Report::Finished { outcome: Outcome::Completed });
    bench.harness.get_by_label_contains("It computes what its sender computed");
    click(&mut bench, "Import");
    let job = bench.last(|command| match command {
        Command { job, ask: Ask::Import { other_base: false, to, .. } } => {
            assert_eq!(to, Path::new("/workspace/runs/20261121-031502-beef"));
            Some(*job)
        }
        _ => None,
    });
    let job = job.expect("the engine imports it");
    assert!(!bench.world.borrow().requests.iter().any(|request| matches!(request, Request::Register { .. })));
    bench.event(job, Report::Written { folder: "/workspace/runs/20261121-031502-beef".into() });
    bench.event(job, Report::Finished { outcome: Outcome::Completed });
    assert!(bench.harness.query_by_label("Import").is_none(), "the question is gone");
    let world = bench.world.borrow();
    let config = world.requests.iter().find_map(|request| match request {
        Request::Register { config, .. } => Some(config.clone()),
        _ => None,
    });
    let config = config.expect("the store hears of the run");
    assert_eq!((config.name.as_str(), config.data.prompt_template.as_str()), ("records", "{{ source }} =>"));
    assert!(world.requests.iter().any(|request| matches!(request, Request::Imported(_))));
}

#[test]
fn another_base_must_be_accepted_and_the_right_one_is_found_by_its_fingerprint() {
    let mut bench = dropped(Language::English, &MODELS);
    let (job, _) = asked(&bench);
    bench.event(job, Report::Inspected(facts(Some("it belongs to starter: width 384 there and 44 here"))));
    bench.event(job, Report::Finished { outcome: Outcome::Completed });
    bench.harness.get_by_label_contains("width 384 there and 44 here");
    click(&mut bench, "Import");
    let imports =
        |bench: &Bench| bench.last(|command| matches!(command, Command { ask: Ask::Import { .. }, .. }).then_some(()));
    assert_eq!(imports(&bench), None, "it is not offered yet");
    click(&mut bench, "Use it with this model all the same");
    click(&mut bench, "Import");
    assert_eq!(imports(&bench), Some(()));

    let models = [("/models/right", "0123456789abcdef"), ("/models/starter", "ffff")];
    let mut bench = dropped(Language::English, &models);
    let (job, model) = asked(&bench);
    assert_eq!(model, Some("/models/starter".into()), "the one used last");
    bench.event(job, Report::Inspected(facts(Some("it belongs to starter"))));
    assert_eq!(asked(&bench).1, Some("/models/right".into()));
}

#[test]
fn a_file_that_is_no_adapter_says_why_and_is_put_away_in_both_languages() {
    for (language, cancel) in [(Language::English, "Cancel"), (Language::Chinese, "取消")] {
        let mut bench = dropped(language, &MODELS);
        let (job, _) = asked(&bench);
        let failure = Failure {
            what: engine::Sentence::verbatim("no adapter of a known form is in it"),
            advice: engine::Sentence::verbatim("Choose another"),
        };
        bench.event(job, Report::Failed(failure));
        bench.harness.get_by_label_contains("o adapter of a known form is in it");
        bench.harness.check_accessibility();
        click(&mut bench, cancel);
        assert!(bench.harness.query_by_label_contains("o adapter of a known form").is_none());
    }
}
