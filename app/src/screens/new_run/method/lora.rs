//! The settings of matrices of low rank: how large they are, and beside which layers they stand.

use egui::{CollapsingHeader, Ui};
use engine::adapters::methods::lora::last_names;
use engine::config::LoraBias;
use engine::models::ModelSummary;
use engine::models::Role;
use engine::models::lora_targets;

use super::super::check::{Field, Issue};
use super::super::error_of;
use super::super::form::RunForm;
use super::super::tuning::{LoraForm, MethodKind, Targets, names_of};
use super::super::vary::field as listed;
use super::note_ui;
use crate::i18n::help_of;
use crate::t;
use crate::widgets::button::segmented_ui;
use crate::widgets::containers::{chips_ui, plain_chip_ui};
use crate::widgets::field;

/// Draws them.
pub(super) fn lora_ui(ui: &mut Ui, form: &mut RunForm, model: Option<&ModelSummary>, issues: &[Issue]) {
    // Alone they are the method, beside one they are not.
    let keys = match form.tuning.kind {
        MethodKind::Lora => ["method.rank", "method.alpha", "method.dropout"],
        _ => ["lora.rank", "lora.alpha", "lora.dropout"],
    };
    let (lists, lora) = (&mut form.vary.lists, &mut form.tuning.lora);
    ui.columns(3, |sides| {
        let config = &mut lora.config;
        field::field_ui(&mut sides[0], t!("method.rank"), &help_of("lora.rank"), None, |ui| {
            listed::count_ui(ui, (lists, keys[0]), &mut config.rank, 1..=4096)
        });
        field::field_ui(&mut sides[1], t!("method.alpha"), &help_of("lora.alpha"), None, |ui| {
            listed::number_ui(ui, (lists, keys[1]), &mut config.alpha, 0.001..=65_536.0, 0.5)
        });
        field::field_ui(&mut sides[2], t!("method.lora_dropout"), &help_of("lora.dropout"), None, |ui| {
            listed::number_ui(ui, (lists, keys[2]), &mut config.dropout, 0.0..=0.95, 0.005)
        });
    });
    targets_ui(ui, lora, model, issues);
    CollapsingHeader::new(t!("method.lora_more")).id_salt("lora_more").show(ui, |ui| {
        ui.add_space(6.0);
        let config = &mut lora.config;
        ui.checkbox(&mut config.rank_stabilized, t!("method.rank_stabilized"))
            .on_hover_text(help_of("lora.rank_stabilized"));
        field::field_ui(ui, t!("method.bias"), &help_of("lora.bias"), None, |ui| {
            let names = [
                (LoraBias::None, t!("method.bias_none")),
                (LoraBias::LoraOnly, t!("method.bias_lora")),
                (LoraBias::All, t!("method.bias_all")),
            ];
            segmented_ui(ui, &mut config.bias, &names)
        });
    });
}

fn targets_ui(ui: &mut Ui, lora: &mut LoraForm, model: Option<&ModelSummary>, issues: &[Issue]) {
    let error = error_of(issues, Field::Targets).filter(|_| lora.targets != Targets::Named);
    field::field_ui(ui, t!("method.targets"), &help_of("lora.targets"), error, |ui| {
        let names = [
            (Targets::Usual, t!("method.targets_usual")),
            (Targets::AllLinear, t!("method.targets_all")),
            (Targets::Named, t!("method.targets_named")),
        ];
        segmented_ui(ui, &mut lora.targets, &names)
    });
    let known = model.map_or_else(Vec::new, |model| last_names(&model.linears));
    let layers = model
        .map_or_else(Vec::new, |model| last_names(model.linears.iter().filter(|linear| linear.role == Role::Layer)));
    match lora.targets {
        Targets::Usual => {
            let usual = model.map_or(&[][..], |model| lora_targets(&model.architecture));
            names_ui(ui, usual);
        }
        Targets::AllLinear => names_ui(ui, &layers),
        Targets::Named => {
            let error = error_of(issues, Field::Targets);
            field::field_ui(ui, t!("method.names"), &help_of("lora.targets"), error, |ui| {
                field::text_ui(ui, &mut lora.names, t!("method.names_hint"))
            });
            let chosen = names_of(&lora.names);
            ui.horizontal_wrapped(|ui| {
                for name in known {
                    if ui.selectable_label(chosen.iter().any(|other| other == name), name).clicked() {
                        lora.toggle(name);
                    }
                }
            });
            note_ui(ui, t!("method.names_note"));
        }
    }
}

fn names_ui(ui: &mut Ui, names: &[&str]) {
    chips_ui(ui, |ui| {
        for name in names {
            plain_chip_ui(ui, name);
        }
    });
}
