//! Predictions of a task, gathered batch by batch, and their figures: those of [`crate::metrics`] over the task's classes,
//! candidates or answers.

use crate::config::{Task, TaskRecord};
use crate::data::{Example, TokenBatch};
use crate::metrics::classification::{ClassCounts, Classification, macro_f1};
use crate::metrics::correlation::{pearson, spearman};
use crate::metrics::entities::{EntityCounts, Scheme};
use crate::metrics::ranking::Ranks;
use crate::metrics::{Questions, Squad2, TextMetric, TextRow};
use crate::training::answers::{AnswerFinder, FoundAnswer};
use crate::training::candidates::RankedRow;
use crate::training::{
    AnswerMetrics, ClassificationMetrics, MacroRanking, NamedMetrics, RankingMetrics, RegressionMetrics,
};

/// Outside of every entity, in the labels of CoNLL files.
const OUTSIDE: &str = "O";

/// Predictions gathered batch by batch.
#[derive(Clone, Debug, Default)]
pub struct MetricAccumulator {
    /// In the order they came.
    rows: Vec<TallyRow>,
    /// Of questions about a text.
    answers: AnswerFinder,
}

/// The labels of a row.
#[derive(Clone, Debug, Default)]
struct TallyRow {
    /// Index of the row among the examples.
    row: usize,
    /// Label and prediction, place by place.
    pairs: Vec<(i32, i32)>,
    /// Rank of the right answer, and among how many it was looked for.
    rank: Option<(usize, usize)>,
    /// The wanted number and the one that was told.
    number: Option<(f32, f32)>,
}

impl MetricAccumulator {
    /// Takes in what was predicted at the labeled places of a batch.
    pub fn add(&mut self, batch: &TokenBatch, predicted: &[i32]) {
        let from = self.rows.len();
        self.rows.extend(batch.rows.iter().map(|&row| TallyRow { row, ..TallyRow::default() }));
        for ((at, label), &guess) in batch.labeled().into_iter().zip(predicted) {
            self.rows[from + batch.row_of(at)].pairs.push((label, guess));
        }
    }

    /// Takes in the numbers that the rows of a batch were taken for.
    pub fn add_numbers(&mut self, batch: &TokenBatch, numbers: &[f32]) {
        let told = batch.rows.iter().zip(batch.targets.iter().zip(numbers));
        self.rows.extend(told.map(|(&row, (&wanted, &guess))| TallyRow {
            row,
            number: Some((wanted, guess)),
            ..TallyRow::default()
        }));
    }

    /// Takes in the scores of windows of texts that questions are about, `[2 · batch, seq]`.
    pub fn add_spans(&mut self, batch: &TokenBatch, scores: &[f32], examples: &[Example]) {
        for (&row, scores) in batch.rows.iter().zip(scores.chunks_exact(2 * batch.seq.max(1))) {
            let (first, last) = scores.split_at(batch.seq);
            self.answers.add(&examples[row], first, last);
        }
    }

    /// Takes in the labels and predictions of one example.
    pub fn row(&mut self, row: usize, pairs: Vec<(i32, i32)>) {
        self.rows.push(TallyRow { row, pairs, ..TallyRow::default() });
    }

    /// Takes in the candidates of rows, scored.
    pub fn add_ranked(&mut self, ranked: &[RankedRow]) {
        let number = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
        self.rows.extend(ranked.iter().map(|found| TallyRow {
            row: found.row,
            pairs: vec![(number(found.right), number(found.best))],
            rank: Some((found.rank, found.n)),
            number: None,
        }));
    }

    /// The figures of a task with predictions; `None` for one without, or without any label.
    ///
    /// F1 leaves out the class `O` where there is one: most tokens belong to no entity. A class that is neither there nor
    /// predicted does not count in the macro mean. Entities are as in chakki-works/seqeval, strict, IOB2: one begins
    /// with `B-`, goes on with `I-` of the same type, and is right when its span and type are.
    pub fn figures(&self, record: &TaskRecord) -> Option<ClassificationMetrics> {
        let answers = self.answer_metrics(|_| true);
        figures_of(&self.rows, record).map(|figures| ClassificationMetrics { answers, ..figures })
    }

    fn answer_metrics(&self, is_counted: impl Fn(&FoundAnswer) -> bool) -> Option<Box<AnswerMetrics>> {
        let found = self.answers.found().into_iter().filter(is_counted);
        let row = |answer: FoundAnswer| TextRow { prediction: answer.text, references: answer.references };
        let rows: Vec<TextRow> = found.map(row).collect();
        let share = |f1| {
            let metric = Squad2 { of: Questions::All, f1 };
            let sum = metric
                .statistics(&rows)
                .into_iter()
                .fold(vec![0.0; 2], |sum, row| sum.iter().zip(row).map(|(sum, of_row)| sum + of_row).collect());
            metric.figure(&sum) / 100.0
        };
        (!rows.is_empty()).then(|| Box::new(AnswerMetrics { exact_match: share(false), f1: share(true) }))
    }

    /// The same over all rows, and of each of several datasets; `of` says which one an example is of.
    pub fn figures_by_dataset(
        &self,
        record: &TaskRecord,
        names: &[String],
        of: impl Fn(usize) -> usize,
    ) -> Option<ClassificationMetrics> {
        let alone = |(dataset, name): (usize, &String)| {
            let rows: Vec<TallyRow> = self.rows.iter().filter(|row| of(row.row) == dataset).cloned().collect();
            let answers = self.answer_metrics(|answer| answer.dataset == dataset);
            let figures = figures_of(&rows, record)?;
            Some(NamedMetrics { name: name.clone(), figures: ClassificationMetrics { answers, ..figures } })
        };
        let datasets: Vec<NamedMetrics> = names.iter().enumerate().filter_map(alone).collect();
        let whole = self.figures(record)?;
        let ranking = whole.ranking.map(|ranking| RankingMetrics { macro_mean: macro_mean(&datasets), ..ranking });
        Some(ClassificationMetrics { ranking, datasets, ..whole })
    }
}

fn figures_of(rows: &[TallyRow], record: &TaskRecord) -> Option<ClassificationMetrics> {
    if record.task == Task::Regression {
        let regression = Box::new(regression(rows)?);
        return Some(ClassificationMetrics { regression: Some(regression), ..ClassificationMetrics::default() });
    }
    let class = |class: i32| usize::try_from(class).unwrap_or(usize::MAX);
    let pairs = rows.iter().flat_map(|row| &row.pairs).map(|&(label, guess)| (class(label), class(guess)));
    let counted = Classification::of(pairs, record.classes.len());
    let is_ranked = rows.iter().any(|row| row.rank.is_some());
    if counted.rows == 0 || (record.task.writes() && !is_ranked) {
        return None;
    }
    let accuracy = Some(counted.accuracy());
    if record.classes.is_empty() || record.task == Task::QuestionAnswering {
        let ranking = ranking(rows);
        return Some(ClassificationMetrics { accuracy, ranking, ..ClassificationMetrics::default() });
    }
    let named = counted.classes.iter().zip(&record.classes).filter(|(_, name)| *name != OUTSIDE);
    let within: Vec<ClassCounts> = named.map(|(counts, _)| *counts).collect();
    let is_iob = record.classes.iter().any(|class| class == OUTSIDE)
        && record.classes.iter().any(|class| class.starts_with("B-"));
    Some(ClassificationMetrics {
        accuracy,
        macro_f1: Some(macro_f1(&within)),
        micro_f1: Some(ClassCounts::sum(within).f1()),
        entity_f1: (record.task == Task::TokenClassification && is_iob).then(|| entity_f1(rows, &record.classes)),
        matthews: (record.task != Task::TokenClassification).then(|| counted.matthews()),
        ..ClassificationMetrics::default()
    })
}

fn regression(rows: &[TallyRow]) -> Option<RegressionMetrics> {
    let pairs = rows.iter().filter_map(|row| row.number);
    let (wanted, told): (Vec<f64>, Vec<f64>) = pairs.map(|(a, b)| (f64::from(a), f64::from(b))).unzip();
    let squares = wanted.iter().zip(&told).map(|(wanted, told)| (wanted - told).powi(2)).sum::<f64>();
    (!wanted.is_empty()).then(|| RegressionMetrics {
        pearson: pearson(&told, &wanted).unwrap_or(0.0),
        spearman: spearman(&told, &wanted).unwrap_or(0.0),
        mse: squares / wanted.len() as f64,
    })
}

/// Fewer candidates than this are choices: among them the right one is said to be first or not.
const MANY: usize = 11;

fn ranking(rows: &[TallyRow]) -> Option<RankingMetrics> {
    let (ranks, sizes): (Vec<usize>, Vec<usize>) = rows.iter().filter_map(|row| row.rank).unzip();
    let (ranks, candidates) = (Ranks(ranks), sizes.into_iter().max().filter(|&most| most >= MANY)?);
    Some(RankingMetrics {
        p_at_1: ranks.precision_at(1),
        p_at_10: ranks.precision_at(10),
        mrr: ranks.mrr(),
        candidates,
        macro_mean: None,
    })
}

fn macro_mean(datasets: &[NamedMetrics]) -> Option<MacroRanking> {
    let each: Vec<RankingMetrics> = datasets.iter().filter_map(|dataset| dataset.figures.ranking).collect();
    let mean = |figure: fn(&RankingMetrics) -> f64| each.iter().map(figure).sum::<f64>() / each.len() as f64;
    (!each.is_empty()).then(|| MacroRanking {
        p_at_1: mean(|r| r.p_at_1),
        p_at_10: mean(|r| r.p_at_10),
        mrr: mean(|r| r.mrr),
    })
}

fn entity_f1(rows: &[TallyRow], classes: &[String]) -> f64 {
    let mut counts = EntityCounts::default();
    for TallyRow { pairs, .. } in rows {
        let wanted = pairs.iter().map(|(label, _)| name(classes, *label));
        counts.add(wanted, pairs.iter().map(|(_, guess)| name(classes, *guess)), Scheme::Iob2);
    }
    counts.all().f1()
}

/// The name of a class.
pub(crate) fn name(classes: &[String], class: i32) -> &str {
    usize::try_from(class).ok().and_then(|class| classes.get(class)).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(rows: &[&[(i32, i32)]]) -> MetricAccumulator {
        let row =
            |(row, pairs): (usize, &&[(i32, i32)])| TallyRow { row, pairs: pairs.to_vec(), ..TallyRow::default() };
        MetricAccumulator { rows: rows.iter().enumerate().map(row).collect(), ..MetricAccumulator::default() }
    }

    fn record(task: Task, classes: &[&str]) -> TaskRecord {
        TaskRecord { classes: classes.iter().map(|&class| class.to_owned()).collect(), ..TaskRecord::of(task) }
    }

    #[test]
    fn accuracy_and_f1_are_those_of_scikit_learn() {
        // f1_score([0, 0, 1, 1, 2], [0, 1, 1, 1, 0]): of each class 0.5, 0.8, 0.0.
        let tally = tally(&[&[(0, 0)], &[(0, 1)], &[(1, 1)], &[(1, 1)], &[(2, 0)]]);
        let figures = tally.figures(&record(Task::SequenceClassification, &["a", "b", "c"])).unwrap();
        assert!((figures.accuracy.unwrap() - 0.6).abs() < 1e-12);
        assert!((figures.macro_f1.unwrap() - 1.3 / 3.0).abs() < 1e-12);
        assert!((figures.micro_f1.unwrap() - 0.6).abs() < 1e-12);
        assert_eq!(figures.entity_f1, None);
        // matthews_corrcoef of the same.
        assert!((figures.matthews.unwrap() - 0.36084391824351614).abs() < 1e-12, "{figures:?}");
    }

    #[test]
    fn an_entity_is_right_when_its_span_and_type_are() {
        let classes = ["B-x", "B-y", "I-x", "I-y", "O"];
        let record = record(Task::TokenClassification, &classes);
        // Wanted x[0..1], y[3]; given x[0..1], then I-x out of nothing, which is no entity, and x[3].
        let found = tally(&[&[(0, 0), (2, 2), (4, 2), (1, 0)]]).figures(&record).unwrap();
        // After `B-x I-x` the third `I-x` belongs to the first entity, so that its span is wrong.
        assert_eq!(found.entity_f1, Some(0.0));
        let found = tally(&[&[(0, 0), (2, 2), (4, 4), (1, 0)]]).figures(&record).unwrap();
        assert_eq!(found.entity_f1, Some(0.5));
        assert!((found.accuracy.unwrap() - 0.75).abs() < 1e-12);
        let lost = tally(&[&[(4, 2), (0, 4)]]).figures(&record).unwrap();
        assert_eq!(lost.entity_f1, Some(0.0), "an inside without a beginning is no entity");
    }

    #[test]
    fn each_dataset_has_figures_of_its_own() {
        let tally = tally(&[&[(0, 0)], &[(3, 4)], &[(1, 0)], &[(3, 3)]]);
        let record = record(Task::SequenceClassification, &["a", "b", "a", "c", "O"]);
        let names = ["first", "second"].map(str::to_owned);
        let whole = tally.figures_by_dataset(&record, &names, |row| row % 2).unwrap();
        let of = |at: usize| (whole.datasets[at].name.as_str(), whole.datasets[at].figures.accuracy.unwrap());
        assert_eq!((whole.accuracy.unwrap(), of(0), of(1)), (0.5, ("first", 0.5), ("second", 0.5)));
        // Of `c` one is right and one missed; `O` does not count, and neither do the classes of the first.
        assert_eq!(whole.datasets[1].figures.macro_f1, Some(2.0 / 3.0));
        let third = ["first", "second", "third"].map(str::to_owned);
        assert_eq!(tally.figures_by_dataset(&record, &third, |row| row % 2).unwrap().datasets.len(), 2);
    }

    #[test]
    fn answers_among_many_have_ranks_and_their_mean_over_relations() {
        let found = |row: usize, rank: usize, n: usize| RankedRow {
            row,
            right: 0,
            best: usize::from(rank > 1),
            rank,
            n,
            log_probability: 0.0,
        };
        let mut tally = MetricAccumulator::default();
        tally.add_ranked(&[found(0, 1, 20), found(1, 4, 20), found(2, 12, 20)]);
        let names = ["P1", "P2"].map(str::to_owned);
        let whole = tally.figures_by_dataset(&TaskRecord::default(), &names, |row| usize::from(row == 2)).unwrap();
        let ranking = whole.ranking.unwrap();
        assert_eq!((whole.accuracy.unwrap(), ranking.p_at_1, ranking.p_at_10), (1.0 / 3.0, 1.0 / 3.0, 2.0 / 3.0));
        let mean = ranking.macro_mean.unwrap();
        assert_eq!((mean.p_at_1, mean.p_at_10), (0.25, 0.5), "each relation counts once");
        assert!((mean.mrr - (0.625 + 1.0 / 12.0) / 2.0).abs() < 1e-12);
        let mut choices = MetricAccumulator::default();
        choices.add_ranked(&[found(0, 1, 2), found(1, 2, 2)]);
        let figures = choices.figures(&TaskRecord::default()).unwrap();
        assert_eq!((figures.accuracy, figures.ranking), (Some(0.5), None));
        let named = choices.figures(&record(Task::SequenceClassification, &["a", "b"])).unwrap();
        assert!(named.macro_f1.is_some(), "words of classes have F1");
    }

    #[test]
    fn nothing_labeled_has_no_figures() {
        assert!(tally(&[&[]]).figures(&record(Task::SequenceClassification, &["a", "b"])).is_none());
        assert!(tally(&[&[(1, 1)]]).figures(&TaskRecord::default()).is_none());
    }

    #[test]
    fn numbers_have_correlations_and_a_squared_error_by_dataset_too() {
        let row = |(row, (wanted, told)): (usize, (f32, f32))| TallyRow {
            row,
            number: Some((wanted, told)),
            ..TallyRow::default()
        };
        let of = |pairs: &[(f32, f32)]| MetricAccumulator {
            rows: pairs.iter().copied().enumerate().map(row).collect(),
            ..MetricAccumulator::default()
        };
        let record = record(Task::Regression, &[]);
        let tally = of(&[(1.0, 2.0), (2.0, 3.0), (3.0, 5.0), (0.0, 1.0)]);
        let figures = tally.figures(&record).unwrap();
        let found = figures.regression.unwrap();
        assert_eq!((figures.accuracy, found.mse), (None, 1.75));
        assert!((found.spearman - 1.0).abs() < 1e-12, "{found:?}");
        // scipy.stats.pearsonr([1, 2, 3, 0], [2, 3, 5, 1])
        assert!((found.pearson - 0.982_707_629_824_3).abs() < 1e-9, "{found:?}");
        let names = ["first".to_owned(), "second".to_owned()];
        let whole = tally.figures_by_dataset(&record, &names, |row| row / 2).unwrap();
        assert_eq!(whole.datasets[0].figures.regression.as_ref().unwrap().mse, 1.0);
        let same = of(&[(1.0, 2.0), (3.0, 2.0)]).figures(&record).unwrap().regression.unwrap();
        assert_eq!((same.pearson, same.spearman, same.mse), (0.0, 0.0, 1.0), "there is no correlation");
        assert!(of(&[]).figures(&record).is_none());
    }
}
