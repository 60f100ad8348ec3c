//! A resumed run is the same run, every run can be finished, and whatever is called the best is kept.

use std::path::{Path, PathBuf};

use engine::config::{FullConfig, LoraConfig, MethodConfig, RunConfig};
use engine::protocol::{Ask, Outcome, Report};
use engine::training::run_folder::{Record, Retention, RunFolder, read_checkpoints};
use proptest::prelude::*;
use serde_json::{Value, json};
use tests::{Talk, curve, tiny_model, tiny_run};

fn train(folder: &Path, config: &RunConfig, resume: bool) -> Vec<Report> {
    let command = Ask::Train { folder: folder.to_owned(), config: Box::new(config.clone()), resume, until: None };
    let talk = Talk::new();
    talk.send(command);
    talk.until_end()
}

fn resume_on_others(folder: &Path, config: &RunConfig) -> Vec<Report> {
    let command = Ask::ResumeOnOthers { folder: folder.to_owned(), config: Box::new(config.clone()) };
    Talk::new().run(command)
}

/// Trains until an event, then stops with a checkpoint, as Ctrl-C does.
fn stopped(folder: &Path, config: &RunConfig, at: impl Fn(&Report) -> bool) {
    let talk = Talk::new();
    let config = Box::new(config.clone());
    talk.send(Ask::Train { folder: folder.to_owned(), config, resume: false, until: None });
    talk.until(at);
    talk.send(Ask::Stop);
    let events = talk.until_end();
    assert!(matches!(events.last(), Some(Report::Finished { outcome: Outcome::Stopped })), "{events:?}");
}

fn is_step(event: &Report, wanted: usize) -> bool {
    matches!(event, Report::Step(step) if step.step == wanted)
}

fn is_completed(events: &[Report]) -> bool {
    matches!(events.last(), Some(Report::Finished { outcome: Outcome::Completed }))
}

/// Every file of a run by its place, without those that hold times.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let (mut waiting, mut found) = (vec![folder.to_owned()], Vec::new());
    while let Some(next) = waiting.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let inside = path.strip_prefix(folder).unwrap().to_owned();
            match path.is_dir() {
                true => waiting.push(path),
                false if ["metrics.jsonl", "facts.json"].iter().any(|name| inside == Path::new(name)) => {}
                false => found.push((inside, std::fs::read(&path).unwrap())),
            }
        }
    }
    found.sort();
    found
}

fn same(whole: &Path, other: &Path) {
    assert_eq!(curve(whole), curve(other));
    let (whole, other) = (files(whole), files(other));
    let names = |files: &[(PathBuf, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&whole), names(&other));
    for ((name, one), (_, two)) in whole.iter().zip(&other) {
        assert!(one == two, "{} differs", name.display());
    }
}

fn methods(home: &Path) -> Vec<RunConfig> {
    let with = |method| RunConfig { method, ..tiny_run(home) };
    let lora = LoraConfig { rank: 3, ..LoraConfig::default() };
    let mut dropping = crate::together::beside(home);
    dropping.training.base_dropout = true;
    let mut packed = tiny_run(home);
    (packed.training.group_by_length, packed.training.packing) = (false, true);
    let (context_tuned, distilled) = (crate::longer::context_tuned(home), crate::longer::distilled(home));
    let (lora, full) = (with(MethodConfig::Lora(lora)), with(MethodConfig::Full(FullConfig::default())));
    vec![tiny_run(home), lora, full, dropping, packed, context_tuned, distilled]
}

#[test]
fn a_run_stopped_in_its_last_evaluation_goes_on_to_the_end_of_it() {
    let home = tempfile::tempdir().unwrap();
    for (index, config) in methods(home.path()).into_iter().enumerate() {
        let (whole, folder) = (home.path().join(format!("whole-{index}")), home.path().join(format!("cut-{index}")));
        train(&whole, &config, false);
        // The figures of the last evaluation are there, its samples are not.
        stopped(&folder, &config, |event| matches!(event, Report::Evaluated(evaluation) if evaluation.step == 12));
        assert_ne!(curve(&whole), curve(&folder));
        assert!(is_completed(&train(&folder, &config, true)));
        same(&whole, &folder);
    }
}

#[test]
fn a_run_killed_before_its_adapter_was_whole_goes_on_to_the_end_of_it() {
    let home = tempfile::tempdir().unwrap();
    for (index, config) in methods(home.path()).into_iter().enumerate() {
        let (whole, folder) = (home.path().join(format!("whole-{index}")), home.path().join(format!("cut-{index}")));
        train(&whole, &config, false);
        train(&folder, &config, false);
        // What a kill between the last checkpoint and the end leaves.
        std::fs::remove_dir_all(folder.join("adapter")).unwrap();
        let draft = folder.join(".draft-abc");
        std::fs::create_dir(&draft).unwrap();
        std::fs::write(draft.join("adapter_config.json"), "{").unwrap();
        assert!(is_completed(&train(&folder, &config, true)));
        same(&whole, &folder);
    }
}

/// Trains until a step, as a run of an experiment that is held against others.
fn train_until(folder: &Path, config: &RunConfig, resume: bool, until: usize) -> Vec<Report> {
    let config = Box::new(config.clone());
    Talk::new().run(Ask::Train { folder: folder.to_owned(), config, resume, until: Some(until) })
}

fn is_stopped(events: &[Report]) -> bool {
    matches!(events.last(), Some(Report::Finished { outcome: Outcome::Stopped }))
}

fn steps(events: &[Report]) -> Vec<usize> {
    let step = |event: &Report| match event {
        Report::Step(step) => Some(step.step),
        _ => None,
    };
    events.iter().filter_map(step).collect()
}

#[test]
fn a_run_that_stops_after_a_step_and_goes_on_is_the_run_that_never_stopped() {
    let home = tempfile::tempdir().unwrap();
    for (index, config) in methods(home.path()).into_iter().enumerate() {
        let place = |name: &str| home.path().join(format!("{name}-{index}"));
        let (whole, folder, between) = (place("whole"), place("cut"), place("between"));
        train(&whole, &config, false);
        // At an evaluation, so that no file tells of it.
        let events = train_until(&folder, &config, false, 4);
        assert!(is_stopped(&events) && steps(&events) == [1, 2, 3, 4], "{events:?}");
        assert!(events.iter().any(|event| matches!(event, Report::Evaluated(report) if report.step == 4)));
        let events = train_until(&folder, &config, true, 8);
        assert!(is_stopped(&events) && steps(&events) == [5, 6, 7, 8], "{events:?}");
        assert!(is_completed(&train(&folder, &config, true)));
        same(&whole, &folder);
        // Between evaluations there is a checkpoint more.
        let events = train_until(&between, &config, false, 6);
        assert!(is_stopped(&events) && steps(&events).last() == Some(&6), "{events:?}");
        assert_eq!(read_checkpoints(&between).unwrap().last.as_deref(), Some("step-000006"));
        assert!(is_completed(&train(&between, &config, true)));
        assert_eq!(curve(&whole), curve(&between));
        let adapter = |folder: &Path| files(&folder.join("adapter"));
        assert!(!adapter(&whole).is_empty() && adapter(&whole) == adapter(&between));
    }
}

#[test]
fn a_run_that_is_beyond_the_step_computes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (config, folder) = (tiny_run(home.path()), home.path().join("run"));
    train_until(&folder, &config, false, 8);
    let before = files(&folder);
    for until in [0, 6, 8] {
        let events = train_until(&folder, &config, true, until);
        assert!(is_stopped(&events) && steps(&events).is_empty(), "{events:?}");
        assert!(!events.iter().any(|event| matches!(event, Report::Evaluated(_) | Report::CheckpointWritten { .. })));
        assert_eq!(before, files(&folder));
    }
    let events = train_until(&folder, &config, true, 100);
    assert!(is_completed(&events), "a step beyond the end is the end");
    assert!(is_completed(&train_until(&folder, &config, true, 3)), "it has nothing left");
}

fn add_rows(config: &RunConfig) {
    let mut text = std::fs::read_to_string(&config.data.train).unwrap();
    for i in 0..12 {
        text += &format!("\n{}", json!({"source": format!("g {i}"), "target": "f e"}));
    }
    std::fs::write(&config.data.train, text).unwrap();
}

/// The differences that the engine names; it must refuse.
fn refused(events: &[Report]) -> Vec<String> {
    let Some(Report::Failed(failure)) = events.last() else { panic!("{events:?}") };
    assert!(failure.advice.to_string().contains("--changed-data"), "{failure:?}");
    let changed = events.iter().find_map(|event| match event {
        Report::Changed { differences } => Some(differences.iter().map(ToString::to_string).collect()),
        _ => None,
    });
    changed.unwrap()
}

#[test]
fn other_rows_are_refused_and_with_a_yes_their_losses_are_not_compared_with_the_old_ones() {
    let home = tempfile::tempdir().unwrap();
    let (config, folder) = (tiny_run(home.path()), home.path().join("run"));
    stopped(&folder, &config, |event| is_step(event, 6));
    let before = files(&folder);
    add_rows(&config);
    let differences = refused(&train(&folder, &config, true));
    assert_eq!(differences, ["the training rows (18 then, 27 now)", "the validation rows (6 then, 9 now)"]);
    assert_eq!(before, files(&folder), "nothing is touched");
    let events = resume_on_others(&folder, &config);
    assert!(is_completed(&events));
    let notice =
        |event: &&Report| matches!(event, Report::Notice { text } if text.to_string().contains("18 then, 27 now"));
    assert_eq!(events.iter().filter(notice).count(), 1);
    let first = events.iter().find_map(|event| match event {
        Report::Evaluated(evaluation) => Some(evaluation.clone()),
        _ => None,
    });
    let first = first.unwrap();
    assert!(first.step == 8 && first.best, "the first on these rows, so the best of them: {first:?}");
    let best = read_checkpoints(&folder).unwrap().best.unwrap();
    assert!(["step-000008", "step-000012"].contains(&best.as_str()), "{best}");
    // From now on these are its rows.
    assert!(is_completed(&train(&folder, &config, true)));
}

#[test]
fn another_seed_batch_tokenizer_or_config_is_named() {
    let home = tempfile::tempdir().unwrap();
    let (mut config, folder) = (tiny_run(home.path()), home.path().join("run"));
    config.model = home.path().join("model");
    std::fs::create_dir(&config.model).unwrap();
    for entry in std::fs::read_dir(tiny_model()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), config.model.join(entry.file_name())).unwrap();
    }
    stopped(&folder, &config, |event| is_step(event, 6));
    let with = |change: &dyn Fn(&mut RunConfig)| {
        let mut other = config.clone();
        change(&mut other);
        refused(&train(&folder, &other, true))
    };
    assert!(with(&|config| config.seed = 8).contains(&"the seed (7 then, 8 now)".to_owned()));
    assert_eq!(with(&|config| config.training.batch_size = 2), ["the rows in a batch (4 then, 2 now)"]);
    assert_eq!(with(&|config| config.training.gradient_accumulation = 3), ["the batches in a step (1 then, 3 now)"]);
    let edit = |name: &str, change: &dyn Fn(&mut Value)| {
        let path = config.model.join(name);
        let mut value: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        change(&mut value);
        std::fs::write(path, value.to_string()).unwrap();
    };
    edit("config.json", &|said| said["layer_norm_epsilon"] = json!(1e-3));
    assert_eq!(refused(&train(&folder, &config, true)), ["config.json of the model"]);
    edit("config.json", &|said| said["layer_norm_epsilon"] = json!(1e-5));
    edit("tokenizer.json", &|said| said["normalizer"] = json!({"type": "Lowercase"}));
    assert_eq!(refused(&train(&folder, &config, true)), ["the tokenizer"]);
    edit("tokenizer.json", &|said| said["normalizer"] = Value::Null);
    assert!(is_completed(&train(&folder, &config, true)), "as it was");
}

#[test]
fn a_checkpoint_of_an_older_version_goes_on_with_a_word() {
    let home = tempfile::tempdir().unwrap();
    let (config, whole, folder) = (tiny_run(home.path()), home.path().join("whole"), home.path().join("run"));
    train(&whole, &config, false);
    stopped(&folder, &config, |event| is_step(event, 6));
    let last = read_checkpoints(&folder).unwrap().last.unwrap();
    let path = folder.join("checkpoints").join(last).join("state.json");
    let mut state: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert!(state.as_object_mut().unwrap().remove("origin").is_some());
    std::fs::write(&path, state.to_string()).unwrap();
    let events = train(&folder, &config, true);
    assert!(is_completed(&events));
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Report::Notice { text } if text.to_string().contains("older version")))
    );
    assert_eq!(curve(&whole), curve(&folder));
}

#[test]
fn the_untouched_start_is_kept_where_no_step_is_better() {
    let home = tempfile::tempdir().unwrap();
    let (mut config, folder) = (tiny_run(home.path()), home.path().join("run"));
    // Too little to change a number.
    config.training.learning_rate = 1e-30;
    assert!(is_completed(&train(&folder, &config, false)));
    let losses: Vec<(usize, f64, bool)> = curve(&folder)
        .iter()
        .filter_map(|record| match record {
            Record::Evaluation(report) => Some((report.step, report.loss, report.best)),
            _ => None,
        })
        .collect();
    assert!(losses[1..].iter().all(|(_, loss, best)| *loss >= losses[0].1 && !best), "{losses:?}");
    assert_eq!(read_checkpoints(&folder).unwrap().best.as_deref(), Some("step-000000"));
    let numbers = |at: &str| std::fs::read(folder.join(at).join("adapter_model.safetensors")).unwrap();
    assert_eq!(numbers("adapter"), numbers("initial"));
    assert_eq!(numbers("checkpoints/step-000000"), numbers("initial"));
}

#[cfg(unix)]
#[test]
fn a_run_with_a_link_in_it_is_not_resumed() {
    let home = tempfile::tempdir().unwrap();
    let (config, folder, profile) = (tiny_run(home.path()), home.path().join("run"), home.path().join("profile"));
    stopped(&folder, &config, |event| is_step(event, 6));
    std::fs::write(&profile, "mine").unwrap();
    std::fs::remove_file(folder.join("metrics.jsonl")).unwrap();
    std::os::unix::fs::symlink(&profile, folder.join("metrics.jsonl")).unwrap();
    match train(&folder, &config, true).last() {
        Some(Report::Failed(failure)) => assert!(failure.what.to_string().contains("is a link"), "{failure:?}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(std::fs::read_to_string(&profile).unwrap(), "mine");
}

#[test]
fn a_run_whose_folder_is_deleted_fails_and_does_not_make_it_again() {
    let home = tempfile::tempdir().unwrap();
    let (mut config, folder) = (tiny_run(home.path()), home.path().join("run"));
    config.training.steps = 100_000;
    config.training.eval_every = 100_000;
    let talk = Talk::new();
    let command = Ask::Train { folder: folder.clone(), config: Box::new(config), resume: false, until: None };
    talk.send(command);
    talk.until(|event| is_step(event, 3));
    std::fs::remove_dir_all(&folder).unwrap();
    talk.send(Ask::Stop);
    assert!(matches!(talk.until_end().last(), Some(Report::Failed(_))));
    assert!(!folder.exists());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Writers take names from this list: whatever it says, they touch nothing outside of the run.
    #[test]
    fn no_list_of_checkpoints_makes_a_writer_leave_its_run(
        names in prop::collection::vec("(\\.\\./|step-|[0-9]{1,9}|victim|/|\\.|-|é){0,6}", 0..4),
        last in prop::option::of("(\\.\\./){0,3}(step-[0-9]{1,7}|victim)"),
        whole in any::<bool>(),
    ) {
        let home = tempfile::tempdir().unwrap();
        let victim = home.path().join("victim");
        std::fs::create_dir(&victim).unwrap();
        std::fs::write(victim.join("state.json"), "mine").unwrap();
        let run = RunFolder::open(&home.path().join("run")).unwrap();
        let list = json!({"last": last, "best": names.first(), "all": names});
        std::fs::write(run.path.join("checkpoints.json"), list.to_string()).unwrap();
        let older = if whole { Retention::Delete } else { Retention::AdapterOnly };
        // Refused or done: either way only in here.
        drop((run.note_checkpoint(5, false, older), run.note_checkpoint(7, true, older), run.forget_best()));
        prop_assert_eq!(std::fs::read_to_string(victim.join("state.json")).unwrap(), "mine");
        prop_assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 2);
    }
}
