//! A sequence-to-sequence model from the outside: it learns, goes on exactly, writes, is looked into and exchanged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine::adapters::formats;
use engine::analysis::{Metric, Side, Space};
use engine::config::{
    MethodConfig, PrefixConfig, PrefixInit, PromptConfig, Reparameterization, RunConfig, Task, TaskRecord,
};
use engine::data::{Tokenizer, preview};
use engine::device::DeviceChoice;
use engine::generation::Sampling;
use engine::models::Site;
use engine::nn::{MatrixNumbers, Precision};
use engine::protocol::{Ask, GeneratedStream, NeighborRequest, Outcome, Prompt, Report, Stream};
use engine::tokens::TargetStart;
use engine::training::run_folder::Record;
use tests::{Talk, curve, generation, golden_cases, tiny_run};

/// The random T5 of a golden case with a tokenizer of T5's form: unigrams, a space before every word, `</s>` behind a
/// text.
fn t5_folder(home: &Path) -> PathBuf {
    let (from, to) = (golden_cases().join("t5-prefix-2x40/model"), home.join("t5"));
    std::fs::create_dir_all(&to).unwrap();
    for name in ["config.json", "generation_config.json", "model.safetensors"] {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
    let special = ["<unk>", "<pad>", "<s>", "</s>"];
    let words = ["▁", "▁a", "▁b", "▁c", "▁d", "▁e", "▁f", "▁g", "a", "b", "c", "d", "e", "f", "g"];
    let vocabulary = special.iter().map(|token| (*token, 0.0)).chain(words.iter().map(|word| (*word, -2.0)));
    let added = |(id, content): (usize, &&str)| {
        serde_json::json!({ "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true })
    };
    let metaspace =
        serde_json::json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true });
    let text = serde_json::json!([{ "Sequence": { "id": "A", "type_id": 0 } }, { "SpecialToken": { "id": "</s>", "type_id": 0 } }]);
    let tokenizer = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
        "added_tokens": special.iter().enumerate().map(added).collect::<Vec<_>>(),
        "pre_tokenizer": metaspace, "decoder": metaspace,
        "post_processor": { "type": "TemplateProcessing", "single": text, "pair": text,
            "special_tokens": { "</s>": { "id": "</s>", "ids": [3], "tokens": ["</s>"] } } },
        "model": { "type": "Unigram", "unk_id": 0, "byte_fallback": false, "vocab": vocabulary.collect::<Vec<_>>() },
    });
    std::fs::write(to.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    let names = r#"{"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}"#;
    std::fs::write(to.join("tokenizer_config.json"), names).unwrap();
    to
}

fn run(home: &Path, method: PrefixConfig) -> RunConfig {
    RunConfig { model: t5_folder(home), method: MethodConfig::Prefix(method), ..tiny_run(home) }
}

fn everywhere() -> PrefixConfig {
    PrefixConfig { n_virtual: 4, ..PrefixConfig::default() }
}

fn train(talk: &Talk, folder: &Path, config: &RunConfig, resume: bool) -> Vec<Report> {
    let command = Ask::Train { folder: folder.to_owned(), config: Box::new(config.clone()), resume, until: None };
    talk.run(command)
}

fn generate(talk: &Talk, model: &Path, streams: Vec<Stream>) -> Vec<GeneratedStream> {
    let sampling = Sampling { max_new_tokens: 8, stop_at_end: false, ..Sampling::default() };
    let ask = generation(model, streams, sampling);
    talk.generate(ask)
}

fn stream(prompt: &str, adapter: Option<&Path>, strength: f64) -> Stream {
    let adapter = adapter.map(Path::to_owned);
    Stream { adapter, strength, ..Stream::of_base(Prompt::Text(prompt.to_owned())) }
}

#[test]
fn soft_tokens_inside_of_a_source_are_learned_and_read_again() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("run");
    let mut config = run(home.path(), everywhere());
    config.method = MethodConfig::Prompt(PromptConfig { n_virtual: 3, ..PromptConfig::default() });
    config.data.prompt_template = "{{ soft(2) }}{{ source }}{{ soft(1) }}".to_owned();
    config.training.steps = 24;
    let talk = Talk::new();
    train(&talk, &folder, &config, false);
    let losses: Vec<f64> = curve(&folder)
        .into_iter()
        .filter_map(|record| if let Record::Evaluation(report) = record { Some(report.loss) } else { None })
        .collect();
    assert!(losses[losses.len() - 1] < losses[0], "{losses:?}");
    let adapter = folder.join("adapter");
    let prompt = Prompt::Source {
        text: "a b".to_owned(),
        columns: BTreeMap::new(),
        template: config.data.prompt_template.clone(),
        begin_token: config.data.begin_token,
        chat: false,
    };
    let source = Stream { prompt, ..stream("", Some(&adapter), 1.0) };
    let written = stream("<|soft|><|soft|>a b<|soft|>", Some(&adapter), 1.0);
    let said = generate(&talk, &config.model, vec![source, written, stream("a b", None, 1.0)]);
    assert_eq!(said[0].tokens, said[1].tokens);
    assert_eq!(said[2].proven_base, Some(true));
}

#[test]
fn rows_become_a_source_and_a_target_with_t5s_own_special_tokens() {
    let home = tempfile::tempdir().unwrap();
    let config = run(home.path(), everywhere());
    let tokenizer = Tokenizer::from_folder(&config.model).unwrap();
    let (task, start) = (TaskRecord::of(Task::Seq2Seq), TargetStart { has_source: true, token: Some(1), first: None });
    let preview = preview(&config.data, &task, start, &tokenizer, 1, 30, 1).unwrap();
    let row = &preview.rows[0];
    assert_eq!(row.tokens, [" a", " e", "</s>", "<pad>", " e", " a", "</s>"], "one end token, and the start of T5");
    assert_eq!(row.labeled, [false, false, false, false, true, true, true]);
}

#[test]
fn a_run_at_three_sites_learns_and_one_that_was_interrupted_goes_on_exactly() {
    let home = tempfile::tempdir().unwrap();
    let mlp = PrefixConfig {
        reparameterization: Some(Reparameterization { width: Some(12), ..Reparameterization::default() }),
        init: PrefixInit::Words { text: "a b c".to_owned() },
        dropout: 0.1,
        sites: Some(vec![Site::Encoder, Site::Cross]),
        ..everywhere()
    };
    for (name, method) in [("flat", everywhere()), ("mlp", mlp)] {
        let config = run(home.path(), method);
        let (whole, folder) = (home.path().join(format!("{name}-whole")), home.path().join(format!("{name}-parts")));
        train(&Talk::new(), &whole, &config, false);
        let losses: Vec<f64> = curve(&whole)
            .iter()
            .filter_map(|record| if let Record::Evaluation(report) = record { Some(report.loss) } else { None })
            .collect();
        assert!(losses.len() == 4 && losses[3] < losses[0], "{name}: {losses:?}");
        let talk = Talk::new();
        let again = Box::new(config.clone());
        talk.send(Ask::Train { folder: folder.clone(), config: again, resume: false, until: None });
        talk.until(|event| matches!(event, Report::Step(report) if report.step == 6));
        drop(talk);
        let events = train(&Talk::new(), &folder, &config, true);
        assert!(matches!(events.last(), Some(Report::Finished { outcome: Outcome::Completed })));
        assert_eq!(curve(&whole), curve(&folder), "{name}");
        for file in ["adapter/adapter_model.safetensors", "checkpoints/step-000012/state.safetensors"] {
            let bytes = |of: &Path| std::fs::read(of.join(file)).unwrap();
            assert_eq!(bytes(&whole), bytes(&folder), "{name}: {file}");
        }
    }
}

#[test]
fn a_trained_adapter_writes_is_scored_looked_into_and_kept_in_our_form() {
    let home = tempfile::tempdir().unwrap();
    let config = run(home.path(), everywhere());
    let (talk, folder) = (Talk::new(), home.path().join("run"));
    let events = train(&talk, &folder, &config, false);
    let facts = events.iter().find_map(|event| match event {
        Report::RunStarted(facts) => Some(facts.clone()),
        _ => None,
    });
    assert_eq!(facts.unwrap().stored_parameters, 3 * 4 * 2 * 2 * 40, "three sites of two layers");
    assert!(events.iter().any(|event| matches!(event, Report::Sample(_))));
    let adapter = folder.join("adapter");

    let streams =
        vec![stream("a b", None, 1.0), stream("a b", Some(&adapter), 0.0), stream("a b", Some(&adapter), 1.0)];
    let said = generate(&talk, &config.model, streams);
    assert_eq!(said[0].tokens, said[1].tokens);
    assert_eq!([said[0].proven_base, said[1].proven_base, said[2].proven_base], [Some(true), Some(true), None]);
    assert_ne!(said[0].tokens, said[2].tokens, "a prefix changes what is written");
    let both = vec![stream("a b c d e f", Some(&adapter), 1.0), stream("a b", Some(&adapter), 1.0)];
    assert_eq!(generate(&talk, &config.model, both)[1].tokens, said[2].tokens, "a neighbor changes nothing");

    let score = |adapter: Option<PathBuf>| {
        let (model, data) = (config.model.clone(), config.data.clone());
        let events = talk.run(Ask::Evaluate {
            model,
            device: DeviceChoice::Cpu,
            numbers: Precision::F32.into(),
            adapter,
            data,
            task: None,
        });
        let score = events.iter().find_map(|event| match event {
            Report::Score { loss, .. } => Some(*loss),
            _ => None,
        });
        score.unwrap()
    };
    assert!(score(Some(adapter.clone())) < score(None));

    let request = NeighborRequest {
        model: config.model.clone(),
        device: DeviceChoice::Cpu,
        numbers: MatrixNumbers::default(),
        adapter: adapter.clone(),
        initial: Some(folder.join("initial")),
        layers: vec![],
        positions: vec![0],
        side: Side::Key,
        metric: Metric::Cosine,
        space: Space::Whitened,
        top: 2,
        per_head: false,
        context: None,
    };
    let events = talk.run(Ask::Neighbors(Box::new(request)));
    let lists = events.iter().find_map(|event| match event {
        Report::Neighbors { lists } => Some(lists.clone()),
        _ => None,
    });
    let layers: Vec<usize> = lists.unwrap().iter().map(|list| list.layer).collect();
    assert_eq!(layers, [0, 1, 2, 3, 4, 5], "the encoder's, the decoder's, those of cross-attention");

    let out = home.path().join("out");
    let events = talk.run(Ask::Export { adapter: folder, to: out.clone() });
    let said =
        |event: &Report| matches!(event, Report::Notice { text } if text.to_string().contains("PEFT has no place"));
    assert!(events.iter().any(said), "{events:?}");
    let sites = formats::read(&out, None).unwrap().sites();
    assert_eq!(sites, [Site::Encoder, Site::Decoder, Site::Cross]);
}

#[test]
fn an_adapter_of_peft_comes_in_and_goes_out_with_the_pairs_that_are_used() {
    let home = tempfile::tempdir().unwrap();
    let talk = Talk::new();
    let case = golden_cases().join("t5-prefix-3x32-gated");
    let (run, out) = (home.path().join("run"), home.path().join("out"));
    let (adapter, model) = (case.join("adapter"), case.join("model"));
    talk.run(Ask::Import { adapter: adapter.clone(), model: model.clone(), other_base: false, to: run.clone() });
    let events = talk.run(Ask::Export { adapter: run.clone(), to: out.clone() });
    assert!(!events.iter().any(|event| matches!(event, Report::Notice { .. })), "three layers share nothing");
    let file = |folder: &Path| std::fs::read(folder.join("adapter_model.safetensors")).unwrap();
    assert_eq!(file(&adapter), file(&out));
    let ours = generate(&talk, &model, vec![stream("a b", Some(&run.join("adapter")), 1.0)]);
    let theirs = generate(&talk, &model, vec![stream("a b", Some(&adapter), 1.0)]);
    assert_eq!(ours[0].tokens, theirs[0].tokens);
}

#[test]
fn what_a_model_does_not_have_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let failure = |ask: Ask| {
        let talk = Talk::new();
        talk.send(ask);
        match talk.until_end().pop() {
            Some(Report::Failed(failure)) => failure.what,
            other => panic!("{other:?}"),
        }
    };
    let mut config = tiny_run(home.path());
    config.method = MethodConfig::Prefix(PrefixConfig { sites: Some(vec![Site::Encoder]), ..everywhere() });
    let folder = home.path().join("a");
    let said = failure(Ask::Train { folder, config: Box::new(config), resume: false, until: None });
    assert!(said.to_string().contains("method.sites") && said.to_string().contains("encoder"), "{said}");
    let adapter = golden_cases().join("gpt2-prefix-2x44/adapter");
    let said =
        failure(Ask::Import { adapter, model: t5_folder(home.path()), other_base: false, to: home.path().join("b") });
    assert!(said.to_string().contains("an encoder with a decoder"), "{said}");
}
