//! A run's adapter on its way out: PEFT's folder, a model that has it in its weights, one file to hand on.

use std::path::PathBuf;

use egui::{RichText, Ui};

use super::action::{Export, RunAction};
use super::ui::Runs;
use crate::action::{Action, Pick};
use crate::home::typed;
use crate::state::State;
use crate::store::RunRow;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::{primary_ui, quiet_ui};
use crate::widgets::containers::modal_frame;
use crate::widgets::field;
use crate::workspace::RunId;

/// Form in which a run is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// PEFT's folder.
    Peft,
    /// The base model with changed weights.
    Merged,
    /// One file.
    File,
}

/// The question that is open: where to send a run.
#[derive(Debug)]
pub(super) struct Sending {
    run: RunId,
    form: Form,
    /// Rows of the data go along in a file.
    with_samples: bool,
    /// As it is typed.
    pub(super) to: String,
}

impl Form {
    /// Why a run has no such form; `None` if it has.
    fn why_not(self, row: &RunRow) -> Option<&'static str> {
        let is_prefix = row.method.starts_with("prefix") && !row.method.contains("LoRA");
        match self {
            Self::Peft => None,
            Self::Merged => (row.n_virtual > 0 || row.method.starts_with("text")).then(|| t!("send.no_weights")),
            Self::File => (!is_prefix).then(|| t!("send.no_prefix")),
        }
    }

    /// Its name in menus.
    pub fn name(self) -> &'static str {
        self.words().0
    }

    /// Whether a run has it.
    pub fn is_of(self, row: &RunRow) -> bool {
        !row.files_missing && (row.step > 0 || row.best_loss.is_some()) && self.why_not(row).is_none()
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Peft => (t!("send.peft"), t!("send.peft_note")),
            Self::Merged => (t!("send.merged"), t!("send.merged_note")),
            Self::File => (t!("send.file"), t!("send.file_note")),
        }
    }

    fn action(self, row: &RunRow, with_samples: bool, to: PathBuf) -> Action {
        let (adapter, model) = (row.folder.clone(), row.model_folder.clone());
        Action::Run(RunAction::Export(match self {
            Self::Peft => Export::Peft { adapter, to },
            Self::Merged => Export::Merged { adapter, model, to },
            Self::File => Export::OneFile { adapter, model, with_samples, to },
        }))
    }
}

impl Runs {
    /// Asks where to send a run.
    pub fn send(&mut self, run: RunId, form: Form) {
        self.sending = Some(Sending { run, form, with_samples: true, to: String::new() });
    }
}

/// The forms that a run has, behind one button.
pub(super) fn menu_ui(ui: &mut Ui, one: Option<&RunRow>, sending: &mut Option<Sending>) {
    let row = one.filter(|row| !row.files_missing && (row.step > 0 || row.best_loss.is_some()));
    ui.add_enabled_ui(row.is_some(), |ui| {
        ui.menu_button(t!("send.menu"), |ui| {
            let Some(row) = row else { return };
            for form in [Form::Peft, Form::Merged, Form::File] {
                let why_not = form.why_not(row);
                let button = ui.add_enabled(why_not.is_none(), egui::Button::new(form.words().0));
                if button.on_disabled_hover_text(why_not.unwrap_or_default()).clicked() {
                    *sending = Some(Sending { run: row.id.clone(), form, with_samples: true, to: String::new() });
                    ui.close();
                }
            }
        });
    });
}

/// The question where to.
pub(super) fn send_ui(ui: &mut Ui, sending: &mut Option<Sending>, state: &State, out: &mut Vec<Action>) {
    let Some(Sending { run, form, with_samples, to }) = sending else { return };
    let Some(row) = state.row(run) else { return *sending = None };
    let (title, note) = form.words();
    let mut done = false;
    let modal = egui::Modal::new(egui::Id::unique("send")).frame(modal_frame(ui)).show(ui.ctx(), |ui| {
        ui.set_width(500.0);
        ui.label(RichText::new(title).text_style(theme::title()));
        ui.add(egui::Label::new(&row.name).truncate());
        ui.add(egui::Label::new(RichText::new(note).color(tokens(ui).muted)).wrap());
        ui.add_space(theme::SMALL_GAP);
        let (name, hint, pick) = match form {
            Form::File => (t!("send.to_file"), t!("send.file_hint"), Pick::ShareFile),
            Form::Peft | Form::Merged => (t!("send.to_folder"), t!("send.folder_hint"), Pick::ExportFolder),
        };
        let edit = field::field_ui(ui, name, "", None, |ui| field::path_ui(ui, to, hint, t!("send.browse")));
        if edit.browse {
            out.push(Action::Browse(pick));
        }
        if *form == Form::File {
            ui.checkbox(with_samples, t!("send.with_samples")).on_hover_text(t!("send.with_samples_help"));
        }
        ui.horizontal(|ui| {
            if primary_ui(ui, !to.trim().is_empty(), t!("send.write")).clicked() {
                out.push(form.action(row, *with_samples, typed(to)));
                done = true;
            }
            done |= quiet_ui(ui, true, t!("frame.cancel")).clicked();
        });
    });
    if done || modal.should_close() {
        *sending = None;
    }
}
