//! Commands and events survive a wire.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::config::{DataConfig, RunConfig};
use crate::device::DeviceChoice;
use crate::error::{EngineError, Failure};
use crate::nn::Precision;
use crate::sentence;
use crate::training::{EvaluationReport, StepReport};

fn sent<T: Serialize + DeserializeOwned>(value: &T) -> (T, Value) {
    let text = serde_json::to_string(value).unwrap();
    (serde_json::from_str(&text).unwrap(), serde_json::from_str(&text).unwrap())
}

fn config() -> RunConfig {
    serde_json::from_value(json!({"model": "models/gpt2", "data": {"train": "rows.jsonl"}})).unwrap()
}

#[test]
fn a_command_is_a_flat_object_and_comes_back() {
    let folder = "runs/a".into();
    let train =
        Command { job: JobId(3), ask: Ask::Train { folder, config: Box::new(config()), resume: true, until: None } };
    let (back, line) = sent(&train);
    assert_eq!(back, train);
    assert_eq!((&line["job"], &line["ask"], &line["resume"]), (&json!(3), &json!("train"), &json!(true)));
    let (device, numbers) = (DeviceChoice::Cpu, Precision::F32.into());
    let evaluate = Ask::Evaluate {
        model: "m".into(),
        device,
        numbers,
        adapter: None,
        data: DataConfig::new("rows.jsonl"),
        task: None,
    };
    for ask in [Ask::Stop, Ask::ListDevices, Ask::DescribeModel { folder: "m".into() }, evaluate] {
        let command = Command { job: JobId(4), ask };
        assert_eq!(sent(&command).0, command);
    }
}

#[test]
fn an_event_is_a_flat_object_and_comes_back() {
    let step = StepReport {
        step: 3,
        loss: 1.5,
        learning_rate: 0.5,
        grad_norm: 2.0,
        labeled_tokens: 7,
        tokens: 9,
        elapsed_secs: 0.25,
    };
    let evaluation =
        EvaluationReport { step: 3, loss: 1.5, best: true, elapsed_secs: 0.5, figures: None, metric: None };
    let failure = Failure::from(&EngineError::Computation(sentence!("it gave no reason")));
    let reports = [
        Report::Step(step),
        Report::Evaluated(evaluation),
        Report::Phase(Phase::LoadingModel { share: 0.5 }),
        Report::Paused { paused: true },
        Report::Finished { outcome: Outcome::Stopped },
        Report::Failed(failure),
        Report::Notice { text: sentence!("it gave no reason") },
        Report::Token { stream: 1, text: " is".into() },
    ];
    for what in reports {
        let event = Event { job: JobId(5), what };
        let (back, line) = sent(&event);
        assert_eq!(format!("{back:?}"), format!("{event:?}"));
        assert!(line["event"].is_string() && line["job"] == 5, "{line}");
    }
}

#[test]
fn what_is_no_number_arrives_as_none() {
    let step = StepReport {
        step: 3,
        loss: f64::INFINITY,
        learning_rate: 0.5,
        grad_norm: f64::NAN,
        labeled_tokens: 7,
        tokens: 9,
        elapsed_secs: 0.25,
    };
    let (back, line) = sent(&Report::Step(step));
    assert_eq!(line["grad_norm"], Value::Null);
    let Report::Step(back) = back else { panic!("it is a step") };
    assert!(back.loss.is_nan() && back.grad_norm.is_nan());
}
