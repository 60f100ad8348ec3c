//! In the card *Schedule*: which of an experiment's combinations are trained, and how far.

use egui::{RichText, Ui};

use super::super::form::RunForm;
use super::StrategyKind;
use crate::t;
use crate::theme::tokens;
use crate::widgets::button::segmented_ui;
use crate::widgets::field;

/// Draws it.
pub(in crate::screens::new_run) fn strategy_ui(ui: &mut Ui, form: &mut RunForm) {
    let strategy = &mut form.vary.strategy;
    field::field_ui(ui, t!("vary.strategy"), t!("vary.strategy_help"), None, |ui| {
        let kinds = [
            (StrategyKind::All, t!("vary.all")),
            (StrategyKind::Random, t!("vary.random")),
            (StrategyKind::Halving, t!("vary.halving")),
        ];
        segmented_ui(ui, &mut strategy.kind, &kinds)
    });
    let note = match strategy.kind {
        StrategyKind::All => t!("vary.all_note"),
        StrategyKind::Random => t!("vary.random_note"),
        StrategyKind::Halving => t!("vary.halving_note"),
    };
    ui.add(egui::Label::new(RichText::new(note).small().color(tokens(ui).muted)).wrap());
    if strategy.kind == StrategyKind::All {
        return;
    }
    ui.columns(3, |sides| {
        let (name, least) = match strategy.kind {
            StrategyKind::Halving => (t!("vary.begin"), 0),
            _ => (t!("vary.draw"), 2),
        };
        field::field_ui(&mut sides[0], name, t!("vary.draw_help"), None, |ui| {
            field::count_ui(ui, &mut strategy.runs, least..=super::MOST_RUNS)
        });
        if strategy.kind == StrategyKind::Halving {
            field::field_ui(&mut sides[1], t!("vary.factor"), t!("vary.factor_help"), None, |ui| {
                field::count_ui(ui, &mut strategy.factor, 2..=10)
            });
            field::field_ui(&mut sides[2], t!("vary.first_steps"), t!("vary.first_steps_help"), None, |ui| {
                field::count_ui(ui, &mut strategy.first_steps, 1..=10_000_000)
            });
        }
    });
}
