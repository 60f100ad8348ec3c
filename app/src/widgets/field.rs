//! Fields of a form: the name above, the control below it, and under that the sentence that says what is wrong.
//!
//! The name is also what a screen reader and a test find the control by.

use egui::{ComboBox, DragValue, RichText, TextEdit, Ui};

use crate::text::as_sentence;
use crate::theme::tokens;

/// A named control. `error` frames it and is written below.
pub fn field_ui<R>(ui: &mut Ui, name: &str, help: &str, error: Option<&str>, add: impl FnOnce(&mut Ui) -> R) -> R {
    let t = tokens(ui);
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 4.0;
        let label = ui.label(RichText::new(name).small().color(t.muted));
        let label_id = label.id;
        if !help.is_empty() {
            label.on_hover_text(help);
        }
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

/// A whole number. `true` if it changed.
pub fn count_ui(ui: &mut Ui, value: &mut usize, range: std::ops::RangeInclusive<usize>) -> bool {
    let width = ui.available_width();
    let drag = DragValue::new(value).range(range).speed(0.2).min_size(egui::vec2(width, 0.0));
    ui.add(drag).changed()
}

/// A number with a point. `true` if it changed.
pub fn number_ui(ui: &mut Ui, value: &mut f64, range: std::ops::RangeInclusive<f64>, speed: f64) -> bool {
    let width = ui.available_width();
    let drag = DragValue::new(value).range(range).speed(speed).max_decimals(4).min_size(egui::vec2(width, 0.0));
    ui.add(drag).changed()
}

/// A number of any size, as `1e-8`. `true` if it changed.
pub fn small_ui(ui: &mut Ui, value: &mut f64, range: std::ops::RangeInclusive<f64>) -> bool {
    let (width, speed) = (ui.available_width(), value.abs() * 0.01);
    let drag = DragValue::new(value)
        .range(range)
        .speed(speed)
        .custom_formatter(|number, _| crate::text::scientific(number))
        .custom_parser(|text| text.trim().parse().ok())
        .min_size(egui::vec2(width, 0.0));
    ui.add(drag).changed()
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

/// What happened to a path field.
#[derive(Clone, Copy, Debug, Default)]
pub struct PathEdit {
    /// The text changed and is complete: *Enter*, or the field was left.
    pub committed: bool,
    /// The dialog was asked for.
    pub browse: bool,
}

/// A path, to be typed or chosen in a dialog.
pub fn path_ui(ui: &mut Ui, value: &mut String, hint: &str, browse: &str) -> PathEdit {
    let mut edit = PathEdit::default();
    let size = egui::vec2(ui.available_width(), crate::theme::CONTROL_HEIGHT);
    ui.allocate_ui_with_layout(size, egui::Layout::right_to_left(egui::Align::Center), |ui| {
        edit.browse = ui.button(browse).clicked();
        let width = ui.available_width();
        edit.committed = line_ui(ui, value, hint, width).lost_focus();
    });
    edit
}
