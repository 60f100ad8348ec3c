//! The screen *Training*: one run, live, finished or reopened. Everything comes from the store by the run's id; only
//! what moves between two answers (phase, progress, time left) comes from the engine.

use egui::{RichText, Ui};
use engine::Sentence;
use engine::config::{MethodConfig, RunConfig};
use engine::nn::Precision;
use engine::protocol::Phase;
use engine::training::NamedMetrics;

use super::figures::{main_figure, told};
use super::plots::Plots;
use super::state::RunView;
use super::tabs::Tabs;
use super::tiles::{Arrangement, Shown};
use crate::action::{Action, Screen};
use crate::format;
use crate::i18n::tell;
use crate::screens::runs::action::RunAction;
use crate::screens::runs::can_resume;
use crate::screens::runs::table::state_of;
use crate::state::State;
use crate::state::live::Live;
use crate::state::notices::Level;
use crate::store::RunRow;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::{primary_ui, quiet_ui, small_ui};
use crate::widgets::containers::{
    banner_ui, card_ui, chip_ui, empty_ui, heading_ui, plain_chip_ui, progress_ui, tile_ui,
};

/// The curves that were drawn last, and the choices in the tabs.
#[derive(Debug, Default)]
pub struct Training {
    plots: Plots,
    tabs: Tabs,
    /// Where the tiles stand; without them it is a page.
    tiles: Option<Arrangement>,
}

impl Training {
    /// Where the tiles stand, to be kept.
    pub(crate) fn arrangement(&self) -> Option<Arrangement> {
        self.tiles.clone()
    }

    /// Puts them where they were.
    pub(crate) fn restore(&mut self, tiles: Option<Arrangement>) {
        self.tiles = tiles;
    }

    /// Makes tiles of the page, or a page of the tiles.
    pub(crate) fn arrange(&mut self, as_tiles: bool) {
        self.tiles = as_tiles.then(|| self.tiles.take().unwrap_or_default());
    }

    /// Draws the screen.
    pub fn ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let Some(view) = &state.runs.view else {
            empty_ui(ui, t!("training.none"), t!("training.none_advice"));
            ui.vertical_centered(|ui| {
                if primary_ui(ui, true, t!("runs.begin")).clicked() {
                    out.push(Action::Show(Screen::NewRun));
                }
            });
            return;
        };
        let Some(row) = state.row(&view.id).or(view.row.as_ref()) else {
            ui.horizontal(|ui| {
                ui.spinner();
                ui.label(t!("training.reading"));
            });
            return;
        };
        let live = state.live_of(&view.id).map(|(_, live)| live);
        egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            header_ui(ui, state, row, live, out);
            if let Some((_, differences)) = state.live.changed.as_ref().filter(|(run, _)| *run == row.id) {
                changed_ui(ui, row, differences, out);
            }
            if let Some(failure) = &row.failure {
                let details = view.log.iter().rev().take(20).rev().map(|line| tell(&line.text));
                let details = details.collect::<Vec<_>>().join("\n");
                banner_ui(ui, Level::Bad, &tell(&failure.what), &tell(&failure.advice), &details, |ui| {
                    if can_resume(row) && quiet_ui(ui, true, t!("training.resume")).clicked() {
                        out.push(Action::Run(RunAction::Resume(row.id.clone())));
                    }
                });
                ui.add_space(theme::SMALL_GAP);
            }
            tiles_ui(ui, view, row, live);
            let total = live.map_or(0, |live| live.total).max(row.total_steps as usize);
            self.curves_ui(ui, (view, total), state, out);
            ui.add_space(theme::GAP);
        });
    }

    /// Curves and texts: below each other, or as tiles.
    fn curves_ui(&mut self, ui: &mut Ui, (view, total): (&RunView, usize), state: &State, out: &mut Vec<Action>) {
        let Self { plots, tabs, tiles } = self;
        let Some(arrangement) = tiles else {
            let is_pressed = plots.ui(ui, view, total, state, out);
            ui.add_space(theme::SMALL_GAP);
            tabs.ui(ui, view);
            if is_pressed {
                self.arrange(true);
            }
            return;
        };
        let is_page = ui.horizontal(|ui| {
            let note = RichText::new(t!("training.tiles_note")).small().color(tokens(ui).muted);
            ui.add(egui::Label::new(note).truncate());
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                small_ui(ui, t!("training.as_page")).on_hover_text(t!("training.as_page_help")).clicked()
            })
        });
        arrangement.ui(ui, Shown { plots, tabs, view, total, state, out });
        if is_page.inner.inner {
            self.arrange(false);
        }
    }
}

/// The run was not resumed: it would go on with something else than it began with.
fn changed_ui(ui: &mut Ui, row: &RunRow, differences: &[Sentence], out: &mut Vec<Action>) {
    banner_ui(
        ui,
        Level::Warn,
        t!("training.changed"),
        &differences.iter().map(tell).collect::<Vec<_>>().join("\n"),
        "",
        |ui| {
            if quiet_ui(ui, can_resume(row), t!("training.resume_changed"))
                .on_hover_text(t!("training.resume_changed_help"))
                .clicked()
            {
                out.push(Action::Run(RunAction::ResumeOnOthers(row.id.clone())));
            }
        },
    );
    ui.add_space(theme::SMALL_GAP);
}

fn header_ui(ui: &mut Ui, state: &State, row: &RunRow, live: Option<&Live>, out: &mut Vec<Action>) {
    let config = state.runs.view.as_ref().filter(|view| view.id == row.id).and_then(|view| view.config.as_deref());
    let note = about_run(row, config);
    heading_ui(ui, &row.name, &note, |ui| match live {
        Some(live) => live_buttons_ui(ui, live, out),
        None => still_buttons_ui(ui, state, row, out),
    });
    card_ui(ui, "", |ui| {
        ui.horizontal(|ui| {
            let (word, level) = match live {
                Some(live) if live.stopping => (t!("training.stopping").to_owned(), Some(Level::Warn)),
                Some(live) if live.paused => (t!("state.paused").to_owned(), Some(Level::Warn)),
                Some(live) => (live.phase.map_or(t!("state.preparing"), phase_word).to_owned(), Some(Level::Info)),
                None => state_of(row),
            };
            let chip = match level {
                Some(level) => chip_ui(ui, level, &word),
                None => plain_chip_ui(ui, &word),
            };
            let first = live.filter(|live| live.phase == Some(Phase::FirstStep));
            if let Some(gpu) = first.and_then(Live::gpu) {
                let line = t!("training.compiles", device = gpu);
                ui.label(RichText::new(&line).small().color(tokens(ui).muted));
                chip.on_hover_text(line);
            }
            let step = live.map_or(row.step as usize, |live| live.step);
            let total = live.map_or(row.total_steps as usize, |live| live.total.max(row.total_steps as usize));
            if total > 0 {
                let per_epoch = live.map_or(0, |live| live.steps_per_epoch);
                let mut line = t!("training.step_of", step = format::count(step), total = format::count(total));
                if per_epoch > 0 {
                    let epoch = format!("{:.2}", step as f64 / per_epoch as f64);
                    line.push_str(&format!("  ·  {}", t!("training.epoch", epoch = epoch)));
                }
                ui.label(RichText::new(line).text_style(theme::small_number()).color(tokens(ui).muted));
            }
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                let line = match live.and_then(Live::eta_secs) {
                    Some(secs) => t!("training.left", time = format::duration(secs)),
                    None if live.is_some() || row.started.is_none() => String::new(),
                    None => t!("training.took", time = format::duration(row.duration_secs)),
                };
                ui.label(RichText::new(line).text_style(theme::small_number()).color(tokens(ui).muted));
            });
        });
        let (done, total) = (row.step as f32, row.total_steps.max(1) as f32);
        let share = match live {
            Some(Live { phase: Some(Phase::LoadingModel { share }), step: 0, .. }) => *share,
            Some(live) => live.share(),
            None => done / total,
        };
        progress_ui(ui, share, t!("training.progress"));
    });
    ui.add_space(theme::SMALL_GAP);
}

/// The speed of a run under way is the mean of so many steps: rows differ in length.
const SPEED_STEPS: usize = 20;

/// Describes a run, as far as its name does not do so already: method, model, rows, and what tells equal ones apart.
pub fn about_run(row: &RunRow, config: Option<&RunConfig>) -> String {
    let named = |part: &str| !part.is_empty() && !row.name.contains(part);
    let mut parts: Vec<String> =
        [&row.method, &row.model, &row.dataset].into_iter().filter(|part| named(part)).cloned().collect();
    if let Some(config) = config.filter(|config| !matches!(config.method, MethodConfig::FewShot(_))) {
        parts.push(t!("training.at_rate", rate = format::scientific(config.training.learning_rate)));
        parts.push(t!("training.with_seed", seed = config.seed));
    }
    if row.total_steps > 0 {
        parts.push(t!("training.n_steps", n = format::count(row.total_steps as usize)));
    }
    parts.join(" · ")
}

fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::LoadingModel { .. } => t!("phase.loading"),
        Phase::PreparingData => t!("phase.data"),
        Phase::Initializing => t!("phase.initializing"),
        Phase::FirstStep => t!("phase.first_step"),
        Phase::Training => t!("phase.training"),
        Phase::Evaluating { .. } => t!("phase.evaluating"),
        Phase::Sampling => t!("phase.sampling"),
        Phase::Saving => t!("phase.saving"),
        Phase::BuildingVocabulary { .. } => t!("phase.vocabulary"),
        Phase::Generating => t!("phase.generating"),
        Phase::Predicting { .. } => t!("phase.predicting"),
        Phase::Scoring { .. } => t!("phase.scoring"),
        Phase::Analyzing { .. } => t!("phase.analyzing"),
    }
}

/// A phase in words, with the share that is done.
pub fn phase_line(phase: Phase) -> String {
    let word = phase_word(phase);
    match phase {
        Phase::LoadingModel { share }
        | Phase::Evaluating { share }
        | Phase::BuildingVocabulary { share }
        | Phase::Predicting { share }
        | Phase::Scoring { share }
        | Phase::Analyzing { share } => format!("{word} · {:.0} %", share * 100.0),
        _ => word.to_owned(),
    }
}

fn live_buttons_ui(ui: &mut Ui, live: &Live, out: &mut Vec<Action>) {
    let run = || live.run.clone();
    if quiet_ui(ui, !live.stopping, t!("training.stop")).on_hover_text(t!("training.stop_help")).clicked() {
        out.push(Action::Run(RunAction::Stop(run())));
    }
    if quiet_ui(ui, !live.stopping && live.step > 0, t!("training.checkpoint")).clicked() {
        out.push(Action::Run(RunAction::Checkpoint(run())));
    }
    let label = if live.paused { t!("training.continue") } else { t!("training.pause") };
    if quiet_ui(ui, !live.stopping, label).clicked() {
        out.push(Action::Run(RunAction::Pause(run(), !live.paused)));
    }
}

fn still_buttons_ui(ui: &mut Ui, state: &State, row: &RunRow, out: &mut Vec<Action>) {
    let waiting = state.live.queue.iter().any(|waiting| waiting.run == row.id);
    if waiting {
        if quiet_ui(ui, true, t!("frame.take_out")).clicked() {
            out.push(Action::Run(RunAction::Withdraw(row.id.clone())));
        }
        return;
    }
    let has_adapter = state.runs.checkpoints.get(&row.id).is_some_and(|list| !list.is_empty()) && !row.files_missing;
    if primary_ui(ui, has_adapter, t!("training.compare")).clicked() {
        out.push(Action::Open(row.id.clone(), Screen::Compare));
    }
    if quiet_ui(ui, has_adapter, t!("training.evaluate")).clicked() {
        out.push(Action::Open(row.id.clone(), Screen::Evaluate));
    }
    if quiet_ui(ui, has_adapter, t!("training.explore")).clicked() {
        out.push(Action::Open(row.id.clone(), Screen::Explorer));
    }
    if quiet_ui(ui, true, t!("training.duplicate")).clicked() {
        out.push(Action::Run(RunAction::Duplicate(row.id.clone())));
    }
    if can_resume(row) && quiet_ui(ui, true, t!("training.resume")).clicked() {
        out.push(Action::Run(RunAction::Resume(row.id.clone())));
    }
}

fn tiles_ui(ui: &mut Ui, view: &RunView, row: &RunRow, live: Option<&Live>) {
    let shown = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), format::figure);
    let first = view.evaluations.first().map(|e| e.loss);
    let best = view.best();
    let best_note = match (best, first) {
        (Some(best), _) if best.step == 0 && row.step > 0 => t!("training.best_is_start").to_owned(),
        (Some(best), Some(first)) if first > 0.0 && best.loss < first && best.metric.is_none() => {
            t!("training.best_note", step = best.step, share = format!("{:.0}", 100.0 * (1.0 - best.loss / first)))
        }
        (Some(best), _) => t!("training.at_step", step = best.step),
        _ => String::new(),
    };
    let speed = view.mean_speed(live.map_or(usize::MAX, |_| SPEED_STEPS));
    let facts = view.facts.as_deref();
    card_ui(ui, "", |ui| {
        let figures = best.and_then(|best| best.figures.as_ref());
        ui.columns(5 + usize::from(figures.is_some()), |c| {
            match best.and_then(|best| best.metric.as_ref()) {
                Some(metric) => {
                    let (name, value) = (t!("training.best_of", name = metric.name), shown(Some(metric.value)));
                    tile_ui(&mut c[0], &name, &value, &best_note)
                }
                None => {
                    let value = shown(best.map(|b| b.loss).or(row.best_loss));
                    tile_ui(&mut c[0], t!("training.best"), &value, &best_note)
                }
            };
            tile_ui(&mut c[1], t!("training.last_loss"), &shown(view.loss.last().map(|p| p.1).or(row.last_loss)), "");
            tile_ui(
                &mut c[2],
                t!("training.speed"),
                &speed.map_or_else(|| "–".to_owned(), |speed| format::count(speed as usize)),
                t!("training.speed_unit"),
            );
            let trained = facts.map_or_else(|| "–".to_owned(), |f| format::short_count(f.trained_parameters));
            let stored =
                facts.map_or_else(String::new, |f| t!("training.keeps", n = format::short_count(f.stored_parameters)));
            tile_ui(&mut c[3], t!("training.trains"), &trained, &stored);
            let rows = facts.map_or_else(|| "–".to_owned(), |f| format::count(f.train_rows));
            let device = facts.map_or("", |f| f.device.as_str());
            // The precision stands at the end of a name that is often too long.
            let narrow = view.config.as_ref().map(|config| config.precision).filter(|p| *p != Precision::F32);
            let place = match narrow {
                Some(precision) => format!("{precision} · {}", format::shortened(device, 19)),
                None => format::shortened(device, 26),
            };
            tile_ui(&mut c[4], t!("training.rows"), &rows, &place);
            if let Some(figures) = figures {
                let percent = |share: f64| format!("{:.1} %", 100.0 * share);
                let (name, shown) = main_figure(figures);
                let ranks = figures
                    .ranking
                    .map(|ranks| t!("training.ranks", ten = percent(ranks.p_at_10), mrr = format!("{:.3}", ranks.mrr)));
                let numbers = figures.regression.as_ref().map(|of| {
                    let (spearman, mse) = (format!("{:.3}", of.spearman), format::figure(of.mse));
                    t!("training.numbers", spearman = spearman, mse = mse)
                });
                let note = figures.macro_f1.map(|share| t!("training.macro_f1", share = percent(share))).or(ranks);
                let tile = tile_ui(&mut c[5], name, &shown, &note.or(numbers).unwrap_or_default());
                let of = |of: &NamedMetrics| format!("{} {}", of.name, told(&of.figures));
                let matthews = figures.matthews.map(|of| t!("training.matthews", figure = format!("{of:.3}")));
                let more: Vec<String> = matthews.into_iter().chain(figures.datasets.iter().map(of)).collect();
                if !more.is_empty() {
                    tile.on_hover_text(more.join("\n"));
                }
            }
        });
    });
    ui.add_space(theme::SMALL_GAP);
}
