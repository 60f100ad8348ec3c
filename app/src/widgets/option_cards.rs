//! Choices that need a sentence each, side by side in rows of equal height.

use std::sync::Arc;

use egui::accesskit::Role;
use egui::{CornerRadius, Galley, Rect, Response, Sense, Stroke, StrokeKind, TextStyle, Ui, WidgetInfo, vec2};

use crate::theme::{self, tokens};

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a, T> {
    /// The value that it stands for.
    pub value: T,
    /// Name of the choice.
    pub title: &'a str,
    /// A sentence on what it is.
    pub note: &'a str,
    /// Why it cannot be chosen.
    pub why_not: Option<&'a str>,
}

const PADDING: f32 = 10.0;
const GAP: f32 = 8.0;
/// Narrower than this a sentence becomes a column of words.
const NARROWEST: f32 = 160.0;

/// Draws them. `true` if another was taken.
pub fn options_ui<T: PartialEq + Copy>(ui: &mut Ui, value: &mut T, choices: &[Choice<'_, T>]) -> bool {
    let columns = (((ui.available_width() + GAP) / (NARROWEST + GAP)) as usize).clamp(1, 4);
    let width = (ui.available_width() - GAP * (columns - 1) as f32) / columns as f32;
    let mut changed = false;
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing = vec2(GAP, GAP);
        for row in choices.chunks(columns) {
            let texts: Vec<_> = row.iter().map(|choice| lay_out(ui, choice, *value == choice.value, width)).collect();
            let height = texts.iter().map(|(title, note)| title.size().y + note.size().y).fold(0.0, f32::max);
            ui.horizontal(|ui| {
                for (choice, texts) in row.iter().zip(texts) {
                    let size = vec2(width, height + 2.0 * PADDING + 3.0);
                    let response = option_ui(ui, choice, *value == choice.value, texts, size);
                    if response.clicked() && *value != choice.value {
                        *value = choice.value;
                        changed = true;
                    }
                }
            });
        }
    });
    changed
}

fn lay_out<T>(ui: &Ui, choice: &Choice<'_, T>, chosen: bool, width: f32) -> (Arc<Galley>, Arc<Galley>) {
    let t = tokens(ui);
    let (ink, note) = match (choice.why_not, chosen) {
        (Some(_), _) => (t.faint, t.faint),
        (None, true) => (t.accent, t.muted),
        (None, false) => (t.text, t.muted),
    };
    let lay_out = |text: &str, style: TextStyle, ink| {
        ui.painter().layout(text.to_owned(), style.resolve(ui.style()), ink, width - 2.0 * PADDING)
    };
    (lay_out(choice.title, TextStyle::Body, ink), lay_out(choice.note, TextStyle::Small, note))
}

/// Painted, not added: the choice is what a screen reader and a test should find.
fn option_ui<T>(
    ui: &mut Ui,
    choice: &Choice<'_, T>,
    chosen: bool,
    (title, note): (Arc<Galley>, Arc<Galley>),
    size: egui::Vec2,
) -> Response {
    let t = tokens(ui);
    let enabled = choice.why_not.is_none();
    let sense = if enabled { Sense::click() } else { Sense::hover() };
    let (rect, response): (Rect, Response) = ui.allocate_exact_size(size, sense);
    response.widget_info(|| WidgetInfo::selected(Role::RadioButton, enabled, chosen, choice.title));
    let lit = enabled && (response.hovered() || response.has_focus());
    let line =
        if chosen { Stroke::new(1.5, t.accent) } else { Stroke::new(1.0, if lit { t.accent } else { t.border }) };
    let fill = if chosen { t.accent_soft } else { t.surface };
    ui.painter().rect(rect, CornerRadius::same(theme::RADIUS + 2), fill, line, StrokeKind::Inside);
    let corner = rect.min + vec2(PADDING, PADDING);
    let below = corner + vec2(0.0, title.size().y + 3.0);
    ui.painter().galley(corner, title, t.text);
    ui.painter().galley(below, note, t.muted);
    match choice.why_not {
        Some(reason) => response.on_hover_text(reason),
        None => response,
    }
}
