//! Rows as far as a metric must know them: taken in part by part, then the figure of any set of them.

use std::collections::BTreeMap;

use super::bootstrap::Bootstrap;
use super::classification::Classification;
use super::correlation::{pearson, spearman};
use super::multirc::Judged;
use super::registry::{Metric, Needs};
use super::scores::{Score, metric_of_texts, scheme_of};
use super::squad2::Thresholds;
use super::tags::EntityF1;
use super::text::{Resources, TextMetric, TextRow};
use crate::{Sentence, sentence};

/// Most additions that an interval may cost; beyond it there is none.
pub(super) const MOST_ADDITIONS: usize = 20_000_000_000;

/// Rows on their way to a figure.
pub struct Counter {
    metric: Metric,
    /// Rows so far.
    n_rows: usize,
    counts: Counts,
    /// Texts that are kept until the corpus is whole, where the statistics of a row depend on it.
    corpus: Vec<TextRow>,
}

/// The part of the rows that is kept.
enum Counts {
    /// Sums over rows are all that the figure needs.
    Sums {
        metric: Box<dyn TextMetric>,
        statistics: Statistics,
    },
    /// Of each different text a class, in the order in which they come.
    Classes {
        names: BTreeMap<String, usize>,
        pairs: Vec<(usize, usize)>,
    },
    Numbers {
        predictions: Vec<f64>,
        labels: Vec<f64>,
    },
    /// Answers by their question.
    Judged(Judged),
    /// Answers with the probability that there is none.
    Thresholds(Thresholds),
}

/// Statistics of rows, all of one length.
#[derive(Default)]
struct Statistics {
    n_rows: usize,
    values: Vec<f64>,
}

impl Statistics {
    fn add(&mut self, rows: Vec<Vec<f64>>) {
        self.n_rows += rows.len();
        rows.into_iter().for_each(|row| self.values.extend(row));
    }

    fn width(&self) -> usize {
        self.values.len() / self.n_rows.max(1)
    }

    fn row(&self, row: usize) -> &[f64] {
        let width = self.width();
        &self.values[row * width..(row + 1) * width]
    }

    fn sum(&self, rows: &[usize]) -> Vec<f64> {
        let mut sum = vec![0.0; self.width()];
        for &row in rows {
            sum.iter_mut().zip(self.row(row)).for_each(|(sum, of)| *sum += of);
        }
        sum
    }
}

impl Counter {
    /// No row is taken in yet.
    ///
    /// # Errors
    /// The metric is of something else than texts.
    pub fn new(metric: &Metric, resources: &Resources) -> Result<Self, Sentence> {
        let counts = match metric.needs {
            Needs::Texts => {
                let found = metric_of_texts(metric.name, resources);
                let metric = found.ok_or_else(|| sentence!("it is not computed of texts"))?;
                Counts::Sums { metric, statistics: Statistics::default() }
            }
            Needs::Tags => {
                Counts::Sums { metric: Box::new(EntityF1(scheme_of(metric.name))), statistics: Statistics::default() }
            }
            Needs::Classes => Counts::Classes { names: BTreeMap::new(), pairs: Vec::new() },
            Needs::Numbers => Counts::Numbers { predictions: Vec::new(), labels: Vec::new() },
            Needs::Questions => Counts::Judged(Judged::default()),
            Needs::NoAnswer => Counts::Thresholds(Thresholds::new(metric.name.starts_with("squad2_best_f1"))),
            needs => return Err(sentence!("it needs {needs}", needs = needs.sentence())),
        };
        Ok(Self { metric: *metric, n_rows: 0, counts, corpus: Vec::new() })
    }

    /// Takes in the next rows.
    ///
    /// # Errors
    /// A row that the metric has no figure of.
    pub fn add(&mut self, rows: &[TextRow]) -> Result<(), Sentence> {
        let may_be_without = self.metric.name.starts_with("squad2");
        if let Some(row) = rows.iter().position(|row| row.references.is_empty()).filter(|_| !may_be_without) {
            return Err(sentence!("row {row} has no reference", row = self.n_rows + row + 1));
        }
        match &mut self.counts {
            Counts::Sums { metric, statistics } => {
                if self.metric.needs == Needs::Tags {
                    EntityF1(scheme_of(self.metric.name)).check(rows, self.n_rows)?;
                }
                match metric.is_of_rows() {
                    true => statistics.add(metric.statistics(rows)),
                    false => self.corpus.extend_from_slice(rows),
                }
            }
            Counts::Classes { names, pairs } => pairs.extend(rows.iter().map(|row| pair(row, names))),
            Counts::Numbers { predictions, labels } => {
                for (at, row) in (self.n_rows + 1..).zip(rows) {
                    predictions.push(number(at, &row.prediction)?);
                    labels.push(number(at, row.references.first().map_or("", String::as_str))?);
                }
            }
            Counts::Judged(judged) => {
                (self.n_rows + 1..).zip(rows).try_for_each(|(at, row)| judged.add(row, at))?;
            }
            Counts::Thresholds(thresholds) => {
                (self.n_rows + 1..).zip(rows).try_for_each(|(at, row)| thresholds.add(row, at))?;
            }
        }
        self.n_rows += rows.len();
        Ok(())
    }

    /// All rows are there.
    ///
    /// # Errors
    /// There is none.
    pub fn counted(mut self) -> Result<Counted, Sentence> {
        if self.n_rows == 0 {
            return Err(sentence!("there are no rows"));
        }
        match &mut self.counts {
            Counts::Sums { metric, statistics } if !self.corpus.is_empty() => {
                statistics.add(metric.statistics(&self.corpus));
            }
            Counts::Thresholds(thresholds) => thresholds.sort(),
            _ => {}
        }
        Ok(Counted { metric: self.metric, n_rows: self.n_rows, counts: self.counts })
    }
}

/// Label and prediction as classes. A prediction that is any of the references is right.
fn pair(row: &TextRow, names: &mut BTreeMap<String, usize>) -> (usize, usize) {
    let guess = row.prediction.trim();
    let labels = || row.references.iter().map(|reference| reference.trim());
    let label = if labels().any(|label| label == guess) { guess } else { labels().next().unwrap_or_default() };
    let mut class = |text: &str| match names.get(text) {
        Some(&class) => class,
        None => {
            let class = names.len();
            names.insert(text.to_owned(), class);
            class
        }
    };
    (class(label), class(guess))
}

fn number(row: usize, text: &str) -> Result<f64, Sentence> {
    let read = text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    read.ok_or_else(|| sentence!("row {row} has {text:?}, which is no number", row, text))
}

/// All rows, as far as a metric must know them.
pub struct Counted {
    metric: Metric,
    n_rows: usize,
    counts: Counts,
}

impl Counted {
    /// Of rows that are all there.
    ///
    /// # Errors
    /// Why they have no figure.
    pub(super) fn of(metric: &Metric, rows: &[TextRow], resources: &Resources) -> Result<Self, Sentence> {
        let mut counter = Counter::new(metric, resources)?;
        counter.add(rows)?;
        counter.counted()
    }

    /// What a bootstrap draws: rows, or where answers stand together their questions.
    pub(super) fn n_drawn(&self) -> usize {
        if let Counts::Judged(judged) = &self.counts { judged.n_questions() } else { self.n_rows }
    }

    /// The figure of all rows.
    pub(super) fn whole(&self) -> f64 {
        self.figure(&(0..self.n_drawn()).collect::<Vec<_>>())
    }

    /// The figure of some of what is drawn, maybe with one of it several times.
    pub(super) fn figure(&self, rows: &[usize]) -> f64 {
        match &self.counts {
            Counts::Sums { metric, statistics } => metric.figure(&statistics.sum(rows)),
            Counts::Classes { names, pairs } => {
                let counted = Classification::of(rows.iter().map(|&row| pairs[row]), names.len());
                class_figure(self.metric.name)(&counted)
            }
            Counts::Numbers { predictions, labels } => {
                let of = |values: &[f64]| rows.iter().map(|&row| values[row]).collect::<Vec<f64>>();
                let figure = if self.metric.name == "spearman" { spearman } else { pearson };
                figure(&of(predictions), &of(labels)).unwrap_or(f64::NAN)
            }
            Counts::Judged(judged) => {
                let figures = judged.figures(rows);
                if self.metric.name == "multirc_exact" { figures.exact } else { figures.f1a }
            }
            Counts::Thresholds(thresholds) => {
                let best = thresholds.best(rows);
                if self.metric.name.ends_with("_thresh") { best.threshold } else { best.figure }
            }
        }
    }

    /// The figure of each row by itself: of a class 1 or 0, of a number how far it is from the label.
    fn row_figures(&self) -> Vec<f64> {
        match &self.counts {
            Counts::Sums { metric, statistics } => {
                (0..self.n_rows).map(|row| metric.row_figure(statistics.row(row))).collect()
            }
            Counts::Classes { pairs, .. } => {
                pairs.iter().map(|(label, guess)| f64::from(u8::from(label == guess))).collect()
            }
            Counts::Numbers { predictions, labels } => {
                predictions.iter().zip(labels).map(|(prediction, label)| (prediction - label).abs()).collect()
            }
            Counts::Judged(judged) => judged.row_figures(),
            Counts::Thresholds(thresholds) => thresholds.row_figures(),
        }
    }

    fn signature(&self) -> Option<String> {
        match &self.counts {
            Counts::Sums { metric, .. } => metric.signature(),
            Counts::Classes { names, .. } => Some(format!("classes:{}", names.len())),
            Counts::Numbers { .. } => None,
            Counts::Judged(judged) => Some(format!("questions:{}", judged.n_questions())),
            Counts::Thresholds(_) => Some("norm:squad-2.0|refs:max|answers as they are written".to_owned()),
        }
    }

    /// What the draws of a bootstrap cost.
    pub(super) fn additions(&self, bootstrap: Bootstrap) -> usize {
        let each = match &self.counts {
            Counts::Sums { statistics, .. } => statistics.values.len(),
            Counts::Classes { names, pairs } => pairs.len() + names.len(),
            // Ranks are sorted.
            Counts::Numbers { labels, .. } => labels.len() * 20,
            Counts::Judged(judged) => judged.n_questions() * 4,
            Counts::Thresholds(_) => self.n_rows * 2,
        };
        bootstrap.draws.saturating_mul(each)
    }

    /// The figure of all rows, with an interval if there are draws to make it of.
    pub fn score(&self, bootstrap: Option<Bootstrap>) -> Score {
        let bootstrap = bootstrap.filter(|bootstrap| self.additions(*bootstrap) <= MOST_ADDITIONS);
        Score {
            metric: self.metric.name.to_owned(),
            figure: self.whole(),
            signature: self.signature(),
            rows: self.row_figures(),
            interval: bootstrap.and_then(|bootstrap| bootstrap.interval(self.n_drawn(), |rows| self.figure(rows))),
        }
    }
}

fn class_figure(name: &str) -> fn(&Classification) -> f64 {
    match name {
        "macro_f1" => Classification::macro_f1,
        "micro_f1" => Classification::micro_f1,
        "weighted_f1" => Classification::weighted_f1,
        "balanced_accuracy" => Classification::balanced_accuracy,
        "matthews" => Classification::matthews,
        _ => Classification::accuracy,
    }
}
