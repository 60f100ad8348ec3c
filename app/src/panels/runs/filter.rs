//! The line that filters the table of runs: words, and conditions such as `state:failed prefix>10 loss<2.5`.

use crate::store::RunRow;

/// Whether a run passes a line. What cannot be understood is looked for in the name.
pub(super) fn passes(row: &RunRow, line: &str) -> bool {
    line.split_whitespace().all(|term| term_passes(row, &term.to_lowercase()))
}

fn term_passes(row: &RunRow, term: &str) -> bool {
    if let Some((key, wanted)) = term.split_once(':') {
        let has = |text: &str| text.to_lowercase().contains(wanted);
        return match key {
            "state" => has(row.state.name()),
            "name" => has(&row.name),
            "method" => has(&row.method),
            "model" => has(&row.model),
            "data" => has(&row.dataset),
            "tag" => row.tags.iter().any(|tag| has(tag)),
            _ => has(&row.name),
        };
    }
    if let Some(place) = term.find(['<', '>'])
        && let Ok(bound) = term[place + 1..].parse::<f64>()
        && let Some(value) = number(row, &term[..place])
    {
        return value.is_some_and(|value| if term.as_bytes()[place] == b'<' { value < bound } else { value > bound });
    }
    let text = format!("{} {} {} {} {}", row.name, row.method, row.model, row.dataset, row.tags.join(" "));
    text.to_lowercase().contains(term)
}

/// `None`: there is no such figure. `Some(None)`: this run has none yet.
#[expect(clippy::option_option, reason = "an unknown word and an unknown value are two things")]
fn number(row: &RunRow, key: &str) -> Option<Option<f64>> {
    match key {
        "loss" | "val" => Some(row.best_loss),
        "last" => Some(row.last_loss),
        "prefix" | "p" => Some(Some(row.n_virtual as f64)),
        "step" | "steps" => Some(Some(row.step as f64)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::RunState;
    use crate::workspace::RunId;

    pub(crate) fn row() -> RunRow {
        RunRow {
            id: RunId("a".into()),
            name: "Paper setting".into(),
            state: RunState::Finished,
            phase: None,
            starred: false,
            tags: vec!["paper".into()],
            experiment: None,
            model: "starter".into(),
            model_folder: "/m".into(),
            dataset: "records".into(),
            method: "prefix 10 + MLP 512".into(),
            n_virtual: 10,
            trained_parameters: None,
            stored_parameters: None,
            best_loss: Some(2.25),
            best_step: Some(100),
            last_loss: None,
            step: 200,
            total_steps: 200,
            created: 0,
            started: None,
            ended: None,
            duration_secs: 1.0,
            sparkline: Vec::new(),
            folder: "/r".into(),
            files_missing: false,
            failure: None,
        }
    }

    #[test]
    fn conditions_and_words_must_all_hold() {
        let row = row();
        for line in ["", "paper", "PAPER records", "method:mlp", "state:fin loss<2.5", "prefix>5 tag:paper", "loss>2"] {
            assert!(passes(&row, line), "{line}");
        }
        for line in ["other", "state:failed", "loss<2", "prefix>10", "paper tag:none", "last<9"] {
            assert!(!passes(&row, line), "{line}");
        }
    }
}
