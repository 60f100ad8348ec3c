//! A curve the size of a word.

use egui::{Color32, Rect, Shape, Stroke, Ui, pos2};

/// Draws the finite values across a rectangle.
pub fn sparkline_in(ui: &Ui, rect: Rect, values: &[f32], color: Color32) {
    let finite = || values.iter().copied().filter(|v| v.is_finite());
    let (low, high) = (finite().fold(f32::INFINITY, f32::min), finite().fold(f32::NEG_INFINITY, f32::max));
    if values.len() < 2 || low > high {
        return;
    }
    let span = (high - low).max(f32::EPSILON);
    let step = rect.width() / (values.len() - 1) as f32;
    let points = values
        .iter()
        .enumerate()
        .filter(|(_, v)| v.is_finite())
        .map(|(i, v)| pos2(rect.left() + i as f32 * step, rect.bottom() - (v - low) / span * rect.height()));
    ui.painter().add(Shape::line(points.collect(), Stroke::new(1.5, color)));
}
