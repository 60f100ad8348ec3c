//! What all tabs ask of the chosen runs: which names there are, which of them are numbers, what differs.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde_json::Value;

use crate::store::RunRow;
use crate::study::{Cell, Group, Name, NameKind, cell, differences, names, over_seeds};
use crate::t;
use crate::widgets::name_choice::Choice;

/// The column that every run has and that a figure is by default: the best validation loss.
pub(super) const LOSS: &str = "loss";

/// Columns that say nothing along an axis: moments, and what a user wrote.
const UNPLACED: [&str; 4] = ["started", "ended", "created", "notes"];

/// Answers about the chosen runs, found once for as long as they do not change.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Facts {
    /// All names.
    pub(super) names: Vec<Name>,
    /// Settings that are not the same in all runs, with each run's value.
    pub(super) differences: Vec<(String, Vec<Option<Value>>)>,
    /// Runs that differ in their seed alone.
    pub(super) groups: Vec<Group>,
    /// Names that can judge a run: columns and figures that are numbers.
    pub(super) figures: Vec<Choice>,
    /// Settings that differ, as an axis or a color can have them.
    pub(super) settings: Vec<Choice>,
    /// Everything, what differs first.
    pub(super) all: Vec<Choice>,
}

impl Facts {
    /// Asks about these runs.
    pub(super) fn of(rows: &[&RunRow]) -> Self {
        let (mut names, differences) = (names(rows), differences(rows));
        names.retain(|name| !UNPLACED.contains(&name.full.as_str()));
        let differ: BTreeSet<&str> = differences.iter().map(|(name, _)| name.as_str()).collect();
        let choice = |name: &Name| Choice { value: name.full.clone(), text: spoken(name) };
        let is_number = |name: &Name| rows.iter().any(|row| matches!(cell(row, &name.full), Some(Cell::Number(_))));
        let is_figure = |name: &&Name| name.kind != NameKind::Setting && name.full != "seed" && is_number(name);
        let mut judges: Vec<&Name> = names.iter().filter(is_figure).collect();
        judges.sort_by_key(|name| (name.full != LOSS, name.kind != NameKind::Figure));
        let figures = judges.into_iter().map(choice).collect();
        // Some settings are columns too, and are among the names as such.
        let settings: Vec<Choice> = differences
            .iter()
            .map(|(setting, _)| match names.iter().find(|name| name.full == *setting) {
                Some(name) => choice(name),
                None => Choice { value: setting.clone(), text: setting.clone() },
            })
            .collect();
        let rest = names.iter().filter(|name| !differ.contains(name.full.as_str()));
        let all = settings.iter().cloned().chain(rest.map(choice)).collect();
        let groups = over_seeds(rows, LOSS);
        Self { figures, settings, all, groups, differences, names }
    }

    /// A name as it is shown.
    pub(super) fn shown(&self, name: &str) -> String {
        let known = self.names.iter().find(|known| known.full == name || known.short == name);
        known.map_or_else(|| name.to_owned(), spoken)
    }

    /// The same name, or the first that can judge a run where there is no such figure.
    pub(super) fn figure<'a>(&'a self, wanted: &'a str) -> &'a str {
        let is_there = self.names.iter().any(|name| name.full == wanted || name.short == wanted);
        if is_there { wanted } else { self.figures.first().map_or(LOSS, |choice| &choice.value) }
    }

    /// The same name, or the first setting that differs.
    pub(super) fn setting<'a>(&'a self, wanted: &'a str) -> &'a str {
        let is_there = self.all.iter().any(|choice| choice.value == wanted);
        let is_seed = |choice: &&Choice| choice.value.ends_with("seed");
        match self.settings.iter().find(|choice| !is_seed(choice)).or(self.settings.first()) {
            Some(first) if !is_there => &first.value,
            _ if is_there => wanted,
            _ => "trained",
        }
    }
}

/// Columns have words of their own; settings and figures are called as in files.
fn spoken(name: &Name) -> String {
    let words = match name.full.as_str() {
        _ if name.kind != NameKind::Column => None,
        "name" => Some(t!("column.name")),
        "state" => Some(t!("column.state")),
        "method" => Some(t!("column.method")),
        "model" => Some(t!("column.model")),
        "data" => Some(t!("views.dataset")),
        "experiment" => Some(t!("views.experiment")),
        "tag" => Some(t!("views.tags")),
        "seed" => Some(t!("views.seed")),
        LOSS => Some(t!("views.best_loss")),
        "last" => Some(t!("column.last")),
        "step" => Some(t!("views.steps_done")),
        "steps" => Some(t!("views.all_steps")),
        "best_step" => Some(t!("views.best_step")),
        "minutes" => Some(t!("views.minutes")),
        "duration" => Some(t!("views.seconds")),
        "trained" => Some(t!("views.trained")),
        "stored" => Some(t!("views.stored")),
        "starred" => Some(t!("views.starred")),
        "archived" => Some(t!("views.archived")),
        _ => None,
    };
    words.map_or_else(|| name.short.clone(), str::to_owned)
}

/// Two numbers of the chosen runs: the first changes with which runs there are and what names they have, the second with
/// any of their values too.
pub(super) fn fingerprints(rows: &[&RunRow]) -> (u64, u64) {
    let mut names = DefaultHasher::new();
    for row in rows {
        (&row.id, &row.name).hash(&mut names);
        // A run that is computed is told anew all the time, with the settings that it has.
        (!row.state.is_live()).then_some(Arc::as_ptr(&row.settings) as usize).hash(&mut names);
        row.figures.keys().for_each(|name| name.hash(&mut names));
        [row.best_loss.is_some(), row.last_loss.is_some(), row.trained_parameters.is_some()].hash(&mut names);
        (row.total_steps > 0, row.experiment.is_some(), row.tags.is_empty()).hash(&mut names);
    }
    let mut values = names.clone();
    for row in rows {
        row.figures.values().for_each(|value| value.to_bits().hash(&mut values));
        (row.step, row.total_steps, row.best_step, row.state as u8).hash(&mut values);
        (row.trained_parameters, row.stored_parameters).hash(&mut values);
        [row.best_loss, row.last_loss, Some(row.duration_secs)].map(|value| value.map(f64::to_bits)).hash(&mut values);
        (row.starred, row.archived, &row.tags, &row.experiment).hash(&mut values);
    }
    (names.finish(), values.finish())
}

/// Figures that have a curve, the losses first: names as the store has them, and as they are shown. Those of files that
/// were evaluated have none.
pub(super) fn curve_names(rows: &[&RunRow]) -> Vec<Choice> {
    let mut found = vec![
        Choice { value: "loss".into(), text: t!("views.training_loss").to_owned() },
        Choice { value: "validation loss".into(), text: t!("views.validation_loss").to_owned() },
    ];
    let names: BTreeSet<&String> = rows.iter().flat_map(|row| row.figures.keys()).collect();
    let of_steps = names.into_iter().filter(|name| !name.contains('/'));
    found.extend(of_steps.map(|name| Choice { value: name.clone(), text: name.clone() }));
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_fingerprints_follow_what_is_known_of_a_run() {
        let row = RunRow { state: crate::store::RunState::Running, ..RunRow::example() };
        let known = fingerprints(&[&row]);
        assert_eq!(known, fingerprints(&[&row.clone()]));
        for changed in [RunRow { step: row.step + 1, ..row.clone() }, RunRow { best_loss: Some(0.5), ..row.clone() }] {
            let (names, values) = fingerprints(&[&changed]);
            assert_eq!(names, known.0, "a step is nothing new to ask about");
            assert_ne!(values, known.1);
        }
        for changed in [
            RunRow { name: "other".into(), ..row.clone() },
            RunRow { figures: Arc::new(BTreeMap::from([("bleu".into(), 0.5)])), ..row.clone() },
        ] {
            assert_ne!(fingerprints(&[&changed]).0, known.0);
        }
        assert_ne!(known, fingerprints(&[&row, &row]));
    }

    #[test]
    fn a_figure_of_an_evaluated_file_has_no_curve() {
        let figures = [("bleu", 0.4), ("test/bleu", 0.3)].map(|(name, value)| (name.to_owned(), value));
        let row = RunRow { figures: Arc::new(BTreeMap::from(figures)), ..RunRow::example() };
        let names: Vec<String> = curve_names(&[&row]).into_iter().map(|choice| choice.value).collect();
        assert_eq!(names, ["loss", "validation loss", "bleu"]);
    }
}
