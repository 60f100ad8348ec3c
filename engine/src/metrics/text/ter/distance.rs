//! Levenshtein's distance within a band about the diagonal, with its trace.

/// Columns on each side of the diagonal that are looked at.
const BEAM_WIDTH: usize = 25;

/// No way leads here.
const UNREACHED: u32 = u32::MAX / 2;

/// Edits that make a reference's words of a prediction's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    Keep,
    Substitute,
    /// A word of the reference alone.
    Insert,
    /// A word of the prediction alone.
    Delete,
}

/// A row of the table: costs from a first column on.
#[derive(Clone, Debug, Default)]
struct Row {
    first: usize,
    costs: Vec<u32>,
}

impl Row {
    fn cost(&self, column: usize) -> u32 {
        column.checked_sub(self.first).and_then(|place| self.costs.get(place)).copied().unwrap_or(UNREACHED)
    }
}

/// The table of a prediction, from which those of its shifted forms are begun.
pub(super) struct Table<'a> {
    predicted: &'a [u32],
    reference: &'a [u32],
    rows: Vec<Row>,
}

impl<'a> Table<'a> {
    pub(super) fn new(predicted: &'a [u32], reference: &'a [u32]) -> Self {
        let mut rows = vec![Row { first: 0, costs: (0..=reference.len() as u32).collect() }];
        for i in 1..=predicted.len() {
            let mut row = Row::default();
            fill_row(&mut row, &rows[i - 1], i, predicted, reference);
            rows.push(row);
        }
        Self { predicted, reference, rows }
    }

    pub(super) fn distance(&self) -> usize {
        self.rows[self.predicted.len()].cost(self.reference.len()) as usize
    }

    /// Distance of another order of the same words; `None` where it is above `most`.
    pub(super) fn distance_of(&self, shifted: &[u32], most: usize) -> Option<usize> {
        let same = shifted.iter().zip(self.predicted).take_while(|(a, b)| a == b).count();
        let (mut above, mut row) = (self.rows[same].clone(), Row::default());
        for i in same + 1..=shifted.len() {
            fill_row(&mut row, &above, i, shifted, self.reference);
            // What is left of one text beyond what is left of the other costs a word each.
            let (left, columns) = (shifted.len() - i, row.first..);
            let least = |(column, cost): (usize, &u32)| *cost as usize + left.abs_diff(self.reference.len() - column);
            if columns.zip(&row.costs).map(least).min().is_none_or(|least| least > most) {
                return None;
            }
            std::mem::swap(&mut above, &mut row);
        }
        Some(above.cost(self.reference.len()) as usize).filter(|distance| *distance <= most)
    }

    /// Edits from the first word on. Of equal ways a kept or other word comes first, then a deletion.
    pub(super) fn trace(&self) -> Vec<Edit> {
        let (mut i, mut j) = (self.predicted.len(), self.reference.len());
        let mut trace = Vec::with_capacity(i.max(j));
        while i > 0 || j > 0 {
            let edit = self.edit(i, j);
            trace.push(edit);
            match edit {
                Edit::Keep | Edit::Substitute => (i, j) = (i - 1, j - 1),
                Edit::Insert => j -= 1,
                Edit::Delete => i -= 1,
            }
        }
        trace.reverse();
        trace
    }

    fn edit(&self, i: usize, j: usize) -> Edit {
        if i == 0 {
            return Edit::Insert;
        }
        if j == 0 {
            return Edit::Delete;
        }
        let (cost, above) = (self.rows[i].cost(j), &self.rows[i - 1]);
        let is_same = self.predicted[i - 1] == self.reference[j - 1];
        match (cost == above.cost(j - 1) + u32::from(!is_same), is_same) {
            (true, true) => Edit::Keep,
            (true, false) => Edit::Substitute,
            (false, _) if cost == above.cost(j) + 1 => Edit::Delete,
            (false, _) => Edit::Insert,
        }
    }
}

fn fill_row(row: &mut Row, above: &Row, i: usize, predicted: &[u32], reference: &[u32]) {
    let ratio = reference.len() as f64 / predicted.len() as f64;
    let width =
        if (BEAM_WIDTH as f64) < ratio / 2.0 { (ratio / 2.0 + BEAM_WIDTH as f64).ceil() as usize } else { BEAM_WIDTH };
    let diagonal = (i as f64 * ratio).floor() as usize;
    let end = if i == predicted.len() { reference.len() + 1 } else { (reference.len() + 1).min(diagonal + width) };

    row.first = diagonal.saturating_sub(width);
    row.costs.clear();
    let word = predicted[i - 1];
    let mut left = UNREACHED;
    let mut diagonal = row.first.checked_sub(1).map_or(UNREACHED, |column| above.cost(column));
    for j in row.first..end {
        let over = above.cost(j);
        let keep = if j == 0 { UNREACHED } else { diagonal + u32::from(word != reference[j - 1]) };
        left = keep.min(over + 1).min(left + 1).min(UNREACHED);
        row.costs.push(left);
        diagonal = over;
    }
}
