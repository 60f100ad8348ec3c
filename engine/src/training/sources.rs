//! Rows of one source as one: what several people wrote for it are its references, as the scripts of E2E and WebNLG count.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::data::{ColumnValues, Example};
use crate::error::Result;
use crate::evaluation::PredictedRow;

/// Behind the last row of a source.
const NONE: u32 = u32::MAX;

/// The rows of a file by their source. A row is known by its place; what it says is read when it is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    firsts: Vec<First>,
    /// The next row of the same source, by the place of a row.
    next: Vec<u32>,
}

/// The first row of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct First {
    /// Its place among the rows.
    pub(crate) place: usize,
    /// Its number in the file, from 1.
    pub(crate) row: usize,
    /// Tokens that a text is written from.
    pub(crate) n_prompt: usize,
}

impl Sources {
    /// The sources of rows in the order of the file, at most so many; rows of others behind them are passed over.
    ///
    /// # Errors
    /// A row cannot be read.
    pub(crate) fn of(rows: impl Iterator<Item = Result<Example>>, limit: Option<usize>) -> Result<Self> {
        let mut found = Self::default();
        let mut last: HashMap<[u8; 16], u32> = HashMap::new();
        for (place, row) in rows.enumerate() {
            let (row, place) = (row?, u32::try_from(place).unwrap_or(NONE));
            found.next.push(NONE);
            let known = last.get_mut(&key(&row));
            match known {
                Some(last) => {
                    found.next[*last as usize] = place;
                    *last = place;
                }
                None if limit.is_none_or(|limit| found.firsts.len() < limit) => {
                    last.insert(key(&row), place);
                    let n_prompt = prompt_of(&row).len();
                    found.firsts.push(First { place: place as usize, row: row.row, n_prompt });
                }
                None => {}
            }
        }
        Ok(found)
    }

    /// The first row of each source, in the order of the file.
    pub(crate) fn firsts(&self) -> &[First] {
        &self.firsts
    }

    /// What is known of the text of a source before it is written: its first row, with the references of all.
    ///
    /// # Errors
    /// A row cannot be read.
    pub(crate) fn asked(
        &self,
        first: usize,
        read: impl Fn(usize) -> Result<Example>,
        (values, end): (Option<&ColumnValues>, &str),
    ) -> Result<PredictedRow> {
        let example = read(first)?;
        let has_list = !example.references.is_empty();
        let mut row = PredictedRow {
            row: example.row,
            source: example.prompt.clone(),
            references: references_of(&example, end),
            group: values.map(|values| values.of(example.row).to_owned()),
            question: (!example.question.is_empty()).then(|| example.question.clone()),
            ..PredictedRow::default()
        };
        let mut at = self.next[first];
        while at != NONE {
            let other = read(at as usize)?;
            // What a row has a list of stands in the rows behind it once more.
            if !has_list || !other.references.is_empty() {
                row.references.extend(references_of(&other, end));
            }
            at = self.next[at as usize];
        }
        Ok(row)
    }
}

/// Rows that are in memory, by their source: what is to be written for each first one, and the first ones in their order.
pub(crate) fn grouped(rows: &[Example], end: &str) -> Result<(HashMap<usize, PredictedRow>, Vec<First>)> {
    let sources = Sources::of(rows.iter().cloned().map(Ok), None)?;
    let asked = |first: &First| -> Result<_> {
        let row = sources.asked(first.place, |place| Ok(rows[place].clone()), (None, end))?;
        Ok((first.place, row))
    };
    let found = sources.firsts.iter().map(asked).collect::<Result<_>>()?;
    Ok((found, sources.firsts))
}

/// Tokens that a text is written from.
pub(crate) fn prompt_of(example: &Example) -> &[u32] {
    match example.source.as_slice() {
        [] => &example.tokens[..example.n_prompt],
        source => source,
    }
}

/// Digest of a source: what is read, and in words.
fn key(row: &Example) -> [u8; 16] {
    let mut digest = Sha256::new();
    digest.update([u8::from(row.source.is_empty())]);
    prompt_of(row).iter().for_each(|token| digest.update(token.to_le_bytes()));
    digest.update(u32::MAX.to_le_bytes());
    digest.update(row.prompt.as_bytes());
    let mut key = [0; 16];
    key.copy_from_slice(&digest.finalize()[..16]);
    key
}

/// Texts that would be right for a row.
fn references_of(example: &Example, end: &str) -> Vec<String> {
    let texts = match example.references.as_slice() {
        [] => std::slice::from_ref(&example.reference),
        several => several,
    };
    let written = |text: &String| {
        let text = text.trim();
        let text = if end.is_empty() { text } else { text.strip_suffix(end).unwrap_or(text) };
        text.trim().to_owned()
    };
    texts.iter().map(written).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(row: usize, prompt: &str, reference: &str) -> Example {
        Example {
            row,
            tokens: prompt.bytes().map(u32::from).collect(),
            n_prompt: prompt.len(),
            prompt: prompt.to_owned(),
            reference: reference.to_owned(),
            ..Example::default()
        }
    }

    #[test]
    fn rows_of_one_source_are_one_with_all_their_references() {
        let rows = [example(1, "a", " x</s>"), example(3, "b", "y"), example(4, "a", "z")];
        let (asked, firsts) = grouped(&rows, "</s>").unwrap();
        let places = |firsts: &[First]| firsts.iter().map(|first| (first.place, first.row)).collect::<Vec<_>>();
        assert_eq!(places(&firsts), [(0, 1), (1, 3)]);
        assert_eq!((asked[&0].row, asked[&0].references.as_slice()), (1, &["x".to_owned(), "z".to_owned()][..]));
        assert_eq!(asked[&1].group, None);
        let listed = Example { references: vec!["x</s>".to_owned(), "w".to_owned()], ..example(1, "a", "x</s>") };
        let (asked, firsts) = grouped(&[listed, example(2, "a", "w")], "</s>").unwrap();
        assert_eq!((places(&firsts), &asked[&0].references), (vec![(0, 1)], &vec!["x".to_owned(), "w".to_owned()]));
    }

    #[test]
    fn of_few_sources_all_references_are_known() {
        let rows = [example(1, "a", "x"), example(2, "b", "y"), example(3, "c", "v"), example(4, "a", "z")];
        let sources = Sources::of(rows.iter().cloned().map(Ok), Some(1)).unwrap();
        assert_eq!(sources.firsts(), [First { place: 0, row: 1, n_prompt: 1 }]);
        let values = ColumnValues::default();
        let row = sources.asked(0, |place| Ok(rows[place].clone()), (Some(&values), "")).unwrap();
        assert_eq!((row.references, row.group), (vec!["x".to_owned(), "z".to_owned()], Some(String::new())));
    }
}
