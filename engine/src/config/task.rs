//! Tasks, and what the rows settle about them.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::sentence::ToSentence;
use crate::{Sentence, sentence};

/// The task of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// The next token of its text.
    #[default]
    Causal,
    /// The text that is written from a source.
    #[serde(rename = "seq2seq")]
    Seq2Seq,
    /// The class of its text, or of a pair of texts.
    SequenceClassification,
    /// The class of each of its words.
    TokenClassification,
    /// A number for its text, or for a pair of texts, by the squared error (transformers: `problem_type = "regression"`).
    Regression,
    /// The token that a mask hides.
    MaskedFill,
    /// The place in a text where the answer to a question stands.
    QuestionAnswering,
    /// The right one of a row's choices, by a score of each. Of an adapter it is the task of encoders alone: a model that
    /// writes learns it as a text.
    MultipleChoice,
}

impl ToSentence for Task {
    fn to_sentence(&self) -> Sentence {
        Sentence::verbatim(self.name())
    }
}

impl Task {
    /// Whether a text is learned, token by token: one that can be generated afterwards.
    pub fn writes(self) -> bool {
        matches!(self, Self::Causal | Self::Seq2Seq)
    }

    /// Whether rows carry the names of classes, which a trained head tells apart.
    pub fn has_classes(self) -> bool {
        matches!(self, Self::SequenceClassification | Self::TokenClassification)
    }

    /// Whether a head reads a whole text, or a pair of texts, to tell its class or its number.
    pub fn is_of_texts(self) -> bool {
        matches!(self, Self::SequenceClassification | Self::Regression)
    }

    /// Whether a head is trained with it: one for classes or a number, one that scores a choice, or one that finds an answer.
    pub fn has_head(self) -> bool {
        self.has_classes() || matches!(self, Self::Regression | Self::MultipleChoice | Self::QuestionAnswering)
    }

    /// Whether a template writes its prompts.
    pub(crate) fn has_template(self) -> bool {
        self.writes() || matches!(self, Self::MaskedFill | Self::MultipleChoice)
    }

    /// The task of a model that can do `able`: the one asked for, or the first of them. A model that writes learns a choice
    /// as a text.
    pub(crate) fn of_model(asked: Option<Self>, able: &[Self]) -> Option<Self> {
        let first = able.first().copied();
        let asked = asked.or(first).filter(|task| able.contains(task))?;
        let written = able.iter().copied().find(|task| task.writes()).filter(|_| asked == Self::MultipleChoice);
        Some(written.unwrap_or(asked))
    }

    /// As configurations name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Causal => "causal",
            Self::Seq2Seq => "seq2seq",
            Self::SequenceClassification => "sequence_classification",
            Self::TokenClassification => "token_classification",
            Self::Regression => "regression",
            Self::MaskedFill => "masked_fill",
            Self::QuestionAnswering => "question_answering",
            Self::MultipleChoice => "multiple_choice",
        }
    }
}

/// Initial values of a head that names classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeadInit {
    /// Those of the checkpoint's own head, if it names the same classes; otherwise new ones.
    #[default]
    Checkpoint,
    /// New ones, drawn.
    New,
}

impl HeadInit {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    pub(super) fn is_checkpoint(&self) -> bool {
        *self == Self::Checkpoint
    }
}

/// More classes than this are no classes: a column or a head with so many is something else.
pub const MAX_CLASSES: usize = 1000;

/// A task with what its rows settle: `task.json` of an adapter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// The task itself.
    pub task: Task,
    /// Names of the classes, in the order of the head's scores; empty where there are none, or not yet.
    #[serde(default)]
    pub classes: Vec<String>,
    /// Names of the tasks that share a prompt, in the order of its matrices; empty where there is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<String>,
    /// The datasets that have a head of their own; `classes` are then those of one behind those of another. Empty where one
    /// head is for all rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heads: Vec<HeadRecord>,
}

/// A dataset with classes and a head of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadRecord {
    /// Name of the dataset.
    pub name: String,
    /// Number of classes of its own.
    pub n_classes: usize,
}

impl TaskRecord {
    /// A task whose classes the rows will tell; the ends of an answer are known.
    pub fn of(task: Task) -> Self {
        let ends = || ["start", "end"].map(str::to_owned).to_vec();
        let classes = if task == Task::QuestionAnswering { ends() } else { Vec::new() };
        Self { task, classes, ..Self::default() }
    }

    /// A task with so many classes, before the rows name them.
    pub fn of_size(task: Task, n_classes: usize) -> Self {
        Self { classes: (0..n_classes).map(|class| class.to_string()).collect(), ..Self::of(task) }
    }

    /// Scores that its head gives: one for each class, or of a choice or a number one.
    pub fn n_scores(&self) -> usize {
        if matches!(self.task, Task::MultipleChoice | Task::Regression) { 1 } else { self.classes.len() }
    }

    /// Where the classes of each head begin and end; of one for all rows nothing.
    pub fn blocks(&self) -> Vec<Range<usize>> {
        let mut end = 0;
        let block = |head: &HeadRecord| {
            let begin = end;
            end += head.n_classes;
            begin..end
        };
        self.heads.iter().map(block).collect()
    }

    /// Refuses heads that do not share out the classes, as a damaged file may have them.
    ///
    /// # Errors
    /// The numbers, in words.
    pub fn check(&self) -> Result<(), Sentence> {
        let n_most = self.heads.iter().map(|head| head.n_classes).max().unwrap_or(self.classes.len());
        if n_most > MAX_CLASSES {
            return Err(sentence!(
                "a head for {n_most} classes; at most {max_classes} are told apart",
                n_most,
                max_classes = MAX_CLASSES
            ));
        }
        let sum = self.heads.iter().try_fold(0_usize, |sum, head| sum.checked_add(head.n_classes));
        let has_all = sum == Some(self.classes.len()) && self.heads.iter().all(|head| head.n_classes > 0);
        if self.heads.is_empty() || has_all {
            return Ok(());
        }
        Err(sentence!(
            "its {n_heads} heads do not share out its {n_classes} classes",
            n_heads = self.heads.len(),
            n_classes = self.classes.len()
        ))
    }
}
