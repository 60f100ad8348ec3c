//! Questions about a text: windows, loss, answers and figures are transformers' and PEFT's.

use std::path::PathBuf;

use engine::config::{DataConfig, HeadInit, MethodConfig, PrefixConfig, RunConfig, Task, TaskRecord};
use engine::data::{Dataset, Example};
use engine::device::DeviceChoice;
use engine::loaded_model::LoadedModel;
use engine::nn::Precision;
use engine::protocol::{Ask, Report};
use serde_json::Value;
use tests::Talk;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/answers")
}

fn expected() -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder().join("expected.json")).unwrap()).unwrap()
}

fn data() -> DataConfig {
    let expected = expected();
    let number = |name: &str| Some(expected[name].as_u64().unwrap() as usize);
    let rows = DataConfig::new(folder().join("rows.jsonl"));
    DataConfig { max_tokens: number("max_tokens"), stride: number("stride"), validation_share: 0.0, ..rows }
}

#[test]
fn windows_and_their_labels_are_transformers() {
    let place = (DeviceChoice::Cpu, Precision::F32);
    let model = LoadedModel::load(&folder().join("model"), place, None, &mut |_| Ok(())).unwrap();
    assert_eq!(model.summary.tasks[0], Task::QuestionAnswering, "what it was saved for");
    let (start, asked) = (model.model.target_start(), TaskRecord::of(Task::QuestionAnswering));
    let dataset = Dataset::load(&data(), &asked, start, &model.tokenizer, 40, 0).unwrap();
    let mut windows = dataset.train.held().unwrap().iter();
    let ints = |values: &Value| values.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect::<Vec<_>>();
    for (row, wanted) in expected()["rows"].as_array().unwrap().iter().enumerate() {
        for window in wanted["windows"].as_array().unwrap() {
            let Example { row: number, tokens, types, labels, .. } = windows.next().unwrap();
            assert_eq!((*number, tokens.iter().map(|&id| u64::from(id)).collect()), (row + 1, ints(&window["ids"])));
            assert_eq!(types.iter().map(|&kind| u64::from(kind)).collect::<Vec<_>>(), ints(&window["types"]));
            let ends = ["start", "end"].map(|end| window[end].as_i64().unwrap() as i32);
            assert_eq!(*labels, [(0, ends[0]), (1, ends[1])], "row {number}");
        }
    }
    assert!(windows.next().is_none());
}

#[test]
fn a_prefix_of_peft_answers_as_it_does_there() {
    let talk = Talk::new();
    talk.send(Ask::Evaluate {
        model: folder().join("model"),
        device: DeviceChoice::Cpu,
        numbers: Precision::F32.into(),
        adapter: Some(folder().join("adapter")),
        data: data(),
        task: None,
    });
    let events = talk.until_end();
    let found = events.iter().find_map(|report| match report {
        Report::Score { loss, figures, .. } => Some((*loss, figures.clone())),
        _ => None,
    });
    let (loss, figures) = found.unwrap_or_else(|| panic!("{events:?}"));
    let (answers, expected) = (figures.unwrap().answers.unwrap(), expected());
    let near = |name: &str, ours: f64| {
        let theirs = expected[name].as_f64().unwrap();
        assert!((ours - theirs).abs() < 2e-5, "{name}: {ours}, in the reference {theirs}");
    };
    near("loss", loss);
    near("exact_match", answers.exact_match);
    near("f1", answers.f1);
    let best = answers.best.expect("one question has no answer");
    near("best_exact", best.best_exact);
    near("best_exact_thresh", best.best_exact_thresh);
    near("best_f1", best.best_f1);
    near("best_f1_thresh", best.best_f1_thresh);
}

#[test]
fn a_run_on_questions_learns_where_answers_are() {
    let (talk, home) = (Talk::new(), tempfile::tempdir().unwrap());
    let mut config = RunConfig::new(folder().join("model"), DataConfig { validation: Some(data().train), ..data() });
    config.method = MethodConfig::Prefix(PrefixConfig { n_virtual: 3, ..PrefixConfig::default() });
    config.head = HeadInit::New;
    (config.training.steps, config.training.eval_every, config.training.sample_rows) = (60, 60, 40);
    (config.training.learning_rate, config.training.batch_size) = (3e-2, 8);
    let folder = home.path().join("run");
    talk.send(Ask::Train { folder: folder.clone(), config: Box::new(config), resume: false, until: None });
    let events = talk.until_end();
    let evaluations: Vec<_> = events
        .iter()
        .filter_map(|report| match report {
            Report::Evaluated(report) => Some((report.loss, report.figures.clone()?.answers?.f1)),
            _ => None,
        })
        .collect();
    let (&(before, _), &(after, _)) = (evaluations.first().unwrap(), evaluations.last().unwrap());
    assert!(after < 0.7 * before, "{evaluations:?}");
    let said = events.iter().any(|report| matches!(report, Report::Sample(sample) if !sample.text.is_empty()));
    assert!(said, "answers to the first rows are shown");
    assert!(folder.join("adapter/adapter_config.json").is_file(), "it is PEFT's to load");
}
