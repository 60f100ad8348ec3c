//! Tabs of one chart: scatter, what is worth its cost, the best so far, means over seeds. A point names its run while the
//! pointer is on it, and a click opens the run.

use egui::accesskit::Role;
use egui::{Rect, RichText, Sense, Ui, WidgetInfo, pos2, vec2};

use super::choices::{Cost, Views};
use super::facts::Facts;
use super::ui::{Memory, Scene, beside_ui, color, look, note_ui, open};
use super::view::{SeedGroup, View};
use crate::action::Action;
use crate::charts::Mark;
use crate::format::{compact, figure};
use crate::store::RunRow;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::segmented_ui;
use crate::widgets::chart_plot::{Drawn, Plotted, chart_ui, fitting};
use crate::widgets::name_choice::{Choice, name_choice_ui};

/// Width of the list beside a plot.
const SIDE: f32 = 248.0;
/// Names beside points up to which they are drawn.
const NAMED: usize = 12;

/// Any setting or figure against any figure.
pub(super) fn scatter_ui(
    ui: &mut Ui,
    scene: &Scene<'_>,
    memory: &mut Memory,
    views: &mut Views,
    out: &mut Vec<Action>,
) {
    let facts = scene.facts;
    let choices = &mut views.scatter;
    choices.x = facts.setting(&choices.x).to_owned();
    choices.y = facts.figure(&choices.y).to_owned();
    let find = t!("views.find_name");
    ui.horizontal_wrapped(|ui| {
        name_choice_ui(ui, t!("views.across"), find, &mut choices.x, &facts.all);
        ui.checkbox(&mut choices.log_x, t!("views.log_x"));
        name_choice_ui(ui, t!("views.up"), find, &mut choices.y, &facts.figures);
        ui.checkbox(&mut choices.log_y, t!("views.log_y"));
        let mut colors = vec![Choice { value: String::new(), text: t!("views.nothing").to_owned() }];
        colors.extend(facts.all.iter().cloned());
        name_choice_ui(ui, t!("views.color"), find, &mut choices.color, &colors);
    });
    let view = scene.view(memory, views);
    let key = format!("{} {} {} {}", views.scatter.x, views.scatter.y, view.chart.x.log, view.chart.y.log);
    let plot = |ui: &mut Ui, height: f32| plot_ui(ui, scene, &view, t!("views.scatter_plot"), &key, height);
    beside_ui(ui, SIDE, plot, |ui, drawn| {
        clicked(scene, &view, drawn, out);
        let grouped = !views.scatter.color.is_empty();
        if grouped {
            note_ui(ui, &facts.shown(&views.scatter.color));
            groups_ui(ui, &view);
        }
        without_ui(ui, &view);
    });
}

/// What is worth its cost.
pub(super) fn pareto_ui(ui: &mut Ui, scene: &Scene<'_>, memory: &mut Memory, views: &mut Views, out: &mut Vec<Action>) {
    ui.horizontal_wrapped(|ui| {
        let costs = [Cost::Trained, Cost::Stored, Cost::Seconds].map(|cost| (cost, cost.name()));
        segmented_ui(ui, &mut views.cost, &costs);
        ui.checkbox(&mut views.log_cost, t!("views.log_x"));
        figure_ui(ui, scene.facts, views);
    });
    let view = scene.view(memory, views);
    let key = format!("{:?} {} {} {}", views.cost, views.figure, views.log_cost, views.log_figure);
    let plot = |ui: &mut Ui, height: f32| {
        let drawn = plot_ui(ui, scene, &view, t!("views.pareto_plot"), &key, height);
        names_ui(ui, scene.rows, &view, &drawn);
        drawn
    };
    beside_ui(ui, SIDE, plot, |ui, drawn| {
        clicked(scene, &view, drawn, out);
        note_ui(ui, t!("views.front_note"));
        let points = view.chart.series.last().map(|series| series.points.as_slice()).unwrap_or_default();
        for (run, point) in view.chosen.iter().zip(points) {
            let value = format!("{}  {}", compact(point[0]), figure(point[1]));
            run_ui(ui, scene.rows[*run], &value, out);
        }
        without_ui(ui, &view);
    });
}

/// The best so far.
pub(super) fn staircase_ui(
    ui: &mut Ui,
    scene: &Scene<'_>,
    memory: &mut Memory,
    views: &mut Views,
    out: &mut Vec<Action>,
) {
    ui.horizontal_wrapped(|ui| figure_ui(ui, scene.facts, views));
    let view = scene.view(memory, views);
    let key = format!("{} {}", views.figure, views.log_figure);
    let plot = |ui: &mut Ui, height: f32| plot_ui(ui, scene, &view, t!("views.best_plot"), &key, height);
    beside_ui(ui, SIDE, plot, |ui, drawn| {
        clicked(scene, &view, drawn, out);
        note_ui(ui, t!("views.records_note"));
        let points = view.chart.series.first().map(|series| series.points.as_slice()).unwrap_or_default();
        let owners = view.owners.first().map(Vec::as_slice).unwrap_or_default();
        for run in view.chosen.iter().rev() {
            let value = owners.iter().position(|owner| owner == run).map_or(f64::NAN, |place| points[place][1]);
            run_ui(ui, scene.rows[*run], &figure(value), out);
        }
        without_ui(ui, &view);
    });
}

/// Means over seeds with their intervals.
pub(super) fn seeds_ui(ui: &mut Ui, scene: &Scene<'_>, memory: &mut Memory, views: &mut Views, out: &mut Vec<Action>) {
    ui.horizontal_wrapped(|ui| figure_ui(ui, scene.facts, views));
    let view = scene.view(memory, views);
    let key = format!("{} {} {}", views.figure, views.log_figure, view.chart.x.names.len());
    let plot = |ui: &mut Ui, height: f32| plot_ui(ui, scene, &view, t!("views.seeds_plot"), &key, height);
    beside_ui(ui, SIDE + 40.0, plot, |ui, drawn| {
        clicked(scene, &view, drawn, out);
        note_ui(ui, t!("views.interval_note"));
        view.groups.iter().for_each(|group| group_ui(ui, group));
        if view.groups.iter().all(|group| group.half_width.is_none()) && !view.groups.is_empty() {
            note_ui(ui, t!("views.one_seed"));
        }
        without_ui(ui, &view);
    });
}

/// The figure by which runs are judged.
fn figure_ui(ui: &mut Ui, facts: &Facts, views: &mut Views) {
    views.figure = facts.figure(&views.figure).to_owned();
    name_choice_ui(ui, t!("views.figure"), t!("views.find_name"), &mut views.figure, &facts.figures);
    ui.checkbox(&mut views.log_figure, t!("views.log_y"));
}

fn plot_ui(ui: &mut Ui, scene: &Scene<'_>, view: &View, label: &str, key: &str, height: f32) -> Drawn {
    let looks: Vec<_> =
        view.tones.iter().zip(&view.owners).map(|(tone, owners)| look(ui, *tone, !owners.is_empty())).collect();
    let plotted = Plotted { label, key, chart: &view.chart, looks: &looks, height, empty: t!("views.nothing_to_draw") };
    chart_ui(ui, plotted, |series, at| {
        let point = view.chart.series[series].points[at];
        let row = view.owner(series, at).map(|run| scene.rows[run]);
        let name = row.map(|row| row.name.as_str()).unwrap_or_default();
        let [x, y] = [(&view.chart.x, point[0]), (&view.chart.y, point[1])].map(|(axis, value)| {
            let word = axis.names.get(value.round() as usize).cloned().unwrap_or_else(|| compact(value));
            (axis.label.clone(), word)
        });
        let lines = [x, y].into_iter().filter(|(label, _)| !label.is_empty());
        let lines = lines.map(|(label, word)| format!("\n{label}: {word}")).collect::<String>();
        format!("{name}{lines}")
    })
}

/// Opens the run whose point was clicked.
fn clicked(scene: &Scene<'_>, view: &View, drawn: &Drawn, out: &mut Vec<Action>) {
    if let Some((series, at)) = drawn.near.filter(|_| drawn.response.clicked())
        && let Some(run) = view.owner(series, at)
    {
        open(scene.rows[run], out);
    }
}

/// A run beside a plot: name and value; a click opens it.
fn run_ui(ui: &mut Ui, row: &RunRow, value: &str, out: &mut Vec<Action>) {
    let t = tokens(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 22.0), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Link, true, t!("views.open_run", name = row.name)));
    let lit = response.hovered() || response.has_focus();
    let ink = if lit { t.accent } else { t.text };
    let number = egui::FontId::monospace(12.0);
    let place = pos2(rect.right() - 4.0, rect.center().y);
    let right = ui.painter().text(place, egui::Align2::RIGHT_CENTER, value, number, t.muted);
    let font = egui::TextStyle::Small.resolve(ui.style());
    let name = fitting(ui, &row.name, &font, right.left() - rect.left() - 8.0);
    ui.painter().text(rect.left_center(), egui::Align2::LEFT_CENTER, name, font, ink);
    if response.on_hover_text(&row.name).clicked() {
        open(row, out);
    }
}

/// A group of runs that differ in their seed: words, how many, mean and interval.
fn group_ui(ui: &mut Ui, group: &SeedGroup) {
    let t = tokens(ui);
    let half = group.half_width.map(|half| format!(" ± {}", figure(half))).unwrap_or_default();
    ui.horizontal(|ui| {
        ui.spacing_mut().interact_size.y = 20.0;
        let number = format!("{}{half}", figure(group.mean));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            ui.label(RichText::new(number).text_style(theme::small_number()));
            ui.label(RichText::new(format!("n = {}", group.runs)).small().color(t.muted));
            ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
                ui.add(egui::Label::new(RichText::new(&group.label).small()).truncate());
            });
        });
    });
}

/// Colors and what they stand for.
fn groups_ui(ui: &mut Ui, view: &View) {
    let t = tokens(ui);
    for (series, tone) in view.chart.series.iter().zip(&view.tones).filter(|(series, _)| !series.points.is_empty()) {
        ui.horizontal(|ui| {
            ui.spacing_mut().interact_size.y = 18.0;
            let (rect, _) = ui.allocate_exact_size(vec2(12.0, 12.0), Sense::empty());
            ui.painter().circle_filled(rect.center(), 4.5, color(ui, *tone));
            ui.add(egui::Label::new(RichText::new(&series.name).small().color(t.text)).truncate());
        });
    }
}

/// How many runs are not drawn, for want of a value.
fn without_ui(ui: &mut Ui, view: &View) {
    if view.without > 0 {
        note_ui(ui, &t!("views.without", n = view.without));
    }
}

/// Names of the runs of a front beside their points, each where it meets no other text and no point.
fn names_ui(ui: &Ui, rows: &[&RunRow], view: &View, drawn: &Drawn) {
    let t = tokens(ui);
    let frame = drawn.frame();
    let painter = ui.painter_at(frame);
    let font = egui::TextStyle::Small.resolve(ui.style());
    let series = view.chart.series.iter().filter(|series| series.mark != Mark::Steps);
    let dots = series.flat_map(|series| &series.points).filter_map(|point| drawn.place(*point));
    let mut taken: Vec<Rect> = dots.map(|place| Rect::from_center_size(place, vec2(9.0, 9.0))).collect();
    let points = view.chart.series.last().map(|series| series.points.as_slice()).unwrap_or_default();
    for (run, point) in view.chosen.iter().zip(points).take(NAMED) {
        let Some(place) = drawn.place(*point) else { continue };
        let name = fitting(ui, &rows[*run].name, &font, 180.0);
        let galley = painter.layout_no_wrap(name, font.clone(), t.text);
        let free = beside(place, galley.size())
            .into_iter()
            .find(|rect| frame.contains_rect(*rect) && !taken.iter().any(|other| other.intersects(*rect)));
        if let Some(rect) = free {
            painter.rect_filled(rect, 2.0, t.background.gamma_multiply(0.8));
            painter.galley(rect.min, galley, t.text);
            taken.push(rect);
        }
    }
}

/// Places for a text beside a point, the best first.
fn beside(place: egui::Pos2, size: egui::Vec2) -> [Rect; 6] {
    let (right, left) = (place.x + 9.0, place.x - 9.0 - size.x);
    let (above, below, level) = (place.y - 7.0 - size.y, place.y + 7.0, place.y - size.y / 2.0);
    [(right, above), (left, below), (right, level), (left, level), (right, below), (left, above)]
        .map(|(x, y)| Rect::from_min_size(pos2(x, y), size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_lies_on_its_point() {
        let place = pos2(100.0, 100.0);
        for rect in beside(place, vec2(60.0, 14.0)) {
            assert!(!rect.contains(place) && rect.size() == vec2(60.0, 14.0));
        }
    }
}
