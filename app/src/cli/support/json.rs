//! Reports as lines for machines: `{"event":"step","step":1,"loss":…}`.

use engine::Sentence;
use engine::protocol::Report;
use serde::Serialize;
use serde_json::{Map, Value};

/// The line of a report; a probe says what it means, too.
pub(in crate::cli) fn line(report: &Report) -> Value {
    let mut line = plain(report);
    if let Report::Probed(probe) = report {
        line["verdict"] = plain(&probe.verdict());
    }
    line
}

/// A figure as it is.
pub(in crate::cli) fn plain(figure: &impl Serialize) -> Value {
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
pub(in crate::cli) fn named(name: &str, fields: &impl Serialize) -> Value {
    let mut line = Map::from_iter([("event".to_owned(), Value::from(name))]);
    if let Value::Object(fields) = plain(fields) {
        line.extend(fields);
    }
    Value::Object(line)
}

#[cfg(test)]
mod tests {
    use engine::protocol::Phase;
    use engine::training::StepReport;

    use super::*;

    #[test]
    fn the_event_comes_first_and_its_fields_beside_it() {
        let step = StepReport {
            step: 3,
            loss: 1.5,
            learning_rate: 0.5,
            grad_norm: f64::NAN,
            labeled_tokens: 7,
            tokens: 9,
            elapsed_secs: 0.25,
        };
        assert_eq!(
            line(&Report::Step(step)).to_string(),
            r#"{"event":"step","step":3,"loss":1.5,"learning_rate":0.5,"grad_norm":null,"labeled_tokens":7,"tokens":9,"elapsed_secs":0.25}"#
        );
        let phase = Phase::LoadingModel { share: 0.5 };
        assert_eq!(line(&Report::Phase(phase)).to_string(), r#"{"event":"phase","phase":"loading_model","share":0.5}"#);
    }
}
