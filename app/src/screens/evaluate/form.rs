//! What is asked: rows, metrics, decoding, and what is set beside it.

use std::path::{Path, PathBuf};

use egui::{RichText, Ui};
use engine::config::{RunConfig, Sampling};
use engine::evaluation::{check_metrics, usual_metrics};
use engine::metrics::{Metric, Needs};
use serde::{Deserialize, Serialize};

use super::state::EvaluateForm;
use crate::action::{Action, Pick};
use crate::i18n::tell;
use crate::screens::compare::decoding;
use crate::t;
use crate::theme;
use crate::widgets::containers::card_ui;
use crate::widgets::field;

/// Typed settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Form {
    data: String,
    generation: Option<Sampling>,
    pub(super) metrics: Vec<String>,
    with_base: bool,
    by: String,
    /// 0 is all.
    limit: usize,
    /// The run's settings were taken over.
    begun: bool,
}

impl Form {
    /// Takes over what a run says of rows, decoding and metric, once.
    pub(super) fn follow(&mut self, config: Option<&RunConfig>) {
        let Some(config) = config.filter(|_| !self.begun) else { return };
        self.begun = true;
        let rows = config.data.validation.as_ref().unwrap_or(&config.data.train);
        if self.data.is_empty() {
            self.data = rows.display().to_string();
        }
        self.generation = Some(config.generation.clone());
        let best = vec![config.training.best_metric.clone()];
        self.metrics = if check_metrics(&best).is_ok() { best } else { usual_metrics() };
    }

    pub(super) fn picked(&mut self, path: &Path) {
        self.data = path.display().to_string();
    }

    pub(super) fn is_ready(&self) -> bool {
        !self.data.trim().is_empty() && !self.metrics.is_empty()
    }

    /// All that is typed, as it is asked.
    pub(super) fn asked(&self) -> EvaluateForm {
        let by = self.by.trim();
        EvaluateForm {
            data: PathBuf::from(self.data.trim()),
            generation: self.generation.clone().unwrap_or_default(),
            metrics: self.metrics.clone(),
            with_base: self.with_base,
            by: (!by.is_empty()).then(|| by.to_owned()),
            limit: (self.limit > 0).then_some(self.limit),
        }
    }

    pub(super) fn ui(&mut self, ui: &mut Ui, out: &mut Vec<Action>) {
        card_ui(ui, "", |ui| {
            field::field_ui(ui, t!("evaluate.data"), t!("evaluate.data_help"), None, |ui| {
                if field::path_ui(ui, &mut self.data, t!("evaluate.data_hint"), t!("data.browse_train")).browse {
                    out.push(Action::Browse(Pick::EvaluateRows));
                }
            });
            ui.add_space(theme::SMALL_GAP);
            ui.label(RichText::new(t!("evaluate.metrics")).small().color(theme::tokens(ui).muted));
            let (usual, others) = offered(&self.metrics);
            metrics_ui(ui, &mut self.metrics, &usual);
            egui::CollapsingHeader::new(RichText::new(t!("evaluate.more_metrics")).small()).show(ui, |ui| {
                metrics_ui(ui, &mut self.metrics, &others);
            });
            ui.add_space(theme::SMALL_GAP);
            field::check_ui(ui, &mut self.with_base, t!("evaluate.with_base"), t!("evaluate.with_base_help"));
            let generation = self.generation.get_or_insert_default();
            let title = t!("compare.decoding", how = decoding::in_words(generation));
            egui::CollapsingHeader::new(RichText::new(title).small()).id_salt("evaluate decoding").show(ui, |ui| {
                ui.add_space(4.0);
                decoding::settings_ui(ui, generation);
            });
            egui::CollapsingHeader::new(RichText::new(t!("evaluate.more")).small()).id_salt("evaluate more").show(
                ui,
                |ui| {
                    ui.columns(2, |columns| {
                        field::field_ui(&mut columns[0], t!("evaluate.by"), t!("evaluate.by_help"), None, |ui| {
                            field::text_ui(ui, &mut self.by, t!("evaluate.by_hint"))
                        });
                        field::field_ui(&mut columns[1], t!("evaluate.limit"), t!("evaluate.limit_help"), None, |ui| {
                            field::count_ui(ui, &mut self.limit, 0..=1_000_000)
                        });
                    });
                },
            );
        });
    }
}

/// Metrics to be switched on and off.
pub(in crate::screens) fn metrics_ui(ui: &mut Ui, names: &mut Vec<String>, metrics: &[Metric]) {
    ui.horizontal_wrapped(|ui| {
        for metric in metrics {
            let mut chosen = names.iter().any(|name| name == metric.name);
            let toggled = ui.toggle_value(&mut chosen, tell(&metric.label_sentence()));
            let toggled = toggled.on_hover_text(tell(&metric.description_sentence()));
            if toggled.changed() {
                names.retain(|name| name != metric.name);
                if chosen {
                    names.push(metric.name.to_owned());
                }
            }
        }
    });
}

/// Metrics that are shown at once.
const USUAL: [&str; 12] = [
    "bleu",
    "bleu_e2e",
    "nist",
    "meteor",
    "rouge1",
    "rouge2",
    "rouge_l",
    "cider",
    "chrf",
    "ter",
    "exact_match",
    "token_f1",
];

/// The metrics of texts without their variants: those that are shown at once with those that are chosen, and the others.
pub(in crate::screens) fn offered(chosen: &[String]) -> (Vec<Metric>, Vec<Metric>) {
    let is_chosen = |metric: &Metric| chosen.iter().any(|name| name == metric.name);
    let is_plain = |metric: &Metric| metric.needs == Needs::Texts && !metric.name.contains(':');
    let shown = Metric::all().into_iter().filter(|metric| is_plain(metric) || is_chosen(metric));
    shown.partition(|metric| USUAL.contains(&metric.name) || is_chosen(metric))
}
