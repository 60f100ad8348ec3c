//! Older tokenizer files give what transformers makes of them, token for token, and no file can do more than be refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine::config::{BeginToken, DataConfig, Task, TaskRecord};
use engine::data::{Dataset, Message, Prompts, Tokenizer, chat_prompt, plain_prompt};
use engine::tokens::TargetStart;
use proptest::prelude::*;
use serde_json::Value;
use tempfile::TempDir;

/// Made by `tests/golden/tokenizer_files.py`.
fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/tokenizers")
}

fn open(name: &str) -> Tokenizer {
    Tokenizer::from_folder(&golden().join(name)).unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| u32::try_from(id.as_u64().unwrap()).unwrap()).collect()
}

/// A copy of a golden folder with other files in it.
fn copy_with(name: &str, files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(golden().join(name)).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

#[test]
fn older_files_give_the_tokens_of_transformers() {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(golden()).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 20);
    let mut differences = Vec::new();
    for folder in folders {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let expected: Value = serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
        let tokenizer = Tokenizer::from_folder(&folder).unwrap();
        let mut before = "the prefix";
        for case in expected["texts"].as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            let mut same = |what: &str, ours: Vec<u32>, theirs: &Value| {
                if ours != ids(theirs) {
                    differences.push(format!("{name} {what} of {text:?}: {ours:?} is not {theirs}"));
                }
            };
            same("tokens", tokenizer.encode(text).unwrap(), &case["ids"]);
            same("around", tokenizer.encode_with_special(text).unwrap().ids, &case["around"]);
            if let Some(target) = case.get("target") {
                same("target", tokenizer.encode_target(text).unwrap(), target);
            }
            let pair = tokenizer.encode_pair(before, text).unwrap();
            same("pair", pair.ids, &case["pair"]);
            same("types", pair.type_ids, &case["pair_types"]);
            let decoded = tokenizer.decode(&ids(&case["around"])).unwrap();
            if decoded != case["decoded"].as_str().unwrap() {
                differences.push(format!("{name} text of {text:?}: {decoded:?} is not {}", case["decoded"]));
            }
            if let Some(words) = case.get("words") {
                let cut: Vec<&str> = text.split_whitespace().collect();
                let encoded = tokenizer.encode_words(&cut).unwrap();
                let of_words: Vec<Value> = encoded.words.iter().map(|word| Value::from(*word)).collect();
                if encoded.ids != ids(words) || Value::from(of_words) != case["word_ids"] {
                    differences.push(format!("{name} words of {text:?}: {:?} is not {words}", encoded.ids));
                }
            }
            before = text;
        }
        let roles = &expected["roles"];
        let found = [
            ("cls", tokenizer.cls()),
            ("sep", tokenizer.sep()),
            ("mask", tokenizer.mask()),
            ("unk", tokenizer.unk()),
            ("pad", tokenizer.own_pad()),
        ];
        for (role, id) in found {
            if Value::from(id) != roles[role] {
                differences.push(format!("{name} {role}: {id:?} is not {}", roles[role]));
            }
        }
        assert_eq!(expected["size"], tokenizer.vocab_size(), "{name}");
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn words_of_a_byte_level_vocabulary_get_their_space() {
    let tokenizer = open("roberta");
    let encoded = tokenizer.encode_words(&["the", "prefix"]).unwrap();
    let (begin, end) = (tokenizer.cls().unwrap(), tokenizer.sep().unwrap());
    assert_eq!(encoded.ids, [&[begin][..], &tokenizer.encode(" the prefix").unwrap(), &[end]].concat());
    assert_eq!(encoded.words.first(), Some(&None));
    assert_eq!(encoded.words.iter().flatten().max(), Some(&1));
}

#[test]
fn the_begin_token_stands_before_a_prompt_once_where_the_tokenizer_puts_it() {
    for (name, begins) in [("llama", true), ("opt", true), ("gpt2", false), ("t5", false)] {
        let tokenizer = open(name);
        assert_eq!(tokenizer.begins_texts(), begins.then(|| tokenizer.bos()).as_slice(), "{name}");
    }
    let (llama, gpt2) = (open("llama"), open("gpt2"));
    let prompt = |config: &DataConfig, tokenizer: &Tokenizer| {
        Prompts::new(config, Task::Causal, tokenizer)
            .unwrap()
            .for_source("the prefix", &BTreeMap::new(), tokenizer)
            .unwrap()
    };
    let plain = DataConfig::new("x");
    let text = llama.encode("the prefix").unwrap();
    assert_eq!(prompt(&plain, &llama), [&[llama.bos()][..], &text].concat());
    assert_eq!(plain_prompt("<s>the prefix", &llama).unwrap().iter().filter(|&&id| id == llama.bos()).count(), 1);
    // A run from before this could be said: the template alone.
    let old = DataConfig { begin_token: BeginToken::Template, ..plain.clone() };
    assert_eq!(prompt(&old, &llama), [&text[..], &[llama.bos()]].concat());
    let stored: DataConfig = serde_json::from_value(serde_json::json!({"train": "x"})).unwrap();
    assert_eq!(stored.begin_token, BeginToken::Template);
    // GPT-2 as in the paper, either way.
    let paper = [&gpt2.encode("the prefix").unwrap()[..], &[gpt2.bos()]].concat();
    assert_eq!((prompt(&plain, &gpt2), prompt(&old, &gpt2)), (paper.clone(), paper));
}

const CHAT: &str = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n{% endfor %}\
    {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

#[test]
fn rows_become_turns_of_the_models_chat_template() {
    let folder = copy_with("qwen2", &[("chat_template.jinja", CHAT.as_bytes())]);
    let rows = folder.path().join("rows.jsonl");
    std::fs::write(&rows, r#"{"source": "the prefix", "target": "a layer"}"#).unwrap();
    let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
    let written = tokenizer.chat_template().unwrap().render(&[Message::user("the prefix")], true).unwrap();
    assert_eq!(written, "<|im_start|>user\nthe prefix<|im_end|>\n<|im_start|>assistant\n");
    let config = DataConfig { chat: true, validation_share: 0.0, ..DataConfig::new(&rows) };
    let example = Dataset::load(&config, &TaskRecord::default(), TargetStart::default(), &tokenizer, 200, 1)
        .unwrap()
        .train
        .get(0)
        .unwrap();
    assert_eq!(example.prompt, written);
    assert_eq!(example.reference, "a layer");
    let (prompt, target) = example.tokens.split_at(example.n_prompt);
    assert_eq!(prompt, tokenizer.encode(&written).unwrap());
    assert_eq!(target, tokenizer.encode("a layer<|im_end|>").unwrap());
    let error = Dataset::load(&config, &TaskRecord::default(), TargetStart::default(), &open("gpt2"), 200, 1)
        .unwrap_err()
        .to_string();
    assert!(error.contains("no chat template"), "{error}");
}

#[test]
fn typed_turns_are_the_prompt_that_training_makes_of_them() {
    let folder = copy_with("qwen2", &[("chat_template.jinja", CHAT.as_bytes())]);
    let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
    let prompts = DataConfig { chat: true, ..DataConfig::new("x") };
    let prompts = Prompts::new(&prompts, Task::Causal, &tokenizer).unwrap();
    let one = chat_prompt(&[Message::user("the prefix")], &tokenizer).unwrap();
    assert_eq!(one, prompts.for_source("the prefix", &BTreeMap::new(), &tokenizer).unwrap());
    let turns = [Message::user("the prefix"), Message::assistant("a layer"), Message::user("the")];
    let written = "<|im_start|>user\nthe prefix<|im_end|>\n<|im_start|>assistant\na layer<|im_end|>\n\
                   <|im_start|>user\nthe<|im_end|>\n<|im_start|>assistant\n";
    assert_eq!(chat_prompt(&turns, &tokenizer).unwrap(), tokenizer.encode(written).unwrap());
    let refused = |turns: &[Message], tokenizer: &Tokenizer| chat_prompt(turns, tokenizer).unwrap_err().to_string();
    assert!(refused(&turns[..2], &tokenizer).contains("answer"));
    assert!(refused(&[], &tokenizer).contains("answer"));
    assert!(refused(&turns, &open("gpt2")).contains("no chat template"));
}

#[test]
fn what_stands_in_is_said() {
    let notes = open("gpt2").notes().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(notes.contains("no padding token") && notes.contains("<|endoftext|>"), "{notes}");
    assert!(open("roberta").notes().is_empty());
}

#[test]
fn what_would_be_guessed_is_refused_by_name() {
    let sentence = |folder: &TempDir| Tokenizer::from_folder(folder.path()).unwrap_err().to_string();
    let class = br#"{"tokenizer_class": "BertJapaneseTokenizer"}"#;
    let error = sentence(&copy_with("bert", &[("tokenizer_config.json", class)]));
    assert!(error.contains("BertJapaneseTokenizer") && error.contains("tokenizer.json"), "{error}");
    // A vocabulary of another class.
    let error = sentence(&copy_with("bert", &[("tokenizer_config.json", br#"{"tokenizer_class": "T5Tokenizer"}"#)]));
    assert!(error.contains("vocab.txt"), "{error}");
    // tiktoken's text in a file of SentencePiece's name.
    let error = sentence(&copy_with("llama", &[("tokenizer.model", b"IQ== 0\nIg== 1\n")]));
    assert!(error.contains("SentencePiece"), "{error}");
    let added = br#"{"<new>": 900}"#;
    let error = sentence(&copy_with("llama", &[("added_tokens.json", added)]));
    assert!(error.contains("<new>") && error.contains("900"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_change_of_a_vocabulary_makes_the_reader_panic(
        which in 0..4_usize,
        changes in prop::collection::vec((0.0..1.0_f64, any::<u8>()), 1..8),
        text in ".{0,12}",
    ) {
        let (name, file) = [("t5", "spiece.model"), ("llama", "tokenizer.model"), ("bert", "vocab.txt"), ("gpt2", "vocab.json")][which];
        let mut bytes = std::fs::read(golden().join(name).join(file)).unwrap();
        for (at, byte) in changes {
            let at = (at * (bytes.len() - 1) as f64) as usize;
            bytes[at] = byte;
        }
        let folder = copy_with(name, &[(file, &bytes)]);
        match Tokenizer::from_folder(folder.path()) {
            Ok(tokenizer) => if let Ok(encoded) = tokenizer.encode_with_special(&text) {
                prop_assert_eq!(encoded.ids.len(), encoded.words.len());
            },
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn no_chat_template_panics_or_hangs(pieces in prop::collection::vec(prop::sample::select(vec![
        "{{", "}}", "{%", "%}", "{%-", "-%}", " messages ", "for m in messages", "endfor", "if m", "endif", "'", "\"", "|trim", ".strip()", "set x = x + x",
        "set x", "endset", "macro m(x, y=1)", "endmacro", "m(x)", "~", "+", "(", ")", "[", "]", "{", "namespace(x=1)", "range(9)", "do ", "\n", "你", "=", ",",
        "generation", "endgeneration", "break", "loop.index0", "raise_exception('a')", "|tojson",
    ]), 0..16)) {
        let folder = copy_with("gpt2", &[("chat_template.jinja", pieces.concat().as_bytes())]);
        let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
        let rendered = tokenizer.chat_template().unwrap().render(&[Message::user("a"), Message::assistant("b")], true);
        prop_assert!(rendered.map_or(true, |text| text.len() <= 4 << 20));
    }
}
