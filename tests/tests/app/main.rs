//! The command line, the store of runs, the words, and what the code promises about itself.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the answer")]

mod analyze;
mod batch_size;
mod cli;
mod experiment;
mod filter;
mod into;
#[cfg(unix)]
mod machines;
mod old_runs;
mod report;
mod self_study;
mod sentences;
#[cfg(unix)]
mod slurm;
mod store;
mod tidy;
