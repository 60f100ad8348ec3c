//! A page on runs is asked for in the table, and written elsewhere.

use std::path::PathBuf;

use app::action::Pick;
use app::window::backend::BackendEvent;
use egui_kittest::kittest::Queryable as _;

use crate::scenes::{click, runs};
use crate::world::{Bench, Start};

#[test]
fn a_report_of_the_chosen_runs_is_written_where_it_is_asked_for() {
    let mut bench = Bench::with_runs(Start::default(), runs());
    click(&mut bench, "Paper setting");
    click(&mut bench, "Report…");
    bench.harness.get_by_label("Report on 1 run");
    click(&mut bench, "Choose…");
    assert_eq!(bench.world.borrow().browsed, [Pick::ReportFile]);
    bench.world.borrow_mut().news.push_back(BackendEvent::Picked(Pick::ReportFile, "/pages/mine".into()));
    bench.settle();
    bench.harness.check_accessibility();
    click(&mut bench, "Write");
    let asked = bench.world.borrow().reports.clone();
    let [(of, to)] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!((of.len(), to), (1, &PathBuf::from("/pages/mine.html")));
    assert_eq!(of[0].0, "20261121-020000-0002");
    bench.world.borrow_mut().news.push_back(BackendEvent::Written(to.clone()));
    bench.settle();
    bench.harness.get_by_label_contains("Written: /pages/mine.html");
}
