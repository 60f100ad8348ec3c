//! The tokens whose keys are nearest to those of a trained prefix, and whether chance explains them:
//! `cargo run --release --example nearest_tokens [RUN FOLDER]`, after `train_prefix`.

use std::path::Path;

use engine::prelude::*;

fn main() -> Result<(), Failure> {
    let run = std::env::args().nth(1).unwrap_or("first-run".to_owned());
    let ask = Ask::Neighbors(Box::new(NeighborRequest {
        model: Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/models/starter"),
        device: DeviceChoice::Cpu,
        numbers: Precision::F32.into(),
        adapter: Path::new(&run).join("adapter"),
        initial: None,
        layers: vec![0],
        positions: Vec::new(),
        side: Side::Key,
        metric: Metric::Cosine,
        space: Space::default(),
        top: 5,
        per_head: false,
        context: None,
    }));
    carry_out(ask, |report| {
        let Report::Neighbors { lists } = report else { return };
        for list in lists {
            let tokens = list.nearest.iter().map(|near| {
                let mark = if list.is_above_chance(near) { "*" } else { "" };
                format!("{:?}{mark} {:.2}", near.text, near.score)
            });
            println!("virtual token {:>2}: {}", list.position, tokens.collect::<Vec<_>>().join("  "));
        }
    })?;
    Ok(())
}
