//! Runs whose products are in bf16 on the CPU: near those in f32, the same on any number of threads, and refused by name
//! where the processor has no instructions for them.

use std::path::Path;

use engine::config::{FullConfig, LoraConfig, MethodConfig, RunConfig};
use engine::device::{DeviceChoice, enumerate};
use engine::nn::{Precision, Quantization};
use engine::protocol::{Ask, Report};
use engine::training::run_folder::Record;
use tests::{Talk, curve, tiny_rows, tiny_run};

/// Why this processor refuses it, if it does.
fn refusal() -> Option<String> {
    let devices = enumerate(None);
    let cpu = devices.iter().find(|device| device.choice == DeviceChoice::Cpu).unwrap();
    cpu.refuses.get(&Precision::Bf16).map(ToString::to_string)
}

fn train(folder: &Path, config: &RunConfig, resume: bool, until: Option<usize>) -> Vec<Report> {
    let config = Box::new(config.clone());
    Talk::new().run(Ask::Train { folder: folder.to_owned(), config, resume, until })
}

fn runs(home: &Path) -> Vec<RunConfig> {
    let with = |method| RunConfig { method, ..tiny_run(home) };
    let lora = LoraConfig { rank: 3, ..LoraConfig::default() };
    let packed = RunConfig { quantization: Quantization::Q8_0, ..tiny_run(home) };
    vec![tiny_run(home), with(MethodConfig::Lora(lora)), with(MethodConfig::Full(FullConfig::default())), packed]
}

/// Loss and norm of the gradient at each step.
fn steps(folder: &Path) -> Vec<[f64; 2]> {
    let step = |record: &Record| match record {
        Record::Step(report) => Some([report.loss, report.grad_norm]),
        _ => None,
    };
    curve(folder).iter().filter_map(step).collect()
}

fn adapter(folder: &Path) -> Vec<(std::ffi::OsString, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder.join("adapter"))
        .unwrap()
        .map(Result::unwrap)
        .map(|entry| (entry.file_name(), std::fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_run_in_bf16_is_near_the_one_in_f32_and_goes_on_to_the_very_bits() {
    let home = tempfile::tempdir().unwrap();
    for (index, config) in runs(home.path()).into_iter().enumerate() {
        let narrow = RunConfig { precision: Precision::Bf16, ..config.clone() };
        let [wide, whole, cut] = ["wide", "whole", "cut"].map(|name| home.path().join(format!("{name}-{index}")));
        let events = train(&whole, &narrow, false, None);
        if let Some(reason) = refusal() {
            let Some(Report::Failed(failure)) = events.last() else { panic!("{events:?}") };
            assert!(failure.what.to_string().contains(&reason), "{failure:?}");
            continue;
        }
        train(&wide, &config, false, None);
        let (expected, found) = (steps(&wide), steps(&whole));
        assert_eq!(expected.len(), found.len());
        // Before they go apart; the gradient of the whole model is in its norm.
        for (expected, found) in expected.iter().zip(&found).take(1) {
            for (expected, found) in expected.iter().zip(found) {
                assert!((found - expected).abs() <= 0.03 * expected.abs(), "{index}: {found} is not {expected}");
            }
        }
        assert_ne!(expected, found, "operands were rounded");
        train(&cut, &narrow, false, Some(6));
        train(&cut, &narrow, true, None);
        assert_eq!(curve(&whole), curve(&cut));
        assert!(!adapter(&whole).is_empty() && adapter(&whole) == adapter(&cut));
    }
}

#[test]
fn a_run_in_bf16_has_the_same_bits_on_any_number_of_threads() {
    if refusal().is_some() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let (model, rows) = (tests::tiny_model(), tiny_rows(home.path()));
    let of = |threads: &str| {
        let workspace = home.path().join(threads);
        let out = std::process::Command::new(env!("CARGO_BIN_EXE_workbench-under-test"))
            .env("RAYON_NUM_THREADS", threads)
            .arg("--workspace")
            .arg(&workspace)
            .args(["--device", "cpu", "--precision", "bf16", "train", "--steps", "4", "--prefix", "4", "--model"])
            .arg(&model)
            .arg("--data")
            .arg(&rows)
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let run = std::fs::read_dir(workspace.join("runs")).unwrap().next().unwrap().unwrap().path();
        (steps(&run), std::fs::read(run.join("adapter/adapter_model.safetensors")).unwrap())
    };
    let one = of("1");
    assert!(one == of("2") && one == of("5"), "threads change nothing");
}
