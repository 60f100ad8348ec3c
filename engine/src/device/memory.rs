//! Memory that the machine has left, and the most that this process takes while something is tried.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Time from one look to the next.
const PERIOD: Duration = Duration::from_millis(10);

/// Memory that can be had: the machine's, or what a container allows; nothing where the system does not say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Room {
    /// Bytes in all.
    pub(crate) whole: u64,
    /// Bytes that are left.
    pub(crate) left: u64,
}

impl Room {
    /// As it is now.
    pub(crate) fn now() -> Self {
        System::new().map_or(Self::default(), |mut system| Self::of(&mut system))
    }

    fn of(system: &mut System) -> Self {
        system.refresh_memory();
        let (whole, left) = (system.total_memory(), system.available_memory());
        match system.cgroup_limits().filter(|limits| limits.total_memory < whole) {
            Some(limits) => Self { whole: limits.total_memory, left: left.min(limits.free_memory) },
            None => Self { whole, left },
        }
    }
}

/// The most memory this process has had, where the system says (Linux).
pub fn peak_memory_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// Bytes of memory that this process has at the moment.
fn resident(system: &mut System, process: Pid) -> u64 {
    let only = ProcessesToUpdate::Some(&[process]);
    system.refresh_processes_specifics(only, false, ProcessRefreshKind::nothing().with_memory());
    system.process(process).map_or(0, sysinfo::Process::memory)
}

/// A watch over the memory of this process.
pub(crate) struct MemoryWatch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    most: AtomicU64,
    ends: AtomicBool,
}

impl MemoryWatch {
    /// Begins to watch. With a `floor` the process ends itself when the machine has fewer bytes left than that: for one whose
    /// work may be lost, and others are not to suffer from.
    pub(crate) fn start(floor: Option<u64>) -> Self {
        let shared = Arc::new(Shared::default());
        let watched = Arc::clone(&shared);
        let thread = Builder::new().name("memory".to_owned()).spawn(move || watched.watch(floor));
        let thread = thread.inspect_err(|error| tracing::warn!(%error, "memory is not watched")).ok();
        Self { shared, thread }
    }

    /// Forgets what was needed before.
    pub(crate) fn begin(&self) {
        // Linux keeps the largest itself, between two looks too; elsewhere there is no such file.
        fs::write("/proc/self/clear_refs", "5").ok();
        self.shared.most.store(0, Ordering::Relaxed);
    }

    /// The most bytes since then.
    pub(crate) fn peak(&self) -> u64 {
        let seen = self.shared.most.load(Ordering::Relaxed);
        let now = || {
            System::new().ok().zip(sysinfo::get_current_pid().ok()).map(|(mut system, id)| resident(&mut system, id))
        };
        peak_memory_bytes().unwrap_or_else(|| now().unwrap_or(0).max(seen))
    }
}

impl Shared {
    fn watch(&self, floor: Option<u64>) {
        let (Ok(mut system), Ok(process)) = (System::new(), sysinfo::get_current_pid()) else { return };
        while !self.ends.load(Ordering::Relaxed) {
            if floor.is_some_and(|floor| Room::of(&mut system).left < floor) {
                std::process::exit(OUT_OF_ROOM);
            }
            self.most.fetch_max(resident(&mut system, process), Ordering::Relaxed);
            std::thread::sleep(PERIOD);
        }
    }
}

/// The exit code of a process that ended itself so.
const OUT_OF_ROOM: i32 = 12;

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It cannot have panicked on anything that matters here.
            thread.join().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_and_given_back_is_seen() {
        let watch = MemoryWatch::start(None);
        watch.begin();
        let before = watch.peak();
        let taken = std::hint::black_box(vec![1_u8; 64 << 20]);
        assert_eq!(taken.iter().map(|&byte| u64::from(byte)).sum::<u64>(), 64 << 20);
        drop(taken);
        assert!(before > 0 && watch.peak() >= before + (48 << 20), "{} after {before}", watch.peak());
        let room = Room::now();
        assert!(room.left > 0 && room.left <= room.whole, "{room:?}");
    }
}
