//! The model that a run is made for, as the form asks for it: by a folder or by its id on the hub, with a head of its own,
//! with several places for a prefix.

use std::path::{Path, PathBuf};

use app::action::{Action, Screen};
use app::state::outbox::Fill;
use app::store::RunState;
use app::window::backend::BackendEvent;
use egui_kittest::kittest::Queryable as _;
use engine::config::{HeadInit, RunConfig, Task};
use engine::data::DataPreview;
use engine::error::Failure;
use engine::hub::{CachedModel, HubCommand, HubEvent, ModelId};
use engine::models::ModelSummary;
use engine::models::{PretrainedHead, Site};
use engine::protocol::{Ask, Command, GeneratedStream, Report};

use crate::fixtures::{config, detail, hub_facts, listing, model_summary, preview_rows, row};
use crate::scenes::{click, perform, picture, pictures};
use crate::world::{Bench, Start};

/// The form of a new run in a window of this height, filled with these settings; nothing is answered yet.
pub(crate) fn filled(config: RunConfig, height: f32) -> Bench {
    let mut bench = Bench::with_runs(Start { size: [1280.0, height], ..Start::default() }, Vec::new());
    bench.hear(BackendEvent::Hub(hub_facts()));
    click(&mut bench, "Set up a run");
    bench.answer_form();
    let window = bench.harness.state_mut().as_mut().expect("the window is open");
    window.state.fill(Fill::Run(Box::new(config)));
    wait(&mut bench);
    bench
}

/// The form waits until typing has paused.
fn wait(bench: &mut Bench) {
    for _ in 0..8 {
        bench.harness.run_steps(10);
    }
}

/// Answers the question about this folder, or lets it fail.
pub(crate) fn described(bench: &mut Bench, folder: &Path, model: Option<ModelSummary>) {
    let asked = bench.last(|command| match command {
        Command { job, ask: Ask::DescribeModel { folder } } => Some((*job, folder.clone())),
        _ => None,
    });
    let (job, asked) = asked.expect("the model was asked for");
    assert_eq!(asked, folder);
    let what = engine::sentence!("the model folder has no {what}: {path}", what = "config.json", path = folder);
    let failure = Failure { what, advice: engine::Sentence::verbatim("Choose a folder") };
    bench.event(job, model.map_or(Report::Failed(failure), |model| Report::Model(Box::new(model))));
    wait(bench);
}

pub(crate) fn previewed(bench: &mut Bench, preview: DataPreview) {
    let job = bench.last(|command| match command {
        Command { job, ask: Ask::Preview { .. } } => Some(*job),
        _ => None,
    });
    bench.event(job.expect("rows were asked for"), Report::Preview(Box::new(preview)));
}

pub(crate) fn started(bench: &mut Bench) -> RunConfig {
    click(bench, "Start");
    let sent = bench.last(|command| match command {
        Command { ask: Ask::Train { config, .. }, .. } => Some(config.as_ref().clone()),
        _ => None,
    });
    sent.expect("the run was sent")
}

fn asked_of_hub(bench: &Bench) -> Vec<HubCommand> {
    let asked = &bench.world.borrow().asked_hub;
    asked.iter().filter(|command| !matches!(command, HubCommand::Describe { .. })).cloned().collect()
}

#[test]
fn a_model_is_looked_up_downloaded_and_used_where_a_run_asks_for_it() {
    let id = "Langboat/bloom-389m-zh";
    let mut bench = filled(RunConfig { model: id.into(), ..config() }, 800.0);
    described(&mut bench, Path::new(id), None);
    bench.harness.get_by_label("Not ready");
    assert!(asked_of_hub(&bench).is_empty(), "nothing is asked before a press");
    picture(&mut bench, "new_run_not_here");
    click(&mut bench, "Look up Langboat/bloom-389m-zh on the hub");
    let Some(HubCommand::LookUp { job, id: asked, .. }) = asked_of_hub(&bench).pop() else { panic!("no look-up") };
    assert_eq!(asked.to_string(), id);
    bench.hear(BackendEvent::Hub(HubEvent::Listed { job, listing: Box::new(listing()) }));
    picture(&mut bench, "new_run_listed");
    click(&mut bench, "Download 664 MB");
    let Some(HubCommand::Download { job, listing: sent }) = asked_of_hub(&bench).pop() else { panic!("no download") };
    assert_eq!(*sent, listing(), "what was shown is what is fetched");
    let folder = listing().folder;
    let HubEvent::Facts { facts, mut cached } = hub_facts() else { panic!("they are facts") };
    cached.push(CachedModel { id: listing().id, folder: folder.clone(), bytes: 1 });
    bench.hear(BackendEvent::Hub(HubEvent::Facts { facts, cached }));
    bench.hear(BackendEvent::Hub(HubEvent::Fetched { job, folder: folder.clone() }));
    wait(&mut bench);
    described(&mut bench, &folder, Some(ModelSummary { folder: folder.clone(), ..model_summary() }));
    previewed(&mut bench, preview_rows());
    assert_eq!(started(&mut bench).model, folder);
}

#[test]
fn a_model_of_the_cache_is_used_by_its_id() {
    let mut bench = filled(RunConfig { model: "gpt2".into(), ..config() }, 800.0);
    described(&mut bench, Path::new("gpt2"), None);
    let folder = PathBuf::from("/home/ada/.cache/huggingface/hub/models--gpt2/snapshots/607a30d7");
    described(&mut bench, &folder, Some(ModelSummary { folder: folder.clone(), ..model_summary() }));
    previewed(&mut bench, preview_rows());
    bench.harness.get_by_label_contains("In the hub's cache: /home/ada/.cache");
    assert!(asked_of_hub(&bench).is_empty());
    assert_eq!(started(&mut bench).model, folder);
}

#[test]
fn another_model_is_being_fetched_while_one_is_asked_for() {
    let mut bench = filled(RunConfig { model: "no-org/other".into(), ..config() }, 800.0);
    described(&mut bench, Path::new("no-org/other"), None);
    click(&mut bench, "Look up no-org/other on the hub");
    let Some(HubCommand::LookUp { job, .. }) = asked_of_hub(&bench).pop() else { panic!("no look-up") };
    bench.hear(BackendEvent::Hub(HubEvent::Listed { job, listing: Box::new(listing()) }));
    assert!(bench.harness.query_by_label("Download 664 MB").is_none(), "it is of another model");
    bench.harness.get_by_label("Look up no-org/other on the hub");
    assert_eq!(ModelId::parse("hub:no-org/other").expect("an id").to_string(), "no-org/other");
}

fn with_head() -> (ModelSummary, DataPreview) {
    let classes: Vec<String> = ["negative", "neutral", "positive"].map(str::to_owned).to_vec();
    let own = PretrainedHead::Names { task: Task::SequenceClassification, classes: classes.clone() };
    let tasks = vec![Task::SequenceClassification, Task::TokenClassification];
    let model = ModelSummary { architecture: "roberta".into(), tasks, own_head: Some(own), ..model_summary() };
    (model, DataPreview { classes, task: Task::SequenceClassification, ..preview_rows() })
}

#[test]
fn the_head_of_a_checkpoint_is_shown_and_may_be_made_anew() {
    let folder = "/models/sentiment";
    let mut bench = filled(RunConfig { model: folder.into(), ..config() }, 900.0);
    let (model, preview) = with_head();
    described(&mut bench, Path::new(folder), Some(model));
    previewed(&mut bench, preview.clone());
    bench.harness.get_by_label("The checkpoint has a head for 3 classes: negative, neutral, positive");
    picture(&mut bench, "new_run_head");
    assert_eq!(started(&mut bench).head, HeadInit::Checkpoint);

    let mut bench = filled(RunConfig { model: folder.into(), ..config() }, 900.0);
    described(&mut bench, Path::new(folder), Some(with_head().0));
    previewed(&mut bench, DataPreview { classes: vec!["no".into(), "yes".into()], ..preview });
    bench.harness.get_by_label_contains("A new head will be made, because the checkpoint's is for others");
    click(&mut bench, "Classify words");
    bench.harness.get_by_label_contains("It is used in the task “Classify texts”");
    click(&mut bench, "Classify texts");
    click(&mut bench, "A new one");
    assert!(bench.harness.query_by_label_contains("A new head will be made").is_none());
    assert_eq!(started(&mut bench).head, HeadInit::New);
}

/// BART: it reads a source and writes a target.
fn seq2seq() -> ModelSummary {
    ModelSummary { architecture: "bart".into(), encoder_layers: 6, tasks: vec![Task::Seq2Seq], ..model_summary() }
}

#[test]
fn a_prefix_has_the_places_that_are_chosen() {
    let folder = "/models/bart";
    let mut bench = filled(RunConfig { model: folder.into(), ..config() }, 1900.0);
    described(&mut bench, Path::new(folder), Some(seq2seq()));
    previewed(&mut bench, DataPreview { task: Task::Seq2Seq, ..preview_rows() });
    click(&mut bench, "Decoder");
    picture(&mut bench, "new_run_sites");
    let sent = started(&mut bench);
    let sites = sent.method.prefix().and_then(|prefix| prefix.sites.clone());
    assert_eq!(sites, Some(vec![Site::Encoder, Site::Cross]));
}

#[test]
fn two_targets_of_one_source_are_compared() {
    let mut run = row("20261121-020000-0002", "BART, all places", RunState::Finished);
    (run.model, run.model_folder, run.method) = ("bart".into(), "/models/bart".into(), "prefix 20 × 3".into());
    let bench = Bench::with_runs(Start::default(), vec![run.clone()]);
    let mut bench = perform(bench, Action::Open(run.id.clone(), Screen::Compare));
    let mut about = detail(run, 400);
    about.config = Some(Box::new(RunConfig { model: "/models/bart".into(), ..config() }));
    bench.answer(app::store::Answer::Detail(Box::new(about)));
    previewed(&mut bench, DataPreview { task: Task::Seq2Seq, ..preview_rows() });
    click(&mut bench, "Next row");
    let job = bench.last(|command| match command {
        Command { job, ask: Ask::Generate(_) } => Some(*job),
        _ => None,
    });
    let stream = |text: &str, hash: &str, proven| GeneratedStream {
        log_probability: 0.0,
        text: text.into(),
        tokens: vec![1; 9],
        adapter_hash: hash.into(),
        proven_base: proven,
        elapsed_secs: 0.3,
        beams: Vec::new(),
        ..GeneratedStream::default()
    };
    let streams = vec![
        stream("name: Blue Spice | food: Chinese | area: riverside", "", Some(true)),
        stream("Blue Spice serves Chinese food by the riverside.", "9f3ac1d2e4", None),
    ];
    bench.event(job.expect("the generation was sent"), Report::Generated { streams });
    bench.harness.get_by_label("Base proven");
    pictures([(bench, "compare_seq2seq")]);
}
