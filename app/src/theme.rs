//! Every color, font and size of the window.
//!
//! Two sets of tokens, dark and light, with the same roles; a screen names a role and never a color. One accent color,
//! which also stands for the prefix wherever it is drawn.

use std::sync::Arc;

use egui::{
    Color32, CornerRadius, FontData, FontDefinitions, FontFamily, FontId, Margin, Stroke, Style, TextStyle, Theme, Vec2,
};
use serde::{Deserialize, Serialize};

/// The theme a user asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThemeChoice {
    /// As the system.
    #[default]
    System,
    /// Light on dark.
    Dark,
    /// Dark on light.
    Light,
}

impl From<ThemeChoice> for egui::ThemePreference {
    fn from(choice: ThemeChoice) -> Self {
        match choice {
            ThemeChoice::System => Self::System,
            ThemeChoice::Dark => Self::Dark,
            ThemeChoice::Light => Self::Light,
        }
    }
}

/// The roles that colors play.
#[derive(Clone, Copy, Debug)]
pub struct Tokens {
    /// Behind everything.
    pub background: Color32,
    /// Rail and top bar.
    pub chrome: Color32,
    /// Cards.
    pub surface: Color32,
    /// Controls on cards, code, track of a progress bar.
    pub raised: Color32,
    /// A control under the pointer.
    pub hover: Color32,
    /// Lines between things.
    pub border: Color32,
    /// Text.
    pub text: Color32,
    /// Less important text.
    pub muted: Color32,
    /// Text that is only there when looked for; raw curves.
    pub faint: Color32,
    /// The accent: what is chosen, what to press, the prefix.
    pub accent: Color32,
    /// Text on the accent.
    pub on_accent: Color32,
    /// A tint of the accent, behind chosen things.
    pub accent_soft: Color32,
    /// Went well.
    pub good: Color32,
    /// A tint of it.
    pub good_soft: Color32,
    /// Needs a look.
    pub warn: Color32,
    /// A tint of it.
    pub warn_soft: Color32,
    /// Went wrong.
    pub bad: Color32,
    /// A tint of it.
    pub bad_soft: Color32,
    /// Validation points, and the second of two curves.
    pub second: Color32,
}

const DARK: Tokens = Tokens {
    background: Color32::from_rgb(0x11, 0x14, 0x19),
    chrome: Color32::from_rgb(0x0c, 0x0f, 0x13),
    surface: Color32::from_rgb(0x19, 0x1d, 0x24),
    raised: Color32::from_rgb(0x23, 0x29, 0x32),
    hover: Color32::from_rgb(0x2d, 0x34, 0x3f),
    border: Color32::from_rgb(0x2b, 0x32, 0x3d),
    text: Color32::from_rgb(0xe8, 0xeb, 0xf0),
    muted: Color32::from_rgb(0xa2, 0xad, 0xbb),
    faint: Color32::from_rgb(0x6c, 0x78, 0x88),
    accent: Color32::from_rgb(0x8b, 0x9b, 0xff),
    on_accent: Color32::from_rgb(0x10, 0x13, 0x2b),
    accent_soft: Color32::from_rgb(0x2a, 0x30, 0x55),
    good: Color32::from_rgb(0x5a, 0xcb, 0x92),
    good_soft: Color32::from_rgb(0x1b, 0x35, 0x2a),
    warn: Color32::from_rgb(0xf2, 0xb8, 0x5b),
    warn_soft: Color32::from_rgb(0x3a, 0x2f, 0x1b),
    bad: Color32::from_rgb(0xff, 0x80, 0x7a),
    bad_soft: Color32::from_rgb(0x42, 0x22, 0x24),
    second: Color32::from_rgb(0xf0, 0xa3, 0x6b),
};

const LIGHT: Tokens = Tokens {
    background: Color32::from_rgb(0xf4, 0xf5, 0xf8),
    chrome: Color32::from_rgb(0xea, 0xec, 0xf1),
    surface: Color32::from_rgb(0xff, 0xff, 0xff),
    raised: Color32::from_rgb(0xf0, 0xf2, 0xf6),
    hover: Color32::from_rgb(0xe3, 0xe7, 0xee),
    border: Color32::from_rgb(0xd9, 0xde, 0xe6),
    text: Color32::from_rgb(0x18, 0x1c, 0x24),
    muted: Color32::from_rgb(0x55, 0x60, 0x70),
    faint: Color32::from_rgb(0x84, 0x8f, 0x9e),
    accent: Color32::from_rgb(0x43, 0x54, 0xd6),
    on_accent: Color32::from_rgb(0xff, 0xff, 0xff),
    accent_soft: Color32::from_rgb(0xe2, 0xe6, 0xfd),
    good: Color32::from_rgb(0x17, 0x7a, 0x47),
    good_soft: Color32::from_rgb(0xdd, 0xf3, 0xe6),
    warn: Color32::from_rgb(0x9a, 0x5b, 0x06),
    warn_soft: Color32::from_rgb(0xfb, 0xee, 0xd5),
    bad: Color32::from_rgb(0xbf, 0x2c, 0x2c),
    bad_soft: Color32::from_rgb(0xfb, 0xe3, 0xe2),
    second: Color32::from_rgb(0xc2, 0x5e, 0x17),
};

/// The colors of the theme in force.
pub fn tokens(ui: &egui::Ui) -> &'static Tokens {
    tokens_of(ui.visuals().dark_mode)
}

/// The tokens of a theme, for pictures that no window draws.
pub fn tokens_of(dark: bool) -> &'static Tokens {
    if dark { &DARK } else { &LIGHT }
}

/// Colors of curves beside each other: the accent first. Neighbors and all others can be told apart by people who see two
/// kinds of color, too; a test holds it.
pub fn series_colors(dark: bool) -> &'static [Color32; 10] {
    if dark { &DARK_SERIES } else { &LIGHT_SERIES }
}

const LIGHT_SERIES: [Color32; 10] = [
    LIGHT.accent,
    LIGHT.second,
    Color32::from_rgb(0x19, 0x94, 0xae),
    Color32::from_rgb(0x8f, 0x07, 0x92),
    Color32::from_rgb(0xd3, 0xb6, 0x26),
    Color32::from_rgb(0x5e, 0x38, 0x1c),
    Color32::from_rgb(0x54, 0xbb, 0xc5),
    Color32::from_rgb(0xd5, 0x64, 0xfc),
    Color32::from_rgb(0x23, 0x04, 0x60),
    Color32::from_rgb(0xa8, 0x9f, 0x62),
];

const DARK_SERIES: [Color32; 10] = [
    DARK.accent,
    DARK.second,
    Color32::from_rgb(0x1e, 0xca, 0xbd),
    Color32::from_rgb(0xc5, 0x37, 0x96),
    Color32::from_rgb(0xff, 0xfd, 0x84),
    Color32::from_rgb(0x9e, 0x81, 0x2d),
    Color32::from_rgb(0x9a, 0xdf, 0xff),
    Color32::from_rgb(0x6a, 0x54, 0xdb),
    Color32::from_rgb(0xdb, 0xda, 0x44),
    Color32::from_rgb(0xc8, 0xff, 0xfa),
];

/// A color between two, 0 to 1.
pub fn blend(from: Color32, to: Color32, share: f32) -> Color32 {
    from.lerp_to_gamma(to, share.clamp(0.0, 1.0))
}

/// The color in which text is read best on a fill between a surface and the accent.
pub fn ink_on(ui: &egui::Ui, fill: Color32) -> Color32 {
    let t = tokens(ui);
    if contrast(t.text, fill) >= contrast(t.on_accent, fill) { t.text } else { t.on_accent }
}

/// As WCAG counts it, 1 to 21.
fn contrast(a: Color32, b: Color32) -> f32 {
    let luminance = |color: Color32| {
        let linear = egui::Rgba::from(color);
        0.2126 * linear.r() + 0.7152 * linear.g() + 0.0722 * linear.b()
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// How many colors [`series_color`] has before it begins again.
pub const SERIES_COLORS: usize = DARK_SERIES.len();

/// The color of the thing with that number among others of its rank.
pub fn series_color(ui: &egui::Ui, index: usize) -> Color32 {
    let colors = series_colors(ui.visuals().dark_mode);
    colors[index % colors.len()]
}

/// The color of a number between the least, 0, and the greatest, 1: from cold to warm.
pub fn ramp_color(ui: &egui::Ui, share: f32) -> Color32 {
    let t = tokens(ui);
    blend(t.accent, t.second, share)
}

/// Between cards, and between a card's edge and its content.
pub const GAP: f32 = 16.0;
/// Between lines that belong together.
pub const SMALL_GAP: f32 = 6.0;
/// Corner of a card.
pub const CARD_RADIUS: u8 = 10;
/// Corner of a control.
pub const RADIUS: u8 = 6;
/// Height of a control.
pub const CONTROL_HEIGHT: f32 = 30.0;
/// Width of the rail.
pub const RAIL_WIDTH: f32 = 176.0;
/// Width of the rail in a window that has little room: icons only.
pub const NARROW_RAIL_WIDTH: f32 = 56.0;
/// Below this width the rail has icons only.
pub const NARROW_WINDOW: f32 = 1000.0;
/// Below this width a screen puts things below each other that otherwise stand side by side.
pub const NARROW_SCREEN: f32 = 880.0;

/// Text of a card's title.
pub fn title() -> TextStyle {
    TextStyle::Name("title".into())
}

/// Large figures, all digits of one width.
pub fn number() -> TextStyle {
    TextStyle::Name("number".into())
}

/// Small figures, all digits of one width.
pub fn small_number() -> TextStyle {
    TextStyle::Name("small number".into())
}

/// Sets fonts and both themes.
pub fn install(ctx: &egui::Context) {
    ctx.set_fonts(fonts());
    ctx.set_style_of(Theme::Dark, style(&DARK, egui::Visuals::dark()));
    ctx.set_style_of(Theme::Light, style(&LIGHT, egui::Visuals::light()));
}

/// egui's own fonts first; the bundled Chinese subset last, for machines that have no Chinese font.
fn fonts() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    fonts.font_data.insert("chinese".to_owned(), Arc::new(FontData::from_static(CHINESE_FONT)));
    for family in [FontFamily::Proportional, FontFamily::Monospace] {
        fonts.families.entry(family).or_default().push("chinese".to_owned());
    }
    fonts
}

/// The files of the fonts that ship with the program, for pictures that no window draws.
pub fn font_files() -> Vec<Arc<FontData>> {
    fonts().font_data.into_values().collect()
}

/// Noto Sans SC with the common characters, under the Open Font License.
const CHINESE_FONT: &[u8] = include_bytes!("../../assets/fonts/NotoSansSC-subset.otf");

fn style(tokens: &Tokens, visuals: egui::Visuals) -> Style {
    let mut style = Style { visuals, ..Style::default() };
    let body = FontFamily::Proportional;
    let mono = FontFamily::Monospace;
    style.text_styles = [
        (TextStyle::Heading, FontId::new(23.0, body.clone())),
        (title(), FontId::new(16.0, body.clone())),
        (TextStyle::Body, FontId::new(14.5, body.clone())),
        (TextStyle::Button, FontId::new(14.5, body.clone())),
        (TextStyle::Small, FontId::new(12.5, body)),
        (TextStyle::Monospace, FontId::new(13.0, mono.clone())),
        (number(), FontId::new(19.0, mono.clone())),
        (small_number(), FontId::new(12.5, mono)),
    ]
    .into();
    let spacing = &mut style.spacing;
    spacing.item_spacing = Vec2::new(8.0, 8.0);
    spacing.button_padding = Vec2::new(12.0, 5.0);
    spacing.interact_size = Vec2::new(44.0, CONTROL_HEIGHT);
    spacing.combo_width = 150.0;
    spacing.text_edit_width = 220.0;
    spacing.slider_width = 150.0;
    spacing.menu_margin = Margin::same(6);
    spacing.icon_width = 18.0;
    spacing.icon_width_inner = 10.0;
    spacing.tooltip_width = 420.0;
    spacing.scroll = scroll_bars();
    style.interaction.tooltip_delay = 0.35;
    style.interaction.selectable_labels = false;
    paint_visuals(tokens, &mut style.visuals);
    style
}

/// Thin, and always to be seen where there is more than fits.
fn scroll_bars() -> egui::style::ScrollStyle {
    egui::style::ScrollStyle {
        floating_width: 5.0,
        // In the color of text: the colors of surfaces are too near to each other.
        foreground_color: true,
        dormant_background_opacity: 0.0,
        active_background_opacity: 0.0,
        interact_background_opacity: 0.1,
        dormant_handle_opacity: 0.22,
        active_handle_opacity: 0.4,
        interact_handle_opacity: 0.6,
        ..egui::style::ScrollStyle::thin()
    }
}

fn paint_visuals(tokens: &Tokens, visuals: &mut egui::Visuals) {
    visuals.override_text_color = None;
    visuals.weak_text_color = Some(tokens.muted);
    visuals.panel_fill = tokens.background;
    visuals.window_fill = tokens.surface;
    visuals.window_stroke = Stroke::new(1.0, tokens.border);
    visuals.window_corner_radius = CornerRadius::same(CARD_RADIUS);
    visuals.menu_corner_radius = CornerRadius::same(RADIUS + 2);
    visuals.extreme_bg_color = tokens.raised;
    visuals.text_edit_bg_color = Some(tokens.raised);
    visuals.faint_bg_color = tokens.raised;
    visuals.code_bg_color = tokens.raised;
    visuals.hyperlink_color = tokens.accent;
    visuals.warn_fg_color = tokens.warn;
    visuals.error_fg_color = tokens.bad;
    visuals.selection.bg_fill = tokens.accent_soft;
    visuals.selection.stroke = Stroke::new(1.0, tokens.accent);
    visuals.slider_trailing_fill = true;
    visuals.handle_shape = egui::style::HandleShape::Circle;
    visuals.interact_cursor = Some(egui::CursorIcon::PointingHand);
    let corner = CornerRadius::same(RADIUS);
    let widgets = &mut visuals.widgets;
    for (state, fill, line, text) in [
        (&mut widgets.noninteractive, tokens.surface, tokens.border, tokens.text),
        (&mut widgets.inactive, tokens.raised, tokens.border, tokens.text),
        (&mut widgets.hovered, tokens.hover, tokens.faint, tokens.text),
        (&mut widgets.active, tokens.hover, tokens.accent, tokens.text),
        (&mut widgets.open, tokens.hover, tokens.faint, tokens.text),
    ] {
        state.bg_fill = fill;
        state.weak_bg_fill = fill;
        state.bg_stroke = Stroke::new(1.0, line);
        state.fg_stroke = Stroke::new(1.0, text);
        state.corner_radius = corner;
        state.expansion = 0.0;
    }
    // The rail of a slider and the box of a check mark have to be seen on a card.
    widgets.inactive.bg_fill = tokens.hover;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_can_be_read_on_every_surface_of_both_themes() {
        for tokens in [DARK, LIGHT] {
            for surface in [tokens.background, tokens.surface, tokens.raised, tokens.chrome] {
                assert!(contrast(tokens.text, surface) > 7.0);
                assert!(contrast(tokens.muted, surface) > 4.5);
            }
            assert!(contrast(tokens.on_accent, tokens.accent) > 4.5);
            for (ink, tint) in [
                (tokens.good, tokens.good_soft),
                (tokens.warn, tokens.warn_soft),
                (tokens.bad, tokens.bad_soft),
                (tokens.accent, tokens.accent_soft),
            ] {
                assert!(contrast(ink, tint) > 4.5, "{ink:?} on {tint:?}: {}", contrast(ink, tint));
            }
        }
    }

    /// What people see who lack one kind of cone (Machado et al. 2009), from linear light.
    const CONES: [[[f32; 3]; 3]; 4] = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[0.152_286, 1.052_583, -0.204_868], [0.114_503, 0.786_281, 0.099_216], [-0.003_882, -0.048_116, 1.051_998]],
        [[0.367_322, 0.860_646, -0.227_968], [0.280_085, 0.672_501, 0.047_413], [-0.011_820, 0.042_940, 0.968_881]],
        [[1.255_528, -0.076_749, -0.178_779], [-0.078_411, 0.930_809, 0.147_602], [0.004_733, 0.691_367, 0.303_900]],
    ];
    /// Oklab (Ottosson 2020), in which distances are as large as they look.
    const TO_LMS: [[f32; 3]; 3] = [
        [0.412_221_46, 0.536_332_55, 0.051_445_994],
        [0.211_903_5, 0.680_699_5, 0.107_396_96],
        [0.088_302_46, 0.281_718_85, 0.629_978_7],
    ];
    const TO_LAB: [[f32; 3]; 3] = [
        [0.210_454_26, 0.793_617_8, -0.004_072_047],
        [1.977_998_5, -2.428_592_2, 0.450_593_7],
        [0.025_904_037, 0.782_771_77, -0.808_675_77],
    ];

    fn times(matrix: [[f32; 3]; 3], vector: [f32; 3]) -> [f32; 3] {
        matrix.map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum())
    }

    fn seen(color: Color32, cones: [[f32; 3]; 3]) -> [f32; 3] {
        let linear = egui::Rgba::from(color);
        let linear = times(cones, [linear.r(), linear.g(), linear.b()]).map(|light| light.clamp(0.0, 1.0));
        times(TO_LAB, times(TO_LMS, linear).map(f32::cbrt))
    }

    #[test]
    fn colors_of_curves_can_be_told_apart_whatever_colors_one_sees() {
        for (colors, surface) in [(LIGHT_SERIES, LIGHT.surface), (DARK_SERIES, DARK.surface)] {
            for (i, one) in colors.iter().enumerate() {
                assert!(contrast(*one, surface) > 1.9, "{one:?}: {}", contrast(*one, surface));
                for other in &colors[..i] {
                    for cones in CONES {
                        let (a, b) = (seen(*one, cones), seen(*other, cones));
                        let apart = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
                        assert!(apart > 0.07, "{one:?} and {other:?}: {apart}");
                    }
                }
            }
        }
    }
}
