//! The engine from the outside: files in, runs, adapters and texts out.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the answer")]

mod adapters;
mod answers;
mod bad_input;
mod candidates;
mod columns;
mod data;
mod encoders;
mod evaluate;
mod experiment;
mod foreign;
mod hashes;
mod heads;
mod hub;
mod hub_datasets;
mod init_comparison;
mod large;
mod loaded;
mod methods;
mod optimizers;
mod peft;
mod resume;
mod rows;
mod seq2seq;
mod single_file;
mod soft;
mod step_time;
mod stranger;
mod text_metrics;
mod together;
mod tokenizers;
mod training;
mod truncation;
mod vote;
mod walkthrough;
mod weights;
