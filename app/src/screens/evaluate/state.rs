//! What *Evaluate* asks of the engine, and what came of it.

use std::path::PathBuf;

use engine::config::Sampling;
use engine::evaluation::{PredictedRow, ScoredPredictions};
use engine::protocol::{Event, Report};

use crate::state::request::Request;
use crate::workspace::RunId;

/// All that is typed.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluateForm {
    /// File of the rows.
    pub data: PathBuf,
    /// Decoding.
    pub generation: Sampling,
    /// Metrics of texts by their names.
    pub metrics: Vec<String>,
    /// The base model beside the adapter.
    pub with_base: bool,
    /// A column whose values get figures of their own.
    pub by: Option<String>,
    /// Only the first so many sources.
    pub limit: Option<usize>,
}

/// Scored predictions, and where they are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated {
    /// File of the predictions.
    pub predictions: Option<PathBuf>,
    /// Figures and rows.
    pub scored: ScoredPredictions,
}

/// Texts that are written by one model, or read again.
#[derive(Clone, Debug, Default)]
pub struct Side {
    /// The question.
    pub request: Request<Evaluated>,
    /// Rows that have their texts, and all.
    pub done: Option<(usize, usize)>,
    /// The row that was written last.
    pub last: Option<PredictedRow>,
}

/// The screen *Evaluate*.
#[derive(Clone, Debug, Default)]
pub struct Evaluation {
    /// The run that is evaluated; what is shown is of it.
    pub run: Option<RunId>,
    /// The adapter's texts.
    pub adapter: Side,
    /// The base model's beside them, where they were asked for.
    pub base: Side,
}

impl Side {
    fn on(&mut self, event: &Event) -> bool {
        let Self { request, done, last } = self;
        request.on(event, |report| match report {
            Report::Prediction { done: n, total, row } => {
                *done = Some((*n, *total));
                *last = Some(row.as_ref().clone());
                None
            }
            Report::Metrics { predictions, scored } => {
                Some(Evaluated { predictions: predictions.clone(), scored: scored.as_ref().clone() })
            }
            _ => None,
        })
    }

    /// The share of the rows that have their texts, if it is known.
    pub fn share(&self) -> Option<f32> {
        self.done.map(|(done, total)| done as f32 / total.max(1) as f32)
    }
}

impl Evaluation {
    /// Whether something is written or scored.
    pub fn is_open(&self) -> bool {
        self.adapter.request.is_open() || self.base.request.is_open()
    }

    /// The side that is at work now, the adapter's first.
    pub fn at_work(&self) -> Option<&Side> {
        [&self.adapter, &self.base].into_iter().find(|side| side.request.is_open())
    }

    /// What is shown: the adapter's answer, with the base's beside it.
    pub fn shown(&self) -> Option<(&Evaluated, Option<&Evaluated>)> {
        let base = self.base.request.answer.as_ref();
        match &self.adapter.request.answer {
            Some(adapter) => Some((adapter, base)),
            None => base.map(|base| (base, None)),
        }
    }

    /// Takes in what its jobs tell; `true` if the event was its own.
    pub fn on(&mut self, event: &Event) -> bool {
        self.adapter.on(event) || self.base.on(event)
    }

    /// There will be no answers.
    pub fn engine_gone(&mut self) {
        self.adapter.request.engine_gone();
        self.base.request.engine_gone();
    }
}

/// The order of the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As in the file.
    File,
    /// The worst first.
    #[default]
    Worst,
    /// The best first.
    Best,
}

/// Indices of the rows in an order by one of the figures; rows without that figure come last.
pub fn ordered(scored: &ScoredPredictions, metric: usize, order: Order, less_is_better: bool) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..scored.rows.len()).collect();
    let figure = |row: usize| scored.rows[row].figures.get(metric).copied().flatten();
    let rising = match order {
        Order::File => return rows,
        Order::Worst => !less_is_better,
        Order::Best => less_is_better,
    };
    rows.sort_by(|&a, &b| match (figure(a), figure(b)) {
        (Some(a), Some(b)) if rising => a.total_cmp(&b),
        (Some(a), Some(b)) => b.total_cmp(&a),
        (a, b) => b.is_some().cmp(&a.is_some()),
    });
    rows
}

#[cfg(test)]
mod tests {
    use engine::evaluation::ScoredRow;
    use engine::protocol::JobId;

    use super::*;

    fn row(number: usize) -> PredictedRow {
        PredictedRow {
            row: number,
            source: "s".into(),
            prediction: "p".into(),
            references: vec!["r".into()],
            ..PredictedRow::default()
        }
    }

    fn scored(figures: &[Option<f64>]) -> ScoredPredictions {
        let rows = (1..).zip(figures).map(|(n, figure)| ScoredRow { row: row(n), figures: vec![*figure] });
        ScoredPredictions { rows: rows.collect(), total: figures.len(), ..ScoredPredictions::default() }
    }

    #[test]
    fn rows_come_worst_first_or_best_first_and_those_without_a_figure_last() {
        let scored = scored(&[Some(0.5), None, Some(0.1), Some(0.9)]);
        assert_eq!(ordered(&scored, 0, Order::Worst, false), [2, 0, 3, 1]);
        assert_eq!(ordered(&scored, 0, Order::Best, false), [3, 0, 2, 1]);
        assert_eq!(ordered(&scored, 0, Order::Worst, true), [3, 0, 2, 1], "of errors more is worse");
        assert_eq!(ordered(&scored, 0, Order::File, false), [0, 1, 2, 3]);
        assert_eq!(ordered(&scored, 7, Order::Best, false), [0, 1, 2, 3], "no such figure");
    }

    #[test]
    fn both_sides_hear_their_own_events_and_the_answer_ends_each() {
        let mut evaluation = Evaluation::default();
        evaluation.adapter.request.start(JobId(1));
        evaluation.base.request.start(JobId(2));
        let told = |job, done| Event {
            job: JobId(job),
            what: Report::Prediction { done, total: 4, row: Box::new(row(done)) },
        };
        assert!(evaluation.on(&told(1, 2)) && evaluation.on(&told(2, 3)) && !evaluation.on(&told(3, 1)));
        assert_eq!((evaluation.adapter.share(), evaluation.base.share()), (Some(0.5), Some(0.75)));
        let metrics = |job| Event {
            job: JobId(job),
            what: Report::Metrics { predictions: None, scored: Box::new(scored(&[Some(1.0)])) },
        };
        assert!(evaluation.on(&metrics(2)) && evaluation.is_open());
        assert!(
            evaluation.shown().is_some_and(|(_, base)| base.is_none()),
            "the base alone, until the adapter is done"
        );
        assert!(evaluation.on(&metrics(1)) && !evaluation.is_open());
        assert!(evaluation.shown().is_some_and(|(_, base)| base.is_some()));
    }
}
