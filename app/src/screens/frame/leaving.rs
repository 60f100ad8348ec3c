//! The question when the window is closed while runs go on.

use egui::{RichText, Ui};

use super::action::FrameAction;
use crate::action::Action;
use crate::state::State;
use crate::state::exit::ExitState;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::{primary_ui, quiet_ui};
use crate::widgets::containers::modal_frame;

/// Draws the question, if it is asked.
pub fn leaving_ui(ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
    if !matches!(state.leaving, ExitState::Asking | ExitState::WhenStopped) {
        return;
    }
    let modal = egui::Modal::new(egui::Id::unique("leaving")).frame(modal_frame(ui)).show(ui.ctx(), |ui| {
        ui.set_width(440.0);
        if state.leaving == ExitState::WhenStopped {
            ui.horizontal(|ui| {
                ui.spinner();
                ui.label(t!("leave.saving"));
            });
            return;
        }
        ui.label(RichText::new(t!("leave.title")).text_style(theme::title()));
        ui.add(egui::Label::new(RichText::new(t!("leave.note")).color(tokens(ui).muted)).wrap());
        ui.add_space(theme::SMALL_GAP);
        ui.horizontal(|ui| {
            if primary_ui(ui, true, t!("leave.keep")).on_hover_text(t!("leave.keep_help")).clicked() {
                out.push(Action::Frame(FrameAction::Leave(ExitState::WhenDone)));
            }
            if quiet_ui(ui, true, t!("leave.quit")).on_hover_text(t!("leave.quit_help")).clicked() {
                out.push(Action::Frame(FrameAction::Leave(ExitState::WhenStopped)));
            }
            if quiet_ui(ui, true, t!("frame.cancel")).clicked() {
                out.push(Action::Frame(FrameAction::Leave(ExitState::No)));
            }
        });
    });
    if state.leaving == ExitState::Asking && modal.should_close() {
        out.push(Action::Frame(FrameAction::Leave(ExitState::No)));
    }
}
