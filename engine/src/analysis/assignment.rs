//! The best matching of two sets by a table of costs: the Hungarian method (Kuhn 1955) by shortest augmenting paths with
//! potentials (Jonker & Volgenant 1987), which takes a cube of the larger number.

/// For each row the column that it is matched with, so that the sum of the costs is least. Where there are more rows than
/// columns, rows stay without one. A cost that is no number counts as the largest of all.
///
/// # Panics
/// When the rows differ in length.
pub(super) fn assignment(costs: &[Vec<f64>]) -> Vec<Option<usize>> {
    let (n_rows, n_columns) = (costs.len(), costs.first().map_or(0, Vec::len));
    assert!(costs.iter().all(|row| row.len() == n_columns), "all rows have a cost for each column");
    let largest = costs.iter().flatten().copied().filter(|cost| cost.is_finite()).fold(0.0, f64::max);
    let cost = |row: usize, column: usize| {
        if costs[row][column].is_finite() { costs[row][column] } else { largest + 1.0 }
    };
    let mut matched = vec![None; n_rows];
    if n_rows <= n_columns {
        for (column, row) in augmented(n_rows, n_columns, cost).into_iter().enumerate() {
            if let Some(row) = row {
                matched[row] = Some(column);
            }
        }
    } else {
        let rows = augmented(n_columns, n_rows, |row, column| cost(column, row));
        matched.iter_mut().zip(rows).for_each(|(matched, row)| *matched = row);
    }
    matched
}

/// For each column the row that it is matched with; there are no more rows than columns.
fn augmented(n_rows: usize, n_columns: usize, cost: impl Fn(usize, usize) -> f64) -> Vec<Option<usize>> {
    let mut of_row = vec![0.0; n_rows];
    // One column more, which has the row that is being placed.
    let mut of_column = vec![0.0; n_columns + 1];
    let mut row_of: Vec<Option<usize>> = vec![None; n_columns + 1];
    for row in 0..n_rows {
        row_of[n_columns] = Some(row);
        let (mut here, mut came_from) = (n_columns, vec![n_columns; n_columns]);
        let (mut least, mut used) = (vec![f64::INFINITY; n_columns], vec![false; n_columns + 1]);
        while let Some(row) = row_of[here] {
            used[here] = true;
            let (mut step, mut next) = (f64::INFINITY, here);
            for column in (0..n_columns).filter(|&column| !used[column]) {
                let reduced = cost(row, column) - of_row[row] - of_column[column];
                if reduced < least[column] {
                    (least[column], came_from[column]) = (reduced, here);
                }
                if least[column] < step {
                    (step, next) = (least[column], column);
                }
            }
            for column in 0..=n_columns {
                match (used[column], row_of[column]) {
                    (true, Some(row)) => {
                        of_row[row] += step;
                        of_column[column] -= step;
                    }
                    (false, _) if column < n_columns => least[column] -= step,
                    _ => {}
                }
            }
            here = next;
        }
        while here != n_columns {
            let before = came_from[here];
            row_of[here] = row_of[before];
            here = before;
        }
    }
    row_of.truncate(n_columns);
    row_of
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// The least sum over all ways of giving each of the fewer one of the others.
    fn by_trying(costs: &[Vec<f64>], row: usize, taken: &mut Vec<bool>, may_skip: usize) -> f64 {
        if row == costs.len() {
            return 0.0;
        }
        let mut best = f64::INFINITY;
        for column in 0..taken.len() {
            if !taken[column] {
                taken[column] = true;
                best = best.min(costs[row][column] + by_trying(costs, row + 1, taken, may_skip));
                taken[column] = false;
            }
        }
        if may_skip > 0 {
            best = best.min(by_trying(costs, row + 1, taken, may_skip - 1));
        }
        best
    }

    #[test]
    fn a_matching_costs_as_little_as_the_best_of_all() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        for case in 0..300 {
            let (n_rows, n_columns) = (1 + case % 6, 1 + (case / 6) % 6);
            // Few values, so that there are ties; negative ones too.
            let costs: Vec<Vec<f64>> = (0..n_rows)
                .map(|_| (0..n_columns).map(|_| f64::from(random.random_range(-9..10)) / 4.0).collect())
                .collect();
            let found = assignment(&costs);
            let mut columns: Vec<usize> = found.iter().flatten().copied().collect();
            assert_eq!(columns.len(), n_rows.min(n_columns), "{costs:?}");
            columns.sort_unstable();
            columns.dedup();
            assert_eq!(columns.len(), n_rows.min(n_columns), "no column twice: {costs:?}");
            let sum: f64 = found.iter().enumerate().filter_map(|(row, column)| Some(costs[row][(*column)?])).sum();
            let may_skip = n_rows.saturating_sub(n_columns);
            let best = by_trying(&costs, 0, &mut vec![false; n_columns], may_skip);
            assert!((sum - best).abs() < 1e-9, "{sum} {best} {costs:?}");
        }
    }

    #[test]
    fn what_is_no_number_is_taken_last_and_nothing_is_matched_with_nothing() {
        let costs = vec![vec![f64::NAN, 5.0], vec![7.0, f64::INFINITY]];
        assert_eq!(assignment(&costs), [Some(1), Some(0)]);
        assert!(assignment(&[]).is_empty());
        assert_eq!(assignment(&[vec![], vec![]]), [None, None]);
    }

    #[test]
    fn a_shuffled_set_finds_itself() {
        let n = 60;
        let place = |row: usize| (row * 37 + 11) % n;
        let costs: Vec<Vec<f64>> =
            (0..n).map(|row| (0..n).map(|column| f64::from(u8::from(column != place(row)))).collect()).collect();
        assert!(assignment(&costs).iter().enumerate().all(|(row, column)| *column == Some(place(row))));
    }
}
