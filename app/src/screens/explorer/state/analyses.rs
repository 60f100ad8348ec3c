//! Questions about what adapters do, and their answers. Each is asked once: whoever comes back to it finds its answer.

use std::path::PathBuf;

use engine::analysis::{Analysis, Question};
use engine::protocol::{Event, JobId, Report};

use crate::state::outbox::Outbox;
use crate::state::request::Request;
use crate::workspace::RunId;

/// Answers that are kept; the oldest goes first.
const KEPT: usize = 48;

/// The rows or the text on which an adapter is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basis {
    /// A text in place of rows.
    pub text: Option<String>,
    /// The first so many rows.
    pub rows: usize,
}

impl Default for Basis {
    fn default() -> Self {
        Self { text: None, rows: 32 }
    }
}

/// A question about an adapter, by which its answer is found again.
#[derive(Clone, Debug, PartialEq)]
pub struct Inquiry {
    /// The run that made the adapter.
    pub run: RunId,
    /// Folder of the adapter.
    pub adapter: PathBuf,
    /// The question.
    pub question: Question,
    /// What it is looked at on.
    pub basis: Basis,
    /// The adapter that it is held against.
    pub other: Option<PathBuf>,
}

/// Questions that were asked, the oldest first.
#[derive(Clone, Debug, Default)]
pub struct Analyses(Vec<(Inquiry, Request<Box<Analysis>>)>);

impl Analyses {
    /// A question that was asked, open or not.
    pub fn find(&self, inquiry: &Inquiry) -> Option<&Request<Box<Analysis>>> {
        self.0.iter().find(|(known, _)| known == inquiry).map(|(_, request)| request)
    }

    /// A job was asked for the answer.
    pub fn start(&mut self, inquiry: Inquiry, job: JobId) {
        self.0.retain(|(known, _)| *known != inquiry);
        if self.0.len() >= KEPT
            && let Some(oldest) = self.0.iter().position(|(_, request)| !request.is_open())
        {
            self.0.remove(oldest);
        }
        let mut request = Request::default();
        request.start(job);
        self.0.push((inquiry, request));
    }

    /// Takes in what a job of its own tells.
    pub fn on(&mut self, event: &Event) -> bool {
        self.0.iter_mut().any(|(_, request)| {
            request.on(event, |report| match report {
                Report::Analysis(analysis) => Some(analysis.clone()),
                _ => None,
            })
        })
    }

    /// Ends questions that are under way; answers stay.
    pub fn stop(&mut self, outbox: &mut Outbox, is_meant: impl Fn(&Inquiry) -> bool) {
        for (_, request) in self.0.iter_mut().filter(|(inquiry, request)| request.is_open() && is_meant(inquiry)) {
            request.stop(outbox);
        }
    }

    /// Forgets what was asked about a run.
    pub fn forget(&mut self, run: &RunId, outbox: &mut Outbox) {
        self.stop(outbox, |inquiry| inquiry.run == *run);
        self.0.retain(|(inquiry, _)| inquiry.run != *run);
    }

    /// Forgets questions without an answer that are not under way, so that they can be asked anew.
    pub fn forget_unanswered(&mut self, is_meant: impl Fn(&Inquiry) -> bool) {
        self.0.retain(|(inquiry, request)| request.is_open() || request.answer.is_some() || !is_meant(inquiry));
    }

    /// There will be no answers.
    pub fn engine_gone(&mut self) {
        self.0.iter_mut().for_each(|(_, request)| request.engine_gone());
    }
}

#[cfg(test)]
mod tests {
    use engine::Sentence;
    use engine::analysis::LensReport;
    use engine::error::Failure;

    use super::*;

    fn inquiry(adapter: &str, rows: usize) -> Inquiry {
        let basis = Basis { rows, ..Basis::default() };
        Inquiry { run: RunId("a".into()), adapter: adapter.into(), question: Question::Lens, basis, other: None }
    }

    fn answer(job: u64) -> Event {
        let report = LensReport { positions: job as usize, ..LensReport::default() };
        Event { job: JobId(job), what: Report::Analysis(Box::new(Analysis::Lens(report))) }
    }

    #[test]
    fn an_answer_belongs_to_its_adapter_question_and_rows() {
        let mut all = Analyses::default();
        all.start(inquiry("/a", 32), JobId(1));
        all.start(inquiry("/b", 32), JobId(2));
        assert!(all.on(&answer(2)) && !all.on(&answer(3)));
        assert!(all.find(&inquiry("/a", 32)).unwrap().is_open());
        assert!(all.find(&inquiry("/b", 32)).unwrap().answer.is_some());
        assert!(all.find(&inquiry("/b", 8)).is_none());
        let attention = Inquiry { question: Question::Attention, ..inquiry("/b", 32) };
        assert!(all.find(&attention).is_none());
    }

    #[test]
    fn a_question_that_is_stopped_has_no_answer_and_no_failure() {
        let (mut all, mut outbox) = (Analyses::default(), Outbox::default());
        all.start(inquiry("/a", 32), JobId(1));
        all.start(inquiry("/b", 32), JobId(2));
        all.on(&answer(2));
        all.stop(&mut outbox, |_| true);
        assert_eq!(outbox.effects.len(), 1, "what is answered is not stopped");
        assert!(!all.on(&answer(1)), "its late answer is nobody's");
        let stopped = all.find(&inquiry("/a", 32)).unwrap();
        assert!(!stopped.is_open() && stopped.answer.is_none() && stopped.failure.is_none());
        all.forget_unanswered(|_| true);
        assert!(all.find(&inquiry("/a", 32)).is_none() && all.find(&inquiry("/b", 32)).is_some());
    }

    #[test]
    fn a_failure_is_that_of_its_question_alone() {
        let mut all = Analyses::default();
        all.start(inquiry("/a", 32), JobId(1));
        all.start(inquiry("/b", 32), JobId(2));
        let failure = Failure { what: Sentence::verbatim("it broke"), advice: Sentence::default() };
        all.on(&Event { job: JobId(1), what: Report::Failed(failure) });
        assert!(all.find(&inquiry("/a", 32)).unwrap().failure.is_some());
        assert!(all.find(&inquiry("/b", 32)).unwrap().is_open());
    }

    #[test]
    fn the_oldest_answers_go_and_what_is_under_way_stays() {
        let mut all = Analyses::default();
        for job in 0..2 * KEPT {
            all.start(inquiry("/a", job), JobId(job as u64));
            if job > 0 {
                all.on(&answer(job as u64));
            }
        }
        assert!(all.find(&inquiry("/a", 0)).is_some_and(Request::is_open), "it was never answered");
        assert!(all.find(&inquiry("/a", 1)).is_none());
        assert!(all.find(&inquiry("/a", 2 * KEPT - 1)).is_some_and(|request| request.answer.is_some()));
    }
}
