//! Columns beside each other: texts scored as they were written, decoding of their own, mixtures, a set of rows, the cost of
//! serving each.

use std::path::{Path, PathBuf};

use engine::adapters::Combination;
use engine::config::{DataConfig, MethodConfig, RunConfig};
use engine::device::DeviceChoice;
use engine::generation::{Beams, Sampling, ServingTime};
use engine::nn::Precision;
use engine::protocol::{
    Ask, ComparedColumn, ComparedRow, Continuation, GenerateRequest, Mixture, Outcome, Prompt, Report, RowSetRequest,
    ScoreRequest, Stream, TextScore,
};
use serde_json::json;
use tests::{Talk, generation, golden_cases, tiny_model, tiny_rows, tiny_run};

const CPU: (DeviceChoice, Precision) = (DeviceChoice::Cpu, Precision::F32);

fn text(text: &str) -> Prompt {
    Prompt::Text(text.to_owned())
}

fn scored(talk: &Talk, model: &Path, texts: Vec<(Stream, Continuation)>, top: usize) -> Vec<TextScore> {
    let request = ScoreRequest { model: model.to_owned(), device: CPU.0, numbers: CPU.1.into(), texts, top };
    let found = talk.run(Ask::ScoreText(Box::new(request))).into_iter().find_map(|report| match report {
        Report::TextScored { scores } => Some(scores),
        _ => None,
    });
    found.expect("texts were scored")
}

/// The adapter of the tiny model.
fn tiny_adapter() -> PathBuf {
    golden_cases().join("gpt2-prefix-2x44/adapter")
}

#[test]
fn a_text_is_scored_as_it_was_written() {
    let cases = [
        "gpt2-prefix-2x44",
        "gpt2-prefix-2x32-infix",
        "gpt2-prefix-3x32-layers",
        "gpt2-prompt-2x24",
        "gpt2-lora-2x24-rs",
        "bart-prefix-3x32",
    ];
    for case in cases {
        let (model, adapter) = (golden_cases().join(case).join("model"), golden_cases().join(case).join("adapter"));
        let at = |strength| Stream { strength, ..Stream::behind(&adapter, text("a b c")) };
        let streams = vec![Stream::of_base(text("a b c")), at(1.0), at(0.5), at(0.0)];
        let sampling = Sampling { max_new_tokens: 5, stop_at_end: false, ..Sampling::default() };
        let talk = Talk::new();
        let Ask::Generate(request) = generation(&model, streams.clone(), sampling) else { unreachable!() };
        let written = talk.generate(Ask::Generate(Box::new(GenerateRequest { top: 3, ..*request })));
        let known = written.iter().map(|stream| Continuation::Tokens(stream.tokens.clone()));
        let scores = scored(&talk, &model, streams.into_iter().zip(known).collect(), 3);
        for (stream, score) in written.iter().zip(&scores) {
            assert_eq!((score.tokens.len(), stream.score.tokens.len()), (5, 5), "{case}");
            for (ours, then) in score.tokens.iter().zip(&stream.score.tokens) {
                assert!((ours.log_probability - then.log_probability).abs() < 1e-3, "{case}: {ours:?} {then:?}");
                assert_eq!((&ours.text, ours.top.len()), (&then.text, 3), "{case}");
                assert!((then.top[0].log_probability - then.log_probability).abs() < 1e-12 || then.rank > 1, "{case}");
            }
            assert!((stream.log_probability + 5.0 * score.loss()).abs() < 5e-3, "{case}");
            assert!((score.perplexity().ln() - score.loss()).abs() < 1e-9, "{case}");
        }
        assert_eq!(scores[0], scores[3], "{case}: at strength 0 it is the base");
        assert_ne!(scores[1], scores[2], "{case}");
    }
}

#[test]
fn a_text_that_cannot_be_scored_is_refused_with_a_sentence() {
    let talk = Talk::new();
    let far = "a b c ".repeat(2000);
    for (continuation, word) in [
        (Continuation::Text { text: String::new(), end: false }, "text"),
        (Continuation::Tokens(vec![900_000]), "900000"),
    ]
    .into_iter()
    .chain([(Continuation::Text { text: far, end: true }, "position")])
    {
        let texts = vec![(Stream::of_base(text("a")), continuation)];
        let request = ScoreRequest { model: tiny_model(), device: CPU.0, numbers: CPU.1.into(), texts, top: 0 };
        talk.send(Ask::ScoreText(Box::new(request)));
        let heard = talk.until_end();
        let Some(Report::Failed(failure)) = heard.last() else { panic!("{word}: {heard:?}") };
        assert!(failure.what.to_string().contains(word), "{failure:?}");
    }
}

#[test]
fn a_column_with_decoding_of_its_own_writes_what_it_writes_alone() {
    let drawn = |seed| Sampling { greedy: false, seed, max_new_tokens: 6, ..Sampling::default() };
    let beams = Sampling { max_new_tokens: 4, beams: Beams { n_beams: 3, ..Beams::default() }, ..Sampling::default() };
    let stream = |sampling: Option<Sampling>| Stream { sampling, ..Stream::behind(tiny_adapter(), text("a b")) };
    let own = [None, Some(drawn(5)), Some(drawn(6)), Some(beams)];
    let talk = Talk::new();
    let shared = Sampling { max_new_tokens: 6, ..Sampling::default() };
    let together = own.iter().cloned().map(stream).collect();
    let together = talk.generate(generation(&tiny_model(), together, shared.clone()));
    for (own, found) in own.into_iter().zip(&together) {
        let sampling = own.unwrap_or_else(|| shared.clone());
        let alone = talk.generate(generation(&tiny_model(), vec![stream(None)], sampling));
        assert_eq!((&alone[0].tokens, alone[0].beams.len()), (&found.tokens, found.beams.len()));
    }
    assert!(together[3].beams.len() == 1 && together[0].beams.is_empty());
}

#[test]
fn words_before_a_prompt_are_a_column_and_left_out_at_strength_zero() {
    let talk = Talk::new();
    let words = |strength, prompt: &str| Stream { strength, words: "a b".to_owned(), ..Stream::of_base(text(prompt)) };
    let streams = vec![words(1.0, " c"), Stream::of_base(text("a b c")), words(0.0, " c"), Stream::of_base(text(" c"))];
    let sampling = Sampling { max_new_tokens: 4, stop_at_end: false, ..Sampling::default() };
    let said = talk.generate(generation(&tiny_model(), streams, sampling));
    assert_eq!((&said[0].tokens, said[0].log_probability), (&said[1].tokens, said[1].log_probability));
    assert_eq!((&said[2].tokens, said[2].log_probability), (&said[3].tokens, said[3].log_probability));
    assert_ne!(said[0].log_probability, said[2].log_probability, "the words say something");
}

#[test]
fn a_mixture_is_the_adapter_that_combine_writes_and_needs_no_file() {
    let (home, talk) = (tempfile::tempdir().unwrap(), Talk::new());
    let adapter = tiny_adapter();
    let mixed = |how: Combination| Stream {
        mixed: Some(Mixture { adapter: adapter.clone(), how }),
        ..Stream::behind(&adapter, text("a b"))
    };
    let weighted = |weights: [f64; 2]| Combination::Interpolated { weights: weights.to_vec() };
    let hash = |stream: Stream| {
        let sampling = Sampling { max_new_tokens: 2, ..Sampling::default() };
        talk.generate(generation(&tiny_model(), vec![stream], sampling)).remove(0).adapter_hash
    };
    let alone = hash(Stream::behind(&adapter, text("a b")));
    assert_eq!(hash(mixed(weighted([1.0, 0.0]))), alone);
    for (name, how) in [("double", weighted([1.0, 1.0])), ("both", Combination::Concatenated)] {
        let (to, adapters) = (home.path().join(name), vec![adapter.clone(), adapter.clone()]);
        talk.run(Ask::Combine { adapters, model: tiny_model(), how: how.clone(), to: to.clone() });
        assert_eq!(hash(mixed(how)), hash(Stream::behind(to, text("a b"))), "{name}");
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), if name == "double" { 1 } else { 2 });
    }
    let other = Stream { adapter: None, ..mixed(Combination::Concatenated) };
    talk.send(generation(&tiny_model(), vec![other], Sampling::default()));
    assert!(matches!(talk.until_end().last(), Some(Report::Failed(_))), "there is nothing to mix it with");
}

/// Rows of which two are of one source.
fn rows(home: &Path) -> DataConfig {
    let path = home.join("test.jsonl");
    let rows = [("a b", "b a"), ("c d", "d c"), ("a b", "a b"), ("e", "e")];
    let lines = rows.map(|(source, target)| json!({"source": source, "target": target}).to_string());
    std::fs::write(&path, lines.join("\n")).unwrap();
    let mut data = DataConfig::new(path);
    data.prompt_template = "{{ source }} ->".to_owned();
    data
}

fn set(data: DataConfig) -> RowSetRequest {
    let drawn = Sampling { greedy: false, seed: 3, max_new_tokens: 5, ..Sampling::default() };
    let base = Stream::of_base(text(""));
    let columns = vec![
        base.clone(),
        Stream::behind(tiny_adapter(), text("")),
        Stream { words: "a b ".to_owned(), ..base.clone() },
        Stream { sampling: Some(drawn), ..base },
    ];
    RowSetRequest {
        model: tiny_model(),
        device: CPU.0,
        numbers: CPU.1.into(),
        columns,
        data,
        task: None,
        sampling: Sampling { max_new_tokens: 5, ..Sampling::default() },
        metrics: vec!["exact_match".to_owned(), "chrf".to_owned()],
        losses: true,
        limit: None,
    }
}

fn compared(heard: Vec<Report>) -> (Vec<ComparedRow>, Vec<usize>, Vec<ComparedColumn>) {
    let (mut rows, mut found) = (Vec::new(), None);
    for report in heard {
        match report {
            Report::RowCompared { row, done, .. } => {
                rows.push(*row);
                assert_eq!(done, rows.len());
            }
            Report::SetCompared { rows, columns } => found = Some((rows, columns)),
            _ => {}
        }
    }
    let (numbers, columns) = found.expect("the columns were scored");
    (rows, numbers, columns)
}

#[test]
fn a_set_of_rows_has_the_text_of_each_column_and_its_figures() {
    let (home, talk) = (tempfile::tempdir().unwrap(), Talk::new());
    let request = set(rows(home.path()));
    let (rows, numbers, columns) = compared(talk.run(Ask::CompareRows(Box::new(request.clone()))));
    let known: Vec<_> = rows.iter().map(|row| (row.row, row.references.join("|"))).collect();
    assert_eq!(known, [(1, "b a|a b".to_owned()), (2, "d c".to_owned()), (4, "e".to_owned())]);
    assert_eq!((numbers, columns.len()), (vec![1, 2, 4], 4));
    for row in &rows {
        let ask = |stream: &Stream| Stream { prompt: text(&row.source), ..stream.clone() };
        let streams: Vec<Stream> = request.columns.iter().map(ask).collect();
        let alone = talk.generate(generation(&tiny_model(), streams.clone(), request.sampling.clone()));
        let alone: Vec<&str> = alone.iter().map(|stream| stream.text.trim()).collect();
        assert_eq!(row.texts, alone, "row {}", row.row);
        let target = Continuation::Text { text: format!(" {}", row.references[0]), end: true };
        let texts = streams.into_iter().map(|stream| (stream, target.clone())).collect();
        for (loss, score) in row.losses.iter().zip(scored(&talk, &tiny_model(), texts, 0)) {
            assert!((loss.unwrap() - score.loss()).abs() < 1e-5, "row {}: {loss:?}", row.row);
        }
        assert_eq!(row.losses.len(), 4);
    }
    for column in &columns {
        let names: Vec<&str> = column.figures.iter().map(|figure| figure.name.as_str()).collect();
        assert_eq!((names, column.rows.len()), (vec!["exact_match", "chrf"], 3));
        assert!(column.rows.iter().all(|figures| figures.len() == 2 && figures[1].is_some()));
        let mean: f64 = column.rows.iter().map(|figures| figures[0].unwrap()).sum::<f64>() / 3.0;
        assert!((mean - column.figures[0].figure).abs() < 1e-9);
    }
    assert!(columns[0].adapter_hash.is_empty() && !columns[1].adapter_hash.is_empty());
}

/// The weights of a run of one step on the whole tiny model.
fn whole_weights(home: &Path) -> PathBuf {
    let mut config = RunConfig { method: MethodConfig::full(), ..tiny_run(home) };
    config.training.steps = 1;
    let folder = home.join("run");
    Talk::new().run(Ask::Train { folder: folder.clone(), config: Box::new(config), resume: false, until: None });
    folder.join("adapter")
}

#[test]
fn strengths_of_layers_that_are_equal_are_one_and_others_act_in_their_layer() {
    let home = tempfile::tempdir().unwrap();
    let case = |(name, n_layers): (&str, usize)| {
        let folder = golden_cases().join(name);
        (name.to_owned(), folder.join("model"), folder.join("adapter"), n_layers, 0.5)
    };
    let cases = [
        ("gpt2-prefix-2x44", 2),
        ("gpt2-prefix-2x32-infix", 2),
        ("gpt2-prefix-3x32-layers", 3),
        ("gpt2-lora-2x24-rs", 2),
        ("bart-prefix-3x32", 3),
        ("t5-lora-1x24", 1),
    ];
    // All weights are there or are not.
    let whole = ("whole weights".to_owned(), tiny_model(), whole_weights(home.path()), 2, 1.0);
    for (case, model, adapter, n_layers, between) in cases.map(case).into_iter().chain([whole]) {
        let at = |strength: f64, layer_strengths: Vec<f64>| Stream {
            strength,
            layer_strengths,
            ..Stream::behind(&adapter, text("a b c"))
        };
        let streams = [
            at(between, vec![]),
            at(1.0, vec![between; n_layers]),
            at(1.0, vec![0.0; n_layers]),
            Stream::of_base(text("a b c")),
            at(1.0, [vec![0.0; n_layers - 1], vec![1.0]].concat()),
        ];
        let known = Continuation::Text { text: " a b c".to_owned(), end: false };
        let texts = streams.iter().cloned().map(|stream| (stream, known.clone())).collect();
        let talk = Talk::new();
        let scores = scored(&talk, &model, texts, 0);
        let bits =
            |score: &TextScore| score.tokens.iter().map(|token| token.log_probability.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&scores[0]), bits(&scores[1]), "{case}");
        assert_eq!(bits(&scores[2]), bits(&scores[3]), "{case}");
        assert_ne!(bits(&scores[0]), bits(&scores[3]), "{case}");
        if n_layers > 1 {
            assert_ne!(bits(&scores[4]), bits(&scores[3]), "{case}");
            assert_ne!(bits(&scores[4]), bits(&scores[0]), "{case}");
        }
        let sampling = Sampling { max_new_tokens: 2, ..Sampling::default() };
        let written = talk.generate(generation(&model, vec![streams[2].clone()], sampling));
        assert_eq!((written[0].proven_base, written[0].adapter_hash.is_empty()), (Some(true), false), "{case}");
    }
}

#[test]
fn strengths_of_layers_that_mean_nothing_are_refused_with_the_way_out() {
    let refused_of = |model: &Path, adapter: &Path, layer_strengths: Vec<f64>| {
        let stream = Stream { layer_strengths, ..Stream::behind(adapter, text("a b")) };
        let talk = Talk::new();
        talk.send(generation(model, vec![stream], Sampling::default()));
        let failed = talk.until_end().into_iter().find_map(|report| match report {
            Report::Failed(failure) => Some(failure.what.to_string()),
            _ => None,
        });
        failed.expect("it is refused")
    };
    let refused = |case: &str, layer_strengths: Vec<f64>| {
        let folder = golden_cases().join(case);
        refused_of(&folder.join("model"), &folder.join("adapter"), layer_strengths)
    };
    let counted = refused("gpt2-prefix-2x44", vec![1.0, 0.5, 0.0]);
    assert!(counted.contains('3') && counted.contains('2'), "{counted}");
    assert!(refused("gpt2-prefix-2x44", vec![1.0, 2.5]).contains("between 0 and 2"));
    assert!(refused("gpt2-prompt-2x24", vec![1.0, 0.5]).contains("soft prompt"));
    let home = tempfile::tempdir().unwrap();
    let full = refused_of(&tiny_model(), &whole_weights(home.path()), vec![0.5, 1.0]);
    assert!(full.contains("(1)"), "{full}");
}

#[test]
fn a_set_that_is_stopped_is_scored_as_far_as_it_is() {
    let (home, talk) = (tempfile::tempdir().unwrap(), Talk::new());
    // Sixteen sources of three columns and more are several batches.
    let mut data = DataConfig::new(tiny_rows(home.path()));
    data.prompt_template = "{{ source }} ->".to_owned();
    let beams = Sampling { max_new_tokens: 30, beams: Beams { n_beams: 8, ..Beams::default() }, ..Sampling::default() };
    let request = RowSetRequest { sampling: beams, ..set(data) };
    talk.send(Ask::CompareRows(Box::new(request)));
    let mut heard = talk.until(|report| matches!(report, Report::RowCompared { .. }));
    talk.send(Ask::Stop);
    heard.extend(talk.until_end());
    assert!(matches!(heard.last(), Some(Report::Finished { outcome: Outcome::Stopped })), "{heard:?}");
    let (rows, numbers, columns) = compared(heard);
    assert!(!rows.is_empty() && rows.len() < 12, "{} of 12", rows.len());
    assert_eq!((numbers.len(), columns.len()), (rows.len(), 4));
    assert!(columns.iter().all(|column| column.rows.len() == rows.len() && column.figures.len() == 2));
}

#[test]
fn each_column_is_timed_alone_and_says_what_it_takes_of_the_cache() {
    let talk = Talk::new();
    let streams = vec![
        Stream::of_base(text("a b")),
        Stream::behind(tiny_adapter(), text("a b")),
        Stream { strength: 0.0, ..Stream::behind(tiny_adapter(), text("a b")) },
        Stream { words: "c d e f".to_owned(), ..Stream::of_base(text("a b")) },
    ];
    let Ask::Generate(request) = generation(&tiny_model(), streams, Sampling::default()) else { unreachable!() };
    let times: Vec<ServingTime> = talk
        .run(Ask::TimeServing(request))
        .into_iter()
        .find_map(|report| match report {
            Report::Serving { times } => Some(times),
            _ => None,
        })
        .expect("they were timed");
    assert!(times.iter().all(|time| time.first_token_secs > 0.0 && time.tokens_per_sec() > 0.0));
    assert_eq!((times[0].cache_bytes, times[2].cache_bytes), (0, 0), "without slots there is nothing to keep");
    assert!(times[1].cache_bytes > 0 && times[3].cache_bytes > 0);
}
