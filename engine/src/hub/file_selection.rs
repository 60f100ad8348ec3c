//! Choice of the files of a repository to fetch: those the workbench reads, and of the weights one format only.

use std::collections::BTreeSet;

use super::{HubError, RowsOf};
use crate::files::gguf;
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
const VOCABULARIES: [&str; 8] = [
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "spiece.model",
    "tokenizer.model",
    "sentencepiece.bpe.model",
    "ice_text.model",
    "spm.model",
];

/// The weights in the order of preference: one file, or an index and the beginning and end of its shards' names.
const WEIGHTS: [(&str, &str, [&str; 2]); 2] = [
    ("model.safetensors", "model.safetensors.index.json", ["model-", ".safetensors"]),
    ("pytorch_model.bin", "pytorch_model.bin.index.json", ["pytorch_model-", ".bin"]),
];

/// The branch on which the hub keeps each dataset as Parquet: `CONFIG/SPLIT/0000.parquet`.
pub(super) const CONVERTED: &str = "refs/convert/parquet";
/// Begins the name of a split of which the hub converted only the beginning.
const PARTIAL: &str = "partial-";

/// The Parquet files of the rows that are meant, in order.
///
/// # Errors
/// A name that leads elsewhere, no such rows, or several datasets of which none is named.
pub(super) fn choose_rows<'a>(dataset: &str, listed: &[&'a str], rows: &RowsOf) -> Result<Vec<&'a str>, HubError> {
    if let Some(name) = listed.iter().find(|name| leads_elsewhere(name)) {
        return Err(HubError::UnsafeName { name: (*name).to_owned() });
    }
    let none = |reason: Sentence| HubError::NotRows { name: dataset.to_owned(), reason };
    let parquet: Vec<&str> = listed.iter().copied().filter(|name| name.ends_with(".parquet")).collect();
    if parquet.is_empty() {
        return Err(none(sentence!("it has no Parquet files, and the hub keeps none of it")));
    }
    let configs: BTreeSet<&str> = parquet.iter().map(|name| config_of(name)).collect();
    let config = match &rows.config {
        Some(config) => config.as_str(),
        None if configs.len() == 1 => configs.first().copied().unwrap_or_default(),
        None => "default",
    };
    let is_whole = config == "default" && configs.contains("");
    if !is_whole && !configs.contains(config) {
        let named = configs.iter().copied().take(NAMED).collect::<Vec<&str>>().join(", ");
        return Err(none(sentence!(
            "it has no configuration {config:?}, but {n}: {named}",
            config,
            n = configs.len(),
            named
        )));
    }
    let of_config = |name: &&&str| config_of(name) == config || (config == "default" && config_of(name).is_empty());
    let mut chosen: Vec<&str> = parquet.iter().filter(of_config).copied().collect();
    if let Some(split) = &rows.split {
        chosen.retain(|name| split_words(name).any(|word| word == split));
        if chosen.is_empty() {
            return Err(none(sentence!("it has no split {split:?}", split)));
        }
    }
    if chosen.iter().any(|name| name.split('/').any(|part| part.starts_with(PARTIAL))) {
        return Err(none(sentence!("the hub converted only the beginning of it")));
    }
    chosen.sort_unstable();
    Ok(chosen)
}

/// Configurations that an error names.
const NAMED: usize = 20;
/// Folders that are no configuration.
const NO_CONFIGS: [&str; 5] = ["data", "train", "validation", "test", "parquet"];

/// The first folder of a file, unless it is one for data or for a split.
fn config_of(name: &str) -> &str {
    let first = name.split_once('/').map_or("", |(first, _)| first);
    if NO_CONFIGS.contains(&first) { "" } else { first }
}

/// The folders of a file, and its name up to its numbers.
fn split_words(name: &str) -> impl Iterator<Item = &str> {
    name.split('/').flat_map(|part| [Some(part), part.split(['-', '.']).next()]).flatten()
}

/// The folder that all files are in.
pub(super) fn common_folder(names: &[&str]) -> String {
    let folders =
        |name: &str| name.rsplit_once('/').map_or(Vec::new(), |(path, _)| path.split('/').map(str::to_owned).collect());
    let mut common: Vec<String> = names.first().map(|name| folders(name)).unwrap_or_default();
    for name in names {
        let other = folders(name);
        let alike = common.iter().zip(&other).take_while(|(a, b)| a == b).count();
        common.truncate(alike);
    }
    common.join("/")
}

/// The chosen ones among the names that a repository lists, small ones first. Of a model in GGUF it is that file alone,
/// which is all of it: the one that is named, or the only one where there are no other weights.
///
/// # Errors
/// A name that would be written outside of the model's folder, or no model.
pub(super) fn choose<'a>(model: &str, listed: &[&'a str], file: Option<&str>) -> Result<Vec<&'a str>, HubError> {
    if let Some(name) = listed.iter().find(|name| leads_elsewhere(name)) {
        return Err(HubError::UnsafeName { name: (*name).to_owned() });
    }
    let missing = |missing: Sentence| HubError::NotAModel { name: model.to_owned(), missing };
    let find = |wanted: &str| listed.iter().copied().find(|name| *name == wanted);
    let has_weights = WEIGHTS.iter().any(|(single, index, _)| find(single).or(find(index)).is_some());
    let files = gguf::models(listed);
    if let Some(file) = file {
        let named = files.iter().take(NAMED).copied().collect::<Vec<&str>>().join(", ");
        let file = find(file).ok_or_else(|| match named.is_empty() {
            true => missing(Sentence::verbatim(file)),
            false => missing(sentence!("{file}, but {named}", file, named)),
        })?;
        return gguf::parts(file, listed).map_err(|name| missing(Sentence::verbatim(name)));
    }
    match files.as_slice() {
        [only] if !has_weights => return gguf::parts(only, listed).map_err(|name| missing(Sentence::verbatim(name))),
        [first, _, ..] if !has_weights => {
            let named = files.iter().take(NAMED).copied().collect::<Vec<&str>>().join(", ");
            return Err(missing(sentence!(
                "model.safetensors, but {n} files of models in GGUF: name one, such as {model}/{first}, of {named}",
                n = files.len(),
                model,
                first,
                named
            )));
        }
        _ => {}
    }
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
        assert_eq!(choose("gpt2", &listed, None).unwrap(), ["config.json", "tokenizer.json", "model.safetensors"]);
        let old = ["config.json", "merges.txt", "pytorch_model.bin", "vocab.json"];
        assert_eq!(
            choose("old", &old, None).unwrap(),
            ["config.json", "vocab.json", "merges.txt", "pytorch_model.bin"]
        );
    }

    #[test]
    fn shards_come_with_their_index_and_all_of_them() {
        let shard = |i: usize| format!("model-{i:05}-of-00003.safetensors");
        let (a, b, c) = (shard(1), shard(2), shard(3));
        let index = "model.safetensors.index.json";
        let whole = ["config.json", index, &c, &a, &b, "pytorch_model-00001-of-00002.bin"];
        assert_eq!(choose("m", &whole, None).unwrap(), ["config.json", index, &a, &b, &c]);
        let error = choose("m", &["config.json", index, &a, &c], None).unwrap_err();
        assert!(matches!(&error, HubError::NotAModel { missing, .. } if *missing == b.as_str()), "{error}");
    }

    #[test]
    fn of_a_model_in_gguf_one_file_is_fetched() {
        let part = |n: usize| format!("q8/m-{n:05}-of-00002.gguf");
        let (one, two) = (part(1), part(2));
        let listed = ["README.md", "config.json", "m-Q4_0.gguf", "mmproj-m.gguf", &two, &one];
        assert_eq!(choose("a/m", &listed, Some("m-Q4_0.gguf")).unwrap(), ["m-Q4_0.gguf"]);
        assert_eq!(choose("a/m", &listed, Some(&one)).unwrap(), [&one, &two]);
        assert_eq!(choose("a/m", &listed, Some(&two)).unwrap(), [&one, &two], "by any of its parts");
        assert_eq!(choose("a/m", &["m.gguf", "README.md", "mmproj.gguf"], None).unwrap(), ["m.gguf"]);
        let several = choose("a/m", &listed, None).unwrap_err().to_string();
        assert!(several.contains("such as a/m/m-Q4_0.gguf") && several.contains(&one), "{several}");
        let other = choose("a/m", &listed, Some("m-Q5_0.gguf")).unwrap_err().to_string();
        assert!(other.contains("m-Q5_0.gguf, but m-Q4_0.gguf"), "{other}");
        let cut = choose("a/m", &[&one], None).unwrap_err().to_string();
        assert!(cut.contains(&two), "{cut}");
        let both = ["config.json", "model.safetensors", "m.gguf"];
        assert_eq!(choose("a/m", &both, None).unwrap(), ["config.json", "model.safetensors"]);
    }

    #[test]
    fn rows_are_those_of_a_configuration_and_of_a_split() {
        let rows = |config: Option<&str>, split: Option<&str>| RowsOf {
            config: config.map(str::to_owned),
            split: split.map(str::to_owned),
        };
        let converted = [
            "README.md",
            "cola/test/0000.parquet",
            "sst2/train/0001.parquet",
            "sst2/train/0000.parquet",
            "sst2/test/0000.parquet",
        ];
        let chosen = choose_rows("glue", &converted, &rows(Some("sst2"), Some("train"))).unwrap();
        assert_eq!(chosen, ["sst2/train/0000.parquet", "sst2/train/0001.parquet"]);
        assert_eq!(common_folder(&chosen), "sst2/train");
        let all = choose_rows("glue", &converted, &rows(Some("sst2"), None)).unwrap();
        assert_eq!((all.len(), common_folder(&all).as_str()), (3, "sst2"));
        let error = choose_rows("glue", &converted, &rows(None, None)).unwrap_err().to_string();
        assert!(error.contains("cola, sst2"), "{error}");
        assert!(
            choose_rows("glue", &converted, &rows(Some("sst2"), Some("dev"))).unwrap_err().to_string().contains("dev")
        );
        let own = ["data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"];
        assert_eq!(choose_rows("x", &own, &rows(None, Some("test"))).unwrap(), [own[1]]);
        assert_eq!(common_folder(&own), "data");
        let partial = ["default/partial-train/0000.parquet"];
        assert!(choose_rows("x", &partial, &rows(None, None)).unwrap_err().to_string().contains("only the beginning"));
        assert!(choose_rows("x", &["../a.parquet"], &rows(None, None)).is_err());
        assert!(choose_rows("x", &["a.csv"], &rows(None, None)).unwrap_err().to_string().contains("no Parquet files"));
    }

    #[test]
    fn what_is_no_model_is_named() {
        for (listed, said) in [
            (vec!["README.md"], "config.json"),
            (vec!["mmproj-model.gguf"], "config.json"),
            (vec!["config.json", "tf_model.h5", "onnx/model.onnx"], "model.safetensors"),
        ] {
            let error = choose("m", &listed, None).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_name_that_leads_out_of_the_folder_is_refused() {
        for name in ["../evil", "a/../../evil", "/etc/passwd", "C:evil", "a\\b", "a//b", "..", "a\nb"] {
            let error = choose("m", &["config.json", "model.safetensors", name], None).unwrap_err();
            assert!(matches!(error, HubError::UnsafeName { .. }), "{name:?}: {error}");
        }
    }
}
