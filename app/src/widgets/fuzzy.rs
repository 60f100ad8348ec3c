//! A few letters of a name find it, and say which of its letters they are.
//!
//! Each word of a query is looked for by itself: at the beginning of a word, inside one, or as letters that follow each
//! other from the beginning of a word on, as in `nrn` for *New run*.

/// Letters that a word of a query may be spread over, for each of its own.
const SPREAD: usize = 4;

/// Where a query was found in a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// More is better.
    pub score: i32,
    /// Letters of the text that the query has, by their place; in order, each once.
    pub letters: Vec<usize>,
}

/// Finds all words of a query in a text; `None` where one is missing. An empty query is in every text.
pub fn find(query: &str, text: &str) -> Option<Found> {
    let text: Vec<char> = text.chars().map(lower).collect();
    let mut found = Found::default();
    for word in query.split_whitespace() {
        let word: Vec<char> = word.chars().map(lower).collect();
        let (score, letters) = find_word(&word, &text)?;
        found.score += score;
        found.letters.extend(letters);
    }
    found.letters.sort_unstable();
    found.letters.dedup();
    Some(found)
}

/// One letter for one, so that places stay what they are.
fn lower(letter: char) -> char {
    letter.to_lowercase().next().unwrap_or(letter)
}

fn begins_word(text: &[char], at: usize) -> bool {
    // Chinese is written without spaces: each of its letters may begin a word.
    at == 0 || !text[at - 1].is_alphanumeric() || !text[at].is_ascii()
}

fn find_word(word: &[char], text: &[char]) -> Option<(i32, Vec<usize>)> {
    let places = || (0..text.len()).filter(|&at| text[at..].starts_with(word));
    let as_it_stands = |at: usize| (at..at + word.len()).collect();
    if let Some(at) = places().find(|&at| begins_word(text, at)) {
        let is_whole = text.get(at + word.len()).is_none_or(|next| !next.is_alphanumeric());
        return Some((100 + 20 * i32::from(is_whole) + 10 * i32::from(at == 0), as_it_stands(at)));
    }
    if word.len() > 1
        && let Some(at) = places().next()
    {
        return Some((60, as_it_stands(at)));
    }
    let starts = (0..text.len()).filter(|&at| text[at] == word[0] && begins_word(text, at));
    starts.filter_map(|start| in_order(word, text, start)).max_by_key(|(score, _)| *score)
}

/// The letters of a word one after the other, each at the beginning of a word where that can be.
fn in_order(word: &[char], text: &[char], start: usize) -> Option<(i32, Vec<usize>)> {
    let last = text.len().min(start + SPREAD * word.len() + 1);
    let (mut letters, mut beginnings) = (vec![start], 0);
    for letter in &word[1..] {
        let from = letters.last()? + 1;
        let mut next = (from..last).filter(|&at| text[at] == *letter);
        let at = (from..last).find(|&at| text[at] == *letter && begins_word(text, at)).or_else(|| next.next())?;
        beginnings += i32::from(begins_word(text, at));
        letters.push(at);
    }
    let gaps = letters.last()? + 1 - start - word.len();
    Some((30 + 5 * beginnings - i32::try_from(gaps).unwrap_or(i32::MAX).min(25), letters))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(query: &str, text: &str) -> Option<i32> {
        find(query, text).map(|found| found.score)
    }

    #[test]
    fn each_word_is_found_wherever_it_stands_and_its_letters_are_named() {
        let found = find("run new", "New run").unwrap();
        assert_eq!(found.letters, [0, 1, 2, 4, 5, 6]);
        assert_eq!(find("", "New run").unwrap(), Found::default());
        assert_eq!(find("run old", "New run"), None);
        assert_eq!(find("比较", "与基础模型比较").unwrap().letters, [5, 6]);
    }

    #[test]
    fn the_beginning_of_a_word_is_better_than_its_inside_and_letters_in_order_are_last() {
        let of = |text| score("run", text).unwrap();
        assert!(of("run it") > of("a run") && of("a run") > of("runs of it"));
        assert!(of("runs of it") > of("prune it") && of("prune it") > of("resume under"));
        assert_eq!(find("nrn", "New run").unwrap().letters, [0, 4, 6]);
    }

    #[test]
    fn letters_that_are_far_apart_are_no_word() {
        assert_eq!(score("nothing", "name of the fourth trial in a long line of them all"), None);
        assert_eq!(score("z", "New run"), None);
        assert_eq!(score("b", "Open Run b").map(|score| score > 100), Some(true));
        assert_eq!(score("b", "a label"), None, "one letter alone is only a beginning");
    }

    #[test]
    fn a_letter_that_has_two_small_ones_keeps_its_place() {
        assert_eq!(find("x", "İ x").unwrap().letters, [2]);
    }
}
