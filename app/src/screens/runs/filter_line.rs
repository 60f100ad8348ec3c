//! The line above the table that says which runs are shown, with the words that can follow what is typed.

use egui::text::{CCursor, CCursorRange};
use egui::{EventFilter, Key, Modifiers, Popup, PopupCloseBehavior, RichText, ScrollArea, TextEdit, Ui};

use crate::store::RunRow;
use crate::study::Name;
use crate::study::filter as language;
use crate::t;
use crate::theme::tokens;

/// Which runs pass a line, and whether it asks for those that are put away.
pub(super) fn passing(rows: &[&RunRow], line: &str) -> (Vec<bool>, bool) {
    let filter = language::parse(line);
    (rows.iter().map(|row| language::passes(row, &filter)).collect(), filter.asks_for("archived"))
}

/// Sentence about the first fault in a line.
pub(super) fn trouble(line: &str, names: &[Name]) -> Option<String> {
    language::trouble(&language::parse(line), names)
}

/// The term that a tag is filtered by.
pub(super) fn tag_term(tag: &str) -> String {
    if tag.contains(char::is_whitespace) { format!("tag:\"{tag}\"") } else { format!("tag:{tag}") }
}

/// Place of a term in a line, where it stands for itself.
pub(super) fn find_term(line: &str, term: &str) -> Option<usize> {
    let is_edge = |c: Option<char>| c.is_none_or(char::is_whitespace);
    let stands_alone =
        |at: &usize| is_edge(line[..*at].chars().next_back()) && is_edge(line[at + term.len()..].chars().next());
    line.match_indices(term).map(|(at, _)| at).find(stands_alone)
}

/// A line that a click on a tag changes: the term is added, or taken out if it is there.
pub(super) fn toggle_term(line: &mut String, term: &str) {
    match find_term(line, term) {
        Some(at) => {
            line.replace_range(at..at + term.len(), "");
            *line = line.trim().replace("  ", " ");
        }
        None => *line = format!("{} {term}", line.trim()).trim_start().to_owned(),
    }
}

/// The list of words below the line.
#[derive(Debug, Default)]
pub(super) struct FilterLine {
    open: bool,
    /// The pointer is on the list: a click on it takes the keyboard from the line for a moment.
    hovered: bool,
    /// Something was typed or gone to since the list was opened: before that *Tab* leaves the line.
    touched: bool,
    /// The word that *Tab* and *Enter* take.
    at: usize,
}

impl FilterLine {
    /// Whether names are needed: words are offered.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Draws the line and what can follow.
    pub(super) fn ui(&mut self, ui: &mut Ui, line: &mut String, width: f32, (names, rows): (&[Name], &[RunRow])) {
        let id = egui::Id::unique("filter of the runs");
        let offered = match self.open && ui.memory(|memory| memory.has_focus(id)) || self.hovered {
            true => {
                let all: Vec<&RunRow> = rows.iter().collect();
                language::complete(line, cursor_of(ui, id, line), names, &|name| language::values(&all, name))
            }
            false => Vec::new(),
        };
        let mut taken = self.keys(ui, id, offered.len());
        let edit = TextEdit::singleline(line).id(id).desired_width(width).margin(egui::Margin::symmetric(8, 6));
        let response = ui.name_inputs(t!("runs.filter"), |ui| edit.show(ui)).response.response;
        if line.is_empty() {
            let font = egui::TextStyle::Body.resolve(ui.style());
            let left = response.rect.left_center() + egui::vec2(9.0, 0.0);
            let painter = ui.painter_at(response.rect);
            painter.text(left, egui::Align2::LEFT_CENTER, t!("runs.filter_hint"), font, tokens(ui).faint);
        }
        if response.changed() || response.clicked() {
            (self.open, self.at, self.touched) = (true, 0, response.changed());
        }
        if self.open && self.touched && response.has_focus() {
            // Else Tab would leave the line, and Escape too.
            let filter = EventFilter { tab: true, horizontal_arrows: true, vertical_arrows: true, escape: true };
            ui.memory_mut(|memory| memory.set_focus_lock_filter(id, filter));
        }
        if offered.is_empty() {
            self.hovered = false;
            self.open &= response.has_focus();
        } else {
            let shown = Popup::from_response(&response)
                .id(id.with("words"))
                .open(true)
                .close_behavior(PopupCloseBehavior::IgnoreClicks)
                .show(|ui| self.words_ui(ui, &offered));
            self.hovered = shown.as_ref().is_some_and(|shown| shown.response.contains_pointer());
            taken = taken.or(shown.and_then(|shown| shown.inner));
            self.open &= response.has_focus() || self.hovered;
        }
        if let Some(completion) = taken.and_then(|at| offered.into_iter().nth(at)) {
            self.take(ui, id, line, completion);
        } else if !self.open {
            response.on_hover_text(t!("runs.filter_help"));
        }
    }

    /// The word that was taken by a key, of so many.
    fn keys(&mut self, ui: &Ui, id: egui::Id, words: usize) -> Option<usize> {
        let pressed = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
        if words == 0 {
            let is_asked = ui.memory(|memory| memory.has_focus(id)) && pressed(Key::ArrowDown);
            (self.open, self.touched) = (self.open || is_asked, self.touched || is_asked);
            return None;
        }
        let (down, up) = (pressed(Key::ArrowDown), pressed(Key::ArrowUp));
        self.at = (self.at + usize::from(down && self.touched)).saturating_sub(usize::from(up)).min(words - 1);
        self.touched |= down || up;
        if pressed(Key::Escape) {
            (self.open, self.hovered) = (false, false);
        }
        (self.open && self.touched && (pressed(Key::Tab) | pressed(Key::Enter))).then_some(self.at)
    }

    /// The word that was clicked.
    fn words_ui(&self, ui: &mut Ui, offered: &[language::Completion]) -> Option<usize> {
        let mut clicked = None;
        ui.set_min_width(220.0);
        ScrollArea::vertical().max_height(260.0).show(ui, |ui| {
            ui.set_min_width(220.0);
            ui.spacing_mut().item_spacing.y = 1.0;
            for (at, word) in offered.iter().enumerate() {
                let line = ui.selectable_label(at == self.at && self.touched, RichText::new(&word.shown).monospace());
                if at == self.at {
                    line.scroll_to_me(None);
                }
                if line.clicked() {
                    clicked = Some(at);
                }
            }
            ui.label(RichText::new(t!("runs.complete_keys")).small().color(tokens(ui).faint));
        });
        clicked
    }

    fn take(&mut self, ui: &Ui, id: egui::Id, line: &mut String, word: language::Completion) {
        *line = word.line;
        let mut state = TextEdit::load_state(ui.ctx(), id).unwrap_or_default();
        state.cursor.set_char_range(Some(CCursorRange::one(CCursor::new(word.cursor))));
        state.store(ui.ctx(), id);
        ui.memory_mut(|memory| memory.request_focus(id));
        *self = Self { open: true, touched: true, hovered: false, at: 0 };
    }
}

/// Place of the cursor, counted in letters; the end where nobody knows.
fn cursor_of(ui: &Ui, id: egui::Id, line: &str) -> usize {
    let range = TextEdit::load_state(ui.ctx(), id).and_then(|state| state.cursor.char_range());
    range.map_or_else(|| line.chars().count(), |range| range.primary.index.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_goes_where_it_came_from() {
        let mut line = "tag:longer loss<2".to_owned();
        for (tag, after) in
            [("long", "tag:longer loss<2 tag:long"), ("two words", "tag:longer loss<2 tag:\"two words\"")]
        {
            let before = line.clone();
            toggle_term(&mut line, &tag_term(tag));
            assert_eq!(line, after);
            toggle_term(&mut line, &tag_term(tag));
            assert_eq!(line, before);
        }
        toggle_term(&mut line, "tag:longer");
        assert_eq!(line, "loss<2");
    }
}
