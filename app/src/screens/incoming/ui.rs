//! The question about an adapter that was dropped onto the window or opened with it: what it is, whether it fits a model,
//! what a probe says, and whether it becomes a run.

use std::path::{Path, PathBuf};

use egui::{RichText, ScrollArea, Ui};
use engine::bundle::Manifest;
use engine::nn::positions::PositionConvention;
use engine::protocol::{ProbeReport, ProbeVerdict};

use super::action::IncomingAction;
use super::experiment_card::experiment_ui;
use super::state::OpenedAdapter;
use crate::action::{Action, Pick};
use crate::format;
use crate::home::typed;
use crate::i18n;
use crate::state::State;
use crate::state::notices::Level;
use crate::store::Access;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::{primary_ui, quiet_ui};
use crate::widgets::containers::{banner_ui, fact_ui, failure_ui, modal_frame};
use crate::widgets::field;

/// Typed model and ticked box for an adapter that was sent.
#[derive(Debug, Default)]
pub struct Incoming {
    model: String,
    other_base: bool,
    /// Adapter and base model that the field was filled for.
    of: Option<(PathBuf, Option<PathBuf>)>,
}

impl Incoming {
    /// Takes in a model that was chosen in a dialog.
    pub fn picked(&mut self, path: &Path) {
        self.model = path.display().to_string();
    }

    /// Draws the question, if there is one.
    pub fn ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        experiment_ui(ui, state, out);
        let Some(sent) = &state.incoming.sent else { return };
        let of = (sent.path.clone(), sent.model.clone());
        if self.of.as_ref() != Some(&of) {
            self.model = sent.model.as_ref().map(|model| model.display().to_string()).unwrap_or_default();
            self.other_base = false;
            self.of = Some(of);
        }
        let modal = egui::Modal::new(egui::Id::unique("incoming")).frame(modal_frame(ui)).show(ui.ctx(), |ui| {
            ui.set_width(560.0);
            ui.label(RichText::new(t!("incoming.title")).text_style(theme::title()));
            let path = RichText::new(sent.path.display().to_string()).small().color(tokens(ui).muted);
            ui.add(egui::Label::new(path).truncate());
            ui.add_space(theme::SMALL_GAP);
            ScrollArea::vertical().max_height(380.0).show(ui, |ui| self.body_ui(ui, state, sent, out));
            ui.add_space(theme::SMALL_GAP);
            self.buttons_ui(ui, state, sent, out);
        });
        if modal.should_close() {
            out.push(Action::Incoming(IncomingAction::PutAway));
        }
    }

    fn body_ui(&mut self, ui: &mut Ui, state: &State, sent: &OpenedAdapter, out: &mut Vec<Action>) {
        let edit = field::field_ui(ui, t!("incoming.model"), t!("incoming.model_help"), None, |ui| {
            field::path_ui(ui, &mut self.model, t!("model.hint"), t!("incoming.browse_model"))
        });
        if edit.browse {
            out.push(Action::Browse(Pick::IncomingModel));
        }
        let typed = typed(&self.model);
        let other = !self.model.trim().is_empty() && sent.model.as_ref() != Some(&typed);
        if other && quiet_ui(ui, true, t!("incoming.look_again")).clicked() {
            out.push(Action::Incoming(IncomingAction::HoldAgainst(typed)));
        }
        if let Some(failure) = sent.failure() {
            failure_ui(ui, failure);
        }
        let Some(found) = &sent.found else {
            if sent.is_busy() {
                ui.horizontal(|ui| {
                    ui.spinner();
                    ui.label(t!("incoming.looking"));
                });
            }
            return;
        };
        ui.add(egui::Label::new(i18n::told(&found.sentence)).wrap());
        if found.n_virtual > 0 {
            fact_ui(ui, t!("incoming.n_virtual"), &found.n_virtual.to_string());
        }
        let positions = match found.positions {
            PositionConvention::Shifted => t!("incoming.shifted"),
            PositionConvention::Unshifted => t!("incoming.unshifted"),
            PositionConvention::Infix => t!("incoming.infix"),
        };
        fact_ui(ui, t!("incoming.positions"), positions);
        if let Some(about) = &found.about {
            about_ui(ui, about);
        }
        if let Some(reason) = &found.other_base {
            banner_ui(ui, Level::Warn, &i18n::tell(reason), t!("incoming.other_base_advice"), "", |_| {});
            ui.checkbox(&mut self.other_base, t!("incoming.other_base"));
        }
        if let Some(probe) = &sent.probe {
            probe_ui(ui, probe);
        } else if sent.phase().is_some() && sent.is_busy() {
            ui.horizontal(|ui| {
                ui.spinner();
                ui.label(t!("incoming.probing"));
            });
        }
        if let Access::ReadOnly(why) = &state.env.access {
            ui.label(RichText::new(i18n::tell(why)).color(tokens(ui).muted));
        }
    }

    fn buttons_ui(&self, ui: &mut Ui, state: &State, sent: &OpenedAdapter, out: &mut Vec<Action>) {
        let idle = !sent.is_busy();
        let accepted = sent.found.as_ref().is_some_and(|found| found.other_base.is_none() || self.other_base);
        let writable = matches!(state.env.access, Access::ReadWrite);
        ui.horizontal(|ui| {
            if primary_ui(ui, idle && accepted && writable && sent.model.is_some(), t!("incoming.import")).clicked() {
                out.push(Action::Incoming(IncomingAction::Import { other_base: self.other_base }));
            }
            let probeable = idle && sent.found.is_some() && sent.model.is_some();
            if quiet_ui(ui, probeable, t!("incoming.probe")).on_hover_text(t!("incoming.probe_help")).clicked() {
                out.push(Action::Incoming(IncomingAction::Probe));
            }
            if quiet_ui(ui, !sent.is_becoming(), t!("frame.cancel")).clicked() {
                out.push(Action::Incoming(IncomingAction::PutAway));
            }
        });
    }
}

/// Facts that a file of ours carries beside its numbers: base, loss, samples, card.
fn about_ui(ui: &mut Ui, about: &Manifest) {
    let fingerprint: String = about.base.fingerprint.chars().take(12).collect();
    let base = t!("incoming.base_is", name = about.base.name, kind = about.base.architecture, hash = fingerprint);
    fact_ui(ui, t!("incoming.base"), &base);
    if let Some(figures) = &about.figures {
        fact_ui(ui, t!("incoming.loss"), &format::figure(figures.loss));
    }
    let muted = tokens(ui).muted;
    for sample in &about.samples {
        let line = t!("incoming.says", prompt = sample.prompt.trim(), text = sample.text.trim());
        ui.add(egui::Label::new(RichText::new(line).color(muted)).wrap());
    }
    if !about.card.is_empty() {
        ui.add(egui::Label::new(about.card.trim()).wrap().selectable(true));
    }
}

fn probe_ui(ui: &mut Ui, probe: &ProbeReport) {
    let (level, verdict) = match probe.verdict() {
        ProbeVerdict::AsTheSender => (Level::Good, t!("incoming.as_sender")),
        ProbeVerdict::NotAsTheSender => (Level::Bad, t!("incoming.not_as_sender")),
        ProbeVerdict::DoesSomething => (Level::Good, t!("incoming.does_something")),
        ProbeVerdict::DoesNothing => (Level::Warn, t!("incoming.does_nothing")),
    };
    let from_base = format!("{:.3}", probe.from_base);
    let figures = match probe.from_sender {
        Some(difference) => {
            t!("incoming.from_sender", rows = probe.rows, difference = format!("{difference:.1e}"), base = from_base)
        }
        None => t!("incoming.from_base", rows = probe.rows, base = from_base),
    };
    banner_ui(ui, level, verdict, &figures, "", |_| {});
}
