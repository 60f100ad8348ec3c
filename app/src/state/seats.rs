//! Which run has which seat: one run is computed at a time, or one on each of the devices that were chosen for that.

use engine::config::RunConfig;
use engine::device::DeviceChoice;
use engine::error::Failure;
use engine::protocol::{Ask, Event, JobId, Report};

use super::State;
use super::live::{Live, QueuedRun};
use crate::i18n::failure;
use crate::store::Request;
use crate::t;

/// Where a run is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seat {
    /// Its number; `None` is the engine that answers questions too.
    pub(super) number: Option<usize>,
    /// The device that it has in place of the run's own.
    pub(super) device: Option<DeviceChoice>,
}

impl State {
    /// Whether a run that is started now begins at once, as far as it is known.
    pub fn has_free_seat(&self) -> bool {
        self.live.running.len() < self.settings.run_devices.len().max(1)
    }

    /// The first run that waits and has a seat: what waits for a device lets others pass to another one.
    pub(super) fn next_seated(&self) -> Option<(usize, Seat)> {
        let mut waiting = self.live.queue.iter().enumerate();
        waiting.find_map(|(place, queued)| Some((place, self.seat_of(queued)?)))
    }

    fn seat_of(&self, QueuedRun { config, .. }: &QueuedRun) -> Option<Seat> {
        let seats = &self.settings.run_devices;
        if seats.is_empty() {
            return self.live.running.is_empty().then(Seat::default);
        }
        let mut free = self.free_seats();
        let suits = |seat: &usize| self.suits(config, seats[*seat]);
        match (0..seats.len()).any(|seat| suits(&seat)) {
            true => free.find(suits).map(|seat| Seat { number: Some(seat), device: Some(seats[seat]) }),
            // None of them is for it: it computes where it says, when there is room.
            false => free.next().map(|seat| Seat { number: Some(seat), device: None }),
        }
    }

    /// Whether a run may be computed on a device. One that was chosen for this run alone is waited for.
    fn suits(&self, config: &RunConfig, device: DeviceChoice) -> bool {
        let own = config.device;
        let is_chosen = own != DeviceChoice::Auto && own != self.settings.device;
        let is_its = !is_chosen || self.is_same_device(own, device);
        is_its && self.refusal(device, config.precision).is_none()
    }

    /// Seats that nothing is computed on. What began before there were any, or when they were others, holds that of its device.
    fn free_seats(&self) -> impl Iterator<Item = usize> {
        let seats = &self.settings.run_devices;
        let is_seated = |live: &Live| live.seat.is_some_and(|seat| seats.get(seat) == Some(&live.device));
        let is_held = |seat: usize| self.live.running.values().any(|live| live.seat == Some(seat));
        let mut free: Vec<usize> = (0..seats.len()).filter(|seat| !is_held(*seat)).collect();
        for live in self.live.running.values().filter(|live| !is_seated(live)) {
            let of_its_device = free.iter().position(|seat| self.is_same_device(seats[*seat], live.device));
            if let Some(place) = of_its_device {
                free.remove(place);
            }
        }
        free.into_iter()
    }

    fn is_same_device(&self, a: DeviceChoice, b: DeviceChoice) -> bool {
        let known = |choice| self.device(choice).map(|device| device.choice);
        a == b || (known(a).is_some() && known(a) == known(b))
    }

    /// Tells the engine that computes a run something.
    pub(crate) fn tell_live(&mut self, job: JobId, ask: Ask) {
        let seat = self.live.running.get(&job).and_then(|live| live.seat);
        self.tell_seat(seat, job, ask);
    }

    pub(super) fn tell_seat(&mut self, seat: Option<usize>, job: JobId, ask: Ask) {
        match seat {
            None => self.outbox.tell(job, ask),
            Some(seat) => self.outbox.tell_seat(seat, &self.settings.run_devices, job, ask),
        }
    }

    /// Seats give the memory of their models back.
    pub(super) fn clear_seats(&mut self) {
        for seat in std::mem::take(&mut self.live.seated) {
            let job = self.outbox.reserve();
            self.tell_seat(Some(seat), job, Ask::Unload);
        }
    }

    /// The engine of a seat is gone: its run failed, and the others go on.
    pub fn on_seat_gone(&mut self, seat: usize) {
        let failure: Failure = failure(t!("banner.engine"), t!("banner.seat_advice"));
        self.live.seated.remove(&seat);
        let of_seat = |(job, live): (&JobId, &Live)| (live.seat == Some(seat)).then_some(*job);
        let jobs: Vec<JobId> = self.live.running.iter().filter_map(of_seat).collect();
        for job in jobs {
            let event = Event { job, what: Report::Failed(failure.clone()) };
            self.outbox.store(Request::Record(event.clone()));
            self.on_engine(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::config::DataConfig;
    use engine::protocol::{Command, Outcome};

    use super::*;
    use crate::settings::Settings;
    use crate::state::outbox::{Effect, NewRun};
    use crate::store::Access;
    use crate::workspace::RunId;

    const CPU: DeviceChoice = DeviceChoice::Cpu;
    const GPU: DeviceChoice = DeviceChoice::Wgpu(Some(0));

    fn state(run_devices: &[DeviceChoice]) -> State {
        let settings = Settings { run_devices: run_devices.to_vec(), ..Settings::default() };
        State::new("/w".into(), settings, Access::ReadWrite, None)
    }

    fn start(state: &mut State, run: &str, device: DeviceChoice) {
        let config = RunConfig { device, name: run.into(), ..RunConfig::new("/m", DataConfig::new("/d.jsonl")) };
        state.on_new_run(NewRun::Trained(Box::new(config)), Ok((RunId(run.into()), format!("/w/runs/{run}").into())));
    }

    fn ends(state: &mut State, run: &str) {
        let (job, _) = state.live_of(&RunId(run.into())).expect("it is computed");
        state.on_engine(Event { job, what: Report::Finished { outcome: Outcome::Completed } });
    }

    /// What was sent since the last look: seat, and the run with its device or what else is asked.
    fn sent(state: &mut State) -> Vec<(Option<usize>, String)> {
        let effects = std::mem::take(&mut state.outbox.effects);
        let said = |Command { ask, .. }: Command| match ask {
            Ask::Train { folder, config, .. } => {
                Some(format!("{} on {}", crate::workspace::last_name(&folder), config.device))
            }
            Ask::Stop => Some("stop".to_owned()),
            Ask::Unload => Some("unload".to_owned()),
            _ => None,
        };
        let of = |effect| match effect {
            Effect::Engine(command) => Some((None, said(command)?)),
            Effect::Seat { seat, command, .. } => Some((Some(seat), said(command)?)),
            _ => None,
        };
        effects.into_iter().filter_map(of).collect()
    }

    #[test]
    fn one_run_is_computed_at_a_time_unless_devices_are_chosen() {
        let mut state = state(&[]);
        start(&mut state, "a", CPU);
        start(&mut state, "b", CPU);
        assert_eq!(sent(&mut state), [(None, "a on cpu".into())]);
        assert!(!state.has_free_seat());
        ends(&mut state, "a");
        assert_eq!(sent(&mut state), [(None, "b on cpu".into())], "its model stays loaded");
    }

    #[test]
    fn a_run_takes_the_first_free_device_and_one_with_a_device_of_its_own_waits_for_that() {
        let mut state = state(&[GPU, CPU]);
        start(&mut state, "a", DeviceChoice::Auto);
        start(&mut state, "b", GPU);
        start(&mut state, "c", DeviceChoice::Auto);
        assert_eq!(sent(&mut state), [(Some(0), "a on wgpu:0".into()), (Some(1), "c on cpu".into())]);
        state.stop(&RunId("c".into()));
        assert_eq!(sent(&mut state), [(Some(1), "stop".into())]);
        ends(&mut state, "c");
        assert!(sent(&mut state).is_empty(), "it waits for the other device");
        ends(&mut state, "a");
        assert_eq!(sent(&mut state), [(Some(0), "b on wgpu:0".into())]);
        start(&mut state, "d", DeviceChoice::Wgpu(Some(7)));
        assert_eq!(sent(&mut state), [(Some(1), "d on wgpu:7".into())], "it is none of them");
        ends(&mut state, "b");
        assert!(sent(&mut state).is_empty());
        ends(&mut state, "d");
        let unloaded = [(Some(0), "unload".to_owned()), (Some(1), "unload".to_owned())];
        assert_eq!(sent(&mut state), unloaded, "nothing follows");
    }

    #[test]
    fn a_run_that_began_before_there_were_seats_holds_that_of_its_device() {
        let mut state = state(&[]);
        start(&mut state, "a", CPU);
        sent(&mut state);
        state.settings.run_devices = vec![CPU, CPU];
        start(&mut state, "b", CPU);
        start(&mut state, "c", CPU);
        assert_eq!(sent(&mut state), [(Some(1), "b on cpu".into())]);
        state.settings.run_devices.clear();
        ends(&mut state, "b");
        assert!(sent(&mut state).is_empty(), "one after the other again");
        ends(&mut state, "a");
        assert_eq!(sent(&mut state), [(None, "c on cpu".into())]);
    }

    #[test]
    fn a_seat_whose_engine_is_gone_fails_its_run_and_serves_the_next() {
        let mut state = state(&[CPU, CPU]);
        ["a", "b", "c"].iter().for_each(|run| start(&mut state, run, CPU));
        sent(&mut state);
        state.on_seat_gone(0);
        assert_eq!(sent(&mut state), [(Some(0), "c on cpu".into())]);
        assert!(state.live_of(&RunId("a".into())).is_none() && state.live_of(&RunId("b".into())).is_some());
        let told = state.notices.newest().any(|notice| notice.what.contains("engine"));
        assert!(told, "{:?}", state.notices);
    }
}
