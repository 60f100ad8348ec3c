//! Runs that differ in nothing but their seeds, as one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use engine::config::schema::{Kind, SETTINGS, Setting};
use engine::metrics::interval::mean_interval;
use serde_json::Value;

use super::Key;
use super::cell::{Cell, plain};
use super::differences::is_different;
use super::key::shortest;
use super::setting::{Said, said};
use crate::store::RunRow;
use crate::workspace::dataset_name;

/// Runs that differ in nothing but their seed, with the mean of a figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Indices of the runs.
    pub runs: Vec<usize>,
    /// What this group has and another has not, in a few words.
    pub label: String,
    /// Mean over the runs that have the figure.
    pub mean: Option<f64>,
    /// Half the width of the 95 % interval of the mean by Student's t; `None` of fewer than two.
    pub half_width: Option<f64>,
}

/// Groups runs that differ in seeds alone, in the order of their first run.
pub fn over_seeds(rows: &[&RunRow], figure: &str) -> Vec<Group> {
    let key = Key::of(figure);
    let of_group = |(runs, label): (Vec<usize>, String)| {
        let figures: Vec<f64> =
            runs.iter().filter_map(|run| key.cell(rows[*run])?.number()).filter(|f| f.is_finite()).collect();
        let (mean, half_width) = mean_interval(&figures).map_or((None, None), |(mean, half)| (Some(mean), half));
        Group { runs, label, mean, half_width }
    };
    but_for_seeds(rows).into_iter().map(of_group).collect()
}

/// Runs that differ in seeds alone, in the order of their first run, each with a few words on what the others have not. It
/// follows from settings alone, and of many runs it takes long.
pub fn but_for_seeds(rows: &[&RunRow]) -> Vec<(Vec<usize>, String)> {
    let mut place: BTreeMap<String, usize> = BTreeMap::new();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let group = *place.entry(but_seeds(&row.settings)).or_insert(groups.len());
        if group == groups.len() {
            groups.push(Vec::new());
        }
        groups[group].push(index);
    }
    let firsts: Vec<&RunRow> = groups.iter().map(|runs| rows[runs[0]]).collect();
    let labels = labels(&firsts);
    groups.into_iter().zip(labels).collect()
}

/// Whether a setting only decides what is drawn.
fn is_seed(key: &str) -> bool {
    key.rsplit('.').next().is_some_and(|name| name == "seed" || name.ends_with("_seed"))
}

/// The settings as a text, without seeds, name and device.
fn but_seeds(settings: &Value) -> String {
    let mut text = String::new();
    write_tree(settings, "", &mut text);
    text
}

fn write_tree(tree: &Value, above: &str, text: &mut String) {
    let Value::Object(table) = tree else {
        // To a text nothing can go wrong.
        write!(text, "{above}={tree};").ok();
        return;
    };
    for (name, value) in table {
        let path = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        if !is_seed(&path) && !["name", "device"].contains(&path.as_str()) {
            write_tree(value, &path, text);
        }
    }
}

/// A few words for each run that tell it from the others; its method where there is nothing to tell.
fn labels(rows: &[&RunRow]) -> Vec<String> {
    let mut labels: Vec<Vec<String>> = vec![Vec::new(); rows.len()];
    for setting in SETTINGS.iter().filter(|setting| !is_seed(setting.key)) {
        let all: Vec<Said<'_>> = rows.iter().map(|row| said(row, setting)).collect();
        if !is_different(rows, setting, &all) {
            continue;
        }
        let mut more = labels.clone();
        for ((label, said), row) in more.iter_mut().zip(&all).zip(rows) {
            label.extend(in_words(setting, said, row));
        }
        // A rate that follows from what was told already, as from the method, tells nothing apart.
        let apart = |labels: &[Vec<String>]| labels.iter().collect::<BTreeSet<_>>().len();
        if setting.key != "training.learning_rate" || apart(&more) > apart(&labels) {
            labels = more;
        }
    }
    labels
        .into_iter()
        .zip(rows)
        .map(|(label, row)| if label.is_empty() { row.method.clone() } else { label.join(", ") })
        .collect()
}

/// `n_virtual 5`, `reparameterization`, `no reparameterization`; a method, a model and a dataset by its name alone.
fn in_words(setting: &'static Setting, said: &Said<'_>, row: &RunRow) -> Option<String> {
    let name = shortest(setting);
    let words = match (setting.key, said) {
        (_, Said::Not) => return None,
        ("model", _) => row.model.clone(),
        ("data.train", _) => row.dataset.clone(),
        ("data.more", Said::Value(Value::Array(more))) if !more.is_empty() => {
            let paths = more.iter().filter_map(|dataset| dataset.get("train")?.as_str());
            let names: Vec<String> = paths.map(|path| dataset_name(Path::new(path))).collect();
            format!("with {}", names.join(" and "))
        }
        ("data.more", _) => return None,
        ("method.type", Said::Value(value)) => plain(value),
        (_, Said::On) => name.to_owned(),
        (_, Said::Nothing) if setting.kind == Kind::Table => format!("no {name}"),
        (_, Said::Nothing) => format!("{name} none"),
        (_, Said::Value(value)) => match Cell::of(value) {
            Some(Cell::Flag(true)) => name.to_owned(),
            Some(Cell::Flag(false)) => format!("no {name}"),
            Some(cell) => format!("{name} {cell}"),
            None => format!("{name} none"),
        },
    };
    Some(words)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests_support::run;
    use super::*;

    fn trained(n_virtual: u64, seed: u64, loss: Option<f64>) -> RunRow {
        let id = format!("{n_virtual}-{seed}");
        let row = run(&id, &[("method.n_virtual", json!(n_virtual)), ("seed", json!(seed)), ("name", json!(id))]);
        RunRow { best_loss: loss, ..row }
    }

    #[test]
    fn runs_that_differ_in_seeds_alone_are_one_group_with_its_interval() {
        let rows = [
            trained(5, 1, Some(2.0)),
            trained(20, 1, Some(1.0)),
            trained(5, 2, Some(4.0)),
            trained(20, 2, None),
            trained(5, 3, Some(3.0)),
        ];
        let groups = over_seeds(&rows.iter().collect::<Vec<_>>(), "loss");
        let told: Vec<(&[usize], &str, Option<f64>)> =
            groups.iter().map(|group| (group.runs.as_slice(), group.label.as_str(), group.mean)).collect();
        assert_eq!(told, [(&[0, 2, 4][..], "n_virtual 5", Some(3.0)), (&[1, 3][..], "n_virtual 20", Some(1.0))]);
        // Student's t of two degrees, 4.3027, times the deviation of 1 by the root of three.
        assert!((groups[0].half_width.unwrap() - 4.302_653 / 3_f64.sqrt()).abs() < 1e-4);
        assert_eq!(groups[1].half_width, None, "of a single figure");
    }

    #[test]
    fn further_datasets_are_told_by_their_names() {
        let more = json!([{ "train": "/sets/records/train.jsonl", "validation": null }, { "train": "/sets/own.csv" }]);
        let rows = [run("a", &[("data.more", more)]), run("b", &[])];
        let groups = over_seeds(&rows.iter().collect::<Vec<_>>(), "loss");
        let labels: Vec<&str> = groups.iter().map(|group| group.label.as_str()).collect();
        assert_eq!(labels, ["with records and own", "prefix 20"]);
    }

    #[test]
    fn seeds_of_split_and_rows_are_seeds_too_and_everything_else_is_not() {
        let rows = [
            run("a", &[("data.train_rows", json!(50.0)), ("data.train_rows_seed", json!(1))]),
            run(
                "b",
                &[("data.train_rows", json!(50.0)), ("data.train_rows_seed", json!(2)), ("data.split_seed", json!(3))],
            ),
            run("c", &[("method.reparameterization.width", json!(64))]),
            run("d", &[("method", json!({"type": "lora"})), ("device", json!("cpu"))]),
        ];
        let groups = over_seeds(&rows.iter().collect::<Vec<_>>(), "accuracy");
        let labels: Vec<&str> = groups.iter().map(|group| group.label.as_str()).collect();
        assert_eq!(
            labels,
            [
                "train_rows 50, prefix, no reparameterization",
                "train_rows none, prefix, reparameterization",
                "train_rows none, lora",
            ]
        );
        assert_eq!(groups[0].runs, [0, 1]);
        assert!(groups.iter().all(|group| group.mean.is_none() && group.half_width.is_none()));
        let alone = over_seeds(&[&rows[0], &rows[1]], "loss");
        assert_eq!(alone[0].label, "prefix 20", "there is nothing to tell it from");
        assert!(over_seeds(&[], "loss").is_empty());
    }
}
