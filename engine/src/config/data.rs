//! The rows of a run, and how a row becomes tokens.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::candidates::{CandidateScore, CandidateSource};
use super::task::Task;

/// The rows, and how a row becomes tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Training rows: `.jsonl`, `.json`, `.csv`, `.tsv`, `.conll`, `.parquet`, `.arrow`, a folder or a pattern of them.
    pub train: PathBuf,
    /// Name of the rows among others, as the task of a prompt for several; `None` is the file's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Other datasets that train the same prompt or prefix.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<MoreData>,
    /// Rows of each in an epoch.
    #[serde(default, skip_serializing_if = "Mixing::is_by_size")]
    pub mixing: Mixing,
    /// Sharing of heads among several datasets with classes.
    #[serde(default, skip_serializing_if = "Heads::is_by_classes")]
    pub heads: Heads,
    /// Column of the task that a row belongs to, for a prompt of several; without it each dataset is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_column: Option<String>,
    /// Validation rows; without them, `validation_share` of the training rows.
    #[serde(default)]
    pub validation: Option<PathBuf>,
    /// Share of the training rows kept for validation when there is no file of their own, 0 to 0.9.
    #[serde(default = "default_validation_share")]
    pub validation_share: f64,
    /// Use at most this many validation rows.
    #[serde(default = "default_validation_rows")]
    pub validation_rows: usize,
    /// Decides which rows are kept for validation; `None` is the run's seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_seed: Option<u64>,
    /// Training rows that are used: a share below 1, or a number; `None` is all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_rows: Option<f64>,
    /// Decides which training rows are used where not all are: fewer are always among more.
    #[serde(default)]
    pub train_rows_seed: u64,
    /// Recognition of the forms of papers and benchmarks.
    #[serde(default)]
    pub form: FormRecognition,
    /// Rows of a source with several references.
    #[serde(default)]
    pub references: References,
    /// Answers of a conversation that are learned.
    #[serde(default)]
    pub learned_turns: LearnedTurns,
    /// What a row of plain text is.
    #[serde(default)]
    pub text_unit: TextUnit,
    /// Column that the prompt is made of; `None` takes the first of the usual names that is there.
    #[serde(default)]
    pub source_column: Option<String>,
    /// Column of the second text, where pairs are classified.
    #[serde(default)]
    pub second_column: Option<String>,
    /// Column that is to be learned, the class in classification; `None` takes the first of the usual names that is there.
    #[serde(default)]
    pub target_column: Option<String>,
    /// Text before the target: a minijinja template over `source`, `bos`, `eos` and every column of the row. No loss.
    /// `soft(3)` puts three soft tokens of the method there.
    #[serde(default = "default_prompt_template")]
    pub prompt_template: String,
    /// Text to be learned: a template over `target`, `bos`, `eos` and every column.
    #[serde(default = "default_target_template")]
    pub target_template: String,
    /// Ends every target with the model's end token, which is learned too.
    #[serde(default = "default_true")]
    pub append_end_token: bool,
    /// Source of the begin token before a prompt.
    #[serde(default)]
    pub begin_token: BeginToken,
    /// Writes the prompt as one turn of the user in the model's chat template and the target as the model's answer,
    /// with the token that ends a turn there.
    #[serde(default)]
    pub chat: bool,
    /// Longest row in tokens, prompt and target together. `None` is what the model has left beside the prefix.
    #[serde(default)]
    pub max_tokens: Option<usize>,
    /// Part that a longer row loses.
    #[serde(default)]
    pub truncate: Truncate,
    /// Tokens by which the windows of a long text overlap that a question is about (transformers: `doc_stride`); `None` is
    /// 128, or a third of a window if that is less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<usize>,
    /// Source of the candidates among which a row's answer is looked for; a verbalizer means the classes, a file of
    /// candidates the answers.
    #[serde(default, skip_serializing_if = "CandidateSource::is_none")]
    pub candidates: CandidateSource,
    /// The word of each class, by the class as the rows have it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub verbalizer: BTreeMap<String, String>,
    /// Candidates in place of the answers of all rows, one a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidates_file: Option<PathBuf>,
    /// Comparison of candidates of different length.
    #[serde(default, skip_serializing_if = "CandidateScore::is_sum")]
    pub candidate_score: CandidateScore,
    /// Column of the choices, a list, or several columns as `choice1 + choice2`; `None` takes those of the usual names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice_column: Option<String>,
}

/// A dataset beside the first one. What it does not say is as there, but for the columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoreData {
    /// As [`DataConfig::train`].
    pub train: PathBuf,
    /// As [`DataConfig::validation`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<PathBuf>,
    /// As [`DataConfig::name`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// As [`DataConfig::source_column`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_column: Option<String>,
    /// As [`DataConfig::second_column`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_column: Option<String>,
    /// As [`DataConfig::target_column`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_column: Option<String>,
    /// As [`DataConfig::prompt_template`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_template: Option<String>,
    /// As [`DataConfig::target_template`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_template: Option<String>,
}

/// Part that a row loses which is longer than the limit.
///
/// Soft tokens and the last token of a prompt stay by every rule, special tokens by every one but `PromptStart`.
/// A text that is classified, or read by itself as a source, loses its end by every rule that cuts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Truncate {
    /// The beginning of the prompt, then the end of the target. Run folders that do not say were made so.
    #[default]
    PromptStart,
    /// The end of the row's own text in the prompt, then the end of what the template writes, then that of the target; of a
    /// pair the first text (transformers: `only_first`).
    PromptEnd,
    /// The end of the row, prompt and target together; of a pair the second text (transformers: `only_second`). A row whose
    /// prompt alone fills the limit is left out.
    End,
    /// The end of the longer one, the row's own text in the prompt or the target, as transformers cuts pairs; what the
    /// template writes around it stays. The default for a new run.
    LongestFirst,
    /// None: the row is left out.
    Skip,
}

/// Rows of each of several datasets in an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mixing {
    /// All that it has, once.
    #[default]
    Size,
    /// As many as the largest has: rows of a smaller one come several times.
    Even,
}

impl Mixing {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    fn is_by_size(&self) -> bool {
        *self == Self::Size
    }
}

/// Sharing of heads among several datasets with classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Heads {
    /// All, where all have the same classes; otherwise each has its own.
    #[default]
    ByClasses,
    /// All: the classes are those of the first dataset, and rows of other classes are left out.
    Shared,
    /// None: the same name in two datasets is two classes.
    Each,
}

impl Heads {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    fn is_by_classes(&self) -> bool {
        *self == Self::ByClasses
    }
}

/// Recognition of the forms of papers and benchmarks: E2E, WebNLG, GLUE, SQuAD and others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormRecognition {
    /// By columns and by what is in them; the default for a new run.
    Auto,
    /// Rows are as the file has them. Run folders that do not say were made so.
    #[default]
    None,
}

/// Rows of a source with several references.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum References {
    /// The first alone. Run folders that do not say were made so.
    #[default]
    First,
    /// Each is a row; the default for a new run.
    Each,
    /// One of them in an epoch, drawn by the seed.
    One,
}

/// Answers of a conversation that are learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LearnedTurns {
    /// Each, with what was said before it.
    #[default]
    All,
    /// The last one.
    Last,
}

/// What a row of plain text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextUnit {
    /// A line.
    #[default]
    Line,
    /// What stands between empty lines.
    Paragraph,
    /// As much of the text as a row may have tokens.
    Chunk,
}

/// The paper's prompt, for GPT-2. Where the tokenizer begins texts itself, or in a chat, it is the source alone.
pub const DEFAULT_PROMPT_TEMPLATE: &str = "{{ source }}{{ bos }}";

/// Source of the begin token before a prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BeginToken {
    /// The tokenizer, if it does so for every text (LLaMA, OPT); the default for a new run.
    Tokenizer,
    /// The prompt template alone. Run folders that do not say were made so.
    #[default]
    Template,
}

fn default_validation_share() -> f64 {
    0.1
}
fn default_validation_rows() -> usize {
    500
}
fn default_prompt_template() -> String {
    DEFAULT_PROMPT_TEMPLATE.to_owned()
}
fn default_target_template() -> String {
    " {{ target }}".to_owned()
}
fn default_true() -> bool {
    true
}

impl DataConfig {
    /// The defaults for one file of rows.
    pub fn new(train: impl Into<PathBuf>) -> Self {
        Self {
            train: train.into(),
            name: None,
            more: Vec::new(),
            mixing: Mixing::Size,
            heads: Heads::ByClasses,
            task_column: None,
            validation: None,
            validation_share: default_validation_share(),
            validation_rows: default_validation_rows(),
            split_seed: Some(0),
            train_rows: None,
            train_rows_seed: 0,
            form: FormRecognition::Auto,
            references: References::Each,
            learned_turns: LearnedTurns::All,
            text_unit: TextUnit::Line,
            source_column: None,
            second_column: None,
            target_column: None,
            prompt_template: default_prompt_template(),
            target_template: default_target_template(),
            append_end_token: true,
            begin_token: BeginToken::Tokenizer,
            chat: false,
            stride: None,
            max_tokens: None,
            truncate: Truncate::LongestFirst,
            candidates: CandidateSource::None,
            verbalizer: BTreeMap::new(),
            candidates_file: None,
            candidate_score: CandidateScore::Sum,
            choice_column: None,
        }
    }

    /// The same for a task that was asked for: of multiple choice the candidates are the choices.
    #[must_use]
    pub fn for_task(mut self, task: Option<Task>) -> Self {
        if task == Some(Task::MultipleChoice) && self.candidate_source() == CandidateSource::None {
            self.candidates = CandidateSource::Choices;
        }
        self
    }

    /// The source of the candidates, which a verbalizer and a file of candidates say too.
    pub fn candidate_source(&self) -> CandidateSource {
        match self.candidates {
            CandidateSource::None if !self.verbalizer.is_empty() => CandidateSource::Classes,
            CandidateSource::None if self.candidates_file.is_some() => CandidateSource::Answers,
            said => said,
        }
    }

    /// Name of the rows among others.
    pub fn name_of_rows(&self) -> String {
        name_of(self.name.as_ref(), &self.train)
    }

    /// Number of training rows that are used, of `n` that are there: at least one.
    pub fn n_train_rows(&self, n: usize) -> usize {
        match self.train_rows {
            None => n,
            Some(share) if share < 1.0 => ((n as f64 * share.max(0.0)).round() as usize).clamp(1.min(n), n),
            Some(number) => (number as usize).min(n),
        }
    }
}

impl MoreData {
    /// Name of the rows among others.
    pub fn name_of_rows(&self) -> String {
        name_of(self.name.as_ref(), &self.train)
    }
}

fn name_of(name: Option<&String>, file: &Path) -> String {
    let stem = || file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    name.cloned().unwrap_or_else(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_rows_are_a_number_or_a_share() {
        let used = |train_rows, n| DataConfig { train_rows, ..DataConfig::new("x") }.n_train_rows(n);
        assert_eq!([used(None, 7), used(Some(3.0), 7), used(Some(9.0), 7), used(Some(1.0), 7)], [7, 3, 7, 1]);
        assert_eq!([used(Some(0.5), 7), used(Some(0.01), 7), used(Some(0.01), 0)], [4, 1, 0]);
    }
}
