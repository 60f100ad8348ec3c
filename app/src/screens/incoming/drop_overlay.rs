//! Overlay that says what will open when somebody lets go of what is held over the window.

use egui::{Align2, Color32, RichText, Stroke, Ui};

use crate::opening::PathKind;
use crate::state::State;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::containers::card_frame;
use crate::workspace::last_name;

/// Paths that are named one by one.
const NAMED: usize = 8;

/// What a path is, and what will be done with it.
fn words(kind: PathKind) -> (&'static str, &'static str) {
    match kind {
        PathKind::Rows => (t!("drop.rows"), t!("drop.rows_then")),
        PathKind::Model => (t!("drop.model"), t!("drop.model_then")),
        PathKind::RunFile => (t!("drop.run_file"), t!("drop.run_file_then")),
        PathKind::Experiment => (t!("drop.experiment"), t!("drop.experiment_then")),
        PathKind::Adapter => (t!("drop.adapter"), t!("drop.adapter_then")),
        PathKind::Run => (t!("drop.run"), t!("drop.run_then")),
        PathKind::Other | PathKind::Missing => (t!("drop.other"), t!("drop.other_advice")),
    }
}

fn opens(kind: PathKind) -> bool {
    !matches!(kind, PathKind::Other | PathKind::Missing)
}

/// Draws it over everything, as long as something is held.
pub fn overlay_ui(ui: &mut Ui, state: &State) {
    let Some(hovered) = &state.incoming.hovered else { return };
    let t = tokens(ui);
    let kinds = hovered.kinds.as_deref();
    let ink = if kinds.is_none_or(|kinds| kinds.iter().any(|kind| opens(*kind))) { t.accent } else { t.warn };
    // Above every window of ours, below the words.
    let layer = egui::LayerId::new(egui::Order::Foreground, egui::Id::unique("drop"));
    let painter = ui.ctx().layer_painter(layer);
    let whole = ui.ctx().content_rect();
    painter.rect_filled(whole, 0.0, Color32::from_black_alpha(110));
    painter.rect_stroke(whole.shrink(8.0), 10.0, Stroke::new(2.0, ink), egui::StrokeKind::Inside);
    let names: Vec<String> = hovered.paths.iter().map(|path| last_name(path)).collect();
    egui::Area::new(egui::Id::unique("drop_words"))
        .order(egui::Order::Tooltip)
        .anchor(Align2::CENTER_CENTER, [0.0, 0.0])
        .interactable(false)
        .show(ui.ctx(), |ui| {
            card_frame(ui).shadow(ui.visuals().popup_shadow).show(ui, |ui| {
                ui.set_width(380.0);
                match kinds {
                    Some([kind]) => {
                        names_ui(ui, &names.join(", "));
                        what_ui(ui, words(*kind), ink);
                    }
                    Some(kinds) => several_ui(ui, &names, kinds, ink),
                    None => {
                        names_ui(ui, &names.join(", "));
                        what_ui(ui, (t!("drop.looking"), ""), ink);
                    }
                }
            });
        });
}

fn names_ui(ui: &mut Ui, names: &str) {
    ui.add(egui::Label::new(RichText::new(names).small().color(tokens(ui).muted)).truncate());
}

fn what_ui(ui: &mut Ui, (what, then): (&str, &str), ink: Color32) {
    ui.label(RichText::new(what).text_style(theme::title()).color(ink));
    if !then.is_empty() {
        ui.add(egui::Label::new(RichText::new(then).color(tokens(ui).text)).wrap());
    }
}

/// Several things: what each is.
fn several_ui(ui: &mut Ui, names: &[String], kinds: &[PathKind], ink: Color32) {
    let t = tokens(ui);
    ui.label(RichText::new(t!("drop.held", n = names.len())).text_style(theme::title()).color(ink));
    for (name, kind) in names.iter().zip(kinds).take(NAMED) {
        let color = if opens(*kind) { t.text } else { t.warn };
        let line = format!("{name} · {}", words(*kind).0);
        ui.add(egui::Label::new(RichText::new(line).color(color)).truncate());
    }
    if names.len() > NAMED {
        ui.label(RichText::new(t!("drop.held_more", n = names.len() - NAMED)).small().color(t.muted));
    }
    ui.add(egui::Label::new(RichText::new(t!("drop.held_then")).small().color(t.muted)).wrap());
}
