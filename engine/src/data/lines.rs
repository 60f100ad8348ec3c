//! Plain text: a text on each line, or a source and a target with `||` between, as Li & Liang's own files have them.

use std::path::Path;

use serde_json::json;

use super::reader::not_utf8;
use super::table::{Layout, ObjectRows, Table};
use crate::error::Result;
use crate::sentence;

/// Between source and target, as in XiangLi1999/PrefixTuning: transformers/src/transformers/data/datasets/language_modeling.py.
const BETWEEN: &str = "||";

/// Each line with text is a row. Where every one has one `||`, it is a `source` and a `target`, otherwise a `text`.
///
/// # Errors
/// None of its own; a line that cannot be read is named.
pub(super) fn read(bytes: &[u8], path: &Path) -> Result<Table> {
    let lines = || bytes.split(|&byte| byte == b'\n').zip(1..).filter(|(line, _)| !line.trim_ascii().is_empty());
    let all = |is: &dyn Fn(&str) -> bool| lines().all(|(line, _)| std::str::from_utf8(line).is_ok_and(is));
    let has_pairs = all(&|line| line.matches(BETWEEN).count() == 1);
    let mut rows = ObjectRows::new(path);
    for (line, number) in lines() {
        match std::str::from_utf8(line) {
            Err(error) => rows.table.push_problem(number, not_utf8(error.valid_up_to())),
            Ok(text) => match text.split_once(BETWEEN).filter(|_| has_pairs) {
                Some((source, target)) => {
                    rows.push(number, json!({"source": source.trim(), "target": target.trim()}))?
                }
                None => rows.push(number, json!({"text": text.trim_end()}))?,
            },
        }
    }
    rows.table.layout = if has_pairs { Layout::Pairs } else { Layout::Lines(gaps(bytes)) };
    let n = rows.table.rows.len();
    rows.table.notes.push(match has_pairs {
        true => sentence!("Each of {n} lines is a row: a source, {between}, a target", n, between = BETWEEN),
        false if all(&|line| line.contains('\t')) => sentence!(
            "Each of {n} lines is a text to be learned as a whole; their tabs would separate columns in a .tsv file with a header",
            n
        ),
        false => sentence!("Each of {n} lines is a text to be learned as a whole", n),
    });
    Ok(rows.table)
}

/// Of the lines that are texts, those that an empty line stands before.
fn gaps(bytes: &[u8]) -> Vec<usize> {
    let (mut gaps, mut n, mut is_after_empty) = (Vec::new(), 0, false);
    for line in bytes.split(|&byte| byte == b'\n') {
        if line.trim_ascii().is_empty() {
            is_after_empty = true;
        } else if std::str::from_utf8(line).is_ok() {
            if is_after_empty {
                gaps.push(n);
            }
            (n, is_after_empty) = (n + 1, false);
        }
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_text_or_a_source_with_its_target() {
        let read = |text: &[u8]| read(text, Path::new("x.txt")).unwrap();
        let plain = read(b"One day.\r\n\n  Two || days.\nThree.\xFF\n");
        assert_eq!(plain.columns, ["text"]);
        let texts: Vec<_> = plain.rows.iter().map(|row| (row.number, row.text(0).into_owned())).collect();
        assert_eq!(texts, [(1, "One day.".to_owned()), (2, "  Two || days.".to_owned())]);
        assert_eq!((plain.problems[0].row, plain.n_problems), (3, 1));
        assert!(plain.problems[0].reason.to_string().ends_with("(line 4)"), "{:?}", plain.problems);
        let pairs = read(b"name : X | Type : pub || X is a pub . \nname : Y || Y is .\n");
        assert_eq!(pairs.columns, ["source", "target"]);
        assert_eq!(pairs.rows[0].text(0), "name : X | Type : pub");
        assert_eq!(pairs.rows[0].text(1), "X is a pub .");
        assert!(read(b"a\tb\nc\td\n").notes[0].to_string().contains(".tsv"));
    }
}
