//! The curves of a run: loss large, the others small.

use egui::{RichText, Slider, Ui};

use super::curve_plot::{Cache, Canvas, Curve, Dots, curves_ui};
use super::state::RunView;
use crate::action::Action;
use crate::screens::settings::action::SettingsAction;
use crate::series::Smoothed;
use crate::state::State;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::containers::card_ui;
use crate::workspace::RunId;

/// Curves that were drawn last, and their smoothing.
#[derive(Debug, Default)]
pub(super) struct Plots {
    smoothed: Smoothed,
    cache: Cache,
    shown: Option<(RunId, u64)>,
    smoothing: Option<f64>,
}

impl Plots {
    /// Draws them over all of a run's steps, `total` where that is known.
    pub(super) fn ui(&mut self, ui: &mut Ui, view: &RunView, total: usize, state: &State, out: &mut Vec<Action>) {
        let shown = Some((view.id.clone(), view.generation));
        if self.shown != shown {
            *self = Self { shown, smoothing: self.smoothing, ..Self::default() };
        }
        let t = tokens(ui);
        let mut weight = self.smoothing.unwrap_or(state.settings.smoothing);
        card_ui(ui, "", |ui| {
            let size = egui::vec2(ui.available_width(), 24.0);
            ui.allocate_ui_with_layout(size, egui::Layout::right_to_left(egui::Align::Center), |ui| {
                let slider = ui.name_inputs(t!("training.smoothing"), |ui| {
                    ui.spacing_mut().interact_size.y = 22.0;
                    ui.add(Slider::new(&mut weight, 0.0..=0.99).fixed_decimals(2))
                });
                if slider.changed() {
                    self.smoothing = Some(weight);
                }
                if slider.drag_stopped() || slider.lost_focus() {
                    let settings = crate::settings::Settings { smoothing: weight, ..state.settings.clone() };
                    out.push(Action::Settings(SettingsAction::Keep(Box::new(settings))));
                }
                ui.label(RichText::new(t!("training.smoothing")).small().color(t.muted));
                // The names of the curves take what is left, in two lines if need be.
                ui.with_layout(egui::Layout::left_to_right(egui::Align::Center).with_main_wrap(true), |ui| {
                    ui.label(RichText::new(t!("training.loss")).text_style(theme::title()));
                    mark_ui(ui, t.faint, t!("training.raw"));
                    mark_ui(ui, t.accent, t!("training.smooth"));
                    mark_ui(ui, t.second, t!("training.validation"));
                    mark_ui(ui, t.good, t!("training.best_mark"));
                });
            });
            self.smoothed.follow(&view.loss, weight);
            let dots = Dots {
                name: t!("training.validation"),
                points: view
                    .evaluations
                    .iter()
                    .filter(|e| e.loss.is_finite())
                    .map(|e| [e.step as f64, e.loss])
                    .collect(),
                best: view.best().map(|e| [e.step as f64, e.loss]),
                color: t.second,
            };
            let faint = t.faint.gamma_multiply(0.55);
            let curves = [
                Curve { name: t!("training.raw"), series: &view.loss, color: faint, width: 1.0 },
                Curve { name: t!("training.smooth"), series: &self.smoothed.series, color: t.accent, width: 2.0 },
            ];
            let canvas = Canvas {
                label: t!("training.loss_plot"),
                height: 250.0,
                group: &view.id.0,
                steps: total,
                empty: t!("training.no_points"),
            };
            curves_ui(ui, canvas, &mut self.cache, &curves, Some(&dots));
        });
        ui.add_space(theme::SMALL_GAP);
        self.small_ui(ui, view, total);
    }

    fn small_ui(&mut self, ui: &mut Ui, view: &RunView, total: usize) {
        let t = tokens(ui);
        let metric = view.metric_name().map(|name| (name, &view.metric));
        let plots: Vec<_> = metric
            .into_iter()
            .chain([
                (t!("training.rate"), &view.learning_rate),
                (t!("training.norm"), &view.grad_norm),
                (t!("training.speed"), &view.speed),
            ])
            .collect();
        ui.columns(plots.len(), |columns| {
            for (ui, (name, series)) in columns.iter_mut().zip(plots) {
                card_ui(ui, "", |ui| {
                    ui.label(RichText::new(name).color(t.muted));
                    let curve = Curve { name, series, color: t.accent, width: 1.5 };
                    let canvas = Canvas { label: name, height: 116.0, group: &view.id.0, steps: total, empty: "" };
                    curves_ui(ui, canvas, &mut self.cache, &[curve], None);
                });
            }
        });
    }
}

fn mark_ui(ui: &mut Ui, color: egui::Color32, name: &str) {
    let (rect, _) = ui.allocate_exact_size(egui::vec2(12.0, 12.0), egui::Sense::empty());
    ui.painter().hline(rect.x_range(), rect.center().y, egui::Stroke::new(2.5, color));
    ui.label(RichText::new(name).small().color(tokens(ui).muted));
}
