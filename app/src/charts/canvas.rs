//! What pictures are drawn on: quarters of a px, the colors of a theme, text of which the width is known about.

use egui::Color32;
use plotters::coord::Shift;
use plotters::element::{Drawable, PointCollection};
use plotters::prelude::{
    Cartesian2d, DrawingArea, DrawingAreaErrorKind, IntoDrawingArea, IntoFont, RGBAColor, SVGBackend, Text, TextStyle,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, RGBColor, ShapeStyle};

use super::Theme;
use super::axis::Scale;
use crate::theme::{series_colors, tokens_of};

/// The library draws at whole units: a px has so many of them.
pub(super) const FINE: i32 = 4;

/// Fonts of a picture that stands alone: ours first, which are there when it becomes a PNG.
const FONTS: &str = "Ubuntu, 'Noto Sans', 'Helvetica Neue', Arial, 'Noto Sans SC', 'PingFang SC', 'Microsoft YaHei', \
                     sans-serif";
/// In the library's units a font is larger than its size.
const FONT_SCALE: f64 = 1.24;

pub(super) type Failed = DrawingAreaErrorKind<std::io::Error>;
pub(super) type Drawn = Result<(), Failed>;
pub(super) type Plot<'a> = DrawingArea<SVGBackend<'a>, Cartesian2d<Scale, Scale>>;

/// The roles of colors in a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    /// Title, marks that stand for nothing else.
    Text,
    /// Labels.
    Muted,
    /// Lines of the grid.
    Grid,
    /// The line that values stand on.
    Base,
    /// Behind everything.
    Surface,
    /// The series of this number, from 0.
    Series(usize),
}

/// A picture that is being drawn; all sizes are in px.
pub(super) struct Canvas<'a> {
    root: DrawingArea<SVGBackend<'a>, Shift>,
    theme: Theme,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Draws a picture; `name` says what it is to those who cannot see it.
pub(super) fn drawn(name: &str, theme: Theme, size: (u32, u32), draw: impl FnOnce(&Canvas) -> Drawn) -> String {
    let (width, height) = (size.0.clamp(120, 8_000), size.1.clamp(80, 8_000));
    let mut text = String::new();
    let fine = FINE.unsigned_abs();
    let root = SVGBackend::with_string(&mut text, (width * fine, height * fine)).into_drawing_area();
    let canvas = Canvas { root, theme, width: f64::from(width), height: f64::from(height) };
    // Text that is written into memory is written.
    if let Err(error) = background(&canvas).and_then(|()| draw(&canvas)).and_then(|()| canvas.root.present()) {
        tracing::warn!("a picture was not drawn to its end: {error}");
    }
    drop(canvas);
    finished(&text, name, theme, (width, height))
}

fn background(canvas: &Canvas) -> Drawn {
    match canvas.theme {
        Theme::Page => Ok(()),
        Theme::Light | Theme::Dark => canvas.root.fill(&canvas.color(Ink::Surface)),
    }
}

/// The picture in px, with its fonts, and of a page with variables for colors.
fn finished(text: &str, name: &str, theme: Theme, (width, height): (u32, u32)) -> String {
    let inside = text.find('>').map_or("", |end| &text[end + 1..]);
    let fonts = if theme == Theme::Page { "inherit" } else { FONTS };
    let mut inside = inside.replace("font-family=\"sans-serif\"", &format!("font-family=\"{fonts}\""));
    if theme == Theme::Page {
        for (variable, color) in variables(false) {
            // Quotation marks in a text are escaped: what is found is an attribute.
            let attribute = format!("\"{}\"", color.to_uppercase());
            inside = inside.replace(&attribute, &format!("\"var({variable}, {color})\""));
        }
    }
    let (fine, name) = (FINE.unsigned_abs(), escaped(&plain(name)));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {} {}\" \
         role=\"img\" aria-label=\"{name}\">{inside}",
        width * fine,
        height * fine
    )
}

/// The CSS variables of a page around pictures, with their colors in a theme.
pub(super) fn variables(dark: bool) -> Vec<(String, String)> {
    let tokens = tokens_of(dark);
    let roles = [
        ("--chart-text", tokens.text),
        ("--chart-muted", tokens.muted),
        ("--chart-grid", tokens.border),
        ("--chart-base", tokens.faint),
        ("--chart-surface", tokens.surface),
    ];
    let series = series_colors(dark).iter().enumerate().map(|(at, color)| (format!("--series-{}", at + 1), *color));
    let all = roles.into_iter().map(|(name, color)| (name.to_owned(), color)).chain(series);
    all.map(|(name, color)| (name, format!("#{:02x}{:02x}{:02x}", color.r(), color.g(), color.b()))).collect()
}

/// Text without what no XML can hold, on one line.
pub(super) fn plain(text: &str) -> String {
    let kept = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
    kept.filter(|c| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Width of a text in px, about: no font is asked.
pub(super) fn width_of(text: &str, size: f64) -> f64 {
    let share = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '|' | '!' | '\'' | '(' | ')' | '[' | ']' | ' ' | 't' | 'f' | 'r' => {
            0.40
        }
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.97,
        c if c.is_ascii_uppercase() => 0.72,
        c if u32::from(c) >= 0x2e80 => 1.0,
        _ => 0.63,
    };
    text.chars().map(share).sum::<f64>() * size
}

/// As much of a text as has room, with an ellipsis in the place of the rest.
pub(super) fn fitting(text: &str, size: f64, room: f64) -> String {
    let text = plain(text);
    if width_of(&text, size) <= room {
        return text;
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if width_of(&kept, size) + size > room && kept.chars().count() > 2 {
            break;
        }
    }
    format!("{}…", kept.trim_end())
}

/// A px as the library counts.
pub(super) fn fine(px: f64) -> i32 {
    (px * f64::from(FINE)).round() as i32
}

impl<'a> Canvas<'a> {
    /// A color; of a page that of the light theme, which becomes a variable.
    pub(super) fn color(&self, ink: Ink) -> RGBColor {
        let dark = self.theme == Theme::Dark;
        let tokens = tokens_of(dark);
        let color: Color32 = match ink {
            Ink::Text => tokens.text,
            Ink::Muted => tokens.muted,
            Ink::Grid => tokens.border,
            Ink::Base => tokens.faint,
            Ink::Surface => tokens.surface,
            Ink::Series(at) => series_colors(dark)[at % 10],
        };
        RGBColor(color.r(), color.g(), color.b())
    }

    /// A line of this width.
    pub(super) fn line(&self, ink: Ink, width: f64) -> ShapeStyle {
        ShapeStyle { color: self.color(ink).to_rgba(), filled: false, stroke_width: fine(width).unsigned_abs() }
    }

    /// A filled shape of this opacity.
    pub(super) fn filled(&self, ink: Ink, opacity: f64) -> RGBAColor {
        self.color(ink).mix(opacity)
    }

    /// Draws something that is given in the library's units.
    pub(super) fn draw<'e, E>(&self, element: &'e E) -> Drawn
    where
        &'e E: PointCollection<'e, (i32, i32)>,
        E: Drawable<SVGBackend<'a>>,
    {
        self.root.draw(element)
    }

    /// Writes a text at a place in px.
    pub(super) fn text(&self, text: &str, at: (f64, f64), style: &TextLook) -> Drawn {
        let font = ("sans-serif", style.size * FONT_SCALE * f64::from(FINE)).into_font();
        let font = if style.bold { font.style(FontStyle::Bold) } else { font };
        let look: TextStyle = font.color(&self.color(style.ink)).pos(Pos::new(style.h, style.v));
        self.root.draw(&Text::new(plain(text), (fine(at.0), fine(at.1)), look))
    }

    /// The part of the picture that has axes, its edges in px: left, top, right, bottom. The vertical axis goes up, one of names
    /// goes down.
    pub(super) fn plot(&self, x: Scale, y: Scale, edges: [f64; 4], down: bool) -> Plot<'a> {
        let [left, top, right, bottom] = edges.map(fine);
        let vertical = if down { top..bottom } else { bottom..top };
        self.root.apply_coord_spec(Cartesian2d::new(x, y, (left..right, vertical)))
    }
}

/// How a text looks.
pub(super) struct TextLook {
    pub(super) size: f64,
    pub(super) ink: Ink,
    pub(super) bold: bool,
    pub(super) h: HPos,
    pub(super) v: VPos,
}

impl TextLook {
    /// A label beside its place.
    pub(super) fn label(h: HPos, v: VPos) -> Self {
        Self { size: 13.0, ink: Ink::Muted, bold: false, h, v }
    }

    /// The title of a picture.
    pub(super) fn title() -> Self {
        Self { size: 16.0, ink: Ink::Text, bold: true, h: HPos::Left, v: VPos::Top }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_long_is_cut_to_its_room() {
        assert_eq!(fitting("short", 12.0, 100.0), "short");
        let cut = fitting("a name that goes on and on", 12.0, 60.0);
        assert!(cut.ends_with('…') && width_of(&cut, 12.0) <= 72.0, "{cut}");
        let cut = fitting("前缀长度的比较实验", 12.0, 50.0);
        assert!(cut.ends_with('…') && width_of(&cut, 12.0) <= 60.0, "{cut}");
    }

    #[test]
    fn colors_of_a_page_are_different_from_each_other() {
        for dark in [false, true] {
            let colors: std::collections::BTreeSet<String> = variables(dark).into_iter().map(|(_, c)| c).collect();
            assert_eq!(colors.len(), variables(dark).len(), "or one variable would stand for two roles");
        }
    }
}
