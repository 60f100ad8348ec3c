//! A row as bytes, and back: numbers in seven bits a byte, texts as they are, before all of it a checksum.

use super::encode::Example;

/// The form of the bytes; another one is another cache.
pub(super) const FORM: u32 = 3;

/// Whether a row can be written so. Candidates are shared among rows and stay in memory.
pub(super) fn can_be_written(row: &Example) -> bool {
    row.candidates.is_none() && row.right.is_empty() && row.dataset == 0
}

/// Puts a row behind other bytes.
pub(super) fn write(row: &Example, bytes: &mut Vec<u8>) {
    let begin = bytes.len();
    bytes.extend([0; 4]);
    let flags = usize::from(row.truncated) | usize::from(row.bare_prompt) << 1;
    for value in [row.row, flags, row.cut_prompt, row.n_prompt, row.task] {
        number(value as u64, bytes);
    }
    for ids in [&row.source, &row.tokens, &row.types] {
        number(ids.len() as u64, bytes);
        ids.iter().for_each(|&id| number(id.into(), bytes));
    }
    number(row.labels.len() as u64, bytes);
    for &(at, label) in &row.labels {
        number(at as u64, bytes);
        number(u64::from(label.cast_unsigned()), bytes);
    }
    number(row.target.to_bits().into(), bytes);
    number(row.spans.len() as u64, bytes);
    for &(from, to) in &row.spans {
        number(from.into(), bytes);
        number(to.into(), bytes);
    }
    number(row.references.len() as u64, bytes);
    row.references.iter().chain([&row.prompt, &row.reference, &row.question]).for_each(|said| text(said, bytes));
    let sum = checksum(&bytes[begin + 4..]);
    bytes[begin..begin + 4].copy_from_slice(&sum.to_le_bytes());
}

/// The row of some bytes; `None` where they are not what was written.
pub(super) fn read(bytes: &[u8]) -> Option<Example> {
    let (sum, rest) = bytes.split_first_chunk::<4>()?;
    if checksum(rest) != u32::from_le_bytes(*sum) {
        return None;
    }
    let mut from = Reader(rest);
    let row = from.size()?;
    let flags = from.size()?;
    let (cut_prompt, n_prompt, task) = (from.size()?, from.size()?, from.size()?);
    let (source, tokens, types) = (from.ids()?, from.ids()?, from.ids()?);
    let labels = from.list(|from| Some((from.size()?, u32::try_from(from.number()?).ok()?.cast_signed())))?;
    let target = f32::from_bits(u32::try_from(from.number()?).ok()?);
    let spans = from.list(|from| Some((u32::try_from(from.number()?).ok()?, u32::try_from(from.number()?).ok()?)))?;
    let references = from.list(Reader::text)?;
    let (prompt, reference, question) = (from.text()?, from.text()?, from.text()?);
    let (truncated, bare_prompt) = (flags & 1 != 0, flags & 2 != 0);
    from.0.is_empty().then_some(Example {
        row,
        source,
        tokens,
        n_prompt,
        truncated,
        cut_prompt,
        bare_prompt,
        prompt,
        reference,
        references,
        types,
        labels,
        target,
        spans,
        question,
        task,
        ..Example::default()
    })
}

/// A sum over some bytes that damage changes. It tells no intent from another: who can write the file can write the sum.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    const FACTOR: u64 = 0x517c_c1b7_2722_0a95;
    let step = |sum: u64, word: u64| (sum.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    let (words, rest) = bytes.as_chunks::<8>();
    let sum = words.iter().fold(bytes.len() as u64, |sum, word| step(sum, u64::from_le_bytes(*word)));
    let sum = rest.iter().fold(sum, |sum, &byte| step(sum, byte.into()));
    (sum ^ (sum >> 32)) as u32
}

fn number(mut value: u64, bytes: &mut Vec<u8>) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn text(said: &str, bytes: &mut Vec<u8>) {
    number(said.len() as u64, bytes);
    bytes.extend_from_slice(said.as_bytes());
}

/// The bytes that are left.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn size(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    /// So many as are said first; each has a byte at least.
    fn list<T>(&mut self, mut entry: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let n = self.size().filter(|&n| n <= self.0.len())?;
        (0..n).map(|_| entry(self)).collect()
    }

    fn ids(&mut self) -> Option<Vec<u32>> {
        self.list(|from| u32::try_from(from.number()?).ok())
    }

    fn text(&mut self) -> Option<String> {
        let n = self.size()?;
        let (said, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        String::from_utf8(said.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::SOFT;

    fn row() -> Example {
        Example {
            row: 70_000,
            source: vec![SOFT + 3, 0, 127],
            tokens: vec![128, 16_384, u32::MAX],
            n_prompt: 1,
            truncated: true,
            cut_prompt: 300,
            bare_prompt: true,
            prompt: "Wie groß? 你好".to_owned(),
            reference: String::new(),
            references: vec!["a".to_owned(), String::new()],
            types: vec![0, 1],
            labels: vec![(0, -100), (5, i32::MAX)],
            target: -2.75,
            spans: vec![(0, 9)],
            question: "3-1".to_owned(),
            task: 2,
            ..Example::default()
        }
    }

    #[test]
    fn a_row_comes_back_as_it_was() {
        for row in [row(), Example::default()] {
            let mut bytes = vec![9];
            write(&row, &mut bytes);
            assert_eq!(read(&bytes[1..]), Some(row));
        }
    }

    #[test]
    fn a_byte_that_changed_or_is_gone_is_noticed() {
        let mut bytes = Vec::new();
        write(&row(), &mut bytes);
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 4;
            assert_eq!(read(&other), None, "byte {at}");
            assert_eq!(read(&bytes[..at]), None, "{at} bytes");
        }
    }
}
