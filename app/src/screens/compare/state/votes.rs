//! Judging blindly: the order in which the texts of a row are shown, votes, and how often each column wins.

use engine::metrics::share_interval;

use super::set::RowSet;

/// The judgment of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetVote {
    /// The text of this column is the best.
    Best(usize),
    /// None is better than the others.
    Tie,
}

/// How often a column won.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WinRate {
    /// Rows that it won.
    pub wins: usize,
    /// Rows that somebody won.
    pub of: usize,
    /// The share, with its 95 % interval; `None` without a vote.
    pub share: Option<(f64, (f64, f64))>,
}

impl RowSet {
    /// The columns in the order in which a row shows its texts: another for each row, the same whenever it is looked at.
    pub fn blind_order(&self, number: usize) -> Vec<usize> {
        let mut state = self.seed ^ (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut next = || {
            // Steele et al. 2014, "Fast Splittable Pseudorandom Number Generators".
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        };
        let mut order: Vec<usize> = (0..self.columns.len()).collect();
        for last in (1..order.len()).rev() {
            let place = (next() % (last as u64 + 1)) as usize;
            order.swap(last, place);
        }
        order
    }

    /// Rows whose texts differ, so that there is something to judge, in the order of the file.
    pub fn judged_rows(&self) -> Vec<usize> {
        let mut rows: Vec<usize> = (0..self.rows.len()).filter(|&row| self.is_changed(&self.rows[row])).collect();
        rows.sort_by_key(|&row| self.rows[row].row.row);
        rows
    }

    /// Rows that were judged.
    pub fn n_votes(&self) -> usize {
        self.rows.iter().filter(|row| row.vote.is_some()).count()
    }

    /// How often each column won; ties do not count.
    pub fn win_rates(&self) -> Vec<WinRate> {
        let winners: Vec<usize> = self
            .rows
            .iter()
            .filter_map(|row| match row.vote {
                Some(SetVote::Best(column)) => Some(column),
                Some(SetVote::Tie) | None => None,
            })
            .collect();
        let of = winners.len();
        let rate = |column: usize| {
            let wins = winners.iter().filter(|winner| **winner == column).count();
            WinRate { wins, of, share: share_interval(wins, of).map(|interval| (wins as f64 / of as f64, interval)) }
        };
        (0..self.columns.len()).map(rate).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::set::tests::{begun, scored, told};
    use super::*;

    #[test]
    fn the_order_of_the_texts_is_another_from_row_to_row_and_stays() {
        let set = begun();
        let first = (1..=200).filter(|&row| set.blind_order(row)[0] == 0).count();
        assert!((70..130).contains(&first), "{first} of 200 begin with the base");
        assert_eq!(set.blind_order(7), set.blind_order(7));
        let other = RowSet { seed: set.seed + 1, ..begun() };
        assert!((1..=200).any(|row| set.blind_order(row) != other.blind_order(row)), "begun anew it is another");
    }

    #[test]
    fn only_texts_that_differ_are_judged_and_ties_do_not_count() {
        let mut set = scored();
        assert_eq!(set.judged_rows(), [1, 2], "the first says the same under both");
        told(&mut begun(), 1, ["a", "b"], [1.0, 1.0]);
        set.rows[1].vote = Some(SetVote::Best(1));
        set.rows[2].vote = Some(SetVote::Tie);
        let rates = set.win_rates();
        assert_eq!((set.n_votes(), rates[0].of, rates[0].wins, rates[1].wins), (2, 1, 0, 1));
        let (share, (low, high)) = rates[1].share.unwrap();
        assert!(share == 1.0 && low > 0.2 && low < 0.21 && (high - 1.0).abs() < 1e-9, "{low} {high}");
        assert!(begun().win_rates().iter().all(|rate| rate.share.is_none()));
    }
}
