//! Answers looked for among candidates, from the outside: label words, choices, facts with their relations.

use std::path::{Path, PathBuf};

use engine::config::{
    CandidateLoss, CandidateSource, DataConfig, MethodConfig, PrefixConfig, PromptConfig, PromptInit, PromptTasks,
    RunConfig, Task,
};
use engine::protocol::{Ask, Report};
use engine::training::EvaluationReport;
use engine::training::run_folder::{Record, read_records};
use tests::{Talk, golden_cases, tiny_run};

fn write(folder: &Path, rows: impl Iterator<Item = serde_json::Value>) -> PathBuf {
    let path = folder.join("candidates.jsonl");
    std::fs::write(&path, rows.map(|row| row.to_string()).collect::<Vec<_>>().join("\n")).unwrap();
    path
}

/// Texts whose first letter decides the class.
fn texts(folder: &Path) -> PathBuf {
    let row = |i: usize| {
        let (class, letter) = [("1", "a"), ("0", "b")][i % 2];
        serde_json::json!({"text": format!("{letter} {}", ["c", "d d", "e e"][i % 3]), "label": class})
    };
    write(folder, (0..24).map(row))
}

/// Rows of two choices, of which the one that begins like the premise is right.
fn choices(folder: &Path) -> PathBuf {
    let row = |i: usize| {
        let (right, wrong) = if i.is_multiple_of(2) { ("a", "b") } else { ("b", "a") };
        let (label, question) = (usize::from(i.is_multiple_of(3)), ["cause", "effect"][i % 2]);
        let [first, second] = if label == 0 { [right, wrong] } else { [wrong, right] };
        serde_json::json!({
            "premise": right, "choice1": format!("{first} c"), "choice2": format!("{second} c"),
            "question": question, "label": label
        })
    };
    write(folder, (0..24).map(row))
}

fn run_of(case: &str, task: Option<Task>, data: DataConfig, home: &Path) -> RunConfig {
    let mut config = tiny_run(home);
    config.model = golden_cases().join(case).join("model");
    config.task = task;
    config.data = DataConfig { validation_share: 0.25, ..data };
    config.training.steps = 60;
    config.training.eval_every = 20;
    config.training.learning_rate = 0.05;
    config
}

fn trained(config: &RunConfig, folder: &Path) -> Vec<EvaluationReport> {
    Talk::new().run(Ask::Train {
        folder: folder.to_owned(),
        config: Box::new(config.clone()),
        resume: false,
        until: None,
    });
    let records = read_records(&folder.join("metrics.jsonl")).unwrap();
    records.into_iter().filter_map(|r| if let Record::Evaluation(report) = r { Some(report) } else { None }).collect()
}

fn refusal(config: &RunConfig, folder: &Path) -> String {
    let talk = Talk::new();
    talk.send(Ask::Train { folder: folder.to_owned(), config: Box::new(config.clone()), resume: false, until: None });
    match talk.until_end().last() {
        Some(Report::Failed(failure)) => failure.what.to_string(),
        other => panic!("{other:?}"),
    }
}

/// MultiRC and ReCoRD as SuperGLUE releases them.
fn reading(folder: &Path, name: &str) -> PathBuf {
    let answers = |at: usize| {
        (0..3)
            .map(|n| serde_json::json!({"text": (["a", "b c", "d"][n]), "label": usize::from(n == at % 3)}))
            .collect::<Vec<_>>()
    };
    let multi_rc = |i: usize| {
        let questions: Vec<_> = (0..2)
            .map(|q| serde_json::json!({"question": (["e", "f"][q]), "idx": q, "answers": answers(i + q)}))
            .collect();
        serde_json::json!({"idx": i, "passage": {"text": (["a b c d", "d c b a"][i % 2]), "questions": questions}})
    };
    let record = |i: usize| {
        serde_json::json!({
            "passage": "a b c d e", "query": format!("{} @placeholder", ["e", "f"][i % 2]),
            "entities": ["a b", "a c", "d"], "answers": [(["a b", "d"][i % 2])]
        })
    };
    let rows = (0..6).map(|i| if name == "MultiRC" { multi_rc(i) } else { record(i) });
    write(folder, rows)
}

fn scored(data: DataConfig, task: Option<Task>, home: &Path) -> engine::training::ClassificationMetrics {
    let config = run_of("gpt2-prefix-2x44", task, data, home);
    Talk::new().score(&config, None).1.expect("answers are told")
}

#[test]
fn answers_of_a_question_count_together_and_an_entity_is_held_against_a_list() {
    let home = tempfile::tempdir().unwrap();
    let data = DataConfig {
        candidates: CandidateSource::Classes,
        verbalizer: words(&[("0", "a"), ("1", "b")]),
        ..DataConfig::new(reading(home.path(), "MultiRC"))
    };
    let figures = scored(data, None, home.path());
    let questions = figures.questions.expect("the form says which answers stand together");
    // What tells all answers as one class is right of no question whole, and its F1a is that of the share of right ones.
    let accuracy = figures.accuracy.unwrap();
    assert!(questions.multirc_exact <= accuracy && questions.multirc_f1a <= 1.0, "{questions:?}");
    let is_one_class = (accuracy - 1.0 / 3.0).abs() < 1e-9 || (accuracy - 2.0 / 3.0).abs() < 1e-9;
    assert!(!is_one_class || questions.multirc_exact == 0.0, "{questions:?}");
    let figures = scored(DataConfig::new(reading(home.path(), "ReCoRD")), Some(Task::MultipleChoice), home.path());
    let answers = figures.answers.expect("they are a list of texts");
    assert!((answers.exact_match - figures.accuracy.unwrap()).abs() < 1e-9, "entities differ in more than articles");
    assert!(answers.f1 >= answers.exact_match && answers.best.is_none(), "{answers:?}");
    assert!(figures.questions.is_none());
}

fn words(pairs: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    pairs.iter().map(|(class, word)| ((*class).to_owned(), (*word).to_owned())).collect()
}

#[test]
fn label_words_are_learned_as_texts_and_ranked() {
    let home = tempfile::tempdir().unwrap();
    let data = DataConfig { verbalizer: words(&[("0", "bad"), ("1", "good")]), ..DataConfig::new(texts(home.path())) };
    for (case, loss) in [
        ("gpt2-prefix-2x44", CandidateLoss::Right),
        ("gpt2-prefix-2x44", CandidateLoss::Among),
        ("t5-prefix-2x40", CandidateLoss::Right),
    ] {
        let folder = home.path().join(format!("{case}-{loss:?}"));
        let mut config = run_of(case, None, data.clone(), home.path());
        config.training.candidate_loss = loss;
        let found = trained(&config, &folder);
        let (first, last) = (&found[0], &found[found.len() - 1]);
        assert!(last.loss < first.loss, "{case}: {first:?} {last:?}");
        let figures = last.figures.clone().unwrap();
        assert!(figures.macro_f1.is_some() && figures.ranking.is_none(), "{case}: {figures:?}");
        let (_, scored) = Talk::new().score(&config, Some(folder.join("adapter")));
        let scored = scored.unwrap();
        // A model of random weights tells them apart where that is what it learns.
        assert!(loss == CandidateLoss::Right || scored.accuracy.unwrap() > 0.6, "{case}: {scored:?}");
    }
}

#[test]
fn words_under_a_mask_are_ranked_among_themselves() {
    let home = tempfile::tempdir().unwrap();
    let data = DataConfig {
        verbalizer: words(&[("0", "x"), ("1", "y")]),
        prompt_template: "{{ source }} is {{ mask }} .".to_owned(),
        ..DataConfig::new(texts(home.path()))
    };
    let mut config = run_of("bert-full-masked", Some(Task::MaskedFill), data, home.path());
    config.training.candidate_loss = CandidateLoss::Among;
    let found = trained(&config, &home.path().join("run"));
    let lowest = found.iter().map(|report| report.loss).fold(f64::INFINITY, f64::min);
    assert!(lowest < found[0].loss, "{found:?}");
    assert!(found[0].figures.as_ref().unwrap().macro_f1.is_some());
}

#[test]
fn a_prompt_begins_as_the_label_words() {
    let home = tempfile::tempdir().unwrap();
    let data = DataConfig { verbalizer: words(&[("0", "bad"), ("1", "good")]), ..DataConfig::new(texts(home.path())) };
    let mut config = run_of("gpt2-prefix-2x44", None, data, home.path());
    config.method =
        MethodConfig::Prompt(PromptConfig { n_virtual: 2, init: PromptInit::Classes, ..PromptConfig::default() });
    assert!(!trained(&config, &home.path().join("run")).is_empty());
    config.data.verbalizer.clear();
    assert!(!trained(&config, &home.path().join("other")).is_empty(), "the few different targets are the words");
}

#[test]
fn choices_are_ranked_by_likelihood_or_by_a_head() {
    let home = tempfile::tempdir().unwrap();
    for case in ["gpt2-prefix-2x44", "t5-prefix-2x40", "bert-prefix-seq"] {
        let folder = home.path().join(case);
        let mut config = run_of(case, Some(Task::MultipleChoice), DataConfig::new(choices(home.path())), home.path());
        config.method = MethodConfig::Prefix(PrefixConfig { n_virtual: 3, ..PrefixConfig::default() });
        config.training.candidate_loss = CandidateLoss::Among;
        let found = trained(&config, &folder);
        let (first, last) = (&found[0], &found[found.len() - 1]);
        assert!(last.loss < first.loss, "{case}: {first:?} {last:?}");
        let figures = last.figures.clone().unwrap();
        assert_eq!((figures.macro_f1, figures.ranking), (None, None), "{case}");
        let (_, scored) = Talk::new().score(&config, Some(folder.join("adapter")));
        assert!(scored.is_some(), "{case}");
    }
}

#[test]
fn facts_have_ranks_by_relation_and_a_prompt_for_each() {
    let home = tempfile::tempdir().unwrap();
    let row = |i: usize| {
        let letters = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
        let (relation, subject, object) = (["P1", "P2"][i % 2], letters[(i * 5) % 12], letters[i % 12]);
        serde_json::json!({
            "relation": relation, "subject": subject, "object": object,
            "template": "[X] is [Y] ."
        })
    };
    let path = write(home.path(), (0..36).map(row));
    let data = DataConfig { task_column: Some("relation".to_owned()), ..DataConfig::new(path) };
    for (case, task) in [("bert-full-masked", Some(Task::MaskedFill)), ("gpt2-prefix-2x44", None)] {
        let mut config = run_of(case, task, data.clone(), home.path());
        config.training.steps = 4;
        config.training.eval_every = 4;
        config.method = MethodConfig::Prompt(PromptConfig {
            n_virtual: 2,
            tasks: Some(PromptTasks::default()),
            ..PromptConfig::default()
        });
        let found = trained(&config, &home.path().join(case));
        let figures = found[found.len() - 1].figures.clone().unwrap();
        let ranking = figures.ranking.unwrap();
        assert_eq!((ranking.candidates, figures.datasets.len()), (12, 2), "{case}: {figures:?}");
        assert!(ranking.macro_mean.is_some() && ranking.p_at_10 >= ranking.p_at_1, "{case}");
        let vocabulary = DataConfig { candidates: CandidateSource::Vocabulary, ..config.data.clone() };
        let (_, whole) = Talk::new().score(&RunConfig { data: vocabulary, ..config }, None);
        assert!(whole.unwrap().ranking.unwrap().candidates > 12, "{case}");
    }
}

#[test]
fn words_that_cannot_be_ranked_are_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let base = run_of("gpt2-prefix-2x44", None, DataConfig::new(texts(home.path())), home.path());
    let said = |pairs: &[(&str, &str)]| {
        let mut config = base.clone();
        config.data.verbalizer = words(pairs);
        refusal(&config, &home.path().join("x"))
    };
    assert!(said(&[("0", "bad"), ("1", "")]).contains("the word of \"1\" is empty"));
    assert!(said(&[("0", "bad"), ("1", "bad")]).contains("have one word"));
    assert!(said(&[("0", "bad"), ("2", "good")]).contains("has the label \"1\""));
    let mut config = base.clone();
    config.task = Some(Task::SequenceClassification);
    config.data.verbalizer = words(&[("0", "bad"), ("1", "good")]);
    assert!(refusal(&config, &home.path().join("x")).contains("without words"));
    let mut config = base;
    config.training.candidate_loss = CandidateLoss::Among;
    assert!(refusal(&config, &home.path().join("x")).contains("among needs candidates"));
}
