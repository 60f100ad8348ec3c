//! A set of rows under every column: texts, figures, and what somebody has noted of them.

use std::path::{Path, PathBuf};

use engine::metrics::Metric;
use engine::protocol::{ComparedColumn, ComparedRow, Event, Report};
use similar::TextDiff;

use super::votes::SetVote;
use super::{ColumnId, GenerateForm};
use crate::state::request::Request;

/// Characters of a text that are held against others.
const COMPARED: usize = 400;

/// All that is typed for a set.
#[derive(Clone, Debug)]
pub struct SetForm {
    /// File of the rows.
    pub data: PathBuf,
    /// Decoding; its prompt is not used.
    pub asked: GenerateForm,
    /// Metrics of texts by their names.
    pub metrics: Vec<String>,
    /// Whether each column scores the target, too.
    pub losses: bool,
    /// Only the first so many sources.
    pub limit: Option<usize>,
}

/// A column of the set, as it was when it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetColumn {
    /// The column of the screen.
    pub id: ColumnId,
    /// Its name.
    pub name: String,
    /// It is the untouched model.
    pub is_base: bool,
}

/// A figure of a row under a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Measure {
    /// The loss of its target.
    #[default]
    Loss,
    /// A metric by its place.
    Metric(usize),
}

/// A row with what was noted of it.
#[derive(Clone, Debug, Default)]
pub struct SetRow {
    /// Texts of the columns.
    pub row: ComparedRow,
    /// 0 where all columns say the same, up to 1.
    pub disagreement: f64,
    /// Of each column, metric by metric; empty until they are scored.
    pub figures: Vec<Vec<Option<f64>>>,
    /// Marked by somebody.
    pub starred: bool,
    /// Words of somebody.
    pub note: String,
    /// The text that was judged best without knowing whose it is.
    pub vote: Option<SetVote>,
}

/// The set that is shown.
#[derive(Clone, Debug, Default)]
pub struct RowSet {
    /// The question for it.
    pub request: Request<()>,
    /// File of the rows.
    pub data: PathBuf,
    /// The columns.
    pub columns: Vec<SetColumn>,
    /// Metrics by their names.
    pub metrics: Vec<String>,
    /// Targets were scored, too.
    pub losses: bool,
    /// Rows that have their texts, and all.
    pub done: Option<(usize, usize)>,
    /// In the order in which they came.
    pub rows: Vec<SetRow>,
    /// Figures of each column, once all are there.
    pub scored: Vec<ComparedColumn>,
    /// Decides in which order the texts of a row are judged blindly.
    pub seed: u64,
    /// Counts the changes of what rows are sorted and filtered by.
    pub revision: u64,
}

impl RowSet {
    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Begins anew, with these columns.
    pub(super) fn begin(&mut self, columns: Vec<SetColumn>, form: &SetForm) {
        *self = Self {
            request: std::mem::take(&mut self.request),
            data: form.data.clone(),
            columns,
            metrics: form.metrics.clone(),
            losses: form.losses,
            seed: self.seed.wrapping_add(1),
            revision: self.revision + 1,
            ..Self::default()
        };
    }

    /// Takes in what its job tells; `true` if the event was its own. A set that is stopped goes on until it is scored.
    pub fn on(&mut self, event: &Event) -> bool {
        if !self.request.is(event.job) {
            return false;
        }
        match &event.what {
            Report::RowCompared { done, total, row } => {
                self.done = Some((*done, *total));
                let disagreement = disagreement(&row.texts);
                self.rows.push(SetRow { row: row.as_ref().clone(), disagreement, ..SetRow::default() });
                self.revision += 1;
            }
            Report::SetCompared { rows, columns } => self.take(rows, columns),
            _ => {}
        }
        self.request.on(event, |_| None)
    }

    fn take(&mut self, numbers: &[usize], columns: &[ComparedColumn]) {
        self.scored = columns.to_vec();
        for row in &mut self.rows {
            let Some(place) = numbers.iter().position(|number| *number == row.row.row) else { continue };
            let figures = |column: &ComparedColumn| column.rows.get(place).cloned().unwrap_or_default();
            row.figures = columns.iter().map(figures).collect();
        }
        self.revision += 1;
    }

    /// A row by its number in the file.
    pub fn row_mut(&mut self, number: usize) -> Option<&mut SetRow> {
        self.revision += 1;
        self.rows.iter_mut().find(|row| row.row.row == number)
    }

    /// Figures that there are: the loss of the targets first.
    pub fn measures(&self) -> Vec<Measure> {
        let losses = self.losses.then_some(Measure::Loss);
        let metrics = if self.scored.is_empty() { 0 } else { self.metrics.len() };
        losses.into_iter().chain((0..metrics).map(Measure::Metric)).collect()
    }

    /// A figure of a row under a column.
    pub fn figure(&self, row: &SetRow, column: usize, measure: Measure) -> Option<f64> {
        let found = match measure {
            Measure::Loss => *row.row.losses.get(column)?,
            Measure::Metric(metric) => *row.figures.get(column)?.get(metric)?,
        };
        found.filter(|figure| figure.is_finite())
    }

    /// A figure of a column over all rows, with its interval where it has one.
    pub fn figure_of(&self, column: usize, measure: Measure) -> Option<(f64, Option<(f64, f64)>)> {
        match measure {
            Measure::Loss => {
                let losses: Option<Vec<f64>> =
                    self.rows.iter().map(|row| self.figure(row, column, Measure::Loss)).collect();
                let losses = losses.filter(|losses| !losses.is_empty())?;
                let (mean, half) = engine::metrics::mean_interval(&losses)?;
                Some((mean, half.map(|half| (mean - half, mean + half))))
            }
            Measure::Metric(metric) => {
                let figure = self.scored.get(column)?.figures.get(metric)?;
                let interval =
                    Some((figure.low, figure.high)).filter(|(low, high)| low.is_finite() && high.is_finite());
                Some((figure.figure, interval))
            }
        }
    }

    /// Whether less of a figure is better.
    pub fn less_is_better(&self, measure: Measure) -> bool {
        match measure {
            Measure::Loss => true,
            Measure::Metric(metric) => {
                let metric = self.metrics.get(metric).and_then(|name| Metric::named(name).ok());
                metric.is_some_and(|metric| !metric.higher_is_better)
            }
        }
    }

    /// The column of the untouched model.
    pub fn base(&self) -> Option<usize> {
        self.columns.iter().position(|column| column.is_base)
    }

    /// Whether a column's text differs from the base's, or from the first one's where there is no base.
    pub fn is_changed(&self, row: &SetRow) -> bool {
        let first = row.row.texts.get(self.base().unwrap_or(0));
        row.row.texts.iter().any(|text| Some(text) != first)
    }

    /// Whether a column's figure is worse than the base's.
    pub fn is_worse(&self, row: &SetRow, measure: Measure) -> bool {
        let Some(base) = self.base() else { return false };
        let Some(of_base) = self.figure(row, base, measure) else { return false };
        let is_less = self.less_is_better(measure);
        let figures = (0..self.columns.len()).filter_map(|column| self.figure(row, column, measure));
        figures.into_iter().any(|figure| if is_less { figure > of_base } else { figure < of_base })
    }

    /// The name of the file of the rows.
    pub fn file_name(&self) -> String {
        Path::new(&self.data).file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }
}

/// The mean over all pairs of texts of how unlike they are.
fn disagreement(texts: &[String]) -> f64 {
    let short: Vec<String> = texts.iter().map(|text| text.chars().take(COMPARED).collect()).collect();
    let (mut sum, mut pairs) = (0.0, 0);
    for (place, one) in short.iter().enumerate() {
        for other in &short[place + 1..] {
            sum += if one == other { 0.0 } else { 1.0 - f64::from(TextDiff::from_chars(one, other).ratio()) };
            pairs += 1;
        }
    }
    sum / f64::from(pairs.max(1))
}

#[cfg(test)]
pub(super) mod tests {
    use engine::evaluation::MetricFigure;
    use engine::generation::Sampling;
    use engine::protocol::{JobId, Outcome, Prompt};

    use super::*;

    /// A set of a base and a run, whose job is 1.
    pub(crate) fn begun() -> RowSet {
        let mut set = RowSet::default();
        let column = |id, name: &str| SetColumn { id: ColumnId(id), name: name.into(), is_base: id == 0 };
        let asked = GenerateForm { prompt: Prompt::Text(String::new()), sampling: Sampling::default(), samples: 1 };
        let form = SetForm {
            data: "/sets/test.jsonl".into(),
            asked,
            metrics: vec!["chrf".into(), "ter".into()],
            losses: true,
            limit: None,
        };
        set.begin(vec![column(0, "Base model"), column(1, "run")], &form);
        set.request.start(JobId(1));
        set
    }

    pub(crate) fn told(set: &mut RowSet, number: usize, texts: [&str; 2], losses: [f64; 2]) {
        let row = ComparedRow {
            row: number,
            source: format!("source {number}"),
            references: vec!["right".into()],
            texts: texts.map(str::to_owned).to_vec(),
            losses: losses.map(Some).to_vec(),
        };
        let done = set.rows.len() + 1;
        let what = Report::RowCompared { done, total: 3, row: Box::new(row) };
        assert!(set.on(&Event { job: JobId(1), what }));
    }

    /// Three rows, scored: chrF of the run is better in the first and worse in the second.
    pub(crate) fn scored() -> RowSet {
        let mut set = begun();
        told(&mut set, 4, ["same", "same"], [2.0, 2.0]);
        told(&mut set, 1, ["the river", "a hill"], [2.0, 1.0]);
        told(&mut set, 2, ["the river", "the rivers"], [1.0, 3.0]);
        let figure =
            |name: &str, figure| MetricFigure { name: name.into(), figure, low: 1.0, high: 9.0, signature: None };
        let column = |rows: [[f64; 2]; 3]| ComparedColumn {
            adapter_hash: String::new(),
            figures: vec![figure("chrf", 50.0), figure("ter", 20.0)],
            rows: rows.map(|figures| figures.map(Some).to_vec()).to_vec(),
        };
        // In the order of the file: rows 1, 2, 4.
        let columns =
            vec![column([[10.0, 90.0], [60.0, 40.0], [5.0, 5.0]]), column([[30.0, 50.0], [50.0, 50.0], [5.0, 5.0]])];
        set.on(&Event { job: JobId(1), what: Report::SetCompared { rows: vec![1, 2, 4], columns } });
        set.on(&Event { job: JobId(1), what: Report::Finished { outcome: Outcome::Completed } });
        set
    }

    #[test]
    fn figures_find_their_rows_whatever_the_order_in_which_those_came() {
        let set = scored();
        assert!(!set.request.is_open() && set.done == Some((3, 3)));
        let figures: Vec<_> =
            set.rows.iter().map(|row| (row.row.row, set.figure(row, 1, Measure::Metric(0)))).collect();
        assert_eq!(figures, [(4, Some(5.0)), (1, Some(30.0)), (2, Some(50.0))]);
        assert_eq!(set.measures(), [Measure::Loss, Measure::Metric(0), Measure::Metric(1)]);
        assert_eq!(set.figure_of(1, Measure::Metric(1)), Some((20.0, Some((1.0, 9.0)))));
        let (mean, interval) = set.figure_of(1, Measure::Loss).unwrap();
        assert!((mean - 2.0).abs() < 1e-12 && interval.is_some_and(|(low, high)| low < 1.0 && high > 3.0));
        assert!(set.less_is_better(Measure::Loss) && set.less_is_better(Measure::Metric(1)));
        assert!(!set.less_is_better(Measure::Metric(0)));
    }

    #[test]
    fn rows_that_changed_and_those_that_became_worse_are_found() {
        let set = scored();
        let changed: Vec<bool> = set.rows.iter().map(|row| set.is_changed(row)).collect();
        assert_eq!(changed, [false, true, true]);
        let worse = |measure| set.rows.iter().map(|row| set.is_worse(row, measure)).collect::<Vec<bool>>();
        assert_eq!(worse(Measure::Loss), [false, false, true]);
        assert_eq!(worse(Measure::Metric(0)), [false, false, true]);
        assert_eq!(worse(Measure::Metric(1)), [false, false, true], "of errors more is worse");
    }

    #[test]
    fn texts_that_are_alike_disagree_less() {
        let set = scored();
        assert_eq!(set.rows[0].disagreement, 0.0);
        assert!(set.rows[1].disagreement > set.rows[2].disagreement && set.rows[2].disagreement > 0.0);
        assert_eq!(disagreement(&["a".to_owned()]), 0.0);
        let three = ["a", "a", "b"].map(str::to_owned);
        assert!((disagreement(&three) - 2.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn late_rows_of_a_set_that_was_begun_anew_are_dropped() {
        let mut set = begun();
        set.request.start(JobId(2));
        let what = Report::RowCompared { done: 1, total: 1, row: Box::default() };
        assert!(!set.on(&Event { job: JobId(1), what }) && set.is_empty());
    }
}
