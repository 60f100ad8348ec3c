//! A training run as it is watched: a bar on a terminal, plain lines elsewhere, or JSON lines.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use engine::metrics::Interval;
use engine::protocol::{Phase, Report};
use engine::training::{
    ClassificationMetrics, EvaluationReport, NamedMetrics, RegressionMetrics, RunFacts, SampleReport, StepReport,
};
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::support::json;
use crate::cli::support::out;

/// Steps that the shown loss and speed are a mean of.
const WINDOW: usize = 20;
/// Before this many steps nothing is said about the time left.
const STEPS_BEFORE_ETA: usize = 10;

/// Display of a run's progress.
pub(in crate::cli) enum View {
    /// On a terminal.
    Bar(ProgressBar),
    /// Into a file or a pipe: a line each so many steps.
    Lines {
        /// Decided when the run's extent is known.
        every: usize,
    },
    /// For machines, on standard output.
    Json,
}

/// Facts of a run from this session.
pub(in crate::cli) struct Progress {
    view: View,
    total: usize,
    recent: VecDeque<StepReport>,
    steps: usize,
    since: Option<Instant>,
    phase: Option<Phase>,
    /// Samples are predictions.
    predicts: bool,
    /// Samples are shown at each evaluation, not only at the last.
    every_sample: bool,
    /// Those of the last evaluation, until it is known to be the last.
    samples: Vec<SampleReport>,
}

impl Progress {
    pub(in crate::cli) fn new(json: bool) -> Self {
        let view = if json {
            View::Json
        } else if std::io::IsTerminal::is_terminal(&std::io::stderr()) {
            View::Bar(ProgressBar::new(0).with_style(waiting()))
        } else {
            View::Lines { every: 1 }
        };
        Self {
            view,
            total: 0,
            recent: VecDeque::new(),
            steps: 0,
            since: None,
            phase: None,
            predicts: false,
            every_sample: false,
            samples: Vec::new(),
        }
    }

    /// Shows the samples of each evaluation, or only those of the last.
    pub(in crate::cli) fn with_every_sample(self, every_sample: bool) -> Self {
        Self { every_sample, ..self }
    }

    /// Shows a report.
    pub(in crate::cli) fn show(&mut self, report: &Report) {
        if let View::Json = self.view {
            out::result(json::line(report));
            return;
        }
        match report {
            Report::Phase(phase) => self.phase(*phase),
            Report::RunStarted(facts) => self.started(facts),
            Report::Step(step) => self.step(step),
            Report::Evaluated(evaluation) => self.evaluated(evaluation),
            Report::Sample(sample) if self.every_sample => self.sample(sample),
            Report::Sample(sample) => self.samples.push((**sample).clone()),
            Report::Finished { .. } => self.samples.iter().for_each(|sample| self.sample(sample)),
            Report::Notice { text } => self.say(&format!("Note: {text}")),
            Report::Paused { paused } => self.say(if *paused { "Paused" } else { "Going on" }),
            _ => {}
        }
    }

    /// A line above the bar.
    pub(in crate::cli) fn say(&self, line: &str) {
        match &self.view {
            View::Bar(bar) => bar.suspend(|| out::note(line)),
            View::Lines { .. } | View::Json => out::note(line),
        }
    }

    /// The bar disappears; what was said stays.
    pub(in crate::cli) fn end(&self) {
        if let View::Bar(bar) = &self.view {
            bar.finish_and_clear();
        }
    }

    fn phase(&mut self, phase: Phase) {
        let same = self.phase.is_some_and(|old| std::mem::discriminant(&old) == std::mem::discriminant(&phase));
        self.phase = Some(phase);
        let text = phase_text(phase);
        match &self.view {
            View::Bar(bar) if self.steps == 0 => {
                bar.enable_steady_tick(Duration::from_millis(120));
                bar.set_message(text);
            }
            View::Lines { .. } if !same && self.steps == 0 => out::note(text),
            _ => {}
        }
    }

    fn started(&mut self, facts: &RunFacts) {
        self.total = facts.total_steps;
        let share = match facts.all_parameters {
            0 => String::new(),
            all => {
                let share = 100.0 * facts.trained_parameters as f64 / all as f64;
                format!(" of {} ({share:.4} %)", grouped(all))
            }
        };
        self.say(&format!(
            "{} on {}: {} rows, {} to validate; trains {} numbers{share}, keeps {}",
            facts.architecture,
            facts.device,
            facts.train_rows,
            facts.validation_rows,
            grouped(facts.trained_parameters),
            grouped(facts.stored_parameters)
        ));
        match &mut self.view {
            View::Bar(bar) => {
                bar.set_length(facts.total_steps as u64);
                bar.set_position(facts.done_steps as u64);
                bar.set_style(stepping());
                bar.set_message("first step");
            }
            View::Lines { every } => *every = (facts.total_steps / 50).clamp(1, 200),
            View::Json => {}
        }
    }

    fn step(&mut self, step: &StepReport) {
        let since = *self.since.get_or_insert_with(Instant::now);
        self.steps += 1;
        self.recent.push_back(*step);
        if self.recent.len() > WINDOW {
            self.recent.pop_front();
        }
        // The clock starts with the end of the first step, which is slower than the others.
        let measured = self.steps - 1;
        let per_step = since.elapsed().as_secs_f64() / measured.max(1) as f64;
        let left = (measured >= STEPS_BEFORE_ETA).then(|| per_step * self.total.saturating_sub(step.step) as f64);
        let text = figures(&self.recent, left);
        match &self.view {
            View::Bar(bar) => {
                bar.set_position(step.step as u64);
                bar.set_message(text);
            }
            View::Lines { every } if step.step.is_multiple_of(*every) || step.step == 1 => {
                out::note(format_args!("step {}/{} · {text}", step.step, self.total));
            }
            View::Lines { .. } | View::Json => {}
        }
    }

    fn evaluated(&mut self, evaluation: &EvaluationReport) {
        let best = if evaluation.best { " · best so far" } else { "" };
        let quality = evaluation.figures.as_ref().map(|figures| format!(" · {}", figures_line(figures)));
        let metric = evaluation.metric.as_ref().map(|metric| format!(" · {} {:.4}", metric.name, metric.value));
        let quality = quality.unwrap_or_default() + &metric.unwrap_or_default();
        self.samples.clear();
        self.predicts |= evaluation.figures.is_some();
        self.say(&format!("step {}: validation loss {:.4}{quality}{best}", evaluation.step, evaluation.loss));
        for NamedMetrics { name, figures } in evaluation.figures.iter().flat_map(|figures| &figures.datasets) {
            self.say(&format!("  {name}: {}", figures_line(figures)));
        }
    }

    fn sample(&self, sample: &SampleReport) {
        // A class is of interest beside the one that was wanted; a continuation speaks for itself.
        let wanted = if self.predicts { format!(" (wanted {})", one_line(&sample.reference)) } else { String::new() };
        self.say(&format!("  {} → {}{wanted}", one_line(&sample.prompt), one_line(&sample.text)));
    }
}

fn waiting() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn stepping() -> ProgressStyle {
    ProgressStyle::with_template("{bar:30} step {pos}/{len} · {msg}").unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// `accuracy 91.2 % · macro F1 90.8 %`, entities first where there are some.
pub(in crate::cli) fn figures_line(figures: &ClassificationMetrics) -> String {
    figures_line_with(figures, &BTreeMap::new())
}

/// The same, behind each figure its interval where there is one.
pub(in crate::cli) fn figures_line_with(
    figures: &ClassificationMetrics,
    intervals: &BTreeMap<String, Interval>,
) -> String {
    let ends = |key: &str, scale: f64, digits: usize| {
        let interval = intervals.get(key);
        interval.map_or_else(String::new, |of| format!(" [{:.digits$}, {:.digits$}]", scale * of.low, scale * of.high))
    };
    let number = |name: &str, key: &str, figure: f64| format!("{name} {figure:.3}{}", ends(key, 1.0, 3));
    if let Some(RegressionMetrics { pearson, spearman, mse }) = figures.regression.as_deref() {
        let correlations =
            [number("Pearson", "pearson", *pearson), number("Spearman", "spearman", *spearman)].join(" · ");
        return format!("{correlations} · MSE {mse:.4}{}", ends("mse", 1.0, 4));
    }
    let percent = |name: &str, key: &str, share: f64| format!("{name} {:.1} %{}", 100.0 * share, ends(key, 100.0, 1));
    let mut parts = vec![percent("accuracy", "accuracy", figures.accuracy.unwrap_or_default())];
    if let Some(share) = figures.entity_f1 {
        parts.insert(0, percent("entity F1", "entity_f1", share));
    }
    if let Some(answers) = &figures.answers {
        parts[0] = percent("exact match", "exact_match", answers.exact_match);
        parts.push(percent("F1", "f1", answers.f1));
        if let Some(best) = answers.best {
            let best_exact = percent("best exact", "", best.best_exact);
            parts.push(format!("{best_exact} above {:.3}", best.best_exact_thresh));
            parts.push(format!("{} above {:.3}", percent("best F1", "", best.best_f1), best.best_f1_thresh));
        }
    }
    if let Some(questions) = &figures.questions {
        parts.push(percent("MultiRC F1a", "", questions.multirc_f1a));
        parts.push(percent("MultiRC exact", "", questions.multirc_exact));
    }
    if let Some(ranking) = figures.ranking {
        parts[0] = percent("P@1", "p_at_1", ranking.p_at_1);
        parts.push(percent("P@10", "p_at_10", ranking.p_at_10));
        parts.push(number("MRR", "mrr", ranking.mrr));
        if let Some(mean) = ranking.macro_mean {
            let (name, n) = ("mean over relations: P@1", figures.datasets.len());
            parts.push(format!(
                "{} · P@10 {:.1} % · MRR {:.3} ({n})",
                percent(name, "", mean.p_at_1),
                100.0 * mean.p_at_10,
                mean.mrr
            ));
        }
        parts.push(format!("{} candidates", ranking.candidates));
    }
    parts.extend(figures.macro_f1.map(|share| percent("macro F1", "macro_f1", share)));
    let micro = figures.micro_f1.filter(|_| figures.entity_f1.is_some());
    parts.extend(micro.map(|share| percent("micro F1", "micro_f1", share)));
    parts.extend(figures.matthews.map(|of| number("MCC", "matthews", of)));
    parts.join(" · ")
}

/// `mean loss 1.2345 · 18.2 k tokens/s · 4 min left`.
fn figures(recent: &VecDeque<StepReport>, left_secs: Option<f64>) -> String {
    let loss = recent.iter().map(|step| step.loss).sum::<f64>() / recent.len().max(1) as f64;
    let tokens: usize = recent.iter().map(|step| step.tokens).sum();
    let secs: f64 = recent.iter().map(|step| step.elapsed_secs).sum();
    let mut text = format!("mean loss {loss:.4}");
    if secs > 0.0 {
        text += &format!(" · {} tokens/s", short(tokens as f64 / secs));
    }
    if let Some(left) = left_secs {
        text += &format!(" · {} left", duration(left));
    }
    text
}

pub(in crate::cli) fn phase_text(phase: Phase) -> String {
    let percent = |share: f32| format!("{:.0} %", share * 100.0);
    match phase {
        Phase::LoadingModel { share } => format!("loading the model, {}", percent(share)),
        Phase::PreparingData => "reading and tokenizing the rows".to_owned(),
        Phase::Initializing => "setting the initial values".to_owned(),
        Phase::FirstStep => "doing the first step".to_owned(),
        Phase::Training => "training".to_owned(),
        Phase::Evaluating { share } => format!("evaluating, {}", percent(share)),
        Phase::Sampling => "generating samples".to_owned(),
        Phase::Saving => "writing a checkpoint".to_owned(),
        Phase::BuildingVocabulary { share } => format!("computing the vocabulary's vectors, {}", percent(share)),
        Phase::Generating => "generating".to_owned(),
        Phase::Predicting { share } => format!("writing texts, {}", percent(share)),
        Phase::Scoring { share } => format!("scoring texts, {}", percent(share)),
        Phase::Analyzing { share } => format!("analyzing, {}", percent(share)),
    }
}

/// `41 s`, `4 min`, `2 h 5 min`.
pub(in crate::cli) fn duration(secs: f64) -> String {
    let secs = secs.max(0.0).round() as u64;
    match secs {
        0..=99 => format!("{secs} s"),
        100..=5399 => format!("{} min", (secs + 30) / 60),
        _ => format!("{} h {} min", secs / 3600, secs / 60 % 60),
    }
}

/// `950`, `18.2 k`, `1.4 M`.
pub(in crate::cli) fn short(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{:.1} M", v / 1e6),
        v if v >= 1e3 => format!("{:.1} k", v / 1e3),
        v => format!("{v:.0}"),
    }
}

/// `9,857,024`.
pub(in crate::cli) fn grouped(value: usize) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= 100 { line } else { line.chars().take(99).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_wait_for_the_last_evaluation_unless_all_are_asked_for() {
        let sample = |step| SampleReport { step, row: 0, prompt: "a".into(), reference: "b".into(), text: "c".into() };
        let waiting = |every: bool| {
            let mut progress = Progress::new(false).with_every_sample(every);
            for step in [10, 20] {
                let evaluation =
                    EvaluationReport { step, loss: 1.0, best: true, elapsed_secs: 0.1, figures: None, metric: None };
                progress.show(&Report::Evaluated(evaluation));
                progress.show(&Report::Sample(Box::new(sample(step))));
            }
            progress.samples
        };
        assert_eq!(waiting(false), [sample(20)]);
        assert!(waiting(true).is_empty(), "they were shown as they came");
    }

    #[test]
    fn figures_are_written_for_people() {
        assert_eq!(grouped(184_320), "184,320");
        assert_eq!(grouped(20), "20");
        assert_eq!(short(18_240.0), "18.2 k");
        assert_eq!(duration(41.2), "41 s");
        assert_eq!(duration(250.0), "4 min");
        assert_eq!(duration(7500.0), "2 h 5 min");
        let step = StepReport {
            step: 1,
            loss: 1.5,
            learning_rate: 0.1,
            grad_norm: 1.0,
            labeled_tokens: 10,
            tokens: 2000,
            elapsed_secs: 0.5,
        };
        assert_eq!(figures(&VecDeque::from([step]), Some(30.0)), "mean loss 1.5000 · 4.0 k tokens/s · 30 s left");
    }
}
