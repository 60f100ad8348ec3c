//! The golden cases through wgpu on a software driver: OpenGL on llvmpipe.
//!
//! Each case runs in a process of its own, so that a driver that crashes costs a sentence. Where there is no such
//! driver the test says so and passes, unless `WORKBENCH_REQUIRE_WGPU` is set, as in CI.

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
    let line: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    let devices = line["devices"].as_array()?.iter();
    let mut software = devices.filter(|device| device["api"] == "OpenGL" && device["software"] == true);
    software.next()?["choice"].as_str().map(str::to_owned)
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
    for name in ["gpt2-prefix-2x44", "gpt2-prefixproj-2x44"] {
        let case = tests::golden_cases().join(name);
        let output = workbench(&["--device", &device, "verify", case.to_str().unwrap()]);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{name} on {device}:\n{out}\n{err}");
    }
}
