//! The golden cases through wgpu on a software driver: OpenGL on llvmpipe.
//!
//! Each case runs in a process of its own, so that a driver that crashes costs a sentence. Where there is no such
//! driver the test says so and passes, unless `WORKBENCH_REQUIRE_WGPU` is set, as in CI.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the answer")]

use std::process::{Command, Output};

/// This program with no Vulkan driver in sight, so that wgpu takes OpenGL.
fn workbench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_workbench-under-test"))
        .args(arguments)
        .env("VK_DRIVER_FILES", "/nonexistent")
        .env("VK_ICD_FILENAMES", "/nonexistent")
        .env("LIBGL_ALWAYS_SOFTWARE", "1")
        .output()
        .unwrap()
}

/// The software device, if there is one.
fn software_device() -> Option<String> {
    let output = workbench(&["devices", "--json"]);
    let lines = String::from_utf8_lossy(&output.stdout);
    let mut devices = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let software = devices.find(|device| device["api"] == "OpenGL" && device["software"] == true)?;
    software["choice"].as_str().map(str::to_owned)
}

#[test]
fn golden_cases_hold_on_a_software_gpu() {
    let Some(device) = software_device() else {
        assert!(
            std::env::var_os("WORKBENCH_REQUIRE_WGPU").is_none(),
            "WORKBENCH_REQUIRE_WGPU is set and there is no OpenGL software driver (package libgl1-mesa-dri)"
        );
        eprintln!("skipped: there is no OpenGL software driver on this machine");
        return;
    };
    // Kernels are compiled and tuned on first use, which takes a software driver minutes: one case of each family
    // and method.
    let families = [
        "gpt2-prefixproj-2x44",
        "bloom-prefix-2x40",
        "opt-prefixproj-2x32-post",
        "gptneo-prefix-2x32",
        "mistral-prefix-2x32-window",
        "glm-prefix-2x32",
        "bert-prefixproj-seq",
        "roberta-prefix-seq",
        "electra-prefix-tok",
        "distilbert-prefix-tok",
        "albert-prefix-seq",
        "t5-prefix-3x32-gated",
        "bart-prefix-3x32",
        "gpt2-ptlstm-1x20",
        "bart-prompt-1x24",
        "bloom-lora-2x24",
        "gpt2-lora-1x24-biases",
        "llama-full-1x12",
    ];
    // In one process, which keeps its kernels from case to case.
    let cases = families.map(|name| tests::golden_cases().join(name).display().to_string());
    let words: Vec<&str> =
        ["--device", &device, "verify"].into_iter().chain(cases.iter().map(String::as_str)).collect();
    let output = workbench(&words);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "on {device}:\n{out}\n{err}");
    assert_eq!(out.lines().count(), families.len(), "{out}");
}

#[test]
fn sixteen_bits_are_computed_as_in_f32_or_refused_by_name() {
    let Some(device) = software_device() else {
        eprintln!("skipped: there is no OpenGL software driver on this machine");
        return;
    };
    let workspace = tempfile::tempdir().unwrap();
    let (place, model) = (workspace.path().to_str().unwrap(), tests::tiny_model());
    let model = model.to_str().unwrap();
    for precision in ["f16", "bf16"] {
        let head = ["--workspace", place, "--device", &device, "--precision", precision];
        let tried = workbench(&["try-device", &device, precision]);
        let words = ["generate", "--prompt", "a", "--model", model, "--max-new-tokens", "4", "--json"];
        let output = workbench(&[&head[..], &words].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        if tried.status.success() {
            assert!(output.status.success(), "{device} in {precision}: {said}");
            let wide = workbench(&[&head[..4], &words].concat());
            let tokens = |out: &Output| String::from_utf8_lossy(&out.stdout).matches("\"token\"").count();
            assert_eq!(tokens(&output), tokens(&wide), "{device} in {precision}");
        } else {
            // OpenGL has no such numbers: that is known before the device is started.
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(said.contains("precision: ") && said.contains(precision), "{said}");
        }
    }
}

#[test]
fn a_driver_that_crashes_costs_a_sentence() {
    // With Vulkan's software driver, which some versions of Mesa crash in.
    let run = |arguments: &[&str]| Command::new(env!("CARGO_BIN_EXE_workbench-under-test")).args(arguments).output();
    let output = run(&["devices", "--json"]).unwrap();
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let devices = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let Some(device) = devices.into_iter().find(|device| device["api"] == "Vulkan" && device["software"] == true)
    else {
        eprintln!("skipped: there is no Vulkan software driver on this machine");
        return;
    };
    let workspace = tempfile::tempdir().unwrap();
    let place = workspace.path().to_str().unwrap();
    let (model, device) = (tests::tiny_model(), device["choice"].as_str().unwrap());
    let model = model.to_str().unwrap();
    let line = ["--workspace", place, "--device", device, "generate", "--prompt", "a", "--model", model];
    let output = run(&[&line[..], &["--max-new-tokens", "1"]].concat()).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => {}
        Some(1) => assert!(said.contains("cannot be used"), "{said}"),
        _ => panic!("{}: {said}", output.status),
    }
}
