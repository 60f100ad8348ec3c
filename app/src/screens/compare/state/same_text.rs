//! One text under every column: the probability that each gives its tokens.

use engine::protocol::{Continuation, Event, Report, TextScore};

use super::{Asked, ColumnId};
use crate::state::request::Request;

/// The text that all columns score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SharedText {
    /// The text that was wanted.
    Wanted {
        /// The text.
        text: String,
        /// It ends in the end token, as a target that is learned.
        end: bool,
    },
    /// Tokens that a column has written.
    Of(ColumnId, Vec<u32>),
}

impl SharedText {
    /// As the engine is asked to score it.
    pub fn continuation(&self) -> Continuation {
        match self {
            Self::Wanted { text, end } => Continuation::Text { text: text.clone(), end: *end },
            Self::Of(_, tokens) => Continuation::Tokens(tokens.clone()),
        }
    }
}

/// A text with its scores, and what they are of.
#[derive(Clone, Debug, Default)]
pub struct SameText {
    /// The question for them.
    pub request: Request<Vec<TextScore>>,
    /// The text, and the columns with what they are asked.
    pub of: Option<(SharedText, Vec<(ColumnId, Asked)>)>,
}

impl SameText {
    /// Whether these scores were asked for: a failure, too, is not asked for twice.
    pub fn is_asked(&self, text: &SharedText, columns: &[(ColumnId, Asked)]) -> bool {
        self.of.as_ref().is_some_and(|(known, of)| known == text && of == columns)
    }

    /// The scores of a text under a column, if they are known.
    pub fn score(&self, text: &SharedText, (id, asked): (ColumnId, &Asked)) -> Option<&TextScore> {
        let (_, columns) = self.of.as_ref().filter(|(known, _)| known == text)?;
        let place = columns.iter().position(|(of, then)| *of == id && then == asked)?;
        self.request.answer.as_ref()?.get(place)
    }

    /// Takes in the answer; `true` if the event was its own.
    pub fn on(&mut self, event: &Event) -> bool {
        self.request.on(event, |report| match report {
            Report::TextScored { scores } => Some(scores.clone()),
            _ => None,
        })
    }
}
