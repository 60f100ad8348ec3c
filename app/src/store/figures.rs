//! Figures of a run by their names, as they are found among its evaluations.

use std::collections::BTreeMap;
use std::path::Path;

use engine::config::Task;
use engine::evaluation::EvaluationRecord;
use engine::training::{BestFigure, ClassificationMetrics, EvaluationReport};
use rusqlite::{Connection, OptionalExtension, Result, params};
use serde_json::{Map, Value};

use super::tables::Key;
use crate::workspace::dataset_name;

/// Figures by name.
pub(super) type Figures = BTreeMap<String, f64>;

/// Figures of an evaluation, as `training.best_metric` names them: those of all rows, and of each dataset behind its name.
pub(super) fn of_evaluation(predicted: Option<&ClassificationMetrics>, best_by: Option<&BestFigure>) -> Figures {
    let mut figures = Figures::new();
    if let Some(Value::Object(tree)) = predicted.and_then(|figures| serde_json::to_value(figures).ok()) {
        take("", &tree, &mut figures);
        for dataset in tree.get("datasets").and_then(Value::as_array).into_iter().flatten() {
            if let (Some(name), Some(tree)) = (dataset.get("name").and_then(Value::as_str), dataset.as_object()) {
                take(&format!("{name}/"), tree, &mut figures);
            }
        }
    }
    figures.extend(best_by.filter(|best| best.value.is_finite()).map(|best| (best.name.clone(), best.value)));
    figures
}

/// Numbers of a table, and of those one deeper; how many candidates there were is no figure.
fn take(before: &str, tree: &Map<String, Value>, figures: &mut Figures) {
    for (name, value) in tree.iter().filter(|(name, _)| *name != "candidates") {
        match value {
            Value::Object(deeper) => take(before, deeper, figures),
            value => figures.extend(value.as_f64().map(|value| (format!("{before}{name}"), value))),
        }
    }
}

/// The figures of a run: of the evaluation whose checkpoint it calls its best, and of the files that it was evaluated on.
pub(super) fn of_run(db: &Connection, key: Key) -> Result<Figures> {
    let best = db
        .prepare_cached(
            "SELECT evaluations.loss, figures, metric FROM evaluations JOIN checkpoints USING (run, step)
             WHERE run = ?1 AND checkpoints.best AND loss IS NOT NULL ORDER BY step DESC LIMIT 1",
        )?
        .query_row([key], |row| {
            let text = |column| row.get::<_, Option<String>>(column);
            Ok((row.get::<_, f64>(0)?, text(1)?, text(2)?))
        })
        .optional()?;
    let mut figures = Figures::new();
    if let Some((loss, predicted, best_by)) = best {
        let predicted = predicted.and_then(|text| serde_json::from_str(&text).ok());
        let best_by = best_by.and_then(|text| serde_json::from_str(&text).ok());
        figures = of_evaluation(predicted.as_ref(), best_by.as_ref());
        let perplexity = Some(loss.exp()).filter(|perplexity| perplexity.is_finite());
        if let Some(perplexity) = perplexity.filter(|_| predicted.is_none())
            && predicts_tokens(db, key)?
        {
            figures.insert("perplexity".to_owned(), perplexity);
        }
    }
    figures.extend(of_files(db, key)?);
    Ok(figures)
}

/// Whether the loss is that of each next token of a text.
fn predicts_tokens(db: &Connection, key: Key) -> Result<bool> {
    let (config, facts): (String, Option<String>) = db
        .prepare_cached("SELECT config, facts FROM runs WHERE key = ?1")?
        .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let config = parsed(&config);
    let task = facts.map(|facts| parsed(&facts)["task"].clone()).filter(|task| !task.is_null());
    let task = task.unwrap_or_else(|| config["task"].clone());
    // A run that has not said its task has not begun, and has no evaluation.
    let task = serde_json::from_value::<Task>(task).unwrap_or_default();
    Ok(matches!(task, Task::Causal | Task::Seq2Seq) && config["training"]["candidate_loss"] != "among")
}

/// Figures of whole files as `<file>/<metric>`; of several evaluations of a file the last of all its rows.
fn of_files(db: &Connection, key: Key) -> Result<Figures> {
    let mut find = db.prepare_cached("SELECT record FROM kept_evaluations WHERE run = ?1")?;
    let texts = find.query_map(params![key], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>>>()?;
    let mut records: Vec<EvaluationRecord> = texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
    // The base model's predictions are kept beside the run's, and are none of its figures.
    records.retain(|record| record.finished && record.adapter.is_some());
    records.sort_by_key(|record| (record.settings.limit.is_none(), record.at));
    let mut figures = Figures::new();
    for record in &records {
        let file = record.settings.data.as_ref().map_or(Path::new(""), |data| &data.train);
        let name = dataset_name(file);
        for figure in record.figures.iter().filter(|figure| figure.figure.is_finite()) {
            figures.insert(format!("{name}/{}", figure.name), figure.figure);
        }
    }
    Ok(figures)
}

/// Runs whose figures are still to be found.
pub(super) fn missing(db: &Connection) -> Result<Vec<Key>> {
    db.prepare_cached("SELECT key FROM runs WHERE figures IS NULL")?.query_map([], |row| row.get(0))?.collect()
}

/// Finds and writes the figures of these runs.
pub(super) fn find(db: &Connection, runs: &[Key]) -> Result<()> {
    for key in runs {
        let figures = of_run(db, *key)?;
        let text =
            serde_json::to_string(&figures).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        db.prepare_cached("UPDATE runs SET figures = ?2 WHERE key = ?1")?.execute(params![key, text])?;
    }
    Ok(())
}

/// They are to be found again.
pub(super) fn forget(db: &Connection, key: Key) -> Result<()> {
    db.prepare_cached("UPDATE runs SET figures = NULL WHERE key = ?1 AND figures IS NOT NULL")?.execute([key])?;
    Ok(())
}

/// A figure of an evaluation; `None` where it has none of that name.
pub(super) fn of_report(report: &EvaluationReport, name: &str) -> Option<f64> {
    match name {
        "validation loss" => Some(report.loss),
        // Where classes are predicted, the loss is none of tokens.
        "perplexity" => Some(report.loss.exp()).filter(|_| report.figures.is_none()),
        name => of_evaluation(report.figures.as_ref(), report.metric.as_ref()).get(name).copied(),
    }
}

#[cfg(test)]
mod tests {
    use engine::training::{AnswerMetrics, NamedMetrics, RankingMetrics};

    use super::*;

    #[test]
    fn figures_have_the_names_by_which_the_best_is_asked_for() {
        let named = NamedMetrics {
            name: "rte".to_owned(),
            figures: ClassificationMetrics { accuracy: Some(0.25), ..ClassificationMetrics::default() },
        };
        let predicted = ClassificationMetrics {
            accuracy: Some(0.5),
            macro_f1: Some(0.4),
            answers: Some(Box::new(AnswerMetrics { exact_match: 0.1, f1: 0.2, best: None })),
            ranking: Some(RankingMetrics { p_at_1: 0.3, candidates: 7, ..RankingMetrics::default() }),
            datasets: vec![named],
            ..ClassificationMetrics::default()
        };
        let best_by = BestFigure { name: "bleu".to_owned(), value: 31.0 };
        let figures = of_evaluation(Some(&predicted), Some(&best_by));
        let told: Vec<(&str, f64)> = figures.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert_eq!(
            told,
            [
                ("accuracy", 0.5),
                ("bleu", 31.0),
                ("exact_match", 0.1),
                ("f1", 0.2),
                ("macro_f1", 0.4),
                ("mrr", 0.0),
                ("p_at_1", 0.3),
                ("p_at_10", 0.0),
                ("rte/accuracy", 0.25),
            ]
        );
        let diverged = BestFigure { name: "bleu".to_owned(), value: f64::NAN };
        assert!(of_evaluation(None, Some(&diverged)).is_empty());
    }
}
