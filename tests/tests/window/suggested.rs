//! Models to begin with, and rows of the hub where a run asks for them: looked up by a press, fetched by another.

use app::action::Screen;
use app::window::backend::BackendEvent;
use egui_kittest::kittest::Queryable as _;
use engine::hub::{CachedModel, HubCommand, HubEvent, ListedFile, Listing, ModelId};
use engine::protocol::{Ask, Command, JobId};

use crate::fixtures::{hub_facts, listing};
use crate::scenes::{click, picture};
use crate::world::{Bench, Start};

fn library(facts: HubEvent) -> Bench {
    let mut bench = Bench::with_runs(Start { size: [1280.0, 1800.0], ..Start::default() }, Vec::new());
    bench.hear(BackendEvent::Hub(facts));
    click(&mut bench, "Library");
    bench
}

fn looked_up(bench: &Bench) -> Option<(JobId, String)> {
    bench.last_of_hub(|command| match command {
        HubCommand::LookUp { job, id, .. } => Some((*job, id.to_string())),
        _ => None,
    })
}

fn downloads(bench: &Bench) -> usize {
    bench.world.borrow().asked_hub.iter().filter(|c| matches!(c, HubCommand::Download { .. })).count()
}

#[test]
fn a_model_to_begin_with_is_looked_up_by_one_press_and_fetched_by_another() {
    let mut bench = library(hub_facts());
    assert_eq!(looked_up(&bench), None, "nothing is asked before a press");
    picture(&mut bench, "library_suggested");
    click(&mut bench, "Get SmolLM2-135M…");
    let (job, id) = looked_up(&bench).expect("the hub is asked for names and sizes");
    assert_eq!((id.as_str(), downloads(&bench)), ("HuggingFaceTB/SmolLM2-135M", 0));
    let id = ModelId::parse(&id).unwrap();
    bench.hear(BackendEvent::Hub(HubEvent::Listed { job, listing: Box::new(Listing { id, ..listing() }) }));
    bench.harness.get_by_label("model.safetensors");
    click(&mut bench, "Download 664 MB");
    assert_eq!(downloads(&bench), 1);
}

#[test]
fn a_model_that_is_here_is_trained_with_at_once() {
    let HubEvent::Facts { facts, mut cached } = hub_facts() else { panic!("facts") };
    let id = ModelId::parse("google-t5/t5-small").unwrap();
    cached.push(CachedModel { id, folder: "/hub/t5".into(), bytes: 242_000_000 });
    let mut bench = library(HubEvent::Facts { facts, cached });
    click(&mut bench, "Set up a run with t5-small");
    bench.answer_form();
    let window = bench.harness.state().as_ref().expect("the window is open");
    assert_eq!(window.state.screen, Screen::NewRun);
    let asked = bench.last(|command| match command {
        Command { ask: Ask::DescribeModel { folder }, .. } => Some(folder.clone()),
        _ => None,
    });
    assert_eq!(asked, Some("/hub/t5".into()));
    assert_eq!(looked_up(&bench), None);
}

#[test]
fn rows_of_the_hub_are_named_listed_fetched_and_used_in_the_form() {
    let name = "hf://datasets/nyu-mll/glue/sst2";
    let mut bench = Bench::with_runs(Start { size: [1280.0, 2300.0], ..Start::default() }, Vec::new());
    bench.hear(BackendEvent::Hub(hub_facts()));
    click(&mut bench, "Set up a run");
    bench.answer_form();
    let field = "Training rows";
    bench.harness.get_by_label(field).focus();
    bench.settle();
    bench.harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
    bench.harness.get_by_label(field).type_text(name);
    bench.settle();
    click(&mut bench, &format!("Look up {name} on the hub"));
    let (job, id) = looked_up(&bench).expect("the hub is asked");
    assert_eq!((id.as_str(), downloads(&bench)), (name, 0));
    let id = ModelId::parse(name).unwrap();
    let file = ListedFile { name: "sst2/train-00000-of-00001.parquet".into(), ..listing().files.remove(1) };
    let found = Listing { id, files: vec![file], ..listing() };
    bench.hear(BackendEvent::Hub(HubEvent::Listed { job, listing: Box::new(found) }));
    bench.harness.get_by_label("sst2/train-00000-of-00001.parquet");
    click(&mut bench, "Download 6.01 MB");
    let job = bench.last_of_hub(|command| match command {
        HubCommand::Download { job, .. } => Some(*job),
        _ => None,
    });
    let job = job.expect("the press fetches");
    bench.hear(BackendEvent::Hub(HubEvent::Fetched { job, folder: "/hub/sst2".into() }));
    bench.answer_form();
    let asked = bench.last(|command| match command {
        Command { ask: Ask::Preview { data, .. }, .. } => Some(data.train.clone()),
        _ => None,
    });
    assert_eq!(asked, Some("/hub/sst2".into()), "the folder has taken the place of the name");
}
