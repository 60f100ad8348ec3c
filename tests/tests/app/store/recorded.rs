//! The screens get what the engine tells of a run, in pieces and after a resume.

use super::*;

#[test]
fn a_run_comes_back_as_it_was() {
    let mut bench = Bench::new();
    let run = bench.begin(20);
    assert_eq!(bench.runs()[0].state, RunState::Preparing);
    bench.train(&run, 1, 20, 20);
    let row = bench.runs().remove(0);
    assert_eq!((row.state, row.step, row.total_steps), (RunState::Running, 20, 20));
    assert!(matches!(row.phase, Some(Phase::LoadingModel { .. })));
    finish(&bench, Outcome::Completed);
    let (before, detail) = (bench.runs(), bench.detail(&run, Cursor::default()));
    bench.reopen();
    let row = &bench.runs()[0];
    assert_eq!(row, &before[0]);
    assert_eq!((row.state, row.name.as_str()), (RunState::Finished, "prefix 20 · records"));
    assert_eq!((row.best_loss, row.best_step, row.last_loss), (Some(0.2), Some(20), Some(3.0 / 1_048_576.0)));
    assert_eq!((row.trained_parameters, row.stored_parameters), (Some(9_857_024), Some(184_320)));
    assert_eq!(row.duration_secs, 20.0 * 0.25 + 2.0 * 0.5);
    assert_eq!(row.sparkline.len(), 20);
    let again = bench.detail(&run, Cursor::default());
    assert!(again.replace && !again.more);
    assert_eq!(again.series, detail.series);
    assert_eq!(again.series.len(), 6);
    assert_eq!(again.evaluations.len(), 2);
    assert_eq!(again.samples[1].text, "咖啡 20");
    assert_eq!(again.checkpoints.iter().map(|c| (c.step, c.best)).collect::<Vec<_>>(), [(10, false), (20, true)]);
    assert_eq!(again.config.unwrap().training.steps, 20);
    assert_eq!(again.facts.unwrap().n_layers, 2);
    assert_eq!(again.log, detail.log);
    assert!(again.log.iter().any(|line| line.text.to_string().contains("1 row was cut")), "{:?}", again.log);
}

#[test]
fn only_what_is_new_is_read() {
    let bench = Bench::new();
    let run = bench.begin(40);
    bench.train(&run, 1, 10, 40);
    let first = bench.detail(&run, Cursor::default());
    let nothing = bench.detail(&run, first.cursor);
    assert!(nothing.series.is_empty() && nothing.evaluations.is_empty() && nothing.log.is_empty() && !nothing.replace);
    bench.tell(Report::Step(step_report(11)));
    let news = bench.detail(&run, nothing.cursor);
    assert!(!news.replace);
    let loss = news.series.iter().find(|series| series.name == "loss").unwrap();
    assert_eq!(loss.points, [[11.0, 3.0 / 2048.0]]);
}

#[test]
fn a_resumed_run_drops_the_steps_after_its_checkpoint() {
    let bench = Bench::new();
    let run = bench.begin(30);
    bench.train(&run, 1, 15, 30);
    let before = bench.detail(&run, Cursor::default());
    finish(&bench, Outcome::Stopped);
    assert_eq!(bench.runs()[0].state, RunState::Stopped);
    bench.send(Request::Begin { job: JOB, run: run.clone() });
    bench.tell(Report::RunStarted(Box::new(facts(30, 10))));
    let row = bench.runs().remove(0);
    assert_eq!((row.step, row.state, row.last_loss), (10, RunState::Running, Some(3.0 / 1024.0)));
    assert_eq!(row.duration_secs, 10.0 * 0.25 + 0.5);
    bench.tell(Report::Step(step_report(11)));
    let after = bench.detail(&run, before.cursor);
    assert!(after.replace, "the reader must drop steps 11 to 15");
    assert_eq!(after.series[0].points.len(), 11);
    assert_eq!(after.evaluations.len(), 1);
}

#[test]
fn a_failed_run_says_what_to_do() {
    let bench = Bench::new();
    let run = bench.begin(10);
    bench.train(&run, 1, 3, 10);
    let mut diverged = step_report(4);
    diverged.loss = f64::NAN;
    bench.tell(Report::Step(diverged));
    let failure = Failure {
        what: engine::Sentence::verbatim("the loss is no longer a number at step 4"),
        advice: engine::Sentence::verbatim("Lower the rate"),
    };
    bench.tell(Report::Failed(failure.clone()));
    bench.tell(Report::Step(step_report(5)));
    let row = bench.runs().remove(0);
    assert_eq!((row.state, row.step, row.last_loss), (RunState::Failed, 4, None));
    assert_eq!(row.failure, Some(failure));
    let detail = bench.detail(&run, Cursor::default());
    assert!(detail.series.iter().find(|series| series.name == "loss").unwrap().points[3][1].is_nan());
}

#[test]
fn a_hundred_thousand_figures_go_in_and_come_out_in_pieces() {
    let bench = Bench::new();
    let run = bench.begin(60_000);
    bench.tell(Report::RunStarted(Box::new(facts(60_000, 0))));
    (1..=60_000).for_each(|step| bench.tell(Report::Step(step_report(step))));
    let (mut cursor, mut points, mut answers) = (Cursor::default(), 0, 0);
    loop {
        let detail = bench.detail(&run, cursor);
        points += detail.series.iter().map(|series| series.points.len()).sum::<usize>();
        assert_eq!(detail.replace, answers == 0);
        answers += 1;
        cursor = detail.cursor;
        if !detail.more {
            break;
        }
    }
    assert_eq!(points, 360_000);
    assert!(answers > 1);
    let row = bench.runs().remove(0);
    assert!(row.sparkline.len() <= 64 && row.step == 60_000);
}

#[test]
fn a_run_goes_on_while_its_database_is_made_again() {
    let bench = Bench::new();
    let run = bench.begin(20);
    bench.train(&run, 1, 10, 20);
    bench.store.flush();
    let database = rusqlite::Connection::open(bench.workspace.database()).unwrap();
    database.execute_batch("UPDATE runs SET name = x'00'").unwrap();
    drop(database);
    assert_eq!((bench.runs()[0].step, bench.runs()[0].state), (10, RunState::Running));
    bench.train(&run, 11, 20, 20);
    finish(&bench, Outcome::Completed);
    let row = bench.runs().remove(0);
    assert_eq!((row.step, row.state, row.best_step), (20, RunState::Finished, Some(20)));
    assert_eq!(bench.detail(&run, Cursor::default()).series[0].points.len(), 20);
}

#[test]
fn a_run_that_could_not_go_on_is_as_it_was() {
    let bench = Bench::new();
    let run = bench.begin(20);
    bench.train(&run, 1, 10, 20);
    finish(&bench, Outcome::Stopped);
    let before = bench.runs().remove(0);
    bench.send(Request::Begin { job: JOB, run: run.clone() });
    let failure = Failure {
        what: engine::Sentence::verbatim("the model folder has no config.json"),
        advice: engine::Sentence::verbatim("Choose another"),
    };
    bench.tell(Report::Failed(failure));
    assert_eq!(bench.runs().remove(0), before);
    assert!(
        bench.detail(&run, Cursor::default()).log.iter().any(|line| line.text.to_string().contains("no config.json"))
    );
}

#[test]
fn the_best_is_the_evaluation_whose_adapter_is_kept() {
    let bench = Bench::new();
    let run = bench.begin(20);
    let folder = bench.workspace.run_folder(&run);
    bench.tell(Report::RunStarted(Box::new(facts(20, 0))));
    let evaluated = |step, loss, best| {
        let evaluation = EvaluationReport { step, loss, best, elapsed_secs: 0.5, figures: None, metric: None };
        bench.tell(Report::Evaluated(evaluation));
    };
    let kept = |step, best| {
        let folder = folder.join("checkpoints").join(format!("step-{step:06}"));
        bench.tell(Report::CheckpointWritten { step, folder, best });
    };
    evaluated(0, 0.5, true);
    assert_eq!(bench.runs()[0].best_loss, None, "nothing is kept yet that computes it");
    kept(0, true);
    evaluated(10, 0.75, false);
    kept(10, false);
    assert_eq!((bench.runs()[0].best_loss, bench.runs()[0].best_step), (Some(0.5), Some(0)));
    // Other validation rows: a higher loss is the best of them.
    evaluated(20, 0.625, true);
    kept(20, true);
    assert_eq!((bench.runs()[0].best_loss, bench.runs()[0].best_step), (Some(0.625), Some(20)));
}
