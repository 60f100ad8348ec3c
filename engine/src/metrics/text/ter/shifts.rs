//! Greedy shifts of Tercom: the one that lessens the distance most, until none does.

use std::cmp::Reverse;

use super::distance::{Edit, Table};

const MAX_SHIFT_SIZE: usize = 10;
const MAX_SHIFT_DISTANCE: usize = 50;
const MAX_CANDIDATES: usize = 1000;

/// Edits and shifts that make a reference of a prediction.
pub(super) fn edits(predicted: &[u32], reference: &[u32]) -> usize {
    if reference.is_empty() {
        return predicted.len();
    }
    let (mut words, mut n_shifts, mut n_candidates) = (predicted.to_vec(), 0, 0);
    loop {
        let table = Table::new(&words, reference);
        let shifted = best_shift(&words, reference, &table, &mut n_candidates);
        match shifted {
            Some(shifted) if n_candidates < MAX_CANDIDATES => {
                words = shifted;
                n_shifts += 1;
            }
            _ => return n_shifts + table.distance(),
        }
    }
}

/// Where each word of the reference stands in the prediction, and which words of both are wrong.
struct Alignment {
    /// One more than the word's place, 0 before the first.
    after: Vec<usize>,
    /// Sums of errors up to each place.
    reference_errors: Vec<usize>,
    predicted_errors: Vec<usize>,
}

impl Alignment {
    fn of(trace: &[Edit]) -> Self {
        let mut alignment = Self { after: Vec::new(), reference_errors: vec![0], predicted_errors: vec![0] };
        let push = |errors: &mut Vec<usize>, error: bool| {
            errors.push(errors.last().copied().unwrap_or_default() + usize::from(error));
        };
        for edit in trace {
            let is_error = *edit != Edit::Keep;
            if *edit != Edit::Insert {
                push(&mut alignment.predicted_errors, is_error);
            }
            if *edit != Edit::Delete {
                push(&mut alignment.reference_errors, is_error);
                alignment.after.push(alignment.predicted_errors.len() - 1);
            }
        }
        alignment
    }

    fn has_errors(errors: &[usize], start: usize, length: usize) -> bool {
        let sum = |end: usize| errors[end.min(errors.len() - 1)];
        sum(start + length) > sum(start)
    }
}

/// Saved edits, length, place from where and to where: of equal savings the longest shift counts, then the earliest.
type Rank = (usize, usize, Reverse<usize>, Reverse<usize>);

/// The best shift that lessens the distance; `None` where none does.
fn best_shift(words: &[u32], reference: &[u32], table: &Table<'_>, n_candidates: &mut usize) -> Option<Vec<u32>> {
    let before = table.distance();
    let alignment = Alignment::of(&table.trace());
    let mut best: Option<(Rank, Vec<u32>)> = None;
    for start in 0..words.len() {
        let first = start.saturating_sub(MAX_SHIFT_DISTANCE);
        for target in first..reference.len().min(start + MAX_SHIFT_DISTANCE + 1) {
            let both = words[start..].iter().zip(&reference[target..]);
            let longest = both.take(MAX_SHIFT_SIZE).take_while(|(a, b)| a == b).count();
            for length in 1..=longest {
                if !Alignment::has_errors(&alignment.predicted_errors, start, length)
                    || !Alignment::has_errors(&alignment.reference_errors, target, length)
                    || (start + 1..start + length + 1).contains(&alignment.after[target])
                {
                    continue;
                }
                let mut tried = None;
                for place in target..=target + length {
                    // Before the reference's first word, then after each one of the span.
                    let Some(index) = place.checked_sub(1).map_or(Some(0), |at| alignment.after.get(at).copied())
                    else {
                        break;
                    };
                    if tried.replace(index) == Some(index) {
                        continue;
                    }
                    *n_candidates += 1;
                    let shifted = shift(words, start, length, index);
                    let most = best.as_ref().map_or(before.saturating_sub(1), |((saved, ..), _)| before - saved);
                    let Some(distance) = table.distance_of(&shifted, most) else { continue };
                    let rank = (before - distance, length, Reverse(start), Reverse(index));
                    if distance < before && best.as_ref().is_none_or(|(other, _)| rank > *other) {
                        best = Some((rank, shifted));
                    }
                }
                if *n_candidates >= MAX_CANDIDATES {
                    return best.map(|(_, shifted)| shifted);
                }
            }
        }
    }
    best.map(|(_, shifted)| shifted)
}

fn shift(words: &[u32], start: usize, length: usize, target: usize) -> Vec<u32> {
    let end = start + length;
    let span = &words[start..end];
    if target < start {
        [&words[..target], span, &words[target..start], &words[end..]].concat()
    } else {
        // A target within the span moves it by as much.
        let target = if target > end { target } else { (target + length).min(words.len()) };
        [&words[..start], &words[end..target.max(end)], span, &words[target.max(end)..]].concat()
    }
}
