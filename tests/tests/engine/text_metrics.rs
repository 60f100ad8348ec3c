//! Text metrics on any text: nothing panics, every figure stays in its range.

use engine::metrics::text::{Resources, TEXT_METRICS, TextRow, porter_stem, text_metric};
use proptest::prelude::*;

fn sum(statistics: &[Vec<f64>]) -> Vec<f64> {
    (0..statistics[0].len()).map(|index| statistics.iter().map(|row| row[index]).sum()).collect()
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ab ,.'0-9-]{0,60}",
        "[一二三，。！？”“… \n]{0,30}",
        proptest::collection::vec(prop_oneof!["a", "b", "c", "ies", "ing", "'s", "\u{301}", "&amp;"], 0..60)
            .prop_map(|words| words.join(" ")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics_and_every_figure_stays_in_its_range(
        texts in proptest::collection::vec((any_text(), proptest::collection::vec(any_text(), 0..4)), 1..5)
    ) {
        let rows: Vec<TextRow> =
            texts.into_iter().map(|(prediction, references)| TextRow::new(prediction, references)).collect();
        for entry in TEXT_METRICS {
            let metric = text_metric(entry.name, &Resources::default()).unwrap();
            let statistics = metric.statistics(&rows);
            prop_assert_eq!(statistics.len(), rows.len());
            prop_assert!(statistics.iter().all(|row| row.len() == statistics[0].len()));
            let figures = statistics.iter().map(|row| metric.row_figure(row));
            for figure in figures.chain([metric.figure(&sum(&statistics))]) {
                prop_assert!(figure.is_finite(), "{} {}", entry.name, figure);
                if let Some(largest) = entry.scale.largest() {
                    prop_assert!((0.0..=largest + 1e-9).contains(&figure), "{} {}", entry.name, figure);
                }
            }
        }
    }

    #[test]
    fn a_stem_is_no_longer_than_its_word_by_more_than_a_letter(word in "[a-zé]{0,12}") {
        prop_assert!(porter_stem(&word).chars().count() <= word.chars().count() + 1);
    }
}
