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

/// A row of the table: its cells from a first column on.
#[derive(Clone, Debug, Default)]
struct Row {
    first: usize,
    costs: Vec<u32>,
    edits: Vec<Option<Edit>>,
}

impl Row {
    fn cost(&self, column: usize) -> u32 {
        column.checked_sub(self.first).and_then(|place| self.costs.get(place)).copied().unwrap_or(UNREACHED)
    }

    fn edit(&self, column: usize) -> Option<Edit> {
        column.checked_sub(self.first).and_then(|place| self.edits.get(place)).copied().flatten()
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
        let edits = std::iter::repeat_n(Some(Edit::Insert), reference.len() + 1).collect();
        let first = Row { first: 0, costs: (0..=reference.len() as u32).collect(), edits };
        let mut rows = vec![first];
        for i in 1..=predicted.len() {
            let row = next_row(&rows[i - 1], i, predicted, reference);
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
        let mut row = self.rows[same].clone();
        for i in same + 1..=shifted.len() {
            row = next_row(&row, i, shifted, self.reference);
            if row.costs.iter().min().is_none_or(|cost| *cost as usize > most) {
                return None;
            }
        }
        Some(row.cost(self.reference.len()) as usize).filter(|distance| *distance <= most)
    }

    /// Edits from the first word on.
    pub(super) fn trace(&self) -> Vec<Edit> {
        let (mut i, mut j) = (self.predicted.len(), self.reference.len());
        let mut trace = Vec::with_capacity(i.max(j));
        while i > 0 || j > 0 {
            // Each reached cell knows its way, and the last one is reached: its row goes to the end.
            let Some(edit) = self.rows[i].edit(j) else { break };
            trace.push(edit);
            match edit {
                Edit::Keep | Edit::Substitute => (i, j) = (i.saturating_sub(1), j.saturating_sub(1)),
                Edit::Insert => j = j.saturating_sub(1),
                Edit::Delete => i = i.saturating_sub(1),
            }
        }
        trace.reverse();
        trace
    }
}

fn next_row(above: &Row, i: usize, predicted: &[u32], reference: &[u32]) -> Row {
    let ratio = reference.len() as f64 / predicted.len() as f64;
    let width =
        if (BEAM_WIDTH as f64) < ratio / 2.0 { (ratio / 2.0 + BEAM_WIDTH as f64).ceil() as usize } else { BEAM_WIDTH };
    let diagonal = (i as f64 * ratio).floor() as usize;
    let first = diagonal.saturating_sub(width);
    let end = if i == predicted.len() { reference.len() + 1 } else { (reference.len() + 1).min(diagonal + width) };

    let mut row = Row { first, costs: Vec::with_capacity(end - first), edits: Vec::with_capacity(end - first) };
    let word = predicted[i - 1];
    let mut left = UNREACHED;
    for j in first..end {
        let delete = above.cost(j) + 1;
        let (mut cost, mut edit) = (UNREACHED, None);
        if j > 0 {
            let is_same = word == reference[j - 1];
            let keep = above.cost(j - 1) + u32::from(!is_same);
            if keep < cost {
                (cost, edit) = (keep, Some(if is_same { Edit::Keep } else { Edit::Substitute }));
            }
        }
        if delete < cost {
            (cost, edit) = (delete, Some(Edit::Delete));
        }
        if left + 1 < cost {
            (cost, edit) = (left + 1, Some(Edit::Insert));
        }
        row.costs.push(cost);
        row.edits.push(edit);
        left = cost;
    }
    row
}
