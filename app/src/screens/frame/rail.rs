//! The rail at the left: the screens.

use egui::accesskit::Role;
use egui::{Align2, CornerRadius, FontId, RichText, Sense, Ui, WidgetInfo, vec2};

use super::commands::UiCommand;
use crate::action::{Action, Screen};
use crate::state::State;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::icon::{self, Icon};

/// A screen's name.
pub(super) fn name(screen: Screen) -> &'static str {
    match screen {
        Screen::Runs => t!("screen.runs"),
        Screen::NewRun => t!("screen.new_run"),
        Screen::Training => t!("screen.training"),
        Screen::Compare => t!("screen.compare"),
        Screen::Evaluate => t!("screen.evaluate"),
        Screen::Explorer => t!("screen.explorer"),
        Screen::Library => t!("screen.library"),
        Screen::Settings => t!("screen.settings"),
    }
}

fn icon_of(screen: Screen) -> Icon {
    match screen {
        Screen::Runs => Icon::Rows,
        Screen::NewRun => Icon::Plus,
        Screen::Training => Icon::Curve,
        Screen::Compare => Icon::Columns,
        Screen::Evaluate => Icon::Scores,
        Screen::Explorer => Icon::Grid,
        Screen::Library => Icon::Shelf,
        Screen::Settings => Icon::Sliders,
    }
}

/// Draws the rail, with icons only if it is to be narrow.
pub fn rail_ui(ui: &mut Ui, state: &State, narrow: bool, out: &mut Vec<Action>) {
    let t = tokens(ui);
    ui.add_space(14.0);
    ui.horizontal(|ui| {
        ui.add_space(8.0);
        let (mark, _) = ui.allocate_exact_size(vec2(18.0, 18.0), Sense::empty());
        for (i, share) in [1.0, 0.6, 0.3].into_iter().enumerate() {
            let slot = egui::Rect::from_min_size(mark.min + vec2(i as f32 * 6.5, 1.0), vec2(4.5, 16.0));
            ui.painter().rect_filled(slot, CornerRadius::same(2), theme::blend(t.chrome, t.accent, share));
        }
        if !narrow {
            ui.label(RichText::new("Prefix Workbench").size(14.5).color(t.text));
        }
    });
    ui.add_space(18.0);
    ui.spacing_mut().item_spacing.y = 3.0;
    for screen in Screen::ALL {
        let response = item_ui(ui, screen, state, narrow);
        if response.clicked() {
            out.push(Action::Show(screen));
        }
        response.on_hover_text(format!("{}   {}", name(screen), UiCommand::Show(screen).keys(ui.ctx())));
    }
}

fn item_ui(ui: &mut Ui, screen: Screen, state: &State, narrow: bool) -> egui::Response {
    let t = tokens(ui);
    let chosen = state.screen == screen;
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 36.0), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Tab, true, chosen, name(screen)));
    let fill = match (chosen, response.hovered() || response.has_focus()) {
        (true, _) => t.accent_soft,
        (false, true) => t.hover,
        (false, false) => t.chrome,
    };
    let ink = if chosen { t.accent } else { t.muted };
    let painter = ui.painter();
    painter.rect_filled(rect, CornerRadius::same(8), fill);
    let middle = rect.left_center();
    icon::paint(painter, middle + vec2(20.0, 0.0), icon_of(screen), ink);
    let text = if chosen { t.accent } else { t.text };
    if !narrow {
        painter.text(middle + vec2(40.0, 0.0), Align2::LEFT_CENTER, name(screen), FontId::proportional(14.5), text);
    }
    if screen == Screen::Training && !state.live.running.is_empty() {
        let inset = if narrow { vec2(5.0, 9.0) } else { vec2(14.0, 0.0) };
        painter.circle_filled(rect.right_center() - inset, 4.0, t.good);
    }
    response
}
