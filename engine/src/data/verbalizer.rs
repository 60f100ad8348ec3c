//! Words of the classes: what a model writes, or names under a mask, in place of a class. Schick & Schütze 2021, "Exploiting
//! Cloze Questions for Few Shot Text Classification and Natural Language Inference": the verbalizer.

use std::collections::BTreeMap;

use super::classification::classes_of;
use super::table::Table;
use crate::config::{DataConfig, Task};
use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

/// The classes of rows, each with its word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelWords {
    /// Names of the classes, as the rows have them.
    pub classes: Vec<String>,
    /// The word of each.
    pub words: Vec<String>,
}

impl LabelWords {
    /// Those of a configuration; without a verbalizer the names of the classes that the rows have.
    ///
    /// # Errors
    /// [`EngineError::Setting`] for words that tell no classes apart, or a label without a word.
    pub(super) fn of(config: &DataConfig, table: &Table, column: usize) -> Result<Self> {
        if config.verbalizer.is_empty() {
            if !config.more.is_empty() {
                return Err(wrong(sentence!(
                    "several datasets have their classes in one list: give it the word of each class"
                )));
            }
            let classes = classes_of(table, column, Task::SequenceClassification)?;
            return Ok(Self { words: classes.clone(), classes });
        }
        let words = Self::of_map(&config.verbalizer).map_err(wrong)?;
        words.check_rows(table, column)?;
        Ok(words)
    }

    fn of_map(verbalizer: &BTreeMap<String, String>) -> Result<Self, Sentence> {
        let mut pairs: Vec<(&String, &String)> = verbalizer.iter().collect();
        if pairs.iter().all(|(class, _)| class.parse::<i64>().is_ok()) {
            pairs.sort_by_key(|(class, _)| class.parse::<i64>().unwrap_or_default());
        }
        if pairs.len() < 2 {
            return Err(sentence!("it has one word, which leaves nothing to choose among"));
        }
        for (at, (class, word)) in pairs.iter().enumerate() {
            if word.trim().is_empty() {
                return Err(sentence!("the word of {class:?} is empty", class));
            }
            if let Some((other, _)) = pairs[..at].iter().find(|(_, other)| other.trim() == word.trim()) {
                return Err(sentence!("{other:?} and {class:?} have one word, {word:?}", other, class, word));
            }
        }
        let classes = pairs.iter().map(|(class, _)| class.trim().to_owned()).collect();
        Ok(Self { classes, words: pairs.iter().map(|(_, word)| word.trim().to_owned()).collect() })
    }

    /// Refuses rows with a label that has no word; an empty one leaves out its row alone.
    pub(super) fn check_rows(&self, table: &Table, column: usize) -> Result<()> {
        let labels = table.rows.iter().map(|row| (row.number, row.text(column)));
        let unknown = labels.into_iter().find(|(_, label)| !label.trim().is_empty() && self.number(label).is_none());
        let Some((row, label)) = unknown else { return Ok(()) };
        Err(wrong(sentence!(
            "row {row} has the label {label:?}, for which there is no word; there are words for {classes}",
            row,
            label = label.trim(),
            classes = self.classes.join(", ")
        )))
    }

    /// Number of a label's class.
    pub(super) fn number(&self, label: &str) -> Option<usize> {
        self.classes.iter().position(|class| class == label.trim())
    }

    /// Each class with its word, as a configuration has them.
    pub fn verbalizer(&self) -> BTreeMap<String, String> {
        self.classes.iter().cloned().zip(self.words.iter().cloned()).collect()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }
}

pub(super) fn wrong(reason: Sentence) -> EngineError {
    EngineError::Setting { field: "data.verbalizer", reason }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::super::table::ObjectRows;
    use super::*;

    fn words(pairs: &[(&str, &str)], labels: &[&str]) -> Result<LabelWords> {
        let mut rows = ObjectRows::new(Path::new("x.jsonl"));
        for (index, label) in labels.iter().enumerate() {
            rows.push(index + 1, json!({"label": label}))?;
        }
        let verbalizer = pairs.iter().map(|(class, word)| ((*class).to_owned(), (*word).to_owned())).collect();
        LabelWords::of(&DataConfig { verbalizer, ..DataConfig::new("x") }, &rows.table, 0)
    }

    #[test]
    fn words_stand_in_the_order_of_their_classes() {
        let found = words(&[("10", "ten"), ("9", " nine")], &["9", "10", ""]).unwrap();
        assert_eq!((found.classes, found.words), (vec!["9".into(), "10".into()], vec!["nine".into(), "ten".into()]));
        let named = words(&[], &["good", "bad"]).unwrap();
        assert_eq!(named.words, ["bad", "good"]);
    }

    #[test]
    fn words_that_tell_nothing_apart_are_refused_by_name() {
        let said = |pairs: &[(&str, &str)], labels: &[&str]| words(pairs, labels).unwrap_err().to_string();
        assert!(said(&[("0", "bad"), ("1", " ")], &["0"]).contains("the word of \"1\" is empty"));
        assert!(said(&[("0", "bad"), ("1", "bad ")], &["0"]).contains("\"0\" and \"1\" have one word"));
        assert!(said(&[("0", "bad")], &["0"]).contains("nothing to choose"));
        let unknown = said(&[("0", "bad"), ("1", "good")], &["0", "2"]);
        assert!(unknown.contains("row 2") && unknown.contains("\"2\"") && unknown.contains("0, 1"), "{unknown}");
    }
}
