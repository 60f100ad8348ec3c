//! Every metric by its name: what it needs, in which unit it is, and whether more is better.

use super::text::{Scale, TEXT_METRICS};
use crate::Sentence;
use crate::error::{EngineError, Result};
use crate::sentence;

/// The predictions that a metric is computed of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Texts and references.
    Texts,
    /// Classes; of texts each different one is a class.
    Classes,
    /// Numbers; of texts those that are written.
    Numbers,
    /// Labels of tokens; of texts those between spaces.
    Tags,
    /// Ranks of right answers among candidates.
    Ranks,
    /// Log-likelihoods of given texts.
    Likelihood,
    /// Texts, references and an encoder.
    Encoder,
    /// Answers that are judged to be right or not, with the question of each.
    Questions,
    /// Answers with the probability that there is none.
    NoAnswer,
}

/// A metric as it is listed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    /// Name in settings, files and commands.
    pub name: &'static str,
    /// Name in tables.
    pub label: &'static str,
    /// Range of the figure; correlations go down to −1.
    pub scale: Scale,
    /// Whether more is better.
    pub higher_is_better: bool,
    /// The predictions that it is computed of.
    pub needs: Needs,
    /// One sentence with the source.
    pub description: &'static str,
}

/// The metrics of texts that are computed where none is named.
pub const DEFAULT_METRICS: [&str; 5] = ["bleu", "chrf", "rouge_l", "exact_match", "token_f1"];

/// Other names of metrics, as other programs have them.
const ALIASES: [(&str, &str); 18] = [
    ("acc", "accuracy"),
    ("bertscore_f1", "bertscore"),
    ("best_exact", "squad2_best_exact"),
    ("best_f1", "squad2_best_f1"),
    ("em", "exact_match"),
    ("f1", "token_f1"),
    ("f1a", "multirc_f1a"),
    ("mcc", "matthews"),
    ("matthews_correlation", "matthews"),
    ("mean_reciprocal_rank", "mrr"),
    ("p@1", "precision_at_1"),
    ("p@10", "precision_at_10"),
    ("pearsonr", "pearson"),
    ("record_em", "exact_match"),
    ("record_f1", "token_f1"),
    ("seqeval", "entity_f1_conlleval"),
    ("spearmanr", "spearman"),
    ("squad", "token_f1"),
];

/// Metrics that are a trained model, which is not here.
const MODELS: [(&str, &str, Sentence); 5] = [
    ("bleurt", "BLEURT", BLEURT),
    ("comet", "COMET", COMET),
    ("moverscore", "MoverScore", MOVERSCORE),
    ("mover_score", "MoverScore", MOVERSCORE),
    ("bartscore", "BARTScore", BARTSCORE),
];
const BLEURT: Sentence = sentence!("a checkpoint of BLEURT-20, a RemBERT with a regression head trained on ratings");
const COMET: Sentence = sentence!("a checkpoint of COMET, an XLM-RoBERTa with a regression head trained on ratings");
const MOVERSCORE: Sentence = sentence!("a DistilBERT or BERT trained on MNLI, with the idf weights of its references");
const BARTSCORE: Sentence = sentence!("a BART trained on CNN/DailyMail or ParaBank");

const fn metric(
    (name, label): (&'static str, &'static str),
    (scale, needs): (Scale, Needs),
    description: &'static str,
) -> Metric {
    Metric { name, label, scale, higher_is_better: true, needs, description }
}

const fn lower(of: Metric) -> Metric {
    Metric { higher_is_better: false, ..of }
}

const TEXTS: (Scale, Needs) = (Scale::Hundred, Needs::Texts);
const CLASSES: (Scale, Needs) = (Scale::One, Needs::Classes);
const NUMBERS: (Scale, Needs) = (Scale::One, Needs::Numbers);
const TAGS: (Scale, Needs) = (Scale::One, Needs::Tags);
const RANKS: (Scale, Needs) = (Scale::One, Needs::Ranks);
const LIKELIHOOD: (Scale, Needs) = (Scale::Open, Needs::Likelihood);
const ENCODER: (Scale, Needs) = (Scale::One, Needs::Encoder);
const QUESTIONS: (Scale, Needs) = (Scale::One, Needs::Questions);
const NO_ANSWER: (Scale, Needs) = (Scale::Hundred, Needs::NoAnswer);

/// Metrics of answers, classes, numbers, entities, ranks and likelihoods.
#[rustfmt::skip]
const METRICS: [Metric; 38] = [
    metric(("exact_match", "exact match"), TEXTS, "Share of answers that are a reference, normalized as by SQuAD 1.1's script"),
    metric(("exact_match_plain", "exact match, plain"), TEXTS, "Share of answers that are a reference character by character"),
    metric(("exact_match_cmrc", "exact match, CMRC"), TEXTS, "Share of answers that are a reference without the punctuation that CMRC 2018's script leaves out"),
    metric(("token_f1", "token F1"), TEXTS, "Mean F1 of the words shared with the nearest reference, normalized as by SQuAD 1.1's script"),
    metric(("token_f1_cmrc", "token F1, CMRC"), TEXTS, "Mean F1 of the longest run shared with the nearest reference, by characters of Chinese as CMRC 2018's script"),
    metric(("squad2_exact", "SQuAD 2.0 exact"), TEXTS, "Exact match of SQuAD 2.0's script; a question without references has the empty answer"),
    metric(("squad2_f1", "SQuAD 2.0 F1"), TEXTS, "F1 of SQuAD 2.0's script; a question without references has the empty answer"),
    metric(("squad2_has_answer_exact", "SQuAD 2.0 HasAns exact"), TEXTS, "The same exact match over the questions with an answer"),
    metric(("squad2_has_answer_f1", "SQuAD 2.0 HasAns F1"), TEXTS, "The same F1 over the questions with an answer"),
    metric(("squad2_no_answer_exact", "SQuAD 2.0 NoAns exact"), TEXTS, "The same exact match over the questions without an answer"),
    metric(("squad2_no_answer_f1", "SQuAD 2.0 NoAns F1"), TEXTS, "The same F1 over the questions without an answer"),
    metric(("squad2_best_exact", "SQuAD 2.0 best exact"), NO_ANSWER, "Exact match of SQuAD 2.0's script at the threshold of the probability of no answer where it is best"),
    metric(("squad2_best_exact_thresh", "threshold of best exact"), (Scale::Open, Needs::NoAnswer), "That threshold"),
    metric(("squad2_best_f1", "SQuAD 2.0 best F1"), NO_ANSWER, "F1 of SQuAD 2.0's script at the threshold of the probability of no answer where it is best"),
    metric(("squad2_best_f1_thresh", "threshold of best F1"), (Scale::Open, Needs::NoAnswer), "The threshold of the best F1"),
    metric(("multirc_f1a", "MultiRC F1a"), QUESTIONS, "F1 of the right answers over all questions, as SuperGLUE has it for MultiRC"),
    metric(("multirc_exact", "MultiRC exact"), QUESTIONS, "Share of the questions whose every answer is judged rightly"),
    metric(("accuracy", "accuracy"), CLASSES, "Share of the rows whose class is right"),
    metric(("macro_f1", "macro F1"), CLASSES, "Mean of the classes' F1, as scikit-learn's f1_score"),
    metric(("micro_f1", "micro F1"), CLASSES, "F1 over all classes together, which is the accuracy where every row has one class"),
    metric(("weighted_f1", "weighted F1"), CLASSES, "Mean of the classes' F1, each as often as it is there, as scikit-learn's f1_score"),
    metric(("balanced_accuracy", "balanced accuracy"), CLASSES, "Mean recall of the classes that are there, as scikit-learn's balanced_accuracy_score"),
    metric(("matthews", "Matthews"), CLASSES, "Matthews' correlation of classes, as scikit-learn's matthews_corrcoef; CoLA's figure"),
    metric(("pearson", "Pearson"), NUMBERS, "Pearson's correlation of numbers; STS-B's figure with Spearman's"),
    metric(("spearman", "Spearman"), NUMBERS, "Spearman's correlation of numbers, ties at the mean of their ranks"),
    metric(("entity_f1", "entity F1"), TAGS, "F1 of entities whose span and type are right, as seqeval's strict mode with IOB2"),
    metric(("entity_f1_conlleval", "entity F1, conlleval"), TAGS, "The same as seqeval's default mode and the script of CoNLL-2000 read labels"),
    metric(("entity_f1_iobes", "entity F1, IOBES"), TAGS, "The same as seqeval's strict mode with IOBES"),
    metric(("precision_at_1", "P@1"), RANKS, "Share of the rows whose answer ranks first; of equal scores the right one stands last"),
    metric(("precision_at_10", "P@10"), RANKS, "Share of the rows whose answer is among the first ten"),
    metric(("mrr", "MRR"), RANKS, "Mean reciprocal rank of the right answer"),
    lower(metric(("perplexity", "perplexity"), LIKELIHOOD, "The exponential of the mean negative log-likelihood of a token")),
    lower(metric(("word_perplexity", "perplexity by word"), LIKELIHOOD, "The same by word between white space, as lm-evaluation-harness has it")),
    lower(metric(("byte_perplexity", "perplexity by byte"), LIKELIHOOD, "The same by byte of UTF-8, as lm-evaluation-harness has it")),
    lower(metric(("bits_per_byte", "bits per byte"), LIKELIHOOD, "Bits for each byte of UTF-8, as lm-evaluation-harness has it")),
    metric(("bertscore", "BERTScore F1"), ENCODER, "F1 of BERTScore by an encoder that is named, not rescaled by a baseline"),
    metric(("bertscore_precision", "BERTScore precision"), ENCODER, "Precision of the same"),
    metric(("bertscore_recall", "BERTScore recall"), ENCODER, "Recall of the same"),
];

impl Metric {
    /// Every metric, those of texts first.
    pub fn all() -> Vec<Self> {
        let texts = TEXT_METRICS.iter().map(|entry| Self {
            name: entry.name,
            label: entry.label,
            scale: entry.scale,
            higher_is_better: entry.higher_is_better,
            needs: Needs::Texts,
            description: entry.description,
        });
        texts.chain(METRICS).collect()
    }

    /// A metric by its name, or by that of another program; case, spaces and hyphens do not matter.
    ///
    /// # Errors
    /// [`EngineError::MetricNeedsModel`] for one that is a trained model, [`EngineError::NoMetric`] for one that is not known.
    pub fn named(name: &str) -> Result<Self> {
        let plain = name.trim().to_lowercase().replace(['-', ' '], "_");
        let known = ALIASES.iter().find(|(alias, _)| *alias == plain).map_or(plain.as_str(), |(_, name)| name);
        // `rougeL` and `rouge_l` are one.
        let bare = |name: &str| name.replace('_', "");
        let all = Self::all();
        let found = all.iter().find(|metric| metric.name == known);
        if let Some(metric) = found.or_else(|| all.iter().find(|metric| bare(metric.name) == bare(known))) {
            return Ok(*metric);
        }
        match MODELS.iter().find(|(model, ..)| bare(model) == bare(known)) {
            Some((_, metric, model)) => Err(EngineError::MetricNeedsModel { metric, model: model.clone() }),
            None => {
                let known = all.iter().map(|metric| metric.name).collect::<Vec<_>>().join(", ");
                Err(EngineError::NoMetric { asked: name.to_owned(), known })
            }
        }
    }

    /// The label, to be told in any language.
    pub fn label_sentence(&self) -> Sentence {
        Sentence::plain(self.label)
    }

    /// The description, to be told in any language.
    pub fn description_sentence(&self) -> Sentence {
        Sentence::plain(self.description)
    }

    /// Whether the first of two figures is the better one.
    pub fn is_better(&self, figure: f64, than: f64) -> bool {
        if self.higher_is_better { figure > than } else { figure < than }
    }

    /// Whether it is computed of a file of predictions: of texts and references, and what stands beside them.
    pub fn is_of_predictions(&self) -> bool {
        self.is_of_texts() || matches!(self.needs, Needs::Questions | Needs::NoAnswer)
    }

    /// Whether it is computed of texts and references alone.
    pub fn is_of_texts(&self) -> bool {
        matches!(self.needs, Needs::Texts | Needs::Classes | Needs::Numbers | Needs::Tags)
    }
}

impl Needs {
    /// In words, with their article.
    pub fn sentence(self) -> Sentence {
        match self {
            Self::Texts => sentence!("texts and references"),
            Self::Classes => sentence!("classes"),
            Self::Numbers => sentence!("numbers"),
            Self::Tags => sentence!("labels of tokens"),
            Self::Ranks => sentence!("the ranks of right answers among candidates"),
            Self::Likelihood => sentence!("the likelihoods that a model gives texts"),
            Self::Encoder => sentence!("texts, references and an encoder"),
            Self::Questions => sentence!("answers with their questions"),
            Self::NoAnswer => sentence!("answers with the probability that there is none"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_metric_is_found_by_its_name_and_by_no_other() {
        let all = Metric::all();
        let names: BTreeSet<&str> = all.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), all.len(), "no name twice");
        for metric in &all {
            assert_eq!(Metric::named(metric.name).unwrap(), *metric);
            assert!(!metric.label.is_empty() && !metric.description.ends_with('.'));
        }
        for (alias, name) in ALIASES {
            assert_eq!(Metric::named(alias).unwrap().name, name);
        }
        assert_eq!(Metric::named(" Token-F1 ").unwrap().name, "token_f1");
        assert!(matches!(Metric::named("blue"), Err(EngineError::NoMetric { .. })));
    }

    #[test]
    fn a_metric_that_is_a_model_says_which() {
        for (asked, word) in [("BLEURT", "RemBERT"), ("MoverScore", "MNLI"), ("mover-score", "MNLI")] {
            let error = Metric::named(asked).unwrap_err();
            assert!(matches!(error, EngineError::MetricNeedsModel { .. }));
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn less_perplexity_is_better_and_more_of_the_rest() {
        let better = |name: &str| Metric::named(name).unwrap().is_better(2.0, 1.0);
        assert!(better("accuracy") && better("mrr") && better("exact_match"));
        assert!(!better("perplexity") && !better("byte_perplexity") && !better("bits_per_byte"));
    }
}
