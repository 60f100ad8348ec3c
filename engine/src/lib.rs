//! The engine of the Prefix Workbench: models, adapters, data, training, generation and analysis.
//!
//! [`Engine::spawn`](worker::Engine::spawn) starts the one thread that owns the device; a [`Command`](protocol::Command)
//! goes in, an [`Event`](protocol::Event) comes out. It knows no window and no database.
//!
//! ```no_run
//! use engine::prelude::*;
//!
//! let config = Box::new(RunConfig::new("models/gpt2", DataConfig::new("rows.jsonl")));
//! let ask = Ask::Train { folder: "runs/first".into(), config, resume: false, until: None };
//! carry_out(ask, |report| {
//!     if let Report::Step(step) = report {
//!         println!("{} {:.3}", step.step, step.loss);
//!     }
//! })?;
//! # Ok::<(), Failure>(())
//! ```
//!
//! `engine/examples` has more: texts side by side, an adapter of PEFT, nearest tokens.
#![warn(missing_docs)]

pub mod adapters;
pub mod analysis;
pub mod bench;
pub mod bundle;
pub mod config;
pub mod data;
pub mod device;
pub mod ensemble;
pub mod error;
pub mod evaluation;
pub mod experiment;
pub mod file_kind;
pub mod files;
pub mod generation;
pub mod hub;
mod jobs;
pub mod loaded_model;
pub mod metrics;
pub mod models;
pub mod nn;
mod number;
pub mod prelude;
pub mod protocol;
mod random;
pub mod recipes;
pub mod sentence;
pub mod session;
pub mod tokens;
pub mod training;
pub mod verify;
pub mod weights;
pub mod worker;

pub use jobs::{TRY_BATCH_SIZE, try_batch_sizes};
pub use sentence::Sentence;
