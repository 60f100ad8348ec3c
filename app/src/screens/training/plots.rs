//! The curves of a run: loss large, the others small.

use egui::{RichText, Slider, Ui};
use serde::{Deserialize, Serialize};

use super::curve_plot::{Cache, Canvas, Curve, Dots, curves_ui};
use super::state::RunView;
use crate::action::Action;
use crate::screens::settings::action::SettingsAction;
use crate::series::{Series, Smoothed};
use crate::state::State;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::small_ui;
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

/// A curve beside the loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Small {
    /// The figure by which an evaluation is the best, where that is not the loss.
    Metric,
    Rate,
    Norm,
    Speed,
}

impl Small {
    pub(super) const ALL: [Self; 4] = [Self::Metric, Self::Rate, Self::Norm, Self::Speed];

    pub(super) fn name(self, view: &RunView) -> &str {
        match self {
            Self::Metric => view.metric_name().unwrap_or_default(),
            Self::Rate => t!("training.rate"),
            Self::Norm => t!("training.norm"),
            Self::Speed => t!("training.speed"),
        }
    }

    fn series(self, view: &RunView) -> &Series {
        match self {
            Self::Metric => &view.metric,
            Self::Rate => &view.learning_rate,
            Self::Norm => &view.grad_norm,
            Self::Speed => &view.speed,
        }
    }
}

/// Height of the plot of losses, and of the others, on the page.
const LOSS_HEIGHT: f32 = 250.0;
const SMALL_HEIGHT: f32 = 116.0;
/// No lower in a tile.
const LEAST_HEIGHT: f32 = 40.0;

impl Plots {
    /// Draws them over all of a run's steps, `total` where that is known, and the button that makes tiles of the page; `true` if
    /// it was pressed.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        view: &RunView,
        total: usize,
        state: &State,
        out: &mut Vec<Action>,
    ) -> bool {
        let mut is_pressed = false;
        card_ui(ui, "", |ui| {
            let button = |ui: &mut Ui| {
                is_pressed = small_ui(ui, t!("training.arrange")).on_hover_text(t!("training.arrange_help")).clicked();
            };
            self.loss_ui(ui, (view, total), LOSS_HEIGHT, (state, out), button);
        });
        ui.add_space(theme::SMALL_GAP);
        let plots: Vec<Small> =
            Small::ALL.into_iter().filter(|plot| *plot != Small::Metric || view.metric_name().is_some()).collect();
        ui.columns(plots.len(), |columns| {
            for (ui, plot) in columns.iter_mut().zip(plots) {
                card_ui(ui, "", |ui| {
                    ui.label(RichText::new(plot.name(view)).color(tokens(ui).muted));
                    self.small_ui(ui, plot, (view, total), SMALL_HEIGHT);
                });
            }
        });
        is_pressed
    }

    /// The loss in a tile, which says how large it is.
    pub(super) fn loss_tile_ui(&mut self, ui: &mut Ui, shown: (&RunView, usize), state: &State, out: &mut Vec<Action>) {
        let height = (ui.available_height() - 34.0).max(LEAST_HEIGHT);
        self.loss_ui(ui, shown, height, (state, out), |_| {});
    }

    /// Another curve in a tile, which has its name.
    pub(super) fn small_tile_ui(&mut self, ui: &mut Ui, plot: Small, view: &RunView, total: usize) {
        let height = ui.available_height().max(LEAST_HEIGHT);
        self.small_ui(ui, plot, (view, total), height);
    }

    fn loss_ui(
        &mut self,
        ui: &mut Ui,
        (view, total): (&RunView, usize),
        height: f32,
        (state, out): (&State, &mut Vec<Action>),
        button: impl FnOnce(&mut Ui),
    ) {
        self.follow(view);
        let t = tokens(ui);
        let mut weight = self.smoothing.unwrap_or(state.settings.smoothing);
        let size = egui::vec2(ui.available_width(), 24.0);
        ui.allocate_ui_with_layout(size, egui::Layout::right_to_left(egui::Align::Center), |ui| {
            button(ui);
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
            points: view.evaluations.iter().filter(|e| e.loss.is_finite()).map(|e| [e.step as f64, e.loss]).collect(),
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
            height,
            group: &view.id.0,
            steps: total,
            empty: t!("training.no_points"),
        };
        curves_ui(ui, canvas, &mut self.cache, &curves, Some(&dots));
    }

    fn small_ui(&mut self, ui: &mut Ui, plot: Small, (view, total): (&RunView, usize), height: f32) {
        self.follow(view);
        let name = plot.name(view);
        let curve = Curve { name, series: plot.series(view), color: tokens(ui).accent, width: 1.5 };
        let canvas = Canvas { label: name, height, group: &view.id.0, steps: total, empty: "" };
        curves_ui(ui, canvas, &mut self.cache, &[curve], None);
    }

    /// Curves of another run are drawn anew.
    fn follow(&mut self, view: &RunView) {
        let shown = Some((view.id.clone(), view.generation));
        if self.shown != shown {
            *self = Self { shown, smoothing: self.smoothing, ..Self::default() };
        }
    }
}

fn mark_ui(ui: &mut Ui, color: egui::Color32, name: &str) {
    let (rect, _) = ui.allocate_exact_size(egui::vec2(12.0, 12.0), egui::Sense::empty());
    ui.painter().hline(rect.x_range(), rect.center().y, egui::Stroke::new(2.5, color));
    ui.label(RichText::new(name).small().color(tokens(ui).muted));
}
