//! What the form *New run* has asked the engine: rows as tokens, a range test, an init comparison.

pub mod init_comparison;
pub mod preview;
pub mod range;

use engine::protocol::Event;

use self::init_comparison::InitComparison;
use self::preview::{Preview, PreviewOf};
use self::range::RangeTest;

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
    pub range: RangeTest,
    /// The last init comparison of the form.
    pub init_comparison: InitComparison,
}

impl NewRunState {
    /// Takes in what its jobs tell; `false` if the event is of another job.
    pub fn on(&mut self, event: &Event) -> bool {
        self.preview.on(event)
            || self.preview_beside.on(event)
            || self.preview_validation.on(event)
            || self.range.on(event)
            || self.init_comparison.on(event)
    }

    /// There will be no answers.
    pub fn engine_gone(&mut self) {
        PreviewOf::ALL.into_iter().for_each(|of| self.preview_of(of).engine_gone());
        self.range.request.engine_gone();
        self.init_comparison.request.engine_gone();
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
