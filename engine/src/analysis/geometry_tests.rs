//! Whitening against an eigendecomposition written down, and what chance and meaning come to in a vocabulary like those
//! of real layers: one large common vector, a few strong directions, and the rest.

use super::*;
use crate::analysis::{Cell, nearest_tokens};
use crate::analysis::{Metric, NeighborList};

const TOKENS: usize = 2000;

/// Rows `[TOKENS, width]`: the same large vector, strong directions and everything else, drawn at random.
fn vocabulary(width: usize, strong: &[f32], seed: u64) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut basis = Basis { vectors: Vec::new() };
    for _ in 0..=strong.len() {
        basis.add((0..width).map(|_| normal(&mut random)).collect());
    }
    let mut rows = Vec::new();
    for _ in 0..TOKENS {
        let mut row: Vec<f32> = (0..width).map(|_| 0.2 * normal(&mut random)).collect();
        let shares = std::iter::once(30.0).chain(strong.iter().map(|sd| sd * normal(&mut random)));
        for (direction, share) in basis.vectors.iter().zip(shares.collect::<Vec<f32>>()) {
            row.iter_mut().zip(direction).for_each(|(x, d)| *x += share * d);
        }
        rows.extend(row);
    }
    rows
}

fn lists(table: &[f32], width: usize, space: Space, vectors: Vec<Vec<f32>>) -> Vec<NeighborList> {
    let geometry = Geometry::of(Table::Full(table), width, space);
    let cell = |(position, vector)| Cell { position, vector, initial: None };
    let cells: Vec<Cell> = vectors.into_iter().enumerate().map(cell).collect();
    nearest_tokens(Table::Full(table), &geometry, 0, &cells, Metric::Cosine, 3, &|_| String::new())
}

/// Eigenvalues and eigenvectors of a symmetric matrix by Jacobi's rotations, largest first.
fn eigen(mut matrix: Vec<Vec<f64>>) -> Vec<(f64, Vec<f64>)> {
    let n = matrix.len();
    let mut vectors: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    for _ in 0..30 {
        for p in 0..n {
            for q in p + 1..n {
                let angle = 0.5 * f64::atan2(2.0 * matrix[p][q], matrix[q][q] - matrix[p][p]);
                let (sin, cos) = angle.sin_cos();
                for rows in [&mut matrix, &mut vectors] {
                    for row in rows {
                        (row[p], row[q]) = (cos * row[p] - sin * row[q], sin * row[p] + cos * row[q]);
                    }
                }
                let (above, below) = matrix.split_at_mut(q);
                for (x, y) in above[p].iter_mut().zip(&mut below[0]) {
                    (*x, *y) = (cos * *x - sin * *y, sin * *x + cos * *y);
                }
            }
        }
    }
    let vector = |i: usize| vectors.iter().map(|row| row[i]).collect::<Vec<f64>>();
    let mut pairs: Vec<(f64, Vec<f64>)> = (0..n).map(|i| (matrix[i][i], vector(i))).collect();
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    pairs
}

#[test]
fn whitening_is_what_an_eigendecomposition_says() {
    let width = 16; // of which a quarter may be scaled down
    let table = vocabulary(width, &[9.0, 5.0, 2.5, 1.2], 3);
    let rows: Vec<Vec<f64>> =
        table.chunks_exact(width).map(|row| row.iter().map(|&x| f64::from(x)).collect()).collect();
    let mean: Vec<f64> = (0..width).map(|i| rows.iter().map(|row| row[i]).sum::<f64>() / TOKENS as f64).collect();
    let along = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let length = along(&mean, &mean).sqrt();
    let across = |row: &[f64]| {
        let less = along(row, &mean) / (length * length);
        row.iter().zip(&mean).map(|(x, mean)| x - less * mean).collect::<Vec<f64>>()
    };
    let rows: Vec<Vec<f64>> = rows.iter().map(|row| across(row)).collect();
    let entry = |i: usize, j: usize| rows.iter().map(|row| row[i] * row[j]).sum::<f64>() / TOKENS as f64;
    let pairs = eigen((0..width).map(|i| (0..width).map(|j| entry(i, j)).collect()).collect());
    let typical = pairs.iter().map(|(variance, _)| variance).sum::<f64>() / width as f64;
    let tail = pairs[4..].iter().map(|(variance, _)| variance).sum::<f64>() / (width - 4) as f64;
    let whitened = |row: &[f64]| {
        pairs[..4].iter().fold(row.to_vec(), |row, (variance, direction)| {
            let less = (1.0 - ((tail + typical) / (variance + typical)).sqrt()) * along(&row, direction);
            row.iter().zip(direction).map(|(x, d)| x - less * d).collect()
        })
    };
    let geometry = Geometry::of(Table::Full(&table), width, Space::Whitened);
    for token in [0, 7, 1999] {
        let (ours, right) = (geometry.map(&table[token * width..][..width]), whitened(&rows[token]));
        for (ours, right) in ours.iter().zip(&right) {
            assert!((f64::from(*ours) - right).abs() < 1e-3, "{ours} and {right}");
        }
        let norm = along(&right, &right).sqrt();
        assert!((f64::from(geometry.row_norms[token]) - norm).abs() < 1e-3 * norm);
    }
}

#[test]
fn all_but_the_top_takes_out_the_mean_and_the_leading_directions() {
    let width = 16;
    let table = vocabulary(width, &[9.0, 5.0, 2.5], 3);
    let rows: Vec<Vec<f64>> =
        table.chunks_exact(width).map(|row| row.iter().map(|&x| f64::from(x)).collect()).collect();
    let mean: Vec<f64> = (0..width).map(|i| rows.iter().map(|row| row[i]).sum::<f64>() / TOKENS as f64).collect();
    let along = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let length = along(&mean, &mean).sqrt();
    let less = |row: &[f64], direction: &[f64]| -> Vec<f64> {
        let share = along(row, direction);
        row.iter().zip(direction).map(|(x, d)| x - share * d).collect()
    };
    let axis: Vec<f64> = mean.iter().map(|x| x / length).collect();
    let rows: Vec<Vec<f64>> = rows
        .iter()
        .map(|row| less(&row.iter().zip(&mean).map(|(x, mean)| x - mean).collect::<Vec<f64>>(), &axis))
        .collect();
    let entry = |i: usize, j: usize| rows.iter().map(|row| row[i] * row[j]).sum::<f64>() / TOKENS as f64;
    let pairs = eigen((0..width).map(|i| (0..width).map(|j| entry(i, j)).collect()).collect());
    let geometry = Geometry::of(Table::Full(&table), width, Space::AllButTop { directions: 2 });
    for token in [0, 7, 1999] {
        let right = pairs[..2].iter().fold(rows[token].clone(), |row, (_, direction)| less(&row, direction));
        let ours = geometry.map(&table[token * width..][..width]);
        for (ours, right) in ours.iter().zip(&right) {
            assert!((f64::from(*ours) - right).abs() < 1e-3, "{ours} and {right}");
        }
        let norm = along(&right, &right).sqrt();
        assert!((f64::from(geometry.row_norms[token]) - norm).abs() < 2e-3 * norm.max(1.0));
    }
    let none = Geometry::of(Table::Full(&table), width, Space::AllButTop { directions: 0 });
    assert!(
        (along(&axis, &none.map(&table[..width]).iter().map(|&x| f64::from(x)).collect::<Vec<f64>>())).abs() < 1e-3
    );
}

#[test]
fn vectors_drawn_at_random_are_above_chance_in_one_list_of_twenty() {
    let width = 64;
    let table = vocabulary(width, &[3.0, 2.0, 1.0, 0.5], 5);
    let mut random = ChaCha8Rng::seed_from_u64(6);
    // Around zero, as a prefix begins, and so far from the mean of the vocabulary.
    let mut draw =
        || (0..400).map(|_| (0..width).map(|_| 0.3 * normal(&mut random)).collect()).collect::<Vec<Vec<f32>>>();
    let lists = lists(&table, width, Space::Whitened, draw());
    let above = lists.iter().filter(|list| list.above_chance() > 0).count() as f64 / 400.0;
    assert!((0.02..0.08).contains(&above), "{above}");
    let best = lists.iter().map(|list| list.nearest[0].z).sum::<f32>() / 400.0;
    assert!((best - lists[0].vocabulary.best).abs() < 0.1, "{best}");
}

#[test]
fn a_token_is_found_where_a_plain_cosine_or_the_mean_alone_hides_it() {
    let width = 64;
    let table = vocabulary(width, &[3.0, 2.0, 1.0, 0.5], 8);
    let mut random = ChaCha8Rng::seed_from_u64(9);
    let mut near = |token: usize| -> Vec<f32> {
        table[token * width..][..width].iter().map(|x| x + 0.1 * normal(&mut random)).collect()
    };
    let vectors: Vec<Vec<f32>> = (0..100).map(|i| near(i * 20)).collect();
    let found = |space: Space| {
        let lists = lists(&table, width, space, vectors.clone());
        let own = lists.iter().filter(|list| {
            let first = &list.nearest[0];
            first.token as usize == list.position * 20 && first.z > list.vocabulary.best
        });
        own.count()
    };
    let found = [Space::Raw, Space::Centered, Space::Whitened].map(found);
    assert!(found[0] < 10 && found[1] < 30 && found[2] > 95, "{found:?}");
    let raw = lists(&table, width, Space::Raw, vectors);
    assert!(raw.iter().all(|list| list.above_chance() == 0), "a plain cosine is not judged");
}

#[test]
fn the_same_table_makes_the_same_space() {
    let table = vocabulary(32, &[3.0, 1.0], 4);
    let norms = |_| Geometry::of(Table::Full(&table), 32, Space::Whitened).row_norms;
    assert_eq!(norms(0), norms(1));
}
