//! Banners, on the screen until they are dealt with: who may not write, a failure, an end that waits.

use egui::Ui;

use super::action::FrameAction;
use crate::action::Action;
use crate::i18n::tell;
use crate::state::State;
use crate::state::exit::ExitState;
use crate::state::notices::Level;
use crate::store::Access;
use crate::t;
use crate::theme;
use crate::widgets::button::quiet_ui;
use crate::widgets::containers::banner_ui;

/// Draws the banners.
pub fn banners_ui(ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
    if let Access::ReadOnly(sentence) = &state.env.access {
        banner_ui(ui, Level::Warn, &tell(sentence), "", "", |_| {});
        ui.add_space(theme::SMALL_GAP);
    }
    if let Some(failure) = &state.notices.banner {
        banner_ui(ui, Level::Bad, &tell(&failure.what), &tell(&failure.advice), "", |ui| {
            if quiet_ui(ui, true, t!("banner.dismiss")).clicked() {
                out.push(Action::Frame(FrameAction::DismissBanner));
            }
        });
        ui.add_space(theme::SMALL_GAP);
    }
    if state.leaving == ExitState::WhenDone {
        banner_ui(ui, Level::Info, t!("leave.will_close"), "", "", |ui| {
            if quiet_ui(ui, true, t!("leave.stay")).clicked() {
                out.push(Action::Frame(FrameAction::Leave(ExitState::No)));
            }
        });
        ui.add_space(theme::SMALL_GAP);
    }
}
