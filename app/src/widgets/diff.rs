//! A text with the words marked that another one does not have in that place.

use std::time::{Duration, Instant};

use egui::text::{LayoutJob, TextFormat};
use egui::{FontId, Ui};
use similar::{ChangeTag, TextDiff};

use crate::theme::tokens;

/// Pieces of `text`, each with whether it differs from `base` there.
pub fn words_that_differ(base: &str, text: &str) -> Vec<(String, bool)> {
    let (old, new) = (words(base), words(text));
    let diff = TextDiff::configure().deadline(Instant::now() + Duration::from_millis(4)).diff_slices(&old, &new);
    let mut pieces: Vec<(String, bool)> = Vec::new();
    let kept: Vec<(&str, bool)> = diff
        .iter_all_changes()
        .filter(|change| change.tag() != ChangeTag::Delete)
        .map(|change| (change.value(), change.tag() == ChangeTag::Insert))
        .collect();
    for (place, &(value, inserted)) in kept.iter().enumerate() {
        // Space between two words that differ belongs to them; other space never does.
        let beside = |other: Option<usize>| other.and_then(|i| kept.get(i)).is_some_and(|(_, inserted)| *inserted);
        let between = || beside(place.checked_sub(1)) && beside(Some(place + 1));
        let differs = if value.trim().is_empty() { between() } else { inserted };
        match pieces.last_mut() {
            Some((piece, known)) if *known == differs => piece.push_str(value),
            _ => pieces.push((value.to_owned(), differs)),
        }
    }
    pieces
}

/// Words and the space between them; a Chinese character is a word.
fn words(text: &str) -> Vec<&str> {
    let kind = |c: char| match c {
        c if c.is_whitespace() => 0,
        '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ffef}' => 3,
        c if c.is_alphanumeric() => 1,
        _ => 2,
    };
    let mut words = Vec::new();
    let mut start = 0;
    let mut last = None;
    for (place, c) in text.char_indices() {
        if last.is_some_and(|known| known != kind(c) || known >= 2) {
            words.push(&text[start..place]);
            start = place;
        }
        last = Some(kind(c));
    }
    if start < text.len() {
        words.push(&text[start..]);
    }
    words
}

/// Lays a text out, with the differing words on the accent's tint.
pub fn diff_job(ui: &Ui, pieces: &[(String, bool)]) -> LayoutJob {
    let t = tokens(ui);
    let mut job = LayoutJob::default();
    job.wrap.max_width = ui.available_width();
    for (piece, differs) in pieces {
        let mut format = TextFormat::simple(FontId::proportional(14.5), if *differs { t.accent } else { t.text });
        format.line_height = Some(22.0);
        if *differs {
            format.background = t.accent_soft;
        }
        job.append(piece, 0.0, format);
    }
    job
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_were_added_or_changed_are_marked() {
        let marked: Vec<String> = words_that_differ("the cat sat down", "the dog sat down today")
            .into_iter()
            .filter(|(_, differs)| *differs)
            .map(|(piece, _)| piece.trim().to_owned())
            .collect();
        assert_eq!(marked, ["dog", "today"]);
        assert!(words_that_differ("same", "same").iter().all(|(_, differs)| !differs));
    }

    #[test]
    fn chinese_is_compared_by_word_and_not_as_one() {
        let pieces = words_that_differ("今天天气很好", "今天天气不好");
        assert!(pieces.iter().any(|(_, differs)| !differs) && pieces.iter().any(|(_, differs)| *differs));
    }
}
