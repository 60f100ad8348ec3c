//! The bar at the top: where one is, what is computed, on which device, and what happened.

use egui::{Align, Layout, Popup, PopupCloseBehavior, RichText, ScrollArea, Ui};

use super::action::FrameAction;
use super::commands::UiCommand;
use super::rail;
use crate::action::{Action, Screen};
use crate::format;
use crate::screens::experiment;
use crate::state::State;
use crate::state::history::Way;
use crate::state::notices::Level;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::small_ui;
use crate::widgets::containers::chip_ui;
use crate::widgets::icon::{self, Icon};

/// Draws the bar.
pub fn top_bar_ui(ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
    ui.horizontal_centered(|ui| {
        way_ui(ui, state, Way::Back, out);
        way_ui(ui, state, Way::Forward, out);
        // What has to be there first: the name of a run takes what is left.
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            bell_ui(ui, state, out);
            device_ui(ui, state, out);
            queue_ui(ui, state, out);
            frame_times_ui(ui, state);
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| breadcrumb_ui(ui, state, out));
        });
    });
}

/// A button to where one was; the mouse has one too.
fn way_ui(ui: &mut Ui, state: &State, way: Way, out: &mut Vec<Action>) {
    let (icon, button) = match way {
        Way::Back => (Icon::Left, egui::PointerButton::Extra1),
        Way::Forward => (Icon::Right, egui::PointerButton::Extra2),
    };
    let command = UiCommand::Go(way);
    let leads = state.history.leads(way);
    let t = tokens(ui);
    let response = ui.add_enabled(leads, egui::Button::new("   ").frame(false).min_size(egui::vec2(24.0, 24.0)));
    let ink = if leads { t.muted } else { theme::blend(t.chrome, t.faint, 0.5) };
    icon::paint(ui.painter(), response.rect.center(), icon, ink);
    let name = command.name(state);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::accesskit::Role::Button, leads, &name));
    let is_pressed = ui.input(|input| input.pointer.button_pressed(button));
    let response = response.on_hover_text(format!("{name}   {}", command.keys(ui.ctx())));
    if leads && (response.clicked() || is_pressed) {
        out.push(Action::Frame(FrameAction::Go(way)));
    }
}

/// Times of the frames of the last second, where somebody wants to see them.
fn frame_times_ui(ui: &mut Ui, state: &State) {
    let Some(frames) = state.env.frames.summary().filter(|_| state.settings.frame_times) else { return };
    let ms = |secs: f32| format!("{:.1}", secs * 1e3);
    let line = t!("frame.times", median = ms(frames.median_secs), worst = ms(frames.worst_secs));
    let text = RichText::new(line).text_style(theme::small_number()).color(tokens(ui).muted);
    ui.label(text).on_hover_text(t!("frame.times_help", n = frames.frames));
}

fn breadcrumb_ui(ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
    let t = tokens(ui);
    let shown = matches!(state.screen, Screen::Training | Screen::Explorer);
    let row = state.runs.view.as_ref().filter(|_| shown).and_then(|view| view.row.as_ref());
    match row {
        None => {
            ui.label(RichText::new(rail::name(state.screen)).color(t.muted));
        }
        Some(row) => {
            let back = egui::Link::new(RichText::new(t!("frame.all_runs")).color(t.muted));
            if ui.add(back).clicked() {
                out.push(Action::Show(Screen::Runs));
            }
            ui.label(RichText::new("›").color(t.faint));
            ui.add(egui::Label::new(RichText::new(row.title()).color(t.muted)).truncate());
        }
    }
}

fn queue_ui(ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
    let (running, waiting) = (state.live.running.len(), state.live.queue.len());
    let text = match (running, waiting) {
        (0, 0) => t!("frame.idle").to_owned(),
        (_, waiting) if state.live.held => t!("queue.held_n", n = waiting),
        (running, 0) => t!("frame.running", n = running),
        (running, waiting) => t!("frame.running_queued", n = running, m = waiting),
    };
    let ink = if running > 0 { tokens(ui).good } else { tokens(ui).muted };
    let button = ui.button(RichText::new(text).small().color(ink)).on_hover_text(t!("frame.queue_help"));
    Popup::menu(&button).width(440.0).close_behavior(PopupCloseBehavior::CloseOnClickOutside).show(|ui| {
        ScrollArea::vertical()
            .max_height(480.0)
            .min_scrolled_height(480.0)
            .show(ui, |ui| experiment::queue_ui(ui, state, out));
    });
}

fn device_ui(ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
    let device = state.device(state.settings.device);
    let name = device.map_or_else(|| state.settings.device.to_string(), |device| device.name.clone());
    let short = format::shortened(&name, 30);
    let button = ui.button(RichText::new(short).small().color(tokens(ui).muted)).on_hover_ui(|ui| {
        ui.label(t!("frame.device_help"));
        if let Some(device) = device {
            ui.label(RichText::new(format!("{} · {}", device.name, device.api)).small());
        }
    });
    if button.clicked() {
        out.push(Action::Show(Screen::Settings));
    }
    if device.is_some_and(|device| device.software) {
        chip_ui(ui, Level::Warn, t!("settings.software"));
    }
}

fn bell_ui(ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
    let unread = state.notices.unread;
    let label = if unread == 0 { "      ".to_owned() } else { format!("       {unread}") };
    let ink = if unread == 0 { tokens(ui).muted } else { tokens(ui).accent };
    let button = ui.button(RichText::new(label).small().color(ink));
    icon::paint(ui.painter(), button.rect.left_center() + egui::vec2(20.0, 0.0), Icon::Bell, ink);
    button.widget_info(|| egui::WidgetInfo::labeled(egui::accesskit::Role::Button, true, t!("frame.notices")));
    if button.clicked() {
        out.push(Action::Frame(FrameAction::NoticesSeen));
    }
    Popup::menu(&button).width(420.0).close_behavior(PopupCloseBehavior::CloseOnClickOutside).show(|ui| {
        if state.notices.is_empty() {
            ui.label(RichText::new(t!("frame.no_notices")).color(tokens(ui).muted));
            return;
        }
        ScrollArea::vertical().max_height(420.0).min_scrolled_height(420.0).show(ui, |ui| {
            for notice in state.notices.newest() {
                notice_ui(ui, notice, state.env.now, true);
                let offer = notice.offer.as_ref().and_then(|offer| offer.action(state));
                if let Some((label, action)) = offer
                    && small_ui(ui, label).clicked()
                {
                    out.push(action);
                }
            }
        });
        if ui.button(t!("frame.clear_notices")).clicked() {
            out.push(Action::Frame(FrameAction::ClearNotices));
        }
    });
}

/// One line of the list behind the bell, and of the toasts.
pub(super) fn notice_ui(ui: &mut Ui, notice: &crate::state::notices::Notice, now: f64, selectable: bool) {
    let t = tokens(ui);
    let (ink, _) = notice.level.colors(ui);
    ui.horizontal_top(|ui| {
        let (mark, _) = ui.allocate_exact_size(egui::vec2(10.0, 20.0), egui::Sense::empty());
        ui.painter().circle_filled(mark.center(), 4.0, ink);
        ui.vertical(|ui| {
            ui.spacing_mut().item_spacing.y = 2.0;
            ui.add(egui::Label::new(&notice.what).wrap().selectable(selectable));
            if !notice.advice.is_empty() {
                ui.add(egui::Label::new(RichText::new(&notice.advice).small().color(t.muted)).wrap());
            }
            ui.label(RichText::new(format::ago(notice.at, now)).small().color(t.faint));
        });
    });
}
