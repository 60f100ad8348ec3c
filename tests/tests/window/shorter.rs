//! The explorer's view of a prefix with fewer slots: an answer as the engine sends it.

use app::charts::Picture;
use egui_kittest::kittest::Queryable as _;
use engine::analysis::{Analysis, Question, Shortened, ShorterReport};

use crate::insight::{answer_last, attention, exploring, grid};
use crate::insight_parts::{last_picture, last_question, last_table, tall};
use crate::scenes::click;

#[test]
fn fewer_slots_are_told_left_out_and_fitted() {
    let mut bench = exploring(tall(1100.0), grid());
    click(&mut bench, app::t!("insight.matters"));
    answer_last(&mut bench, attention());
    click(&mut bench, app::t!("insight.shorter"));
    assert_eq!(last_question(&bench), Question::Shorter { sizes: Vec::new() });
    let size = |slots, matched, pruned| Shortened { slots, matched, pruned, error: 0.1, ..Shortened::default() };
    let report = ShorterReport {
        loss: 1.2,
        n_slots: 20,
        sizes: vec![size(10, 1.203, 1.35), size(5, 1.211, 1.8), size(2, 1.5, 2.4)],
        rows: 32,
        labels: 640,
    };
    answer_last(&mut bench, Analysis::Shorter(report));
    bench.harness.get_by_label_contains("5 slots fitted to what all 20 do: loss 1.2110");
    bench.harness.get_by_label("2: 1.5000 fitted (+0.3000), 2.4000 the most important alone (+1.2000)");
    bench.harness.check_accessibility();
    assert!(last_table(&mut bench).contains("Paper setting,5,1.211,1.8,1.2,0.1,0\n"));
    let Picture::Chart(chart) = last_picture(&mut bench) else { panic!("a chart") };
    assert_eq!((chart.series.len(), chart.series[0].points.len()), (2, 4));
}
