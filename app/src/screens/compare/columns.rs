//! The columns of *Compare*: what each says, what it was asked, and what the adapters say together.

use egui::{RichText, ScrollArea, Slider, Ui};
use engine::config::RunConfig;
use engine::protocol::GeneratedBeam;

use super::action::CompareAction;
use super::state::{Asked, Column};
use super::ui::{Compare, Marks, model_of};
use crate::action::Action;
use crate::format;
use crate::screens::training::about_run;
use crate::state::State;
use crate::state::notices::Level;
use crate::store::RunRow;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::segmented_ui;
use crate::widgets::containers::{card_ui, chip_ui, chips_ui, plain_chip_ui};
use crate::widgets::diff::{diff_job, words_that_differ};
use crate::widgets::field;
use crate::widgets::icon::{self, Icon};

/// A column is no narrower: more of them are scrolled to.
const LEAST_WIDTH: f32 = 190.0;

impl Compare {
    /// Draws them, and what can be done with all of them.
    pub(super) fn columns_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let columns = &state.comparison.columns;
        ui.horizontal_wrapped(|ui| {
            add_run_ui(ui, state, out);
            ui.add_space(12.0);
            ui.label(RichText::new(t!("compare.marks")).small().color(tokens(ui).muted));
            let names = [
                (Marks::Wanted, t!("compare.marks_wanted")),
                (Marks::Base, t!("compare.marks_base")),
                (Marks::Nothing, t!("compare.marks_nothing")),
            ];
            segmented_ui(ui, &mut self.marks, &names);
            if columns.len() == 1 {
                ui.label(RichText::new(t!("compare.add_advice")).color(tokens(ui).muted));
            }
        });
        let form = self.generate_form(state);
        let questions = state.questions(&form);
        let is_old =
            |(column, question): (&Column, &Asked)| column.asked.as_ref().is_some_and(|asked| asked != question);
        let old: Vec<bool> = columns.iter().zip(&questions).map(is_old).collect();
        if !old.contains(&true) {
            vote_ui(ui, state);
        }
        let base = columns.first().map(|column| column.text.clone()).unwrap_or_default();
        // A text is held against another of the same prompt alone.
        let against = match self.marks {
            Marks::Nothing => None,
            Marks::Wanted if !self.reference.trim().is_empty() => Some(self.reference.clone()),
            Marks::Wanted | Marks::Base => Some(base).filter(|_| old.first() == Some(&false)),
        };
        let n = columns.len().max(2);
        ScrollArea::horizontal().id_salt("columns").show(ui, |ui| {
            ui.set_width(ui.available_width().max(n as f32 * LEAST_WIDTH));
            ui.columns(n, |sides| {
                for (i, (ui, column)) in sides.iter_mut().zip(columns).enumerate() {
                    let asked = column.asked.as_ref().filter(|_| old[i]);
                    let other = asked.map(|asked| Old { prompt: asked.prompt != form.prompt });
                    ui.push_id(i, |ui| self.column_ui(ui, column, (against.as_deref(), other), state, out));
                }
            });
        });
    }

    fn column_ui(
        &mut self,
        ui: &mut Ui,
        column: &Column,
        (against, old): (Option<&str>, Option<Old>),
        state: &State,
        out: &mut Vec<Action>,
    ) {
        let row = column.run.as_ref().and_then(|run| state.row(run));
        let name = row.map_or(t!("compare.base").to_owned(), RunRow::title);
        card_ui(ui, "", |ui| {
            ui.set_min_height(160.0);
            column_head_ui(ui, &name, row, out);
            match row {
                None => {
                    let model = model_of(state).map(|path| crate::workspace::model_name(&path)).unwrap_or_default();
                    ui.label(RichText::new(model).small().color(tokens(ui).muted));
                }
                Some(row) => {
                    let about = about_run(row, state.runs.configs.get(&row.id).map(Box::as_ref));
                    ui.add(egui::Label::new(RichText::new(about).small().color(tokens(ui).muted)).truncate());
                    self.strength_ui(ui, row, column, state, out);
                }
            }
            ui.add_space(4.0);
            let text = column.text.trim();
            if let Some(old) = old {
                ui.add(egui::Label::new(RichText::new(text).color(tokens(ui).faint)).wrap().selectable(true));
                chips_ui(ui, |ui| {
                    let why = if old.prompt { t!("compare.other_prompt") } else { t!("compare.other_settings") };
                    chip_ui(ui, Level::Warn, why);
                });
                return;
            }
            let pieces = match against.filter(|_| column.run.is_some()) {
                None => vec![(text.to_owned(), false)],
                Some(other) => words_that_differ(other.trim(), text),
            };
            let job = diff_job(ui, &pieces);
            ui.add(egui::Label::new(job).wrap().selectable(true));
            ui.add_space(4.0);
            others_ui(ui, column.done.as_ref().map_or(&[], |done| &done.beams));
            badges_ui(ui, column);
        });
    }

    fn strength_ui(&mut self, ui: &mut Ui, row: &RunRow, column: &Column, state: &State, out: &mut Vec<Action>) {
        ui.horizontal(|ui| {
            ui.label(RichText::new(t!("compare.strength")).small().color(tokens(ui).muted));
            let label = t!("compare.strength_of", name = row.name);
            let strength = self.strength(Some(&row.id));
            if state.runs.configs.get(&row.id).is_some_and(|config| is_there_or_not(config)) {
                let mut on = *strength > 0.0;
                ui.name_inputs(label, |ui| ui.checkbox(&mut on, "")).on_hover_text(t!("compare.switch_help"));
                *strength = f64::from(u8::from(on));
                return;
            }
            ui.name_inputs(label, |ui| {
                ui.spacing_mut().interact_size.y = 22.0;
                ui.spacing_mut().slider_width = (ui.available_width() - 70.0).clamp(40.0, 140.0);
                ui.add(Slider::new(strength, 0.0..=2.0).fixed_decimals(2))
            })
            .on_hover_text(t!("compare.strength_help"));
        });
        let checkpoints = state.runs.checkpoints.get(&row.id).map_or(&[][..], Vec::as_slice);
        if checkpoints.len() > 1 {
            let best = std::iter::once((None, t!("compare.best_checkpoint").to_owned()));
            let others = checkpoints.iter().map(|c| (Some(c.folder.clone()), t!("compare.checkpoint", step = c.step)));
            let choices: Vec<_> = best.chain(others).collect();
            let mut chosen = column.checkpoint.clone();
            let label = t!("compare.checkpoint_of", name = row.name);
            let changed = ui.name_inputs(label, |ui| field::choice_ui(ui, "checkpoint", &mut chosen, &choices));
            if changed {
                out.push(Action::Compare(CompareAction::ColumnCheckpoint(row.id.clone(), chosen)));
            }
        }
        task_ui(ui, row, column, state, out);
    }
}

/// A text that answers what was asked before.
#[derive(Clone, Copy)]
struct Old {
    /// Of another prompt; else of other settings.
    prompt: bool,
}

/// The name, cut where there is no room, and the button that takes the column away.
fn column_head_ui(ui: &mut Ui, name: &str, row: Option<&RunRow>, out: &mut Vec<Action>) {
    let size = egui::vec2(ui.available_width(), 24.0);
    ui.allocate_ui_with_layout(size, egui::Layout::right_to_left(egui::Align::Center), |ui| {
        if let Some(row) = row {
            let close = ui.small_button("    ");
            icon::paint(ui.painter(), close.rect.center(), Icon::Cross, tokens(ui).muted);
            let label = t!("compare.remove", name = name);
            close.widget_info(|| egui::WidgetInfo::labeled(egui::accesskit::Role::Button, true, &label));
            if close.on_hover_text(&label).clicked() {
                out.push(Action::Compare(CompareAction::ToggleColumn(row.id.clone())));
            }
        }
        ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
            ui.add(egui::Label::new(RichText::new(name).text_style(theme::title())).truncate());
        });
    });
}

/// The task that a prompt for several is used for.
fn task_ui(ui: &mut Ui, row: &RunRow, column: &Column, state: &State, out: &mut Vec<Action>) {
    let tasks = state.runs.tasks_of(&row.id);
    let [first, _, ..] = tasks else { return };
    let choices: Vec<(String, String)> =
        tasks.iter().map(|task| (task.clone(), t!("compare.task", task = task))).collect();
    let mut chosen = column.task.clone().unwrap_or_else(|| first.clone());
    let label = t!("compare.task_of", name = row.name);
    if ui.name_inputs(label, |ui| field::choice_ui(ui, "task", &mut chosen, &choices)) {
        out.push(Action::Compare(CompareAction::ColumnTask(row.id.clone(), chosen)));
    }
}

/// Draws the vote of the adapters, where there are several with short answers.
fn vote_ui(ui: &mut Ui, state: &State) {
    let Some(vote) = state.comparison.vote() else { return };
    card_ui(ui, t!("compare.vote"), |ui| {
        ui.add(egui::Label::new(RichText::new(vote.text).color(tokens(ui).text)).wrap().selectable(true));
        chips_ui(ui, |ui| {
            plain_chip_ui(ui, &t!("compare.voices", n = vote.votes, of = vote.voters));
            if vote.by_score {
                chip_ui(ui, Level::Warn, t!("compare.by_score")).on_hover_text(t!("compare.by_score_help"));
            }
        });
    });
    ui.add_space(theme::SMALL_GAP);
}

/// Trained weights of the model itself, and words, have no strength between 0 and 1; beside a prompt it is the prompt's.
fn is_there_or_not(config: &RunConfig) -> bool {
    !config.method.has_strength()
}

/// Only runs of one model can stand beside each other.
fn add_run_ui(ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
    let model = state.comparison.runs().next().and_then(|run| state.row(run)).map(|row| row.model_folder.clone());
    let free: Vec<&RunRow> = state
        .runs
        .rows()
        .filter(|row| !row.files_missing && (row.step > 0 || row.best_loss.is_some()))
        .filter(|row| model.as_ref().is_none_or(|model| row.model_folder == *model))
        .filter(|row| !state.comparison.runs().any(|known| *known == row.id))
        .collect();
    ui.add_enabled_ui(!free.is_empty() && !state.comparison.generation.is_open(), |ui| {
        ui.menu_button(t!("compare.add"), |ui| {
            ScrollArea::vertical().max_height(360.0).show(ui, |ui| {
                for row in free {
                    let loss = row.best_loss.map(format::figure).unwrap_or_default();
                    if ui.button(format!("{}   {loss}", row.title())).clicked() {
                        out.push(Action::Compare(CompareAction::ToggleColumn(row.id.clone())));
                        ui.close();
                    }
                }
            });
        });
    });
}

/// Draws the score of the best beam, and the texts that came after it.
fn others_ui(ui: &mut Ui, beams: &[GeneratedBeam]) {
    let Some((best, others)) = beams.split_first() else { return };
    let score = |ui: &mut Ui, beam: &GeneratedBeam| {
        let worth = t!("compare.score", score = format!("{:.3}", beam.score));
        ui.label(RichText::new(worth).small().color(tokens(ui).muted)).on_hover_text(t!("compare.score_help"));
    };
    score(ui, best);
    for beam in others {
        ui.separator();
        ui.add(egui::Label::new(RichText::new(beam.text.trim()).color(tokens(ui).muted)).wrap().selectable(true));
        score(ui, beam);
    }
    ui.add_space(4.0);
}

fn badges_ui(ui: &mut Ui, column: &Column) {
    let Some(done) = &column.done else { return };
    chips_ui(ui, |ui| {
        match done.proven_base {
            Some(true) => {
                chip_ui(ui, Level::Good, t!("compare.proven")).on_hover_text(t!("compare.proven_help"));
            }
            Some(false) => {
                chip_ui(ui, Level::Bad, t!("compare.unproven")).on_hover_text(t!("compare.unproven_help"));
            }
            None => {}
        }
        if !done.adapter_hash.is_empty() {
            let hash: String = done.adapter_hash.chars().take(10).collect();
            plain_chip_ui(ui, &t!("compare.hash", hash = hash)).on_hover_text(&done.adapter_hash);
        }
        let rate = done.tokens.len() as f64 / done.elapsed_secs.max(1e-9);
        plain_chip_ui(ui, &t!("compare.rate", n = done.tokens.len(), rate = format!("{rate:.0}")));
        if (column.strength() - 1.0).abs() > 1e-9 {
            plain_chip_ui(ui, &t!("compare.at_strength", strength = format!("{:.2}", column.strength())));
        }
    });
}
