//! The form of a set: rows, metrics, how many.

use std::path::{Path, PathBuf};

use egui::{RichText, Ui};
use engine::config::RunConfig;
use engine::evaluation::usual_metrics;
use serde::{Deserialize, Serialize};

use crate::action::{Action, Pick};
use crate::screens::compare::state::GenerateForm;
use crate::screens::compare::state::set::SetForm;
use crate::screens::evaluate::form::{metrics_ui, offered};
use crate::t;
use crate::theme;
use crate::widgets::containers::card_ui;
use crate::widgets::field;

/// Rows that are written for unless somebody says otherwise: seconds on the starter model.
const FIRST: usize = 40;

/// Typed settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RowsForm {
    data: String,
    /// The rows are those of the compared runs, and not chosen by anybody.
    is_theirs: bool,
    metrics: Vec<String>,
    losses: bool,
    /// 0 is all.
    limit: usize,
}

impl Default for RowsForm {
    fn default() -> Self {
        Self { data: String::new(), is_theirs: true, metrics: Vec::new(), losses: true, limit: FIRST }
    }
}

impl RowsForm {
    /// Takes over the rows of the compared runs, unless somebody has chosen others.
    pub(super) fn follow(&mut self, config: Option<&RunConfig>) {
        let Some(config) = config else { return };
        if self.is_theirs {
            let rows = config.data.validation.as_ref().unwrap_or(&config.data.train);
            self.data = rows.display().to_string();
        }
        if self.metrics.is_empty() {
            self.metrics = usual_metrics();
        }
    }

    pub(super) fn picked(&mut self, path: &Path) {
        self.data = path.display().to_string();
        self.is_theirs = false;
    }

    pub(super) fn is_ready(&self) -> bool {
        !self.data.trim().is_empty()
    }

    /// All that is typed, as it is asked.
    pub(super) fn asked(&self, asked: &GenerateForm) -> SetForm {
        SetForm {
            data: PathBuf::from(self.data.trim()),
            asked: asked.clone(),
            metrics: self.metrics.clone(),
            losses: self.losses,
            limit: (self.limit > 0).then_some(self.limit),
        }
    }

    pub(super) fn ui(&mut self, ui: &mut Ui, out: &mut Vec<Action>) {
        card_ui(ui, "", |ui| {
            field::field_ui(ui, t!("compare.rows"), t!("compare.rows_help"), None, |ui| {
                let before = self.data.clone();
                if field::path_ui(ui, &mut self.data, t!("evaluate.data_hint"), t!("data.browse_train")).browse {
                    out.push(Action::Browse(Pick::CompareRows));
                }
                self.is_theirs &= self.data == before;
            });
            ui.add_space(theme::SMALL_GAP);
            ui.columns(2, |columns| {
                field::field_ui(&mut columns[0], t!("compare.first_rows"), t!("compare.first_rows_help"), None, |ui| {
                    field::count_ui(ui, &mut self.limit, 0..=100_000)
                });
                columns[1].add_space(20.0);
                field::check_ui(&mut columns[1], &mut self.losses, t!("compare.losses"), t!("compare.losses_help"));
            });
            let (usual, others) = offered(&self.metrics);
            let title = t!("compare.metrics", n = self.metrics.len());
            egui::CollapsingHeader::new(RichText::new(title).small()).id_salt("set metrics").show(ui, |ui| {
                metrics_ui(ui, &mut self.metrics, &usual);
                ui.separator();
                metrics_ui(ui, &mut self.metrics, &others);
            });
        });
    }
}
