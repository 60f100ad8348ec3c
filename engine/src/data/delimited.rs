//! `.csv` and `.tsv`: a header row, then as many fields in each row.

use std::collections::HashMap;
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::reader::not_utf8;
use super::table::{MAX_COLUMNS, Table};
use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

/// Separators that are told apart; of two that fit equally well the first.
const SEPARATORS: [u8; 4] = [b',', b'\t', b';', b'|'];
/// Records that are looked at to tell them apart, with the header.
const PROBE: usize = 50;
/// Stands between fields of a file that has one column: in no text.
const NO_SEPARATOR: u8 = 0x1F;

pub(super) fn read_csv(bytes: &[u8], path: &Path) -> Result<Table> {
    let mut table = read(bytes, path, Dialect::of_csv(bytes))?;
    table.notes.extend(note_on_columns(&table.columns));
    Ok(table)
}

/// Many `.tsv` files are written without quoting and hold lone quotation marks, which would swallow lines: the reading
/// with fewer broken rows wins, then that with more rows.
pub(super) fn read_tsv(bytes: &[u8], path: &Path) -> Result<Table> {
    let Some(dialect) = Dialect::of_tsv(bytes) else { return read_csv(bytes, path) };
    let quoted = read(bytes, path, dialect)?;
    if !bytes.contains(&b'"') {
        return Ok(quoted);
    }
    let plain = read(bytes, path, Dialect { quoting: false, ..dialect })?;
    let rank = |table: &Table| (table.n_problems, usize::MAX - table.rows.len());
    Ok(if rank(&plain) < rank(&quoted) { plain } else { quoted })
}

/// The separator that a first line `sep=;` names, as Excel writes it, and the length of that line in bytes.
fn said_separator(bytes: &[u8]) -> (Option<u8>, usize) {
    let line = bytes.split_inclusive(|&b| b == b'\n').next().unwrap_or_default();
    // The separator may be white space.
    let said = line.trim_ascii_start().to_ascii_lowercase();
    let said = said.strip_prefix(b"\"").unwrap_or(&said);
    match said.strip_prefix(b"sep=") {
        Some([separator, b'\r' | b'\n' | b'"', ..]) => (Some(*separator), line.len()),
        _ => (None, 0),
    }
}

/// The separator with which the most of the first records have as many fields as the header, then the one that gives
/// the most fields; `None` when the header has one field with each.
fn separator_of(bytes: &[u8], separators: &[u8]) -> Option<u8> {
    let mut best: Option<(u8, (usize, usize))> = None;
    for &separator in separators {
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(separator).from_reader(bytes);
        let widths: Vec<usize> = reader.byte_records().take(PROBE).flatten().map(|record| record.len()).collect();
        let Some((&header, rows)) = widths.split_first().filter(|(header, _)| **header > 1) else { continue };
        let rank = (rows.iter().filter(|&&width| width == header).count(), header);
        if best.is_none_or(|(_, known)| rank > known) {
            best = Some((separator, rank));
        }
    }
    best.map(|(separator, _)| separator)
}

/// A note on a table that has one column.
pub(super) fn note_on_columns(columns: &[String]) -> Option<Sentence> {
    let [only] = columns else { return None };
    Some(sentence!("The table has one column, {only:?}; its fields may be separated by other marks", only))
}

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dialect {
    /// Between fields.
    pub(super) separator: u8,
    /// Quotation marks hold fields together.
    pub(super) quoting: bool,
    /// Bytes before the header.
    pub(super) skipped: usize,
}

impl Dialect {
    /// As the first bytes of a `.csv` say.
    pub(super) fn of_csv(start: &[u8]) -> Self {
        let (said, skipped) = said_separator(start);
        let separator = said.or_else(|| separator_of(&start[skipped..], &SEPARATORS)).unwrap_or(NO_SEPARATOR);
        Self { separator, quoting: true, skipped }
    }

    /// With tabs between fields, if the header has one.
    pub(super) fn of_tsv(start: &[u8]) -> Option<Self> {
        let header = start.split(|&b| b == b'\n').next().unwrap_or_default();
        header.contains(&b'\t').then_some(Self { separator: b'\t', quoting: true, skipped: 0 })
    }
}

/// A record behind the header.
pub(super) enum Record {
    /// A cell for each column.
    Row(Vec<(usize, Value)>),
    /// What is wrong with it, and the line that it begins in.
    Problem(usize, Sentence),
}

/// The records of a table, one after another.
pub(super) struct Records<R, L> {
    path: PathBuf,
    reader: csv::Reader<R>,
    record: csv::ByteRecord,
    /// The same text again, to count lines.
    lines: Lines<L>,
    skipped: usize,
    /// Names of the columns, once a record was asked for.
    pub(super) columns: Vec<String>,
    /// The line in which the last record began.
    last_line: usize,
    is_over: bool,
}

impl<R: Read, L: BufRead> Records<R, L> {
    /// Of a text without the bytes that its dialect skips, and of the whole text.
    pub(super) fn new(path: &Path, text: R, whole: L, dialect: Dialect) -> Self {
        let reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(dialect.separator)
            .quoting(dialect.quoting)
            .from_reader(text);
        let mut lines = Lines { text: whole, offset: 0, line: 1 };
        lines.line_at(dialect.skipped);
        Self {
            path: path.to_owned(),
            reader,
            record: csv::ByteRecord::new(),
            lines,
            skipped: dialect.skipped,
            columns: Vec::new(),
            last_line: 0,
            is_over: false,
        }
    }

    /// The next one; `None` behind the last.
    ///
    /// # Errors
    /// The header cannot be one.
    pub(super) fn next(&mut self) -> Result<Option<Record>> {
        while !self.is_over {
            match self.reader.read_byte_record(&mut self.record) {
                Ok(true) => {}
                Ok(false) => self.is_over = true,
                Err(error) => {
                    self.is_over = true;
                    let line = self.lines.line_at(self.skipped + self.reader.position().byte() as usize);
                    return Ok(Some(Record::Problem(line, Sentence::verbatim(error))));
                }
            }
            let record = &self.record;
            let is_blank = record.len() == 1 && record.get(0).is_none_or(|field| field.trim_ascii().is_empty());
            if self.is_over || is_blank {
                continue;
            }
            self.last_line = self.lines.line_at(self.skipped + record.position().map_or(0, |p| p.byte() as usize));
            if self.columns.is_empty() {
                self.columns = header(record, &self.path)?;
                continue;
            }
            return Ok(Some(match cells(record, &self.columns) {
                Ok(cells) => Record::Row(cells),
                Err(reason) => Record::Problem(self.last_line, reason),
            }));
        }
        Ok(None)
    }
}

fn read(bytes: &[u8], path: &Path, dialect: Dialect) -> Result<Table> {
    let text = &bytes[dialect.skipped..];
    let mut records = Records::new(path, text, bytes, dialect);
    let mut table = Table::new(path);
    while let Some(record) = records.next()? {
        match record {
            Record::Row(cells) => table.push_row(cells),
            Record::Problem(line, reason) => table.push_problem(line, reason),
        }
    }
    table.columns = records.columns;
    if dialect.quoting && ends_inside_a_quote(text) {
        name_the_open_quote(&mut table, records.last_line);
    }
    Ok(table)
}

/// Counts lines as an editor does; the reader's own count begins a row before the end of the line above.
struct Lines<L> {
    text: L,
    offset: usize,
    line: usize,
}

impl<L: BufRead> Lines<L> {
    /// The line of the first character at or after `offset` that is no line end; offsets only grow.
    fn line_at(&mut self, offset: usize) -> usize {
        let is_line_end = |b: &u8| matches!(b, b'\n' | b'\r');
        while let Some(byte) = self.text.fill_buf().ok().and_then(|part| part.first().copied())
            && (self.offset < offset || is_line_end(&byte))
        {
            self.line += usize::from(byte == b'\n');
            self.offset += 1;
            self.text.consume(1);
        }
        self.line
    }
}

fn header(record: &csv::ByteRecord, path: &Path) -> Result<Vec<String>> {
    if record.len() > MAX_COLUMNS {
        return Err(EngineError::Malformed {
            what: sentence!("the dataset"),
            path: path.to_owned(),
            reason: sentence!(
                "its header has {n} columns, more than {max_columns}",
                n = record.len(),
                max_columns = MAX_COLUMNS
            ),
        });
    }
    let mut names: Vec<String> = Vec::with_capacity(record.len());
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (index, field) in record.iter().enumerate() {
        let name = std::str::from_utf8(field).map_err(|e| EngineError::Malformed {
            what: sentence!("the dataset"),
            path: path.to_owned(),
            reason: sentence!("the header: {reason}", reason = not_utf8(e.valid_up_to())),
        })?;
        let mut name = name.trim().to_owned();
        if name.is_empty() {
            name = format!("column {}", index + 1);
        }
        names.push(only_one(name, &mut seen));
    }
    Ok(names)
}

/// The name, or for one that there is already the next number behind it.
fn only_one(name: String, seen: &mut HashMap<String, usize>) -> String {
    let mut n = seen.get(&name).copied().unwrap_or(0);
    let mut only = name.clone();
    while seen.contains_key(&only) {
        n += 1;
        only = if n == 1 { format!("{name} again") } else { format!("{name} again {n}") };
    }
    if n > 0 {
        seen.insert(name, n); // the next of this name goes on counting
    }
    seen.insert(only.clone(), 0);
    only
}

fn cells(record: &csv::ByteRecord, columns: &[String]) -> Result<Vec<(usize, Value)>, Sentence> {
    if record.len() != columns.len() {
        return Err(sentence!(
            "it has {n} fields, the header has {n_columns}",
            n = record.len(),
            n_columns = columns.len()
        ));
    }
    record
        .iter()
        .enumerate()
        .map(|(column, field)| match std::str::from_utf8(field) {
            Ok(text) => Ok((column, Value::String(text.to_owned()))),
            Err(e) => {
                Err(sentence!("{column:?}: {reason}", column = columns[column], reason = not_utf8(e.valid_up_to())))
            }
        })
        .collect()
}

/// The last quotation mark that begins a field is never closed: marks are odd in number and none ends the file.
fn ends_inside_a_quote(bytes: &[u8]) -> bool {
    bytes.iter().filter(|&&b| b == b'"').count() % 2 == 1 && !bytes.trim_ascii_end().ends_with(b"\"")
}

/// A field that is never closed swallows the rest of the file, which would pass for one very long row.
fn name_the_open_quote(table: &mut Table, line: usize) {
    let swallowed = table
        .rows
        .last()
        .is_some_and(|row| table.columns.len().checked_sub(1).is_some_and(|c| row.text(c).contains('\n')));
    if swallowed && table.rows.pop().is_some() {
        table.push_problem(line, sentence!("a quotation mark is opened here and never closed"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(table: &Table) -> Vec<Vec<String>> {
        let n = table.columns.len();
        table.rows.iter().map(|row| (0..n).map(|c| row.text(c).into_owned()).collect()).collect()
    }

    #[test]
    fn quoted_newlines_and_commas_stay_in_their_field() {
        let table =
            read_csv(b"source,target\r\n\"a\nb\",\"say \"\"hi\"\", you\"\r\n\r\nc,d\r\n", Path::new("x.csv")).unwrap();
        assert_eq!(table.columns, ["source", "target"]);
        assert_eq!(texts(&table), [["a\nb", "say \"hi\", you"], ["c", "d"]]);
        assert_eq!(table.rows.iter().map(|r| r.number).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn rows_of_another_width_or_encoding_are_named() {
        let table = read_csv(b"a,b\n1\n1,2,3\n\xFF,2\nx,y\n", Path::new("x.csv")).unwrap();
        assert_eq!(texts(&table), [["x", "y"]]);
        let reasons: Vec<_> = table.problems.iter().map(|p| (p.row, p.reason.to_string())).collect();
        assert_eq!(reasons[0], (1, "it has 1 fields, the header has 2 (line 2)".to_owned()));
        assert_eq!(reasons[2], (3, "\"a\": byte 1 is not UTF-8 text (line 4)".to_owned()));
    }

    #[test]
    fn a_quote_that_is_never_closed_is_named() {
        let table = read_csv(b"a,b\nx,y\nz,\"open\nq,r\ns,t\n", Path::new("x.csv")).unwrap();
        assert_eq!(texts(&table), [["x", "y"]]);
        assert_eq!(table.problems[0].row, 2);
        assert!(table.problems[0].reason.to_string().ends_with("(line 3)"), "{:?}", table.problems);
    }

    #[test]
    fn tsv_reads_quoted_and_plain_files() {
        let plain = read_tsv(b"a\tb\n\"x\ty\n5\" nail\tz\n", Path::new("x.tsv")).unwrap();
        assert_eq!(texts(&plain), [["\"x", "y"], ["5\" nail", "z"]]);
        let quoted = read_tsv(b"a\tb\n\"x\ty\"\tz\n", Path::new("x.tsv")).unwrap();
        assert_eq!(texts(&quoted), [["x\ty", "z"]]);
    }

    #[test]
    fn headers_get_names_and_semicolons_are_seen() {
        let table = read_csv(b"a;a;\n1;2;3\n", Path::new("x.csv")).unwrap();
        assert_eq!(table.columns, ["a", "a again", "column 3"]);
        let table = read_csv(b"a,a,a again,a,a\n", Path::new("x.csv")).unwrap();
        assert_eq!(table.columns, ["a", "a again", "a again again", "a again 2", "a again 3"]);
    }

    #[test]
    fn a_header_of_equal_names_is_read_name_by_name() {
        let table = read_csv("a,".repeat(4000).trim_end_matches(',').as_bytes(), Path::new("x.csv")).unwrap();
        let different: std::collections::BTreeSet<&String> = table.columns.iter().collect();
        assert_eq!((table.columns.len(), different.len()), (4000, 4000));
        let wide = read_csv("a,".repeat(60_000).as_bytes(), Path::new("x.csv")).unwrap_err();
        assert!(wide.to_string().contains("4096"), "{wide}");
    }

    #[test]
    fn the_separator_is_told_by_the_header_and_the_rows() {
        for (text, columns, first) in [
            ("source\ttarget\na, b\tc\n", vec!["source", "target"], vec!["a, b", "c"]),
            (
                "source;target;score, mean\na;b;0,5\nc;d;1,5\n",
                vec!["source", "target", "score, mean"],
                vec!["a", "b", "0,5"],
            ),
            ("source|target\na, b|c; d\n", vec!["source", "target"], vec!["a, b", "c; d"]),
            ("source,target\n\"a;b\nc\",d;e\n", vec!["source", "target"], vec!["a;b\nc", "d;e"]),
            ("sep=;\nsource;target, all\na,1;b\n", vec!["source", "target, all"], vec!["a,1", "b"]),
            ("sep=\t\r\nsource\ttarget\r\na\tb\r\n", vec!["source", "target"], vec!["a", "b"]),
            ("text\nWell, yes; no\n", vec!["text"], vec!["Well, yes; no"]),
        ] {
            let table = read_csv(text.as_bytes(), Path::new("x.csv")).unwrap();
            assert_eq!(
                (&table.columns, &texts(&table)[0]),
                (&columns.iter().map(|&c| c.to_owned()).collect(), &first.iter().map(|&c| c.to_owned()).collect()),
                "{text}"
            );
            assert_eq!(table.notes.len(), usize::from(columns.len() == 1), "{text}");
        }
        let commas = read_tsv(b"source,target\na,b\n", Path::new("x.tsv")).unwrap();
        assert_eq!(commas.columns, ["source", "target"]);
        let broken = read_csv(b"sep=;\na;b\n1\n", Path::new("x.csv")).unwrap();
        assert!(broken.problems[0].reason.to_string().ends_with("(line 3)"), "{:?}", broken.problems);
    }
}
