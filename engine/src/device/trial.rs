//! An adapter's first use, in a process of its own: a driver that crashes there costs a sentence, not the window.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use burn::tensor::{Device, Distribution, Tensor, TensorData, activation};

use super::{DeviceChoice, DeviceInfo, cpu, open, precision};
use crate::error::{EngineError, Result};
use crate::files::write_json;
use crate::nn::{Precision, floats};
use crate::{Sentence, sentence};

/// The command that an adapter is tried with: `PROGRAM try-device wgpu:0 f32`.
pub const TRY_DEVICE: &str = "try-device";

/// Compiling kernels takes a slow driver a while; one that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// The largest difference from the CPU that f32 arithmetic in another order explains here.
const TOLERANCE: f32 = 1e-3;

/// Tries adapters, and remembers what became of it for as long as neither driver nor program changes.
#[derive(Clone, Debug)]
pub struct Trials {
    program: PathBuf,
    file: PathBuf,
}

/// Outcome of a trial: nothing to complain of, or what happened.
type Verdict = Option<Sentence>;

impl Trials {
    /// `program` understands [`TRY_DEVICE`]; verdicts are kept in the folder `cache`.
    pub fn new(program: impl Into<PathBuf>, cache: &Path) -> Self {
        Self { program: program.into(), file: cache.join("adapters.json") }
    }

    /// The program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The fault of an adapter, as far as it is known.
    pub fn trouble(&self, adapter: &DeviceInfo) -> Option<Sentence> {
        self.verdicts().remove(&key(adapter, Precision::F32)).flatten()
    }

    /// Precisions in which it failed.
    pub fn refuses(&self, adapter: &DeviceInfo) -> BTreeMap<Precision, Sentence> {
        let mut verdicts = self.verdicts();
        let failed = |narrow| Some((narrow, verdicts.remove(&key(adapter, narrow))??));
        Precision::NARROW.into_iter().filter_map(failed).collect()
    }

    /// Tries an adapter that is new here.
    ///
    /// # Errors
    /// [`EngineError::DeviceFails`]: it crashed, hung or computed wrongly, now or when it was tried.
    pub fn check(&self, adapter: &DeviceInfo) -> Result<()> {
        match self.verdict_on(adapter, Precision::F32) {
            None => Ok(()),
            Some(reason) => Err(EngineError::DeviceFails {
                device: format!("{} ({})", adapter.name, adapter.api),
                reason,
                verdicts: self.file.clone(),
            }),
        }
    }

    /// Tries an adapter in a precision that is new for it, in a process of its own again: kernels of 16 bits may crash a
    /// driver whose others work.
    ///
    /// # Errors
    /// [`EngineError::NoPrecision`]: it crashed, hung or computed wrongly, now or when it was tried.
    pub fn check_precision(&self, adapter: &DeviceInfo, precision: Precision) -> Result<()> {
        match self.verdict_on(adapter, precision) {
            None => Ok(()),
            Some(reason) => Err(EngineError::NoPrecision {
                device: format!("{} ({})", adapter.name, adapter.api),
                precision,
                reason,
            }),
        }
    }

    fn verdict_on(&self, adapter: &DeviceInfo, precision: Precision) -> Verdict {
        let mut verdicts = self.verdicts();
        let key = key(adapter, precision);
        if let Some(verdict) = verdicts.remove(&key) {
            return verdict;
        }
        let verdict = self.run(adapter.choice, precision);
        verdicts.insert(key, verdict.clone());
        if let Err(error) = write_json(&self.file, &verdicts) {
            tracing::warn!(%error, "the verdict on an adapter is not kept");
        }
        verdict
    }

    /// A file that is not there or damaged only means that adapters are tried again.
    fn verdicts(&self) -> BTreeMap<String, Verdict> {
        fs::read(&self.file).ok().and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default()
    }

    fn run(&self, choice: DeviceChoice, precision: Precision) -> Verdict {
        let spawned = Command::new(&self.program)
            .args([TRY_DEVICE, &choice.to_string(), precision.name()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match spawned {
            Ok(child) => child,
            // Nothing is known then, and the adapter is not to blame.
            Err(error) => {
                tracing::warn!(%error, "an adapter cannot be tried first");
                return None;
            }
        };
        // The pipe ends with the process, so reading it to the end is waiting for the process.
        let (tell, told) = channel();
        let pipe = child.stderr.take();
        let reader = std::thread::spawn(move || {
            let mut said = Vec::new();
            if let Some(mut pipe) = pipe {
                pipe.read_to_end(&mut said).ok();
            }
            tell.send(String::from_utf8_lossy(&said).into_owned()).ok();
        });
        let said = told.recv_timeout(PATIENCE);
        if said.is_err() {
            child.kill().ok();
        }
        let status = child.wait();
        reader.join().ok();
        match (said, status) {
            (Err(_), _) => Some(sentence!("it does not answer within {secs} s", secs = PATIENCE.as_secs())),
            (Ok(said), Ok(status)) => verdict(&said, status),
            (Ok(_), Err(error)) => Some(Sentence::verbatim(error.to_string())),
        }
    }
}

fn key(adapter: &DeviceInfo, precision: Precision) -> String {
    let key = [&adapter.name, &adapter.api, &adapter.driver, env!("CARGO_PKG_VERSION")].join(" · ");
    if precision == Precision::F32 { key } else { format!("{key} · {precision}") }
}

/// The sentence that a trial's process says last; a text where a driver or a library had the last word.
fn told(line: &str) -> Sentence {
    serde_json::from_str(line).unwrap_or_else(|_| Sentence::verbatim(line))
}

fn verdict(said: &str, status: ExitStatus) -> Verdict {
    match status.code() {
        Some(0) => None,
        Some(1) => Some(said.lines().rfind(|line| !line.trim().is_empty()).map_or(sentence!("it fails"), told)),
        _ => Some(sentence!("its driver crashes ({status})", status = status.to_string())),
    }
}

/// The work of a trial's process: small products, a softmax and their gradients, held against the CPU; in 16 bits the
/// products alone.
///
/// # Errors
/// The device is not there, does not start, or computes something else than the CPU.
pub fn try_out(choice: DeviceChoice, precision: Precision) -> Result<()> {
    let (info, device) = open(choice, 0, None)?;
    if precision != Precision::F32 {
        // The one who asked knows what was asked.
        return precision::check_precision(&info, &device, precision, None).map_err(|error| match error {
            EngineError::NoPrecision { reason, .. } => EngineError::Computation(reason),
            other => other,
        });
    }
    let sample = Tensor::<2>::random([96, 64], Distribution::Normal(0.0, 1.0), &cpu()).into_data();
    let (expected, found) = (sums(&sample, &cpu())?, sums(&sample, &device)?);
    // A number that is none is not close to anything.
    let close = expected.iter().zip(&found).all(|(expected, found)| (expected - found).abs() < TOLERANCE);
    if close {
        Ok(())
    } else {
        Err(EngineError::Computation(sentence!("{device} computes wrong numbers", device = info.name)))
    }
}

/// Softmax of a product, and the gradient of its squares.
fn sums(sample: &TensorData, device: &Device) -> Result<Vec<f32>> {
    let x = Tensor::<2>::from_data(sample.clone(), &device.clone().autodiff()).require_grad();
    let y = activation::softmax(x.clone().matmul(x.clone().transpose()).div_scalar(8.0), 1);
    let mut gradients = y.clone().powf_scalar(2.0).sum().backward();
    let gradient = x.grad_remove(&mut gradients).map(floats).transpose()?;
    Ok([floats(y)?, gradient.unwrap_or_default()].concat())
}

#[cfg(all(test, unix))]
#[expect(clippy::unwrap_used, reason = "in a test a panic is the answer")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn adapter(driver: &str) -> DeviceInfo {
        DeviceInfo {
            choice: DeviceChoice::Wgpu(Some(1)),
            name: "Card".to_owned(),
            api: "Vulkan".to_owned(),
            driver: driver.to_owned(),
            memory_bytes: None,
            largest_binding_bytes: None,
            software: false,
            trouble: None,
            refuses: BTreeMap::new(),
        }
    }

    /// Trials with a script in the program's place; it counts its calls in `calls`.
    fn played(folder: &Path, script: &str) -> Trials {
        let program = folder.join("program");
        let calls = folder.join("calls");
        fs::write(&program, format!("#!/bin/sh\necho \"$*\" >> {}\n{script}\n", calls.display())).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Trials::new(program, folder)
    }

    fn calls(folder: &Path) -> Vec<String> {
        fs::read_to_string(folder.join("calls")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_driver_that_crashes_is_named_and_not_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let trials = played(folder.path(), "kill -SEGV $$");
        for _ in 0..2 {
            let error = trials.check(&adapter("1.0")).unwrap_err().to_string();
            assert!(error.contains("Card (Vulkan)") && error.contains("driver crashes"), "{error}");
        }
        assert_eq!(calls(folder.path()), ["try-device wgpu:1 f32"]);
        assert!(trials.trouble(&adapter("1.0")).is_some());
        // Another driver is another chance.
        assert!(trials.trouble(&adapter("1.1")).is_none());
        assert!(trials.check(&adapter("1.1")).is_err());
        assert_eq!(calls(folder.path()).len(), 2);
    }

    #[test]
    fn an_adapter_that_works_is_tried_once_and_one_that_does_not_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let trials = played(folder.path(), "exit 0");
        trials.check(&adapter("1.0")).unwrap();
        trials.check(&adapter("1.0")).unwrap();
        assert_eq!(calls(folder.path()).len(), 1);
        let other = tempfile::tempdir().unwrap();
        let trials = played(other.path(), "echo 'Card computes wrong numbers' >&2; exit 1");
        let error = trials.check(&adapter("1.0")).unwrap_err().to_string();
        assert!(error.contains("Card computes wrong numbers"), "{error}");
    }

    #[test]
    fn a_damaged_file_of_verdicts_only_means_another_trial() {
        let folder = tempfile::tempdir().unwrap();
        let trials = played(folder.path(), "exit 0");
        fs::write(folder.path().join("adapters.json"), "{\"Card").unwrap();
        trials.check(&adapter("1.0")).unwrap();
        assert_eq!(calls(folder.path()).len(), 1);
        // Without the program nothing is known, and the adapter is not to blame.
        let gone = Trials::new(folder.path().join("no such program"), folder.path());
        gone.check(&adapter("2.0")).unwrap();
    }

    #[test]
    fn a_precision_is_tried_for_itself_and_its_verdict_kept() {
        let folder = tempfile::tempdir().unwrap();
        let trials = played(folder.path(), "[ $3 = f32 ] || { echo 'it rounds to nothing' >&2; exit 1; }");
        let card = adapter("1.0");
        trials.check(&card).unwrap();
        for _ in 0..2 {
            let error = trials.check_precision(&card, Precision::F16).unwrap_err().to_string();
            assert!(error.starts_with("precision: Card (Vulkan) does not compute in f16"), "{error}");
            assert!(error.contains("it rounds to nothing"), "{error}");
        }
        assert_eq!(calls(folder.path()), ["try-device wgpu:1 f32", "try-device wgpu:1 f16"]);
        assert_eq!(trials.trouble(&card), None, "in f32 it works");
        assert_eq!(trials.refuses(&card).into_keys().collect::<Vec<_>>(), [Precision::F16]);
    }

    #[test]
    fn the_cpu_passes() {
        try_out(DeviceChoice::Cpu, Precision::F32).unwrap();
    }

    #[test]
    fn the_cpu_computes_in_bf16_where_it_has_instructions_for_it_and_says_what_it_refuses() {
        let refused = precision::refused_by_cpu();
        assert!(refused.contains_key(&Precision::F16));
        for narrow in Precision::NARROW {
            match refused.get(&narrow) {
                Some(reason) => {
                    let error = try_out(DeviceChoice::Cpu, narrow).unwrap_err().to_string();
                    assert!(error.contains(&reason.to_string()), "{error}");
                }
                None => try_out(DeviceChoice::Cpu, narrow).unwrap(),
            }
        }
    }
}
