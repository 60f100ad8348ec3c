//! Steps and evaluations of runs as CSV: a line a step, the figures of an evaluation in the line of the step before it.

use std::collections::BTreeMap;

use engine::error::Failure;
use engine::sentence;

use crate::report::{RunRecord, evaluated};

/// Figures of a step, in the order of the columns.
const STEP: [&str; 6] = ["loss", "learning_rate", "grad_norm", "labeled_tokens", "tokens", "elapsed_secs"];

/// The lines of runs, below one head.
///
/// # Errors
/// Memory cannot be written to, which never happens.
pub(super) fn steps(runs: &[RunRecord]) -> Result<Vec<u8>, Failure> {
    written(runs).map_err(|error| Failure {
        what: sentence!("the table cannot be written: {reason}", reason = error.to_string()),
        advice: sentence!("Check that the folder can be written and that the disk is not full"),
    })
}

fn written(runs: &[RunRecord]) -> Result<Vec<u8>, csv::Error> {
    let mut figures: Vec<&'static str> = Vec::new();
    for (name, _) in runs.iter().flat_map(|run| &run.evaluations).flat_map(evaluated) {
        if !figures.contains(&name) {
            figures.push(name);
        }
    }
    let mut table = csv::Writer::from_writer(Vec::new());
    let head = ["run", "name", "step"].into_iter().chain(STEP).chain(["validation_loss"]).map(str::to_owned);
    table.write_record(head.chain(figures.iter().map(|name| format!("validation_{name}"))))?;
    for run in runs {
        for (step, line) in lines(run, &figures) {
            let number =
                |value: &Option<f64>| value.filter(|value| value.is_finite()).map_or(String::new(), |v| v.to_string());
            let head = [run.row.id.0.clone(), run.row.name.clone(), step.to_string()];
            table.write_record(head.into_iter().chain(line.iter().map(number)))?;
        }
    }
    table.into_inner().map_err(|error| csv::Error::from(error.into_error()))
}

/// The figures of each step that has some.
fn lines(run: &RunRecord, figures: &[&'static str]) -> BTreeMap<u64, Vec<Option<f64>>> {
    let width = STEP.len() + 1 + figures.len();
    let mut lines: BTreeMap<u64, Vec<Option<f64>>> = BTreeMap::new();
    for (column, name) in STEP.iter().enumerate() {
        for [step, value] in run.series(name) {
            lines.entry(*step as u64).or_insert_with(|| vec![None; width])[column] = Some(*value);
        }
    }
    for evaluation in &run.evaluations {
        let line = lines.entry(evaluation.step as u64).or_insert_with(|| vec![None; width]);
        line[STEP.len()] = Some(evaluation.loss);
        for (name, value) in evaluated(evaluation) {
            if let Some(at) = figures.iter().position(|figure| *figure == name) {
                line[STEP.len() + 1 + at] = Some(value);
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::RunRecord;
    use crate::store::{RunRow, Series};

    #[test]
    fn a_line_has_a_step_with_the_evaluation_after_it_and_names_are_quoted() {
        let series = |name: &str, points: &[[f64; 2]]| Series { name: name.to_owned(), points: points.to_vec() };
        let evaluation = |step, loss| engine::training::EvaluationReport {
            step,
            loss,
            best: false,
            elapsed_secs: 0.1,
            figures: None,
            metric: None,
        };
        let run = RunRecord {
            series: vec![series("loss", &[[1.0, 2.5], [2.0, f64::NAN]]), series("tokens", &[[1.0, 9.0], [2.0, 8.0]])],
            evaluations: vec![evaluation(0, 3.0), evaluation(2, 1.5)],
            ..RunRecord::of(RunRow { name: "a, \"b\"".to_owned(), ..RunRow::example() })
        };
        let text = String::from_utf8(steps(&[run]).unwrap()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "run,name,step,loss,learning_rate,grad_norm,labeled_tokens,tokens,elapsed_secs,validation_loss",
                "a,\"a, \"\"b\"\"\",0,,,,,,,3",
                "a,\"a, \"\"b\"\"\",1,2.5,,,,9,,",
                "a,\"a, \"\"b\"\"\",2,,,,,8,,1.5",
            ]
        );
    }
}
