//! Buttons of three weights, and a row of choices.

use egui::accesskit::Role;
use egui::{Button, Context, CornerRadius, Id, Response, RichText, Stroke, Ui, WidgetInfo};

use crate::theme::{self, tokens};

/// The one thing to press on a screen; also done by the keys of [`press_main`].
pub fn primary_ui(ui: &mut Ui, enabled: bool, label: &str) -> Response {
    let response = bold_ui(ui, enabled, label);
    as_main(ui.ctx(), enabled, label, response)
}

/// The same over the whole width.
pub fn primary_wide_ui(ui: &mut Ui, enabled: bool, label: &str) -> Response {
    let size = egui::vec2(ui.available_width(), 38.0);
    let button = bold(ui, enabled, label);
    let response = ui.add_enabled_ui(enabled, |ui| ui.add_sized(size, button)).inner;
    as_main(ui.ctx(), enabled, label, response)
}

/// A button that looks like the main one and is pressed by itself alone: it costs something.
pub fn bold_ui(ui: &mut Ui, enabled: bool, label: &str) -> Response {
    let button = bold(ui, enabled, label).min_size(egui::vec2(96.0, 34.0));
    ui.add_enabled(enabled, button)
}

fn bold<'a>(ui: &Ui, enabled: bool, label: &str) -> Button<'a> {
    let t = tokens(ui);
    let text = RichText::new(label).color(if enabled { t.on_accent } else { t.muted });
    Button::new(text).fill(if enabled { t.accent } else { t.raised }).stroke(Stroke::NONE)
}

/// The main button that was drawn last: in which frame, with what label, and the label that somebody asked to be pressed.
#[derive(Clone, Debug, Default)]
struct MainButton {
    frame: u64,
    label: String,
    wanted: Option<String>,
}

fn of_main<T>(ctx: &Context, with: impl FnOnce(&mut MainButton) -> T) -> T {
    ctx.data_mut(|data| with(data.get_temp_mut_or_default(Id::unique("main button"))))
}

/// Remembers a main button, and presses it if that was asked.
fn as_main(ctx: &Context, enabled: bool, label: &str, mut response: Response) -> Response {
    if enabled {
        let frame = ctx.cumulative_frame_nr();
        let is_wanted = of_main(ctx, |main| {
            if main.frame != frame || main.label != label {
                (main.frame, main.label) = (frame, label.to_owned());
            }
            main.wanted.take_if(|wanted| wanted == label).is_some()
        });
        response.flags.set(egui::response::Flags::FAKE_PRIMARY_CLICKED, is_wanted || response.clicked());
    }
    response
}

/// Label of the main button of what is shown, once it was drawn.
pub fn main_button(ctx: &Context) -> Option<String> {
    let frame = ctx.cumulative_frame_nr();
    of_main(ctx, |main| (main.frame == frame && !main.label.is_empty()).then(|| main.label.clone()))
}

/// Presses that button in the next frame, as Enter would.
pub fn press_main(ctx: &Context) {
    let label = main_button(ctx);
    of_main(ctx, |main| main.wanted = label);
    ctx.request_repaint();
}

/// Something to press beside it.
pub fn quiet_ui(ui: &mut Ui, enabled: bool, label: &str) -> Response {
    ui.add_enabled(enabled, Button::new(label))
}

/// Something to press that belongs to the field above it.
pub fn small_ui(ui: &mut Ui, label: impl Into<String>) -> Response {
    ui.add(Button::new(RichText::new(label).small()).min_size(egui::vec2(0.0, 24.0)))
}

/// Something that cannot be undone.
pub fn danger_ui(ui: &mut Ui, enabled: bool, label: &str) -> Response {
    let t = tokens(ui);
    let text = RichText::new(label).color(t.bad);
    ui.add_enabled(enabled, Button::new(text).fill(t.bad_soft).stroke(Stroke::NONE))
}

/// A word to press inside a text.
pub fn link_ui(ui: &mut Ui, label: &str) -> Response {
    ui.add(egui::Link::new(RichText::new(label).color(tokens(ui).accent)))
}

/// A row of choices of which one holds. `true` if another was taken.
pub fn segmented_ui<T: PartialEq + Copy>(ui: &mut Ui, value: &mut T, choices: &[(T, &str)]) -> bool {
    let t = tokens(ui);
    let mut changed = false;
    egui::Frame::new().fill(t.raised).corner_radius(CornerRadius::same(theme::RADIUS + 1)).inner_margin(2).show(
        ui,
        |ui| {
            ui.spacing_mut().item_spacing.x = 2.0;
            ui.spacing_mut().button_padding.y = 2.0;
            ui.spacing_mut().interact_size.y = 26.0;
            ui.horizontal(|ui| {
                for &(choice, label) in choices {
                    let chosen = *value == choice;
                    let text = RichText::new(label).color(if chosen { t.accent } else { t.muted });
                    let fill = if chosen { t.surface } else { egui::Color32::TRANSPARENT };
                    let button = Button::new(text).fill(fill).stroke(Stroke::NONE).min_size(egui::vec2(0.0, 26.0));
                    let response = ui.add(button);
                    response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, chosen, label));
                    if response.clicked() && !chosen {
                        *value = choice;
                        changed = true;
                    }
                }
            });
        },
    );
    changed
}
