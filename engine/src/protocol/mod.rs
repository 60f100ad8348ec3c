//! Requests to the engine and its answers: one enum each way, [`Ask`] and [`Report`].
//!
//! A [`Command`] carries the [`JobId`] its sender chose; every [`Event`] about that job carries it back, so that late
//! news of a stopped job can be dropped. Events stay small: ids, scalars, pieces of text. Both are data (serde), so that
//! they can go over a wire.

mod answers;
mod command;
mod event;
mod requests;

use serde::{Deserialize, Serialize};

pub use self::answers::{
    AdapterFacts, ComparedColumn, ComparedRow, EnsembleReport, EnsembleRow, GeneratedBeam, GeneratedStream,
    LikelyToken, ProbeReport, ProbeVerdict, ScoredToken, TextScore,
};
pub use self::command::{Ask, Command};
pub use self::event::{Event, Outcome, Phase, Report};
pub use self::requests::{
    AnalysisRequest, BertScoreRequest, Continuation, EnsembleRequest, GenerateRequest, Mixture, NeighborRequest,
    Prompt, RowSetRequest, RowsRequest, ScoreRequest, Stream,
};

/// Names one piece of work; unique among those its sender has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobId(pub u64);

#[cfg(test)]
mod tests;
