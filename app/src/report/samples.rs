//! Texts side by side: of one run before training and after it, of several runs what each writes in the end.

use std::collections::BTreeMap;

use engine::training::SampleReport;
use serde::Serialize;

use super::{Report, RunRecord};
use crate::format::shortened;
use crate::t;

/// Rows of the validation file that are shown.
const MOST_ROWS: usize = 6;
/// Runs that are shown beside each other.
const MOST_RUNS: usize = 4;
/// Characters of a text.
const LONGEST: usize = 600;

/// Texts for some rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Samples {
    /// Who wrote them, in the order of the texts.
    pub(super) writers: Vec<String>,
    pub(super) rows: Vec<SampleRow>,
    /// They are of one run, the last after the others.
    pub(super) is_course: bool,
}

/// A row, and what was written for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct SampleRow {
    pub(super) prompt: String,
    pub(super) reference: String,
    /// `None` where one has none.
    pub(super) texts: Vec<Option<String>>,
}

impl Report {
    /// `None` where no run has written any. Of groups over seeds the first run speaks.
    pub(super) fn samples(&self, first_of_groups: &[usize]) -> Option<Samples> {
        let columns: Vec<(String, BTreeMap<usize, &SampleReport>)> = match self.runs.as_slice() {
            [run] => before_and_after(run),
            runs => {
                let chosen = first_of_groups.iter().filter_map(|at| runs.get(*at)).take(MOST_RUNS);
                chosen.map(|run| (run.row.name.clone(), last_of(run))).collect()
            }
        };
        // A prompt stands for a row: runs on other rows have others under the same number.
        let mut rows: Vec<(&str, &str, Vec<Option<String>>)> = Vec::new();
        for (at, (_, samples)) in columns.iter().enumerate() {
            for sample in samples.values() {
                let known = rows.iter().position(|(prompt, ..)| *prompt == sample.prompt);
                let row = known.unwrap_or_else(|| {
                    rows.push((&sample.prompt, &sample.reference, vec![None; columns.len()]));
                    rows.len() - 1
                });
                rows[row].2[at] = Some(shortened(sample.text.trim(), LONGEST));
            }
        }
        rows.sort_by_key(|(.., texts)| std::cmp::Reverse(texts.iter().flatten().count()));
        let row = |(prompt, reference, texts): (&str, &str, Vec<Option<String>>)| SampleRow {
            prompt: shortened(prompt.trim(), LONGEST),
            reference: shortened(reference.trim(), LONGEST),
            texts,
        };
        let rows: Vec<SampleRow> = rows.into_iter().take(MOST_ROWS).map(row).collect();
        let writers = columns.into_iter().map(|(name, _)| name).collect();
        (!rows.is_empty()).then_some(Samples { writers, rows, is_course: self.runs.len() == 1 })
    }
}

/// The first and the last samples of a run, where they are not the same.
fn before_and_after(run: &RunRecord) -> Vec<(String, BTreeMap<usize, &SampleReport>)> {
    let steps = || run.samples.iter().map(|sample| sample.step);
    let (Some(first), Some(last)) = (steps().min(), steps().max()) else { return Vec::new() };
    let at = |step: usize| run.samples.iter().filter(|s| s.step == step).map(|s| (s.row, s)).collect();
    let name = |step: usize| match step {
        0 => t!("report.before").to_owned(),
        step => t!("report.at_step", n = step),
    };
    match first == last {
        true => vec![(name(last), at(last))],
        false => vec![(name(first), at(first)), (name(last), at(last))],
    }
}

fn last_of(run: &RunRecord) -> BTreeMap<usize, &SampleReport> {
    let last = run.samples.iter().map(|sample| sample.step).max();
    run.samples.iter().filter(|sample| Some(sample.step) == last).map(|sample| (sample.row, sample)).collect()
}
