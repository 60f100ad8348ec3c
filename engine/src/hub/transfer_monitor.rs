//! Progress and cancellation of a look-up or a transfer.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use super::{HubCommand, HubError, HubEvent, HubProgress, ListedFile, Listing};
use crate::protocol::JobId;

/// Between two events of progress.
const TELL: Duration = Duration::from_millis(100);
/// The speed that is told is a mean over about so long.
const MEAN_SECS: f64 = 3.0;

/// Reports a transfer's progress and hears its cancellation.
pub(super) struct TransferMonitor<'a> {
    job: JobId,
    inbox: &'a Receiver<HubCommand>,
    waiting: &'a mut VecDeque<HubCommand>,
    outbox: &'a dyn Fn(HubEvent),
    cancelled: bool,
    progress: HubProgress,
    told: Option<Instant>,
    told_bytes: u64,
}

impl<'a> TransferMonitor<'a> {
    pub(super) fn new(
        job: JobId,
        inbox: &'a Receiver<HubCommand>,
        waiting: &'a mut VecDeque<HubCommand>,
        outbox: &'a dyn Fn(HubEvent),
    ) -> Self {
        let progress = HubProgress::default();
        // The wish may have come before the work began.
        let cancelled = waiting.iter().any(|command| cancels(command, job));
        Self { job, inbox, waiting, outbox, cancelled, progress, told: None, told_bytes: 0 }
    }

    /// Somebody asked for the end, or nobody is there any more.
    pub(super) fn is_cancelled(&mut self) -> bool {
        while !self.cancelled {
            match self.inbox.try_recv() {
                Ok(command) => self.hear(command),
                Err(TryRecvError::Disconnected) => self.cancelled = true,
                Err(TryRecvError::Empty) => return false,
            }
        }
        true
    }

    /// Waits so long, unless it is cancelled.
    ///
    /// # Errors
    /// [`HubError::Cancelled`].
    pub(super) fn pause(&mut self, time: Duration) -> Result<(), HubError> {
        let end = Instant::now() + time;
        while !self.cancelled {
            match self.inbox.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(command) => self.hear(command),
                Err(RecvTimeoutError::Disconnected) => self.cancelled = true,
                Err(RecvTimeoutError::Timeout) => return Ok(()),
            }
        }
        Err(HubError::Cancelled)
    }

    fn hear(&mut self, command: HubCommand) {
        if cancels(&command, self.job) {
            self.cancelled = true;
        } else {
            self.waiting.push_back(command);
        }
    }

    pub(super) fn begin(&mut self, listing: &Listing) {
        self.progress.total_bytes = listing.total_bytes();
    }

    pub(super) fn is_here(&mut self, file: &ListedFile) {
        self.arrived_before(file.bytes);
    }

    pub(super) fn start_file(&mut self, file: &ListedFile) {
        self.progress.file.clone_from(&file.name);
    }

    /// Bytes that were here already do not count as speed.
    pub(super) fn arrived_before(&mut self, bytes: u64) {
        self.progress.bytes += bytes;
        self.told_bytes += bytes;
        self.tell(true);
    }

    /// Bytes that have to be fetched again.
    pub(super) fn lost(&mut self, bytes: u64) {
        self.progress.bytes = self.progress.bytes.saturating_sub(bytes);
        self.told_bytes = self.progress.bytes;
    }

    pub(super) fn arrived(&mut self, bytes: u64) {
        self.progress.bytes += bytes;
        self.tell(false);
    }

    /// Tells of what arrived last too, and lets the speed fall while the server is silent.
    pub(super) fn nothing_arrives(&mut self) {
        if self.progress.bytes != self.told_bytes || self.progress.bytes_per_sec >= 1.0 {
            self.tell(false);
        }
    }

    pub(super) fn end(&mut self) {
        self.tell(true);
    }

    fn tell(&mut self, always: bool) {
        let now = Instant::now();
        let since = self.told.map(|told| now - told);
        if !always && since.is_some_and(|since| since < TELL) {
            return;
        }
        let news = self.progress.bytes.saturating_sub(self.told_bytes) as f64;
        if let Some(secs) = since.map(|since| since.as_secs_f64()).filter(|secs| *secs > 0.0) {
            let share = if self.progress.bytes_per_sec > 0.0 { 1.0 - (-secs / MEAN_SECS).exp() } else { 1.0 };
            self.progress.bytes_per_sec += share * (news / secs - self.progress.bytes_per_sec);
        }
        (self.told, self.told_bytes) = (Some(now), self.progress.bytes);
        (self.outbox)(HubEvent::Progress { job: self.job, progress: self.progress.clone() });
    }
}

fn cancels(command: &HubCommand, wanted: JobId) -> bool {
    matches!(command, HubCommand::Cancel { job } if *job == wanted)
}
