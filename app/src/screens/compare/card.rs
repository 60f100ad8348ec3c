//! The card of a column: its name, what stands in it, its texts, and what they cost.

use egui::{RichText, Slider, Ui, WidgetInfo};
use engine::config::{MethodConfig, RunConfig, Strength};
use engine::protocol::GeneratedStream;

use super::action::CompareAction;
use super::add::{column_menu_ui, set};
use super::columns::Now;
use super::decoding;
use super::state::{Column, ColumnSetup, Mix};
use super::ui::Compare;
use crate::action::Action;
use crate::format;
use crate::screens::training::about_run;
use crate::state::State;
use crate::state::notices::Level;
use crate::store::RunRow;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::quiet_ui;
use crate::widgets::containers::{card_ui, chip_ui, chips_ui, modal_frame, plain_chip_ui};
use crate::widgets::field;
use crate::widgets::icon::{self, Icon};
use crate::widgets::layer_strip::{LayerStrip, layer_strip_ui};

/// A text that answers what was asked before.
#[derive(Clone, Copy)]
pub(super) struct Old {
    /// Of another prompt; else of other settings.
    pub(super) prompt: bool,
}

impl Compare {
    /// Draws a column; `true` if all are to be asked anew.
    pub(super) fn column_ui(
        &mut self,
        ui: &mut Ui,
        (place, old): (usize, Option<Old>),
        now: &Now,
        state: &State,
        out: &mut Vec<Action>,
    ) -> bool {
        let column = &state.comparison.columns[place];
        let mut generate = false;
        card_ui(ui, "", |ui| {
            ui.set_min_height(160.0);
            self.head_ui(ui, (place, column), &now.names[place], state, out);
            generate = setup_ui(ui, column, (&now.names[place], &mut self.layer), state, out);
            ui.add_space(4.0);
            if let Some(old) = old {
                for sample in &column.samples {
                    let text = RichText::new(sample.text.trim()).color(tokens(ui).faint);
                    ui.add(egui::Label::new(text).wrap().selectable(true));
                }
                chips_ui(ui, |ui| {
                    let why = if old.prompt { t!("compare.other_prompt") } else { t!("compare.other_settings") };
                    chip_ui(ui, Level::Warn, why);
                });
                return;
            }
            self.texts_ui(ui, place, now, state);
            ui.add_space(4.0);
            badges_ui(ui, column, &now.names[place]);
            self.take_over_ui(ui, column, &now.names[place], state);
            serving_ui(ui, place, now, state);
        });
        generate
    }

    /// The name, cut where there is no room, what can be done with the column, and the button that takes it away.
    fn head_ui(
        &mut self,
        ui: &mut Ui,
        (place, column): (usize, &Column),
        name: &str,
        state: &State,
        out: &mut Vec<Action>,
    ) {
        let size = egui::vec2(ui.available_width(), 24.0);
        ui.allocate_ui_with_layout(size, egui::Layout::right_to_left(egui::Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 2.0;
            ui.scope(|ui| {
                ui.spacing_mut().interact_size.y = 0.0;
                ui.spacing_mut().button_padding = egui::vec2(4.0, 2.0);
                if !column.setup.is_base() {
                    let close = ui.button("    ");
                    icon::paint(ui.painter(), close.rect.center(), Icon::Cross, tokens(ui).muted);
                    let label = t!("compare.remove", name = name);
                    close.widget_info(|| WidgetInfo::labeled(egui::accesskit::Role::Button, true, &label));
                    if close.on_hover_text(&label).clicked() {
                        out.push(Action::Compare(CompareAction::RemoveColumn(column.id)));
                    }
                }
                let menu = ui.menu_button("    ", |ui| column_menu_ui(ui, (place, column), state, out));
                let center = menu.response.rect.center();
                for x in [-4.0, 0.0, 4.0] {
                    ui.painter().circle_filled(center + egui::vec2(x, 0.0), 1.4, tokens(ui).muted);
                }
                let label = t!("compare.more_of", name = name);
                menu.response.widget_info(|| WidgetInfo::labeled(egui::accesskit::Role::Button, true, &label));
                menu.response.on_hover_text(&label);
                if menu.inner == Some(true) {
                    self.decides = Some(column.id);
                }
            });
            ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
                let title = RichText::new(name).text_style(theme::title());
                ui.add(egui::Label::new(title).truncate());
            });
        });
    }

    /// Decoding of a column of its own, over the screen.
    pub(super) fn own_decoding_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let Some(column) = self.decides.and_then(|id| state.comparison.column(id)) else { return };
        let place = state.comparison.columns.iter().position(|other| other.id == column.id).unwrap_or(0);
        let name = state.column_names().swap_remove(place);
        let mut setup = column.setup.clone();
        let modal = egui::Modal::new(egui::Id::unique("own decoding")).frame(modal_frame(ui)).show(ui.ctx(), |ui| {
            ui.set_width(620.0_f32.min(ui.ctx().content_rect().width() - 80.0));
            ui.label(RichText::new(t!("compare.own_decoding_of", name = name)).text_style(theme::title()));
            ui.add_space(theme::SMALL_GAP);
            let mut is_own = setup.sampling.is_some();
            if field::check_ui(ui, &mut is_own, t!("compare.is_own"), t!("compare.is_own_help")) {
                setup.sampling = is_own.then(|| self.generate_form(state).sampling);
            }
            if let Some(sampling) = &mut setup.sampling {
                ui.add_space(theme::SMALL_GAP);
                decoding::settings_ui(ui, sampling);
            }
            ui.add_space(theme::GAP);
            quiet_ui(ui, true, t!("compare.decided")).clicked()
        });
        if setup != column.setup {
            out.push(set(column.id, setup));
        }
        if modal.inner || modal.should_close() {
            self.decides = None;
        }
    }
}

/// What stands in a column, to be changed; `true` if all columns are to be asked anew.
fn setup_ui(
    ui: &mut Ui,
    column: &Column,
    (name, layer): (&str, &mut usize),
    state: &State,
    out: &mut Vec<Action>,
) -> bool {
    let mut setup = column.setup.clone();
    let mut generate = false;
    let row = setup.run.as_ref().and_then(|run| state.row(run));
    match (row, setup.words.is_some()) {
        (None, true) => words_ui(ui, name, &mut setup),
        (None, false) => {
            let model = state.compared_model().map(|path| crate::workspace::model_name(&path)).unwrap_or_default();
            ui.label(RichText::new(model).small().color(tokens(ui).muted));
        }
        (Some(row), _) => {
            let about = about_run(row, state.runs.configs.get(&row.id).map(Box::as_ref));
            ui.add(egui::Label::new(RichText::new(about).small().color(tokens(ui).muted)).truncate());
            strength_ui(ui, (row, name), &mut setup, layer, state);
            match setup.mix.clone() {
                Some(mix) => generate = mix_ui(ui, mix, name, &mut setup, state),
                None => checkpoint_ui(ui, (row, name), &mut setup, state),
            }
            task_ui(ui, (row, name), &mut setup, state);
        }
    }
    if let Some(own) = &setup.sampling {
        chips_ui(ui, |ui| {
            chip_ui(ui, Level::Warn, t!("compare.own_decoding")).on_hover_text(decoding::in_words(own));
        });
    }
    if setup != column.setup {
        out.push(set(column.id, setup));
    }
    generate
}

fn words_ui(ui: &mut Ui, name: &str, setup: &mut ColumnSetup) {
    let words = setup.words.get_or_insert_default();
    let label = t!("compare.words_of", name = name);
    let note = RichText::new(t!("compare.words_note")).small().color(tokens(ui).muted);
    ui.label(note).on_hover_text(t!("compare.words_help"));
    ui.name_inputs(label, |ui| field::code_ui(ui, words, 3));
}

fn strength_ui(ui: &mut Ui, (row, name): (&RunRow, &str), setup: &mut ColumnSetup, layer: &mut usize, state: &State) {
    let config = state.runs.configs.get(&row.id).map(Box::as_ref);
    let label = t!("compare.strength_of", name = name);
    let muted = tokens(ui).muted;
    let said = |ui: &mut Ui| ui.label(RichText::new(t!("compare.strength")).small().color(muted));
    if config.is_some_and(is_there_or_not) {
        ui.horizontal(|ui| {
            said(ui);
            let mut on = setup.strength > 0.0;
            ui.name_inputs(label, |ui| ui.checkbox(&mut on, "")).on_hover_text(t!("compare.switch_help"));
            setup.strength = f64::from(u8::from(on));
        });
        return;
    }
    let n_layers = state.compared_layers().filter(|_| config.is_some_and(has_layers));
    let mut is_own = !setup.layer_strengths.is_empty();
    if !is_own {
        ui.horizontal(|ui| {
            said(ui);
            ui.name_inputs(label, |ui| strength_slider_ui(ui, &mut setup.strength))
                .on_hover_text(t!("compare.strength_help"));
        });
    }
    let Some(n_layers) = n_layers else { return };
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let label = t!("compare.by_layer_in", name = name);
        let ticked = ui.name_inputs(label, |ui| ui.checkbox(&mut is_own, ""));
        ui.label(RichText::new(t!("compare.by_layer")).small().color(muted));
        if ticked.on_hover_text(t!("compare.by_layer_help")).changed() {
            setup.layer_strengths = if is_own { vec![setup.strength; n_layers] } else { Vec::new() };
        }
    });
    if is_own {
        // Those of a model with other layers.
        setup.layer_strengths.resize(n_layers, setup.strength);
        layers_ui(ui, name, &mut setup.layer_strengths, layer);
    }
}

/// A bar for each layer, and the chosen one exactly.
fn layers_ui(ui: &mut Ui, name: &str, strengths: &mut [f64], layer: &mut usize) {
    let label = t!("compare.layers_of", name = name);
    let strip = LayerStrip { label: &label, most: 2.0, mark: 1.0 };
    layer_strip_ui(ui, strengths, layer, &strip).on_hover_text(t!("compare.layers_help"));
    let mut number = *layer + 1;
    let most = strengths.len();
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let label = t!("compare.layer_in", name = name);
        ui.label(RichText::new(t!("compare.layer")).small().color(tokens(ui).muted));
        ui.name_inputs(label, |ui| ui.add(egui::DragValue::new(&mut number).range(1..=most)));
        let label = t!("compare.strength_of_layer", layer = number, name = name);
        if let Some(strength) = strengths.get_mut(number - 1) {
            ui.name_inputs(label, |ui| strength_slider_ui(ui, strength));
        }
    });
    *layer = number - 1;
}

fn strength_slider_ui(ui: &mut Ui, strength: &mut f64) -> egui::Response {
    ui.spacing_mut().interact_size.y = 22.0;
    ui.spacing_mut().slider_width = (ui.available_width() - 70.0).clamp(40.0, 140.0);
    ui.add(Slider::new(strength, 0.0..=2.0).fixed_decimals(2))
}

/// A soft prompt stands before the layers: it has one strength.
fn has_layers(config: &RunConfig) -> bool {
    !config.methods().iter().any(|method| matches!(method, MethodConfig::Prompt(_)))
}

/// Trained weights of the model itself, and words, have no strength between 0 and 1; beside a prompt it is the prompt's.
fn is_there_or_not(config: &RunConfig) -> bool {
    !config.method.has_strength()
}

fn checkpoint_ui(ui: &mut Ui, (row, name): (&RunRow, &str), setup: &mut ColumnSetup, state: &State) {
    let checkpoints = state.runs.checkpoints.get(&row.id).map_or(&[][..], Vec::as_slice);
    if checkpoints.len() < 2 {
        return;
    }
    let best = std::iter::once((None, t!("compare.best_checkpoint").to_owned()));
    let others = checkpoints.iter().map(|c| (Some(c.folder.clone()), t!("compare.checkpoint", step = c.step)));
    let choices: Vec<_> = best.chain(others).collect();
    let label = t!("compare.checkpoint_of", name = name);
    ui.name_inputs(label, |ui| field::choice_ui(ui, "checkpoint", &mut setup.checkpoint, &choices));
}

/// The share of the other adapter; `true` once it is let go.
fn mix_ui(ui: &mut Ui, mut mix: Mix, name: &str, setup: &mut ColumnSetup, state: &State) -> bool {
    let other = state.row(&mix.run).map_or_else(|| mix.run.to_string(), RunRow::title);
    let mut is_let_go = false;
    ui.add(
        egui::Label::new(RichText::new(t!("compare.share_of", name = other)).small().color(tokens(ui).muted))
            .truncate(),
    );
    let mut beside = mix.share.is_none();
    if let Some(share) = &mut mix.share {
        let label = t!("compare.share_in", name = name);
        let slider = ui.name_inputs(label, |ui| {
            ui.spacing_mut().interact_size.y = 22.0;
            ui.spacing_mut().slider_width = (ui.available_width() - 60.0).clamp(40.0, 180.0);
            ui.add(Slider::new(share, 0.0..=1.0).fixed_decimals(2))
        });
        is_let_go = slider.drag_stopped() || slider.lost_focus();
    }
    let label = t!("compare.side_by_side_in", name = name);
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let ticked = ui.name_inputs(label, |ui| ui.checkbox(&mut beside, ""));
        ui.label(RichText::new(t!("compare.side_by_side")).small().color(tokens(ui).muted));
        if ticked.on_hover_text(t!("compare.side_by_side_help")).changed() {
            mix.share = (!beside).then_some(0.5);
        }
    });
    setup.mix = Some(mix);
    is_let_go
}

/// The task that a prompt for several is used for.
fn task_ui(ui: &mut Ui, (row, name): (&RunRow, &str), setup: &mut ColumnSetup, state: &State) {
    let tasks = state.runs.tasks_of(&row.id);
    let [first, _, ..] = tasks else { return };
    let choices: Vec<(String, String)> =
        tasks.iter().map(|task| (task.clone(), t!("compare.task", task = task))).collect();
    let mut chosen = setup.task.clone().unwrap_or_else(|| first.clone());
    let label = t!("compare.task_of", name = name);
    if ui.name_inputs(label, |ui| field::choice_ui(ui, "task", &mut chosen, &choices)) {
        setup.task = Some(chosen);
    }
}

fn badges_ui(ui: &mut Ui, column: &Column, name: &str) {
    let Some(done) = column.done() else { return };
    chips_ui(ui, |ui| {
        base_chip_ui(ui, done);
        if !done.adapter_hash.is_empty() {
            let hash: String = done.adapter_hash.chars().take(10).collect();
            plain_chip_ui(ui, &t!("compare.hash", hash = hash)).on_hover_text(&done.adapter_hash);
        }
        let n: usize = column.samples.iter().filter_map(|sample| sample.done.as_ref()).map(|s| s.tokens.len()).sum();
        plain_chip_ui(ui, &t!("compare.written", n = n)).on_hover_text(t!("compare.written_help", name = name));
        match column.strength() {
            Strength::Whole(strength) if (strength - 1.0).abs() > 1e-9 => {
                plain_chip_ui(ui, &t!("compare.at_strength", strength = format!("{strength:.2}")));
            }
            Strength::Whole(_) => {}
            Strength::ByLayer(each) => {
                let said = each.iter().map(|strength| format!("{strength:.2}")).collect::<Vec<_>>().join(" · ");
                plain_chip_ui(ui, t!("compare.at_layer_strengths")).on_hover_text(said);
            }
        }
    });
}

fn base_chip_ui(ui: &mut Ui, done: &GeneratedStream) {
    match done.proven_base {
        Some(true) => {
            chip_ui(ui, Level::Good, t!("compare.proven")).on_hover_text(t!("compare.proven_help"));
        }
        Some(false) => {
            chip_ui(ui, Level::Bad, t!("compare.unproven")).on_hover_text(t!("compare.unproven_help"));
        }
        None => {}
    }
}

/// The cost of serving the column, by itself.
fn serving_ui(ui: &mut Ui, place: usize, now: &Now, state: &State) {
    let comparison = &state.comparison;
    let of = |place: usize| comparison.serving_of(comparison.columns[place].id, &now.questions[place]);
    let Some(time) = of(place) else { return };
    let base = comparison.columns.iter().position(|column| column.setup.is_base()).and_then(of);
    let beside = |own: f64, base: Option<f64>| match base.filter(|base| *base > 0.0) {
        Some(base) => t!("compare.beside_base", percent = format!("{:+.1}", 100.0 * (own / base - 1.0))),
        None => String::new(),
    };
    ui.add_space(2.0);
    chips_ui(ui, |ui| {
        let first = format!("{:.1}", 1e3 * time.first_token_secs);
        plain_chip_ui(ui, &t!("compare.first_token", ms = first))
            .on_hover_text(beside(time.first_token_secs, base.map(|base| base.first_token_secs)));
        let rate = format!("{:.0}", time.tokens_per_sec());
        plain_chip_ui(ui, &t!("compare.own_rate", rate = rate))
            .on_hover_text(beside(time.tokens_per_sec(), base.map(|base| base.tokens_per_sec())));
        plain_chip_ui(ui, &t!("compare.cache", bytes = format::bytes(time.cache_bytes)))
            .on_hover_text(t!("compare.cache_help"));
    });
}
