//! The screen *Explorer*: inside a prefix, position by position and layer by layer.

use egui::accesskit::Role;
use egui::{CornerRadius, Rect, RichText, ScrollArea, Sense, Ui, WidgetInfo, pos2, vec2};
use engine::message::{Metric, Neighbour, NeighbourList, PrefixGrid, Side, WeightChange};
use engine::models::Site;

use super::training::phase_line;
use crate::action::{Action, Pick, Screen};
use crate::home::typed;
use crate::say;
use crate::state::State;
use crate::state::exploration::above_null;
use crate::state::run_view::RunView;
use crate::text;
use crate::theme::{self, blend, tokens};
use crate::widgets::button::{quiet_ui, segmented_ui};
use crate::widgets::field;
use crate::widgets::heatmap::{Heatmap, heatmap_ui, scale_ui};
use crate::widgets::surface::{Level, banner_ui, card_ui, empty_ui, heading_ui};

/// What is being chosen and typed.
#[derive(Debug)]
pub struct Explorer {
    side: Side,
    metric: Metric,
    csv: String,
}

impl Default for Explorer {
    fn default() -> Self {
        Self { side: Side::Key, metric: Metric::Cosine, csv: String::new() }
    }
}

impl Explorer {
    /// Takes in a path that was chosen in a dialog.
    pub fn picked(&mut self, path: &std::path::Path) {
        self.csv = path.display().to_string();
    }

    /// Draws the screen.
    pub fn ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        heading_ui(ui, say!("screen.explorer"), say!("explorer.note"), |_| {});
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            self.choices_ui(ui, state, out);
            ui.add_space(theme::SMALL_GAP);
            let Some(view) = &state.view else {
                empty_ui(ui, say!("explorer.no_run"), say!("explorer.no_run_advice"));
                return;
            };
            if let Some(failure) = &state.exploration.failure {
                banner_ui(ui, Level::Bad, &failure.what, &failure.advice, "", |_| {});
                ui.add_space(theme::SMALL_GAP);
            }
            let Some(grid) = &state.exploration.grid else {
                let waiting = state.exploration.grid_job.is_some() || view.asked;
                let (what, advice) = if waiting {
                    (say!("explorer.reading"), "")
                } else {
                    (say!("explorer.no_checkpoint"), say!("explorer.no_checkpoint_advice"))
                };
                empty_ui(ui, what, advice);
                return;
            };
            if grid.n_virtual > 0 {
                ui.columns(2, |sides| {
                    card_ui(&mut sides[0], say!("explorer.grid"), |ui| self.grid_ui(ui, grid, state, out));
                    card_ui(&mut sides[1], say!("explorer.neighbours"), |ui| self.list_ui(ui, state, out));
                });
                ui.add_space(theme::SMALL_GAP);
            } else if grid.changes.is_empty() {
                empty_ui(ui, say!("explorer.no_prefix"), say!("explorer.no_prefix_advice"));
            }
            if !grid.changes.is_empty() {
                card_ui(ui, say!("explorer.changes"), |ui| changes_ui(ui, &grid.changes));
            }
            ui.add_space(theme::GAP);
        });
    }

    fn choices_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        card_ui(ui, "", |ui| {
            let per_row = if ui.available_width() < theme::NARROW_SCREEN { 2 } else { 4 };
            for first in (0..4).step_by(per_row) {
                ui.columns(per_row, |columns| {
                    for (i, ui) in columns.iter_mut().enumerate() {
                        self.choice_ui(ui, first + i, state, out);
                    }
                });
            }
        });
    }

    /// One of the four choices above the grid.
    fn choice_ui(&mut self, ui: &mut Ui, which: usize, state: &State, out: &mut Vec<Action>) {
        match which {
            0 => run_choice_ui(ui, state, out),
            1 => checkpoint_choice_ui(ui, state, out),
            // A slot of a soft prompt is one vector.
            2 if state.exploration.grid.as_ref().is_some_and(|grid| grid.is_prompt) => {}
            2 => field::field_ui(ui, say!("explorer.side"), say!("explorer.side_help"), None, |ui| {
                let names = [(Side::Key, say!("explorer.keys")), (Side::Value, say!("explorer.values"))];
                if segmented_ui(ui, &mut self.side, &names) {
                    self.ask_again(state, out);
                }
            }),
            _ => field::field_ui(ui, say!("explorer.metric"), say!("explorer.metric_help"), None, |ui| {
                let names = [
                    (Metric::Cosine, say!("explorer.cosine")),
                    (Metric::Dot, say!("explorer.dot")),
                    (Metric::L2, say!("explorer.l2")),
                ];
                if segmented_ui(ui, &mut self.metric, &names) {
                    self.ask_again(state, out);
                }
            }),
        }
    }

    fn ask_again(&self, state: &State, out: &mut Vec<Action>) {
        if let Some(cell) = state.exploration.cell {
            out.push(self.ask(cell.layer, cell.position));
        }
    }

    fn ask(&self, layer: usize, position: usize) -> Action {
        Action::Neighbours { layer, position, side: self.side, metric: self.metric }
    }

    fn grid_ui(&mut self, ui: &mut Ui, grid: &PrefixGrid, state: &State, out: &mut Vec<Action>) {
        let values = match self.side {
            Side::Key => &grid.key_norm,
            Side::Value => &grid.value_norm,
        };
        let chosen = state.exploration.cell.map(|cell| (cell.layer, cell.position));
        let map = Heatmap { values, rows: grid.n_layers, columns: grid.n_virtual, chosen };
        ui.add(egui::Label::new(RichText::new(say!("explorer.grid_note")).small().color(tokens(ui).muted)).wrap());
        let clicked = heatmap_ui(ui, &map, |layer, position, norm| match grid.is_prompt {
            true => say!("explorer.slot", position = position + 1, norm = format!("{norm:.2}")),
            false => say!("explorer.cell", layer = layer + 1, position = position + 1, norm = format!("{norm:.2}")),
        });
        let finite = || values.iter().copied().filter(|v| v.is_finite());
        let low = finite().fold(f32::INFINITY, f32::min);
        let high = finite().fold(f32::NEG_INFINITY, f32::max);
        let axes = if grid.is_prompt { say!("explorer.slot_axes") } else { say!("explorer.axes") };
        ui.label(RichText::new(axes).small().color(tokens(ui).muted));
        if grid.sites.len() > 1 {
            ui.label(RichText::new(sites_line(&grid.sites)).small().color(tokens(ui).muted));
        }
        scale_ui(ui, &format!("{low:.2}"), &format!("{high:.2}"));
        if let Some((layer, position)) = clicked {
            out.push(self.ask(layer, position));
        }
    }

    fn list_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let exploration = &state.exploration;
        let is_prompt = exploration.grid.as_ref().is_some_and(|grid| grid.is_prompt);
        let note = if is_prompt { say!("explorer.slot_note") } else { say!("explorer.projection_note") };
        banner_ui(ui, Level::Info, say!("explorer.projection"), note, "", |_| {});
        ui.add_space(theme::SMALL_GAP);
        let Some(cell) = exploration.cell else {
            return empty_ui(ui, say!("explorer.click"), say!("explorer.click_advice"));
        };
        let side = if cell.side == Side::Key { say!("explorer.keys") } else { say!("explorer.values") };
        let title = match is_prompt {
            true => say!("explorer.list_of_slot", position = cell.position + 1),
            false => say!("explorer.list_of", side = side, layer = cell.layer + 1, position = cell.position + 1),
        };
        ui.label(RichText::new(title).color(tokens(ui).text));
        match exploration.list() {
            Some(list) => {
                neighbours_ui(ui, list, cell.metric);
                self.export_ui(ui, state, out);
            }
            None if exploration.job.is_some() => {
                ui.horizontal(|ui| {
                    ui.spinner();
                    let line = exploration.phase.map_or_else(|| say!("explorer.asking").to_owned(), phase_line);
                    ui.label(RichText::new(line).color(tokens(ui).muted));
                });
            }
            None => {}
        }
    }

    fn export_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        ui.add_space(theme::SMALL_GAP);
        let edit = field::field_ui(ui, say!("explorer.csv"), say!("explorer.csv_help"), None, |ui| {
            field::path_ui(ui, &mut self.csv, say!("explorer.csv_hint"), say!("explorer.csv_browse"))
        });
        if edit.browse {
            out.push(Action::Browse(Pick::NeighboursCsv));
        }
        if quiet_ui(ui, !self.csv.trim().is_empty(), say!("explorer.csv_write")).clicked() {
            let path = typed(&self.csv);
            out.push(Action::Write { path, text: state.exploration.to_csv() });
        }
    }
}

fn run_choice_ui(ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
    let runs =
        state.runs.iter().flatten().filter(|row| (row.step > 0 || row.best_loss.is_some()) && !row.files_missing);
    let choices: Vec<_> = runs.map(|row| (Some(row.id.clone()), row.name.clone())).collect();
    let mut chosen = state.view.as_ref().map(|view: &RunView| view.id.clone());
    field::field_ui(ui, say!("explorer.run"), "", None, |ui| {
        if field::choice_ui(ui, "run", &mut chosen, &choices)
            && let Some(run) = chosen
        {
            out.push(Action::Open(run, Screen::Explorer));
        }
    });
}

fn checkpoint_choice_ui(ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
    let checkpoints = state.view.as_ref().map_or(&[][..], |view| &view.checkpoints);
    let best = checkpoints.iter().rposition(|checkpoint| checkpoint.best);
    let initial = state.view.as_ref().and_then(RunView::initial).filter(|_| !checkpoints.is_empty());
    let before = initial.map(|folder| (Some(folder), say!("explorer.step_zero").to_owned()));
    let written = checkpoints.iter().enumerate().map(|(i, checkpoint)| {
        let name = match checkpoint.step {
            step if best == Some(i) => say!("explorer.best_step", step = step),
            step => say!("explorer.step", step = step),
        };
        (Some(checkpoint.folder.clone()), name)
    });
    let choices: Vec<_> = before.into_iter().chain(written).collect();
    let mut chosen = state.exploration.checkpoint.clone();
    field::field_ui(ui, say!("explorer.checkpoint"), say!("explorer.checkpoint_help"), None, |ui| {
        if field::choice_ui(ui, "checkpoint", &mut chosen, &choices)
            && let Some(checkpoint) = chosen
        {
            out.push(Action::Explore { checkpoint });
        }
    });
}

/// Bars for the trained prefix; what does not rise above the null is grey.
fn neighbours_ui(ui: &mut Ui, list: &NeighbourList, metric: Metric) {
    let t = tokens(ui);
    let (mean, sd) = list.random_best;
    let line = say!("explorer.null", mean = format!("{mean:.3}"), sd = format!("{sd:.3}"));
    ui.add(egui::Label::new(RichText::new(line).small().color(t.muted)).wrap());
    let initial_best = list.initial.first().map(|neighbour| neighbour.score);
    if let Some(score) = initial_best {
        let line = say!("explorer.initial_best", score = format!("{score:.3}"), token = list.initial[0].text);
        ui.add(egui::Label::new(RichText::new(line).small().color(t.muted)).wrap());
    }
    ui.add_space(2.0);
    ui.spacing_mut().item_spacing.y = 4.0;
    let shares = shares(&list.nearest, metric);
    for (neighbour, share) in list.nearest.iter().zip(shares) {
        let says_something = above_null(neighbour.score, metric, list);
        bar_ui(ui, neighbour, share, says_something);
    }
    if !list.nearest.iter().any(|neighbour| above_null(neighbour.score, metric, list)) {
        ui.add(egui::Label::new(RichText::new(say!("explorer.all_grey")).small().color(t.warn)).wrap());
    }
}

/// Lengths of the bars: of the largest for a similarity, the inverse for a distance.
fn shares(neighbours: &[Neighbour], metric: Metric) -> Vec<f32> {
    let measure = |score: f32| if metric == Metric::L2 { 1.0 / score.max(1e-6) } else { score.max(0.0) };
    let largest = neighbours.iter().map(|n| measure(n.score)).fold(1e-9, f32::max);
    neighbours.iter().map(|n| measure(n.score) / largest).collect()
}

fn bar_ui(ui: &mut Ui, neighbour: &Neighbour, share: f32, says_something: bool) {
    let t = tokens(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 22.0), Sense::hover());
    let label = format!("{} {:.3}", neighbour.text, neighbour.score);
    response.widget_info(|| WidgetInfo::labeled(Role::ListItem, true, &label));
    let (ink, fill) = if says_something { (t.text, blend(t.surface, t.accent, 0.45)) } else { (t.faint, t.raised) };
    let left = rect.left() + 150.0;
    let bar = Rect::from_min_max(
        pos2(left, rect.top() + 4.0),
        pos2(left + (rect.width() - 216.0).max(20.0) * share, rect.bottom() - 4.0),
    );
    ui.painter().rect_filled(bar, CornerRadius::same(3), fill);
    let font = egui::FontId::monospace(13.0);
    let painter = ui.painter_at(Rect::from_min_max(rect.min, pos2(left - 8.0, rect.bottom())));
    painter.text(rect.left_center(), egui::Align2::LEFT_CENTER, &neighbour.text, font.clone(), ink);
    let score = format!("{:.3}", neighbour.score);
    ui.painter().text(rect.right_center(), egui::Align2::RIGHT_CENTER, score, font, ink);
    response.on_hover_text(say!("explorer.token", id = text::count(neighbour.token as usize)));
}

/// A bar for each changed weight, as long as its share of the largest.
fn changes_ui(ui: &mut Ui, changes: &[WeightChange]) {
    let t = tokens(ui);
    ui.add(egui::Label::new(RichText::new(say!("explorer.changes_note")).small().color(t.muted)).wrap());
    let largest = changes.iter().map(|change| change.share).fold(1e-9, f32::max);
    ui.spacing_mut().item_spacing.y = 4.0;
    for change in changes {
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 20.0), Sense::hover());
        let share = format!("{:.3} %", 100.0 * change.share);
        let label = format!("{} {share}", change.name);
        response.widget_info(|| WidgetInfo::labeled(Role::ListItem, true, &label));
        let left = rect.left() + rect.width() * 0.45;
        let room = (rect.right() - 80.0 - left).max(20.0);
        let end = left + room * change.share / largest;
        let bar = Rect::from_min_max(pos2(left, rect.top() + 4.0), pos2(end, rect.bottom() - 4.0));
        ui.painter().rect_filled(bar, CornerRadius::same(3), blend(t.surface, t.accent, 0.45));
        let font = egui::FontId::monospace(12.0);
        let painter = ui.painter_at(Rect::from_min_max(rect.min, pos2(left - 8.0, rect.bottom())));
        painter.text(rect.left_center(), egui::Align2::LEFT_CENTER, &change.name, font.clone(), t.text);
        ui.painter().text(rect.right_center(), egui::Align2::RIGHT_CENTER, share, font, t.text);
        response.on_hover_text(say!("explorer.change_norm", norm = format!("{:.4}", change.norm)));
    }
}

/// Which layers of the grid stand where: "Encoder 1–6 · Decoder 7–12".
fn sites_line(sites: &[(Site, usize)]) -> String {
    let mut first = 1;
    let of_site = |(site, n_layers): &(Site, usize)| {
        let name = match site {
            Site::Encoder => say!("method.site_encoder"),
            Site::Decoder => say!("method.site_decoder"),
            Site::Cross => say!("method.site_cross"),
        };
        let range = format!("{name} {first}–{}", first + n_layers - 1);
        first += n_layers;
        range
    };
    sites.iter().map(of_site).collect::<Vec<_>>().join(" · ")
}
