//! The engines behind the window: one that answers questions and computes runs one after the other, and one for each seat
//! where runs are computed at the same time.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, Sender, channel};

use engine::Sentence;
use engine::device::DeviceChoice;
use engine::error::{EngineError, Failure};
use engine::protocol::{Ask, Command, Event};
use engine::worker::{Engine, SendError};

use super::backend::BackendEvent;
use super::native::EVENT_FRAME;
use crate::seats;
use crate::store::{Request, Store};
use crate::workspace::Workspace;

/// All of them, and what they tell.
pub(super) struct Engines {
    workspace: Workspace,
    store: Store,
    ctx: egui::Context,
    main: Option<Engine>,
    is_gone: bool,
    seats: BTreeMap<usize, SeatEngine>,
    outbox: Sender<Event>,
    inbox: Receiver<Event>,
}

/// The engine of a seat, and its share of the processor.
struct SeatEngine {
    engine: Engine,
    threads: Option<NonZeroUsize>,
}

impl Engines {
    /// Starts the one for questions; the others begin when they are needed.
    pub(super) fn start(workspace: &Workspace, store: &Store, ctx: &egui::Context) -> Result<Self, EngineError> {
        let (outbox, inbox) = channel();
        let (workspace, store, ctx, seats) = (workspace.clone(), store.clone(), ctx.clone(), BTreeMap::new());
        let mut engines = Self { workspace, store, ctx, main: None, is_gone: false, seats, outbox, inbox };
        engines.main = Some(engines.spawn(None)?);
        Ok(engines)
    }

    fn spawn(&self, threads: Option<NonZeroUsize>) -> Result<Engine, EngineError> {
        let (outbox, recorder, wake) = (self.outbox.clone(), self.store.clone(), self.ctx.clone());
        Engine::spawn_sharing(self.workspace.cache(), self.workspace.trials(), threads, move |event: Event| {
            recorder.send(Request::Record(event.clone()));
            // The window may be gone; the run goes on.
            outbox.send(event).ok();
            wake.request_repaint_after(EVENT_FRAME);
        })
    }

    /// The next that one of them tells, or the end of one.
    pub(super) fn next(&mut self) -> Option<BackendEvent> {
        // Who has ended has sent all that it had to say.
        let is_gone = self.main.as_ref().is_some_and(Engine::has_ended);
        let gone = self.seats.iter().find(|(_, seat)| seat.engine.has_ended()).map(|(number, _)| *number);
        if let Ok(event) = self.inbox.try_recv() {
            return Some(BackendEvent::Event(event));
        }
        if is_gone && !self.is_gone {
            self.is_gone = true;
            return Some(BackendEvent::EngineGone);
        }
        let gone = gone?;
        self.seats.remove(&gone);
        Some(BackendEvent::SeatGone(gone))
    }

    /// Tells the one for questions something.
    pub(super) fn send(&self, command: Command) -> Result<(), Sentence> {
        match &self.main {
            Some(engine) => engine.send(command).map_err(SendError::sentence),
            None => Ok(()),
        }
    }

    /// Tells the one of a seat something. A run is the first that it hears: then it has the threads that are its share now.
    pub(super) fn send_to(&mut self, seat: usize, seats: &[DeviceChoice], command: Command) -> Result<(), Sentence> {
        let threads = seats::threads(seats).get(seat).copied().flatten();
        let is_run = matches!(command.ask, Ask::Train { .. } | Ask::ResumeOnOthers { .. });
        if is_run && self.seats.get(&seat).is_none_or(|seat| seat.threads != threads) {
            // Nothing is computed there: it ends at once.
            self.seats.remove(&seat);
            let engine = self.spawn(threads).map_err(|error| Failure::from(&error).what)?;
            self.seats.insert(seat, SeatEngine { engine, threads });
        }
        let seat = self.seats.get(&seat).ok_or_else(|| SendError::Gone.sentence())?;
        seat.engine.send(command).map_err(SendError::sentence)
    }

    /// Ends all of them, each after its present step.
    pub(super) fn end(&mut self) {
        self.main = None;
        self.seats.clear();
    }
}
