//! Rows with labels of their own: the class of a text, of each word, or the token under a mask.

use std::collections::BTreeSet;

use serde_json::Value;

use super::cut;
use super::encode::{EncodedRow, Encoder, Example, Outcome, Skip, skip};
use super::soft;
use super::table::{Row, Table};
use super::template::{Fields, RenderError};
use super::tokenizer::Encoded;
use crate::config::{MAX_CLASSES, Task, Truncate};
use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

/// Names of the classes in a column, sorted: as numbers if all are, else as text.
///
/// # Errors
/// [`EngineError::Setting`] when there are fewer than two or too many.
pub(super) fn classes_of(table: &Table, column: usize, task: Task) -> Result<Vec<String>> {
    let mut found = BTreeSet::new();
    add_classes(table, column, task, &mut found);
    classes_named(found, table, column, task)
}

/// Adds the classes of some rows; of too many no more than show that they are.
pub(super) fn add_classes(table: &Table, column: usize, task: Task, found: &mut BTreeSet<String>) {
    for row in &table.rows {
        if found.len() > MAX_CLASSES + 1 {
            return;
        }
        match task {
            Task::TokenClassification => found.extend(list(row.cell(column)).unwrap_or_default()),
            _ => drop(found.insert(row.text(column).trim().to_owned())),
        }
    }
}

/// The classes of these names.
///
/// # Errors
/// As [`classes_of`].
pub(super) fn classes_named(
    mut found: BTreeSet<String>,
    table: &Table,
    column: usize,
    task: Task,
) -> Result<Vec<String>> {
    found.remove("");
    let name = &table.columns[column];
    let refused = |reason: Sentence| Err(EngineError::Setting { field: "data.target_column", reason });
    match found.len() {
        0 | 1 => {
            return refused(sentence!(
                "the column {name:?} has {n} {n:class|classes}, which leaves nothing to tell apart",
                name,
                n = found.len()
            ));
        }
        n if n > MAX_CLASSES => {
            return refused(sentence!(
                "the column {name:?} has more than {max_classes} classes",
                name,
                max_classes = MAX_CLASSES
            ));
        }
        _ => {}
    }
    // Some of them whole, as in 3.0 and 1.25: what is measured, and not named.
    if task == Task::SequenceClassification && found.iter().all(|class| class.parse::<f64>().is_ok()) {
        let fractions = || found.iter().filter(|class| class.parse::<i64>().is_err());
        if let Some(example) = fractions().find(|class| class.parse::<f64>().is_ok_and(|x| x.fract() != 0.0)) {
            return refused(sentence!(
                "the column {name:?} has numbers with fractions, such as {example}: they are measured, not classes; learn \
                 them with task = regression, or make classes of them, named or whole numbers, if that is what they are",
                name,
                example
            ));
        }
    }
    let mut classes: Vec<String> = found.into_iter().collect();
    let numbers: Option<Vec<i64>> = classes.iter().map(|class| class.parse().ok()).collect();
    if let Some(mut numbers) = numbers {
        numbers.sort_unstable();
        classes = numbers.iter().map(i64::to_string).collect();
    }
    Ok(classes)
}

/// The entries of a list of words or labels.
fn list(cell: &Value) -> Option<Vec<String>> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    cell.as_array()?.iter().map(text).collect()
}

/// The number that a text is measured as.
fn number(text: &str) -> Result<f32, Skip> {
    if text.is_empty() {
        return Err(skip(sentence!("the label is missing or empty")));
    }
    let number = text.parse::<f32>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| skip(sentence!("its label {text:?} is no number", text)))
}

impl Encoder<'_> {
    /// The class or the number of a text, or of a pair of texts.
    pub(super) fn text_row(&self, row: &Row) -> Outcome {
        if let Some(reason) = self.roles.row_without_text(row, self.table, &self.prompts.templates, self.task) {
            return Err(skip(reason));
        }
        let prompt = self.roles.source_text(row);
        let class = row.text(self.roles.target).trim().to_owned();
        if prompt.trim().is_empty() {
            return Err(skip(sentence!("the text is empty")));
        }
        let (label, target) = match self.task {
            Task::Regression => (0, number(&class)?),
            _ => (self.class(&class)?, 0.0),
        };
        let second = self.second.map(|column| row.text(column).into_owned());
        let framed = match &second {
            Some(second) => self.tokenizer.encode_pair(&prompt, second),
            None => self.tokenizer.encode_with_special(&prompt),
        };
        let shown = match second {
            Some(second) => format!("{prompt}\n{second}"),
            None => prompt,
        };
        let mut example = self.example(row, framed, (shown, class), |_| vec![(0, label)]);
        if let Ok(row) = &mut example {
            row.example.target = target;
        }
        if self.start.has_source { self.read_twice(example) } else { example }
    }

    /// A text for an encoder with a decoder: the decoder reads it too, one place to the right behind the token that starts a
    /// target, and the class stands where the text ends (transformers: `BartForSequenceClassification`).
    fn read_twice(&self, outcome: Outcome) -> Outcome {
        let EncodedRow { mut example, length, lost } = outcome?;
        let text = std::mem::take(&mut example.tokens);
        let Some((&last, before)) = text.split_last() else { return Ok(EncodedRow { example, length, lost }) };
        let end = text.iter().rposition(|&token| token == self.tokenizer.eos()).unwrap_or(before.len());
        let start = self.start.token.unwrap_or(last);
        example.tokens = std::iter::once(start).chain(before.iter().copied()).collect();
        example.labels.iter_mut().for_each(|(at, _)| *at = end);
        example.source = text;
        Ok(EncodedRow { example, length, lost })
    }

    /// The class of each word; only the first piece of a word carries it.
    pub(super) fn word_row(&self, row: &Row) -> Outcome {
        let column = self.roles.source.first().ok_or_else(|| skip(sentence!("it has no column of words")))?;
        let words = list(row.cell(*column)).ok_or_else(|| skip(sentence!("its words are no list")))?;
        let names = list(row.cell(self.roles.target)).ok_or_else(|| skip(sentence!("its labels are no list")))?;
        if words.len() != names.len() {
            return Err(skip(sentence!(
                "it has {n_words} words and {n_names} labels",
                n_words = words.len(),
                n_names = names.len()
            )));
        }
        if words.is_empty() {
            return Err(skip(sentence!("it has no words")));
        }
        let classes: Vec<i32> = names.iter().map(|name| self.class(name)).collect::<Result<_, _>>()?;
        let given: Vec<&str> = words.iter().map(String::as_str).collect();
        let framed = match self.predicate(row, &words)? {
            // The sentence, then its predicate: Shi and Lin 2019, "Simple BERT Models for Relation Extraction and SRL".
            Some(predicate) => self.tokenizer.encode_words_with(&given, &predicate),
            None => self.tokenizer.encode_words(&given),
        };
        let shown = (words.join(" "), names.join(" "));
        self.example(row, framed, shown, |framed| {
            let words = framed.word_begins().into_iter().filter(|(at, _)| framed.texts[*at] == 0);
            words.map(|(at, word)| (at, classes[word as usize])).collect()
        })
    }

    /// The word whose arguments are labeled, in semantic roles: the second column has it, as a word or by its number from 0.
    fn predicate(&self, row: &Row, words: &[String]) -> Result<Option<String>, Skip> {
        let Some(column) = self.second else { return Ok(None) };
        match row.cell(column) {
            Value::Number(number) => {
                let word = number.as_u64().and_then(|at| words.get(usize::try_from(at).ok()?));
                let name = &self.table.columns[column];
                word.cloned().map(Some).ok_or_else(|| skip(sentence!("its {name:?} is no number of a word", name)))
            }
            Value::String(word) if !word.trim().is_empty() => Ok(Some(word.trim().to_owned())),
            _ => Err(skip(sentence!("it has no predicate"))),
        }
    }

    /// The token that the mask of the template hides. The outer error ends the encoding of the table.
    pub(super) fn masked_row(&self, row: &Row) -> Result<Outcome> {
        let fields = Fields::of_row(self.table, &self.roles, row, self.tokenizer);
        let prompt = match self.prompts.templates.prompt(&fields) {
            Ok(prompt) => prompt,
            Err(RenderError::Limit(reason)) => return Err(EngineError::Template(reason)),
            Err(RenderError::Row(reason)) => return Ok(Err(Skip { reason, is_template: true })),
        };
        let answer = self.roles.target_text(row).trim().to_owned();
        Ok(self.answer_token(&answer).and_then(|token| {
            let framed = self.prompts.framed(&prompt, self.tokenizer).map_err(|e| skip(e.sentence()))?;
            let masks: Vec<usize> =
                (0..framed.ids.len()).filter(|&at| Some(framed.ids[at]) == self.tokenizer.mask()).collect();
            let &[at] = masks.as_slice() else {
                return Err(skip(sentence!(
                    "its text has {n_masks} masks, not one: write {{ mask }}",
                    n_masks = masks.len()
                )));
            };
            let n_tokens = framed.ids.len() - soft::count(&framed.ids);
            if n_tokens <= self.max_tokens {
                return self.example(row, Ok(framed), (prompt, answer), |_| vec![(at, token)]);
            }
            if self.truncate == Truncate::PromptStart {
                return Err(skip(sentence!("it is longer than {max_tokens} tokens", max_tokens = self.max_tokens)));
            }
            let own = cut::own_bytes(&prompt, self.own_texts(row));
            let parts = cut::parts_of_framed(&framed, &own, self.tokenizer);
            // The mask is no word, and stays.
            let rule = if self.truncate == Truncate::Skip { Truncate::Skip } else { Truncate::PromptEnd };
            let stays = cut::within(rule, &parts, 0, self.max_tokens)?.prompt;
            let at = stays[..at].iter().filter(|stays| **stays).count();
            self.cut_example(row, framed, &stays, (prompt, answer), |_| vec![(at, token)])
        }))
    }

    /// The one token of an answer, as it stands after a space.
    fn answer_token(&self, answer: &str) -> Result<i32, Skip> {
        if answer.is_empty() {
            return Err(skip(sentence!("the answer is empty")));
        }
        let tokens = |text: &str| self.tokenizer.encode(text).map_err(|e| skip(e.sentence()));
        let (spaced, plain) = (tokens(&format!(" {answer}"))?, tokens(answer)?);
        match (spaced.as_slice(), plain.as_slice()) {
            ([token], _) | (_, [token]) => Ok(token.cast_signed()),
            _ => Err(skip(sentence!("the answer {answer:?} is {n} tokens, not one", answer, n = plain.len()))),
        }
    }

    fn class(&self, name: &str) -> Result<i32, Skip> {
        if name.is_empty() {
            return Err(skip(sentence!("the label is missing or empty")));
        }
        let class = self.classes.iter().position(|class| class == name);
        class
            .map(|class| class as i32)
            .ok_or_else(|| skip(sentence!("the class {name:?} is not in the training rows", name)))
    }

    fn example(
        &self,
        row: &Row,
        framed: Result<Encoded>,
        (prompt, reference): (String, String),
        labels: impl FnOnce(&Encoded) -> Vec<(usize, i32)>,
    ) -> Outcome {
        let framed = framed.map_err(|e| skip(e.sentence()))?;
        let stays = framed.stays(self.truncate, self.max_tokens)?;
        self.cut_example(row, framed, &stays, (prompt, reference), labels)
    }

    fn cut_example(
        &self,
        row: &Row,
        mut framed: Encoded,
        stays: &[bool],
        (prompt, reference): (String, String),
        labels: impl FnOnce(&Encoded) -> Vec<(usize, i32)>,
    ) -> Outcome {
        let n_soft = soft::count(&framed.ids);
        let length = framed.ids.len() - n_soft;
        let lost = cut::lost(&framed.ids, stays, 0);
        framed.keep(stays);
        if framed.ids.len() - n_soft > self.max_tokens || framed.words.iter().all(Option::is_none) {
            return Err(skip(sentence!("no token of the text is left within the length limit")));
        }
        let labels = labels(&framed);
        if labels.is_empty() {
            return Err(skip(sentence!("none of its words has a token in this vocabulary")));
        }
        let types = if framed.type_ids.iter().any(|&kind| kind != 0) { framed.type_ids } else { Vec::new() };
        let example = Example {
            row: row.number,
            n_prompt: framed.ids.len(),
            truncated: !lost.is_empty(),
            tokens: framed.ids,
            prompt,
            reference,
            references: Vec::new(),
            types,
            labels,
            ..Example::default()
        };
        Ok(EncodedRow { example, length: u32::try_from(length).unwrap_or(u32::MAX), lost })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::super::columns::Roles;
    use super::super::encode::Encoded as Rows;
    use super::super::prompts::Prompts;
    use super::super::table::ObjectRows;
    use super::super::tokenizer::byte_tokenizer;
    use super::*;
    use crate::config::DataConfig;
    use crate::data::TokenBatch;
    use crate::tokens::TargetStart;

    fn encode(task: Task, rows: &[Value], max_tokens: usize) -> Result<Rows> {
        let mut objects = ObjectRows::new(Path::new("x.jsonl"));
        for (index, row) in rows.iter().enumerate() {
            objects.push(index + 1, row.clone())?;
        }
        let table = objects.table;
        let classes = classes_of(&table, Roles::resolve(&table, None, None)?.target, task)?;
        encode_with(&table, task, &classes, max_tokens)
    }

    fn encode_with(table: &Table, task: Task, classes: &[String], max_tokens: usize) -> Result<Rows> {
        let roles = Roles::resolve(table, None, None)?;
        let encoder = Encoder {
            table,
            roles,
            prompts: &Prompts::new(&DataConfig::new("x"), task, &byte_tokenizer())?,
            tokenizer: &byte_tokenizer(),
            task,
            start: TargetStart::default(),
            classes,
            second: None,
            stride: None,
            ranking: None,
            max_tokens,
            truncate: Truncate::LongestFirst,
        };
        encoder.encode()
    }

    #[test]
    fn each_word_is_labeled_at_its_first_piece() {
        let row = |words: Value, labels: Value| json!({"tokens": words, "labels": labels});
        let rows = [
            row(json!(["ab", "c"]), json!(["B-x", "O"])),
            row(json!(["a"]), json!(["O", "O"])),
            row(json!("a"), json!(["O"])),
        ];
        let encoded = encode(Task::TokenClassification, &rows, 100).unwrap();
        let example = &encoded.examples[0];
        assert_eq!(example.tokens, byte_tokenizer().encode(" ab c").unwrap());
        assert_eq!(example.labels, [(0, 0), (3, 1)]);
        let reasons: Vec<_> = encoded.skipped.iter().map(|p| p.reason.to_string()).collect();
        assert_eq!(reasons, ["it has 1 words and 2 labels", "its words are no list"]);
        let cut = encode(Task::TokenClassification, &rows, 3).unwrap();
        assert_eq!((cut.examples[0].labels.len(), cut.examples[0].truncated), (1, true));
    }

    #[test]
    fn measures_are_no_classes() {
        let rows = |labels: [Value; 3]| labels.map(|label| json!({"text": "a", "score": label}));
        let classes = |rows: &[Value]| {
            let mut objects = ObjectRows::new(Path::new("x.jsonl"));
            rows.iter().for_each(|row| objects.push(1, row.clone()).unwrap());
            classes_of(&objects.table, 1, Task::SequenceClassification)
        };
        let error = classes(&rows([json!(3.0), json!(1.25), json!("4.5")])).unwrap_err().to_string();
        assert!(error.contains("1.25") && error.contains("regression"), "{error}");
        assert_eq!(classes(&rows([json!(3.0), json!(1.0), json!(3.0)])).unwrap(), ["1.0", "3.0"]);
        assert!(classes(&rows([json!("1.5"), json!("more"), json!(2)])).is_ok());
    }

    #[test]
    fn a_measure_is_learned_as_the_number_that_it_is() {
        let rows = [json!("3.2"), json!(-1), json!("much"), json!(""), json!("inf")];
        let rows = rows.map(|label| json!({"text": "a", "label": label}));
        let mut objects = ObjectRows::new(Path::new("x.jsonl"));
        rows.iter().enumerate().for_each(|(at, row)| objects.push(at + 1, row.clone()).unwrap());
        let encoded = encode_with(&objects.table, Task::Regression, &[], 100).unwrap();
        let told: Vec<_> = encoded.examples.iter().map(|row| (row.target, row.labels.clone())).collect();
        assert_eq!(told, [(3.2, vec![(0, 0)]), (-1.0, vec![(0, 0)])]);
        let batch = TokenBatch::new(&encoded.examples, &[1, 0], 9, Task::Regression);
        assert_eq!((batch.targets, batch.labels.iter().filter(|label| **label == 0).count()), (vec![-1.0, 3.2], 2));
        let reasons: Vec<_> = encoded.skipped.iter().map(|p| p.reason.to_string()).collect();
        let no_number = |text: &str| format!("its label {text:?} is no number");
        assert_eq!(reasons, [no_number("much"), "the label is missing or empty".to_owned(), no_number("inf")]);
    }

    #[test]
    fn numbers_are_classes_in_the_order_of_numbers() {
        let rows: Vec<Value> = [10, 9, 2].iter().map(|class| json!({"text": "a", "label": class})).collect();
        let encoded = encode(Task::SequenceClassification, &rows, 100).unwrap();
        let labels: Vec<_> = encoded.examples.iter().map(|example| example.labels[0]).collect();
        assert_eq!(labels, [(0, 2), (0, 1), (0, 0)]);
        let one = encode(Task::SequenceClassification, &rows[..1], 100).unwrap_err();
        assert!(one.to_string().contains("nothing to tell apart"), "{one}");
        let measured: Vec<Value> = [3.0, 1.25].iter().map(|class| json!({"text": "a", "label": class})).collect();
        let measured = encode(Task::SequenceClassification, &measured, 100).unwrap_err();
        assert!(measured.to_string().contains("1.25") && measured.to_string().contains("regression"), "{measured}");
        let whole: Vec<Value> = [3.0, 1.0].iter().map(|class| json!({"text": "a", "label": class})).collect();
        assert!(encode(Task::SequenceClassification, &whole, 100).is_ok(), "whole numbers may be classes");
        let many: Vec<Value> = (0..1100).map(|class| json!({"text": "a", "label": class})).collect();
        let many = encode(Task::SequenceClassification, &many, 100).unwrap_err();
        assert!(many.to_string().contains("more than 1000"), "{many}");
    }
}
