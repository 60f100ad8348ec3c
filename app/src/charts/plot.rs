//! A chart drawn: title, legend, grid, then bands, lines and points. No box, no more lines than values need.

use plotters::element::{Circle, PathElement, Polygon, Rectangle};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, VPos};

use super::axis::Scale;
use super::canvas::{Canvas, Drawn, FINE, Ink, Plot, TextLook, fine, fitting, width_of};
use super::{Axis, Chart, Mark, Series};

/// Room at the outer edge.
const EDGE: f64 = 8.0;
/// Size of labels.
const LABEL: f64 = 13.0;
/// Height of a row of the legend, and of a label above or below the axes.
const ROW: f64 = 20.0;
/// Between a label and what it stands beside.
const GAP: f64 = 8.0;

/// Ends and names of both axes, with the edges of the part between them: left, top, right, bottom.
struct Layout {
    x: Scale,
    y: Scale,
    edges: [f64; 4],
    x_ticks: Vec<(f64, String)>,
    y_ticks: Vec<(f64, String)>,
    /// Values go to the right, names stand beside each other downward.
    lying: bool,
}

pub(super) fn draw(chart: &Chart, canvas: &Canvas) -> Drawn {
    let mut top = EDGE;
    if !chart.title.is_empty() {
        let look = TextLook::title();
        canvas.text(&fitting(&chart.title, look.size, canvas.width - 2.0 * EDGE), (EDGE, top), &look)?;
        top += 26.0;
    }
    top = legend(chart, canvas, top)?;
    if !chart.y.label.is_empty() {
        let look = TextLook::label(HPos::Left, VPos::Top);
        canvas.text(&fitting(&chart.y.label, LABEL, canvas.width - 2.0 * EDGE), (EDGE, top), &look)?;
        top += ROW;
    }
    let layout = Layout::of(chart, canvas, top + 4.0);
    layout.frame(chart, canvas)?;
    let plot = canvas.plot(layout.x.clone(), layout.y.clone(), layout.edges, layout.lying);
    let of = |at: usize| Marks { canvas, plot: &plot, layout: &layout, at, of: chart.series.len() };
    for (at, series) in chart.series.iter().enumerate() {
        of(at).area(series)?;
    }
    for (at, series) in chart.series.iter().enumerate() {
        of(at).marks(series)?;
    }
    Ok(())
}

/// Rows of names with the color of each; answers where they end.
fn legend(chart: &Chart, canvas: &Canvas, top: f64) -> Result<f64, super::canvas::Failed> {
    let named: Vec<(usize, &Series)> = chart.series.iter().enumerate().filter(|(_, s)| !s.name.is_empty()).collect();
    if named.len() < 2 {
        return Ok(top);
    }
    let names: Vec<String> =
        named.iter().map(|(_, series)| fitting(&series.name, LABEL, canvas.width * 0.45)).collect();
    let room = |name: &String| 24.0 + width_of(name, LABEL) + 14.0;
    // Names that fill several rows stand below each other in columns.
    let widest = names.iter().map(room).fold(0.0, f64::max);
    let in_rows = names.iter().map(room).sum::<f64>() > canvas.width - 2.0 * EDGE;
    let (mut x, mut y) = (EDGE, top + ROW / 2.0);
    for ((at, series), name) in named.into_iter().zip(&names) {
        let room = if in_rows { widest } else { room(name) };
        if x > EDGE && x + room > canvas.width - EDGE {
            (x, y) = (EDGE, y + ROW);
        }
        let ink = Ink::Series(at);
        match series.mark {
            Mark::Line | Mark::Steps => {
                let parts: &[_] = if is_dashed(at) { &[(0.0, 6.0), (10.0, 16.0)] } else { &[(0.0, 16.0)] };
                for (from, to) in parts {
                    let ends = [(fine(x + from), fine(y)), (fine(x + to), fine(y))];
                    canvas.draw(&PathElement::new(ends, canvas.line(ink, 2.5)))?;
                }
            }
            Mark::Bars => {
                let corners = [(fine(x + 3.0), fine(y - 5.0)), (fine(x + 13.0), fine(y + 5.0))];
                canvas.draw(&Rectangle::new(corners, canvas.filled(ink, 1.0).filled()))?;
            }
            Mark::Points | Mark::LineAndPoints => {
                canvas.draw(&Circle::new((fine(x + 8.0), fine(y)), 4 * FINE, canvas.filled(ink, 1.0).filled()))?;
            }
        }
        canvas.text(name, (x + 22.0, y), &TextLook { ink: Ink::Text, ..TextLook::label(HPos::Left, VPos::Center) })?;
        x += room;
    }
    Ok(y + ROW / 2.0 + 4.0)
}

impl Layout {
    fn of(chart: &Chart, canvas: &Canvas, top: f64) -> Self {
        let lying = !chart.y.names.is_empty();
        let [x, y] = scales(chart, lying);
        let below = 22.0 + if chart.x.label.is_empty() { 0.0 } else { ROW };
        let bottom = (canvas.height - EDGE - below).max(top + 20.0);
        let mut y_ticks = y.ticks(&chart.y, ((bottom - top) / if lying { 18.0 } else { 42.0 }) as usize);
        if lying {
            y_ticks.iter_mut().for_each(|(_, name)| *name = fitting(name, LABEL, canvas.width * 0.42));
        }
        let widest = y_ticks.iter().map(|(_, label)| width_of(label, LABEL)).fold(0.0, f64::max);
        let (left, right) = (EDGE + widest + GAP, canvas.width - EDGE - 10.0);
        let x_ticks = x_ticks(&x, &chart.x, right - left);
        Self { x, y, edges: [left, top, right.max(left + 20.0), bottom], x_ticks, y_ticks, lying }
    }

    fn frame(&self, chart: &Chart, canvas: &Canvas) -> Drawn {
        let [left, top, right, bottom] = self.edges;
        let plot = canvas.plot(self.x.clone(), self.y.clone(), self.edges, self.lying);
        let px = |at: i32| f64::from(at) / f64::from(FINE);
        let line = |from: (f64, f64), to: (f64, f64), ink, width| {
            let ends = [(fine(from.0), fine(from.1)), (fine(to.0), fine(to.1))];
            canvas.draw(&PathElement::new(ends, canvas.line(ink, width)))
        };
        for (value, label) in &self.y_ticks {
            let y = px(plot.map_coordinate(&(self.x.least(), *value)).1);
            if !self.lying {
                line((left, y), (right, y), Ink::Grid, 0.75)?;
            }
            canvas.text(label, (left - GAP, y), &TextLook::label(HPos::Right, VPos::Center))?;
        }
        for (value, label) in &self.x_ticks {
            let x = px(plot.map_coordinate(&(*value, self.y.least())).0);
            if self.lying {
                line((x, top), (x, bottom), Ink::Grid, 0.75)?;
            } else if chart.x.names.is_empty() {
                line((x, bottom), (x, bottom + 4.0), Ink::Base, 0.75)?;
            }
            canvas.text(label, (x, bottom + 7.0), &TextLook::label(HPos::Center, VPos::Top))?;
        }
        if !self.lying {
            line((left, bottom), (right, bottom), Ink::Base, 1.0)?;
        }
        if !chart.x.label.is_empty() {
            let look = TextLook::label(HPos::Right, VPos::Top);
            canvas.text(&fitting(&chart.x.label, LABEL, right), (right, bottom + 24.0), &look)?;
        }
        Ok(())
    }
}

/// Both axes over all that is drawn.
fn scales(chart: &Chart, lying: bool) -> [Scale; 2] {
    let drawn = || chart.series.iter().flat_map(|series| &series.points);
    let bands = || chart.series.iter().flat_map(|series| series.band.iter().flatten().copied());
    let bars = chart.series.iter().any(|series| series.mark == Mark::Bars).then_some(0.0);
    let is_line = |mark| matches!(mark, Mark::Line | Mark::Steps);
    let room = if chart.series.iter().all(|series| is_line(series.mark)) { 0.0 } else { 0.04 };
    match lying {
        true => [
            Scale::over(&chart.x, drawn().map(|point| point[0]).chain(bands()).chain(bars), 0.05),
            Scale::over(&chart.y, std::iter::empty(), 0.0),
        ],
        false => [
            Scale::over(&chart.x, drawn().map(|point| point[0]), room),
            Scale::over(&chart.y, drawn().map(|point| point[1]).chain(bands()).chain(bars), 0.05),
        ],
    }
}

/// As many labels as have room beside each other; names are cut to theirs.
fn x_ticks(scale: &Scale, axis: &Axis, width: f64) -> Vec<(f64, String)> {
    let mut ticks = scale.ticks(axis, (width / if axis.names.is_empty() { 64.0 } else { 34.0 }) as usize);
    let room = width / ticks.len().max(1) as f64 - 6.0;
    if !axis.names.is_empty() {
        ticks.iter_mut().for_each(|(_, name)| *name = fitting(name, LABEL, room));
    }
    ticks
}

/// One of several series on its way onto the picture.
struct Marks<'c, 'a> {
    canvas: &'c Canvas<'a>,
    plot: &'c Plot<'a>,
    layout: &'c Layout,
    at: usize,
    of: usize,
}

impl Marks<'_, '_> {
    fn ink(&self) -> Ink {
        Ink::Series(self.at)
    }

    fn has(&self, [x, y]: [f64; 2]) -> bool {
        self.layout.x.has(x) && self.layout.y.has(y)
    }

    /// Indices of points that follow each other without a gap.
    fn stretches(&self, series: &Series) -> Vec<Vec<usize>> {
        let mut all = vec![Vec::new()];
        for (at, point) in series.points.iter().enumerate() {
            match (self.has(*point), all.last_mut()) {
                (true, Some(last)) => last.push(at),
                _ => all.push(Vec::new()),
            }
        }
        all.retain(|stretch| !stretch.is_empty());
        all
    }

    /// The band around a line; the ends that have no place are at the axis' own.
    fn area(&self, series: &Series) -> Drawn {
        if !matches!(series.mark, Mark::Line | Mark::Steps | Mark::LineAndPoints) || series.band.is_empty() {
            return Ok(());
        }
        for stretch in self.stretches(series) {
            let edge = |end: usize| {
                let of = |at: &usize| Some((series.points[*at][0], self.end(series.band.get(*at)?[end])));
                stretch.iter().filter_map(of).collect::<Vec<_>>()
            };
            let mut outline = edge(1);
            outline.extend(edge(0).into_iter().rev());
            if outline.len() > 3 {
                self.plot.draw(&Polygon::new(outline, self.canvas.filled(self.ink(), 0.16)))?;
            }
        }
        Ok(())
    }

    fn end(&self, value: f64) -> f64 {
        let scale = if self.layout.lying { &self.layout.x } else { &self.layout.y };
        if scale.has(value) { value } else { scale.least() }
    }

    fn marks(&self, series: &Series) -> Drawn {
        match series.mark {
            Mark::Bars => return self.bars(series),
            Mark::Points => return self.points(series),
            Mark::Line | Mark::Steps | Mark::LineAndPoints => {}
        }
        for stretch in self.stretches(series) {
            let points: Vec<(f64, f64)> = stretch.iter().map(|at| series.points[*at].into()).collect();
            match points.as_slice() {
                [one] if series.mark != Mark::LineAndPoints => self.dot(*one, 2.5)?,
                [_] => {}
                points => self.line(&if series.mark == Mark::Steps { stepped(points) } else { points.to_vec() })?,
            }
        }
        if series.mark == Mark::LineAndPoints {
            for point in series.points.iter().filter(|point| self.has(**point)) {
                self.dot((*point).into(), 3.5)?;
            }
        }
        Ok(())
    }

    fn line(&self, points: &[(f64, f64)]) -> Drawn {
        let look = self.canvas.line(self.ink(), 2.0);
        if !is_dashed(self.at) {
            return self.plot.draw(&PathElement::new(points.to_vec(), look));
        }
        let dashes = plotters::element::DashedPathElement::new(points.to_vec(), 6 * FINE, 4 * FINE, look);
        self.plot.draw(&dashes)
    }

    /// A point with a rim in the color of the background, so that one on a line is seen.
    fn dot(&self, at: (f64, f64), radius: f64) -> Drawn {
        let at = self.plot.map_coordinate(&at);
        let disc = |radius: f64, ink| Circle::new(at, fine(radius), self.canvas.filled(ink, 1.0).filled());
        self.canvas.draw(&disc(radius + 1.25, Ink::Surface))?;
        self.canvas.draw(&disc(radius, self.ink()))
    }

    /// Where a point stands in px; those of several series over names stand beside each other.
    fn place(&self, point: [f64; 2], wide: f64) -> (i32, i32) {
        let slots = match self.layout.lying {
            true => (self.layout.edges[3] - self.layout.edges[1]) / self.layout.y.slots(),
            false => (self.layout.edges[2] - self.layout.edges[0]) / self.layout.x.slots(),
        };
        let beside = (self.at as f64 - (self.of as f64 - 1.0) / 2.0) * wide / self.of.max(1) as f64;
        let shift = fine(beside * slots);
        let (x, y) = self.plot.map_coordinate(&point.into());
        if self.layout.lying { (x, y + shift) } else { (x + shift, y) }
    }

    fn points(&self, series: &Series) -> Drawn {
        let over_names = self.layout.lying || self.layout.x.is_names();
        let wide = if over_names && self.of > 1 { 0.6 } else { 0.0 };
        for (at, point) in series.points.iter().enumerate().filter(|(_, point)| self.has(**point)) {
            self.whisker(series, at, *point, wide)?;
            let at = self.place(*point, wide);
            let disc = |radius: f64, ink| Circle::new(at, fine(radius), self.canvas.filled(ink, 1.0).filled());
            self.canvas.draw(&disc(5.25, Ink::Surface))?;
            self.canvas.draw(&disc(4.0, self.ink()))?;
        }
        Ok(())
    }

    fn whisker(&self, series: &Series, at: usize, point: [f64; 2], wide: f64) -> Drawn {
        let Some(band) = series.band.get(at).filter(|band| band.iter().all(|end| !end.is_nan())) else { return Ok(()) };
        let [low, high] = band.map(|end| self.end(end));
        let (ends, cap) = match self.layout.lying {
            true => ([[low, point[1]], [high, point[1]]], (0, fine(4.0))),
            false => ([[point[0], low], [point[0], high]], (fine(4.0), 0)),
        };
        let look = self.canvas.line(if series.mark == Mark::Bars { Ink::Text } else { self.ink() }, 1.5);
        let ends = ends.map(|end| self.place(end, wide));
        self.canvas.draw(&PathElement::new(ends, look))?;
        for (x, y) in ends {
            self.canvas.draw(&PathElement::new([(x - cap.0, y - cap.1), (x + cap.0, y + cap.1)], look))?;
        }
        Ok(())
    }

    fn bars(&self, series: &Series) -> Drawn {
        const WIDE: f64 = 0.72;
        let slot = match self.layout.lying {
            true => (self.layout.edges[3] - self.layout.edges[1]) / self.layout.y.slots(),
            false => (self.layout.edges[2] - self.layout.edges[0]) / self.layout.x.slots(),
        };
        let half = fine((slot * WIDE / self.of.max(1) as f64 - 1.0).max(1.0) / 2.0);
        for (at, point) in series.points.iter().enumerate().filter(|(_, point)| self.has(**point)) {
            let foot = if self.layout.lying { [self.end(0.0), point[1]] } else { [point[0], self.end(0.0)] };
            let ((x0, y0), (x1, y1)) = (self.place(foot, WIDE), self.place(*point, WIDE));
            let corners = match self.layout.lying {
                true => [(x0.min(x1), y0 - half), (x0.max(x1), y0 + half)],
                false => [(x0 - half, y0.min(y1)), (x0 + half, y0.max(y1))],
            };
            self.canvas.draw(&Rectangle::new(corners, self.canvas.filled(self.ink(), 0.85).filled()))?;
            self.whisker(series, at, *point, WIDE)?;
        }
        Ok(())
    }
}

/// Colors come again after ten: then lines are dashed.
fn is_dashed(series: usize) -> bool {
    series / 10 % 2 == 1
}

/// Level to the next place, then up or down.
fn stepped(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let corners = points.windows(2).flat_map(|pair| [pair[0], (pair[1].0, pair[0].1)]);
    corners.chain(points.last().copied()).collect()
}
