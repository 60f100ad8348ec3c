//! The first ChatGLM: prompts that end in `[gMASK] <sop>`, matrices in rows of few bits, its P-tuning's checkpoints.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine::adapters::{AdapterState, formats};
use engine::config::{DataConfig, MethodConfig, RunConfig, Task, TaskRecord};
use engine::data::{Dataset, Message, Prompts, Tokenizer, plain_prompt};
use engine::generation::Sampling;
use engine::models::ModelFolder;
use engine::protocol::{Ask, Prompt, Report, Stream};
use engine::tokens::TargetStart;
use engine::training::run_folder::Record;
use engine::weights::{Floats, read_floats, write_torch};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use tests::{Talk, curve, generation, golden_cases, tiny_run};

fn model() -> PathBuf {
    golden_cases().join("chatglm6b-prefix-2x32/model")
}

fn ice(name: &str) -> Tokenizer {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/tokenizers").join(name);
    Tokenizer::from_folder(&folder).unwrap()
}

#[test]
fn a_prompt_ends_in_the_blank_and_the_start_once_and_the_answer_is_all_that_is_learned() {
    for name in ["chatglm-6b", "chatglm-6b-first"] {
        let tokenizer = ice(name);
        let close = tokenizer.closes_prompts().to_vec();
        assert_eq!(close, ["[gMASK]", "<sop>"].map(|text| tokenizer.token_id(text).unwrap()), "{name}");
        assert_eq!(tokenizer.begins_texts(), [0; 0]);
        let text = tokenizer.encode("the prefix").unwrap();
        let closed = [&text[..], &close].concat();
        assert_eq!(plain_prompt("the prefix", &tokenizer).unwrap(), closed);
        assert_eq!(plain_prompt("", &tokenizer).unwrap(), close, "an empty context");
        let config = DataConfig::new("x");
        let prompts = Prompts::new(&config, Task::Causal, &tokenizer).unwrap();
        assert_eq!(prompts.for_source("the prefix", &BTreeMap::new(), &tokenizer).unwrap(), closed);
        let folder = tempfile::tempdir().unwrap();
        let rows = folder.path().join("rows.jsonl");
        std::fs::write(&rows, r#"{"source": "the prefix", "target": "a layer"}"#).unwrap();
        let config = DataConfig { validation_share: 0.0, ..DataConfig::new(&rows) };
        let example = Dataset::load(&config, &TaskRecord::default(), TargetStart::default(), &tokenizer, 200, 1)
            .unwrap()
            .train
            .get(0)
            .unwrap();
        assert_eq!(example.tokens[..example.n_prompt], closed);
        let answer = [&tokenizer.encode("a layer").unwrap()[..], &[tokenizer.eos()]].concat();
        assert_eq!(example.tokens[example.n_prompt..], answer);
        assert_eq!(tokenizer.eos(), tokenizer.token_id("<eop>").unwrap(), "what ends an answer, not a text");
    }
}

#[test]
fn a_conversation_is_written_in_rounds_and_a_question_alone_as_it_is() {
    let tokenizer = ice("chatglm-6b");
    let chat = tokenizer.chat_template().unwrap();
    let turns = [Message::user("who"), Message::assistant("me"), Message::user("why")];
    let written = |turns: &[Message]| chat.render(turns, true).unwrap();
    assert_eq!(written(&turns[..1]), "who");
    assert_eq!(written(&turns), "[Round 0]\n问：who\n答：me\n[Round 1]\n问：why\n答：");
    let turn = chat.turn().unwrap();
    assert_eq!((turn.before.as_str(), turn.after.as_str()), ("", ""), "the end token alone ends an answer");
    let system = Message { role: "system".to_owned(), content: "be brief".to_owned() };
    assert!(chat.render(&[system, Message::user("who")], true).unwrap_err().to_string().contains("no system turn"));
    let config = DataConfig { chat: true, ..DataConfig::new("x") };
    let prompts = Prompts::new(&config, Task::Causal, &tokenizer).unwrap();
    let prompt = prompts.for_source("who", &BTreeMap::new(), &tokenizer).unwrap();
    assert_eq!(prompt, [&tokenizer.encode("who").unwrap()[..], tokenizer.closes_prompts()].concat());
}

#[test]
fn a_tokenizer_that_closes_no_prompt_is_refused_by_the_model() {
    let start = ModelFolder::open(&model()).unwrap().answer_start();
    assert!(start.is_some());
    let error = ice("llama").closing_with(start).unwrap_err().to_string();
    assert!(error.contains("does not end a prompt in token 6"), "{error}");
    assert!(Tokenizer::from_folder(&model()).unwrap().closing_with(start).is_ok());
    assert!(ice("llama").closing_with(None).is_ok());
}

#[test]
fn a_prefix_learns_goes_out_for_chatglm_and_comes_back_saying_the_same() {
    let home = tempfile::tempdir().unwrap();
    let talk = Talk::new();
    let run = home.path().join("run");
    let mut config = RunConfig { model: model(), ..tiny_run(home.path()) };
    assert!(matches!(config.method, MethodConfig::Prefix(_)));
    (config.training.steps, config.training.learning_rate, config.training.eval_every) = (40, 0.05, 20);
    talk.run(Ask::Train { folder: run.clone(), config: Box::new(config), resume: false, until: None });
    let step = |record: Record| match record {
        Record::Step(step) => Some(step.loss),
        _ => None,
    };
    let losses: Vec<f64> = curve(&run).into_iter().filter_map(step).collect();
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    assert!(mean(&losses[35..]) + 1.0 < mean(&losses[..5]), "{losses:?}");
    let (out, back) = (home.path().join("ptuning/pytorch_model.bin"), home.path().join("back"));
    let said = talk.run(Ask::Export { adapter: run.clone(), to: out.clone() });
    assert!(!said.iter().any(|report| matches!(report, Report::Notice { .. })), "{said:?}");
    let import =
        Ask::Import { adapter: out.parent().unwrap().to_owned(), model: model(), other_base: false, to: back.clone() };
    talk.run(import);
    let says = |adapter: &Path| {
        let prompt = Prompt::Text("a b".to_owned());
        let stream = Stream { adapter: Some(adapter.to_owned()), ..Stream::of_base(prompt) };
        let sampling = Sampling { max_new_tokens: 8, stop_at_end: false, ..Sampling::default() };
        talk.generate(generation(&model(), vec![stream], sampling)).remove(0).text
    };
    assert_eq!(
        says(&run.join("adapter")),
        says(&back.join("adapter")),
        "positions are counted from the tokens alone, whatever an adapter says of them"
    );
}

#[test]
fn a_prefix_behind_its_network_comes_in_from_chatglms_checkpoint() {
    let case = golden_cases().join("chatglm6b-prefixproj-2x32-f16");
    let tensors = read_floats(&case.join("tensors.safetensors")).unwrap();
    let names = [
        ("embedding.weight", "embedding.weight"),
        ("trans.0.weight", "transform.0.weight"),
        ("trans.0.bias", "transform.0.bias"),
        ("trans.2.weight", "transform.2.weight"),
        ("trans.2.bias", "transform.2.bias"),
    ];
    let stored: Floats = names
        .into_iter()
        .map(|(theirs, ours)| {
            let values = tensors[&format!("param/prompt_encoder.default.{ours}")].clone();
            (format!("transformer.prefix_encoder.{theirs}"), values)
        })
        .collect();
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("pytorch_model.bin");
    write_torch(&path, &stored).unwrap();
    let sites = ModelFolder::open(&case.join("model")).unwrap().sites();
    let flat = |adapter: &AdapterState| adapter.prefixes().next().unwrap().flat.clone();
    let ours = flat(&formats::open(&path, Some(&sites)).unwrap().0);
    let theirs = flat(&formats::read(&case.join("adapter"), Some(&sites)).unwrap());
    assert_eq!(ours.len(), theirs.len());
    assert!(ours.iter().zip(&theirs).all(|(a, b)| (a - b).abs() < 1e-5));
}

/// Format, shape and bytes.
type Stored = (Dtype, Vec<usize>, Vec<u8>);

/// A copy of the model in rows of 8 bits, whose tensors are changed.
fn changed(change: impl Fn(&mut BTreeMap<String, Stored>)) -> tempfile::TempDir {
    let (from, to) = (golden_cases().join("chatglm6b-prefix-1x24-int8/model"), tempfile::tempdir().unwrap());
    for entry in std::fs::read_dir(&from).unwrap().map(|entry| entry.unwrap()) {
        std::fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
    }
    let path = to.path().join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let owned =
        |(name, view): (String, TensorView<'_>)| (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec()));
    let mut tensors: BTreeMap<_, _> =
        SafeTensors::deserialize(&bytes).unwrap().tensors().into_iter().map(owned).collect();
    change(&mut tensors);
    let views = tensors
        .iter()
        .map(|(name, (dtype, shape, data))| (name.as_str(), TensorView::new(*dtype, shape.clone(), data).unwrap()));
    std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    to
}

const MATRIX: &str = "transformer.layers.0.attention.dense.weight";

#[test]
fn rows_of_few_bits_are_the_matrices_that_they_stand_for() {
    for (case, bits, width) in [("chatglm6b-prefix-1x24-int8", "I8", 24), ("chatglm6b-prefix-2x32-int4", "I4", 32)] {
        let folder = ModelFolder::open(&golden_cases().join(case).join("model")).unwrap();
        assert_eq!(folder.files().shape(MATRIX), Some(&[width, width][..]), "{case}");
        assert!(!folder.files().contains(&format!("{MATRIX}_scale")), "{case}: scales are no weights");
        assert_eq!(folder.summary().dtype, bits);
    }
}

#[test]
fn rows_that_a_stranger_made_cannot_do_more_than_be_refused() {
    let opened = |change: &dyn Fn(&mut Stored)| {
        let folder = changed(|tensors| change(tensors.get_mut(&format!("{MATRIX}_scale")).unwrap()));
        let model = ModelFolder::open(folder.path())?.load(&engine::device::cpu(), &mut |_| Ok(()));
        model.map(|_| ())
    };
    assert!(opened(&|_| {}).is_ok());
    let short = opened(&|(_, shape, data)| {
        shape[0] -= 1;
        data.truncate(shape[0] * 2);
    });
    assert!(short.unwrap_err().to_string().contains("it has 24 rows"));
    let infinite = opened(&|(_, _, data)| data[..2].copy_from_slice(&0x7c00_u16.to_le_bytes()));
    assert!(infinite.unwrap_err().to_string().contains("dense.weight"));
    let none = changed(|tensors| drop(tensors.remove(&format!("{MATRIX}_scale"))));
    let error = ModelFolder::open(none.path()).unwrap().load(&engine::device::cpu(), &mut |_| Ok(())).map(|_| ());
    assert!(error.unwrap_err().to_string().contains("I8"), "whole numbers without scales are no weights");
}
