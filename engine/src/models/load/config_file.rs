//! `config.json` as every architecture reads it: options under any of their names, transformers' defaults for what is
//! left out, and the rest named.
//!
//! huggingface/transformers: src/transformers/configuration_utils.py (`attribute_map`) and each configuration's class.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::de::value::Error as Stop;
use serde::de::{DeserializeOwned, Deserializer, Error, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

use crate::error::{EngineError, Result, json_reason};
use crate::file_kind::refuse_other;
use crate::files::{self, Kind};
use crate::models::load::{gguf, place};
use crate::weights::gguf::GgufFile;
use crate::{Sentence, sentence};

/// Values that transformers takes for absent options, by `model_type`; written by tests/golden/defaults.py.
const DEFAULTS: &str = include_str!("defaults.json");

/// Options that change no number that is computed here: of training, of generation (the user's choice), of heads that have
/// readers of their own (as what packed the weights has), and what says how the file was made.
const HARMLESS: &str = " _attn_implementation _attn_implementation_internal _commit_hash _name_or_path _num_labels activation_dropout \
    add_cross_attention architectures attention_dropout attention_layers attention_probs_dropout_prob \
    attention_softmax_in_fp32 attn_pdrop auto_map bad_words_ids begin_suppress_tokens bias_dropout_fusion \
    bos_token_id cache_implementation chunk_size_feed_forward classif_dropout classifier_activation classifier_dropout \
    classifier_dropout_prob cls_token_id compression_config decoder_layerdrop decoder_start_token_id dense_act_fn directionality \
    diversity_penalty do_sample down_scale_factor dropout dropout_rate dtype early_stopping embd_pdrop embed_dropout \
    encoder_layerdrop encoder_no_repeat_ngram_size eos_token_id exponential_decay_length_penalty finetuning_task \
    force_bos_token_to_be_generated forced_bos_token_id forced_eos_token_id gap_size gradient_checkpointing \
    hidden_dropout hidden_dropout_prob id2label init_std initializer_factor initializer_range is_decoder \
    is_encoder_decoder is_gated_act keys_to_ignore_at_inference label2id layerdrop legacy length_penalty loss_function \
    mask_token_id masked_softmax_fusion max_length max_sequence_length max_time min_length model_type n_ctx \
    n_positions net_structure_type no_repeat_ngram_size num_beam_groups num_beams num_hidden_layers num_labels \
    num_memory_blocks num_return_sequences offset_alibi output_attentions output_hidden_states output_past \
    output_scores pad_token_id pooler_dropout pooler_fc_size pooler_num_attention_heads pooler_num_fc_layers pooler_size_per_head \
    pooler_type prefix pretraining_tp problem_type qa_dropout quantization_config remove_invalid_values reorder_and_upcast_attn \
    repetition_penalty resid_dropout resid_pdrop return_dict return_dict_in_generate sep_token_id \
    seq_classif_dropout sinusoidal_pos_embds skew_logits slow_but_exact summary_activation summary_first_dropout \
    summary_last_dropout summary_proj_to_labels summary_type summary_use_proj suppress_tokens task_specific_params \
    temperature tokenizer_class top_k top_p torch_dtype torchscript transformers_version typical_p unk_token_id \
    use_bfloat16 use_cache use_mrope vocab_size ";

/// Every option of a model's configuration, by name.
///
/// # Errors
/// As [`ConfigFile::of_model`].
pub(crate) fn model_options(model: &Path) -> Result<BTreeMap<String, Value>> {
    let file = ConfigFile::of_model(&place::resolved(model))?;
    let options = file.options().as_object();
    Ok(options.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// A configuration and which of its options were looked at.
pub(crate) struct ConfigFile {
    options: Value,
    path: PathBuf,
    consumed: RefCell<BTreeSet<String>>,
}

impl ConfigFile {
    /// Reads `config.json` of a model folder.
    ///
    /// # Errors
    /// The file cannot be read, or is no JSON object.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let text = files::read_to_string(path, Kind::Settings)?;
        refuse_other(sentence!("config.json"), path, text.as_bytes())?;
        let file = Self::new(Value::Null, path);
        match serde_json::from_str(&text) {
            Ok(options @ Value::Object(_)) => Ok(Self { options, ..file }),
            Ok(_) => Err(file.malformed(sentence!("it is no object"))),
            Err(error) => Err(file.malformed(json_reason(&error))),
        }
    }

    /// Reads what stands for it of a model: `config.json` in its folder, the metadata of its file in GGUF.
    ///
    /// # Errors
    /// As [`ConfigFile::open`]; or a file in GGUF says less than a model needs.
    pub(crate) fn of_model(place: &Path) -> Result<Self> {
        match place.is_file() {
            true => gguf::translate(&GgufFile::open(place)?).map(|(options, _)| Self::new(options, place)),
            false => Self::open(&place.join("config.json")),
        }
    }

    /// Of options that were read already.
    pub(crate) fn new(options: Value, path: &Path) -> Self {
        Self { options, path: path.to_owned(), consumed: RefCell::default() }
    }

    /// The refusal of what the file says.
    pub(crate) fn malformed(&self, reason: Sentence) -> EngineError {
        EngineError::Malformed { what: sentence!("config.json"), path: self.path.clone(), reason }
    }

    /// All options as they are.
    pub(crate) fn options(&self) -> &Value {
        &self.options
    }

    /// The name of the architecture's family.
    ///
    /// # Errors
    /// The file has none.
    pub(crate) fn model_type(&self) -> Result<&str> {
        let named = self.options.get("model_type").and_then(Value::as_str);
        named.ok_or_else(|| self.malformed(sentence!("it has no model_type")))
    }

    /// The options of an architecture. `names` lists other names of an option, each before the option's own.
    ///
    /// # Errors
    /// An option has another type, or two values under its names.
    pub(crate) fn read<T: DeserializeOwned>(&self, names: &[(&str, &str)]) -> Result<T> {
        let mut options = self.under_own_names(&self.options, names)?;
        let defaults: Value = serde_json::from_str(DEFAULTS).map_err(|error| self.malformed(json_reason(&error)))?;
        let model_type = self.options.get("model_type").and_then(Value::as_str).unwrap_or_default();
        for (name, value) in self.under_own_names(&defaults[model_type], names)? {
            options.entry(name).or_insert(value);
        }
        self.consume(field_names::<T>().iter().copied());
        self.consume(names.iter().filter(|(_, own)| field_names::<T>().contains(own)).map(|(other, _)| *other));
        self.parse(Value::Object(options))
    }

    /// The options of an architecture whose files speak in other words, `translated`; `read` are the words.
    ///
    /// # Errors
    /// An option has another type.
    pub(crate) fn read_translated<T: DeserializeOwned>(&self, translated: Value, read: &[&str]) -> Result<T> {
        self.consume(read.iter().copied());
        self.parse(translated)
    }

    /// Every option that says something and is not looked at, as the file writes it.
    pub(crate) fn unread(&self) -> Vec<String> {
        let consumed = self.consumed.borrow();
        let says_nothing = |value: &Value| match value {
            Value::Null => true,
            Value::Array(values) => values.is_empty(),
            Value::Object(values) => values.is_empty(),
            Value::String(text) => text.is_empty(),
            Value::Bool(_) | Value::Number(_) => false,
        };
        let options = self.options.as_object().into_iter().flatten();
        let unread = options.filter(|(name, value)| {
            !says_nothing(value) && !consumed.contains(*name) && !HARMLESS.contains(&format!(" {name} "))
        });
        unread.map(|(name, value)| format!("{name} = {}", shortened(&value.to_string()))).collect()
    }

    /// Refuses sizes that no model has: 0, and what no memory holds.
    ///
    /// # Errors
    /// The first of them, by its name.
    pub(crate) fn check_sizes(&self, sizes: &[(&str, usize)]) -> Result<()> {
        for &(option, size) in sizes {
            let largest = if option.ends_with("layers") || option == "n_layer" { 4096 } else { 1 << 28 };
            if size == 0 {
                return Err(self.malformed(sentence!("{option} is 0", option)));
            }
            if size > largest {
                return Err(self.malformed(sentence!("{option} = {size} is beyond any model", option, size)));
            }
        }
        Ok(())
    }

    fn consume<'a>(&self, names: impl Iterator<Item = &'a str>) {
        self.consumed.borrow_mut().extend(names.map(str::to_owned));
    }

    fn parse<T: DeserializeOwned>(&self, options: Value) -> Result<T> {
        serde_json::from_value(options).map_err(|error| self.malformed(json_reason(&error)))
    }

    fn under_own_names(&self, options: &Value, names: &[(&str, &str)]) -> Result<Map<String, Value>> {
        let mut options = options.as_object().cloned().unwrap_or_default();
        for (other, own) in names {
            let Some(value) = options.remove(*other).filter(|value| !value.is_null()) else { continue };
            let known = options.get(*own).filter(|known| !known.is_null());
            if let Some(known) = known.filter(|known| **known != value && known.as_f64() != value.as_f64()) {
                return Err(self.malformed(sentence!(
                    "{own} is {known}, and under its other name {other} {value}",
                    own,
                    known,
                    other,
                    value
                )));
            }
            options.insert((*own).to_owned(), value);
        }
        Ok(options)
    }
}

/// A value cut to a length that fits into a sentence.
fn shortened(value: &str) -> String {
    const LONGEST: usize = 60;
    if value.chars().count() <= LONGEST {
        value.to_owned()
    } else {
        value.chars().take(LONGEST).chain(['…']).collect()
    }
}

/// The names of the fields that a struct is read from: asked of its own reader, which never gets to see a value.
fn field_names<T: DeserializeOwned>() -> &'static [&'static str] {
    struct Asked(Option<&'static [&'static str]>);

    impl<'de> Deserializer<'de> for &mut Asked {
        type Error = Stop;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
            Err(Stop::custom("only the names are asked for"))
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            visitor: V,
        ) -> Result<V::Value, Stop> {
            self.0 = Some(fields);
            self.deserialize_any(visitor)
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    let mut asked = Asked(None);
    let nothing = T::deserialize(&mut asked);
    debug_assert!(nothing.is_err(), "a struct was read of nothing");
    asked.0.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Options {
        hidden_size: usize,
        num_layers: usize,
        window_size: usize,
    }

    const NAMES: [(&str, &str); 1] = [("num_hidden_layers", "num_layers")];

    fn file(options: Value) -> ConfigFile {
        ConfigFile::new(options, Path::new("config.json"))
    }

    #[test]
    fn an_option_has_any_of_its_names_and_one_value() {
        let both = file(json!({"model_type": "gpt_neo", "num_layers": 3, "num_hidden_layers": 3, "hidden_size": 8}));
        let read: Options = both.read(&NAMES).unwrap();
        assert_eq!((read.num_layers, read.hidden_size), (3, 8));
        assert_eq!(read.window_size, 256, "transformers' default");
        assert_eq!(both.unread(), [""; 0]);
        let other = file(json!({"model_type": "gpt_neo", "num_hidden_layers": 5}));
        assert_eq!(other.read::<Options>(&NAMES).unwrap().num_layers, 5, "a default does not hide the other name");
        let two = file(json!({"num_layers": 3, "num_hidden_layers": 4, "hidden_size": 8, "window_size": 1}));
        let error = two.read::<Options>(&NAMES).unwrap_err().to_string();
        assert!(error.contains("num_layers is 3") && error.contains("num_hidden_layers 4"), "{error}");
    }

    #[test]
    fn what_is_not_looked_at_is_named_and_what_says_nothing_is_not() {
        let options = json!({
            "model_type": "gpt_neo", "hidden_size": 8, "logit_softcap": 30.0, "use_alibi": false, "pruned_heads": {},
            "use_cache": true, "torch_dtype": "float16", "adapters": null
        });
        let file = file(options);
        file.read::<Options>(&NAMES).unwrap();
        assert_eq!(file.unread(), ["logit_softcap = 30.0", "use_alibi = false"]);
    }
}
