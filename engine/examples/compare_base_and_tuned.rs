//! One prompt, continued by the base model and with the prefix of a run:
//! `cargo run --release --example compare_base_and_tuned [RUN FOLDER]`, after `train_prefix`.

use std::path::Path;

use engine::prelude::*;

fn main() -> Result<(), Failure> {
    let run = std::env::args().nth(1).unwrap_or("first-run".to_owned());
    let data = DataConfig::new("");
    let prompt = Prompt::Source {
        text: "name : Ada | kind : bridge | length : 120 m".to_owned(),
        columns: Default::default(),
        template: data.prompt_template,
        begin_token: data.begin_token,
        chat: false,
    };
    let stream = |adapter| Stream { adapter, ..Stream::of_base(prompt.clone()) };
    let ask = Ask::Generate(Box::new(GenerateRequest {
        model: Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/models/starter"),
        device: DeviceChoice::Cpu,
        numbers: Precision::F32.into(),
        streams: vec![stream(None), stream(Some(Path::new(&run).join("adapter")))],
        sampling: Sampling { max_new_tokens: 30, ..Sampling::default() },
        top: 0,
    }));
    carry_out(ask, |report| {
        if let Report::Generated { streams } = report {
            for (name, stream) in ["base ", "tuned"].iter().zip(streams) {
                println!("{name} {:>7.2} nats  {}", stream.log_probability, stream.text);
            }
        }
    })?;
    Ok(())
}
