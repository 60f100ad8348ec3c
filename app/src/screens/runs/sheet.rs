//! The table as it stands: filtered, sorted, grouped, with the text of each cell. Made anew when runs or choices change, and
//! not in each frame.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::columns::{Column, best_of, text_of};
use super::filter_line;
use super::groups::{Group, Seeded, groups_of};
use super::ui::Kept;
use crate::format;
use crate::i18n::{Language, language};
use crate::store::RunRow;
use crate::study::{self, Cell};
use crate::workspace::{RunId, date_and_time};

/// A line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// The line of a group, by its place among the groups.
    Group(usize),
    /// A run, by its place among all runs.
    Run(usize),
}

/// The table as it stands.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    made_of: Option<MadeOf>,
    /// From top to bottom.
    pub(super) lines: Vec<Line>,
    /// The runs among them, from top to bottom.
    pub(super) order: Vec<usize>,
    /// Runs that stand together.
    pub(super) groups: Vec<Group>,
    seeded: Seeded,
    /// Runs that pass the filter, folded ones too.
    pub(super) passing: usize,
    /// Runs that are put away and would be there otherwise.
    pub(super) archived: usize,
    /// The run that others are held against.
    pub(super) baseline: Option<usize>,
    /// Text of each cell of a column of values, by the place of column and run.
    texts: Vec<Option<Vec<String>>>,
    /// Text behind a name that several runs have: what differs.
    behind: BTreeMap<usize, String>,
    /// The figure by which the best of all is chosen; `None` where there are several.
    pub(super) metric: Option<String>,
    /// Sentence about a fault in the filter.
    pub(super) trouble: Option<String>,
}

/// Everything that a sheet follows from.
#[derive(Clone, Debug, PartialEq)]
struct MadeOf {
    revision: u64,
    runs: usize,
    kept: Kept,
    language: Language,
}

impl Sheet {
    /// Makes it anew, if something has changed since: `true` then. `revision` counts the changes of the runs.
    pub(super) fn refresh(&mut self, revision: u64, rows: &[RunRow], kept: &Kept) -> bool {
        let is_same = |of: &MadeOf| {
            of.revision == revision && of.runs == rows.len() && of.language == language() && of.kept.makes_same(kept)
        };
        if self.made_of.as_ref().is_some_and(is_same) {
            return false;
        }
        let seeded = std::mem::take(&mut self.seeded);
        *self = Self::new(rows, kept, &self.groups, seeded);
        self.made_of = Some(MadeOf { revision, runs: rows.len(), kept: kept.clone(), language: language() });
        true
    }

    fn new(rows: &[RunRow], kept: &Kept, before: &[Group], mut seeded: Seeded) -> Self {
        let all: Vec<&RunRow> = rows.iter().collect();
        let (passes, asks_for_archived) = filter_line::passing(&all, &kept.filter);
        // A line of plain words has no names to be known.
        let is_plain = !kept.filter.contains([':', '<', '>', '=']);
        let names = if is_plain { Vec::new() } else { study::names(&all) };
        let trouble = filter_line::trouble(&kept.filter, &names);
        let passing = (0..rows.len()).filter(|at| passes[*at]);
        let shows_archived = kept.show_archived || asks_for_archived;
        let (away, mut order): (Vec<usize>, Vec<usize>) = passing.partition(|at| rows[*at].archived && !shows_archived);
        let baseline = kept.baseline.as_ref().and_then(|id| rows.iter().position(|row| row.id == *id));
        if let Some(sort) = &kept.sort {
            sorted(&mut order, rows, &sort.by, sort.descending);
        }
        let groups = groups_of(rows, &order, &kept.group, before, &mut seeded);
        let mut metrics: Vec<&str> = order.iter().map(|at| best_of(&rows[*at]).0).collect();
        metrics.sort_unstable();
        metrics.dedup();
        let metric = if let [one] = metrics.as_slice() { Some((*one).to_owned()) } else { None };
        let (lines, seen) = lines_of(&order, &groups, &kept.folded, baseline);
        let texts = kept.columns.iter().map(|shown| texts_of(&shown.column, rows)).collect();
        let behind = behind_names(rows, &order, baseline);
        let (passing, archived) = (order.len(), away.len());
        let order = seen;
        let made_of = None;
        Self { made_of, lines, order, groups, seeded, passing, archived, baseline, texts, behind, metric, trouble }
    }

    /// Text of a cell of the column at a place among those that are kept.
    pub(super) fn text(&self, column: usize, run: usize) -> Option<&str> {
        self.texts.get(column)?.as_ref()?.get(run).map(String::as_str)
    }

    /// What differs from other runs of the same name.
    pub(super) fn behind(&self, run: usize) -> &str {
        self.behind.get(&run).map_or("", String::as_str)
    }

    /// The line on which a run stands.
    pub(super) fn line_of(&self, run: usize) -> Option<usize> {
        self.lines.iter().position(|line| *line == Line::Run(run))
    }

    /// A group with the runs that stand under its line, whether or not it is folded.
    pub(super) fn ids_of(&self, group: usize, rows: &[RunRow]) -> BTreeSet<RunId> {
        self.groups[group].runs.iter().map(|at| rows[*at].id.clone()).collect()
    }
}

/// Lines from top to bottom, and the runs among them. The baseline stands above all and not among them.
fn lines_of(
    order: &[usize],
    groups: &[Group],
    folded: &BTreeSet<String>,
    baseline: Option<usize>,
) -> (Vec<Line>, Vec<usize>) {
    let others = |runs: &[usize]| runs.iter().copied().filter(|at| Some(*at) != baseline).collect::<Vec<usize>>();
    if groups.is_empty() {
        let seen = others(order);
        return (seen.iter().map(|at| Line::Run(*at)).collect(), seen);
    }
    let (mut lines, mut seen) = (Vec::new(), Vec::new());
    for (place, group) in groups.iter().enumerate() {
        lines.push(Line::Group(place));
        if !folded.contains(&group.key) {
            let runs = others(&group.runs);
            lines.extend(runs.iter().map(|at| Line::Run(*at)));
            seen.extend(runs);
        }
    }
    (lines, seen)
}

/// Columns of the filter that are figures, and those that are seconds since 1970.
pub(super) const FIGURES: [&str; 2] = ["loss", "last"];
const TIMES: [&str; 3] = ["started", "ended", "created"];

fn texts_of(column: &Column, rows: &[RunRow]) -> Option<Vec<String>> {
    let Column::Value(name) = column else { return None };
    let is_figure = rows.iter().any(|row| row.figures.contains_key(name)) || FIGURES.contains(&name.as_str());
    let is_time = TIMES.contains(&name.as_str());
    let text = |row: &RunRow| match study::cell(row, name) {
        Some(Cell::Number(secs)) if is_time => date_and_time(secs as i64),
        Some(cell) => text_of(&cell, is_figure),
        None => "–".to_owned(),
    };
    Some(rows.iter().map(text).collect())
}

/// Sorts places of runs by a column; runs without a value come last both ways.
fn sorted(order: &mut [usize], rows: &[RunRow], by: &Column, descending: bool) {
    let values: BTreeMap<usize, Option<Cell>> = order.iter().map(|at| (*at, by.value(&rows[*at]))).collect();
    let turned = |order: Ordering| if descending { order.reverse() } else { order };
    order.sort_by(|a, b| match (&values[a], &values[b]) {
        (Some(a), Some(b)) => turned(compared(a, b)),
        (a, b) => b.is_some().cmp(&a.is_some()),
    });
}

/// Numbers before words, words as people sort them.
fn compared(a: &Cell, b: &Cell) -> Ordering {
    let rank = |cell: &Cell| match cell {
        Cell::Flag(_) => 0,
        Cell::Number(_) => 1,
        Cell::Text(_) => 2,
    };
    match (a, b) {
        (Cell::Number(a), Cell::Number(b)) => a.total_cmp(b),
        (Cell::Flag(a), Cell::Flag(b)) => a.cmp(b),
        (Cell::Text(a), Cell::Text(b)) => a.to_lowercase().cmp(&b.to_lowercase()),
        (a, b) => rank(a).cmp(&rank(b)),
    }
}

/// Settings that stand behind a name.
const SETTINGS_BEHIND: usize = 3;

/// For runs that have their name from no one else nothing; for others the settings in which they differ, or when they began.
fn behind_names(rows: &[RunRow], order: &[usize], baseline: Option<usize>) -> BTreeMap<usize, String> {
    let mut named: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let pinned = baseline.filter(|at| !order.contains(at));
    for at in order.iter().copied().chain(pinned) {
        named.entry(rows[at].name.as_str()).or_default().push(at);
    }
    let mut behind = BTreeMap::new();
    for same in named.into_values().filter(|same| same.len() > 1) {
        let members: Vec<&RunRow> = same.iter().map(|at| &rows[*at]).collect();
        let differences = study::differences(&members);
        let text_of_run = |place: usize| -> String {
            let said = differences.iter().filter_map(|(name, values)| {
                let short = name.rsplit('.').next().unwrap_or(name);
                values.get(place)?.as_ref().map(|value| format!("{short} {}", setting_text(value)))
            });
            said.take(SETTINGS_BEHIND).collect::<Vec<_>>().join(", ")
        };
        let texts: Vec<String> = (0..same.len()).map(text_of_run).collect();
        for (place, at) in same.iter().enumerate() {
            let is_alone = texts.iter().filter(|text| **text == texts[place]).count() == 1;
            // Runs of the same settings differ in when they began.
            let began = || date_and_time(rows[*at].created);
            let text = match (texts[place].is_empty(), is_alone) {
                (false, true) => texts[place].clone(),
                (true, _) => began(),
                (false, false) => format!("{}, {}", texts[place], began()),
            };
            behind.insert(*at, text);
        }
    }
    behind
}

/// A setting's value in a few letters.
pub(super) fn setting_text(value: &Value) -> String {
    match value {
        Value::String(text) => format::shortened(text.rsplit('/').next().unwrap_or(text), 24),
        Value::Number(number) => {
            number.as_f64().map_or_else(|| number.to_string(), |value| text_of(&Cell::Number(value), false))
        }
        Value::Bool(flag) => text_of(&Cell::Flag(*flag), false),
        Value::Null => "–".to_owned(),
        Value::Array(_) | Value::Object(_) => format::shortened(&value.to_string(), 24),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::table::Sort;
    use super::*;

    fn row(id: &str, name: &str, loss: Option<f64>, n_virtual: u64) -> RunRow {
        let settings = serde_json::json!({"method": {"type": "prefix", "n_virtual": n_virtual}});
        let (id, settings) = (RunId(id.into()), Arc::new(settings));
        RunRow { id, name: name.into(), best_loss: loss, settings, ..RunRow::example() }
    }

    fn order(rows: &[RunRow], kept: &Kept) -> Vec<String> {
        Sheet::new(rows, kept, &[], Seeded::default()).order.iter().map(|at| rows[*at].id.0.clone()).collect()
    }

    #[test]
    fn runs_without_a_figure_come_last_both_ways() {
        let rows = [row("c", "C", None, 1), row("b", "B", Some(1.0), 2), row("a", "A", Some(2.0), 3)];
        let by = |descending| Kept { sort: Some(Sort { by: Column::Best, descending }), ..Kept::default() };
        assert_eq!(order(&rows, &Kept::default()), ["c", "b", "a"], "as they are listed");
        assert_eq!(order(&rows, &by(false)), ["b", "a", "c"]);
        assert_eq!(order(&rows, &by(true)), ["a", "b", "c"]);
    }

    #[test]
    fn what_is_put_away_is_counted_and_shown_when_asked_for() {
        let rows = [row("b", "B", None, 1), RunRow { archived: true, ..row("a", "A", None, 1) }];
        let sheet = Sheet::new(&rows, &Kept::default(), &[], Seeded::default());
        assert_eq!((sheet.order.as_slice(), sheet.archived), (&[0][..], 1));
        let shown = Kept { show_archived: true, ..Kept::default() };
        assert_eq!(order(&rows, &shown), ["b", "a"]);
    }

    #[test]
    fn the_baseline_stands_above_the_others_even_where_it_does_not_pass() {
        let rows = [row("b", "B", None, 1), row("a", "A", None, 1)];
        let kept = Kept { baseline: Some(RunId("a".into())), filter: "name:b".into(), ..Kept::default() };
        let sheet = Sheet::new(&rows, &kept, &[], Seeded::default());
        assert_eq!((sheet.baseline, sheet.order.as_slice()), (Some(1), &[0][..]));
        let kept = Kept { baseline: Some(RunId("b".into())), ..Kept::default() };
        assert_eq!(order(&rows, &kept), ["a"]);
    }

    #[test]
    fn a_folded_group_keeps_its_line() {
        let in_experiment = |row| RunRow { experiment: Some("lengths".into()), ..row };
        let rows = [in_experiment(row("b", "B", None, 1)), row("a", "A", None, 1)];
        let kept = Kept { folded: BTreeSet::from(["lengths".to_owned()]), ..Kept::default() };
        let sheet = Sheet::new(&rows, &kept, &[], Seeded::default());
        assert_eq!(sheet.lines, [Line::Group(0), Line::Group(1), Line::Run(1)]);
        assert_eq!(sheet.ids_of(0, &rows), BTreeSet::from([RunId("b".into())]));
        assert_eq!((sheet.passing, sheet.line_of(1), sheet.line_of(0)), (2, Some(2), None));
    }

    #[test]
    fn runs_of_one_name_say_what_differs() {
        let rows = [row("c", "Same", None, 5), row("b", "Same", None, 20), row("a", "Other", None, 5)];
        let sheet = Sheet::new(&rows, &Kept::default(), &[], Seeded::default());
        assert_eq!([0, 1, 2].map(|at| sheet.behind(at)), ["n_virtual 5", "n_virtual 20", ""]);
        let twins = [row("b", "Same", None, 5), RunRow { created: 86_400, ..row("a", "Same", None, 5) }];
        let sheet = Sheet::new(&twins, &Kept::default(), &[], Seeded::default());
        assert_eq!([0, 1].map(|at| sheet.behind(at)), ["1970-01-01 00:00:00", "1970-01-02 00:00:00"]);
    }

    #[test]
    fn a_sheet_is_made_anew_when_something_has_changed() {
        let mut rows = vec![row("a", "A", Some(1.0), 1)];
        let mut kept = Kept::default();
        let mut sheet = Sheet::default();
        sheet.refresh(1, &rows, &kept);
        rows[0].archived = true;
        sheet.refresh(1, &rows, &kept);
        assert_eq!(sheet.order, [0], "nobody has said that it changed");
        sheet.refresh(2, &rows, &kept);
        assert!(sheet.order.is_empty());
        kept.show_archived = true;
        sheet.refresh(2, &rows, &kept);
        assert_eq!(sheet.order, [0]);
    }
}
