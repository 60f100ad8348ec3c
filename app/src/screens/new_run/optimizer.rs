//! In the card *Schedule*: how the rate moves, and what becomes of a gradient.

use egui::{CollapsingHeader, RichText, Ui};
use engine::config::{
    AdafactorConfig, AdamConfig, DistillationConfig, LossReduction, OptimizerConfig, Schedule, SgdConfig,
};

use super::form::{RunForm, WarmUp};
use super::vary::{Lists, field as listed};
use crate::i18n::{help_of, zero_help_of};
use crate::t;
use crate::theme::tokens;
use crate::widgets::button::segmented_ui;
use crate::widgets::field;

/// Draws it.
pub(super) fn optimizer_ui(ui: &mut Ui, form: &mut RunForm) {
    ui.columns(2, |sides| {
        field::field_ui(&mut sides[0], t!("schedule.schedule"), "", None, |ui| rate_schedule_ui(ui, form));
        schedule_numbers_ui(&mut sides[0], &mut form.config.training.schedule, &mut form.vary.lists);
        field::field_ui(&mut sides[1], t!("schedule.loss"), &help_of("training.loss"), None, |ui| {
            let names = [
                (LossReduction::TokenMean, t!("schedule.token_mean")),
                (LossReduction::SentenceSum, t!("schedule.sentence_sum")),
            ];
            segmented_ui(ui, &mut form.config.training.loss, &names)
        });
    });
    teacher_ui(ui, form);
    ui.columns(2, |sides| {
        warm_up_ui(&mut sides[0], form);
        let (lists, t) = (&mut form.vary.lists, &mut form.config.training);
        let effective = t.batch_size * t.gradient_accumulation;
        field::field_ui(
            &mut sides[1],
            t!("schedule.accumulation"),
            &help_of("training.gradient_accumulation"),
            None,
            |ui| {
                let key = "training.gradient_accumulation";
                listed::count_ui(ui, (lists, key), &mut t.gradient_accumulation, 1..=1024)
            },
        );
        let note = RichText::new(t!("schedule.effective", n = effective)).small().color(tokens(&sides[1]).muted);
        sides[1].label(note);
    });
    ui.columns(2, |sides| {
        field::field_ui(&mut sides[0], t!("schedule.optimizer"), &help_of("training.optimizer.type"), None, |ui| {
            let choices = OptimizerConfig::all().map(|optimizer| (optimizer.name(), title(&optimizer).to_owned()));
            let mut chosen = form.config.training.optimizer.name();
            if field::choice_ui(ui, "optimizer", &mut chosen, &choices)
                && let Some(optimizer) = OptimizerConfig::all().into_iter().find(|other| other.name() == chosen)
            {
                form.config.training.optimizer = optimizer;
                form.follow_method();
            }
        });
        field::field_ui(&mut sides[1], t!("schedule.decay"), &help_of("training.optimizer.weight_decay"), None, |ui| {
            let (lists, decay) = (&mut form.vary.lists, form.config.training.optimizer.weight_decay_mut());
            listed::number_ui(ui, (lists, "training.optimizer.weight_decay"), decay, 0.0..=10.0, 0.005)
        });
    });
    let constants = CollapsingHeader::new(t!("schedule.constants")).id_salt("constants");
    constants.show(ui, |ui| match &mut form.config.training.optimizer {
        OptimizerConfig::AdamW(adam) | OptimizerConfig::Adam(adam) => adam_ui(ui, adam, &mut form.vary.lists),
        OptimizerConfig::Adafactor(adafactor) => adafactor_ui(ui, adafactor, &mut form.vary.lists),
        OptimizerConfig::Sgd(sgd) => sgd_ui(ui, sgd, &mut form.vary.lists),
    });
}

/// A teacher in place of the targets.
fn teacher_ui(ui: &mut Ui, form: &mut RunForm) {
    let (lists, taught) = (&mut form.vary.lists, &mut form.config.training.distillation);
    let mut is_taught = taught.is_some();
    if field::check_ui(ui, &mut is_taught, t!("schedule.teacher"), &help_of("training.distillation")) {
        *taught = is_taught.then(DistillationConfig::default);
    }
    let Some(DistillationConfig { document, top_k }) = taught else { return };
    ui.columns(2, |sides| {
        let help = help_of("training.distillation.document");
        field::field_ui(&mut sides[0], t!("schedule.document"), &help, None, |ui| {
            let mut path = document.display().to_string();
            if field::text_ui(ui, &mut path, t!("schedule.document_hint")) {
                *document = path.into();
            }
        });
        let help = help_of("training.distillation.top_k");
        field::field_ui(&mut sides[1], t!("schedule.top_k"), &help, None, |ui| {
            listed::count_ui(ui, (lists, "training.distillation.top_k"), top_k, 1..=1000)
        });
    });
}

/// Proper names, in no language.
fn title(optimizer: &OptimizerConfig) -> &'static str {
    match optimizer {
        OptimizerConfig::AdamW(_) => "AdamW",
        OptimizerConfig::Adam(_) => "Adam",
        OptimizerConfig::Adafactor(_) => "Adafactor",
        OptimizerConfig::Sgd(_) => "SGD",
    }
}

fn rate_schedule_ui(ui: &mut Ui, form: &mut RunForm) {
    let title = |schedule: &Schedule| match schedule {
        Schedule::Linear => t!("schedule.linear"),
        Schedule::Cosine => t!("schedule.cosine"),
        Schedule::Constant => t!("schedule.constant"),
        Schedule::Polynomial { .. } => t!("schedule.polynomial"),
        Schedule::InverseSqrt { .. } => t!("schedule.inverse_sqrt"),
        Schedule::CosineWithRestarts { .. } => t!("schedule.restarts"),
    };
    let choices = Schedule::all().map(|schedule| (schedule.name(), title(&schedule).to_owned()));
    let mut chosen = form.config.training.schedule.name();
    if field::choice_ui(ui, "rate_schedule", &mut chosen, &choices)
        && let Some(schedule) = Schedule::all().into_iter().find(|other| other.name() == chosen)
    {
        form.config.training.schedule = schedule;
    }
}

/// The numbers of a schedule that has some.
fn schedule_numbers_ui(ui: &mut Ui, schedule: &mut Schedule, lists: &mut Lists) {
    match schedule {
        Schedule::Linear | Schedule::Cosine | Schedule::Constant => {}
        Schedule::Polynomial { power, end_rate } => {
            field::field_ui(ui, t!("schedule.power"), &help_of("training.schedule.power"), None, |ui| {
                listed::number_ui(ui, (lists, "training.schedule.power"), power, 0.01..=100.0, 0.05)
            });
            field::field_ui(ui, t!("schedule.end_rate"), "", None, |ui| {
                listed::small_ui(ui, (lists, "training.schedule.end_rate"), end_rate, 0.0..=1e3)
            });
        }
        Schedule::InverseSqrt { timescale } => {
            let mut steps = timescale.unwrap_or(0);
            field::field_ui(ui, t!("schedule.timescale"), &zero_help_of("training.schedule.timescale"), None, |ui| {
                listed::count_ui(ui, (lists, "training.schedule.timescale"), &mut steps, 0..=100_000_000)
            });
            *timescale = Some(steps).filter(|steps| *steps > 0);
        }
        Schedule::CosineWithRestarts { cycles } => {
            field::field_ui(ui, t!("schedule.cycles"), "", None, |ui| {
                listed::count_ui(ui, (lists, "training.schedule.cycles"), cycles, 1..=10_000)
            });
        }
    }
}

fn warm_up_ui(ui: &mut Ui, form: &mut RunForm) {
    let (lists, t) = (&mut form.vary.lists, &mut form.config.training);
    match form.memory.warm_up {
        WarmUp::Steps => field::field_ui(ui, t!("schedule.warmup"), &help_of("training.warmup_steps"), None, |ui| {
            listed::count_ui(ui, (lists, "training.warmup_steps"), &mut t.warmup_steps, 0..=1_000_000)
        }),
        WarmUp::Share => {
            field::field_ui(ui, t!("schedule.warmup_ratio"), &help_of("training.warmup_ratio"), None, |ui| {
                listed::number_ui(ui, (lists, "training.warmup_ratio"), &mut t.warmup_ratio, 0.0..=1.0, 0.002)
            })
        }
    };
    let names = [(WarmUp::Steps, t!("schedule.warmup_in_steps")), (WarmUp::Share, t!("schedule.warmup_as_share"))];
    segmented_ui(ui, &mut form.memory.warm_up, &names);
}

fn adam_ui(ui: &mut Ui, adam: &mut AdamConfig, lists: &mut Lists) {
    ui.columns(3, |sides| {
        field::field_ui(&mut sides[0], t!("schedule.beta1"), &help_of("training.optimizer.beta1"), None, |ui| {
            listed::number_ui(ui, (lists, "training.optimizer.beta1"), &mut adam.beta1, 0.0..=0.9999, 0.001)
        });
        field::field_ui(&mut sides[1], t!("schedule.beta2"), &help_of("training.optimizer.beta2"), None, |ui| {
            listed::number_ui(ui, (lists, "training.optimizer.beta2"), &mut adam.beta2, 0.0..=0.9999, 0.0005)
        });
        field::field_ui(&mut sides[2], t!("schedule.epsilon"), "", None, |ui| {
            listed::small_ui(ui, (lists, "training.optimizer.epsilon"), &mut adam.epsilon, 1e-30..=1.0)
        });
    });
}

fn adafactor_ui(ui: &mut Ui, adafactor: &mut AdafactorConfig, lists: &mut Lists) {
    ui.columns(3, |sides| {
        field::field_ui(
            &mut sides[0],
            t!("schedule.decay_rate"),
            &help_of("training.optimizer.decay_rate"),
            None,
            |ui| {
                let key = "training.optimizer.decay_rate";
                listed::number_ui(ui, (lists, key), &mut adafactor.decay_rate, -10.0..=0.0, 0.01)
            },
        );
        field::field_ui(
            &mut sides[1],
            t!("schedule.threshold"),
            &help_of("training.optimizer.clip_threshold"),
            None,
            |ui| {
                let key = "training.optimizer.clip_threshold";
                listed::number_ui(ui, (lists, key), &mut adafactor.clip_threshold, 0.001..=1000.0, 0.05)
            },
        );
        field::field_ui(&mut sides[2], t!("schedule.epsilon"), "", None, |ui| {
            listed::small_ui(ui, (lists, "training.optimizer.epsilon"), &mut adafactor.epsilon, 1e-37..=1.0)
        });
    });
    ui.columns(3, |sides| {
        let mut beta1 = adafactor.beta1.unwrap_or(0.0);
        field::field_ui(&mut sides[0], t!("schedule.beta1"), &zero_help_of("training.optimizer.beta1"), None, |ui| {
            listed::number_ui(ui, (lists, "training.optimizer.beta1"), &mut beta1, 0.0..=0.9999, 0.005)
        });
        adafactor.beta1 = Some(beta1).filter(|beta1| *beta1 > 0.0);
        let scale = sides[1].checkbox(&mut adafactor.scale_parameter, t!("schedule.scale"));
        scale.on_hover_text(help_of("training.optimizer.scale_parameter"));
        if adafactor.scale_parameter {
            field::field_ui(&mut sides[2], t!("schedule.epsilon_scale"), "", None, |ui| {
                let key = "training.optimizer.epsilon_scale";
                listed::small_ui(ui, (lists, key), &mut adafactor.epsilon_scale, 1e-30..=1.0)
            });
        }
    });
}

fn sgd_ui(ui: &mut Ui, sgd: &mut SgdConfig, lists: &mut Lists) {
    ui.columns(2, |sides| {
        field::field_ui(&mut sides[0], t!("schedule.momentum"), &help_of("training.optimizer.momentum"), None, |ui| {
            listed::number_ui(ui, (lists, "training.optimizer.momentum"), &mut sgd.momentum, 0.0..=0.9999, 0.005)
        });
        sgd.nesterov &= sgd.momentum > 0.0;
        sides[1].add_enabled_ui(sgd.momentum > 0.0, |ui| {
            field::check_ui(ui, &mut sgd.nesterov, t!("schedule.nesterov"), &help_of("training.optimizer.nesterov"));
        });
    });
}
