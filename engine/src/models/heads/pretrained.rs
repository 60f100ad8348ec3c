//! The head that a checkpoint brings along: which classes it names, and its weights in the order of other names for them.
//! Options as in huggingface/transformers: src/transformers/configuration_utils.py.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::{MAX_CLASSES, Task, TaskRecord};
use crate::error::Result;
use crate::models::ModelFolder;
use crate::models::load::catalog::{HEADS, head_kind};
use crate::weights::{NamedTensor, WeightFiles};
use crate::{Sentence, sentence};

/// A head that was trained before the checkpoint was saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PretrainedHead {
    /// It names the class of a text or of its tokens, or tells a number of a text.
    Names {
        /// Classification of texts or of tokens, or regression.
        task: Task,
        /// Names of the classes, in the order of its scores; none of a regression.
        classes: Vec<String>,
    },
    /// It is not computed here; the sentence says why.
    Unused(Sentence),
}

impl PretrainedHead {
    /// The head that the files hold, if they hold any. `width` is that of what a head reads.
    pub(crate) fn find(architecture: &str, width: usize, config: &Value, files: &WeightFiles) -> Option<Self> {
        let is_head = |name: &str| HEADS.iter().any(|head| name.starts_with(head));
        files.shapes().find(|(name, _)| is_head(name))?;
        let found = names(architecture, width, config, files);
        Some(found.unwrap_or_else(Self::Unused))
    }

    /// Indices of the scores for these classes, of a run or of rows. The head's own names are found in any order; those
    /// that transformers makes up, `LABEL_0` and so on, stand for numbers in their order.
    ///
    /// # Errors
    /// A sentence that says why the head is not theirs.
    pub fn scores_of(&self, task: Task, classes: &[String]) -> std::result::Result<Vec<usize>, Sentence> {
        let (its, own) = match self {
            Self::Names { task, classes } => (*task, classes),
            Self::Unused(reason) => return Err(reason.clone()),
        };
        if its != task {
            return Err(sentence!("it is for {its}", its));
        }
        if task == Task::Regression {
            return Ok(vec![0]);
        }
        let place = |class: &String| own.iter().position(|name| name == class);
        if let Some(order) = classes.iter().map(place).collect::<Option<Vec<_>>>()
            && order.len() == own.len()
        {
            return Ok(order);
        }
        let numbers: Option<Vec<i64>> = classes.iter().map(|class| class.parse().ok()).collect();
        let is_made_up = own.iter().enumerate().all(|(at, name)| *name == format!("LABEL_{at}"));
        match numbers {
            Some(numbers) if is_made_up && numbers.len() == own.len() => {
                Ok(numbers.iter().map(|n| numbers.iter().filter(|other| *other < n).count()).collect())
            }
            _ => Err(sentence!(
                "its classes are {own}, those of the rows {classes}",
                own = listed(own),
                classes = listed(classes)
            )),
        }
    }
}

impl PretrainedHead {
    /// Classes for scoring rows that may lack some of the head's classes: theirs, then the others, and the index of
    /// each one's score.
    ///
    /// # Errors
    /// As [`PretrainedHead::scores_of`].
    pub fn over(&self, task: Task, classes: &[String]) -> std::result::Result<(Vec<String>, Vec<usize>), Sentence> {
        let mut all = classes.to_vec();
        if let Self::Names { task: its, classes: own } = self
            && *its == task
            && classes.iter().all(|class| own.contains(class))
        {
            all.extend(own.iter().filter(|name| !classes.contains(name)).cloned());
        }
        let order = self.scores_of(task, &all)?;
        Ok((all, order))
    }
}

impl ModelFolder {
    /// The weights of the checkpoint's own head, its scores in this order.
    ///
    /// # Errors
    /// A weight cannot be read, or is not finite.
    pub fn head_weights(&self, task: Task, order: &[usize]) -> Result<Vec<NamedTensor>> {
        let Some(kind) = head_kind(self.shape().architecture, task) else { return Ok(Vec::new()) };
        let shapes = kind.parameter_shapes(self.head_width(), order.len());
        let n_last = if shapes.len() == 1 { 1 } else { 2 };
        let first = shapes.len() - n_last;
        let read = |(at, (name, shape)): (usize, (&'static str, Vec<usize>))| {
            let mut values = self.files().values(name, &shape)?;
            if at >= first {
                let rows: Vec<&[f32]> = values.chunks_exact(shape[1..].iter().product()).collect();
                values = order.iter().flat_map(|&row| rows[row].iter().copied()).collect();
            }
            Ok((name.to_owned(), shape, values))
        };
        shapes.into_iter().enumerate().map(read).collect()
    }
}

/// The classes that the head of some files names. The error is the sentence that says why it is not used.
fn names(
    architecture: &str,
    width: usize,
    config: &Value,
    files: &WeightFiles,
) -> std::result::Result<PretrainedHead, Sentence> {
    let saved = config.pointer("/architectures/0").and_then(Value::as_str);
    let saved = saved.ok_or(sentence!("config.json does not say what the checkpoint's head is for"))?;
    let task = match saved {
        name if name.ends_with("ForSequenceClassification") => Task::SequenceClassification,
        name if name.ends_with("ForTokenClassification") => Task::TokenClassification,
        name if name.ends_with("ForQuestionAnswering") => Task::QuestionAnswering,
        other => return Err(sentence!("the checkpoint was saved as {other}", other)),
    };
    let problem = config.get("problem_type").and_then(Value::as_str);
    let kind = head_kind(architecture, task)
        .ok_or_else(|| sentence!("{architecture} cannot do {task} here", architecture, task))?;
    let shape_of = |name: &str| files.shape(name);
    let last = kind.parameter_shapes(width, 0).iter().rev().find(|(_, shape)| shape.len() == 2).map(|(name, _)| *name);
    let n_classes = last.and_then(shape_of).and_then(|shape| shape.first()).copied().unwrap_or(0);
    // One score is a number, also where transformers has not said so yet.
    let is_number = task == Task::SequenceClassification && n_classes == 1;
    if let Some(problem) = problem
        && problem != if is_number { "regression" } else { "single_label_classification" }
    {
        return Err(sentence!("it was trained for problem_type = {problem}, which names no single class", problem));
    }
    let other = kind.parameter_shapes(width, n_classes).into_iter().find(|(name, shape)| shape_of(name) != Some(shape));
    if let Some((name, _)) = other {
        return Err(sentence!(
            "its layers are not those of {saved}: {name} is missing or of another shape",
            saved,
            name
        ));
    }
    if n_classes > MAX_CLASSES {
        return Err(sentence!(
            "it gives {n_classes} scores, more than {max_classes}",
            n_classes,
            max_classes = MAX_CLASSES
        ));
    }
    if is_number {
        return Ok(PretrainedHead::Names { task: Task::Regression, classes: Vec::new() });
    }
    if n_classes < 2 {
        return Err(sentence!("it gives {n_classes} score, which names no class", n_classes));
    }
    if task == Task::QuestionAnswering {
        return match n_classes {
            2 => Ok(PretrainedHead::Names { task, classes: TaskRecord::of(task).classes }),
            _ => {
                Err(sentence!("it gives {n_classes} scores, not those of an answer's first and last token", n_classes))
            }
        };
    }
    let classes = class_names(config, n_classes)?;
    if classes.iter().collect::<BTreeSet<_>>().len() < n_classes {
        return Err(sentence!("two of its classes have the same name"));
    }
    Ok(PretrainedHead::Names { task, classes })
}

/// As `id2label` has them; transformers writes none where the names are those it makes up.
fn class_names(config: &Value, n_classes: usize) -> std::result::Result<Vec<String>, Sentence> {
    let Some(names) = config.get("id2label").filter(|names| !names.is_null()) else {
        return Ok((0..n_classes).map(|class| format!("LABEL_{class}")).collect());
    };
    let named = |class: usize| names.get(class.to_string()).and_then(Value::as_str).map(str::to_owned);
    let n_names = names.as_object().map_or(0, serde_json::Map::len);
    let all: Option<Vec<String>> = (0..n_classes).map(named).collect();
    all.filter(|_| n_names == n_classes)
        .ok_or_else(|| sentence!("id2label of config.json does not name its {n_classes} classes", n_classes))
}

/// Number of names shown of many.
const SHOWN: usize = 6;

/// Names in quotes, the first of many.
fn listed(names: &[String]) -> Sentence {
    let named = names.iter().take(SHOWN).map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    match names.len() {
        0..=SHOWN => Sentence::verbatim(named),
        n => sentence!("{named} and {n} more", named, n = n - SHOWN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(classes: &[&str]) -> PretrainedHead {
        let classes = classes.iter().map(|&class| class.to_owned()).collect();
        PretrainedHead::Names { task: Task::SequenceClassification, classes }
    }

    fn order(head: &PretrainedHead, classes: &[&str]) -> std::result::Result<Vec<usize>, Sentence> {
        let classes: Vec<String> = classes.iter().map(|&class| class.to_owned()).collect();
        head.scores_of(Task::SequenceClassification, &classes)
    }

    #[test]
    fn classes_are_found_by_their_names_in_any_order() {
        let own = head(&["NEGATIVE", "NEUTRAL", "POSITIVE"]);
        assert_eq!(order(&own, &["POSITIVE", "NEGATIVE", "NEUTRAL"]), Ok(vec![2, 0, 1]));
        assert_eq!(
            order(&own, &["NEGATIVE", "POSITIVE"]).unwrap_err(),
            "its classes are \"NEGATIVE\", \"NEUTRAL\", \"POSITIVE\", those of the rows \"NEGATIVE\", \"POSITIVE\""
        );
        assert!(order(&own, &["NEGATIVE", "POSITIVE", "other"]).is_err());
        let tokens = own.scores_of(Task::TokenClassification, &["NEGATIVE".to_owned()]).unwrap_err();
        assert_eq!(tokens, "it is for sequence_classification");
    }

    #[test]
    fn rows_that_lack_classes_are_scored_among_all() {
        let own = head(&["B-x", "I-x", "O"]);
        let over = |classes: [&str; 2]| own.over(Task::SequenceClassification, &classes.map(str::to_owned));
        let all = ["B-x", "O", "I-x"].map(str::to_owned).to_vec();
        assert_eq!(over(["B-x", "O"]), Ok((all, vec![0, 2, 1])));
        assert!(over(["B-y", "O"]).is_err());
    }

    #[test]
    fn names_that_say_nothing_stand_for_numbers_alone() {
        let own = head(&["LABEL_0", "LABEL_1", "LABEL_2"]);
        assert_eq!(order(&own, &["1", "2", "3"]), Ok(vec![0, 1, 2]));
        assert_eq!(order(&own, &["10", "-1", "2"]), Ok(vec![2, 0, 1]));
        assert_eq!(order(&own, &["LABEL_1", "LABEL_0", "LABEL_2"]), Ok(vec![1, 0, 2]));
        assert!(order(&own, &["a", "b", "c"]).is_err(), "whichever of them is LABEL_0 is unknown");
        assert!(order(&own, &["0", "1"]).is_err());
        assert!(order(&head(&["no", "yes"]), &["0", "1"]).is_err(), "0 is not said to be no");
    }
}
