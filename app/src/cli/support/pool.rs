//! Several engines in one inbox, with Ctrl-C: for a command that trains several runs at a time.

use std::sync::mpsc::{Receiver, channel};

use engine::device::DeviceChoice;
use engine::protocol::{Command, Event};

use crate::cli::support::engine_link;
use crate::cli::support::error::CliError;
use crate::cli::support::session::{Again, listen_for_interrupts};
use crate::seats;
use crate::store::{Request, Store};
use crate::workspace::Workspace;

/// Reasons to wake.
#[expect(clippy::large_enum_variant, reason = "one at a time goes through the channel")]
pub(in crate::cli) enum News {
    /// An engine told something.
    Engine(Event),
    /// Ctrl-C, or the system asks the program to end.
    Interrupt,
}

/// Threads of the engine, each with a device of its own or its share of the processor.
pub(in crate::cli) struct Pool {
    engines: Vec<engine_link::Send>,
    inbox: Receiver<News>,
}

impl Pool {
    /// Starts an engine for each of these devices, `None` being that of its runs; their events go to the store too. On the CPU
    /// each has its share of the threads.
    pub(in crate::cli) fn start(
        workspace: &Workspace,
        store: &Store,
        devices: &[Option<DeviceChoice>],
    ) -> Result<Self, CliError> {
        let (outbox, inbox) = channel();
        let interrupts = outbox.clone();
        listen_for_interrupts(Again::End, move || interrupts.send(News::Interrupt).is_ok());
        let seats: Vec<DeviceChoice> = devices.iter().map(|device| device.unwrap_or_default()).collect();
        let engine = |threads| {
            let (outbox, store) = (outbox.clone(), store.clone());
            engine_link::spawn_sharing(workspace, threads, move |event| {
                store.send(Request::Record(event.clone()));
                // Nobody listens any more: the program is ending.
                outbox.send(News::Engine(event)).ok();
            })
        };
        let engines = seats::threads(&seats).into_iter().map(engine).collect::<Result<_, CliError>>()?;
        Ok(Self { engines, inbox })
    }

    /// With engines played by hand.
    #[cfg(test)]
    pub(in crate::cli) fn with(engines: Vec<engine_link::Send>, inbox: Receiver<News>) -> Self {
        Self { engines, inbox }
    }

    /// How many there are.
    pub(in crate::cli) fn len(&self) -> usize {
        self.engines.len()
    }

    /// Asks one of them.
    pub(in crate::cli) fn send(&self, engine: usize, command: Command) -> Result<(), CliError> {
        let sent = self.engines.get(engine).is_some_and(|send| send(command));
        sent.then_some(()).ok_or_else(gone)
    }

    /// The next news of any of them.
    pub(in crate::cli) fn next(&self) -> Result<News, CliError> {
        self.inbox.recv().ok().ok_or_else(gone)
    }
}

fn gone() -> CliError {
    CliError::failed("the computation ended unexpectedly", "Start again with RUST_LOG=debug for details")
}
