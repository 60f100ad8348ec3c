//! Runs that stand together under a line of their own: those of an experiment, those that differ in their seeds alone, those
//! that have the same in a column.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::columns::{Column, best_of, text_of};
use super::table::state_words;
use crate::format;
use crate::store::{RunRow, RunState};
use crate::study::{self, less_is_better};
use crate::t;
use crate::workspace::date_and_time;

/// What runs stand together by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum GroupBy {
    /// By experiment, as soon as there is one.
    #[default]
    Auto,
    /// They do not.
    Nothing,
    /// Experiment.
    Experiment,
    /// All settings but the seed.
    Seeds,
    /// What stands in a column.
    Column(Column),
}

impl GroupBy {
    /// What it comes to with these runs.
    pub(super) fn resolved(&self, rows: &[&RunRow]) -> Self {
        match self {
            Self::Auto if rows.iter().any(|row| row.experiment.is_some()) => Self::Experiment,
            Self::Auto => Self::Nothing,
            other => other.clone(),
        }
    }
}

/// Runs under a line of their own.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group {
    /// By which it is known when it is folded.
    pub(super) key: String,
    /// Text of its line.
    pub(super) title: String,
    /// The experiment, where it is one.
    pub(super) experiment: Option<String>,
    /// Places of its runs among all, in the order of the table.
    pub(super) runs: Vec<usize>,
    /// Runs that have come to their end.
    pub(super) done: usize,
    /// The figure by which its runs are judged; `None` where they are judged by several.
    pub(super) figure: Option<String>,
    /// The best value of it.
    pub(super) best: Option<f64>,
    /// Runs that differ in their seeds alone, as far as there are several: label, mean, half width, number.
    pub(super) means: Vec<Mean>,
    /// What the means follow from: settings and figure of each run.
    basis: Vec<(Arc<Value>, Option<f64>)>,
}

/// A mean over seeds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mean {
    /// What these runs have and the others have not.
    pub(super) label: String,
    /// Mean of the figure.
    pub(super) mean: f64,
    /// Half the width of its interval.
    pub(super) half_width: Option<f64>,
    /// Number of runs.
    pub(super) runs: usize,
}

impl Mean {
    /// The mean with its interval.
    pub(super) fn text(&self) -> String {
        match self.half_width {
            Some(half) => format!("{} ± {}", format::figure(self.mean), format::figure(half)),
            None => format::figure(self.mean),
        }
    }
}

impl Group {
    /// Takes its means from `before`, the group of that key in an earlier table, if they follow from the same: to tell a thousand runs
    /// apart takes longer than a frame, and a run that trains changes them many times a second.
    fn new(key: String, title: String, rows: &[RunRow], runs: Vec<usize>, before: Option<&Self>) -> Self {
        let members: Vec<&RunRow> = runs.iter().map(|at| &rows[*at]).collect();
        let done = members.iter().filter(|row| row.state == RunState::Finished).count();
        let mut names: Vec<&str> = members.iter().map(|row| best_of(row).0).collect();
        names.dedup();
        let figure = if let [name] = names.as_slice() { Some((*name).to_owned()) } else { None };
        let values = members.iter().filter_map(|row| best_of(row).1).filter(|value| value.is_finite());
        let best = figure.as_deref().and_then(|name| {
            let less = less_is_better(name);
            values.reduce(|a, b| if (b < a) == less { b } else { a })
        });
        let basis: Vec<_> = members.iter().map(|row| (Arc::clone(&row.settings), best_of(row).1)).collect();
        let known = before.filter(|group| group.figure == figure && group.basis == basis);
        let means = match known {
            Some(group) => group.means.clone(),
            None => figure.as_deref().map(|name| means_of(&members, name)).unwrap_or_default(),
        };
        Self { key, title, experiment: None, runs, done, figure, best, means, basis }
    }

    /// The best of its means.
    pub(super) fn best_mean(&self) -> Option<&Mean> {
        let less = less_is_better(self.figure.as_deref()?);
        self.means.iter().reduce(|a, b| if (b.mean < a.mean) == less { b } else { a })
    }
}

fn means_of(members: &[&RunRow], figure: &str) -> Vec<Mean> {
    let several = |group: study::Group| {
        let mean = group.mean.filter(|_| group.runs.len() > 1)?;
        Some(Mean { label: group.label, mean, half_width: group.half_width, runs: group.runs.len() })
    };
    study::over_seeds(members, figure).into_iter().filter_map(several).collect()
}

/// Which runs differ in their seeds alone, as it was found last.
#[derive(Debug, Default)]
pub(super) struct Seeded {
    /// What it follows from: place and settings of each run.
    basis: Vec<(usize, Arc<Value>)>,
    /// Of each run, in the same order: its group.
    groups: Vec<usize>,
    /// Of each group.
    titles: Vec<String>,
}

impl Seeded {
    /// The runs of each group with its title, both in the order in which they stand. Only a run with other settings makes it
    /// necessary to look again: to tell a thousand runs apart takes longer than a frame.
    fn of(&mut self, rows: &[RunRow], order: &[usize]) -> Vec<(String, Vec<usize>)> {
        let mut places = order.to_vec();
        places.sort_unstable();
        let basis: Vec<_> = places.iter().map(|at| (*at, Arc::clone(&rows[*at].settings))).collect();
        if self.basis != basis {
            let found = study::but_for_seeds(&places.iter().map(|at| &rows[*at]).collect::<Vec<_>>());
            let mut groups = vec![0; places.len()];
            for (group, (runs, _)) in found.iter().enumerate() {
                runs.iter().for_each(|run| groups[*run] = group);
            }
            let title = |(runs, label): (Vec<usize>, String)| match label.is_empty() {
                true => rows[places[runs[0]]].method.clone(),
                false => label,
            };
            *self = Self { basis, groups, titles: found.into_iter().map(title).collect() };
        }
        let group_of: BTreeMap<usize, usize> = places.into_iter().zip(self.groups.iter().copied()).collect();
        let mut runs = vec![Vec::new(); self.titles.len()];
        let mut seen = Vec::new();
        for at in order {
            let group = group_of[at];
            if runs[group].is_empty() {
                seen.push(group);
            }
            runs[group].push(*at);
        }
        seen.into_iter().map(|group| (self.titles[group].clone(), std::mem::take(&mut runs[group]))).collect()
    }
}

/// The groups of runs that stand in this order; none where they do not stand together. A group stands where its first run
/// would, what has no experiment at the end. `before` are the groups of an earlier table, of which the means are kept.
pub(super) fn groups_of(
    rows: &[RunRow],
    order: &[usize],
    by: &GroupBy,
    before: &[Group],
    seeded: &mut Seeded,
) -> Vec<Group> {
    let members: Vec<&RunRow> = order.iter().map(|at| &rows[*at]).collect();
    let before: BTreeMap<&str, &Group> = before.iter().map(|group| (group.key.as_str(), group)).collect();
    match by.resolved(&members) {
        GroupBy::Auto | GroupBy::Nothing => Vec::new(),
        GroupBy::Experiment => {
            let mut groups = gathered(rows, order, &before, |row| match &row.experiment {
                Some(name) => (name.clone(), name.clone()),
                None => (String::new(), t!("runs.no_experiment").to_owned()),
            });
            for group in groups.iter_mut().filter(|group| !group.key.is_empty()) {
                group.experiment = Some(group.key.clone());
            }
            groups.sort_by_key(|group| group.experiment.is_none());
            groups
        }
        GroupBy::Seeds => {
            let found = seeded.of(rows, order).into_iter();
            found
                .map(|(title, runs)| {
                    let known = before.get(title.as_str()).copied();
                    Group::new(title.clone(), title, rows, runs, known)
                })
                .collect()
        }
        GroupBy::Column(column) => gathered(rows, order, &before, |row| {
            let value = value_text(&column, row);
            (value.clone(), value)
        }),
    }
}

/// Groups by a key, each with a title, in the order in which they come.
fn gathered(
    rows: &[RunRow],
    order: &[usize],
    before: &BTreeMap<&str, &Group>,
    of: impl Fn(&RunRow) -> (String, String),
) -> Vec<Group> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut found: Vec<(String, String, Vec<usize>)> = Vec::new();
    for &at in order {
        let (key, title) = of(&rows[at]);
        let place = *places.entry(key.clone()).or_insert(found.len());
        match found.get_mut(place) {
            Some((_, _, runs)) => runs.push(at),
            None => found.push((key, title, vec![at])),
        }
    }
    let group = |(key, title, runs): (String, String, Vec<usize>)| {
        let known = before.get(key.as_str()).copied();
        Group::new(key, title, rows, runs, known)
    };
    found.into_iter().map(group).collect()
}

/// What stands in a column of a run, in a few words.
fn value_text(column: &Column, row: &RunRow) -> String {
    match column {
        Column::State => state_words(row.state).0.to_owned(),
        Column::Star if row.starred => t!("runs.starred").to_owned(),
        Column::Star => t!("runs.not_starred").to_owned(),
        // A group of each second is none.
        Column::Started => date_and_time(row.started.unwrap_or(row.created)).chars().take(10).collect(),
        Column::Duration => format::duration(row.duration_secs),
        other => match other.value(row) {
            Some(cell) => text_of(&cell, matches!(other, Column::Best | Column::LastLoss | Column::Curve)),
            None => "–".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::RunId;

    fn row(id: &str, experiment: Option<&str>, loss: f64, state: RunState) -> RunRow {
        let experiment = experiment.map(str::to_owned);
        RunRow { id: RunId(id.into()), experiment, best_loss: Some(loss), state, ..RunRow::example() }
    }

    #[test]
    fn runs_of_an_experiment_stand_together_and_the_others_at_the_end() {
        let rows = [
            row("d", None, 1.0, RunState::Finished),
            row("c", Some("lengths"), 3.0, RunState::Failed),
            row("b", Some("rates"), 2.0, RunState::Finished),
            row("a", Some("lengths"), 2.5, RunState::Finished),
        ];
        let groups = groups_of(&rows, &[0, 1, 2, 3], &GroupBy::Auto, &[], &mut Seeded::default());
        let found: Vec<(&str, &[usize], usize)> =
            groups.iter().map(|group| (group.title.as_str(), group.runs.as_slice(), group.done)).collect();
        assert_eq!(found, [("lengths", &[1, 3][..], 1), ("rates", &[2], 1), ("No experiment", &[0], 1)]);
        assert_eq!(groups[0].best, Some(2.5));
        assert_eq!(groups[2].experiment, None);
        assert!(
            groups_of(&rows[..1], &[0], &GroupBy::Auto, &[], &mut Seeded::default()).is_empty(),
            "no experiment, no groups"
        );
        let by_state = groups_of(&rows, &[0, 1, 2, 3], &GroupBy::Column(Column::State), &[], &mut Seeded::default());
        assert_eq!(by_state.len(), 2);
        assert_eq!(by_state[0].title, "Finished");
    }

    #[test]
    fn means_are_kept_until_a_figure_or_a_setting_of_theirs_changes() {
        let seeded = |id: &str, seed: u64, loss| RunRow {
            settings: Arc::new(serde_json::json!({"seed": seed, "method": {"type": "prefix"}})),
            ..row(id, Some("seeds"), loss, RunState::Running)
        };
        let means = |rows: &[RunRow], before: &[Group]| {
            groups_of(rows, &[0, 1], &GroupBy::Auto, before, &mut Seeded::default())
        };
        let mut rows = [seeded("b", 1, 1.0), seeded("a", 2, 3.0)];
        let mut first = means(&rows, &[]);
        assert_eq!(first[0].means[0].mean, 2.0);
        first[0].means[0].label = "as before".into();
        rows[0].step += 1;
        assert_eq!(means(&rows, &first)[0].means[0].label, "as before", "a step changes no mean");
        rows[0].best_loss = Some(2.0);
        assert_eq!(means(&rows, &first)[0].means[0].mean, 2.5);
        rows[0] = RunRow { settings: Arc::new(serde_json::json!({"seed": 1, "precision": "bf16"})), ..rows[0].clone() };
        assert!(means(&rows, &first)[0].means.is_empty(), "they differ in more than their seeds");
    }

    #[test]
    fn which_runs_differ_in_their_seeds_is_kept_until_a_setting_changes() {
        let with = |id: &str, n_virtual: u64, seed: u64, loss| RunRow {
            settings: Arc::new(serde_json::json!({"seed": seed, "method": {"type": "prefix", "n_virtual": n_virtual}})),
            ..row(id, None, loss, RunState::Running)
        };
        let mut rows = [with("d", 5, 1, 1.0), with("c", 20, 1, 2.0), with("b", 5, 2, 3.0), with("a", 20, 2, 4.0)];
        let mut seeded = Seeded::default();
        let found = |seeded: &mut Seeded, rows: &[RunRow], order: &[usize]| {
            let groups = groups_of(rows, order, &GroupBy::Seeds, &[], seeded);
            groups.into_iter().map(|group| (group.title, group.runs)).collect::<Vec<_>>()
        };
        let (five, twenty) = ("n_virtual 5".to_owned(), "n_virtual 20".to_owned());
        let first = found(&mut seeded, &rows, &[0, 1, 2, 3]);
        assert_eq!(first, [(five, vec![0, 2]), (twenty, vec![1, 3])]);
        seeded.titles[0] = "as before".into();
        rows[3].best_loss = Some(0.5);
        let sorted = found(&mut seeded, &rows, &[3, 0, 1, 2]);
        assert_eq!(sorted, [("n_virtual 20".to_owned(), vec![3, 1]), ("as before".to_owned(), vec![0, 2])]);
        assert_eq!(found(&mut seeded, &rows, &[1, 3]).len(), 1, "others pass the filter");
        rows[2] = with("b", 40, 2, 3.0);
        assert_eq!(found(&mut seeded, &rows, &[0, 1, 2, 3]).len(), 3);
    }

    #[test]
    fn the_best_mean_of_a_group_is_the_best_by_its_figure() {
        let mean = |label: &str, mean| Mean { label: label.into(), mean, half_width: Some(0.25), runs: 3 };
        let mut group = Group::new("k".into(), "t".into(), &[], Vec::new(), None);
        group.means = vec![mean("a", 2.0), mean("b", 1.5)];
        assert_eq!(group.best_mean(), None, "nothing says which is better");
        group.figure = Some("loss".into());
        assert_eq!(group.best_mean().map(|mean| mean.label.as_str()), Some("b"));
        assert_eq!(group.means[1].text(), "1.5000 ± 0.2500");
        group.figure = Some("accuracy".into());
        assert_eq!(group.best_mean().map(|mean| mean.label.as_str()), Some("a"));
    }
}
