//! Soft tokens from the outside: before the text or inside of it, in every kind of model, and shared among tasks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine::adapters::{Place, Prefix, PrefixSource, PrefixSpec, formats};
use engine::config::{
    BeginToken, DataConfig, MethodConfig, Mixing, MoreData, PrefixConfig, PrefixInit, PromptConfig, PromptEncoder,
    PromptEncoderKind, PromptInit, PromptTasks, RunConfig, Schedule, Task, TaskFactors, TrainingConfig,
};
use engine::device::DeviceChoice;
use engine::generation::{Beams, Sampling};
use engine::loaded_model::LoadedModel;
use engine::models::ModelFacts;
use engine::models::ModelFolder;
use engine::nn::Precision;
use engine::protocol::{Ask, GeneratedStream, Prompt, Report, Stream};
use engine::training::EvaluationReport;
use engine::training::run_folder::{Record, read_records};
use tests::{Talk, generation, golden_cases, tiny_model, tiny_run};

/// The last run of P-tuning's paper: soft tokens around what is given.
const AROUND: &str = "{{ soft(2) }}{{ source }}{{ soft(1) }}";

fn encoder(kind: PromptEncoderKind) -> Option<PromptEncoder> {
    Some(PromptEncoder { kind, width: Some(16), layers: 1 })
}

fn prompt(n_virtual: usize, kind: PromptEncoderKind) -> MethodConfig {
    MethodConfig::Prompt(PromptConfig { n_virtual, encoder: encoder(kind), ..PromptConfig::default() })
}

fn around(home: &Path, kind: PromptEncoderKind) -> RunConfig {
    let mut config = tiny_run(home);
    config.method = prompt(3, kind);
    config.data.prompt_template = AROUND.to_owned();
    config
}

fn train(folder: &Path, config: &RunConfig) -> Vec<Report> {
    let config = Box::new(config.clone());
    Talk::new().run(Ask::Train { folder: folder.to_owned(), config, resume: false, until: None })
}

fn refusal(folder: &Path, config: RunConfig) -> String {
    let talk = Talk::new();
    talk.send(Ask::Train { folder: folder.to_owned(), config: Box::new(config), resume: false, until: None });
    match talk.until_end().last() {
        Some(Report::Failed(failure)) => failure.what.to_string(),
        other => panic!("{other:?}"),
    }
}

fn kept_config(folder: &Path) -> RunConfig {
    serde_json::from_str(&std::fs::read_to_string(folder.join("config.json")).unwrap()).unwrap()
}

fn evaluations(folder: &Path) -> Vec<EvaluationReport> {
    let records = read_records(&folder.join("metrics.jsonl")).unwrap();
    records.into_iter().filter_map(|r| if let Record::Evaluation(report) = r { Some(report) } else { None }).collect()
}

fn loss_of(config: &RunConfig, adapter: Option<PathBuf>) -> f64 {
    Talk::new().score(config, adapter).0
}

fn generate(prompts: Vec<(Prompt, Option<&Path>, f64)>) -> Vec<GeneratedStream> {
    let stream = |(prompt, adapter, strength): (Prompt, Option<&Path>, f64)| Stream {
        adapter: adapter.map(Path::to_owned),
        strength,
        ..Stream::of_base(prompt)
    };
    let sampling = Sampling { max_new_tokens: 6, stop_at_end: false, ..Sampling::default() };
    let streams = prompts.into_iter().map(stream).collect();
    let ask = generation(&tiny_model(), streams, sampling);
    Talk::new().generate(ask)
}

fn source(text: &str, template: &str) -> Prompt {
    let (text, template) = (text.to_owned(), template.to_owned());
    Prompt::Source { text, columns: BTreeMap::new(), template, begin_token: BeginToken::Tokenizer, chat: false }
}

#[test]
fn soft_tokens_inside_of_a_template_learn_and_are_written_from() {
    let home = tempfile::tempdir().unwrap();
    for kind in [PromptEncoderKind::Mlp, PromptEncoderKind::Lstm] {
        let folder = home.path().join(format!("{kind:?}"));
        let config = around(home.path(), kind);
        train(&folder, &config);
        let found = evaluations(&folder);
        let (first, last) = (&found[0], &found[found.len() - 1]);
        assert!(last.loss < first.loss, "{kind:?}: {first:?} {last:?}");
        let adapter = folder.join("adapter");
        assert!(
            loss_of(&config, Some(adapter.clone())) < loss_of(&config, None),
            "{kind:?}: the base has no soft tokens"
        );
        let before = RunConfig {
            data: DataConfig { prompt_template: "{{ source }}".to_owned(), ..config.data.clone() },
            ..config
        };
        let moved = loss_of(&before, Some(adapter.clone()));
        assert!((moved - last.loss).abs() > 1e-4, "{kind:?}: it matters where they stand");
        let written = Prompt::Text("<|soft|><|soft|>a b<|soft|>".to_owned());
        let said = generate(vec![
            (source("a b", AROUND), Some(&adapter), 1.0),
            (written, Some(&adapter), 1.0),
            (source("a b", AROUND), Some(&adapter), 0.0),
            (source("a b", AROUND), None, 1.0),
            (Prompt::Text("a b".to_owned()), None, 1.0),
        ]);
        assert_eq!(said[0].tokens, said[1].tokens, "{kind:?}: as a row is written out");
        assert_eq!(said[2].tokens, said[3].tokens, "{kind:?}");
        assert_eq!(said[3].tokens, said[4].tokens, "{kind:?}: the base has no soft tokens");
        assert_eq!([said[2].proven_base, said[3].proven_base], [Some(true), Some(true)]);
    }
}

#[test]
fn the_short_form_of_the_paper_is_written_out_in_the_run() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("run");
    let mut config = tiny_run(home.path());
    let template = Some("(2, source, 1, target)".to_owned());
    config.method = MethodConfig::Prompt(PromptConfig { template, ..PromptConfig::default() });
    train(&folder, &config);
    let kept = kept_config(&folder);
    assert_eq!((kept.data.prompt_template.as_str(), kept.method.n_virtual()), (AROUND, 3));
    assert_eq!(formats::read(&folder.join("adapter"), None).unwrap().n_soft(), 3);
}

#[test]
fn a_mask_among_soft_tokens_is_filled() {
    let home = tempfile::tempdir().unwrap();
    let row = |i: usize| {
        let (x, y) = [("a", "b"), ("c", "d")][i % 2];
        serde_json::json!({"sub": x, "obj": y}).to_string()
    };
    let path = home.path().join("facts.jsonl");
    std::fs::write(&path, (0..16).map(row).collect::<Vec<_>>().join("\n")).unwrap();
    for kind in [PromptEncoderKind::Mlp, PromptEncoderKind::Lstm] {
        let folder = home.path().join(format!("{kind:?}"));
        let mut config = tiny_run(home.path());
        config.model = golden_cases().join("bert-full-masked/model");
        config.task = Some(Task::MaskedFill);
        config.data = DataConfig { validation_share: 0.25, ..DataConfig::new(path.clone()) };
        let template = Some("(3, sub, \" is \", 3, obj, 3)".to_owned());
        let encoder = encoder(kind);
        config.method = MethodConfig::Prompt(PromptConfig { template, encoder, ..PromptConfig::default() });
        config.training.steps = 30;
        config.training.eval_every = 10;
        train(&folder, &config);
        let found = evaluations(&folder);
        let (first, last) = (&found[0], &found[found.len() - 1]);
        assert!(last.loss < first.loss, "{kind:?}: {first:?} {last:?}");
        let kept = kept_config(&folder);
        let again = loss_of(&kept, Some(folder.join("adapter")));
        assert!(again < loss_of(&kept, None), "{kind:?}: {again}");
    }
}

#[test]
fn soft_tokens_that_the_method_does_not_have_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let refused = |change: &dyn Fn(&mut RunConfig)| {
        let mut config = around(home.path(), PromptEncoderKind::Mlp);
        change(&mut config);
        refusal(&home.path().join("x"), config)
    };
    let said = refused(&|config| config.method = prompt(4, PromptEncoderKind::Mlp));
    assert!(said.contains("3 soft tokens") && said.contains("not 4"), "{said}");
    let said = refused(&|config| config.method = MethodConfig::default());
    assert!(said.contains("trains none"), "{said}");
    let said = refused(&|config| {
        config.data.prompt_template =
            "{% if source == \"a e\" %}{{ source }}{% else %}{{ soft(3) }}{% endif %}".to_owned();
    });
    assert!(said.contains("no soft token into row 1"), "{said}");
}

#[test]
fn a_text_comes_with_its_log_probability() {
    let ask = |max_new_tokens, n_beams| {
        let beams = Beams { n_beams, length_penalty: 0.5, ..Beams::default() };
        let sampling = Sampling { max_new_tokens, stop_at_end: false, beams, ..Sampling::default() };
        let stream = Stream::of_base(Prompt::Text("a".to_owned()));
        Talk::new().generate(generation(&tiny_model(), vec![stream], sampling)).remove(0)
    };
    let (one, two) = (ask(1, 1), ask(2, 1));
    let vocab = ModelFolder::open(&tiny_model()).unwrap().summary().vocab_size as f64;
    assert!((-vocab.ln()..0.0).contains(&one.log_probability), "the best of all tokens: {one:?}");
    assert!((-2.0 * vocab.ln()..one.log_probability).contains(&two.log_probability), "{two:?}");
    let searched = ask(2, 64);
    assert!(searched.log_probability > two.log_probability - 1e-5, "{searched:?} {two:?}");
    let one_of_many = ask(1, 2);
    assert!((one_of_many.log_probability - one.log_probability).abs() < 1e-5, "{one_of_many:?} {one:?}");
}

/// The rows of the tiny run as two tasks: what is written, and the same the other way round.
fn two_tasks(home: &Path) -> (PathBuf, PathBuf) {
    let row = |i: usize, turned: bool| {
        let (a, b) = (["a", "b", "c", "d"][i % 4], ["e", "f", "g"][i % 3]);
        let target = if turned { format!("{a} {b}") } else { format!("{b} {a}") };
        serde_json::json!({ "source": format!("{a} {b}"), "target": target }).to_string()
    };
    let file = |name: &str, turned: bool, n: usize| {
        let path = home.join(name);
        std::fs::write(&path, (0..n).map(|i| row(i, turned)).collect::<Vec<_>>().join("\n")).unwrap();
        path
    };
    (file("turn.jsonl", false, 24), file("copy.jsonl", true, 12))
}

fn mixture(home: &Path) -> RunConfig {
    let (turn, copy) = two_tasks(home);
    let mut config = tiny_run(home);
    let more: MoreData = serde_json::from_value(serde_json::json!({ "train": copy })).unwrap();
    config.data = DataConfig { validation_share: 0.25, more: vec![more], ..DataConfig::new(turn) };
    config
}

#[test]
fn one_prompt_serves_tasks_that_are_told_apart() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("run");
    let mut config = mixture(home.path());
    let tasks = Some(PromptTasks { ranks: 2, ..PromptTasks::default() });
    config.method = MethodConfig::Prompt(PromptConfig { n_virtual: 3, tasks, ..PromptConfig::default() });
    train(&folder, &config);
    let found = evaluations(&folder);
    assert!(found[found.len() - 1].loss < found[0].loss, "{found:?}");
    let adapter = folder.join("adapter");
    let kept = formats::read(&adapter, None).unwrap();
    assert_eq!(kept.task.tasks, ["turn", "copy"]);
    let alone = RunConfig { data: DataConfig { more: Vec::new(), ..config.data.clone() }, ..config.clone() };
    let called = |name: &str| {
        let data = DataConfig { name: Some(name.to_owned()), ..alone.data.clone() };
        loss_of(&RunConfig { data, ..alone.clone() }, Some(adapter.clone()))
    };
    assert!((called("turn") - called("copy")).abs() > 1e-4, "each task has a prompt of its own");
    let say = |task: Option<&str>| Stream {
        task: task.map(str::to_owned),
        ..Stream::behind(&adapter, Prompt::Text("a e".to_owned()))
    };
    let ask = |task: Option<&str>| {
        let talk = Talk::new();
        let (streams, sampling) = (vec![say(task)], Sampling { max_new_tokens: 3, ..Sampling::default() });
        let ask = generation(&tiny_model(), streams, sampling);
        talk.send(ask);
        match talk.until_end().last() {
            Some(Report::Failed(failure)) => Some(failure.what.to_string()),
            _ => None,
        }
    };
    assert_eq!(ask(Some("copy")), None);
    let inspected = Talk::new().run(Ask::Inspect { adapter: adapter.clone(), model: None });
    let facts = inspected.into_iter().find_map(|event| match event {
        Report::Inspected(found) => Some(found),
        _ => None,
    });
    let facts = facts.unwrap();
    assert!(facts.method.has_tasks() && facts.tasks == ["turn", "copy"], "{facts:?}");
    assert!(ask(None).unwrap().to_string().contains("turn, copy"));
    assert!(ask(Some("sort")).unwrap().to_string().contains("turn, copy"));

    // A target task starts from what the source tasks learned.
    let mut target = alone;
    let tasks = |init| Some(PromptTasks { ranks: 2, init });
    for init in [TaskFactors::Exact { task: "turn".to_owned() }, TaskFactors::Average, TaskFactors::Shared] {
        let from = PromptInit::Adapter { path: adapter.clone() };
        let method = PromptConfig { n_virtual: 3, tasks: tasks(init.clone()), init: from, ..PromptConfig::default() };
        target.method = MethodConfig::Prompt(method);
        let folder = home.path().join(format!("{init:?}").split(' ').next().unwrap_or_default());
        train(&folder, &target);
        let first = evaluations(&folder)[0].loss;
        if matches!(init, TaskFactors::Exact { .. }) {
            assert!(first < found[0].loss, "{init:?}: {first}");
        }
    }
}

#[test]
fn datasets_share_a_prefix_that_another_run_starts_from() {
    let home = tempfile::tempdir().unwrap();
    let mut config = mixture(home.path());
    let rows = |config: &RunConfig, name: &str| {
        let events = train(&home.path().join(name), config);
        let facts = events.into_iter().find_map(|event| match event {
            Report::RunStarted(facts) => Some((facts.train_rows, facts.validation_rows)),
            _ => None,
        });
        facts.unwrap()
    };
    assert_eq!(rows(&config, "sized"), (27, 9));
    config.data.mixing = Mixing::Even;
    assert_eq!(rows(&config, "even"), (36, 9), "rows of the smaller one come twice");
    let learned = evaluations(&home.path().join("even"));
    let mut target = tiny_run(home.path());
    let MethodConfig::Prefix(prefix) = &mut target.method else { panic!("the tiny run is a prefix") };
    prefix.init = PrefixInit::Adapter { path: home.path().join("even/adapter") };
    let folder = home.path().join("target");
    train(&folder, &target);
    let begun = formats::read(&folder.join("initial"), None).unwrap();
    let given = formats::read(&home.path().join("even/adapter"), None).unwrap();
    assert_eq!(begun.hash(), given.hash(), "it starts where the other ended");
    assert!(evaluations(&folder)[0].loss < learned[0].loss);
    assert!(
        refusal(&home.path().join("x"), {
            let init = PromptInit::Adapter { path: home.path().join("even/adapter") };
            target.method = MethodConfig::Prompt(PromptConfig { init, ..PromptConfig::default() });
            target
        })
        .contains("no soft prompt to start from")
    );
}

#[test]
fn a_prefix_of_words_is_the_beginning_of_a_long_text_as_peft_takes_it() {
    let case = golden_cases().join("llama-cartridge-2x32");
    let bytes = std::fs::read(case.join("prefill.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let of = |name: &str| tensors.tensor(name).unwrap();
    let word = |bytes: &[u8]| i64::from_le_bytes(bytes.try_into().unwrap()) as u32;
    let words: Vec<u32> = of("ids").data().chunks_exact(8).map(word).collect();
    let number = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap());
    let expected: Vec<f32> = of("prompt_embeddings").data().chunks_exact(4).map(number).collect();
    let n_virtual = of("prompt_embeddings").shape()[0];
    let loaded =
        LoadedModel::load(&case.join("model"), (DeviceChoice::Cpu, Precision::F32), None, &mut |_| Ok(())).unwrap();
    let init = PrefixInit::Words { text: String::new() };
    let config = PrefixConfig { n_virtual, n_frozen: 2, init, ..PrefixConfig::default() };
    let (site, shape) = config.sites_of(&loaded.model.prefix_sites()).unwrap()[0];
    let target = PrefixSource { words, ..PrefixSource::default() };
    let place = Place { model: &loaded.model, device: &loaded.device };
    let spec = PrefixSpec { site, shape, config };
    let found = Prefix::initialize(spec, &target, place, 1).unwrap().folded().unwrap().flat;
    let far = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(found.len() == expected.len() && far < 1e-5, "{far}");
}

#[test]
fn the_first_slots_of_a_cartridge_stay_and_a_resumed_run_keeps_them() {
    let home = tempfile::tempdir().unwrap();
    let mut config = tiny_run(home.path());
    let init = PrefixInit::Words { text: "a b c d e f".to_owned() };
    config.method = MethodConfig::Prefix(PrefixConfig { n_virtual: 4, n_frozen: 1, init, ..PrefixConfig::default() });
    let (whole, parts) = (home.path().join("whole"), home.path().join("parts"));
    let events = train(&whole, &config);
    let facts = events.into_iter().find_map(|event| match event {
        Report::RunStarted(facts) => Some((facts.trained_parameters, facts.stored_parameters)),
        _ => None,
    });
    let (trained, stored) = facts.unwrap();
    assert_eq!(trained * 4, stored * 3, "one slot of four is not trained");
    let read = |folder: &Path| formats::read(folder, None).unwrap();
    let (begun, ended) = (read(&whole.join("initial")), read(&whole.join("adapter")));
    assert_eq!((begun.n_frozen(), ended.n_frozen()), (1, 1));
    let row = ended.prefixes().next().unwrap().shape.row();
    let (begun, ended_flat) = (&begun.prefixes().next().unwrap().flat, &ended.prefixes().next().unwrap().flat);
    assert_eq!(begun[..row], ended_flat[..row]);
    assert!(begun[row..].iter().zip(&ended_flat[row..]).all(|(a, b)| a != b));
    let text = std::fs::read_to_string(whole.join("adapter/adapter_config.json")).unwrap();
    assert!(text.contains("\"CARTRIDGE\"") && text.contains("\"num_frozen_tokens\": 1"), "{text}");
    let half =
        RunConfig { training: TrainingConfig { schedule: Schedule::Constant, ..config.training.clone() }, ..config };
    let train_to = |folder: &Path, steps: usize, resume: bool| {
        let training = TrainingConfig { steps, ..half.training.clone() };
        let config = Box::new(RunConfig { training, ..half.clone() });
        Talk::new().run(Ask::Train { folder: folder.to_owned(), config, resume, until: None });
    };
    train_to(&parts, 4, false);
    train_to(&parts, 8, true);
    let straight = home.path().join("straight");
    train_to(&straight, 8, false);
    let last = |folder: &Path| read(&folder.join("checkpoints").join("step-000008")).hash();
    assert_eq!(last(&parts), last(&straight));
}
