//! Reads a prefix that PEFT saved, makes a run folder of it and shows that it acts:
//! `cargo run --release --example import_peft [FOLDER]`.

use std::path::Path;

use engine::prelude::*;

fn main() -> Result<(), Failure> {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/cases/gpt2-prefix-2x44");
    let (adapter, model) = (case.join("adapter"), case.join("model"));
    let to = std::env::args().nth(1).unwrap_or("from-peft".to_owned()).into();

    let inspect = Ask::Inspect { adapter: adapter.clone(), model: Some(model.clone()) };
    carry_out(inspect, |report| {
        if let Report::Inspected(facts) = report {
            println!("{}", facts.sentence);
        }
    })?;

    let import = Ask::Import { adapter: adapter.clone(), model: model.clone(), other_base: false, to };
    carry_out(import, |report| {
        if let Report::Written { folder } = report {
            println!("written to {}", folder.display());
        }
    })?;

    carry_out(Ask::Probe { adapter, model, device: DeviceChoice::Cpu }, |report| {
        if let Report::Probed(probe) = report {
            println!("it changes logits by up to {:.3}", probe.from_base);
        }
    })?;
    Ok(())
}
