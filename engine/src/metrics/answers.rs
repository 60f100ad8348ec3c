//! Forms in which short answers are compared, and the best of several references.

use std::collections::HashMap;

use super::perplexity::is_python_space;
use super::text::TextRow;

/// The form in which an answer is compared with a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerForm {
    /// As it is, character by character.
    Plain,
    /// SQuAD 1.1 (Rajpurkar et al. 2016, `evaluate-v1.1.py`): lower case, without ASCII punctuation, without the articles a,
    /// an, the, white space as one space.
    Squad,
    /// SQuAD 2.0 (Rajpurkar et al. 2018, `evaluate-v2.0.py`): the same, and a question without references has the empty
    /// answer; two empty answers agree.
    Squad2,
    /// As in CMRC 2018 (Cui et al. 2019; ymcui/cmrc2018, `cmrc2018_evaluate.py`): lower case, without its list of punctuation;
    /// each character of Chinese by itself. What stands between is cut at white space, where the script asks NLTK.
    Cmrc,
}

impl AnswerForm {
    /// In a signature.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Squad => "squad-1.1",
            Self::Squad2 => "squad-2.0",
            Self::Cmrc => "cmrc-2018-characters",
        }
    }

    /// The text that is compared as a whole.
    pub fn normalized(self, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Squad | Self::Squad2 => squad(text),
            Self::Cmrc => lowered(text).chars().filter(|c| !is_cmrc_mark(*c)).collect(),
        }
    }

    /// The pieces that are counted.
    pub fn tokens(self, text: &str) -> Vec<String> {
        match self {
            Self::Plain => pieces(text).map(str::to_owned).collect(),
            Self::Squad | Self::Squad2 => pieces(&squad(text)).map(str::to_owned).collect(),
            Self::Cmrc => cmrc_segments(text),
        }
    }

    /// 1 where an answer is a reference, else 0.
    pub fn exact(self, prediction: &str, reference: &str) -> f64 {
        f64::from(u8::from(self.normalized(prediction) == self.normalized(reference)))
    }

    /// F1 of the pieces of an answer and of a reference: in CMRC of their longest common run, else of all they share.
    pub fn f1(self, prediction: &str, reference: &str) -> f64 {
        let (given, wanted) = (self.tokens(prediction), self.tokens(reference));
        if self == Self::Squad2 && (given.is_empty() || wanted.is_empty()) {
            return f64::from(u8::from(given == wanted));
        }
        let common = if self == Self::Cmrc { longest_run(&given, &wanted) } else { shared(&given, &wanted) };
        if common == 0 {
            return 0.0;
        }
        let (precision, recall) = (common as f64 / given.len() as f64, common as f64 / wanted.len() as f64);
        2.0 * precision * recall / (precision + recall)
    }

    /// The best of a score over the references of a row.
    pub fn best(self, row: &TextRow, score: impl Fn(Self, &str, &str) -> f64) -> f64 {
        let counts = |reference: &&String| self != Self::Squad2 || !squad(reference).is_empty();
        let scores = row.references.iter().filter(counts).map(|reference| score(self, &row.prediction, reference));
        match scores.reduce(f64::max) {
            Some(best) => best,
            None if self == Self::Squad2 => score(self, &row.prediction, ""),
            None => 0.0,
        }
    }
}

/// Whether the question of a row can be answered: it has a reference that is not empty.
pub(super) fn has_answer(row: &TextRow) -> bool {
    row.references.iter().any(|reference| !reference.is_empty())
}

/// Pieces between white space, as `str.split()` of Python cuts them.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_python_space).filter(|piece| !piece.is_empty())
}

fn squad(text: &str) -> String {
    let text: String = text.to_lowercase().chars().filter(|c| !c.is_ascii_punctuation()).collect();
    let mut without = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let word = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        let between = rest[word..].find(is_word).unwrap_or(rest.len() - word);
        let (head, tail) = rest.split_at(word + between);
        let (word, between) = head.split_at(word);
        without.push_str(if ["a", "an", "the"].contains(&word) { " " } else { word });
        without.push_str(between);
        rest = tail;
    }
    pieces(&without).collect::<Vec<_>>().join(" ")
}

/// A character of a word in a pattern of Python.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn lowered(text: &str) -> String {
    text.to_lowercase().trim_matches(is_python_space).to_owned()
}

/// Punctuation that CMRC's script takes out.
fn is_cmrc_mark(c: char) -> bool {
    "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』".contains(c)
}

fn cmrc_segments(text: &str) -> Vec<String> {
    let mut segments = Vec::new();
    let mut between = String::new();
    for c in lowered(text).chars().filter(|c| !is_cmrc_mark(*c)) {
        if ('\u{4e00}'..='\u{9fa5}').contains(&c) {
            segments.extend(pieces(&between).map(str::to_owned));
            between.clear();
            segments.push(c.to_string());
        } else {
            between.push(c);
        }
    }
    segments.extend(pieces(&between).map(str::to_owned));
    segments
}

/// Pieces that both have, each as often as in the one that has it less often.
fn shared(given: &[String], wanted: &[String]) -> usize {
    let mut left: HashMap<&str, usize> = HashMap::new();
    for piece in wanted {
        *left.entry(piece).or_default() += 1;
    }
    let mut common = 0;
    for piece in given {
        if let Some(n) = left.get_mut(piece.as_str()).filter(|n| **n > 0) {
            *n -= 1;
            common += 1;
        }
    }
    common
}

/// Length of the longest run of pieces that both have.
fn longest_run(given: &[String], wanted: &[String]) -> usize {
    let mut lengths = vec![0; wanted.len() + 1];
    let mut longest = 0;
    for piece in given {
        // From the end, so that the length before it is still that of the piece before.
        for at in (0..wanted.len()).rev() {
            lengths[at + 1] = if *piece == wanted[at] { lengths[at] + 1 } else { 0 };
            longest = longest.max(lengths[at + 1]);
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::golden::{close, other};

    fn row(case: &serde_json::Value) -> TextRow {
        let references = serde_json::from_value(case["references"].clone()).unwrap();
        TextRow::new(case["prediction"].as_str().unwrap().to_owned(), references)
    }

    #[test]
    fn answers_are_normalized_as_the_scripts_normalize_them() {
        for case in other()["normalization"].as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            assert_eq!(AnswerForm::Squad.normalized(text), case["squad"].as_str().unwrap(), "{text:?}");
            assert_eq!(AnswerForm::Cmrc.normalized(text), case["cmrc"].as_str().unwrap(), "{text:?}");
        }
    }

    #[test]
    fn exact_match_and_f1_are_those_of_each_script_row_by_row() {
        let golden = other()["answers"].clone();
        for (name, form) in [("squad1", AnswerForm::Squad), ("squad2", AnswerForm::Squad2), ("cmrc", AnswerForm::Cmrc)]
        {
            let cases = golden[name].as_array().unwrap();
            assert!(cases.len() >= 8, "{name}");
            for case in cases {
                let row = row(case);
                close(form.best(&row, AnswerForm::exact), &case["exact"], &format!("{name} {row:?}"));
                close(form.best(&row, AnswerForm::f1), &case["f1"], &format!("{name} {row:?}"));
            }
        }
    }

    #[test]
    fn plain_answers_are_compared_as_they_are() {
        assert_eq!(AnswerForm::Plain.exact("The cat", "the cat"), 0.0);
        assert_eq!(AnswerForm::Plain.exact("猫 ", "猫 "), 1.0);
    }
}
