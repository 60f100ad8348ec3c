//! Each decoding setting against transformers: `tests/golden/decoding.json`, which `decoding.py` beside it wrote.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Decoder, DecoderModel, DecoderOptions, DecoderStream, Sampling};
use crate::device::DeviceChoice;
use crate::loaded_model::LoadedModel;
use crate::models::Conditioning;
use crate::nn::Precision;

#[derive(Deserialize)]
struct Search {
    case: String,
    prompt: Vec<u32>,
    settings: Map<String, Value>,
    tokens: Vec<Vec<u32>>,
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden")
}

/// Settings in transformers' words, with the tokens that end a text.
fn read(settings: &Map<String, Value>) -> (Sampling, Vec<u32>) {
    let (mut sampling, mut beams) = (Map::new(), Map::new());
    let mut ends = Vec::new();
    for (name, value) in settings {
        match name.as_str() {
            "eos_token_id" if value.is_null() => {}
            "eos_token_id" if value.is_array() => ends = serde_json::from_value(value.clone()).unwrap(),
            "eos_token_id" => ends = vec![serde_json::from_value(value.clone()).unwrap()],
            "num_beams" => drop(beams.insert("n_beams".to_owned(), value.clone())),
            "num_return_sequences" => drop(beams.insert("n_returned".to_owned(), value.clone())),
            _ => drop(sampling.insert(name.clone(), value.clone())),
        }
    }
    sampling.insert("beams".to_owned(), beams.into());
    sampling.insert("stop_at_end".to_owned(), json!(!ends.is_empty()));
    (serde_json::from_value(sampling.into()).unwrap(), ends)
}

fn written(model: &LoadedModel, search: &Search) -> Vec<Vec<u32>> {
    let (sampling, end_tokens) = read(&search.settings);
    let has_beams = sampling.beams.n_beams > 1;
    let options = DecoderOptions { end_tokens, ..model.decoding(sampling).unwrap() };
    let stream = DecoderStream::new(search.prompt.clone(), Conditioning::default());
    let mut decoder = Decoder::new(model.model.shape(), vec![stream], options).unwrap();
    while !decoder.is_done() {
        decoder.step(DecoderModel::try_from(&*model.model).unwrap()).unwrap();
    }
    if has_beams {
        return decoder.hypotheses(0).iter().map(|found| found.tokens.clone()).collect();
    }
    vec![decoder.tokens(0).to_vec()]
}

#[test]
fn every_decoding_setting_writes_what_transformers_writes() {
    let text = std::fs::read_to_string(golden().join("decoding.json")).unwrap();
    let searches: Vec<Search> = serde_json::from_str(&text).unwrap();
    let mut models = BTreeMap::new();
    for search in &searches {
        let model = models.entry(search.case.clone()).or_insert_with(|| {
            let folder = golden().join("cases").join(&search.case).join("model");
            LoadedModel::load(&folder, (DeviceChoice::Cpu, Precision::F32), None, &mut |_| Ok(())).unwrap()
        });
        assert_eq!(written(model, search), search.tokens, "{} {:?} {:?}", search.case, search.prompt, search.settings);
    }
    assert_eq!((models.len(), searches.len()), (2, 93));
}
