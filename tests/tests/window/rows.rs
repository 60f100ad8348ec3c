//! The form's words about the rows: what is odd about them, and what their colors mean.

use std::path::Path;

use egui_kittest::kittest::Queryable as _;
use engine::config::{LoraConfig, MethodConfig, RunConfig};
use engine::data::DataPreview;

use crate::fixtures::{config, model_summary, preview_rows};
use crate::models::{described, filled, previewed, started};
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
fn only_a_method_with_virtual_tokens_has_them_in_the_legend() {
    let virtual_tokens = "virtual tokens before the text";
    let bench = with_rows(config(), preview_rows());
    bench.harness.get_by_label(virtual_tokens);
    let lora = RunConfig { method: MethodConfig::Lora(LoraConfig::default()), ..config() };
    let bench = with_rows(lora, preview_rows());
    assert!(bench.harness.query_by_label(virtual_tokens).is_none());
    bench.harness.get_by_label("prompt, no loss");
}
