//! The tab of curves: what is drawn of each run, one cursor that reads them all, and a legend that looks at some alone.

use std::time::Duration;

use egui::accesskit::Role;
use egui::{Rect, RichText, Sense, Slider, Stroke, Ui, WidgetInfo, pos2, vec2};

use super::choices::{Horizontal, Views};
use super::curves::{self, Line, MOST, Scope};
use super::facts::curve_names;
use super::lines;
use super::ui::{Memory, Scene, beside_ui, color, look, note_ui, open};
use crate::action::Action;
use crate::format::{compact, figure};
use crate::screens::runs::action::RunAction;
use crate::series::Series;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::segmented_ui;
use crate::widgets::chart_plot::{Drawn, Plotted, chart_ui, seen_x};
use crate::widgets::name_choice::{Choice, name_choice_ui};

/// Width of the legend.
const LEGEND: f32 = 236.0;
/// Time between two questions about runs that are being computed.
const AGAIN: Duration = Duration::from_secs(1);

/// Draws the tab.
pub(super) fn curves_ui(ui: &mut Ui, scene: &Scene<'_>, memory: &mut Memory, views: &mut Views, out: &mut Vec<Action>) {
    ask(ui, scene, views, out);
    choices_ui(ui, scene, views);
    let lines = curves::lines(scene.rows, scene.facts, views, &scene.state.runs.curves, &mut memory.curves);
    let plot = |ui: &mut Ui, height: f32| plot_ui(ui, scene, views, &lines, height);
    let mut pressed = None;
    beside_ui(ui, LEGEND, plot, |ui, x| pressed = legend_ui(ui, &lines, *x, scene, views.curves.by, out));
    if let Some(key) = pressed {
        isolate(views, key, ui.input(|input| input.modifiers.command));
    }
}

/// Asks for curves that are not known yet, and anew for those of runs that have gone on.
fn ask(ui: &Ui, scene: &Scene<'_>, views: &Views, out: &mut Vec<Action>) {
    let rows = &scene.rows[..scene.rows.len().min(MOST)];
    let name = &views.curves.name;
    let runs = scene.state.runs.curves_due(rows, name, scene.state.env.now);
    if !runs.is_empty() {
        out.push(Action::Run(RunAction::Curves { runs, name: name.clone() }));
    }
    if rows.iter().any(|row| row.state.is_live()) {
        ui.ctx().request_repaint_after(AGAIN);
    }
}

/// A click looks at one alone, and again at all; with Ctrl one is added or taken away.
fn isolate(views: &mut Views, key: String, add: bool) {
    let alone = views.isolated.len() == 1 && views.isolated.contains(&key);
    match (add, alone) {
        (true, _) if views.isolated.remove(&key) => {}
        (true, _) => drop(views.isolated.insert(key)),
        (false, true) => views.isolated.clear(),
        (false, false) => views.isolated = [key].into(),
    }
}

fn choices_ui(ui: &mut Ui, scene: &Scene<'_>, views: &mut Views) {
    let choices = &mut views.curves;
    let find = t!("views.find_name");
    ui.horizontal_wrapped(|ui| {
        name_choice_ui(ui, t!("views.figure"), find, &mut choices.name, &curve_names(scene.rows));
        let by = [
            (Horizontal::Step, t!("views.by_step")),
            (Horizontal::Epoch, t!("views.by_epoch")),
            (Horizontal::Tokens, t!("views.by_tokens")),
            (Horizontal::Time, t!("views.by_time")),
        ];
        segmented_ui(ui, &mut choices.by, &by);
        ui.checkbox(&mut choices.log_x, t!("views.log_x"));
        ui.checkbox(&mut choices.log_y, t!("views.log_y"));
        ui.label(RichText::new(t!("views.smoothing")).small().color(tokens(ui).muted));
        ui.name_inputs(t!("views.smoothing"), |ui| {
            ui.spacing_mut().slider_width = 90.0;
            ui.spacing_mut().interact_size.y = 22.0;
            ui.add(Slider::new(&mut choices.smoothing, 0.0..=0.999).fixed_decimals(3))
        });
        let mut colors = vec![Choice { value: String::new(), text: t!("views.each_run").to_owned() }];
        colors.extend(scene.facts.settings.iter().cloned());
        if !colors.iter().any(|choice| choice.value == choices.color) {
            choices.color.clear();
        }
        name_choice_ui(ui, t!("views.color"), find, &mut choices.color, &colors);
        ui.checkbox(&mut choices.mean, t!("views.mean_switch")).on_hover_text(t!("views.mean_help"));
    });
}

/// Draws the plot. Where the cursor is, along the axis as the curves count it.
fn plot_ui(ui: &mut Ui, scene: &Scene<'_>, views: &Views, lines: &[Line], height: f32) -> Option<f64> {
    let choices = &views.curves;
    let label = t!("views.curves_plot");
    let key = format!("{} {:?} {} {}", choices.name, choices.by, choices.log_x, choices.log_y);
    let range = seen_x(ui, label, &key, choices.log_x);
    let columns = (ui.available_width().max(50.0) as usize).min(1500);
    let (view, of) = curves::chart(lines, scene.facts, views, Scope { range, columns, all: true });
    let looks = of.iter().zip(&view.tones).map(|((line, is_raw), tone)| {
        let mut look = look(ui, *tone, false);
        if *is_raw {
            (look.color, look.width) = (look.color.gamma_multiply(0.28), 1.0);
        } else if lines[*line].faded {
            (look.color, look.width) = (look.color.gamma_multiply(0.14), 1.5);
        }
        look
    });
    let looks: Vec<_> = looks.collect();
    let is_asked = scene.rows.iter().any(|row| scene.state.runs.is_curve_awaited(&row.id, &choices.name));
    let empty = if is_asked { t!("views.reading") } else { t!("views.no_points") };
    let plotted = Plotted { label, key: &key, chart: &view.chart, looks: &looks, height, empty };
    let drawn = chart_ui(ui, plotted, |_, _| String::new());
    let (scale, _) = curves::horizontal(lines, choices.by);
    let x = drawn.x.map(|x| x * scale);
    if let Some(x) = x {
        cursor_ui(ui, &drawn, lines, x, scale);
    }
    x
}

/// Draws a line at the cursor, and a dot on each curve that it reads.
fn cursor_ui(ui: &Ui, drawn: &Drawn, lines: &[Line], x: f64, scale: f64) {
    let t = tokens(ui);
    let painter = ui.painter_at(drawn.frame());
    if let Some(pointer) = drawn.response.hover_pos() {
        painter.vline(pointer.x, drawn.frame().y_range(), Stroke::new(1.0, t.faint));
    }
    for line in lines.iter().filter(|line| !line.faded) {
        let place = line.series().between(x).and_then(|value| drawn.place([x / scale, value]));
        if let Some(place) = place {
            painter.circle(place, 3.5, color(ui, line.tone), Stroke::new(1.5, t.background));
        }
    }
}

/// Draws the curves sorted by what they are at the cursor, or at their end. The key of the line that was pressed.
fn legend_ui(
    ui: &mut Ui,
    lines: &[Line],
    x: Option<f64>,
    scene: &Scene<'_>,
    by: Horizontal,
    out: &mut Vec<Action>,
) -> Option<String> {
    let series: Vec<&Series> = lines.iter().map(Line::series).collect();
    let mut order = x.map_or_else(|| lines::last(&series), |x| lines::read(&series, x));
    let silent: Vec<usize> = (0..lines.len()).filter(|index| order.iter().all(|(known, _)| known != index)).collect();
    order.extend(silent.into_iter().map(|index| (index, f64::NAN)));
    let (scale, counted) = curves::horizontal(lines, by);
    let whole = matches!(by, Horizontal::Step | Horizontal::Tokens);
    let place = |x: f64| compact(if whole { x.round() } else { (x / scale * 100.0).round() / 100.0 });
    let head = x.map_or_else(|| t!("views.at_end").to_owned(), |x| t!("views.at", axis = counted, x = place(x)));
    if !lines.is_empty() {
        note_ui(ui, &head);
    }
    let mut pressed = None;
    ui.spacing_mut().item_spacing.y = 1.0;
    for (index, value) in order {
        let line = &lines[index];
        let response = entry_ui(ui, line, value);
        if response.double_clicked() {
            line.run.into_iter().for_each(|run| open(scene.rows[run], out));
        } else if response.clicked() {
            pressed = Some(line.key.clone());
        }
        response.on_hover_text(format!("{}\n{}", line.name, t!("views.legend_help")));
    }
    if scene.rows.len() > MOST {
        note_ui(ui, &t!("views.most_curves", n = MOST, of = scene.rows.len()));
    }
    pressed
}

/// One line of the legend: color, name, value.
fn entry_ui(ui: &mut Ui, line: &Line, value: f64) -> egui::Response {
    let t = tokens(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 22.0), Sense::click());
    // The row of the table has the run's own name.
    let label = t!("views.curve_of", name = line.name);
    response.widget_info(|| WidgetInfo::selected(Role::CheckBox, true, !line.faded, &label));
    if response.hovered() || response.has_focus() {
        ui.painter().rect_filled(rect, theme::RADIUS, t.hover);
    }
    let (ink, mark) = match line.faded {
        true => (t.faint, color(ui, line.tone).gamma_multiply(0.3)),
        false => (t.text, color(ui, line.tone)),
    };
    let y = rect.center().y;
    ui.painter().hline(rect.left() + 4.0..=rect.left() + 18.0, y, Stroke::new(3.0, mark));
    let number = egui::FontId::monospace(12.0);
    let shown = if value.abs() >= 1e4 { compact(value) } else { figure(value) };
    let right = ui.painter().text(pos2(rect.right() - 4.0, y), egui::Align2::RIGHT_CENTER, shown, number, ink);
    let room = Rect::from_min_max(pos2(rect.left() + 24.0, rect.top()), pos2(right.left() - 8.0, rect.bottom()));
    let font = egui::TextStyle::Small.resolve(ui.style());
    let name = crate::widgets::chart_plot::fitting(ui, &line.name, &font, room.width());
    ui.painter().text(room.left_center(), egui::Align2::LEFT_CENTER, name, font, ink);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_click_looks_at_one_alone_and_again_at_all() {
        let mut views = Views::default();
        let mut press = |key: &str, add: bool| {
            isolate(&mut views, key.to_owned(), add);
            views.isolated.iter().cloned().collect::<Vec<String>>().join(" ")
        };
        assert_eq!(press("a", false), "a");
        assert_eq!(press("b", true), "a b");
        assert_eq!(press("a", true), "b");
        assert_eq!(press("c", false), "c");
        assert_eq!(press("c", false), "");
    }
}
