//! How a text is cut before byte-level merges: by `tokenizer.ggml.pre`, the name that llama.cpp's converter gives to what
//! stands in the model's `tokenizer.json`. Facts as in ggml-org/llama.cpp: src/llama-vocab.cpp, conversion/base.py; the
//! cuts and the normal form are those of the models themselves.

use serde_json::{Value, json};

use super::super::vocab_files::QWEN2_PIECES;
use crate::error::{EngineError, Result};
use crate::sentence;

/// A step of cutting.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cut {
    /// Every match is a piece, and so is what lies between two.
    At(&'static str),
    /// Every digit is a piece.
    Digits,
    /// Every run of digits is a piece.
    Numbers,
    /// Every run of punctuation is a piece.
    Punctuation,
    /// GPT-2's words; from there on a text is written in the alphabet of bytes.
    Words,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PreTokenizer {
    pub(super) names: &'static [&'static str],
    cuts: &'static [Cut],
    /// Accents are put on their letters first (Unicode's form C).
    composes: bool,
    /// A piece that is a token is this token, whatever the merges make of it.
    pub(super) ignores_merges: bool,
    /// The begin token stands before a text, unless the file says otherwise.
    pub(super) begins: bool,
}

use Cut::{At, Digits, Numbers, Punctuation, Words};

const PLAIN: PreTokenizer =
    PreTokenizer { names: &[], cuts: &[Words], composes: false, ignores_merges: false, begins: false };
/// The words of `Words`, for cuts that come after them.
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
/// Letters with the mark before them, up to three digits, other marks with the line breaks behind them.
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN35: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const GPT4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const BLOOM: &str = " ?[^(\\s|.,!?…。，、।۔،)]+";
const SEED: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+";
const BAILING: &str =
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+";
const MINICPM5: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const JAIS2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}";
const EXAONE_MOE: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+";
/// Letters of the scripts that have capitals, by their code points: some are written as other letters by whoever composes.
const CASED: &str = r"\s?[A-Za-z\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF}\x{1C4}-\x{293}\x{295}-\x{2AF}\x{370}-\x{373}\x{376}\x{377}\x{37B}-\x{37D}\x{37F}\x{386}\x{388}-\x{38A}\x{38C}\x{38E}-\x{3A1}\x{3A3}-\x{3F5}\x{3F7}-\x{481}\x{48A}-\x{52F}\x{531}-\x{556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5}\x{13F8}-\x{13FD}\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF}\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}\x{1D79}-\x{1D9A}\x{1E00}-\x{1F15}\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D}\x{1F50}-\x{1F57}\x{1F59}\x{1F5B}\x{1F5D}\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE}\x{1FC2}-\x{1FC4}\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC}\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}\x{2102}\x{2107}\x{210A}-\x{2113}\x{2115}\x{2119}-\x{211D}\x{2124}\x{2126}\x{2128}\x{212A}-\x{212D}\x{212F}-\x{2134}\x{2139}\x{213C}-\x{213F}\x{2145}-\x{2149}\x{214E}\x{2183}\x{2184}\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4}\x{2CEB}-\x{2CEE}\x{2CF2}\x{2CF3}\x{A640}-\x{A66D}\x{A680}-\x{A69B}\x{A722}-\x{A76F}\x{A771}-\x{A787}\x{A78B}-\x{A78E}\x{AB70}-\x{ABBF}\x{FB00}-\x{FB06}\x{FB13}-\x{FB17}\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{10400}-\x{1044F}\x{104B0}-\x{104D3}\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}\x{118A0}-\x{118DF}\x{1E900}-\x{1E943}]+";
/// Chinese, Korean, and much that lies between them.
const EAST: &str = "[一-龥ࠀ-一가-퟿]+";
const DEEPSEEK3: &str = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##;

/// All that are known. Where llama.cpp writes a pattern in other words, because its own patterns know fewer, the model's
/// stands here.
const KNOWN: [PreTokenizer; 24] = [
    PreTokenizer {
        names: &["gpt-2", "phi-2", "gigachat", "a.x-4.0", "mellum", "exaone4", "jais", "trillion", "granite-docling"],
        ..PLAIN
    },
    // GPT-NeoX's vocabulary, Pythia's among others.
    PreTokenizer { names: &["olmo", "mpt"], composes: true, ..PLAIN },
    PreTokenizer {
        names: &["smollm", "starcoder", "refact", "codeshell", "exaone", "minerva-7b", "mellum2"],
        cuts: &[Digits, Words],
        ..PLAIN
    },
    PreTokenizer { names: &["command-r"], cuts: &[Digits, Words], composes: true, ..PLAIN },
    PreTokenizer { names: &["falcon"], cuts: &[Punctuation, At(GPT2), Numbers, At("[0-9][0-9][0-9]")], ..PLAIN },
    PreTokenizer {
        names: &["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"],
        cuts: &[At(LLAMA3)],
        ignores_merges: true,
        begins: true,
        ..PLAIN
    },
    PreTokenizer { names: &["dbrx", "smaug-bpe"], cuts: &[At(LLAMA3)], ..PLAIN },
    // GLM-4, and nothing else: what stands before its texts goes by these names.
    PreTokenizer { names: &["chatglm-bpe", "glm4"], cuts: &[At(LLAMA3)], ..PLAIN },
    PreTokenizer { names: &["minicpm5"], cuts: &[At(r"\p{N}{1,3}"), At(MINICPM5)], ignores_merges: true, ..PLAIN },
    PreTokenizer {
        names: &["qwen2", "deepseek-r1-qwen", "f2llmv2", "stablelm2"],
        cuts: &[At(QWEN2_PIECES)],
        composes: true,
        ..PLAIN
    },
    PreTokenizer { names: &["kormo", "megrez", "hunyuan", "solar-open", "grok-2"], cuts: &[At(QWEN2_PIECES)], ..PLAIN },
    PreTokenizer { names: &["qwen35"], cuts: &[At(QWEN35)], composes: true, ..PLAIN },
    PreTokenizer { names: &["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"], cuts: &[At(GPT4O)], ..PLAIN },
    PreTokenizer { names: &["tekken"], cuts: &[At(TEKKEN)], ignores_merges: true, begins: true, ..PLAIN },
    PreTokenizer { names: &["bloom", "poro-chat", "gpt3-finnish"], cuts: &[At(BLOOM)], ..PLAIN },
    PreTokenizer { names: &["viking"], cuts: &[At(BLOOM), Digits], ..PLAIN },
    PreTokenizer {
        names: &["deepseek-llm"],
        cuts: &[At(r"[\r\n]"), At(CASED), At(r"\s?[!-/:-~！-／：-～‘-‟　-。]+"), At(r"\s+$"), At(EAST), Digits],
        ..PLAIN
    },
    PreTokenizer {
        names: &["deepseek-coder"],
        cuts: &[At(r"[\r\n]"), At(r"\s?\p{L}+"), At(r"\s?\p{P}+"), At(EAST), Digits],
        ..PLAIN
    },
    PreTokenizer {
        names: &["deepseek-v3", "hunyuan-dense", "joyai-llm"],
        cuts: &[At(r"\p{N}{1,3}"), At("[一-龥぀-ゟ゠-ヿ]+"), At(DEEPSEEK3)],
        ..PLAIN
    },
    PreTokenizer { names: &["seed-coder"], cuts: &[At(SEED)], ..PLAIN },
    PreTokenizer { names: &["bailingmoe", "bailingmoe2", "llada-moe"], cuts: &[At(BAILING)], ..PLAIN },
    PreTokenizer { names: &["tiny_aya"], cuts: &[At(r"\d{1,3}(?=(?:\d{3})*\b)"), At(GPT4O)], ..PLAIN },
    PreTokenizer { names: &["jais-2"], cuts: &[At(JAIS2)], ..PLAIN },
    PreTokenizer { names: &["exaone-moe"], cuts: &[At(EXAONE_MOE)], ..PLAIN },
];

/// Families with one way to cut, for files from before there were names.
const BY_ARCHITECTURE: [(&str, &str); 10] = [
    ("bloom", "bloom"),
    ("chatglm", "chatglm-bpe"),
    ("command-r", "command-r"),
    ("falcon", "falcon"),
    ("gptneox", "olmo"),
    ("mpt", "mpt"),
    ("phi2", "phi-2"),
    ("qwen2", "qwen2"),
    ("starcoder", "starcoder"),
    ("starcoder2", "starcoder"),
];

impl PreTokenizer {
    /// What the file's name stands for. Without one, or with `default`, the family's; where it has none, GPT-2's, as
    /// transformers takes it: the second is whether that was a guess.
    ///
    /// # Errors
    /// [`EngineError::Tokenizer`] for a name that is not known: what it does with a text could only be guessed.
    pub(super) fn of(name: Option<&str>, architecture: &str) -> Result<(Self, bool)> {
        let find = |name: &str| KNOWN.iter().find(|known| known.names.contains(&name)).copied();
        let named = name.filter(|name| !["", "default"].contains(name));
        if let Some(name) = named {
            let found = find(name).ok_or_else(|| {
                EngineError::Tokenizer(sentence!(
                    "how {name:?} (tokenizer.ggml.pre) cuts a text is not known here; known are {known}",
                    name,
                    known = known_names().join(", ")
                ))
            })?;
            return Ok((found, false));
        }
        let of_family =
            BY_ARCHITECTURE.iter().find(|(family, _)| *family == architecture).and_then(|(_, name)| find(name));
        Ok(of_family.map_or((PLAIN, true), |found| (found, false)))
    }

    /// As `tokenizer.json` has it.
    pub(super) fn json(&self) -> Value {
        let step = |cut: &Cut| match cut {
            At(pattern) => {
                json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false})
            }
            Digits => json!({"type": "Digits", "individual_digits": true}),
            Numbers => json!({"type": "Digits", "individual_digits": false}),
            Punctuation => json!({"type": "Punctuation", "behavior": "Contiguous"}),
            Words => byte_level(true),
        };
        let mut steps: Vec<Value> = self.cuts.iter().map(step).collect();
        if !self.cuts.contains(&Words) {
            steps.push(byte_level(false));
        }
        json!({"type": "Sequence", "pretokenizers": steps})
    }

    /// The normalizer of `tokenizer.json`.
    pub(super) fn normalizer(&self) -> Value {
        if self.composes { json!({"type": "NFC"}) } else { Value::Null }
    }
}

/// The name of the way in which a `tokenizer.json` cuts a text, of those that are known.
pub(super) fn name_of(pre_tokenizer: &Value, normalizer: &Value, ignores_merges: bool) -> Option<&'static str> {
    let steps = steps_of(pre_tokenizer);
    let composes = normalizer["type"] == "NFC";
    if !normalizer.is_null() && !composes {
        return None;
    }
    let is_it = |known: &&PreTokenizer| {
        (known.composes, known.ignores_merges) == (composes, ignores_merges) && steps_of(&known.json()) == steps
    };
    KNOWN.iter().find(is_it).and_then(|known| known.names.first().copied())
}

/// The steps one after the other, without what changes no token.
fn steps_of(pre_tokenizer: &Value) -> Vec<Value> {
    if let Some(steps) = pre_tokenizer["pretokenizers"].as_array() {
        return steps.iter().flat_map(steps_of).collect();
    }
    let mut step = pre_tokenizer.clone();
    if let Some(step) = step.as_object_mut() {
        step.remove("trim_offsets");
        // What is not said is no.
        step.retain(|_, value| *value != Value::Bool(false));
    }
    vec![step]
}

/// Every name that is known.
pub(super) fn known_names() -> Vec<&'static str> {
    KNOWN.iter().flat_map(|known| known.names).copied().collect()
}

fn byte_level(uses_words: bool) -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": uses_words})
}
