//! Every setting of a run by its dotted path, as `--set` and run files name it.

use engine::config::RunConfig;
use engine::sentence;
use serde_json::{Map, Value};

use super::error::CliError;

/// What a setting's value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or a word.
    Text,
    /// What stands in a text for the model: taken as it is, white space too.
    Words,
    /// A file or folder: relative paths get a base.
    Path,
    /// A number, a flag or one of some words: read as TOML reads it, else as text.
    Value,
    /// Has settings of its own.
    Table,
}

/// One setting.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) key: &'static str,
    pub(super) kind: Kind,
    /// May be `"none"`: TOML has no word for it.
    pub(super) optional: bool,
    pub(super) help: &'static str,
}

const fn text(key: &'static str, help: &'static str) -> Setting {
    Setting { key, kind: Kind::Text, optional: false, help }
}
const fn words(key: &'static str, help: &'static str) -> Setting {
    Setting { key, kind: Kind::Words, optional: false, help }
}
const fn path(key: &'static str, help: &'static str) -> Setting {
    Setting { key, kind: Kind::Path, optional: false, help }
}
const fn value(key: &'static str, help: &'static str) -> Setting {
    Setting { key, kind: Kind::Value, optional: false, help }
}
const fn table(key: &'static str, help: &'static str) -> Setting {
    Setting { key, kind: Kind::Table, optional: false, help }
}
const fn or_none(setting: Setting) -> Setting {
    Setting { optional: true, ..setting }
}

/// In the order of a run file.
pub(super) const SETTINGS: &[Setting] = &[
    text("name", "What people call the run; empty makes one from what differs"),
    path("model", "Folder of the base model, in Hugging Face's form"),
    text("device", "auto, cpu, wgpu or wgpu:1"),
    text(
        "precision",
        "In what the model's matrices are multiplied: f32, or f16 or bf16 where the device computes in it",
    ),
    value("seed", "Decides initial values, data order, dropout and samples"),
    or_none(value(
        "task",
        "causal, seq2seq, sequence_classification, token_classification or masked_fill; none is what the model does",
    )),
    value("head", "Where a head for classes begins: checkpoint (its own, if it is for the same classes) or new"),
    table("data", "The rows, and how a row becomes tokens"),
    path("data.train", "Training rows: .jsonl, .json, .csv, .tsv, .conll or .txt"),
    or_none(text("data.name", "What the rows are called among several datasets; none is the file's name")),
    value("data.more", "Other datasets that train the same prompt or prefix, as [{ train = \"…\", name = \"…\" }]"),
    value("data.mixing", "How many rows of each in an epoch: size (all that it has) or even"),
    value(
        "data.heads",
        "Which datasets with classes share a head: by_classes (if all have the same), shared or each its own",
    ),
    or_none(text(
        "data.task_column",
        "Column of a row's task, for a prompt of several; none takes each dataset as one",
    )),
    or_none(path("data.validation", "Validation rows; none takes a share of the training rows")),
    value("data.validation_share", "That share, 0 to 0.9"),
    value("data.validation_rows", "Use at most this many validation rows"),
    or_none(text("data.source_column", "Column that the prompt is made of; none takes the first of the usual names")),
    or_none(text("data.second_column", "Column of the second text, where pairs are classified")),
    or_none(text(
        "data.target_column",
        "Column to be learned, or of the class; none takes the first of the usual names",
    )),
    words(
        "data.prompt_template",
        "Text before the target, over source, bos, eos, mask, soft(3) and every column; no loss",
    ),
    words("data.target_template", "Text to be learned, over target, bos, eos and every column"),
    value("data.append_end_token", "Ends every target with the model's end token, which is learned too"),
    text(
        "data.begin_token",
        "tokenizer (before a prompt, if it is before every text) or template (only where that says)",
    ),
    value("data.chat", "Writes rows as turns of the model's chat template"),
    or_none(value("data.max_tokens", "Longest row in tokens; none is what the model has left beside the prefix")),
    table("method", "What is trained"),
    value("method.type", "prefix, prompt, lora, full or text"),
    value("method.n_virtual", "Length of a prefix or a soft prompt (PEFT: num_virtual_tokens)"),
    or_none(text("method.template", "P-tuning's short form of a template: (3, sub, 3, obj)")),
    value("method.n_frozen", "So many slots at the beginning stay as initialised: a cartridge"),
    or_none(table("method.tasks", "One soft prompt for several tasks, and a matrix of low rank for each")),
    value("method.tasks.ranks", "Rank of a task's matrix (PEFT: num_ranks)"),
    table("method.tasks.init", "Initial values of the matrices"),
    value("method.tasks.init.type", "shared, random, average or exact"),
    text("method.tasks.init.task", "For exact: the task of the adapter to start from"),
    value("method.dropout", "Dropout while training: on the prefix's keys and values, on what LoRA's matrices read"),
    or_none(value(
        "method.layers",
        "The layers that get a prefix, counted from 0 as in every file, as [6, 7, 8]; the others do not see it; none is all",
    )),
    value("method.infix", "Puts the slots of a prefix between prompt and target: infix-tuning"),
    or_none(value(
        "method.sites",
        "Where an encoder with a decoder gets a prefix, of [\"encoder\", \"decoder\", \"cross\"]; none is everywhere",
    )),
    value("method.rank", "Of LoRA: rank of the matrices (PEFT: r)"),
    value("method.alpha", "What is added is scaled by alpha / rank (PEFT: lora_alpha)"),
    or_none(value(
        "method.targets",
        "Names or patterns of linear layers, such as [\"c_attn\"], or [\"all-linear\"]; none is PEFT's choice",
    )),
    value("method.rank_stabilised", "Scale by alpha / sqrt(rank) (PEFT: use_rslora)"),
    value("method.bias", "Biases that are trained too: none, all or lora_only"),
    value("method.rank_pattern", "Other ranks by the names of layers, as in {c_attn = 4} (PEFT: rank_pattern)"),
    value("method.alpha_pattern", "Other alphas by the names of layers (PEFT: alpha_pattern)"),
    value("method.modules_to_save", "Modules trained whole beside the matrices, as in [\"embed_tokens\"]"),
    value(
        "method.trained_tokens",
        "Tokens whose rows of a table are trained, as in {\"\" = [7, 40]} (PEFT: trainable_token_indices)",
    ),
    or_none(value(
        "method.top_layers",
        "Of full: blocks that are trained, from the top; none is every weight, 0 the head of the task alone",
    )),
    or_none(table(
        "method.reparameterisation",
        "Train through a small network that is folded away (PEFT: prefix_projection)",
    )),
    value("method.reparameterisation.width", "Width of its hidden layer (PEFT: encoder_hidden_size)"),
    value("method.reparameterisation.activation", "tanh, relu or gelu"),
    value("method.reparameterisation.hidden_layers", "1, or 2 as in Li & Liang's deep network"),
    or_none(table("method.encoder", "Train a soft prompt through a small network: P-tuning")),
    value(
        "method.encoder.type",
        "mlp or lstm (PEFT: encoder_reparameterization_type), or tanh: Li & Liang's embedding-only ablation",
    ),
    or_none(value("method.encoder.width", "Width of its hidden layers; none is that of the embeddings")),
    value("method.encoder.layers", "Layers of the LSTM"),
    table("method.init", "Initial values"),
    value(
        "method.init.type",
        "random, scaled_random, zero, vocabulary, frequent, classes, words or adapter; of a prefix also prefill; of LoRA \
         fresh or adapter",
    ),
    words("method.init.text", "For words and prefill: the text whose keys and values, or embeddings, are taken"),
    path("method.init.path", "For adapter: the adapter, or the folder of its run, that is gone on with"),
    words("method.instruction", "Of text: words before every prompt, without training"),
    value("method.shots", "Training rows that follow the instruction as examples"),
    or_none(table("lora", "LoRA beside a prefix or a soft prompt")),
    value("lora.rank", "Rank of the matrices (PEFT: r)"),
    value("lora.alpha", "What is added is scaled by alpha / rank (PEFT: lora_alpha)"),
    value("lora.dropout", "Dropout on what the matrices read while training"),
    or_none(value("lora.targets", "Names or patterns of linear layers; none is PEFT's choice")),
    value("lora.rank_stabilised", "Scale by alpha / sqrt(rank) (PEFT: use_rslora)"),
    value("lora.bias", "Biases that are trained too: none, all or lora_only"),
    value("lora.rank_pattern", "Other ranks by the names of layers"),
    value("lora.alpha_pattern", "Other alphas by the names of layers"),
    value("lora.modules_to_save", "Modules trained whole beside the matrices"),
    value("lora.trained_tokens", "Tokens whose rows of a table are trained"),
    table("lora.init", "Initial values of the matrices"),
    value("lora.init.type", "fresh or adapter"),
    path("lora.init.path", "For adapter: the folder of the trained adapter that is gone on with"),
    table("training", "How it is trained"),
    value("training.steps", "Optimizer steps; 0 lets epochs decide"),
    value("training.epochs", "Passes over the training rows, when steps is 0"),
    value("training.batch_size", "Rows in one forward pass"),
    value("training.accumulation", "Forward passes in one optimizer step"),
    value(
        "training.gradient_checkpointing",
        "Run blocks again in the backward pass instead of keeping what it needs: less memory, up to half more time",
    ),
    value(
        "training.epoch_end",
        "Last step of an epoch: smaller_step (Trainer), or next_epoch: the missing rows are from there",
    ),
    value("training.learning_rate", "Peak learning rate"),
    value("training.warmup_steps", "Steps in which the learning rate rises from 0"),
    value("training.warmup_share", "The same as a share of all steps; at most one of the two is more than 0"),
    value("training.weight_decay_on", "What weight decay shrinks: matrices (Trainer: no biases, no norms) or all"),
    or_none(value("training.clip_norm", "Largest norm of the whole gradient; none leaves it as it is")),
    value("training.loss", "token_mean (PEFT) or sentence_sum (the paper)"),
    value("training.eval_every", "Evaluate every so many steps; 0 means ten times in a run"),
    value("training.sample_rows", "Rows whose continuation is generated at each evaluation"),
    value("training.sample_tokens", "Longest sample, in tokens"),
    or_none(value(
        "training.patience",
        "Stop after so many evaluations without a better loss; none goes on to the end",
    )),
    value("training.checkpoint_every", "Checkpoint every so many steps; 0 means at each evaluation"),
    table("training.schedule", "How the learning rate moves after the warm-up"),
    value("training.schedule.type", "linear, cosine, constant, polynomial, inverse_sqrt or cosine_with_restarts"),
    value("training.schedule.power", "For polynomial: 1 is straight, 2 a parabola"),
    value("training.schedule.end_rate", "For polynomial: the rate at the last step"),
    or_none(value(
        "training.schedule.timescale",
        "For inverse_sqrt: in steps; none is the warm-up, or 10000 without one",
    )),
    value("training.schedule.cycles", "For cosine_with_restarts: how many times"),
    table("training.optimizer", "What becomes of a gradient"),
    value("training.optimizer.type", "adamw, adam, adafactor or sgd"),
    or_none(value("training.optimizer.beta1", "Decay of the mean of gradients; for adafactor none keeps no mean")),
    value("training.optimizer.beta2", "For adamw and adam: decay of the mean of squares"),
    value("training.optimizer.epsilon", "Added to the root of the mean of squares; for adafactor to the squares"),
    value("training.optimizer.decay_rate", "For adafactor: step t counts t to this power in the mean of squares"),
    value("training.optimizer.epsilon_scale", "For adafactor: the least scale of a parameter"),
    value("training.optimizer.clip_threshold", "For adafactor: the largest root mean square of an update"),
    value("training.optimizer.scale_parameter", "For adafactor: the rate is multiplied by the size of each parameter"),
    value("training.optimizer.momentum", "For sgd: what is kept of the last update's direction"),
    value("training.optimizer.nesterov", "For sgd: looks ahead along the momentum"),
    value("training.optimizer.weight_decay", "Shrinks parameters: adamw, adafactor; or joins the gradient: adam, sgd"),
];

/// Pairs of which one being said leaves the other out, whatever a preset or the starter has.
pub(super) const RIVALS: [(&str, &str); 2] =
    [("training.steps", "training.epochs"), ("training.warmup_steps", "training.warmup_share")];

/// Names of other programs, for the question "did you mean".
const OTHER_NAMES: [(&str, &str); 15] = [
    ("lr", "training.learning_rate"),
    ("prefix_length", "method.n_virtual"),
    ("num_virtual_tokens", "method.n_virtual"),
    ("prefix_projection", "method.reparameterisation.width"),
    ("encoder_hidden_size", "method.reparameterisation.width"),
    ("mid_dim", "method.reparameterisation.width"),
    ("warmup", "training.warmup_steps"),
    ("warmup_ratio", "training.warmup_share"),
    ("lr_scheduler_type", "training.schedule"),
    ("optim", "training.optimizer"),
    ("max_steps", "training.steps"),
    ("batch", "training.batch_size"),
    ("gradient_accumulation_steps", "training.accumulation"),
    ("max_grad_norm", "training.clip_norm"),
    ("max_length", "data.max_tokens"),
];

/// The setting of that name.
pub(super) fn find(key: &str) -> Result<&'static Setting, CliError> {
    SETTINGS.iter().find(|setting| setting.key == key).ok_or_else(|| {
        let advice = match nearest(key) {
            Some(near) => format!("Did you mean {near}?"),
            None => "prefix-workbench train --print-config lists all settings".to_owned(),
        };
        CliError::usage(sentence!("there is no setting {key:?}", key), advice)
    })
}

fn nearest(key: &str) -> Option<&'static str> {
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let name = last(key);
    let exact = SETTINGS.iter().map(|setting| setting.key).find(|known| last(known) == name);
    let other = OTHER_NAMES.iter().find(|(theirs, _)| *theirs == name).map(|(_, ours)| *ours);
    exact.or(other).or_else(|| {
        let score = |known: &str| similarity(&name, &last(known)).max(similarity(key, known));
        let best = SETTINGS.iter().map(|setting| (score(setting.key), setting.key));
        best.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(score, _)| *score >= 0.6).map(|(_, known)| known)
    })
}

fn similarity(a: &str, b: &str) -> f32 {
    similar::TextDiff::from_chars(a, b).ratio()
}

/// `key=value` into a tree of settings.
pub(super) fn assign(tree: &mut Value, assignment: &str) -> Result<(), CliError> {
    let Some((key, text)) = assignment.split_once('=') else {
        return Err(CliError::usage(
            sentence!("{assignment:?} sets nothing", assignment),
            sentence!("Write --set key=value"),
        ));
    };
    let setting = find(key.trim())?;
    // In `key = text` the space before the text belongs to the sign.
    let text = if key.ends_with(' ') { text.strip_prefix(' ').unwrap_or(text) } else { text };
    put(tree, setting.key, read_value(setting.kind, text));
    Ok(())
}

/// As TOML reads it where that makes sense; quotes are not needed.
fn read_value(kind: Kind, text: &str) -> Value {
    let trimmed = text.trim();
    let quoted = trimmed.len() >= 2 && (trimmed.starts_with('"') || trimmed.starts_with('\''));
    let as_is = || Value::String(text.to_owned());
    let text = trimmed;
    let as_toml = || text.parse::<toml::Value>().ok().and_then(|value| serde_json::to_value(value).ok());
    let as_text = || Value::String(text.to_owned());
    match kind {
        Kind::Words if quoted => as_toml().unwrap_or_else(as_is),
        Kind::Words => as_is(),
        Kind::Text | Kind::Path if !quoted => as_text(),
        _ => as_toml().unwrap_or_else(as_text),
    }
}

/// Tables on the way are made; what is no table on the way is replaced, and a name there is the table's type.
pub(super) fn put(tree: &mut Value, key: &str, value: Value) {
    let mut place = tree;
    let mut above = String::new();
    for part in key.split('.') {
        if !place.is_object() {
            let tag = format!("{above}.type");
            let named = place.is_string() && SETTINGS.iter().any(|setting| setting.key == tag);
            let name = place.take();
            *place = Value::Object(Map::new());
            if named {
                place["type"] = name;
            }
        }
        above = if above.is_empty() { part.to_owned() } else { format!("{above}.{part}") };
        place = &mut place[part];
    }
    *place = value;
}

/// What is at a dotted path.
pub(super) fn at<'a>(tree: &'a Value, key: &str) -> Option<&'a Value> {
    key.split('.').try_fold(tree, |place, part| place.get(part))
}

/// Refuses unknown keys, and brings the short forms into the form of [`RunConfig`]: `"none"`, `init = "zero"`, a
/// method without its type.
pub(super) fn normalise(tree: &mut Value) -> Result<(), CliError> {
    check_keys(tree, "")?;
    for setting in SETTINGS.iter().filter(|setting| setting.optional) {
        let says = |word: &str| at(tree, setting.key).and_then(Value::as_str) == Some(word);
        let off = at(tree, setting.key) == Some(&Value::Bool(false));
        if says("none") || (setting.kind == Kind::Table && off) {
            put(tree, setting.key, Value::Null);
        } else if setting.kind == Kind::Table && at(tree, setting.key) == Some(&Value::Bool(true)) {
            put(tree, setting.key, Value::Object(Map::new()));
        }
    }
    for key in ["method", "method.init", "method.tasks.init", "lora.init", "training.schedule", "training.optimizer"] {
        if let Some(Value::String(name)) = at(tree, key) {
            let name = name.clone();
            put(tree, key, Value::Object(Map::from_iter([("type".to_owned(), Value::String(name))])));
        }
    }
    if at(tree, "method").is_some() && at(tree, "method.type").is_none() {
        put(tree, "method.type", "prefix".into());
    }
    if at(tree, "method.init").is_some() && at(tree, "method.init.type").is_none() {
        let kind = if at(tree, "method.init.path").is_some() { "adapter" } else { "words" };
        put(tree, "method.init.type", kind.into());
    }
    if at(tree, "lora.init.path").is_some() && at(tree, "lora.init.type").is_none() {
        put(tree, "lora.init.type", "adapter".into());
    }
    Ok(())
}

fn check_keys(tree: &Value, above: &str) -> Result<(), CliError> {
    let Value::Object(table) = tree else { return Ok(()) };
    table.iter().try_for_each(|(name, value)| {
        let key = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        // A value with names of its own is no table of settings.
        if find(&key)?.kind == Kind::Value { Ok(()) } else { check_keys(value, &key) }
    })
}

/// The tree as a configuration, with the setting's name in the sentence when a value does not fit.
pub(super) fn to_config(tree: &Value) -> Result<RunConfig, CliError> {
    serde_json::from_value(tree.clone()).map_err(|error| {
        let culprit = SETTINGS.iter().filter(|setting| setting.kind != Kind::Table).find_map(|setting| {
            let value = at(tree, setting.key)?;
            let error = alone(tree, setting.key, value).err()?;
            Some(CliError::usage(
                sentence!("{setting} = {value} cannot be: {error}", setting = setting.key, value, error),
                format!("{}: {}", setting.key, setting.help),
            ))
        });
        culprit.unwrap_or_else(|| {
            CliError::usage(
                sentence!("the settings do not fit together: {error}", error),
                sentence!("Correct the settings"),
            )
        })
    })
}

/// One setting, everything else at its default.
fn alone(tree: &Value, key: &str, value: &Value) -> serde_json::Result<RunConfig> {
    let mut only = serde_json::json!({"model": "", "data": {"train": ""}});
    if key.starts_with("method.") && key != "method.type" {
        let method = at(tree, "method.type").cloned().unwrap_or_else(|| "prefix".into());
        put(&mut only, "method.type", method);
    }
    for table in ["method", "method.init", "training.schedule", "training.optimizer"] {
        let tag = format!("{table}.type");
        if key.starts_with(&format!("{table}."))
            && key != tag
            && let Some(tag_value) = at(tree, &tag)
        {
            put(&mut only, &tag, tag_value.clone());
        }
    }
    if key.starts_with("method.init") && at(tree, "method.init.text").is_some() {
        put(&mut only, "method.init.text", "text".into());
    }
    for (table, path) in [("method.init", "method.init.path"), ("lora.init", "lora.init.path")] {
        if key.starts_with(table) && at(tree, path).is_some() {
            put(&mut only, path, "path".into());
        }
    }
    put(&mut only, key, value.clone());
    serde_json::from_value(only)
}

#[cfg(test)]
mod tests {
    use engine::config::{
        FullConfig, LoraConfig, LoraInit, MethodConfig, OptimizerConfig, PrefixInit, PromptConfig, PromptEncoder,
        PromptInit, Schedule, SgdConfig, TextConfig, TrainingConfig,
    };
    use engine::models::Site;
    use serde_json::json;

    use super::*;

    fn set(assignments: &[&str]) -> Result<RunConfig, CliError> {
        let mut tree = json!({"model": "m", "data": {"train": "t.jsonl"}});
        assignments.iter().try_for_each(|assignment| assign(&mut tree, assignment))?;
        normalise(&mut tree)?;
        to_config(&tree)
    }

    fn sentence(assignments: &[&str]) -> String {
        set(assignments).unwrap_err().to_string()
    }

    #[test]
    fn any_setting_can_be_set() {
        let config = set(&[
            "training.steps=300",
            "training.learning_rate = 1e-3",
            "training.clip_norm=none",
            "training.schedule=polynomial",
            "training.schedule.power=2",
            "training.optimizer=sgd",
            "training.optimizer.momentum=0.9",
            "training.warmup_share=0.06",
            "data.prompt_template={{ name }}: ",
            "method.n_virtual=5",
            "method.reparameterisation.width=64",
            "method.sites=[\"encoder\", \"cross\"]",
            "name=20",
            "device=wgpu:1",
        ])
        .unwrap();
        assert_eq!(
            (config.training.steps, config.training.learning_rate, config.training.clip_norm),
            (300, 1e-3, None)
        );
        assert_eq!((config.data.prompt_template.as_str(), config.name.as_str()), ("{{ name }}: ", "20"));
        assert_eq!(config.training.schedule, Schedule::Polynomial { power: 2.0, end_rate: 1e-7 });
        let sgd = SgdConfig { momentum: 0.9, ..SgdConfig::default() };
        assert_eq!(config.training.optimizer, OptimizerConfig::Sgd(sgd));
        assert_eq!(config.training.warmup_share, 0.06);
        let prefix = config.method.prefix().unwrap().clone();
        assert_eq!((prefix.n_virtual, prefix.reparameterisation.unwrap().width), (5, 64));
        assert_eq!(prefix.sites, Some(vec![Site::Encoder, Site::Cross]));
        assert_eq!(config.device.to_string(), "wgpu:1");
    }

    #[test]
    fn white_space_in_a_text_for_the_model_is_kept() {
        let template = |assignment: &str| set(&[assignment]).unwrap().data.prompt_template;
        assert_eq!(template("data.prompt_template=User: {{ source }}\nAssistant: "), "User: {{ source }}\nAssistant: ");
        assert_eq!(template("data.prompt_template = {{ source }} "), "{{ source }} ", "one space belongs to the sign");
        assert_eq!(template("data.prompt_template=\" {{ source }}\\n\""), " {{ source }}\n", "as TOML writes it");
        assert_eq!(template("data.prompt_template= "), " ");
        let config = set(&["method.init.text= a ", "name= b ", "device= cpu "]).unwrap();
        let words = PrefixInit::Words { text: " a ".to_owned() };
        assert_eq!((&config.method.prefix().unwrap().init, config.name.as_str()), (&words, "b"));
    }

    #[test]
    fn short_forms_are_understood() {
        let init = |assignments: &[&str]| set(assignments).unwrap().method.prefix().unwrap().init.clone();
        assert_eq!(init(&["method.init=zero"]), PrefixInit::Zero);
        assert_eq!(init(&["method.init.text=a table to text"]), PrefixInit::Words { text: "a table to text".into() });
        assert_eq!(init(&["method.init.path=runs/a"]), PrefixInit::Adapter { path: "runs/a".into() });
        let config = set(&["method.reparameterisation=true"]).unwrap();
        assert_eq!(config.method.prefix().unwrap().clone().reparameterisation.unwrap().width, 512);
    }

    #[test]
    fn an_unknown_setting_gets_the_nearest_name() {
        assert_eq!(
            sentence(&["training.stepps=3"]),
            "there is no setting \"training.stepps\". Did you mean training.steps?"
        );
        assert!(sentence(&["lr=3"]).ends_with("Did you mean training.learning_rate?"));
        assert!(sentence(&["steps=3"]).ends_with("Did you mean training.steps?"));
        assert!(sentence(&["num_virtual_tokens=3"]).ends_with("Did you mean method.n_virtual?"));
        assert!(sentence(&["qqqq=3"]).contains("--print-config"));
        assert!(sentence(&["training.steps"]).contains("--set key=value"));
    }

    #[test]
    fn a_value_that_does_not_fit_is_named() {
        for (assignment, key) in [
            ("training.steps=many", "training.steps"),
            ("training.steps=-1", "training.steps"),
            ("training.schedule=wild", "training.schedule.type"),
            ("training.optimizer=lion", "training.optimizer.type"),
            ("training.optimizer.momentum=0.9", "training.optimizer.momentum"),
            ("training.optimizer.beta2=fast", "training.optimizer.beta2"),
            ("method.init.type=magic", "method.init.type"),
            ("method.sites=[\"middle\"]", "method.sites"),
            ("method.type=telepathy", "method.type"),
            ("method.reparameterisation.activation=swish", "method.reparameterisation.activation"),
            ("device=tpu", "device"),
            ("data.append_end_token=perhaps", "data.append_end_token"),
        ] {
            let said = sentence(&["training.epochs=2", assignment]);
            assert!(said.starts_with(key), "{said}");
        }
    }

    #[test]
    fn the_list_has_every_setting() {
        let config = set(&[
            "method.reparameterisation.width=1",
            "method.init.text=w",
            "method.sites=[\"encoder\"]",
            "training.patience=1",
            "data.max_tokens=1",
            "data.validation=v",
            "data.source_column=s",
            "data.target_column=t",
            "data.second_column=u",
            "data.name=n",
            "data.more=[{ train = \"m.csv\" }]",
            "data.mixing=even",
            "data.heads=each",
            "data.task_column=k",
            "method.n_frozen=1",
            "method.layers=[0, 1]",
            "method.infix=true",
            "method.reparameterisation.hidden_layers=2",
            "task=causal",
            "head=new",
            "precision=f16",
        ])
        .unwrap();
        let others: [&[&str]; 5] = [
            &[
                "method.type=prompt",
                "method.template=(3, source, 3, target)",
                "method.tasks.init.type=exact",
                "method.tasks.init.task=t",
            ],
            &["method.type=prompt", "method.encoder.width=1", "lora.targets=[\"c_attn\"]"],
            &["method.type=lora", "method.targets=[\"c_attn\"]"],
            &["method.type=full", "method.top_layers=1"],
            &["method.type=text"],
        ];
        let mut trees = vec![serde_json::to_value(&config).unwrap()];
        trees.extend(others.map(|settings| serde_json::to_value(set(settings).unwrap()).unwrap()));
        trees.push(json!({ "method": { "init": PrefixInit::Adapter { path: "runs/a".into() } } }));
        for (optimizer, schedule) in OptimizerConfig::all().iter().cycle().zip(Schedule::all()) {
            let training = TrainingConfig { optimizer: *optimizer, schedule, ..TrainingConfig::default() };
            trees.push(json!({ "training": training }));
        }
        let network = PromptEncoder { width: Some(8), ..PromptEncoder::default() };
        let words = PromptInit::Words { text: "a".to_owned() };
        let lora = LoraConfig {
            targets: Some(vec!["c_attn".to_owned()]),
            rank_pattern: [("c_attn".to_owned(), 4)].into(),
            alpha_pattern: [("c_attn".to_owned(), 8.0)].into(),
            modules_to_save: vec!["ln_f".to_owned()],
            trained_tokens: [(String::new(), vec![7])].into(),
            init: LoraInit::Adapter { path: "a".into() },
            ..LoraConfig::default()
        };
        let methods = [
            MethodConfig::Prompt(PromptConfig { encoder: Some(network), init: words, ..PromptConfig::default() }),
            MethodConfig::Lora(lora.clone()),
            MethodConfig::Full(FullConfig { top_layers: Some(1) }),
            MethodConfig::Text(TextConfig::default()),
        ];
        trees.extend(methods.iter().map(|method| json!({ "method": method, "lora": lora })));
        trees.iter().for_each(|tree| check_keys(tree, "").unwrap());
        for setting in SETTINGS {
            assert!(trees.iter().any(|tree| at(tree, setting.key).is_some()), "{} is no setting", setting.key);
        }
    }
}
