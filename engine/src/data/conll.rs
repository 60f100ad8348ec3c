//! CoNLL files: a token and its label on a line, an empty line after each sentence.

use std::path::Path;

use serde_json::json;

use super::forms::FIELDS;
use super::reader::not_utf8;
use super::table::{ObjectRows, Table};
use crate::error::Result;
use crate::{Sentence, sentence};

/// Begins a document in the files of CoNLL-2003; it is no token.
const DOCUMENT: &str = "-DOCSTART-";
/// Begins a line about a document in the files of CoNLL-2012.
const COMMENTS: [&str; 2] = ["#begin document", "#end document"];
/// Most columns of a sentence.
const MAX_WIDTH: usize = 1000;

/// Each sentence is a row with a list of `tokens` and one of `labels`: the first and the last field of its lines, between
/// tabs where there are some, else between spaces. Where each line has the same number of fields, and more than two, the row
/// has all of them too, a list for each column.
///
/// # Errors
/// None of its own; a sentence with a line that cannot be read is named.
pub(super) fn read(bytes: &[u8], path: &Path) -> Result<Table> {
    let mut rows = ObjectRows::new(path);
    let mut sentence = Tagged::default();
    let mut n_documents = 0_usize;
    for (index, line) in bytes.split(|&byte| byte == b'\n').chain([&b""[..]]).enumerate() {
        match std::str::from_utf8(line) {
            Ok(text) if COMMENTS.iter().any(|begin| text.starts_with(begin)) => n_documents += 1,
            Ok(text) if text.trim().is_empty() || text.starts_with(DOCUMENT) => {
                n_documents += usize::from(!text.trim().is_empty());
                std::mem::take(&mut sentence).end(&mut rows)?;
            }
            Ok(text) => {
                sentence.add(index + 1, fields(text));
                sentence.add_columns(text);
            }
            Err(error) => sentence.add(index + 1, Err(not_utf8(error.valid_up_to()))),
        }
    }
    if n_documents > 0 {
        rows.table.notes.push(sentence!(
            "{n} {n:line begins a document and is|lines begin or end a document and are} no words",
            n = n_documents
        ));
    }
    Ok(rows.table)
}

/// The lines of a sentence.
#[derive(Default)]
struct Tagged {
    begins: usize,
    tokens: Vec<String>,
    labels: Vec<String>,
    /// All fields, a list for each column; none where lines differ in number.
    columns: Option<Vec<Vec<String>>>,
    problem: Option<Sentence>,
}

impl Tagged {
    fn add(&mut self, number: usize, fields: Result<(&str, &str), Sentence>) {
        if self.begins == 0 {
            self.begins = number;
        }
        match fields {
            Ok((token, label)) => {
                self.tokens.push(token.to_owned());
                self.labels.push(label.to_owned());
            }
            Err(reason) => drop(self.problem.get_or_insert(sentence!("line {number}: {reason}", number, reason))),
        }
    }

    fn add_columns(&mut self, line: &str) {
        let fields: Vec<&str> = match line.contains('\t') {
            true => line.trim_end().split('\t').map(str::trim).collect(),
            false => line.split_whitespace().take(MAX_WIDTH + 1).collect(),
        };
        let width = if (3..=MAX_WIDTH).contains(&fields.len()) { fields.len() } else { 0 };
        if self.tokens.len() == 1 {
            self.columns = Some(vec![Vec::new(); width]);
        }
        match &mut self.columns {
            Some(columns) if columns.len() == width && width > 0 => {
                columns.iter_mut().zip(fields).for_each(|(column, field)| column.push(field.to_owned()));
            }
            columns => *columns = None,
        }
    }

    fn end(self, rows: &mut ObjectRows) -> Result<()> {
        match self.problem {
            _ if self.begins == 0 => Ok(()),
            Some(reason) => {
                // The reason has the line.
                rows.table.name_problem(rows.table.total_rows() + 1, reason);
                Ok(())
            }
            None => {
                let mut row = json!({ "tokens": self.tokens, "labels": self.labels });
                if let Some(columns) = self.columns.filter(|columns| !columns.is_empty()) {
                    row[FIELDS] = columns.into();
                }
                rows.push(self.begins, row)
            }
        }
    }
}

fn fields(line: &str) -> Result<(&str, &str), Sentence> {
    let cut = if line.contains('\t') { line.trim_end().split_once('\t') } else { line.trim().split_once(' ') };
    let last = if line.contains('\t') { '\t' } else { ' ' };
    let (token, rest) = cut.ok_or_else(|| sentence!("it has a token and no label"))?;
    let label = rest.rsplit(last).next().unwrap_or(rest).trim();
    match (token.trim(), label) {
        ("", _) => Err(sentence!("it has a label and no token")),
        (_, "") => Err(sentence!("it has a token and no label")),
        (token, label) => Ok((token, label)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_a_row_and_a_broken_one_is_named() {
        let text = "-DOCSTART- O\n\nObama NNP B-person\n' s\tB-x\n#tag O\r\n\nalone\nx O\n\n\ny O";
        let table = read(text.as_bytes(), Path::new("x.conll")).unwrap();
        assert_eq!(table.columns, ["tokens", "labels"]);
        assert_eq!(table.rows.iter().map(|row| row.number).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(table.rows[0].text(0), r##"["Obama","' s","#tag"]"##);
        assert_eq!(table.rows[0].text(1), r#"["B-person","B-x","O"]"#);
        assert_eq!(table.problems[0].row, 2);
        assert_eq!(table.problems[0].reason, "line 7: it has a token and no label");
    }
}
