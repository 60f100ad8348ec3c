//! Pictures of numbers as files: a chart is data, and becomes SVG or PNG. The window draws its own plots; these are for pages,
//! papers and files.

mod axis;
mod canvas;
mod heat;
mod plot;
mod png;
#[cfg(test)]
mod tests;

pub use self::heat::{HeatMap, heat_svg};
pub use self::png::png;

/// A chart with two axes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chart {
    /// Above it; empty is none.
    pub title: String,
    /// Below and beside it.
    pub x: Axis,
    /// Beside it.
    pub y: Axis,
    /// In the order of the legend.
    pub series: Vec<Series>,
}

/// An axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Axis {
    /// What is counted, with its unit.
    pub label: String,
    /// In powers of ten.
    pub log: bool,
    /// Words in place of numbers: the first stands at 0.
    pub names: Vec<String>,
}

/// Numbers that belong together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// In the legend.
    pub name: String,
    /// Where there is no number, the line breaks.
    pub points: Vec<[f64; 2]>,
    /// Lower and upper ends around each point, along the axis of numbers; empty is none. Around a line it is a band, around
    /// points and bars a whisker.
    pub band: Vec<[f64; 2]>,
    /// How it is drawn.
    pub mark: Mark,
}

/// What is drawn into a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Picture {
    /// With two axes.
    Chart(Chart),
    /// Of cells.
    Heat(HeatMap),
}

impl Picture {
    /// The picture as SVG, `width` × `height` in px.
    pub fn svg(&self, theme: Theme, size: (u32, u32)) -> String {
        match self {
            Self::Chart(chart) => svg(chart, theme, size),
            Self::Heat(map) => heat_svg(map, theme, size),
        }
    }
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// A line from point to point.
    #[default]
    Line,
    /// A line with its points.
    LineAndPoints,
    /// Points alone.
    Points,
    /// A line that goes level and then up or down.
    Steps,
    /// A bar from zero, over an axis of names.
    Bars,
}

/// The colors of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// On white.
    #[default]
    Light,
    /// On black.
    Dark,
    /// By the page around it: colors are CSS variables.
    Page,
}

/// The picture as SVG, `width` × `height` in px.
pub fn svg(chart: &Chart, theme: Theme, size: (u32, u32)) -> String {
    canvas::drawn(&chart.title, theme, size, |canvas| plot::draw(chart, canvas))
}

/// The style sheet of a page that has pictures in [`Theme::Page`]: the variables, in the light theme and in the dark one.
pub fn page_variables(dark: bool) -> String {
    canvas::variables(dark).into_iter().map(|(name, color)| format!("{name}: {color};\n")).collect()
}
