//! The first training rows as one text, from which the slots of a prefix are read, and whose slots are whose.
//!
//! Lu et al. 2025, "Context Tuning for In-Context Optimization" (CT-KV); agentic-learning-ai-lab/context-tuning: `train.py`.

use std::ops::Range;

use crate::adapters::methods::init::without_soft;
use crate::data::Examples;
use crate::error::Result;

/// Rows read one behind the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demonstrations {
    /// Tokens of all rows, as the templates write them: of a row with a source that first.
    pub tokens: Vec<u32>,
    /// The place of each row among them.
    pub spans: Vec<Range<usize>>,
}

impl Demonstrations {
    /// The first `shots` rows, or all where there are fewer. What begins every text begins the first row alone.
    ///
    /// # Errors
    /// Rows that stand in a file cannot be read.
    pub fn read(rows: &Examples, shots: usize, begin: &[u32]) -> Result<Self> {
        let mut all = Self::default();
        for row in rows.read(0..rows.len().min(shots))? {
            let text = without_soft(&[row.source, row.tokens].concat());
            let text = match all.tokens.is_empty() {
                true => text.as_slice(),
                false => text.strip_prefix(begin).unwrap_or(&text),
            };
            let first = all.tokens.len();
            all.tokens.extend_from_slice(text);
            all.spans.push(first..all.tokens.len());
        }
        Ok(all)
    }
}
