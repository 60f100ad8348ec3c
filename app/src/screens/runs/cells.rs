//! What stands in a cell of a run.

use egui::accesskit::Role;
use egui::text::LayoutJob;
use egui::{Color32, Label, RichText, Sense, TextStyle, Ui, WidgetInfo, vec2};

use super::action::RunAction;
use super::baseline::{Delta, delta};
use super::columns::{Column, best_of};
use super::deeds::is_writable;
use super::filter_line::{find_term, tag_term};
use super::table::{Asked, Table, state_of};
use crate::action::Action;
use crate::format;
use crate::i18n::tell;
use crate::store::RunRow;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::icon::{self, Icon};
use crate::widgets::sparkline::sparkline_in;

impl Table<'_> {
    /// Draws what stands in a cell.
    pub(super) fn cell(&mut self, ui: &mut Ui, (column, place): (&Column, Option<usize>), at: usize) {
        let t = tokens(ui);
        let row = &self.rows[at];
        let shown = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), format::figure);
        let count = |value: Option<u64>| value.map_or_else(|| "–".to_owned(), |n| format::short_count(n as usize));
        match column {
            Column::Star => self.star_ui(ui, row),
            Column::State => {
                let (word, level) = state_of(row);
                let (ink, _) = level.map_or((t.muted, t.raised), |level| level.colors(ui));
                let (dot, _) = ui.allocate_exact_size(vec2(10.0, 20.0), Sense::empty());
                ui.painter().circle_filled(dot.center(), 4.0, ink);
                text_ui(ui, RichText::new(word).small().color(t.text));
            }
            Column::Name => name_ui(ui, row, self.sheet.behind(at)),
            Column::Best => self.best_ui(ui, row),
            Column::LastLoss => {
                number_ui(ui, &shown(row.last_loss));
                self.delta_ui(ui, column, row);
            }
            Column::Curve => {
                let rect = ui.available_rect_before_wrap().shrink2(vec2(2.0, 8.0));
                sparkline_in(ui, rect, &row.sparkline, t.accent);
            }
            Column::Steps => number_ui(ui, &steps_text(row)),
            Column::Started => {
                let began = row.started.unwrap_or(row.created) as f64;
                text_ui(ui, RichText::new(format::ago(began, self.state.env.now)).small().color(t.muted));
            }
            Column::Method => text_ui(ui, RichText::new(&row.method).small().color(t.muted)),
            Column::Model => text_ui(ui, RichText::new(&row.model).small().color(t.muted)),
            Column::Data => text_ui(ui, RichText::new(&row.dataset).small().color(t.muted)),
            Column::Experiment => {
                text_ui(ui, RichText::new(row.experiment.as_deref().unwrap_or("–")).small().color(t.muted));
            }
            Column::Tags => self.tags_ui(ui, row),
            Column::Notes => {
                let line = row.notes.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
                text_ui(ui, RichText::new(line).small().color(t.muted));
            }
            Column::Duration => number_ui(ui, &format::duration(row.duration_secs)),
            Column::Trained => number_ui(ui, &count(row.trained_parameters)),
            Column::Stored => number_ui(ui, &count(row.stored_parameters)),
            Column::Value(_) => {
                number_ui(ui, place.and_then(|place| self.sheet.text(place, at)).unwrap_or("–"));
                self.delta_ui(ui, column, row);
            }
        }
    }

    fn star_ui(&mut self, ui: &mut Ui, row: &RunRow) {
        let t = tokens(ui);
        let (rect, _) = ui.allocate_exact_size(vec2(18.0, 24.0), Sense::empty());
        // The name stands for the row: no stop of the tabulator here.
        let response = ui.interact(rect, ui.unique_id().with("star"), Sense::CLICK);
        let label =
            if row.starred { t!("runs.unstar_run", name = row.name) } else { t!("runs.star_run", name = row.name) };
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &label));
        let (shape, ink) = match (row.starred, response.hovered()) {
            (true, _) => (Icon::StarFull, t.warn),
            (false, true) => (Icon::Star, t.text),
            (false, false) => (Icon::Star, t.faint),
        };
        icon::paint(ui.painter(), rect.center(), shape, ink);
        if response.clicked() && is_writable(self.state) {
            self.out.push(Action::Run(RunAction::Star(row.id.clone(), !row.starred)));
        }
    }

    fn best_ui(&self, ui: &mut Ui, row: &RunRow) {
        let (metric, value) = best_of(row);
        number_ui(ui, &value.map_or_else(|| "–".to_owned(), format::figure));
        if self.delta_ui(ui, &Column::Best, row) {
            return;
        }
        let behind = match (&self.sheet.metric, row.best_step) {
            (None, _) => metric.to_owned(),
            (Some(_), Some(step)) => format!("@ {step}"),
            (Some(_), None) => return,
        };
        text_ui(ui, RichText::new(behind).small().color(tokens(ui).faint));
    }

    /// The figure against the baseline's; `false` where there is nothing to say.
    fn delta_ui(&self, ui: &mut Ui, column: &Column, row: &RunRow) -> bool {
        let baseline = self.sheet.baseline.map(|at| &self.rows[at]);
        let Some(delta) = baseline.and_then(|baseline| delta(column, row, baseline)) else { return false };
        let t = tokens(ui);
        let ink = match delta.better {
            Some(true) => t.good,
            Some(false) => t.bad,
            None => t.faint,
        };
        text_ui(ui, RichText::new(Delta::text(delta)).small().color(ink));
        true
    }

    fn tags_ui(&mut self, ui: &mut Ui, row: &RunRow) {
        let t = tokens(ui);
        ui.spacing_mut().item_spacing.x = 4.0;
        for tag in &row.tags {
            let font = TextStyle::Small.resolve(ui.style());
            let term = tag_term(tag);
            let filtered = find_term(&self.kept.filter, &term).is_some();
            let ink = if filtered { t.accent } else { t.muted };
            let galley = ui.painter().layout_no_wrap(tag.clone(), font, ink);
            let (rect, _) = ui.allocate_exact_size(galley.size() + vec2(12.0, 5.0), Sense::empty());
            let response = ui.interact(rect, ui.unique_id().with(("tag", tag)), Sense::CLICK);
            let label = t!("runs.filter_tag", tag = tag, name = row.name);
            response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &label));
            let fill = if filtered { t.accent_soft } else { t.hover };
            ui.painter().rect_filled(rect, 9.0, fill);
            ui.painter().galley(rect.min + vec2(6.0, 2.5), galley, ink);
            if response.clicked() {
                self.asked.push(Asked::Tag(term));
            }
        }
    }

    /// Hover text of a cell, with all that it has no room for.
    pub(super) fn hover_text(&self, row: &RunRow, at: usize, column: &Column, place: Option<usize>) -> String {
        match column {
            Column::Star => String::new(),
            _ if row.failure.is_some() => row
                .failure
                .as_ref()
                .map(|failure| format!("{}\n{}", tell(&failure.what), tell(&failure.advice)))
                .unwrap_or_default(),
            _ if row.files_missing => t!("runs.files_missing").to_owned(),
            Column::Name => {
                let lines = [&row.name, self.sheet.behind(at), &row.method, &row.model, &row.dataset];
                lines.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
            }
            Column::Best => row.best_step.map(|step| t!("runs.best_at", step = step)).unwrap_or_default(),
            Column::Steps if row.total_steps > 0 => {
                format!("{} / {}", format::count(row.step as usize), format::count(row.total_steps as usize))
            }
            Column::Notes => row.notes.clone(),
            Column::Tags => row.tags.join(", "),
            Column::Value(_) => place.and_then(|place| self.sheet.text(place, at)).unwrap_or_default().to_owned(),
            _ => String::new(),
        }
    }
}

/// A text in one line, with an ellipsis where there is no room.
fn text_ui(ui: &mut Ui, text: RichText) {
    let label = Label::new(text);
    ui.add(if ui.is_sizing_pass() { label.extend() } else { label.truncate() });
}

fn number_ui(ui: &mut Ui, text: &str) {
    text_ui(ui, RichText::new(text).text_style(theme::small_number()));
}

/// The name in one line, with an ellipsis where it is too long, and what differs from its namesakes.
fn name_ui(ui: &mut Ui, row: &RunRow, behind: &str) {
    let t = tokens(ui);
    // Painted, not added: the row is what a screen reader and a test should find.
    let ink = if row.files_missing || row.archived { t.faint } else { t.text };
    let font = |style: TextStyle, ink: Color32| egui::TextFormat::simple(style.resolve(ui.style()), ink);
    let room = if ui.is_sizing_pass() { f32::INFINITY } else { ui.available_rect_before_wrap().width() };
    let width_of = |text: &str| {
        let font = TextStyle::Body.resolve(ui.style());
        ui.painter().layout_no_wrap(text.to_owned(), font, ink).size().x
    };
    let name = if behind.is_empty() { fitted(&row.name, room, width_of) } else { row.name.clone() };
    let mut job = LayoutJob::default();
    job.append(&name, 0.0, font(TextStyle::Body, ink));
    if !behind.is_empty() {
        job.append(behind, 8.0, font(TextStyle::Small, t.muted));
    }
    job.break_on_newline = false;
    let rect = ui.available_rect_before_wrap();
    job.wrap = egui::text::TextWrapping::truncate_at_width(room);
    let galley = ui.painter().layout_job(job);
    if ui.is_sizing_pass() {
        ui.set_min_width(galley.size().x);
    }
    let place = rect.left_center() - vec2(0.0, galley.size().y / 2.0);
    ui.painter().galley(place, galley, ink);
}

/// The least letters that stand before the ellipsis.
const HEAD: usize = 4;

/// A name that has no room keeps its last part, which is what tells runs of an experiment apart.
fn fitted(name: &str, room: f32, width_of: impl Fn(&str) -> f32) -> String {
    let Some((before, end)) = name.rsplit_once(" · ").filter(|_| width_of(name) > room) else {
        return name.to_owned();
    };
    let letters: Vec<char> = before.chars().collect();
    let cut = |n: usize| format!("{}… · {end}", letters[..n].iter().collect::<String>().trim_end());
    let (mut fits, mut too_long) = (0, letters.len());
    while fits + 1 < too_long {
        let middle = fits.midpoint(too_long);
        if width_of(&cut(middle)) <= room {
            fits = middle;
        } else {
            too_long = middle;
        }
    }
    if fits >= HEAD { cut(fits) } else { name.to_owned() }
}

/// Steps done of all, or their share where the numbers are long.
fn steps_text(row: &RunRow) -> String {
    if row.total_steps == 0 {
        return "–".to_owned();
    }
    let text = format!("{} / {}", row.step, row.total_steps);
    if text.len() <= LONGEST_STEPS {
        text
    } else {
        format!("{:.1} %", 100.0 * row.step as f64 / row.total_steps as f64)
    }
}

/// Characters that the column of steps has room for.
const LONGEST_STEPS: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_room_keeps_its_end() {
        let fitted = |name: &str, room: f32| fitted(name, room, |text| text.chars().count() as f32);
        assert_eq!(fitted("train_rows 500 · lora · seed 1", 30.0), "train_rows 500 · lora · seed 1");
        assert_eq!(fitted("train_rows 500 · lora · seed 1", 22.0), "train_rows 5… · seed 1");
        assert_eq!(fitted("train_rows 500 · lora · seed 1", 12.0), "train_rows 500 · lora · seed 1", "cut elsewhere");
        assert_eq!(fitted("a name of one part", 6.0), "a name of one part");
    }

    #[test]
    fn steps_are_never_cut() {
        let row = RunRow::example();
        let text = |step, total_steps| steps_text(&RunRow { step, total_steps, ..row.clone() });
        assert_eq!(text(1273, 3000), "1273 / 3000");
        assert_eq!(text(12_730, 30_000), "42.4 %");
        assert_eq!(text(0, 0), "–");
    }
}
