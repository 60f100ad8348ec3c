//! The line of a group: its name and number at the left, and beside it how far it is, its best figure, the mean over
//! seeds and, of an experiment, what can be done with it.

use egui::accesskit::Role;
use egui::{Align, Label, Layout, Rect, Response, RichText, Sense, Stroke, Ui, WidgetInfo, vec2};

use super::experiment::experiment_buttons_ui;
use super::groups::Group;
use super::table::{Asked, Table};
use crate::format;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::icon::{self, Icon};

/// Room that the buttons of an experiment need beside its figures.
const WIDE: f32 = 660.0;

impl Table<'_> {
    /// The part of it that stays at the left: the arrow that folds, the name, the number of runs.
    pub(super) fn group_name_ui(&mut self, ui: &mut Ui, place: usize) {
        let t = tokens(ui);
        let group = &self.sheet.groups[place];
        let rect = ui.max_rect().intersect(ui.clip_rect());
        let count = t!("runs.n_runs", n = group.runs.len());
        let response = self.group_line_ui(ui, group, rect, "name");
        let label = format!("{} · {count}", group.title);
        response.widget_info(|| WidgetInfo::selected(Role::Row, true, self.is_chosen(group), &label));
        if response.clicked() {
            self.asked.push(Asked::SelectGroup(place, ui.input(|input| input.modifiers)));
        }
        let folded = self.kept.folded.contains(&group.key);
        let arrow = Rect::from_min_size(rect.left_center() - vec2(0.0, 12.0), vec2(30.0, 24.0));
        let fold = ui.interact(arrow, egui::Id::unique(("fold runs", &group.key)), Sense::click());
        let word = if folded { t!("runs.unfold", name = group.title) } else { t!("runs.fold", name = group.title) };
        fold.widget_info(|| WidgetInfo::labeled(Role::Button, true, &word));
        let ink = if fold.hovered() || fold.has_focus() { t.text } else { t.muted };
        icon::paint(ui.painter(), arrow.center(), if folded { Icon::Right } else { Icon::Down }, ink);
        if fold.clicked() || response.double_clicked() {
            self.asked.push(Asked::Fold(group.key.clone()));
        }
        let inside = rect.with_min_x(arrow.right()).shrink2(vec2(4.0, 0.0));
        let mut line =
            ui.new_child(egui::UiBuilder::new().max_rect(inside).layout(Layout::right_to_left(Align::Center)));
        line.label(RichText::new(&count).small().color(t.muted));
        line.with_layout(Layout::left_to_right(Align::Center), |ui| {
            ui.add(Label::new(RichText::new(&group.title).color(t.text).strong()).truncate());
        });
        response.on_hover_text(&group.title);
    }

    /// The other part, which does not move with the columns: progress, best, mean, buttons.
    pub(super) fn group_facts_ui(&mut self, ui: &mut Ui, place: usize) {
        let rect = ui.max_rect().intersect(ui.clip_rect());
        let rect = rect.with_min_x(ui.clip_rect().left()).with_max_x(ui.clip_rect().right());
        let (group, state) = (&self.sheet.groups[place], self.state);
        let response = self.group_line_ui(ui, group, rect, "facts");
        if response.clicked() {
            self.asked.push(Asked::SelectGroup(place, ui.input(|input| input.modifiers)));
        }
        let hover = means_text(group);
        if !hover.is_empty() {
            response.on_hover_text(hover);
        }
        let inside = rect.shrink2(vec2(8.0, 4.0));
        let mut line =
            ui.new_child(egui::UiBuilder::new().max_rect(inside).layout(Layout::left_to_right(Align::Center)));
        line.spacing_mut().item_spacing.x = 8.0;
        let plan = group.experiment.as_ref().and_then(|name| state.experiments.named(name));
        let done = plan.map(|plan| state.standing(plan)).map(|standing| (standing.done, standing.runs));
        progress_ui(&mut line, done.unwrap_or((group.done, group.runs.len())));
        figures_ui(&mut line, group);
        let Some(experiment) = &group.experiment else { return };
        let is_wide = rect.width() >= WIDE;
        let out = &mut *self.out;
        line.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().button_padding.y = 2.0;
            ui.spacing_mut().interact_size.y = 24.0;
            if is_wide {
                experiment_buttons_ui(ui, experiment, state, out);
            } else {
                let menu = ui.menu_button("…", |ui| experiment_buttons_ui(ui, experiment, state, out));
                let label = t!("runs.experiment_menu", name = experiment);
                menu.response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &label));
            }
        });
    }

    fn is_chosen(&self, group: &Group) -> bool {
        !group.runs.is_empty() && group.runs.iter().all(|at| self.selected.contains(&self.rows[*at].id))
    }

    /// The background of a part, which chooses the runs of the group.
    fn group_line_ui(&self, ui: &Ui, group: &Group, rect: Rect, part: &str) -> Response {
        let t = tokens(ui);
        let id = egui::Id::unique(("line of runs", &group.key, part));
        // One stop of the tabulator a line.
        let response = ui.interact(rect, id, if part == "name" { Sense::click() } else { Sense::CLICK });
        let fill = if self.is_chosen(group) {
            t.accent_soft
        } else if response.hovered() {
            t.hover
        } else {
            t.raised
        };
        ui.painter().rect_filled(rect, 0.0, fill);
        ui.painter().hline(rect.x_range(), rect.bottom(), Stroke::new(1.0, t.border));
        if response.has_focus() {
            ui.painter().rect_stroke(rect.shrink(1.0), 4.0, Stroke::new(1.5, t.accent), egui::StrokeKind::Inside);
        }
        response
    }
}

/// Runs that have come to their end, of all.
/// How many of the runs are done: of an experiment also of those that have not begun.
fn progress_ui(ui: &mut Ui, (done, all): (usize, usize)) {
    let t = tokens(ui);
    let (rect, _) = ui.allocate_exact_size(vec2(48.0, 6.0), Sense::empty());
    let text = t!("runs.done_of", n = done, of = all);
    ui.painter().rect_filled(rect, 3.0, t.hover);
    let share = done as f32 / all.max(1) as f32;
    ui.painter().rect_filled(rect.with_max_x(rect.left() + rect.width() * share), 3.0, t.accent);
    ui.add(Label::new(RichText::new(text).small().color(t.muted)).extend());
}

fn figures_ui(ui: &mut Ui, group: &Group) {
    let t = tokens(ui);
    let fact = |ui: &mut Ui, name: &str, value: &str| {
        ui.add(Label::new(RichText::new(name).small().color(t.muted)).extend());
        ui.add(Label::new(RichText::new(value).text_style(theme::small_number())).extend());
    };
    if let Some(best) = group.best {
        let name = match group.figure.as_deref() {
            None | Some("loss") => t!("runs.best").to_owned(),
            Some(figure) => t!("runs.best_of", figure = figure),
        };
        fact(ui, &name, &format::figure(best));
    }
    if let Some(mean) = group.best_mean() {
        let name = match mean.label.as_str() {
            _ if group.means.len() == 1 => t!("runs.mean").to_owned(),
            "" => t!("runs.best_mean").to_owned(),
            label => t!("runs.best_mean_of", label = format::shortened(label, 28)),
        };
        fact(ui, &name, &mean.text());
    }
}

/// All means of a group, a line each.
fn means_text(group: &Group) -> String {
    let line = |mean: &super::groups::Mean| {
        let label = if mean.label.is_empty() { &group.title } else { &mean.label };
        t!("runs.mean_line", label = label, mean = mean.text(), n = mean.runs)
    };
    group.means.iter().map(line).collect::<Vec<_>>().join("\n")
}
