//! The form's words about the rows: what is odd about them, and what their colors mean.

use std::path::Path;

use egui_kittest::kittest::Queryable as _;
use engine::config::{LearnedTurns, LoraConfig, MethodConfig, References, RunConfig, Task};
use engine::data::DataPreview;
use engine::models::ModelSummary;

use crate::fixtures::{config, model_summary, preview_rows};
use crate::models::{described, filled, previewed, started};
use crate::scenes::click;
use crate::world::Bench;

/// The form with rows of which the engine tells this.
fn with_rows(config: RunConfig, preview: DataPreview) -> Bench {
    let folder = "/models/tuned";
    let mut bench = filled(RunConfig { model: folder.into(), ..config }, 1900.0);
    described(&mut bench, Path::new(folder), Some(model_summary()));
    previewed(&mut bench, preview);
    bench.settle();
    bench
}

#[test]
fn what_is_odd_about_the_rows_is_said_under_them() {
    let notices =
        vec![engine::Sentence::verbatim("Columns that are not read: choice2 (learned is label from premise)")];
    let bench = with_rows(config(), DataPreview { notices, ..preview_rows() });
    bench.harness.get_by_label("Columns that are not read: choice2 (learned is label from premise)");
}

#[test]
fn a_run_on_conversations_keeps_that_they_are_turns() {
    let mut bench = with_rows(config(), DataPreview { chat: true, ..preview_rows() });
    assert!(started(&mut bench).data.chat);
    let mut bench = with_rows(config(), preview_rows());
    assert!(!started(&mut bench).data.chat);
}

#[test]
fn several_references_and_conversations_have_a_choice_of_what_is_learned() {
    let names = ["Several references", "Answers that are learned"];
    let bench = with_rows(config(), preview_rows());
    assert!(names.iter().all(|name| bench.harness.query_by_label(name).is_none()), "there are none");
    let preview = DataPreview { has_references: true, chat: true, ..preview_rows() };
    let mut bench = with_rows(config(), preview);
    for (name, choice) in names.iter().zip(["One is drawn for each epoch", "The last"]) {
        click(&mut bench, name);
        click(&mut bench, choice);
    }
    let data = started(&mut bench).data;
    assert_eq!((data.references, data.learned_turns), (References::One, LearnedTurns::Last));
}

#[test]
fn numbers_are_a_task_with_a_column_of_their_own_and_its_figures() {
    let config = RunConfig { task: Some(Task::Regression), ..config() };
    let folder = "/models/tuned";
    let mut bench = filled(RunConfig { model: folder.into(), ..config }, 3700.0);
    let tasks = vec![Task::SequenceClassification, Task::Regression];
    described(&mut bench, Path::new(folder), Some(ModelSummary { tasks, ..model_summary() }));
    previewed(&mut bench, DataPreview { task: Task::Regression, ..preview_rows() });
    bench.settle();
    bench.harness.get_by_label("Column of numbers");
    bench.harness.get_by_label("Second text");
    click(&mut bench, "More settings");
    click(&mut bench, "Best by");
    click(&mut bench, "pearson");
    let sent = started(&mut bench);
    assert_eq!((sent.task, sent.training.best_metric.as_str()), (Some(Task::Regression), "pearson"));
}

#[test]
fn only_a_method_with_virtual_tokens_has_them_in_the_legend() {
    let virtual_tokens = "virtual tokens before the text";
    let bench = with_rows(config(), preview_rows());
    bench.harness.get_by_label(virtual_tokens);
    let lora = RunConfig { method: MethodConfig::Lora(LoraConfig::default()), ..config() };
    let bench = with_rows(lora, preview_rows());
    assert!(bench.harness.query_by_label(virtual_tokens).is_none());
    bench.harness.get_by_label("prompt, no loss");
}
