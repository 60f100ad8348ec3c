//! The columns of the prompt and of the target: as named, else by the usual names.

use super::table::{Row, Table};
use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

/// Names that say "to be learned", the surest first.
const TARGETS: &[&str] = &[
    "target",
    "targets",
    "output",
    "outputs",
    "response",
    "completion",
    "answer",
    "answers",
    "reply",
    "reference",
    "references",
    "ref",
    "summary",
    "highlights",
    "translation",
    "label",
    "labels",
    "tags",
    "class",
    "目标",
    "输出",
    "回答",
    "答案",
    "回复",
    "摘要",
    "标签",
];
/// Names that say "given", the surest first.
const SOURCES: &[&str] = &[
    "source",
    "prompt",
    "instruction",
    "meaning_representation",
    "mr",
    "question",
    "query",
    "input",
    "inputs",
    "context",
    "article",
    "document",
    "dialogue",
    "dialog",
    "passage",
    "premise",
    "sentence",
    "sentence1",
    "text",
    "tokens",
    "words",
    "content",
    "title",
    "topic",
    "keywords",
    "来源",
    "提示",
    "指令",
    "问题",
    "输入",
    "原文",
    "文本",
    "内容",
    "标题",
];
/// Text to be learned when no column says so: plain corpora.
const PLAIN: &[&str] = &["text", "content", "story", "poem", "sentence", "文本", "内容", "正文"];
/// Names of the text that an `instruction` is about, in the datasets that follow Alpaca and Dolly.
const SUPPLEMENTS: &[&str] = &["input", "context", "输入"];
/// Between the names of columns that make up the source together.
const JOINT: &str = " + ";

/// The columns of a table that play a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles {
    /// Columns whose texts, joined by a line break, are the source; none when the target stands alone.
    pub source: Vec<usize>,
    /// The column to be learned.
    pub target: usize,
}

impl Roles {
    /// Takes the named columns, and guesses where there is no name. The source may name several columns,
    /// `instruction + input`, and be empty for none.
    ///
    /// # Errors
    /// [`EngineError::ColumnMissing`] for a name that is not there, or when no column looks like the target.
    pub fn resolve(table: &Table, source: Option<&str>, target: Option<&str>) -> Result<Self> {
        let named_source = source.map(|name| named_columns(table, name)).transpose()?;
        let named_target = target.map(|name| column(table, name)).transpose()?;
        let taken = named_source.clone().unwrap_or_default();
        let target = match named_target {
            Some(target) => target,
            None => guess_target(table, &taken).ok_or_else(|| missing(table, "target"))?,
        };
        let source = named_source.unwrap_or_else(|| guess_source(table, target));
        Ok(Self { source, target })
    }

    /// The name to show and to resolve again: `source`, `instruction + input`, or empty.
    pub fn source_name(&self, table: &Table) -> String {
        let names: Vec<&str> = self.source.iter().map(|&c| table.columns[c].as_str()).collect();
        names.join(JOINT)
    }

    /// The row's source; columns that are empty leave no line break.
    pub fn source_text(&self, row: &Row) -> String {
        let texts: Vec<_> = self.source.iter().map(|&c| row.text(c)).filter(|t| !t.is_empty()).collect();
        texts.join("\n")
    }

    /// The row's target; of a list of references the first.
    pub fn target_text(&self, row: &Row) -> String {
        row.first_text(self.target).into_owned()
    }
}

/// Whether a column of this name is usually one to learn.
pub(super) fn is_usual_target(name: &str) -> bool {
    TARGETS.contains(&words(name).join("_").as_str())
}

/// Whether a column of this name usually plays a part.
pub(super) fn is_usual(name: &str) -> bool {
    let name = words(name).join("_");
    [TARGETS, SOURCES, PLAIN].iter().any(|usual| usual.contains(&name.as_str()))
}

fn named_columns(table: &Table, name: &str) -> Result<Vec<usize>> {
    if name.is_empty() {
        return Ok(Vec::new());
    }
    match table.column(name) {
        Some(column) => Ok(vec![column]),
        None if name.contains(JOINT) => name.split(JOINT).map(|part| column(table, part)).collect(),
        None => Err(missing(table, name)),
    }
}

/// The column of this name.
///
/// # Errors
/// [`EngineError::ColumnMissing`].
pub(super) fn column(table: &Table, name: &str) -> Result<usize> {
    table.column(name).ok_or_else(|| missing(table, name))
}

fn missing(table: &Table, name: &str) -> EngineError {
    EngineError::ColumnMissing { column: name.to_owned(), found: listed(&table.columns), path: table.path.clone() }
}

/// Columns that a sentence names.
const NAMED: usize = 20;

/// Columns as a sentence lists them: a stranger's table may have thousands.
pub(super) fn listed(columns: &[String]) -> Sentence {
    match columns.get(NAMED..) {
        Some(more @ [_, ..]) => {
            let named = columns[..NAMED].join(", ");
            sentence!("{named} and {n} more", named, n = more.len())
        }
        _ => Sentence::verbatim(columns.join(", ")),
    }
}

fn guess_target(table: &Table, taken: &[usize]) -> Option<usize> {
    pick(table, TARGETS, taken).or_else(|| pick(table, PLAIN, taken)).or_else(|| {
        let free: Vec<usize> = (0..table.columns.len()).filter(|c| !taken.contains(c)).collect();
        match (free.as_slice(), taken.is_empty()) {
            ([only], _) => Some(*only),
            ([first, second], true) => Some(if pick(table, SOURCES, &[*first]).is_some() { *first } else { *second }),
            _ => None,
        }
    })
}

fn guess_source(table: &Table, target: usize) -> Vec<usize> {
    let source = pick(table, SOURCES, &[target]).or_else(|| (table.columns.len() == 2).then_some(1 - target.min(1)));
    let Some(source) = source else { return Vec::new() };
    let is_instruction = ["instruction", "指令"].contains(&table.columns[source].to_lowercase().as_str());
    let supplement = is_instruction.then(|| pick_exact(table, SUPPLEMENTS, &[target, source])).flatten();
    [Some(source), supplement].into_iter().flatten().collect()
}

/// The first candidate that a column is called, else the first that is a whole word in a column's name.
fn pick(table: &Table, candidates: &[&str], taken: &[usize]) -> Option<usize> {
    pick_exact(table, candidates, taken).or_else(|| {
        let words: Vec<Vec<String>> = table.columns.iter().map(|name| words(name)).collect();
        candidates.iter().find_map(|candidate| {
            (0..words.len()).find(|c| !taken.contains(c) && words[*c].iter().any(|word| word == candidate))
        })
    })
}

fn pick_exact(table: &Table, candidates: &[&str], taken: &[usize]) -> Option<usize> {
    let names: Vec<String> = table.columns.iter().map(|name| words(name).join("_")).collect();
    candidates.iter().find_map(|candidate| (0..names.len()).find(|c| !taken.contains(c) && names[*c] == *candidate))
}

/// `targetText`, `target_text` and `Target text` are the words `target` and `text`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (was_lower && c.is_uppercase()) {
            words.push(String::new());
        }
        was_lower = c.is_lowercase();
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_sentence_names_as_many_columns_as_one_can_read() {
        let columns = |n: usize| (0..n).map(|i| i.to_string()).collect::<Vec<_>>();
        assert_eq!(listed(&columns(2)), "0, 1");
        assert!(listed(&columns(20)).to_string().ends_with("18, 19"));
        assert!(listed(&columns(3000)).to_string().ends_with("18, 19 and 2980 more"));
    }

    fn guessed(columns: &[&str]) -> Option<(String, String)> {
        let mut table = Table::new(Path::new("x.csv"));
        table.columns = columns.iter().map(|&c| c.to_owned()).collect();
        let roles = Roles::resolve(&table, None, None).ok()?;
        let target = table.columns[roles.target].clone();
        Some((roles.source_name(&table), target))
    }

    #[test]
    fn usual_names_are_found() {
        let cases: &[(&[&str], &str, &str)] = &[
            (&["meaning_representation", "source", "target"], "source", "target"),
            (&["meaning_representation", "references"], "meaning_representation", "references"),
            (&["instruction", "input", "output"], "instruction + input", "output"),
            (&["instruction", "context", "response", "category"], "instruction + context", "response"),
            (&["prompt", "completion"], "prompt", "completion"),
            (&["mr", "ref"], "mr", "ref"),
            (&["text", "label"], "text", "label"),
            (&["text"], "", "text"),
            (&["title", "text"], "title", "text"),
            (&["whatever"], "", "whatever"),
            (&["en", "de"], "en", "de"),
            (&["id", "Source Text", "targetText"], "Source Text", "targetText"),
            (&["问题", "答案"], "问题", "答案"),
            (&["preference", "outputs_dir", "output"], "", "output"),
        ];
        for (columns, source, target) in cases {
            assert_eq!(guessed(columns), Some(((*source).to_owned(), (*target).to_owned())), "{columns:?}");
        }
        assert_eq!(guessed(&["a", "b", "c"]), None);
    }

    #[test]
    fn what_was_guessed_can_be_named_and_names_must_exist() {
        let mut table = Table::new(Path::new("x.csv"));
        table.columns = ["instruction", "input", "output"].map(str::to_owned).to_vec();
        let guess = Roles::resolve(&table, None, None).unwrap();
        assert_eq!(Roles::resolve(&table, Some("instruction + input"), Some("output")).unwrap(), guess);
        assert_eq!(Roles::resolve(&table, Some("input"), None).unwrap(), Roles { source: vec![1], target: 2 });
        assert_eq!(Roles::resolve(&table, Some(""), None).unwrap(), Roles { source: vec![], target: 2 });
        let error = Roles::resolve(&table, Some("inputs"), None).unwrap_err();
        assert!(error.to_string().contains("instruction, input, output"), "{error}");
    }
}
