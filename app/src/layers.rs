//! Some of a model's layers, as people write them: `0-3, 8`.

/// The layers in order, each once; nothing is all of them.
///
/// # Errors
/// It is no list of numbers and ranges.
pub(crate) fn from_text(text: &str) -> Result<Option<Vec<usize>>, std::num::ParseIntError> {
    let parts = text.split([',', '，', '、', ' ']).map(str::trim).filter(|part| !part.is_empty());
    let mut layers = Vec::new();
    for part in parts {
        let (first, last) = part.split_once(['-', '–']).unwrap_or((part, part));
        // No model has more, and a range must not fill the memory.
        let number = |text: &str| text.trim().parse::<u16>().map(usize::from);
        layers.extend(number(first)?..=number(last)?);
    }
    layers.sort_unstable();
    layers.dedup();
    Ok((!layers.is_empty()).then_some(layers))
}

/// The same, with ranges where there are some.
pub(crate) fn to_text(layers: &[usize]) -> String {
    let runs = layers.chunk_by(|a, b| a + 1 == *b);
    let text = |run: &[usize]| match run {
        [first, .., last] => format!("{first}-{last}"),
        alone => alone.iter().map(usize::to_string).collect(),
    };
    runs.map(text).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_read_as_people_write_them() {
        for (text, layers) in [
            ("", None),
            (" , ", None),
            ("3", Some(vec![3])),
            ("0-3, 8", Some(vec![0, 1, 2, 3, 8])),
            ("8，2–4 2", Some(vec![2, 3, 4, 8])),
        ] {
            assert_eq!(from_text(text), Ok(layers), "{text:?}");
        }
        for text in ["some", "1-", "-2", "0-99999999", "1.5"] {
            assert!(from_text(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for layers in [vec![0], vec![0, 1, 2], vec![1, 3, 4, 9]] {
            assert_eq!(from_text(&to_text(&layers)), Ok(Some(layers)));
        }
        assert_eq!(to_text(&[0, 1, 2, 7]), "0-2, 7");
    }
}
