//! Trains a prefix for the starter model: `cargo run --release --example train_prefix [FOLDER]`.

use std::path::Path;

use engine::prelude::*;

fn main() -> Result<(), Failure> {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets");
    let folder = std::env::args().nth(1).unwrap_or("first-run".to_owned());

    let mut config =
        RunConfig::new(assets.join("models/starter"), DataConfig::new(assets.join("datasets/records/train.jsonl")));
    config.device = DeviceChoice::Cpu;
    config.data.validation = Some(assets.join("datasets/records/validation.jsonl"));
    config.data.validation_rows = 32;
    config.method = MethodConfig::Prefix(PrefixConfig { n_virtual: 10, ..PrefixConfig::default() });
    config.training.steps = 40;
    config.training.learning_rate = 0.05;

    let ask = Ask::Train { folder: folder.into(), config: Box::new(config), resume: false, until: None };
    let outcome = carry_out(ask, |report| match report {
        Report::RunStarted(facts) => println!("{} numbers are trained", facts.trained_parameters),
        Report::Step(step) if step.step % 10 == 0 => println!("step {:>3}  loss {:.3}", step.step, step.loss),
        Report::Evaluated(score) => println!("step {:>3}  validation loss {:.3}", score.step, score.loss),
        _ => {}
    })?;
    println!("{outcome:?}");
    Ok(())
}
