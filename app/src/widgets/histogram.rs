//! The lengths of the rows, and the limit at which they are cut.

use egui::accesskit::Role;
use egui::{Align2, CornerRadius, FontId, Rect, Response, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use crate::theme::tokens;

const BINS: usize = 48;

/// Bars over lengths, with a line at `cut_off`.
pub fn histogram_ui(ui: &mut Ui, lengths: &[u32], cut_off: usize, label: &str) -> Response {
    let t = tokens(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 84.0), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, label));
    let longest = lengths.iter().copied().max().unwrap_or(0) as usize;
    if longest == 0 {
        return response;
    }
    // The line at the limit is only of interest where rows come near it.
    let shown = if cut_off < longest * 2 { longest.max(cut_off) } else { longest };
    let mut bins = [0usize; BINS];
    for &length in lengths {
        bins[(length as usize * (BINS - 1) / shown).min(BINS - 1)] += 1;
    }
    let highest = bins.iter().copied().max().unwrap_or(1).max(1) as f32;
    let plot = Rect::from_min_max(rect.min, rect.max - vec2(0.0, 18.0));
    let width = plot.width() / BINS as f32;
    let painter = ui.painter();
    for (i, &bin) in bins.iter().enumerate().filter(|(_, bin)| **bin > 0) {
        let height = (plot.height() * bin as f32 / highest).max(1.5);
        let left = plot.left() + i as f32 * width;
        let bar = Rect::from_min_max(pos2(left + 0.5, plot.bottom() - height), pos2(left + width - 0.5, plot.bottom()));
        let cut = i * shown / (BINS - 1) > cut_off;
        painter.rect_filled(bar, CornerRadius::same(1), if cut { t.warn } else { t.accent });
    }
    painter.hline(plot.x_range(), plot.bottom(), Stroke::new(1.0, t.border));
    let font = FontId::monospace(11.0);
    painter.text(rect.left_bottom(), Align2::LEFT_BOTTOM, "0", font.clone(), t.faint);
    painter.text(rect.right_bottom(), Align2::RIGHT_BOTTOM, shown.to_string(), font.clone(), t.faint);
    if cut_off <= shown {
        let x = plot.left() + plot.width() * cut_off as f32 / shown as f32;
        painter.vline(x, plot.y_range(), Stroke::new(1.5, t.warn));
        let align = if x > plot.center().x { Align2::RIGHT_TOP } else { Align2::LEFT_TOP };
        painter.text(
            pos2(x, plot.top()) + vec2(if x > plot.center().x { -4.0 } else { 4.0 }, 0.0),
            align,
            cut_off.to_string(),
            font,
            t.warn,
        );
    }
    response
}
