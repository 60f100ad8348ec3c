//! The titles above the columns: a click sorts, a second turns it round, a third gives the order up; a title can be drawn to
//! another place, and has a menu.

use egui::accesskit::Role;
use egui::{Label, RichText, Sense, Ui, WidgetInfo, vec2};

use super::columns::{Column, Shown};
use super::table::{Asked, Sort, Table, padded};
use crate::t;
use crate::theme::tokens;
use crate::widgets::icon::{self, Icon};

/// A title that is being drawn, by its place among the columns that are kept.
#[derive(Clone, Copy, Debug)]
struct Dragged(usize);

impl Table<'_> {
    /// Title of a column.
    fn title(&self, column: &Column) -> String {
        match (column, self.sheet.metric.as_deref()) {
            (Column::Best, Some("loss")) => t!("column.best").to_owned(),
            (Column::Best, Some(metric)) => t!("column.best_of", metric = metric),
            (Column::Best, None) => t!("column.best_mixed").to_owned(),
            _ => column.title(self.columns_of_values()),
        }
    }

    /// Draws the title of a column.
    pub(super) fn title_ui(&mut self, ui: &mut Ui, column: &Column, place: Option<usize>) {
        let t = tokens(ui);
        let rect = ui.max_rect();
        let sense = if place.is_some() { Sense::click_and_drag() } else { Sense::click() };
        let response = ui.interact(rect, egui::Id::unique(("title of a column of runs", column)), sense);
        let title = self.title(column);
        let label = t!("runs.sort_by", column = title);
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &label));
        let sort = self.kept.sort.as_ref().filter(|sort| sort.by == *column);
        let ink = if response.hovered() || sort.is_some() { t.text } else { t.muted };
        padded(ui, |ui| {
            if *column == Column::Star {
                let (mark, _) = ui.allocate_exact_size(vec2(16.0, 16.0), Sense::empty());
                return icon::paint(ui.painter(), mark.center(), Icon::Star, ink);
            }
            let text = Label::new(RichText::new(&title).small().color(ink));
            ui.add(if ui.is_sizing_pass() { text.extend() } else { text.truncate() });
            if let Some(sort) = sort {
                let (mark, _) = ui.allocate_exact_size(vec2(12.0, 12.0), Sense::empty());
                icon::paint(ui.painter(), mark.center(), if sort.descending { Icon::Down } else { Icon::Up }, ink);
            }
        });
        if let Some(place) = place {
            response.dnd_set_drag_payload(Dragged(place));
            if let Some(dragged) = response.dnd_hover_payload::<Dragged>() {
                let x = if dragged.0 < place { rect.right() - 1.0 } else { rect.left() + 1.0 };
                ui.painter().vline(x, rect.y_range(), egui::Stroke::new(2.0, t.accent));
            }
            if let Some(dragged) = response.dnd_release_payload::<Dragged>() {
                self.asked.push(Asked::Move(dragged.0, place));
            }
        }
        if response.clicked() {
            self.asked.push(Asked::Sort(column.clone()));
        }
        response.context_menu(|ui| self.title_menu_ui(ui, column, place));
        let whole = if let Column::Value(name) = column { name.as_str() } else { title.as_str() };
        response.on_hover_text(t!("runs.title_help", name = whole));
    }

    fn title_menu_ui(&mut self, ui: &mut Ui, column: &Column, place: Option<usize>) {
        let last = self.kept.columns.len().saturating_sub(1);
        let mut choices = vec![(t!("runs.group_by_this"), true, Asked::Group(column.clone()))];
        if let Some(at) = place {
            choices.push((t!("runs.move_left"), at > 0, Asked::Move(at, at.saturating_sub(1))));
            choices.push((t!("runs.move_right"), at < last, Asked::Move(at, (at + 1).min(last))));
            choices.push((t!("runs.hide_column"), true, Asked::Hide(at)));
        }
        choices.push((t!("runs.columns"), true, Asked::Choose));
        for (name, enabled, asked) in choices {
            let button = ui.add_enabled(enabled, egui::Button::new(name));
            // The bar above has a button of the same words.
            let label = t!("runs.of", what = name, name = self.title(column));
            button.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, &label));
            if button.clicked() {
                self.asked.push(asked);
                ui.close();
            }
        }
    }
}

/// What a click on a title makes of the order of the rows.
pub(super) fn sorted_next(sort: Option<&Sort>, by: Column) -> Option<Sort> {
    match sort.filter(|sort| sort.by == by) {
        None => Some(Sort { by, descending: false }),
        Some(Sort { descending: false, .. }) => Some(Sort { by, descending: true }),
        Some(_) => None,
    }
}

/// Puts a column in another's place; those between make room.
pub(super) fn moved(columns: &mut Vec<Shown>, from: usize, to: usize) {
    if from < columns.len() && to < columns.len() {
        let column = columns.remove(from);
        columns.insert(to, column);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_click_gives_the_order_up() {
        let first = sorted_next(None, Column::Best);
        assert_eq!(first, Some(Sort { by: Column::Best, descending: false }));
        let second = sorted_next(first.as_ref(), Column::Best);
        assert_eq!(second, Some(Sort { by: Column::Best, descending: true }));
        assert_eq!(sorted_next(second.as_ref(), Column::Best), None);
        let other = sorted_next(second.as_ref(), Column::Steps);
        assert_eq!(other, Some(Sort { by: Column::Steps, descending: false }));
    }

    #[test]
    fn a_column_that_is_drawn_takes_the_others_place() {
        let mut columns =
            [Column::Best, Column::Steps, Column::Tags].map(|column| Shown { column, width: None }).to_vec();
        let mut order = |from, to| {
            moved(&mut columns, from, to);
            columns.iter().map(|shown| shown.column.clone()).collect::<Vec<_>>()
        };
        assert_eq!(order(0, 2), [Column::Steps, Column::Tags, Column::Best]);
        assert_eq!(order(2, 1), [Column::Steps, Column::Best, Column::Tags]);
        assert_eq!(order(7, 0), [Column::Steps, Column::Best, Column::Tags], "a place that is no longer there");
    }
}
