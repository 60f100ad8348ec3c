//! The choices of a row and which of them is right: columns such as `choice1` and `choice2` (COPA), `ending0` (SWAG) or
//! `sol1` (PIQA), or a list (`endings` of HellaSwag, `entities` of ReCoRD, `choices.text` of ARC).

use serde_json::Value;

use super::columns::{self, listed};
use super::table::{Row, Table};
use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

/// Beginnings of the names of columns with a choice each.
const NUMBERED: [&str; 7] = ["choice", "option", "ending", "answer", "sol", "alternative", "选项"];
/// Names of a column with a list of choices.
const LISTS: [&str; 7] = ["choices", "options", "endings", "candidates", "entities", "alternatives", "选项"];
/// Between the names of columns.
const JOINT: &str = " + ";

/// The columns of a table's choices, and of the label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ChoiceColumns {
    columns: Vec<usize>,
    label: usize,
    /// Labels count from 1.
    from_one: bool,
}

/// The choices of a row, and the numbers of those that are right.
pub(super) type Choices = (Vec<String>, Vec<usize>);

impl ChoiceColumns {
    /// The columns that are named, or called as such columns usually are.
    ///
    /// # Errors
    /// [`EngineError::Setting`] when there are none.
    pub(super) fn of(table: &Table, named: Option<&str>, label: usize) -> Result<Self> {
        let columns = match named {
            Some(name) => match table.column(name) {
                Some(column) => vec![column],
                None => name.split(JOINT).map(|part| columns::column(table, part)).collect::<Result<_>>()?,
            },
            None => usual(table, label).ok_or_else(|| EngineError::Setting {
                field: "data.choice_column",
                reason: sentence!(
                    "no column looks like choices; name one with a list, or several as choice1 + choice2; there are {found}",
                    found = listed(&table.columns)
                ),
            })?,
        };
        let plain = Self { columns, label, from_one: false };
        let from_one = plain.counts_from_one(table);
        Ok(Self { from_one, ..plain })
    }

    /// Whether a column is read.
    pub(super) fn reads(&self, column: usize) -> bool {
        column == self.label || self.columns.contains(&column)
    }

    /// The choices of a row.
    ///
    /// # Errors
    /// A sentence on what is missing.
    pub(super) fn of_row(&self, row: &Row) -> Result<Choices, Sentence> {
        let choices = self.texts(row).ok_or_else(|| sentence!("its choices are no texts"))?;
        if choices.len() < 2 {
            return Err(sentence!("it has {n} {n:choice|choices}, which leaves nothing to choose", n = choices.len()));
        }
        if choices.iter().any(String::is_empty) {
            return Err(sentence!("one of its choices is empty"));
        }
        let right = self.right(row, &choices);
        if right.is_empty() {
            let (label, n) = (row.text(self.label), choices.len());
            return Err(sentence!("its label {label:?} is none of its {n} choices", label, n));
        }
        Ok((choices, right))
    }

    fn texts(&self, row: &Row) -> Option<Vec<String>> {
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.trim().to_owned()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        match *self.columns.as_slice() {
            [column] => list(row.cell(column))?.iter().map(text).collect(),
            _ => self.columns.iter().map(|&column| text(row.cell(column))).collect(),
        }
    }

    /// Numbers of the choices that the label names, each by its number, its letter or its text.
    fn right(&self, row: &Row, choices: &[String]) -> Vec<usize> {
        let n = choices.len();
        let by_text = |text: &str| choices.iter().position(|choice| choice == text.trim());
        let by_number = |number: i64| {
            let number = usize::try_from(number - i64::from(self.from_one)).ok();
            number.filter(|number| *number < n)
        };
        let by_letter = |text: &str| match text.trim().as_bytes() {
            [letter @ b'A'..=b'Z'] => Some(usize::from(letter - b'A')).filter(|number| *number < n),
            _ => None,
        };
        let one = |value: &Value| match value {
            Value::Number(number) => number.as_i64().and_then(by_number),
            Value::String(text) => {
                let number = text.trim().parse().ok().and_then(by_number);
                number.or_else(|| by_text(text)).or_else(|| by_letter(text))
            }
            _ => None,
        };
        match row.cell(self.label) {
            Value::Array(values) => {
                let mut right: Vec<usize> = values.iter().filter_map(one).collect();
                right.dedup();
                right
            }
            value => one(value).into_iter().collect(),
        }
    }

    /// Whether a label is the number of choices and none is 0: then 1 is the first.
    fn counts_from_one(&self, table: &Table) -> bool {
        let number = |row: &Row| row.text(self.label).trim().parse::<usize>().ok();
        let mut labels = table.rows.iter().filter_map(|row| Some((number(row)?, self.texts(row)?.len())));
        let mut reaches = false;
        labels.all(|(label, n)| {
            reaches |= label == n;
            label > 0
        }) && reaches
    }
}

/// A list of choices, which ARC has in an object.
fn list(cell: &Value) -> Option<&Vec<Value>> {
    cell.as_array().or_else(|| cell.get("text")?.as_array())
}

/// The columns that are usually choices.
fn usual(table: &Table, label: usize) -> Option<Vec<usize>> {
    let is_list = |column: &usize| table.rows.iter().take(20).any(|row| list(row.cell(*column)).is_some());
    let of_list = LISTS.iter().filter_map(|name| table.column(name)).filter(|&column| column != label).find(is_list);
    of_list.map(|column| vec![column]).or_else(|| numbered(&table.columns))
}

/// Columns of one name that are numbered, at least two of them.
fn numbered(columns: &[String]) -> Option<Vec<usize>> {
    let of_family = |family: &&str| {
        let number = |name: &String| {
            let rest = name.to_lowercase().strip_prefix(*family)?.trim_start_matches(['_', ' ', '-']).to_owned();
            rest.parse::<u32>().ok().or_else(|| match rest.as_bytes() {
                [letter @ b'a'..=b'z'] => Some(u32::from(*letter)),
                _ => None,
            })
        };
        let found = columns.iter().enumerate().filter_map(|(at, name)| Some((number(name)?, at)));
        let mut found: Vec<(u32, usize)> = found.collect();
        found.sort_unstable();
        (found.len() > 1).then(|| found.into_iter().map(|(_, at)| at).collect())
    };
    NUMBERED.iter().find_map(of_family)
}

/// Names of the columns that look like choices, for rows that are read as something else.
pub(super) fn looks_like_choices(table: &Table) -> Option<String> {
    let columns = numbered(&table.columns)?;
    Some(columns.iter().map(|&column| table.columns[column].as_str()).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::super::table::ObjectRows;
    use super::*;

    fn choices(rows: &[Value], label: &str) -> Vec<Result<Choices, String>> {
        let mut objects = ObjectRows::new(Path::new("x.jsonl"));
        rows.iter().enumerate().for_each(|(at, row)| objects.push(at + 1, row.clone()).unwrap());
        let table = objects.table;
        let columns = ChoiceColumns::of(&table, None, table.column(label).unwrap()).unwrap();
        table.rows.iter().map(|row| columns.of_row(row).map_err(|reason| reason.to_string())).collect()
    }

    fn texts(of: &[&str]) -> Vec<String> {
        of.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn choices_are_columns_or_a_list() {
        let copa = json!({"premise": "a", "choice2": "y", "choice1": "x", "label": 1});
        assert_eq!(choices(&[copa], "label"), [Ok((texts(&["x", "y"]), vec![1]))]);
        let swag = json!({"ctx": "a", "endings": ["x", "y", "z"], "label": "2"});
        assert_eq!(choices(&[swag], "label"), [Ok((texts(&["x", "y", "z"]), vec![2]))]);
        let arc = json!({"question": "a", "choices": {"text": ["x", "y"], "label": ["A", "B"]}, "answerKey": "B"});
        assert_eq!(choices(&[arc], "answerKey"), [Ok((texts(&["x", "y"]), vec![1]))]);
        let record = json!({"query": "q", "entities": ["x", "y", "z"], "answers": ["z", "x"]});
        assert_eq!(choices(&[record], "answers"), [Ok((texts(&["x", "y", "z"]), vec![2, 0]))]);
    }

    #[test]
    fn labels_that_reach_the_number_of_choices_count_from_one() {
        let row = |label: &str| json!({"sentence": "a", "option1": "x", "option2": "y", "answer": label});
        assert_eq!(choices(&[row("1"), row("2")], "answer")[1], Ok((texts(&["x", "y"]), vec![1])));
        let from_zero = choices(&[row("0"), row("2")], "answer");
        assert_eq!(from_zero[1], Err("its label \"2\" is none of its 2 choices".to_owned()));
    }

    #[test]
    fn a_row_without_choices_says_so() {
        let rows = [json!({"endings": ["x", "y"], "label": 0}), json!({"endings": ["x"], "label": 0})];
        assert_eq!(choices(&rows, "label")[1], Err("it has 1 choice, which leaves nothing to choose".to_owned()));
        assert_eq!(numbered(&texts(&["choice1", "text"])), None);
    }
}
