//! Adapters of every method in PEFT's form and as the start of a run: keys, names, shapes and numbers, sizes that do not
//! fit, how many numbers are trained, and what is left at strength 0. `tests/golden/roundtrip.py` asks PEFT itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine::adapters::formats;
use engine::config::{
    FullConfig, LoraBias, LoraConfig, LoraInit, MethodConfig, PrefixConfig, PrefixInit, PromptConfig, PromptEncoder,
    PromptEncoderKind, PromptInit, Reparameterization, RunConfig,
};
use engine::generation::Sampling;
use engine::protocol::{Ask, Prompt, Report, Stream};
use engine::training::RunFacts;
use safetensors::SafeTensors;
use serde_json::Value;
use tests::{Talk, generation, golden_cases, tiny_run};

fn adapter_of(case: &str) -> PathBuf {
    golden_cases().join(case).join("adapter")
}

fn config_of(folder: &Path) -> Value {
    let text = std::fs::read_to_string(folder.join("adapter_config.json")).unwrap();
    let mut json: Value = serde_json::from_str(&text).unwrap();
    // PEFT writes a set, in any order.
    if let Some(Value::Array(names)) = json.get_mut("target_modules") {
        names.sort_by_key(ToString::to_string);
    }
    json
}

/// Names, shapes and bytes.
fn tensors(folder: &Path) -> BTreeMap<String, (Vec<usize>, Vec<u8>)> {
    let bytes = std::fs::read(folder.join("adapter_model.safetensors")).unwrap();
    let read = SafeTensors::deserialize(&bytes).unwrap();
    read.tensors().into_iter().map(|(name, view)| (name, (view.shape().to_vec(), view.data().to_vec()))).collect()
}

fn floats(folder: &Path, name: &str) -> Vec<f32> {
    let bytes = tensors(folder).remove(name).unwrap().1;
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

#[test]
fn soft_prompts_and_matrices_of_peft_come_out_as_they_went_in() {
    let home = tempfile::tempdir().unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(golden_cases()).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        if !name.contains("-prompt-") && !name.contains("-lora-") {
            continue;
        }
        let (adapter, out) = (folder.join("adapter"), home.path().join(&name));
        formats::export(&formats::read(&adapter, None).unwrap(), &out, None).unwrap();
        assert_eq!(config_of(&adapter), config_of(&out), "{name}");
        assert_eq!(tensors(&adapter), tensors(&out), "{name}");
        seen += 1;
    }
    assert!(seen >= 30, "{seen} adapters");
}

/// A run of the model that an adapter was made for.
fn run_on(case: &str, method: MethodConfig, home: &Path) -> RunConfig {
    RunConfig { model: golden_cases().join(case).join("model"), method, ..tiny_run(home) }
}

fn train(folder: &Path, config: &RunConfig) -> Vec<Report> {
    let talk = Talk::new();
    let config = Box::new(config.clone());
    talk.send(Ask::Train { folder: folder.to_owned(), config, resume: false, until: None });
    talk.until_end()
}

fn begin(folder: &Path, config: &RunConfig) {
    let events = train(folder, config);
    assert!(matches!(events.last(), Some(Report::Finished { .. })), "{:?}", events.last());
}

fn refusal(folder: &Path, config: &RunConfig) -> String {
    match train(folder, config).pop() {
        Some(Report::Failed(failure)) => failure.what.to_string(),
        other => panic!("{other:?}"),
    }
}

fn prefix_from(path: &Path, n_virtual: usize, width: Option<usize>) -> MethodConfig {
    let reparameterization =
        width.map(|width| Reparameterization { width: Some(width), ..Reparameterization::default() });
    let init = PrefixInit::Adapter { path: path.to_owned() };
    MethodConfig::Prefix(PrefixConfig { n_virtual, reparameterization, init, ..PrefixConfig::default() })
}

fn prompt_from(path: &Path, n_virtual: usize, encoder: Option<PromptEncoderKind>) -> MethodConfig {
    let encoder = encoder.map(|kind| PromptEncoder { kind, width: Some(16), ..PromptEncoder::default() });
    MethodConfig::Prompt(PromptConfig {
        n_virtual,
        encoder,
        init: PromptInit::Adapter { path: path.to_owned() },
        ..PromptConfig::default()
    })
}

#[test]
fn a_run_goes_on_from_a_prefix_or_a_soft_prompt_of_peft() {
    let home = tempfile::tempdir().unwrap();
    let name = "prompt_embeddings";
    for (case, stored, method) in [
        ("gpt2-prefix-2x44", 5, prefix_from as fn(&Path, usize, Option<usize>) -> MethodConfig),
        ("gpt2-prompt-2x24", 4, |path, n, width| prompt_from(path, n, width.map(|_| PromptEncoderKind::Mlp))),
        ("gpt2-ptlstm-1x20", 3, |path, n, width| prompt_from(path, n, width.map(|_| PromptEncoderKind::Lstm))),
    ] {
        let made = floats(&adapter_of(case), name);
        for (n_virtual, width) in [(stored, None), (stored, Some(16)), (stored - 1, None), (stored + 2, None)] {
            let folder = home.path().join(format!("{case}-{n_virtual}-{}", width.is_some()));
            let mut config = run_on(case, method(&adapter_of(case), n_virtual, width), home.path());
            config.training.steps = 1;
            begin(&folder, &config);
            let started = floats(&folder.join("initial"), name);
            let wanted: Vec<f32> = made.iter().copied().cycle().take(made.len() / stored * n_virtual).collect();
            assert_eq!(started.len(), wanted.len());
            // Through a network the start is fitted; without one it is the same numbers.
            let near = if width.is_some() { 2e-5 } else { 0.0 };
            let far = started.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(far <= near, "{case}, {n_virtual} slots: {far}");
        }
    }
}

fn lora_from(case: &str, config: LoraConfig) -> MethodConfig {
    MethodConfig::Lora(LoraConfig { init: LoraInit::Adapter { path: adapter_of(case) }, ..config })
}

#[test]
fn a_run_goes_on_from_matrices_of_peft_with_their_biases() {
    let home = tempfile::tempdir().unwrap();
    let targets = |names: &[&str]| Some(names.iter().map(|&name| name.to_owned()).collect());
    let biases = LoraConfig {
        rank: 2,
        alpha: 6.0,
        bias: LoraBias::All,
        targets: targets(&["c_attn", "mlp.c_proj"]),
        ..LoraConfig::default()
    };
    let patterns = LoraConfig {
        rank: 2,
        alpha: 4.0,
        targets: targets(&["all-linear"]),
        rank_pattern: [("c_attn".to_owned(), 3), ("h.1.mlp.c_fc".to_owned(), 1)].into(),
        alpha_pattern: [("mlp.c_proj".to_owned(), 7.0), ("h.1.mlp.c_fc".to_owned(), 3.0)].into(),
        ..LoraConfig::default()
    };
    for (case, lora) in [("gpt2-lora-1x24-biases", biases), ("gpt2-lora-2x20-patterns", patterns)] {
        let mut config = run_on(case, lora_from(case, lora.clone()), home.path());
        config.training.steps = 2;
        let folder = home.path().join(case);
        begin(&folder, &config);
        assert_eq!(tensors(&adapter_of(case)), tensors(&folder.join("initial")), "{case}");
        assert_ne!(tensors(&adapter_of(case)), tensors(&folder.join("adapter")), "{case}");
        // With another alpha the start is the same function: B takes the difference.
        let doubled = LoraConfig { alpha: 2.0 * lora.alpha, alpha_pattern: BTreeMap::new(), ..lora };
        config.method = lora_from(case, doubled);
        let folder = home.path().join(format!("{case}-doubled"));
        begin(&folder, &config);
        let effect = |folder: &Path| {
            let layers = formats::read(folder, None).unwrap().lora().unwrap().layers.clone();
            layers
                .iter()
                .flat_map(|l| l.b.iter().map(|b| f64::from(*b) * l.scale).collect::<Vec<_>>())
                .collect::<Vec<_>>()
        };
        let (before, after) = (effect(&adapter_of(case)), effect(&folder.join("initial")));
        assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() < 1e-6), "{case}");
    }
}

/// A run that goes on from an adapter refuses one whose layers are not those that it would have itself.
#[test]
fn all_linear_and_the_defaults_choose_the_layers_that_peft_chooses() {
    let home = tempfile::tempdir().unwrap();
    let everywhere = ["gptneo-lora-2x24", "opt-lora-1x24-post", "qwen3-lora-1x24", "t5-lora-1x24-gated"];
    let defaults =
        ["bloom-lora-2x24", "gpt2-lora-2x24-rs", "llama-lora-2x24", "t5-lora-1x24", "mt5-lora-1x20", "bart-lora-1x24"];
    for case in everywhere.into_iter().chain(defaults) {
        let adapter = formats::read(&adapter_of(case), None).unwrap();
        let targets = everywhere.contains(&case).then(|| vec!["all-linear".to_owned()]);
        let lora = LoraConfig { targets, ..adapter.lora().unwrap().config.clone() };
        let mut config = run_on(case, lora_from(case, lora), home.path());
        config.training.steps = 1;
        let folder = home.path().join(case);
        begin(&folder, &config);
        assert_eq!(tensors(&adapter_of(case)), tensors(&folder.join("initial")), "{case}");
    }
}

#[test]
fn an_adapter_of_other_sizes_is_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("run");
    let case = "gpt2-lora-1x24-biases";
    let lora = |rank: usize, targets: &[&str]| {
        let targets = Some(targets.iter().map(|&name| name.to_owned()).collect());
        lora_from(case, LoraConfig { rank, targets, ..LoraConfig::default() })
    };
    for (model, method, said) in [
        (case, lora(3, &["c_attn", "mlp.c_proj"]), "rank 2 there, 3 here"),
        (case, lora(2, &["c_attn"]), "mlp.c_proj, which lora.targets leaves out"),
        (case, lora(2, &["c_attn", "c_proj"]), "no matrices for transformer.h.0.attn.c_proj"),
        ("gpt2-prefix-2x44", lora(2, &["c_attn", "mlp.c_proj"]), "reads 24 and makes 72 numbers there"),
        ("gpt2-prefix-2x44", prefix_from(&adapter_of("llama-prefix-2x48"), 4, None), "numbers for each virtual token"),
        ("gpt2-prefix-2x44", prefix_from(&adapter_of(case), 4, None), "24"),
        ("gpt2-prompt-2x24", prefix_from(&adapter_of("gpt2-prompt-2x24"), 4, None), "no prefix for the decoder"),
        ("gpt2-prefix-2x44", prompt_from(&adapter_of("gpt2-prompt-2x24"), 4, None), "24 numbers wide"),
        ("gpt2-prefix-2x44", prompt_from(&adapter_of("gpt2-prefix-2x44"), 4, None), "no soft prompt"),
    ] {
        let sentence = refusal(&folder, &run_on(model, method, home.path()));
        assert!(sentence.contains(said), "{sentence}, not {said}");
    }
}

/// Sizes of the tiny model: width, tokens, positions.
const D: usize = 44;
const VOCABULARY: usize = 271;
const POSITIONS: usize = 41;

#[test]
fn as_many_numbers_are_trained_and_kept_as_the_formulas_say() {
    let home = tempfile::tempdir().unwrap();
    let plain = tiny_run(home.path());
    let (n, h, r) = (4, 6, 3);
    let prompt = |kind: Option<PromptEncoderKind>| {
        let encoder = kind.map(|kind| PromptEncoder { kind, width: Some(h), ..PromptEncoder::default() });
        MethodConfig::Prompt(PromptConfig { n_virtual: n, encoder, ..PromptConfig::default() })
    };
    let prefix = |width: Option<usize>| {
        let reparameterization =
            width.map(|width| Reparameterization { width: Some(width), ..Reparameterization::default() });
        MethodConfig::Prefix(PrefixConfig { n_virtual: n, reparameterization, ..PrefixConfig::default() })
    };
    let lora = |targets: Option<&str>, bias: LoraBias| {
        let targets = targets.map(|name| vec![name.to_owned()]);
        MethodConfig::Lora(LoraConfig { rank: r, targets, bias, ..LoraConfig::default() })
    };
    let row = 2 * 2 * D;
    let mlp = n * D + D * h + h + h * h + h + h * D + D;
    let lstm = n * D + 2 * (4 * h * (D + h) + 8 * h) + 2 * (4 * h * 3 * h + 8 * h) + 4 * h * h + 2 * h + 2 * h * D + D;
    // Attention, its output, the feed-forward layers: what each reads and makes.
    let linears = [(D, 3 * D), (D, D), (D, 4 * D), (4 * D, D)];
    let everywhere: usize = linears.iter().map(|(d_in, d_out)| 2 * r * (d_in + d_out)).sum();
    let block: usize = linears.iter().map(|(d_in, d_out)| d_in * d_out + d_out).sum::<usize>() + 4 * D;
    let biases = 2 * (linears.iter().map(|(_, d_out)| d_out).sum::<usize>() + 2 * D) + D;
    let full = |top_layers| MethodConfig::Full(FullConfig { top_layers, ..FullConfig::default() });
    for (name, method, trained, stored) in [
        ("prefix", prefix(None), n * row, n * row),
        ("prefix, MLP", prefix(Some(h)), n * D + D * h + h + h * row + row, n * row),
        (
            "prefix of a layer, two hidden layers",
            MethodConfig::Prefix(PrefixConfig {
                n_virtual: n,
                layers: Some(vec![1]),
                reparameterization: Some(Reparameterization { width: Some(h), hidden_layers: 2, ..Default::default() }),
                ..PrefixConfig::default()
            }),
            n * D + (D * h + h) + (h * h + h) + (h * row / 2 + row / 2),
            n * row,
        ),
        (
            "cartridge of a layer",
            MethodConfig::Prefix(PrefixConfig {
                n_virtual: n,
                n_frozen: 1,
                layers: Some(vec![0]),
                ..PrefixConfig::default()
            }),
            (n - 1) * row / 2,
            n * row,
        ),
        ("prompt", prompt(None), n * D, n * D),
        ("embedding-only", prompt(Some(PromptEncoderKind::Tanh)), n * D + D * h + h + h * D + D, n * D),
        ("P-tuning, MLP", prompt(Some(PromptEncoderKind::Mlp)), mlp, n * D),
        ("P-tuning, LSTM", prompt(Some(PromptEncoderKind::Lstm)), lstm, n * D),
        ("LoRA", lora(None, LoraBias::None), 2 * r * 4 * D, 2 * r * 4 * D),
        ("LoRA everywhere", lora(Some("all-linear"), LoraBias::None), everywhere, everywhere),
        ("LoRA, its biases", lora(None, LoraBias::LoraOnly), 2 * r * 4 * D + 6 * D, 2 * r * 4 * D + 6 * D),
        ("LoRA, all biases", lora(None, LoraBias::All), 2 * r * 4 * D + biases, 2 * r * 4 * D + biases),
        (
            "full",
            full(None),
            (VOCABULARY + POSITIONS) * D + 2 * block + 2 * D,
            (VOCABULARY + POSITIONS) * D + 2 * block + 2 * D,
        ),
        ("top layer", full(Some(1)), block + 2 * D, block + 2 * D),
    ] {
        let folder = home.path().join(name);
        let mut config = RunConfig { method, ..plain.clone() };
        config.training.steps = 1;
        begin(&folder, &config);
        let facts = std::fs::read_to_string(folder.join("facts.json")).unwrap();
        let facts: RunFacts = serde_json::from_str(&facts).unwrap();
        assert_eq!((facts.trained_parameters, facts.stored_parameters), (trained, stored), "{name}");
    }
}

#[test]
fn strength_zero_is_the_base_model_for_every_method() {
    let home = tempfile::tempdir().unwrap();
    let weights = home.path().join("full");
    let mut full = tiny_run(home.path());
    full.method = MethodConfig::Full(FullConfig::default());
    begin(&weights, &full);
    for (model, adapter) in [
        ("gpt2-prompt-2x24", adapter_of("gpt2-prompt-2x24")),
        ("gpt2-lora-2x24-rs", adapter_of("gpt2-lora-2x24-rs")),
        ("gpt2-lora-1x24-biases", adapter_of("gpt2-lora-1x24-biases")),
        ("gpt2-prefix-2x44", weights.join("adapter")),
    ] {
        let stream = |adapter: Option<&PathBuf>, strength: f64| Stream {
            adapter: adapter.cloned(),
            strength,
            ..Stream::of_base(Prompt::Text("a b c".to_owned()))
        };
        let streams = vec![stream(None, 1.0), stream(Some(&adapter), 0.0), stream(Some(&adapter), 1.0)];
        let sampling = Sampling { max_new_tokens: 8, stop_at_end: false, ..Sampling::default() };
        let base = golden_cases().join(model).join("model");
        let said = Talk::new().generate(generation(&base, streams, sampling));
        assert_eq!(said[0].tokens, said[1].tokens, "{model}");
        assert_eq!(
            [said[0].proven_base, said[1].proven_base, said[2].proven_base],
            [Some(true), Some(true), None],
            "{model}"
        );
        assert_ne!(said[0].tokens, said[2].tokens, "{model}: an adapter changes what is said");
    }
}
