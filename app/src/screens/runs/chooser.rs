//! The list of columns: which are shown, and in which order. Any setting and any figure can be one.

use egui::{Label, RichText, ScrollArea, Ui};

use super::columns::{Column, PLAIN, SHOWN_BY_PLAIN, Shown, default_columns};
use super::header::moved;
use super::ui::Kept;
use crate::store::RunRow;
use crate::study::{self, Name, NameKind};
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::{quiet_ui, small_ui};
use crate::widgets::containers::modal_frame;
use crate::widgets::field;
use crate::widgets::icon::{self, Icon};

/// The list of columns, if it is open.
#[derive(Debug, Default)]
pub(super) struct Chooser {
    open: bool,
    search: String,
    /// The field of the search has not been drawn yet.
    fresh: bool,
}

/// A column that can be shown.
struct Choice {
    column: Column,
    title: String,
    /// The whole path, where the title is only its end.
    note: String,
}

impl Chooser {
    /// Opens it.
    pub(super) fn open(&mut self) {
        *self = Self { open: true, search: String::new(), fresh: true };
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Draws it. `chosen` are the runs whose differences are meant, `names` all that runs have.
    pub(super) fn ui(&mut self, ui: &mut Ui, kept: &mut Kept, names: &[Name], chosen: &[&RunRow]) {
        if !self.open {
            return;
        }
        let modal = egui::Modal::new(egui::Id::unique("columns of runs")).frame(modal_frame(ui)).show(ui.ctx(), |ui| {
            ui.set_width(540.0_f32.min(ui.ctx().content_rect().width() - 60.0));
            ui.label(RichText::new(t!("runs.columns_title")).text_style(theme::title()));
            ui.horizontal(|ui| {
                let line = |ui: &mut Ui| {
                    let response = field::line_ui(ui, &mut self.search, t!("runs.columns_search"), 220.0);
                    if std::mem::take(&mut self.fresh) {
                        response.request_focus();
                    }
                    response
                };
                ui.name_inputs(t!("runs.columns_search"), line);
                if quiet_ui(ui, chosen.len() > 1, t!("runs.what_differs"))
                    .on_hover_text(t!("runs.what_differs_help"))
                    .clicked()
                {
                    add_differences(&mut kept.columns, chosen);
                }
                if quiet_ui(ui, kept.columns != default_columns(), t!("runs.columns_reset")).clicked() {
                    kept.columns = default_columns();
                    kept.name_width = None;
                }
            });
            ui.add_space(theme::SMALL_GAP);
            let height = (ui.ctx().content_rect().height() - 220.0).clamp(120.0, 460.0);
            ui.columns(2, |sides| {
                let [left, right] = sides else { return };
                ScrollArea::vertical().id_salt("choices").max_height(height).show(left, |ui| {
                    self.choices_ui(ui, kept, names);
                });
                ScrollArea::vertical().id_salt("shown").max_height(height).show(right, |ui| shown_ui(ui, kept));
            });
            quiet_ui(ui, true, t!("runs.columns_done")).clicked()
        });
        if modal.inner || modal.should_close() {
            self.open = false;
        }
    }

    /// What can be chosen, under the words for what it is.
    fn choices_ui(&self, ui: &mut Ui, kept: &mut Kept, names: &[Name]) {
        ui.set_min_width(ui.available_width());
        ui.spacing_mut().item_spacing.y = 3.0;
        let wanted = self.search.trim().to_lowercase();
        let mut found = false;
        for (title, choices) in choices(names) {
            let fits = |choice: &&Choice| {
                choice.title.to_lowercase().contains(&wanted) || choice.note.to_lowercase().contains(&wanted)
            };
            let fitting: Vec<&Choice> = choices.iter().filter(fits).collect();
            if fitting.is_empty() {
                continue;
            }
            found = true;
            ui.label(RichText::new(title).small().color(tokens(ui).muted));
            for choice in fitting {
                let mut shown = kept.columns.iter().any(|shown| shown.column == choice.column);
                let tick = ui.checkbox(&mut shown, &choice.title);
                if tick.changed() {
                    toggle(&mut kept.columns, &choice.column);
                }
                if !choice.note.is_empty() {
                    tick.on_hover_text(&choice.note);
                }
            }
            ui.add_space(theme::SMALL_GAP);
        }
        if !found {
            ui.label(RichText::new(t!("runs.columns_none")).color(tokens(ui).muted));
        }
    }
}

/// The columns that are shown, in their order, each with buttons that move it.
fn shown_ui(ui: &mut Ui, kept: &mut Kept) {
    ui.set_min_width(ui.available_width());
    ui.spacing_mut().item_spacing.y = 3.0;
    ui.label(RichText::new(t!("runs.columns_shown")).small().color(tokens(ui).muted));
    let (mut drawn, mut away) = (None, None);
    let last = kept.columns.len().saturating_sub(1);
    for (at, shown) in kept.columns.iter().enumerate() {
        let title = shown.column.title(&kept.columns);
        let size = egui::vec2(ui.available_width(), 26.0);
        ui.allocate_ui_with_layout(size, egui::Layout::right_to_left(egui::Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            let press = |ui: &mut Ui, shape, enabled, label: String| {
                let button = ui.add_enabled(enabled, egui::Button::new("    ").small());
                let ink = if enabled { tokens(ui).text } else { tokens(ui).border };
                icon::paint(ui.painter(), button.rect.center(), shape, ink);
                let role = egui::accesskit::Role::Button;
                button.widget_info(|| egui::WidgetInfo::labeled(role, enabled, &label));
                button.on_hover_text(&label).clicked()
            };
            if press(ui, Icon::Cross, true, t!("runs.leave_out", column = title)) {
                away = Some(at);
            }
            if press(ui, Icon::Down, at < last, t!("runs.move_down", column = title)) {
                drawn = Some((at, at + 1));
            }
            if press(ui, Icon::Up, at > 0, t!("runs.move_up", column = title)) {
                drawn = Some((at, at.saturating_sub(1)));
            }
            ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
                ui.add(Label::new(&title).truncate());
            });
        });
    }
    if let Some((from, to)) = drawn {
        moved(&mut kept.columns, from, to);
    }
    if let Some(at) = away {
        kept.columns.remove(at);
    }
}

/// All that can be a column, in the groups of the list.
fn choices(names: &[Name]) -> [(&'static str, Vec<Choice>); 3] {
    let plain = PLAIN.map(|column| Choice { title: column.title(&[]), column, note: String::new() });
    let named = |kind: NameKind| {
        let of_kind = names.iter().filter(move |name| name.kind == kind);
        let others =
            of_kind.filter(|name| name.kind != NameKind::Column || !SHOWN_BY_PLAIN.contains(&name.full.as_str()));
        others.map(|name| Choice {
            column: Column::Value(name.full.clone()),
            title: name.short.clone(),
            note: if name.full == name.short { String::new() } else { name.full.clone() },
        })
    };
    [
        (t!("runs.columns_plain"), plain.into_iter().chain(named(NameKind::Column)).collect()),
        (t!("runs.columns_figures"), named(NameKind::Figure).collect()),
        (t!("runs.columns_settings"), named(NameKind::Setting).collect()),
    ]
}

/// Shows a column at the end, or leaves it out.
pub(super) fn toggle(columns: &mut Vec<Shown>, column: &Column) {
    match columns.iter().position(|shown| shown.column == *column) {
        Some(at) => drop(columns.remove(at)),
        None => columns.push(Shown { column: column.clone(), width: None }),
    }
}

/// Shows the settings in which runs differ, before all others.
fn add_differences(columns: &mut Vec<Shown>, rows: &[&RunRow]) {
    let differing = study::differences(rows).into_iter().map(|(name, _)| Column::Value(name));
    let new: Vec<Shown> = differing
        .filter(|column| !columns.iter().any(|shown| shown.column == *column))
        .map(|column| Shown { column, width: None })
        .collect();
    // Behind the figure that is read first.
    let at = columns.iter().position(|shown| shown.column == Column::Best).map_or(0, |at| at + 1);
    columns.splice(at..at, new);
}

/// A button above the table that opens the list.
pub(super) fn open_ui(ui: &mut Ui, chooser: &mut Chooser) {
    if small_ui(ui, t!("runs.columns")).clicked() {
        chooser.open();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::workspace::RunId;

    #[test]
    fn what_differs_stands_behind_the_best_and_only_once() {
        let row = |id: &str, n_virtual: u64| RunRow {
            id: RunId(id.into()),
            settings: Arc::new(serde_json::json!({"method": {"type": "prefix", "n_virtual": n_virtual}})),
            ..RunRow::example()
        };
        let (a, b) = (row("a", 5), row("b", 20));
        let mut columns = default_columns();
        let before = columns.len();
        add_differences(&mut columns, &[&a, &b]);
        add_differences(&mut columns, &[&a, &b]);
        assert_eq!(columns.len(), before + 1);
        assert_eq!(columns[1].column, Column::Value("method.n_virtual".into()));
        toggle(&mut columns, &Column::Value("method.n_virtual".into()));
        assert_eq!(columns, default_columns());
    }

    #[test]
    fn a_column_is_offered_once() {
        let name = |full: &str, kind| Name { short: full.into(), full: full.into(), kind };
        let names = [name("last", NameKind::Column), name("loss", NameKind::Column), name("bleu", NameKind::Figure)];
        let [(_, plain), (_, figures), (_, settings)] = choices(&names);
        assert_eq!(plain.len(), PLAIN.len() + 1, "the last loss is a plain column");
        assert_eq!((figures.len(), settings.len()), (1, 0));
    }
}
