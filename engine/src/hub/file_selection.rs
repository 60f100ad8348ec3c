//! Choice of the files of a repository to fetch: those the workbench reads, and of the weights one format only.

use std::collections::BTreeSet;

use super::HubError;
use crate::{Sentence, sentence};

/// Read where they are there. `config.json` has to be.
const FACTS: [&str; 7] = [
    "config.json",
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
];

/// Files that a tokenizer is built from where there is no `tokenizer.json`.
const VOCABULARIES: [&str; 6] =
    ["vocab.json", "merges.txt", "vocab.txt", "spiece.model", "tokenizer.model", "sentencepiece.bpe.model"];

/// The weights in the order of preference: one file, or an index and the beginning and end of its shards' names.
const WEIGHTS: [(&str, &str, [&str; 2]); 2] = [
    ("model.safetensors", "model.safetensors.index.json", ["model-", ".safetensors"]),
    ("pytorch_model.bin", "pytorch_model.bin.index.json", ["pytorch_model-", ".bin"]),
];

/// The chosen ones among the names that a repository lists, small ones first.
///
/// # Errors
/// A name that would be written outside of the model's folder, or no model.
pub(super) fn choose<'a>(model: &str, listed: &[&'a str]) -> Result<Vec<&'a str>, HubError> {
    if let Some(name) = listed.iter().find(|name| leads_elsewhere(name)) {
        return Err(HubError::UnsafeName { name: (*name).to_owned() });
    }
    let missing = |missing: Sentence| HubError::NotAModel { name: model.to_owned(), missing };
    let find = |wanted: &str| listed.iter().copied().find(|name| *name == wanted);
    find("config.json").ok_or_else(|| missing(sentence!("config.json")))?;
    let mut chosen: Vec<&str> = FACTS.iter().filter_map(|name| find(name)).collect();
    match find("tokenizer.json") {
        Some(whole) => chosen.push(whole),
        None => chosen.extend(VOCABULARIES.iter().filter_map(|name| find(name))),
    }
    for (single, index, shard) in WEIGHTS {
        if let Some(single) = find(single) {
            chosen.push(single);
            return Ok(chosen);
        }
        if let Some(index) = find(index) {
            chosen.push(index);
            chosen.extend(shards(listed, shard).map_err(|name| missing(Sentence::verbatim(name)))?);
            return Ok(chosen);
        }
    }
    Err(missing(sentence!("model.safetensors and no pytorch_model.bin")))
}

/// All of `model-00001-of-00002.safetensors` and its like, or the name of the first that is not there.
fn shards<'a>(listed: &[&'a str], [start, end]: [&str; 2]) -> Result<Vec<&'a str>, String> {
    let number = |name: &str| {
        let (part, of) = name.strip_prefix(start)?.strip_suffix(end)?.split_once("-of-")?;
        let digits = |text: &str| text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit());
        (digits(part) && digits(of)).then(|| Some((part.parse::<usize>().ok()?, of.parse::<usize>().ok()?)))?
    };
    let total = listed.iter().filter_map(|name| number(name)).map(|(_, of)| of).max().unwrap_or(1);
    let listed: BTreeSet<&str> = listed.iter().copied().collect();
    (1..=total)
        .map(|part| {
            let name = format!("{start}{part:05}-of-{total:05}{end}");
            listed.get(name.as_str()).copied().ok_or(name)
        })
        .collect()
}

/// Whether a name is no plain path below the model's folder.
fn leads_elsewhere(name: &str) -> bool {
    let odd = |c: char| c.is_control() || c == '\\' || c == ':';
    name.is_empty() || name.chars().any(odd) || name.split('/').any(|part| matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_format_and_nothing_else_is_fetched() {
        let listed = [
            ".gitattributes",
            "README.md",
            "config.json",
            "flax_model.msgpack",
            "merges.txt",
            "model.safetensors",
            "onnx/model.onnx",
            "pytorch_model.bin",
            "tf_model.h5",
            "tokenizer.json",
            "vocab.json",
        ];
        assert_eq!(choose("gpt2", &listed).unwrap(), ["config.json", "tokenizer.json", "model.safetensors"]);
        let old = ["config.json", "merges.txt", "pytorch_model.bin", "vocab.json"];
        assert_eq!(choose("old", &old).unwrap(), ["config.json", "vocab.json", "merges.txt", "pytorch_model.bin"]);
    }

    #[test]
    fn shards_come_with_their_index_and_all_of_them() {
        let shard = |i: usize| format!("model-{i:05}-of-00003.safetensors");
        let (a, b, c) = (shard(1), shard(2), shard(3));
        let index = "model.safetensors.index.json";
        let whole = ["config.json", index, &c, &a, &b, "pytorch_model-00001-of-00002.bin"];
        assert_eq!(choose("m", &whole).unwrap(), ["config.json", index, &a, &b, &c]);
        let error = choose("m", &["config.json", index, &a, &c]).unwrap_err();
        assert!(matches!(&error, HubError::NotAModel { missing, .. } if *missing == b.as_str()), "{error}");
    }

    #[test]
    fn what_is_no_model_is_named() {
        for (listed, said) in [
            (vec!["model.gguf"], "config.json"),
            (vec!["config.json", "tf_model.h5", "onnx/model.onnx"], "model.safetensors"),
        ] {
            let error = choose("m", &listed).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_name_that_leads_out_of_the_folder_is_refused() {
        for name in ["../evil", "a/../../evil", "/etc/passwd", "C:evil", "a\\b", "a//b", "..", "a\nb"] {
            let error = choose("m", &["config.json", "model.safetensors", name]).unwrap_err();
            assert!(matches!(error, HubError::UnsafeName { .. }), "{name:?}: {error}");
        }
    }
}
