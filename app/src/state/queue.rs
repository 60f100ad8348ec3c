//! Runs that wait for their turn: they begin in their order, each when it has a seat.

use std::path::{Path, PathBuf};

use engine::config::RunConfig;
use engine::config::schema::{SETTINGS, Setting, at};
use engine::protocol::Ask;
use engine::training::Beginning;
use serde_json::Value;

use super::State;
use super::exit::ExitState;
use super::live::{Live, QueuedRun};
use super::notices::{Level, Offer};
use super::seats::Seat;
use crate::action::Screen;
use crate::store::Request;
use crate::t;
use crate::workspace::{RunId, default_name, model_name};

impl State {
    /// Puts a run into the queue; it begins at once if there is a seat for it. One that has to wait leaves the screen as
    /// it is, so that several can be set up in a row.
    pub(crate) fn enqueue(&mut self, run: RunId, folder: PathBuf, config: Box<RunConfig>, beginning: Beginning) {
        self.live.changed.take_if(|(changed, _)| *changed == run);
        if beginning == Beginning::Fresh {
            self.outbox.store(Request::Register { run: run.clone(), config: config.clone(), experiment: None });
        }
        let name = config.name.clone();
        let (until, experiment) = (None, None);
        self.live.queue.push_back(QueuedRun { run: run.clone(), folder, config, beginning, until, experiment });
        self.outbox.store(Request::ListRuns);
        self.start_if_free();
        if self.live_of(&run).is_some() {
            self.view_run(run, false);
            return self.show(Screen::Training);
        }
        let sentence = t!("notice.queued", name = name, n = self.live.queue.len());
        self.notices.offer(Level::Info, sentence, Offer::Open(run), self.env.now);
    }

    /// The name of a new run: one that nobody typed says what is another than in the run that has it, or is numbered.
    pub(super) fn name_apart(&self, config: &mut RunConfig) {
        let is_taken = |name: &str| self.runs.rows().any(|row| row.name == name);
        let of_method = default_name(config);
        if config.name != of_method || !is_taken(&of_method) {
            return;
        }
        let newest = self.runs.rows().find(|row| row.name == of_method);
        let differs =
            newest.and_then(|row| difference(config, &row.settings)).map(|what| format!("{of_method}, {what}"));
        config.name = differs.filter(|name| !is_taken(name)).unwrap_or_else(|| {
            let numbered = (2..).map(|n| format!("{of_method} #{n}"));
            numbered.into_iter().find(|name| !is_taken(name)).unwrap_or(of_method)
        });
    }

    /// Begins with what waits, as long as there are seats.
    pub(super) fn start_if_free(&mut self) {
        while self.leaving != ExitState::WhenStopped && !self.live.held && !self.waits_for_store() {
            let Some((place, seat)) = self.next_seated() else { return };
            let Some(queued) = self.live.queue.remove(place) else { return };
            self.start(queued, seat);
        }
    }

    fn start(&mut self, queued: QueuedRun, seat: Seat) {
        let QueuedRun { run, folder, mut config, beginning, until, experiment } = queued;
        if let Some(id) = experiment.as_ref().filter(|_| beginning == Beginning::Fresh) {
            // Only now is it a run: until then the experiment alone knows of it.
            let named = self.experiments.plan(id).map(|plan| plan.experiment.name.clone());
            self.outbox.store(Request::Register { run: run.clone(), config: config.clone(), experiment: named });
        }
        config.device = seat.device.unwrap_or(config.device);
        let job = self.outbox.reserve();
        let mut live = Live::new(run.clone());
        (live.seat, live.device) = (seat.number, config.device);
        self.live.seated.extend(seat.number);
        self.live.running.insert(job, live);
        // The store learns whose job it is before the job tells anything.
        self.outbox.store(Request::Begin { job, run: run.clone() });
        let ask = match beginning {
            Beginning::Fresh => Ask::Train { folder, config, resume: false, until },
            Beginning::Resumed => Ask::Train { folder, config, resume: true, until },
            Beginning::ResumedOnOthers => Ask::ResumeOnOthers { folder, config },
        };
        self.tell_live(job, ask);
        if let Some(id) = experiment {
            self.outbox.store(Request::ListRuns);
            self.member_begins(&id, &run);
        }
    }

    /// Takes a run out of the queue; one of an experiment pauses it.
    pub(crate) fn withdraw(&mut self, run: &RunId) {
        let queued = self.live.queue.iter().find(|queued| queued.run == *run);
        if let Some(id) = queued.and_then(|queued| queued.experiment.clone()) {
            return self.pause_experiment(&id);
        }
        self.live.queue.retain(|queued| queued.run != *run);
        self.outbox.store(Request::Withdraw(run.clone()));
        self.outbox.store(Request::ListRuns);
    }

    /// Lets nothing new begin once the run under way is done, or lets the queue go on.
    pub(crate) fn hold_queue(&mut self, held: bool) {
        self.live.held = held;
        self.start_if_free();
        self.end_if_idle();
    }

    /// Moves what waits to another place; the rest of an experiment moves with its run that is there.
    pub(crate) fn move_in_queue(&mut self, run: &RunId, place: usize) {
        let queue = &mut self.live.queue;
        let Some(from) = queue.iter().position(|queued| queued.run == *run) else { return };
        if let Some(queued) = queue.remove(from) {
            queue.insert(place.min(queue.len()), queued);
        }
    }
}

/// At most so many settings tell a run apart by its name.
const TOLD: usize = 2;

/// What is another in a run than in one of these settings, where that can be said in a few words.
fn difference(config: &RunConfig, others: &Value) -> Option<String> {
    let mine = serde_json::to_value(config).ok()?;
    let passed_over = |key: &str| ["name", "device", "method", "training", "data"].contains(&key);
    let is_other = |setting: &&Setting| {
        let (a, b) = (at(&mine, setting.key), at(others, setting.key));
        !passed_over(setting.key) && a.is_some_and(|a| !a.is_object() && b != Some(a))
    };
    let said = |setting: &Setting| match at(&mine, setting.key)? {
        Value::String(folder) if setting.key == "model" => Some(model_name(Path::new(folder))),
        Value::String(word) if !word.contains(['/', '\\', '{', '\n']) => Some(format!("{} {word}", setting.name())),
        Value::Number(number) => {
            let is_whole = number.as_u64().is_some();
            let point = number.as_f64().filter(|_| !is_whole);
            let number = point.map_or_else(|| number.to_string(), crate::format::scientific);
            Some(format!("{} {number}", setting.name()))
        }
        Value::Bool(is_on) => Some(format!("{} {is_on}", setting.name())),
        _ => None,
    };
    if !others.is_object() {
        return None;
    }
    let told: Vec<String> = SETTINGS.iter().filter(is_other).map(said).collect::<Option<_>>()?;
    (1..=TOLD).contains(&told.len()).then(|| told.join(", "))
}

#[cfg(test)]
mod tests {
    use engine::config::DataConfig;

    use super::*;

    #[test]
    fn a_name_says_what_is_another_in_a_few_words_or_nothing() {
        let config = RunConfig::new("/m", DataConfig::new("/d.jsonl"));
        let said = |change: &dyn Fn(&mut RunConfig)| {
            let mut other = config.clone();
            change(&mut other);
            difference(&other, &serde_json::to_value(&config).unwrap())
        };
        assert_eq!(said(&|_| {}), None);
        assert_eq!(said(&|run| run.seed = 7).as_deref(), Some("seed 7"));
        let both = said(&|run| (run.seed, run.training.learning_rate) = (7, 1e-3));
        assert_eq!(both.as_deref(), Some("seed 7, learning_rate 1e-3"));
        assert_eq!(said(&|run| run.model = "/models/gpt2".into()).as_deref(), Some("gpt2"));
        assert_eq!(said(&|run| run.data.train = "/other.jsonl".into()), None, "a path is no name");
        assert_eq!(difference(&config, &Value::Null), None, "nothing is known of the other");
    }
}
