//! `bench`: what training and decoding cost at the shape of GPT-2 small or of SmolLM2-135M; one JSON line for each figure.
//!
//! Each measurement runs in a process of its own, so that its peak memory is its own. With `--reference` the same is
//! measured with PyTorch + PEFT, in turn with ours, and ratios are printed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};
use engine::adapters::no_adapter;
use engine::bench::{BenchShape, Extent, MEASURES, Measure};
use engine::files::{self, Kind};
use engine::nn::{MatrixNumbers, Precision};
use engine::sentence;
use serde_json::Value;

use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::json;
use crate::cli::support::models::found_model;
use crate::cli::support::out;
use crate::cli::support::paths::path;
use crate::store::adapter_folder;

/// Measure training and decoding.
#[derive(Debug, Args)]
pub(in crate::cli) struct BenchArgs {
    /// Measurement; without it everything
    #[arg(long, value_parser = names())]
    what: Vec<String>,
    /// Steps of each measurement
    #[arg(long, default_value_t = 10)]
    steps: usize,
    /// Tokens of each row that is trained on
    #[arg(long, default_value_t = 128, conflicts_with = "reference")]
    tokens: usize,
    /// Run blocks again in the backward pass: training.gradient_checkpointing
    #[arg(long, conflicts_with = "reference")]
    gradient_checkpointing: bool,
    /// Repetitions of each measurement, in turn with the reference
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Shape of random weights, kept in the workspace's cache: GPT-2 small in f32, or SmolLM2-135M in bf16
    #[arg(long, value_parser = shapes(), default_value = BenchShape::Gpt2.name(), conflicts_with = "model")]
    shape: String,
    /// Checkpoint to measure instead
    #[arg(long, value_name = "DIR", value_parser = path())]
    model: Option<PathBuf>,
    /// Script that measures PyTorch + PEFT (tests/golden/bench_torch.py), run with python3
    #[arg(long, value_name = "SCRIPT", value_parser = path())]
    reference: Option<PathBuf>,
    /// Folder of a run or an adapter: time to the first token, of each token after it, and the cache that it takes, beside the
    /// base model alone. Its own model is taken unless --model names one
    #[arg(long, value_name = "DIR", value_parser = path(), conflicts_with_all = ["reference", "gradient_checkpointing"])]
    adapter: Option<PathBuf>,
    /// Measure in this process
    #[arg(long, hide = true)]
    here: bool,
}

/// The names of what can be measured.
fn names() -> PossibleValuesParser {
    MEASURES.map(|measure| PossibleValue::new(measure.name).help(measure.what)).into()
}

fn shapes() -> PossibleValuesParser {
    BenchShape::ALL.map(BenchShape::name).into()
}

impl BenchArgs {
    fn shape(&self) -> BenchShape {
        BenchShape::ALL.into_iter().find(|shape| shape.name() == self.shape).unwrap_or_default()
    }

    fn extent(&self) -> Extent {
        Extent { steps: self.steps, seq: self.tokens, gradient_checkpointing: self.gradient_checkpointing }
    }
}

pub(in crate::cli) fn run(args: &BenchArgs, global: &Global) -> Result<(), CliError> {
    let started = Instant::now();
    global.refuse_set()?;
    let place = (global.device.unwrap_or_default(), global.numbers());
    if let Some(asked) = &args.adapter {
        return serving(args, asked, global);
    }
    let model = match &args.model {
        Some(model) => found_model(model)?,
        None => global.workspace()?.cache().join(format!("bench-{}", args.shape)),
    };
    if args.model.is_none() {
        engine::bench::random_checkpoint(&model, args.shape())?;
    }
    let is_asked = |measure: &Measure| args.what.is_empty() || args.what.iter().any(|name| name == measure.name);
    let what: Vec<Measure> = MEASURES.into_iter().filter(is_asked).collect();
    if args.here {
        for &one in &what {
            for figure in engine::bench::measure(&model, one, args.extent(), place, started)? {
                out::result(json::plain(&figure));
            }
        }
        return Ok(());
    }
    let mut figures = Vec::new();
    for _ in 0..args.rounds.max(1) {
        for &one in &what {
            figures.extend(ours(one, &model, args.extent(), global)?);
            if let Some(script) = &args.reference {
                figures.extend(reference(one, script, &model, args.steps, global.precision.unwrap_or_default())?);
            }
        }
    }
    for ratio in ratios(&figures) {
        out::result(ratio);
    }
    Ok(())
}

/// What serving a text behind an adapter costs, beside the base model: the promise of no noticeable delay as a figure.
fn serving(args: &BenchArgs, asked: &Path, global: &Global) -> Result<(), CliError> {
    if args.what.iter().any(|what| what != "decode") {
        return Err(CliError::usage("--adapter is measured in decoding", "Write --what decode, or leave --what out"));
    }
    let adapter = adapter_folder(asked).ok_or_else(|| CliError::from(no_adapter(asked)))?;
    let model = match &args.model {
        Some(model) => found_model(model)?,
        None => own_model(asked, &adapter)?,
    };
    let place = (global.device.unwrap_or_default(), global.numbers());
    let figures = engine::bench::measure_serving((&model, &adapter), args.steps, place)?;
    figures.iter().for_each(|figure| out::result(json::plain(figure)));
    for bench in ["first_token", "decode_token"] {
        let of = |variant: &str| figures.iter().find(|f| f.bench == bench && f.variant == variant).map(|f| f.value);
        if let (Some(base), Some(adapter)) = (of("base"), of("adapter")) {
            out::result(serde_json::json!({ "ratio": adapter / base, "bench": bench, "variant": "adapter to base" }));
        }
    }
    Ok(())
}

/// The model that a run was trained on, or that an adapter's files name.
fn own_model(asked: &Path, adapter: &Path) -> Result<PathBuf, CliError> {
    let named = |file: &Path, key: &str| -> Option<PathBuf> {
        let record: Value = files::read_json(file, Kind::RunRecord, sentence!("config.json")).ok()?;
        record[key].as_str().map(PathBuf::from)
    };
    let of_run = named(&asked.join("config.json"), "model");
    let named = of_run.or_else(|| named(&adapter.join("adapter_config.json"), "base_model_name_or_path"));
    match named {
        Some(model) => found_model(&model),
        None => Err(CliError::usage("the adapter names no base model", "Name its folder with --model DIR")),
    }
}

/// Measures in a new process of this program.
fn ours(what: Measure, model: &Path, extent: Extent, global: &Global) -> Result<Vec<Value>, CliError> {
    let program = std::env::current_exe().map_err(|error| CliError::io("find", Path::new("this program"), &error))?;
    let mut command = Command::new(&program);
    let Extent { steps, seq, gradient_checkpointing } = extent;
    command.args(["bench", "--here", "--what", what.name, "--steps", &steps.to_string(), "--model"]).arg(model);
    command.args(["--tokens", &seq.to_string()]).args(gradient_checkpointing.then_some("--gradient-checkpointing"));
    command.args(["--device", &global.device.unwrap_or_default().to_string()]);
    let MatrixNumbers { precision, quantization } = global.numbers();
    command.args(["--precision", precision.name(), "--quantization", quantization.name()]);
    figures_of(command, &program)
}

/// Measures with PyTorch + PEFT.
fn reference(
    what: Measure,
    script: &Path,
    model: &Path,
    steps: usize,
    precision: Precision,
) -> Result<Vec<Value>, CliError> {
    let mut command = Command::new("python3");
    command.arg(script).args(["--only", what.name, "--steps", &steps.to_string(), "--model"]).arg(model);
    command.args(["--precision", precision.name()]);
    figures_of(command, script)
}

/// Runs a measurement and passes its lines on.
fn figures_of(mut command: Command, program: &Path) -> Result<Vec<Value>, CliError> {
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| CliError::io("run", program, &error))?;
    if !output.status.success() {
        return Err(CliError::failed(format!("the measurement failed: {}", program.display()), "Its words are above"));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let figures: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    figures.iter().for_each(out::result);
    Ok(figures)
}

/// Ours against the reference's: the medians over the rounds, figure by figure.
fn ratios(figures: &[Value]) -> Vec<Value> {
    let key = |figure: &Value| (figure["bench"].to_string(), figure["variant"].to_string());
    let median = |wanted: &(String, String), implementation: &str| {
        let of = figures.iter().filter(|figure| key(figure) == *wanted && figure["impl"] == implementation);
        let mut values: Vec<f64> = of.filter_map(|figure| figure["value"].as_f64()).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    let mut names: Vec<(String, String)> = figures.iter().map(key).collect();
    names.sort();
    names.dedup();
    let ratio = |name: (String, String)| {
        let (ours, theirs) = (median(&name, "workbench")?, median(&name, "torch")?);
        let text = |quoted: &str| quoted.trim_matches('"').to_owned();
        let (bench, variant) = (text(&name.0), text(&name.1));
        Some(serde_json::json!({ "ratio": ours / theirs, "bench": bench, "variant": variant }))
    };
    names.into_iter().filter_map(ratio).collect()
}
