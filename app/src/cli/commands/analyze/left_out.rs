//! `--leave-out`: a part of an adapter in words, as in `layers=1-3,slots=2,5,side=value`. People count from 1.

use engine::analysis::{LeftOut, Side};

/// Reads a part; `all` is everything. Spaces stand for commas.
pub(super) fn left_out(text: &str) -> Result<LeftOut, String> {
    let (mut part, mut list) = (LeftOut::default(), None);
    for word in text.split([',', ' ']).filter(|word| !word.is_empty()) {
        // A number alone goes on with the list before it.
        let (key, value) = match word.split_once('=') {
            Some((key, value)) => (Some(key), value),
            None => (list, word),
        };
        match (key, value) {
            (Some("layers" | "layer"), numbers) => part.layers.extend(numbered(numbers)?),
            (Some("slots" | "slot"), numbers) => part.slots.extend(numbered(numbers)?),
            (Some("heads" | "head"), numbers) => part.heads.extend(numbered(numbers)?),
            (Some("side"), "key" | "keys") => part.side = Some(Side::Key),
            (Some("side"), "value" | "values") => part.side = Some(Side::Value),
            (Some("side"), other) => return Err(format!("{other:?} is no side: write side=key or side=value")),
            (None, "weights") => part.weights = true,
            (None, "all") => {}
            _ => {
                return Err(format!(
                    "{word:?} is no part of an adapter: write slots=, layers=, heads=, side=, weights or all"
                ));
            }
        }
        list = key.filter(|key| *key != "side");
    }
    Ok(part)
}

/// A number from 1 or a range of such, as in `1-3`, counted from 0.
fn numbered(text: &str) -> Result<Vec<usize>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.parse::<usize>().ok().filter(|&number| (1..=100_000).contains(&number));
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => Ok((first - 1..last).collect()),
        _ => Err(format!("{text:?} is no number from 1 on and no range of such, as in 2 or 1-3")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_said_in_words_that_count_from_1() {
        let (layers, slots, heads) = (vec![0, 1, 2], vec![1, 4], vec![3]);
        let part = LeftOut { layers, slots, heads, side: Some(Side::Value), weights: false };
        for text in [
            "layers=1-3,slots=2,5,heads=4,side=value",
            "layers=1-3 slots=2,5 heads=4 side=values",
            "side=value heads=4 slots=2,5 layers=1,2,3",
        ] {
            assert_eq!(left_out(text).unwrap(), part, "{text}");
        }
        assert_eq!(left_out("all").unwrap(), LeftOut::default());
        assert_eq!(
            left_out("weights,layer=2").unwrap(),
            LeftOut { weights: true, layers: vec![1], ..LeftOut::default() }
        );
        for wrong in [
            "slots=0",
            "slots=",
            "slots=3-1",
            "layers=a",
            "side=both",
            "slot",
            "tokens=1",
            "slots=1-999999999",
            "3",
            "side=value,3",
        ] {
            assert!(left_out(wrong).is_err(), "{wrong}");
        }
    }
}
