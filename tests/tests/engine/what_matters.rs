//! Which slots matter, from the outside: what is told of fewer slots is what an adapter with so many comes to.

use std::path::{Path, PathBuf};

use engine::adapters::formats;
use engine::analysis::{AblationReport, Analysis, ImportanceReport, LeftOut, Question, ShorterReport};
use engine::config::{MethodConfig, PrefixConfig, PrefixInit, PromptConfig, RunConfig};
use engine::nn::MatrixNumbers;
use engine::protocol::{AnalysisRequest, Ask, Report};
use tests::{Talk, tiny_model, tiny_run};

/// The adapter of a tiny run.
fn trained(home: &Path, config: &RunConfig) -> PathBuf {
    let (folder, config) = (home.join("run"), Box::new(config.clone()));
    Talk::new().run(Ask::Train { folder: folder.clone(), config, resume: false, until: None });
    folder.join("adapter")
}

fn request(config: &RunConfig, adapter: &Path, question: Question) -> AnalysisRequest {
    AnalysisRequest {
        model: config.model.clone(),
        device: config.device,
        numbers: MatrixNumbers::default(),
        adapter: adapter.to_owned(),
        other: None,
        initial: None,
        question,
        data: config.data.clone(),
        text: None,
        rows: 1000,
        checkpoints: Vec::new(),
    }
}

fn analysis(config: &RunConfig, adapter: &Path, question: Question) -> Analysis {
    let found =
        Talk::new().run(Ask::Analyze(Box::new(request(config, adapter, question)))).into_iter().find_map(|report| {
            match report {
                Report::Analysis(analysis) => Some(*analysis),
                _ => None,
            }
        });
    found.expect("the question was answered")
}

fn importance(config: &RunConfig, adapter: &Path) -> ImportanceReport {
    match analysis(config, adapter, Question::Importance { leave_one_out: 64, sizes: Vec::new() }) {
        Analysis::Importance(report) => report,
        other => panic!("{other:?}"),
    }
}

fn ablation(config: &RunConfig, adapter: &Path, left_out: LeftOut) -> AblationReport {
    match analysis(config, adapter, Question::Ablation { left_out: vec![left_out] }) {
        Analysis::Ablation(report) => report,
        other => panic!("{other:?}"),
    }
}

#[test]
fn fewer_slots_cost_what_was_told_and_are_read_again() {
    let home = tempfile::tempdir().unwrap();
    let prefix = tiny_run(home.path());
    let method = MethodConfig::Prompt(PromptConfig { n_virtual: 4, ..PromptConfig::default() });
    let prompt = RunConfig { method, ..prefix.clone() };
    for (name, config) in [("prefix", &prefix), ("prompt", &prompt)] {
        let home = home.path().join(name);
        let adapter = trained(&home, config);
        let report = importance(config, &adapter);
        let numbers: Vec<usize> = report.pruned.iter().map(|step| step.slots).collect();
        assert_eq!((numbers.as_slice(), report.slots.len(), report.rows), (&[4, 3, 2, 1, 0][..], 4, 24), "{name}");
        assert!(report.slots.iter().all(|slot| slot.importance > 0.0 && slot.left_out.is_some()), "{name}: {report:?}");
        assert_eq!(report.agreement.as_ref().map(|found| found.slots), Some(4), "{name}");
        let is_sorted = report.order.is_sorted_by(|&a, &b| report.slots[a].importance >= report.slots[b].importance);
        assert!(is_sorted && report.layers.iter().all(|layer| layer.slots.len() == 4), "{name}: {report:?}");

        let talk = Talk::new();
        let close = |a: f64, b: f64| (a - b).abs() < 1e-5;
        let whole = talk.score(config, Some(adapter.clone())).0;
        let base = talk.score(config, None).0;
        assert!(close(report.loss, whole) && close(report.pruned[4].loss, base), "{name}: {report:?} {whole} {base}");
        let last = report.order[3];
        let found = ablation(config, &adapter, LeftOut { slots: vec![last], ..LeftOut::default() });
        assert!(close(found.without, report.pruned[1].loss), "{name}: {found:?}");
        assert!(close(found.without - found.loss, report.slots[last].left_out.unwrap()), "{name}: {found:?}");
        assert_eq!(found.base.map(|loss| close(loss, base)), Some(true), "{name}");

        let (slots, to) = (report.order[..2].to_vec(), home.join("fewer"));
        talk.run(Ask::Prune { adapter: adapter.clone(), model: tiny_model(), slots: slots.clone(), to: to.clone() });
        assert_eq!(formats::read(&to, None).unwrap().n_slots(), 2, "{name}");
        let fewer = talk.score(config, Some(to)).0;
        assert!(close(fewer, report.pruned[2].loss), "{name}: {fewer} {:?}", report.pruned);
        talk.send(Ask::Prune { adapter, model: tiny_model(), slots: vec![4], to: home.join("none") });
        assert!(matches!(talk.until_end().last(), Some(Report::Failed(_))), "{name}");
        assert!(!home.join("none").exists(), "{name}");
    }
}

#[test]
fn a_prefix_that_was_fitted_to_fewer_slots_costs_what_was_told_and_a_run_begins_from_it() {
    let home = tempfile::tempdir().unwrap();
    let config = tiny_run(home.path());
    let adapter = trained(home.path(), &config);
    let (talk, to) = (Talk::new(), home.path().join("fitted"));
    let close = |a: f64, b: f64| (a - b).abs() < 1e-5;
    // Nobody looks at the question.
    let request = |question| Box::new(request(&config, &adapter, question));
    let events = talk.run(Ask::Shorten { request: request(Question::Attention), slots: 2, to: to.clone() });
    let found = events.into_iter().find_map(|report| match report {
        Report::Analysis(analysis) => match *analysis {
            Analysis::Shorter(report) => Some(report),
            other => panic!("{other:?}"),
        },
        _ => None,
    });
    let ShorterReport { loss, n_slots, sizes, rows, .. } = found.unwrap();
    assert_eq!((n_slots, rows, sizes.len(), sizes[0].slots), (4, 24, 1, 2));
    let told = importance(&config, &adapter);
    assert!(close(loss, told.loss) && close(sizes[0].pruned, told.pruned[2].loss), "{sizes:?} {told:?}");
    assert!(close(sizes[0].matched, talk.score(&config, Some(to.clone())).0), "{sizes:?}");
    assert_eq!(formats::read(&to, None).unwrap().n_slots(), 2);

    let mut refit = config.clone();
    let init = PrefixInit::Adapter { path: to };
    refit.method = MethodConfig::Prefix(PrefixConfig { n_virtual: 2, init, ..PrefixConfig::default() });
    let again = trained(&home.path().join("again"), &refit);
    assert!(talk.score(&config, Some(again)).0 < sizes[0].matched, "training goes on from there");

    talk.send(Ask::Shorten { request: request(Question::Attention), slots: 4, to: home.path().join("none") });
    assert!(matches!(talk.until_end().last(), Some(Report::Failed(_))));
    assert!(!home.path().join("none").exists());
}
