//! Words like those of the Penn Treebank, in small letters and without punctuation: after the rules of Stanford's
//! PTBTokenizer and the list of signs that the COCO captions' script drops (tuetschek/e2e-metrics,
//! pycocoevalcap/tokenizer/ptbtokenizer.py). That tokenizer is a Java program of many more rules: on plain sentences
//! the words are the same, on addresses, emoticons and rare abbreviations they may not be.

use std::sync::LazyLock;

use regex::Regex;

/// Signs that the script drops. Brackets are not among them, as their names are in capitals there.
const DROPPED: [&str; 15] = ["''", "'", "``", "`", "-", "--", "...", ".", "?", "!", ",", ":", ";", "\"", "…"];

/// Tokens from the left; the first form that fits is taken.
static TOKEN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let forms = [
        // Addresses.
        r"https?://\S+|[a-z0-9._+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+",
        // Titles and other abbreviations, then initials: their period is theirs.
        r"\b(?:mr|mrs|ms|messrs|dr|drs|prof|gen|sen|rep|gov|lt|col|capt|sgt|st|ste|ave|blvd|rd|inc|co|corp|ltd|bros|jr|sr|jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec|vs|etc|dept|approx|fig|vol|no)\.",
        r"(?:\b[a-z]\.){2,}",
        // Numbers, and words of letters with what joins them.
        r"[+-]?\d+(?:[.,:]\d+)+(?:-\d+(?:[.,:]\d+)*)*",
        r"[\p{L}\p{M}\p{N}]+(?:[-_'/][\p{L}\p{M}\p{N}]+)*",
        // A clitic by itself.
        r"'(?:s|m|d|ll|re|ve)\b",
        r"-{2,}|\.{3,}|[?!]+|''|``",
        r"\S",
    ];
    Regex::new(&forms.join("|")).ok()
});

/// Tokens of a text.
pub(in super::super) fn ptb_words(text: &str) -> Vec<String> {
    let text = text.replace('’', "'").replace('‘', "`").replace(['“', '”'], "\"").replace(['–', '—'], "--");
    let text = text.replace("&quot;", "\"").replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">");
    let text = text.to_lowercase();
    let Some(token) = TOKEN.as_ref() else { return Vec::new() };
    let parts = token.find_iter(&text).flat_map(|found| parted(found.as_str()));
    parts.filter(|part| !DROPPED.contains(part)).map(named).collect()
}

/// A word's contractions apart.
fn parted(word: &str) -> Vec<&str> {
    const CLITICS: [&str; 7] = ["n't", "'s", "'m", "'d", "'ll", "'re", "'ve"];
    const MERGED: [(&str, usize); 7] =
        [("cannot", 3), ("gonna", 3), ("gotta", 3), ("wanna", 3), ("lemme", 3), ("gimme", 3), ("d'ye", 2)];
    if let Some((_, place)) = MERGED.iter().find(|(merged, _)| *merged == word) {
        return vec![&word[..*place], &word[*place..]];
    }
    let clitic = CLITICS.iter().find(|clitic| word.len() > clitic.len() && word.ends_with(**clitic));
    match clitic {
        Some(clitic) => vec![&word[..word.len() - clitic.len()], &word[word.len() - clitic.len()..]],
        None => vec![word],
    }
}

/// A token as the treebank writes it.
fn named(token: &str) -> String {
    match token {
        "(" => "-lrb-",
        ")" => "-rrb-",
        "[" => "-lsb-",
        "]" => "-rsb-",
        "{" => "-lcb-",
        "}" => "-rcb-",
        "£" => "#",
        "€" | "¤" => "$",
        "¢" => "cents",
        _ => return token.replace('/', r"\/").replace('*', r"\*"),
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sentences whose words are written in the descriptions of the treebank's tokens and of Stanford's options.
    #[test]
    fn plain_sentences_have_the_words_of_the_treebank() {
        let cases = [
            ("The Rice Boat isn't family-friendly.", "the rice boat is n't family-friendly"),
            ("It's near Café Sicilia, priced £20-25!", "it 's near café sicilia priced # 20-25"),
            ("They cannot go; Mr. Smith's dog can (maybe).", "they can not go mr. smith 's dog can -lrb- maybe -rrb-"),
            ("\"Wait -- what...\" said the U.S. and/or 3.5 1,000", r"wait what said the u.s. and\/or 3.5 1,000"),
            ("the pubs' door, we're in", "the pubs door we 're in"),
            ("", ""),
        ];
        for (text, words) in cases {
            assert_eq!(ptb_words(text).join(" "), words, "{text}");
        }
    }
}
