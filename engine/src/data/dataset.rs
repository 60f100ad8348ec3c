//! The rows of a run: read, encoded, split into training and validation, with a report of what happened to them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::encode::{Encoded, Example};
use super::examples::{Before, Examples, Picked, Stored};
use super::forms;
use super::large::Holding;
use super::mixture::joined;
use super::prepared::Prepared;
use super::report::{DataReport, unknown_token};
use super::shuffle::{Purpose, shuffled};
use super::soft;
use super::store::Store;
use super::tokenizer::Tokenizer;
use super::verbalizer::LabelWords;
use crate::config::{DataConfig, Heads, MoreData, Task, TaskRecord};
use crate::error::{EngineError, IoAction, Result};
use crate::tokens::TargetStart;
use crate::{Sentence, sentence};

/// The rows of a run.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Rows to learn, in the file's order.
    pub train: Examples,
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
        let (begin, task) = (tokenizer.begins_texts(), self.task.task);
        self.train.change(&|change| {
            change.before = Some(Before { tokens: before.to_vec(), begin: begin.to_vec(), task });
            change.n_soft_of_task = by_task.then_some(n_soft);
        });
        for example in &mut self.validation {
            if example.n_soft() == 0 {
                example.begin_with(before, begin, task);
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
        let mut placed = self.train.soft();
        placed.extend(self.validation.iter().map(|example| (example.row, example.n_soft())));
        let placed = || placed.iter().copied();
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
        self.train.is_ranked() || self.validation.iter().any(|example| example.candidates.is_some())
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
        self.train.change(&|change| change.drops_soft = true);
        self.validation.iter_mut().for_each(Example::drop_soft);
    }
}

impl Dataset {
    /// Reads, encodes and splits the rows. A row has at most `max_tokens` tokens, or the configured limit if that is
    /// lower. The same rows and seed give the same split on every machine. Where `task` names no classes, the rows do, of
    /// each dataset for itself.
    /// `start` is what stands before a target that is written from a source. Where `task` names no tasks, the rows and the
    /// names of the datasets do.
    ///
    /// # Errors
    /// Those of [`read_table`](super::read_table) and [`Roles::resolve`](super::Roles::resolve); [`EngineError::Template`](crate::error::EngineError::Template)
    /// and [`EngineError::NoTrainableRow`](crate::error::EngineError::NoTrainableRow), for either file.
    pub fn load(
        config: &DataConfig,
        task: &TaskRecord,
        start: TargetStart,
        tokenizer: &Tokenizer,
        max_tokens: usize,
        seed: u64,
    ) -> Result<Self> {
        Self::load_holding(config, task, (start, max_tokens), tokenizer, seed, &Holding::default())
    }

    /// The same, which says where the rows of large files are held. A kept file of them that is damaged is made again.
    ///
    /// # Errors
    /// As [`Dataset::load`].
    pub fn load_holding(
        config: &DataConfig,
        task: &TaskRecord,
        (start, max_tokens): (TargetStart, usize),
        tokenizer: &Tokenizer,
        seed: u64,
        holding: &Holding,
    ) -> Result<Self> {
        let once = |config: &DataConfig, task: &TaskRecord| {
            let prepared = Prepared::load(config, task, start, tokenizer, max_tokens, holding)?;
            let kept = prepared.large.as_ref().and_then(|large| large.kept.clone());
            let validation = match &config.validation {
                Some(path) => Some(prepared.encode_validation(path, config, tokenizer)?),
                None => None,
            };
            Ok((Self::split(prepared, validation, config, seed, tokenizer), kept))
        };
        let load = |config: &DataConfig, task: &TaskRecord| match once(config, task)? {
            (Err(_), Some(kept)) => {
                std::fs::remove_file(&kept).map_err(EngineError::io(IoAction::Remove, &kept))?;
                once(config, task)?.0
            }
            (split, _) => split,
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

    /// # Errors
    /// The file of encoded rows cannot be read, or is not what was written.
    pub(super) fn split(
        mut prepared: Prepared,
        validation: Option<Encoded>,
        config: &DataConfig,
        seed: u64,
        tokenizer: &Tokenizer,
    ) -> Result<Self> {
        let mut report = prepared.report(config);
        let seed = config.split_seed.unwrap_or(seed);
        let kept = validation.map(|validation| {
            report.add_skipped_validation(&validation.skipped, validation.n_skipped);
            let n = validation.examples.len();
            part(validation.examples, config.validation_rows.min(n), seed).1
        });
        let unknown = unknown_token(tokenizer);
        let (train, validation) = match prepared.large.take() {
            Some(large) => {
                report.lengths = large.uncut;
                split_stored(&large.store, kept, config, seed)?.counted(&mut report, unknown)?
            }
            None => {
                let (train, validation) = split_held(prepared.encoded.examples, kept, config, seed);
                report.unused_rows = train.1;
                let train = train.0;
                train.iter().for_each(|example| report.count(example, unknown));
                let known: HashSet<_> = train.iter().map(|e| (&e.source, &e.tokens)).collect();
                report.duplicate_rows = validation.iter().filter(|e| known.contains(&(&e.source, &e.tokens))).count();
                (train.into(), validation)
            }
        };
        validation.iter().for_each(|example| report.count(example, unknown));
        (report.train_rows, report.validation_rows) = (train.len(), validation.len());
        let groups = prepared.task.tasks.clone();
        let words = prepared.ranking.map(|ranking| ranking.words).unwrap_or_default();
        Ok(Self { train, validation, task: prepared.task, names: Vec::new(), words, groups, report })
    }
}

/// Training rows with the number of those left aside, and validation rows; `kept` has those of a file of their own.
fn split_held(
    examples: Vec<Example>,
    kept: Option<Vec<Example>>,
    config: &DataConfig,
    seed: u64,
) -> ((Vec<Example>, usize), Vec<Example>) {
    let (train, validation) = match kept {
        Some(kept) => (examples, kept),
        None => {
            let n = n_validation(forms::groups(&examples).len(), config);
            part(examples, n, seed)
        }
    };
    let n_there = train.len();
    let train = fewer(train, config);
    let unused = n_there - train.len();
    ((train, unused), validation)
}

/// The rows of a file of encoded rows in two parts.
struct SplitStored {
    train: Stored,
    unused: usize,
    validation: Vec<Example>,
}

fn split_stored(store: &Arc<Store>, kept: Option<Vec<Example>>, config: &DataConfig, seed: u64) -> Result<SplitStored> {
    let n = store.len();
    let of_file = |n_picked: usize| {
        let mut picked = shuffled(n, seed, Purpose::Split);
        picked.truncate(n_picked);
        picked.sort_unstable();
        picked
    };
    let (others, validation) = match kept {
        Some(kept) => (Vec::new(), kept),
        None => {
            let picked = of_file(n_validation(n, config));
            let rows = picked.iter().map(|&row| store.row(row as usize)).collect::<Result<_>>()?;
            (picked, rows)
        }
    };
    let there = Stored::new(Arc::clone(store), Picked::Except(others));
    let n_there = there.len();
    let n_used = config.n_train_rows(n_there);
    if n_used == n_there {
        return Ok(SplitStored { train: there, unused: 0, validation });
    }
    let mut used = shuffled(n_there, config.train_rows_seed, Purpose::Fewer);
    used.truncate(n_used);
    used.sort_unstable();
    used.iter_mut().for_each(|row| *row = there.place(*row as usize) as u32);
    let train = Stored::new(Arc::clone(store), Picked::Only(used));
    Ok(SplitStored { train, unused: n_there - n_used, validation })
}

impl SplitStored {
    /// The rows, counted; this reads each of them, and so notices a damaged one.
    fn counted(self, report: &mut DataReport, unknown: Option<u32>) -> Result<(Examples, Vec<Example>)> {
        let mut twins: HashMap<(&[u32], &[u32]), Vec<usize>> = HashMap::new();
        for (at, row) in self.validation.iter().enumerate() {
            twins.entry((&row.source, &row.tokens)).or_default().push(at);
        }
        let (counted, found) = self.train.fold(
            |(counted, found): &mut (DataReport, HashSet<usize>), row| {
                counted.count(row, unknown);
                found.extend(twins.get(&(row.source.as_slice(), row.tokens.as_slice())).into_iter().flatten());
            },
            |(mut counted, mut found), (more, others)| {
                counted.add_counts(&more);
                found.extend(others);
                (counted, found)
            },
        )?;
        report.add_counts(&counted);
        (report.unused_rows, report.duplicate_rows) = (self.unused, found.len());
        drop(twins);
        Ok((Examples::stored(self.train), self.validation))
    }
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
        is_picked[groups[index as usize].clone()].fill(true);
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
        is_used[groups[index as usize].clone()].fill(true);
    }
    examples.into_iter().zip(is_used).filter_map(|(example, is_used)| is_used.then_some(example)).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

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
        assert!(data.validation.is_sorted_by_key(|e| e.row) && data.train.held().unwrap().is_sorted_by_key(|e| e.row));
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
        assert_eq!(begins(data.train.held().unwrap()), [[SOFT + 2, SOFT + 3], [SOFT, SOFT + 1]]);
        assert_eq!(begins(&data.validation), [[SOFT, SOFT + 1]]);
        let mut shared = load(&config);
        shared.place(&before, false, &byte_tokenizer()).unwrap();
        assert!(
            shared.task.tasks.is_empty()
                && begins(shared.train.held().unwrap()).concat().iter().all(|&token| token < SOFT + 2)
        );
        let known = TaskRecord { tasks: vec!["one".to_owned(), "a".to_owned()], ..TaskRecord::default() };
        config = DataConfig { task_column: None, validation: None, validation_share: 0.0, ..config };
        let named = Dataset::load(&config, &known, TargetStart::default(), &byte_tokenizer(), 9, 1).unwrap();
        assert!(named.train.held().unwrap().iter().all(|row| row.task == 1), "a file is the task of its name");
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
            let used = numbers(data.train.held().unwrap());
            assert!(used.len() == n as usize && used.is_sorted());
            assert!(more.iter().all(|row| used.contains(row)), "{more:?} in {used:?}");
            assert!(used.iter().all(|row| all.train.held().unwrap().iter().any(|known| known.row == *row)));
            more = used;
        }
        assert_ne!(
            numbers(load(Some(10.0), 1).train.held().unwrap()),
            numbers(load(Some(10.0), 0).train.held().unwrap())
        );
        assert_eq!(
            numbers(load(Some(0.5), 0).train.held().unwrap()),
            numbers(load(Some(15.0), 0).train.held().unwrap())
        );
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
