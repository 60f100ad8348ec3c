//! Things that happened and passed by: each is shown for a while and then kept in the list behind the bell.

use engine::error::Failure;

use super::State;
use crate::action::{Action, Screen};
use crate::experiments::ExperimentId;
use crate::i18n::{tell, told};
use crate::screens::experiment::action::ExperimentAction;
use crate::screens::runs::action::RunAction;
use crate::store::RunState;
use crate::t;
use crate::workspace::RunId;

/// The one press that a notice offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Show a run.
    Open(RunId),
    /// Go on with the runs that were interrupted, or show them where there are several.
    Interrupted,
    /// Show the library.
    Library,
    /// Go on with an experiment.
    GoOn(ExperimentId),
    /// Show the runs, where experiments are groups.
    Experiments,
    /// Take back the deletion of runs.
    Undelete(Vec<RunId>),
    /// Take out runs that were put away.
    Unarchive(Vec<RunId>),
}

impl Offer {
    /// Label and action of the press; nothing where it was done meanwhile.
    pub fn action(&self, state: &State) -> Option<(&'static str, Action)> {
        match self {
            Self::Open(run) => {
                state.row(run).map(|row| (t!("notice.open"), Action::Open(row.id.clone(), Screen::Training)))
            }
            Self::Library => Some((t!("notice.show_library"), Action::Show(Screen::Library))),
            Self::GoOn(id) => {
                let plan = state.experiments.plan(id).filter(|plan| state.can_go_on(plan))?;
                let action = ExperimentAction::GoOn(plan.id.clone());
                Some((t!("experiment.go_on"), Action::Experiment(action)))
            }
            Self::Experiments => Some((t!("notice.show_runs"), Action::Show(Screen::Runs))),
            Self::Undelete(runs) => {
                let gone: Vec<RunId> = runs.iter().filter(|run| state.row(run).is_none()).cloned().collect();
                (!gone.is_empty()).then(|| (t!("notice.undo"), Action::Run(RunAction::Undelete(gone))))
            }
            Self::Unarchive(runs) => {
                let is_away = |run: &&RunId| state.row(run).is_some_and(|row| row.archived);
                let runs: Vec<RunId> = runs.iter().filter(is_away).cloned().collect();
                let action = || Action::Run(RunAction::Archive { runs: runs.clone(), archived: false });
                (!runs.is_empty()).then(|| (t!("notice.undo"), action()))
            }
            Self::Interrupted => {
                let mut rows = state.runs.rows().filter(|row| row.state == RunState::Interrupted);
                let first = rows.next()?;
                match rows.next() {
                    None => Some((t!("notice.resume"), Action::Run(RunAction::Resume(first.id.clone())))),
                    Some(_) => Some((t!("notice.show_runs"), Action::Show(Screen::Runs))),
                }
            }
        }
    }
}

/// Severity of a notice, a banner or a chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For information.
    Info,
    /// Went well.
    Good,
    /// Needs a look.
    Warn,
    /// Went wrong.
    Bad,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Counted from the first.
    pub id: u64,
    /// Severity of the notice.
    pub level: Level,
    /// One sentence.
    pub what: String,
    /// The advice; may be empty.
    pub advice: String,
    /// The press that it offers.
    pub offer: Option<Offer>,
    /// Seconds since 1970.
    pub at: f64,
    /// It was put away: it stays in the list alone.
    away: bool,
}

/// Time on the screen; errors stay twice as long.
pub const SHOWN_SECS: f64 = 6.0;
/// Deletions within so many seconds were asked for together.
const TOGETHER_SECS: f64 = 2.0;
const KEPT: usize = 200;

/// The list behind the bell, and the banner.
#[derive(Clone, Debug, Default)]
pub struct Notices {
    list: Vec<Notice>,
    /// A failure that stays on the screen until it is dismissed.
    pub banner: Option<Failure>,
    /// Notices since the list was looked at.
    pub unread: usize,
    last_id: u64,
}

impl Notices {
    /// Adds one, as it is written.
    pub fn add(&mut self, level: Level, what: impl Into<String>, advice: impl Into<String>, at: f64) {
        self.last_id += 1;
        let (what, advice) = (what.into(), advice.into());
        self.list.push(Notice { id: self.last_id, level, what, advice, offer: None, at, away: false });
        self.unread += 1;
        if self.list.len() > KEPT {
            self.list.remove(0);
        }
    }

    /// Adds one about which something can be done.
    pub fn offer(&mut self, level: Level, what: impl Into<String>, offer: Offer, at: f64) {
        self.add(level, what, "", at);
        if let Some(notice) = self.list.last_mut() {
            notice.offer = Some(offer);
        }
    }

    /// Adds an error: its words begin in the middle of a sentence, as errors do.
    pub fn fail(&mut self, failure: &Failure, at: f64) {
        self.add(Level::Bad, told(&failure.what), tell(&failure.advice), at);
    }

    /// A run was deleted: what can be taken back. Those that go together are told together.
    pub fn deleted(&mut self, run: RunId, name: &str, at: f64) {
        if let Some(Notice { what, offer: Some(Offer::Undelete(runs)), at: before, away: false, .. }) =
            self.list.last_mut()
            && at - *before < TOGETHER_SECS
        {
            runs.push(run);
            *what = t!("notice.deleted_several", n = runs.len());
            return;
        }
        self.offer(Level::Info, t!("notice.deleted", name = name), Offer::Undelete(vec![run]), at);
    }

    /// Takes one from the screen; it stays in the list.
    pub fn put_away(&mut self, id: u64) {
        self.list.iter_mut().filter(|notice| notice.id == id).for_each(|notice| notice.away = true);
    }

    /// Newest first.
    pub fn newest(&self) -> impl Iterator<Item = &Notice> {
        self.list.iter().rev()
    }

    /// Those that are still on the screen, newest first; errors and what asks for a press stay twice as long.
    pub fn shown(&self, now: f64) -> impl Iterator<Item = &Notice> {
        self.newest().take(4).filter(move |notice| {
            let waits = matches!(
                notice.offer,
                Some(Offer::Interrupted | Offer::GoOn(_) | Offer::Undelete(_) | Offer::Unarchive(_))
            );
            let stays = if notice.level == Level::Bad || waits { 2.0 } else { 1.0 };
            !notice.away && now - notice.at < stays * SHOWN_SECS
        })
    }

    /// No notices.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Empties the list.
    pub fn clear(&mut self) {
        *self = Self { last_id: self.last_id, banner: self.banner.take(), ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_deleted_together_is_taken_back_together() {
        let mut notices = Notices::default();
        let run = |id: &str| RunId(id.into());
        notices.deleted(run("a"), "First", 10.0);
        notices.deleted(run("b"), "Second", 10.5);
        notices.deleted(run("c"), "Third", 20.0);
        let told: Vec<(&str, Option<&Offer>)> =
            notices.newest().map(|notice| (notice.what.as_str(), notice.offer.as_ref())).collect();
        let (last, both) = (Offer::Undelete(vec![run("c")]), Offer::Undelete(vec![run("a"), run("b")]));
        assert_eq!(
            told,
            [
                ("Third is deleted; its files are kept for seven days", Some(&last)),
                ("2 runs are deleted; their files are kept for seven days", Some(&both))
            ]
        );
    }
}
