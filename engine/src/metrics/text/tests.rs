//! Every metric against its reference implementation: `tests/golden/text_metrics.py` writes texts and figures.

use serde_json::Value;

use super::*;

fn golden() -> Value {
    serde_json::from_str(include_str!("../../../../tests/golden/metrics/text.json")).unwrap()
}

fn rows_of(corpus: &Value) -> Vec<TextRow> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let rows = corpus["rows"].as_array().unwrap().iter();
    rows.map(|row| {
        TextRow::new(text(&row["prediction"]), row["references"].as_array().unwrap().iter().map(text).collect())
    })
    .collect()
}

/// A metric of the registry that reads texts alone.
fn plain(name: &str) -> Option<Box<dyn TextMetric>> {
    text_metric(name, &Resources::default())
}

/// A metric of the registry, or one with options after a slash.
fn metric(name: &str) -> Box<dyn TextMetric> {
    let Some((family, option)) = name.split_once('/') else {
        return plain(name).unwrap_or_else(|| panic!("no metric {name}"));
    };
    let rouge = |kind| match option {
        "precision" => Rouge::new(kind).part(RougePart::Precision),
        _ => Rouge::new(kind).part(RougePart::Recall).stems(true),
    };
    match (family, option) {
        ("bleu", "floor") => Box::new(Bleu::default().smoothing(Smoothing::Floor(0.1))),
        ("bleu", "add-k") => Box::new(Bleu::default().smoothing(Smoothing::AddK(1.0))),
        ("bleu", "add-k[0.50]") => Box::new(Bleu::default().smoothing(Smoothing::AddK(0.5))),
        ("bleu", "none") => Box::new(Bleu::default().smoothing(Smoothing::None)),
        ("bleu", "effective") => Box::new(Bleu::default().effective_order(true)),
        ("chrf++", "lc") => Box::new(Chrf::new(2).lowercase(true)),
        ("cider_plain", "none") => Box::new(Cider::plain(Words::Spaces)),
        ("ter", "case") => Box::new(Ter::new().case_sensitive(true)),
        ("rouge1", _) => Box::new(rouge(RougeKind::Ngrams(1))),
        ("rouge2", _) => Box::new(rouge(RougeKind::Ngrams(2))),
        ("rouge_l", _) => Box::new(rouge(RougeKind::Lcs)),
        ("rouge_lsum", _) => Box::new(rouge(RougeKind::LcsOfLines)),
        _ => panic!("no metric {name}"),
    }
}

fn sum(statistics: &[Vec<f64>]) -> Vec<f64> {
    let n = statistics.first().map_or(0, Vec::len);
    (0..n).map(|index| statistics.iter().map(|row| row[index]).sum()).collect()
}

fn is_close(figure: f64, expected: f64) -> bool {
    (figure - expected).abs() <= 1e-9 * expected.abs().max(1.0)
}

#[test]
fn each_figure_is_that_of_the_reference_for_the_corpus_and_for_each_row() {
    let golden = golden();
    let (mut wrong, mut n_compared) = (Vec::new(), 0);
    for (corpus, of_corpus) in golden["corpora"].as_object().unwrap() {
        let rows = rows_of(of_corpus);
        for (name, expected) in of_corpus["figures"].as_object().unwrap() {
            let metric = metric(name);
            let statistics = metric.statistics(&rows);
            let figures = statistics.iter().map(|row| metric.row_figure(row));
            let figures = std::iter::once(metric.figure(&sum(&statistics))).chain(figures);
            let of_rows = expected["rows"].as_array().unwrap();
            for (place, (figure, expected)) in
                figures.zip(std::iter::once(&expected["corpus"]).chain(of_rows)).enumerate()
            {
                let Some(expected) = expected.as_f64() else { continue };
                n_compared += 1;
                if !is_close(figure, expected) {
                    wrong.push(format!("{corpus} {name} {place}: {figure} for {expected}"));
                }
            }
            if let Some(signature) = expected["signature"].as_str()
                && metric.signature().as_deref() != Some(signature)
            {
                wrong.push(format!("{corpus} {name}: {:?} for {signature}", metric.signature()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {n_compared}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(n_compared > 4000, "{n_compared}");
}

#[test]
fn every_stem_is_that_of_nltk() {
    let golden = golden();
    let stems = golden["stems"].as_object().unwrap();
    let wrong: Vec<_> = stems.iter().filter(|(word, stem)| porter_stem(word) != stem.as_str().unwrap()).collect();
    assert!(stems.len() > 400 && wrong.is_empty(), "{wrong:?}");
}

#[test]
fn the_registry_names_each_metric_once_and_makes_it() {
    for (place, entry) in TEXT_METRICS.iter().enumerate() {
        assert!(plain(entry.name).is_some(), "{}", entry.name);
        assert!(TEXT_METRICS[..place].iter().all(|other| other.name != entry.name && other.label != entry.label));
        assert_eq!(entry.higher_is_better, entry.name.split(':').next() != Some("ter"), "{}", entry.name);
    }
    assert!(plain("bleu:words").is_none() && plain("bleurt").is_none());
}

#[test]
fn a_corpus_without_rows_has_a_figure() {
    for entry in TEXT_METRICS {
        let metric = plain(entry.name).unwrap();
        assert!(metric.statistics(&[]).is_empty());
        assert!(metric.figure(&[]).is_finite(), "{}", entry.name);
    }
}

#[test]
fn a_row_without_references_is_scored_against_an_empty_one() {
    let row = |references: &[&str]| {
        TextRow::new("some words here".to_owned(), references.iter().map(|text| (*text).to_owned()).collect())
    };
    for entry in TEXT_METRICS {
        let metric = plain(entry.name).unwrap();
        assert_eq!(metric.statistics(&[row(&[])]), metric.statistics(&[row(&[""])]), "{}", entry.name);
    }
}

#[test]
fn a_prediction_equal_to_a_reference_has_the_best_figure() {
    let texts = ["one two three four five six", "a b c d e f g h", "Ümläute sind nicht selten , 中 文 字 符"];
    let rows: Vec<TextRow> =
        texts.iter().map(|text| TextRow::new((*text).to_owned(), vec![(*text).to_owned()])).collect();
    for entry in
        TEXT_METRICS.iter().filter(|entry| !entry.name.starts_with("distinct") && !entry.name.starts_with("rouge"))
    {
        let metric = plain(entry.name).unwrap();
        let figure = metric.figure(&sum(&metric.statistics(&rows)));
        match (entry.scale, entry.higher_is_better) {
            (_, false) => assert!(figure == 0.0, "{} {figure}", entry.name),
            // One chunk of n matches costs 0.5 / n³ in METEOR.
            (Scale::One, _) => assert!(figure > 0.99, "{} {figure}", entry.name),
            (Scale::Open, _) => assert!(figure > 1.0, "{} {figure}", entry.name),
            (scale, _) => assert!(is_close(figure, scale.largest().unwrap()), "{} {figure}", entry.name),
        }
    }
}

/// `tests/golden/wordnet.py` writes the dictionary and nltk's figures over it.
#[test]
fn meteor_with_synonyms_is_that_of_nltk_over_the_same_dictionary() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/metrics/wordnet");
    let read = |name: String| std::fs::read_to_string(folder.join(name)).unwrap();
    let texts = PARTS.map(|part| PartTexts {
        index: read(format!("index.{part}")),
        data: read(format!("data.{part}")),
        exceptions: read(format!("{part}.exc")),
    });
    let wordnet = WordNet::of(texts.clone()).unwrap();
    let golden: Value = serde_json::from_str(&read("figures.json".to_owned())).unwrap();
    for (word, synonyms) in golden["synonyms"].as_object().unwrap() {
        let wanted: Vec<&str> = synonyms.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        assert_eq!(wordnet.synonyms(word).into_iter().collect::<Vec<_>>(), wanted, "{word}");
    }
    let resources = Resources { wordnet: Some(Arc::new(wordnet)) };
    let meteor = text_metric("meteor:none", &resources).unwrap();
    assert!(meteor.signature().unwrap().contains("synonyms of WordNet 0.1"), "{:?}", meteor.signature());
    let rows = rows_of(&golden);
    let found: Vec<f64> = meteor.statistics(&rows).iter().map(|row| meteor.row_figure(row)).collect();
    let without = plain("meteor:none").unwrap().statistics(&rows);
    for (at, (found, wanted)) in found.iter().zip(golden["figures"].as_array().unwrap()).enumerate() {
        assert!(is_close(*found, wanted.as_f64().unwrap()), "{:?}: {found} for {wanted}", rows[at]);
    }
    let higher = found.iter().zip(&without).filter(|(with, without)| **with > without[0]).count();
    assert!(higher > rows.len() / 2, "{higher} rows have synonyms");
    let [noun, others @ ..] = texts;
    let moved = PartTexts { data: format!("x\n{}", noun.data), ..noun };
    let [verb, adjective, adverb] = others;
    let error = WordNet::of([moved, verb, adjective, adverb]).unwrap_err().to_string();
    assert!(error.contains("data.noun") && error.contains("byte"), "{error}");
}
