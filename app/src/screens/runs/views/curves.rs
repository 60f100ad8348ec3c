//! The curves of a figure over each other: which lines there are, their colors, what is drawn of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::choices::{CurveChoices, Horizontal, Views};
use super::facts::Facts;
use super::lines::{Drawn, TimeUnit, joined, mean, unit};
use super::scale::{Shades, cells};
use super::view::{Tone, View};
use crate::charts::{Axis, Chart, Mark};
use crate::screens::saving::sheet::{Sheet, number};
use crate::series::Series;
use crate::store::{Curve, RunRow};
use crate::t;
use crate::workspace::RunId;

/// Curves that are drawn at most.
pub(super) const MOST: usize = 50;
/// Curves up to which each point is drawn too, faintly.
const FEW: usize = 8;

/// The curves that the store told.
pub(super) type Known = BTreeMap<RunId, BTreeMap<String, Curve>>;

/// A line of the plot and of its legend.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Unique among the lines.
    pub(super) key: String,
    /// In the legend.
    pub(super) name: String,
    /// Its color.
    pub(super) tone: Tone,
    /// The run behind it; none behind a mean.
    pub(super) run: Option<usize>,
    /// It is not among those that are looked at alone.
    pub(super) faded: bool,
    drawn: Arc<Drawn>,
    band: Arc<Vec<[f64; 2]>>,
}

impl Line {
    /// What the cursor reads.
    pub(super) fn series(&self) -> &Series {
        &self.drawn.smooth.series
    }
}

/// What tells a curve from what it was when it was smoothed.
#[derive(Clone, Debug, PartialEq)]
struct Key {
    points: usize,
    last: Option<(u64, u64)>,
    name: String,
    by: Horizontal,
    smoothing: u64,
}

impl Key {
    fn of(curve: &Curve, choices: &CurveChoices) -> Self {
        Self {
            points: curve.points.len(),
            last: curve.points.last().map(|point| (point.step, point.value.to_bits())),
            name: curve.name.clone(),
            by: choices.by,
            smoothing: choices.smoothing.to_bits(),
        }
    }
}

/// The mean of runs, and the lowest and highest of them.
type Averaged = (Arc<Drawn>, Arc<Vec<[f64; 2]>>);

/// Smoothed curves and means, from one frame to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Cache {
    drawn: BTreeMap<RunId, (Key, Arc<Drawn>)>,
    means: BTreeMap<Vec<RunId>, (Vec<Key>, Averaged)>,
}

impl Cache {
    fn drawn(&mut self, curve: &Curve, choices: &CurveChoices) -> Arc<Drawn> {
        let key = Key::of(curve, choices);
        if let Some((_, drawn)) = self.drawn.get(&curve.run).filter(|(known, _)| *known == key) {
            return drawn.clone();
        }
        let drawn = Arc::new(Drawn::of(&curve.points, choices.by, choices.smoothing));
        self.drawn.insert(curve.run.clone(), (key, drawn.clone()));
        drawn
    }

    fn mean(&mut self, curves: &[&Curve], choices: &CurveChoices) -> Averaged {
        let runs: Vec<RunId> = curves.iter().map(|curve| curve.run.clone()).collect();
        let keys: Vec<Key> = curves.iter().map(|curve| Key::of(curve, choices)).collect();
        if let Some((_, averaged)) = self.means.get(&runs).filter(|(known, _)| *known == keys) {
            return averaged.clone();
        }
        let drawn: Vec<Arc<Drawn>> = curves.iter().map(|curve| self.drawn(curve, choices)).collect();
        let found = mean(&drawn.iter().map(|drawn| &drawn.smooth.series).collect::<Vec<_>>());
        let mut averaged = Drawn::default();
        found.points.iter().for_each(|[x, y]| averaged.smooth.series.push(*x, *y));
        let averaged = (Arc::new(averaged), Arc::new(found.band));
        self.means.insert(runs, (keys, averaged.clone()));
        averaged
    }
}

/// The lines of these runs: one for each run that has points, or for each group of runs that differ in their seed.
pub(super) fn lines(rows: &[&RunRow], facts: &Facts, views: &Views, known: &Known, cache: &mut Cache) -> Vec<Line> {
    let choices = &views.curves;
    let shades = (!choices.color.is_empty()).then(|| Shades::of(&cells(rows, &choices.color)));
    let tone = |run: usize, place: usize| match &shades {
        Some(shades) => shades.groups[shades.of[run]].1,
        None => Tone::Series(place),
    };
    let faded = |key: &str| !views.isolated.is_empty() && !views.isolated.contains(key);
    let curve = |run: usize| {
        let curve = known.get(&rows[run].id)?.get(&choices.name)?;
        (!curve.points.is_empty()).then_some(curve)
    };
    if !choices.mean {
        let begun = (0..rows.len()).filter_map(|run| Some((run, curve(run)?))).take(MOST);
        let line = |(place, (run, curve)): (usize, (usize, &Curve))| {
            let key = rows[run].id.0.clone();
            Line {
                faded: faded(&key),
                key,
                name: rows[run].name.clone(),
                tone: tone(run, place),
                run: Some(run),
                drawn: cache.drawn(curve, choices),
                band: Arc::default(),
            }
        };
        return begun.enumerate().map(line).collect();
    }
    let mut lines = Vec::new();
    for group in &facts.groups {
        let members: Vec<&Curve> = group.runs.iter().filter_map(|run| curve(*run)).collect();
        let Some(first) = group.runs.first().filter(|_| !members.is_empty() && lines.len() < MOST) else { continue };
        let (drawn, band) = cache.mean(&members, choices);
        let label = group.label.clone();
        let name = t!("views.group_of", label = label, n = members.len());
        let tone = tone(*first, lines.len());
        lines.push(Line { faded: faded(&label), key: label, name, tone, run: None, drawn, band });
    }
    lines
}

/// A part of the plot, and how much of it can be seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope {
    /// The range that is seen.
    pub(super) range: (f64, f64),
    /// Columns of pixels.
    pub(super) columns: usize,
    /// For the window: each point too, and the lines that are not looked at.
    pub(super) all: bool,
}

/// The chart of these lines, and for each of its series the line it is of, with whether it is that of each point.
pub(super) fn chart(lines: &[Line], facts: &Facts, views: &Views, scope: Scope) -> (View, Vec<(usize, bool)>) {
    let choices = &views.curves;
    let (scale, label) = horizontal(lines, choices.by);
    let range = (scope.range.0 * scale, scope.range.1 * scale);
    let columns = scope.columns.min((30_000 / lines.len().max(1)).max(80));
    let points = |series: &Series| {
        let pieces = series.thin(range, columns);
        joined(pieces).into_iter().map(|[x, y]| [x / scale, y]).collect::<Vec<_>>()
    };
    let x = Axis { label, log: choices.log_x, names: Vec::new() };
    let y = Axis { label: figure_words(facts, &choices.name), log: choices.log_y, names: Vec::new() };
    let (mut view, mut of) = (View { chart: Chart { x, y, ..Chart::default() }, ..View::default() }, Vec::new());
    let with_raw = scope.all && choices.smoothing > 0.0 && !choices.mean && lines.len() <= FEW;
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| with_raw && !line.faded) {
        view.push("", Mark::Line, line.tone, points(&line.drawn.raw), Vec::new());
        of.push((index, true));
    }
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| scope.all || !line.faded) {
        match line.band.is_empty() {
            true => view.push(&line.name, Mark::Line, line.tone, points(line.series()), Vec::new()),
            // A mean has few points already, and the band needs each of them.
            false => {
                let series = line.series();
                let mean = series.xs().iter().zip(series.values()).map(|(x, y)| [x / scale, *y]).collect();
                view.push(&line.name, Mark::Line, line.tone, mean, Vec::new());
                if let Some(series) = view.chart.series.last_mut().filter(|_| !line.faded) {
                    series.band = line.band.to_vec();
                }
            }
        }
        of.push((index, false));
    }
    (view, of)
}

/// The length of a unit of the horizontal axis, and the axis' name.
pub(super) fn horizontal(lines: &[Line], by: Horizontal) -> (f64, String) {
    match by {
        Horizontal::Step => (1.0, t!("views.step").to_owned()),
        Horizontal::Epoch => (1.0, t!("views.epoch").to_owned()),
        Horizontal::Tokens => (1.0, t!("views.tokens").to_owned()),
        Horizontal::Time => {
            let longest = lines.iter().filter_map(|line| line.series().xs().last()).copied().fold(0.0, f64::max);
            let (length, unit) = unit(longest);
            let name = match unit {
                TimeUnit::Seconds => t!("views.time_seconds"),
                TimeUnit::Minutes => t!("views.time_minutes"),
                TimeUnit::Hours => t!("views.time_hours"),
            };
            (length, name.to_owned())
        }
    }
}

/// The name of a curve's figure: the losses have words, others are called as they are.
pub(super) fn figure_words(facts: &Facts, name: &str) -> String {
    match name {
        "loss" => t!("views.training_loss").to_owned(),
        "validation loss" => t!("views.validation_loss").to_owned(),
        name => facts.shown(name),
    }
}

/// All points of these runs, as the store has them.
pub(super) fn sheet(rows: &[&RunRow], views: &Views, known: &Known) -> Sheet {
    let name = &views.curves.name;
    let mut sheet = Sheet::new(["run", "step", "epoch", "tokens", "seconds", name]);
    for row in rows {
        let Some(curve) = known.get(&row.id).and_then(|curves| curves.get(name)) else { continue };
        for point in &curve.points {
            let counts = [point.step.to_string(), number(point.epoch), point.tokens.to_string(), number(point.secs)];
            let cells = std::iter::once(row.name.clone()).chain(counts).chain([number(point.value)]);
            sheet.rows.push(cells.collect());
        }
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::CurvePoint;
    use crate::study::Group;

    fn row(id: &str) -> RunRow {
        RunRow { id: RunId(id.into()), name: format!("run {id}"), ..RunRow::example() }
    }

    fn known(ids: &[(&str, f64)]) -> Known {
        let point =
            |step: u64, value: f64| CurvePoint { step, secs: 100.0 * step as f64, value, ..CurvePoint::default() };
        let curve = |(id, value): &(&str, f64)| {
            let points = vec![point(1, *value), point(2, value / 2.0), point(3, value / 4.0)];
            let (run, name) = (RunId((*id).into()), "loss".to_owned());
            (run.clone(), BTreeMap::from([(name.clone(), Curve { run, name, points })]))
        };
        ids.iter().map(curve).collect()
    }

    fn plain() -> Views {
        let mut views = Views::default();
        views.curves.smoothing = 0.0;
        views
    }

    #[test]
    fn a_run_without_points_has_no_line_and_one_looked_at_alone_lets_the_others_fade() {
        let (a, b, c) = (row("a"), row("b"), row("c"));
        let mut views = plain();
        views.isolated.insert("b".into());
        let (facts, mut cache) = (Facts::default(), Cache::default());
        let found = lines(&[&a, &b, &c], &facts, &views, &known(&[("a", 4.0), ("b", 8.0)]), &mut cache);
        let said: Vec<(&str, bool)> = found.iter().map(|line| (line.name.as_str(), line.faded)).collect();
        assert_eq!(said, [("run a", true), ("run b", false)]);
        let scope = Scope { range: (f64::NEG_INFINITY, f64::INFINITY), columns: 100, all: false };
        let (view, of) = chart(&found, &facts, &views, scope);
        assert_eq!((view.chart.series.len(), of), (1, vec![(1, false)]), "a picture has what is looked at");
        let (window, _) = chart(&found, &facts, &views, Scope { all: true, ..scope });
        assert_eq!(window.chart.series.len(), 2);
    }

    #[test]
    fn a_mean_has_a_band_and_its_group_a_line() {
        let (a, b) = (row("a"), row("b"));
        let group = Group { runs: vec![0, 1], label: "prefix 20".into(), mean: None, half_width: None };
        let facts = Facts { groups: vec![group], ..Facts::default() };
        let mut views = plain();
        views.curves.mean = true;
        let mut cache = Cache::default();
        let found = lines(&[&a, &b], &facts, &views, &known(&[("a", 4.0), ("b", 8.0)]), &mut cache);
        assert!(found.len() == 1 && found[0].name.contains("prefix 20") && found[0].name.contains('2'));
        let scope = Scope { range: (f64::NEG_INFINITY, f64::INFINITY), columns: 100, all: true };
        let (view, _) = chart(&found, &facts, &views, scope);
        assert_eq!(view.chart.series[0].points[0], [1.0, 6.0]);
        assert_eq!(view.chart.series[0].band[0], [4.0, 8.0]);
    }

    #[test]
    fn time_is_counted_in_a_unit_that_reads_well_and_the_table_has_seconds() {
        let a = row("a");
        let mut views = plain();
        views.curves.by = Horizontal::Time;
        let (facts, known) = (Facts::default(), known(&[("a", 4.0)]));
        let found = lines(&[&a], &facts, &views, &known, &mut Cache::default());
        let scope = Scope { range: (f64::NEG_INFINITY, f64::INFINITY), columns: 100, all: true };
        let (view, _) = chart(&found, &facts, &views, scope);
        assert_eq!(view.chart.series[0].points[2][0], 5.0, "300 s are 5 min");
        assert_eq!(sheet(&[&a], &views, &known).rows[2], ["run a", "3", "0", "0", "300", "1"]);
    }

    #[test]
    fn a_curve_is_smoothed_anew_when_it_grows_and_not_before() {
        let (views, mut cache) = (Views::default(), Cache::default());
        let known = known(&[("a", 4.0)]);
        let curve = &known.values().next().unwrap()["loss"];
        let first = cache.drawn(curve, &views.curves);
        assert!(Arc::ptr_eq(&first, &cache.drawn(curve, &views.curves)));
        let mut longer = curve.clone();
        longer.points.push(CurvePoint { step: 4, value: 1.0, ..CurvePoint::default() });
        assert_eq!(cache.drawn(&longer, &views.curves).raw.len(), 4);
    }
}
