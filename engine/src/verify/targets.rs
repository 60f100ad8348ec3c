//! The batch of a model that reads a source, as the reference has it: labels become targets behind the token that starts them.

use crate::config::Task;
use crate::data::{IGNORE_INDEX, SourceBatch, TokenBatch};

/// A case's labels behind what starts a target: a token, or each row's own last one.
pub(super) fn targets(
    (start, padding): (Option<u32>, i32),
    source: SourceBatch,
    batch: usize,
    labels: &[i32],
) -> TokenBatch {
    let seq = labels.len() / batch + 1;
    let (mut tokens, mut mask, mut shifted) = (Vec::new(), Vec::new(), Vec::new());
    for row in labels.chunks_exact(seq - 1) {
        let last = row.iter().rev().find(|&&label| label != IGNORE_INDEX).copied().unwrap_or(0);
        tokens.push(start.map_or(last, u32::cast_signed));
        tokens.extend(row.iter().map(|&label| if label == IGNORE_INDEX { padding } else { label }));
        // The reference sees the padding of a target; what comes after it is looked at in the last column only.
        mask.extend(vec![1.0; seq]);
        shifted.push(IGNORE_INDEX);
        shifted.extend_from_slice(row);
    }
    let (rows, source, task) = ((0..batch).collect(), Some(source), Task::Seq2Seq);
    let targets = Vec::new();
    TokenBatch { rows, batch, seq, tokens, mask, labels: shifted, targets, types: None, source, task, contest: None }
}
