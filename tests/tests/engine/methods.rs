//! Every method from the outside: it learns, its folder comes back as the same adapter, and what can be taken into the
//! model's weights computes the same there.

use std::collections::BTreeSet;
use std::path::Path;

use engine::adapters::formats;
use engine::config::{
    DataConfig, FewShotConfig, FullConfig, LoraBias, LoraConfig, MethodConfig, PrefixConfig, PromptConfig,
    PromptEncoder, PromptEncoderKind, PromptInit, RunConfig,
};
use engine::device::DeviceChoice;
use engine::models::{LinearName, ModelFolder, Role, WeightName};
use engine::nn::Precision;
use engine::protocol::{Ask, Report};
use engine::training::run_folder::{Record, read_records};
use tests::{Talk, tiny_run};

fn lora() -> LoraConfig {
    LoraConfig { rank: 3, alpha: 6.0, ..LoraConfig::default() }
}

fn prompt(init: PromptInit, encoder: Option<PromptEncoderKind>) -> MethodConfig {
    let encoder = encoder.map(|kind| PromptEncoder { kind, width: Some(6), ..PromptEncoder::default() });
    MethodConfig::Prompt(PromptConfig { n_virtual: 4, encoder, init, ..PromptConfig::default() })
}

/// Each method with a name for what goes wrong.
fn methods(home: &Path) -> Vec<(&'static str, RunConfig)> {
    let plain = tiny_run(home);
    let with = |method: MethodConfig| RunConfig { method, ..plain.clone() };
    let words = PromptInit::Words { text: "a b c".to_owned() };
    let everywhere = LoraConfig {
        targets: Some(vec!["all-linear".to_owned()]),
        bias: LoraBias::LoraOnly,
        dropout: 0.1,
        rank_stabilized: true,
        ..lora()
    };
    let prefix = MethodConfig::Prefix(PrefixConfig { n_virtual: 3, ..PrefixConfig::default() });
    vec![
        ("prefix", plain.clone()),
        ("prompt", with(prompt(PromptInit::ScaledRandom, None))),
        ("prompt of words", with(prompt(words, None))),
        ("prompt of frequent tokens", with(prompt(PromptInit::Frequent, None))),
        ("P-tuning, MLP", with(prompt(PromptInit::Random, Some(PromptEncoderKind::Mlp)))),
        ("P-tuning, LSTM", with(prompt(PromptInit::Random, Some(PromptEncoderKind::Lstm)))),
        ("LoRA", with(MethodConfig::Lora(lora()))),
        ("LoRA everywhere with biases", with(MethodConfig::Lora(everywhere))),
        ("full", with(MethodConfig::Full(FullConfig::default()))),
        ("top layer", with(MethodConfig::Full(FullConfig::top(1)))),
        ("prefix and LoRA", RunConfig { lora: Some(lora()), ..with(prefix) }),
        ("prompt and LoRA", RunConfig { lora: Some(lora()), ..with(prompt(PromptInit::Vocabulary, None)) }),
    ]
}

fn train(talk: &Talk, folder: &Path, config: &RunConfig) -> Vec<f64> {
    let command =
        Ask::Train { folder: folder.to_owned(), config: Box::new(config.clone()), resume: false, until: None };
    talk.run(command);
    let loss = |record| if let Record::Evaluation(report) = record { Some(report.loss) } else { None };
    read_records(&folder.join("metrics.jsonl")).unwrap().into_iter().filter_map(loss).collect()
}

/// The loss on the rows of a file, of a model with an adapter or as it is.
fn loss(talk: &Talk, model: &Path, adapter: Option<&Path>, data: &DataConfig) -> f64 {
    let (model, adapter) = (model.to_owned(), adapter.map(Path::to_owned));
    let command = Ask::Evaluate {
        model,
        device: DeviceChoice::Cpu,
        numbers: Precision::F32.into(),
        adapter,
        data: data.clone(),
        task: None,
    };
    let events = talk.run(command);
    events.iter().find_map(|event| if let Report::Score { loss, .. } = event { Some(*loss) } else { None }).unwrap()
}

#[test]
fn every_method_learns_and_its_folder_comes_back() {
    let home = tempfile::tempdir().unwrap();
    let talk = Talk::new();
    for (name, config) in methods(home.path()) {
        let folder = home.path().join(name);
        let mut config = config;
        // The rows that it is measured by are those it learns: both ways of measuring see the same.
        config.data.validation = Some(config.data.train.clone());
        let losses = train(&talk, &folder, &config);
        assert!(losses[losses.len() - 1] < losses[0], "{name}: {losses:?}");
        let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
        let found = loss(&talk, &config.model, Some(&folder.join("adapter")), &config.data);
        assert!((found - best).abs() < 1e-5, "{name}: {found} from the folder, {best} in training");
        let adapter = formats::read(&folder.join("adapter"), None).unwrap();
        let again = home.path().join("again").join(name);
        formats::write(&adapter, &again, Some(&config.method)).unwrap();
        let back = formats::read(&again, None).unwrap();
        assert_eq!(adapter.hash(), back.hash(), "{name}");
        let start = formats::read(&folder.join("initial"), None).unwrap();
        assert_ne!(adapter.hash(), start.hash(), "{name}");
    }
}

#[test]
fn a_fresh_lora_is_the_base_model() {
    let home = tempfile::tempdir().unwrap();
    let talk = Talk::new();
    let config = RunConfig { method: MethodConfig::Lora(lora()), ..tiny_run(home.path()) };
    let folder = home.path().join("run");
    train(&talk, &folder, &config);
    let base = loss(&talk, &config.model, None, &config.data);
    let fresh = loss(&talk, &config.model, Some(&folder.join("initial")), &config.data);
    assert!((base - fresh).abs() < 1e-6, "{base} {fresh}");
}

#[test]
fn matrices_and_weights_taken_into_the_model_compute_the_same_there() {
    let home = tempfile::tempdir().unwrap();
    let talk = Talk::new();
    for (name, config) in methods(home.path()) {
        let folder = home.path().join(name);
        let losses = train(&talk, &folder, &config);
        let (adapter, to) = (folder.join("adapter"), home.path().join("merged").join(name));
        let merge = Ask::Merge { adapter: adapter.clone(), model: config.model.clone(), to: to.clone() };
        talk.send(merge.clone());
        let ended = talk.until_end();
        let mergeable =
            ["LoRA", "LoRA everywhere with biases", "full", "top layer", "prefix and LoRA", "prompt and LoRA"]
                .contains(&name);
        if !mergeable {
            assert!(matches!(ended.last(), Some(Report::Failed(_))), "{name} cannot be merged");
            assert!(!to.exists(), "{name}");
            continue;
        }
        let beside = loss(&talk, &config.model, Some(&adapter), &config.data);
        // What cannot be taken into the weights lies beside them.
        let left = Some(to.join("adapter")).filter(|folder| folder.is_dir());
        let merged = loss(&talk, &to, left.as_deref(), &config.data);
        assert!((beside - merged).abs() < 1e-4, "{name}: {beside} beside the model, {merged} in it; {losses:?}");
        talk.send(merge);
        assert!(matches!(talk.until_end().last(), Some(Report::Failed(_))), "{name}: it is not written over");
    }
}

#[test]
fn words_before_a_prompt_are_a_run_without_steps() {
    let home = tempfile::tempdir().unwrap();
    let talk = Talk::new();
    let plain = tiny_run(home.path());
    let base = loss(&talk, &plain.model, None, &plain.data);
    let text = MethodConfig::FewShot(FewShotConfig { instruction: "a b:".to_owned(), shots: 1 });
    let mut config = RunConfig { method: text, ..plain };
    config.data.validation = Some(config.data.train.clone());
    let folder = home.path().join("run");
    let losses = train(&talk, &folder, &config);
    assert_eq!(losses.len(), 1, "it is measured once and learns nothing");
    let found = loss(&talk, &config.model, Some(&folder.join("adapter")), &config.data);
    assert!((found - losses[0]).abs() < 1e-5, "{found} from the folder, {} in the run", losses[0]);
    assert!((found - base).abs() > 1e-4, "the words are read");
    let adapter = formats::read(&folder.join("adapter"), None).unwrap();
    let said = adapter.text().unwrap();
    assert!(said.starts_with("a b:") && said.ends_with("\n\n"), "{said:?}");
    let too_long = FewShotConfig { instruction: "a b c ".repeat(20), shots: 0 };
    let config = RunConfig { method: MethodConfig::FewShot(too_long), ..config };
    let folder = home.path().join("long");
    talk.send(Ask::Train { folder, config: Box::new(config), resume: false, until: None });
    assert!(matches!(talk.until_end().last(), Some(Report::Failed(_))), "it leaves no room for the rows");
}

#[test]
fn of_trained_weights_only_the_newest_and_the_best_are_kept() {
    let home = tempfile::tempdir().unwrap();
    let config = RunConfig { method: MethodConfig::Full(FullConfig::default()), ..tiny_run(home.path()) };
    let folder = home.path().join("run");
    let losses = train(&Talk::new(), &folder, &config);
    assert_eq!(losses.len(), 4);
    let kept: Vec<_> =
        std::fs::read_dir(folder.join("checkpoints")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!((1..=2).contains(&kept.len()), "{kept:?}");
    assert!(kept.iter().all(|checkpoint| checkpoint.join("state.safetensors").is_file()), "{kept:?}");
    let start = formats::read(&folder.join("initial"), None).unwrap();
    assert!(start.weights().is_empty(), "the model's own weights are not kept a second time");
}

#[test]
fn what_the_files_list_is_what_a_loaded_model_has() {
    let cpu = engine::device::cpu();
    let (mut seen, mut wrong) = (0, Vec::new());
    for case in std::fs::read_dir(tests::golden_cases()).unwrap() {
        let path = case.unwrap().path().join("model");
        let Ok(folder) = ModelFolder::open(&path) else { continue };
        let (mut known, weights, width) = (folder.list_linears(), folder.list_weights(), folder.embedding_width());
        let model = folder.load(&cpu, &mut |_| Ok(())).unwrap();
        let numbered = |name: &str| name.split('.').any(|part| part.parse::<usize>().is_ok());
        let is_known = |linear: &LinearName| linear.role != Role::Layer || numbered(&linear.name);
        let mut linears: Vec<_> = model.linears().into_iter().filter(is_known).collect();
        known.sort_by(|a, b| a.name.cmp(&b.name));
        linears.sort_by(|a, b| a.name.cmp(&b.name));
        let size = |weights: &[WeightName]| weights.iter().map(|w| w.shape.iter().product::<usize>()).sum::<usize>();
        // A pooler that the files lack is drawn as the model loads.
        let is_drawn = !weights.iter().any(|weight| weight.name.contains("pooler."));
        let mut in_model = model.weights();
        in_model.retain(|weight| !(is_drawn && weight.name.contains("pooler.")));
        let (files, loaded) = (size(&weights), size(&in_model));
        if known != linears || width != model.embedding_dims()[1] || files != loaded {
            let name =
                |weights: Vec<WeightName>| weights.into_iter().map(|weight| weight.name).collect::<BTreeSet<_>>();
            let (files, loaded) = (name(weights), name(in_model));
            let apart: Vec<_> = files.symmetric_difference(&loaded).cloned().collect();
            wrong.push((path, known == linears, width, apart));
        }
        seen += 1;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen > 40, "{seen}");
}
