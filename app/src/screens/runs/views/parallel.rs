//! Parallel axes: one for each setting that differs and one for a figure; a run is a line through all of them. An interval
//! on an axis lets the runs outside of it fade.

use std::collections::BTreeMap;

use super::choices::Views;
use super::facts::Facts;
use super::scale::{Scale, cells};
use super::view::{Tone, View};
use crate::charts::{self, Chart, Mark};
use crate::format::compact;
use crate::screens::saving::sheet::Sheet;
use crate::store::RunRow;
use crate::t;

/// An axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Axis {
    /// The whole name.
    pub(super) name: String,
    /// The name that is shown.
    pub(super) shown: String,
    /// In powers of ten.
    log: bool,
    scale: Scale,
    ends: (f64, f64),
}

impl Axis {
    /// An axis over these values.
    pub(super) fn new(name: &str, shown: String, scale: Scale) -> Self {
        let log = scale.is_wide();
        let (low, high) = scale.ends();
        let ends = if log { (low.log10(), high.log10()) } else { (low, high) };
        Self { name: name.to_owned(), shown, log, scale, ends }
    }

    /// Where a run stands between the lower end, 0, and the upper end, 1; `None` if it has no value.
    pub(super) fn share(&self, run: usize) -> Option<f64> {
        let value = (*self.scale.values.get(run)?)?;
        Some(self.share_of(value))
    }

    /// Whether some run has no value.
    pub(super) fn has_gap(&self) -> bool {
        self.scale.values.iter().any(Option::is_none)
    }

    fn share_of(&self, value: f64) -> f64 {
        let (low, high) = self.ends;
        let value = if self.log { value.log10() } else { value };
        if high > low { (value - low) / (high - low) } else { 0.5 }
    }

    /// Marks and their text from below, at most so many: all words or different values where there is room, the ends and
    /// what lies evenly between them else.
    pub(super) fn marks(&self, most: usize) -> Vec<(f64, String)> {
        let most = most.max(2);
        if !self.scale.names.is_empty() {
            let every = self.scale.names.len().div_ceil(most);
            let names = self.scale.names.iter().enumerate().step_by(every);
            return names.map(|(n, name)| (self.share_of(n as f64), name.clone())).collect();
        }
        let mut values: Vec<f64> = self.scale.values.iter().flatten().copied().collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        let marks: Vec<f64> = values.iter().map(|value| self.share_of(*value)).collect();
        let apart = marks.windows(2).all(|pair| pair[1] - pair[0] >= 0.999 / most as f64);
        if values.len() <= most && apart {
            return marks.into_iter().zip(values.into_iter().map(compact)).collect();
        }
        let (low, high) = self.ends;
        let count = most.min(5);
        let even = (0..count).map(|n| n as f64 / (count - 1) as f64);
        let value = |share: f64| low + share * (high - low);
        let back = |value: f64| if self.log { 10f64.powf(value) } else { value };
        even.map(|share| (share, compact(back(value(share))))).collect()
    }
}

/// The axes that are shown: settings that differ, then the figure.
pub(super) fn axes(rows: &[&RunRow], facts: &Facts, views: &Views) -> Vec<Axis> {
    let figure = facts.figure(&views.figure);
    let names = facts.settings.iter().map(|choice| choice.value.as_str());
    let shown = names.filter(|name| !views.hidden_axes.contains(*name) && *name != figure);
    let axis = |name: &str| Axis::new(name, facts.shown(name), Scale::of(&cells(rows, name)));
    shown.chain([figure]).map(axis).collect()
}

/// Whether a run is inside of all intervals; one without a value is outside of any.
pub(super) fn passes(axes: &[Axis], brushes: &BTreeMap<String, (f64, f64)>, run: usize) -> bool {
    axes.iter().all(|axis| match brushes.get(&axis.name) {
        Some((low, high)) => axis.share(run).is_some_and(|share| (low - 1e-9..=high + 1e-9).contains(&share)),
        None => true,
    })
}

/// An interval between two places of an axis, whichever is the lower; `None` where they are too near to be meant.
pub(super) fn brush(from: f64, to: f64) -> Option<(f64, f64)> {
    let (low, high) = (from.min(to).clamp(0.0, 1.0), from.max(to).clamp(0.0, 1.0));
    (high - low > 0.01).then_some((low, high))
}

/// The same as a picture and a table: runs outside of the intervals are left out of the picture.
pub(super) fn view(rows: &[&RunRow], facts: &Facts, views: &Views) -> View {
    let axes = axes(rows, facts, views);
    let names = axes.iter().map(|axis| axis.shown.clone()).collect();
    let x = charts::Axis { names, ..charts::Axis::default() };
    let y = charts::Axis { label: t!("views.share_of_axis").to_owned(), ..charts::Axis::default() };
    let head = std::iter::once(t!("views.run").to_owned()).chain(axes.iter().map(|axis| axis.name.clone()));
    let mut view = View { chart: Chart { x, y, ..Chart::default() }, sheet: Sheet::new(head), ..View::default() };
    for (run, row) in rows.iter().enumerate() {
        let cells = axes.iter().map(|axis| match (axis.scale.values.get(run), axis.scale.names.is_empty()) {
            (Some(Some(value)), true) => crate::screens::saving::sheet::number(*value),
            (Some(Some(value)), false) => axis.scale.names.get(*value as usize).cloned().unwrap_or_default(),
            _ => String::new(),
        });
        view.sheet.rows.push(std::iter::once(row.name.clone()).chain(cells).collect());
        if !passes(&axes, &views.brushes, run) {
            view.without += 1;
            continue;
        }
        let shares = axes.iter().map(|axis| axis.share(run).unwrap_or(f64::NAN));
        let points = shares.enumerate().map(|(n, share)| [n as f64, share]).collect();
        view.push(&row.name, Mark::Line, tone(&axes, run), points, vec![run; axes.len()]);
    }
    view
}

/// The color of a run: by its figure, which is the last axis.
pub(super) fn tone(axes: &[Axis], run: usize) -> Tone {
    axes.last().and_then(|axis| axis.share(run)).map_or(Tone::Muted, |share| Tone::Ramp(share as f32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::Cell;

    fn axis(name: &str, values: &[f64]) -> Axis {
        let cells: Vec<Option<Cell>> = values.iter().map(|value| Some(Cell::Number(*value))).collect();
        Axis::new(name, name.into(), Scale::of(&cells))
    }

    #[test]
    fn runs_outside_of_an_interval_do_not_pass() {
        let axes = [axis("length", &[0.0, 5.0, 10.0]), axis("loss", &[3.0, f64::NAN, 1.0])];
        let passing = |brushes: &BTreeMap<String, (f64, f64)>| {
            (0..3).filter(|run| passes(&axes, brushes, *run)).collect::<Vec<usize>>()
        };
        assert_eq!(passing(&BTreeMap::new()), [0, 1, 2]);
        let mut brushes = BTreeMap::from([("length".to_owned(), (0.5, 1.0))]);
        assert_eq!(passing(&brushes), [1, 2], "both ends belong to it");
        brushes.insert("loss".into(), (0.0, 1.0));
        assert_eq!(passing(&brushes), [2], "a run without a value is outside");
        brushes.insert("gone".into(), (0.0, 0.1));
        assert_eq!(passing(&brushes), [2], "an axis that is not shown says nothing");
    }

    #[test]
    fn an_interval_is_drawn_from_either_end_and_a_click_is_none() {
        assert_eq!(brush(0.8, 0.2), Some((0.2, 0.8)));
        assert_eq!(brush(-0.3, 0.5), Some((0.0, 0.5)));
        assert_eq!(brush(0.5, 0.505), None);
        assert_eq!(brush(1.2, 1.6), None);
    }

    #[test]
    fn wide_values_stand_by_their_powers_and_a_lone_value_in_the_middle() {
        let rates = axis("rate", &[1e-4, 1e-3, 1e-2]);
        assert!((rates.share(1).unwrap() - 0.5).abs() < 1e-9);
        assert_eq!(axis("same", &[7.0, 7.0]).share(0), Some(0.5));
        assert_eq!(rates.share(9), None);
    }

    #[test]
    fn marks_are_the_values_where_there_is_room_and_even_else() {
        let texts = |axis: &Axis, most| axis.marks(most).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(texts(&axis("length", &[1.0, 5.0, 9.0]), 8), ["1", "5", "9"]);
        let many: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(texts(&axis("n", &many), 4), ["0", "33", "66", "99"]);
        assert_eq!(texts(&axis("near", &[1.0, 1.01, 2.0]), 5).len(), 5, "text never lies on text");
        let cells: Vec<Option<Cell>> = ["a", "b", "c", "d", "e"].map(|word| Some(Cell::Text(word.into()))).into();
        let words = Axis::new("method", "method".into(), Scale::of(&cells));
        assert_eq!(texts(&words, 9), ["a", "b", "c", "d", "e"]);
        assert_eq!(texts(&words, 3), ["a", "c", "e"]);
        assert!(axis("none", &[f64::NAN]).marks(4).is_empty());
    }
}
