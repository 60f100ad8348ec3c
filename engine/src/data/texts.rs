//! Columns that are read as texts, and the refusal of one of lists or objects: as JSON nobody means to learn it.

use serde_json::Value;

use super::columns::Roles;
use super::conversation;
use super::table::{Row, Table};
use super::template::Templates;
use crate::config::Task;
use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

impl Roles {
    /// The columns that are read as texts, each with the setting that names it.
    pub(super) fn texts(&self, templates: &Templates, task: Task) -> Vec<(usize, &'static str)> {
        let source = self.source.iter().map(|&column| (column, "data.source_column"));
        let target = (self.target, "data.target_column");
        match task {
            Task::Causal | Task::Seq2Seq | Task::MaskedFill | Task::MultipleChoice => {
                let reads_source = ["source", conversation::ROLE].iter().any(|name| templates.prompt_reads(name));
                let reads_target = task == Task::MaskedFill || templates.target_reads("target");
                source.filter(|_| reads_source).chain(reads_target.then_some(target)).collect()
            }
            Task::SequenceClassification | Task::Regression => source.chain([target]).collect(),
            Task::QuestionAnswering => source.collect(),
            Task::TokenClassification => Vec::new(),
        }
    }

    /// Refuses columns of lists or objects where texts are read: they would be learned as JSON.
    ///
    /// # Errors
    /// [`EngineError::Setting`] with a way to read them.
    pub(super) fn check_texts(&self, table: &Table, templates: &Templates, task: Task) -> Result<()> {
        for (column, field) in self.texts(templates, task) {
            let first = table.rows.iter().map(|row| row.cell(column)).find(|cell| !cell.is_null());
            if let Some(what) = first.and_then(|cell| no_text(cell, column == self.target)) {
                let name = &table.columns[column];
                let way = match self.labels_words(table) {
                    true => sentence!(
                        "this file labels words: choose an encoder such as BERT, with task = token_classification"
                    ),
                    false => way_to_read(name, what, column == self.target),
                };
                let what = what.sentence();
                let reason = sentence!("the column {name:?} holds {what}, no text; {way}", name, what, way);
                return Err(EngineError::Setting { field, reason });
            }
        }
        Ok(())
    }

    /// Why a row has no text in a column that is read as one.
    pub(super) fn row_without_text(
        &self,
        row: &Row,
        table: &Table,
        templates: &Templates,
        task: Task,
    ) -> Option<Sentence> {
        self.texts(templates, task).into_iter().find_map(|(column, _)| {
            let what = no_text(row.cell(column), column == self.target)?;
            Some(sentence!(
                "its {column:?} holds {what}, no text",
                column = table.columns[column],
                what = what.sentence()
            ))
        })
    }

    /// Whether the first row has a list of words and as many labels.
    fn labels_words(&self, table: &Table) -> bool {
        let words = |column: usize| {
            table.rows.first()?.cell(column).as_array()?.iter().map(Value::as_str).collect::<Option<Vec<_>>>()
        };
        let labels = |column: usize| table.rows.first()?.cell(column).as_array().map(Vec::len);
        let [source] = self.source.as_slice() else { return false };
        words(*source).is_some_and(|words| labels(self.target) == Some(words.len()))
    }
}

/// Kind of a cell that holds no text.
#[derive(Clone, Copy)]
enum NoText {
    Objects,
    Lists,
    ListsOfObjects,
    ListsOfLists,
}

impl NoText {
    fn sentence(self) -> Sentence {
        match self {
            Self::Objects => sentence!("objects"),
            Self::Lists => sentence!("lists"),
            Self::ListsOfObjects => sentence!("lists of objects"),
            Self::ListsOfLists => sentence!("lists of lists"),
        }
    }
}

/// The kind of a cell that is no text; of a list of texts, a target is the first.
fn no_text(cell: &Value, is_target: bool) -> Option<NoText> {
    match cell {
        Value::Object(_) => Some(NoText::Objects),
        Value::Array(values) => match values.first() {
            Some(Value::Object(_)) => Some(NoText::ListsOfObjects),
            Some(Value::Array(_)) => Some(NoText::ListsOfLists),
            Some(_) if !is_target => Some(NoText::Lists),
            _ => None,
        },
        _ => None,
    }
}

/// Advice on how a template reads what is no text.
fn way_to_read(name: &str, what: NoText, is_target: bool) -> Sentence {
    let template = if is_target { "data.target_template" } else { "data.prompt_template" };
    let read = match what {
        NoText::Objects => format!("{{{{ row[{name:?}].NAME }}}}"),
        NoText::Lists => format!("{{{{ row[{name:?}]|join(' ') }}}}"),
        _ => format!("{{% for entry in row[{name:?}] %}}{{{{ entry.NAME }}}} {{% endfor %}}"),
    };
    sentence!("name a column of texts, or say in {template} what is read of it, as in {read}", template, read)
}
