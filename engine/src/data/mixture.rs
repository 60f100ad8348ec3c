//! Several datasets that train one prompt or prefix together.

use super::dataset::{DataReport, Dataset};
use super::encode::Example;
use super::table::Problem;
use crate::config::{DataConfig, Mixing, MoreData};

impl MoreData {
    /// The dataset with the settings of the first one where it has none of its own; columns are not among them.
    pub(super) fn over(&self, first: &DataConfig) -> DataConfig {
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

/// One dataset of several: the rows of one behind those of another, the first one's classes and columns. Mixed evenly, rows
/// of a smaller one are repeated until there are as many as of the largest.
pub(super) fn joined(first: Dataset, others: Vec<(String, Dataset)>, mixing: Mixing) -> Dataset {
    let longest = others.iter().map(|(_, data)| data.train.len()).chain([first.train.len()]).max().unwrap_or(0);
    let share = |rows: Vec<Example>| match mixing {
        Mixing::Size => rows,
        Mixing::Even => rows.iter().cloned().cycle().take(longest).collect(),
    };
    let mut whole = Dataset { train: share(first.train), ..first };
    for (name, other) in others {
        let Dataset { train, validation, task, report } = other;
        let numbers: Vec<usize> = task.tasks.into_iter().map(|name| number(&mut whole.task.tasks, name)).collect();
        let renumbered = |mut example: Example| {
            example.task = numbers.get(example.task).copied().unwrap_or(example.task);
            example
        };
        whole.train.extend(share(train).into_iter().map(renumbered));
        whole.validation.extend(validation.into_iter().map(renumbered));
        whole.report.add(report, &name);
    }
    whole
}

/// The place of a name among others, at their end if it is new.
fn number(names: &mut Vec<String>, name: String) -> usize {
    names.iter().position(|known| *known == name).unwrap_or_else(|| {
        names.push(name);
        names.len() - 1
    })
}

impl DataReport {
    /// Adds what happened to the rows of another dataset.
    fn add(&mut self, other: Self, name: &str) {
        self.total_rows += other.total_rows;
        self.train_rows += other.train_rows;
        self.validation_rows += other.validation_rows;
        self.truncated_rows += other.truncated_rows;
        self.skipped_rows += other.skipped_rows;
        self.duplicate_rows += other.duplicate_rows;
        self.lengths.extend(other.lengths);
        let named = other.skipped.into_iter().map(|p| Problem { row: p.row, reason: format!("{name}: {}", p.reason) });
        self.skipped.extend(named);
    }
}
