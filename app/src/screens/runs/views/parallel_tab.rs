//! The tab of parallel axes, drawn by hand: lines colored by the figure, and intervals that are dragged on an axis.

use egui::accesskit::Role;
use egui::{Align2, Color32, FontId, Pos2, Rect, Response, Sense, Shape, Stroke, Ui, WidgetInfo, pos2, vec2};

use super::choices::Views;
use super::parallel::{Axis, axes, brush, passes, tone};
use super::ui::{Memory, Scene, color, note_ui, open};
use crate::action::Action;
use crate::i18n::language;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::chart_plot::fitting;
use crate::widgets::name_choice::name_choice_ui;

/// Room between two axes below which the plot is scrolled.
const LEAST_GAP: f32 = 118.0;
/// Height of the names above the axes.
const HEAD: f32 = 26.0;
/// Room below the axes, where runs without a value pass.
const FOOT: f32 = 22.0;
/// Half the width within which an axis is dragged.
const GRIP: f32 = 13.0;
/// Distance within which the pointer finds a line.
const REACH: f32 = 7.0;

/// Draws the tab.
pub(super) fn parallel_ui(
    ui: &mut Ui,
    scene: &Scene<'_>,
    memory: &mut Memory,
    views: &mut Views,
    out: &mut Vec<Action>,
) {
    choices_ui(ui, scene, views);
    let key = (scene.print, language(), views.figure.clone(), views.hidden_axes.clone());
    let axes = memory.axes.of(key, || axes(scene.rows, scene.facts, views));
    if axes.len() < 2 {
        return note_ui(ui, t!("views.no_axes"));
    }
    let height = (ui.available_height() - 12.0).max(150.0);
    let gap = ((ui.available_width() - 2.0 * LEAST_GAP * 0.5) / (axes.len() - 1) as f32).max(LEAST_GAP);
    egui::ScrollArea::horizontal().id_salt("axes").show(ui, |ui| {
        let width = gap * (axes.len() - 1) as f32 + LEAST_GAP;
        let (rect, response) = ui.allocate_exact_size(vec2(width, height), Sense::click());
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, t!("views.parallel_plot")));
        let drawing = Drawing { axes: &axes, rect, gap };
        drawing.brushes_ui(ui, views);
        drawing.lines_ui(ui, scene, views, &response, out);
        drawing.axes_ui(ui, views);
    });
}

fn choices_ui(ui: &mut Ui, scene: &Scene<'_>, views: &mut Views) {
    let facts = scene.facts;
    views.figure = facts.figure(&views.figure).to_owned();
    ui.horizontal_wrapped(|ui| {
        name_choice_ui(ui, t!("views.figure"), t!("views.find_name"), &mut views.figure, &facts.figures);
        ui.menu_button(t!("views.axes"), |ui| {
            for choice in &facts.settings {
                let mut shown = !views.hidden_axes.contains(&choice.value);
                if ui.checkbox(&mut shown, &choice.text).on_hover_text(&choice.value).changed() {
                    match shown {
                        true => drop(views.hidden_axes.remove(&choice.value)),
                        false => drop(views.hidden_axes.insert(choice.value.clone())),
                    }
                }
            }
        });
        if !views.brushes.is_empty() && ui.button(t!("views.clear_brushes")).clicked() {
            views.brushes.clear();
        }
        note_ui(ui, t!("views.brush_note"));
    });
}

/// The axes and where they stand.
struct Drawing<'a> {
    axes: &'a [Axis],
    rect: Rect,
    gap: f32,
}

impl Drawing<'_> {
    fn x(&self, axis: usize) -> f32 {
        self.rect.left() + LEAST_GAP * 0.5 + self.gap * axis as f32
    }

    fn top(&self) -> f32 {
        self.rect.top() + HEAD + 8.0
    }

    fn bottom(&self) -> f32 {
        self.rect.bottom() - FOOT
    }

    fn y(&self, share: f64) -> f32 {
        self.bottom() - (self.bottom() - self.top()) * share as f32
    }

    fn share(&self, y: f32) -> f64 {
        f64::from((self.bottom() - y) / (self.bottom() - self.top()))
    }

    /// Where a run passes an axis; below it if it has no value.
    fn place(&self, axis: usize, run: usize) -> Pos2 {
        let y = self.axes[axis].share(run).map_or(self.rect.bottom() - 8.0, |share| self.y(share));
        pos2(self.x(axis), y)
    }

    /// Takes in intervals that are dragged, and those that a click takes away.
    fn brushes_ui(&self, ui: &Ui, views: &mut Views) {
        for (index, axis) in self.axes.iter().enumerate() {
            let top_left = pos2(self.x(index) - GRIP, self.top() - 6.0);
            let strip = Rect::from_min_max(top_left, pos2(self.x(index) + GRIP, self.bottom() + 6.0));
            let id = egui::Id::unique(("parallel axis", &axis.name));
            let response = ui.interact(strip, id, Sense::click_and_drag());
            response.widget_info(|| WidgetInfo::labeled(Role::Slider, true, t!("views.axis_of", name = axis.shown)));
            let response = response.on_hover_cursor(egui::CursorIcon::ResizeVertical);
            let from = ui.input(|input| input.pointer.press_origin());
            if let (true, Some(from), Some(to)) = (response.dragged(), from, response.interact_pointer_pos()) {
                if let Some(interval) = brush(self.share(from.y), self.share(to.y)) {
                    views.brushes.insert(axis.name.clone(), interval);
                }
            } else if response.clicked() {
                views.brushes.remove(&axis.name);
            }
        }
    }

    fn lines_ui(&self, ui: &Ui, scene: &Scene<'_>, views: &Views, response: &Response, out: &mut Vec<Action>) {
        let t = tokens(ui);
        let inside = |run: usize| passes(self.axes, &views.brushes, run);
        let line = |run: usize| (0..self.axes.len()).map(|axis| self.place(axis, run)).collect::<Vec<Pos2>>();
        let (passing, faded): (Vec<usize>, Vec<usize>) = (0..scene.rows.len()).partition(|run| inside(*run));
        for run in faded {
            ui.painter().add(Shape::line(line(run), Stroke::new(1.0, t.faint.gamma_multiply(0.22))));
        }
        let opacity = if passing.len() > 60 { 0.55 } else { 0.9 };
        for run in &passing {
            let ink = color(ui, tone(self.axes, *run)).gamma_multiply(opacity);
            ui.painter().add(Shape::line(line(*run), Stroke::new(1.5, ink)));
        }
        let Some(pointer) = response.hover_pos() else { return };
        let distance = |run: &usize| self.distance(*run, pointer);
        let nearest = passing.iter().map(|run| (distance(run), *run)).min_by(|a, b| a.0.total_cmp(&b.0));
        let Some((_, run)) = nearest.filter(|(distance, _)| *distance < REACH) else { return };
        ui.painter().add(Shape::line(line(run), Stroke::new(3.0, color(ui, tone(self.axes, run)))));
        if response.clicked() {
            open(scene.rows[run], out);
        }
        self.name_ui(ui, &scene.rows[run].name, pointer);
    }

    /// How far a line passes from a place.
    fn distance(&self, run: usize, from: Pos2) -> f32 {
        let segments = (1..self.axes.len()).map(|axis| [self.place(axis - 1, run), self.place(axis, run)]);
        let inside = segments.filter(|[a, b]| (a.x..=b.x).contains(&from.x));
        let distance = |[a, b]: [Pos2; 2]| {
            let along = b - a;
            let share = ((from - a).dot(along) / along.length_sq().max(1e-6)).clamp(0.0, 1.0);
            (a + along * share).distance(from)
        };
        inside.map(distance).fold(f32::INFINITY, f32::min)
    }

    fn name_ui(&self, ui: &Ui, name: &str, pointer: Pos2) {
        let t = tokens(ui);
        let font = egui::TextStyle::Small.resolve(ui.style());
        let galley = ui.painter().layout_no_wrap(name.to_owned(), font, t.text);
        let size = galley.size() + vec2(16.0, 10.0);
        let right = pointer.x + 12.0;
        let x = if right + size.x > self.rect.right() { pointer.x - 12.0 - size.x } else { right };
        let rect = Rect::from_min_size(pos2(x, pointer.y - size.y - 4.0), size);
        let stroke = Stroke::new(1.0, t.border);
        ui.painter().rect(rect, theme::RADIUS, t.raised, stroke, egui::StrokeKind::Inside);
        ui.painter().galley(rect.min + vec2(8.0, 5.0), galley, t.text);
    }

    /// Draws the axes over the lines: names above, marks beside, intervals on them.
    fn axes_ui(&self, ui: &Ui, views: &Views) {
        let t = tokens(ui);
        let small = egui::TextStyle::Small.resolve(ui.style());
        let is_void = (0..self.axes.len()).any(|axis| self.axes[axis].has_gap());
        for (index, axis) in self.axes.iter().enumerate() {
            let x = self.x(index);
            let is_last = index + 1 == self.axes.len();
            // The outer names have the margin alone.
            let room = if is_last || index == 0 { LEAST_GAP - 8.0 } else { self.gap - 12.0 };
            let name = fitting(ui, &axis.shown, &small, room);
            let ink = if is_last { t.text } else { t.muted };
            ui.painter().text(pos2(x, self.rect.top() + 10.0), Align2::CENTER_CENTER, name, small.clone(), ink);
            ui.painter().vline(x, self.top()..=self.bottom(), Stroke::new(1.5, t.faint));
            if let Some((low, high)) = views.brushes.get(&axis.name) {
                let interval = Rect::from_x_y_ranges(x - 6.0..=x + 6.0, self.y(*high)..=self.y(*low));
                let fill = t.accent.gamma_multiply(0.25);
                let stroke = Stroke::new(1.0, t.accent);
                ui.painter().rect(interval, 3.0, fill, stroke, egui::StrokeKind::Inside);
            }
            self.marks_ui(ui, axis, x, if is_last { LEAST_GAP * 0.5 - 10.0 } else { self.gap * 0.42 });
        }
        if is_void {
            let place = pos2(self.rect.left() + 2.0, self.rect.bottom() - 8.0);
            ui.painter().text(place, Align2::LEFT_CENTER, "–", small, t.faint);
        }
    }

    /// Marks at the right of an axis, each on a ground of its own, so that no line crosses it.
    fn marks_ui(&self, ui: &Ui, axis: &Axis, x: f32, room: f32) {
        let t = tokens(ui);
        let font = FontId::monospace(11.0);
        let most = ((self.bottom() - self.top()) / 18.0) as usize;
        for (share, text) in axis.marks(most) {
            let y = self.y(share);
            let text = fitting(ui, &text, &font, room);
            let galley = ui.painter().layout_no_wrap(text, font.clone(), t.muted);
            let rect = Align2::LEFT_CENTER.anchor_size(pos2(x + 8.0, y), galley.size());
            ui.painter().rect_filled(rect.expand2(vec2(2.0, 0.0)), 2.0, ground(t.background));
            ui.painter().galley(rect.min, galley, t.muted);
            ui.painter().hline(x - 5.0..=x, y, Stroke::new(1.0, t.faint));
        }
    }
}

/// A ground through which lines are hardly seen.
fn ground(color: Color32) -> Color32 {
    color.gamma_multiply(0.8)
}
