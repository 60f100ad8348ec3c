//! Several datasets that train one prompt or prefix together.

use super::dataset::Dataset;
use super::encode::Example;
use super::examples::Examples;
use crate::config::{DataConfig, HeadRecord, Heads, Mixing, MoreData};
use crate::error::{EngineError, Result};
use crate::sentence;

impl MoreData {
    /// The dataset with the settings of the first one where it has none of its own; columns are not among them.
    pub fn over(&self, first: &DataConfig) -> DataConfig {
        DataConfig {
            train: self.train.clone(),
            validation: self.validation.clone(),
            name: self.name.clone(),
            source_column: self.source_column.clone(),
            second_column: self.second_column.clone(),
            target_column: self.target_column.clone(),
            prompt_template: self.prompt_template.clone().unwrap_or_else(|| first.prompt_template.clone()),
            target_template: self.target_template.clone().unwrap_or_else(|| first.target_template.clone()),
            more: Vec::new(),
            ..first.clone()
        }
    }
}

/// One dataset of several: the training rows of one behind those of another, validation rows by turns, the first one's
/// columns. Mixed evenly, rows of a smaller one are repeated until there are as many as of the largest. Datasets with
/// classes of their own have them one behind the other.
///
/// # Errors
/// [`EngineError::Setting`] when two datasets with a head each are called the same.
pub(super) fn joined(first: Dataset, others: Vec<(String, Dataset)>, config: &DataConfig) -> Result<Dataset> {
    if others.is_empty() {
        return Ok(first);
    }
    let longest = others.iter().map(|(_, data)| data.train.len()).chain([first.train.len()]).max().unwrap_or(0);
    let share = |rows: Examples| match config.mixing {
        Mixing::Size => rows,
        Mixing::Even => rows.repeated(longest),
    };
    let name = config.name_of_rows();
    let mut whole = Dataset { train: share(first.train), validation: Vec::new(), names: vec![name], ..first };
    if own_heads(&whole, &others, config.heads) {
        whole.task.heads.push(HeadRecord { name: config.name_of_rows(), n_classes: whole.task.classes.len() });
    }
    let mut validation = vec![first.validation];
    for (name, other) in others {
        let Dataset { train, validation: kept, task, report, .. } = other;
        let numbers: Vec<usize> = task.tasks.into_iter().map(|name| number(&mut whole.task.tasks, name)).collect();
        let before = if whole.task.heads.is_empty() { 0 } else { whole.task.classes.len() };
        let dataset = whole.names.len();
        let renumbered = |mut example: Example| {
            example.task = numbers.get(example.task).copied().unwrap_or(example.task);
            example.dataset = dataset;
            example.labels.iter_mut().for_each(|(_, class)| *class += before as i32);
            example
        };
        let mut train = share(train);
        train.change(&|change| {
            (change.tasks, change.dataset, change.first_class) = (Some(numbers.clone()), dataset, before as i32);
        });
        whole.train.extend(train);
        validation.push(kept.into_iter().map(renumbered).collect());
        whole.report.add(report, &name);
        if !whole.task.heads.is_empty() {
            if whole.names.contains(&name) {
                let reason = sentence!("two datasets with a head each are called {name:?}", name);
                return Err(EngineError::Setting { field: "data.name", reason });
            }
            whole.task.heads.push(HeadRecord { name: name.clone(), n_classes: task.classes.len() });
            whole.task.classes.extend(task.classes);
        }
        whole.names.push(name);
    }
    whole.validation = by_turns(validation);
    whole.groups.clone_from(&whole.task.tasks);
    Ok(whole)
}

/// Whether each dataset has a head of its own.
fn own_heads(first: &Dataset, others: &[(String, Dataset)], heads: Heads) -> bool {
    first.task.task.has_classes()
        && match heads {
            Heads::ByClasses => others.iter().any(|(_, other)| other.task.classes != first.task.classes),
            Heads::Shared => false,
            Heads::Each => true,
        }
}

/// The first of each, then the second of each: the first rows are looked at.
fn by_turns(lists: Vec<Vec<Example>>) -> Vec<Example> {
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    let mut lists: Vec<_> = lists.into_iter().map(Vec::into_iter).collect();
    (0..longest).flat_map(|_| lists.iter_mut().filter_map(Iterator::next).collect::<Vec<_>>()).collect()
}

/// The place of a name among others, at their end if it is new.
fn number(names: &mut Vec<String>, name: String) -> usize {
    names.iter().position(|known| *known == name).unwrap_or_else(|| {
        names.push(name);
        names.len() - 1
    })
}
