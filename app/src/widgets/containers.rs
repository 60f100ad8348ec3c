//! Containers: cards, tiles, chips, banners, the empty screen.

use egui::accesskit::Role;
use egui::{Color32, CornerRadius, Frame, Margin, Response, RichText, Sense, Stroke, Ui, WidgetInfo, vec2};

use super::icon::{self, Icon};
use engine::error::Failure;

use crate::i18n::{as_sentence, tell};
use crate::state::notices::Level;
use crate::theme::{self, tokens};

impl Level {
    /// Ink and tint.
    pub fn colors(self, ui: &Ui) -> (Color32, Color32) {
        let t = tokens(ui);
        match self {
            Self::Info => (t.accent, t.accent_soft),
            Self::Good => (t.good, t.good_soft),
            Self::Warn => (t.warn, t.warn_soft),
            Self::Bad => (t.bad, t.bad_soft),
        }
    }
}

/// The frame of a card.
pub fn card_frame(ui: &Ui) -> Frame {
    let t = tokens(ui);
    Frame::new()
        .fill(t.surface)
        .stroke(Stroke::new(1.0, t.border))
        .corner_radius(CornerRadius::same(theme::CARD_RADIUS))
        .inner_margin(Margin::same(theme::GAP as i8))
}

/// A card with a title, as wide as there is room.
pub fn card_ui<R>(ui: &mut Ui, title: &str, add: impl FnOnce(&mut Ui) -> R) -> R {
    card_frame(ui)
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            if !title.is_empty() {
                ui.label(RichText::new(title).text_style(theme::title()));
                ui.add_space(theme::SMALL_GAP);
            }
            ui.vertical(add).inner
        })
        .inner
}

/// The frame of a question that has to be answered.
pub fn modal_frame(ui: &Ui) -> Frame {
    Frame::popup(ui.style()).inner_margin(20).corner_radius(CornerRadius::same(theme::CARD_RADIUS))
}

/// A figure with its name above it.
pub fn tile_ui(ui: &mut Ui, name: &str, value: &str, note: &str) -> Response {
    let t = tokens(ui);
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 3.0;
        ui.label(RichText::new(name).small().color(t.muted));
        ui.label(RichText::new(value).text_style(theme::number()).color(t.text));
        if !note.is_empty() {
            ui.label(RichText::new(note).small().color(t.faint));
        }
    })
    .response
}

/// One line of a list of facts: name at the left, value at the right.
pub fn fact_ui(ui: &mut Ui, name: &str, value: &str) {
    ui.scope(|ui| fact_line_ui(ui, name, value));
}

fn fact_line_ui(ui: &mut Ui, name: &str, value: &str) {
    let t = tokens(ui);
    ui.spacing_mut().interact_size.y = 18.0;
    ui.horizontal(|ui| {
        ui.label(RichText::new(name).color(t.muted));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            ui.add(egui::Label::new(RichText::new(value).text_style(theme::small_number())).truncate());
        });
    });
}

/// A word in a colored pill.
pub fn chip_ui(ui: &mut Ui, level: Level, text: &str) -> Response {
    let (ink, tint) = level.colors(ui);
    pill_ui(ui, ink, tint, text)
}

/// Pills beside each other, in as many lines as they need.
pub fn chips_ui(ui: &mut Ui, add: impl FnOnce(&mut Ui)) {
    ui.scope(|ui| {
        ui.spacing_mut().interact_size.y = 22.0;
        ui.spacing_mut().item_spacing = vec2(6.0, 6.0);
        ui.horizontal_wrapped(add);
    });
}

/// A word in a grey pill.
pub fn plain_chip_ui(ui: &mut Ui, text: &str) -> Response {
    let t = tokens(ui);
    pill_ui(ui, t.muted, t.hover, text)
}

fn pill_ui(ui: &mut Ui, ink: Color32, tint: Color32, text: &str) -> Response {
    let font = egui::TextStyle::Small.resolve(ui.style());
    let galley = ui.painter().layout_no_wrap(text.to_owned(), font, ink);
    let (rect, response) = ui.allocate_exact_size(galley.size() + vec2(18.0, 7.0), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, text));
    ui.painter().rect_filled(rect, CornerRadius::same(11), tint);
    ui.painter().galley(rect.min + vec2(9.0, 3.5), galley, ink);
    response
}

/// Draws a banner over the whole width: what happened and what to do, with the technical text behind *Details*.
pub fn banner_ui(ui: &mut Ui, level: Level, what: &str, advice: &str, details: &str, add: impl FnOnce(&mut Ui)) {
    let (ink, tint) = level.colors(ui);
    let text = tokens(ui).text;
    Frame::new().fill(tint).corner_radius(CornerRadius::same(8)).inner_margin(Margin::symmetric(14, 10)).show(
        ui,
        |ui| {
            ui.set_width(ui.available_width());
            ui.spacing_mut().interact_size.y = 0.0;
            ui.horizontal(|ui| {
                let (mark, _) = ui.allocate_exact_size(vec2(10.0, 18.0), Sense::empty());
                ui.painter().circle_filled(mark.center(), 4.5, ink);
                ui.add(egui::Label::new(RichText::new(as_sentence(what)).color(text)).wrap());
            });
            if !advice.is_empty() {
                ui.vertical(|ui| ui.add(egui::Label::new(RichText::new(advice).color(text)).wrap()));
            }
            ui.horizontal_wrapped(|ui| add(ui));
            if !details.is_empty() {
                details_ui(ui, what, details);
            }
        },
    );
}

/// The banner of what went wrong, in the language that is spoken.
pub fn failure_ui(ui: &mut Ui, failure: &Failure) {
    banner_ui(ui, Level::Bad, &tell(&failure.what), &tell(&failure.advice), "", |_| {});
}

/// Technical text, folded away, to be copied.
pub fn details_ui(ui: &mut Ui, about: &str, details: &str) {
    egui::CollapsingHeader::new(RichText::new(crate::t!("frame.details")).small()).id_salt(("details", about)).show(
        ui,
        |ui| {
            ui.add(egui::Label::new(RichText::new(details).monospace()).wrap().selectable(true));
            if ui.button(crate::t!("frame.copy")).clicked() {
                ui.ctx().copy_text(details.to_owned());
            }
        },
    );
}

/// Height of large choices beside each other: the longest of their notes has room in a column of this width.
pub fn big_choice_height(ui: &Ui, width: f32, notes: &[&str]) -> f32 {
    let font = |style: egui::TextStyle| style.resolve(ui.style());
    let room = width - 2.0 * theme::GAP;
    let lines = |text: &str, style| ui.painter().layout(text.to_owned(), font(style), Color32::WHITE, room).size().y;
    let notes = notes.iter().map(|note| lines(note, egui::TextStyle::Body)).fold(0.0, f32::max);
    (30.0 + lines("…", theme::title()) + 6.0 + notes + 2.0 * theme::GAP).max(132.0)
}

/// A large choice on an empty screen.
pub fn big_choice_ui(ui: &mut Ui, icon: Icon, (title, note): (&str, &str), height: f32) -> Response {
    let t = tokens(ui);
    let width = ui.available_width();
    let (rect, response) = ui.allocate_exact_size(vec2(width, height), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, title));
    let lit = response.hovered() || response.has_focus();
    let stroke = Stroke::new(if lit { 1.5 } else { 1.0 }, if lit { t.accent } else { t.border });
    ui.painter().rect(rect, CornerRadius::same(theme::CARD_RADIUS), t.surface, stroke, egui::StrokeKind::Inside);
    // Painted, not added: the button is what a screen reader and a test should find.
    let inner = rect.shrink(theme::GAP);
    let font = |style: egui::TextStyle| style.resolve(ui.style());
    let ink = if lit { t.accent } else { t.text };
    icon::paint(ui.painter(), inner.min + vec2(8.0, 10.0), icon, t.accent);
    let top = inner.min + vec2(0.0, 30.0);
    let title = ui.painter().layout(title.to_owned(), font(theme::title()), ink, inner.width());
    let below = top + vec2(0.0, title.size().y + 6.0);
    let note = ui.painter().layout(note.to_owned(), font(egui::TextStyle::Body), t.muted, inner.width());
    ui.painter().galley(top, title, ink);
    ui.painter().galley(below, note, t.muted);
    response
}

/// Draws the words of an empty place: one sentence, one line of advice.
pub fn empty_ui(ui: &mut Ui, what: &str, advice: &str) {
    let t = tokens(ui);
    ui.add_space(28.0);
    ui.vertical_centered(|ui| {
        ui.label(RichText::new(what).text_style(theme::title()));
        ui.label(RichText::new(advice).color(t.muted));
    });
    ui.add_space(28.0);
}

/// Heading of a screen, with room for buttons at the right.
pub fn heading_ui(ui: &mut Ui, title: &str, note: &str, right: impl FnOnce(&mut Ui)) {
    let t = tokens(ui);
    let size = vec2(ui.available_width(), 34.0);
    // The buttons have to be there: the title takes what they leave.
    ui.allocate_ui_with_layout(size, egui::Layout::right_to_left(egui::Align::Center), |ui| {
        right(ui);
        ui.with_layout(egui::Layout::top_down(egui::Align::Min), |ui| {
            ui.spacing_mut().item_spacing.y = 2.0;
            ui.add(egui::Label::new(RichText::new(title).heading()).truncate());
            if !note.is_empty() {
                ui.add(egui::Label::new(RichText::new(note).color(t.muted)).wrap());
            }
        });
    });
    ui.add_space(theme::SMALL_GAP);
}

/// A bar that is filled so far, 0 to 1.
pub fn progress_ui(ui: &mut Ui, share: f32, label: &str) -> Response {
    let t = tokens(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 8.0), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::ProgressIndicator, true, label));
    let radius = CornerRadius::same(4);
    ui.painter().rect_filled(rect, radius, t.raised);
    let mut done = rect;
    done.set_width(rect.width() * share.clamp(0.0, 1.0));
    if done.width() > 1.0 {
        ui.painter().rect_filled(done, radius, t.accent);
    }
    response
}
