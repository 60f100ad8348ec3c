//! LAMA: facts of a subject, a relation and an object, each relation with a pattern in which `[X]` and `[Y]` stand for them.
//! Petroni et al. 2019, "Language Models as Knowledge Bases?". Patterns are in the rows, or in `relations.jsonl` beside the
//! file or above it; facts without a subject (ConceptNet, SQuAD) bring their masked sentence.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::flat::{Piece, each};
use super::{Asked, Form, Found, has, plain};
use crate::config::Task;
use crate::data::table::Table;
use crate::error::Result;
use crate::files::{self, Kind};
use crate::{Sentence, sentence};

pub(super) const FORM: Form = Form { name: "LAMA", is, read };

const PATTERNS: [&str; 2] = ["relations.jsonl", "templates.jsonl"];
const MASK: &str = "[MASK]";
const OBJECT: &str = "[Y]";

fn is(table: &Table) -> bool {
    has(table, &["sub_label", "obj_label"])
        || has(table, &["masked_sentences", "obj_label"])
        || has(table, &["subject", "object", "relation", "template"])
}

fn read(table: Table, asked: &Asked) -> Result<Found> {
    let patterns = if has(&table, &["template"]) { HashMap::new() } else { patterns(&table.path) };
    let mut n_without = 0_usize;
    let n_patterns = patterns.len();
    let table = each(table, |_, row| {
        let row = fact(row, &patterns)?;
        n_without += usize::from(!row.contains_key("template"));
        Ok(vec![Piece::row(row)])
    })?;
    let n = table.rows.len();
    let what = match (n_without, n_patterns) {
        (0, _) => sentence!("{n} facts with their patterns", n),
        (_, 0) => sentence!(
            "{n} facts, {n_without} of them without a pattern: relations.jsonl is not beside the file or above it",
            n,
            n_without
        ),
        _ => sentence!("{n} facts, {n_without} of them of relations without a pattern", n, n_without),
    };
    let is_written = asked.task.writes() || asked.task == Task::MaskedFill;
    let source = if has(&table, &["subject"]) { ["subject"] } else { ["template"] };
    // Another task names its own columns.
    let (source, target): (&[&'static str], _) = if is_written { (&source, "object") } else { (&[], "") };
    Ok(Found::new(table, what, source, target))
}

fn fact(mut row: Map<String, Value>, patterns: &HashMap<String, String>) -> Result<Map<String, Value>, Sentence> {
    let mut fields = Map::new();
    for (theirs, ours) in [
        ("sub_label", "subject"),
        ("subject", "subject"),
        ("obj_label", "object"),
        ("object", "object"),
        ("predicate_id", "relation"),
        ("pred", "relation"),
        ("relation", "relation"),
    ] {
        if !fields.contains_key(ours)
            && let Some(text) = row.get(theirs).and_then(|value| plain(Some(value)))
        {
            fields.insert(ours.to_owned(), text.into());
            row.remove(theirs);
        }
    }
    if !fields.contains_key("object") {
        return Err(sentence!("it has no object"));
    }
    let own = row.remove("template").filter(Value::is_string);
    let known = || fields.get("relation").and_then(Value::as_str).and_then(|relation| patterns.get(relation)).cloned();
    let sentence = || {
        let first = row.get("masked_sentences").and_then(Value::as_array).and_then(|list| list.first());
        let text = first.and_then(Value::as_str).filter(|text| text.contains(MASK))?;
        (!fields.contains_key("subject")).then(|| text.replacen(MASK, OBJECT, 1))
    };
    if let Some(template) = own.or_else(|| known().map(Value::from)).or_else(|| sentence().map(Value::from)) {
        fields.insert("template".to_owned(), template);
    }
    fields.extend(row);
    Ok(fields)
}

/// The pattern of each relation, of the first list beside the file or above it.
fn patterns(path: &Path) -> HashMap<String, String> {
    let folders = path.ancestors().skip(1).take(3);
    let text = folders
        .flat_map(|folder| PATTERNS.map(|name| folder.join(name)))
        .find_map(|path| path.is_file().then(|| files::read_to_string(&path, Kind::Settings).ok()).flatten());
    let pair = |line: &str| {
        let entry: Value = serde_json::from_str(line).ok()?;
        Some((entry.get("relation")?.as_str()?.to_owned(), entry.get("template")?.as_str()?.to_owned()))
    };
    text.unwrap_or_default().lines().filter_map(pair).collect()
}
