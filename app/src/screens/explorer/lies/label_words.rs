//! Whether the words of the classes are among the tokens nearest to some slot, before training and after.

use egui::Ui;
use engine::analysis::{LabelWord, LabelWordsReport, Side, WordPlace};

use super::super::layer;
use super::super::lines::{sentence_ui, title_ui};
use super::super::looking::note_ui;
use crate::charts::{Axis, Chart, Mark, Picture, Series};
use crate::format;
use crate::screens::saving::sheet::number;
use crate::t;

/// Draws a class after the other, and how many were found.
pub(in crate::screens::explorer) fn label_words_ui(ui: &mut Ui, who: &str, report: &LabelWordsReport) {
    let found = report.classes.iter().filter(|class| class.after.is_some()).count();
    let line = t!("insight.labels_found", found = found, of = report.classes.len(), top = report.top);
    sentence_ui(ui, &format!("{who}{line}"));
    for class in &report.classes {
        let piece = if class.is_whole { "" } else { t!("insight.label_piece") };
        title_ui(ui, &format!("{} = {}{piece}", class.class, class.word));
        if report.has_start {
            let line = place(class.before.as_ref(), class.slots_before);
            sentence_ui(ui, &t!("insight.label_before", place = line));
        }
        let line = place(class.after.as_ref(), class.slots_after);
        sentence_ui(ui, &t!("insight.label_after", place = line));
        note_ui(ui, &t!("insight.label_chance", share = format!("{:.1}", 100.0 * class.by_chance)));
    }
    let (cells, tokens) = (format::count(report.cells), format::count(report.vocabulary));
    note_ui(ui, &t!("insight.label_cells", cells = cells, tokens = tokens));
}

fn place(found: Option<&WordPlace>, slots: usize) -> String {
    let Some(found) = found else { return t!("insight.label_nowhere").to_owned() };
    let side = match found.side {
        Some(Side::Key) => t!("explorer.keys"),
        Some(Side::Value) => t!("explorer.values"),
        None => "",
    };
    let layer = layer::long(&found.name);
    let at = if side.is_empty() { layer } else { format!("{layer}, {side}") };
    let z = format!("{:.1}", found.z);
    t!(
        "insight.label_place",
        token = found.text,
        rank = found.rank,
        slot = found.position + 1,
        place = at,
        z = z,
        n = slots
    )
}

pub(in crate::screens::explorer) fn table(report: &LabelWordsReport) -> (&'static [&'static str], Vec<Vec<String>>) {
    let head = &[
        "class",
        "word",
        "whole",
        "rank_before",
        "z_before",
        "slots_before",
        "rank",
        "z",
        "slots",
        "layer",
        "slot",
        "by_chance",
    ];
    let rank = |place: &Option<WordPlace>| place.as_ref().map_or(String::new(), |place| place.rank.to_string());
    let z = |place: &Option<WordPlace>| place.as_ref().map_or(String::new(), |place| number(f64::from(place.z)));
    let row = |class: &LabelWord| {
        let after = class.after.as_ref();
        vec![
            class.class.clone(),
            class.word.clone(),
            class.is_whole.to_string(),
            rank(&class.before),
            z(&class.before),
            class.slots_before.to_string(),
            rank(&class.after),
            z(&class.after),
            class.slots_after.to_string(),
            after.map_or(String::new(), |place| layer::short(&place.name)),
            after.map_or(String::new(), |place| (place.position + 1).to_string()),
            number(class.by_chance),
        ]
    };
    (head, report.classes.iter().map(row).collect())
}

/// Slots near to each word, before and after.
pub(in crate::screens::explorer) fn picture(report: &LabelWordsReport, title: String) -> Picture {
    let points = |of: fn(&LabelWord) -> usize| {
        report.classes.iter().enumerate().map(|(at, class)| [of(class) as f64, at as f64]).collect::<Vec<_>>()
    };
    let series = |name: &str, points| Series { name: name.into(), points, mark: Mark::Points, ..Series::default() };
    let mut all = vec![series(t!("insight.after_training"), points(|class| class.slots_after))];
    if report.has_start {
        all.push(series(t!("insight.before_training"), points(|class| class.slots_before)));
    }
    Picture::Chart(Chart {
        title,
        x: Axis { label: t!("insight.axis_near_slots").to_owned(), ..Axis::default() },
        y: Axis { names: report.classes.iter().map(|class| class.word.clone()).collect(), ..Axis::default() },
        series: all,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_nowhere_is_said_to_be_and_a_table_keeps_its_columns() {
        let near = WordPlace {
            layer: 2,
            name: "blocks.2".into(),
            side: Some(Side::Value),
            position: 4,
            rank: 3,
            text: "·good".into(),
            z: 4.25,
        };
        let class =
            LabelWord { class: "1".into(), word: "good".into(), after: Some(near.clone()), ..LabelWord::default() };
        let report = LabelWordsReport { classes: vec![class, LabelWord::default()], ..LabelWordsReport::default() };
        let (head, rows) = table(&report);
        assert!(rows.iter().all(|row| row.len() == head.len()));
        assert_eq!((rows[0][6].as_str(), rows[0][9].as_str(), rows[0][10].as_str()), ("3", "3", "5"));
        let said = place(Some(&near), 2);
        assert!(said.contains("Layer 3") && said.contains("z 4.2"), "{said}");
        assert_eq!(place(None, 0), t!("insight.label_nowhere"));
    }
}
