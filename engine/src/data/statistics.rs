//! Statistics of a dataset: its rows and columns, what repeats, what is empty, and what a model's context makes of it.
//!
//! One pass in bounded memory: lengths are counted by value, rows and sources are known by a hash of 64 bits.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::columns::Roles;
use super::dataset::Dataset;
use super::large::{self, Holding};
use super::report::DataReport;
use super::spread::{Counts, Spread};
use super::table::{Problem, Row, Table};
use super::tokenizer::Tokenizer;
use crate::Sentence;
use crate::config::{DataConfig, TaskRecord, Truncate};
use crate::error::Result;
use crate::tokens::TargetStart;

/// Bytes of the longest name of a class.
const MAX_CLASS_BYTES: usize = 64;
/// Different values of a column of classes, at most.
const MAX_CLASSES: usize = 1000;
/// Reasons for rows left out that are told apart.
const REASONS: usize = 50;

/// Statistics of a dataset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DataStatistics {
    /// Rows that can be read.
    pub rows: usize,
    /// Rows that cannot.
    pub unreadable: usize,
    /// Every column, in order.
    pub columns: Vec<ColumnStatistics>,
    /// Characters of all columns of a row together.
    pub characters: Spread,
    /// Tokens of a row as it is trained, before it is cut; `None` without a model.
    pub tokens: Option<TokenStatistics>,
    /// Rows that equal an earlier one in every column.
    pub duplicates: usize,
    /// Rows whose source an earlier row has with another target.
    pub other_targets: usize,
    /// The columns that source and target would be; empty where none looks like it.
    pub source_column: String,
    /// As [`DataStatistics::source_column`].
    pub target_column: String,
    /// Values of the target's column with their number, the most frequent first, where they are few enough to be classes.
    pub classes: Vec<(String, usize)>,
    /// Validation rows among the training rows; `None` without a file of them.
    pub overlap: Option<Overlap>,
    /// Rows left out, by reason, with the number of the first: those that cannot be read, and with a model those that nothing
    /// can be learned of.
    pub left_out: Vec<LeftOut>,
    /// Notes on how the file was read, a sentence each.
    pub notes: Vec<Sentence>,
}

/// A column in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnStatistics {
    /// Name of the column.
    pub name: String,
    /// Rows that have nothing in it.
    pub empty: usize,
    /// Characters of its texts; what is no text counts as JSON. Empty ones are left out.
    pub characters: Spread,
    /// Tokens of its texts, with a model.
    pub tokens: Option<Spread>,
}

/// Rows as they are trained.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TokenStatistics {
    /// Tokens of a row before it is cut.
    pub lengths: Spread,
    /// Lengths to be drawn: of many rows as many as show their distribution.
    pub drawn: Vec<u32>,
    /// Tokens that a row may have.
    pub limit: usize,
    /// The rule by which longer rows are cut.
    pub truncate: Truncate,
    /// Rows that are cut.
    pub cut: usize,
    /// Those of them that lose all that they ask.
    pub lost_prompts: usize,
    /// Rows that are used.
    pub used: usize,
}

/// Validation rows beside training rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// Validation rows.
    pub rows: usize,
    /// Those that equal a training row in the columns of source and target.
    pub same: usize,
    /// Those whose source a training row has.
    pub same_source: usize,
}

/// Rows left out for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The reason, as it is said of the first of them.
    pub reason: Sentence,
    /// Number of rows.
    pub rows: usize,
    /// Number of the first row, from 1.
    pub first: usize,
}

/// A model's part in statistics.
#[derive(Clone, Copy)]
pub struct StatisticsOf<'a> {
    /// Tokenizer of the model.
    pub tokenizer: &'a Tokenizer,
    /// The task that is learned of a row.
    pub task: &'a TaskRecord,
    /// What stands before a target that is written from a source.
    pub start: TargetStart,
    /// Tokens that a row may have.
    pub max_tokens: usize,
}

impl DataStatistics {
    /// Of the rows of `config.train`, held against those of `config.validation`; with a model also in tokens, by the
    /// configuration's templates. Rows that a run would leave out are named, whether all are left out or not.
    ///
    /// # Errors
    /// A file cannot be read, or with a model the settings do not fit the rows.
    pub fn of(config: &DataConfig, model: Option<StatisticsOf<'_>>, holding: &Holding) -> Result<Self> {
        let mut survey = Survey::default();
        large::tables(&config.train, holding, &mut |table| {
            survey.add(table, config, model.map(|model| model.tokenizer));
            Ok(())
        })?;
        let overlap = config.validation.as_deref().map(|path| survey.overlap(path, config, holding)).transpose()?;
        let mut statistics = survey.finished(overlap);
        if let Some(model) = model {
            let plain = DataConfig {
                validation: None,
                validation_share: 0.0,
                train_rows: None,
                more: Vec::new(),
                ..config.clone()
            };
            let of = (model.start, model.max_tokens);
            let report = Dataset::load_holding(&plain, model.task, of, model.tokenizer, 0, holding)?.report;
            statistics.take(report);
        }
        Ok(statistics)
    }

    /// Takes in what a run would make of the rows.
    fn take(&mut self, report: DataReport) {
        let mut lengths = Counts::default();
        report.lengths.iter().for_each(|&length| lengths.add(length.into()));
        self.tokens = Some(TokenStatistics {
            lengths: lengths.spread(),
            drawn: lengths.drawn(),
            limit: report.max_tokens,
            truncate: report.truncate,
            cut: report.truncated_rows,
            lost_prompts: report.bare_prompts,
            used: report.train_rows,
        });
        (self.source_column, self.target_column) = (report.source_column, report.target_column);
        self.notes = report.notes;
        self.left_out = by_reason(&report.skipped);
        let named: usize = self.left_out.iter().map(|of| of.rows).sum();
        // Of very many only the first are kept with their reason.
        if let Some(more) = report.skipped_rows.checked_sub(named).filter(|more| *more > 0) {
            let first = report.skipped.last().map_or(0, |problem| problem.row + 1);
            self.left_out.push(LeftOut {
                reason: crate::sentence!("more, whose reasons were not kept"),
                rows: more,
                first,
            });
        }
    }
}

/// Rows left out, grouped by the form of their reason.
fn by_reason(problems: &[Problem]) -> Vec<LeftOut> {
    let mut found: Vec<(String, LeftOut)> = Vec::new();
    for problem in problems {
        let form = problem.reason.form();
        match found.iter().position(|(known, _)| *known == form) {
            Some(at) => found[at].1.rows += 1,
            None if found.len() < REASONS => {
                found.push((form, LeftOut { reason: problem.reason.clone(), rows: 1, first: problem.row }));
            }
            None => {}
        }
    }
    let mut found: Vec<LeftOut> = found.into_iter().map(|(_, of)| of).collect();
    found.sort_by_key(|of| (std::cmp::Reverse(of.rows), of.first));
    found
}

/// A column on its way.
#[derive(Clone, Debug, Default)]
struct Column {
    name: String,
    filled: usize,
    characters: Counts,
    tokens: Counts,
}

/// A file on its way.
#[derive(Default)]
struct Survey {
    rows: usize,
    columns: Vec<Column>,
    together: Counts,
    has_tokens: bool,
    known: HashSet<u64>,
    duplicates: usize,
    /// The first target of each source, by their hashes.
    sources: HashMap<u64, u64>,
    pairs: HashSet<u64>,
    other_targets: usize,
    roles: Option<Roles>,
    names: (String, String),
    classes: Option<HashMap<String, usize>>,
    problems: Vec<Problem>,
    unreadable: usize,
    notes: Vec<Sentence>,
}

/// A row in numbers, made on any core.
struct RowNumbers {
    /// Column, characters, tokens.
    cells: Vec<(usize, u64, u64)>,
    whole: u64,
    source: u64,
    target: u64,
    class: Option<String>,
}

impl Survey {
    fn add(&mut self, table: &Table, config: &DataConfig, tokenizer: Option<&Tokenizer>) {
        if self.roles.is_none() {
            self.roles = roles_of(table, config);
            self.names = self
                .roles
                .as_ref()
                .map_or_else(Default::default, |roles| (roles.source_name(table), table.columns[roles.target].clone()));
            self.classes = self.roles.as_ref().map(|_| HashMap::new());
        }
        self.has_tokens = tokenizer.is_some();
        for name in table.columns.iter().skip(self.columns.len()) {
            self.columns.push(Column { name: name.clone(), ..Column::default() });
        }
        let roles = self.roles.clone();
        let rows: Vec<RowNumbers> =
            table.rows.par_iter().map(|row| row_numbers(row, table, roles.as_ref(), tokenizer)).collect();
        rows.into_iter().for_each(|row| self.add_row(row));
        self.unreadable += table.n_problems;
        self.problems.extend_from_slice(&table.problems);
        self.notes.clone_from(&table.notes);
    }

    fn add_row(&mut self, row: RowNumbers) {
        self.rows += 1;
        self.together.add(row.cells.iter().map(|(_, characters, _)| characters).sum());
        for (column, characters, tokens) in row.cells {
            let column = &mut self.columns[column];
            column.filled += 1;
            column.characters.add(characters);
            if self.has_tokens {
                column.tokens.add(tokens);
            }
        }
        self.duplicates += usize::from(!self.known.insert(row.whole));
        if self.roles.is_none() {
            return;
        }
        let first = *self.sources.entry(row.source).or_insert(row.target);
        self.other_targets += usize::from(first != row.target);
        self.pairs.insert(hash(&(row.source, row.target)));
        if let Some(classes) = &mut self.classes
            && let Some(class) = row.class
        {
            let is_text = class.len() > MAX_CLASS_BYTES;
            *classes.entry(class).or_insert(0) += 1;
            // One text that is no name of a class: the column holds texts.
            if is_text || classes.len() > MAX_CLASSES {
                self.classes = None;
            }
        }
    }

    /// The validation rows beside these.
    fn overlap(&self, path: &Path, config: &DataConfig, holding: &Holding) -> Result<Overlap> {
        let mut overlap = Overlap::default();
        large::tables(path, holding, &mut |table| {
            // The file may call its columns otherwise; those of the training file are looked for first.
            let named = DataConfig {
                source_column: Some(self.names.0.clone()),
                target_column: Some(self.names.1.clone()),
                ..config.clone()
            };
            let roles = roles_of(table, &named).or_else(|| roles_of(table, config));
            overlap.rows += table.rows.len();
            for row in &table.rows {
                let Some(roles) = &roles else { continue };
                let (source, target) = (hash(&roles.source_text(row)), hash(&roles.target_text(row)));
                overlap.same += usize::from(self.pairs.contains(&hash(&(source, target))));
                overlap.same_source += usize::from(!roles.source.is_empty() && self.sources.contains_key(&source));
            }
            Ok(())
        })?;
        Ok(overlap)
    }

    fn finished(self, overlap: Option<Overlap>) -> DataStatistics {
        let (rows, has_tokens) = (self.rows, self.has_tokens);
        let column = |column: Column| ColumnStatistics {
            name: column.name,
            empty: rows - column.filled,
            characters: column.characters.spread(),
            tokens: has_tokens.then(|| column.tokens.spread()),
        };
        // Values that are nearly all different are texts.
        let classes = self.classes.filter(|classes| classes.len() * 2 <= rows).unwrap_or_default();
        let mut classes: Vec<(String, usize)> = classes.into_iter().collect();
        classes.sort_by(|(a, n), (b, m)| m.cmp(n).then_with(|| a.cmp(b)));
        DataStatistics {
            rows,
            unreadable: self.unreadable,
            columns: self.columns.into_iter().map(column).collect(),
            characters: self.together.spread(),
            tokens: None,
            duplicates: self.duplicates,
            other_targets: self.other_targets,
            source_column: self.names.0,
            target_column: self.names.1,
            classes,
            overlap,
            left_out: by_reason(&self.problems),
            notes: self.notes,
        }
    }
}

/// The columns of source and target, as named or as they look; a file need not have them.
fn roles_of(table: &Table, config: &DataConfig) -> Option<Roles> {
    match &table.roles {
        Some(roles) => Some(roles.clone()),
        None => Roles::resolve(table, config.source_column.as_deref(), config.target_column.as_deref()).ok(),
    }
}

fn row_numbers(row: &Row, table: &Table, roles: Option<&Roles>, tokenizer: Option<&Tokenizer>) -> RowNumbers {
    let mut cells = Vec::new();
    let mut whole = DefaultHasher::new();
    for (column, _) in row.cells() {
        let text = row.text(*column);
        (&table.columns[*column], &text).hash(&mut whole);
        if row.is_filled(*column) {
            // A text that the vocabulary cannot express has no tokens; a run says so.
            let tokens = tokenizer.map_or(0, |tokenizer| tokenizer.encode(&text).map_or(0, |ids| ids.len()));
            cells.push((*column, text.chars().count() as u64, tokens as u64));
        }
    }
    let source = roles.map_or(0, |roles| hash(&roles.source_text(row)));
    let target = roles.map_or(0, |roles| hash(&roles.target_text(row)));
    let class = roles.and_then(|roles| match row.cell(roles.target) {
        Value::Array(_) | Value::Object(_) | Value::Null => None,
        _ => Some(row.text(roles.target).trim().to_owned()).filter(|class| !class.is_empty()),
    });
    RowNumbers { cells, whole: whole.finish(), source, target, class }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::super::tokenizer::byte_tokenizer;
    use super::*;
    use crate::sentence;

    fn file(folder: &Path, name: &str, rows: &[&str]) -> std::path::PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, rows.join("\n")).unwrap();
        path
    }

    #[test]
    fn a_file_made_by_hand_has_the_numbers_that_were_counted_by_hand() {
        let folder = tempfile::tempdir().unwrap();
        let train = file(
            folder.path(),
            "t.jsonl",
            &[
                r#"{"source": "ab", "target": "x", "note": "n"}"#,
                r#"{"source": "ab", "target": "x", "note": "n"}"#,
                r#"{"source": "ab", "target": "yy", "note": ""}"#,
                r#"{"source": "你好吗", "target": "x"}"#,
                r#"{"source": "cdefghij", "target": "yy", "note": null}"#,
                "{broken",
                r#"{"source": "k", "target": ""}"#,
            ],
        );
        let validation = file(
            folder.path(),
            "v.jsonl",
            &[
                r#"{"source": "ab", "target": "yy"}"#,
                r#"{"source": "k", "target": "x"}"#,
                r#"{"source": "new", "target": "x"}"#,
            ],
        );
        let config = DataConfig { validation: Some(validation), ..DataConfig::new(train) };
        let statistics = DataStatistics::of(&config, None, &Holding::default()).unwrap();
        assert_eq!((statistics.rows, statistics.unreadable, statistics.duplicates), (6, 1, 1));
        assert_eq!(statistics.other_targets, 1, "ab is answered by x and by yy");
        assert_eq!((statistics.source_column.as_str(), statistics.target_column.as_str()), ("source", "target"));
        let empty: Vec<usize> = statistics.columns.iter().map(|column| column.empty).collect();
        assert_eq!(empty, [0, 1, 4]);
        // Sources of 2, 2, 2, 3, 8 and 1 characters.
        let Spread { count, min, median, max, sum, .. } = statistics.columns[0].characters;
        assert_eq!((count, min, median, max, sum), (6, 1, 2, 8, 18));
        // 4, 4, 4, 4, 10 and 1 characters.
        let Spread { min, median, p90, max, .. } = statistics.characters;
        assert_eq!((min, median, p90, max), (1, 4, 10, 10));
        assert_eq!(statistics.classes, [("x".to_owned(), 3), ("yy".to_owned(), 2)]);
        assert_eq!(statistics.overlap, Some(Overlap { rows: 3, same: 1, same_source: 2 }));
        assert_eq!((statistics.left_out.len(), statistics.left_out[0].first), (1, 6));
        let large = Holding { large: 0, part: 2, ..Holding::default() };
        assert_eq!(DataStatistics::of(&config, None, &large).unwrap(), statistics, "part by part");
        let long = format!(r#"{{"source": "k", "target": "{}"}}"#, "y".repeat(65));
        let short = r#"{"source": "k", "target": "x"}"#;
        let texts = DataConfig::new(file(folder.path(), "long.jsonl", &[short, short, short, &long]));
        let of_texts = DataStatistics::of(&texts, None, &Holding::default()).unwrap();
        assert!(of_texts.classes.is_empty(), "a column with a text in it has no classes");
    }

    #[test]
    fn with_a_model_rows_are_told_in_tokens() {
        let folder = tempfile::tempdir().unwrap();
        let rows =
            [r#"{"source": "ab", "target": "x"}"#, r#"{"source": "abcdef", "target": "yz"}"#, r#"{"source": "a"}"#];
        let config = DataConfig::new(file(folder.path(), "t.jsonl", &rows));
        let (tokenizer, task) = (byte_tokenizer(), TaskRecord::default());
        let model = StatisticsOf { tokenizer: &tokenizer, task: &task, start: TargetStart::default(), max_tokens: 8 };
        let statistics = DataStatistics::of(&config, Some(model), &Holding::default()).unwrap();
        let tokens = statistics.tokens.unwrap();
        // Source, begin token, space, target, end token.
        assert_eq!((tokens.drawn.as_slice(), tokens.limit, tokens.cut, tokens.used), ([6, 11].as_slice(), 8, 1, 2));
        assert_eq!(statistics.columns[0].tokens.map(|tokens| tokens.max), Some(6));
        let reason = sentence!("it has no {name:?}", name = "target");
        assert_eq!(statistics.left_out, [LeftOut { reason, rows: 1, first: 3 }]);
    }
}
