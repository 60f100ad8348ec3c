//! The page and the tables of a report. The page is a template that escapes what it is given, but for our own pictures.

use minijinja::{Value, context};
use serde::Serialize;

use super::figures::LOSS;
use super::pictures::Picture;
use super::surroundings::surroundings;
use super::table::{Table, in_latex, in_markdown};
use super::{Report, figures, frame};
use crate::i18n::{language, words};
use crate::t;
use crate::workspace::{Assets, date_and_time};
use crate::{format, i18n};

const TEMPLATE: &str = include_str!("page.html");

/// A number that is seen first.
#[derive(Serialize)]
struct Tile {
    name: String,
    value: String,
    /// Half of it; empty without one.
    interval: String,
    note: String,
}

pub(super) fn html(report: &Report) -> String {
    let comparison = report.comparison();
    let firsts: Vec<usize> = comparison.groups.iter().filter_map(|group| group.runs.first().copied()).collect();
    let pictures = |all: Vec<Picture>| {
        // What we draw is XML of our own; everything else is escaped.
        let shown = |of: Picture| context! { svg => Value::from_safe_string(of.svg), caption => of.caption };
        all.into_iter().map(shown).collect::<Vec<Value>>()
    };
    let page = context! {
        title => report.title,
        t => our_words(),
        about => report.about(),
        at => date_and_time(report.at),
        tiles => tiles(report, &comparison),
        results => (report.runs.len() > 1).then(|| report.results(&comparison)),
        figures => pictures(report.figure_pictures(&comparison)),
        several => several(&comparison),
        differences => report.differences(),
        settings => report.settings(),
        curves => pictures(report.curve_pictures(&comparison)),
        evaluations => report.evaluations(),
        samples => report.samples(&firsts),
        prefixes => pictures(report.prefix_pictures()),
        sources => report.sources(),
        learned => report.learned_table(),
        again => report.again(&Assets::locate()),
        experiment => report.experiment,
        devices => report.devices(),
        surroundings => surroundings().into_iter().map(|(key, value)| (i18n::sentence(key), value)).collect::<Vec<_>>(),
        notes => notes(report),
    };
    frame::page(TEMPLATE, page)
}

/// Whether means are over several seeds.
fn several(comparison: &figures::Comparison) -> bool {
    comparison.groups.iter().any(|group| group.runs.len() > 1)
}

/// The words of the page by the last part of their keys.
fn our_words() -> std::collections::BTreeMap<&'static str, &'static str> {
    let all = words(language()).iter();
    all.filter_map(|(key, text)| Some((key.strip_prefix("report.")?, text.as_str()))).collect()
}

/// Of one run its best figures; of several how many, and the best.
fn tiles(report: &Report, comparison: &figures::Comparison) -> Vec<Tile> {
    let tile = |name: String, value: String, note: String| Tile { name, value, interval: String::new(), note };
    let mut tiles = Vec::new();
    for of in comparison.figures.iter().take(3) {
        let best = of.best.or((comparison.groups.len() == 1).then_some(0));
        let Some((best, (value, half))) = best.and_then(|best| Some((best, of.values.get(best).copied()??))) else {
            continue;
        };
        let note = match report.runs.as_slice() {
            [run] if of.figure == LOSS => {
                run.row.best_step.map_or(String::new(), |step| t!("report.at_step", n = step))
            }
            [_] => String::new(),
            _ => report.label(&comparison.groups[best]),
        };
        let digits = figures::digits(&of.figure);
        tiles.push(Tile {
            interval: half.map_or(String::new(), |half| figures::one(half, digits)),
            ..tile(figures::label(&of.figure), figures::one(value, digits), note)
        });
    }
    let first = report.runs.first().map(|run| &run.row);
    match (report.runs.len(), first) {
        (1, Some(row)) => {
            let count = |count: Option<u64>| count.and_then(|count| usize::try_from(count).ok());
            if let Some(trained) = count(row.trained_parameters) {
                let share = report.runs[0].facts.as_ref().filter(|facts| facts.base_parameters > 0).map(|facts| {
                    t!(
                        "report.of_base",
                        share = format!("{:.2}", 100.0 * trained as f64 / facts.base_parameters as f64)
                    )
                });
                tiles.push(tile(
                    t!("report.trained").to_owned(),
                    format::short_count(trained),
                    share.unwrap_or_default(),
                ));
            }
            if let Some(stored) = count(row.stored_parameters) {
                tiles.push(tile(t!("report.stored").to_owned(), format::short_count(stored), String::new()));
            }
            tiles.push(tile(t!("report.time").to_owned(), format::duration(row.duration_secs), String::new()));
        }
        (n, _) => {
            tiles.push(tile(t!("report.runs_tile").to_owned(), n.to_string(), String::new()));
            let secs = report.runs.iter().map(|run| run.row.duration_secs).sum();
            tiles.push(tile(t!("report.time_of_all").to_owned(), format::duration(secs), String::new()));
        }
    }
    tiles
}

/// What people wrote about the runs.
fn notes(report: &Report) -> Vec<(String, String)> {
    let written = report.runs.iter().filter(|run| !run.row.notes.trim().is_empty());
    written.map(|run| (run.row.name.clone(), run.row.notes.trim().to_owned())).collect()
}

fn tables(report: &Report) -> Vec<Table> {
    let results = report.results(&report.comparison());
    [Some(results), report.differences(), report.evaluations()].into_iter().flatten().collect()
}

pub(super) fn markdown(report: &Report) -> String {
    let mut text = format!("# {}\n\n{}\n", in_markdown(&report.title), in_markdown(&report.about().join(" · ")));
    for table in tables(report) {
        text.push_str(&format!("\n## {}\n\n{}", in_markdown(&table.caption), table.markdown()));
    }
    if several(&report.comparison()) {
        text.push_str(&format!("\n{}\n", t!("report.intervals")));
    }
    text.push_str(&format!("\n## {}\n\n```sh\n", t!("report.repeat")));
    for again in report.again(&Assets::locate()) {
        text.push_str(&again.command.replace("```", ""));
        text.push('\n');
    }
    text.push_str("```\n");
    text
}

pub(super) fn latex(report: &Report) -> String {
    let head = format!(
        "% {}\n% {} · Prefix Workbench {}\n% \\usepackage{{booktabs}}\n",
        in_latex(&report.title),
        date_and_time(report.at),
        env!("CARGO_PKG_VERSION")
    );
    let tables: Vec<String> = tables(report).iter().map(Table::latex).collect();
    format!("{head}\n{}", tables.join("\n"))
}
