//! From arbitrary files to batches: nothing panics, no row is lost or doubled, and labels line up.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use engine::config::{DataConfig, Task, TaskRecord};
use engine::data::{
    Batches, Dataset, IGNORE_INDEX, StreamDecoder, Templates, TokenBatch, Tokenizer, evaluation_batches, preview,
    read_table,
};
use engine::tokens::TargetStart;
use proptest::prelude::*;
use tempfile::TempDir;

/// One token for each byte, in GPT-2's alphabet of bytes, and `<|endoftext|>` (256).
fn byte_tokenizer() -> Tokenizer {
    let mut vocab = serde_json::Map::new();
    let mut next_invisible = 0x100;
    for byte in 0..=255_u32 {
        let is_visible = matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
        let code = if is_visible { byte } else { next_invisible };
        next_invisible += u32::from(!is_visible);
        vocab.insert(char::from_u32(code).unwrap().to_string(), byte.into());
    }
    vocab.insert("<|endoftext|>".to_owned(), 256.into());
    let folder = folder_of(&[
        ("vocab.json", serde_json::Value::from(vocab).to_string().as_bytes()),
        ("merges.txt", b"#version: 0.2\n"),
    ]);
    Tokenizer::from_folder(folder.path()).unwrap()
}

fn folder_of(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

fn rows_file(folder: &Path, rows: &[(String, String)]) -> std::path::PathBuf {
    let lines: Vec<String> =
        rows.iter().map(|(s, t)| serde_json::json!({"source": s, "target": t}).to_string()).collect();
    let path = folder.join("rows.jsonl");
    std::fs::write(&path, lines.join("\n")).unwrap();
    path
}

/// Bytes that look like data more often than chance would have it.
fn data_like_bytes() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        "\"",
        ":",
        ",",
        "\n",
        "\r\n",
        "\t",
        ";",
        "null",
        "true",
        "1e9999",
        "-0.5",
        "\\u00e4",
        "\\ud800",
        "\"source\":",
        "\"target\":",
        "\"text\"",
        "{\"data\":[",
        "{\"source\":\"a\",\"target\":\"b\"}\n",
        "a,b\n",
        "\u{feff}",
        "source\ttarget\n",
        "你",
    ]);
    let noise =
        prop_oneof![8 => pieces.prop_map(|p| p.as_bytes().to_vec()), 1 => prop::collection::vec(any::<u8>(), 0..6)];
    prop::collection::vec(noise, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_file_of_rows_makes_a_reader_panic(content in data_like_bytes(), kind in 0..8_usize) {
        let name = ["x.jsonl", "x.json", "x.csv", "x.tsv", "x.ndjson", "x.conll", "x.txt", "x"][kind];
        let folder = folder_of(&[(name, &content)]);
        if let Ok(table) = read_table(&folder.path().join(name)) {
            prop_assert!(!table.rows.is_empty());
            for row in &table.rows {
                prop_assert!(row.number >= 1);
                let texts: Vec<_> = (0..table.columns.len()).map(|c| row.text(c)).collect();
                prop_assert!(texts.iter().any(|t| t.len() <= content.len() * 6));
            }
        }
        // The whole way to batches holds too: an example or a sentence.
        let config = DataConfig::new(folder.path().join(name));
        match Dataset::load(&config, &TaskRecord::default(), TargetStart::default(), &byte_tokenizer(), 50, 1) {
            Ok(data) => prop_assert!(!data.train.is_empty()),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn no_tokenizer_file_makes_the_loader_panic(cut in 0.0..1.0_f64, byte in any::<u8>(), at in 0.0..1.0_f64, text in ".{0,20}") {
        let mut json = WORD_TOKENIZER.as_bytes().to_vec();
        let at = (at * (json.len() - 1) as f64) as usize;
        json[at] = byte;
        if cut < 0.3 {
            json.truncate((cut / 0.3 * json.len() as f64) as usize);
        }
        let folder = folder_of(&[("tokenizer.json", &json), ("tokenizer_config.json", br#"{"eos_token": "</s>"}"#)]);
        if let Ok(tokenizer) = Tokenizer::from_folder(folder.path())
            && let Ok(ids) = tokenizer.encode(&text)
        {
            ids.iter().for_each(|&id| { tokenizer.token_text(id); });
        }
    }

    #[test]
    fn no_template_panics_or_hangs(pieces in prop::collection::vec(prop::sample::select(vec![
        "{{", "}}", "{%", "%}", "{#", "#}", " source ", "for a in source", "endfor", "if a", "endif", "'", "\"", "|upper", "|replace('a', source)",
        "-", "~", "+", "(", ")", "[", "]", "row", ".", "a", "1", "|join(a)", "set x = 1", "raw", "\n", "你", "not ", "is defined", "loop.index",
    ]), 0..14)) {
        let config = DataConfig { prompt_template: pieces.concat(), ..DataConfig::new("x") };
        if let Ok(templates) = Templates::new(&config) {
            let rendered = templates.prompt_for_source("a bc\nd", &BTreeMap::new(), &byte_tokenizer());
            prop_assert!(rendered.map_or(true, |text| text.len() <= 4 << 20));
        }
    }

    #[test]
    fn any_split_is_a_partition(n in 1..80_usize, share in 0.0..0.9_f64, cap in 0..60_usize, seed in any::<u64>()) {
        let rows: Vec<_> = (0..n).map(|i| (format!("s{i}"), format!("t{i}"))).collect();
        let folder = tempfile::tempdir().unwrap();
        let mut config = DataConfig::new(rows_file(folder.path(), &rows));
        config.validation_share = share;
        config.validation_rows = cap;
        let data = Dataset::load(&config, &TaskRecord::default(), TargetStart::default(), &byte_tokenizer(), 50, seed).unwrap();
        let mut all: Vec<usize> = data.train.held().unwrap().iter().chain(&data.validation).map(|e| e.row).collect();
        all.sort_unstable();
        prop_assert_eq!(all, (1..=n).collect::<Vec<_>>());
        prop_assert!(!data.train.is_empty() && data.validation.len() <= cap);
        prop_assert_eq!(data.report.duplicate_rows, 0);
    }

    #[test]
    fn an_epoch_has_each_row_once(lengths in prop::collection::vec(1..300_usize, 0..900), size in 1..20_usize, seed in any::<u64>(), epoch in 0..5_u64) {
        let batches = Batches::new(&lengths, size, seed, epoch);
        let mut seen: Vec<usize> = (0..batches.len()).flat_map(|i| batches.rows(i).to_vec()).collect();
        prop_assert_eq!(batches.len(), lengths.len().div_ceil(size));
        prop_assert!((0..batches.len()).filter(|&i| batches.rows(i).len() != size).count() <= 1);
        seen.sort_unstable();
        prop_assert_eq!(&seen, &(0..lengths.len()).collect::<Vec<_>>());
        let mut seen = evaluation_batches(&lengths, size).concat();
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
    }

    #[test]
    fn labels_line_up(rows in prop::collection::vec((".{0,12}", ".{0,12}"), 1..8), max_tokens in 2..40_usize, end in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let mut config = DataConfig::new(rows_file(folder.path(), &rows));
        config.validation_share = 0.0;
        config.append_end_token = end;
        let tokenizer = byte_tokenizer();
        let Ok(data) = Dataset::load(&config, &TaskRecord::default(), TargetStart::default(), &tokenizer, max_tokens, 1) else {
            prop_assert!(rows.iter().all(|(_, target)| target.trim().is_empty()));
            return Ok(());
        };
        let all: Vec<usize> = (0..data.train.len()).collect();
        let batch = TokenBatch::new(data.train.held().unwrap(), &all, tokenizer.pad(), Task::Causal);
        for (index, example) in data.train.held().unwrap().iter().enumerate() {
            prop_assert!((1..=max_tokens).contains(&example.tokens.len()) && example.n_prompt >= 1);
            prop_assert!(example.n_prompt < example.tokens.len());
            let mut target = tokenizer.encode(&example.reference).unwrap();
            target.extend(end.then_some(tokenizer.eos()));
            prop_assert!(target.starts_with(&example.tokens[example.n_prompt..]));
            let row = &batch.labels[index * batch.seq..][..batch.seq];
            for (position, &label) in row.iter().enumerate() {
                let is_label = position >= example.n_prompt && position < example.tokens.len();
                prop_assert_eq!(label != IGNORE_INDEX, is_label);
            }
        }
        for (predictor, token) in batch.labeled() {
            prop_assert_eq!(batch.tokens[predictor + 1], token);
            prop_assert_eq!(batch.row_of(predictor), batch.row_of(predictor + 1));
        }
        let rows: BTreeSet<usize> = batch.labeled().iter().map(|&(at, _)| batch.row_of(at)).collect();
        prop_assert_eq!(rows.len(), data.train.len());
    }

    #[test]
    fn streamed_pieces_make_up_the_text(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let tokenizer = byte_tokenizer();
        let ids: Vec<u32> = bytes.iter().map(|&b| u32::from(b)).collect();
        let mut decoder = StreamDecoder::new(&tokenizer);
        let mut text: String = ids.iter().map(|&id| decoder.push(id)).collect();
        text += &decoder.finish();
        prop_assert_eq!(text, tokenizer.decode(&ids).unwrap());
    }
}

const WORD_TOKENIZER: &str = r#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[
    {"id":2,"content":"</s>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],
    "normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]},
    "pre_tokenizer":{"type":"Split","pattern":{"Regex":"[a-z]+|▁"},"behavior":"Isolated","invert":false},"post_processor":null,
    "decoder":{"type":"Sequence","decoders":[{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},
    "model":{"type":"BPE","dropout":0.5,"unk_token":"<unk>","continuing_subword_prefix":null,"end_of_word_suffix":null,
    "fuse_unk":true,"byte_fallback":true,"vocab":{"<unk>":0,"▁":1,"</s>":2,"a":3,"b":4,"▁a":5,"ab":6},"merges":[["▁","a"],["a","b"]]}}"#;

#[test]
fn the_preview_is_what_trains() {
    let rows: Vec<_> = (0..20).map(|i| (format!("source {i}"), "x".repeat(i))).collect();
    let folder = tempfile::tempdir().unwrap();
    let config = DataConfig::new(rows_file(folder.path(), &rows));
    let tokenizer = byte_tokenizer();
    let preview = preview(&config, &TaskRecord::default(), TargetStart::default(), &tokenizer, 100, 24, 7).unwrap();
    let data = Dataset::load(&config, &TaskRecord::default(), TargetStart::default(), &tokenizer, 24, 7).unwrap();
    assert_eq!((preview.train_rows, preview.validation_rows), (data.train.len(), data.validation.len()));
    assert_eq!((preview.total_rows, preview.skipped_rows, preview.rows.len()), (20, 1, 19));
    assert_eq!(preview.truncated_rows, preview.rows.iter().filter(|r| r.truncated).count());
    for example in data.train.held().unwrap().iter().chain(&data.validation) {
        let row = preview.rows.iter().find(|r| r.row == example.row).unwrap();
        assert_eq!(row.labeled.iter().filter(|l| !**l).count(), example.n_prompt);
        assert_eq!(row.tokens.len(), example.tokens.len());
    }
}
