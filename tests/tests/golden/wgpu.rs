//! The golden cases through wgpu on software drivers: Vulkan on lavapipe, OpenGL on llvmpipe.
//!
//! The program runs in a process of its own, so that a driver that crashes costs a sentence. Where a driver is not
//! installed its tests say so and pass, unless `WORKBENCH_REQUIRE_WGPU` is set, as in CI.

use std::process::{Command, Output};

/// A graphics API that a machine without a GPU offers.
#[derive(Clone, Copy)]
struct Software {
    /// As `devices` names it.
    api: &'static str,
    /// Variables that leave only this API's driver in sight.
    environment: &'static [(&'static str, &'static str)],
    /// The package that installs it.
    package: &'static str,
}

/// Whichever driver without hardware `VK_DRIVER_FILES` names, or the loader finds.
const VULKAN: Software = Software { api: "Vulkan", environment: &[], package: "mesa-vulkan-drivers" };

const OPEN_GL: Software = Software {
    api: "OpenGL",
    environment: &[
        ("VK_DRIVER_FILES", "/nonexistent"),
        ("VK_ICD_FILENAMES", "/nonexistent"),
        ("LIBGL_ALWAYS_SOFTWARE", "1"),
    ],
    package: "libgl1-mesa-dri",
};

impl Software {
    fn workbench(self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_workbench-under-test"))
            .args(arguments)
            .envs(self.environment.iter().copied())
            .output()
            .unwrap()
    }

    /// The choice of its device, as `--device` takes it, if it is installed.
    fn device(self) -> Option<String> {
        let output = self.workbench(&["devices", "--json"]);
        let lines = String::from_utf8_lossy(&output.stdout);
        let mut devices = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let found = devices.find(|device| device["api"] == self.api && device["software"] == true);
        if found.is_none() {
            let said = format!("there is no software driver of {} ({})", self.api, self.package);
            assert!(std::env::var_os("WORKBENCH_REQUIRE_WGPU").is_none(), "WORKBENCH_REQUIRE_WGPU is set and {said}");
            eprintln!("skipped: {said}");
        }
        found?["choice"].as_str().map(str::to_owned)
    }

    /// Holds these cases on this API, in one process, which keeps its kernels from case to case.
    fn verify(self, cases: &[&str]) {
        let Some(device) = self.device() else { return };
        let paths: Vec<_> = cases.iter().map(|name| tests::golden_cases().join(name).display().to_string()).collect();
        let words: Vec<&str> =
            ["--device", &device, "verify"].into_iter().chain(paths.iter().map(String::as_str)).collect();
        let output = self.workbench(&words);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "on {device}:\n{out}\n{err}");
        // A line for each case; of one alone a line for each of its groups.
        assert!(cases.len() == 1 || out.lines().count() == cases.len(), "{out}");
    }
}

/// A case of each family that writes, in two processes beside each other: a driver without hardware compiles each kernel
/// with LLVM when it sees it for the first time on a machine, which takes minutes; Mesa keeps what it made.
#[test]
fn golden_cases_of_each_family_that_writes_hold_on_vulkan() {
    VULKAN.verify(&[
        "gpt2-prefixproj-2x44",
        "bloom-prefix-2x40",
        "opt-prefixproj-2x32-post",
        "gptneo-prefix-2x32",
        "mistral-prefix-2x32-window",
        "glm-prefix-2x32",
        "chatglm6b-prefix-2x32",
    ]);
}

/// A case of each other family, and of methods that other kernels compute.
#[test]
fn golden_cases_of_each_family_that_reads_hold_on_vulkan() {
    VULKAN.verify(&[
        "t5-prefix-3x32-gated",
        "bart-prefix-3x32",
        "bert-prefixproj-seq",
        "roberta-prefix-seq",
        "electra-prefix-tok",
        "distilbert-prefix-tok",
        "albert-prefix-seq",
        "deberta-prefix-tok",
        "gpt2-ptlstm-1x20",
        "bloom-lora-2x24",
    ]);
}

/// Another way to the same kernels.
#[test]
fn a_golden_case_holds_on_opengl() {
    OPEN_GL.verify(&["bart-prompt-1x24"]);
}

#[test]
fn sixteen_bits_are_computed_as_in_f32_or_refused_by_name() {
    let Some(device) = VULKAN.device() else { return };
    let workspace = tempfile::tempdir().unwrap();
    let (place, model) = (workspace.path().to_str().unwrap(), tests::tiny_model());
    let model = model.to_str().unwrap();
    for precision in ["f16", "bf16"] {
        let head = ["--workspace", place, "--device", &device, "--precision", precision];
        let tried = VULKAN.workbench(&["try-device", &device, precision]);
        let words = ["generate", "--prompt", "a", "--model", model, "--max-new-tokens", "4", "--json"];
        let output = VULKAN.workbench(&[&head[..], &words].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        if tried.status.success() {
            assert!(output.status.success(), "{device} in {precision}: {said}");
            let wide = VULKAN.workbench(&[&head[..4], &words].concat());
            let tokens = |out: &Output| String::from_utf8_lossy(&out.stdout).matches("\"token\"").count();
            assert_eq!(tokens(&output), tokens(&wide), "{device} in {precision}");
        } else {
            // A driver without such numbers is known before the device is started.
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(said.contains("precision: ") && said.contains(precision), "{said}");
        }
    }
}

#[test]
fn an_adapter_is_tried_before_its_first_use_and_writes_text() {
    let Some(device) = VULKAN.device() else { return };
    let workspace = tempfile::tempdir().unwrap();
    let (place, model) = (workspace.path().to_str().unwrap(), tests::tiny_model());
    let line = ["--workspace", place, "--device", &device, "generate", "--prompt", "a", "--model"];
    let output = VULKAN.workbench(&[&line[..], &[model.to_str().unwrap(), "--max-new-tokens", "1"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
