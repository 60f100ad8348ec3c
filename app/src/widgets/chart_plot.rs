//! A chart on the screen: the same data that becomes a picture, with axes in powers of ten or of words, error bars and
//! bands, and the point nearest to the pointer.

use egui::accesskit::Role;
use egui::{Color32, Id, Pos2, Rangef, Response, RichText, Ui, WidgetInfo, pos2, vec2};
use egui_plot::{
    AxisHints, FilledArea, GridInput, GridMark, Line, LineStyle, Plot, PlotMemory, PlotPoint, PlotPoints,
    PlotTransform, PlotUi, Points,
};

use super::log_axis::{exponent, log_marks};
use crate::charts::{Axis, Chart, Mark, Series};
use crate::format::{compact, shortened};
use crate::theme::{self, tokens};

/// The looks of a series.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Of line and points.
    pub color: Color32,
    /// Of the line.
    pub width: f32,
    /// Of the points.
    pub radius: f32,
    /// The line is broken, to be told from another of its color.
    pub dashed: bool,
    /// The pointer finds its points.
    pub found: bool,
}

/// A chart and its place.
#[derive(Clone, Copy, Debug)]
pub struct Plotted<'a> {
    /// Unique on the screen; also what a screen reader says.
    pub label: &'a str,
    /// Changes where another thing is shown, so that no zoom is left over.
    pub key: &'a str,
    /// Content.
    pub chart: &'a Chart,
    /// One for each series.
    pub looks: &'a [Look],
    /// In points.
    pub height: f32,
    /// Text in its place as long as there is no point.
    pub empty: &'a str,
}

/// The plot as it was drawn, and what the pointer is at.
#[derive(Debug)]
pub struct Drawn {
    /// Of the plot.
    pub response: Response,
    /// Series and index of the nearest point that can be found.
    pub near: Option<(usize, usize)>,
    /// The pointer's place along the horizontal axis.
    pub x: Option<f64>,
    transform: PlotTransform,
    log: [bool; 2],
}

/// Pixels within which a point is found.
const REACH: f32 = 14.0;
/// Longest word beside the vertical axis, in characters.
const LONGEST_WORD: usize = 22;

impl Drawn {
    /// Where a point of the chart is on the screen; `None` where it cannot be drawn.
    pub fn place(&self, point: [f64; 2]) -> Option<Pos2> {
        let [x, y] = placed(point, self.log);
        let place = self.transform.position_from_point(&PlotPoint::new(x, y));
        (x.is_finite() && y.is_finite()).then_some(place)
    }

    /// The rectangle between the axes.
    pub fn frame(&self) -> egui::Rect {
        *self.transform.frame()
    }

    fn nearest(&self, chart: &Chart, looks: &[Look]) -> Option<(usize, usize)> {
        let pointer = self.response.hover_pos()?;
        let mut best = None;
        for (index, (series, _)) in chart.series.iter().zip(looks).enumerate().filter(|(_, (_, look))| look.found) {
            for (at, point) in series.points.iter().enumerate() {
                let Some(distance) = self.place(*point).map(|place| place.distance(pointer)) else { continue };
                if distance < best.map_or(REACH, |(known, _)| known) {
                    best = Some((distance, (index, at)));
                }
            }
        }
        best.map(|(_, found)| found)
    }
}

/// The range of the horizontal axis that is seen; everything unless somebody zoomed.
pub fn seen_x(ui: &Ui, label: &str, key: &str, log: bool) -> (f64, f64) {
    let memory = PlotMemory::load(ui.ctx(), plot_id(label, key)).filter(|memory| !memory.auto_bounds.x);
    memory.map_or((f64::NEG_INFINITY, f64::INFINITY), |memory| {
        let (low, high) = (memory.bounds().min()[0], memory.bounds().max()[0]);
        if log { (10f64.powf(low), 10f64.powf(high)) } else { (low, high) }
    })
}

fn plot_id(label: &str, key: &str) -> Id {
    Id::unique(("chart", label, key))
}

/// Draws the chart. `words` are said of the point that the pointer is at.
pub fn chart_ui(ui: &mut Ui, plotted: Plotted<'_>, words: impl Fn(usize, usize) -> String) -> Drawn {
    let Plotted { label, key, chart, looks, height, empty } = plotted;
    let t = tokens(ui);
    let log = [chart.x.log, chart.y.log];
    let extent = extent(chart, log);
    let mut plot = Plot::new(label)
        .id(plot_id(label, key))
        .height(height)
        .allow_scroll(false)
        .allow_boxed_zoom(true)
        .show_background(false)
        .show_x(false)
        .show_y(false)
        .show_crosshair(false)
        .grid_color(t.border)
        .set_margin_fraction(vec2(0.02, 0.06))
        .label_formatter(|_| None)
        .x_grid_spacer(spacer(&chart.x))
        .y_grid_spacer(spacer(&chart.y))
        .custom_x_axes(vec![hints(ui, &chart.x, AxisHints::new_x(), extent.is_none(), true)])
        .custom_y_axes(vec![hints(ui, &chart.y, AxisHints::new_y(), extent.is_none(), false).min_thickness(46.0)]);
    for ([low, high], is_x) in extent.unwrap_or([[0.0, 1.0]; 2]).into_iter().zip([true, false]) {
        plot = if is_x { plot.include_x(low).include_x(high) } else { plot.include_y(low).include_y(high) };
    }
    let shown = plot.show(ui, |plot| {
        for (series, look) in chart.series.iter().zip(looks) {
            series_ui(plot, series, look, log);
        }
    });
    shown.response.widget_info(|| WidgetInfo::labeled(Role::Image, true, label));
    if extent.is_none() && !empty.is_empty() {
        let font = egui::TextStyle::Body.resolve(ui.style());
        ui.painter().text(shown.response.rect.center(), egui::Align2::CENTER_CENTER, empty, font, t.faint);
    }
    let mut drawn = Drawn { response: shown.response, near: None, x: None, transform: shown.transform, log };
    drawn.near = drawn.nearest(chart, looks);
    drawn.x = drawn.response.hover_pos().map(|pointer| {
        let x = drawn.transform.value_from_position(pointer).x;
        if log[0] { 10f64.powf(x) } else { x }
    });
    if let Some((index, at)) = drawn.near {
        let place = drawn.place(chart.series[index].points[at]);
        ui.painter().circle_stroke(place.unwrap_or_default(), 7.0, egui::Stroke::new(1.5, t.text));
        note_ui(ui, &drawn, place.unwrap_or_default(), &words(index, at));
    }
    drawn
}

/// A point where it is drawn: exponents on an axis in powers of ten.
fn placed([x, y]: [f64; 2], log: [bool; 2]) -> [f64; 2] {
    [if log[0] { exponent(x) } else { x }, if log[1] { exponent(y) } else { y }]
}

/// Ends of both axes over all that can be drawn, never the same; `None` without a point.
fn extent(chart: &Chart, log: [bool; 2]) -> Option<[[f64; 2]; 2]> {
    let mut ends = [[f64::INFINITY, f64::NEG_INFINITY]; 2];
    for series in &chart.series {
        let bands = series.points.iter().zip(&series.band).flat_map(|([x, _], [low, high])| [[*x, *low], [*x, *high]]);
        for point in series.points.iter().copied().chain(bands).map(|point| placed(point, log)) {
            if point.iter().all(|value| value.is_finite()) {
                for (end, value) in ends.iter_mut().zip(point) {
                    *end = [end[0].min(value), end[1].max(value)];
                }
            }
        }
    }
    let mut axes = ends.into_iter().zip([&chart.x, &chart.y]).map(|([low, high], axis)| {
        let words = axis.names.len() as f64;
        match words > 0.0 {
            true => (low <= high).then_some([-0.5, words - 0.5]),
            false if low < high => Some([low, high]),
            false => (low == high).then_some([low - apart(low), low + apart(low)]),
        }
    });
    Some([axes.next()??, axes.next()??])
}

/// Room around a lone value.
fn apart(value: f64) -> f64 {
    (value.abs() * 0.1).max(1e-3)
}

/// Grid lines of an axis: powers of ten, words, or round numbers.
fn spacer(axis: &Axis) -> impl Fn(GridInput) -> Vec<GridMark> + 'static {
    let (log, words) = (axis.log, axis.names.len());
    let plain = egui_plot::log_grid_spacer(10);
    move |input: GridInput| {
        let (low, high) = input.bounds;
        if words > 0 {
            let all = (0..words).map(|n| GridMark { value: n as f64, step_size: 1.0 });
            return all.filter(|mark| (low..=high).contains(&mark.value)).collect();
        }
        if log {
            let marks = log_marks(low, high).into_iter();
            return marks.map(|mark| GridMark { value: mark.exponent, step_size: mark.step }).collect();
        }
        plain(input)
    }
}

/// Text beside an axis and its marks.
fn hints<'a>(ui: &Ui, axis: &Axis, hints: AxisHints<'a>, is_empty: bool, is_x: bool) -> AxisHints<'a> {
    let t = tokens(ui);
    let font = egui::TextStyle::Small.resolve(ui.style());
    let room = ui.available_width() / axis.names.len().max(1) as f32 - 14.0;
    let fitted = |name: &String| if is_x { fitting(ui, name, &font, room) } else { shortened(name, LONGEST_WORD) };
    let names: Vec<String> = axis.names.iter().map(fitted).collect();
    let (log, label) = (axis.log, RichText::new(&axis.label).small().color(t.muted));
    let spacing = match (names.is_empty(), is_x) {
        (false, _) => Rangef::new(8.0, 9.0),
        (true, true) => Rangef::new(40.0, 60.0),
        (true, false) => Rangef::new(15.0, 16.0),
    };
    let said = move |mark: GridMark| match names.get(mark.value.round() as usize) {
        _ if is_empty => String::new(),
        Some(name) => name.clone(),
        None if log => compact(10f64.powf(mark.value)),
        None => compact((mark.value * 1e9).round() / 1e9),
    };
    hints
        .label(label)
        .label_spacing(spacing)
        .tick_label_font(egui::TextStyle::Small.resolve(ui.style()))
        .tick_label_color(t.muted)
        .formatter(move |mark, _| said(mark))
}

/// As much of a word as there is room for.
pub fn fitting(ui: &Ui, word: &str, font: &egui::FontId, room: f32) -> String {
    let width = |text: &str| ui.painter().layout_no_wrap(text.to_owned(), font.clone(), Color32::PLACEHOLDER).size().x;
    let mut most = word.chars().count();
    let mut text = word.to_owned();
    while most > 1 && width(&text) > room {
        most -= 1;
        text = shortened(word, most);
    }
    text
}

fn series_ui(plot: &mut PlotUi<'_>, series: &Series, look: &Look, log: [bool; 2]) {
    let points: Vec<[f64; 2]> = series.points.iter().map(|point| placed(*point, log)).collect();
    let bands: Vec<[f64; 2]> = series
        .points
        .iter()
        .zip(&series.band)
        .map(|([x, _], [low, high])| [*x, *low, *high])
        .map(|[x, low, high]| [placed([x, low], log)[1], placed([x, high], log)[1]])
        .collect();
    let has_line = matches!(series.mark, Mark::Line | Mark::LineAndPoints | Mark::Steps);
    if has_line && !bands.is_empty() {
        band_ui(plot, &points, &bands, look.color);
    } else {
        for ([x, _], [low, high]) in
            points.iter().zip(&bands).filter(|(_, ends)| ends.iter().all(|end| end.is_finite()))
        {
            let bar = Line::new("", vec![[*x, *low], [*x, *high]]).color(look.color).width(1.5);
            plot.line(bar.allow_hover(false));
        }
    }
    let style = if look.dashed { LineStyle::dashed_dense() } else { LineStyle::Solid };
    for piece in pieces(&points).into_iter().filter(|_| has_line) {
        let piece = if series.mark == Mark::Steps { steps(&piece) } else { piece };
        let line = Line::new("", PlotPoints::from(piece)).color(look.color).width(look.width).style(style);
        plot.line(line.allow_hover(false));
    }
    if matches!(series.mark, Mark::Points | Mark::LineAndPoints) {
        let finite: Vec<[f64; 2]> = pieces(&points).concat();
        plot.points(Points::new("", PlotPoints::from(finite)).color(look.color).radius(look.radius).allow_hover(false));
    }
}

fn band_ui(plot: &mut PlotUi<'_>, points: &[[f64; 2]], bands: &[[f64; 2]], color: Color32) {
    let whole: Vec<[f64; 3]> = points.iter().zip(bands).map(|([x, _], [low, high])| [*x, *low, *high]).collect();
    for piece in whole.split(|point| point.iter().any(|value| !value.is_finite())).filter(|piece| piece.len() > 1) {
        let [xs, lows, highs] = [0, 1, 2].map(|n| piece.iter().map(|point| point[n]).collect::<Vec<f64>>());
        plot.add(FilledArea::new("", &xs, &lows, &highs).fill_color(color.gamma_multiply(0.18)).allow_hover(false));
    }
}

/// The unbroken parts of a line.
fn pieces(points: &[[f64; 2]]) -> Vec<Vec<[f64; 2]>> {
    let is_break = |point: &[f64; 2]| !point.iter().all(|value| value.is_finite());
    points.split(is_break).filter(|piece| !piece.is_empty()).map(<[_]>::to_vec).collect()
}

/// A line that goes level and then up or down.
fn steps(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let mut line: Vec<[f64; 2]> = Vec::with_capacity(2 * points.len());
    for point in points {
        // Twice the same point is a segment without a direction, which cannot be drawn.
        let corner = line.last().map(|before| [point[0], before[1]]).filter(|corner| corner != point);
        line.extend(corner);
        line.push(*point);
    }
    line
}

/// Words beside a point, inside of the plot.
fn note_ui(ui: &Ui, drawn: &Drawn, place: Pos2, words: &str) {
    let t = tokens(ui);
    let font = egui::TextStyle::Small.resolve(ui.style());
    let galley = ui.painter().layout(words.to_owned(), font, t.text, 320.0);
    let size = galley.size() + vec2(16.0, 12.0);
    let room = drawn.frame();
    let x = if place.x + 14.0 + size.x > room.right() { place.x - 14.0 - size.x } else { place.x + 14.0 };
    let y = (place.y - size.y / 2.0).clamp(room.top(), (room.bottom() - size.y).max(room.top()));
    let rect = egui::Rect::from_min_size(pos2(x.max(room.left()), y), size);
    let stroke = egui::Stroke::new(1.0, t.border);
    ui.painter().rect(rect, theme::RADIUS, t.raised, stroke, egui::StrokeKind::Inside);
    ui.painter().galley(rect.min + vec2(8.0, 6.0), galley, t.text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: &[[f64; 2]], log: bool) -> Chart {
        let series = Series { name: "a".into(), points: points.to_vec(), band: Vec::new(), mark: Mark::Line };
        Chart { y: Axis { log, ..Axis::default() }, series: vec![series], ..Chart::default() }
    }

    #[test]
    fn an_axis_of_one_value_has_room_around_it_and_nothing_has_no_extent() {
        assert_eq!(extent(&chart(&[], false), [false; 2]), None);
        assert_eq!(extent(&chart(&[[1.0, f64::NAN]], false), [false; 2]), None);
        assert_eq!(extent(&chart(&[[1.0, 0.0], [2.0, -1.0]], true), [false, true]), None, "no logarithm");
        let [x, y] = extent(&chart(&[[5.0, 2.0]], false), [false; 2]).unwrap();
        assert!(x[0] < 5.0 && x[1] > 5.0 && y[0] < 2.0 && y[1] > 2.0);
        let [_, y] = extent(&chart(&[[0.0, 10.0], [1.0, 0.0], [2.0, 1000.0]], true), [false, true]).unwrap();
        assert_eq!(y, [1.0, 3.0]);
    }

    #[test]
    fn a_staircase_is_level_before_it_falls_and_a_line_breaks_where_there_is_no_number() {
        assert_eq!(steps(&[[1.0, 3.0], [2.0, 2.0]]), [[1.0, 3.0], [2.0, 3.0], [2.0, 2.0]]);
        assert_eq!(steps(&[[1.0, 3.0], [2.0, 3.0]]), [[1.0, 3.0], [2.0, 3.0]], "no point comes twice");
        assert_eq!(pieces(&[[1.0, 1.0], [2.0, f64::NAN], [3.0, 1.0], [4.0, f64::INFINITY]]).len(), 2);
        assert!(pieces(&[[f64::NAN, 1.0]]).is_empty());
    }
}
