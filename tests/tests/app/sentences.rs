//! Every sentence of the engine and the store can be told in Chinese.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use app::i18n::in_chinese;
use engine::metrics::Metric;
use engine::recipes::RECIPES;
use regex::Regex;

fn sources(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut waiting) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                _ if path.is_dir() => waiting.push(path),
                Some(ending) if ending == "rs" => found.push(path),
                _ => {}
            }
        }
    }
    found
}

/// The templates of `sentence!` in a source file, but for those of its tests.
fn templates(source: &str) -> Vec<String> {
    let source = source.split("\nmod tests {").next().unwrap_or_default();
    let source: String =
        source.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect();
    let literal = Regex::new(r#"\bsentence!\(\s*("(?:[^"\\]|\\(?s:.))*")"#).unwrap();
    let goes_on = Regex::new(r"\\\n\s*").unwrap();
    let said = literal.captures_iter(&source).map(|found| goes_on.replace_all(&found[1], "").into_owned());
    said.map(|literal| serde_json::from_str(&literal).unwrap()).collect()
}

/// Whether there is more to a label than names and numbers.
fn has_word(label: &str) -> bool {
    let is_word = |word: &str| word.len() > 1 && word.chars().all(|letter| letter.is_ascii_lowercase());
    label.split([' ', ',']).any(is_word)
}

fn all() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let files = ["engine/src", "app/src"].into_iter().flat_map(|folder| sources(&root.join(folder)));
    let said = files.flat_map(|path| templates(&std::fs::read_to_string(path).unwrap()));
    // Recipes and metrics are constants, which are told as they stand.
    let recipes = RECIPES.iter().flat_map(|recipe| [Some(recipe.title), recipe.note]).flatten();
    let metrics = Metric::all().into_iter();
    let metrics =
        metrics.flat_map(|metric| [Some(metric.description), Some(metric.label).filter(|label| has_word(label))]);
    said.chain(recipes.chain(metrics.flatten()).map(str::to_owned)).collect()
}

/// The blanks of a template, but for the forms of a word, which Chinese does not have.
fn blanks(template: &str) -> BTreeSet<String> {
    let blank = Regex::new(r"\{([a-z_][a-z0-9_]*(?::\?)?)\}").unwrap();
    blank.captures_iter(template).map(|found| found[1].to_owned()).collect()
}

#[test]
fn each_has_its_words_and_the_same_blanks() {
    let all = all();
    assert!(all.len() > 800, "the sources were read: {}", all.len());
    let untold: Vec<&String> = all.iter().filter(|template| in_chinese(template).is_none()).collect();
    assert!(untold.is_empty(), "not in app/locales/sentences.zh.toml: {untold:#?}");
    for template in &all {
        let told = in_chinese(template).unwrap();
        assert_eq!(blanks(template), blanks(told), "the blanks of {template:?} and {told:?}");
        // A name, or blanks and what stands between them, may be alike.
        let plain = |word: &&str| word.len() > 1 && word.chars().all(|c| c.is_ascii_lowercase());
        let is_said = template.split_whitespace().filter(plain).count() > 1;
        let is_chinese = told.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
        assert!(is_chinese || !is_said, "{told:?} has no word of Chinese");
    }
}

#[test]
fn nothing_is_kept_that_nobody_says_any_more() {
    let all = all();
    let stale: Vec<&str> = app::i18n::chinese_sentences().filter(|template| !all.contains(*template)).collect();
    assert!(stale.is_empty(), "only in app/locales/sentences.zh.toml: {stale:#?}");
}
