//! The screen *Training*: one run, live, finished or reopened. Everything comes from the store by the run's id; only
//! what moves between two answers (phase, progress, time left) comes from the engine.

mod plots;
mod tabs;

use egui::{RichText, Ui};
use engine::Sentence;
use engine::config::{MethodConfig, RunConfig};
use engine::nn::Precision;
use engine::protocol::Phase;
use engine::training::NamedFigures;

use self::plots::Plots;
use self::tabs::Tabs;
use super::runs::can_resume;
use super::runs::table::state_words;
use crate::action::{Action, Screen};
use crate::say;
use crate::state::State;
use crate::state::live::Live;
use crate::state::run_view::RunView;
use crate::store::RunRow;
use crate::text;
use crate::text::tell;
use crate::theme::{self, tokens};
use crate::widgets::button::{primary_ui, quiet_ui};
use crate::widgets::surface::{
    Level, banner_ui, card_ui, chip_ui, empty_ui, heading_ui, plain_chip_ui, progress_ui, tile_ui,
};

/// What is being chosen, and what was drawn last.
#[derive(Debug, Default)]
pub struct Training {
    plots: Plots,
    tabs: Tabs,
}

impl Training {
    /// Draws the screen.
    pub fn ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let Some(view) = &state.view else {
            empty_ui(ui, say!("training.none"), say!("training.none_advice"));
            ui.vertical_centered(|ui| {
                if primary_ui(ui, true, say!("runs.begin")).clicked() {
                    out.push(Action::Show(Screen::NewRun));
                }
            });
            return;
        };
        let Some(row) = state.row(&view.id).or(view.row.as_ref()) else {
            ui.horizontal(|ui| {
                ui.spinner();
                ui.label(say!("training.reading"));
            });
            return;
        };
        let live = state.live_of(&view.id).map(|(_, live)| live);
        egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            header_ui(ui, state, row, live, out);
            if let Some((_, differences)) = state.changed.as_ref().filter(|(run, _)| *run == row.id) {
                changed_ui(ui, row, differences, out);
            }
            if let Some(failure) = &row.failure {
                let details = view.log.iter().rev().take(20).rev().map(|line| tell(&line.text));
                let details = details.collect::<Vec<_>>().join("\n");
                banner_ui(ui, Level::Bad, &tell(&failure.what), &tell(&failure.advice), &details, |ui| {
                    if can_resume(row) && quiet_ui(ui, true, say!("training.resume")).clicked() {
                        out.push(Action::Resume(row.id.clone()));
                    }
                });
                ui.add_space(theme::SMALL_GAP);
            }
            tiles_ui(ui, view, row, live);
            let total = live.map_or(0, |live| live.total).max(row.total_steps as usize);
            self.plots.ui(ui, view, total, state, out);
            ui.add_space(theme::SMALL_GAP);
            self.tabs.ui(ui, view);
            ui.add_space(theme::GAP);
        });
    }
}

/// The run was not resumed: it would go on with something else than it began with.
fn changed_ui(ui: &mut Ui, row: &RunRow, differences: &[Sentence], out: &mut Vec<Action>) {
    banner_ui(
        ui,
        Level::Warn,
        say!("training.changed"),
        &differences.iter().map(tell).collect::<Vec<_>>().join("\n"),
        "",
        |ui| {
            if quiet_ui(ui, can_resume(row), say!("training.resume_changed"))
                .on_hover_text(say!("training.resume_changed_help"))
                .clicked()
            {
                out.push(Action::ResumeOnOthers(row.id.clone()));
            }
        },
    );
    ui.add_space(theme::SMALL_GAP);
}

fn header_ui(ui: &mut Ui, state: &State, row: &RunRow, live: Option<&Live>, out: &mut Vec<Action>) {
    let config = state.view.as_ref().filter(|view| view.id == row.id).and_then(|view| view.config.as_deref());
    let note = about_run(row, config);
    heading_ui(ui, &row.name, &note, |ui| match live {
        Some(live) => live_buttons_ui(ui, live, out),
        None => still_buttons_ui(ui, state, row, out),
    });
    card_ui(ui, "", |ui| {
        ui.horizontal(|ui| {
            let (word, level) = match live {
                Some(live) if live.stopping => (say!("training.stopping"), Some(Level::Warn)),
                Some(live) if live.paused => (say!("state.paused"), Some(Level::Warn)),
                Some(live) => (live.phase.map_or(say!("state.preparing"), phase_word), Some(Level::Info)),
                None => state_words(row.state),
            };
            let chip = match level {
                Some(level) => chip_ui(ui, level, word),
                None => plain_chip_ui(ui, word),
            };
            let first = live.filter(|live| live.phase == Some(Phase::FirstStep));
            if let Some(gpu) = first.and_then(Live::gpu) {
                let line = say!("training.compiles", device = gpu);
                ui.label(RichText::new(&line).small().color(tokens(ui).muted));
                chip.on_hover_text(line);
            }
            let step = live.map_or(row.step as usize, |live| live.step);
            let total = live.map_or(row.total_steps as usize, |live| live.total.max(row.total_steps as usize));
            if total > 0 {
                let per_epoch = live.map_or(0, |live| live.steps_per_epoch);
                let mut line = say!("training.step_of", step = text::count(step), total = text::count(total));
                if per_epoch > 0 {
                    let epoch = format!("{:.2}", step as f64 / per_epoch as f64);
                    line.push_str(&format!("  ·  {}", say!("training.epoch", epoch = epoch)));
                }
                ui.label(RichText::new(line).text_style(theme::small_number()).color(tokens(ui).muted));
            }
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                let line = match live.and_then(Live::eta_secs) {
                    Some(secs) => say!("training.left", time = text::duration(secs)),
                    None if live.is_some() || row.started.is_none() => String::new(),
                    None => say!("training.took", time = text::duration(row.duration_secs)),
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
        progress_ui(ui, share, say!("training.progress"));
    });
    ui.add_space(theme::SMALL_GAP);
}

/// The speed of a run under way is the mean of so many steps: rows differ in length.
const SPEED_STEPS: usize = 20;

/// What a run is, as far as its name does not say so already: method, model, rows, and what tells equal ones apart.
pub fn about_run(row: &RunRow, config: Option<&RunConfig>) -> String {
    let named = |part: &str| !part.is_empty() && !row.name.contains(part);
    let mut parts: Vec<String> =
        [&row.method, &row.model, &row.dataset].into_iter().filter(|part| named(part)).cloned().collect();
    if let Some(config) = config.filter(|config| !matches!(config.method, MethodConfig::FewShot(_))) {
        parts.push(say!("training.at_rate", rate = text::scientific(config.training.learning_rate)));
        parts.push(say!("training.with_seed", seed = config.seed));
    }
    if row.total_steps > 0 {
        parts.push(say!("training.n_steps", n = text::count(row.total_steps as usize)));
    }
    parts.join(" · ")
}

fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::LoadingModel { .. } => say!("phase.loading"),
        Phase::PreparingData => say!("phase.data"),
        Phase::Initialising => say!("phase.initialising"),
        Phase::FirstStep => say!("phase.first_step"),
        Phase::Training => say!("phase.training"),
        Phase::Evaluating { .. } => say!("phase.evaluating"),
        Phase::Sampling => say!("phase.sampling"),
        Phase::Saving => say!("phase.saving"),
        Phase::BuildingVocabulary { .. } => say!("phase.vocabulary"),
        Phase::Generating => say!("phase.generating"),
    }
}

/// A phase in words, with the share that is done.
pub fn phase_line(phase: Phase) -> String {
    let word = phase_word(phase);
    match phase {
        Phase::LoadingModel { share } | Phase::Evaluating { share } | Phase::BuildingVocabulary { share } => {
            format!("{word} · {:.0} %", share * 100.0)
        }
        _ => word.to_owned(),
    }
}

fn live_buttons_ui(ui: &mut Ui, live: &Live, out: &mut Vec<Action>) {
    let run = || live.run.clone();
    if quiet_ui(ui, !live.stopping, say!("training.stop")).on_hover_text(say!("training.stop_help")).clicked() {
        out.push(Action::Stop(run()));
    }
    if quiet_ui(ui, !live.stopping && live.step > 0, say!("training.checkpoint")).clicked() {
        out.push(Action::Checkpoint(run()));
    }
    let label = if live.paused { say!("training.continue") } else { say!("training.pause") };
    if quiet_ui(ui, !live.stopping, label).clicked() {
        out.push(Action::Pause(run(), !live.paused));
    }
}

fn still_buttons_ui(ui: &mut Ui, state: &State, row: &RunRow, out: &mut Vec<Action>) {
    let waiting = state.queue.iter().any(|waiting| waiting.run == row.id);
    if waiting {
        if quiet_ui(ui, true, say!("frame.take_out")).clicked() {
            out.push(Action::Withdraw(row.id.clone()));
        }
        return;
    }
    let has_adapter = state.checkpoints.get(&row.id).is_some_and(|list| !list.is_empty()) && !row.files_missing;
    if primary_ui(ui, has_adapter, say!("training.compare")).clicked() {
        out.push(Action::Open(row.id.clone(), Screen::Compare));
    }
    if quiet_ui(ui, has_adapter, say!("training.explore")).clicked() {
        out.push(Action::Open(row.id.clone(), Screen::Explorer));
    }
    if quiet_ui(ui, true, say!("training.duplicate")).clicked() {
        out.push(Action::Duplicate(row.id.clone()));
    }
    if can_resume(row) && quiet_ui(ui, true, say!("training.resume")).clicked() {
        out.push(Action::Resume(row.id.clone()));
    }
}

fn tiles_ui(ui: &mut Ui, view: &RunView, row: &RunRow, live: Option<&Live>) {
    let shown = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), text::figure);
    let first = view.evaluations.first().map(|e| e.loss);
    let best = view.best();
    let best_note = match (best, first) {
        (Some(best), _) if best.step == 0 && row.step > 0 => say!("training.best_is_start").to_owned(),
        (Some(best), Some(first)) if first > 0.0 && best.loss < first => {
            say!("training.best_note", step = best.step, share = format!("{:.0}", 100.0 * (1.0 - best.loss / first)))
        }
        (Some(best), _) => say!("training.at_step", step = best.step),
        _ => String::new(),
    };
    let speed = view.mean_speed(live.map_or(usize::MAX, |_| SPEED_STEPS));
    let facts = view.facts.as_deref();
    card_ui(ui, "", |ui| {
        let figures = best.and_then(|best| best.figures.as_ref());
        ui.columns(5 + usize::from(figures.is_some()), |c| {
            tile_ui(&mut c[0], say!("training.best"), &shown(best.map(|b| b.loss).or(row.best_loss)), &best_note);
            tile_ui(&mut c[1], say!("training.last_loss"), &shown(view.loss.last().map(|p| p.1).or(row.last_loss)), "");
            tile_ui(
                &mut c[2],
                say!("training.speed"),
                &speed.map_or_else(|| "–".to_owned(), |speed| text::count(speed as usize)),
                say!("training.speed_unit"),
            );
            let trained = facts.map_or_else(|| "–".to_owned(), |f| text::short_count(f.trained_parameters));
            let stored =
                facts.map_or_else(String::new, |f| say!("training.keeps", n = text::short_count(f.stored_parameters)));
            tile_ui(&mut c[3], say!("training.trains"), &trained, &stored);
            let rows = facts.map_or_else(|| "–".to_owned(), |f| text::count(f.train_rows));
            let device = facts.map_or("", |f| f.device.as_str());
            // The precision stands at the end of a name that is often too long.
            let narrow = view.config.as_ref().map(|config| config.precision).filter(|p| *p != Precision::F32);
            let place = match narrow {
                Some(precision) => format!("{precision} · {}", text::shortened(device, 19)),
                None => text::shortened(device, 26),
            };
            tile_ui(&mut c[4], say!("training.rows"), &rows, &place);
            if let Some(figures) = figures {
                let percent = |share: f64| format!("{:.1} %", 100.0 * share);
                let (name, share) = match figures.entity_f1 {
                    Some(share) => (say!("training.entity_f1"), share),
                    None => (say!("training.accuracy"), figures.accuracy),
                };
                let note = figures.macro_f1.map(|share| say!("training.macro_f1", share = percent(share)));
                let tile = tile_ui(&mut c[5], name, &percent(share), &note.unwrap_or_default());
                if !figures.datasets.is_empty() {
                    let of = |of: &NamedFigures| format!("{} {}", of.name, percent(of.figures.accuracy));
                    tile.on_hover_text(figures.datasets.iter().map(of).collect::<Vec<_>>().join("\n"));
                }
            }
        });
    });
    ui.add_space(theme::SMALL_GAP);
}
