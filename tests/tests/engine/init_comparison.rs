//! An init comparison from the outside: every start begins where a run with it would, the best is first, and nothing
//! is kept.

use std::path::Path;

use engine::adapters::{PartState, formats};
use engine::config::{
    FewShotConfig, LoraConfig, MethodConfig, PrefixConfig, PrefixInit, PromptConfig, Reparameterization, RunConfig,
};
use engine::protocol::{Ask, Outcome, Report};
use engine::training::run_folder::{Record, read_records};
use engine::training::{InitComparisonPlan, InitRow, InitScore};
use tests::{Talk, golden_cases, tiny_run};

fn words(text: &str) -> PrefixInit {
    PrefixInit::Words { text: text.to_owned() }
}

fn prefill(text: &str) -> PrefixInit {
    PrefixInit::Prefill { text: text.to_owned() }
}

fn adapter(path: &Path) -> PrefixInit {
    PrefixInit::Adapter { path: path.to_owned() }
}

fn plan(starts: &[PrefixInit], steps: usize, seeds: &[u64]) -> InitComparisonPlan {
    InitComparisonPlan { starts: starts.to_vec(), seeds: seeds.to_vec(), steps, ..InitComparisonPlan::default() }
}

fn ask(config: &RunConfig, plan: &InitComparisonPlan) -> Ask {
    Ask::CompareInits { config: Box::new(config.clone()), plan: plan.clone() }
}

fn rows(heard: &[Report]) -> Vec<InitRow> {
    let rows = heard
        .iter()
        .find_map(|event| if let Report::InitComparison { rows } = event { Some(rows.clone()) } else { None });
    rows.unwrap()
}

fn lab(config: &RunConfig, plan: &InitComparisonPlan) -> Vec<InitRow> {
    rows(&Talk::new().run(ask(config, plan)))
}

fn scores(heard: &[Report]) -> Vec<InitScore> {
    let score = |event: &Report| if let Report::InitScore(score) = event { Some(score.clone()) } else { None };
    heard.iter().filter_map(score).collect()
}

fn with_prefix(config: &RunConfig, n_virtual: usize, reparameterized: bool) -> RunConfig {
    let network = Reparameterization { width: Some(16), ..Reparameterization::default() };
    let reparameterization = reparameterized.then_some(network);
    let method = MethodConfig::Prefix(PrefixConfig { n_virtual, reparameterization, ..PrefixConfig::default() });
    RunConfig { method, ..config.clone() }
}

/// Validation losses of a run with these initial values, step by step.
fn trained(config: &RunConfig, init: &PrefixInit, folder: &Path) -> Vec<f64> {
    let config = RunConfig { method: config.method.with_init(init).unwrap(), ..config.clone() };
    let folder = folder.to_owned();
    Talk::new().run(Ask::Train { folder: folder.clone(), config: Box::new(config), resume: false, until: None });
    let loss = |record| if let Record::Evaluation(report) = record { Some(report.loss) } else { None };
    read_records(&folder.join("metrics.jsonl")).unwrap().into_iter().filter_map(loss).collect()
}

#[test]
fn every_start_is_where_a_run_with_it_begins_and_comes_to_and_the_best_is_first() {
    let home = tempfile::tempdir().unwrap();
    for (name, config) in
        [("flat", with_prefix(&tiny_run(home.path()), 4, false)), ("mlp", with_prefix(&tiny_run(home.path()), 4, true))]
    {
        let first = home.path().join(name);
        trained(&config, &PrefixInit::ScaledRandom, &first);
        let starts = [
            PrefixInit::ScaledRandom,
            PrefixInit::Random,
            PrefixInit::Zero,
            PrefixInit::Vocabulary,
            PrefixInit::Frequent,
            words("a b"),
            prefill("a b c d e f g"),
            adapter(&first),
        ];
        let files = || std::fs::read_dir(home.path()).unwrap().count();
        let (before, plan) = (files(), plan(&starts, 4, &[config.seed]));
        let rows = lab(&config, &plan);
        assert_eq!(files(), before, "nothing is written");
        let after: Vec<f64> = rows.iter().map(|row| row.after.unwrap().mean).collect();
        assert!(rows.len() == starts.len() && after.is_sorted(), "{after:?}");
        for row in &rows {
            let folder = home.path().join(format!("{name}-{}", row.start));
            let losses = trained(&config, &row.init, &folder);
            let (start, end) = (row.before.unwrap().mean, row.after.unwrap().mean);
            assert!((start - losses[0]).abs() < 1e-6, "{name}, {:?}: {start} in the lab, {losses:?}", row.init);
            assert!((end - losses[1]).abs() < 1e-6, "{name}, {:?}: {end} in the lab, {losses:?}", row.init);
            let differs = rows.iter().filter(|other| other.before == row.before).count() == 1;
            assert!(differs, "{name}, {:?} is another start's", row.init);
        }
    }
}

#[test]
fn a_network_is_fitted_to_the_same_start_as_a_flat_prefix_has() {
    let home = tempfile::tempdir().unwrap();
    let config = tiny_run(home.path());
    let other = home.path().join("other");
    trained(&config, &PrefixInit::ScaledRandom, &other);
    let starts = [PrefixInit::Vocabulary, PrefixInit::Frequent, prefill("a b c d e f"), adapter(&other)];
    let plan = plan(&starts, 1, &[3]);
    let losses = |reparameterized| {
        let mut rows = lab(&with_prefix(&config, 4, reparameterized), &plan);
        rows.sort_by_key(|row| row.start);
        rows.iter().map(|row| row.before.unwrap().mean).collect::<Vec<f64>>()
    };
    for (flat, fitted) in losses(false).into_iter().zip(losses(true)) {
        assert!((flat - fitted).abs() < 1e-4, "{flat} flat, {fitted} behind the network");
    }
}

#[test]
fn an_adapter_of_another_length_is_cut_or_repeated() {
    let home = tempfile::tempdir().unwrap();
    let config = tiny_run(home.path());
    let long = home.path().join("long");
    trained(&with_prefix(&config, 6, false), &words("a b c d e f"), &long);
    let text = |init: &PrefixInit, n_virtual| {
        lab(&with_prefix(&config, n_virtual, false), &plan(std::slice::from_ref(init), 1, &[1]))[0].before.unwrap().mean
    };
    let initial = adapter(&long.join("initial"));
    let (cut, beginning) = (text(&initial, 4), text(&prefill("a b c d e f"), 4));
    assert!((cut - beginning).abs() < 1e-5, "a causal model's slots see none behind them: {cut} {beginning}");
    assert_ne!(text(&initial, 6), text(&initial, 12));
    assert_ne!(text(&initial, 12), text(&words("a b c d e f"), 12), "slots are repeated, not the text");
}

#[test]
fn the_same_seeds_give_the_same_table_and_all_starts_see_the_same_rows() {
    let home = tempfile::tempdir().unwrap();
    let config = tiny_run(home.path());
    let twice = plan(&[PrefixInit::Zero, PrefixInit::Zero, PrefixInit::Vocabulary], 5, &[1, 2]);
    let heard = Talk::new().run(ask(&config, &twice));
    let first = rows(&heard);
    assert_eq!(first, lab(&config, &twice));
    let zeros: Vec<&InitRow> = first.iter().filter(|row| row.init == PrefixInit::Zero).collect();
    assert_eq!((zeros[0].before, zeros[0].after), (zeros[1].before, zeros[1].after));
    let spread = zeros[0].after.unwrap().deviation.unwrap();
    assert!(spread > 0.0 && zeros[0].before.unwrap().deviation == Some(0.0), "zeros differ by the order of rows alone");
    assert_eq!(scores(&heard).len(), 12);
}

#[test]
fn what_diverges_or_cannot_begin_is_a_row_that_says_so() {
    let home = tempfile::tempdir().unwrap();
    let config = tiny_run(home.path());
    let other_model = golden_cases().join("bart-prefix-3x32/adapter");
    let starts = [PrefixInit::Zero, prefill("a"), adapter(&other_model), adapter(&home.path().join("nowhere"))];
    let rows = lab(&config, &plan(&starts, 2, &[1]));
    assert!(rows[0].init == PrefixInit::Zero && rows[0].after.is_some());
    for (start, said) in [(1, "the text has 1 tokens"), (2, "adapter"), (3, "nowhere")] {
        let row = rows.iter().find(|row| row.start == start).unwrap();
        let failure = row.failure.clone().unwrap();
        assert!(failure.what.to_string().contains(said) && row.after.is_none(), "{failure:?}");
    }
    let (whole, huge) = (home.path().join("run"), home.path().join("huge"));
    trained(&config, &PrefixInit::Zero, &whole);
    let mut spoiled = formats::read(&whole.join("initial"), None).unwrap();
    let PartState::Prefix(prefix) = &mut spoiled.parts[0] else { panic!("{spoiled:?}") };
    prefix.flat.fill(3e38);
    formats::write(&spoiled, &huge, None).unwrap();
    let rows = lab(&config, &plan(&[adapter(&huge), PrefixInit::Zero], 2, &[1, 2]));
    assert!(rows[0].init == PrefixInit::Zero && rows[0].diverged == 0);
    assert!(rows[1].diverged == 2 && rows[1].failure.is_none() && rows[1].after.is_none(), "{rows:?}");
}

#[test]
fn a_soft_prompt_has_a_lab_too_and_a_method_without_starts_none() {
    let home = tempfile::tempdir().unwrap();
    let config = tiny_run(home.path());
    let prompt = MethodConfig::Prompt(PromptConfig { n_virtual: 4, ..PromptConfig::default() });
    let soft = RunConfig { method: prompt, ..config.clone() };
    let rows = lab(&soft, &plan(&[PrefixInit::ScaledRandom, PrefixInit::Frequent, words("a b")], 2, &[1]));
    assert!(rows.iter().all(|row| row.after.is_some()), "{rows:?}");
    let text = RunConfig { method: MethodConfig::FewShot(FewShotConfig::default()), ..config };
    for (config, start) in [(soft, prefill("a b c d e")), (text, PrefixInit::Zero)] {
        let talk = Talk::new();
        talk.send(ask(&config, &plan(&[start], 2, &[1])));
        match talk.until_end().last() {
            Some(Report::Failed(failure)) => {
                assert!(failure.what.to_string().contains("method.init"), "{failure:?}")
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn matrices_begin_fresh_or_as_those_of_an_adapter() {
    let home = tempfile::tempdir().unwrap();
    let config = RunConfig { method: MethodConfig::Lora(LoraConfig::default()), ..tiny_run(home.path()) };
    let first = home.path().join("first");
    let last = trained(&config, &PrefixInit::Random, &first).pop().unwrap();
    let mut rows = lab(&config, &plan(&[PrefixInit::Random, adapter(&first)], 2, &[1]));
    rows.sort_by_key(|row| row.start);
    let before = |row: &InitRow| row.before.unwrap().mean;
    assert!(before(&rows[1]) < before(&rows[0]), "{rows:?}");
    assert!((before(&rows[1]) - last).abs() < 1e-4, "{last} {rows:?}");
}

#[test]
fn a_lab_can_be_paused_and_stopped() {
    let home = tempfile::tempdir().unwrap();
    let config = tiny_run(home.path());
    let talk = Talk::new();
    talk.send(ask(&config, &plan(&[PrefixInit::Zero, PrefixInit::Vocabulary], 100_000, &[1])));
    talk.until(|event| matches!(event, Report::InitStep(step) if step.step == 3));
    talk.send(Ask::Pause);
    talk.until(|event| matches!(event, Report::Paused { paused: true }));
    talk.send(Ask::Stop);
    let heard = talk.until_end();
    assert!(matches!(heard.last(), Some(Report::Finished { outcome: Outcome::Stopped })), "{heard:?}");
    assert!(heard.iter().all(|event| !matches!(event, Report::InitComparison { .. })));
}
