//! Which rows stand in a batch together, and what a model is given of them.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::contest::Contest;
use super::encode::Example;
use super::shuffle::{Purpose, shuffled};
use super::taught::Taught;
use crate::config::Task;

/// The label of a position that has none, as Hugging Face writes it.
pub const IGNORE_INDEX: i32 = -100;
/// Batches whose rows are sorted by length together: enough for little padding, few enough for a random epoch.
const WINDOW: usize = 50;
/// Lengths of lines that are tried, from the longest row to twice it.
const WIDTHS: usize = 16;

/// Rows padded on the right to the longest of them.
///
/// # Shapes
/// `tokens`, `mask` and `labels` are `[batch, seq]`, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenBatch {
    /// Index of each row among the examples.
    pub rows: Vec<usize>,
    /// Rows.
    pub batch: usize,
    /// Positions of the longest row.
    pub seq: usize,
    /// Token ids, the padding token behind a row's end.
    pub tokens: Vec<i32>,
    /// 1 for a token, 0 for padding.
    pub mask: Vec<f32>,
    /// In a task that writes the token that is there, if it is to be learned; in the others the class or the token that is
    /// to be told there; else [`IGNORE_INDEX`].
    pub labels: Vec<i32>,
    /// In a regression the number of each row, `[batch]`; else empty.
    pub targets: Vec<f32>,
    /// The text of a pair that each token belongs to, `[batch, seq]`; `None` when there is one text.
    pub types: Option<Vec<i32>>,
    /// For a model that reads a source and writes a target: the sources. The fields above are then the targets', each
    /// after the token that starts it.
    pub source: Option<SourceBatch>,
    /// The task, which gives the labels their meaning.
    pub task: Task,
    /// The candidates in it, where the right one among them is to be told; `None`: each label is learned for itself.
    pub contest: Option<Contest>,
    /// Where lines have several rows, the column at which the row of each position begins, `[batch, seq]`; `None`: a line is a
    /// row.
    pub starts: Option<Vec<usize>>,
    /// What a teacher says at each label, where that is learned in its place.
    pub taught: Option<Taught>,
}

/// Sources padded on the right to the longest of them; a batch from elsewhere may have them padded on the left.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceBatch {
    /// Positions of the longest source.
    pub seq: usize,
    /// Token ids, `[batch, seq]`, row by row.
    pub tokens: Vec<i32>,
    /// 1 for a token, 0 for padding.
    pub mask: Vec<f32>,
}

impl TokenBatch {
    /// Puts the examples with these indices together.
    pub fn new(examples: &[Example], rows: &[usize], pad: u32, task: Task) -> Self {
        let batch = rows.len();
        let seq = rows.iter().map(|&row| examples[row].tokens.len()).max().unwrap_or(0);
        let mut tokens = vec![id(pad); batch * seq];
        let mut mask = vec![0.0; batch * seq];
        let mut labels = vec![IGNORE_INDEX; batch * seq];
        let has_types = rows.iter().any(|&row| !examples[row].types.is_empty());
        let mut types = has_types.then(|| vec![0; batch * seq]);
        for (index, &row) in rows.iter().enumerate() {
            let example = &examples[row];
            for (position, &token) in example.tokens.iter().enumerate() {
                let at = index * seq + position;
                tokens[at] = id(token);
                mask[at] = 1.0;
                if position >= example.n_prompt {
                    labels[at] = id(token);
                }
            }
            for &(position, label) in &example.labels {
                labels[index * seq + position] = label;
            }
            if let Some(types) = &mut types {
                for (position, &of) in example.types.iter().enumerate() {
                    types[index * seq + position] = id(of);
                }
            }
        }
        let source = SourceBatch::new(examples, rows, pad);
        let targets = match task {
            Task::Regression => rows.iter().map(|&row| examples[row].target).collect(),
            _ => Vec::new(),
        };
        let (rows, contest, starts, taught) = (rows.to_vec(), None, None, None);
        Self { rows, batch, seq, tokens, mask, labels, targets, types, source, task, contest, starts, taught }
    }

    /// The same rows behind each other in lines of up to twice the longest row, of the length that takes the fewest positions.
    /// Only a row that is gone on with can stand so; others stay as they are.
    #[must_use]
    pub fn packed(self) -> Self {
        let is_plain = self.task == Task::Causal && self.types.is_none() && self.contest.is_none();
        let lengths: Vec<usize> = (0..self.batch).map(|row| self.last_of(row) + 1).collect();
        let tried = (0..=WIDTHS).map(|step| lines(&lengths, self.seq + self.seq * step / WIDTHS));
        let positions = |(lines, width): &(Vec<Vec<usize>>, usize)| lines.len() * width;
        let Some((lines, seq)) =
            tried.min_by_key(positions).filter(|found| is_plain && positions(found) < self.tokens.len())
        else {
            return self;
        };
        let flat = lines.len() * seq;
        let pad = self.mask.iter().position(|&real| real <= 0.0).map_or(0, |at| self.tokens[at]);
        let (mut tokens, mut mask, mut labels) = (vec![pad; flat], vec![0.0; flat], vec![IGNORE_INDEX; flat]);
        let mut starts: Vec<usize> = (0..flat).map(|at| at % seq).collect();
        for (line, rows) in lines.iter().enumerate() {
            let mut column = 0;
            for &row in rows {
                let (from, to, length) = (row * self.seq, line * seq + column, lengths[row]);
                tokens[to..to + length].copy_from_slice(&self.tokens[from..from + length]);
                mask[to..to + length].copy_from_slice(&self.mask[from..from + length]);
                // Nothing predicts the first token of a row.
                labels[to + 1..to + length].copy_from_slice(&self.labels[from + 1..from + length]);
                starts[to..to + length].fill(column);
                column += length;
            }
        }
        let rows = lines.iter().flatten().filter_map(|&row| self.rows.get(row).copied()).collect();
        Self { rows, batch: lines.len(), seq, tokens, mask, labels, starts: Some(starts), ..self }
    }

    /// For each label, in order: the flat position (`row * seq + position`) whose hidden state predicts it, and the label.
    /// In a task that writes that is the position before the label's own, in the others its own. Such a label at the first
    /// position of a row, which a batch from elsewhere may have, has no predictor and is left out.
    pub fn labeled(&self) -> Vec<(usize, i32)> {
        let before = usize::from(self.task.writes());
        self.predicted().map(|(at, label)| (at - before, label)).collect()
    }

    /// The flat positions with a label and a predictor.
    fn predicted(&self) -> impl Iterator<Item = (usize, i32)> + '_ {
        let labels = self.labels.iter().copied().enumerate();
        let writes = self.task.writes();
        labels.filter(move |&(at, label)| label != IGNORE_INDEX && (!writes || at % self.seq.max(1) != 0))
    }

    /// The position in each row whose hidden state predicts its first label; of a row without labels, what comes after it.
    pub fn first_labeled(&self) -> Vec<usize> {
        let mut first: Vec<usize> = (0..self.batch).map(|row| self.last_of(row)).collect();
        for (at, _) in self.labeled() {
            let (row, position) = (self.row_of(at), at % self.seq);
            first[row] = first[row].min(position);
        }
        first
    }

    /// The position of the last token of a row of the batch, padding not counted.
    pub fn last_of(&self, row: usize) -> usize {
        self.mask[row * self.seq..(row + 1) * self.seq].iter().rposition(|&real| real > 0.0).unwrap_or(0)
    }

    /// The row of the batch, from 0, that a flat position lies in.
    pub fn row_of(&self, position: usize) -> usize {
        position / self.seq.max(1)
    }

    /// Rows, of which a line may have several.
    pub fn n_rows(&self) -> usize {
        if self.starts.is_some() { self.rows.len() } else { self.batch }
    }

    /// Number of labels that [`TokenBatch::labeled`] gives, or of contests.
    pub fn n_labels(&self) -> usize {
        self.contest.as_ref().map_or_else(|| self.predicted().count(), Contest::len)
    }

    /// Tokens in the batch, without padding.
    pub fn n_tokens(&self) -> usize {
        let source = self.source.iter().flat_map(|source| &source.mask);
        self.mask.iter().chain(source).filter(|&&m| m != 0.0).count()
    }
}

impl SourceBatch {
    /// `None` where the examples have no source.
    fn new(examples: &[Example], rows: &[usize], pad: u32) -> Option<Self> {
        let seq = rows.iter().map(|&row| examples[row].source.len()).max().filter(|&longest| longest > 0)?;
        let mut tokens = vec![id(pad); rows.len() * seq];
        let mut mask = vec![0.0; rows.len() * seq];
        for (index, &row) in rows.iter().enumerate() {
            for (position, &token) in examples[row].source.iter().enumerate() {
                tokens[index * seq + position] = id(token);
                mask[index * seq + position] = 1.0;
            }
        }
        Some(Self { seq, tokens, mask })
    }
}

/// Rows of these lengths in lines of at most `width`, the longest first and each where the least room is left for it; and the
/// length of the fullest line.
fn lines(lengths: &[usize], width: usize) -> (Vec<Vec<usize>>, usize) {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&row| Reverse(lengths[row]));
    let mut lines: Vec<Vec<usize>> = Vec::new();
    // Lines by the room that is left in them.
    let mut open: BTreeSet<(usize, usize)> = BTreeSet::new();
    for row in order {
        let (room, line) = match open.range((lengths[row], 0)..).next().copied() {
            Some(fitting) => {
                open.remove(&fitting);
                fitting
            }
            None => {
                lines.push(Vec::new());
                (width, lines.len() - 1)
            }
        };
        lines[line].push(row);
        open.insert((room.saturating_sub(lengths[row]), line));
    }
    let room = open.first().map_or(0, |&(room, _)| room);
    (lines, width - room)
}

/// The id in the form the device takes; vocabularies end far below 2^31.
fn id(token: u32) -> i32 {
    i32::try_from(token).unwrap_or(i32::MAX)
}

/// The batches of one epoch, each row in exactly one. Seed and epoch decide them, so that two numbers, epoch and batch,
/// are a place in the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batches {
    /// The rows, batch behind batch.
    rows: Vec<u32>,
    batch_size: usize,
    /// The batches in their order.
    order: Vec<u32>,
}

impl Batches {
    /// Shuffles the rows, sorts windows of some fifty batches by length, cuts them into batches and shuffles those.
    /// `lengths` are the tokens of each row; at most one batch has fewer than `batch_size` rows.
    pub fn new(lengths: &[usize], batch_size: usize, seed: u64, epoch: u64) -> Self {
        Self::of(lengths.len(), |row| lengths[row], batch_size, (seed, epoch))
    }

    /// The same of `n` rows whose lengths are looked up.
    pub fn of(n: usize, length: impl Fn(usize) -> usize, batch_size: usize, (seed, epoch): (u64, u64)) -> Self {
        let batch_size = batch_size.max(1);
        let mut rows = shuffled(n, seed, Purpose::Rows { epoch });
        for window in rows.chunks_mut(batch_size.saturating_mul(WINDOW)) {
            window.sort_by_cached_key(|&row| length(row as usize));
        }
        let order = shuffled(n.div_ceil(batch_size), seed, Purpose::Batches { epoch });
        Self { rows, batch_size, order }
    }

    /// Shuffles `n` rows and cuts them into batches; the last has what is left.
    pub fn ungrouped(n: usize, batch_size: usize, (seed, epoch): (u64, u64)) -> Self {
        let batch_size = batch_size.max(1);
        let order = (0..).take(n.div_ceil(batch_size)).collect();
        Self { rows: shuffled(n, seed, Purpose::Rows { epoch }), batch_size, order }
    }

    /// Number of batches of the epoch.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The rows of a batch, as indices into `lengths`.
    pub fn rows(&self, batch: usize) -> Vec<usize> {
        let begin = self.order[batch] as usize * self.batch_size;
        let end = (begin + self.batch_size).min(self.rows.len());
        self.rows[begin..end].iter().map(|&row| row as usize).collect()
    }
}

/// Batches with the least padding, from the shortest row to the longest; always the same.
pub fn evaluation_batches(lengths: &[usize], batch_size: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&row| lengths[row]);
    order.chunks(batch_size.max(1)).map(<[usize]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(tokens: &[u32], n_prompt: usize) -> Example {
        Example { row: 1, tokens: tokens.to_vec(), n_prompt, ..Example::default() }
    }

    #[test]
    fn labels_stand_at_their_own_position_and_are_predicted_from_the_one_before() {
        let examples = [example(&[1, 2, 3, 4], 2), example(&[5, 6], 1)];
        let batch = TokenBatch::new(&examples, &[1, 0], 9, Task::Causal);
        assert_eq!((batch.batch, batch.seq), (2, 4));
        assert_eq!(batch.tokens, [5, 6, 9, 9, 1, 2, 3, 4]);
        assert_eq!(batch.mask, [1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(batch.labels, [-100, 6, -100, -100, -100, -100, 3, 4]);
        assert_eq!(batch.labeled(), [(0, 6), (5, 3), (6, 4)]);
        assert_eq!((batch.row_of(0), batch.row_of(5), batch.n_labels(), batch.n_tokens()), (0, 1, 3, 6));
        assert_eq!(TokenBatch::new(&examples, &[], 9, Task::Causal).labeled(), []);
        let from_elsewhere = TokenBatch { labels: batch.tokens.clone(), ..batch };
        assert_eq!((from_elsewhere.labeled()[3], from_elsewhere.n_labels()), ((4, 2), 6));
    }

    #[test]
    fn a_class_stands_where_it_is_told() {
        let labeled = |tokens: &[u32], labels: &[(usize, i32)], types: &[u32]| Example {
            labels: labels.to_vec(),
            types: types.to_vec(),
            ..example(tokens, tokens.len())
        };
        let examples = [labeled(&[1, 2, 3], &[(0, 4), (2, 5)], &[]), labeled(&[6], &[(0, 7)], &[1])];
        let batch = TokenBatch::new(&examples, &[0, 1], 9, Task::TokenClassification);
        assert_eq!(batch.labeled(), [(0, 4), (2, 5), (3, 7)]);
        assert_eq!((batch.n_labels(), batch.last_of(0), batch.last_of(1)), (3, 2, 0));
        assert_eq!(batch.types, Some(vec![0, 0, 0, 1, 0, 0]));
    }

    #[test]
    fn sources_are_padded_apart_from_targets() {
        let with_source = |source: &[u32]| Example { source: source.to_vec(), ..example(&[0, 7], 1) };
        let batch = TokenBatch::new(&[with_source(&[1, 2, 3]), with_source(&[4])], &[0, 1], 9, Task::Seq2Seq);
        let source = batch.source.clone().unwrap();
        assert_eq!((source.seq, source.tokens), (3, vec![1, 2, 3, 4, 9, 9]));
        assert_eq!(source.mask, [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
        assert_eq!((batch.seq, batch.labeled(), batch.n_tokens()), (2, vec![(0, 7), (2, 7)], 8));
    }

    #[test]
    fn windows_keep_padding_low_and_epochs_differ() {
        let lengths: Vec<usize> = (0..1003).map(|i| 1 + i * 7919 % 200).collect();
        let batches = Batches::new(&lengths, 8, 1, 0);
        assert_eq!(batches.len(), 126);
        let padded: usize = (0..batches.len())
            .map(|i| batches.rows(i).len() * batches.rows(i).iter().map(|&r| lengths[r]).max().unwrap())
            .sum();
        let real: usize = lengths.iter().sum();
        assert!(padded < real * 11 / 10, "{padded} positions for {real} tokens");
        assert_ne!(batches, Batches::new(&lengths, 8, 1, 1));
        assert_eq!(batches, Batches::new(&lengths, 8, 1, 0));
    }

    #[test]
    fn packed_rows_are_the_rows_in_fewer_lines() {
        let examples = [example(&[1, 2, 3, 4], 2), example(&[5, 6], 1), example(&[7], 1), example(&[8, 9, 10], 1)];
        let plain = TokenBatch::new(&examples, &[1, 0, 2, 3], 0, Task::Causal);
        let packed = plain.clone().packed();
        assert_eq!((packed.batch, packed.seq, packed.n_rows(), &packed.rows[..]), (2, 5, 4, &[0, 2, 3, 1][..]));
        assert_eq!(packed.tokens, [1, 2, 3, 4, 7, 8, 9, 10, 5, 6]);
        assert_eq!(packed.starts.as_deref(), Some(&[0, 0, 0, 0, 4, 0, 0, 0, 3, 3][..]));
        assert_eq!(packed.labels, [-100, -100, 3, 4, -100, -100, 9, 10, -100, 6]);
        let labels = |batch: &TokenBatch| {
            let mut labels: Vec<i32> = batch.labeled().into_iter().map(|(_, label)| label).collect();
            labels.sort_unstable();
            labels
        };
        assert_eq!(labels(&packed), labels(&plain));
        assert_eq!((packed.n_tokens(), packed.n_labels()), (plain.n_tokens(), plain.n_labels()));
        let padded = TokenBatch::new(&examples, &[0, 1, 1, 2], 9, Task::Causal).packed();
        assert_eq!((padded.batch, padded.seq, &padded.rows[..]), (2, 5, &[0, 2, 1, 1][..]));
        assert_eq!(padded.tokens, [1, 2, 3, 4, 7, 5, 6, 5, 6, 9]);
        let whole = TokenBatch::new(&examples, &[0, 0], 0, Task::Causal);
        assert_eq!(whole.clone().packed(), whole, "there is no padding");
        let classes = TokenBatch::new(&examples, &[0, 1, 2], 0, Task::SequenceClassification);
        assert_eq!(classes.clone().packed(), classes, "a class is told of a line");
    }

    #[test]
    fn an_epoch_has_each_row_once_whether_lengths_group_them_or_not() {
        let lengths: Vec<usize> = (0..437).map(|i| 1 + i * 7919 % 97).collect();
        let (size, of) = (4, (3, 2));
        let every = |batches: &Batches| {
            let mut rows: Vec<usize> = (0..batches.len()).flat_map(|batch| batches.rows(batch)).collect();
            rows.sort_unstable();
            rows
        };
        let (grouped, plain) = (Batches::of(437, |row| lengths[row], size, of), Batches::ungrouped(437, size, of));
        let all: Vec<usize> = (0..437).collect();
        assert_eq!((every(&grouped), every(&plain)), (all.clone(), all));
        // Of fifty batches that were sorted together none reaches into the lengths of another, and each is in order.
        for window in grouped.rows.chunks(size * WINDOW) {
            assert!(window.is_sorted_by_key(|&row| lengths[row as usize]));
        }
        let in_order: Vec<u32> = (0..plain.len()).flat_map(|batch| plain.rows(batch)).map(|row| row as u32).collect();
        assert_eq!(in_order, shuffled(437, 3, Purpose::Rows { epoch: 2 }), "as the epoch has them");
        assert_ne!(plain, Batches::ungrouped(437, size, (3, 3)));
        assert_ne!(plain, Batches::ungrouped(437, size, (4, 2)));
    }

    #[test]
    fn evaluation_is_in_order_of_length() {
        assert_eq!(evaluation_batches(&[3, 1, 2, 1], 3), [vec![1, 3, 2], vec![0]]);
        assert!(evaluation_batches(&[], 3).is_empty() && Batches::new(&[], 3, 1, 1).is_empty());
    }
}
