//! Tokens whose probability the adapter moved most, up and down.

use egui::accesskit::Role;
use egui::{Align2, CornerRadius, FontId, Rect, RichText, Sense, Ui, WidgetInfo, pos2, vec2};
use engine::analysis::{LensReport, MovedToken};

use super::super::looking::note_ui;
use crate::charts::{Axis, Chart, Mark, Picture, Series};
use crate::format;
use crate::screens::saving::sheet::number;
use crate::t;
use crate::theme::{blend, tokens};

const LINE: f32 = 22.0;
/// Room for a token, and for its two numbers.
const WORD: f32 = 112.0;
const NUMBERS: f32 = 138.0;
/// Two lists stand beside each other where there is so much room.
const BESIDE: f32 = 560.0;

/// Draws both lists.
pub(in crate::screens::explorer) fn moved_ui(ui: &mut Ui, who: &str, report: &LensReport) {
    note_ui(ui, &t!("insight.positions", n = format::count(report.positions)));
    let most =
        report.up.iter().chain(&report.down).map(|token| (token.after - token.before).abs()).fold(1e-12, f64::max);
    let lists = [(t!("insight.up"), &report.up), (t!("insight.down"), &report.down)];
    let list_ui = |ui: &mut Ui, name: &str, found: &[MovedToken]| {
        ui.label(RichText::new(name).color(tokens(ui).text));
        if found.is_empty() {
            note_ui(ui, t!("insight.none_moved"));
        }
        ui.spacing_mut().item_spacing.y = 0.0;
        for token in found {
            line_ui(ui, who, token, most);
        }
    };
    if ui.available_width() >= BESIDE {
        ui.scope(|ui| {
            ui.spacing_mut().item_spacing.x = 28.0;
            ui.columns(2, |sides| {
                for (ui, (name, found)) in sides.iter_mut().zip(lists) {
                    list_ui(ui, name, found);
                }
            });
        });
        return;
    }
    for (name, found) in lists {
        ui.vertical(|ui| list_ui(ui, name, found));
        ui.add_space(8.0);
    }
}

/// One token: a bar as long as it moved, and where it was and is.
fn line_ui(ui: &mut Ui, who: &str, token: &MovedToken, most: f64) {
    let t = tokens(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), LINE), Sense::hover());
    let numbers = format!("{} → {}", percent(token.before), percent(token.after));
    response.widget_info(|| WidgetInfo::labeled(Role::ListItem, true, format!("{who}{} {numbers}", token.text)));
    let font = FontId::monospace(12.5);
    let words = Rect::from_min_max(rect.min, pos2(rect.left() + WORD - 8.0, rect.bottom()));
    ui.painter_at(words).text(rect.left_center(), Align2::LEFT_CENTER, &token.text, font.clone(), t.text);
    let room = (rect.width() - WORD - NUMBERS - 8.0).max(0.0);
    let left = rect.left() + WORD;
    let moved = token.after - token.before;
    let long = room * ((moved.abs() / most) as f32).clamp(0.0, 1.0);
    let bar = Rect::from_min_max(pos2(left, rect.top() + 6.0), pos2(left + long, rect.bottom() - 6.0));
    let color = if moved > 0.0 { t.accent } else { t.second };
    ui.painter().rect_filled(bar, CornerRadius::same(2), blend(t.surface, color, 0.7));
    ui.painter().text(rect.right_center(), Align2::RIGHT_CENTER, numbers, font, t.text);
    response.on_hover_text(t!("explorer.token", id = format::count(token.id as usize)));
}

/// A probability, with as many digits as a small one needs.
fn percent(p: f64) -> String {
    match 100.0 * p {
        p if p >= 0.995 => format!("{p:.1} %"),
        p => format!("{p:.2} %"),
    }
}

pub(in crate::screens::explorer) fn table(report: &LensReport) -> (&'static [&'static str], Vec<Vec<String>>) {
    let row =
        |token: &MovedToken| vec![token.id.to_string(), token.text.clone(), number(token.before), number(token.after)];
    (&["token", "text", "before", "after"], report.up.iter().chain(report.down.iter().rev()).map(row).collect())
}

pub(in crate::screens::explorer) fn picture(report: &LensReport, title: String) -> Picture {
    let all: Vec<&MovedToken> = report.up.iter().chain(report.down.iter().rev()).collect();
    let points = |of: fn(&MovedToken) -> f64| {
        all.iter().enumerate().map(|(at, token)| [100.0 * of(token), at as f64]).collect::<Vec<_>>()
    };
    let series = |name: &str, points| Series { name: name.into(), points, mark: Mark::Points, ..Series::default() };
    Picture::Chart(Chart {
        title,
        x: Axis { label: t!("insight.axis_probability").to_owned(), ..Axis::default() },
        y: Axis { names: all.iter().map(|token| token.text.clone()).collect(), ..Axis::default() },
        series: vec![
            series(t!("insight.with"), points(|token| token.after)),
            series(t!("insight.without"), points(|token| token.before)),
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_probabilities_keep_their_digits_and_the_table_goes_from_up_to_down() {
        assert_eq!([percent(0.5), percent(0.0123), percent(0.00123)], ["50.0 %", "1.2 %", "0.12 %"]);
        let token = |text: &str, before, after| MovedToken { text: text.into(), id: 3, before, after };
        let report = LensReport {
            up: vec![token("a", 0.1, 0.9), token("b", 0.1, 0.2)],
            down: vec![token("d", 0.9, 0.1), token("c", 0.2, 0.1)],
            ..LensReport::default()
        };
        let order: Vec<String> = table(&report).1.into_iter().map(|row| row[1].clone()).collect();
        assert_eq!(order, ["a", "b", "c", "d"]);
    }
}
