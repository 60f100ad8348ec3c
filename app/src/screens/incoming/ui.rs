//! The question about an adapter that was dropped onto the window or opened with it: what it is, whether it fits a model,
//! what a probe says, and whether it becomes a run.

use std::path::{Path, PathBuf};

use egui::{RichText, ScrollArea, Ui};
use engine::adapters::single_file::About;
use engine::nn::positions::Positions;
use engine::protocol::{ProbeReport, ProbeVerdict};

use super::action::IncomingAction;
use super::state::Incoming as Sent;
use crate::action::{Action, Pick};
use crate::home::typed;
use crate::say;
use crate::state::State;
use crate::state::notices::Level;
use crate::store::Access;
use crate::text;
use crate::theme::{self, tokens};
use crate::widgets::button::{primary_ui, quiet_ui};
use crate::widgets::field;
use crate::widgets::surface::{banner_ui, fact_ui, failure_ui, modal_frame};

/// What is being typed and ticked.
#[derive(Debug, Default)]
pub struct Incoming {
    model: String,
    other_base: bool,
    /// What the field was filled for.
    of: Option<(PathBuf, Option<PathBuf>)>,
}

impl Incoming {
    /// Takes in a model that was chosen in a dialog.
    pub fn picked(&mut self, path: &Path) {
        self.model = path.display().to_string();
    }

    /// Draws the question, if there is one.
    pub fn ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let Some(sent) = &state.incoming.sent else { return };
        let of = (sent.path.clone(), sent.model.clone());
        if self.of.as_ref() != Some(&of) {
            self.model = sent.model.as_ref().map(|model| model.display().to_string()).unwrap_or_default();
            self.other_base = false;
            self.of = Some(of);
        }
        let modal = egui::Modal::new(egui::Id::unique("incoming")).frame(modal_frame(ui)).show(ui.ctx(), |ui| {
            ui.set_width(560.0);
            ui.label(RichText::new(say!("incoming.title")).text_style(theme::title()));
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

    fn body_ui(&mut self, ui: &mut Ui, state: &State, sent: &Sent, out: &mut Vec<Action>) {
        let edit = field::field_ui(ui, say!("incoming.model"), say!("incoming.model_help"), None, |ui| {
            field::path_ui(ui, &mut self.model, say!("model.hint"), say!("incoming.browse_model"))
        });
        if edit.browse {
            out.push(Action::Browse(Pick::IncomingModel));
        }
        let typed = typed(&self.model);
        let other = !self.model.trim().is_empty() && sent.model.as_ref() != Some(&typed);
        if other && quiet_ui(ui, true, say!("incoming.look_again")).clicked() {
            out.push(Action::Incoming(IncomingAction::HoldAgainst(typed)));
        }
        if let Some(failure) = sent.failure() {
            failure_ui(ui, failure);
        }
        let Some(found) = &sent.found else {
            if sent.is_busy() {
                ui.horizontal(|ui| {
                    ui.spinner();
                    ui.label(say!("incoming.looking"));
                });
            }
            return;
        };
        ui.add(egui::Label::new(text::told(&found.sentence)).wrap());
        if found.n_virtual > 0 {
            fact_ui(ui, say!("incoming.n_virtual"), &found.n_virtual.to_string());
        }
        let positions = match found.positions {
            Positions::Shifted => say!("incoming.shifted"),
            Positions::Unshifted => say!("incoming.unshifted"),
            Positions::Infix => say!("incoming.infix"),
        };
        fact_ui(ui, say!("incoming.positions"), positions);
        if let Some(about) = &found.about {
            about_ui(ui, about);
        }
        if let Some(reason) = &found.other_base {
            banner_ui(ui, Level::Warn, &text::tell(reason), say!("incoming.other_base_advice"), "", |_| {});
            ui.checkbox(&mut self.other_base, say!("incoming.other_base"));
        }
        if let Some(probe) = &sent.probe {
            probe_ui(ui, probe);
        } else if sent.phase().is_some() && sent.is_busy() {
            ui.horizontal(|ui| {
                ui.spinner();
                ui.label(say!("incoming.probing"));
            });
        }
        if let Access::ReadOnly(why) = &state.env.access {
            ui.label(RichText::new(text::tell(why)).color(tokens(ui).muted));
        }
    }

    fn buttons_ui(&self, ui: &mut Ui, state: &State, sent: &Sent, out: &mut Vec<Action>) {
        let idle = !sent.is_busy();
        let accepted = sent.found.as_ref().is_some_and(|found| found.other_base.is_none() || self.other_base);
        let writable = matches!(state.env.access, Access::ReadWrite);
        ui.horizontal(|ui| {
            if primary_ui(ui, idle && accepted && writable && sent.model.is_some(), say!("incoming.import")).clicked() {
                out.push(Action::Incoming(IncomingAction::Import { other_base: self.other_base }));
            }
            let probeable = idle && sent.found.is_some() && sent.model.is_some();
            if quiet_ui(ui, probeable, say!("incoming.probe")).on_hover_text(say!("incoming.probe_help")).clicked() {
                out.push(Action::Incoming(IncomingAction::Probe));
            }
            if quiet_ui(ui, !sent.is_becoming(), say!("frame.cancel")).clicked() {
                out.push(Action::Incoming(IncomingAction::PutAway));
            }
        });
    }
}

/// What a file of ours says beside its numbers.
fn about_ui(ui: &mut Ui, about: &About) {
    let fingerprint: String = about.base.fingerprint.chars().take(12).collect();
    let base = say!("incoming.base_is", name = about.base.name, kind = about.base.architecture, hash = fingerprint);
    fact_ui(ui, say!("incoming.base"), &base);
    if let Some(figures) = &about.figures {
        fact_ui(ui, say!("incoming.loss"), &text::figure(figures.loss));
    }
    let muted = tokens(ui).muted;
    for sample in &about.samples {
        let line = say!("incoming.says", prompt = sample.prompt.trim(), text = sample.text.trim());
        ui.add(egui::Label::new(RichText::new(line).color(muted)).wrap());
    }
    if !about.card.is_empty() {
        ui.add(egui::Label::new(about.card.trim()).wrap().selectable(true));
    }
}

fn probe_ui(ui: &mut Ui, probe: &ProbeReport) {
    let (level, verdict) = match probe.verdict() {
        ProbeVerdict::AsTheSender => (Level::Good, say!("incoming.as_sender")),
        ProbeVerdict::NotAsTheSender => (Level::Bad, say!("incoming.not_as_sender")),
        ProbeVerdict::DoesSomething => (Level::Good, say!("incoming.does_something")),
        ProbeVerdict::DoesNothing => (Level::Warn, say!("incoming.does_nothing")),
    };
    let from_base = format!("{:.3}", probe.from_base);
    let figures = match probe.from_sender {
        Some(difference) => {
            say!("incoming.from_sender", rows = probe.rows, difference = format!("{difference:.1e}"), base = from_base)
        }
        None => say!("incoming.from_base", rows = probe.rows, base = from_base),
    };
    banner_ui(ui, level, verdict, &figures, "", |_| {});
}
