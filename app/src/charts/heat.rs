//! A map of cells, each as dark as its value is large: one color, so that it is read in print and by everyone.

use plotters::element::Rectangle;
use plotters::style::text_anchor::{HPos, VPos};

use super::Theme;
use super::axis::short;
use super::canvas::{self, Canvas, Drawn, Ink, TextLook, fine, fitting};

/// Numbers in rows and columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeatMap {
    /// Above it; empty is none.
    pub title: String,
    /// What is counted from left to right, from 1.
    pub x: String,
    /// What is counted from top to bottom, from 1.
    pub y: String,
    /// Number of columns.
    pub columns: usize,
    /// Row by row; what is no number has no color.
    pub values: Vec<f64>,
}

/// Steps of the legend.
const STEPS: usize = 24;
/// The least value has a color, too.
const FAINTEST: f64 = 0.06;

/// The picture as SVG, `width` × `height` in px.
pub fn heat_svg(map: &HeatMap, theme: Theme, size: (u32, u32)) -> String {
    canvas::drawn(&map.title, theme, size, |canvas| map.draw(canvas))
}

impl HeatMap {
    /// Least and greatest value.
    fn range(&self) -> (f64, f64) {
        let values = self.values.iter().filter(|value| value.is_finite());
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)))
    }

    fn draw(&self, canvas: &Canvas) -> Drawn {
        let rows = self.values.len().div_ceil(self.columns.max(1));
        let mut top = 8.0;
        if !self.title.is_empty() {
            let look = TextLook::title();
            canvas.text(&fitting(&self.title, look.size, canvas.width - 16.0), (8.0, top), &look)?;
            top += 26.0;
        }
        canvas.text(&self.y, (8.0, top), &TextLook::label(HPos::Left, VPos::Top))?;
        top += 20.0;
        if self.columns == 0 || rows == 0 {
            return Ok(());
        }
        let (left, right, bottom) = (36.0, canvas.width - 12.0, canvas.height - 44.0);
        let (wide, high) = ((right - left) / self.columns as f64, (bottom - top).max(10.0) / rows as f64);
        let gap = if wide.min(high) > 6.0 { 1.0 } else { 0.0 };
        let (low, most) = self.range();
        let shade = |value: f64| match most - low {
            span if span > 0.0 => FAINTEST + (1.0 - FAINTEST) * (value - low) / span,
            _ => 0.5,
        };
        for (at, value) in self.values.iter().enumerate().filter(|(_, value)| value.is_finite()) {
            let (x, y) = (left + (at % self.columns) as f64 * wide, top + (at / self.columns) as f64 * high);
            cell(canvas, [x, y, x + wide - gap, y + high - gap], shade(*value))?;
        }
        let number = TextLook::label(HPos::Center, VPos::Top);
        for column in every(self.columns, wide, 30.0) {
            let x = left + (column as f64 + 0.5) * wide;
            canvas.text(&(column + 1).to_string(), (x, bottom + 5.0), &number)?;
        }
        for row in every(rows, high, 16.0) {
            let at = (left - 7.0, top + (row as f64 + 0.5) * high);
            canvas.text(&(row + 1).to_string(), at, &TextLook::label(HPos::Right, VPos::Center))?;
        }
        canvas.text(&self.x, (left, bottom + 24.0), &TextLook::label(HPos::Left, VPos::Top))?;
        if low.is_finite() { legend(canvas, (low, most), (right, bottom + 30.0)) } else { Ok(()) }
    }
}

fn cell(canvas: &Canvas, [left, top, right, bottom]: [f64; 4], shade: f64) -> Drawn {
    use plotters::style::Color;
    let corners = [(fine(left), fine(top)), (fine(right), fine(bottom))];
    let shade = (shade * 1000.0).round() / 1000.0;
    canvas.draw(&Rectangle::new(corners, canvas.filled(Ink::Series(0), shade).filled()))
}

/// From the least to the greatest, with both numbers.
fn legend(canvas: &Canvas, (low, high): (f64, f64), (right, middle): (f64, f64)) -> Drawn {
    let (high_text, low_text) = (short(high), short(low));
    let look = TextLook::label(HPos::Right, VPos::Center);
    canvas.text(&high_text, (right, middle), &look)?;
    let end = right - canvas::width_of(&high_text, look.size) - 8.0;
    let start = end - 96.0;
    let wide = (end - start) / STEPS as f64;
    for step in 0..STEPS {
        let (left, share) = (start + step as f64 * wide, step as f64 / (STEPS - 1) as f64);
        cell(canvas, [left, middle - 5.0, left + wide, middle + 5.0], FAINTEST + (1.0 - FAINTEST) * share)?;
    }
    canvas.text(&low_text, (start - 8.0, middle), &look)
}

/// Those of so many that have room for a number.
fn every(count: usize, each: f64, room: f64) -> impl Iterator<Item = usize> {
    let least = (room / each).ceil().max(1.0) as usize;
    let step = [1, 2, 5, 10, 20, 50, 100, 200, 500].into_iter().find(|step| *step >= least).unwrap_or(1000);
    (0..count).filter(move |at| step == 1 || (at + 1) % step == 0 || (*at == 0 && step > 2))
}
