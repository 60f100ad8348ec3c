//! Settings that the window keeps from one start to the next: `settings.toml` in the workspace folder.

use std::path::Path;

use engine::device::DeviceChoice;
use serde::{Deserialize, Serialize};

use crate::i18n::Language;
use crate::machines::Via;
use crate::theme::ThemeChoice;

/// Choices that belong to the person and not to a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Language of the window.
    pub language: Language,
    /// Dark or light.
    pub theme: ThemeChoice,
    /// 1 is the system's own size.
    pub zoom: f32,
    /// Where new runs and comparisons are computed.
    pub device: DeviceChoice,
    /// A run is computed on each of these at the same time; none where one follows the other.
    pub run_devices: Vec<DeviceChoice>,
    /// The runs of experiments are computed by these.
    pub machines: MachinesChoice,
    /// Hosts of [`MachinesChoice::Ssh`], with commas between them.
    pub hosts: String,
    /// Further flags of `sbatch` or `hq submit`.
    pub submit_with: String,
    /// Weight of the moving average in the loss plot.
    pub smoothing: f64,
    /// Address of the hub or of a mirror; empty follows the environment.
    pub hub_endpoint: String,
    /// The bar at the top says how long frames take.
    pub frame_times: bool,
}

/// Who computes the runs of experiments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MachinesChoice {
    /// This window, one after the other or on several devices.
    #[default]
    Window,
    /// Workers on this machine, which go on when the window is closed.
    Local,
    /// `sbatch`.
    Slurm,
    /// `hq`.
    HyperQueue,
    /// Hosts by ssh.
    Ssh,
}

impl MachinesChoice {
    /// Whether what takes the runs knows flags of its own.
    pub fn takes_flags(self) -> bool {
        matches!(self, Self::Slurm | Self::HyperQueue)
    }
}

/// The sizes that *Settings* offers.
pub const ZOOMS: [f32; 7] = [0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0];

/// At most so many runs are computed at the same time.
pub const MOST_RUNS: usize = 16;

impl Default for Settings {
    fn default() -> Self {
        Self {
            language: Language::default(),
            theme: ThemeChoice::default(),
            zoom: 1.0,
            device: DeviceChoice::default(),
            run_devices: Vec::new(),
            machines: MachinesChoice::default(),
            hosts: String::new(),
            submit_with: String::new(),
            smoothing: 0.6,
            hub_endpoint: String::new(),
            frame_times: false,
        }
    }
}

impl Settings {
    /// Reads the file. One that is not there or cannot be understood gives the defaults: nothing in it is worth an error.
    pub fn load(path: &Path) -> Self {
        let mut settings: Self =
            std::fs::read_to_string(path).ok().and_then(|text| toml::from_str(&text).ok()).unwrap_or_default();
        settings.zoom = if settings.zoom.is_finite() { settings.zoom.clamp(0.5, 3.0) } else { 1.0 };
        settings.smoothing = if settings.smoothing.is_finite() { settings.smoothing.clamp(0.0, 0.999) } else { 0.6 };
        settings.run_devices.truncate(MOST_RUNS);
        settings
    }

    /// To whom experiments are handed; `None` is this window.
    ///
    /// # Errors
    /// The hosts are none.
    pub fn via(&self) -> Result<Option<Via>, String> {
        match self.machines {
            MachinesChoice::Window => Ok(None),
            MachinesChoice::Local => Ok(Some(Via::Local)),
            MachinesChoice::Slurm => Ok(Some(Via::Slurm)),
            MachinesChoice::HyperQueue => Ok(Some(Via::HyperQueue)),
            MachinesChoice::Ssh => {
                let hosts: Vec<&str> = self.hosts.split([',', ' ']).filter(|host| !host.is_empty()).collect();
                format!("ssh:{}", hosts.join(",")).parse().map(Some)
            }
        }
    }

    /// The file's text.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_a_restart_and_a_broken_file_is_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.toml");
        let run_devices = vec![DeviceChoice::Wgpu(Some(0)), DeviceChoice::Cpu];
        let settings = Settings { zoom: 1.25, language: Language::Chinese, run_devices, ..Settings::default() };
        std::fs::write(&path, settings.to_toml()).unwrap();
        assert_eq!(Settings::load(&path), settings);
        let ssh = Settings { machines: MachinesChoice::Ssh, hosts: "a, user@b".into(), ..Settings::default() };
        std::fs::write(&path, ssh.to_toml()).unwrap();
        assert_eq!(Settings::load(&path).via(), Ok(Some(Via::Ssh(vec!["a".into(), "user@b".into()]))));
        assert!(Settings { hosts: String::new(), ..ssh }.via().is_err() && Settings::default().via() == Ok(None));
        std::fs::write(&path, "zoom = [").unwrap();
        assert_eq!(Settings::load(&path), Settings::default());
        std::fs::write(&path, "zoom = nan").unwrap();
        assert_eq!(Settings::load(&path), Settings::default());
    }
}
