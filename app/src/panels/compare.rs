//! The screen *Compare*: one prompt, the base and any runs of one model beside each other.

mod decoding;

use std::collections::BTreeMap;

use egui::{RichText, ScrollArea, Slider, Ui};
use engine::config::{LoraBias, MethodConfig, RunConfig};
use engine::data::TokenRow;
use engine::generation::Sampling;
use engine::protocol::{GeneratedBeam, Prompt};
use serde::{Deserialize, Serialize};

use super::training::{about_run, phase_line};
use crate::action::Action;
use crate::say;
use crate::state::State;
use crate::state::comparison::{Asked, Column, Wish};
use crate::store::RunRow;
use crate::text;
use crate::theme::{self, tokens};
use crate::widgets::button::{primary_ui, quiet_ui, segmented_ui};
use crate::widgets::diff::{diff_job, words_that_differ};
use crate::widgets::field;
use crate::widgets::icon::{self, Icon};
use crate::widgets::surface::{Level, banner_ui, card_ui, chip_ui, chips_ui, failure_ui, heading_ui, plain_chip_ui};
use crate::workspace::RunId;

/// What the differing words of a column differ from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Marks {
    /// The text that was wanted; where none is known, the base's.
    #[default]
    Wanted,
    /// What the base says.
    Base,
    /// No word is marked.
    Nothing,
}

/// What is being typed.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Compare {
    prompt: String,
    reference: String,
    /// The prompt is a source for the run's template.
    as_source: bool,
    row: Option<usize>,
    /// Somebody has typed a prompt: none is put there any more without a click.
    typed: bool,
    sampling: Option<Sampling>,
    strengths: Vec<(Option<RunId>, f64)>,
    marks: Marks,
}

impl Compare {
    /// Draws the screen.
    pub fn ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let comparison = &state.comparison;
        let mut generate = false;
        heading_ui(ui, say!("screen.compare"), say!("compare.note"), |ui| {
            let busy = comparison.job.is_some();
            let ready = !busy && !self.prompt.trim().is_empty() && !state.engine_gone && model_of(state).is_some();
            if busy {
                if quiet_ui(ui, true, say!("compare.stop")).clicked() {
                    out.push(Action::StopGenerating);
                }
                ui.label(RichText::new(comparison.phase.map(phase_line).unwrap_or_default()).color(tokens(ui).muted));
                ui.spinner();
            } else {
                generate = primary_ui(ui, ready, say!("compare.generate")).clicked();
            }
        });
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            if let Some(failure) = &comparison.failure {
                failure_ui(ui, failure);
                ui.add_space(theme::SMALL_GAP);
            }
            let reads_only = model_of(state).and_then(|folder| state.model(&folder));
            let reads_only =
                reads_only.is_some_and(|m| !m.tasks.is_empty() && !m.tasks.iter().any(|task| task.writes()));
            if reads_only {
                banner_ui(ui, Level::Info, say!("compare.encoder"), say!("compare.encoder_advice"), "", |_| {});
                ui.add_space(theme::SMALL_GAP);
            }
            // Another row is another question, and whoever comes here wants to see what the run says.
            generate |= self.prompt_ui(ui, state, out);
            generate |= self.row.is_some() && comparison.is_unasked() && state.can_ask();
            ui.add_space(theme::SMALL_GAP);
            self.columns_ui(ui, state, out);
            ui.add_space(theme::GAP);
        });
        if generate && !self.prompt.trim().is_empty() && !state.engine_gone && model_of(state).is_some() {
            out.push(Action::Generate(Box::new(self.wish(state))));
        }
    }

    fn strength(&mut self, run: Option<&RunId>) -> &mut f64 {
        let place = self.strengths.iter().position(|(known, _)| known.as_ref() == run).unwrap_or_else(|| {
            self.strengths.push((run.cloned(), 1.0));
            self.strengths.len() - 1
        });
        &mut self.strengths[place].1
    }

    fn wish(&mut self, state: &State) -> Wish {
        let columns = &state.comparison.columns;
        let strengths = columns.iter().map(|column| *self.strength(column.run.as_ref())).collect();
        let text = self.prompt.clone();
        let prompt = match state.compared().filter(|_| self.as_source) {
            Some(config) => Prompt::Source {
                text,
                columns: BTreeMap::new(),
                template: config.data.prompt_template.clone(),
                begin_token: config.data.begin_token,
                chat: config.data.chat,
            },
            None => Prompt::Text(text),
        };
        Wish { prompt, sampling: self.sampling.clone().unwrap_or_default(), strengths }
    }

    /// `true` if another row was taken.
    fn prompt_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) -> bool {
        card_ui(ui, "", |ui| {
            field::field_ui(ui, say!("compare.prompt"), say!("compare.prompt_help"), None, |ui| {
                if field::code_ui(ui, &mut self.prompt, 2) {
                    self.row = None;
                    self.typed = true;
                    self.reference.clear();
                }
            });
            let moved = ui.horizontal_wrapped(|ui| {
                let moved = self.row_ui(ui, state, out);
                ui.add_space(12.0);
                self.source_ui(ui, state);
                moved
            });
            if !self.reference.is_empty() {
                let line = say!("compare.reference", text = self.reference.trim());
                ui.add(egui::Label::new(RichText::new(line).color(tokens(ui).muted)).wrap().selectable(true));
            }
            let sampling = self.sampling.get_or_insert_default();
            let title = say!("compare.decoding", how = decoding::in_words(sampling));
            egui::CollapsingHeader::new(RichText::new(title).small()).id_salt("decoding").show(ui, |ui| {
                ui.add_space(4.0);
                decoding::settings_ui(ui, sampling);
            });
            moved.inner
        })
    }

    /// Typed text is a source in most cases, and a run knows only prompts that its template has made.
    fn source_ui(&mut self, ui: &mut Ui, state: &State) {
        let Some(config) = state.compared() else { return };
        let template = text::shortened(&config.data.prompt_template.replace('\n', " "), 80);
        let help = format!("{}\n\n{template}", say!("compare.as_source_help"));
        field::check_ui(ui, &mut self.as_source, say!("compare.as_source"), &help);
    }

    /// `true` if another row was taken.
    fn row_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) -> bool {
        let rows = &state.comparison.rows;
        if rows.is_empty() {
            let waiting = state.comparison.rows_job.is_some();
            let possible = !waiting && (state.comparison.runs().next().is_some() || state.starter.is_some());
            if quiet_ui(ui, possible, say!("compare.load_rows")).on_hover_text(say!("compare.load_rows_help")).clicked()
            {
                out.push(Action::FindPrompts);
            }
            if waiting {
                ui.spinner();
            }
            return false;
        }
        let last = rows.len() - 1;
        // Rows of other runs have come.
        if self.row.is_some_and(|row| rows.get(row).is_none_or(|row| row.prompt != self.prompt)) {
            self.row = None;
        }
        if self.row.is_none() && !self.typed {
            self.take_row(rows, 0);
        }
        let mut moved = false;
        if ui.add_enabled(self.row != Some(0), egui::Button::new(say!("compare.previous"))).clicked() {
            self.take_row(rows, self.row.map_or(0, |row| row.saturating_sub(1)));
            moved = true;
        }
        if ui.add_enabled(self.row != Some(last), egui::Button::new(say!("compare.next"))).clicked() {
            self.take_row(rows, self.row.map_or(0, |row| (row + 1).min(last)));
            moved = true;
        }
        if let Some(row) = self.row.and_then(|row| rows.get(row)) {
            ui.label(RichText::new(say!("compare.row", row = row.row)).small().color(tokens(ui).muted));
        }
        moved
    }

    fn take_row(&mut self, rows: &[TokenRow], index: usize) {
        if let Some(row) = rows.get(index) {
            self.row = Some(index);
            self.prompt.clone_from(&row.prompt);
            self.reference.clone_from(&row.target);
            (self.as_source, self.typed) = (false, false);
        }
    }

    fn columns_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let columns = &state.comparison.columns;
        ui.horizontal_wrapped(|ui| {
            add_run_ui(ui, state, out);
            ui.add_space(12.0);
            ui.label(RichText::new(say!("compare.marks")).small().color(tokens(ui).muted));
            let names = [
                (Marks::Wanted, say!("compare.marks_wanted")),
                (Marks::Base, say!("compare.marks_base")),
                (Marks::Nothing, say!("compare.marks_nothing")),
            ];
            segmented_ui(ui, &mut self.marks, &names);
            if columns.len() == 1 {
                ui.label(RichText::new(say!("compare.add_advice")).color(tokens(ui).muted));
            }
        });
        let wish = self.wish(state);
        let questions = state.questions(&wish);
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
        ui.columns(columns.len().max(2), |sides| {
            for (i, (ui, column)) in sides.iter_mut().zip(columns).enumerate() {
                let asked = column.asked.as_ref().filter(|_| old[i]);
                let other = asked.map(|asked| Old { prompt: asked.prompt != wish.prompt });
                ui.push_id(i, |ui| self.column_ui(ui, column, (against.as_deref(), other), state, out));
            }
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
        let name = row.map_or(say!("compare.base").to_owned(), |row| row.name.clone());
        card_ui(ui, "", |ui| {
            ui.set_min_height(160.0);
            column_head_ui(ui, &name, row, out);
            match row {
                None => {
                    let model = model_of(state).map(|path| crate::workspace::model_name(&path)).unwrap_or_default();
                    ui.label(RichText::new(model).small().color(tokens(ui).muted));
                }
                Some(row) => {
                    let about = about_run(row, state.configs.get(&row.id).map(Box::as_ref));
                    ui.add(egui::Label::new(RichText::new(about).small().color(tokens(ui).muted)).truncate());
                    self.strength_ui(ui, row, column, state, out);
                }
            }
            ui.add_space(4.0);
            let text = column.text.trim();
            if let Some(old) = old {
                ui.add(egui::Label::new(RichText::new(text).color(tokens(ui).faint)).wrap().selectable(true));
                chips_ui(ui, |ui| {
                    let why = if old.prompt { say!("compare.other_prompt") } else { say!("compare.other_settings") };
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
            ui.label(RichText::new(say!("compare.strength")).small().color(tokens(ui).muted));
            let label = say!("compare.strength_of", name = row.name);
            let strength = self.strength(Some(&row.id));
            if state.configs.get(&row.id).is_some_and(|config| is_there_or_not(config)) {
                let mut on = *strength > 0.0;
                ui.name_inputs(label, |ui| ui.checkbox(&mut on, "")).on_hover_text(say!("compare.switch_help"));
                *strength = f64::from(u8::from(on));
                return;
            }
            ui.name_inputs(label, |ui| {
                ui.spacing_mut().interact_size.y = 22.0;
                ui.spacing_mut().slider_width = (ui.available_width() - 70.0).clamp(40.0, 140.0);
                ui.add(Slider::new(strength, 0.0..=2.0).fixed_decimals(2))
            })
            .on_hover_text(say!("compare.strength_help"));
        });
        let checkpoints = state.checkpoints.get(&row.id).map_or(&[][..], Vec::as_slice);
        if checkpoints.len() > 1 {
            let best = std::iter::once((None, say!("compare.best_checkpoint").to_owned()));
            let others =
                checkpoints.iter().map(|c| (Some(c.folder.clone()), say!("compare.checkpoint", step = c.step)));
            let choices: Vec<_> = best.chain(others).collect();
            let mut chosen = column.checkpoint.clone();
            let label = say!("compare.checkpoint_of", name = row.name);
            let changed = ui.name_inputs(label, |ui| field::choice_ui(ui, "checkpoint", &mut chosen, &choices));
            if changed {
                out.push(Action::ColumnCheckpoint(row.id.clone(), chosen));
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
            let label = say!("compare.remove", name = name);
            close.widget_info(|| egui::WidgetInfo::labeled(egui::accesskit::Role::Button, true, &label));
            if close.on_hover_text(&label).clicked() {
                out.push(Action::ToggleColumn(row.id.clone()));
            }
        }
        ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
            ui.add(egui::Label::new(RichText::new(name).text_style(theme::title())).truncate());
        });
    });
}

/// The task that a prompt for several is used for.
fn task_ui(ui: &mut Ui, row: &RunRow, column: &Column, state: &State, out: &mut Vec<Action>) {
    let Some([first, _, ..]) = state.tasks.get(&row.id).map(Vec::as_slice) else { return };
    let choices: Vec<(String, String)> =
        state.tasks[&row.id].iter().map(|task| (task.clone(), say!("compare.task", task = task))).collect();
    let mut chosen = column.task.clone().unwrap_or_else(|| first.clone());
    let label = say!("compare.task_of", name = row.name);
    if ui.name_inputs(label, |ui| field::choice_ui(ui, "task", &mut chosen, &choices)) {
        out.push(Action::ColumnTask(row.id.clone(), chosen));
    }
}

/// What the adapters say together, where there are several with short answers.
fn vote_ui(ui: &mut Ui, state: &State) {
    let Some(vote) = state.comparison.vote() else { return };
    card_ui(ui, say!("compare.vote"), |ui| {
        ui.add(egui::Label::new(RichText::new(vote.text).color(tokens(ui).text)).wrap().selectable(true));
        chips_ui(ui, |ui| {
            plain_chip_ui(ui, &say!("compare.voices", n = vote.voices, of = vote.voters));
            if vote.by_score {
                chip_ui(ui, Level::Warn, say!("compare.by_score")).on_hover_text(say!("compare.by_score_help"));
            }
        });
    });
    ui.add_space(theme::SMALL_GAP);
}

/// Trained weights of the model itself, and words, have no strength between 0 and 1.
fn is_there_or_not(config: &RunConfig) -> bool {
    let own = match &config.method {
        MethodConfig::Full(_) | MethodConfig::FewShot(_) => true,
        MethodConfig::Lora(lora) => lora.bias != LoraBias::None,
        MethodConfig::Prefix(_) | MethodConfig::Prompt(_) => false,
    };
    own || config.lora.as_ref().is_some_and(|lora| lora.bias != LoraBias::None)
}

fn model_of(state: &State) -> Option<std::path::PathBuf> {
    let run = state.comparison.runs().next();
    run.and_then(|run| state.row(run))
        .map(|row| row.model_folder.clone())
        .or_else(|| state.starter.as_ref().map(|starter| starter.model.clone()))
}

/// Only runs of one model can stand beside each other.
fn add_run_ui(ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
    let model = state.comparison.runs().next().and_then(|run| state.row(run)).map(|row| row.model_folder.clone());
    let free: Vec<&RunRow> = state
        .runs
        .iter()
        .flatten()
        .filter(|row| !row.files_missing && (row.step > 0 || row.best_loss.is_some()))
        .filter(|row| model.as_ref().is_none_or(|model| row.model_folder == *model))
        .filter(|row| !state.comparison.runs().any(|known| *known == row.id))
        .collect();
    ui.add_enabled_ui(!free.is_empty() && state.comparison.job.is_none(), |ui| {
        ui.menu_button(say!("compare.add"), |ui| {
            ScrollArea::vertical().max_height(360.0).show(ui, |ui| {
                for row in free {
                    let loss = row.best_loss.map(text::figure).unwrap_or_default();
                    if ui.button(format!("{}   {loss}", row.name)).clicked() {
                        out.push(Action::ToggleColumn(row.id.clone()));
                        ui.close();
                    }
                }
            });
        });
    });
}

/// What the best beam is worth, and the texts that came after it.
fn others_ui(ui: &mut Ui, beams: &[GeneratedBeam]) {
    let Some((best, others)) = beams.split_first() else { return };
    let score = |ui: &mut Ui, beam: &GeneratedBeam| {
        let worth = say!("compare.score", score = format!("{:.3}", beam.score));
        ui.label(RichText::new(worth).small().color(tokens(ui).muted)).on_hover_text(say!("compare.score_help"));
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
                chip_ui(ui, Level::Good, say!("compare.proven")).on_hover_text(say!("compare.proven_help"));
            }
            Some(false) => {
                chip_ui(ui, Level::Bad, say!("compare.unproven")).on_hover_text(say!("compare.unproven_help"));
            }
            None => {}
        }
        if !done.adapter_hash.is_empty() {
            let hash: String = done.adapter_hash.chars().take(10).collect();
            plain_chip_ui(ui, &say!("compare.hash", hash = hash)).on_hover_text(&done.adapter_hash);
        }
        let rate = done.tokens.len() as f64 / done.elapsed_secs.max(1e-9);
        plain_chip_ui(ui, &say!("compare.rate", n = done.tokens.len(), rate = format!("{rate:.0}")));
        if (column.strength() - 1.0).abs() > 1e-9 {
            plain_chip_ui(ui, &say!("compare.at_strength", strength = format!("{:.2}", column.strength())));
        }
    });
}
