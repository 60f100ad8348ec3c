//! What stands along an axis or behind a color: numbers as they are, words as categories.

use std::cmp::Ordering;

use super::view::Tone;
use crate::format::compact;
use crate::store::RunRow;
use crate::study::{Cell, cell};
use crate::t;

/// Different values up to which each number has a color and a line in the legend of its own.
const FEW: usize = 6;
/// Ranges into which more of them are put.
const RANGES: usize = 5;
/// Greatest by least from which on numbers are better seen by their powers of ten.
const WIDE: f64 = 30.0;

/// Values along an axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Scale {
    /// One for each run: the number, or the place of its word among the names.
    pub(super) values: Vec<Option<f64>>,
    /// Words in their order; none along an axis of numbers.
    pub(super) names: Vec<String>,
}

/// The values of runs under a name.
pub(super) fn cells(rows: &[&RunRow], name: &str) -> Vec<Option<Cell>> {
    rows.iter().map(|row| cell(row, name)).collect()
}

/// A value in words.
pub(super) fn words(cell: &Cell) -> String {
    match cell {
        Cell::Number(number) => compact(*number),
        Cell::Text(text) => text.clone(),
        Cell::Flag(true) => t!("views.yes").to_owned(),
        Cell::Flag(false) => t!("views.no").to_owned(),
    }
}

impl Scale {
    /// Numbers if all are, categories else.
    pub(super) fn of(cells: &[Option<Cell>]) -> Self {
        let known = || cells.iter().flatten();
        if known().all(|cell| matches!(cell, Cell::Number(_))) {
            let number = |cell: &Option<Cell>| match cell {
                Some(Cell::Number(number)) if number.is_finite() => Some(*number),
                _ => None,
            };
            return Self { values: cells.iter().map(number).collect(), names: Vec::new() };
        }
        let mut kinds: Vec<&Cell> = known().collect();
        kinds.sort_by(|a, b| order(a, b));
        kinds.dedup();
        let place = |cell: &Cell| kinds.iter().position(|kind| *kind == cell).map(|place| place as f64);
        let values = cells.iter().map(|cell| cell.as_ref().and_then(place)).collect();
        Self { values, names: kinds.into_iter().map(words).collect() }
    }

    /// Whether powers of ten can be drawn: numbers above zero.
    pub(super) fn can_log(&self) -> bool {
        self.names.is_empty() && self.values.iter().flatten().any(|value| *value > 0.0)
    }

    /// Whether they are far apart, and all above zero.
    pub(super) fn is_wide(&self) -> bool {
        let (low, high) = self.ends();
        self.names.is_empty() && low > 0.0 && high / low >= WIDE
    }

    /// Least and greatest.
    pub(super) fn ends(&self) -> (f64, f64) {
        let known = || self.values.iter().flatten().copied();
        (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max))
    }
}

/// Numbers by size, then words, then switches.
fn order(a: &Cell, b: &Cell) -> Ordering {
    let rank = |cell: &Cell| match cell {
        Cell::Number(_) => 0,
        Cell::Text(_) => 1,
        Cell::Flag(_) => 2,
    };
    match (a, b) {
        (Cell::Number(a), Cell::Number(b)) => a.total_cmp(b),
        (Cell::Text(a), Cell::Text(b)) => a.cmp(b),
        (Cell::Flag(a), Cell::Flag(b)) => a.cmp(b),
        (a, b) => rank(a).cmp(&rank(b)),
    }
}

/// Runs in groups of one color.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Shades {
    /// The group of each run.
    pub(super) of: Vec<usize>,
    /// Name and color of each group.
    pub(super) groups: Vec<(String, Tone)>,
}

impl Shades {
    /// Groups by value: words and few numbers each for themselves, more numbers by ranges. Runs without a value come last.
    pub(super) fn of(cells: &[Option<Cell>]) -> Self {
        let scale = Scale::of(cells);
        let (bounds, mut groups) = match scale.names.is_empty() {
            false => ((0..scale.names.len()).map(|n| n as f64).collect(), by_words(&scale)),
            true => by_numbers(&scale),
        };
        let group = |value: f64| bounds.partition_point(|bound: &f64| *bound <= value).saturating_sub(1);
        let rest = groups.len();
        if scale.values.iter().any(Option::is_none) {
            groups.push((t!("views.none").to_owned(), Tone::Muted));
        }
        Self { of: scale.values.iter().map(|value| value.map_or(rest, group)).collect(), groups }
    }
}

fn by_words(scale: &Scale) -> Vec<(String, Tone)> {
    scale.names.iter().enumerate().map(|(n, name)| (name.clone(), Tone::Series(n))).collect()
}

/// Lower bounds of the groups, and the groups.
fn by_numbers(scale: &Scale) -> (Vec<f64>, Vec<(String, Tone)>) {
    let mut values: Vec<f64> = scale.values.iter().flatten().copied().collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    let share = |n: usize, of: usize| Tone::Ramp(n as f32 / of.saturating_sub(1).max(1) as f32);
    if values.len() <= FEW {
        let groups = values.iter().enumerate().map(|(n, value)| (compact(*value), share(n, values.len()))).collect();
        return (values, groups);
    }
    let (low, high) = scale.ends();
    let bound = |n: usize| {
        let part = n as f64 / RANGES as f64;
        if scale.is_wide() { low * (high / low).powf(part) } else { low + (high - low) * part }
    };
    let bounds: Vec<f64> = (0..RANGES).map(bound).collect();
    let name = |n: usize| format!("{} – {}", compact(bound(n)), compact(bound(n + 1)));
    (bounds, (0..RANGES).map(|n| (name(n), share(n, RANGES))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(values: &[f64]) -> Vec<Option<Cell>> {
        values.iter().map(|value| Some(Cell::Number(*value))).collect()
    }

    fn text(word: &str) -> Option<Cell> {
        Some(Cell::Text(word.into()))
    }

    #[test]
    fn words_on_an_axis_are_categories_and_numbers_among_them_too() {
        let scale = Scale::of(&[text("prefix"), text("lora"), None, text("prefix")]);
        assert_eq!(scale.names, ["lora", "prefix"]);
        assert_eq!(scale.values, [Some(1.0), Some(0.0), None, Some(1.0)]);
        let mixed = Scale::of(&[text("auto"), Some(Cell::Number(8.0)), Some(Cell::Number(4.0))]);
        assert_eq!(mixed.names, ["4", "8", "auto"]);
        assert!(!mixed.can_log());
        let flags = Scale::of(&[Some(Cell::Flag(true)), Some(Cell::Flag(false))]);
        assert_eq!(flags.values, [Some(1.0), Some(0.0)]);
    }

    #[test]
    fn numbers_stay_numbers_and_wide_ones_are_known() {
        let scale = Scale::of(&numbers(&[1e-4, 1e-2, f64::NAN]));
        assert_eq!(scale.values, [Some(1e-4), Some(1e-2), None]);
        assert!(scale.is_wide() && scale.can_log());
        assert!(!Scale::of(&numbers(&[0.0, 5.0])).is_wide());
        assert!(!Scale::of(&[]).can_log());
    }

    #[test]
    fn few_numbers_have_a_color_each_and_many_share_ranges() {
        let few = Shades::of(&numbers(&[20.0, 5.0, 20.0, 10.0]));
        assert_eq!(few.of, [2, 0, 2, 1]);
        assert_eq!(few.groups.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["5", "10", "20"]);
        assert_eq!(few.groups[2].1, Tone::Ramp(1.0));
        let many = Shades::of(&numbers(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 10.0]));
        assert_eq!(many.groups.len(), RANGES);
        assert_eq!(many.of, [0, 0, 1, 1, 2, 2, 4], "the greatest is in the last range");
        let wide = Shades::of(&numbers(&[1.0, 2.0, 4.0, 50.0, 300.0, 9000.0, 1e5]));
        assert_eq!(wide.of, [0, 0, 0, 1, 2, 3, 4], "by powers of ten");
    }

    #[test]
    fn a_run_without_a_value_has_a_group_of_its_own() {
        let shades = Shades::of(&[text("a"), None]);
        assert_eq!((shades.of, shades.groups.len()), (vec![0, 1], 2));
        assert!(Shades::of(&[]).groups.is_empty());
    }
}
