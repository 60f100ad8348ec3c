//! A folder that bitsandbytes, GPTQ or AWQ packed is a model as others are: of the same names, trained on as what it was packed
//! of, merged into a plain folder, and no more believed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine::config::{DataConfig, LoraConfig, MethodConfig, RunConfig, TrainingConfig};
use engine::device::cpu;
use engine::models::ModelFolder;
use engine::nn::{MatrixNumbers, Precision};
use engine::protocol::{Ask, Report};
use engine::weights::{Floats, write_floats};
use proptest::prelude::*;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use tests::{Talk, golden_cases, tiny_run};

/// Every case, the format of its matrices, and how many numbers are kept in blocks.
const CASES: [(&str, &str, u64); 9] = [
    ("bnb-nf4-prefix", "NF4", 36_864),
    ("bnb-nf4-lora", "NF4", 17_408),
    ("bnb-fp4-prompt", "FP4", 0),
    ("bnb-int8-prefix", "I8", 0),
    ("bnb-gpt2-prefix", "NF4", 32_768),
    ("gptq-4bit-prefix", "I4", 36_864),
    ("gptq-4bit-lora", "I4", 0),
    ("gptq-8bit-prompt", "I8", 36_864),
    ("awq-4bit-prefix", "I4", 0),
];

fn model(case: &str) -> PathBuf {
    golden_cases().join(case).join("model")
}

/// A copy of a model with other tensors.
struct Copied {
    folder: tempfile::TempDir,
    tensors: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
}

impl Copied {
    fn of(case: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["config.json", "tokenizer.json"] {
            std::fs::copy(model(case).join(name), folder.path().join(name)).unwrap();
        }
        let bytes = std::fs::read(model(case).join("model.safetensors")).unwrap();
        let owned = |(name, view): (String, TensorView<'_>)| {
            (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec()))
        };
        let tensors = SafeTensors::deserialize(&bytes).unwrap().tensors().into_iter().map(owned).collect();
        Self { folder, tensors }
    }

    /// The tensor whose name ends so, the first of them.
    fn tensor(&mut self, end: &str) -> &mut (Dtype, Vec<usize>, Vec<u8>) {
        self.tensors.iter_mut().find(|(name, _)| name.ends_with(end)).unwrap().1
    }

    fn without(mut self, end: &str) -> Self {
        self.tensors.retain(|name, _| !name.ends_with(end));
        self
    }

    /// With other words in its description of four bits.
    fn said(mut self, from: &str, to: &str) -> Self {
        let (_, shape, bytes) = self.tensor("quant_state.bitsandbytes__nf4");
        let said = String::from_utf8(bytes.clone()).unwrap();
        assert!(said.contains(from), "{said}");
        *bytes = said.replace(from, to).into_bytes();
        *shape = vec![bytes.len()];
        self
    }

    fn open(&self) -> engine::error::Result<ModelFolder> {
        let views = self.tensors.iter().map(|(name, (dtype, shape, bytes))| {
            (name.as_str(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
        });
        let bytes = safetensors::serialize(views, None).unwrap();
        std::fs::write(self.folder.path().join("model.safetensors"), bytes).unwrap();
        ModelFolder::open(self.folder.path())
    }

    fn refusal(&self) -> String {
        let loaded = self.open().and_then(|folder| folder.load(&cpu(), &mut |_| Ok(())));
        loaded.map(|_| ()).unwrap_err().to_string()
    }
}

/// The same model with every number in f32, in a folder of its own.
fn unpacked(case: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let packed = ModelFolder::open(&model(case)).unwrap();
    let names: Vec<String> = packed.files().shapes().map(|(name, _)| name.to_owned()).collect();
    let floats: Floats =
        names.into_iter().map(|name| (name.clone(), packed.files().floats(&name).unwrap().unwrap())).collect();
    write_floats(&folder.path().join("model.safetensors"), &floats, None).unwrap();
    std::fs::copy(model(case).join("tokenizer.json"), folder.path().join("tokenizer.json")).unwrap();
    let config = std::fs::read_to_string(model(case).join("config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
    config.as_object_mut().unwrap().remove("quantization_config").unwrap();
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    folder
}

/// A run on a folder, of rows that fit into its 41 positions.
fn run(home: &Path, model: &Path, method: MethodConfig) -> RunConfig {
    let tiny = tiny_run(home);
    let rows = home.join("rows.jsonl");
    let row = |n: usize| format!("{{\"source\": \"{}\", \"target\": \"{}\"}}", ["a", "b"][n % 2], ["b", "a"][n % 2]);
    std::fs::write(&rows, (0..8).map(row).collect::<Vec<_>>().join("\n")).unwrap();
    let data = DataConfig { validation_share: 0.25, ..DataConfig::new(rows) };
    let training = TrainingConfig { steps: 6, eval_every: 3, sample_rows: 1, ..tiny.training.clone() };
    RunConfig { method, training, data, model: model.to_owned(), ..tiny }
}

fn losses(config: &RunConfig, folder: &Path) -> Vec<f64> {
    let config = Box::new(config.clone());
    let ask = Ask::Train { folder: folder.to_owned(), config, resume: false, until: None };
    let loss = |report: Report| if let Report::Step(step) = report { Some(step.loss) } else { None };
    Talk::new().run(ask).into_iter().filter_map(loss).collect()
}

#[test]
fn a_packed_folder_has_the_names_and_shapes_of_the_one_it_was_made_of() {
    for (case, dtype, in_blocks) in CASES {
        let folder = ModelFolder::open(&model(case)).unwrap();
        let summary = folder.summary();
        assert_eq!(summary.dtype, dtype, "{case}");
        assert_eq!(summary.packing.in_blocks, in_blocks, "{case}");
        let (name, shape) = match case {
            "bnb-gpt2-prefix" => ("transformer.h.0.mlp.c_fc.weight", [64, 128]),
            "bnb-nf4-lora" => ("model.layers.0.mlp.up_proj.weight", [40, 64]),
            _ => ("model.layers.0.mlp.up_proj.weight", [128, 64]),
        };
        assert_eq!(folder.files().shape(name), Some(&shape[..]), "{case}");
        assert_eq!(folder.options_notice(), None, "{case}");
        let plain = ModelFolder::open(unpacked(case).path()).unwrap();
        assert!(plain.files().shapes().eq(folder.files().shapes()), "{case}");
        assert_eq!(plain.parameters(), folder.parameters(), "{case}");
        let model = folder.load(&cpu(), &mut |_| Ok(())).unwrap();
        assert_eq!(model.weights_notice(), None, "{case}");
    }
}

#[test]
fn the_memory_of_a_packed_folder_is_that_of_its_blocks() {
    let bytes = |case: &str| {
        let summary = ModelFolder::open(&model(case)).unwrap().summary();
        (summary.weight_bytes(MatrixNumbers::from(Precision::F32)), summary.parameters as u64)
    };
    // 64 · (64 + 32 + 32 + 64 + 3 · 128) numbers in linear layers: a largest in f32 for 64, a scale in f16 for 32.
    let in_layers = 64 * (64 + 32 + 32 + 64 + 3 * 128);
    for (case, packed) in [
        ("bnb-nf4-prefix", in_layers / 64 * 36),
        ("gptq-4bit-prefix", in_layers / 32 * 18),
        ("gptq-8bit-prompt", in_layers / 32 * 34),
    ] {
        let (bytes, parameters) = bytes(case);
        assert_eq!(bytes, packed + 4 * (parameters - in_layers), "{case}");
    }
}

#[test]
fn a_prefix_learns_on_a_packed_folder_as_on_the_numbers_in_it() {
    for (case, ..) in CASES {
        let (home, plain) = (tempfile::tempdir().unwrap(), unpacked(case));
        let method = tiny_run(home.path()).method;
        let on = |model: &Path, name: &str| losses(&run(home.path(), model, method.clone()), &home.path().join(name));
        let (packed, plain) = (on(&model(case), "packed"), on(plain.path(), "plain"));
        assert!(packed.len() == 6 && packed.last() < packed.first(), "{case}: {packed:?}");
        let is_near = |(packed, plain): (&f64, &f64)| (packed - plain).abs() < 1e-4 * plain.abs();
        assert!(packed.iter().zip(&plain).all(is_near), "{case}: {packed:?} and {plain:?}");
    }
}

#[test]
fn a_merged_packed_folder_is_a_plain_one() {
    for case in ["bnb-nf4-prefix", "gptq-4bit-lora"] {
        let home = tempfile::tempdir().unwrap();
        let method = MethodConfig::Lora(LoraConfig { rank: 2, ..LoraConfig::default() });
        let (config, folder) = (run(home.path(), &model(case), method), home.path().join("run"));
        losses(&config, &folder);
        let to = home.path().join("merged");
        Talk::new().run(Ask::Merge { adapter: folder, model: config.model.clone(), to: to.clone() });
        let (merged, packed) = (ModelFolder::open(&to).unwrap(), ModelFolder::open(&config.model).unwrap());
        assert_eq!((merged.files().dtype().as_str(), merged.shape()), ("F32", packed.shape()), "{case}");
        let same = "model.layers.0.mlp.up_proj.weight";
        assert_eq!(merged.files().floats(same).unwrap(), packed.files().floats(same).unwrap(), "{case}");
        let changed = "model.layers.0.self_attn.q_proj.weight";
        assert_ne!(merged.files().floats(changed).unwrap(), packed.files().floats(changed).unwrap(), "{case}");
        merged.load(&cpu(), &mut |_| Ok(())).unwrap();
    }
}

#[test]
fn a_model_is_another_where_a_scale_is() {
    for (case, part) in [("bnb-nf4-prefix", ".absmax"), ("gptq-4bit-prefix", ".scales"), ("bnb-int8-prefix", ".SCB")] {
        let mut copied = Copied::of(case);
        let before = copied.open().unwrap().hash();
        assert_eq!(before, ModelFolder::open(&model(case)).unwrap().hash());
        copied.tensor(part).2[0] ^= 1;
        assert_ne!(before, copied.open().unwrap().hash(), "{case}");
    }
}

#[test]
fn what_does_not_fit_in_a_packed_folder_is_said() {
    let nf4 = || Copied::of("bnb-nf4-prefix");
    for (copied, words) in [
        (nf4().without("quant_map"), "quant_map is missing"),
        (nf4().without(".absmax"), "absmax is missing"),
        (nf4().said("\"nf4\"", "\"fp4\""), "says fp4, not nf4"),
        (nf4().said("\"blocksize\": 64", "\"blocksize\": 0"), "blocks of no numbers"),
        (nf4().said("\"blocksize\": 64", "\"blocksize\": 32"), "are needed"),
        (nf4().said("\"float32\", \"shape\"", "\"int4\", \"shape\""), "the dtype int4"),
        (nf4().said("\"shape\": [", "\"shape\": [2, "), "which is no matrix"),
        (
            nf4().said("\"shape\": [", "\"shape\": [9999999999999, 9999999999999], \"other\": ["),
            "longer than any memory",
        ),
        (nf4().said("\"shape\": [", "\"shape\": [640000000, 64], \"other\": ["), "its quant_state says the shape"),
        (nf4().said("{", "{{"), "its quant_state cannot be read"),
    ] {
        let said = copied.refusal();
        assert!(said.contains(words), "{words}: {said}");
    }
    let mut infinite = nf4();
    infinite.tensor("nested_absmax").2[..4].copy_from_slice(&f32::INFINITY.to_le_bytes());
    assert!(infinite.refusal().contains("not a number or infinite"), "{}", infinite.refusal());
    let groups = || Copied::of("gptq-4bit-lora");
    let mut beyond = groups();
    beyond.tensor("g_idx").2[..4].copy_from_slice(&(-1_i32).to_le_bytes());
    let mut narrow = groups();
    let (_, shape, bytes) = narrow.tensor("qzeros");
    *shape = vec![1, bytes.len() / 4];
    for (copied, words) in [
        (groups().without("qzeros"), "qzeros is missing"),
        (beyond, "a group beyond"),
        (narrow, "do not fit each other"),
    ] {
        let said = copied.refusal();
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn without_a_list_of_groups_they_follow_each_other() {
    let (listed, bare) = (Copied::of("gptq-4bit-prefix"), Copied::of("gptq-4bit-prefix").without("g_idx"));
    let values = |copied: &Copied| {
        copied.open().unwrap().files().floats("model.layers.0.mlp.down_proj.weight").unwrap().unwrap()
    };
    assert_eq!(values(&listed), values(&bare));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_packed_folder_with_other_bytes_makes_no_panic(
        case in prop::sample::select(vec!["bnb-nf4-prefix", "bnb-int8-prefix", "gptq-4bit-lora", "awq-4bit-prefix"]),
        changes in prop::collection::vec((0_usize..40_000, any::<u8>()), 1..8),
    ) {
        let copied = Copied::of(case);
        copied.open().unwrap();
        let path = copied.folder.path().join("model.safetensors");
        let mut bytes = std::fs::read(&path).unwrap();
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(folder) = ModelFolder::open(copied.folder.path()) {
            drop(folder.load(&cpu(), &mut |_| Ok(())));
        }
    }
}
