//! `bench`: measures training and decoding; one JSON line for each measurement.

use clap::Args;

use super::error::CliError;
use super::{Global, engine_link};

/// Measure training and decoding.
#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// What is measured; without it everything
    #[arg(long, default_value = "all")]
    what: String,
    /// Steps of each measurement
    #[arg(long, default_value_t = 10)]
    steps: usize,
}

pub(super) fn run(args: &BenchArgs, global: &Global) -> Result<(), CliError> {
    global.refuse_set()?;
    for line in engine_link::bench(&args.what, args.steps, global.device.unwrap_or_default())? {
        println!("{line}");
    }
    Ok(())
}
