//! The longest common subsequence of two lists of token numbers: its length by words of bits (Hyyrö, 2004), and the
//! places of one in the reference, as rouge_score reads them from its table.

use std::collections::HashMap;

/// Length, in time `reference × candidate / 64`.
pub(super) fn lcs_len(reference: &[u32], candidate: &[u32]) -> usize {
    let n_words = reference.len().div_ceil(64);
    let mut places: HashMap<u32, Vec<u64>> = HashMap::new();
    for (place, token) in reference.iter().enumerate() {
        places.entry(*token).or_insert_with(|| vec![0; n_words])[place / 64] |= 1 << (place % 64);
    }
    // A zero bit is a place of the reference where the length grows.
    let mut row = vec![u64::MAX; n_words];
    for places in candidate.iter().filter_map(|token| places.get(token)) {
        let mut carry = false;
        for (word, places) in row.iter_mut().zip(places) {
            let both = *word & places;
            let (sum, first) = word.overflowing_add(both);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            carry = first || second;
            *word = sum | (*word & !places);
        }
    }
    (0..reference.len()).filter(|place| row[place / 64] >> (place % 64) & 1 == 0).count()
}

/// Places in the reference of one longest common subsequence, the one that is read back from the table's end going up
/// unless the left is longer. Rows are kept at every `sqrt`-th place and made again between: memory stays
/// `sqrt(reference) × candidate`.
pub(super) fn lcs_places(reference: &[u32], candidate: &[u32]) -> Vec<usize> {
    let step = reference.len().isqrt().max(1);
    let mut kept = vec![vec![0; candidate.len() + 1]];
    let mut row = kept[0].clone();
    for (place, token) in reference.iter().enumerate() {
        row = next_row(&row, *token, candidate);
        if (place + 1) % step == 0 {
            kept.push(row.clone());
        }
    }
    let (mut i, mut j) = (reference.len(), candidate.len());
    let mut places = Vec::new();
    while i > 0 && j > 0 {
        let block = (i - 1) / step;
        let first = block * step;
        let mut rows = vec![kept[block].clone()];
        for token in &reference[first..i] {
            rows.push(next_row(&rows[rows.len() - 1], *token, candidate));
        }
        while i > first && j > 0 {
            if reference[i - 1] == candidate[j - 1] {
                places.push(i - 1);
                (i, j) = (i - 1, j - 1);
            } else if rows[i - first][j - 1] > rows[i - 1 - first][j] {
                j -= 1;
            } else {
                i -= 1;
            }
        }
    }
    places.reverse();
    places
}

/// The table's row after one token more of the reference.
fn next_row(row: &[u32], token: u32, candidate: &[u32]) -> Vec<u32> {
    let mut next = vec![0; row.len()];
    for (j, other) in candidate.iter().enumerate() {
        next[j + 1] = if token == *other { row[j] + 1 } else { row[j + 1].max(next[j]) };
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table as the paper writes it.
    fn table(reference: &[u32], candidate: &[u32]) -> Vec<Vec<u32>> {
        let mut rows = vec![vec![0; candidate.len() + 1]];
        for token in reference {
            rows.push(next_row(&rows[rows.len() - 1], *token, candidate));
        }
        rows
    }

    #[test]
    fn length_by_bits_is_that_of_the_table_over_word_borders() {
        let draw = |n: usize, seed: u64| {
            let mut state = seed;
            (0..n)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (state >> 33) as u32 % 7
                })
                .collect::<Vec<_>>()
        };
        for (n, m) in [(0, 5), (5, 0), (1, 1), (63, 64), (64, 63), (65, 130), (200, 200)] {
            let (reference, candidate) = (draw(n, 3), draw(m, 11));
            let expected = table(&reference, &candidate)[n][m] as usize;
            assert_eq!(lcs_len(&reference, &candidate), expected, "{n} {m}");
            let places = lcs_places(&reference, &candidate);
            assert_eq!(places.len(), expected, "{n} {m}");
            assert!(places.is_sorted());
        }
    }
}
