//! The line that filters the table of runs: words, and conditions such as `state:failed prefix>10 loss<2.5`.

use crate::store::RunRow;
use crate::study::Name;
use crate::t;

/// A line, to be asked of many runs.
pub(super) struct Filter {
    terms: Vec<String>,
}

/// A line as typed.
pub(super) fn parse(line: &str) -> Filter {
    Filter { terms: line.split_whitespace().map(str::to_lowercase).collect() }
}

impl Filter {
    /// Whether a condition on that name is among its terms.
    pub(super) fn asks_for(&self, name: &str) -> bool {
        self.terms.iter().any(|term| term.split_once(':').is_some_and(|(key, _)| key == name))
    }
}

/// Whether a run passes a line. What cannot be understood is looked for in the name.
pub(super) fn passes(row: &RunRow, filter: &Filter) -> bool {
    filter.terms.iter().all(|term| term_passes(row, term))
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
pub(super) fn trouble(filter: &Filter, _names: &[Name]) -> Option<String> {
    filter.terms.iter().find_map(|term| {
        if let Some((key, _, bound)) = comparison(term) {
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

/// One way to go on.
pub(super) struct Completion {
    /// In the list.
    pub(super) shown: String,
    /// The whole line with it.
    pub(super) line: String,
    /// Where the cursor then stands, counted in letters.
    pub(super) cursor: usize,
}

/// What can follow where the cursor stands, which is counted in letters.
pub(super) fn complete(
    line: &str,
    cursor: usize,
    _names: &[Name],
    values_of: &dyn Fn(&str) -> Vec<String>,
) -> Vec<Completion> {
    let at = line.char_indices().nth(cursor).map_or(line.len(), |(at, _)| at);
    let is_space = |c: char| c.is_whitespace();
    let start = line[..at].char_indices().rev().find(|(_, c)| is_space(*c)).map_or(0, |(at, c)| at + c.len_utf8());
    let end = line[at..].find(is_space).map_or(line.len(), |more| at + more);
    let typed = line[start..at].to_lowercase();
    let words: Vec<String> = match typed.split_once(':') {
        Some((key, _)) => values_of(key).into_iter().map(|value| format!("{key}:{value}")).collect(),
        None => WORDS.map(|word| format!("{word}:")).into_iter().chain(FIGURES.map(str::to_owned)).collect(),
    };
    let fits = |word: &String| word.to_lowercase().starts_with(&typed) && word.to_lowercase() != typed;
    let put = |shown: String| {
        let head = format!("{}{shown}", &line[..start]);
        Completion { cursor: head.chars().count(), line: format!("{head}{}", &line[end..]), shown }
    };
    words.into_iter().filter(fits).map(put).collect()
}

/// What runs have under a word, as far as it can be typed without a space.
pub(super) fn values(rows: &[&RunRow], name: &str) -> Vec<String> {
    let of_row = |row: &&RunRow| match name {
        "state" => vec![row.state.name().to_owned()],
        "method" => vec![row.method.clone()],
        "model" => vec![row.model.clone()],
        "data" => vec![row.dataset.clone()],
        "tag" => row.tags.clone(),
        _ => Vec::new(),
    };
    let first = |value: String| value.split_whitespace().next().map(str::to_lowercase);
    let mut values: Vec<String> = rows.iter().flat_map(of_row).filter_map(first).collect();
    values.sort_unstable();
    values.dedup();
    values
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
            let said = trouble(&parse(line), &[]).unwrap_or_default();
            assert!(said.contains(word), "{line}: {said}");
        }
        assert!(trouble(&parse("rank>4"), &[]).unwrap().contains("prefix"), "what is known is named");
        for line in ["", "paper", "state:failed", "loss<=2.5 prefix>=10", "http://a", "val<2 p>3 minutes<1"] {
            assert_eq!(trouble(&parse(line), &[]), None, "{line}");
        }
        for name in FIGURES {
            assert!(number(&RunRow::example(), name).is_some(), "{name}");
        }
    }

    #[test]
    fn words_and_what_runs_have_under_them_are_completed() {
        let row = RunRow::example();
        let offered = |line: &str, cursor| {
            let all = complete(line, cursor, &[], &|name| values(&[&row], name));
            all.into_iter().map(|one| (one.shown, one.line, one.cursor)).collect::<Vec<_>>()
        };
        assert_eq!(offered("长度 st", 5)[0], ("state:".to_owned(), "长度 state:".to_owned(), 9));
        let tag = ("tag:paper".to_owned(), "x tag:paper loss<2".to_owned(), 11);
        assert_eq!(offered("x tag:p loss<2", 7), [tag]);
        assert!(offered("tag:paper", 9).is_empty(), "it is whole");
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
            assert!(passes(&row, &parse(line)), "{line}");
        }
        for line in ["other", "state:failed", "loss<2", "prefix>10", "paper tag:none", "last<9"] {
            assert!(!passes(&row, &parse(line)), "{line}");
        }
    }
}
