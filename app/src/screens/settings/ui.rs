//! The screen *Settings*: language, theme, size, devices, the hub, machines, where things are kept.

use egui::{RichText, ScrollArea, Ui};
use engine::device::{DeviceChoice, DeviceInfo};

use super::action::SettingsAction;
use super::hub::HubSettings;
use super::machines::MachinesSettings;
use crate::action::Action;
use crate::format;
use crate::i18n;
use crate::i18n::Language;
use crate::screens::frame::diagnostics;
use crate::seats;
use crate::settings::{Settings, ZOOMS};
use crate::state::State;
use crate::state::notices::Level;
use crate::t;
use crate::theme::{self, ThemeChoice, tokens};
use crate::widgets::button::{quiet_ui, segmented_ui};
use crate::widgets::containers::{card_frame, card_ui, chip_ui, chips_ui, empty_ui, heading_ui, plain_chip_ui};
use crate::widgets::field;

/// Draws the screen.
pub fn settings_ui(
    ui: &mut Ui,
    (hub, machines): (&mut HubSettings, &mut MachinesSettings),
    state: &State,
    out: &mut Vec<Action>,
) {
    let mut settings = state.settings.clone();
    heading_ui(ui, t!("screen.settings"), "", |_| {});
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        card_ui(ui, t!("settings.looks"), |ui| looks_ui(ui, &mut settings));
        ui.add_space(theme::SMALL_GAP);
        card_ui(ui, t!("settings.devices"), |ui| devices_ui(ui, state, &mut settings, out));
        ui.add_space(theme::SMALL_GAP);
        card_ui(ui, t!("hub.settings_title"), |ui| hub.ui(ui, state, &mut settings, out));
        ui.add_space(theme::SMALL_GAP);
        card_ui(ui, t!("machines.title"), |ui| machines.ui(ui, &mut settings));
        ui.add_space(theme::SMALL_GAP);
        card_ui(ui, t!("settings.workspace"), |ui| workspace_ui(ui, state));
        ui.add_space(theme::SMALL_GAP);
        card_ui(ui, t!("settings.about"), |ui| about_ui(ui, state));
        ui.add_space(theme::GAP);
    });
    if settings != state.settings {
        out.push(Action::Settings(SettingsAction::Keep(Box::new(settings))));
    }
}

fn looks_ui(ui: &mut Ui, settings: &mut Settings) {
    ui.columns(3, |c| {
        field::field_ui(&mut c[0], t!("settings.language"), "", None, |ui| {
            let names = [
                (Language::System, t!("settings.system_language")),
                (Language::English, "English"),
                (Language::Chinese, "中文"),
            ];
            segmented_ui(ui, &mut settings.language, &names)
        });
        field::field_ui(&mut c[1], t!("settings.theme"), "", None, |ui| {
            let names = [
                (ThemeChoice::System, t!("settings.system_theme")),
                (ThemeChoice::Dark, t!("settings.dark")),
                (ThemeChoice::Light, t!("settings.light")),
            ];
            segmented_ui(ui, &mut settings.theme, &names)
        });
        field::field_ui(&mut c[2], t!("settings.zoom"), t!("settings.zoom_help"), None, |ui| {
            let choices: Vec<(f32, String)> =
                ZOOMS.iter().map(|zoom| (*zoom, format!("{:.0} %", zoom * 100.0))).collect();
            field::choice_ui(ui, "zoom", &mut settings.zoom, &choices)
        });
    });
    field::check_ui(ui, &mut settings.frame_times, t!("settings.frame_times"), t!("settings.frame_times_help"));
}

fn devices_ui(ui: &mut Ui, state: &State, settings: &mut Settings, out: &mut Vec<Action>) {
    ui.add(egui::Label::new(RichText::new(t!("settings.devices_note")).color(tokens(ui).muted)).wrap());
    if state.devices().is_empty() {
        empty_ui(ui, t!("settings.looking"), "");
    }
    let label = state
        .device(DeviceChoice::Auto)
        .map_or_else(|| t!("schedule.auto").to_owned(), |device| t!("schedule.auto_is", device = device.name));
    if ui.radio(settings.device == DeviceChoice::Auto, label).clicked() {
        settings.device = DeviceChoice::Auto;
    }
    for device in state.devices() {
        device_ui(ui, device, settings);
    }
    if quiet_ui(ui, true, t!("settings.look_again")).clicked() {
        out.push(Action::Settings(SettingsAction::ListDevices));
    }
    if !state.devices().is_empty() {
        ui.add_space(theme::SMALL_GAP);
        at_once_ui(ui, state.devices(), &mut settings.run_devices);
    }
}

/// One run after the other, or one on each of several devices at the same time.
fn at_once_ui(ui: &mut Ui, devices: &[DeviceInfo], seats: &mut Vec<DeviceChoice>) {
    let mut several = !seats.is_empty();
    let names = [(false, t!("settings.one_at_once")), (true, t!("settings.several_at_once"))];
    field::field_ui(ui, t!("settings.at_once"), t!("settings.at_once_help"), None, |ui| {
        segmented_ui(ui, &mut several, &names);
    });
    if several == seats.is_empty() {
        *seats = if several { seats::suggested(devices) } else { Vec::new() };
    }
    if !several {
        return;
    }
    ui.add(egui::Label::new(RichText::new(t!("settings.at_once_note")).color(tokens(ui).muted)).wrap());
    for device in devices {
        let before = seats.iter().filter(|seat| **seat == device.choice).count();
        let (mut is_seat, mut n) = (before > 0, before);
        ui.horizontal_wrapped(|ui| {
            let usable = is_seat || device.trouble.is_none();
            let name = format!("{} ({})", device.name, device.api);
            ui.add_enabled(usable, egui::Checkbox::new(&mut is_seat, t!("settings.runs_on", device = name)));
            if device.choice == DeviceChoice::Cpu && is_seat {
                let counts: Vec<(usize, String)> =
                    (1..=seats::MOST_ON_CPU).map(|n| (n, t!("settings.n_runs", n = n))).collect();
                let names: Vec<(usize, &str)> = counts.iter().map(|(n, name)| (*n, name.as_str())).collect();
                n = n.max(1);
                segmented_ui(ui, &mut n, &names);
            }
        });
        let after = if is_seat { n.max(1) } else { 0 };
        if after != before {
            seats::set(seats, device.choice, after, devices);
        }
    }
}

fn device_ui(ui: &mut Ui, device: &DeviceInfo, settings: &mut Settings) {
    let t = tokens(ui);
    card_frame(ui).fill(t.background).inner_margin(12).show(ui, |ui| {
        ui.set_width(ui.available_width());
        let name = format!("{} ({})", device.name, device.api);
        if ui.radio(settings.device == device.choice, name).clicked() {
            settings.device = device.choice;
        }
        chips_ui(ui, |ui| {
            ui.add_space(22.0);
            plain_chip_ui(ui, &device.choice.to_string());
            let memory = device.memory_bytes.map_or_else(|| t!("settings.unknown").to_owned(), format::bytes);
            plain_chip_ui(ui, &t!("settings.memory", memory = memory));
            if let Some(limit) = device.largest_binding_bytes {
                plain_chip_ui(ui, &t!("settings.binding", limit = format::bytes(limit)));
            }
            if device.software {
                chip_ui(ui, Level::Warn, t!("settings.software")).on_hover_text(t!("settings.software_help"));
            }
            if let Some(trouble) = &device.trouble {
                let help = t!("settings.fails_help", trouble = i18n::tell(trouble));
                chip_ui(ui, Level::Bad, t!("settings.fails")).on_hover_text(help);
            }
        });
    });
}

fn workspace_ui(ui: &mut Ui, state: &State) {
    let path = state.env.workspace.display().to_string();
    ui.horizontal_wrapped(|ui| {
        ui.add(egui::Label::new(RichText::new(&path).monospace()).selectable(true));
        if ui.button(t!("settings.copy_path")).clicked() {
            ui.ctx().copy_text(path.clone());
        }
    });
    ui.add(egui::Label::new(RichText::new(t!("settings.workspace_note")).color(tokens(ui).muted)).wrap());
}

fn about_ui(ui: &mut Ui, state: &State) {
    ui.label(concat!("Prefix Workbench ", env!("CARGO_PKG_VERSION")));
    ui.add(egui::Label::new(RichText::new(t!("settings.offline")).color(tokens(ui).muted)).wrap());
    if ui.button(t!("settings.copy_diagnostics")).clicked() {
        ui.ctx().copy_text(diagnostics::text(state));
    }
}
