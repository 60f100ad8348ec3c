//! The xml of WebNLG, of 2017 and 2020, also with the templates of ThiagoCF05/webnlg: each `<entry>` becomes what its json
//! has. No document type is read, so that no entity grows, and a text that is nested too deep is refused before it is parsed.

use std::path::Path;

use roxmltree::{Document, Node, ParsingOptions};
use serde_json::{Value, json};

use super::triples::{listed, of_line};
use crate::data::reader::not_utf8;
use crate::data::table::{ObjectRows, Table};
use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

/// Elements within one another; the form has six.
const MAX_DEPTH: usize = 64;
/// Most nodes of a document; the largest of the form has a million.
const MAX_NODES: u32 = 100_000_000;

/// The entries of a document, a row each.
///
/// # Errors
/// [`EngineError::Malformed`] for what is no xml, [`EngineError::NotRows`] for xml without such entries.
pub(in crate::data) fn read(bytes: &[u8], path: &Path) -> Result<Table> {
    let malformed =
        |reason: Sentence| EngineError::Malformed { what: sentence!("the dataset"), path: path.to_owned(), reason };
    let text = std::str::from_utf8(bytes).map_err(|error| malformed(not_utf8(error.valid_up_to())))?;
    if is_deeper(text, MAX_DEPTH) {
        return Err(malformed(sentence!("its elements are nested more than {depth} deep", depth = MAX_DEPTH)));
    }
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options)
        .map_err(|error| malformed(sentence!("it is not valid XML: {error}", error = error.to_string())))?;
    let mut rows = ObjectRows::new(path);
    let entries = document.descendants().filter(|node| node.has_tag_name("entry"));
    for (index, entry) in entries.enumerate() {
        rows.push(index + 1, value(entry))?;
    }
    if rows.table.total_rows() == 0 {
        let advice = sentence!("Write a row for each text, as .csv or .jsonl");
        return Err(EngineError::NotRows { path: path.to_owned(), found: sentence!("an XML file"), advice });
    }
    Ok(rows.table)
}

/// An entry as the json of the same release has it.
fn value(entry: Node) -> Value {
    let attribute = |node: Node, name: &str| node.attribute(name).map(str::to_owned);
    let children = |name: &'static str| entry.children().filter(move |node| node.has_tag_name(name));
    let sets = children("modifiedtripleset").take(1);
    let lines = sets.flat_map(|set| set.children().filter(|node| node.has_tag_name("mtriple")));
    let triples: Option<Vec<_>> = lines.map(|node| of_line(&said(node))).collect();
    let texts = children("lex").map(|lex| {
        let inner = lex.children().find(|node| node.has_tag_name("text")).unwrap_or(lex);
        json!({
            "comment": attribute(lex, "comment"),
            "lang": attribute(lex, "lang"),
            "lex": said(inner),
        })
    });
    let mut row = json!({
        "modifiedtripleset": triples.map_or(Value::Null, |triples| listed(&triples)),
        "lexicalisations": texts.collect::<Vec<_>>(),
    });
    for name in ["category", "eid", "size", "shape", "shape_type"] {
        if let Some(text) = attribute(entry, name) {
            row[name] = text.into();
        }
    }
    row
}

/// The text of an element.
fn said(node: Node) -> String {
    node.children().filter_map(|child| child.text()).collect::<String>().trim().to_owned()
}

/// Whether more elements are within one another, counted by their marks alone.
fn is_deeper(text: &str, most: usize) -> bool {
    let (mut depth, mut rest) = (0_usize, text);
    while let Some(at) = rest.find('<') {
        rest = &rest[at..];
        let skipped = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>"), ("<!", ">")];
        if let Some((_, end)) = skipped.iter().find(|(begin, _)| rest.starts_with(begin)) {
            rest = rest.find(end).map_or("", |at| &rest[at + end.len()..]);
            continue;
        }
        let Some(end) = end_of_tag(rest) else { return false };
        if rest.starts_with("</") {
            depth = depth.saturating_sub(1);
        } else if !rest[..end].ends_with('/') {
            depth += 1;
        }
        if depth > most {
            return true;
        }
        rest = &rest[end + 1..];
    }
    false
}

/// The place of the `>` that ends a tag; one in quotes ends none.
fn end_of_tag(tag: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}
