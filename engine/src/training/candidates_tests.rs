//! Scores of candidates held against transformers + PEFT: `tests/golden/candidates.py`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::candidates::Scorer;
use super::loss::summed_nll;
use crate::adapters::{AdapterState, HeadState, formats};
use crate::config::{CandidateLoss, CandidateScore, Task, TaskRecord};
use crate::data::{Answer, CandidateReading, Candidates, Example, TokenBatch};
use crate::models::{BaseModel, Conditioning, ModelFolder};
use crate::nn::floats;

const PAD: u32 = 1;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden")
}

fn case(part: &str) -> Value {
    let text = std::fs::read_to_string(golden().join("candidates.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()[part].clone()
}

fn model_of(case: &Value) -> (BaseModel, PathBuf) {
    let folder = golden().join("cases").join(case["case"].as_str().unwrap());
    let files = ModelFolder::open(&folder.join("model")).unwrap();
    (files.load(&crate::device::cpu(), &mut |_| Ok(())).unwrap(), folder)
}

fn adapter_of(model: &BaseModel, folder: &Path) -> AdapterState {
    formats::read(&folder.join("adapter"), Some(&model.sites())).unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn answers(case: &Value) -> Arc<Candidates> {
    let answer = |tokens: &Value| Answer { tokens: ids(tokens), n_bytes: 4, ..Answer::default() };
    Arc::new(Candidates::Answers(case["answers"].as_array().unwrap().iter().map(answer).collect()))
}

fn reading(task: Task, mask: u32, score: CandidateScore) -> CandidateReading {
    CandidateReading { task, pad: PAD, mask, score }
}

fn assert_close(found: &[f64], wanted: &[f64], what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    let far = found.iter().zip(wanted).find(|(found, wanted)| (*found - *wanted).abs() > 2e-4);
    assert_eq!(far, None, "{what}: {found:?}, wanted {wanted:?}");
}

/// The sums are the reference's, and the batch that is learned from has the same loss as they say.
fn check(case: &Value, examples: &[Example], conditioning: &Conditioning, model: &BaseModel, by: CandidateReading) {
    let device = crate::device::cpu();
    let scorer = Scorer { model, conditioning, device: &device };
    let rows: Vec<usize> = (0..examples.len()).collect();
    let scores = scorer.scores(examples, &rows, &by).unwrap();
    for (scores, row) in scores.iter().zip(case["rows"].as_array().unwrap()) {
        assert_close(&scores.sums, &numbers(&row["sums"]), "sums");
    }
    let ranked = scorer.rank(examples, &rows, (&by, CandidateLoss::Right)).unwrap();
    let right: f64 = scores.iter().zip(examples).map(|(scores, row)| scores.sums[row.right[0]]).sum();
    assert_close(&[ranked.nll], &[-right], "the right one's tokens");
    let among = scorer.rank(examples, &rows, (&by, CandidateLoss::Among)).unwrap();
    let batch = TokenBatch::with_candidates(examples, &rows, &by);
    let (nll, n) = summed_nll(model, conditioning, &batch, &device).unwrap();
    assert_eq!((n, among.labels), (examples.len(), examples.len()));
    assert_close(&[f64::from(floats(nll).unwrap()[0])], &[among.nll], "cross-entropy over the candidates");
}

#[test]
fn answers_behind_a_prompt_and_a_prefix_score_as_in_transformers() {
    let case = case("causal");
    let (model, folder) = model_of(&case);
    let conditioning = adapter_of(&model, &folder).conditioning(&model, &crate::device::cpu()).unwrap();
    let candidates = answers(&case);
    let row = |row: &Value| {
        let mut tokens = ids(&row["prompt"]);
        let n_prompt = tokens.len();
        tokens.extend(&candidates.answers()[1].tokens);
        Example { tokens, n_prompt, candidates: Some(Arc::clone(&candidates)), right: vec![1], ..Example::default() }
    };
    let examples: Vec<Example> = case["rows"].as_array().unwrap().iter().map(row).collect();
    for score in [CandidateScore::Sum, CandidateScore::Token, CandidateScore::Byte] {
        check(&case, &examples, &conditioning, &model, reading(Task::Causal, 0, score));
    }
}

#[test]
fn candidates_that_are_spared_change_no_rank() {
    let case = case("causal");
    let (model, folder) = model_of(&case);
    let device = crate::device::cpu();
    let conditioning = adapter_of(&model, &folder).conditioning(&model, &device).unwrap();
    let answer = |at: u32| Answer {
        tokens: vec![at % 40, (at * 7) % 40, at % 3][..2 + at as usize % 2].to_vec(),
        n_bytes: 3,
        ..Answer::default()
    };
    let candidates = Arc::new(Candidates::Answers((0..60).map(answer).collect()));
    let row = |right: usize| Example {
        tokens: vec![3, 14, 15],
        n_prompt: 2,
        candidates: Some(Arc::clone(&candidates)),
        right: vec![right],
        ..Example::default()
    };
    let examples: Vec<Example> = (0..60).map(row).collect();
    let rows: Vec<usize> = (0..60).collect();
    let scorer = Scorer { model: &model, conditioning: &conditioning, device: &device };
    for score in [CandidateScore::Sum, CandidateScore::Token] {
        let by = reading(Task::Causal, 0, score);
        let ranked = scorer.rank(&examples, &rows, (&by, CandidateLoss::Right)).unwrap().rows;
        let whole = scorer.rank(&examples, &rows, (&by, CandidateLoss::Among)).unwrap().rows;
        let verdicts =
            |rows: &[super::candidates::RankedRow]| rows.iter().map(|row| (row.best, row.rank)).collect::<Vec<_>>();
        assert_eq!(verdicts(&ranked), verdicts(&whole));
        assert!(whole.iter().any(|row| row.rank <= 2) && whole.iter().any(|row| row.rank > 40));
    }
}

#[test]
fn targets_of_a_source_score_as_in_transformers() {
    let case = case("seq2seq");
    let (model, folder) = model_of(&case);
    let conditioning = adapter_of(&model, &folder).conditioning(&model, &crate::device::cpu()).unwrap();
    let candidates = answers(&case);
    let row = |row: &Value| Example {
        source: ids(&row["source"]),
        tokens: vec![row["start"].as_u64().unwrap() as u32, 21],
        n_prompt: 1,
        candidates: Some(Arc::clone(&candidates)),
        right: vec![0],
        ..Example::default()
    };
    let examples: Vec<Example> = case["rows"].as_array().unwrap().iter().map(row).collect();
    check(&case, &examples, &conditioning, &model, reading(Task::Seq2Seq, 0, CandidateScore::Token));
}

#[test]
fn words_in_place_of_a_mask_score_as_in_transformers() {
    let case = case("masked");
    let (model, _) = model_of(&case);
    let candidates = answers(&case);
    let row = |row: &Value| {
        let text = ids(&row["text"]);
        let place = row["place"].as_u64().unwrap() as usize;
        Example {
            n_prompt: text.len(),
            tokens: text,
            labels: vec![(place, 40)],
            candidates: Some(Arc::clone(&candidates)),
            right: vec![2],
            ..Example::default()
        }
    };
    let examples: Vec<Example> = case["rows"].as_array().unwrap().iter().map(row).collect();
    let mask = case["mask"].as_u64().unwrap() as u32;
    check(&case, &examples, &Conditioning::default(), &model, reading(Task::MaskedFill, mask, CandidateScore::Sum));
    // Words of one token alone share a pass: the softmax over them is the same as over their rows.
    let words = Arc::new(Candidates::Answers([0, 2].map(|at| candidates.answers()[at].clone()).to_vec()));
    let one = |row: Example| Example { candidates: Some(Arc::clone(&words)), right: vec![1], ..row };
    let examples: Vec<Example> = examples.into_iter().map(one).collect();
    let by = reading(Task::MaskedFill, mask, CandidateScore::Sum);
    let batch = TokenBatch::with_candidates(&examples, &[0, 1], &by);
    assert_eq!(batch.batch, 2);
    let device = crate::device::cpu();
    let (nll, _) = summed_nll(&model, &Conditioning::default(), &batch, &device).unwrap();
    let wanted = |row: &Value| {
        let sums = numbers(&row["sums"]);
        (sums[0].exp() + sums[2].exp()).ln() - sums[2]
    };
    let wanted: f64 = case["rows"].as_array().unwrap().iter().map(wanted).sum();
    assert_close(&[f64::from(floats(nll).unwrap()[0])], &[wanted], "softmax over the label words");
}

#[test]
fn choices_under_a_head_score_as_bert_for_multiple_choice() {
    let case = case("choices");
    let (model, folder) = model_of(&case);
    let device = crate::device::cpu();
    let weight = numbers(&case["weight"][0]).into_iter().map(|number| number as f32).collect::<Vec<_>>();
    let head = HeadState(vec![
        ("classifier.weight".to_owned(), vec![1, weight.len()], weight),
        ("classifier.bias".to_owned(), vec![1], vec![numbers(&case["bias"])[0] as f32]),
    ]);
    let record = TaskRecord::of(Task::MultipleChoice);
    let prefix = adapter_of(&model, &folder).prefixes().next().unwrap().clone();
    let bare = AdapterState::new(record.clone(), [head.clone()]);
    let mut behind = AdapterState::new(record, [prefix]);
    behind.push(head);
    let row = |row: &Value| {
        let texts = row["texts"].as_array().unwrap().iter().zip(row["types"].as_array().unwrap());
        let text = |(tokens, types): (&Value, &Value)| {
            let tokens = ids(tokens);
            let (n_prompt, types) = (tokens.len(), ids(types));
            Example { tokens, n_prompt, types, labels: vec![(0, 0)], ..Example::default() }
        };
        let rows: Vec<Example> = texts.map(text).collect();
        let right = row["right"].as_u64().unwrap() as usize;
        let learned = Example { labels: vec![(0, right as i32)], ..rows[right].clone() };
        Example { candidates: Some(Arc::new(Candidates::Rows(rows))), right: vec![right], ..learned }
    };
    let examples: Vec<Example> = case["rows"].as_array().unwrap().iter().map(row).collect();
    let by = reading(Task::MultipleChoice, 0, CandidateScore::Sum);
    for (adapter, name) in [(&bare, "bare"), (&behind, "behind")] {
        let conditioning = adapter.conditioning(&model, &device).unwrap();
        let scorer = Scorer { model: &model, conditioning: &conditioning, device: &device };
        let scores = scorer.scores(&examples, &[0, 1], &by).unwrap();
        for (scores, wanted) in scores.iter().zip(case[name].as_array().unwrap()) {
            assert_close(&scores.sums, &numbers(wanted), name);
        }
    }
    let conditioning = behind.conditioning(&model, &device).unwrap();
    let batch = TokenBatch::with_candidates(&examples, &[0, 1], &by);
    assert_eq!((batch.batch, batch.n_labels()), (6, 2), "the choices of a row stay together");
    let (nll, _) = summed_nll(&model, &conditioning, &batch, &device).unwrap();
    assert_close(&[f64::from(floats(nll).unwrap()[0])], &[case["loss"].as_f64().unwrap()], "loss");
}
