//! The init comparison: asked for in the form, live while it runs, and its best start taken over or trained.

use app::i18n::Language;
use app::theme::ThemeChoice;
use egui_kittest::kittest::Queryable as _;
use engine::config::{PrefixInit, RunConfig};
use engine::error::Failure;
use engine::protocol::{Ask, Command, JobId, Outcome, Phase, Report};
use engine::training::{InitComparisonPlan, InitScore, InitStep};

use crate::scenes::{click, pictures};
use crate::world::{Bench, Start, settings};

/// The words of one language.
struct Words {
    form: &'static str,
    open: &'static str,
    compare: &'static str,
}

const ENGLISH: Words = Words { form: "Set up a run", open: "Compare starts…", compare: "Run the comparison" };
const CHINESE: Words = Words { form: "设置一次训练", open: "对比初始值…", compare: "运行对比" };

/// A comparison that was opened from a form high enough for its button, in a window of the usual size.
fn opened(zoom: f32, language: Language, theme: ThemeChoice, words: &Words) -> Bench {
    let settings = app::settings::Settings { zoom, language, theme, ..settings() };
    let start = Start { settings, size: [1280.0, 5000.0], ..Start::default() };
    let mut bench = Bench::with_runs(start, Vec::new());
    click(&mut bench, words.form);
    bench.answer_form();
    click(&mut bench, words.open);
    // In points, of which there are fewer where they are larger.
    bench.harness.set_size(egui::vec2(1280.0, 800.0) / zoom);
    bench.settle();
    bench
}

fn asked(bench: &Bench) -> (JobId, RunConfig, InitComparisonPlan) {
    let asked = bench.last(|command| match command {
        Command { job, ask: Ask::CompareInits { config, plan } } => Some((*job, config.as_ref().clone(), plan.clone())),
        _ => None,
    });
    asked.expect("a lab was asked for")
}

/// All trials of the first seed, and those of the second but the last.
fn underway(bench: &mut Bench, job: JobId, plan: &InitComparisonPlan) {
    bench.event(job, Report::Phase(Phase::Training));
    let last = [2.1, 6.4, 2.6, 1.9, 2.2];
    let (score, n) = (|start, seed, step, loss| InitScore { start, seed, step, loss, failure: None }, plan.steps);
    for (index, seed) in plan.seeds.iter().copied().take(2).enumerate() {
        let jitter = 0.05 * index as f64;
        for (start, end) in last.iter().enumerate().take(5 - index) {
            bench.event(job, Report::InitScore(score(start, seed, 0, Some(7.0 + end + jitter))));
            if start == 1 && index == 1 {
                bench.event(job, Report::InitScore(score(start, seed, 20, None)));
                continue;
            }
            for step in (1..=n).step_by(7) {
                let loss = end + 5.0 * (-0.1 * step as f64).exp();
                bench.event(job, Report::InitStep(InitStep { start, seed, step, loss }));
            }
            bench.event(job, Report::InitScore(score(start, seed, n, Some(end + jitter))));
        }
    }
}

fn busy(zoom: f32, language: Language, theme: ThemeChoice, words: &Words) -> Bench {
    let mut bench = opened(zoom, language, theme, words);
    click(&mut bench, words.compare);
    let (job, _, plan) = asked(&bench);
    underway(&mut bench, job, &plan);
    bench.harness.check_accessibility();
    bench
}

#[test]
fn the_best_start_goes_into_the_form_and_can_be_trained() {
    let mut bench = opened(1.0, Language::English, ThemeChoice::Dark, &ENGLISH);
    bench.harness.get_by_label("Vocabulary sample").click();
    bench.settle();
    bench.harness.get_by_label("Vocabulary sample").click();
    bench.settle();
    click(&mut bench, "Run the comparison");
    let (job, config, plan) = asked(&bench);
    assert_eq!((plan.steps, plan.seeds.clone()), (50, vec![config.seed, config.seed + 1, config.seed + 2]));
    assert_eq!(plan.starts, InitComparisonPlan::default().starts);
    underway(&mut bench, job, &plan);
    bench.harness.get_by_label("Trial 10 of 15");
    bench.harness.get_by_label("Diverged 1 time");
    bench.event(job, Report::Finished { outcome: Outcome::Completed });
    click(&mut bench, "1. Vocabulary sample");
    click(&mut bench, "Use this start");
    assert!(bench.harness.query_by_label("Compare initial values").is_none(), "it closes");
    bench.harness.set_size(egui::vec2(1280.0, 3600.0));
    bench.settle();
    click(&mut bench, "Compare starts…");
    click(&mut bench, "2. Scale-matched");
    click(&mut bench, "Train it");
    let trained = bench.last(|command| match command {
        Command { ask: Ask::Train { config, .. }, .. } => {
            Some(config.method.prefix().map(|prefix| prefix.init.clone()))
        }
        _ => None,
    });
    assert_eq!(trained, Some(Some(PrefixInit::ScaledRandom)));
}

#[test]
fn a_lab_can_be_stopped_and_says_what_went_wrong() {
    let mut bench = busy(1.0, Language::English, ThemeChoice::Dark, &ENGLISH);
    let (job, ..) = asked(&bench);
    click(&mut bench, "Stop the lab");
    assert!(
        bench
            .last(|c| matches!(c, Command { job: stopped, ask: Ask::Stop } if *stopped == job).then_some(()))
            .is_some()
    );
    bench.harness.get_by_label("1. Vocabulary sample");
    click(&mut bench, "Run the comparison");
    let (job, ..) = asked(&bench);
    let failure =
        Failure { what: engine::Sentence::verbatim("there are no rows"), advice: engine::Sentence::default() };
    bench.event(job, Report::Failed(failure));
    bench.harness.get_by_label("There are no rows");
    click(&mut bench, "Close the lab");
    assert!(bench.harness.query_by_label("Compare initial values").is_none());
}

#[test]
fn the_lab_in_both_languages_and_large() {
    let large = busy(1.5, Language::English, ThemeChoice::Dark, &ENGLISH);
    let width = large.harness.ctx.content_rect().width();
    assert!(width < 900.0, "the window is {width} wide");
    pictures([
        (busy(1.0, Language::English, ThemeChoice::Dark, &ENGLISH), "lab"),
        (large, "lab_large"),
        (busy(1.0, Language::Chinese, ThemeChoice::Light, &CHINESE), "lab_chinese"),
    ]);
}
