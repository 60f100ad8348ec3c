//! Facts in: what the engine and the store tell, and what the system answers.

use engine::Sentence;
use engine::error::Failure;
use engine::protocol::{Ask, Event, JobId, Outcome, Report};
use engine::training::Beginning;

use super::State;
use super::live::Live;
use super::notices::{Level, Offer};
use super::outbox::{Effect, Fill, NewRun};
use crate::action::Screen;
use crate::i18n::{failure, tell, told};
use crate::opening::Opened;
use crate::screens::explorer::state::Exploration;
use crate::screens::training::state::RunView;
use crate::store::{Answer, Request, RunDetail};
use crate::t;
use crate::workspace::RunId;

impl State {
    /// Takes in what the engine tells: each is asked once whether the event is its own. Late news of work that nobody waits
    /// for is nobody's.
    pub fn on_engine(&mut self, event: Event) {
        if let Report::Notice { text } = &event.what {
            return self.notices.add(Level::Info, told(text), "", self.env.now);
        }
        let is_known = self.on_run(&event)
            || self.on_devices(&event)
            || self.on_lookup(&event)
            || self.on_statistics(&event)
            || self.on_export(&event)
            || self.on_new_run_question(&event)
            || self.on_compare(&event)
            || self.on_evaluate(&event)
            || self.on_explorer(&event)
            || self.on_incoming(&event);
        if !is_known {
            tracing::trace!(job = event.job.0, "late news");
        }
    }

    /// The engine's thread is gone: what it was computing is interrupted, and no question is answered any more.
    pub fn on_engine_gone(&mut self) {
        if self.env.engine_gone {
            return;
        }
        self.env.engine_gone = true;
        self.env.devices.engine_gone();
        let seated = |(job, live): (&JobId, &Live)| live.seat.is_some().then_some(*job);
        let seated: Vec<JobId> = self.live.running.iter().filter_map(seated).collect();
        seated.into_iter().for_each(|job| self.tell_live(job, Ask::Stop));
        self.live.running.clear();
        self.end_experiments();
        self.runs.tasks.values_mut().for_each(|tasks| tasks.engine_gone());
        self.runs.exports.clear();
        self.library.lookups.values_mut().for_each(|lookup| lookup.engine_gone());
        self.library.counted.iter_mut().for_each(|counted| counted.request.engine_gone());
        self.new_run.engine_gone();
        self.comparison.engine_gone();
        self.evaluation.engine_gone();
        self.exploration.engine_gone();
        self.incoming.sent = None;
        self.outbox.store(Request::EngineGone);
        self.notices.banner = Some(failure(t!("banner.engine"), t!("banner.engine_advice")));
    }

    /// The form's questions; steps of several runs are timed one after the other.
    fn on_new_run_question(&mut self, event: &Event) -> bool {
        let is_ours = self.new_run.on(event);
        if is_ours {
            self.new_run.step_times.go_on(&mut self.outbox);
        }
        is_ours
    }

    fn on_devices(&mut self, event: &Event) -> bool {
        let is_ours = self.env.devices.on(event, |report| match report {
            Report::Devices { devices } => Some(devices.clone()),
            _ => None,
        });
        if let Some(failure) = self.env.devices.failure.take() {
            self.notices.fail(&failure, self.env.now);
        }
        is_ours
    }

    fn on_run(&mut self, Event { job, what }: &Event) -> bool {
        let Some(live) = self.live.running.get_mut(job) else { return false };
        match what {
            Report::Changed { differences } => self.live.changed = Some((live.run.clone(), differences.clone())),
            Report::Finished { outcome } => self.run_ended(*job, Ok(*outcome)),
            Report::Failed(failure) => self.run_ended(*job, Err(failure)),
            report => live.on(report),
        }
        true
    }

    fn run_ended(&mut self, job: JobId, end: Result<Outcome, &Failure>) {
        let Some(live) = self.live.running.remove(&job) else { return };
        let run = live.run.clone();
        match end {
            Err(failure) => self.notices.fail(failure, self.env.now),
            // Of many runs it is their end that is worth a notice.
            Ok(_) if self.experiments.of_run(&run).is_some() => {}
            Ok(outcome) => {
                let name = self.row(&live.run).map_or_else(|| live.run.to_string(), |row| row.name.clone());
                let sentence = match outcome {
                    Outcome::Completed => t!("notice.completed", name = name),
                    Outcome::StoppedEarly => match live.metric() {
                        None => t!("notice.stopped_early", name = name),
                        Some(figure) => t!("notice.stopped_early_by", name = name, figure = figure),
                    },
                    Outcome::Stopped => t!("notice.stopped", name = name),
                };
                let level = if outcome == Outcome::Stopped { Level::Info } else { Level::Good };
                self.notices.offer(level, sentence, Offer::Open(live.run), self.env.now);
            }
        }
        self.member_ended(&run);
        self.start_if_free();
        self.end_if_idle();
    }

    /// Takes in what the store tells.
    pub fn on_store(&mut self, answer: Answer) {
        match answer {
            Answer::Runs(runs) => {
                let told: Vec<RunId> = runs.iter().map(|row| row.id.clone()).collect();
                self.runs.listed(runs);
                self.on_rows(&told);
            }
            Answer::Detail(detail) => self.on_detail(*detail),
            Answer::Library { models, datasets } => {
                self.library.models = models;
                self.library.datasets = datasets;
            }
            Answer::RunsChanged { rows, gone } => {
                for view in self.shown_views() {
                    view.stale |= rows.iter().any(|row| row.id == view.id);
                }
                let told: Vec<RunId> = rows.iter().map(|row| row.id.clone()).chain(gone.iter().cloned()).collect();
                self.runs.change(rows, &gone);
                self.refresh_view();
                self.on_rows(&told);
            }
            Answer::Curves(curves) => self.runs.take_curves(curves),
            Answer::Deleted { run, left } => self.forget(&run, left),
            Answer::TrashEmptied { runs, left } => {
                self.notices.add(Level::Info, t!("notice.trash_emptied", n = runs), "", self.env.now);
                if let Some(sentence) = left {
                    self.notices.add(Level::Warn, tell(&sentence), "", self.env.now);
                }
            }
            Answer::Refused(failure) => self.notices.fail(&failure, self.env.now),
            Answer::Notice(text) => self.notices.add(Level::Info, tell(&text), "", self.env.now),
            Answer::Interrupted(n) => {
                self.notices.offer(Level::Info, t!("notice.interrupted", n = n), Offer::Interrupted, self.env.now);
            }
            Answer::Access(access) => self.env.access = access,
        }
    }

    fn shown_views(&mut self) -> impl Iterator<Item = &mut RunView> {
        let Exploration { instead, beside, .. } = &mut self.exploration;
        self.runs.view.iter_mut().chain(instead).chain(beside)
    }

    /// Asks for what is new about the runs on screen, unless that was just asked.
    pub(crate) fn refresh_view(&mut self) {
        let mut requests = Vec::new();
        for view in self.shown_views().filter(|view| !view.asked && view.stale) {
            view.asked = true;
            requests.push(Request::Detail { run: view.id.clone(), since: view.cursor });
        }
        requests.into_iter().for_each(|request| self.outbox.store(request));
    }

    fn on_detail(&mut self, detail: RunDetail) {
        let id = detail.row.id.clone();
        self.runs.checkpoints.insert(id.clone(), detail.checkpoints.clone());
        if let Some(config) = &detail.config {
            self.runs.configs.insert(id.clone(), config.clone());
        }
        if self.screen == Screen::Compare {
            self.find_prompts();
            self.find_tasks(&id);
        }
        let view = self.shown_views().find(|view| view.id == id && view.asked);
        let Some(view) = view else { return };
        view.absorb(detail);
        self.refresh_view();
        self.go_on_with_detail();
    }

    fn forget(&mut self, run: &RunId, left: Option<Sentence>) {
        let name = self.runs.take_out(run).unwrap_or_else(|| run.to_string());
        if self.comparison.runs().any(|known| known == run) {
            self.stop_generating();
            self.comparison.forget(run);
        }
        self.runs.checkpoints.remove(run);
        self.runs.configs.remove(run);
        self.runs.curves.remove(run);
        self.runs.tasks.remove(run);
        self.forget_explored(run);
        self.runs.view.take_if(|view| view.id == *run);
        self.on_rows(std::slice::from_ref(run));
        match left {
            None => self.notices.deleted(run.clone(), &name, self.env.now),
            Some(sentence) => self.notices.add(Level::Warn, tell(&sentence), "", self.env.now),
        }
    }

    /// Takes the id and the folder that were made for a run, or why they could not be.
    pub fn on_new_run(&mut self, what: NewRun, made: Result<(RunId, std::path::PathBuf), Failure>) {
        match (what, made) {
            (_, Err(failure)) => self.notices.banner = Some(failure),
            (NewRun::Trained(mut config), Ok((run, folder))) => {
                self.name_apart(&mut config);
                self.enqueue(run, folder, config, Beginning::Fresh);
            }
            (NewRun::Imported { other_base }, Ok((run, folder))) => self.import_adapter(run, folder, other_base),
        }
    }

    /// Sends what was dropped onto the window, or named with it, where its kind belongs.
    pub fn on_opened(&mut self, opened: Opened) {
        match opened {
            Opened::Rows(train, validation) => self.fill(Fill::Dataset(train, validation)),
            Opened::Model(folder) => self.fill(Fill::Model(folder)),
            Opened::RunFile(config) => self.fill(Fill::Run(config)),
            Opened::Run(run) => {
                // One that was elsewhere until now is not in the list yet.
                self.outbox.store(Request::Rescan);
                self.open(run, Screen::Training);
            }
            Opened::Adapter(path) => self.open_adapter(path),
            Opened::Experiment(opened) => self.incoming.experiment = Some(opened),
            Opened::Several(opened) => opened.into_iter().for_each(|opened| self.on_opened(opened)),
            Opened::Failed(failure) => self.notices.fail(&failure, self.env.now),
        }
    }

    /// Fills the form and shows it.
    pub fn fill(&mut self, fill: Fill) {
        self.outbox.push(Effect::Fill(fill));
        self.show(Screen::NewRun);
    }
}
