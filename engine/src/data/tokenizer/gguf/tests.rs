//! Metadata as files have it, and as no file may have it.

use std::path::Path;

use super::pre_tokenizer::known_names;
use crate::data::token_text::byte_of;
use crate::data::{Message, Tokenizer};
use crate::error::EngineError;
use crate::weights::gguf::{Metadata, Value};

const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;
const UNUSED: i64 = 5;

fn texts(all: &[&str]) -> Value {
    Value::Texts(all.iter().map(|text| (*text).to_owned()).collect())
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A token for each byte in the order of their letters, then these with their types.
fn byte_level(added: &[(&str, i64)], merges: &[&str]) -> Metadata {
    let alphabet = (0..0x200).filter_map(char::from_u32).filter(|c| byte_of(*c).is_some()).map(String::from);
    let mut tokens: Vec<String> = alphabet.collect();
    let mut types = vec![1; tokens.len()];
    for (token, kind) in added {
        tokens.push((*token).to_owned());
        types.push(*kind);
    }
    Metadata::from([
        ("general.architecture".to_owned(), text("llama")),
        ("tokenizer.ggml.model".to_owned(), text("gpt2")),
        ("tokenizer.ggml.pre".to_owned(), text("gpt-2")),
        ("tokenizer.ggml.tokens".to_owned(), Value::Texts(tokens)),
        ("tokenizer.ggml.token_type".to_owned(), Value::Signeds(types)),
        ("tokenizer.ggml.merges".to_owned(), texts(merges)),
    ])
}

/// `<|endoftext|>` has id 256, `ab` 257.
fn small() -> Metadata {
    byte_level(&[("<|endoftext|>", CONTROL), ("ab", 1)], &["a b"])
}

fn sentence_piece(architecture: &str, tokens: &[(&str, i64, f32)]) -> Metadata {
    let column = |kind: fn(&(&str, i64, f32)) -> i64| Value::Signeds(tokens.iter().map(kind).collect());
    Metadata::from([
        ("general.architecture".to_owned(), text(architecture)),
        ("tokenizer.ggml.model".to_owned(), text("llama")),
        ("tokenizer.ggml.tokens".to_owned(), texts(&tokens.iter().map(|token| token.0).collect::<Vec<_>>())),
        ("tokenizer.ggml.token_type".to_owned(), column(|token| token.1)),
        ("tokenizer.ggml.scores".to_owned(), Value::Floats(tokens.iter().map(|token| token.2).collect())),
    ])
}

fn open(metadata: &Metadata) -> Result<Tokenizer, EngineError> {
    Tokenizer::from_gguf(metadata, Path::new("model.gguf"))
}

fn with(mut metadata: Metadata, key: &str, value: Value) -> Metadata {
    metadata.insert(key.to_owned(), value);
    metadata
}

fn refused(metadata: &Metadata) -> String {
    open(metadata).unwrap_err().to_string()
}

#[test]
fn bytes_merges_and_special_tokens_are_read() {
    let tokenizer = open(&small()).unwrap();
    assert_eq!(tokenizer.encode("ab<|endoftext|>a").unwrap()[..2], [257, 256]);
    assert_eq!((tokenizer.eos(), tokenizer.eos_text(), tokenizer.vocab_size()), (256, "<|endoftext|>", 258));
    let text = "é\n\t 你🙂";
    assert_eq!(tokenizer.decode(&tokenizer.encode(text).unwrap()).unwrap(), text);
}

#[test]
fn every_known_name_cuts_a_text() {
    let of = |name: &str| open(&with(small(), "tokenizer.ggml.pre", text(name))).unwrap();
    let names = known_names();
    assert!(names.len() > 50 && names.contains(&"smollm"), "{names:?}");
    let text = "The prefix's 12345 words,\r\n\n  你好！ und ½ so  ";
    for name in names {
        let tokenizer = of(name);
        let ids = tokenizer.encode(text).unwrap();
        assert_eq!(tokenizer.decode(&ids).unwrap(), text, "{name}");
    }
}

#[test]
fn a_name_that_is_not_known_is_refused_with_those_that_are() {
    let error = refused(&with(small(), "tokenizer.ggml.pre", text("kimi-k2")));
    assert!(error.contains("kimi-k2") && error.contains("llama-bpe") && error.contains("qwen2"), "{error}");
    let error = refused(&with(small(), "tokenizer.ggml.model", text("rwkv")));
    assert!(error.contains("rwkv") && error.contains("gpt2, llama, bert, t5"), "{error}");
}

#[test]
fn without_a_name_the_family_decides_or_a_note_says_what_was_guessed() {
    let nameless = |architecture: &str| {
        let mut metadata = with(small(), "general.architecture", text(architecture));
        metadata.remove("tokenizer.ggml.pre");
        open(&metadata).unwrap()
    };
    let has_note = |tokenizer: &Tokenizer| tokenizer.notes().iter().any(|note| note.to_string().contains("ggml.pre"));
    assert!(has_note(&nameless("llama")) && !has_note(&nameless("bloom")));
    assert!(has_note(&open(&with(small(), "tokenizer.ggml.pre", text("default"))).unwrap()));
    assert!(!has_note(&open(&small()).unwrap()));
}

#[test]
fn lists_that_contradict_each_other_are_refused() {
    for (key, value, said) in [
        ("tokenizer.ggml.tokens", Value::Unsigned(3), "another type"),
        ("tokenizer.ggml.tokens", texts(&["a", "b"]), "2 tokens and 258 values"),
        ("tokenizer.ggml.token_type", Value::Signeds(vec![1; 257]), "258 tokens and 257 values"),
        ("tokenizer.ggml.token_type", Value::Signeds(vec![9; 258]), "token 0 is of type 9"),
        ("tokenizer.ggml.token_type", Value::Floats(vec![1.0; 258]), "another type"),
        ("tokenizer.ggml.scores", Value::Floats(vec![0.0; 3]), "258 tokens and 3 values"),
        ("tokenizer.ggml.scores", Value::Floats(vec![f32::NAN; 258]), "token 0 is no number"),
        ("tokenizer.ggml.eos_token_id", Value::Unsigned(258), "258, and it has 258 tokens"),
        ("tokenizer.ggml.padding_token_id", Value::Signed(-1), "-1, and it has 258 tokens"),
        ("tokenizer.ggml.bos_token_id", Value::Unsigned(u64::MAX), "18446744073709551615"),
        ("tokenizer.ggml.add_bos_token", Value::Unsigned(1), "another type"),
        ("tokenizer.chat_template", Value::Bool(true), "another type"),
        ("tokenizer.ggml.merges", texts(&["ab"]), "merge 1 is not of two tokens"),
        ("tokenizer.ggml.merges", texts(&["a b", "a "]), "merge 2 is not of two tokens"),
        ("tokenizer.ggml.merges", texts(&["a b", "ab 你"]), "makes \"你\""),
        ("tokenizer.ggml.merges", texts(&["b a"]), "makes \"ba\""),
    ] {
        let error = refused(&with(small(), key, value));
        assert!(error.contains(said) && error.contains("model.gguf"), "{key}: {error}");
    }
    let twice = byte_level(&[("<|endoftext|>", CONTROL), ("a", 1)], &[]);
    assert!(refused(&twice).contains("\"a\" is there twice"), "{}", refused(&twice));
    for key in ["tokenizer.ggml.model", "tokenizer.ggml.tokens", "tokenizer.ggml.merges"] {
        let mut metadata = small();
        metadata.remove(key);
        assert!(refused(&metadata).contains(&format!("it has no {key}")));
    }
    let endless = byte_level(&[], &[]);
    assert!(refused(&endless).contains("tokenizer.ggml.eos_token_id"), "{}", refused(&endless));
}

#[test]
fn tokens_that_only_fill_the_embeddings_are_none() {
    let added = [("<|endoftext|>", CONTROL), ("[PAD1]", USER_DEFINED), ("[PAD258]", UNUSED), ("[PAD259]", UNUSED)];
    let tokenizer = open(&byte_level(&added, &[])).unwrap();
    assert_eq!((tokenizer.vocab_size(), tokenizer.token_text(259)), (258, "[259]".to_owned()));
    assert_eq!(tokenizer.encode("[PAD1]").unwrap(), [257], "one that the model has stays");
    assert!(!tokenizer.is_special(257) && tokenizer.is_special(256));
    // The end named by one of them is no end.
    let named = with(byte_level(&added, &[]), "tokenizer.ggml.padding_token_id", Value::Unsigned(259));
    assert_eq!(open(&named).unwrap().own_pad(), None);
}

#[test]
fn the_digest_is_of_the_tokenizer_and_of_nothing_else() {
    let digest = |metadata: &Metadata| open(metadata).unwrap().digest().unwrap();
    let packed = with(small(), "general.file_type", Value::Unsigned(3));
    assert_eq!(digest(&small()), digest(&packed));
    assert_ne!(digest(&small()), digest(&with(small(), "tokenizer.ggml.pre", text("smollm"))));
    let begins = with(small(), "tokenizer.ggml.bos_token_id", Value::Unsigned(257));
    assert_ne!(digest(&small()), digest(&begins));
}

#[test]
fn the_chat_template_is_the_default_or_the_first_by_name() {
    let written = |metadata: &Metadata| {
        let tokenizer = open(metadata).unwrap();
        tokenizer.chat_template().map(|chat| chat.render(&[Message::user("x")], false).unwrap())
    };
    assert_eq!(written(&small()), None);
    let named = with(small(), "tokenizer.chat_template.tool_use", text("tools"));
    let named = with(named, "tokenizer.chat_template.rag", text("rag"));
    assert_eq!(written(&named).as_deref(), Some("rag"));
    let end = with(named, "tokenizer.ggml.eos_token_id", Value::Unsigned(256));
    let default = with(end, "tokenizer.chat_template", text("{{ messages[0].content }}{{ eos_token }}"));
    assert_eq!(written(&default).as_deref(), Some("x<|endoftext|>"));
}

#[test]
fn merges_of_pieces_follow_the_scores() {
    let tokens = [
        ("<unk>", 2, 0.0),
        ("<s>", CONTROL, 0.0),
        ("</s>", CONTROL, 0.0),
        ("▁", 1, -9.0),
        ("a", 1, -9.0),
        ("b", 1, -9.0),
        ("c", 1, -9.0),
        ("ab", 1, -2.0),
        ("bc", 1, -1.0),
    ];
    let tokenizer = open(&sentence_piece("llama", &tokens)).unwrap();
    assert_eq!(tokenizer.encode("abc").unwrap(), [3, 4, 8], "bc is likelier than ab");
    assert_eq!((tokenizer.bos(), tokenizer.eos(), tokenizer.unk()), (1, 2, Some(0)), "llama.cpp's roles");
    assert_eq!(tokenizer.begins_texts(), [1]);
    let gemma = with(sentence_piece("gemma", &tokens), "tokenizer.ggml.add_space_prefix", Value::Bool(false));
    assert_eq!(open(&gemma).unwrap().encode("abc").unwrap(), [7, 6], "Gemma's scores say nothing");
    let long = "x".repeat(2000);
    let error = refused(&sentence_piece("llama", &[("</s>", CONTROL, 0.0), (&long, 1, 0.0)]));
    assert!(error.contains("2000 bytes"), "{error}");
}

#[test]
fn spaces_of_gemma_are_marks_again() {
    let tokens = [
        ("<unk>", 2, 0.0),
        ("<s>", CONTROL, 0.0),
        ("</s>", CONTROL, 0.0),
        ("  ", USER_DEFINED, -1000.0),
        ("▁", 1, -1.0),
        ("a", 1, -1.0),
    ];
    let tokenizer = open(&sentence_piece("gemma2", &tokens)).unwrap();
    assert_eq!(tokenizer.encode("a  a a").unwrap(), [5, 3, 5, 4, 5]);
    assert_eq!(tokenizer.decode(&[5, 3, 5]).unwrap(), "a  a");
}
