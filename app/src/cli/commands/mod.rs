//! A file for each command.

pub(super) mod analyze;
pub(super) mod bench;
pub(super) mod combine;
pub(super) mod compare_inits;
pub(super) mod compare_methods;
pub(super) mod data;
pub(super) mod devices;
pub(super) mod download;
pub(super) mod evaluate;
mod evaluate_texts;
pub(super) mod exchange;
pub(super) mod experiment;
mod export_runs;
pub(super) mod generate;
pub(super) mod gui;
pub(super) mod lr_find;
pub(super) mod neighbors;
pub(super) mod presets;
mod probabilities;
pub(super) mod report;
pub(super) mod resume;
pub(super) mod runs;
pub(super) mod score;
mod streams;
pub(super) mod train;
pub(super) mod verify;
pub(super) mod vote;
