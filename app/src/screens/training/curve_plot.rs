//! Curves over training steps: any number of points, thinned to what the pixels show.

use std::collections::BTreeMap;

use egui::accesskit::Role;
use egui::{Color32, Id, Ui, WidgetInfo};
use egui_plot::{AxisHints, HoverPosition, Line, MarkerShape, Plot, PlotMemory, PlotPoints, Points};

use crate::format::{figure, scientific};
use crate::series::Series;
use crate::theme::tokens;

/// One curve.
#[derive(Clone, Copy, Debug)]
pub(super) struct Curve<'a> {
    /// Name of the curve in the hover text.
    pub name: &'a str,
    /// Points of the curve.
    pub series: &'a Series,
    /// Color of the curve.
    pub color: Color32,
    /// Width of the line.
    pub width: f32,
}

/// Single points, joined by a line; the best is marked.
#[derive(Clone, Debug)]
pub(super) struct Dots<'a> {
    /// Name of the points in the hover text.
    pub name: &'a str,
    /// Step and value.
    pub points: Vec<[f64; 2]>,
    /// The lowest.
    pub best: Option<[f64; 2]>,
    /// Color of the points.
    pub color: Color32,
}

/// A plot: what it is called and how large it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Canvas<'a> {
    /// Unique on the screen; also what a screen reader says.
    pub label: &'a str,
    /// In points.
    pub height: f32,
    /// Plots of one group share their range of steps and their cursor: those of one run, so that no other is zoomed too.
    pub group: &'a str,
    /// The last step there will be; 0 while unknown.
    pub steps: usize,
    /// Text in the plot's place as long as there is no point.
    pub empty: &'a str,
}

/// Key of a thinned curve: number of points, last value, range, columns.
type Key = (usize, u64, i64, i64, usize);

/// A curve in pieces: figures that are not numbers break it.
type Pieces = Vec<Vec<[f64; 2]>>;

/// Curves that were thinned for the last frame, by plot and curve.
#[derive(Debug, Default)]
pub(super) struct Cache(BTreeMap<(String, String), (Key, Pieces)>);

impl Cache {
    fn pieces(&mut self, plot: &str, curve: &Curve<'_>, range: (f64, f64), columns: usize) -> Pieces {
        let last = curve.series.last().map_or(0, |(_, y)| y.to_bits());
        let key = (curve.series.len(), last, range.0 as i64, range.1 as i64, columns);
        let entry = self.0.entry((plot.to_owned(), curve.name.to_owned())).or_default();
        if entry.0 != key {
            *entry = (key, curve.series.thin(range, columns));
        }
        entry.1.clone()
    }
}

/// Draws curves and dots over steps.
pub(super) fn curves_ui(
    ui: &mut Ui,
    canvas: Canvas<'_>,
    cache: &mut Cache,
    curves: &[Curve<'_>],
    dots: Option<&Dots<'_>>,
) {
    let t = tokens(ui);
    let id = Id::unique(("plot", canvas.label, canvas.group));
    let group = Id::unique(("group", canvas.group));
    let memory = PlotMemory::load(ui.ctx(), id).filter(|memory| !memory.auto_bounds.x);
    let range = memory.map_or((f64::NEG_INFINITY, f64::INFINITY), |memory| {
        let bounds = memory.bounds();
        (bounds.min()[0], bounds.max()[0])
    });
    let columns = (ui.available_width().max(50.0) as usize).min(1500);
    let lines: Vec<(&Curve<'_>, Pieces)> =
        curves.iter().map(|curve| (curve, cache.pieces(canvas.label, curve, range, columns))).collect();
    let is_empty = lines.iter().all(|(_, pieces)| pieces.is_empty()) && dots.is_none_or(|dots| dots.points.is_empty());
    let mut plot = Plot::new(canvas.label)
        .id(id)
        .height(canvas.height)
        .link_axis(group, [true, false])
        .link_cursor(group, [true, false])
        .allow_scroll(false)
        .allow_boxed_zoom(true)
        .show_background(false)
        .grid_color(t.border)
        .custom_y_axes(vec![
            AxisHints::new_y()
                .min_thickness(46.0)
                .label_spacing(egui::Rangef::new(14.0, 26.0))
                .formatter(move |mark, _| if is_empty { String::new() } else { label_of(mark.value, mark.step_size) }),
        ])
        .include_x(0.0)
        .include_x(canvas.steps.max(1) as f64)
        .set_margin_fraction(egui::vec2(0.01, 0.08))
        .label_formatter(hover_text);
    if is_empty {
        plot = plot.include_y(0.0).include_y(1.0);
    }
    let response = plot.show(ui, |plot| {
        for (curve, pieces) in lines {
            for piece in pieces {
                let line = Line::new(curve.name, PlotPoints::from(piece)).color(curve.color).width(curve.width);
                plot.line(line);
            }
        }
        if let Some(dots) = dots {
            draw_dots(plot, dots, t.good);
        }
    });
    if is_empty && !canvas.empty.is_empty() {
        let font = egui::TextStyle::Body.resolve(ui.style());
        let place = response.response.rect.center();
        ui.painter().text(place, egui::Align2::CENTER_CENTER, canvas.empty, font, t.faint);
    }
    response.response.widget_info(|| WidgetInfo::labeled(Role::Image, true, canvas.label));
}

/// The label of a mark; none where it would be rounded, so that no two say the same.
fn label_of(value: f64, step: f64) -> String {
    let label = scientific((value * 1e9).round() / 1e9);
    let said: f64 = label.parse().unwrap_or(value);
    if (said - value).abs() > step * 0.1 { String::new() } else { label }
}

fn draw_dots(plot: &mut egui_plot::PlotUi<'_>, dots: &Dots<'_>, best: Color32) {
    plot.line(Line::new(dots.name, PlotPoints::from(dots.points.clone())).color(dots.color).width(1.5));
    plot.points(Points::new(dots.name, PlotPoints::from(dots.points.clone())).color(dots.color).radius(3.5));
    if let Some(point) = dots.best {
        let mark =
            Points::new(dots.name, PlotPoints::from(vec![point])).color(best).radius(7.0).shape(MarkerShape::Diamond);
        plot.points(mark);
    }
}

fn hover_text(position: &HoverPosition<'_>) -> Option<String> {
    match position {
        HoverPosition::NearDataPoint { plot_name, position, .. } => {
            let value = if position.y.abs() < 0.01 { scientific(position.y) } else { figure(position.y) };
            Some(format!("{plot_name}\n{}  {value}", position.x.round()))
        }
        HoverPosition::Elsewhere { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_that_are_closer_than_their_labels_say_have_none() {
        assert_eq!(label_of(0.5, 0.1), "0.5");
        assert_eq!(label_of(4e-3, 1e-7), "4e-3");
        assert_eq!(label_of(3.999_9e-3, 1e-7), "", "it would be 4e-3 too");
        assert_eq!(label_of(3.9e-3, 1e-4), "3.9e-3");
    }
}
