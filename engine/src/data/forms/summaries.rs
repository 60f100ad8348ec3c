//! Long texts with their summaries, and keywords with their text: the columns of XSum, CNN/DailyMail and ADGEN.

use super::{Asked, Form, Found, all};
use crate::data::table::Table;
use crate::error::Result;
use crate::{Sentence, sentence};

pub(super) const FORM: Form = Form { name: "XSum, CNN/DailyMail, ADGEN", is: |table| columns(table).is_some(), read };

const COLUMNS: [[&str; 2]; 3] = [["document", "summary"], ["article", "highlights"], ["content", "summary"]];

fn columns(table: &Table) -> Option<[&'static str; 2]> {
    let is_text = |column: &str| all(table, column, serde_json::Value::is_string);
    COLUMNS.into_iter().find(|columns| columns.iter().all(|column| is_text(column)))
}

fn read(table: Table, _: &Asked) -> Result<Found> {
    let Some([source, target]) = columns(&table) else { return Ok(Found::new(table, Sentence::default(), &[], "")) };
    let what = sentence!("{target} is learned from {source}", target, source);
    Ok(Found::new(table, what, &[source], target))
}
