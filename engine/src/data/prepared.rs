//! A file of rows on its way to a dataset: read, its columns and forms known, its rows encoded.

use std::path::Path;

use super::classification::classes_of;
use super::columns::{self, Roles};
use super::conversation::{self, check_read, is_chat, unfolded};
use super::encode::{Encoded, Encoder, token_limit};
use super::forms;
use super::known_forms;
use super::large::{self, Holding, Large};
use super::prompts::Prompts;
use super::ranking::Ranking;
use super::reader::read_table;
use super::report::DataReport;
use super::table::Table;
use super::tasks::{assign, tasks_of};
use super::tokenizer::Tokenizer;
use crate::config::{DataConfig, Task, TaskRecord};
use crate::error::{EngineError, Result};
use crate::tokens::TargetStart;
use crate::{Sentence, sentence};

/// A training file on its way to a dataset: everything the preview shows too.
pub(super) struct Prepared {
    pub(super) table: Table,
    pub(super) roles: Roles,
    pub(super) prompts: Prompts,
    pub(super) task: TaskRecord,
    pub(super) start: TargetStart,
    pub(super) encoded: Encoded,
    pub(super) ranking: Option<Ranking>,
    pub(super) max_tokens: usize,
    /// The rows of a large file, whose table holds those alone by which it is read.
    pub(super) large: Option<Large>,
}

impl Prepared {
    pub(super) fn load(
        config: &DataConfig,
        task: &TaskRecord,
        start: TargetStart,
        tokenizer: &Tokenizer,
        max_tokens: usize,
        holding: &Holding,
    ) -> Result<Self> {
        if task.task == Task::MaskedFill && tokenizer.mask().is_none() {
            return Err(EngineError::Tokenizer(sentence!("it has no mask token")));
        }
        if let Some(large) = large::prepared(config, task, (start, max_tokens), tokenizer, holding)? {
            return Ok(large);
        }
        let mut table = read_rows(&config.train, config, task.task)?;
        let config = &known_forms::settled(config, &table, task.task);
        table.notes.extend(known_forms::notes(config, &table, task.task));
        let chat = is_chat(config, &table, task.task, tokenizer);
        let prompts = prompts_of(&DataConfig { chat, ..config.clone() }, task.task, tokenizer)?;
        let max_tokens = token_limit(config, max_tokens);
        let table = forms::chunked(table, config, tokenizer, max_tokens)?;
        let roles = match &table.roles {
            Some(roles) => roles.clone(),
            None => Roles::resolve(&table, config.source_column.as_deref(), config.target_column.as_deref())?,
        };
        roles.check_texts(&table, &prompts.templates, task.task)?;
        check_read(&table, &prompts, tokenizer)?;
        let (table, roles) = forms::by_reference(table, roles, config, &prompts, task.task)?;
        let ranking = Ranking::of(config, &table, &roles, task.task)?;
        if ranking.is_some() && prompts.templates.prompt_reads("target") {
            let reason = sentence!("it gives the answer away: what is told among candidates stands behind it");
            return Err(EngineError::Setting { field: "data.prompt_template", reason });
        }
        let mut task = task.clone();
        if task.task.has_classes() && task.classes.is_empty() {
            task.classes = classes_of(&table, roles.target, task.task)?;
        }
        let encoder = Encoder {
            table: &table,
            roles: roles.clone(),
            prompts: &prompts,
            tokenizer,
            task: task.task,
            start,
            classes: &task.classes,
            second: second_column(config, &table, task.task)?,
            stride: config.stride,
            ranking: ranking.as_ref(),
            max_tokens,
            truncate: config.truncate,
        };
        let mut encoded = encoder.encode()?;
        let column = task_column(config, &table)?;
        if task.tasks.is_empty() {
            task.tasks = tasks_of(&table, column, config)?;
        }
        assign(&mut encoded, &table, column, config, &task.tasks);
        if encoded.examples.is_empty() {
            let reason = encoded.skipped.last().map_or_else(Sentence::default, |problem| problem.reason.clone());
            return Err(EngineError::NoTrainableRow { path: config.train.clone(), reason });
        }
        Ok(Self { table, roles, prompts, task, start, encoded, ranking, max_tokens, large: None })
    }

    /// The validation file may call its columns otherwise, `references` for instance, unless they were named.
    pub(super) fn encode_validation(&self, path: &Path, config: &DataConfig, tokenizer: &Tokenizer) -> Result<Encoded> {
        let table = forms::one_per_source(read_rows(path, config, self.task.task)?);
        let table = forms::chunked(table, config, tokenizer, self.max_tokens)?;
        check_read(&table, &self.prompts, tokenizer)?;
        let named = |name: &Option<String>, guessed: String| match name {
            Some(name) => Some(name.clone()),
            None => (!guessed.is_empty() && guessed.split(" + ").all(|c| table.column(c).is_some())).then_some(guessed),
        };
        let source = named(&config.source_column, self.roles.source_name(&self.table));
        let target = named(&config.target_column, self.table.columns[self.roles.target].clone());
        let roles = match &table.roles {
            Some(roles) => roles.clone(),
            None => Roles::resolve(&table, source.as_deref(), target.as_deref())?,
        };
        roles.check_texts(&table, &self.prompts.templates, self.task.task)?;
        let ranking = self.ranking.as_ref().map(|known| known.of_file(config, &table, &roles)).transpose()?;
        let encoder = Encoder {
            table: &table,
            roles,
            prompts: &self.prompts,
            tokenizer,
            task: self.task.task,
            start: self.start,
            classes: &self.task.classes,
            second: second_column(config, &table, self.task.task)?,
            stride: config.stride,
            ranking: ranking.as_ref(),
            max_tokens: self.max_tokens,
            truncate: config.truncate,
        };
        let mut encoded = encoder.encode()?;
        assign(&mut encoded, &table, task_column(config, &table)?, config, &self.task.tasks);
        Ok(encoded)
    }

    /// The encoder of the training rows.
    pub(super) fn encoder<'a>(&'a self, config: &DataConfig, tokenizer: &'a Tokenizer) -> Result<Encoder<'a>> {
        Ok(Encoder {
            table: &self.table,
            roles: self.roles.clone(),
            prompts: &self.prompts,
            tokenizer,
            task: self.task.task,
            start: self.start,
            classes: &self.task.classes,
            second: second_column(config, &self.table, self.task.task)?,
            stride: config.stride,
            ranking: self.ranking.as_ref(),
            max_tokens: self.max_tokens,
            truncate: config.truncate,
        })
    }

    pub(super) fn report(&self, config: &DataConfig) -> DataReport {
        DataReport {
            columns: self.table.columns.clone(),
            unread_columns: match &self.large {
                Some(large) => large.facts.unread_columns.clone(),
                None => self.unread_columns(config),
            },
            notes: self.table.notes.clone(),
            chat: self.prompts.has_chat(),
            has_sources: self.task.task == Task::Seq2Seq,
            source_column: self.roles.source_name(&self.table),
            target_column: self.table.columns[self.roles.target].clone(),
            total_rows: self.large.as_ref().map_or_else(|| self.table.total_rows(), |large| large.facts.total_rows),
            skipped: self.encoded.skipped.clone(),
            skipped_rows: self.encoded.n_skipped,
            lengths: self.encoded.lengths.clone(),
            max_tokens: self.max_tokens,
            truncate: config.truncate,
            ..DataReport::default()
        }
    }
}

impl Prepared {
    /// The columns that hold something and that neither the task nor a template reads.
    pub(super) fn unread_columns(&self, config: &DataConfig) -> Vec<String> {
        let Self { table, roles, prompts, task, .. } = self;
        let named = [&config.second_column, &config.task_column];
        let (has_templates, chat) = (task.task.has_template(), prompts.has_chat());
        let texts = roles.texts(&prompts.templates, task.task);
        let turns = prompts.templates.prompt_reads(conversation::ROLE);
        let is_read = |column: usize| {
            let name = &table.columns[column];
            texts.iter().any(|(read, _)| *read == column)
                || (!has_templates && (roles.target == column || roles.source.contains(&column)))
                || second_column(config, table, task.task).is_ok_and(|second| second == Some(column))
                || (has_templates && prompts.templates.reads(name))
                || ((chat || turns) && table.earlier.columns().any(|read| read == column))
                || table.references == Some(column)
                || table.question == Some(column)
                || ((task.task.has_classes() || task.task.is_of_texts()) && table.second == Some(column))
                || self.ranking.as_ref().is_some_and(|ranking| ranking.reads(column))
                || (chat && table.earlier.columns().any(|read| read == column))
                || named.iter().any(|asked| asked.as_deref() == Some(name.as_str()))
        };
        let holds = |column: usize| table.rows.iter().any(|row| row.is_filled(column));
        let unread = (0..table.columns.len()).filter(|&column| !is_read(column) && holds(column));
        unread.map(|column| table.columns[column].clone()).collect()
    }
}

/// Reads a file of rows; a conversation becomes a row for each of its answers.
fn read_rows(path: &Path, config: &DataConfig, task: Task) -> Result<Table> {
    let table = forms::recognized(read_table(path)?, config, task)?.check_readable()?;
    let asked = [config.source_column.as_deref(), config.target_column.as_deref()];
    unfolded(table, asked, config.learned_turns, task)
}

/// The column of the second text of a pair, where one is named; that of what a question is about and of a predicate is found.
pub(super) fn second_column(config: &DataConfig, table: &Table, task: Task) -> Result<Option<usize>> {
    let name = config.second_column.as_deref().filter(|name| !name.is_empty());
    let usual: &[&str] = match task {
        Task::QuestionAnswering => &["context", "passage"],
        Task::TokenClassification => &["predicate"],
        _ => &[],
    };
    let found = || usual.iter().find_map(|name| table.column(name)).or(table.second);
    name.map_or_else(|| Ok(found()), |name| columns::column(table, name).map(Some))
}

/// The column of a row's task, where one is named.
pub(super) fn task_column(config: &DataConfig, table: &Table) -> Result<Option<usize>> {
    let name = config.task_column.as_deref().filter(|name| !name.is_empty());
    name.map(|name| columns::column(table, name)).transpose()
}

/// The prompts of a configuration.
///
/// # Errors
/// Those of [`Prompts::new`], and soft tokens in a template that nothing reads.
pub(super) fn prompts_of(config: &DataConfig, task: Task, tokenizer: &Tokenizer) -> Result<Prompts> {
    let prompts = Prompts::new(config, task, tokenizer)?;
    if task.has_head() && prompts.templates.has_soft() {
        let reason = sentence!("texts and words that are classified are read as they are, without a template");
        return Err(EngineError::Setting { field: "data.prompt_template", reason });
    }
    Ok(prompts)
}
