//! Predictions of a task, gathered batch by batch, and their figures: those of [`crate::metrics`] over the task's classes,
//! candidates or answers.

use std::collections::BTreeMap;

use super::intervals;
use crate::config::{Task, TaskRecord};
use crate::data::{Example, TokenBatch};
use crate::metrics::classification::{ClassCounts, Classification, macro_f1};
use crate::metrics::correlation::{pearson, spearman};
use crate::metrics::entities::{EntityCounts, Scheme};
use crate::metrics::multirc::{Judged, truth};
use crate::metrics::ranking::Ranks;
use crate::metrics::{AnswerForm, Bootstrap, Interval, Questions, Squad2, TextMetric, TextRow, best_threshold};
use crate::training::answers::{AnswerFinder, FoundAnswer};
use crate::training::candidates::RankedRow;
use crate::training::{
    AnswerMetrics, BestAnswers, ClassificationMetrics, MacroRanking, NamedMetrics, QuestionMetrics, RankingMetrics,
    RegressionMetrics,
};

/// Outside of every entity, in the labels of CoNLL files.
const OUTSIDE: &str = "O";

/// Predictions counted batch by batch: what is kept of a row is what a figure needs of it.
#[derive(Clone, Debug)]
pub struct MetricAccumulator {
    record: TaskRecord,
    /// Of all rows.
    whole: Tally,
    /// Datasets or relations with rows of their own, by the number that `part_of` gives.
    parts: Vec<(String, Tally)>,
    part_of: fn(&Example) -> usize,
    /// Of questions about a text.
    answers: AnswerFinder,
    /// What each row added, where intervals are wanted.
    outcomes: Option<Vec<Outcome>>,
}

/// What a row adds to the counts.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// Labels and predictions.
    Labels(Box<[(i32, i32)]>),
    /// A row whose candidates were scored, with exact match and F1 where it is held against a list of answers.
    Ranked(RankedRow, Option<(f64, f64)>),
    /// The wanted number and the one that was told.
    Number(f32, f32),
}

/// Counts of some rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    classes: Classification,
    /// Where labels say where entities begin.
    entities: Option<EntityCounts>,
    /// Ranks of right answers.
    ranks: Ranks,
    /// Most candidates that an answer was looked for among.
    candidates: usize,
    /// Numbers that were wanted.
    wanted: Vec<f64>,
    /// Numbers that were told.
    told: Vec<f64>,
    /// Answers to questions, each right or not.
    judged: Judged,
    /// Sums of exact match and F1 of choices that are held against a list of answers, and their number.
    chosen: (f64, f64, usize),
}

impl MetricAccumulator {
    /// Nothing is counted yet.
    pub fn new(record: &TaskRecord) -> Self {
        Self::by_part(record, &[], |_| 0)
    }

    /// The same, with figures of each of several datasets too; `part_of` says which one an example is of.
    pub fn by_part(record: &TaskRecord, names: &[String], part_of: fn(&Example) -> usize) -> Self {
        let tally = Tally::new(record);
        let parts = names.iter().map(|name| (name.clone(), tally.clone())).collect();
        let answers = AnswerFinder::default();
        Self { record: record.clone(), whole: tally, parts, part_of, answers, outcomes: None }
    }

    /// With what each row adds, for intervals.
    pub fn with_outcomes(self) -> Self {
        Self { outcomes: Some(Vec::new()), ..self }
    }

    /// The 95 % intervals of the figures over all rows by the bootstrap, by name; none where outcomes were not kept.
    pub fn intervals(&self, bootstrap: Bootstrap) -> BTreeMap<String, Interval> {
        let answers: Vec<(f64, f64)> = self.answers.scores();
        let outcomes = self.outcomes.as_deref().unwrap_or_default();
        intervals::of(&self.record, outcomes, &answers, bootstrap)
    }

    /// Takes in what was predicted at the labeled places of a batch of these examples.
    pub fn add(&mut self, batch: &TokenBatch, predicted: &[i32], examples: &[Example]) {
        // Of tokens that are written nothing is counted.
        if self.record.task.writes() {
            return;
        }
        let mut rows = vec![Vec::new(); batch.rows.len()];
        for ((at, label), &guess) in batch.labeled().into_iter().zip(predicted) {
            rows[batch.row_of(at)].push((label, guess));
        }
        for (&row, pairs) in batch.rows.iter().zip(&rows) {
            self.each(&examples[row], |tally, record| {
                tally.labels(pairs, record);
                pairs.iter().for_each(|pair| tally.judge(&examples[row].question, *pair, record));
            });
            self.outcomes.iter_mut().for_each(|all| all.push(Outcome::Labels(pairs.as_slice().into())));
        }
    }

    /// Takes in the numbers that the rows of a batch were taken for.
    pub fn add_numbers(&mut self, batch: &TokenBatch, numbers: &[f32], examples: &[Example]) {
        for (&row, (&wanted, &told)) in batch.rows.iter().zip(batch.targets.iter().zip(numbers)) {
            self.each(&examples[row], |tally, _| tally.number(wanted, told));
            self.outcomes.iter_mut().for_each(|all| all.push(Outcome::Number(wanted, told)));
        }
    }

    /// Takes in the scores of windows of texts that questions are about, `[2 · batch, seq]`.
    pub fn add_spans(&mut self, batch: &TokenBatch, scores: &[f32], examples: &[Example]) {
        for (&row, scores) in batch.rows.iter().zip(scores.chunks_exact(2 * batch.seq.max(1))) {
            let (first, last) = scores.split_at(batch.seq);
            self.answers.add(&examples[row], first, last);
        }
    }

    /// Takes in the labels and predictions of one example, whichever.
    pub fn row(&mut self, pairs: &[(i32, i32)]) {
        self.whole.labels(pairs, &self.record);
    }

    /// Takes in the candidates of rows, scored.
    pub fn add_ranked(&mut self, ranked: &[RankedRow], examples: &[Example]) {
        for found in ranked {
            let example = &examples[found.row];
            let chosen = example.candidates.as_deref().and_then(|candidates| candidates.text(found.best));
            let chosen = chosen.filter(|_| !example.references.is_empty()).map(|text| {
                let row = TextRow::new(text.to_owned(), example.references.clone());
                let best = |score: fn(AnswerForm, &str, &str) -> f64| AnswerForm::Squad.best(&row, score);
                (best(AnswerForm::exact), best(AnswerForm::f1))
            });
            self.each(example, |tally, record| {
                tally.ranked(found, chosen, record);
                tally.judge(&example.question, found.pair(), record);
            });
            self.outcomes.iter_mut().for_each(|all| all.push(Outcome::Ranked(*found, chosen)));
        }
    }

    fn each(&mut self, example: &Example, count: impl Fn(&mut Tally, &TaskRecord)) {
        count(&mut self.whole, &self.record);
        if let Some((_, part)) = self.parts.get_mut((self.part_of)(example)) {
            count(part, &self.record);
        }
    }

    /// The figures of a task with predictions, over all rows and of each dataset; `None` for one without, or without any
    /// label.
    ///
    /// F1 leaves out the class `O` where there is one: most tokens belong to no entity. A class that is neither there nor
    /// predicted does not count in the macro mean. Entities are as in chakki-works/seqeval, strict, IOB2: one begins
    /// with `B-`, goes on with `I-` of the same type, and is right when its span and type are.
    pub fn figures(&self) -> Option<ClassificationMetrics> {
        let figures = |tally: &Tally, is_counted: &dyn Fn(&FoundAnswer) -> bool| {
            let figures = tally.figures(&self.record)?;
            Some(ClassificationMetrics { answers: figures.answers.or(self.answer_metrics(is_counted)), ..figures })
        };
        let whole = figures(&self.whole, &|_| true)?;
        let alone = |(number, (name, tally)): (usize, &(String, Tally))| {
            let figures = figures(tally, &|answer| answer.dataset == number)?;
            Some(NamedMetrics { name: name.clone(), figures })
        };
        let datasets: Vec<NamedMetrics> = self.parts.iter().enumerate().filter_map(alone).collect();
        let ranking = whole.ranking.map(|ranking| RankingMetrics { macro_mean: macro_mean(&datasets), ..ranking });
        Some(ClassificationMetrics { ranking, datasets, ..whole })
    }

    fn answer_metrics(&self, is_counted: &dyn Fn(&FoundAnswer) -> bool) -> Option<Box<AnswerMetrics>> {
        let found: Vec<FoundAnswer> = self.answers.found().into_iter().filter(is_counted).collect();
        let best = |answer: &FoundAnswer| TextRow {
            no_answer: Some(answer.null_over_best),
            ..TextRow::new(answer.best.clone(), answer.references.clone())
        };
        let best = best_answers(&found.iter().map(best).collect::<Vec<_>>());
        let row = |answer: FoundAnswer| TextRow::new(answer.text, answer.references);
        let rows: Vec<TextRow> = found.into_iter().map(row).collect();
        let share = |f1| {
            let metric = Squad2 { of: Questions::All, f1 };
            let sum = metric
                .statistics(&rows)
                .into_iter()
                .fold(vec![0.0; 2], |sum, row| sum.iter().zip(row).map(|(sum, of_row)| sum + of_row).collect());
            metric.figure(&sum) / 100.0
        };
        (!rows.is_empty()).then(|| Box::new(AnswerMetrics { exact_match: share(false), f1: share(true), best }))
    }
}

/// Figures at their best thresholds, where some questions have no answer and some have one.
fn best_answers(rows: &[TextRow]) -> Option<BestAnswers> {
    let n_without = rows.iter().filter(|row| row.references.is_empty()).count();
    if n_without == 0 || n_without == rows.len() {
        return None;
    }
    let (exact, f1) = (best_threshold(rows, false).ok()?, best_threshold(rows, true).ok()?);
    Some(BestAnswers {
        best_exact: exact.figure / 100.0,
        best_exact_thresh: exact.threshold,
        best_f1: f1.figure / 100.0,
        best_f1_thresh: f1.threshold,
    })
}

impl Tally {
    /// Nothing is counted yet.
    pub(super) fn new(record: &TaskRecord) -> Self {
        let has = |wanted: fn(&str) -> bool| record.classes.iter().any(|class| wanted(class));
        let is_iob = has(|class| class == OUTSIDE) && has(|class| class.starts_with("B-"));
        Self {
            classes: Classification::of([], record.classes.len()),
            entities: (record.task == Task::TokenClassification && is_iob).then(EntityCounts::default),
            ..Self::default()
        }
    }

    /// Counts a row again.
    pub(super) fn add(&mut self, outcome: &Outcome, record: &TaskRecord) {
        match outcome {
            Outcome::Labels(pairs) => self.labels(pairs, record),
            Outcome::Ranked(found, chosen) => self.ranked(found, *chosen, record),
            Outcome::Number(wanted, told) => self.number(*wanted, *told),
        }
    }

    fn labels(&mut self, pairs: &[(i32, i32)], record: &TaskRecord) {
        let class = |class: i32| usize::try_from(class).unwrap_or(usize::MAX);
        pairs.iter().for_each(|&(label, guess)| self.classes.add(class(label), class(guess)));
        if let Some(entities) = &mut self.entities {
            let wanted = pairs.iter().map(|(label, _)| name(&record.classes, *label));
            entities.add(wanted, pairs.iter().map(|(_, guess)| name(&record.classes, *guess)), Scheme::Iob2);
        }
    }

    /// A class that is told of an answer to a question, where the names of the classes say which is right.
    fn judge(&mut self, question: &str, (label, guess): (i32, i32), record: &TaskRecord) {
        let is_right = |class: i32| truth(name(&record.classes, class));
        if let (false, Some(label), Some(guess)) = (question.is_empty(), is_right(label), is_right(guess)) {
            self.judged.push(question, label, guess);
        }
    }

    fn ranked(&mut self, found: &RankedRow, chosen: Option<(f64, f64)>, record: &TaskRecord) {
        self.labels(&[found.pair()], record);
        if let Some((exact, f1)) = chosen {
            let sum = &mut self.chosen;
            *sum = (sum.0 + exact, sum.1 + f1, sum.2 + 1);
        }
        self.ranks.0.push(found.rank);
        self.candidates = self.candidates.max(found.n);
    }

    fn number(&mut self, wanted: f32, told: f32) {
        self.wanted.push(f64::from(wanted));
        self.told.push(f64::from(told));
    }

    pub(super) fn figures(&self, record: &TaskRecord) -> Option<ClassificationMetrics> {
        if record.task == Task::Regression {
            let regression = Box::new(self.regression()?);
            return Some(ClassificationMetrics { regression: Some(regression), ..ClassificationMetrics::default() });
        }
        let counted = &self.classes;
        if counted.rows == 0 {
            return None;
        }
        let accuracy = Some(counted.accuracy());
        let answers = self.chosen();
        if record.classes.is_empty() || record.task == Task::QuestionAnswering {
            let ranking = self.ranking();
            return Some(ClassificationMetrics { accuracy, ranking, answers, ..ClassificationMetrics::default() });
        }
        let named = counted.classes.iter().zip(&record.classes).filter(|(_, name)| *name != OUTSIDE);
        let within: Vec<ClassCounts> = named.map(|(counts, _)| *counts).collect();
        Some(ClassificationMetrics {
            accuracy,
            macro_f1: Some(macro_f1(&within)),
            micro_f1: Some(ClassCounts::sum(within).f1()),
            entity_f1: self.entities.as_ref().map(|entities| entities.all().f1()),
            matthews: (record.task != Task::TokenClassification).then(|| counted.matthews()),
            questions: self
                .judged
                .all()
                .map(|of| Box::new(QuestionMetrics { multirc_f1a: of.f1a, multirc_exact: of.exact })),
            answers,
            ..ClassificationMetrics::default()
        })
    }

    fn chosen(&self) -> Option<Box<AnswerMetrics>> {
        let (exact, f1, n) = self.chosen;
        let of = n as f64;
        (n > 0).then(|| Box::new(AnswerMetrics { exact_match: exact / of, f1: f1 / of, best: None }))
    }

    fn regression(&self) -> Option<RegressionMetrics> {
        let Self { wanted, told, .. } = self;
        let squares = wanted.iter().zip(told).map(|(wanted, told)| (wanted - told).powi(2)).sum::<f64>();
        (!wanted.is_empty()).then(|| RegressionMetrics {
            pearson: pearson(told, wanted).unwrap_or(0.0),
            spearman: spearman(told, wanted).unwrap_or(0.0),
            mse: squares / wanted.len() as f64,
        })
    }

    fn ranking(&self) -> Option<RankingMetrics> {
        let Self { ranks, candidates, .. } = self;
        (*candidates >= MANY).then(|| RankingMetrics {
            p_at_1: ranks.precision_at(1),
            p_at_10: ranks.precision_at(10),
            mrr: ranks.mrr(),
            candidates: *candidates,
            macro_mean: None,
        })
    }
}

/// Fewer candidates than this are choices: among them the right one is said to be first or not.
const MANY: usize = 11;

fn macro_mean(datasets: &[NamedMetrics]) -> Option<MacroRanking> {
    let each: Vec<RankingMetrics> = datasets.iter().filter_map(|dataset| dataset.figures.ranking).collect();
    let mean = |figure: fn(&RankingMetrics) -> f64| each.iter().map(figure).sum::<f64>() / each.len() as f64;
    (!each.is_empty()).then(|| MacroRanking {
        p_at_1: mean(|r| r.p_at_1),
        p_at_10: mean(|r| r.p_at_10),
        mrr: mean(|r| r.mrr),
    })
}

/// The name of a class.
pub(crate) fn name(classes: &[String], class: i32) -> &str {
    usize::try_from(class).ok().and_then(|class| classes.get(class)).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(record: &TaskRecord, rows: &[&[(i32, i32)]]) -> Option<ClassificationMetrics> {
        let mut tally = MetricAccumulator::new(record);
        rows.iter().for_each(|pairs| tally.row(pairs));
        tally.figures()
    }

    fn record(task: Task, classes: &[&str]) -> TaskRecord {
        TaskRecord { classes: classes.iter().map(|&class| class.to_owned()).collect(), ..TaskRecord::of(task) }
    }

    /// Examples of datasets.
    fn examples(of: &[usize]) -> Vec<Example> {
        of.iter().map(|&dataset| Example { dataset, ..Example::default() }).collect()
    }

    fn by_dataset(record: &TaskRecord, names: &[&str]) -> MetricAccumulator {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        MetricAccumulator::by_part(record, &names, |example| example.dataset)
    }

    #[test]
    fn accuracy_and_f1_are_those_of_scikit_learn() {
        // f1_score([0, 0, 1, 1, 2], [0, 1, 1, 1, 0]): of each class 0.5, 0.8, 0.0.
        let record = record(Task::SequenceClassification, &["a", "b", "c"]);
        let figures = tally(&record, &[&[(0, 0)], &[(0, 1)], &[(1, 1)], &[(1, 1)], &[(2, 0)]]).unwrap();
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
        let found = tally(&record, &[&[(0, 0), (2, 2), (4, 2), (1, 0)]]).unwrap();
        // After `B-x I-x` the third `I-x` belongs to the first entity, so that its span is wrong.
        assert_eq!(found.entity_f1, Some(0.0));
        let found = tally(&record, &[&[(0, 0), (2, 2), (4, 4), (1, 0)]]).unwrap();
        assert_eq!(found.entity_f1, Some(0.5));
        assert!((found.accuracy.unwrap() - 0.75).abs() < 1e-12);
        let lost = tally(&record, &[&[(4, 2), (0, 4)]]).unwrap();
        assert_eq!(lost.entity_f1, Some(0.0), "an inside without a beginning is no entity");
    }

    #[test]
    fn each_dataset_has_figures_of_its_own() {
        let record = record(Task::SequenceClassification, &["a", "b", "a", "c", "O"]);
        let figures = |names: &[&str]| {
            let mut tally = by_dataset(&record, names);
            for (dataset, pair) in [(0, (0, 0)), (1, (3, 4)), (0, (1, 0)), (1, (3, 3))] {
                tally.each(&examples(&[dataset])[0], |tally, record| tally.labels(&[pair], record));
            }
            tally.figures().unwrap()
        };
        let whole = figures(&["first", "second"]);
        let of = |at: usize| (whole.datasets[at].name.as_str(), whole.datasets[at].figures.accuracy.unwrap());
        assert_eq!((whole.accuracy.unwrap(), of(0), of(1)), (0.5, ("first", 0.5), ("second", 0.5)));
        // Of `c` one is right and one missed; `O` does not count, and neither do the classes of the first.
        assert_eq!(whole.datasets[1].figures.macro_f1, Some(2.0 / 3.0));
        assert_eq!(figures(&["first", "second", "third"]).datasets.len(), 2);
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
        let mut tally = by_dataset(&TaskRecord::default(), &["P1", "P2"]);
        tally.add_ranked(&[found(0, 1, 20), found(1, 4, 20), found(2, 12, 20)], &examples(&[0, 0, 1]));
        let whole = tally.figures().unwrap();
        let ranking = whole.ranking.unwrap();
        assert_eq!((whole.accuracy.unwrap(), ranking.p_at_1, ranking.p_at_10), (1.0 / 3.0, 1.0 / 3.0, 2.0 / 3.0));
        let mean = ranking.macro_mean.unwrap();
        assert_eq!((mean.p_at_1, mean.p_at_10), (0.25, 0.5), "each relation counts once");
        assert!((mean.mrr - (0.625 + 1.0 / 12.0) / 2.0).abs() < 1e-12);
        let choices = |record: &TaskRecord| {
            let mut choices = MetricAccumulator::new(record);
            choices.add_ranked(&[found(0, 1, 2), found(1, 2, 2)], &examples(&[0, 0]));
            choices.figures().unwrap()
        };
        let figures = choices(&TaskRecord::default());
        assert_eq!((figures.accuracy, figures.ranking), (Some(0.5), None));
        let named = choices(&record(Task::SequenceClassification, &["a", "b"]));
        assert!(named.macro_f1.is_some(), "words of classes have F1");
    }

    #[test]
    fn nothing_labeled_has_no_figures() {
        assert!(tally(&record(Task::SequenceClassification, &["a", "b"]), &[&[]]).is_none());
        assert!(MetricAccumulator::new(&TaskRecord::default()).figures().is_none());
    }

    #[test]
    fn numbers_have_correlations_and_a_squared_error_by_dataset_too() {
        let record = record(Task::Regression, &[]);
        let of = |pairs: &[(f32, f32)]| {
            let mut tally = by_dataset(&record, &["first", "second"]);
            for (row, &(wanted, told)) in pairs.iter().enumerate() {
                tally.each(&examples(&[row / 2])[0], |tally, _| tally.number(wanted, told));
            }
            tally.figures()
        };
        let figures = of(&[(1.0, 2.0), (2.0, 3.0), (3.0, 5.0), (0.0, 1.0)]).unwrap();
        let found = figures.regression.as_ref().unwrap();
        assert_eq!((figures.accuracy, found.mse), (None, 1.75));
        assert!((found.spearman - 1.0).abs() < 1e-12, "{found:?}");
        // scipy.stats.pearsonr([1, 2, 3, 0], [2, 3, 5, 1])
        assert!((found.pearson - 0.982_707_629_824_3).abs() < 1e-9, "{found:?}");
        assert_eq!(figures.datasets[0].figures.regression.as_ref().unwrap().mse, 1.0);
        let same = of(&[(1.0, 2.0), (3.0, 2.0)]).unwrap().regression.unwrap();
        assert_eq!((same.pearson, same.spearman, same.mse), (0.0, 0.0, 1.0), "there is no correlation");
        assert!(of(&[]).is_none());
    }
}
