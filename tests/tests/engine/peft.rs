//! PEFT's format, both ways, and truths about a prefix that need no reference.

use std::collections::BTreeMap;
use std::path::Path;

use engine::adapters::formats;
use engine::config::BeginToken;
use engine::generation::{Beams, Sampling};
use engine::protocol::{Ask, GeneratedStream, Prompt, Report, Stream};
use tests::{Talk, generation, golden_cases, tiny_model};

fn generate(talk: &Talk, streams: Vec<Stream>) -> Vec<GeneratedStream> {
    let sampling = Sampling { max_new_tokens: 8, stop_at_end: false, ..Sampling::default() };
    let ask = generation(&tiny_model(), streams, sampling);
    talk.generate(ask)
}

fn stream(prompt: &str, adapter: Option<&Path>, strength: f64) -> Stream {
    let adapter = adapter.map(Path::to_owned);
    Stream { adapter, strength, ..Stream::of_base(Prompt::Text(prompt.to_owned())) }
}

#[test]
fn an_adapter_of_peft_goes_in_and_comes_out_unchanged() {
    let home = tempfile::tempdir().unwrap();
    let talk = Talk::new();
    let adapter = golden_cases().join("gpt2-prefix-2x44/adapter");
    let (run, out) = (home.path().join("run"), home.path().join("out"));
    let import = Ask::Import { adapter: adapter.clone(), model: tiny_model(), other_base: false, to: run.clone() };
    talk.run(import);
    talk.run(Ask::Export { adapter: run, to: out.clone() });
    let (before, after) = (formats::read(&adapter, None).unwrap(), formats::read(&out, None).unwrap());
    let (before, after) = (before.prefixes().next().unwrap(), after.prefixes().next().unwrap());
    assert_eq!(before.shape, after.shape);
    assert_eq!(before.flat, after.flat);
    let keys = |folder: &Path| {
        let text = std::fs::read_to_string(folder.join("adapter_config.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        json.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(keys(&adapter), keys(&out), "the same keys in the same order");
}

#[test]
fn cartridges_and_prompts_of_several_tasks_come_out_as_peft_wrote_them() {
    let home = tempfile::tempdir().unwrap();
    for case in ["llama-cartridge-2x32", "gpt2-multitask-2x32"] {
        let (adapter, out) = (golden_cases().join(case).join("adapter"), home.path().join(case));
        let read = formats::read(&adapter, None).unwrap();
        assert_eq!(formats::export(&read, &out, None).unwrap(), None);
        let config = |folder: &Path| -> serde_json::Value {
            serde_json::from_str(&std::fs::read_to_string(folder.join("adapter_config.json")).unwrap()).unwrap()
        };
        let (before, mut after) = (config(&adapter), config(&out));
        for (key, value) in after.as_object_mut().unwrap() {
            // PEFT asks the model for what a prompt does not say of its layers.
            if ["num_layers", "num_attention_heads"].contains(&key.as_str()) && value.is_null() {
                value.clone_from(&before[key]);
            }
        }
        assert_eq!(before, after, "{case}");
        let tensors = |folder: &Path| {
            let bytes = std::fs::read(folder.join("adapter_model.safetensors")).unwrap();
            let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
            let mut all: Vec<_> =
                tensors.tensors().into_iter().map(|(name, t)| (name, t.shape().to_vec(), t.data().to_vec())).collect();
            all.sort();
            all
        };
        assert_eq!(tensors(&adapter), tensors(&out), "{case}");
    }
}

#[test]
fn beams_are_told_as_they_stand_and_returned_with_what_they_are_worth() {
    let adapter = golden_cases().join("gpt2-prefix-2x44/adapter");
    let streams = vec![stream("a b c", None, 1.0), stream("a b", Some(&adapter), 1.0)];
    let beams = Beams { n_beams: 3, n_returned: 2, ..Beams::default() };
    let sampling = Sampling { max_new_tokens: 8, stop_at_end: false, beams, ..Sampling::default() };
    let ask = generation(&tiny_model(), streams, sampling);
    let mut said = [String::new(), String::new()];
    let mut returned = Vec::new();
    for event in Talk::new().run(ask) {
        match event {
            Report::BestBeam { stream, text } => said[stream] = text,
            Report::Generated { streams } => returned = streams,
            Report::Token { .. } => panic!("a beam can become another: there are no pieces of it"),
            _ => {}
        }
    }
    for (stream, said) in returned.iter().zip(said) {
        assert_eq!(stream.text, said, "what was told last is what is returned");
        assert_eq!((stream.beams.len(), &stream.beams[0].text), (2, &stream.text));
        assert!(stream.beams[0].score >= stream.beams[1].score);
        assert!(stream.tokens.len() == 8 && stream.tokens == stream.beams[0].tokens);
    }
    assert_eq!([returned[0].proven_base, returned[1].proven_base], [Some(true), None]);
}

#[test]
fn strength_zero_is_the_base_model_and_proves_it() {
    let adapter = golden_cases().join("gpt2-prefix-2x44/adapter");
    let streams =
        vec![stream("a b c", None, 1.0), stream("a b c", Some(&adapter), 0.0), stream("a b c", Some(&adapter), 1.0)];
    let said = generate(&Talk::new(), streams);
    assert_eq!(said[0].tokens, said[1].tokens);
    assert_eq!([said[0].proven_base, said[1].proven_base, said[2].proven_base], [Some(true), Some(true), None]);
    assert_ne!(said[0].tokens, said[2].tokens, "a prefix changes what is said");
}

#[test]
fn a_source_becomes_the_prompt_that_its_template_makes() {
    let source = |template: &str| {
        let prompt = Prompt::Source {
            text: "b c".to_owned(),
            columns: BTreeMap::new(),
            template: template.to_owned(),
            begin_token: BeginToken::Tokenizer,
            chat: false,
        };
        Stream { prompt, ..stream("", None, 1.0) }
    };
    let said = generate(&Talk::new(), vec![source("a {{ source }} d"), stream("a b c d", None, 1.0)]);
    assert_eq!(said[0].tokens, said[1].tokens);
    let talk = Talk::new();
    let ask = generation(&tiny_model(), vec![source("{{ category }}")], Sampling::default());
    talk.send(ask);
    match talk.until_end().last() {
        Some(Report::Failed(failure)) => assert!(failure.what.to_string().contains("template"), "{failure:?}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn streams_do_not_depend_on_their_neighbors() {
    let adapter = golden_cases().join("gpt2-prefix-2x44/adapter");
    let one = stream("a b c d e", Some(&adapter), 1.0);
    let other = stream("f", Some(&adapter), 1.0);
    let talk = Talk::new();
    let together = generate(&talk, vec![one.clone(), other.clone()]);
    let turned = generate(&talk, vec![other, one.clone()]);
    let alone = generate(&talk, vec![one]);
    assert_eq!(together[0].tokens, alone[0].tokens);
    assert_eq!(together[0].tokens, turned[1].tokens);
}
