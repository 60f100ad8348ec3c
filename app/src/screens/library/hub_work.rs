//! Work with the hub: a model is being looked up, its files wait with their sizes for a press, or they arrive.

use egui::{RichText, Ui};
use engine::hub::{HubProgress, Listing};

use super::action::LibraryAction;
use crate::action::Action;
use crate::format;
use crate::state::State;
use crate::state::hub::HubWork;
use crate::state::notices::Level;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::{bold_ui, quiet_ui};
use crate::widgets::containers::{
    banner_ui, card_frame, chip_ui, chips_ui, fact_ui, failure_ui, plain_chip_ui, progress_ui,
};

/// Draws it, and what went wrong last.
pub fn hub_work_ui(ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
    if let Some(failure) = &state.hub.failure {
        failure_ui(ui, failure);
    }
    match &state.hub.work {
        HubWork::Idle => {}
        HubWork::LookingUp(id) => looking_ui(ui, &id.to_string(), out),
        HubWork::Listed(listing) => listed_ui(ui, listing, out),
        HubWork::Fetching { listing, progress, stopping } => fetching_ui(ui, listing, progress, *stopping, out),
    }
}

fn looking_ui(ui: &mut Ui, id: &str, out: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        ui.spinner();
        ui.label(RichText::new(t!("hub.looking", name = id)).color(tokens(ui).muted));
        if quiet_ui(ui, true, t!("hub.give_up")).clicked() {
            out.push(Action::Library(LibraryAction::CancelDownload));
        }
    });
}

fn listed_ui(ui: &mut Ui, listing: &Listing, out: &mut Vec<Action>) {
    inset_ui(ui, |ui| {
        head_ui(ui, listing);
        for file in &listing.files {
            let size = match file.here_bytes {
                0 => format::bytes(file.bytes),
                here if here >= file.bytes => t!("hub.file_here", size = format::bytes(file.bytes)),
                here => t!("hub.file_part", size = format::bytes(file.bytes), here = format::bytes(here)),
            };
            fact_ui(ui, &file.name, &size);
        }
        ui.separator();
        fact_ui(ui, t!("hub.total"), &format::bytes(listing.total_bytes()));
        let (missing, free) = (listing.missing_bytes(), listing.free_bytes);
        fact_ui(ui, t!("hub.free"), &free.map_or_else(|| t!("settings.unknown").to_owned(), format::bytes));
        let room = free.is_none_or(|free| free >= missing);
        if !room {
            banner_ui(ui, Level::Warn, t!("hub.no_room"), t!("hub.no_room_advice"), "", |_| {});
        }
        ui.horizontal(|ui| {
            let label = match missing {
                0 => t!("hub.add_here", name = listing.id),
                bytes => t!("hub.download", size = format::bytes(bytes)),
            };
            if bold_ui(ui, room, &label).on_hover_text(listing.folder.display().to_string()).clicked() {
                out.push(Action::Library(LibraryAction::Download));
            }
            if quiet_ui(ui, true, t!("hub.not_now")).clicked() {
                out.push(Action::Library(LibraryAction::CancelDownload));
            }
        });
    });
}

fn fetching_ui(ui: &mut Ui, listing: &Listing, progress: &HubProgress, stopping: bool, out: &mut Vec<Action>) {
    inset_ui(ui, |ui| {
        head_ui(ui, listing);
        let share = progress.bytes as f32 / progress.total_bytes.max(1) as f32;
        progress_ui(ui, share, t!("hub.progress"));
        let (done, total) = (format::bytes(progress.bytes), format::bytes(progress.total_bytes));
        let mut figures = t!("hub.done", done = done, total = total);
        if progress.bytes_per_sec > 0.0 {
            let left = progress.total_bytes.saturating_sub(progress.bytes) as f64 / progress.bytes_per_sec;
            let speed = format::bytes(progress.bytes_per_sec as u64);
            figures += &format!(" · {}", t!("hub.speed", speed = speed, left = format::duration(left)));
        }
        ui.label(RichText::new(figures).text_style(theme::small_number()));
        ui.label(RichText::new(&progress.file).small().color(tokens(ui).muted));
        let label = if stopping { t!("hub.stopping") } else { t!("hub.cancel") };
        if quiet_ui(ui, !stopping, label).on_hover_text(t!("hub.cancel_help")).clicked() {
            out.push(Action::Library(LibraryAction::CancelDownload));
        }
    });
}

fn head_ui(ui: &mut Ui, listing: &Listing) {
    ui.label(RichText::new(listing.id.to_string()).color(tokens(ui).text));
    chips_ui(ui, |ui| {
        if let Some(kind) = &listing.model_type {
            plain_chip_ui(ui, kind);
        }
        plain_chip_ui(ui, &listing.endpoint);
        plain_chip_ui(ui, &t!("hub.commit", commit = listing.commit.chars().take(10).collect::<String>()));
        if listing.gated {
            chip_ui(ui, Level::Warn, t!("hub.gated")).on_hover_text(t!("hub.gated_help"));
        }
    });
}

fn inset_ui(ui: &mut Ui, add: impl FnOnce(&mut Ui)) {
    card_frame(ui).fill(tokens(ui).background).inner_margin(12).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.vertical(add);
    });
}
