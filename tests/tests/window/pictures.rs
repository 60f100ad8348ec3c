//! Snapshots of each screen: empty, busy and failed. Without a wgpu adapter the labels are still checked, and it is
//! said why the pictures are skipped.

use app::action::{Action, Screen};
use app::i18n::Language;
use app::store::{Answer, RunState};
use app::t;
use app::theme::ThemeChoice;
use app::window::backend::BackendEvent;
use egui_kittest::kittest::Queryable as _;
use engine::error::Failure;
use engine::hub::{HubCommand, HubEvent, HubProgress};
use engine::protocol::{Ask, Command, GeneratedBeam, GeneratedStream, JobId, Outcome, Report};
use engine::training::{LrRangeFindings, LrRangePoint};

use crate::fixtures::{detail, devices, hub_facts, listing, row};
use crate::scenes::{chosen, click, failure, perform, picture, pictures, runs, shown, training};
use crate::world::{Bench, Start, settings};

#[test]
fn runs_without_runs_says_where_to_begin() {
    let mut bench = Bench::with_runs(Start::default(), Vec::new());
    for label in ["Train the starter example", "Open a model folder…", "Set up a run"] {
        bench.harness.get_by_label(label);
    }
    picture(&mut bench, "runs_empty");
}

#[test]
fn runs_in_a_table() {
    let mut bench = Bench::with_runs(Start::default(), runs());
    click(&mut bench, "Paper setting");
    picture(&mut bench, "runs_table");
    click(&mut bench, "Delete");
    let run = runs()[2].id.clone();
    bench.answer(Answer::Deleted { run, left: None });
    bench.harness.get_by_label("Paper setting is deleted; its files are kept for seven days");
    picture(&mut bench, "runs_deleted");
}

#[test]
fn a_new_run_is_ready_at_once() {
    let mut bench = Bench::with_runs(Start::default(), Vec::new());
    click(&mut bench, "Set up a run");
    bench.answer_form();
    bench.harness.get_by_label("Ready");
    assert_eq!(bench.harness.query_all_by_label("92,160").count(), 2, "as many are trained as are stored");
    picture(&mut bench, "new_run_ready");
}

#[test]
fn training_while_it_goes_on() {
    let mut bench = training(Start::default());
    for label in ["Pause", "Stop", "Checkpoint now", "Loss over steps", "Smoothing"] {
        assert!(bench.harness.query_all_by_label(label).count() > 0, "{label}");
    }
    picture(&mut bench, "training_busy");
}

#[test]
fn training_that_failed_says_what_to_do() {
    let settings = app::settings::Settings { theme: ThemeChoice::Light, ..settings() };
    let mut bench = Bench::with_runs(Start { settings, ..Start::default() }, runs());
    click(&mut bench, "Large rate");
    click(&mut bench, "Open");
    let failed = row("20261121-021000-0003", "Large rate", RunState::Failed);
    bench.answer(Answer::Detail(Box::new(detail(failed, 120))));
    bench.harness.get_by_label_contains("no longer a number");
    picture(&mut bench, "training_failed_light");
}

/// A window that compares a run with the base, and has asked for a text.
fn comparing(start: Start) -> (Bench, JobId) {
    let mut bench = chosen(start, Screen::Compare);
    // Prompts come by themselves, and the first is already there.
    let rows = bench.last(|command| match command {
        Command { job, ask: Ask::Preview { .. } } => Some(*job),
        _ => None,
    });
    let preview = Box::new(crate::fixtures::preview_rows());
    bench.event(rows.expect("rows were asked for"), Report::Preview(preview));
    let window = bench.harness.state().as_ref().expect("the window is open");
    assert_eq!(window.state.comparison.rows().len(), 5);
    let asked = |bench: &Bench| {
        bench.world.borrow().commands.iter().filter(|c| matches!(c, Command { ask: Ask::Generate(_), .. })).count()
    };
    assert_eq!(asked(&bench), 1, "whoever comes here sees what the run says");
    click(&mut bench, t!("compare.next"));
    assert_eq!(asked(&bench), 2, "another row is another question");
    let job = bench
        .last(|command| match command {
            Command { job, ask: Ask::Generate(request) } => {
                assert_eq!(request.streams.len(), 2);
                assert!(request.streams[0].adapter.is_none() && request.streams[1].adapter.is_some());
                Some(*job)
            }
            _ => None,
        })
        .expect("the generation was sent");
    bench.event(job, Report::Token { stream: 0, text: " The river was".into() });
    bench.event(job, Report::Token { stream: 1, text: " Blue".into() });
    (bench, job)
}

fn generated(bench: &mut Bench, job: JobId) {
    let stream = |text: &str, hash: &str, proven| GeneratedStream {
        text: text.into(),
        tokens: vec![1; 14],
        adapter_hash: hash.into(),
        proven_base: proven,
        elapsed_secs: 0.21,
        log_probability: -9.0,
        beams: Vec::new(),
        ..GeneratedStream::default()
    };
    let streams = vec![
        stream(" The river was cold, and the old man said nothing to the boy.", "", Some(true)),
        stream(" Blue Spice is a Chinese restaurant by the river.", "9f3ac1d2e4", None),
    ];
    bench.event(job, Report::Generated { streams });
}

#[test]
fn compare_marks_what_the_prefix_changes() {
    let (mut bench, job) = comparing(Start::default());
    picture(&mut bench, "compare_busy");
    generated(&mut bench, job);
    bench.harness.get_by_label("Base proven");
    picture(&mut bench, "compare_done");
}

#[test]
fn beams_are_shown_as_they_stand_and_then_with_what_they_are_worth() {
    let (mut bench, job) = comparing(Start::default());
    generated(&mut bench, job);
    bench.harness.get_by_label_contains("Decoding: greedy").click();
    bench.settle();
    click(&mut bench, t!("compare.how"));
    click(&mut bench, t!("compare.beam_search"));
    click(&mut bench, t!("compare.generate"));
    let job = bench
        .last(|command| match command {
            Command { job, ask: Ask::Generate(request) } => {
                assert!(request.sampling.greedy && request.sampling.beams.n_beams == 4);
                Some(*job)
            }
            _ => None,
        })
        .expect("the generation was sent");
    bench.event(job, Report::BestBeam { stream: 1, text: " Blue was".into() });
    bench.event(job, Report::BestBeam { stream: 1, text: " Blue Spice is".into() });
    bench.settle();
    let window = bench.harness.state().as_ref().expect("the window is open");
    assert_eq!(window.state.comparison.columns[1].text(), " Blue Spice is");
    let beam = |text: &str, score| GeneratedBeam { text: text.into(), tokens: vec![1; 14], score };
    let stream = |beams: Vec<GeneratedBeam>| GeneratedStream {
        text: beams[0].text.clone(),
        tokens: beams[0].tokens.clone(),
        adapter_hash: String::new(),
        proven_base: None,
        elapsed_secs: 0.42,
        log_probability: -9.0,
        beams,
        ..GeneratedStream::default()
    };
    let streams = vec![
        stream(vec![beam(" The river was cold.", -1.204), beam(" The river was deep.", -1.311)]),
        stream(vec![beam(" Blue Spice is a Chinese restaurant.", -0.412), beam(" Blue Spice is cheap.", -0.5)]),
    ];
    bench.event(job, Report::Generated { streams });
    bench.settle();
    bench.harness.get_by_label("score -0.500");
    picture(&mut bench, "compare_beams");
}

#[test]
fn compare_says_why_it_cannot_and_where_to_begin() {
    let (mut bench, job) = comparing(Start::default());
    bench.event(job, Report::Failed(failure()));
    bench.harness.get_by_label_contains("no tokenizer.json");
    pictures([(bench, "compare_failed"), (shown(Screen::Compare), "compare_empty")]);
}

#[test]
fn library_and_settings_have_something_to_say() {
    let (library, settings) = (shown(Screen::Library), shown(Screen::Settings));
    library.harness.get_by_label("Add a model folder");
    settings.harness.get_by_label_contains(&devices()[1].name);
    let mut looking = Bench::new(Start::default());
    click(&mut looking, "Settings");
    looking.harness.get_by_label("Looking for devices");
    pictures([(library, "library_empty"), (settings, "settings"), (looking, "settings_busy")]);
}

/// The library of a window that has heard what the cache has, with an id typed.
fn asking_hub(start: Start, field: &str) -> Bench {
    let mut bench = perform(Bench::with_runs(start, Vec::new()), Action::Show(Screen::Library));
    bench.hear(BackendEvent::Hub(hub_facts()));
    bench.harness.get_by_label(field).focus();
    bench.harness.get_by_label(field).type_text("Langboat/bloom-389m-zh");
    bench.settle();
    bench
}

/// The same after the list has come.
fn listed(start: Start, field: &str, look_up: &str) -> Bench {
    let mut bench = asking_hub(start, field);
    click(&mut bench, look_up);
    let job = bench.last_of_hub(|command| match command {
        HubCommand::LookUp { job, .. } => Some(*job),
        _ => None,
    });
    let listing = Box::new(listing());
    bench.hear(BackendEvent::Hub(HubEvent::Listed { job: job.expect("the press asks the hub"), listing }));
    bench
}

fn fetching(start: Start) -> (Bench, JobId) {
    let mut bench = listed(start, "Id of a model or a dataset", "Look up");
    click(&mut bench, "Download 664 MB");
    let job = bench.last_of_hub(|command| match command {
        HubCommand::Download { job, listing: sent } => {
            assert_eq!(**sent, listing(), "what was shown is what is fetched");
            Some(*job)
        }
        _ => None,
    });
    let job = job.expect("the press fetches");
    let progress = HubProgress {
        file: "model.safetensors".into(),
        bytes: 402_000_000,
        total_bytes: listing().total_bytes(),
        bytes_per_sec: 12_300_000.0,
    };
    bench.hear(BackendEvent::Hub(HubEvent::Progress { job, progress }));
    (bench, job)
}

#[test]
fn the_library_names_files_and_sizes_before_it_fetches() {
    let typed = asking_hub(Start::default(), "Id of a model or a dataset");
    assert!(typed.last_of_hub(|c| (!matches!(c, HubCommand::Describe { .. })).then_some(())).is_none());
    let bench = listed(Start::default(), "Id of a model or a dataset", "Look up");
    assert!(bench.last_of_hub(|c| matches!(c, HubCommand::Download { .. }).then_some(())).is_none());
    bench.harness.get_by_label("gated");
    let start = || {
        let settings = app::settings::Settings { language: Language::Chinese, theme: ThemeChoice::Light, ..settings() };
        Start { settings, ..Start::default() }
    };
    pictures([(bench, "library_listed"), (listed(start(), "模型或数据集 ID", "查询"), "chinese_library_listed")]);
}

#[test]
fn the_library_shows_how_far_a_download_is_and_why_it_ended() {
    let (busy, _) = fetching(Start::default());
    let (mut failed, job) = fetching(Start::default());
    let failure = Failure {
        what: engine::Sentence::verbatim(
            "the connection was cut after 396.0 MB of 777.6 MB of model.safetensors: timeout",
        ),
        advice: engine::Sentence::verbatim("Start the download again: it goes on from there"),
    };
    let mut kept = Box::new(listing());
    kept.files[1].here_bytes = kept.files[1].bytes;
    kept.files[2].here_bytes = 396_000_000;
    failed.hear(BackendEvent::Hub(HubEvent::Kept { job, listing: kept }));
    failed.hear(BackendEvent::Hub(HubEvent::Failed { job, failure }));
    failed.harness.get_by_label("Download 382 MB");
    pictures([(busy, "library_busy"), (failed, "library_failed")]);
}

#[test]
fn a_new_run_says_what_it_waits_for_and_what_is_missing() {
    let mut bench = Bench::with_runs(Start::default(), Vec::new());
    click(&mut bench, "Set up a run");
    picture(&mut bench, "new_run_busy");
    for _ in 0..8 {
        bench.harness.run_steps(10);
    }
    let asked = bench.last(|command| match command {
        Command { job, ask: Ask::DescribeModel { .. } } => Some(*job),
        _ => None,
    });
    bench.event(asked.expect("the model was asked for"), Report::Failed(failure()));
    bench.harness.get_by_label("Not ready");
    picture(&mut bench, "new_run_failed");
}

#[test]
fn a_screen_without_a_run_says_so_and_a_lost_engine_too() {
    let mut lost = Bench::with_runs(Start::default(), runs());
    lost.hear(BackendEvent::EngineGone);
    pictures([(shown(Screen::Training), "training_empty"), (lost, "runs_failed")]);
}

/// Every screen with something on it, in Chinese and in the light.
#[test]
fn each_screen_in_chinese() {
    let start = || {
        let settings = app::settings::Settings { language: Language::Chinese, theme: ThemeChoice::Light, ..settings() };
        Start { settings, ..Start::default() }
    };
    let (mut compare, job) = comparing(start());
    generated(&mut compare, job);
    pictures([
        (Bench::with_runs(start(), runs()), "chinese_runs"),
        (chosen(start(), Screen::Training), "chinese_training"),
        (compare, "chinese_compare"),
        (perform(Bench::with_runs(start(), runs()), Action::Show(Screen::Library)), "chinese_library"),
        (perform(Bench::with_runs(start(), runs()), Action::Show(Screen::Settings)), "chinese_settings"),
    ]);
}

/// Failure, advice, log and devices: the engine's and the store's words, too.
#[test]
fn what_the_engine_says_is_said_in_chinese() {
    let start = || {
        let settings = app::settings::Settings { language: Language::Chinese, theme: ThemeChoice::Light, ..settings() };
        Start { settings, ..Start::default() }
    };
    let failed = runs().into_iter().position(|row| row.state == RunState::Failed).expect("one run failed");
    let open = Action::Open(runs()[failed].id.clone(), Screen::Training);
    let mut bench = perform(Bench::with_runs(Start { size: [1280.0, 1400.0], ..start() }, runs()), open);
    bench.answer(Answer::Detail(Box::new(detail(runs().remove(failed), 120))));
    bench.harness.get_by_label("第 120 步的损失已不是有效数值");
    bench.harness.get_by_label("请调低学习率，然后从最近的检查点继续");
    click(&mut bench, "日志");
    bench.harness.get_by_label_contains("正在读取数据行并分词");
    bench.harness.get_by_label_contains("跳过 4 行：其中没有可学习的内容");
    picture(&mut bench, "chinese_failed");
    let mut devices = perform(Bench::with_runs(start(), runs()), Action::Show(Screen::Settings));
    devices.harness.get_by_label("不可用").hover();
    devices.settle();
    devices.harness.get_by_label_contains("其驱动崩溃（signal: 11）");
}

#[test]
fn chinese_and_large_is_still_whole() {
    let settings = app::settings::Settings { language: Language::Chinese, theme: ThemeChoice::Light, ..settings() };
    let mut bench = Bench::with_runs(Start { settings, ..Start::default() }, Vec::new());
    click(&mut bench, "设置一次训练");
    bench.answer_form();
    bench.harness.get_by_label("就绪");
    picture(&mut bench, "new_run_chinese_light");
}

#[test]
fn large_type_puts_the_card_above_the_form() {
    let settings = app::settings::Settings { zoom: 1.5, ..settings() };
    let mut bench = Bench::with_runs(Start { settings, ..Start::default() }, Vec::new());
    click(&mut bench, "Set up a run");
    bench.answer_form();
    bench.harness.get_by_label("Ready");
    picture(&mut bench, "new_run_large");
}

/// The form of a new run in a window that is high enough for all of it.
fn whole_form() -> Bench {
    let mut bench = Bench::with_runs(Start { size: [1280.0, 3300.0], ..Start::default() }, Vec::new());
    click(&mut bench, "Set up a run");
    bench.answer_form();
    bench.harness.get_by_label("Ready");
    bench
}

#[test]
fn a_preset_names_its_source_and_fills_the_form() {
    let mut bench = whole_form();
    click(&mut bench, "More settings");
    click(&mut bench, "Preset");
    bench.harness.get_by_label("Prefix-Tuning, GPT-2 on E2E").click();
    bench.settle();
    bench.harness.get_by_label("XiangLi1999/PrefixTuning: gpt2; Li & Liang 2021");
    click(&mut bench, "Optimizer");
    bench.harness.get_by_label("Adafactor").click();
    bench.settle();
    click(&mut bench, "Constants of the optimizer");
    bench.harness.get_by_label("Longest update");
    let source = "XiangLi1999/PrefixTuning: gpt2; Li & Liang 2021";
    assert!(bench.harness.query_by_label(source).is_none(), "another optimizer is no longer the preset");
    bench.harness.check_accessibility();
    picture(&mut bench, "new_run_optimizer");
}

#[test]
fn a_range_test_shows_its_curve_and_a_click_takes_its_rate_over() {
    let mut bench = whole_form();
    click(&mut bench, "Test the range…");
    let asked = bench.last(|command| match command {
        Command { job, ask: Ask::TestLrRange { config, range } } => {
            Some((*job, config.training.learning_rate, range.steps))
        }
        _ => None,
    });
    let (job, rate, steps) = asked.expect("a test was asked for");
    assert_eq!((rate, steps), (5e-3, 100));
    for step in 0..80 {
        let power = -6.0 + 0.07 * f64::from(step);
        let smoothed = 4.0 - 2.0 / (1.0 + (-4.0 * (power + 3.0)).exp()) + (5.0 * (power + 0.9)).exp();
        let loss = smoothed + 0.1 * (f64::from(step) * 2.3).sin();
        bench.event(job, Report::LrRangeStep(LrRangePoint { learning_rate: 10f64.powf(power), loss, smoothed }));
    }
    bench.harness.get_by_label("80 of 100 rates");
    let findings = LrRangeFindings { steepest: Some(1.04e-3), diverged: Some(0.3) };
    bench.event(job, Report::LrRange(findings));
    bench.event(job, Report::Finished { outcome: Outcome::Completed });
    picture(&mut bench, "new_run_range");
    click(&mut bench, "Use 1e-3 (falls fastest)");
    click(&mut bench, "Close the test");
    assert!(bench.harness.query_by_label("Loss over the learning rate").is_none());
    click(&mut bench, "Test the range…");
    let rate = bench.last(|command| match command {
        Command { ask: Ask::TestLrRange { config, .. }, .. } => Some(config.training.learning_rate),
        _ => None,
    });
    assert_eq!(rate, Some(1e-3), "the form has taken it over");
}
