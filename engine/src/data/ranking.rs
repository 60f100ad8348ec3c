//! Sources of the candidates of rows: classes with their words, the choices of each row, the answers of all, a vocabulary.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::candidates::Candidates;
use super::choices::ChoiceColumns;
use super::columns::Roles;
use super::prompts::Prompts;
use super::table::{Row, Table};
use super::verbalizer::LabelWords;
use crate::config::{CandidateSource, DataConfig, Task};
use crate::error::{EngineError, Result};
use crate::files::{self, Kind};
use crate::{Sentence, sentence};

/// More candidates than this are a vocabulary.
const MAX_ANSWERS: usize = 50_000;

/// The source of the candidates of one file's rows.
#[derive(Debug)]
pub(super) struct Ranking {
    pub(super) source: CandidateSource,
    pub(super) words: LabelWords,
    choices: Option<ChoiceColumns>,
    answers: Vec<String>,
    numbers: HashMap<String, usize>,
    /// Candidates that are the same for all rows: behind a prompt, and where there is none.
    pub(super) shared: [OnceLock<Arc<Candidates>>; 2],
}

impl Ranking {
    /// Of a configuration; `None` where no candidates are asked for.
    ///
    /// # Errors
    /// [`EngineError::Setting`] for what cannot be ranked.
    pub(super) fn of(config: &DataConfig, table: &Table, roles: &Roles, task: Task) -> Result<Option<Self>> {
        let source = match config.candidate_source() {
            CandidateSource::None if task == Task::MultipleChoice => CandidateSource::Choices,
            source => source,
        };
        check(source, config, task)?;
        if source == CandidateSource::None {
            return Ok(None);
        }
        let words = match source {
            CandidateSource::Classes => LabelWords::of(config, table, roles.target)?,
            _ => LabelWords::default(),
        };
        Self { source, words, ..Self::empty() }.filled(config, table, roles).map(Some)
    }

    /// The same for the rows of another file, whose answers come behind those that are known.
    ///
    /// # Errors
    /// As [`Ranking::of`].
    pub(super) fn of_file(&self, config: &DataConfig, table: &Table, roles: &Roles) -> Result<Self> {
        if self.source == CandidateSource::Classes {
            self.words.check_rows(table, roles.target)?;
        }
        let answers = self.answers.clone();
        Self { source: self.source, words: self.words.clone(), answers, ..Self::empty() }.filled(config, table, roles)
    }

    fn empty() -> Self {
        Self {
            source: CandidateSource::None,
            words: LabelWords::default(),
            choices: None,
            answers: Vec::new(),
            numbers: HashMap::new(),
            shared: Default::default(),
        }
    }

    fn filled(mut self, config: &DataConfig, table: &Table, roles: &Roles) -> Result<Self> {
        match self.source {
            CandidateSource::Choices => {
                self.choices = Some(ChoiceColumns::of(table, config.choice_column.as_deref(), roles.target)?);
            }
            CandidateSource::Answers => {
                let listed = match &config.candidates_file {
                    Some(path) => files::read_to_string(path, Kind::Rows)?.lines().map(str::to_owned).collect(),
                    None => table.rows.iter().map(|row| roles.target_text(row)).collect::<Vec<_>>(),
                };
                self.add(listed)?;
            }
            CandidateSource::None | CandidateSource::Classes | CandidateSource::Vocabulary => {}
        }
        Ok(self)
    }

    fn add(&mut self, listed: Vec<String>) -> Result<()> {
        self.numbers = self.answers.iter().cloned().zip(0..).collect();
        for answer in listed {
            let answer = answer.trim();
            if !answer.is_empty() && !self.numbers.contains_key(answer) {
                self.numbers.insert(answer.to_owned(), self.answers.len());
                self.answers.push(answer.to_owned());
            }
            if self.answers.len() > MAX_ANSWERS {
                return Err(wrong(sentence!("more than {max} answers; name a file of candidates", max = MAX_ANSWERS)));
            }
        }
        if self.answers.len() < 2 {
            return Err(wrong(sentence!("the rows have one answer, which leaves nothing to choose among")));
        }
        Ok(())
    }

    /// The candidates of a row in words, and the numbers of those that are right. Of a vocabulary it is the answer alone.
    ///
    /// # Errors
    /// A sentence that says why the row has none.
    pub(super) fn of_row(&self, row: &Row, roles: &Roles) -> Result<(Cow<'_, [String]>, Vec<usize>), Sentence> {
        let one = |words, right: Option<usize>| right.map(|right| (Cow::Borrowed(words), vec![right]));
        let label = roles.target_text(row).trim().to_owned();
        match (self.source, &self.choices) {
            (CandidateSource::Choices, Some(choices)) => {
                choices.of_row(row).map(|(choices, right)| (Cow::Owned(choices), right))
            }
            _ if label.is_empty() => Err(sentence!("the label is missing or empty")),
            (CandidateSource::Classes, _) => one(self.words.words.as_slice(), self.words.number(&label))
                .ok_or_else(|| sentence!("the class {name:?} is not in the training rows", name = label)),
            (CandidateSource::Answers, _) => one(self.answers.as_slice(), self.numbers.get(&label).copied())
                .ok_or_else(|| sentence!("its answer {label:?} is none of the candidates", label)),
            _ => Ok((Cow::Owned(vec![label]), vec![0])),
        }
    }

    /// Whether all rows have the same candidates, token by token.
    pub(super) fn is_shared(&self, prompts: &Prompts, task: Task) -> bool {
        let stands_alone = prompts.templates.target_stands_alone() && !prompts.has_chat();
        self.source != CandidateSource::Choices && (stands_alone || task == Task::MaskedFill)
    }

    /// Whether a column is read for the candidates.
    pub(super) fn reads(&self, column: usize) -> bool {
        self.choices.as_ref().is_some_and(|choices| choices.reads(column))
    }
}

/// Refuses sources that the task has no use for.
fn check(source: CandidateSource, config: &DataConfig, task: Task) -> Result<()> {
    let is_of_choices = task == Task::MultipleChoice && source != CandidateSource::Choices;
    if task.has_classes() && source != CandidateSource::None {
        let (task, field) =
            (task.name(), if config.verbalizer.is_empty() { "data.candidates" } else { "data.verbalizer" });
        let reason = sentence!(
            "a head names the classes of {task}, without words; choose a task that writes, or fills masks",
            task
        );
        return Err(EngineError::Setting { field, reason });
    }
    if is_of_choices {
        return Err(wrong(sentence!("of multiple choice it is choices")));
    }
    if !config.verbalizer.is_empty() && source != CandidateSource::Classes {
        let reason = sentence!("words of classes are read where data.candidates is classes");
        return Err(EngineError::Setting { field: "data.verbalizer", reason });
    }
    if config.candidates_file.is_some() && source != CandidateSource::Answers {
        let reason = sentence!("it is read where data.candidates is answers");
        return Err(EngineError::Setting { field: "data.candidates_file", reason });
    }
    Ok(())
}

fn wrong(reason: Sentence) -> EngineError {
    EngineError::Setting { field: "data.candidates", reason }
}
