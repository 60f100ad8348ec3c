//! Among what a row's answer is looked for: words of classes, choices, answers of facts; how they are compared and learned.

use egui::Ui;
use engine::config::{CandidateLoss, CandidateScore, CandidateSource, Task};
use engine::data::DataPreview;

use super::form::RunForm;
use crate::i18n::help_of;
use crate::t;
use crate::widgets::field;

/// Classes whose words can be typed; more of them stand in a run file.
const WORDS_SHOWN: usize = 24;

/// Draws the controls of a task whose answers can be ranked.
pub(super) fn candidates_ui(ui: &mut Ui, form: &mut RunForm, task: Task, preview: Option<&DataPreview>) {
    if !task.writes() && !matches!(task, Task::MaskedFill | Task::MultipleChoice) {
        return;
    }
    let source = form.data_config().candidate_source();
    ui.columns(3, |sides| {
        if task != Task::MultipleChoice {
            source_ui(&mut sides[0], form);
        }
        if source == CandidateSource::None {
            return;
        }
        let scores = [
            (CandidateScore::Sum, t!("candidates.sum").to_owned()),
            (CandidateScore::Token, t!("candidates.by_token").to_owned()),
            (CandidateScore::Byte, t!("candidates.by_byte").to_owned()),
        ];
        field::field_ui(&mut sides[1], t!("candidates.score"), &help_of("data.candidate_score"), None, |ui| {
            field::choice_ui(ui, "candidate_score", &mut form.config.data.candidate_score, &scores)
        });
        let losses = [
            (CandidateLoss::Right, t!("candidates.right").to_owned()),
            (CandidateLoss::Among, t!("candidates.among").to_owned()),
        ];
        field::field_ui(&mut sides[2], t!("candidates.loss"), &help_of("training.candidate_loss"), None, |ui| {
            field::choice_ui(ui, "candidate_loss", &mut form.config.training.candidate_loss, &losses)
        });
    });
    if source == CandidateSource::Classes {
        words_ui(ui, form, preview.map_or(&[], |preview| &preview.classes));
    }
}

fn source_ui(ui: &mut Ui, form: &mut RunForm) {
    let sources = [
        (CandidateSource::None, t!("candidates.none").to_owned()),
        (CandidateSource::Classes, t!("candidates.classes").to_owned()),
        (CandidateSource::Choices, t!("candidates.choices").to_owned()),
        (CandidateSource::Answers, t!("candidates.answers").to_owned()),
        (CandidateSource::Vocabulary, t!("candidates.vocabulary").to_owned()),
    ];
    let mut source = form.config.data.candidate_source();
    field::field_ui(ui, t!("candidates.source"), &help_of("data.candidates"), None, |ui| {
        field::choice_ui(ui, "candidates", &mut source, &sources)
    });
    if source != form.config.data.candidate_source() {
        let data = &mut form.config.data;
        data.candidates = source;
        if source != CandidateSource::Classes {
            data.verbalizer.clear();
        }
        if source != CandidateSource::Answers {
            data.candidates_file = None;
        }
    }
}

/// The word of each class. A class that nobody gave another word is written as its name.
fn words_ui(ui: &mut Ui, form: &mut RunForm, classes: &[String]) {
    if classes.is_empty() || classes.len() > WORDS_SHOWN {
        return;
    }
    let verbalizer = &form.config.data.verbalizer;
    let mut words: Vec<String> = classes.iter().map(|class| verbalizer.get(class).unwrap_or(class).clone()).collect();
    let mut changed = false;
    field::field_ui(ui, t!("candidates.words"), &help_of("data.verbalizer"), None, |ui| {
        ui.horizontal_wrapped(|ui| {
            for (class, word) in classes.iter().zip(&mut words) {
                ui.label(class);
                changed |= field::line_ui(ui, word, class, 90.0).changed();
                ui.add_space(8.0);
            }
        });
    });
    if changed {
        let is_named = classes.iter().zip(&words).all(|(class, word)| class == word);
        let data = &mut form.config.data;
        data.verbalizer.clear();
        data.candidates = CandidateSource::Classes;
        if !is_named {
            data.verbalizer.extend(classes.iter().cloned().zip(words));
        }
    }
}
