//! F1 of entities of texts that are labels of tokens with spaces between them, `O B-PER I-PER O`.

use super::answers::pieces;
use super::entities::{EntityCounts, Scheme};
use super::text::{TextMetric, TextRow};
use crate::{Sentence, sentence};

/// F1 over the entities of all rows, in a reading of labels.
#[derive(Clone, Copy, Debug)]
pub struct EntityF1(pub Scheme);

impl EntityF1 {
    /// Refuses rows that have not as many labels as their reference.
    /// There are `before` rows before them.
    pub(super) fn check(self, rows: &[TextRow], before: usize) -> Result<(), Sentence> {
        for (row, of) in (before + 1..).zip(rows) {
            let (given, wanted) = (pieces(&of.prediction).count(), pieces(reference(of)).count());
            if given != wanted {
                return Err(sentence!("row {row} has {given} labels, its reference {wanted}", row, given, wanted));
            }
        }
        Ok(())
    }
}

fn reference(row: &TextRow) -> &str {
    row.references.first().map_or("", String::as_str)
}

impl TextMetric for EntityF1 {
    fn statistics(&self, rows: &[TextRow]) -> Vec<Vec<f64>> {
        let of = |row: &TextRow| {
            let mut counts = EntityCounts::default();
            counts.add(pieces(reference(row)), pieces(&row.prediction), self.0);
            let all = counts.all();
            vec![all.right as f64, all.wanted as f64, all.given as f64]
        };
        rows.iter().map(of).collect()
    }

    fn figure(&self, sum: &[f64]) -> f64 {
        match sum {
            [right, wanted, given] => 2.0 * right / (wanted + given).max(1.0),
            _ => f64::NAN,
        }
    }

    fn signature(&self) -> Option<String> {
        Some(match self.0 {
            Scheme::Conlleval => "mode:default".to_owned(),
            Scheme::Iob2 => "mode:strict|scheme:IOB2".to_owned(),
            Scheme::Iobes => "mode:strict|scheme:IOBES".to_owned(),
        })
    }
}
