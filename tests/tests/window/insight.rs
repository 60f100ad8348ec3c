//! What an adapter does, in the explorer: each question is asked once, answers stand beside chance, and cells stay.

use app::action::{Action, Screen};
use app::charts::Picture;
use app::i18n::Language;
use app::store::Answer;
use app::theme::ThemeChoice;
use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use engine::analysis::{
    Analysis, AttentionReport, Decomposition, HeadDecomposition, LayerAttention, LayerDecomposition, LensCell,
    LensLayer, LensReport, LensToken, MovedToken, PrefixGrid, Question,
};
use engine::protocol::{AnalysisRequest, Ask, Command, JobId, Phase, Report};

use crate::fixtures::detail;
use crate::scenes::{chosen, click, failure, perform, picture, pictures, runs, save_as};
use crate::world::{Bench, Start, settings};

/// The questions about what adapters do, in their order.
pub(crate) fn asked(bench: &Bench) -> Vec<(JobId, AnalysisRequest)> {
    let world = bench.world.borrow();
    let analysis = |command: &Command| match command {
        Command { job, ask: Ask::Analyze(request) } => Some((*job, AnalysisRequest::clone(request))),
        _ => None,
    };
    world.commands.iter().filter_map(analysis).collect()
}

pub(crate) fn answer(bench: &mut Bench, job: JobId, analysis: Analysis) {
    bench.event(job, Report::Analysis(Box::new(analysis)));
}

pub(crate) fn answer_last(bench: &mut Bench, analysis: Analysis) {
    let (job, _) = asked(bench).pop().expect("something was asked");
    answer(bench, job, analysis);
}

pub(crate) fn grid() -> PrefixGrid {
    let norms: Vec<f32> = (0..120).map(|i| 15.0 + (i * 37 % 41) as f32).collect();
    PrefixGrid { n_layers: 6, n_virtual: 20, key_norm: norms.clone(), value_norm: norms, ..PrefixGrid::default() }
}

/// The explorer of the second run, with its grid.
pub(crate) fn exploring(start: Start, grid: PrefixGrid) -> Bench {
    let mut bench = chosen(start, Screen::Explorer);
    answer_grid(&mut bench, grid);
    bench
}

pub(crate) fn answer_grid(bench: &mut Bench, grid: PrefixGrid) {
    let job = bench.last(|command| match command {
        Command { job, ask: Ask::DescribePrefix { .. } } => Some(*job),
        _ => None,
    });
    bench.event(job.expect("norms were asked for"), Report::Grid(Box::new(grid)));
}

const TEXTS: [&str; 6] = ["name", ":", "·Blue", "·Sp", "ice", "·serves"];

fn texts() -> Vec<String> {
    TEXTS.map(str::to_owned).to_vec()
}

/// A prefix whose second head of the third layer pays it a share of `mass`, most of it to a slot that gives nothing.
fn decomposition(mass: f64) -> Analysis {
    let head = |layer: usize, head: usize| {
        let is_it = (layer, head) == (2, 1);
        let first = if is_it { 0.62 } else { 0.05 };
        HeadDecomposition {
            mass: if is_it { mass } else { 0.02 + ((layer * 7 + head * 5) % 11) as f64 * 0.02 },
            bias: if is_it { 0.5 } else { 0.1 + head as f64 * 0.02 },
            content: 1.25,
            constancy: if is_it { 0.973 } else { 0.4 },
            effective_rank: 2.0 + head as f64,
            slots: std::iter::once(first).chain(std::iter::repeat_n((1.0 - first) / 19.0, 19)).collect(),
            sinks: if is_it { vec![0] } else { Vec::new() },
        }
    };
    let token = |text: &str, logit| LensToken { text: text.into(), id: 100, logit };
    let layer = |layer: usize| LayerDecomposition {
        name: format!("blocks.{layer}.attn.hook_pattern"),
        heads: (0..6).map(|at| head(layer, at)).collect(),
        mass_of_tokens: (0..TEXTS.len()).map(|at| 0.6 / (at + layer + 1) as f64).collect(),
        bias_norm: 3.5,
        out_norm: 12.0,
        lens: vec![token("·river", if layer == 4 { 6.2 } else { 4.1 }), token("·the", 3.9)],
        lens_by_chance: 4.0,
        lens_by_chance_sd: 0.3,
    };
    let layers = (0..6).map(layer).collect();
    Analysis::Decomposition(Decomposition { layers, n_virtual: 20, tokens: 640, texts: texts() })
}

fn lens() -> Analysis {
    let cell = |layer: usize, at: usize| LensCell {
        kl: 0.25 * (layer + at) as f64,
        with: ("·river".into(), 0.62),
        without: ("·old".into(), 0.12),
    };
    let layer = |layer: usize| LensLayer {
        name: format!("blocks.{layer}.hook_resid_post"),
        kl: 0.2 * layer as f64,
        with: -5.0 + 0.5 * layer as f64,
        without: -5.5 + 0.25 * layer as f64,
        cells: (0..TEXTS.len()).map(|at| cell(layer, at)).collect(),
    };
    let moved = |text: &str, before, after| MovedToken { text: text.into(), id: 4711, before, after };
    Analysis::Lens(LensReport {
        layers: (0..6).map(layer).collect(),
        texts: texts(),
        up: vec![moved("·river", 0.0012, 0.14), moved("·serves", 0.02, 0.08)],
        down: vec![moved("·old", 0.12, 0.01)],
        positions: 1420,
    })
}

pub(crate) fn attention() -> Analysis {
    let share = |layer: usize, head: usize, slot: usize| 0.001 * (1 + (layer * 5 + head * 3 + slot * 7) % 13) as f64;
    let layer = |layer: usize| LayerAttention {
        name: format!("blocks.{layer}.attn.hook_pattern"),
        mass: (0..6).map(|head| (0..20).map(|slot| share(layer, head, slot)).collect()).collect(),
    };
    Analysis::Attention(AttentionReport { layers: (0..6).map(layer).collect(), n_virtual: 20, tokens: 1420 })
}

/// A window with an answer about the heads.
fn decomposed(start: Start) -> Bench {
    let mut bench = exploring(start, grid());
    click(&mut bench, app::t!("insight.does"));
    answer_last(&mut bench, decomposition(0.34));
    bench
}

#[test]
fn a_question_is_asked_once_on_the_rows_that_the_run_is_validated_on() {
    let mut bench = exploring(Start::default(), grid());
    assert!(asked(&bench).is_empty(), "nobody has a question yet");
    click(&mut bench, "What it does");
    let (job, request) = asked(&bench).pop().expect("its first view is asked for");
    assert_eq!((request.question, request.rows, request.text), (Question::Decomposition, 32, None));
    assert!(request.data.train.ends_with("records/validation.jsonl") && request.data.validation.is_none());
    assert!(request.adapter.starts_with(runs()[2].folder.join("checkpoints")) && request.initial.is_some());
    bench.event(job, Report::Phase(Phase::Analyzing { share: 0.45 }));
    bench.harness.get_by_label_contains("45 %");
    answer(&mut bench, job, decomposition(0.34));
    bench.harness.get_by_label("Layer 3, head 2, Attention 34.0 %");
    // Two more views of the same answer, and three of another.
    for view in ["Tokens", "Bias"] {
        click(&mut bench, view);
    }
    assert_eq!(asked(&bench).len(), 1);
    click(&mut bench, "Logit lens");
    answer_last(&mut bench, lens());
    for view in ["Moved tokens", "By layer", "Heads"] {
        click(&mut bench, view);
    }
    click(&mut bench, "What matters");
    answer_last(&mut bench, attention());
    for tab in ["Where it lies", "What it does", "What matters"] {
        click(&mut bench, tab);
    }
    let questions: Vec<Question> = asked(&bench).into_iter().map(|(_, request)| request.question).collect();
    assert_eq!(questions, [Question::Decomposition, Question::Lens, Question::Attention]);
}

#[test]
fn a_question_is_stopped_and_asked_again_and_its_late_answer_is_nobodys() {
    let mut bench = exploring(Start::default(), grid());
    click(&mut bench, "What it does");
    let (first, _) = asked(&bench).pop().expect("asked");
    click(&mut bench, "Stop");
    let stopped = bench.last(|command| if let Command { job, ask: Ask::Stop } = command { Some(*job) } else { None });
    assert_eq!(stopped, Some(first));
    answer(&mut bench, first, decomposition(0.34));
    bench.harness.get_by_label("This question was stopped");
    assert_eq!(asked(&bench).len(), 1, "what was stopped is not asked by itself");
    click(&mut bench, "Ask again");
    let (second, _) = asked(&bench).pop().expect("asked again");
    assert_ne!(first, second);
    bench.event(second, Report::Failed(failure()));
    bench.harness.get_by_label_contains("no tokenizer.json");
    picture(&mut bench, "explorer_heads_failed");
    click(&mut bench, "Ask again");
    answer_last(&mut bench, decomposition(0.34));
    bench.harness.get_by_label("Layer 3, head 2, Attention 34.0 %");
}

#[test]
fn a_head_is_told_in_words_and_stays_when_tab_checkpoint_and_run_change() {
    let mut bench = decomposed(Start::default());
    click(&mut bench, "Layer 3, head 2, Attention 34.0 %");
    bench.harness.get_by_label_contains("It pays 34.0 % of its attention");
    bench.harness.get_by_label_contains("a constant bias (constancy 0.973)");
    bench.harness.get_by_label_contains("Slot 1 takes attention and gives nothing");
    bench.harness.get_by_label("Slot 1, 62.0 %, a sink");
    bench.harness.get_by_label_contains("each has 5.0 %");
    click(&mut bench, "Added ÷ read");
    bench.harness.get_by_label("Layer 3, head 2, Added ÷ read 0.4");
    click(&mut bench, "Where it lies");
    click(&mut bench, "What it does");
    bench.harness.get_by_label_contains("It pays 34.0 % of its attention");
    let before = asked(&bench).len();
    let explore =
        app::screens::explorer::action::ExplorerAction::Explore { checkpoint: runs()[2].folder.join("checkpoints/40") };
    let mut bench = perform(bench, Action::Explorer(explore));
    answer_grid(&mut bench, grid());
    assert_eq!(asked(&bench).len(), before + 1, "it is another adapter");
    answer_last(&mut bench, decomposition(0.12));
    bench.harness.get_by_label_contains("It pays 12.0 % of its attention");
    // Another run: its own answer, in the same place.
    let other = runs().remove(3);
    let mut bench = perform(bench, Action::Open(other.id.clone(), Screen::Explorer));
    bench.answer(Answer::Detail(Box::new(detail(other, 400))));
    answer_grid(&mut bench, grid());
    answer_last(&mut bench, decomposition(0.56));
    bench.harness.get_by_label_contains("It pays 56.0 % of its attention");
    // Back again nothing is asked: the answer is still there.
    let before = asked(&bench).len();
    let first = runs().remove(2);
    let mut bench = perform(bench, Action::Open(first.id.clone(), Screen::Explorer));
    bench.answer(Answer::Detail(Box::new(detail(first, 400))));
    answer_grid(&mut bench, grid());
    bench.harness.get_by_label_contains("It pays 34.0 % of its attention");
    assert_eq!(asked(&bench).len(), before);
}

#[test]
fn a_text_of_ones_own_is_looked_at_when_it_is_entered() {
    let mut bench = decomposed(Start::default());
    click(&mut bench, "A text");
    bench.harness.get_by_label("Text to look at").focus();
    bench.harness.get_by_label("Text to look at").type_text("The river");
    bench.settle();
    assert_eq!(asked(&bench).len(), 1, "it is still being typed");
    bench.harness.key_press(egui::Key::Enter);
    bench.settle();
    let (_, request) = asked(&bench).pop().expect("asked");
    assert_eq!((request.text.as_deref(), request.rows), (Some("The river"), 1));
    answer_last(&mut bench, decomposition(0.5));
    bench.harness.get_by_label("Layer 3, head 2, Attention 50.0 %");
    // The rows again: their answer is known.
    click(&mut bench, "Rows");
    click(&mut bench, "Look");
    bench.harness.get_by_label("Layer 3, head 2, Attention 34.0 %");
    assert_eq!(asked(&bench).len(), 2);
}

#[test]
fn each_view_names_what_is_compared_and_what_chance_makes() {
    let mut bench = decomposed(Start { size: [1280.0, 1400.0], ..Start::default() });
    bench.harness.get_by_label_contains("pays it 76.9 % at the last of the 6 tokens");
    click(&mut bench, "Tokens");
    bench.harness.get_by_label("name, 24.5 % on the prefix");
    picture(&mut bench, "explorer_tokens");
    click(&mut bench, "Bias");
    bench.harness.get_by_label_contains("The bias of 1 of 6 layers points further than chance");
    assert_eq!(bench.harness.query_all_by_label_contains("a random vector as long reaches 4.0 ± 0.3").count(), 6);
    picture(&mut bench, "explorer_bias");
    click(&mut bench, "Logit lens");
    answer_last(&mut bench, lens());
    click(&mut bench, "Layer 6, behind ·serves: with ·river 62.0 %, without ·old 12.0 %, KL 2.500");
    click(&mut bench, "Without");
    picture(&mut bench, "explorer_lens");
    click(&mut bench, "Moved tokens");
    bench.harness.get_by_label("·river 0.12 % → 14.0 %");
    bench.harness.get_by_label_contains("1,420 positions");
    picture(&mut bench, "explorer_moved");
    click(&mut bench, "By layer");
    bench.harness.get_by_label("Log-probability by layer");
    bench.harness.get_by_label("Layer 6: -2.500 with, -4.250 without, KL 1.000");
    picture(&mut bench, "explorer_layers");
    click(&mut bench, "What matters");
    answer_last(&mut bench, attention());
    bench.harness.get_by_label_contains("Attention is not importance");
    click(&mut bench, "Layer 1, slot 3, 0.52 %");
    bench.harness.get_by_label_contains("Spread evenly over the slots each has");
    picture(&mut bench, "explorer_slots");
    bench.harness.check_accessibility();
}

/// The explorer with a second run beside the first, both answered.
fn beside(start: Start) -> Bench {
    let mut bench = decomposed(start);
    click(&mut bench, app::t!("insight.beside"));
    bench.harness.get_by_label("First try").click();
    bench.settle();
    assert_eq!(asked(&bench).len(), 1, "its checkpoints are not known yet");
    let other = runs().remove(3);
    bench.answer(Answer::Detail(Box::new(detail(other.clone(), 400))));
    let (job, request) = asked(&bench).pop().expect("asked");
    assert!(request.adapter.starts_with(other.folder.join("checkpoints")));
    assert_eq!(request.question, Question::Decomposition);
    answer(&mut bench, job, decomposition(0.12));
    bench
}

#[test]
fn two_adapters_stand_beside_each_other_and_below_each_other_where_it_is_narrow() {
    let narrow = Start { size: [900.0, 1800.0], ..Start::default() };
    let mut results = egui_kittest::SnapshotResults::new();
    for (start, is_wide) in [(Start { size: [1280.0, 1000.0], ..Start::default() }, true), (narrow, false)] {
        let mut bench = beside(start);
        let cells =
            ["Paper setting: Layer 3, head 2, Attention 34.0 %", "First try: Layer 3, head 2, Attention 12.0 %"];
        let [first, second] = cells.map(|cell| bench.harness.get_by_label(cell).rect());
        assert_eq!((first.top() - second.top()).abs() < 1.0, is_wide, "{first:?} {second:?}");
        assert_eq!((first.left() - second.left()).abs() < 1.0, !is_wide);
        click(&mut bench, cells[0]);
        for mass in ["34.0", "12.0"] {
            bench.harness.get_by_label_contains(&format!("It pays {mass} % of its attention"));
        }
        click(&mut bench, "Logit lens");
        let both: Vec<JobId> = asked(&bench)[2..].iter().map(|(job, _)| *job).collect();
        assert_eq!(both.len(), 2, "each is asked");
        both.into_iter().for_each(|job| answer(&mut bench, job, lens()));
        bench.harness.check_accessibility();
        picture(&mut bench, if is_wide { "explorer_beside" } else { "explorer_beside_narrow" });
        // The one beside is let go of: the first stays.
        click(&mut bench, "Beside");
        bench.harness.get_by_label("Nothing").click();
        bench.settle();
        bench.harness.get_by_label("Layer 6, behind ·serves: with ·river 62.0 %, without ·old 12.0 %, KL 2.500");
        results.extend(bench.harness.take_snapshot_results());
    }
}

#[test]
fn a_run_that_was_deleted_is_no_longer_beside_and_its_question_ends() {
    let mut bench = beside(Start::default());
    click(&mut bench, "Logit lens");
    let (job, _) = asked(&bench).pop().expect("both were asked");
    bench.answer(Answer::Deleted { run: runs()[3].id.clone(), left: None });
    let stopped = bench.last(|command| if let Command { job, ask: Ask::Stop } = command { Some(*job) } else { None });
    assert_eq!(stopped, Some(job));
    assert!(bench.harness.query_by_label("Stop").is_some(), "the first goes on, alone");
}

#[test]
fn numbers_and_pictures_are_written_as_they_are_seen() {
    let mut bench = beside(Start::default());
    save_as(&mut bench, "Save as CSV…", "/tmp/heads.csv");
    let written = bench.world.borrow().written.last().cloned();
    let (path, text) = written.expect("a table was written");
    assert_eq!(path, std::path::Path::new("/tmp/heads.csv"));
    assert!(text.starts_with("run,layer,head,mass,bias,content,constancy,effective_rank,sinks\n"), "{text}");
    assert!(text.contains("Paper setting,3,2,0.34,0.5,1.25,0.973,3,1\n"), "{text}");
    assert!(text.contains("First try,3,2,0.12,"), "both are in it: {text}");
    save_as(&mut bench, "Save picture of First try…", "/tmp/heads.svg");
    let drawn = bench.world.borrow().drawn.last().cloned();
    let Some((_, Picture::Heat(map))) = drawn else { panic!("{drawn:?}") };
    assert_eq!((map.columns, map.values.len(), map.values[13]), (6, 36, 0.12));
    assert!(map.title.contains("First try"));
    click(&mut bench, "Where it lies");
    save_as(&mut bench, "Save picture…", "/tmp/norms.png");
    let drawn = bench.world.borrow().drawn.last().cloned();
    let Some((_, Picture::Heat(map))) = drawn else { panic!("{drawn:?}") };
    assert_eq!((map.columns, map.values.len(), map.values[1]), (20, 120, 52.0));
    save_as(&mut bench, "Save as CSV…", "/tmp/norms.csv");
    let written = bench.world.borrow().written.last().cloned().expect("a table was written").1;
    assert_eq!(written.lines().nth(2), Some("1,2,52,52,,"));
}

#[test]
fn what_a_soft_prompt_cannot_have_is_not_offered() {
    let prompt =
        PrefixGrid { n_layers: 1, key_norm: vec![1.0; 20], value_norm: vec![1.0; 20], is_prompt: true, ..grid() };
    let mut bench = exploring(Start::default(), prompt.clone());
    click(&mut bench, "What matters");
    assert!(bench.harness.query_by_label("Attention on slots").is_none(), "it is about keys and values");
    assert!(matches!(asked(&bench).pop().expect("asked").1.question, Question::Importance { .. }));
    click(&mut bench, "What it does");
    assert_eq!(asked(&bench).pop().expect("asked").1.question, Question::Lens);
    for view in ["Heads", "Tokens", "Bias"] {
        assert!(bench.harness.query_by_label(view).is_none(), "{view} is about keys and values");
    }
    answer_last(&mut bench, lens());
    // A run with a prefix: it has them all, and nothing that it cannot answer was asked before that was known.
    let other = runs().remove(3);
    let mut bench = perform(bench, Action::Open(other.id.clone(), Screen::Explorer));
    bench.answer(Answer::Detail(Box::new(detail(other, 400))));
    answer_grid(&mut bench, grid());
    let questions: Vec<Question> = asked(&bench).into_iter().map(|(_, request)| request.question).collect();
    assert_eq!(questions[1..], [Question::Lens, Question::Decomposition], "its first view");
    // Back to the prompt: about keys and values nothing is asked.
    let before = asked(&bench).len();
    let first = runs().remove(2);
    let mut bench = perform(bench, Action::Open(first.id.clone(), Screen::Explorer));
    bench.answer(Answer::Detail(Box::new(detail(first, 400))));
    answer_grid(&mut bench, prompt);
    assert_eq!(asked(&bench).len(), before);
    assert!(bench.harness.query_by_label("Heads").is_none());
}

/// The names of controls that reach beyond the right side of a window.
pub(crate) fn out_of_reach(bench: &Bench) -> Vec<String> {
    let width = bench.harness.ctx.content_rect().width();
    let controls = [
        Role::Button,
        Role::RadioButton,
        Role::TextInput,
        Role::ComboBox,
        Role::SpinButton,
        Role::ListItem,
        Role::Image,
    ];
    let nodes = bench.harness.root().children_recursive();
    nodes
        .filter(|node| controls.contains(&node.accesskit_node().role()) && node.rect().max.x > width + 0.5)
        .map(|node| format!("{:?} at {:?}", node.accesskit_node().label(), node.rect()))
        .collect()
}

#[test]
fn in_chinese_on_a_narrow_screen_and_in_large_type_nothing_is_out_of_reach() {
    let chinese = app::settings::Settings { language: Language::Chinese, theme: ThemeChoice::Light, ..settings() };
    let light = app::settings::Settings { theme: ThemeChoice::Light, ..settings() };
    let large = app::settings::Settings { zoom: 1.5, ..settings() };
    let start = |settings, size| Start { settings, size, ..Start::default() };
    let windows = [
        (start(chinese, [900.0, 1200.0]), "chinese_explorer_heads"),
        (start(light, [1280.0, 1200.0]), "explorer_heads_light"),
        (start(large, [1280.0, 1800.0]), "explorer_heads_large"),
    ];
    pictures(windows.map(|(start, name)| {
        let mut bench = decomposed(start);
        let cell = app::t!(
            "insight.head_cell",
            layer = app::t!("insight.layer", layer = 3),
            head = 2,
            name = app::t!("insight.mass"),
            value = "34.0 %"
        );
        click(&mut bench, &cell);
        let views = [
            app::t!("insight.tokens"),
            app::t!("insight.bias"),
            app::t!("insight.lens"),
            app::t!("insight.moved"),
            app::t!("insight.layers"),
        ];
        for view in views {
            click(&mut bench, view);
            if view == app::t!("insight.lens") {
                answer_last(&mut bench, lens());
            }
            assert_eq!(out_of_reach(&bench), Vec::<String>::new(), "{view}");
            bench.harness.check_accessibility();
        }
        click(&mut bench, app::t!("insight.matters"));
        answer_last(&mut bench, attention());
        assert_eq!(out_of_reach(&bench), Vec::<String>::new());
        click(&mut bench, app::t!("insight.a_text"));
        assert_eq!(out_of_reach(&bench), Vec::<String>::new());
        click(&mut bench, app::t!("insight.does"));
        click(&mut bench, app::t!("insight.heads"));
        assert_eq!(out_of_reach(&bench), Vec::<String>::new());
        (bench, name)
    }));
}
