//! The curve of a learning-rate range test: loss over rates, the rates by their powers of ten.

use egui::accesskit::Role;
use egui::{Color32, Id, Ui, WidgetInfo};
use egui_plot::{AxisHints, HoverPosition, Line, LineStyle, Plot, PlotPoints, VLine};
use engine::training::LrRangePoint;

use crate::format::{figure, scientific};
use crate::theme::tokens;

/// Names of the plot and its curves.
#[derive(Clone, Copy, Debug)]
pub struct LrRangeCanvas<'a> {
    /// Unique on the screen; also what a screen reader says.
    pub label: &'a str,
    /// Losses as they are.
    pub raw: &'a str,
    /// Their moving mean.
    pub smoothed: &'a str,
}

/// A rate that stands out.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// The rate.
    pub rate: f64,
    /// Of its line.
    pub color: Color32,
}

/// Draws the curve.
pub fn lr_range_plot_ui(ui: &mut Ui, canvas: LrRangeCanvas<'_>, points: &[LrRangePoint], marks: &[Mark]) {
    let t = tokens(ui);
    let curve = |of: fn(&LrRangePoint) -> f64| -> PlotPoints<'static> {
        points.iter().map(|point| [point.learning_rate.log10(), of(point)]).collect()
    };
    let power = |x: f64| if (x - x.round()).abs() < 1e-6 { scientific(10f64.powf(x)) } else { String::new() };
    let response = Plot::new(canvas.label)
        .id(Id::unique(("plot", canvas.label)))
        .height(180.0)
        .allow_scroll(false)
        .show_background(false)
        .grid_color(t.border)
        .custom_x_axes(vec![AxisHints::new_x().formatter(move |mark, _| power(mark.value))])
        .custom_y_axes(vec![AxisHints::new_y().min_thickness(46.0)])
        .set_margin_fraction(egui::vec2(0.01, 0.08))
        .label_formatter(|position: &HoverPosition<'_>| match position {
            HoverPosition::NearDataPoint { plot_name, position, .. } => {
                Some(format!("{plot_name}\n{}  {}", scientific(10f64.powf(position.x)), figure(position.y)))
            }
            HoverPosition::Elsewhere { .. } => None,
        })
        .show(ui, |plot| {
            plot.line(Line::new(canvas.raw, curve(|point| point.loss)).color(t.faint).width(1.0));
            plot.line(Line::new(canvas.smoothed, curve(|point| point.smoothed)).color(t.accent).width(2.0));
            for mark in marks {
                let line = VLine::new(scientific(mark.rate), mark.rate.log10());
                plot.vline(line.color(mark.color).style(LineStyle::dashed_dense()));
            }
        });
    response.response.widget_info(|| WidgetInfo::labeled(Role::Image, true, canvas.label));
}
