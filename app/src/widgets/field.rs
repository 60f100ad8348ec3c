//! Fields of a form: the name above, the control below it, and under that the sentence that says what is wrong.
//!
//! The name is also what a screen reader and a test find the control by.

use std::cell::RefCell;
use std::ops::RangeInclusive;

use egui::emath::Numeric;
use egui::text::{CCursor, CCursorRange};
use egui::{ComboBox, DragValue, RichText, TextEdit, Ui};

use crate::i18n::as_sentence;
use crate::theme::tokens;

/// A named control. `error` frames it and is written below.
pub fn field_ui<R>(ui: &mut Ui, name: &str, help: &str, error: Option<&str>, add: impl FnOnce(&mut Ui) -> R) -> R {
    let t = tokens(ui);
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 4.0;
        let label_id = name_ui(ui, name, help);
        let result = ui
            .scope(|ui| {
                if error.is_some() {
                    let widgets = &mut ui.visuals_mut().widgets;
                    for state in [&mut widgets.inactive, &mut widgets.hovered, &mut widgets.active] {
                        state.bg_stroke = egui::Stroke::new(1.0, t.bad);
                    }
                }
                ui.label_inputs_by(label_id, add)
            })
            .inner;
        if let Some(sentence) = error {
            ui.add(egui::Label::new(RichText::new(as_sentence(sentence)).small().color(t.bad)).wrap());
        }
        result
    })
    .inner
}

/// The name of a field, with a mark where there is more to know.
fn name_ui(ui: &mut Ui, name: &str, help: &str) -> egui::Id {
    let small = |ui: &mut Ui| ui.label(RichText::new(name).small().color(tokens(ui).muted));
    if help.is_empty() {
        return small(ui).id;
    }
    // Else the line would be as high as a control.
    ui.scope(|ui| {
        ui.spacing_mut().interact_size.y = 0.0;
        ui.spacing_mut().item_spacing.x = 5.0;
        ui.horizontal(|ui| {
            let label = small(ui);
            help_ui(ui, help);
            label.on_hover_text(help).id
        })
        .inner
    })
    .inner
}

/// A mark that says more while the pointer is on it.
pub fn help_ui(ui: &mut Ui, help: &str) {
    let t = tokens(ui);
    let (rect, response) = ui.allocate_exact_size(egui::vec2(13.0, 13.0), egui::Sense::hover());
    let ink = if response.hovered() { t.accent } else { t.faint };
    ui.painter().circle_stroke(rect.center(), 6.0, egui::Stroke::new(1.0, ink));
    ui.painter().text(rect.center(), egui::Align2::CENTER_CENTER, "?", egui::FontId::proportional(9.5), ink);
    response.on_hover_text(help);
}

/// A box to tick, with a mark where there is more to know. `true` if it changed.
pub fn check_ui(ui: &mut Ui, value: &mut bool, name: &str, help: &str) -> bool {
    let line = ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        let ticked = ui.checkbox(value, name);
        help_ui(ui, help);
        ticked.on_hover_text(help).changed()
    });
    line.inner
}

/// A line of text. `true` if it changed.
pub fn text_ui(ui: &mut Ui, value: &mut String, hint: &str) -> bool {
    let width = ui.available_width();
    line_ui(ui, value, hint, width).changed()
}

/// A line of text of a certain width.
///
/// The hint is painted and is not the field's name: the name comes from the label.
pub fn line_ui(ui: &mut Ui, value: &mut String, hint: &str, width: f32) -> egui::Response {
    edit_ui(ui, value, hint, width, false)
}

fn edit_ui(ui: &mut Ui, value: &mut String, hint: &str, width: f32, secret: bool) -> egui::Response {
    let margin = egui::Margin::symmetric(8, 6);
    let response = ui.add(TextEdit::singleline(value).password(secret).desired_width(width).margin(margin));
    if value.is_empty() {
        let font = egui::TextStyle::Body.resolve(ui.style());
        let place = response.rect.left_center() + egui::vec2(9.0, 0.0);
        let painter = ui.painter_at(response.rect);
        painter.text(place, egui::Align2::LEFT_CENTER, hint, font, tokens(ui).faint);
    }
    response
}

/// A line of a certain width that shows dots.
pub fn secret_ui(ui: &mut Ui, value: &mut String, hint: &str, width: f32) -> egui::Response {
    edit_ui(ui, value, hint, width, true)
}

/// Several lines of text in a fixed-width font. `true` if they changed.
pub fn code_ui(ui: &mut Ui, value: &mut String, rows: usize) -> bool {
    let edit = TextEdit::multiline(value)
        .font(egui::TextStyle::Monospace)
        .desired_rows(rows)
        .desired_width(f32::INFINITY)
        .margin(egui::Margin::symmetric(8, 6));
    ui.add(edit).changed()
}

/// A line that is entered with *Enter*: `true` then. A fresh one takes the keyboard, with all of its text chosen.
pub fn entry_ui(ui: &mut Ui, value: &mut String, fresh: bool) -> bool {
    let edit = TextEdit::singleline(value).desired_width(f32::INFINITY).margin(egui::Margin::symmetric(8, 6));
    let mut output = edit.show(ui);
    if fresh {
        let whole = CCursorRange::two(CCursor::new(0), CCursor::new(value.chars().count()));
        output.state.cursor.set_char_range(Some(whole));
        output.state.store(ui.ctx(), output.response.id);
        output.response.request_focus();
    }
    output.response.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter))
}

/// A whole number. `true` if it changed.
pub fn count_ui(ui: &mut Ui, value: &mut usize, range: RangeInclusive<usize>) -> bool {
    drag_ui(ui, value, range, |drag| drag.speed(0.2))
}

/// A number with a point. `true` if it changed.
pub fn number_ui(ui: &mut Ui, value: &mut f64, range: RangeInclusive<f64>, speed: f64) -> bool {
    drag_ui(ui, value, range, |drag| drag.speed(speed).max_decimals(4))
}

/// A number of any size, as `1e-8`. `true` if it changed.
pub fn small_ui(ui: &mut Ui, value: &mut f64, range: RangeInclusive<f64>) -> bool {
    let speed = value.abs() * 0.01;
    drag_ui(ui, value, range, |drag| drag.speed(speed).custom_formatter(|number, _| crate::format::scientific(number)))
}

/// A number of any kind that decides what is random. `true` if it changed.
pub fn seed_ui(ui: &mut Ui, value: &mut u64) -> bool {
    drag_ui(ui, value, 0..=u64::MAX, |drag| drag.speed(1.0))
}

/// A field whose number may be several: the text of a list takes the number's place while it holds one.
///
/// Both are edited under one id, so that the caret stays where it is when the first comma is typed.
pub fn listable_ui<N: Numeric>(
    ui: &mut Ui,
    value: &mut N,
    range: RangeInclusive<N>,
    list: &mut Option<String>,
    number_ui: impl FnOnce(&mut Ui, &mut N, RangeInclusive<N>) -> bool,
) -> bool {
    let id = ui.next_auto_id();
    let Some(text) = list else {
        let changed = number_ui(ui, value, range);
        let place = id.with("typed list");
        *list = ui.data_mut(|data| data.remove_temp::<String>(place));
        if list.is_some() {
            ui.data_mut(|data| data.remove::<String>(id.with("refused")));
            ui.ctx().request_repaint();
        }
        return changed || list.is_some();
    };
    let edit = TextEdit::singleline(text).id(id).desired_width(ui.available_width());
    let response = ui.add(edit);
    // A comma behind it, a space: still one number.
    let text = text.trim_matches(|c: char| c.is_whitespace() || plain(c) == ',' || c == '.');
    let number = number_of(text);
    if let Some(number) = number {
        *value = N::from_f64(number.clamp(range.start().to_f64(), range.end().to_f64()));
    }
    // One that has become a single number, or nothing, is a number again once it is left.
    if !response.has_focus() && (text.is_empty() || number.is_some()) {
        *list = None;
        return true;
    }
    response.changed()
}

/// The text of a list, written plainly: `5, 10`, `1 .. 9 / 3`; `None` where a text is no list.
pub fn list_of(typed: &str) -> Option<String> {
    let plain: String = typed.trim().chars().map(plain).collect();
    let parts = plain.split_whitespace();
    if plain.contains(',') || plain.contains("..") {
        return Some(plain);
    }
    let several = parts.clone().count() > 1 && parts.clone().all(|part| number_of(part).is_some());
    several.then(|| parts.collect::<Vec<_>>().join(", "))
}

/// A number over the whole width. What is typed and cannot be taken as it stands is said below, until something else is.
fn drag_ui<N: Numeric>(
    ui: &mut Ui,
    value: &mut N,
    range: RangeInclusive<N>,
    looks: impl FnOnce(DragValue<'_>) -> DragValue<'_>,
) -> bool {
    let (width, limits) = (ui.available_width(), range.start().to_f64()..=range.end().to_f64());
    let refused: RefCell<Option<Option<String>>> = RefCell::new(None);
    let listed: RefCell<Option<String>> = RefCell::new(None);
    let parse = |typed: &str| {
        let number = number_of(typed);
        *refused.borrow_mut() = Some(trouble(typed, number, &limits));
        *listed.borrow_mut() = list_of(typed).map(|_| typed.to_owned());
        number
    };
    let drag = looks(DragValue::new(value).range(range)).custom_parser(parse).min_size(egui::vec2(width, 0.0));
    let response = ui.add(drag);
    if let Some(list) = listed.into_inner() {
        // Taken out by [`listable_ui`], if the field may hold one.
        ui.data_mut(|data| data.insert_temp(response.id.with("typed list"), list));
    }
    let place = response.id.with("refused");
    match refused.into_inner() {
        Some(Some(sentence)) => {
            ui.data_mut(|data| data.insert_temp(place, sentence));
        }
        Some(None) => ui.data_mut(|data| data.remove::<String>(place)),
        // It was dragged: what was typed before is no longer of interest.
        None if response.changed() => ui.data_mut(|data| data.remove::<String>(place)),
        None => {}
    }
    if let Some(sentence) = ui.data(|data| data.get_temp::<String>(place)) {
        ui.add(egui::Label::new(RichText::new(sentence).small().color(tokens(ui).warn)).wrap());
    }
    response.changed()
}

/// A number as people write it: spaces around it, another minus sign, digits of full width.
fn number_of(typed: &str) -> Option<f64> {
    typed.trim().chars().map(plain).collect::<String>().parse().ok().filter(|number: &f64| number.is_finite())
}

/// A letter as a number is written with it: not of full width, no other minus sign, a comma between numbers.
fn plain(c: char) -> char {
    match c {
        '−' | '－' => '-',
        '．' => '.',
        '，' | '、' | '；' | ';' => ',',
        '／' => '/',
        '\u{3000}' => ' ',
        '０'..='９' => char::from_u32(c as u32 - '０' as u32 + '0' as u32).unwrap_or(c),
        other => other,
    }
}

/// Why what is typed is not what is taken.
fn trouble(typed: &str, number: Option<f64>, limits: &RangeInclusive<f64>) -> Option<String> {
    let (low, high) = (crate::format::scientific(*limits.start()), crate::format::scientific(*limits.end()));
    match number {
        Some(number) if limits.contains(&number) => None,
        Some(_) => Some(crate::t!("field.out_of_range", low = low, high = high)),
        None if typed.trim().is_empty() => None,
        None => Some(match list_of(typed) {
            Some(_) => crate::t!("field.one_number").to_owned(),
            None => crate::t!("field.no_number", typed = typed.trim()),
        }),
    }
}

/// One of several values, named. `true` if another was taken.
pub fn choice_ui<T: PartialEq + Clone>(ui: &mut Ui, salt: &str, value: &mut T, choices: &[(T, String)]) -> bool {
    let shown = choices.iter().find(|(choice, _)| choice == value).map_or("", |(_, name)| name.as_str());
    let mut changed = false;
    ComboBox::from_id_salt(salt).width(ui.available_width()).truncate().selected_text(shown).show_ui(ui, |ui| {
        for (choice, name) in choices {
            if ui.selectable_label(choice == value, name).clicked() && choice != value {
                *value = choice.clone();
                changed = true;
            }
        }
    });
    changed
}

/// The events of a path field in one frame.
#[derive(Clone, Copy, Debug, Default)]
pub struct PathEdit {
    /// The text changed and is complete: *Enter*, or the field was left.
    pub committed: bool,
    /// The dialog was asked for.
    pub browse: bool,
    /// That for a file in place of a folder.
    pub browse_file: bool,
}

/// A path, to be typed or chosen in a dialog.
pub fn path_ui(ui: &mut Ui, value: &mut String, hint: &str, browse: &str) -> PathEdit {
    chosen_ui(ui, value, hint, (browse, None))
}

/// A path of a folder or of a file: each has a dialog of its own.
pub fn folder_or_file_ui(ui: &mut Ui, value: &mut String, hint: &str, [folder, file]: [&str; 2]) -> PathEdit {
    chosen_ui(ui, value, hint, (folder, Some(file)))
}

fn chosen_ui(ui: &mut Ui, value: &mut String, hint: &str, (browse, file): (&str, Option<&str>)) -> PathEdit {
    let mut edit = PathEdit::default();
    let size = egui::vec2(ui.available_width(), crate::theme::CONTROL_HEIGHT);
    ui.allocate_ui_with_layout(size, egui::Layout::right_to_left(egui::Align::Center), |ui| {
        edit.browse_file = file.is_some_and(|file| ui.button(file).clicked());
        edit.browse = ui.button(browse).clicked();
        let width = ui.available_width();
        edit.committed = line_ui(ui, value, hint, width).lost_focus();
    });
    edit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_taken_as_it_is_typed_is_said() {
        let said = |typed: &str| trouble(typed, number_of(typed), &(1.0..=4096.0));
        for typed in ["20", " 20 ", "２０", "4096", ""] {
            assert_eq!(said(typed), None, "{typed:?}");
        }
        let several = said("5, 10, 20").unwrap();
        assert!(several.contains("one") || several.contains("One"), "{several}");
        assert_eq!(said("5，10"), Some(several));
        assert_eq!(list_of("５， 10；20").as_deref(), Some("5, 10,20"));
        assert_eq!(list_of("1e-4 .. 1e-2 / 5 log").as_deref(), Some("1e-4 .. 1e-2 / 5 log"));
        assert_eq!((list_of("1 2 3").as_deref(), list_of("1 two"), list_of("12")), (Some("1, 2, 3"), None, None));
        assert!(said("twenty").is_some_and(|sentence| sentence.contains("twenty")));
        assert!(said("0").is_some_and(|sentence| sentence.contains("4096")), "nothing is clamped without a word");
        assert!(said("inf").is_some());
    }
}
