//! What is seen of several chosen runs: the tabs, and the menu that saves what they show.

use std::collections::BTreeSet;
use std::sync::Arc;

use egui::{Color32, Id, RichText, Ui};

use super::choices::{Tab, Views};
use super::curves::{self, Scope};
use super::differences::Line;
use super::facts::{Facts, fingerprints};
use super::parallel::Axis;
use super::view::{Tone, View};
use super::{chart_tabs, curves_tab, differences, differences_tab, figures, parallel, parallel_tab, scatter};
use crate::action::{Action, Pick, Screen};
use crate::charts::Picture;
use crate::i18n::{Language, language};
use crate::screens::saving::{Content, Form, Saving, saving_ui};
use crate::state::State;
use crate::store::RunRow;
use crate::t;
use crate::theme::{self, SERIES_COLORS, ramp_color, series_color, tokens};
use crate::widgets::button::segmented_ui;
use crate::widgets::chart_plot::Look;

/// Something that was made of a key, and is made anew when that changes.
#[derive(Clone, Debug)]
pub(super) struct Made<K, V>(Option<(K, Arc<V>)>);

impl<K, V> Default for Made<K, V> {
    fn default() -> Self {
        Self(None)
    }
}

impl<K: PartialEq, V> Made<K, V> {
    /// What is made of this key.
    pub(super) fn of(&mut self, key: K, make: impl FnOnce() -> V) -> Arc<V> {
        match &self.0 {
            Some((known, made)) if *known == key => made.clone(),
            _ => {
                let made = Arc::new(make());
                self.0 = Some((key, made.clone()));
                made
            }
        }
    }
}

/// What one frame leaves to the next, so that nothing is computed twice.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    facts: Made<(u64, Language), Facts>,
    view: Made<(u64, Language, Box<Views>), View>,
    /// Parallel axes, by runs, figure and hidden names.
    pub(super) axes: Made<(u64, Language, String, BTreeSet<String>), Vec<Axis>>,
    /// Lines of what differs.
    pub(super) lines: Made<(u64, Language), Vec<Line>>,
    /// Smoothed curves.
    pub(super) curves: curves::Cache,
}

/// What every tab is given.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    /// The chosen runs.
    pub(super) rows: &'a [&'a RunRow],
    /// What is known of them.
    pub(super) facts: &'a Facts,
    /// Changes with any of their values.
    pub(super) print: u64,
    /// What the window knows.
    pub(super) state: &'a State,
}

impl Scene<'_> {
    /// The view of a tab of a chart, made anew when runs or choices have changed.
    pub(super) fn view(&self, memory: &mut Memory, views: &Views) -> Arc<View> {
        let key = (self.print, language(), Box::new(views.clone()));
        let mut made = std::mem::take(&mut memory.view);
        let view = made.of(key, || self.content(memory, views));
        memory.view = made;
        view
    }

    /// All that a tab shows, as a chart and as a table.
    fn content(&self, memory: &mut Memory, views: &Views) -> View {
        let (rows, facts) = (self.rows, self.facts);
        match views.tab {
            Tab::Curves => {
                let known = &self.state.runs.curves;
                let lines = curves::lines(rows, facts, views, known, &mut memory.curves);
                let scope = Scope { range: (f64::NEG_INFINITY, f64::INFINITY), columns: 1000, all: false };
                let (view, _) = curves::chart(&lines, facts, views, scope);
                View { sheet: curves::sheet(rows, views, known), ..view }
            }
            Tab::Differences => View { sheet: differences::sheet(rows, facts), ..View::default() },
            Tab::Scatter => scatter::scatter(rows, facts, &views.scatter),
            Tab::Parallel => parallel::view(rows, facts, views),
            Tab::Pareto => figures::front(rows, facts, views),
            Tab::BestSoFar => figures::staircase(rows, facts, views),
            Tab::Seeds => figures::seeds(rows, facts, views),
        }
    }
}

/// Draws what is seen of several runs.
pub(in crate::screens::runs) fn selection_ui(
    ui: &mut Ui,
    rows: &[&RunRow],
    views: &mut Views,
    state: &State,
    out: &mut Vec<Action>,
) {
    let place = Id::unique("views of several runs");
    let mut memory = ui.data_mut(|data| data.remove_temp::<Memory>(place)).unwrap_or_default();
    let (names, print) = fingerprints(rows);
    let facts = memory.facts.of((names, language()), || Facts::of(rows));
    if ui.available_height().is_finite() {
        // Else a panel would shrink to what is in it.
        ui.set_min_height(ui.available_height());
    }
    let scene = Scene { rows, facts: &facts, print, state };
    head_ui(ui, &scene, &mut memory, views);
    ui.add_space(theme::SMALL_GAP);
    match views.tab {
        Tab::Curves => curves_tab::curves_ui(ui, &scene, &mut memory, views, out),
        Tab::Differences => differences_tab::differences_ui(ui, &scene, &mut memory, out),
        Tab::Scatter => chart_tabs::scatter_ui(ui, &scene, &mut memory, views, out),
        Tab::Parallel => parallel_tab::parallel_ui(ui, &scene, &mut memory, views, out),
        Tab::Pareto => chart_tabs::pareto_ui(ui, &scene, &mut memory, views, out),
        Tab::BestSoFar => chart_tabs::staircase_ui(ui, &scene, &mut memory, views, out),
        Tab::Seeds => chart_tabs::seeds_ui(ui, &scene, &mut memory, views, out),
    }
    let mut saving = views.saving.take();
    let make = |form| {
        let view = scene.content(&mut memory, views);
        Some(match form {
            Form::Picture => Content::Picture(Picture::Chart(view.chart)),
            Form::Csv => Content::Sheet(view.sheet),
        })
    };
    saving_ui(ui, &mut saving, Pick::RunsCsv, make, out);
    views.saving = saving;
    ui.data_mut(|data| data.insert_temp(place, memory));
}

fn head_ui(ui: &mut Ui, scene: &Scene<'_>, memory: &mut Memory, views: &mut Views) {
    let tabs = [
        (Tab::Curves, t!("views.curves")),
        (Tab::Differences, t!("views.differences")),
        (Tab::Scatter, t!("views.scatter")),
        (Tab::Parallel, t!("views.parallel")),
        (Tab::Pareto, t!("views.pareto")),
        (Tab::BestSoFar, t!("views.best_so_far")),
        (Tab::Seeds, t!("views.seeds")),
    ];
    ui.horizontal_wrapped(|ui| {
        segmented_ui(ui, &mut views.tab, &tabs);
        ui.menu_button(t!("views.save"), |ui| {
            for (form, name) in [(Form::Picture, t!("views.save_picture")), (Form::Csv, t!("views.save_csv"))] {
                // What differs is a table and no picture.
                let can = form == Form::Csv || views.tab != Tab::Differences;
                if ui.add_enabled(can, egui::Button::new(name)).clicked() {
                    views.saving = Some(Saving::new(form));
                    ui.close();
                }
            }
            if ui.button(t!("views.copy_text")).clicked() {
                let text = scene.content(memory, views).sheet.text();
                ui.ctx().copy_text(text);
                ui.close();
            }
        });
    });
}

/// The color that a tone has in this theme.
pub(super) fn color(ui: &Ui, tone: Tone) -> Color32 {
    match tone {
        Tone::Series(index) => series_color(ui, index),
        Tone::Ramp(share) => ramp_color(ui, share),
        Tone::Accent => tokens(ui).accent,
        Tone::Muted => tokens(ui).faint,
    }
}

/// The looks of a tone: beyond the number of colors, lines are broken.
pub(super) fn look(ui: &Ui, tone: Tone, found: bool) -> Look {
    let dashed = matches!(tone, Tone::Series(index) if index / SERIES_COLORS % 2 == 1);
    let radius = if tone == Tone::Muted { 4.0 } else { 4.5 };
    Look { color: color(ui, tone), width: 2.0, radius, dashed, found }
}

/// Shows a run on the screen of one run.
pub(super) fn open(row: &RunRow, out: &mut Vec<Action>) {
    out.push(Action::Open(row.id.clone(), Screen::Training));
}

/// A quiet sentence below or beside a plot.
pub(super) fn note_ui(ui: &mut Ui, text: &str) {
    ui.add(egui::Label::new(RichText::new(text).small().color(tokens(ui).muted)).wrap());
}

/// Draws a plot with a list beside it. The plot gets the height that both have.
pub(super) fn beside_ui<R>(
    ui: &mut Ui,
    side_width: f32,
    plot: impl FnOnce(&mut Ui, f32) -> R,
    side: impl FnOnce(&mut Ui, &R),
) {
    let height = (ui.available_height() - 4.0).max(150.0);
    let whole = ui.available_width();
    let (rect, _) = ui.allocate_exact_size(egui::vec2(whole, height), egui::Sense::empty());
    let middle = rect.right() - side_width;
    let left = egui::Rect::from_min_max(rect.min, egui::pos2(middle - 12.0, rect.bottom()));
    let right = egui::Rect::from_min_max(egui::pos2(middle, rect.top()), rect.max);
    let layout = egui::Layout::top_down(egui::Align::Min);
    let drawn = ui.scope_builder(egui::UiBuilder::new().max_rect(left).layout(layout), |ui| plot(ui, height)).inner;
    ui.scope_builder(egui::UiBuilder::new().max_rect(right).layout(layout), |ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        ui.spacing_mut().interact_size.y = 20.0;
        egui::ScrollArea::vertical().id_salt("beside").auto_shrink([false, true]).max_height(height).show(ui, |ui| {
            side(ui, &drawn);
        });
    });
}
