//! The answer to a question among the places of its text, over all windows of it.
//! As in huggingface/transformers: examples/pytorch/question-answering/utils_qa.py, whose defaults these are.

use std::collections::BTreeMap;

use crate::data::Example;
use crate::metrics::{AnswerForm, TextRow};
use crate::tokens::SOFT;

/// Scores looked at for the first and for the last token of a window.
const N_BEST: usize = 20;
/// Tokens of the longest answer.
const MAX_TOKENS: usize = 30;
/// A question is taken for one without an answer where that scores more than this above the best one.
const NULL_THRESHOLD: f32 = 0.0;

/// The answers to questions, window by window.
#[derive(Clone, Debug, Default)]
pub struct AnswerFinder {
    /// By dataset and row.
    questions: BTreeMap<(usize, usize), Question>,
}

/// A question with what was found so far.
#[derive(Clone, Debug, Default, PartialEq)]
struct Question {
    /// The right ones; none where there is no answer.
    references: Vec<String>,
    best: Option<Candidate>,
    /// The least score of no answer, over the windows.
    null: Option<f32>,
}

#[derive(Clone, Debug, PartialEq)]
struct Candidate {
    text: String,
    score: f32,
}

/// The answer that was found, beside the right ones.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundAnswer {
    /// Index of the dataset.
    pub dataset: usize,
    /// Row of the question.
    pub row: usize,
    /// Part of the text; empty for none.
    pub text: String,
    /// The right ones; none where there is no answer.
    pub references: Vec<String>,
    /// The best part of the text, whether it is the answer or not.
    pub best: String,
    /// How much more no answer scores than the best one.
    pub null_over_best: f64,
}

impl AnswerFinder {
    /// Takes in the scores of a window's tokens as the first and as the last one of an answer.
    pub fn add(&mut self, window: &Example, first: &[f32], last: &[f32]) {
        let question = self.questions.entry((window.dataset, window.row)).or_default();
        question.references.clone_from(&window.references);
        let n = window.tokens.len().min(first.len()).min(last.len());
        let nothing = window.tokens.iter().take_while(|&&token| token >= SOFT).count();
        if nothing < n {
            let score = first[nothing] + last[nothing];
            question.null = Some(question.null.map_or(score, |before| before.min(score)));
        }
        let ends = best(&last[..n]);
        for begin in best(&first[..n]) {
            let is_text = |at: usize| window.spans.get(at).is_some_and(|span| *span != (0, 0));
            let fits = |end: usize| is_text(begin) && is_text(end) && end >= begin && end - begin < MAX_TOKENS;
            for &end in ends.iter().filter(|&&end| fits(end)) {
                let score = first[begin] + last[end];
                if question.best.as_ref().is_none_or(|best| score > best.score) {
                    let text = text(window, begin, end);
                    question.best = Some(Candidate { text, score });
                }
            }
        }
    }

    /// Exact match and F1 of each answer, as SQuAD 2.0's script has them.
    pub(crate) fn scores(&self) -> Vec<(f64, f64)> {
        let row = |answer: FoundAnswer| TextRow::new(answer.text, answer.references);
        let score = |row: TextRow| {
            let best = |score: fn(AnswerForm, &str, &str) -> f64| AnswerForm::Squad2.best(&row, score);
            (best(AnswerForm::exact), best(AnswerForm::f1))
        };
        self.found().into_iter().map(row).map(score).collect()
    }

    /// Whether there is no question.
    pub fn is_empty(&self) -> bool {
        self.questions.is_empty()
    }

    /// The answers, in the order of datasets and rows. Where no question is without an answer, each gets one.
    pub fn found(&self) -> Vec<FoundAnswer> {
        let may_be_none = self.questions.values().any(|question| question.references.is_empty());
        let found = |(&(dataset, row), question): (&(usize, usize), &Question)| {
            let is_none =
                |best: &&Candidate| may_be_none && question.null.is_some_and(|null| null - best.score > NULL_THRESHOLD);
            let best = question.best.as_ref();
            let score = best.map_or(f64::NEG_INFINITY, |best| f64::from(best.score));
            let null_over_best = question.null.map_or(f64::NEG_INFINITY, f64::from) - score;
            let said = |best: Option<&Candidate>| best.map_or_else(String::new, |best| best.text.clone());
            FoundAnswer {
                dataset,
                row,
                text: said(best.filter(|best| !is_none(best))),
                references: question.references.clone(),
                best: said(best),
                null_over_best,
            }
        };
        self.questions.iter().map(found).collect()
    }
}

/// The part of a window's text between two of its tokens.
pub(crate) fn text(window: &Example, begin: usize, end: usize) -> String {
    let place = |at: usize| window.spans.get(at).copied().unwrap_or_default();
    let (from, to) = (place(begin).0 as usize, place(end).1 as usize);
    window.prompt.get(from..to).unwrap_or_default().to_owned()
}

/// The places of the highest scores, the highest first.
fn best(scores: &[f32]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..scores.len()).collect();
    places.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    places.truncate(N_BEST);
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `[CLS] q [SEP] ab cd ef [SEP]`, of which three tokens are text.
    fn window(row: usize, references: &[&str]) -> Example {
        Example {
            row,
            tokens: (0..7).collect(),
            prompt: "q\nab cd ef".to_owned(),
            references: references.iter().map(|&text| text.to_owned()).collect(),
            spans: vec![(0, 0), (0, 0), (0, 0), (2, 4), (5, 7), (8, 10), (0, 0)],
            ..Example::default()
        }
    }

    fn found(windows: &[(&Example, [f32; 7], [f32; 7])]) -> Vec<String> {
        let mut finder = AnswerFinder::default();
        windows.iter().for_each(|(window, first, last)| finder.add(window, first, last));
        finder.found().into_iter().map(|answer| answer.text).collect()
    }

    #[test]
    fn an_answer_ends_behind_its_beginning_and_lies_in_the_text() {
        let window = window(1, &["cd"]);
        let first = [9.0, 8.0, 0.0, 0.0, 3.0, 1.0, 7.0];
        let last = [9.0, 0.0, 0.0, 8.0, 1.0, 2.0, 0.0];
        assert_eq!(found(&[(&window, first, last)]), ["ab"], "0 + 8 is more than 3 + 2, whose end comes later");
    }

    #[test]
    fn the_best_of_all_windows_is_taken_unless_nothing_is_better() {
        let (asked, without) = (window(1, &["ab"]), window(2, &[]));
        let at = |place: usize, score: f32| std::array::from_fn(|i| if i == place { score } else { 0.0 });
        let nothing = |score: f32, place: usize| {
            std::array::from_fn(|i| {
                if i == 0 {
                    score
                } else if i == place {
                    1.0
                } else {
                    0.0
                }
            })
        };
        let windows = [(&asked, at(3, 1.0), at(3, 1.0)), (&asked, at(5, 2.0), at(5, 2.0))];
        assert_eq!(found(&windows), ["ef"]);
        let null = (&without, nothing(5.0, 4), nothing(5.0, 4));
        assert_eq!(found(&[windows[0], windows[1], null]), ["ef", ""]);
        let unsure = (&without, nothing(0.5, 4), nothing(0.5, 4));
        assert_eq!(found(&[null, unsure]), ["cd"], "the least null score of the windows counts");
        let only = (&asked, nothing(5.0, 4), nothing(5.0, 4));
        assert_eq!(found(&[only]), ["cd"], "where every question has an answer each gets one");
    }
}
