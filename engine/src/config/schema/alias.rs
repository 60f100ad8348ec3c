//! Names that transformers and PEFT have for settings, and how their values are read.

use serde_json::{Value, json};

use super::Setting;
use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

/// A name that transformers or PEFT has for a setting.
#[derive(Clone, Copy, Debug)]
pub struct Alias {
    /// `num_virtual_tokens`; alone, or in the table of the setting.
    pub name: &'static str,
    /// From its values to ours.
    pub reading: Reading,
    /// Beside what it means something.
    pub given: Given,
}

/// Conversion of a value under another name into values of settings.
#[derive(Clone, Copy, Debug)]
pub enum Reading {
    /// As it is.
    Same,
    /// `true` or `false`: a table with its defaults, or none.
    Switch,
    /// 0 is none.
    ZeroIsNone,
    /// 0 and less are 0.
    NotBelowZero,
    /// Whole numbers from 1; a share of the run is refused.
    Steps,
    /// Whole numbers; below 1 a share, which is the setting named here.
    StepsOrShare(&'static str),
    /// Words, each with what it says.
    Words(&'static [Word]),
    /// `true` is this word, `false` says nothing.
    IfTrue(&'static str),
    /// `true` is this word; no other value is computed here.
    OnlyTrue(&'static str),
    /// A list of ends of names; a text is a pattern for whole names.
    Modules,
    /// A list of tokens for the model's own table, or a table of such lists.
    Tokens,
}

/// A word of another program, and what it says here.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    /// `constant_with_warmup`.
    pub theirs: &'static str,
    /// Settings, each with its value.
    pub says: &'static [(&'static str, Literal)],
    /// A setting without which it says nothing.
    pub needs: Option<&'static str>,
}

/// A value that a word stands for.
#[derive(Clone, Copy, Debug)]
pub enum Literal {
    /// A word.
    Word(&'static str),
    /// A whole number.
    Count(u64),
    /// `true` or `false`.
    Flag(bool),
    /// A table with its defaults.
    Table,
}

/// Beside what a name means something.
#[derive(Clone, Copy, Debug)]
pub enum Given {
    /// Always.
    Always,
    /// Where the table of its setting is switched on.
    Table,
    /// Where a setting has one of these words.
    Types(&'static str, &'static [&'static str]),
}

impl Literal {
    fn value(self) -> Value {
        match self {
            Self::Word(word) => word.into(),
            Self::Count(count) => count.into(),
            Self::Flag(flag) => flag.into(),
            Self::Table => true.into(),
        }
    }
}

impl Alias {
    /// Values of the setting and of those beside it, and a setting without which they say nothing.
    pub(super) fn read(&self, setting: &'static Setting, value: Value) -> Result<(Said, Option<&'static str>)> {
        let key = setting.key;
        let one = |value: Value| Ok((vec![(key, value)], None));
        let wrong = |reason: Sentence| Err(EngineError::Setting { field: self.name, reason });
        if value.is_null() {
            return Ok((Vec::new(), None));
        }
        if setting.optional && value == "none" {
            return one(value);
        }
        match self.reading {
            Reading::Same => one(value),
            Reading::Switch | Reading::IfTrue(_) if !value.is_boolean() => wrong(none_of(&value, "true, false")),
            Reading::Switch => one(value),
            Reading::IfTrue(word) if value == true => one(word.into()),
            Reading::IfTrue(_) => Ok((Vec::new(), None)),
            Reading::OnlyTrue(word) if value == true => one(word.into()),
            Reading::OnlyTrue(_) => wrong(none_of(&value, "true")),
            Reading::ZeroIsNone if value.as_f64() == Some(0.0) => one("none".into()),
            Reading::ZeroIsNone => one(value),
            Reading::NotBelowZero if value.as_f64().is_some_and(|number| number <= 0.0) => one(0.into()),
            Reading::NotBelowZero => one(value),
            Reading::Steps if value.as_u64().is_some_and(|steps| steps > 0) => one(value),
            Reading::Steps => wrong(sentence!("must be a whole number of steps, which {value} is not", value)),
            Reading::StepsOrShare(share) => match value.as_f64() {
                Some(part) if part > 0.0 && part < 1.0 => Ok((vec![(share, value)], None)),
                Some(whole) if whole.fract() == 0.0 && whole >= 0.0 => one((whole as u64).into()),
                _ => one(value),
            },
            Reading::Words(words) => match words.iter().find(|word| value == word.theirs) {
                Some(word) => {
                    Ok((word.says.iter().map(|(key, literal)| (*key, literal.value())).collect(), word.needs))
                }
                None => {
                    let known: Vec<&str> = words.iter().map(|word| word.theirs).collect();
                    wrong(none_of(&value, &known.join(", ")))
                }
            },
            Reading::Modules => match &value {
                Value::String(text) if text == "all-linear" || is_pattern(text) => one(json!([text])),
                Value::String(_) => {
                    wrong(sentence!("a text is a pattern for whole names; write ends of names as a list"))
                }
                _ => one(value),
            },
            Reading::Tokens if value.is_array() => one(json!({ "": value })),
            Reading::Tokens => one(value),
        }
    }
}

/// Settings with their values.
pub(super) type Said = Vec<(&'static str, Value)>;

fn none_of(value: &Value, words: &str) -> Sentence {
    let value = plain(value);
    sentence!("{value} is none of these: {words}", value, words)
}

/// A value as one would type it.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Whether a text says more than a name does.
fn is_pattern(text: &str) -> bool {
    text.contains(['*', '+', '|', '(', '[', '\\', '^', '$', '?'])
}

/// A name of transformers or PEFT without a setting of its own.
#[derive(Clone, Copy, Debug)]
pub struct Unmatched {
    /// `logging_steps`.
    pub name: &'static str,
    /// Values that ask for what is done anyway, as JSON.
    pub taken: &'static [&'static str],
    /// Why any other is refused.
    pub why: Why,
}

/// Why a name has no setting.
#[derive(Clone, Copy, Debug)]
pub enum Why {
    /// The model says it.
    OfTheModel,
    /// The rows say it.
    OfTheRows,
    /// Every step is kept.
    AlwaysKept,
    /// It is found before a run.
    FoundBefore,
    /// These are meant in its place.
    Instead(&'static [&'static str]),
    /// Nothing here does it.
    NotHere,
}

impl Why {
    /// In words.
    pub fn sentence(self) -> Sentence {
        match self {
            Self::OfTheModel => sentence!("follows from the model; leave it out"),
            Self::OfTheRows => sentence!("follows from the rows; leave it out"),
            Self::AlwaysKept => sentence!("every step is kept; leave it out"),
            Self::FoundBefore => sentence!("is found before a run: train --probe-batch-size says it"),
            Self::Instead(keys) => {
                sentence!("means something else than what is done here; say {keys}", keys = keys.join(", "))
            }
            Self::NotHere => sentence!("is not computed here; leave it out"),
        }
    }
}

impl Unmatched {
    /// Nothing to set, where the value asks for what is done anyway.
    pub(super) fn read(&self, value: &Value) -> Result<()> {
        let is_taken = value.is_null() || self.taken.iter().any(|taken| plain(value) == *taken);
        if is_taken { Ok(()) } else { Err(EngineError::Setting { field: self.name, reason: self.why.sentence() }) }
    }
}

const fn refused(name: &'static str, why: Why) -> Unmatched {
    Unmatched { name, taken: &[], why }
}
const fn only(name: &'static str, taken: &'static [&'static str], why: Why) -> Unmatched {
    Unmatched { name, taken, why }
}

/// Names of transformers and PEFT that are refused, with the values that are not.
pub const UNMATCHED: &[Unmatched] = &[
    refused("per_device_eval_batch_size", Why::Instead(&["training.batch_size"])),
    only("eval_strategy", &["steps"], Why::Instead(&["training.eval_every"])),
    only("save_strategy", &["steps"], Why::Instead(&["training.save_every"])),
    refused("logging_strategy", Why::AlwaysKept),
    refused("logging_steps", Why::AlwaysKept),
    refused("lr_scheduler_kwargs", Why::Instead(&["training.schedule.power", "training.schedule.cycles"])),
    refused("optim_args", Why::Instead(&["training.optimizer"])),
    only("early_stopping_threshold", &["0", "0.0"], Why::NotHere),
    only("greater_is_better", &["true", "false"], Why::NotHere),
    only("load_best_model_at_end", &["true"], Why::NotHere),
    only("label_smoothing_factor", &["0", "0.0"], Why::NotHere),
    only("neftune_noise_alpha", &["0", "0.0"], Why::NotHere),
    only("auto_find_batch_size", &["false"], Why::FoundBefore),
    only("length_column_name", &["length"], Why::OfTheRows),
    only("tf32", &["false"], Why::Instead(&["precision"])),
    only("data_seed", &[], Why::Instead(&["seed"])),
    refused("max_length", Why::Instead(&["data.max_tokens"])),
    refused("max_seq_length", Why::Instead(&["data.max_tokens"])),
    refused("block_size", Why::Instead(&["data.max_tokens"])),
    refused("token_dim", Why::OfTheModel),
    refused("num_layers", Why::OfTheModel),
    refused("num_attention_heads", Why::OfTheModel),
    refused("fan_in_fan_out", Why::OfTheModel),
    refused("num_transformer_submodules", Why::Instead(&["method.sites"])),
    refused("num_tasks", Why::Instead(&["data.task_column"])),
    only("encoder_dropout", &["0", "0.0"], Why::NotHere),
    only("use_dora", &["false"], Why::NotHere),
    only("lora_bias", &["false"], Why::NotHere),
    refused("layers_to_transform", Why::Instead(&["method.targets"])),
    refused("layers_pattern", Why::Instead(&["method.targets"])),
    refused("exclude_modules", Why::Instead(&["method.targets"])),
    refused("target_parameters", Why::Instead(&["method.targets"])),
    refused("output_dir", Why::Instead(&["--workspace"])),
];
