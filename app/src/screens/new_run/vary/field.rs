//! Fields of numbers that take a list as well: what comes of it is said below.

use std::ops::RangeInclusive;

use egui::{RichText, Ui};
use engine::experiment::typed;
use serde_json::Value;

use super::Lists;
use crate::i18n::{as_sentence, tell};
use crate::t;
use crate::theme::tokens;
use crate::widgets::field;

/// Values of a list that are written out.
const SHOWN: usize = 8;

/// A whole number, or a list of them. `true` if it changed.
pub(in crate::screens::new_run) fn count_ui(
    ui: &mut Ui,
    (lists, key): (&mut Lists, &'static str),
    value: &mut usize,
    range: RangeInclusive<usize>,
) -> bool {
    listed_ui(ui, lists, key, |ui, list| field::listable_ui(ui, value, range, list, field::count_ui))
}

/// A number with a point, or a list of them. `true` if it changed.
pub(in crate::screens::new_run) fn number_ui(
    ui: &mut Ui,
    (lists, key): (&mut Lists, &'static str),
    value: &mut f64,
    range: RangeInclusive<f64>,
    speed: f64,
) -> bool {
    let number_ui = |ui: &mut Ui, value: &mut f64, range| field::number_ui(ui, value, range, speed);
    listed_ui(ui, lists, key, |ui, list| field::listable_ui(ui, value, range, list, number_ui))
}

/// A number of any size, or a list of them. `true` if it changed.
pub(in crate::screens::new_run) fn small_ui(
    ui: &mut Ui,
    (lists, key): (&mut Lists, &'static str),
    value: &mut f64,
    range: RangeInclusive<f64>,
) -> bool {
    listed_ui(ui, lists, key, |ui, list| field::listable_ui(ui, value, range, list, field::small_ui))
}

/// A seed, or a list of them. `true` if it changed.
pub(in crate::screens::new_run) fn seed_ui(
    ui: &mut Ui,
    (lists, key): (&mut Lists, &'static str),
    value: &mut u64,
) -> bool {
    let seed_ui = |ui: &mut Ui, value: &mut u64, _| field::seed_ui(ui, value);
    listed_ui(ui, lists, key, |ui, list| field::listable_ui(ui, value, 0..=u64::MAX, list, seed_ui))
}

fn listed_ui(
    ui: &mut Ui,
    lists: &mut Lists,
    key: &'static str,
    add: impl FnOnce(&mut Ui, &mut Option<String>) -> bool,
) -> bool {
    let mut list = lists.remove(key);
    let changed = add(ui, &mut list);
    if let Some(text) = list {
        said_ui(ui, key, &text, true);
        lists.insert(key.to_owned(), text);
    }
    changed
}

/// The values of a list, or why it is none, where nobody else says that.
pub(in crate::screens::new_run) fn said_ui(ui: &mut Ui, key: &str, text: &str, with_trouble: bool) {
    let Some(list) = field::list_of(text) else { return };
    let (line, ink) = match typed(key, &list) {
        Err(_) if !with_trouble => return,
        Err(error) => (as_sentence(&tell(&error.sentence())), tokens(ui).bad),
        Ok(None) => return,
        Ok(Some(axis)) => {
            let values = axis.points.iter().filter_map(|point| point.first()).map(written);
            let more = if axis.points.len() > SHOWN { ", …" } else { "" };
            let values = values.take(SHOWN).collect::<Vec<_>>().join(", ");
            (t!("vary.values", n = axis.points.len(), values = format!("{values}{more}")), tokens(ui).muted)
        }
    };
    ui.add(egui::Label::new(RichText::new(line).small().color(ink)).wrap());
}

fn written(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => crate::format::scientific(number.as_f64().unwrap_or_default()),
        other => other.to_string(),
    }
}
