//! Adapters of other programs are the prefixes that torch makes of the same files, behind the positions that those programs
//! count; and no file can do more than be refused.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use engine::adapters::formats::import::{self, Imported, Source};
use engine::adapters::{AdapterState, PrefixPlacement, PrefixShape, PrefixState, formats};
use engine::config::{Task, TaskRecord};
use engine::error::EngineError;
use engine::generation::Sampling;
use engine::generation::{Decoder, DecoderModel, DecoderOptions, DecoderStream};
use engine::models::{BaseModel, Conditioning, ForwardPass, Model, ModelFolder, ModelShape, PaddedRows, Site};
use engine::nn::positions::PositionConvention;
use engine::weights::{Floats, read_floats, write_floats};
use proptest::prelude::*;
use tests::golden_cases;

/// Made by `tests/golden/foreign_files.py`.
fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/foreign_files").join(name)
}

fn expected() -> Floats {
    read_floats(&golden("expected.safetensors")).unwrap()
}

fn sites(case: &str) -> Vec<(Site, ModelShape)> {
    ModelFolder::open(&golden_cases().join(case).join("model")).unwrap().sites()
}

const GPT2: &str = "gpt2-prefix-2x44";
const BART: &str = "bart-prefixproj-2x24";
const BERT: &str = "bert-prefix-seq";

/// A file or folder, the model it is for, who kept it, and where the text's positions begin behind it.
const KEPT: [(&str, &str, Source, PositionConvention); 9] = [
    ("paper_gpt2", GPT2, Source::PaperGpt2, PositionConvention::Shifted),
    ("paper_gpt2_deep", GPT2, Source::PaperGpt2, PositionConvention::Shifted),
    ("paper_bart", BART, Source::PaperBart, PositionConvention::Unshifted),
    ("p_tuning_v2", BERT, Source::PTuningV2, PositionConvention::Shifted),
    ("p_tuning_v2_words", BERT, Source::PTuningV2, PositionConvention::Shifted),
    ("chatglm", GPT2, Source::ChatGlm, PositionConvention::Unshifted),
    ("chatglm_projection", GPT2, Source::ChatGlm, PositionConvention::Unshifted),
    ("adapters_flat", GPT2, Source::AdaptersLibrary, PositionConvention::Unshifted),
    ("adapters_bart", BART, Source::AdaptersLibrary, PositionConvention::Unshifted),
];

fn folded(path: &Path, case: &str) -> engine::error::Result<AdapterState> {
    match import::read(path, &sites(case))?.0 {
        Imported::Prefixes(folded) => Ok(folded),
        other @ Imported::SoftPrompt { .. } => panic!("{other:?}"),
    }
}

#[test]
fn every_program_is_known_by_its_keys_and_its_prefix_is_what_torch_makes_of_it() {
    let expected = expected();
    for (name, case, source, positions) in KEPT {
        assert_eq!(import::detect(&golden(name)).unwrap(), Some(source), "{name}");
        let adapter = folded(&golden(name), case).unwrap();
        adapter.check_fits(&sites(case)).unwrap();
        assert_eq!(adapter.placement.positions, positions, "{name}");
        let wanted = expected.keys().filter(|key| key.starts_with(&format!("{name}.")) && !key.ends_with("classifier"));
        assert_eq!(adapter.sites().len(), wanted.count(), "{name}");
        for prefix in adapter.prefixes() {
            let (shape, flat) = &expected[&format!("{name}.{}", prefix.site.name())];
            assert_eq!(*shape, [prefix.shape.n_virtual, prefix.shape.row()], "{name}");
            let worst = prefix.flat.iter().zip(flat).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 2e-6, "{name} at the {}: {worst}", prefix.site.name());
        }
        let (_, _, sentence) = import::read(&golden(name), &sites(case)).unwrap();
        assert!(
            sentence.to_string().contains(&source.sentence().to_string())
                && sentence.to_string().contains("virtual tokens at the"),
            "{sentence}"
        );
    }
}

#[test]
fn a_head_of_p_tuning_v2_comes_with_its_classes() {
    let texts = folded(&golden("p_tuning_v2"), BERT).unwrap();
    assert_eq!(texts.task.task, Task::SequenceClassification);
    assert_eq!(texts.task.classes, ["LABEL_0", "LABEL_1", "LABEL_2"]);
    let weight = texts.head().iter().find(|(name, ..)| name == "classifier.weight").unwrap();
    let (shape, values) = &expected()["p_tuning_v2.classifier"];
    assert_eq!((&weight.1, &weight.2), (shape, values));
    let words = folded(&golden("p_tuning_v2_words"), BERT).unwrap();
    assert_eq!(words.task.task, Task::TokenClassification);
    assert_eq!(words.task.classes, ["O", "B-PER", "I-PER"]);
}

#[test]
fn an_array_of_numpy_is_a_soft_prompt() {
    let (shape, values) = &expected()["google"];
    for name in ["rows", "columns", "doubles"] {
        let path = golden("google").join(format!("{name}.npy"));
        assert_eq!(import::detect(&path).unwrap(), Some(Source::GooglePrompt));
        match import::read(&path, &sites(GPT2)).unwrap().0 {
            Imported::SoftPrompt { n_virtual, d_model, values: found } => {
                assert_eq!([n_virtual, d_model], shape.as_slice());
                assert_eq!(found, *values, "{name}");
            }
            other @ Imported::Prefixes(_) => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_adapter_for_another_model_is_refused_with_the_numbers() {
    let mismatch = |name: &str, case: &str| match folded(&golden(name), case).unwrap_err() {
        EngineError::AdapterMismatch { reason } => reason,
        other => panic!("{name} for {case}: {other}"),
    };
    assert_eq!(
        mismatch("paper_gpt2", "gpt2-prefix-2x32-bf16"),
        "it has 176 numbers for each virtual token, and not the model's 128 (2 layers × 2 × 32)"
    );
    assert!(
        mismatch("adapters_flat", "gpt2-prefix-2x32-bf16")
            .to_string()
            .contains("528 numbers, which are no multiple of")
    );
    assert!(mismatch("chatglm", BART).to_string().contains("one stack"));
    assert!(
        mismatch("paper_bart", GPT2).to_string().contains("a prefix for the encoder, which this model does not have")
    );
}

#[test]
fn what_the_adapters_library_would_compute_otherwise_is_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    for name in ["adapter_config.json", "pytorch_adapter.bin"] {
        std::fs::copy(golden("adapters_flat").join(name), home.path().join(name)).unwrap();
    }
    let refused = |config: &str| {
        std::fs::write(home.path().join("adapter_config.json"), config).unwrap();
        folded(home.path(), GPT2).unwrap_err().to_string()
    };
    assert!(refused(r#"{"config": {"architecture": "mam"}}"#).contains(r#"architecture = "mam""#));
    assert!(refused(r#"{"config": {"non_linearity": "relu"}}"#).contains(r#"non_linearity = "relu""#));
    assert!(refused(r#"{"config": {"use_gating": true}}"#).contains("use_gating"));
    assert!(refused("{").contains("cannot be understood"));
}

/// The paper's file with something changed, and the sentence that refuses it.
fn refused(change: impl Fn(&mut Floats)) -> String {
    let home = tempfile::tempdir().unwrap();
    let tensor = |shape: &[usize]| {
        let n = shape.iter().product::<usize>();
        (shape.to_vec(), (0..n).map(|i| (i % 7) as f32 / 7.0).collect::<Vec<f32>>())
    };
    let mut tensors: Floats = [
        ("wte.weight", tensor(&[3, 44])),
        ("control_trans.0.weight", tensor(&[5, 44])),
        ("control_trans.0.bias", tensor(&[5])),
        ("control_trans.2.weight", tensor(&[176, 5])),
        ("control_trans.2.bias", tensor(&[176])),
    ]
    .map(|(name, tensor)| (name.to_owned(), tensor))
    .into();
    let path = home.path().join("prefix.safetensors");
    write_floats(&path, &tensors, None).unwrap();
    folded(&path, GPT2).unwrap();
    change(&mut tensors);
    write_floats(&path, &tensors, None).unwrap();
    folded(&path, GPT2).unwrap_err().to_string()
}

#[test]
fn wrong_shapes_missing_keys_and_numbers_that_are_none_are_named() {
    let missing = refused(|tensors| drop(tensors.remove("control_trans.2.bias")));
    assert_eq!(missing, "the weight \"control_trans.2.bias\" is missing");
    let none = refused(|tensors| drop(tensors.remove("wte.weight")));
    assert_eq!(none, "the weight \"wte.weight\" is missing");
    let nan = refused(|tensors| tensors.get_mut("control_trans.2.weight").unwrap().1[9] = f32::NAN);
    assert!(nan.contains("control_trans.2.weight") && nan.contains("not a number"), "{nan}");
    let huge = refused(|tensors| tensors.get_mut("control_trans.2.weight").unwrap().1.fill(f32::MAX));
    assert!(huge.contains("is not finite"), "{huge}");
    let axes = refused(|tensors| tensors.get_mut("wte.weight").unwrap().0 = vec![3, 4, 11]);
    assert!(axes.contains("[3, 4, 11], not 2 axes"), "{axes}");
    let widths = refused(|tensors| tensors.get_mut("wte.weight").unwrap().0 = vec![12, 11]);
    assert!(widths.contains("behind 11 numbers"), "{widths}");
    let empty = refused(|tensors| drop(tensors.insert("wte.weight".to_owned(), (vec![0, 44], Vec::new()))));
    assert!(empty.contains("wte.weight has shape [0, 44], in which there are no numbers"), "{empty}");
}

#[test]
fn a_folder_or_file_with_nothing_known_in_it_says_so() {
    let home = tempfile::tempdir().unwrap();
    assert!(matches!(import::read(home.path(), &sites(GPT2)), Err(EngineError::UnknownAdapter { .. })));
    let model = golden_cases().join(GPT2).join("model");
    assert_eq!(import::detect(&model).unwrap(), None, "a whole model is no adapter");
    std::fs::write(home.path().join("notes.txt"), "nothing").unwrap();
    assert!(import::detect(&home.path().join("notes.txt")).is_err());
    assert!(import::detect(&home.path().join("absent.bin")).is_err());
}

#[test]
fn a_checkpoint_that_would_run_something_is_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let mut bytes = std::fs::read(golden("p_tuning_v2_words").join("pytorch_model.bin")).unwrap();
    let name = b"collections\nOrderedDict";
    match bytes.windows(name.len()).position(|window| window == name) {
        Some(at) => bytes[at..at + name.len()].copy_from_slice(b"subprocess.\ncheck_call."),
        // A plain dictionary: the first name of a storage is replaced.
        None => {
            let name = b"torch\nFloatStorage";
            let at = bytes.windows(name.len()).position(|window| window == name).unwrap();
            bytes[at..at + name.len()].copy_from_slice(b"posix\nsystem______");
        }
    }
    let path = home.path().join("pytorch_model.bin");
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(import::read(&path, &sites(BERT)), Err(EngineError::WeightsRun { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// A file that is cut or changed anywhere is a sentence or a sound prefix, and no panic.
    #[test]
    fn no_change_of_bytes_makes_an_importer_panic(
        kept in 0..KEPT.len() + 1,
        cut in prop::option::weighted(0.3, 0.0..1.0_f64),
        changes in prop::collection::vec((0.0..1.0_f64, prop_oneof![any::<u8>(), Just(0xFF), Just(0)]), 0..6),
    ) {
        let (file, case) = match KEPT.get(kept) {
            Some((name, case, ..)) => {
                let names = ["pytorch_model.bin", "checkpoint.ckpt", "pytorch_adapter.bin", "adapter.safetensors"];
                let file = names.iter().map(|file| golden(name).join(file)).find(|file| file.is_file());
                (file.unwrap(), *case)
            }
            None => (golden("google").join("rows.npy"), GPT2),
        };
        let mut bytes = std::fs::read(file).unwrap();
        for (at, byte) in changes {
            let at = (at * (bytes.len() - 1) as f64) as usize;
            bytes[at] = byte;
        }
        let end = cut.map_or(bytes.len(), |cut| (cut * bytes.len() as f64) as usize);
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("adapter.bin");
        std::fs::write(&path, &bytes[..end]).unwrap();
        match import::read(&path, &sites(case)) {
            Ok((Imported::Prefixes(adapter), ..)) => {
                for prefix in adapter.prefixes() {
                    prop_assert_eq!(prefix.flat.len(), prefix.shape.stored());
                    prop_assert!(prefix.flat.iter().all(|x| x.is_finite()));
                }
            }
            Ok((Imported::SoftPrompt { n_virtual, d_model, values }, ..)) => {
                prop_assert_eq!(values.len(), n_virtual * d_model);
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}

fn model(case: &str) -> BaseModel {
    let folder = ModelFolder::open(&golden_cases().join(case).join("model")).unwrap();
    folder.load(&engine::device::cpu(), &mut |_| Ok(())).unwrap()
}

/// An adapter of these numbers for a model of one stack.
fn of(model: &Model, flat: Vec<f32>, positions: PositionConvention) -> AdapterState {
    let (site, shape) = model.sites().remove(0);
    let n_virtual = flat.len() / PrefixShape::new(1, &shape).row();
    let prefix = PrefixState::new(site, PrefixShape::new(n_virtual, &shape), flat);
    let placement = PrefixPlacement { positions, layers: None };
    AdapterState { placement, ..AdapterState::new(TaskRecord::of(Task::Causal), [prefix]) }
}

/// Tokens and last logits of a greedy continuation.
fn said(model: &Model, conditioning: Conditioning, prompt: &[u32]) -> (Vec<u32>, Vec<f32>) {
    let stream = DecoderStream::new(prompt.to_vec(), conditioning);
    let sampling = Sampling { max_new_tokens: 6, stop_at_end: false, ..Sampling::default() };
    let options = DecoderOptions { sampling, keep_logits: true, ..DecoderOptions::default() };
    let mut decoder = Decoder::new(model.shape(), vec![stream], options).unwrap();
    let mut first = Vec::new();
    while !decoder.is_done() {
        for new in decoder.step(DecoderModel::try_from(model).unwrap()).unwrap() {
            if first.is_empty() {
                first = new.logits.unwrap();
            }
        }
    }
    (decoder.tokens(0).to_vec(), first)
}

#[test]
fn behind_both_conventions_the_logits_and_tokens_are_those_of_transformers() {
    let expected = expected();
    let device = engine::device::cpu();
    for case in [GPT2, "llama-prefix-2x48"] {
        let model = model(case);
        let flat = expected[&format!("{case}.prefix")].1.clone();
        let prompt: Vec<u32> = expected[&format!("{case}.tokens")].1.iter().map(|&token| token as u32).collect();
        for (positions, name) in
            [(PositionConvention::Shifted, "shifted"), (PositionConvention::Unshifted, "unshifted")]
        {
            let adapter = of(&model, flat.clone(), positions);
            let (tokens, first) = said(&model, adapter.conditioning(&model, &device).unwrap(), &prompt);
            let wanted: Vec<u32> =
                expected[&format!("{case}.{name}_said")].1.iter().map(|&token| token as u32).collect();
            assert_eq!(tokens, wanted, "{case} {name}");
            let (shape, logits) = &expected[&format!("{case}.{name}")];
            let last = &logits[(shape[0] - 1) * shape[1]..];
            let worst = first.iter().zip(last).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-4, "{case} {name}: {worst}");
        }
    }
}

/// Hidden states of a text behind a prefix, with its positions given by hand: from `first` on.
fn by_hand(model: &Model, conditioning: &Conditioning, tokens: &[i32], first: i32, device: &Device) -> Vec<f32> {
    let seq = tokens.len();
    let (shape, mask) = ([1, seq], vec![1.0; seq]);
    let rows =
        PaddedRows { shape, tokens, mask: &mask, types: None, infix_from: Vec::new(), starts: None, source: None };
    let stack = model.stack(model.last_site());
    let mut pass = ForwardPass::of_batch(stack, &rows, conditioning, device).unwrap();
    let positions: Vec<i32> = (first..first + seq as i32).collect();
    pass.positions = Tensor::from_data(TensorData::new(positions, shape), device);
    let hidden = match model {
        Model::Causal(model) => model.hidden(&mut pass),
        Model::Encoder(model) => model.hidden(&mut pass),
        Model::Seq2Seq(_) => panic!("of one stack"),
    };
    hidden.try_into_vec_as::<f32>().unwrap()
}

#[test]
fn an_unshifted_text_stands_at_0_and_only_distances_do_not_notice() {
    let device = engine::device::cpu();
    let cases = [(GPT2, true), ("llama-prefix-2x48", true), ("opt-prefix-2x36", true), ("bloom-prefix-2x40", false)];
    for (case, notices) in cases.into_iter().chain([(BERT, true)]) {
        let model = model(case);
        let (_, shape) = model.sites().remove(0);
        let n = PrefixShape::new(3, &shape).stored();
        let flat: Vec<f32> = (0..n).map(|i| ((i * 37 % 101) as f32 - 50.0) / 40.0).collect();
        let tokens = [5, 9, 14, 6, 30];
        let conditioning = |positions| of(&model, flat.clone(), positions).conditioning(&model, &device).unwrap();
        let (shifted, unshifted) =
            (conditioning(PositionConvention::Shifted), conditioning(PositionConvention::Unshifted));
        let site = model.sites()[0].0;
        assert_eq!((shifted.n_before(site), unshifted.n_before(site)), (3, 0));
        let at_0 = by_hand(&model, &unshifted, &tokens, 0, &device);
        let behind = by_hand(&model, &shifted, &tokens, 3, &device);
        let differ = at_0.iter().zip(&behind).any(|(a, b)| (a - b).abs() > 1e-4);
        assert_eq!(differ, notices, "{case}");
    }
}

#[test]
fn a_text_may_fill_every_position_behind_an_unshifted_prefix() {
    let device = engine::device::cpu();
    let model = model(GPT2);
    let n_positions = model.shape().n_positions;
    let flat = vec![0.1; PrefixShape::new(4, model.shape()).stored()];
    let prompt: Vec<u32> = (0..n_positions as u32 - 2).map(|i| 4 + i % 90).collect();
    let of = |positions| of(&model, flat.clone(), positions).conditioning(&model, &device).unwrap();
    // Two positions are left, and a token after the last needs none.
    assert_eq!(said(&model, of(PositionConvention::Unshifted), &prompt).0.len(), 3);
    let stream = DecoderStream::new(prompt, of(PositionConvention::Shifted));
    let error = Decoder::new(model.shape(), vec![stream], DecoderOptions::default()).unwrap_err();
    assert!(matches!(error, EngineError::ContextOverflow { n_virtual: 4, .. }), "{error}");
}

#[test]
fn the_convention_stays_with_a_folder_and_peft_is_warned_of() {
    let home = tempfile::tempdir().unwrap();
    let adapter = folded(&golden("chatglm"), GPT2).unwrap();
    formats::write(&adapter, home.path(), None).unwrap();
    let back = formats::read(home.path(), None).unwrap();
    assert_eq!((back.placement.positions, back.hash()), (PositionConvention::Unshifted, adapter.hash()));
    let warning = formats::export(&back, home.path(), None).unwrap().unwrap();
    assert!(warning.to_string().contains("PEFT begins them at 3"), "{warning}");
    // The same numbers, shifted, are another adapter and say nothing.
    let shifted = AdapterState { placement: PrefixPlacement::default(), ..back };
    assert_eq!(formats::export(&shifted, home.path(), None).unwrap(), None);
    assert_eq!(formats::read(home.path(), None).unwrap().placement.positions, PositionConvention::Shifted);
    assert_ne!(shifted.hash(), adapter.hash());
    std::fs::write(home.path().join("positions.json"), r#"{"positions": "sideways"}"#).unwrap();
    assert!(matches!(formats::read(home.path(), None), Err(EngineError::Malformed { .. })));
}
