//! Questions of the form *New run* to the engine: rows as tokens, a range test, an init comparison, the time of a step, the
//! largest batch.

pub mod batch_size;
pub mod init_comparison;
pub mod lr_range_test;
pub mod preview;
pub mod step_times;

use engine::protocol::Event;

use self::batch_size::BatchSize;
use self::init_comparison::InitComparison;
use self::lr_range_test::LrRangeTest;
use self::preview::{Preview, PreviewOf};
use self::step_times::StepTimes;

/// The screen *New run*.
#[derive(Debug, Default)]
pub struct NewRunState {
    /// The token view of the form.
    pub preview: Preview,
    /// The same of another of the form's datasets than the first one.
    pub preview_beside: Preview,
    /// The validation file that was chosen in the form, read as training rows would be.
    pub preview_validation: Preview,
    /// The last range test of the form.
    pub lr_range_test: LrRangeTest,
    /// The last init comparison of the form.
    pub init_comparison: InitComparison,
    /// The steps that were timed last.
    pub step_times: StepTimes,
    /// The last search for the largest batch.
    pub batch_size: BatchSize,
}

impl NewRunState {
    /// Takes in what its jobs tell; `false` if the event is of another job.
    pub fn on(&mut self, event: &Event) -> bool {
        self.preview.on(event)
            || self.preview_beside.on(event)
            || self.preview_validation.on(event)
            || self.lr_range_test.on(event)
            || self.init_comparison.on(event)
            || self.step_times.on(event)
            || self.batch_size.on(event)
    }

    /// There will be no answers.
    pub fn engine_gone(&mut self) {
        PreviewOf::ALL.into_iter().for_each(|of| self.preview_of(of).engine_gone());
        self.lr_range_test.request.engine_gone();
        self.init_comparison.request.engine_gone();
        self.step_times.engine_gone();
        self.batch_size.request.engine_gone();
    }

    /// One of the previews.
    pub fn preview_of(&mut self, of: PreviewOf) -> &mut Preview {
        match of {
            PreviewOf::Rows => &mut self.preview,
            PreviewOf::Beside => &mut self.preview_beside,
            PreviewOf::Validation => &mut self.preview_validation,
        }
    }
}
