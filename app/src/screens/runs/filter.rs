//! The line that filters the table of runs: words, and conditions such as `state:failed prefix>10 loss<2.5`.

use crate::store::RunRow;
use crate::t;

/// Whether a run passes a line. What cannot be understood is looked for in the name.
pub(super) fn passes(row: &RunRow, line: &str) -> bool {
    line.split_whitespace().all(|term| term_passes(row, &term.to_lowercase()))
}

fn term_passes(row: &RunRow, term: &str) -> bool {
    if let Some((key, wanted)) = term.split_once(':') {
        let has = |text: &str| text.to_lowercase().contains(wanted);
        return match key {
            "state" => has(row.state.name()),
            "name" => has(&row.name),
            "method" => has(&row.method),
            "model" => has(&row.model),
            "data" => has(&row.dataset),
            "tag" => row.tags.iter().any(|tag| has(tag)),
            _ => has(&row.name),
        };
    }
    if let Some((key, sign, bound)) = comparison(term)
        && let Ok(bound) = bound.parse::<f64>()
        && let Some(value) = number(row, key)
    {
        let holds = |value: f64| match sign {
            "<" => value < bound,
            "<=" => value <= bound,
            ">" => value > bound,
            _ => value >= bound,
        };
        return value.is_some_and(holds);
    }
    let text = format!("{} {} {} {} {}", row.name, row.method, row.model, row.dataset, row.tags.join(" "));
    text.to_lowercase().contains(term)
}

/// The parts of `loss<2.5`.
fn comparison(term: &str) -> Option<(&str, &str, &str)> {
    let place = term.find(['<', '>'])?;
    let end = place + 1 + usize::from(term[place + 1..].starts_with('='));
    Some((&term[..place], &term[place..end], &term[end..]))
}

/// Words before a colon.
const WORDS: [&str; 6] = ["state", "name", "method", "model", "data", "tag"];
/// Words before a sign of comparison; each has a short form or another name too.
const FIGURES: [&str; 5] = ["loss", "last", "prefix", "step", "minutes"];

/// Sentence about the first fault in a line: a word that no run has, or a bound that is no number.
pub(super) fn trouble(line: &str) -> Option<String> {
    line.split_whitespace().find_map(|term| {
        let term = term.to_lowercase();
        if let Some((key, _, bound)) = comparison(&term) {
            if !is_figure(key) {
                return Some(t!("runs.unknown_figure", word = key, known = FIGURES.join(", ")));
            }
            return bound.parse::<f64>().is_err().then(|| t!("runs.no_bound", word = key));
        }
        let (key, _) = term.split_once(':')?;
        // A path of Windows or an address is a word like any other.
        let is_word = key.len() > 1 && key.chars().all(char::is_alphabetic) && !term.contains("://");
        let is_unknown = is_word && !WORDS.contains(&key);
        is_unknown.then(|| t!("runs.unknown_word", word = key, known = WORDS.map(|word| format!("{word}:")).join(", ")))
    })
}

fn is_figure(key: &str) -> bool {
    FIGURES.contains(&key) || ["val", "p", "steps", "min"].contains(&key)
}

/// `None`: there is no such figure. `Some(None)`: this run has none yet.
#[expect(clippy::option_option, reason = "an unknown word and an unknown value are two things")]
fn number(row: &RunRow, key: &str) -> Option<Option<f64>> {
    match key {
        "loss" | "val" => Some(row.best_loss),
        "last" => Some(row.last_loss),
        "prefix" | "p" => Some(Some(row.n_virtual as f64)),
        "step" | "steps" => Some(Some(row.step as f64)),
        "minutes" | "min" => Some(Some(row.duration_secs / 60.0)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_no_run_has_is_named_with_those_that_they_have() {
        for (line, word) in [("paper rank>4", "rank"), ("lr<1e-3", "lr"), ("rank:8", "rank"), ("loss<small", "loss")] {
            let said = trouble(line).unwrap_or_default();
            assert!(said.contains(word), "{line}: {said}");
        }
        assert!(trouble("rank>4").unwrap().contains("prefix"), "what is known is named");
        for line in ["", "paper", "state:failed", "loss<=2.5 prefix>=10", "http://a", "val<2 p>3 minutes<1"] {
            assert_eq!(trouble(line), None, "{line}");
        }
        for name in FIGURES {
            assert!(number(&RunRow::example(), name).is_some(), "{name}");
        }
    }

    #[test]
    fn conditions_and_words_must_all_hold() {
        let row = RunRow::example();
        for line in [
            "",
            "paper",
            "PAPER records",
            "method:mlp",
            "state:fin loss<2.5",
            "prefix>5 tag:paper",
            "loss>2",
            "prefix>=10",
            "loss<=2.25",
        ] {
            assert!(passes(&row, line), "{line}");
        }
        for line in ["other", "state:failed", "loss<2", "prefix>10", "paper tag:none", "last<9"] {
            assert!(!passes(&row, line), "{line}");
        }
    }
}
