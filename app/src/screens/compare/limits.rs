//! Limits of what is written: lengths, repetition, stop words, and words that are never written.

use egui::Ui;
use engine::generation::Sampling;

use crate::t;
use crate::theme;
use crate::widgets::field;

/// Five numbers and two lists of texts.
pub(super) fn limits_ui(ui: &mut Ui, sampling: &mut Sampling) {
    let per_row = if ui.available_width() < theme::NARROW_SCREEN { 3 } else { 5 };
    for first in (0..5).step_by(per_row) {
        ui.columns(per_row, |columns| {
            for (i, ui) in columns.iter_mut().enumerate().filter(|(i, _)| first + i < 5) {
                number_ui(ui, first + i, sampling);
            }
        });
    }
    ui.columns(2, |columns| {
        let texts = [
            (t!("compare.stop_strings"), t!("compare.stop_strings_help"), &mut sampling.stop_strings),
            (t!("compare.bad_words"), t!("compare.bad_words_help"), &mut sampling.bad_words),
        ];
        for (ui, (name, help, list)) in columns.iter_mut().zip(texts) {
            field::field_ui(ui, name, help, None, |ui| texts_ui(ui, name, list));
        }
    });
}

fn number_ui(ui: &mut Ui, which: usize, sampling: &mut Sampling) {
    let (name, help, value) = match which {
        0 => (t!("compare.max_length"), t!("compare.max_length_help"), &mut sampling.max_length),
        1 => (t!("compare.min_new_tokens"), t!("compare.min_new_tokens_help"), &mut sampling.min_new_tokens),
        2 => (t!("compare.min_length"), t!("compare.min_length_help"), &mut sampling.min_length),
        3 => (t!("compare.no_repeat"), t!("compare.no_repeat_help"), &mut sampling.no_repeat_ngram_size),
        _ => {
            field::field_ui(ui, t!("compare.penalty"), t!("compare.penalty_help"), None, |ui| {
                field::number_ui(ui, &mut sampling.repetition_penalty, 0.1..=10.0, 0.01)
            });
            return;
        }
    };
    field::field_ui(ui, name, help, None, |ui| field::count_ui(ui, value, 0..=100_000));
}

/// Texts in one line, with bars between them; what is typed stays as it is until the field is left.
fn texts_ui(ui: &mut Ui, salt: &str, list: &mut Vec<String>) {
    let place = ui.scope_id().with(salt);
    let typed = ui.data(|data| data.get_temp::<String>(place));
    let mut text = typed.unwrap_or_else(|| in_one_line(list));
    let width = ui.available_width();
    let response = field::line_ui(ui, &mut text, "", width);
    if response.changed() {
        *list = from_one_line(&text);
    }
    let has_focus = response.has_focus();
    ui.data_mut(|data| {
        if has_focus {
            data.insert_temp(place, text);
        } else {
            data.remove::<String>(place);
        }
    });
}

/// `a | \n`: a bar, a backslash and the end of a line are written with a backslash.
fn in_one_line(texts: &[String]) -> String {
    let escaped = |text: &String| text.replace('\\', "\\\\").replace('\n', "\\n").replace('|', "\\|");
    texts.iter().map(escaped).collect::<Vec<_>>().join(" | ")
}

fn from_one_line(line: &str) -> Vec<String> {
    let mut texts = vec![String::new()];
    let mut letters = line.chars();
    while let Some(c) = letters.next() {
        let c = match c {
            '|' => {
                texts.push(String::new());
                continue;
            }
            '\\' => match letters.next() {
                Some('n') => '\n',
                Some(other) => other,
                None => '\\',
            },
            c => c,
        };
        if let Some(text) = texts.last_mut() {
            text.push(c);
        }
    }
    // The space on each side of a bar belongs to the bar.
    let last = texts.len() - 1;
    let bare = |(place, text): (usize, String)| {
        let text = if place > 0 { text.strip_prefix(' ').unwrap_or(&text) } else { &text };
        if place < last { text.strip_suffix(' ').unwrap_or(text) } else { text }.to_owned()
    };
    texts.into_iter().enumerate().map(bare).filter(|text| !text.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_in_one_line_come_back_as_they_were() {
        let texts: Vec<String> = ["\n", " END", "a|b", "c\\n", "你好"].map(str::to_owned).into();
        assert_eq!(in_one_line(&texts), "\\n |  END | a\\|b | c\\\\n | 你好");
        assert_eq!(from_one_line(&in_one_line(&texts)), texts);
        assert_eq!(from_one_line("a |"), ["a"], "while one types");
        assert!(from_one_line("").is_empty() && from_one_line(" | ").is_empty());
    }
}
