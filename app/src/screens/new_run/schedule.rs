//! The card *Schedule*: how long, how fast, on what; the rest is folded away with a count of what was changed.

use egui::{CollapsingHeader, ComboBox, RichText, Ui};
use engine::config::{CandidateSource, RunConfig, Task, TrainingConfig};
use engine::device::DeviceChoice;
use engine::nn::{Precision, Quantization};
use engine::recipes::Recipe;
use engine::training::best_metrics;

use super::batch_size::batch_size_ui;
use super::check::{Field, Issue};
use super::form::{LengthUnit, RunForm};
use super::tuning::MethodKind;
use super::vary::{StrategyKind, field as listed, strategy};
use super::{error_of, lr_range_test, optimizer};
use crate::action::Action;
use crate::i18n::{help_of, tell};
use crate::state::State;
use crate::t;
use crate::theme::tokens;
use crate::widgets::button::{link_ui, segmented_ui};
use crate::widgets::containers::card_ui;
use crate::widgets::field;

/// Draws the card.
pub(super) fn schedule_ui(
    ui: &mut Ui,
    form: &mut RunForm,
    state: &State,
    (issues, ready, experiment): (&[Issue], Option<&RunConfig>, Option<&str>),
    out: &mut Vec<Action>,
) {
    card_ui(ui, t!("schedule.title"), |ui| {
        let trains = form.tuning.kind != MethodKind::Text;
        if trains {
            pace_ui(ui, form, state, (issues, ready), out);
        } else {
            ui.add(egui::Label::new(RichText::new(t!("schedule.no_steps")).color(tokens(ui).muted)).wrap());
        }
        ui.columns(2, |sides| {
            field::field_ui(&mut sides[0], t!("schedule.device"), "", None, |ui| device_ui(ui, form, state));
            let error = error_of(issues, Field::Precision);
            field::field_ui(&mut sides[1], t!("schedule.precision"), &help_of("precision"), error, |ui| {
                precision_ui(ui, form, state)
            });
        });
        field::field_ui(ui, t!("schedule.quantization"), &help_of("quantization"), None, |ui| {
            let names = [t!("quantization.stored"), "Q8_0", "Q4_0", "NF4"];
            let choices: Vec<_> = Quantization::ALL.into_iter().zip(names).collect();
            segmented_ui(ui, &mut form.config.quantization, &choices);
        });
        let (name, hint) = match experiment {
            Some(name) => (t!("vary.name"), name),
            None => (t!("schedule.name"), t!("schedule.name_hint")),
        };
        field::field_ui(ui, name, "", None, |ui| field::text_ui(ui, &mut form.config.name, hint));
        let title = match form.changed_advanced(&usual_training(state)) {
            0 => t!("schedule.advanced").to_owned(),
            n => t!("schedule.advanced_changed", n = n),
        };
        if trains {
            CollapsingHeader::new(title).id_salt("advanced").show(ui, |ui| {
                if experiment.is_some() || form.vary.strategy.kind != StrategyKind::All {
                    strategy::strategy_ui(ui, form);
                }
                let task = form.shown_task(state.model_asked(&form.text.model));
                advanced_ui(ui, form, task);
            });
            lr_range_test::lr_range_test_ui(ui, form, ready, state, out);
        }
    });
}

/// Training settings of a new form: those of the starter, where there is one.
fn usual_training(state: &State) -> TrainingConfig {
    state.env.starter.as_ref().map_or_else(TrainingConfig::default, |starter| starter.training.clone())
}

/// Fields for the recipe, the length, the batch size and the learning rate.
fn pace_ui(
    ui: &mut Ui,
    form: &mut RunForm,
    state: &State,
    (issues, ready): (&[Issue], Option<&RunConfig>),
    out: &mut Vec<Action>,
) {
    recipe_ui(ui, form);
    ui.columns(2, |sides| {
        let left = &mut sides[0];
        field::field_ui(left, t!("schedule.extent"), "", None, |ui| {
            let names = [(LengthUnit::Epochs, t!("schedule.epochs")), (LengthUnit::Steps, t!("schedule.steps"))];
            segmented_ui(ui, &mut form.memory.length_unit, &names)
        });
        let right = &mut sides[1];
        let error = error_of(issues, Field::Epochs);
        let (lists, training) = (&mut form.vary.lists, &mut form.config.training);
        match form.memory.length_unit {
            LengthUnit::Epochs => field::field_ui(right, t!("schedule.n_epochs"), "", error, |ui| {
                listed::number_ui(ui, (lists, "training.epochs"), &mut training.epochs, 0.01..=10_000.0, 0.1)
            }),
            LengthUnit::Steps => field::field_ui(right, t!("schedule.n_steps"), "", error, |ui| {
                listed::count_ui(ui, (lists, "training.steps"), &mut training.steps, 1..=100_000_000)
            }),
        };
    });
    ui.columns(2, |sides| {
        field::field_ui(&mut sides[0], t!("schedule.batch"), &help_of("training.batch_size"), None, |ui| {
            let (lists, size) = (&mut form.vary.lists, &mut form.config.training.batch_size);
            listed::count_ui(ui, (lists, "training.batch_size"), size, 1..=4096)
        });
        batch_size_ui(&mut sides[0], form, ready, state, out);
        rate_ui(&mut sides[1], form, issues);
        sides[1].horizontal(|ui| lr_range_test::button_ui(ui, ready, state, out));
    });
}

/// The recipe in force, to be changed for another, and where it is from.
fn recipe_ui(ui: &mut Ui, form: &mut RunForm) {
    let present = form.recipe();
    let mut chosen = present.map(|recipe| recipe.name);
    let own = (None, t!("schedule.no_recipe").to_owned());
    let recipes = form.recipes().map(|recipe| (Some(recipe.name), tell(&recipe.title_sentence())));
    let choices: Vec<(Option<&str>, String)> = std::iter::once(own).chain(recipes).collect();
    let changed = field::field_ui(ui, t!("schedule.recipe"), t!("schedule.recipe_help"), None, |ui| {
        field::choice_ui(ui, "recipe", &mut chosen, &choices)
    });
    if changed && let Some(recipe) = chosen.and_then(Recipe::named) {
        form.take_recipe(recipe);
    }
    if let Some(recipe) = present {
        let note = recipe.note_sentence().map(|note| format!(" · {}", tell(&note))).unwrap_or_default();
        let text = RichText::new(format!("{}{note}", recipe.source)).small().color(tokens(ui).muted);
        ui.add(egui::Label::new(text).wrap());
    }
}

fn rate_ui(ui: &mut Ui, form: &mut RunForm, issues: &[Issue]) {
    let error = error_of(issues, Field::LearningRate);
    field::field_ui(ui, t!("schedule.rate"), t!("schedule.rate_help"), error, |ui| {
        form.rate_edited |= field::text_ui(ui, &mut form.text.learning_rate, "5e-3");
        listed::said_ui(ui, "training.learning_rate", &form.text.learning_rate, error.is_none());
    });
    if form.rate_edited {
        let label = t!("schedule.rate_reset", rate = crate::format::scientific(form.usual_rate()));
        if link_ui(ui, &label).clicked() {
            form.rate_edited = false;
            form.follow_method();
        }
    } else {
        ui.label(RichText::new(t!("schedule.rate_follows")).small().color(tokens(ui).muted));
    }
}

fn device_ui(ui: &mut Ui, form: &mut RunForm, state: &State) {
    let auto = state
        .device(DeviceChoice::Auto)
        .map_or_else(|| t!("schedule.auto").to_owned(), |device| t!("schedule.auto_is", device = device.name));
    let named = state.devices().iter().map(|device| {
        let name = if device.software {
            format!("{} ({}; {})", device.name, device.api, t!("settings.software"))
        } else {
            format!("{} ({})", device.name, device.api)
        };
        (device.choice, name)
    });
    let choices: Vec<(DeviceChoice, String)> = std::iter::once((DeviceChoice::Auto, auto)).chain(named).collect();
    field::choice_ui(ui, "device", &mut form.config.device, &choices);
}

/// Choice of the precision; one that the chosen device does not compute in is there, grayed, with the reason.
fn precision_ui(ui: &mut Ui, form: &mut RunForm, state: &State) {
    let width = ui.available_width();
    let shown = form.config.precision.name();
    ComboBox::from_id_salt("precision").width(width).selected_text(shown).show_ui(ui, |ui| {
        for precision in Precision::ALL {
            let refusal = state.refusal(form.config.device, precision).map(tell);
            let name = match &refusal {
                Some(reason) => format!("{precision} · {reason}"),
                None => precision.name().to_owned(),
            };
            ui.add_enabled_ui(refusal.is_none(), |ui| {
                ui.selectable_value(&mut form.config.precision, precision, name);
            });
        }
    });
}

/// The figure by which an evaluation is the best, of those that the task has.
fn best_metric_ui(ui: &mut Ui, form: &mut RunForm, task: Task) {
    let is_ranked = form.data_config().candidate_source() != CandidateSource::None;
    let metric = &mut form.config.training.best_metric;
    let mut names = best_metrics(task, is_ranked);
    // As a run file says it, or of another task.
    if !names.contains(&metric.as_str()) {
        names.insert(0, metric.as_str());
    }
    let choices: Vec<(String, String)> = names.into_iter().map(|name| (name.to_owned(), name.to_owned())).collect();
    field::field_ui(ui, t!("schedule.best_metric"), &help_of("training.best_metric"), None, |ui| {
        field::choice_ui(ui, "best_metric", metric, &choices)
    });
}

fn advanced_ui(ui: &mut Ui, form: &mut RunForm, task: Task) {
    ui.add_space(6.0);
    optimizer::optimizer_ui(ui, form);
    ui.columns(3, |sides| {
        let (lists, t) = (&mut form.vary.lists, &mut form.config.training);
        field::field_ui(&mut sides[0], t!("schedule.eval_every"), &help_of("training.eval_every"), None, |ui| {
            listed::count_ui(ui, (lists, "training.eval_every"), &mut t.eval_every, 0..=10_000_000)
        });
        field::field_ui(&mut sides[1], t!("schedule.sample_rows"), &help_of("training.sample_rows"), None, |ui| {
            field::count_ui(ui, &mut t.sample_rows, 0..=50)
        });
        field::field_ui(&mut sides[2], t!("schedule.sample_tokens"), "", None, |ui| {
            field::count_ui(ui, &mut t.sample_tokens, 1..=1000)
        });
    });
    ui.columns(3, |sides| {
        let lists = &mut form.vary.lists;
        sides[0].checkbox(&mut form.memory.patience.on, t!("schedule.early"));
        if form.memory.patience.on {
            field::field_ui(&mut sides[0], t!("schedule.patience"), &help_of("training.patience"), None, |ui| {
                listed::count_ui(ui, (lists, "training.patience"), &mut form.memory.patience.value, 1..=1000)
            });
        }
        sides[1].checkbox(&mut form.memory.max_grad_norm.on, t!("schedule.clip"));
        if form.memory.max_grad_norm.on {
            field::field_ui(&mut sides[1], t!("schedule.max_grad_norm"), "", None, |ui| {
                let norm = &mut form.memory.max_grad_norm.value;
                listed::number_ui(ui, (lists, "training.max_grad_norm"), norm, 0.001..=1000.0, 0.05)
            });
        }
        field::field_ui(&mut sides[2], t!("schedule.seed"), &help_of("seed"), None, |ui| {
            listed::seed_ui(ui, (lists, "seed"), &mut form.config.seed)
        });
    });
    best_metric_ui(ui, form, task);
    let grouped = &mut form.config.training.group_by_length;
    field::check_ui(ui, grouped, t!("schedule.group_by_length"), &help_of("training.group_by_length"));
    let packing = &mut form.config.training.packing;
    field::check_ui(ui, packing, t!("schedule.packing"), &help_of("training.packing"));
    let recompute = &mut form.config.training.gradient_checkpointing;
    field::check_ui(ui, recompute, t!("schedule.recompute"), &help_of("training.gradient_checkpointing"));
    let dropout = &mut form.config.training.base_dropout;
    field::check_ui(ui, dropout, t!("schedule.base_dropout"), &help_of("training.base_dropout"));
}
