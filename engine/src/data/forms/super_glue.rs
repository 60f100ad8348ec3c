//! The tasks of SuperGLUE about a word or a choice: WiC and WSC with marks around their words, COPA. Wang et al. 2019,
//! "SuperGLUE". A mark stands as T5's does: `* word *`, for the second one `# word #`; google-research/text-to-text-transfer-transformer:
//! t5/data/preprocessors.py.

use serde_json::{Map, Value};

use super::flat::{Piece, each};
use super::{Asked, Form, Found, all, has, plain};
use crate::data::table::Table;
use crate::error::Result;
use crate::{Sentence, sentence};

pub(super) const WIC: Form = Form { name: "WiC", is: is_wic, read: read_wic };
pub(super) const WSC: Form = Form { name: "WSC", is: is_wsc, read: read_wsc };
pub(super) const COPA: Form = Form { name: "COPA", is: is_copa, read: read_copa };

const FIRST: char = '*';
const SECOND: char = '#';

fn is_wic(table: &Table) -> bool {
    has(table, &["sentence1", "sentence2", "start1", "start2", "end1", "end2"])
}

fn read_wic(table: Table, _: &Asked) -> Result<Found> {
    let table = each(table, |_, row| wic(row))?;
    let what = sentence!("the word stands between marks in marked1 and marked2");
    Ok(Found::new(table, what, &["marked1", "marked2"], "label"))
}

fn wic(mut row: Map<String, Value>) -> Result<Vec<Piece>, Sentence> {
    for number in ["1", "2"] {
        let name = |what: &str| format!("{what}{number}");
        let text = row.get(&name("sentence")).and_then(Value::as_str);
        let text = text.ok_or_else(|| sentence!("a sentence of it is no text"))?.to_owned();
        let mut place = |what: &str| count(row.remove(&name(what)).as_ref());
        let (Some(begin), Some(end)) = (place("start"), place("end")) else {
            return Err(sentence!("it does not say where its word stands"));
        };
        let marked = around(&text, begin, end).ok_or_else(|| sentence!("its word stands outside of its sentence"))?;
        row.insert(name("marked"), marked.into());
    }
    Ok(vec![Piece::row(row)])
}

/// The text with marks around the characters from `begin` to before `end`.
fn around(text: &str, begin: usize, end: usize) -> Option<String> {
    let at = |index: usize| text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(index);
    let (from, to) = (at(begin)?, at(end)?);
    let word = text.get(from..to).filter(|word| !word.is_empty())?;
    Some(format!("{}{FIRST} {word} {FIRST}{}", &text[..from], &text[to..]))
}

fn is_wsc(table: &Table) -> bool {
    let flat = has(table, &["text", "span1_index", "span1_text", "span2_index", "span2_text"]);
    let is_spans = |value: &Value| value.get("span1_index").is_some() && value.get("span2_index").is_some();
    flat || (has(table, &["text"]) && all(table, "target", is_spans))
}

fn read_wsc(table: Table, _: &Asked) -> Result<Found> {
    let table = each(table, |_, row| wsc(row))?;
    let what = sentence!("the two spans stand between marks in marked");
    Ok(Found::new(table, what, &["marked"], "label"))
}

fn wsc(mut row: Map<String, Value>) -> Result<Vec<Piece>, Sentence> {
    if let Some(Value::Object(spans)) = row.get("target").cloned() {
        row.remove("target");
        row.extend(spans);
    }
    let text = row.get("text").and_then(Value::as_str).ok_or_else(|| sentence!("its text is none"))?.to_owned();
    let words: Vec<&str> = text.split(' ').collect();
    let mut marked: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    for (span, mark) in [("span1", FIRST), ("span2", SECOND)] {
        let begin = count(row.remove(&format!("{span}_index")).as_ref());
        let said = row.get(&format!("{span}_text")).and_then(Value::as_str);
        let (Some(begin), Some(said)) = (begin, said) else {
            return Err(sentence!("it does not say where its words stand"));
        };
        let last = begin.saturating_add(said.split(' ').count()).saturating_sub(1);
        if begin >= words.len() || last >= words.len() {
            return Err(sentence!("its words stand outside of its text"));
        }
        marked[begin] = format!("{mark} {}", marked[begin]);
        // Punctuation that belongs to the last word stays behind the mark.
        let plain = said.split(' ').next_back().unwrap_or_default();
        marked[last] = match marked[last].rfind(plain).filter(|_| !plain.is_empty()) {
            Some(at) => {
                let end = at + plain.len();
                format!("{} {mark}{}", &marked[last][..end], &marked[last][end..])
            }
            None => format!("{} {mark}", marked[last]),
        };
    }
    row.insert("marked".to_owned(), marked.join(" ").into());
    Ok(vec![Piece::row(row)])
}

fn is_copa(table: &Table) -> bool {
    has(table, &["premise", "choice1", "choice2", "question"])
}

/// Its rows are flat; which part each column plays is the task's.
fn read_copa(table: Table, _: &Asked) -> Result<Found> {
    Ok(Found::new(table, sentence!("choice1 and choice2 are told apart by premise and question"), &[], ""))
}

/// A whole number, also as text.
fn count(value: Option<&Value>) -> Option<usize> {
    plain(value)?.trim().parse().ok()
}
