//! The batch of a model that reads a source, as the reference has it: labels become targets behind the token that starts them,
//! and a text that is classified is its own target.

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
    let (types, contest, starts, taught) = (None, None, None, None);
    TokenBatch {
        rows,
        batch,
        seq,
        tokens,
        mask,
        labels: shifted,
        targets,
        types,
        source,
        task,
        contest,
        starts,
        taught,
    }
}

/// A case's texts, each of which the decoder reads too, one column later and padding as well; its class stands where it ends.
pub(super) fn read_twice(
    (start, end): (Option<u32>, i32),
    source: SourceBatch,
    batch: usize,
    classes: &[i32],
) -> TokenBatch {
    let (seq, task) = (source.seq, Task::SequenceClassification);
    let (mut tokens, mut labels) = (Vec::new(), vec![IGNORE_INDEX; batch * seq]);
    for (row, (text, class)) in source.tokens.chunks_exact(seq).zip(classes).enumerate() {
        let last = text.last().copied().unwrap_or(end);
        tokens.push(start.map_or(last, u32::cast_signed));
        tokens.extend(&text[..seq - 1]);
        let at = text.iter().rposition(|&token| token == end).unwrap_or(seq - 1);
        labels[row * seq + at] = *class;
    }
    let (rows, mask, source, targets) = ((0..batch).collect(), vec![1.0; batch * seq], Some(source), Vec::new());
    let (types, contest, starts, taught) = (None, None, None, None);
    TokenBatch { rows, batch, seq, tokens, mask, labels, targets, types, source, task, contest, starts, taught }
}
