//! BERTScore (Zhang et al. 2020): each token of a text is matched with the nearest of the other text by the cosine of their
//! embeddings. The arithmetic of Tiiiger/bert_score, bert_score/utils.py, on given embeddings; figures are not rescaled by a
//! baseline (`rescale_with_baseline=False` there).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// A text by its tokens, special ones among them, which can be matched and have no weight.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddedText<'a> {
    /// Embeddings, `[tokens, d_model]`, row by row.
    pub values: &'a [f32],
    /// Weight of each token.
    pub weights: &'a [f64],
}

/// How near a text is to a reference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BertScore {
    /// Weighted mean of what each token of the text finds in the reference.
    pub precision: f64,
    /// Weighted mean of what each token of the reference finds in the text.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
}

impl BertScore {
    /// Of a text and a reference; zeros where either has no token that counts.
    pub fn of(text: EmbeddedText<'_>, reference: EmbeddedText<'_>, d_model: usize) -> Self {
        let (text_rows, reference_rows) = (normalized(text.values, d_model), normalized(reference.values, d_model));
        let mut best_of_text = vec![f64::NEG_INFINITY; text_rows.len()];
        let mut best_of_reference = vec![f64::NEG_INFINITY; reference_rows.len()];
        for (a, best_a) in text_rows.iter().zip(&mut best_of_text) {
            for (b, best_b) in reference_rows.iter().zip(&mut best_of_reference) {
                let cosine: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                *best_a = best_a.max(cosine);
                *best_b = best_b.max(cosine);
            }
        }
        let mean = |best: &[f64], weights: &[f64]| {
            let total: f64 = weights.iter().sum();
            let sum: f64 = best.iter().zip(weights).map(|(best, weight)| best * weight).sum();
            (total > 0.0 && sum.is_finite()).then(|| sum / total)
        };
        match (mean(&best_of_text, text.weights), mean(&best_of_reference, reference.weights)) {
            (Some(precision), Some(recall)) => {
                let f1 = 2.0 * precision * recall / (precision + recall);
                Self { precision, recall, f1: if f1.is_nan() { 0.0 } else { f1 } }
            }
            _ => Self::default(),
        }
    }

    /// The best of several references, figure by figure.
    pub fn best(self, other: Self) -> Self {
        Self {
            precision: self.precision.max(other.precision),
            recall: self.recall.max(other.recall),
            f1: self.f1.max(other.f1),
        }
    }
}

fn normalized(values: &[f32], d_model: usize) -> Vec<Vec<f64>> {
    let row = |row: &[f32]| {
        let norm = row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        row.iter().map(|v| f64::from(*v) / norm).collect()
    };
    values.chunks_exact(d_model.max(1)).map(row).collect()
}

/// Weights of tokens by how few references have them: `ln((n + 1) / (n with it + 1))`. Tokens that all have, as those
/// around each text, weigh nothing.
#[derive(Clone, Debug, Default)]
pub struct InverseFrequencies {
    references: usize,
    with: BTreeMap<u32, usize>,
}

impl InverseFrequencies {
    /// Counts the tokens of all references.
    pub fn of<'a>(references: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let mut counted = Self::default();
        for tokens in references {
            counted.references += 1;
            for token in tokens.iter().collect::<BTreeSet<_>>() {
                *counted.with.entry(*token).or_default() += 1;
            }
        }
        counted
    }

    /// Weight of a token.
    pub fn weight(&self, token: u32) -> f64 {
        let with = self.with.get(&token).copied().unwrap_or(0);
        ((self.references + 1) as f64 / (with + 1) as f64).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::golden::other;

    #[test]
    fn matching_is_that_of_bert_score_with_and_without_weights() {
        let golden = other()["bertscore"].clone();
        let d_model = golden["dim"].as_u64().unwrap() as usize;
        let cases = golden["cases"].as_array().unwrap();
        assert!(cases.len() >= 4);
        for case in cases {
            let values = |key: &str| -> Vec<f32> { serde_json::from_value(case[key].clone()).unwrap() };
            let weights = |key: &str| -> Vec<f64> { serde_json::from_value(case[key].clone()).unwrap() };
            let (text, reference) = (values("candidate"), values("reference"));
            let (of_text, of_reference) = (weights("candidate_weights"), weights("reference_weights"));
            let score = BertScore::of(
                EmbeddedText { values: &text, weights: &of_text },
                EmbeddedText { values: &reference, weights: &of_reference },
                d_model,
            );
            for (found, key) in [(score.precision, "precision"), (score.recall, "recall"), (score.f1, "f1")] {
                let wanted = case[key].as_f64().unwrap();
                assert!((found - wanted).abs() < 1e-5, "{key}: {found} {wanted}");
            }
        }
    }

    #[test]
    fn rare_tokens_weigh_more_and_those_of_every_reference_nothing() {
        let golden = other()["idf"].clone();
        let references: Vec<Vec<u32>> = serde_json::from_value(golden["references"].clone()).unwrap();
        let weights = InverseFrequencies::of(references.iter().map(Vec::as_slice));
        for (token, weight) in golden["weights"].as_object().unwrap() {
            assert!((weights.weight(token.parse().unwrap()) - weight.as_f64().unwrap()).abs() < 1e-12, "{token}");
        }
    }
}
