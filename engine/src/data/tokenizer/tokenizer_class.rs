//! The class of transformers' tokenizers that a folder was written for: it decides what the older files leave unsaid.

use super::special::Settings;
use crate::error::{EngineError, Result};
use crate::models;
use crate::sentence;

/// A class of tokenizers whose older files are read here. Classes that differ in nothing but their name are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Albert,
    Bert,
    Camembert,
    ChatGlm,
    DebertaV2,
    Gpt2,
    /// The first ChatGLM, which has its name in common with the later ones and is told by its file.
    IceText,
    Llama,
    Mbart,
    Mbart50,
    Pegasus,
    Qwen2,
    Roberta,
    T5,
    XlmRoberta,
}

/// The class by the name in `tokenizer_config.json`, without the `Fast` some end in.
const BY_NAME: [(&str, Class); 24] = [
    ("AlbertTokenizer", Class::Albert),
    ("BartTokenizer", Class::Roberta),
    ("BertTokenizer", Class::Bert),
    ("CamembertTokenizer", Class::Camembert),
    ("ChatGLMTokenizer", Class::ChatGlm),
    ("CodeGenTokenizer", Class::Gpt2),
    ("DebertaV2Tokenizer", Class::DebertaV2),
    ("DistilBertTokenizer", Class::Bert),
    ("ElectraTokenizer", Class::Bert),
    ("GPT2Tokenizer", Class::Gpt2),
    ("GPTNeoXTokenizer", Class::Gpt2),
    ("LLaMATokenizer", Class::Llama),
    ("LEDTokenizer", Class::Roberta),
    ("LlamaTokenizer", Class::Llama),
    ("LongformerTokenizer", Class::Roberta),
    ("MBart50Tokenizer", Class::Mbart50),
    ("MBartTokenizer", Class::Mbart),
    ("MT5Tokenizer", Class::T5),
    ("MobileBertTokenizer", Class::Bert),
    ("PegasusTokenizer", Class::Pegasus),
    ("Qwen2Tokenizer", Class::Qwen2),
    ("RobertaTokenizer", Class::Roberta),
    ("T5Tokenizer", Class::T5),
    ("XLMRobertaTokenizer", Class::XlmRoberta),
];
/// The class by a `model_type` that is not computed here, where no file names one.
const BY_MODEL: [(&str, Class); 2] = [("longformer", Class::Roberta), ("mobilebert", Class::Bert)];
/// Names that say nothing about the files.
const ANY: [&str; 2] = ["PreTrainedTokenizerFast", "TokenizersBackend"];

impl Class {
    /// The class of a folder without `tokenizer.json`; `None` when nothing names one.
    ///
    /// # Errors
    /// [`EngineError::Tokenizer`] for a class that is not known here: what it does with a text could only be guessed.
    pub(super) fn of(settings: &Settings) -> Result<Option<Self>> {
        let (name, model_type) = settings.class_names();
        if let Some(name) = name.filter(|name| !ANY.contains(name)) {
            let bare = name.strip_suffix("Fast").unwrap_or(name);
            let Some((_, class)) = BY_NAME.iter().find(|(known, _)| *known == bare) else {
                return Err(EngineError::Tokenizer(sentence!("{name} can only be read from a tokenizer.json", name)));
            };
            return Ok(Some(*class));
        }
        let Some(model_type) = model_type else { return Ok(None) };
        let (table, wanted): (&[_], _) = match models::tokenizer_of(model_type) {
            Some(name) => (&BY_NAME, name),
            None => (&BY_MODEL, model_type),
        };
        Ok(table.iter().find(|(known, _)| *known == wanted).map(|(_, class)| *class))
    }

    /// Special tokens that have their role without a file that says so.
    pub(super) fn defaults(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Albert => &[
                ("bos", "[CLS]"),
                ("eos", "[SEP]"),
                ("unk", "<unk>"),
                ("sep", "[SEP]"),
                ("pad", "<pad>"),
                ("cls", "[CLS]"),
                ("mask", "[MASK]"),
            ],
            Self::Bert => &[("unk", "[UNK]"), ("sep", "[SEP]"), ("pad", "[PAD]"), ("cls", "[CLS]"), ("mask", "[MASK]")],
            Self::DebertaV2 => &[
                ("bos", "[CLS]"),
                ("eos", "[SEP]"),
                ("unk", "[UNK]"),
                ("sep", "[SEP]"),
                ("pad", "[PAD]"),
                ("cls", "[CLS]"),
                ("mask", "[MASK]"),
            ],
            Self::Gpt2 => &[("bos", "<|endoftext|>"), ("eos", "<|endoftext|>"), ("unk", "<|endoftext|>")],
            Self::Qwen2 => &[("eos", "<|endoftext|>"), ("unk", "<|endoftext|>"), ("pad", "<|endoftext|>")],
            Self::ChatGlm => &[("eos", "</s>"), ("unk", "<unk>"), ("pad", "<unk>")],
            Self::IceText => {
                &[("bos", "<sop>"), ("eos", "<eop>"), ("unk", "<unk>"), ("pad", "<pad>"), ("mask", "[MASK]")]
            }
            Self::Llama => &[("bos", "<s>"), ("eos", "</s>"), ("unk", "<unk>")],
            Self::T5 => &[("eos", "</s>"), ("unk", "<unk>"), ("pad", "<pad>")],
            Self::Pegasus => &[("eos", "</s>"), ("unk", "<unk>"), ("pad", "<pad>"), ("mask", "<mask_2>")],
            Self::Mbart50 => &[
                ("eos", "</s>"),
                ("unk", "<unk>"),
                ("sep", "</s>"),
                ("pad", "<pad>"),
                ("cls", "<s>"),
                ("mask", "<mask>"),
            ],
            Self::Camembert | Self::Mbart | Self::Roberta | Self::XlmRoberta => &[
                ("bos", "<s>"),
                ("eos", "</s>"),
                ("unk", "<unk>"),
                ("sep", "</s>"),
                ("pad", "<pad>"),
                ("cls", "<s>"),
                ("mask", "<mask>"),
            ],
        }
    }

    /// Whether `add_bos_token` and `add_eos_token` decide what stands around a text; the other classes have their own
    /// tokens there whatever the switches say.
    pub(super) fn heeds_switches(self) -> bool {
        matches!(self, Self::Gpt2 | Self::Llama | Self::Qwen2)
    }
}
