//! Facts from outside the window, which no screen changes: the folder, who may write, devices, the time.

use std::path::PathBuf;

use engine::config::RunConfig;
use engine::device::DeviceInfo;

use super::frame_times::FrameTimes;
use super::request::Request;
use crate::experiments::ReadyMade;
use crate::store::Access;

/// Facts from outside the window.
#[derive(Debug)]
pub struct Environment {
    /// The workspace folder.
    pub workspace: PathBuf,
    /// Who may write the database.
    pub access: Access,
    /// The run that the form begins with.
    pub starter: Option<Box<RunConfig>>,
    /// Other runs that came with the program.
    pub other_starters: Vec<RunConfig>,
    /// Experiments that came with the program.
    pub ready_experiments: Vec<ReadyMade>,
    /// Prose that has nothing to do with any task, a text a line.
    pub neutral_text: Option<PathBuf>,
    /// CPU last.
    pub devices: Request<Vec<DeviceInfo>>,
    /// The engine's thread is gone.
    pub engine_gone: bool,
    /// Seconds since 1970.
    pub now: f64,
    /// Times that the last frames took.
    pub frames: FrameTimes,
}

impl Environment {
    /// Nothing is known of devices and time.
    pub fn new(workspace: PathBuf, access: Access, starter: Option<Box<RunConfig>>) -> Self {
        Self {
            workspace,
            access,
            starter,
            other_starters: Vec::new(),
            ready_experiments: Vec::new(),
            neutral_text: None,
            devices: Request::default(),
            engine_gone: false,
            now: 0.0,
            frames: FrameTimes::default(),
        }
    }
}
