//! How much of its attention each layer pays to a trained prefix:
//! `cargo run --release --example attention_on_a_prefix [RUN FOLDER]`, after `train_prefix`.

use std::path::Path;

use engine::models::{ActivationCache, ForwardPass, HookName, Site};
use engine::prelude::*;

fn main() -> Result<(), EngineError> {
    let run = std::env::args().nth(1).unwrap_or("first-run".to_owned());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/models/starter");
    let loaded = LoadedModel::load(&folder, (DeviceChoice::Cpu, Precision::F32), None, &mut |_| Ok(()))?;
    let adapter = loaded.adapter(&Path::new(&run).join("adapter"))?;
    let conditioning = loaded.conditioning(&adapter)?;
    let n_virtual = conditioning.prefix_columns(Site::Decoder).n;

    let prompt = loaded.tokenizer.encode("name : Tarden | kind : moon | measures : 674 km")?;
    let stack = loaded.model.stack(Site::Decoder);
    let mut cache = ActivationCache::new(&[HookName::Pattern]);
    let pass = ForwardPass::of_prompt(stack, &prompt, 0, &conditioning, &loaded.device)?;
    loaded.model.causal()?.hidden(&mut pass.with_hooks(Some(&mut cache)));

    for name in cache.points().iter().map(ToString::to_string) {
        let pattern = cache.by_head(&name).expect("it has been kept"); // [1, n_heads, seq, n_virtual + seq]
        let [_, n_heads, seq, _] = pattern.dims();
        let on_prefix = pattern.clone().slice([0..1, 0..n_heads, 0..seq, 0..n_virtual]).sum_dim(3).mean();
        println!("{name}: {:4.1} % on the {n_virtual} virtual tokens", 100.0 * on_prefix.into_scalar::<f32>());
    }
    Ok(())
}
