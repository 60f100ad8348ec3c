//! Files of rows that are too large for memory: read row by row, encoded part by part, and kept as a file of encoded rows.
//!
//! The first pass finds the columns and keeps the rows by which a form and its columns are known; the second encodes. Between
//! them the names of classes and tasks are gathered, where rows name them. What only the whole table tells (the forms of
//! papers, lists of references, candidates) is read whole, whatever its size.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::classification::{add_classes, classes_named};
use super::columns::Roles;
use super::conversation::{self, check_read, is_chat, unfolded, unfolded_as};
use super::encode::{Encoded, Encoder, nothing_left, token_limit};
use super::files::{self as streams, RowStream};
use super::prepared::{Prepared, prompts_of, second_column, task_column};
use super::reader::{check_file, read_table};
use super::row_bytes::can_be_written;
use super::store::{RowWriter, Store};
use super::table::{ObjectRows, Problem, Table};
use super::tasks::{add_names, assign, tasks_named};
use super::tokenizer::Tokenizer;
use super::{forms, known_forms, row_cache};
use crate::Sentence;
use crate::config::{CandidateSource, DataConfig, References, Task, TaskRecord};
use crate::error::{EngineError, Result};
use crate::sentence;
use crate::tokens::TargetStart;

/// Filled cells of a column by which it is known.
const PROBE: u8 = 20;
/// First rows that are kept to be shown.
const SHOWN: usize = 256;
/// Bytes of values, about, that are encoded at once.
const PART: usize = 8 << 20;
/// Rows left out that are kept with their reason.
const NAMED: usize = 1000;
/// Columns pack rows to about a fourth of what they are as JSON.
const PACKED: u64 = 4;

/// Where the rows of large files are held.
#[derive(Clone, Debug)]
pub struct Holding {
    /// Bytes of a file above which it is large.
    pub large: u64,
    /// Folder in which encoded rows outlive the program; without one they are in a file that is gone with the last reader.
    pub cache: Option<PathBuf>,
    /// Most rows that are encoded at once.
    pub part: usize,
    /// First rows of a large file that are looked at; none means all.
    pub sample: Option<usize>,
}

impl Default for Holding {
    fn default() -> Self {
        Self { large: 64 << 20, cache: None, part: 4096, sample: None }
    }
}

impl Holding {
    /// With a folder that keeps encoded rows.
    pub fn cached(cache: Option<&Path>) -> Self {
        Self { cache: cache.map(Path::to_owned), ..Self::default() }
    }
}

/// The encoded rows of a large file.
pub(super) struct Large {
    pub(super) store: Arc<Store>,
    /// Tokens of each row before it was cut.
    pub(super) uncut: Vec<u32>,
    pub(super) facts: Facts,
    /// The file that was there already.
    pub(super) kept: Option<PathBuf>,
}

/// Facts about the rows of a file that are not in the rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Facts {
    columns: Vec<String>,
    pub(super) unread_columns: Vec<String>,
    notes: Vec<Sentence>,
    source: Vec<usize>,
    target: usize,
    chat: bool,
    task: TaskRecord,
    pub(super) total_rows: usize,
    skipped: Vec<(usize, Sentence)>,
    n_skipped: usize,
}

/// The rows of a large file, encoded or found in the cache; nothing for one that is small or read whole.
///
/// # Errors
/// Those of [`Prepared::load`].
pub(super) fn prepared(
    config: &DataConfig,
    task: &TaskRecord,
    (start, max_tokens): (TargetStart, usize),
    tokenizer: &Tokenizer,
    holding: &Holding,
) -> Result<Option<Prepared>> {
    let is_plain = match task.task {
        Task::Causal | Task::Seq2Seq | Task::MaskedFill => true,
        Task::SequenceClassification | Task::TokenClassification | Task::Regression => true,
        Task::QuestionAnswering | Task::MultipleChoice => false,
    };
    if !is_plain || config.candidate_source() != CandidateSource::None {
        return Ok(None);
    }
    check_file(&config.train)?;
    let is_file = config.train.is_file();
    let is_columnar = !is_file || streams::open_stream(&config.train)?.is_some();
    if streams::size(&config.train)? <= if is_columnar { holding.large / PACKED } else { holding.large } {
        return Ok(None);
    }
    let cache = holding.cache.as_deref().filter(|_| is_file && holding.sample.is_none());
    let kept = cache.map(|cache| row_cache::path(cache, config, task, (start, max_tokens), tokenizer)).transpose()?;
    let of = Of { config, task: task.task, start, max_tokens: token_limit(config, max_tokens), tokenizer, holding };
    if let Some(kept) = &kept
        && let Some(found) = of.found(kept)?
    {
        return Ok(Some(found));
    }
    let made = of.made(task, kept.as_deref())?;
    if let (Some(cache), Some(kept), Some(_)) = (cache, &kept, &made) {
        row_cache::tidy(cache, kept);
    }
    Ok(made)
}

/// The rows of a file as they are, a part of them at a time; of a small file all at once.
///
/// # Errors
/// Those of [`read_table`], and of `each`.
pub(super) fn tables(path: &Path, holding: &Holding, each: &mut dyn FnMut(&Table) -> Result<()>) -> Result<()> {
    check_file(path)?;
    let is_columnar = !path.is_file() || streams::open_stream(path)?.is_some();
    let is_large = streams::size(path)? > if is_columnar { holding.large / PACKED } else { holding.large };
    let stream = if is_large { streams::open_large(path)? } else { None };
    let Some(mut stream) = stream else { return each(&read_table(path)?) };
    let (mut table, mut n_before) = (Table::new(path), 0);
    loop {
        table =
            part(&mut *stream, Table { columns: table.columns, n_elsewhere: n_before, ..Table::new(path) }, holding)?;
        if table.total_rows() == n_before {
            return if n_before == 0 { table.check_readable().map(drop) } else { Ok(()) };
        }
        n_before = table.total_rows();
        table.notes = stream.notes();
        each(&table)?;
    }
}

/// The next rows of a stream, behind a table without rows.
fn part(stream: &mut dyn RowStream, table: Table, holding: &Holding) -> Result<Table> {
    let most = holding.sample.unwrap_or(usize::MAX);
    let mut rows = ObjectRows::behind(table);
    let mut bytes = 0;
    while rows.table.rows.len() < holding.part.max(1)
        && bytes < PART
        && rows.table.total_rows() < most
        && let Some(row) = stream.next_row()?
    {
        bytes += row.as_ref().map_or(0, |row| row.values().map(weight).sum());
        add(&mut rows, row)?;
    }
    Ok(rows.table)
}

/// What is made of a file.
struct Of<'a> {
    config: &'a DataConfig,
    task: Task,
    start: TargetStart,
    max_tokens: usize,
    tokenizer: &'a Tokenizer,
    holding: &'a Holding,
}

/// The first pass over a file.
struct Survey {
    /// All columns, and the rows by which they are known.
    probe: Table,
    /// The columns in which a row has a list of several.
    lists: BTreeSet<usize>,
}

impl Of<'_> {
    /// The rows of the cache. What is there and damaged is taken away.
    fn found(&self, kept: &Path) -> Result<Option<Prepared>> {
        if !kept.exists() {
            return Ok(None);
        }
        let opened = Store::open(kept).and_then(|(store, uncut, facts)| {
            let facts: Facts = serde_json::from_slice(&facts).ok()?;
            (facts.target < facts.columns.len()).then_some((store, uncut, facts))
        });
        let Some((store, uncut, facts)) = opened else {
            drop(std::fs::remove_file(kept));
            return Ok(None);
        };
        row_cache::touch(kept);
        let mut table = Table::new(&self.config.train);
        (table.columns, table.notes) = (facts.columns.clone(), facts.notes.clone());
        let large = Large { store: Arc::new(store), uncut, facts, kept: Some(kept.to_owned()) };
        self.settled(table, large).map(Some)
    }

    fn settled(&self, table: Table, large: Large) -> Result<Prepared> {
        let facts = &large.facts;
        let prompts = prompts_of(&DataConfig { chat: facts.chat, ..self.config.clone() }, self.task, self.tokenizer)?;
        Ok(Prepared {
            table,
            roles: Roles { source: facts.source.clone(), target: facts.target },
            prompts,
            task: facts.task.clone(),
            start: self.start,
            encoded: facts.left_out(),
            ranking: None,
            max_tokens: self.max_tokens,
            large: Some(large),
        })
    }

    /// The rows of the file, encoded; nothing where only the whole table tells what they are.
    fn made(&self, task: &TaskRecord, kept: Option<&Path>) -> Result<Option<Prepared>> {
        let (config, tokenizer) = (self.config, self.tokenizer);
        let Some(survey) = self.survey()? else { return Ok(None) };
        let columns = survey.probe.columns.clone();
        let Some(read) = as_it_is(survey.probe, config, self.task)? else { return Ok(None) };
        let asked = [config.source_column.as_deref(), config.target_column.as_deref()];
        let first = unfolded(read.check_readable()?, asked, config.learned_turns, self.task)?;
        let chat = is_chat(config, &first, self.task, tokenizer);
        let prompts = prompts_of(&DataConfig { chat, ..config.clone() }, self.task, tokenizer)?;
        let roles = match &first.roles {
            Some(roles) => roles.clone(),
            None => Roles::resolve(&first, asked[0], asked[1])?,
        };
        roles.check_texts(&first, &prompts.templates, self.task)?;
        check_read(&first, &prompts, tokenizer)?;
        let has_references = survey.lists.contains(&roles.target) && config.references != References::First;
        if has_references && self.task.writes() {
            return Ok(None);
        }
        let task = self.named(task, (&first, &columns), &roles)?;
        let encoder = Encoder {
            table: &first,
            roles: roles.clone(),
            prompts: &prompts,
            tokenizer,
            task: self.task,
            start: self.start,
            classes: &task.classes,
            second: second_column(config, &first, self.task)?,
            stride: config.stride,
            ranking: None,
            max_tokens: self.max_tokens,
            truncate: config.truncate,
        };
        encoder.check_names()?;
        let mut rows = Rows::new(self.holding.cache.as_deref())?;
        let column = task_column(config, &first)?;
        let notes = self.parts(&columns, &mut |part| {
            let n_there = part.rows.len();
            let part = unfolded_as(part, &first, config.learned_turns);
            let mut encoded = Encoder { table: &part, roles: roles.clone(), ..encoder }.encode_table()?;
            assign(&mut encoded, &part, column, config, &task.tasks);
            rows.add(encoded, &part, n_there)
        })?;
        let (start, max_tokens) = (self.start, self.max_tokens);
        let mut table = first;
        if let Some(column) = table.earlier.history.filter(|_| table.roles.is_some()) {
            let note = conversation::note(&table.columns[column], config.learned_turns, rows.n_read, rows.n_there);
            table.notes.pop();
            table.notes.push(note);
        }
        table.notes.extend(notes);
        let (encoded, ranking) = (Encoded::default(), None);
        let prepared = Prepared { table, roles, prompts, task, start, encoded, ranking, max_tokens, large: None };
        rows.finished(prepared, (config, chat), kept).map(Some)
    }

    /// The task with the names of classes and tasks that the rows have.
    fn named(&self, task: &TaskRecord, (first, columns): (&Table, &[String]), roles: &Roles) -> Result<TaskRecord> {
        let mut task = task.clone();
        let column = task_column(self.config, first)?;
        let class = (task.task.has_classes() && task.classes.is_empty()).then_some(roles.target);
        let of_task = column.filter(|_| task.tasks.is_empty());
        if task.tasks.is_empty() && column.is_none() {
            task.tasks = vec![self.config.name_of_rows()];
        }
        if class.is_none() && of_task.is_none() {
            return Ok(task);
        }
        let (mut classes, mut tasks) = (BTreeSet::new(), BTreeSet::new());
        self.parts(columns, &mut |part| {
            let part = unfolded_as(part, first, self.config.learned_turns);
            class.iter().for_each(|&column| add_classes(&part, column, self.task, &mut classes));
            of_task.iter().for_each(|&column| add_names(&part, column, &mut tasks));
            Ok(())
        })?;
        if let Some(column) = class {
            task.classes = classes_named(classes, first, column, self.task)?;
        }
        if let Some(column) = of_task {
            task.tasks = tasks_named(tasks, first, column)?;
        }
        Ok(task)
    }

    fn open(&self) -> Result<Option<Box<dyn RowStream>>> {
        streams::open_large(&self.config.train)
    }

    /// Reads the whole file once; nothing for one that is not read row by row.
    fn survey(&self) -> Result<Option<Survey>> {
        let Some(mut stream) = self.open()? else { return Ok(None) };
        let mut rows = ObjectRows::new(&self.config.train);
        // How often a column was filled in the rows that are kept, and whether it was there at all.
        let mut known: Vec<(u8, bool)> = Vec::new();
        let mut lists = BTreeSet::new();
        let most = self.holding.sample.unwrap_or(usize::MAX);
        while rows.table.total_rows() < most
            && let Some(row) = stream.next_row()?
        {
            let n_kept = rows.table.rows.len();
            add(&mut rows, row)?;
            let Some(row) = rows.table.rows.get(n_kept) else { continue };
            known.resize(rows.table.columns.len(), (0, false));
            let is_new = n_kept < SHOWN
                || row.cells().iter().any(|(column, value)| {
                    let (filled, there) = known[*column];
                    (filled < PROBE && row.is_filled(*column)) || (!there && !value.is_null())
                });
            for (column, value) in row.cells() {
                if value.as_array().is_some_and(|list| list.len() > 1) {
                    lists.insert(*column);
                }
                let (filled, there) = &mut known[*column];
                *filled = filled.saturating_add(u8::from(row.is_filled(*column)));
                *there |= !value.is_null();
            }
            if !is_new {
                rows.table.rows.pop();
                rows.table.n_elsewhere += 1;
            }
        }
        Ok(Some(Survey { probe: rows.table, lists }))
    }

    /// The rows in parts of which each is a table with all columns; the stream's notes.
    fn parts(&self, columns: &[String], each: &mut dyn FnMut(Table) -> Result<()>) -> Result<Vec<Sentence>> {
        let path = &self.config.train;
        let Some(mut stream) = self.open()? else { return Ok(Vec::new()) };
        let mut n_before = 0;
        loop {
            let table = Table { columns: columns.to_vec(), n_elsewhere: n_before, ..Table::new(path) };
            let table = part(&mut *stream, table, self.holding)?;
            if table.total_rows() == n_before {
                return Ok(stream.notes());
            }
            n_before = table.total_rows();
            each(table)?;
        }
    }
}

/// Adds a row of a stream.
fn add(rows: &mut ObjectRows, row: std::result::Result<serde_json::Map<String, Value>, Sentence>) -> Result<()> {
    let number = rows.table.total_rows() + 1;
    match row {
        Ok(object) => rows.push(number, Value::Object(object)),
        Err(reason) => {
            rows.table.name_problem(number, reason);
            Ok(())
        }
    }
}

/// Bytes of a value, about.
fn weight(value: &Value) -> usize {
    16 + match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(weight).sum(),
        Value::Object(values) => values.values().map(weight).sum(),
        _ => 0,
    }
}

/// The rows by which a file is known, where its form changes none of them; nothing where only the whole table would do.
fn as_it_is(probe: Table, config: &DataConfig, task: Task) -> Result<Option<Table>> {
    let read = forms::recognized(probe.clone(), config, task)?;
    let is_same = read.rows == probe.rows && read.columns == probe.columns && read.references.is_none();
    Ok((is_same && known_forms::settled(config, &read, task) == *config).then_some(read))
}

/// Rows on their way into a file.
struct Rows {
    writer: RowWriter,
    skipped: Vec<Problem>,
    n_skipped: usize,
    /// Rows of the file, and rows that they were read as, each without those that cannot be read.
    n_there: usize,
    n_read: usize,
    /// With them.
    total: usize,
    n_kept: usize,
    /// Why the template fits no row, as long as it fits none.
    misfit: Option<Sentence>,
    fits: bool,
}

impl Rows {
    fn new(cache: Option<&Path>) -> Result<Self> {
        let folder = cache.map_or_else(std::env::temp_dir, row_cache::folder);
        Ok(Self {
            writer: RowWriter::new(&folder)?,
            skipped: Vec::new(),
            n_skipped: 0,
            n_there: 0,
            n_read: 0,
            total: 0,
            n_kept: 0,
            misfit: None,
            fits: false,
        })
    }

    fn add(&mut self, encoded: Encoded, part: &Table, n_there: usize) -> Result<()> {
        (self.n_there, self.n_read) = (self.n_there + n_there, self.n_read + part.rows.len());
        self.total += part.rows.len() + part.n_problems;
        self.fits |= encoded.misfit.is_none() && !part.rows.is_empty();
        self.misfit = self.misfit.take().or(encoded.misfit);
        self.n_skipped += encoded.n_skipped;
        let room = NAMED.saturating_sub(self.skipped.len());
        self.skipped.extend(encoded.skipped.into_iter().take(room));
        for (row, uncut) in encoded.examples.iter().zip(encoded.lengths) {
            if !can_be_written(row) {
                let reason = sentence!("its rows have candidates");
                return Err(EngineError::NoTrainableRow { path: part.path.clone(), reason });
            }
            self.n_kept += 1;
            self.writer.push(row, uncut)?;
        }
        Ok(())
    }

    fn finished(
        self,
        prepared: Prepared,
        (config, chat): (&DataConfig, bool),
        kept: Option<&Path>,
    ) -> Result<Prepared> {
        if let Some(reason) = self.misfit.filter(|_| !self.fits) {
            return Err(EngineError::Template(reason));
        }
        if self.n_kept == 0 {
            return Err(nothing_left(&self.skipped, &config.train));
        }
        let facts = Facts {
            columns: prepared.table.columns.clone(),
            unread_columns: prepared.unread_columns(config),
            notes: prepared.table.notes.clone(),
            source: prepared.roles.source.clone(),
            target: prepared.roles.target,
            chat,
            task: prepared.task.clone(),
            total_rows: self.total,
            skipped: self.skipped.into_iter().map(|problem| (problem.row, problem.reason)).collect(),
            n_skipped: self.n_skipped,
        };
        let said = serde_json::to_value(&facts).unwrap_or_default();
        let (store, uncut) = self.writer.finish(kept.map(|path| (path, &said)))?;
        let encoded = facts.left_out();
        let large = Some(Large { store: Arc::new(store), uncut, facts, kept: None });
        Ok(Prepared { encoded, large, ..prepared })
    }
}

impl Facts {
    fn left_out(&self) -> Encoded {
        let problem = |(row, reason): &(usize, Sentence)| Problem { row: *row, reason: reason.clone() };
        Encoded { skipped: self.skipped.iter().map(problem).collect(), n_skipped: self.n_skipped, ..Encoded::default() }
    }
}
