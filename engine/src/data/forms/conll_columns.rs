//! Files of CoNLL with more columns than a token and its label: those of 2003 by name, predicates with their roles of 2005
//! and 2012, entities and relations of 2004. Tjong Kim Sang & De Meulder 2003; Carreras & Màrquez 2005; Pradhan et al. 2012;
//! Roth & Yih 2004.

use serde_json::{Map, Value, json};

use super::flat::{Piece, each};
use super::{Asked, Form, Found, PROBE, filled, labels, texts};
use crate::data::table::{Row, Table};
use crate::error::Result;
use crate::{Sentence, sentence};

pub(super) const FORM: Form = Form { name: "CoNLL", is: is_tagged, read };

/// Column of the lists that the columns of a sentence are, until its form is known.
pub(in crate::data) const FIELDS: &str = "fields";
/// Columns of CoNLL-2004: the sentence, the entity's kind, the word's number, …, the words, ….
const WIDTH_2004: usize = 9;
/// Columns of CoNLL-2012 beside those of the roles: document, part, number, word, part of speech, parse, lemma, frame, sense,
/// speaker, entity, …, coreference.
const WIDTH_2012: usize = 12;

/// Columns of a sentence, a list each.
type Columns = Vec<Vec<String>>;

/// A year's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Named,
    Entities2004,
    Roles2005,
    All2012,
}

/// The table without the column of raw fields.
pub(super) fn without_fields(mut table: Table) -> Table {
    let Some(fields) = table.column(FIELDS).filter(|&at| at + 1 == table.columns.len()) else { return table };
    if !filled(&table, fields).all(|cell| columns_of(cell).is_some()) || !is_tagged(&table) {
        return table;
    }
    table.columns.pop();
    for row in &mut table.rows {
        let cells = row.cells().iter().filter(|(column, _)| *column != fields).cloned().collect();
        *row = Row::new(row.number, cells);
    }
    table
}

/// Whether its columns are those that the reader of such files makes.
fn is_tagged(table: &Table) -> bool {
    table.columns.iter().map(String::as_str).eq(["tokens", "labels", FIELDS])
}

fn columns_of(cell: &Value) -> Option<Columns> {
    cell.as_array()?.iter().map(texts).collect()
}

fn read(table: Table, asked: &Asked) -> Result<Found> {
    let probe: Vec<Columns> = filled(&table, 2).take(PROBE * 5).filter_map(columns_of).collect();
    let kind = kind_of(&probe);
    let by_predicate = matches!(kind, Kind::Roles2005 | Kind::All2012)
        && probe.iter().any(|columns| !roles(columns).is_empty())
        && asked.target.is_none_or(|target| target == "labels");
    let (mut n_without, mut n_rows) = (0_usize, 0_usize);
    let width = common_width(&table);
    let table = match kind {
        Kind::Entities2004 => with_relations(table)?,
        _ => each(table, |_, row| {
            let Some(columns) = row.get(FIELDS).and_then(columns_of) else { return Ok(vec![Piece::row(row)]) };
            let rows = match (kind, by_predicate) {
                (Kind::Named, _) => vec![named(row, &columns, width)],
                (_, true) => predicates(&columns, kind)?,
                (_, false) => vec![sentence_of(&columns, kind)?],
            };
            n_without += usize::from(rows.is_empty());
            n_rows += rows.len();
            Ok(rows.into_iter().map(Piece::row).collect())
        })?,
    };
    let mut table = table;
    let schemes = ["labels", "chunks", "entities"].map(|column| labels::mended(&mut table, column));
    let n = table.rows.len();
    let mut what = match (kind, by_predicate) {
        (Kind::Entities2004, _) => sentence!("{n} sentences with entities; relations are not read", n),
        (_, true) => {
            sentence!("{n_rows} predicates with their roles; {n_without} sentences have none", n_rows, n_without)
        }
        _ => sentence!("{n} sentences with {columns}", n, columns = table.columns.join(", ")),
    };
    for scheme in schemes.into_iter().flatten().take(1) {
        what = sentence!("{what}; {scheme}", what, scheme);
    }
    Ok(Found::new(table, what, &["tokens"], "labels"))
}

fn kind_of(sentences: &[Columns]) -> Kind {
    let counts = |column: &[String]| column.iter().enumerate().all(|(at, text)| text.parse() == Ok(at));
    let is = |test: &dyn Fn(&Columns) -> bool| sentences.first().is_some_and(test);
    if is(&|columns| {
        columns.len() == WIDTH_2004 && counts(&columns[2]) && columns[0].iter().all(|at| *at == columns[0][0])
    }) {
        return Kind::Entities2004;
    }
    if is(&|columns| columns.len() >= WIDTH_2012 && counts(&columns[2])) {
        return Kind::All2012;
    }
    match sentences.iter().any(|columns| !roles(columns).is_empty()) {
        true => Kind::Roles2005,
        false => Kind::Named,
    }
}

/// The number of columns, where all sentences have as many.
fn common_width(table: &Table) -> Option<usize> {
    let mut widths = table.rows.iter().map(|row| row.cell(2).as_array().map_or(0, Vec::len));
    let first = widths.next()?;
    widths.all(|width| width == first).then_some(first)
}

/// A sentence with its columns by their names.
fn named(mut row: Map<String, Value>, columns: &Columns, width: Option<usize>) -> Map<String, Value> {
    row.remove(FIELDS);
    let Some(width) = width else { return row };
    for (index, column) in columns.iter().enumerate().take(width - 1).skip(1) {
        let name = match (index, width) {
            (1, 3 | 4) => "pos".to_owned(),
            (2, 4) => "chunks".to_owned(),
            _ => format!("column {}", index + 1),
        };
        row.insert(name, column.clone().into());
    }
    row
}

/// The columns of roles of a sentence: in each a verb has its own mark.
fn roles(columns: &Columns) -> Vec<&[String]> {
    let is_verb = |cell: &String| cell.contains("(V*");
    let is_bracket = |cell: &String| cell.contains('*') && !cell.contains(' ');
    let is_roles = |column: &&Vec<String>| column.iter().any(is_verb) && column.iter().all(is_bracket);
    columns.iter().skip(2).filter(is_roles).map(Vec::as_slice).collect()
}

fn words(columns: &Columns, kind: Kind) -> &[String] {
    let at = if kind == Kind::All2012 { 3 } else { 0 };
    columns.get(at).map(Vec::as_slice).unwrap_or_default()
}

/// A row for each predicate of a sentence.
fn predicates(columns: &Columns, kind: Kind) -> Result<Vec<Map<String, Value>>, Sentence> {
    let mut rows = Vec::new();
    for roles in roles(columns) {
        let labels = of_brackets(roles)?;
        let predicate = roles.iter().position(|cell| cell.contains("(V*"));
        let mut row = json!({ "tokens": words(columns, kind), "predicate": predicate, "labels": labels });
        rows.push(row.as_object_mut().map(std::mem::take).unwrap_or_default());
    }
    Ok(rows)
}

/// A sentence without its predicates: words, parts of speech, and entities where there are brackets of them.
fn sentence_of(columns: &Columns, kind: Kind) -> Result<Map<String, Value>, Sentence> {
    let (pos, entities) = if kind == Kind::All2012 { (4, 10) } else { (1, 3) };
    let mut row = Map::new();
    row.insert("tokens".to_owned(), words(columns, kind).to_vec().into());
    row.insert("pos".to_owned(), columns.get(pos).cloned().unwrap_or_default().into());
    if let Some(entities) = columns.get(entities).filter(|column| column.iter().all(|cell| is_bracket(cell))) {
        let name = if kind == Kind::All2012 { "labels" } else { "entities" };
        let labels = of_brackets(entities)?;
        row.insert(name.to_owned(), labels.clone().into());
        row.insert("entities".to_owned(), labels.into());
    }
    Ok(row)
}

fn is_bracket(cell: &str) -> bool {
    cell.contains('*') || (cell.starts_with('(') && cell.ends_with(')'))
}

/// `(A0*`, `*`, `*)` as `B-A0`, `I-A0`, `I-A0`; of spans within one another the outer one.
pub(super) fn of_brackets(cells: &[String]) -> Result<Vec<String>, Sentence> {
    let mut open: Option<&str> = None;
    let mut depth = 0_usize;
    let mut labels = Vec::with_capacity(cells.len());
    for cell in cells {
        let unread = || sentence!("its brackets cannot be read: {cell:?}", cell);
        let opened = cell.matches('(').count();
        let closed = cell.matches(')').count();
        match open {
            Some(kind) => labels.push(format!("I-{kind}")),
            None if opened > 0 => {
                let kind = cell.split('(').nth(1).unwrap_or_default();
                let kind = kind.split(['*', ')']).next().unwrap_or_default();
                if kind.is_empty() {
                    return Err(unread());
                }
                labels.push(format!("B-{kind}"));
                open = Some(kind);
            }
            None => labels.push("O".to_owned()),
        }
        depth = (depth + opened).checked_sub(closed).ok_or_else(unread)?;
        if depth == 0 {
            open = None;
        }
    }
    match depth {
        0 => Ok(labels),
        _ => Err(sentence!("its brackets are not closed")),
    }
}

/// The sentences of 2004, each with the relations that stand behind it.
fn with_relations(table: Table) -> Result<Table> {
    let mut relations: Vec<Vec<Value>> = Vec::new();
    let mut is_sentence = Vec::with_capacity(table.rows.len());
    for row in &table.rows {
        let columns = columns_of(row.cell(2)).unwrap_or_default();
        let is_number = |column: &[String]| column.iter().all(|text| text.parse::<usize>().is_ok());
        let is_relations = columns.len() == 3 && is_number(&columns[0]) && is_number(&columns[1]);
        is_sentence.push(!is_relations);
        match relations.last_mut().filter(|_| is_relations) {
            Some(last) => last.extend((0..columns[0].len()).map(|at| {
                let number = |column: usize| columns[column][at].parse::<usize>().unwrap_or_default();
                json!({ "head": number(0), "tail": number(1), "type": columns[2][at] })
            })),
            None => relations.push(Vec::new()),
        }
    }
    let (mut place, mut kept) = (is_sentence.into_iter(), relations.into_iter());
    each(table, |_, row| {
        if place.next() == Some(false) {
            return Ok(Vec::new());
        }
        let relations = kept.next().unwrap_or_default();
        let columns = row.get(FIELDS).and_then(columns_of).filter(|columns| columns.len() == WIDTH_2004);
        let columns = columns.ok_or_else(|| sentence!("a line of it has another number of columns"))?;
        Ok(vec![Piece::row(entities(&columns, relations))])
    })
}

/// A word of several, joined by bars, is as many words of its entity.
fn entities(columns: &Columns, relations: Vec<Value>) -> Map<String, Value> {
    let (mut tokens, mut labels) = (Vec::new(), Vec::new());
    let mut firsts = Vec::new();
    for (words, kind) in columns[5].iter().zip(&columns[1]) {
        firsts.push(tokens.len());
        let mut parts: Vec<&str> = words.split('/').filter(|part| !part.is_empty()).collect();
        if parts.is_empty() {
            parts.push(words);
        }
        for (index, part) in parts.into_iter().enumerate() {
            tokens.push(part.to_owned());
            labels.push(match kind.as_str() {
                "O" => "O".to_owned(),
                kind => format!("{}-{kind}", if index == 0 { "B" } else { "I" }),
            });
        }
    }
    let word = |entry: &Value, name: &str| {
        let at = entry.get(name).and_then(Value::as_u64).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| firsts.get(at).copied())
    };
    let placed =
        |entry: Value| json!({"head": word(&entry, "head"), "tail": word(&entry, "tail"), "type": entry["type"]});
    let relations: Vec<Value> = relations.into_iter().map(placed).collect();
    let mut row = json!({ "tokens": tokens, "labels": labels, "relations": relations });
    row.as_object_mut().map(std::mem::take).unwrap_or_default()
}
