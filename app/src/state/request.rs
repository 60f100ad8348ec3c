//! A question to the engine as a value: under way, answered or failed.

use engine::error::Failure;
use engine::protocol::{Ask, Event, JobId, Phase, Report};

use super::outbox::Outbox;

/// A question and its last answer. Events of a job that it no longer waits for are not its own.
#[derive(Clone, Debug)]
pub struct Request<T> {
    job: Option<JobId>,
    /// The engine's phase while the question is open.
    pub phase: Option<Phase>,
    /// The last answer.
    pub answer: Option<T>,
    /// Why the last question has none.
    pub failure: Option<Failure>,
}

impl<T> Default for Request<T> {
    fn default() -> Self {
        Self { job: None, phase: None, answer: None, failure: None }
    }
}

impl<T> Request<T> {
    /// Whether its job is under way.
    pub fn is_open(&self) -> bool {
        self.job.is_some()
    }

    /// Whether it waits for this job.
    pub fn is(&self, job: JobId) -> bool {
        self.job == Some(job)
    }

    /// The job under way.
    pub fn job(&self) -> Option<JobId> {
        self.job
    }

    /// Waits for a job; the last answer is gone.
    pub fn start(&mut self, job: JobId) {
        *self = Self { job: Some(job), ..Self::default() };
    }

    /// Waits for a job; the last answer stays until the next has come.
    pub fn renew(&mut self, job: JobId) {
        *self = Self { job: Some(job), answer: self.answer.take(), ..Self::default() };
    }

    /// Takes in an event of its job: `take` finds the answer in what is told, which is the end of the question. `false` if
    /// the event is of another job.
    pub fn on(&mut self, event: &Event, take: impl FnOnce(&Report) -> Option<T>) -> bool {
        if self.job != Some(event.job) {
            return false;
        }
        match &event.what {
            Report::Phase(phase) => self.phase = Some(*phase),
            Report::Finished { .. } => self.close(),
            Report::Failed(failure) => {
                self.close();
                self.failure = Some(failure.clone());
            }
            report => {
                if let Some(answer) = take(report) {
                    self.close();
                    self.answer = Some(answer);
                }
            }
        }
        true
    }

    /// Asks the engine to end the job; what it still tells is dropped.
    pub fn stop(&mut self, outbox: &mut Outbox) {
        if let Some(job) = self.job {
            outbox.tell(job, Ask::Stop);
        }
        self.close();
    }

    /// The engine's thread is gone: there will be no answer.
    pub fn engine_gone(&mut self) {
        self.close();
    }

    fn close(&mut self) {
        (self.job, self.phase) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use engine::Sentence;
    use engine::data::DataPreview;
    use engine::protocol::Outcome;

    use super::*;

    fn event(job: u64, what: Report) -> Event {
        Event { job: JobId(job), what }
    }

    fn written(folder: &str) -> Report {
        Report::Written { folder: folder.into() }
    }

    fn on(request: &mut Request<String>, event: &Event) -> bool {
        request.on(event, |report| match report {
            Report::Written { folder } => Some(folder.display().to_string()),
            _ => None,
        })
    }

    fn failed() -> Report {
        let (what, advice) = (Sentence::verbatim("it broke"), Sentence::default());
        Report::Failed(Failure { what, advice })
    }

    #[test]
    fn an_answer_ends_the_question_and_events_of_other_jobs_are_not_its_own() {
        let mut request = Request::default();
        assert!(!on(&mut request, &event(1, written("early"))), "nothing was asked");
        request.start(JobId(1));
        assert!(on(&mut request, &event(1, Report::Phase(Phase::Saving))));
        assert_eq!(request.phase, Some(Phase::Saving));
        assert!(!on(&mut request, &event(2, written("other"))));
        assert!(request.is_open() && request.answer.is_none());
        assert!(on(&mut request, &event(1, written("here"))));
        assert_eq!((request.is_open(), request.phase, request.answer.as_deref()), (false, None, Some("here")));
        assert!(!on(&mut request, &event(1, Report::Finished { outcome: Outcome::Completed })));
    }

    #[test]
    fn a_late_failure_of_a_question_that_was_asked_anew_is_dropped() {
        let mut request = Request::default();
        request.start(JobId(1));
        request.start(JobId(2));
        assert!(!on(&mut request, &event(1, failed())));
        assert!(request.is_open() && request.failure.is_none());
        assert!(on(&mut request, &event(2, failed())));
        assert!(!request.is_open() && request.failure.is_some());
        request.start(JobId(3));
        assert!(request.failure.is_none(), "another question has not failed yet");
    }

    #[test]
    fn a_renewed_question_keeps_its_answer_and_a_started_one_does_not() {
        let mut request = Request::default();
        request.start(JobId(1));
        on(&mut request, &event(1, written("first")));
        request.renew(JobId(2));
        assert_eq!((request.is_open(), request.answer.as_deref()), (true, Some("first")));
        request.engine_gone();
        assert_eq!((request.is_open(), request.answer.as_deref()), (false, Some("first")));
        request.start(JobId(3));
        assert_eq!(request.answer, None);
    }

    #[test]
    fn a_question_that_is_stopped_hears_nothing_any_more() {
        let (mut request, mut outbox) = (Request::<Box<DataPreview>>::default(), Outbox::default());
        request.stop(&mut outbox);
        assert!(outbox.effects.is_empty(), "nothing was under way");
        request.start(outbox.ask(Ask::ListDevices));
        request.stop(&mut outbox);
        assert_eq!(outbox.effects.len(), 2, "{:?}", outbox.effects);
        assert!(!request.on(&event(1, failed()), |_| None));
        assert!(request.failure.is_none());
    }
}
