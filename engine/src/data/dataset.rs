//! The rows of a run: read, encoded, split into training and validation, with a report of what happened to them.

use std::collections::HashSet;
use std::path::Path;

use super::classification::classes_of;
use super::columns::{self, Roles};
use super::conversation::{self, check_read, is_chat, unfolded};
use super::encode::{Encoded, Encoder, Example, token_limit};
use super::forms;
use super::known_forms;
use super::mixture::joined;
use super::prompts::Prompts;
use super::ranking::Ranking;
use super::reader::read_table;
use super::report::{DataReport, unknown_token};
use super::shuffle::{Purpose, shuffled};
use super::soft;
use super::table::Table;
use super::tasks::{assign, tasks_of};
use super::tokenizer::Tokenizer;
use super::verbalizer::LabelWords;
use crate::config::{DataConfig, Heads, MoreData, Task, TaskRecord};
use crate::error::{EngineError, Result};
use crate::tokens::TargetStart;
use crate::{Sentence, sentence};

/// The rows of a run.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Rows to learn, in the file's order.
    pub train: Vec<Example>,
    /// Rows to measure by, in the file's order; empty when the configuration keeps none.
    pub validation: Vec<Example>,
    /// The task that the rows train, with the names of the classes.
    pub task: TaskRecord,
    /// Names of the datasets, where there are several.
    pub names: Vec<String>,
    /// The classes with their words, where those are ranked.
    pub words: LabelWords,
    /// Names of the tasks that rows are of, by [`Example::task`], whether a method tells them apart or not.
    pub groups: Vec<String>,
    /// Report of what happened to the rows.
    pub report: DataReport,
}

impl Dataset {
    /// Puts what a method has before every row, or before its source where it has one: soft tokens before everything, unless
    /// the row's template has put them; words behind the token that the tokenizer begins every text with. With `by_task` a
    /// row gets the soft tokens of its task, otherwise there are no tasks.
    ///
    /// # Errors
    /// [`EngineError::Setting`] when a template has put other soft tokens than the method has.
    pub fn place(&mut self, before: &[u32], by_task: bool, tokenizer: &Tokenizer) -> Result<()> {
        let n_soft = soft::count(before);
        self.check_soft(n_soft)?;
        for example in self.train.iter_mut().chain(&mut self.validation) {
            if example.n_soft() == 0 {
                example.begin_with(before, tokenizer.begins_texts(), self.task.task);
            }
            if by_task {
                example.take_task(n_soft);
            }
        }
        if !by_task {
            self.task.tasks.clear();
        }
        Ok(())
    }

    /// Refuses soft tokens that a template has put, if they are others than those of the method or not in every row.
    fn check_soft(&self, n_soft: usize) -> Result<()> {
        let wrong = |field, reason: Sentence| Err(EngineError::Setting { field, reason });
        let placed = || self.train.iter().chain(&self.validation).map(|example| (example.row, example.n_soft()));
        if let Some((row, found)) = placed().find(|(_, found)| *found > 0 && *found != n_soft) {
            return match n_soft {
                0 => wrong("data.prompt_template", sentence!("it has soft tokens, and the method trains none")),
                _ => wrong(
                    "method.n_virtual",
                    sentence!("the template puts {found} soft tokens into row {row}, not {n_soft}", found, row, n_soft),
                ),
            };
        }
        match placed().find(|(_, found)| *found == 0) {
            Some((row, _)) if placed().any(|(_, found)| found > 0) => {
                let reason = sentence!("the template puts no soft token into row {row}, and some into others", row);
                wrong("data.prompt_template", reason)
            }
            _ => Ok(()),
        }
    }

    /// Whether the answers of rows are looked for among candidates.
    pub fn is_ranked(&self) -> bool {
        self.train.iter().chain(&self.validation).any(|example| example.candidates.is_some())
    }

    /// The task as its figures are made: that of a classifier, where words stand for classes.
    pub fn judged(&self) -> TaskRecord {
        if self.words.is_empty() {
            return self.task.clone();
        }
        TaskRecord { classes: self.words.classes.clone(), ..TaskRecord::of(Task::SequenceClassification) }
    }

    /// Names of what figures are also told of alone, datasets or else tasks, and which of them an example is of.
    pub fn parts(&self) -> (&[String], fn(&Example) -> usize) {
        match self.names.as_slice() {
            [] if self.groups.len() > 1 && self.is_ranked() => (&self.groups, |example| example.task),
            names => (names, |example| example.dataset),
        }
    }

    /// Takes the soft tokens of a template away, for a model without an adapter.
    pub fn drop_soft(&mut self) {
        self.train.iter_mut().chain(&mut self.validation).for_each(Example::drop_soft);
    }
}

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
}

impl Dataset {
    /// Reads, encodes and splits the rows. A row has at most `max_tokens` tokens, or the configured limit if that is
    /// lower. The same rows and seed give the same split on every machine. Where `task` names no classes, the rows do, of
    /// each dataset for itself.
    /// `start` is what stands before a target that is written from a source. Where `task` names no tasks, the rows and the
    /// names of the datasets do.
    ///
    /// # Errors
    /// Those of [`read_table`] and [`Roles::resolve`]; [`EngineError::Template`](crate::error::EngineError::Template)
    /// and [`EngineError::NoTrainableRow`](crate::error::EngineError::NoTrainableRow), for either file.
    pub fn load(
        config: &DataConfig,
        task: &TaskRecord,
        start: TargetStart,
        tokenizer: &Tokenizer,
        max_tokens: usize,
        seed: u64,
    ) -> Result<Self> {
        let load = |config: &DataConfig, task: &TaskRecord| {
            let prepared = Prepared::load(config, task, start, tokenizer, max_tokens)?;
            let validation = match &config.validation {
                Some(path) => Some(prepared.encode_validation(path, config, tokenizer)?),
                None => None,
            };
            Ok(Self::split(prepared, validation, config, seed, tokenizer))
        };
        let first = load(config, task)?;
        let mut beside = TaskRecord { tasks: task.tasks.clone(), ..first.task.clone() };
        if config.heads != Heads::Shared {
            beside.classes.clone_from(&task.classes);
        }
        let other = |more: &MoreData| {
            let config = more.over(config);
            Ok((config.name_of_rows(), load(&config, &beside)?))
        };
        let others = config.more.iter().map(other).collect::<Result<Vec<_>>>()?;
        joined(first, others, config)
    }

    pub(super) fn split(
        prepared: Prepared,
        validation: Option<Encoded>,
        config: &DataConfig,
        seed: u64,
        tokenizer: &Tokenizer,
    ) -> Self {
        let mut report = prepared.report(config);
        let seed = config.split_seed.unwrap_or(seed);
        let Prepared { encoded, task, ranking, .. } = prepared;
        let words = ranking.map(|ranking| ranking.words).unwrap_or_default();
        let (train, validation) = match validation {
            Some(validation) => {
                report.add_skipped_validation(&validation.skipped, validation.n_skipped);
                let n = validation.examples.len();
                let (_, kept) = part(validation.examples, config.validation_rows.min(n), seed);
                (encoded.examples, kept)
            }
            None => {
                let n = n_validation(forms::groups(&encoded.examples).len(), config);
                part(encoded.examples, n, seed)
            }
        };
        let n_there = train.len();
        let train = fewer(train, config);
        report.unused_rows = n_there - train.len();
        report.train_rows = train.len();
        report.validation_rows = validation.len();
        let unknown = unknown_token(tokenizer);
        train.iter().chain(&validation).for_each(|example| report.count(example, unknown));
        let known: HashSet<_> = train.iter().map(|e| (&e.source, &e.tokens)).collect();
        report.duplicate_rows = validation.iter().filter(|e| known.contains(&(&e.source, &e.tokens))).count();
        let groups = task.tasks.clone();
        Self { train, validation, task, names: Vec::new(), words, groups, report }
    }
}

impl Prepared {
    pub(super) fn load(
        config: &DataConfig,
        task: &TaskRecord,
        start: TargetStart,
        tokenizer: &Tokenizer,
        max_tokens: usize,
    ) -> Result<Self> {
        if task.task == Task::MaskedFill && tokenizer.mask().is_none() {
            return Err(EngineError::Tokenizer(sentence!("it has no mask token")));
        }
        let mut table = read_rows(&config.train, config, task.task)?;
        let config = &known_forms::settled(config, &table, task.task);
        table.notes.extend(known_forms::notes(config, &table, task.task));
        let chat = is_chat(config, &table, task.task, tokenizer);
        let prompts = Prompts::new(&DataConfig { chat, ..config.clone() }, task.task, tokenizer)?;
        if task.task.has_head() && prompts.templates.has_soft() {
            let reason = sentence!("texts and words that are classified are read as they are, without a template");
            return Err(EngineError::Setting { field: "data.prompt_template", reason });
        }
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
        Ok(Self { table, roles, prompts, task, start, encoded, ranking, max_tokens })
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

    fn report(&self, config: &DataConfig) -> DataReport {
        DataReport {
            columns: self.table.columns.clone(),
            unread_columns: self.unread_columns(config),
            notes: self.table.notes.clone(),
            chat: self.prompts.has_chat(),
            has_sources: self.task.task == Task::Seq2Seq,
            source_column: self.roles.source_name(&self.table),
            target_column: self.table.columns[self.roles.target].clone(),
            total_rows: self.table.total_rows(),
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
    fn unread_columns(&self, config: &DataConfig) -> Vec<String> {
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
                || (task.task.has_classes() && table.second == Some(column))
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
fn second_column(config: &DataConfig, table: &Table, task: Task) -> Result<Option<usize>> {
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
fn task_column(config: &DataConfig, table: &Table) -> Result<Option<usize>> {
    let name = config.task_column.as_deref().filter(|name| !name.is_empty());
    name.map(|name| columns::column(table, name)).transpose()
}

/// Rows to validate on, out of `n` usable ones: at least one if any are wanted, and never all.
fn n_validation(n: usize, config: &DataConfig) -> usize {
    let share = config.validation_share.clamp(0.0, 1.0);
    if share == 0.0 {
        return 0;
    }
    let wanted = ((n as f64 * share).round() as usize).max(1);
    wanted.min(config.validation_rows).min(n.saturating_sub(1))
}

/// The rest, and `n` rows that the seed picks; both in the order they had. The references of a source stay together: with
/// one that is picked all are, and its first row has them.
fn part(examples: Vec<Example>, n: usize, seed: u64) -> (Vec<Example>, Vec<Example>) {
    let mut is_picked = vec![false; examples.len()];
    let groups = forms::groups(&examples);
    for index in shuffled(groups.len(), seed, Purpose::Split).into_iter().take(n) {
        is_picked[groups[index].clone()].fill(true);
    }
    let is_first: HashSet<usize> = match examples.iter().all(|example| example.spans.is_empty()) {
        true => groups.iter().map(|group| group.start).collect(),
        // Each window is scored.
        false => (0..examples.len()).collect(),
    };
    let numbered = examples.into_iter().zip(is_picked).enumerate();
    let kept = numbered.filter(|(index, (_, picked))| !picked || is_first.contains(index));
    let (picked, rest): (Vec<_>, Vec<_>) = kept.map(|(_, pair)| pair).partition(|(_, picked)| *picked);
    let without_mark = |pairs: Vec<(Example, bool)>| pairs.into_iter().map(|(example, _)| example).collect();
    (without_mark(rest), without_mark(picked))
}

/// So many of the training rows as are asked for, in the order they had; the references of a source stay together.
fn fewer(examples: Vec<Example>, config: &DataConfig) -> Vec<Example> {
    let groups = forms::groups(&examples);
    let n = config.n_train_rows(groups.len());
    if n == groups.len() {
        return examples;
    }
    let mut is_used = vec![false; examples.len()];
    for index in shuffled(groups.len(), config.train_rows_seed, Purpose::Fewer).into_iter().take(n) {
        is_used[groups[index].clone()].fill(true);
    }
    examples.into_iter().zip(is_used).filter_map(|(example, is_used)| is_used.then_some(example)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::table::Problem;
    use super::super::tokenizer::byte_tokenizer;
    use super::*;

    fn write(folder: &Path, name: &str, rows: &[(&str, &str)]) -> std::path::PathBuf {
        let lines: Vec<String> =
            rows.iter().map(|(s, t)| serde_json::json!({"source": s, "target": t}).to_string()).collect();
        let path = folder.join(name);
        std::fs::write(&path, lines.join("\n")).unwrap();
        path
    }

    #[test]
    fn the_share_is_split_by_the_seed_and_capped() {
        let folder = tempfile::tempdir().unwrap();
        let texts: Vec<String> = (0..40).map(|i| format!("row {i}")).collect();
        let rows: Vec<(&str, &str)> = texts.iter().map(|t| (t.as_str(), t.as_str())).collect();
        let mut config = DataConfig::new(write(folder.path(), "a.jsonl", &rows));
        config.validation_share = 0.25;
        let load = |config: &DataConfig, seed| {
            Dataset::load(config, &TaskRecord::default(), TargetStart::default(), &byte_tokenizer(), 100, seed).unwrap()
        };
        config.split_seed = None;
        let data = load(&config, 1);
        assert_eq!((data.train.len(), data.validation.len(), data.report.total_rows), (30, 10, 40));
        assert!(data.validation.is_sorted_by_key(|e| e.row) && data.train.is_sorted_by_key(|e| e.row));
        assert_eq!(data.validation, load(&config, 1).validation);
        assert_ne!(data.validation, load(&config, 2).validation);
        config.split_seed = Some(2);
        let (first, second) = (load(&config, 1), load(&config, 5));
        assert_eq!((&first.validation, &first.train), (&second.validation, &second.train), "whatever the run's seed");
        config.split_seed = None;
        assert_eq!(first.validation, load(&config, 2).validation);
        config.validation_rows = 3;
        assert_eq!(load(&config, 1).report.validation_rows, 3);
        config.validation_share = 0.0;
        assert!(load(&config, 1).validation.is_empty());
    }

    #[test]
    fn a_validation_file_keeps_every_training_row_and_twins_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = DataConfig::new(write(folder.path(), "a.jsonl", &[("a", "b"), ("c", "d")]));
        let validation = folder.path().join("v.json");
        std::fs::write(
            &validation,
            r#"[{"source": "c", "references": ["d", "e"]}, {"source": "c", "references": ["x"]}, {"source": "y"}]"#,
        )
        .unwrap();
        config.validation = Some(validation);
        let data =
            Dataset::load(&config, &TaskRecord::default(), TargetStart::default(), &byte_tokenizer(), 100, 1).unwrap();
        assert_eq!((data.train.len(), data.validation.len(), data.report.duplicate_rows), (2, 2, 1));
        assert_eq!(data.validation[0].reference, " d");
        let Problem { row, reason } = &data.report.skipped[0];
        assert_eq!((*row, reason.to_string().as_str()), (3, "validation: it has no \"references\""));
    }

    #[test]
    fn a_row_gets_the_soft_tokens_of_its_task() {
        use crate::tokens::SOFT;
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
            folder.path().join(name)
        };
        let mut config = DataConfig::new(file("a.csv", "source,target,kind\na,b,turn\nc,d,copy\n"));
        config.validation = Some(file("v.csv", "source,target,kind\ne,f,copy\ng,h,sort\n"));
        config.task_column = Some("kind".to_owned());
        let load = |config: &DataConfig| {
            Dataset::load(config, &TaskRecord::default(), TargetStart::default(), &byte_tokenizer(), 9, 1).unwrap()
        };
        let mut data = load(&config);
        assert_eq!(data.task.tasks, ["copy", "turn"]);
        assert_eq!(data.report.skipped[0].reason, "validation: there is no task \"sort\"; there are copy, turn");
        let before = [SOFT, SOFT + 1];
        data.place(&before, true, &byte_tokenizer()).unwrap();
        let begins = |rows: &[Example]| rows.iter().map(|row| row.tokens[..2].to_vec()).collect::<Vec<_>>();
        assert_eq!(begins(&data.train), [[SOFT + 2, SOFT + 3], [SOFT, SOFT + 1]]);
        assert_eq!(begins(&data.validation), [[SOFT, SOFT + 1]]);
        let mut shared = load(&config);
        shared.place(&before, false, &byte_tokenizer()).unwrap();
        assert!(shared.task.tasks.is_empty() && begins(&shared.train).concat().iter().all(|&token| token < SOFT + 2));
        let known = TaskRecord { tasks: vec!["one".to_owned(), "a".to_owned()], ..TaskRecord::default() };
        config = DataConfig { task_column: None, validation: None, validation_share: 0.0, ..config };
        let named = Dataset::load(&config, &known, TargetStart::default(), &byte_tokenizer(), 9, 1).unwrap();
        assert!(named.train.iter().all(|row| row.task == 1), "a file is the task of its name");
        config.name = Some("b".to_owned());
        let error = Dataset::load(&config, &known, TargetStart::default(), &byte_tokenizer(), 9, 1).unwrap_err();
        assert!(error.to_string().contains("there are one, a"), "{error}");
    }

    #[test]
    fn fewer_training_rows_are_among_more_and_none_is_a_validation_row() {
        let folder = tempfile::tempdir().unwrap();
        let texts: Vec<String> = (0..40).map(|i| format!("row {i}")).collect();
        let rows: Vec<(&str, &str)> = texts.iter().map(|t| (t.as_str(), t.as_str())).collect();
        let config = DataConfig { validation_share: 0.25, ..DataConfig::new(write(folder.path(), "a.jsonl", &rows)) };
        let load = |train_rows, train_rows_seed| {
            let config = DataConfig { train_rows, train_rows_seed, ..config.clone() };
            Dataset::load(&config, &TaskRecord::default(), TargetStart::default(), &byte_tokenizer(), 100, 1).unwrap()
        };
        let numbers = |rows: &[Example]| rows.iter().map(|row| row.row).collect::<Vec<_>>();
        let all = load(None, 0);
        let mut more: Vec<usize> = Vec::new();
        for n in 1..30 {
            let data = load(Some(f64::from(n)), 0);
            assert_eq!((data.validation, data.report.unused_rows), (all.validation.clone(), 30 - n as usize));
            let used = numbers(&data.train);
            assert!(used.len() == n as usize && used.is_sorted());
            assert!(more.iter().all(|row| used.contains(row)), "{more:?} in {used:?}");
            assert!(used.iter().all(|row| all.train.iter().any(|known| known.row == *row)));
            more = used;
        }
        assert_ne!(numbers(&load(Some(10.0), 1).train), numbers(&load(Some(10.0), 0).train));
        assert_eq!(numbers(&load(Some(0.5), 0).train), numbers(&load(Some(15.0), 0).train));
    }

    #[test]
    fn one_row_is_kept_for_training() {
        let folder = tempfile::tempdir().unwrap();
        let config = DataConfig::new(write(folder.path(), "a.jsonl", &[("a", "b")]));
        let data =
            Dataset::load(&config, &TaskRecord::default(), TargetStart::default(), &byte_tokenizer(), 4, 1).unwrap();
        assert_eq!((data.train.len(), data.validation.len(), data.report.truncated_rows), (1, 0, 1));
        assert_eq!((data.report.lengths, data.report.max_tokens), (vec![5], 4));
    }
}
