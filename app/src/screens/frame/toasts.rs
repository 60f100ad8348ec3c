//! Toasts: notices of what has just happened, for a few seconds.

use std::time::Duration;

use egui::Ui;

use super::action::FrameAction;
use super::top_bar::notice_ui;
use crate::action::Action;
use crate::state::State;
use crate::widgets::button::quiet_ui;
use crate::widgets::containers::card_frame;

/// Draws them. A press does what is offered, and takes it away.
pub fn toasts_ui(ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
    let mut shown = state.notices.shown(state.env.now).peekable();
    if shown.peek().is_none() {
        return;
    }
    ui.ctx().request_repaint_after(Duration::from_millis(500));
    let area = egui::Area::new(egui::Id::unique("toasts")).anchor(egui::Align2::RIGHT_BOTTOM, [-20.0, -20.0]);
    area.show(ui.ctx(), |ui| {
        ui.set_width(340.0);
        for notice in shown {
            let frame = card_frame(ui).inner_margin(12).shadow(ui.visuals().popup_shadow);
            let offer = notice.offer.as_ref().and_then(|offer| offer.action(state));
            // The card can be pressed beside its button.
            let behind = egui::UiBuilder::new().id_salt(("toast", notice.id)).sense(egui::Sense::CLICK);
            let card = ui.scope_builder(behind, |ui| {
                let inside = |ui: &mut Ui| {
                    ui.set_width(ui.available_width());
                    notice_ui(ui, notice, state.env.now, false);
                    let (label, action) = offer?;
                    quiet_ui(ui, true, label).clicked().then_some(action)
                };
                frame.show(ui, inside).inner
            });
            if card.inner.is_some() || card.response.clicked() {
                out.push(Action::Frame(FrameAction::PutNoticeAway(notice.id)));
            }
            out.extend(card.inner);
        }
    });
}
