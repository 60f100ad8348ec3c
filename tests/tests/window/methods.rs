//! Every method in the form of a new run: chosen by its name, with its settings, and sent as it was set.

use app::action::{Action, Screen};
use app::i18n::Language;
use app::state::outbox::Fill;
use app::store::{Answer, RunRow, RunState};
use app::theme::ThemeChoice;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use engine::adapters::{CacheForm, CacheNumbers, GgufNumbers, Program};
use engine::analysis::{PrefixGrid, WeightChange};
use engine::config::{FewShotConfig, FullConfig, LoraConfig, MethodConfig, PromptConfig, Task};
use engine::device::DeviceChoice;
use engine::nn::Precision;
use engine::protocol::{Ask, Command, Report};

use crate::fixtures::{config, detail, row};
use crate::scenes::{click, perform, picture, pictures, started};
use crate::world::{Bench, Start, settings};

/// The form of a new run in a window that is high enough for all of it.
fn form(start: Start, name: &str) -> Bench {
    let mut bench = Bench::with_runs(Start { size: [1280.0, 2600.0], ..start }, Vec::new());
    click(&mut bench, name);
    bench.answer_form();
    bench
}

#[test]
fn every_method_can_be_chosen_and_is_sent() {
    type IsIt = fn(&MethodConfig) -> bool;
    let methods: [(&str, IsIt); 7] = [
        ("Prefix tuning", |method| matches!(method, MethodConfig::Prefix(_))),
        ("Prompt tuning", |method| matches!(method, MethodConfig::Prompt(prompt) if prompt.encoder.is_none())),
        ("P-tuning", |method| matches!(method, MethodConfig::Prompt(prompt) if prompt.encoder.is_some())),
        ("LoRA", |method| matches!(method, MethodConfig::Lora(_))),
        ("Full fine-tuning", |method| matches!(method, MethodConfig::Full(FullConfig { top_layers: None, .. }))),
        ("Top layers", |method| matches!(method, MethodConfig::Full(FullConfig { top_layers: Some(2), .. }))),
        ("Text prompt", |method| matches!(method, MethodConfig::FewShot(_))),
    ];
    for (name, is_it) in methods {
        let mut bench = form(Start::default(), "Set up a run");
        click(&mut bench, name);
        bench.harness.check_accessibility();
        if name == "Text prompt" {
            bench.harness.get_by_label("Ready");
            bench.harness.get_by_label("Instruction").focus();
            bench.harness.get_by_label("Instruction").type_text("Say it in one sentence.");
            bench.settle();
        }
        let method = started(&mut bench).method;
        assert!(is_it(&method), "{name}: {method:?}");
    }
}

#[test]
fn a_head_alone_is_for_classes() {
    let mut bench = form(Start::default(), "Set up a run");
    click(&mut bench, "Head only");
    bench.harness.get_by_label("Prefix length (virtual tokens)");
    let window = bench.harness.state_mut().as_mut().expect("the window is open");
    let mut config = crate::fixtures::config();
    config.task = Some(Task::SequenceClassification);
    window.state.fill(Fill::Run(Box::new(config)));
    bench.settle();
    click(&mut bench, "Head only");
    assert!(bench.harness.query_by_label("Prefix length (virtual tokens)").is_none());
}

#[test]
fn a_precision_is_offered_where_the_device_computes_in_it() {
    let mut bench = form(Start::default(), "Set up a run");
    let set = |bench: &mut Bench, device, precision| {
        let mut config = crate::fixtures::config();
        (config.device, config.precision) = (device, precision);
        bench.harness.state_mut().as_mut().expect("the window is open").state.fill(Fill::Run(Box::new(config)));
        bench.settle();
    };
    set(&mut bench, DeviceChoice::Cpu, Precision::F16);
    bench.harness.get_by_label("Not ready");
    assert!(bench.harness.query_all_by_label("On the CPU products of 16 bits are in bf16").count() > 0, "it says why");
    set(&mut bench, DeviceChoice::Wgpu(Some(0)), Precision::F16);
    assert!(bench.harness.query_by_label("Not ready").is_none());
    click(&mut bench, "Precision");
    let refused = bench.harness.get_by_label("bf16 · its driver does not have such numbers");
    assert!(refused.accesskit_node().is_disabled());
    click(&mut bench, "Start");
    let sent = bench.last(|command| match command {
        Command { ask: Ask::Train { config, .. }, .. } => Some(config.precision),
        _ => None,
    });
    assert_eq!(sent, Some(Precision::F16));
}

#[test]
fn the_settings_of_each_method() {
    let mut lora = form(Start::default(), "Set up a run");
    click(&mut lora, "LoRA");
    assert_eq!(lora.harness.query_all_by_label("73,728").count(), 2, "6 × 8 × (384 + 1152), trained and stored");
    click(&mut lora, "By name");
    click(&mut lora, "c_fc");
    click(&mut lora, "Scale and biases");
    let mut prompt = form(Start::default(), "Set up a run");
    click(&mut prompt, "P-tuning");
    click(&mut prompt, "LSTM");
    click(&mut prompt, "Also train a part of the model");
    click(&mut prompt, "Its top layers");
    let settings = app::settings::Settings { language: Language::Chinese, theme: ThemeChoice::Light, ..settings() };
    let mut text = form(Start { settings, ..Start::default() }, "设置一次训练");
    click(&mut text, "文字提示");
    pictures([(lora, "new_run_lora"), (prompt, "new_run_p_tuning"), (text, "new_run_text_chinese")]);
}

fn run(method: &str, n_virtual: usize) -> RunRow {
    RunRow { method: method.into(), n_virtual, ..row("20261121-020000-0002", "The run", RunState::Finished) }
}

/// A window that shows a run of that method on a screen.
fn showing(row: RunRow, method: MethodConfig, screen: Screen) -> Bench {
    let id = row.id.clone();
    let mut bench = perform(Bench::with_runs(Start::default(), vec![row.clone()]), Action::Open(id, screen));
    let mut detail = detail(row, 400);
    detail.config = Some(Box::new(engine::config::RunConfig { method, ..config() }));
    bench.answer(Answer::Detail(Box::new(detail)));
    bench
}

fn explored(row: RunRow, method: MethodConfig, grid: PrefixGrid) -> Bench {
    let mut bench = showing(row, method, Screen::Explorer);
    let asked = bench.last(|command| match command {
        Command { job, ask: Ask::DescribePrefix { model, .. } } => {
            assert!(model.is_some(), "a change is held against the model");
            Some(*job)
        }
        _ => None,
    });
    bench.event(asked.expect("norms were asked for"), Report::Grid(Box::new(grid)));
    bench
}

#[test]
fn the_explorer_shows_of_each_method_what_it_has() {
    let norms: Vec<f32> = (0..20).map(|i| 3.0 + ((i * 37) % 41) as f32 * 0.15).collect();
    let slots = PrefixGrid {
        n_layers: 1,
        n_virtual: 20,
        key_norm: norms.clone(),
        value_norm: norms,
        is_prompt: true,
        ..PrefixGrid::default()
    };
    let prompt = MethodConfig::Prompt(PromptConfig::default());
    let mut bench = explored(run("prompt 20", 20), prompt, slots);
    bench.harness.get_by_label_contains("Virtual token 5,").click();
    bench.settle();
    let asked = bench.last(|command| match command {
        Command { ask: Ask::Neighbors(request), .. } => Some((request.layers.clone(), request.positions.clone())),
        _ => None,
    });
    assert_eq!(asked, Some((vec![0], vec![4])));
    let slots = bench;
    let change = |n: usize| WeightChange {
        name: format!("transformer.h.{n}.attn.c_attn"),
        norm: 0.4 + n as f32 * 0.1,
        share: 0.01 + n as f32 * 0.004,
    };
    let changes = PrefixGrid { changes: (0..6).map(change).collect(), ..PrefixGrid::default() };
    let bench = explored(run("LoRA 8", 0), MethodConfig::Lora(LoraConfig::default()), changes);
    bench.harness.get_by_label("transformer.h.5.attn.c_attn 3.000 %");
    pictures([(slots, "explorer_prompt"), (bench, "explorer_lora")]);
    let text = MethodConfig::FewShot(FewShotConfig { instruction: "Say it.".into(), shots: 0 });
    let bench = explored(run("text, 0 examples", 0), text, PrefixGrid::default());
    bench.harness.get_by_label("This run has no prefix to look into");
}

#[test]
fn trained_weights_are_there_or_are_not() {
    let mut bench = showing(run("full", 0), MethodConfig::Full(FullConfig::default()), Screen::Compare);
    click(&mut bench, "Strength of The run");
    let window = bench.harness.state_mut().as_mut().expect("the window is open");
    window.state.env.now += 1.0;
    bench.harness.get_by_label("Prompt").focus();
    bench.harness.get_by_label("Prompt").type_text("A");
    bench.settle();
    click(&mut bench, "Generate");
    let strengths = bench.last(|command| match command {
        Command { ask: Ask::Generate(request), .. } => {
            Some(request.streams.iter().map(|stream| stream.strength).collect())
        }
        _ => None,
    });
    assert_eq!(strengths, Some(vec![1.0, 0.0]));
}

#[test]
fn a_run_goes_out_in_the_forms_it_has() {
    let mut bench = Bench::with_runs(Start::default(), vec![run("LoRA 8", 0)]);
    click(&mut bench, "The run");
    click(&mut bench, "Export…");
    click(&mut bench, "Merge into the model");
    bench.harness.get_by_label("Folder to write").focus();
    bench.harness.get_by_label("Folder to write").type_text("/models/merged");
    bench.settle();
    bench.harness.check_accessibility();
    picture(&mut bench, "runs_merge");
    click(&mut bench, "Write");
    let merged = bench.last(|command| match command {
        Command { ask: Ask::Merge { to, model, .. }, .. } => Some((to.clone(), model.clone())),
        _ => None,
    });
    assert_eq!(merged, Some(("/models/merged".into(), "/assets/models/starter".into())));
}

#[test]
fn a_run_goes_out_for_the_program_that_serves_it() {
    let sent = |bench: &mut Bench, form: &str, to: &str| {
        click(bench, "The run");
        click(bench, "Export…");
        click(bench, form);
        bench.harness.get_by_label("File to write").focus();
        bench.harness.get_by_label("File to write").type_text(to);
        bench.settle();
        bench.harness.check_accessibility();
    };
    let mut bench = Bench::with_runs(Start::default(), vec![run("prefix 5", 5)]);
    sent(&mut bench, "For llama.cpp", "/states/a.ggsq");
    click(&mut bench, "f32");
    picture(&mut bench, "runs_llama_cpp");
    click(&mut bench, "Write");
    let program = bench.last(|command| match command {
        Command { ask: Ask::ExportFor { program, .. }, .. } => Some(*program),
        _ => None,
    });
    let cache = CacheForm { numbers: CacheNumbers::F32, ..CacheForm::default() };
    assert_eq!(program, Some(Program::LlamaCpp(cache)));
    let mut bench = Bench::with_runs(Start::default(), vec![run("LoRA 8", 0)]);
    sent(&mut bench, "Merge into a GGUF file", "/models/a.gguf");
    click(&mut bench, "q4_0");
    click(&mut bench, "Write");
    let merged = bench.last(|command| match command {
        Command { ask: Ask::MergeGguf { numbers, to, .. }, .. } => Some((*numbers, to.clone())),
        _ => None,
    });
    assert_eq!(merged, Some((GgufNumbers::Q4_0, "/models/a.gguf".into())));
}

#[test]
fn an_adapter_is_opened_from_the_library() {
    // High enough for the card at the end to be in sight.
    let start = Start { size: [1280.0, 2000.0], ..Start::default() };
    let mut bench = perform(Bench::with_runs(start, Vec::new()), Action::Show(Screen::Library));
    let field = "An adapter that somebody sent";
    bench.harness.get_by_label(field).focus();
    bench.harness.get_by_label(field).type_text("/mail/a.prefix");
    bench.settle();
    click(&mut bench, "Open adapter…");
    let asked = bench.last(|command| match command {
        Command { ask: Ask::Inspect { adapter, .. }, .. } => Some(adapter.clone()),
        _ => None,
    });
    assert_eq!(asked, Some("/mail/a.prefix".into()));
}

#[test]
fn what_a_model_says_and_nobody_reads_is_said_beside_it() {
    let mut bench = form(Start::default(), "Set up a run");
    let window = bench.harness.state_mut().as_mut().expect("the window is open");
    for lookup in window.state.library.lookups.values_mut() {
        if let Some(model) = &mut lookup.answer {
            model.notice = Some(engine::Sentence::verbatim("config.json has new_option, which is not read here"));
        }
    }
    bench.settle();
    bench.harness.get_by_label("config.json has new_option, which is not read here");
}
