//! The nearest tokens of a cell, drawn over the vocabulary they were found in.
//!
//! One axis for all: z, the cosine in standard deviations from the vocabulary's mean. The hill behind the list is the
//! whole vocabulary, bars begin at its mean, and the line is where chance ends.

use egui::accesskit::Role;
use egui::{
    Align2, CornerRadius, FontId, Painter, Rangef, Rect, RichText, Sense, Shape, Stroke, Ui, WidgetInfo, pos2, vec2,
};
use engine::analysis::{Metric, Neighbor, NeighborList, Side, Space, VocabularyScores};

use super::Explorer;
use crate::action::Action;
use crate::format;
use crate::screens::training::phase_line;
use crate::state::State;
use crate::t;
use crate::theme::{self, Tokens, blend, tokens};
use crate::widgets::button::segmented_ui;
use crate::widgets::containers::{card_ui, empty_ui};
use crate::widgets::field;

/// Height of a token's line.
const LINE: f32 = 22.0;
/// Room for the tokens at the left, and for the two numbers at the right.
const WORDS: f32 = 132.0;
const NUMBERS: f32 = 104.0;
/// Below the lines: the numbers of the axis.
const AXIS: f32 = 20.0;

impl Explorer {
    pub(super) fn list_card_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        card_ui(ui, t!("explorer.neighbors"), |ui| self.list_ui(ui, state, out));
    }

    fn list_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let exploration = &state.exploration;
        let Some(grid) = &exploration.grid.answer else { return };
        self.how_ui(ui, state, out);
        let Some(cell) = exploration.cell else {
            empty_ui(ui, t!("explorer.click"), t!("explorer.click_advice"));
            return projection_ui(ui, grid.is_prompt);
        };
        let side = if cell.side == Side::Key { t!("explorer.keys") } else { t!("explorer.values") };
        let title = match grid.is_prompt {
            true => t!("explorer.list_of_virtual", position = cell.position + 1),
            false => t!("explorer.list_of", side = side, layer = cell.layer + 1, position = cell.position + 1),
        };
        ui.label(RichText::new(title).color(tokens(ui).text));
        match exploration.list() {
            Some(list) => {
                neighbors_ui(ui, list, cell.metric);
                chance_ui(ui, list, grid.n_layers * grid.n_virtual);
                projection_ui(ui, grid.is_prompt);
            }
            None if exploration.nearest.is_open() => {
                ui.horizontal(|ui| {
                    ui.spinner();
                    let line = exploration.nearest.phase.map_or_else(|| t!("explorer.asking").to_owned(), phase_line);
                    ui.label(RichText::new(line).color(tokens(ui).muted));
                });
            }
            None => {}
        }
    }

    /// Draws the choices of space and metric by which vectors are compared.
    fn how_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let mut changed = false;
        ui.horizontal_wrapped(|ui| {
            field::field_ui(ui, t!("explorer.space"), t!("explorer.space_help"), None, |ui| {
                let names = [
                    (Space::Whitened, t!("explorer.whitened")),
                    (Space::Centered, t!("explorer.centered")),
                    (Space::Raw, t!("explorer.raw")),
                ];
                changed |= segmented_ui(ui, &mut self.space, &names);
            });
            field::field_ui(ui, t!("explorer.metric"), t!("explorer.metric_help"), None, |ui| {
                let names = [
                    (Metric::Cosine, t!("explorer.cosine")),
                    (Metric::Dot, t!("explorer.dot")),
                    (Metric::L2, t!("explorer.l2")),
                ];
                changed |= segmented_ui(ui, &mut self.metric, &names);
            });
        });
        ui.add_space(theme::SMALL_GAP);
        if changed {
            self.ask_again(state, out);
        }
    }
}

/// The axis of a list: z from left to right.
struct Axis {
    room: Rangef,
    low: f32,
    high: f32,
}

impl Axis {
    fn of(list: &NeighborList, room: Rangef) -> Self {
        let reach = list.nearest.iter().map(|near| near.z).filter(|z| z.is_finite()).fold(0.0, f32::max);
        let high = (reach + 0.4).max(list.vocabulary.limit.unwrap_or(list.vocabulary.best) + 0.8);
        Self { room, low: -3.5, high }
    }

    fn x(&self, z: f32) -> f32 {
        let share = (z - self.low) / (self.high - self.low);
        self.room.min + self.room.span() * share.clamp(0.0, 1.0)
    }
}

fn neighbors_ui(ui: &mut Ui, list: &NeighborList, metric: Metric) {
    let t = tokens(ui);
    ui.spacing_mut().item_spacing.y = 0.0;
    let (names, _) = ui.allocate_exact_size(vec2(ui.available_width(), LINE), Sense::empty());
    let measure = match metric {
        Metric::Cosine => t!("explorer.cosine"),
        Metric::Dot => t!("explorer.dot"),
        Metric::L2 => t!("explorer.l2"),
        Metric::Csls => t!("explorer.csls"),
    };
    let font = egui::TextStyle::Small.resolve(ui.style());
    let name = |text: &str, x: f32| {
        ui.painter().text(pos2(x, names.center().y), Align2::RIGHT_CENTER, text, font.clone(), t.muted);
    };
    name(measure, names.right() - 48.0);
    name("z", names.right());
    let lines = list.nearest.len() as f32 * LINE;
    let plot =
        Rect::from_min_size(names.left_bottom() + vec2(WORDS, 0.0), vec2(names.width() - WORDS - NUMBERS, lines));
    let axis = Axis::of(list, plot.x_range());
    hill(ui.painter(), t, &list.vocabulary, &axis, plot);
    for near in &list.nearest {
        line_ui(ui, near, list.is_above_chance(near), &axis);
    }
    axis_ui(ui, &list.vocabulary, &axis, plot);
    ui.spacing_mut().item_spacing.y = 6.0;
}

/// Draws the histogram of z, as high as there is room, and the lines at the mean and where chance ends.
fn hill(painter: &Painter, t: &Tokens, all: &VocabularyScores, axis: &Axis, plot: Rect) {
    let highest = all.histogram.iter().copied().max().unwrap_or(1).max(1) as f32;
    let fill = blend(t.surface, t.faint, 0.22);
    for (bin, &count) in all.histogram.iter().enumerate().filter(|(_, count)| **count > 0) {
        let left = VocabularyScores::LOWEST + bin as f32 * VocabularyScores::STEP;
        let (left, right) = (axis.x(left), axis.x(left + VocabularyScores::STEP));
        let top = plot.bottom() - plot.height() * 0.96 * count as f32 / highest;
        let bar = Rect::from_min_max(pos2(left, top), pos2(right, plot.bottom()));
        if bar.width() > 0.0 {
            painter.rect_filled(bar, 0.0, fill);
        }
    }
    painter.vline(axis.x(0.0), plot.y_range(), Stroke::new(1.0, t.faint));
    if let Some(limit) = all.limit {
        let line = [pos2(axis.x(limit), plot.top()), pos2(axis.x(limit), plot.bottom())];
        painter.extend(Shape::dashed_line(&line, Stroke::new(1.5, t.warn), 4.0, 4.0));
    }
}

/// One token: its name, a bar from the mean to its z, where it was before training, its numbers.
fn line_ui(ui: &mut Ui, near: &Neighbor, is_above: bool, axis: &Axis) {
    let t = tokens(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), LINE), Sense::hover());
    let label = format!("{} {:.3}, z {:.1}", near.text, near.score, near.z);
    response.widget_info(|| WidgetInfo::labeled(Role::ListItem, true, &label));
    let (ink, fill) = if is_above { (t.text, t.accent) } else { (t.muted, blend(t.surface, t.faint, 0.55)) };
    let span = Rangef::new(axis.x(near.z.min(0.0)), axis.x(near.z.max(0.0)));
    let bar = Rect::from_x_y_ranges(span, rect.y_range().shrink(6.0));
    ui.painter().rect_filled(bar, CornerRadius::same(2), fill);
    if let Some(before) = near.before.filter(|before| before.is_finite()) {
        let place = pos2(axis.x(before), rect.center().y);
        ui.painter().circle(place, 3.0, t.surface, Stroke::new(1.5, t.second));
    }
    let font = FontId::monospace(13.0);
    let painter = ui.painter_at(Rect::from_min_max(rect.min, pos2(rect.left() + WORDS - 8.0, rect.bottom())));
    painter.text(rect.left_center(), Align2::LEFT_CENTER, &near.text, font.clone(), ink);
    let number = |text: String, x: f32| {
        ui.painter().text(pos2(x, rect.center().y), Align2::RIGHT_CENTER, text, font.clone(), ink);
    };
    number(format!("{:.3}", near.score), rect.right() - 48.0);
    number(format!("{:.1}", near.z), rect.right());
    let id = t!("explorer.token", id = format::count(near.token as usize));
    response.on_hover_text(match near.before {
        Some(before) => format!("{id} · {}", t!("explorer.before", z = format!("{before:.1}"))),
        None => id,
    });
}

/// Draws the axis with its marks at the mean and where chance ends.
fn axis_ui(ui: &mut Ui, all: &VocabularyScores, axis: &Axis, plot: Rect) {
    let t = tokens(ui);
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), AXIS), Sense::empty());
    ui.painter().hline(plot.x_range(), plot.bottom(), Stroke::new(1.0, t.border));
    let font = FontId::monospace(11.0);
    let mark = |z: f32, text: String, ink| {
        ui.painter().text(pos2(axis.x(z), rect.center().y), Align2::CENTER_CENTER, text, font.clone(), ink);
    };
    mark(0.0, "0".to_owned(), t.muted);
    if let Some(limit) = all.limit {
        mark(limit, format!("{limit:.1}"), t.warn);
    }
}

/// Notes on what chance makes of so many tokens, and of so many cells.
fn chance_ui(ui: &mut Ui, list: &NeighborList, cells: usize) {
    let all = &list.vocabulary;
    let note = |ui: &mut Ui, text: &str, ink| {
        ui.add(egui::Label::new(RichText::new(text).small().color(ink)).wrap());
    };
    let t = tokens(ui);
    let (mean, sd) = (format!("{:.3}", all.mean), format!("{:.3}", all.sd));
    let (tokens, best) = (format::count(all.tokens), format!("{:.1}", all.best));
    let line = match all.limit {
        Some(limit) => {
            let expected = format!("{:.0}", (cells as f64 * VocabularyScores::LEVEL).ceil());
            let (limit, cells) = (format!("{limit:.1}"), format::count(cells));
            t!(
                "explorer.chance",
                tokens = tokens,
                mean = mean,
                sd = sd,
                best = best,
                limit = limit,
                expected = expected,
                cells = cells
            )
        }
        None => t!("explorer.unjudged", tokens = tokens, mean = mean, sd = sd),
    };
    if all.limit.is_some() && list.above_chance() == 0 {
        note(ui, t!("explorer.all_gray"), t.warn);
    }
    note(ui, &line, t.muted);
    if let Some(first) = list.initial.first() {
        note(ui, &t!("explorer.initial_best", token = first.text, z = format!("{:.1}", first.z)), t.muted);
    }
}

/// Notes on the projection that must be known to read any such list.
fn projection_ui(ui: &mut Ui, is_prompt: bool) {
    let note = if is_prompt { t!("explorer.virtual_note") } else { t!("explorer.projection_note") };
    let (muted, text) = (tokens(ui).muted, tokens(ui).text);
    ui.add(egui::Label::new(RichText::new(t!("explorer.projection")).small().color(text)).wrap());
    ui.add(egui::Label::new(RichText::new(note).small().color(muted)).wrap());
}
