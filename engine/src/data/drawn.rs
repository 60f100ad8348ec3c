//! The rows of an epoch: all, or of the references of a source the one that the seed draws for it.

use super::encode::Example;
use super::examples::Examples;
use super::forms::groups;
use super::shuffle::{Purpose, index_below};
use crate::config::{DataConfig, References};

/// Number of rows of an epoch.
pub fn rows_of_epoch(rows: &Examples, config: &DataConfig) -> usize {
    match rows.held() {
        Some(held) if config.references == References::One => groups(held).len(),
        // Rows that stand in a file have one reference each.
        _ => rows.len(),
    }
}

/// The rows of an epoch, by their place among all; which of several references is there follows from seed and epoch.
pub fn drawn(rows: &[Example], config: &DataConfig, seed: u64, epoch: u64) -> Vec<usize> {
    if config.references != References::One {
        return (0..rows.len()).collect();
    }
    let one = |(number, group): (usize, std::ops::Range<usize>)| {
        group.start + index_below(group.len(), seed, Purpose::Reference { epoch, source: number as u64 })
    };
    groups(rows).into_iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Example> {
        let row = |prompt: &str, references: usize| Example {
            prompt: prompt.to_owned(),
            references: vec![String::new(); references],
            ..Example::default()
        };
        vec![row("a", 3), row("a", 0), row("a", 0), row("a", 0), row("b", 2), row("c", 0), row("d", 0)]
    }

    #[test]
    fn one_reference_of_a_source_is_drawn_for_an_epoch_by_seed_and_epoch() {
        let mut config = DataConfig::new("x");
        assert_eq!((rows_of_epoch(&rows().into(), &config), drawn(&rows(), &config, 1, 0)), (7, (0..7).collect()));
        config.references = References::One;
        assert_eq!(rows_of_epoch(&rows().into(), &config), 5);
        let epochs: Vec<Vec<usize>> = (0..20).map(|epoch| drawn(&rows(), &config, 1, epoch)).collect();
        assert!(epochs.iter().all(|rows| rows[0] < 3 && rows[1..] == [3, 4, 5, 6]), "{epochs:?}");
        for reference in 0..3 {
            assert!(epochs.iter().any(|rows| rows[0] == reference), "{reference} is never drawn");
        }
        assert_eq!(drawn(&rows(), &config, 1, 7), epochs[7]);
        let other: Vec<usize> = (0..20).map(|epoch| drawn(&rows(), &config, 2, epoch)[0]).collect();
        assert_ne!(other, epochs.iter().map(|rows| rows[0]).collect::<Vec<_>>());
    }
}
