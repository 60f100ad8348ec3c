//! Shared by several commands: settings, sessions with the engine, output, errors.

pub(super) mod columns;
pub(super) mod engine_link;
pub(super) mod error;
pub(super) mod json;
pub(super) mod models;
pub(super) mod out;
pub(super) mod paths;
pub(super) mod pool;
pub(super) mod progress;
pub(super) mod run_args;
pub mod run_file;
pub(super) mod scheduler;
pub(super) mod scheduler_progress;
pub(super) mod session;
pub(super) mod settings;
pub(super) mod target;
#[cfg(test)]
pub(super) mod tests_support;
