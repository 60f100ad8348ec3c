//! Which of transformers' tokenizer classes a folder was written for: it decides what the older files leave unsaid.

use super::special::Settings;
use crate::error::{EngineError, Result};
use crate::sentence;

/// A class of tokenizers whose older files are read here. Classes that differ in nothing but their name are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Albert,
    Bert,
    Camembert,
    ChatGlm,
    Gpt2,
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
const BY_NAME: [(&str, Class); 23] = [
    ("AlbertTokenizer", Class::Albert),
    ("BartTokenizer", Class::Roberta),
    ("BertTokenizer", Class::Bert),
    ("CamembertTokenizer", Class::Camembert),
    ("ChatGLMTokenizer", Class::ChatGlm),
    ("CodeGenTokenizer", Class::Gpt2),
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
/// The class by `model_type`, where no file names one.
const BY_MODEL: [(&str, Class); 23] = [
    ("albert", Class::Albert),
    ("bart", Class::Roberta),
    ("bert", Class::Bert),
    ("camembert", Class::Camembert),
    ("chatglm", Class::ChatGlm),
    ("distilbert", Class::Bert),
    ("electra", Class::Bert),
    ("gpt2", Class::Gpt2),
    ("gpt_neo", Class::Gpt2),
    ("gpt_neox", Class::Gpt2),
    ("gptj", Class::Gpt2),
    ("llama", Class::Llama),
    ("longformer", Class::Roberta),
    ("mbart", Class::Mbart),
    ("mobilebert", Class::Bert),
    ("mt5", Class::T5),
    ("opt", Class::Gpt2),
    ("pegasus", Class::Pegasus),
    ("qwen2", Class::Qwen2),
    ("qwen3", Class::Qwen2),
    ("roberta", Class::Roberta),
    ("t5", Class::T5),
    ("xlm-roberta", Class::XlmRoberta),
];
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
        Ok(BY_MODEL.iter().find(|(known, _)| Some(*known) == model_type).map(|(_, class)| *class))
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
            Self::Gpt2 => &[("bos", "<|endoftext|>"), ("eos", "<|endoftext|>"), ("unk", "<|endoftext|>")],
            Self::Qwen2 => &[("eos", "<|endoftext|>"), ("unk", "<|endoftext|>"), ("pad", "<|endoftext|>")],
            Self::ChatGlm => &[("eos", "</s>"), ("unk", "<unk>"), ("pad", "<unk>")],
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
