//! Rows of one source as one: what several people wrote for it are its references, as the scripts of E2E and WebNLG count.

use std::collections::{BTreeMap, HashMap};

use crate::data::Example;
use crate::evaluation::PredictedRow;

/// Rows of one source as one: what is to be written for the first of them, and their indices in the order of the file.
pub(crate) fn grouped(
    rows: &[Example],
    values: Option<&BTreeMap<usize, String>>,
    end: &str,
) -> (HashMap<usize, PredictedRow>, Vec<usize>) {
    let mut first: HashMap<(&[u32], &[u32], &str), usize> = HashMap::new();
    let (mut asked, mut order) = (HashMap::new(), Vec::new());
    for (index, example) in rows.iter().enumerate() {
        let read = if example.source.is_empty() { &example.tokens[..example.n_prompt] } else { &[][..] };
        let key = (example.source.as_slice(), read, example.prompt.as_str());
        let at = *first.entry(key).or_insert_with(|| {
            order.push(index);
            index
        });
        let row: &mut PredictedRow = asked.entry(at).or_insert_with(|| PredictedRow {
            row: example.row,
            source: example.prompt.clone(),
            prediction: String::new(),
            references: Vec::new(),
            group: values.map(|values| values.get(&example.row).cloned().unwrap_or_default()),
        });
        // What a row has a list of stands in the rows behind it once more.
        if at == index || rows[at].references.is_empty() || !example.references.is_empty() {
            row.references.extend(references_of(example, end));
        }
    }
    (asked, order)
}

/// Texts that would be right for a row.
fn references_of<'a>(example: &'a Example, end: &'a str) -> impl Iterator<Item = String> + 'a {
    let texts = match example.references.as_slice() {
        [] => std::slice::from_ref(&example.reference),
        several => several,
    };
    texts.iter().map(move |text| {
        let text = text.trim();
        let text = if end.is_empty() { text } else { text.strip_suffix(end).unwrap_or(text) };
        text.trim().to_owned()
    })
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
        let values = BTreeMap::from([(1, "seen".to_owned()), (4, "unseen".to_owned())]);
        let (asked, order) = grouped(&rows, Some(&values), "</s>");
        assert_eq!(order, [0, 1]);
        assert_eq!((asked[&0].row, asked[&0].references.as_slice()), (1, &["x".to_owned(), "z".to_owned()][..]));
        assert_eq!((asked[&0].group.as_deref(), asked[&1].group.as_deref()), (Some("seen"), Some("")));
        assert_eq!(grouped(&rows, None, "").0[&1].group, None);
        let listed = Example { references: vec!["x</s>".to_owned(), "w".to_owned()], ..example(1, "a", "x</s>") };
        let (asked, order) = grouped(&[listed, example(2, "a", "w")], None, "</s>");
        assert_eq!((order, asked[&0].references.as_slice()), (vec![0], &["x".to_owned(), "w".to_owned()][..]));
    }
}
