//! CoNLL files: a token and its label on a line, an empty line after each sentence.

use std::path::Path;

use serde_json::json;

use super::reader::not_utf8;
use super::table::{ObjectRows, Table};
use crate::error::Result;
use crate::{Sentence, sentence};

/// Begins a document in the files of CoNLL-2003; it is no token.
const DOCUMENT: &str = "-DOCSTART-";

/// Each sentence is a row with a list of `tokens` and one of `labels`: the first and the last field of its lines, between
/// tabs where there are some, else between spaces.
///
/// # Errors
/// None of its own; a sentence with a line that cannot be read is named.
pub(super) fn read(bytes: &[u8], path: &Path) -> Result<Table> {
    let mut rows = ObjectRows::new(path);
    let mut sentence = Tagged::default();
    for (index, line) in bytes.split(|&byte| byte == b'\n').chain([&b""[..]]).enumerate() {
        match std::str::from_utf8(line) {
            Ok(text) if text.trim().is_empty() || text.starts_with(DOCUMENT) => {
                std::mem::take(&mut sentence).end(&mut rows)?;
            }
            Ok(text) => sentence.add(index + 1, fields(text)),
            Err(error) => sentence.add(index + 1, Err(not_utf8(error.valid_up_to()))),
        }
    }
    Ok(rows.table)
}

/// The lines of a sentence.
#[derive(Default)]
struct Tagged {
    begins: usize,
    tokens: Vec<String>,
    labels: Vec<String>,
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

    fn end(self, rows: &mut ObjectRows) -> Result<()> {
        match self.problem {
            _ if self.begins == 0 => Ok(()),
            Some(reason) => {
                // The reason has the line.
                rows.table.name_problem(rows.table.total_rows() + 1, reason);
                Ok(())
            }
            None => rows.push(self.begins, json!({ "tokens": self.tokens, "labels": self.labels })),
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
