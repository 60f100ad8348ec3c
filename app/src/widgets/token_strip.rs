//! A row as the model sees it: the prefix's virtual tokens, then the tokens; what is learned is colored.

use std::sync::Arc;

use egui::accesskit::Role;
use egui::{Color32, CornerRadius, FontId, Galley, Response, Sense, Stroke, Ui, WidgetInfo, vec2};

use crate::theme::tokens;

/// Virtual tokens that are drawn one by one; more are written as a number.
const VIRTUAL_DRAWN: usize = 24;
const LINE: f32 = 24.0;
const GAP: f32 = 3.0;
const PADDING: f32 = 3.0;

struct Chip {
    galley: Arc<Galley>,
    fill: Color32,
    ink: Color32,
    x: f32,
    line: usize,
    is_lost: bool,
}

/// A token that is drawn.
#[derive(Clone, Debug, Default)]
pub struct TokenChip {
    /// The token as people read it.
    pub text: String,
    /// Whether it has a label.
    pub is_labeled: bool,
    /// Whether the row loses it, because it is too long.
    pub is_lost: bool,
}

/// Virtual tokens among tokens.
#[derive(Clone, Copy, Debug)]
pub struct VirtualTokens {
    /// Number of virtual tokens.
    pub n: usize,
    /// The token that they stand before.
    pub before: usize,
}

/// Draws virtual tokens and tokens, each token with or without a label; what the row loses is struck through.
pub fn token_strip_ui(ui: &mut Ui, virtual_tokens: VirtualTokens, row: &[TokenChip]) -> Response {
    let width = ui.available_width();
    let chips = lay_out(ui, width, virtual_tokens, row);
    let lines = chips.last().map_or(1, |chip| chip.line + 1);
    let (rect, response) = ui.allocate_exact_size(vec2(width, lines as f32 * LINE), Sense::hover());
    let text: String = row.iter().filter(|chip| !chip.is_lost).map(|chip| chip.text.as_str()).collect();
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &text));
    let painter = ui.painter_at(rect);
    for chip in chips {
        let corner = rect.min + vec2(chip.x, chip.line as f32 * LINE);
        let place = egui::Rect::from_min_size(corner, vec2(chip.galley.size().x + 2.0 * PADDING, LINE - GAP));
        painter.rect_filled(place, CornerRadius::same(4), chip.fill);
        let text = place.min + vec2(PADDING, (place.height() - chip.galley.size().y) / 2.0);
        painter.galley(text, chip.galley, chip.ink);
        if chip.is_lost {
            painter.hline(place.x_range(), place.center().y, Stroke::new(1.0, chip.ink));
        }
    }
    response
}

fn lay_out(ui: &Ui, width: f32, VirtualTokens { n, before }: VirtualTokens, row: &[TokenChip]) -> Vec<Chip> {
    let t = tokens(ui);
    let mut virtual_tokens: Vec<String> = (1..=n.min(VIRTUAL_DRAWN)).map(|n| n.to_string()).collect();
    if n > VIRTUAL_DRAWN {
        virtual_tokens.push(format!("… {n}"));
    }
    let virtual_tokens = virtual_tokens.into_iter().map(|text| (text, t.accent, t.on_accent, false));
    let colors = |chip: &TokenChip| match (chip.is_lost, chip.is_labeled) {
        (true, _) => (t.background, t.faint),
        (false, true) => (t.good_soft, t.good),
        (false, false) => (t.raised, t.muted),
    };
    let chip = |chip: &TokenChip| {
        let (fill, ink) = colors(chip);
        (chip.text.clone(), fill, ink, chip.is_lost)
    };
    let mut words: Vec<_> = row.iter().map(chip).collect();
    let before = before.min(words.len());
    words.splice(before..before, virtual_tokens);
    let (mut x, mut line) = (0.0, 0);
    words
        .into_iter()
        .map(|(text, fill, ink, is_lost)| {
            let galley = ui.painter().layout_no_wrap(text, FontId::monospace(12.5), ink);
            let size = galley.size().x + 2.0 * PADDING;
            if x > 0.0 && x + size > width {
                (x, line) = (0.0, line + 1);
            }
            let chip = Chip { galley, fill, ink, x, line, is_lost };
            x += size + GAP;
            chip
        })
        .collect()
}

/// Draws the legend of the colors.
pub fn legend_ui(ui: &mut Ui, virtual_tokens: Option<&str>, [prompt, target]: [&str; 2], lost: Option<&str>) {
    let t = tokens(ui);
    let entries = [(t.accent, virtual_tokens), (t.muted, Some(prompt)), (t.good, Some(target)), (t.faint, lost)];
    ui.horizontal(|ui| {
        for (color, name) in entries.into_iter().filter_map(|(color, name)| Some((color, name?))) {
            let (mark, _) = ui.allocate_exact_size(egui::vec2(10.0, 10.0), egui::Sense::empty());
            ui.painter().rect_filled(mark, 3.0, color);
            ui.label(egui::RichText::new(name).small().color(t.muted));
            ui.add_space(8.0);
        }
    });
}
