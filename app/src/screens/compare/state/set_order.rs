//! The rows of a set that are shown, and their order.

use serde::{Deserialize, Serialize};

use super::set::{Measure, RowSet};

/// The order of the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetSort {
    /// As in the file.
    #[default]
    File,
    /// Those first whose columns say the least alike.
    Disagreement,
    /// Those first whose figure differs most between the columns.
    Figure,
}

/// The rows that are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetFilter {
    /// All of them.
    #[default]
    All,
    /// A column says something else than the base.
    Changed,
    /// A column is worse than the base.
    Worse,
    /// Marked.
    Starred,
}

impl RowSet {
    /// Places of the rows that pass, in order.
    pub fn ordered(&self, sort: SetSort, (filter, find): (SetFilter, &str), measure: Measure) -> Vec<usize> {
        let wanted = find.trim().to_lowercase();
        let passes = |&place: &usize| {
            let row = &self.rows[place];
            let texts = row.row.texts.iter().chain(&row.row.references).chain([&row.row.source, &row.note]);
            let is_found = wanted.is_empty() || texts.into_iter().any(|text| text.to_lowercase().contains(&wanted));
            is_found
                && match filter {
                    SetFilter::All => true,
                    SetFilter::Changed => self.is_changed(row),
                    SetFilter::Worse => self.is_worse(row, measure),
                    SetFilter::Starred => row.starred,
                }
        };
        let mut rows: Vec<usize> = (0..self.rows.len()).filter(passes).collect();
        rows.sort_by_key(|&place| self.rows[place].row.row);
        match sort {
            SetSort::File => {}
            SetSort::Disagreement => {
                rows.sort_by(|&a, &b| self.rows[b].disagreement.total_cmp(&self.rows[a].disagreement));
            }
            SetSort::Figure => {
                let spreads: Vec<f64> = (0..self.rows.len()).map(|place| self.spread(place, measure)).collect();
                rows.sort_by(|&a, &b| spreads[b].total_cmp(&spreads[a]));
            }
        }
        rows
    }

    /// The difference between the largest and the smallest figure of a row; -1 where there are no two.
    fn spread(&self, place: usize, measure: Measure) -> f64 {
        let row = &self.rows[place];
        let figures: Vec<f64> =
            (0..self.columns.len()).filter_map(|column| self.figure(row, column, measure)).collect();
        if figures.len() < 2 {
            return -1.0;
        }
        let largest = figures.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        largest - figures.iter().copied().fold(f64::INFINITY, f64::min)
    }
}

#[cfg(test)]
mod tests {
    use super::super::set::tests::scored;
    use super::*;

    fn numbers(set: &RowSet, sort: SetSort, filter: SetFilter, find: &str) -> Vec<usize> {
        let rows = set.ordered(sort, (filter, find), Measure::Metric(0));
        rows.into_iter().map(|place| set.rows[place].row.row).collect()
    }

    #[test]
    fn rows_come_as_in_the_file_by_disagreement_or_by_the_spread_of_a_figure() {
        let set = scored();
        assert_eq!(numbers(&set, SetSort::File, SetFilter::All, ""), [1, 2, 4]);
        assert_eq!(numbers(&set, SetSort::Disagreement, SetFilter::All, ""), [1, 2, 4]);
        assert_eq!(numbers(&set, SetSort::Figure, SetFilter::All, ""), [1, 2, 4], "20, 10, 0 of chrF");
        let by_loss = set.ordered(SetSort::Figure, (SetFilter::All, ""), Measure::Loss);
        assert_eq!(set.rows[by_loss[0]].row.row, 2);
    }

    #[test]
    fn rows_are_filtered_by_what_became_of_them_and_by_words() {
        let mut set = scored();
        set.rows[0].starred = true;
        set.rows[2].note = "Odd plural".into();
        assert_eq!(numbers(&set, SetSort::File, SetFilter::Changed, ""), [1, 2]);
        assert_eq!(numbers(&set, SetSort::File, SetFilter::Worse, ""), [2]);
        assert_eq!(numbers(&set, SetSort::File, SetFilter::Starred, ""), [4]);
        assert_eq!(numbers(&set, SetSort::File, SetFilter::All, " ODD "), [2], "a note is found, too");
        assert_eq!(numbers(&set, SetSort::File, SetFilter::Starred, "hill"), Vec::<usize>::new());
        set.scored.clear();
        set.rows.iter_mut().for_each(|row| row.figures.clear());
        assert_eq!(numbers(&set, SetSort::Figure, SetFilter::All, ""), [1, 2, 4], "without figures as in the file");
    }
}
