//! The news that a test lets the window hear: devices, a model, rows, runs and what the hub says.

use std::collections::BTreeMap;
use std::path::PathBuf;

use app::store::{CheckpointRow, Cursor, LogLevel, LogLine, RunDetail, RunRow, RunState, Series};
use app::workspace::RunId;
use engine::config::{DataConfig, RunConfig, Task};
use engine::data::{DataPreview, TokenRow};
use engine::device::{DeviceChoice, DeviceInfo};
use engine::error::{EngineError, Failure};
use engine::hub::{
    AccessFacts, CachedModel, Destination, FileHash, HubEvent, ListedFile, Listing, ModelId, TokenSource,
};
use engine::models::{LinearName, ModelSummary, Role, WeightName};
use engine::nn::Precision;
use engine::sentence;
use engine::training::{EvaluationReport, RunFacts, SampleReport};

/// 2026-11-21 03:15:02.
pub(crate) const NOW: i64 = 1_795_230_902;

pub(crate) fn devices() -> Vec<DeviceInfo> {
    vec![
        DeviceInfo {
            choice: DeviceChoice::Wgpu(Some(0)),
            name: "AMD Radeon RX 7900".into(),
            api: "Vulkan".into(),
            driver: "Mesa 25.0".into(),
            memory_bytes: Some(17_163_091_968),
            largest_binding_bytes: Some(4_294_967_292),
            software: false,
            trouble: None,
            refuses: [(Precision::Bf16, sentence!("its driver does not have such numbers"))].into(),
        },
        DeviceInfo {
            choice: DeviceChoice::Wgpu(Some(1)),
            name: "llvmpipe (LLVM 19)".into(),
            api: "Vulkan".into(),
            driver: "Mesa 25.0".into(),
            memory_bytes: None,
            largest_binding_bytes: Some(134_217_728),
            software: true,
            trouble: Some(sentence!("its driver crashes ({status})", status = "signal: 11")),
            refuses: BTreeMap::new(),
        },
        DeviceInfo {
            choice: DeviceChoice::Cpu,
            name: "AMD Ryzen 9".into(),
            api: "CPU".into(),
            driver: String::new(),
            memory_bytes: Some(33_554_432_000),
            largest_binding_bytes: None,
            software: false,
            trouble: None,
            refuses: [
                (Precision::F16, sentence!("on the CPU products of 16 bits are in bf16")),
                (Precision::Bf16, sentence!("this processor has neither AMX nor AVX512-BF16")),
            ]
            .into(),
        },
    ]
}

pub(crate) fn config() -> RunConfig {
    let mut data = DataConfig::new("/assets/datasets/records/train.jsonl");
    data.validation = Some("/assets/datasets/records/validation.jsonl".into());
    let mut config = RunConfig::new("/assets/models/starter", data);
    config.name = "prefix 20 · records".into();
    config
}

pub(crate) fn model_summary() -> ModelSummary {
    ModelSummary {
        notice: None,
        folder: "/assets/models/starter".into(),
        architecture: "gpt2".into(),
        n_layers: 6,
        encoder_layers: 0,
        d_model: 384,
        n_heads: 6,
        n_kv_heads: 6,
        d_head: 64,
        n_positions: 512,
        vocab_size: 8192,
        d_ff: 1536,
        parameters: 14_000_000,
        dtype: "F16".into(),
        file_bytes: 28_000_000,
        largest_tensor_bytes: 12_582_912,
        packing: engine::models::Packing::default(),
        tasks: vec![Task::Causal, Task::SequenceClassification],
        own_head: None,
        embedding_width: 384,
        weights: (0..6).flat_map(layer).map(|linear| weight(&linear)).collect(),
        linears: (0..6).flat_map(layer).collect(),
    }
}

fn layer(n: usize) -> [LinearName; 4] {
    let sizes =
        [("attn.c_attn", 384, 1152), ("attn.c_proj", 384, 384), ("mlp.c_fc", 384, 1536), ("mlp.c_proj", 1536, 384)];
    sizes.map(|(name, d_in, d_out)| LinearName {
        name: format!("transformer.h.{n}.{name}"),
        d_in,
        d_out,
        is_in_out: true,
        role: Role::Layer,
    })
}

fn weight(linear: &LinearName) -> WeightName {
    let name = format!("{}.weight", linear.name);
    WeightName { stored: name.clone(), name, shape: vec![linear.d_in, linear.d_out] }
}

pub(crate) fn preview_rows() -> DataPreview {
    let prompt =
        ["name", ":", "·Blue", "·Sp", "ice", "·|", "·food", ":", "·Chinese", "·|", "·area", ":", "·river", "side"];
    let target =
        ["·Blue", "·Sp", "ice", "·serves", "·Chinese", "·food", "·by", "·the", "·river", "side", ".", "<|end|>"];
    let tokens: Vec<String> = prompt.iter().chain(&target).map(|t| (*t).to_owned()).collect();
    let labeled = (0..tokens.len()).map(|i| i >= prompt.len()).collect();
    let row = |n: usize| TokenRow {
        row: n,
        tokens: tokens.clone(),
        labeled: Vec::clone(&labeled),
        classes: Vec::new(),
        truncated: false,
        lost: Vec::new(),
        prompt: "name: Blue Spice | food: Chinese | area: riverside".into(),
        target: " Blue Spice serves Chinese food by the riverside.".into(),
    };
    DataPreview {
        columns: vec!["record".into(), "text".into()],
        source_column: "record".into(),
        target_column: "text".into(),
        rows: (1..=5).map(row).collect(),
        total_rows: 1200,
        train_rows: 1196,
        validation_rows: 120,
        truncated_rows: 14,
        notices: Vec::new(),
        chat: false,
        has_references: false,
        skipped: vec![(17, sentence!("the target is empty"))],
        skipped_rows: 4,
        lengths: (0..1196u32).map(|i| 20 + (i * 7919 % 61) + (i * 104_729 % 37)).collect(),
        max_tokens: 492,
        has_chat_template: false,
        tokenizer_notes: Vec::new(),
        task: Task::Causal,
        classes: Vec::new(),
    }
}

pub(crate) fn row(id: &str, name: &str, state: RunState) -> RunRow {
    let done = matches!(state, RunState::Finished | RunState::Stopped);
    RunRow {
        id: RunId(id.into()),
        name: name.into(),
        state,
        host: None,
        phase: None,
        starred: false,
        tags: Vec::new(),
        experiment: None,
        model: "starter".into(),
        model_folder: "/assets/models/starter".into(),
        dataset: "records".into(),
        method: "prefix 20".into(),
        n_virtual: 20,
        trained_parameters: Some(92_160),
        stored_parameters: Some(92_160),
        best_loss: (state != RunState::Queued).then_some(1.2345),
        best_step: (state != RunState::Queued).then_some(300),
        last_loss: (state != RunState::Queued).then_some(1.3012),
        step: if done { 400 } else { 120 },
        total_steps: 400,
        created: NOW - 7200,
        started: Some(NOW - 7000),
        ended: done.then_some(NOW - 6000),
        duration_secs: 95.0,
        sparkline: (0..64).map(|i| 4.0 / (1.0 + i as f32 * 0.12) + ((i * 37) % 11) as f32 * 0.02).collect(),
        folder: format!("/workspace/runs/{id}").into(),
        files_missing: false,
        failure: (state == RunState::Failed).then(|| Failure::from(&EngineError::Diverged { step: 120 })),
        archived: false,
        notes: String::new(),
        settings: Default::default(),
        figures: Default::default(),
    }
}

/// A run in full: `steps` steps of a falling loss.
pub(crate) fn detail(row: RunRow, steps: usize) -> RunDetail {
    let wobble = |i: usize| ((i * 7919 % 101) as f64 / 101.0 - 0.5) * 0.5;
    let loss = |i: usize| 1.1 + 2.6 * (-(i as f64) / 90.0).exp() + wobble(i);
    let curve = |name: &str, value: &dyn Fn(usize) -> f64| Series {
        name: name.into(),
        points: (1..=steps).map(|i| [i as f64, value(i)]).collect(),
    };
    let evaluations: Vec<EvaluationReport> = (0..=steps / 40)
        .map(|i| EvaluationReport {
            step: i * 40,
            loss: 1.15 + 2.5 * (-(i as f64 * 40.0) / 90.0).exp(),
            best: true,
            elapsed_secs: 1.0,
            figures: None,
            metric: None,
        })
        .collect();
    let folder = row.folder.clone();
    let checkpoints = evaluations
        .iter()
        .map(|e| CheckpointRow {
            step: e.step as u64,
            folder: folder.join(format!("checkpoints/{}", e.step)),
            best: e.step == evaluations.len().saturating_sub(1) * 40,
        })
        .collect();
    RunDetail {
        cursor: Cursor::default(),
        replace: true,
        more: false,
        config: Some(Box::new(config())),
        facts: Some(Box::new(facts())),
        series: vec![
            curve("loss", &loss),
            curve("learning_rate", &|i| 5e-3 * (1.0 - i as f64 / 400.0)),
            curve("grad_norm", &|i| 0.8 + wobble(i)),
            curve("tokens", &|i| 900.0 + 200.0 * wobble(i)),
            curve("elapsed_secs", &|_| 0.11),
        ],
        samples: evaluations.iter().map(|e| sample(e.step)).collect(),
        evaluations,
        checkpoints,
        kept: Vec::new(),
        log: vec![
            LogLine { at: NOW - 7000, level: LogLevel::Info, text: sentence!("Reading and tokenizing the rows") },
            LogLine {
                at: NOW - 6990,
                level: LogLevel::Warning,
                text: sentence!("{skipped} {skipped:row was|rows were} skipped: nothing to learn in them", skipped = 4),
            },
        ],
        notes: String::new(),
        row,
    }
}

fn sample(step: usize) -> SampleReport {
    SampleReport {
        step,
        row: 0,
        prompt: "name: Blue Spice | food: Chinese | area: riverside".into(),
        reference: "Blue Spice serves Chinese food by the riverside.".into(),
        text: if step == 0 {
            "the the of a river in the".into()
        } else {
            "Blue Spice is a Chinese restaurant by the riverside.".into()
        },
    }
}

/// The hub's listing of a model of 548 MB, half of which is here.
pub(crate) fn listing() -> Listing {
    let file = |name: &str, bytes: u64, here_bytes: u64| ListedFile {
        name: name.into(),
        bytes,
        here_bytes,
        hash: FileHash::Git("0".repeat(40)),
    };
    Listing {
        id: ModelId::parse("Langboat/bloom-389m-zh").expect("an id"),
        commit: "607a30d783dfa663caf39e06633721c8d4cfcd7e".into(),
        endpoint: "https://huggingface.co".into(),
        model_type: Some("bloom".into()),
        gated: true,
        files: vec![
            file("config.json", 665, 665),
            file("tokenizer.json", 6_010_000, 0),
            file("model.safetensors", 777_600_000, 120_000_000),
        ],
        to: Destination::Cache,
        folder: "/home/ada/.cache/huggingface/hub/models--Langboat--bloom-389m-zh/snapshots/607a30d7".into(),
        free_bytes: Some(91_300_000_000),
    }
}

/// The first event of the hub's thread.
pub(crate) fn hub_facts() -> HubEvent {
    let cache = PathBuf::from("/home/ada/.cache/huggingface/hub");
    let cached = CachedModel {
        id: ModelId::parse("gpt2").expect("an id"),
        folder: cache.join("models--gpt2/snapshots/607a30d7"),
        bytes: 551_000_000,
    };
    let facts = AccessFacts { endpoint: "https://huggingface.co".into(), token: TokenSource::None, cache };
    HubEvent::Facts { facts, cached: vec![cached] }
}

pub(crate) fn facts() -> RunFacts {
    RunFacts {
        device: "AMD Radeon RX 7900 (Vulkan)".into(),
        architecture: "GPT2LMHeadModel".into(),
        n_layers: 6,
        model_hash: "0123456789abcdef".into(),
        trained_parameters: 92_160,
        stored_parameters: 92_160,
        base_parameters: 14_000_000,
        all_parameters: 0,
        total_steps: 400,
        done_steps: 0,
        steps_per_epoch: 150,
        train_rows: 1196,
        validation_rows: 120,
        truncated_rows: 14,
        skipped_rows: 4,
        task: Task::Causal,
        classes: Vec::new(),
    }
}
