//! Events as lines for machines: `{"event":"step","step":1,"loss":…}`.

use engine::Sentence;
use engine::protocol::{Event, GeneratedStream, ProbeReport};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The line of an event.
pub(super) fn line(event: &Event) -> Value {
    match event {
        Event::Devices { devices, .. } => named("devices", &json!({"devices": devices})),
        Event::Model { model, .. } => named("model", model),
        Event::Preview { preview, .. } => named("preview", preview),
        Event::Phase { phase, .. } => named("phase", phase),
        Event::RunStarted { facts, .. } => named("started", facts),
        Event::Changed { differences, .. } => named("changed", &json!({"differences": differences})),
        Event::Step { step, .. } => named("step", step),
        Event::Evaluated { evaluation, .. } => named("evaluation", evaluation),
        Event::Sample { sample, .. } => named("sample", sample),
        Event::CheckpointWritten { step, folder, best, .. } => {
            named("checkpoint", &json!({"step": step, "folder": folder, "best": best}))
        }
        Event::RangeStep { point, .. } => named("rate", point),
        Event::Range { findings, .. } => named("range", findings),
        Event::LabStep { step, .. } => named("lab_step", step),
        Event::LabScore { score, .. } => named("lab_score", score),
        Event::Lab { rows, .. } => named("lab", &json!({"rows": rows})),
        Event::Paused { paused, .. } => named("paused", &json!({"paused": paused})),
        Event::Finished { outcome, .. } => named("finished", &json!({"outcome": outcome})),
        Event::Failed { failure, .. } => named("failed", failure),
        Event::Notice { text, .. } => named("notice", &json!({"text": text})),
        Event::Token { stream, text, .. } => named("token", &json!({"stream": stream, "text": text})),
        Event::BestBeam { stream, text, .. } => named("best_beam", &json!({"stream": stream, "text": text})),
        Event::Generated { streams, .. } => generated(streams),
        Event::Score { loss, perplexity, tokens, rows, figures, .. } => {
            let mut score = json!({"loss": loss, "perplexity": perplexity, "tokens": tokens, "rows": rows});
            if let Some(figures) = figures {
                score["figures"] = plain(figures);
            }
            named("score", &score)
        }
        Event::Voted { vote, .. } => named("vote", vote),
        Event::Grid { grid, .. } => named("grid", grid),
        Event::Neighbours { lists, .. } => named("neighbours", &json!({"lists": lists})),
        Event::Written { folder, .. } => named("written", &json!({"folder": folder})),
        Event::Inspected { found, .. } => named("inspected", found),
        Event::Probed { probe, .. } => probed(probe),
    }
}

/// A probe with what it says.
pub(super) fn probed(probe: &ProbeReport) -> Value {
    let mut line = named("probe", probe);
    line["verdict"] = plain(&probe.verdict());
    line
}

fn generated(streams: &[GeneratedStream]) -> Value {
    named("generated", &json!({"streams": streams}))
}

/// A figure as it is.
pub(super) fn plain(figure: &impl Serialize) -> Value {
    in_words(serde_json::to_value(figure).unwrap_or_default())
}

/// Sentences as their words, which is how a machine that is asked in English reads them.
fn in_words(value: Value) -> Value {
    match value {
        Value::Object(fields) if is_sentence(&fields) => {
            let sentence: Result<Sentence, _> = serde_json::from_value(Value::Object(fields.clone()));
            sentence.map_or(Value::Object(fields), |sentence| sentence.to_string().into())
        }
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, in_words(value))).collect(),
        Value::Array(values) => values.into_iter().map(in_words).collect(),
        plain => plain,
    }
}

fn is_sentence(fields: &Map<String, Value>) -> bool {
    fields.get("template").is_some_and(Value::is_string)
        && fields.keys().all(|key| ["template", "values"].contains(&key.as_str()))
}

/// Fields under the name of what happened, which comes first.
pub(super) fn named(name: &str, fields: &impl Serialize) -> Value {
    let mut line = Map::from_iter([("event".to_owned(), Value::from(name))]);
    if let Value::Object(fields) = plain(fields) {
        line.extend(fields);
    }
    Value::Object(line)
}

#[cfg(test)]
mod tests {
    use engine::protocol::{JobId, Phase};
    use engine::training::StepReport;

    use super::*;

    #[test]
    fn the_event_comes_first_and_its_fields_beside_it() {
        let step = StepReport {
            step: 3,
            loss: 1.5,
            learning_rate: 0.5,
            grad_norm: f64::NAN,
            labelled_tokens: 7,
            tokens: 9,
            elapsed_secs: 0.25,
        };
        assert_eq!(
            line(&Event::Step { job: JobId(1), step }).to_string(),
            r#"{"event":"step","step":3,"loss":1.5,"learning_rate":0.5,"grad_norm":null,"labelled_tokens":7,"tokens":9,"elapsed_secs":0.25}"#
        );
        let phase = Phase::LoadingModel { share: 0.5 };
        assert_eq!(
            line(&Event::Phase { job: JobId(1), phase }).to_string(),
            r#"{"event":"phase","phase":"loading_model","share":0.5}"#
        );
    }
}
