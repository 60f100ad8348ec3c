//! The settings of a prefix: where it sits, and what it begins as.

use egui::Ui;
use engine::config::{MlpActivation, Task};
use engine::models::Site;

use super::super::check::{Field, Issue};
use super::super::form::RunForm;
use super::super::vary::field as listed;
use super::super::{error_of, start};
use crate::i18n::{help_of, zero_help_of};
use crate::state::State;
use crate::widgets::button::segmented_ui;
use crate::widgets::field;
use crate::widgets::prefix_drawing::{Captions, Drawing, prefix_drawing_ui};
use crate::{layer_list, t};

/// Draws them.
pub(super) fn prefix_ui(ui: &mut Ui, form: &mut RunForm, state: &State, issues: &[Issue]) {
    let n_layers = state.model_asked(&form.text.model).map_or(0, |model| model.n_layers);
    let captions = Captions {
        prefix: t!("method.drawing_prefix"),
        text: t!("method.drawing_text"),
        layers: t!("method.drawing_layers"),
        network: t!("method.drawing_network"),
    };
    let task = form.shown_task(state.model_asked(&form.text.model));
    let chosen = layer_list::from_text(&form.tuning.prefix.layers).ok().flatten();
    let drawing = Drawing {
        n_layers,
        layers: chosen.as_deref(),
        network: form.tuning.prefix.network.on,
        infix: form.is_infix(task),
    };
    prefix_drawing_ui(ui, drawing, captions);
    ui.columns(3, |sides| {
        let error = error_of(issues, Field::Prefix);
        let (lists, prefix) = (&mut form.vary.lists, &mut form.tuning.prefix);
        field::field_ui(&mut sides[0], t!("method.length"), &help_of("method.n_virtual"), error, |ui| {
            listed::count_ui(ui, (lists, "method.n_virtual"), &mut prefix.config.n_virtual, 1..=4096)
        });
        field::field_ui(&mut sides[1], t!("method.dropout"), &help_of("method.dropout"), None, |ui| {
            listed::number_ui(ui, (lists, "method.dropout"), &mut prefix.config.dropout, 0.0..=0.95, 0.005)
        });
        // A network gives all virtual tokens or none.
        sides[2].add_enabled_ui(!prefix.network.on, |ui| {
            field::field_ui(ui, t!("method.frozen_virtual"), &help_of("method.n_frozen"), None, |ui| {
                let most = prefix.config.n_virtual.saturating_sub(1);
                listed::count_ui(ui, (lists, "method.n_frozen"), &mut prefix.config.n_frozen, 0..=most)
            });
        });
    });
    place_ui(ui, form, state, issues);
    sites_ui(ui, form, state, issues);
    network_ui(ui, form);
    start::start_ui(ui, form, state, issues);
}

/// The layers that get a prefix, and where it stands in the text of a model that goes on with it.
fn place_ui(ui: &mut Ui, form: &mut RunForm, state: &State, issues: &[Issue]) {
    let task = form.shown_task(state.model_asked(&form.text.model));
    ui.columns(2, |sides| {
        let error = error_of(issues, Field::Layers);
        field::field_ui(&mut sides[0], t!("method.layers"), t!("method.layers_help"), error, |ui| {
            field::text_ui(ui, &mut form.tuning.prefix.layers, t!("method.all_layers"))
        });
        if task == Task::Causal {
            field::field_ui(&mut sides[1], t!("method.place"), &help_of("method.infix"), None, |ui| {
                let places = [(false, t!("method.before_text")), (true, t!("method.infix"))];
                segmented_ui(ui, &mut form.tuning.prefix.config.infix, &places)
            });
        }
    });
}

/// The places of a prefix, where the model has more than one.
fn sites_ui(ui: &mut Ui, form: &mut RunForm, state: &State, issues: &[Issue]) {
    if state.model_asked(&form.text.model).is_none_or(|model| model.encoder_layers == 0) {
        return;
    }
    let error = error_of(issues, Field::Sites);
    field::field_ui(ui, t!("method.sites"), &help_of("method.sites"), error, |ui| {
        let words = [t!("method.site_encoder"), t!("method.site_decoder"), t!("method.site_cross")];
        ui.horizontal_wrapped(|ui| {
            for (site, word) in Site::ALL.into_iter().zip(words) {
                let mut chosen = form.tuning.prefix.sites.contains(&site);
                if ui.checkbox(&mut chosen, word).changed() {
                    form.tuning.prefix.sites.retain(|other| *other != site);
                    form.tuning.prefix.sites.extend(chosen.then_some(site));
                    form.tuning.prefix.sites.sort();
                }
            }
        })
        .response
    });
}

fn network_ui(ui: &mut Ui, form: &mut RunForm) {
    let (name, help) = (t!("method.reparameterize"), help_of("method.reparameterization"));
    if field::check_ui(ui, &mut form.tuning.prefix.network.on, name, &help) {
        form.follow_method();
    }
    if !form.tuning.prefix.network.on {
        return;
    }
    ui.columns(3, |sides| {
        field::field_ui(
            &mut sides[2],
            t!("method.hidden_layers"),
            &help_of("method.reparameterization.hidden_layers"),
            None,
            |ui| segmented_ui(ui, &mut form.tuning.prefix.network.value.hidden_layers, &[(1, "1"), (2, "2")]),
        );
        // 0 is the model's own.
        let mut width = form.tuning.prefix.network.value.width.unwrap_or(0);
        let help = zero_help_of("method.reparameterization.width");
        field::field_ui(&mut sides[0], t!("method.width"), &help, None, |ui| {
            let key = "method.reparameterization.width";
            listed::count_ui(ui, (&mut form.vary.lists, key), &mut width, 0..=65_536)
        });
        form.tuning.prefix.network.value.width = Some(width).filter(|width| *width > 0);
        field::field_ui(&mut sides[1], t!("method.activation"), "", None, |ui| {
            let names = [(MlpActivation::Tanh, "tanh"), (MlpActivation::Relu, "ReLU"), (MlpActivation::Gelu, "GELU")];
            segmented_ui(ui, &mut form.tuning.prefix.network.value.activation, &names)
        });
    });
}
