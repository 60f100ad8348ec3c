//! The tokenizer in the metadata of a GGUF file is the model's own, token for token.

use std::path::{Path, PathBuf};

use engine::data::{Message, Tokenizer};
use engine::weights::gguf::{Metadata, Value as Field};
use proptest::prelude::*;
use serde_json::Value;

/// Made by `tests/golden/gguf_tokenizers.py`.
fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/gguf_tokenizers")
}

fn metadata(name: &str) -> (Metadata, PathBuf) {
    let path = golden().join(name).join("tokenizer.gguf");
    (read_metadata(&std::fs::read(&path).unwrap()), path)
}

/// The metadata of a file that the script wrote: no tensors, and of the types those that a tokenizer has.
fn read_metadata(bytes: &[u8]) -> Metadata {
    let mut rest = bytes;
    let mut take = |n: usize| rest.split_off(..n).unwrap();
    assert_eq!((take(4), take(4)), (&b"GGUF"[..], &3_u32.to_le_bytes()[..]));
    assert_eq!(number(take(8)), 0, "tensors");
    let count = number(take(8));
    let mut metadata = Metadata::new();
    for _ in 0..count {
        let n = number(take(8));
        let key = String::from_utf8(take(n).to_vec()).unwrap();
        let value = match number(take(4)) {
            4 => Field::Unsigned(number(take(4)) as u64),
            6 => Field::Float(f32::from_le_bytes(take(4).try_into().unwrap()).into()),
            7 => Field::Bool(take(1)[0] != 0),
            8 => {
                let n = number(take(8));
                Field::Text(String::from_utf8(take(n).to_vec()).unwrap())
            }
            9 => {
                let (kind, n) = (number(take(4)), number(take(8)));
                match kind {
                    0 => Field::Unsigneds(take(n).iter().map(|byte| u64::from(*byte)).collect()),
                    5 => {
                        Field::Signeds((0..n).map(|_| i32::from_le_bytes(take(4).try_into().unwrap()).into()).collect())
                    }
                    6 => Field::Floats((0..n).map(|_| f32::from_le_bytes(take(4).try_into().unwrap())).collect()),
                    8 => {
                        let mut text = || {
                            let n = number(take(8));
                            String::from_utf8(take(n).to_vec()).unwrap()
                        };
                        Field::Texts((0..n).map(|_| text()).collect())
                    }
                    other => panic!("{key} is a list of type {other}"),
                }
            }
            other => panic!("{key} is of type {other}"),
        };
        metadata.insert(key, value);
    }
    assert!(rest.iter().all(|byte| *byte == 0));
    metadata
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |number, byte| (number << 8) | usize::from(*byte))
}

fn open(name: &str) -> Tokenizer {
    let (metadata, path) = metadata(name);
    Tokenizer::from_gguf(&metadata, &path).unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| u32::try_from(id.as_u64().unwrap()).unwrap()).collect()
}

#[test]
fn a_gguf_file_has_the_tokenizer_of_its_model() {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(golden()).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 27);
    let mut differences = Vec::new();
    for folder in folders {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let expected: Value = serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
        let tokenizer = open(&name);
        for case in expected["texts"].as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            let mut same = |what: &str, ours: Vec<u32>, theirs: &Value| {
                if ours != ids(theirs) {
                    differences.push(format!("{name} {what} of {text:?}: {ours:?} is not {theirs}"));
                }
            };
            same("tokens", tokenizer.encode(text).unwrap(), &case["ids"]);
            same("around", tokenizer.encode_with_special(text).unwrap().ids, &case["around"]);
            let decoded = tokenizer.decode(&ids(&case["around"])).unwrap();
            if decoded != case["decoded"].as_str().unwrap() {
                differences.push(format!("{name} text of {text:?}: {decoded:?} is not {}", case["decoded"]));
            }
        }
        for (role, id) in expected["roles"].as_object().unwrap() {
            let found = match role.as_str() {
                "eos" => Some(tokenizer.eos()),
                "pad" => tokenizer.own_pad(),
                "unk" => tokenizer.unk(),
                "cls" => tokenizer.cls(),
                "sep" => tokenizer.sep(),
                "mask" => tokenizer.mask(),
                other => panic!("{other}"),
            };
            assert_eq!(Value::from(found), *id, "{name} {role}");
        }
        assert_eq!(expected["size"], tokenizer.vocab_size(), "{name}");
        assert_eq!(expected.get("chat").is_some(), tokenizer.chat_template().is_some(), "{name}");
        let is_guessed = tokenizer.notes().iter().any(|note| note.to_string().contains("tokenizer.ggml.pre"));
        assert_eq!(expected.get("guessed").is_some(), is_guessed, "{name}");
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn of_several_chat_templates_the_default_is_taken() {
    let chat = open("default").chat_template().unwrap().render(&[Message::user("hi")], false).unwrap();
    assert_eq!(chat, "<|im_start|>user\nhi<|im_end|>\n");
}

#[test]
fn a_file_gives_the_same_tokenizer_whenever_it_is_read() {
    for name in ["smollm", "llama", "t5"] {
        assert_eq!(open(name).digest().unwrap(), open(name).digest().unwrap());
    }
    assert_ne!(open("smollm").digest().unwrap(), open("gpt-2").digest().unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_change_of_the_metadata_makes_the_reader_panic(
        which in 0..5_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), "\\PC{0,3}", -3..9_i64), 1..6),
        text in ".{0,12}",
    ) {
        let (mut metadata, path) = metadata(["smollm", "llama", "t5", "bert", "gemma"][which]);
        let keys: Vec<String> = metadata.keys().filter(|key| key.starts_with("tokenizer.")).cloned().collect();
        for (key, at, word, number) in changes {
            match metadata.get_mut(key.get(&keys)).unwrap() {
                Field::Texts(all) => *at.get_mut(all) = word,
                Field::Signeds(all) => *at.get_mut(all) = number,
                Field::Unsigneds(all) => *at.get_mut(all) = number.unsigned_abs(),
                Field::Floats(all) => *at.get_mut(all) = f32::from_bits(number as u32),
                Field::Text(old) => *old = word,
                Field::Bool(flag) => *flag = !*flag,
                Field::Unsigned(id) => *id = number.unsigned_abs(),
                other => *other = Field::Signed(number),
            }
        }
        match Tokenizer::from_gguf(&metadata, &path) {
            Ok(tokenizer) => if let Ok(encoded) = tokenizer.encode_with_special(&text) {
                prop_assert_eq!(encoded.ids.len(), encoded.words.len());
            },
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
