//! The settings that have a control of their own in the form, and which of the others a run can have.

use engine::config::schema::{Kind, SETTINGS, Setting, at};
use serde_json::Value;

/// Settings with a control of their own, in the order of the schema. Every other one is reachable among the further settings.
pub const CONTROLS: &[&str] = &[
    "name",
    "model",
    "device",
    "precision",
    "seed",
    "task",
    "head",
    "data.train",
    "data.validation",
    "data.validation_share",
    "data.validation_rows",
    "data.split_seed",
    "data.train_rows",
    "data.references",
    "data.learned_turns",
    "data.source_column",
    "data.second_column",
    "data.target_column",
    "data.prompt_template",
    "data.target_template",
    "data.append_end_token",
    "data.chat",
    "data.max_tokens",
    "data.truncate",
    "data.candidates",
    "data.verbalizer",
    "data.candidate_score",
    "training.steps",
    "training.epochs",
    "training.batch_size",
    "training.group_by_length",
    "training.packing",
    "training.gradient_accumulation",
    "training.gradient_checkpointing",
    "training.base_dropout",
    "training.learning_rate",
    "training.warmup_steps",
    "training.warmup_ratio",
    "training.max_grad_norm",
    "training.loss",
    "training.candidate_loss",
    "training.distillation",
    "training.distillation.document",
    "training.distillation.top_k",
    "training.eval_every",
    "training.sample_rows",
    "training.sample_tokens",
    "training.patience",
    "training.best_metric",
    "training.schedule.type",
    "training.schedule.power",
    "training.schedule.end_rate",
    "training.schedule.timescale",
    "training.schedule.cycles",
    "training.optimizer.type",
    "training.optimizer.beta1",
    "training.optimizer.beta2",
    "training.optimizer.epsilon",
    "training.optimizer.decay_rate",
    "training.optimizer.epsilon_scale",
    "training.optimizer.clip_threshold",
    "training.optimizer.scale_parameter",
    "training.optimizer.momentum",
    "training.optimizer.nesterov",
    "training.optimizer.weight_decay",
    "method.type",
    "method.n_virtual",
    "method.n_frozen",
    "method.dropout",
    "method.layers",
    "method.infix",
    "method.sites",
    "method.rank",
    "method.alpha",
    "method.targets",
    "method.rank_stabilized",
    "method.bias",
    "method.top_layers",
    "method.reparameterization",
    "method.reparameterization.width",
    "method.reparameterization.activation",
    "method.reparameterization.hidden_layers",
    "method.encoder",
    "method.encoder.type",
    "method.encoder.width",
    "method.encoder.layers",
    "method.init.type",
    "method.init.text",
    "method.init.bound",
    "method.init.first",
    "method.init.shots",
    "method.leave_one_out",
    "method.slot_dropout",
    "method.init.path",
    "method.instruction",
    "method.shots",
    "lora",
    "lora.rank",
    "lora.alpha",
    "lora.dropout",
    "lora.targets",
    "lora.rank_stabilized",
    "lora.bias",
    "lora.learning_rate",
    "weights",
    "weights.top_layers",
    "weights.learning_rate",
];

/// Whether the form has a control for a setting of such a run.
pub fn has_control(key: &str, tree: &Value) -> bool {
    // The initial values of a prefix and of a soft prompt have controls, those of matrices alone have none.
    let is_of_matrices = key.starts_with("method.init.") && at(tree, "method.type").is_some_and(|kind| kind == "lora");
    // It stands where slots are read from rows, and any prefix can have it.
    let is_read = at(tree, "method.init.type").is_some_and(|kind| kind == "demonstrations");
    CONTROLS.contains(&key) && !is_of_matrices && (key != "method.slot_dropout" || is_read)
}

/// The settings without a control that a run of this tree can have.
pub fn without_control(tree: &Value) -> impl Iterator<Item = &'static Setting> {
    let method = at(tree, "method.type").and_then(Value::as_str).unwrap_or_default();
    SETTINGS.iter().filter(move |setting| {
        let is_of_method = setting.methods.is_empty() || setting.methods.contains(&method);
        let is_a_value = setting.kind != Kind::Table || setting.optional;
        is_of_method && is_a_value && is_there(setting.table(), tree) && !has_control(setting.key, tree)
    })
}

/// Whether a run has a table, if only at its defaults.
fn is_there(table: &str, tree: &Value) -> bool {
    match at(tree, table) {
        _ if table.is_empty() => true,
        Some(value) => value.is_object(),
        None => Setting::find(table).is_some_and(|setting| !setting.optional && is_there(setting.table(), tree)),
    }
}
