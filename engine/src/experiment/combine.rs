//! From axes to runs: each combination as settings, those that mean the same as one run.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::draw::Draws;
use super::names::{Words, apart};
use super::value::{fit, unknown};
use super::{Axis, Combined, Experiment, Member, Strategy};
use crate::config::RunConfig;
use crate::config::schema::{Kind, RIVALS, Setting, at, method_of, put, write_out};
use crate::error::{EngineError, Result};
use crate::recipes::{Form, Scale, recommended_learning_rate};
use crate::{Sentence, sentence};

/// Runs that an experiment may have.
const MOST_RUNS: usize = 10_000;

/// Combinations that one draw may meet which mean the same as others, for each run.
const PATIENCE: usize = 20;

/// The combinations of an experiment.
struct Space<'a> {
    experiment: &'a Experiment,
    /// Settings of each axis, and its values in the form in which they are kept.
    axes: Vec<Varied>,
    words: Words,
}

struct Varied {
    settings: Vec<&'static Setting>,
    points: Vec<Vec<Value>>,
}

/// A combination, as it was made.
struct Made {
    member: Member,
    /// Equal where two runs compute the same.
    meaning: String,
    /// Places of the axes and their keys that count.
    used: BTreeSet<(usize, usize)>,
}

pub(super) fn combined(experiment: &Experiment) -> Result<Combined> {
    check_names(&experiment.base, "")?;
    let space = Space::new(experiment)?;
    let all = space.axes.iter().try_fold(1_u64, |all, axis| all.checked_mul(axis.points.len() as u64));
    let all = all.unwrap_or(u64::MAX);
    let (runs, seed) = match experiment.strategy {
        Strategy::Grid => (None, 0),
        Strategy::Random { runs, seed } => (Some(runs), seed),
        Strategy::Halving { factor, first_steps, runs, seed } => {
            if factor < 2 {
                return wrong("strategy.factor", sentence!("must be at least 2: of so many runs one goes on"));
            }
            if first_steps == 0 {
                return wrong("strategy.first_steps", sentence!("must be at least 1"));
            }
            (runs, seed)
        }
    };
    if runs == Some(0) {
        return wrong("strategy.runs", sentence!("must be at least 1"));
    }
    if runs.map_or(all, |runs| all.min(runs as u64)) > MOST_RUNS as u64 {
        return wrong(
            "vary",
            sentence!("these are {runs} runs, and {most} are the most: vary less", runs = all, most = MOST_RUNS),
        );
    }
    match runs {
        None => space.gather(0..all, usize::MAX),
        Some(runs) => space.gather(Draws::new(all, seed).take(runs.saturating_mul(PATIENCE)), runs),
    }
}

impl<'a> Space<'a> {
    fn new(experiment: &'a Experiment) -> Result<Self> {
        let mut seen = BTreeSet::new();
        let axes = experiment.axes.iter().map(|axis| {
            let settings = axis.keys.iter().map(|key| Setting::find(key).ok_or_else(|| unknown("vary", key)));
            let settings = settings.collect::<Result<Vec<_>>>()?;
            if let Some(twice) = settings.iter().find(|setting| !seen.insert(tagged(setting.key))) {
                return wrong(twice.key, sentence!("varies twice"));
            }
            if axis.points.is_empty() || axis.points.iter().any(|point| point.len() != settings.len()) {
                return wrong(
                    settings.first().map_or("vary", |setting| setting.key),
                    sentence!("each point of an axis has a value for every setting of it"),
                );
            }
            let fitted = |point: &Vec<Value>| {
                settings
                    .iter()
                    .zip(point)
                    .map(|(setting, value)| fit(setting, value.clone()))
                    .collect::<Result<Vec<_>>>()
            };
            let points = axis.points.iter().map(fitted).collect::<Result<Vec<_>>>()?;
            Ok(Varied { settings, points })
        });
        let axes = axes.collect::<Result<Vec<Varied>>>()?;
        let fitted: Vec<Axis> = axes
            .iter()
            .zip(&experiment.axes)
            .map(|(axis, said)| Axis { keys: said.keys.clone(), points: axis.points.clone() })
            .collect();
        let words = Words::of(&fitted);
        Ok(Self { experiment, axes, words })
    }

    /// Runs of combinations, each meaning once, up to so many.
    fn gather(&self, indices: impl Iterator<Item = u64>, most: usize) -> Result<Combined> {
        let (mut members, mut seen, mut used, mut met) = (Vec::new(), BTreeSet::new(), BTreeSet::new(), 0_usize);
        for index in indices {
            let made = self.make(index)?;
            met += 1;
            used.extend(made.used);
            if seen.insert(made.meaning) {
                members.push(made.member);
            }
            if members.len() >= most {
                break;
            }
        }
        // Of some that are drawn none may have a setting that others have.
        if most == usize::MAX {
            self.check_used(&used)?;
        }
        let names = apart(members.iter().map(|member: &Member| member.name.clone()).collect());
        members.iter_mut().zip(names).for_each(|(member, name)| member.name = name);
        Ok(Combined { merged: met - members.len(), members })
    }

    /// Refuses an axis that decides nothing.
    fn check_used(&self, used: &BTreeSet<(usize, usize)>) -> Result<()> {
        for (at, axis) in self.axes.iter().enumerate() {
            for (key, setting) in axis.settings.iter().enumerate() {
                if !used.contains(&(at, key)) {
                    return match setting.methods {
                        [] => wrong(setting.key, sentence!("no run of the experiment has it")),
                        methods => wrong(
                            setting.key,
                            sentence!(
                                "no run of the experiment has it: it is for {methods}",
                                methods = methods.join(", ")
                            ),
                        ),
                    };
                }
            }
        }
        Ok(())
    }

    /// The combination of a number: later axes vary fastest.
    fn make(&self, index: u64) -> Result<Made> {
        let mut rest = index;
        let mut picked = vec![0; self.axes.len()];
        for (place, axis) in picked.iter_mut().zip(&self.axes).rev() {
            let n = axis.points.len() as u64;
            (*place, rest) = ((rest % n) as usize, rest / n);
        }
        let (settings, used) = self.settings(&picked);
        let counts = |axis: usize, key: usize| used.contains(&(axis, key));
        let mut name = self.words.name(&picked, counts);
        if name.is_empty() {
            name.clone_from(&self.experiment.name);
        }
        let said = used.iter().map(|&(axis, key)| {
            let Varied { settings, points } = &self.axes[axis];
            (settings[key].key.to_owned(), points[picked[axis]][key].clone())
        });
        let values = said.collect();
        let meaning = meaning(&settings).map_err(|error| in_run(error, &name))?;
        Ok(Made { member: Member { name, values, settings }, meaning, used })
    }

    /// Settings of a combination, and which of its values count.
    fn settings(&self, picked: &[usize]) -> (Value, BTreeSet<(usize, usize)>) {
        let said = |&(axis, key): &(usize, usize)| {
            let Varied { settings, points } = &self.axes[axis];
            (settings[key], &points[picked[axis]][key])
        };
        let mut places: Vec<(usize, usize)> = (0..self.axes.len())
            .flat_map(|axis| (0..self.axes[axis].settings.len()).map(move |key| (axis, key)))
            .collect();
        // A table before what is in it, its type before the rest.
        places.sort_by_key(|place| {
            let key = said(place).0.key;
            (key.matches('.').count(), !key.ends_with(".type"))
        });
        let mut tree = if self.experiment.base.is_object() { self.experiment.base.clone() } else { Map::new().into() };
        self.leave_rivals(&mut tree);
        let mut used = BTreeSet::new();
        for place in &places {
            let (setting, value) = said(place);
            let is_off = |(above, value): (&Setting, &Value)| value.is_null() && is_below(setting.key, above.key);
            let is_in_off = used.iter().any(|place| is_off(said(place)));
            if !is_in_off && self.applies(&tree, setting, value) {
                used.insert(*place);
                set(&mut tree, setting, value);
            }
        }
        write_out(&mut tree);
        (tree, used)
    }

    /// Takes out what the base says in another way than an axis.
    fn leave_rivals(&self, tree: &mut Value) {
        let varies = |key: &str| self.axes.iter().flat_map(|axis| &axis.settings).any(|setting| setting.key == key);
        for (a, b) in RIVALS {
            for (kept, other) in [(a, b), (b, a)] {
                if varies(kept)
                    && !varies(other)
                    && let Some((table, name)) = other.rsplit_once('.')
                    && let Some(Value::Object(within)) = tree.pointer_mut(&format!("/{}", table.replace('.', "/")))
                {
                    within.shift_remove(name);
                }
            }
        }
    }

    /// Whether a setting is one of this run's method, and of the types of its tables where these vary.
    fn applies(&self, tree: &Value, setting: &Setting, value: &Value) -> bool {
        let method = method_of(tree).unwrap_or_else(|| "prefix".to_owned());
        if !setting.methods.is_empty() && !setting.methods.contains(&method.as_str()) {
            return false;
        }
        let varies =
            |key: &str| self.axes.iter().flat_map(|axis| &axis.settings).any(|setting| tagged(setting.key) == key);
        let (table, name) = setting.key.rsplit_once('.').unwrap_or_default();
        let kind = at(tree, table).and_then(type_of);
        match kind {
            Some(kind) if name != "type" && table != "method" && varies(table) => {
                let alone = Map::from_iter([("type".to_owned(), kind.into()), (name.to_owned(), value.clone())]);
                is_read(tree, table, alone.into())
            }
            _ => true,
        }
    }
}

/// Puts a value into a run. Another type takes nothing from the table that was there but what was said without a type and
/// it has too; the type that was there leaves the table as it is.
fn set(tree: &mut Value, setting: &Setting, value: &Value) {
    let table = tagged(setting.key);
    let has_type = Setting::find(&format!("{table}.type")).is_some();
    let (Some(kind), true) = (value.as_str().map(str::to_owned), has_type) else {
        return put(tree, setting.key, value.clone());
    };
    let before = at(tree, table).cloned().unwrap_or_default();
    let mut next = Map::from_iter([("type".to_owned(), Value::from(kind.clone()))]);
    match type_of(&before) {
        Some(own) if own == kind => return,
        Some(_) => {}
        None => {
            put(tree, table, next.clone().into());
            for (name, value) in before.as_object().into_iter().flatten() {
                let mut alone = Map::from_iter([("type".to_owned(), Value::from(kind.clone()))]);
                alone.insert(name.clone(), value.clone());
                if is_read(tree, table, alone.into()) {
                    next.insert(name.clone(), value.clone());
                }
            }
        }
    }
    put(tree, table, next.into());
}

/// Whether a run of this method can have such a table.
fn is_read(tree: &Value, table: &str, value: Value) -> bool {
    let mut alone = needed();
    if let (true, Some(method)) = (is_below(table, "method"), method_of(tree)) {
        put(&mut alone, "method.type", method.into());
    }
    put(&mut alone, table, value);
    write_out(&mut alone);
    serde_json::from_value::<RunConfig>(alone).is_ok()
}

/// The type that a table says it has.
fn type_of(table: &Value) -> Option<String> {
    table.as_str().or_else(|| table.get("type").and_then(Value::as_str)).map(str::to_owned)
}

/// A table for its type.
fn tagged(key: &'static str) -> &'static str {
    key.strip_suffix(".type").unwrap_or(key)
}

fn is_below(key: &str, table: &str) -> bool {
    key.strip_prefix(table).is_some_and(|rest| rest.starts_with('.'))
}

/// Model and rows, which a run cannot be without.
fn needed() -> Value {
    serde_json::json!({ "model": "model", "data": { "train": "rows" } })
}

/// What a run computes, as a text; where model and rows are said, settings that cannot work are refused.
fn meaning(settings: &Value) -> Result<String> {
    let mut tree = settings.clone();
    let mut is_complete = true;
    for key in ["model", "data.train"] {
        if at(&tree, key).is_none_or(Value::is_null) {
            is_complete = false;
            let value = at(&needed(), key).cloned().unwrap_or_default();
            put(&mut tree, key, value);
        }
    }
    let misfit = |error: serde_json::Error| EngineError::Setting {
        field: "vary",
        reason: sentence!("the settings do not fit together: {error}", error),
    };
    let mut config: RunConfig = serde_json::from_value(tree).map_err(misfit)?;
    config.name.clear();
    if at(settings, "training.learning_rate").is_none_or(Value::is_null) {
        let form = Form::of(&config.method, config.task);
        // The model may be small; then its rate is the higher one.
        config.training.learning_rate = recommended_learning_rate(form, &config.training.optimizer, Scale::Small);
    }
    if is_complete {
        config.check()?;
    }
    serde_json::to_string(&config).map_err(misfit)
}

/// An error with the run that it is of.
fn in_run(error: EngineError, name: &str) -> EngineError {
    match error {
        EngineError::Setting { field, reason } => {
            EngineError::Setting { field, reason: sentence!("{reason} (in the run {name:?})", reason, name) }
        }
        other => other,
    }
}

/// Refuses names of the base that are no settings.
pub(super) fn check_names(tree: &Value, above: &str) -> Result<()> {
    for (name, value) in tree.as_object().into_iter().flatten() {
        let key = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        let setting = Setting::find(&key).ok_or_else(|| unknown("run", &key))?;
        if setting.kind == Kind::Table {
            check_names(value, &key)?;
        }
    }
    Ok(())
}

fn wrong<T>(field: &'static str, reason: Sentence) -> Result<T> {
    Err(EngineError::Setting { field, reason })
}

#[cfg(test)]
#[path = "combine_tests.rs"]
mod tests;
