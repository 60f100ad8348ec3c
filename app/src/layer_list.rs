//! Some of a model's layers, as people write them: `1-4, 9`. The window counts them from 1, files from 0.

/// The error of a text that is no list of layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoLayers;

/// The layers in order, each once and counted from 0; nothing is all of them.
///
/// # Errors
/// It is no list of numbers and ranges from 1 on.
pub(crate) fn from_text(text: &str) -> Result<Option<Vec<usize>>, NoLayers> {
    let parts = text.split([',', '，', '、', ' ']).map(str::trim).filter(|part| !part.is_empty());
    let mut layers = Vec::new();
    for part in parts {
        let (first, last) = part.split_once(['-', '–']).unwrap_or((part, part));
        // No model has more, and a range must not fill the memory.
        let number = |text: &str| text.trim().parse::<u16>().ok()?.checked_sub(1).map(usize::from);
        let (Some(first), Some(last)) = (number(first), number(last)) else { return Err(NoLayers) };
        layers.extend(first..=last);
    }
    layers.sort_unstable();
    layers.dedup();
    Ok((!layers.is_empty()).then_some(layers))
}

/// The same, with ranges where there are some.
pub(crate) fn to_text(layers: &[usize]) -> String {
    let runs = layers.chunk_by(|a, b| a + 1 == *b);
    let text = |run: &[usize]| match run {
        [first, .., last] => format!("{}-{}", first + 1, last + 1),
        alone => alone.iter().map(|layer| (layer + 1).to_string()).collect(),
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
            ("3", Some(vec![2])),
            ("1-4, 9", Some(vec![0, 1, 2, 3, 8])),
            ("9，3–5 3", Some(vec![2, 3, 4, 8])),
        ] {
            assert_eq!(from_text(text), Ok(layers), "{text:?}");
        }
        for text in ["some", "0", "0-3", "1-", "-2", "1-99999999", "1.5"] {
            assert_eq!(from_text(text), Err(NoLayers), "{text:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for layers in [vec![0], vec![0, 1, 2], vec![1, 3, 4, 9]] {
            assert_eq!(from_text(&to_text(&layers)), Ok(Some(layers)));
        }
        assert_eq!(to_text(&[0, 1, 2, 7]), "1-3, 8");
    }
}
