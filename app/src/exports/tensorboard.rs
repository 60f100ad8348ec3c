//! Event files of TensorBoard: records as TFRecord has them, each a protobuf `Event` with one scalar. The few fields that
//! are needed are written by hand (tensorflow/tensorboard: tensorboard/compat/proto/{event,summary}.proto).

use crc32c::crc32c;

use crate::report::{RunRecord, evaluated};

/// A number at a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    /// When, in seconds since 1970.
    pub wall_time: f64,
    /// Steps done.
    pub step: i64,
    /// What.
    pub tag: String,
    /// The number; NaN is one here.
    pub value: f32,
}

/// When a run began, in seconds since 1970.
pub fn begin(run: &RunRecord) -> f64 {
    run.row.started.unwrap_or(run.row.created) as f64
}

/// TensorBoard knows event files by the beginning of their name.
pub fn file_name(run: &RunRecord) -> String {
    format!("events.out.tfevents.{}.prefix-workbench", begin(run) as i64)
}

/// Scalars of training and of validation, in a folder each: equal tags then share a picture.
///
/// The time of a step is that of the run's begin with the seconds that were computed since; pauses are not in it.
pub fn scalars(run: &RunRecord) -> [(&'static str, Vec<Scalar>); 2] {
    let (mut train, mut validation) = (Vec::new(), Vec::new());
    let mut clock = begin(run);
    let value_at = |name: &str, at: usize| run.series(name).get(at).map_or(f64::NAN, |point| point[1]);
    let mut evaluations = run.evaluations.iter().peekable();
    let steps = run.series("loss");
    for at in 0..=steps.len() {
        // Steps done before this one.
        let done = if at == 0 { 0.0 } else { steps[at - 1][0] };
        while let Some(evaluation) = evaluations.next_if(|next| next.step as f64 <= done || at == steps.len()) {
            clock += evaluation.elapsed_secs.max(0.0);
            let others = evaluated(evaluation);
            for (tag, value) in std::iter::once(("loss", evaluation.loss)).chain(others) {
                let (tag, value) = (tag.to_owned(), value as f32);
                validation.push(Scalar { wall_time: clock, step: evaluation.step as i64, tag, value });
            }
        }
        let Some([step, _]) = steps.get(at) else { break };
        let secs = value_at("elapsed_secs", at);
        clock += if secs.is_finite() { secs.max(0.0) } else { 0.0 };
        for tag in ["loss", "learning_rate", "grad_norm"] {
            let value = value_at(tag, at) as f32;
            train.push(Scalar { wall_time: clock, step: *step as i64, tag: tag.to_owned(), value });
        }
        if secs > 0.0 {
            let value = (value_at("tokens", at) / secs) as f32;
            train.push(Scalar { wall_time: clock, step: *step as i64, tag: "tokens_per_sec".to_owned(), value });
        }
    }
    [("train", train), ("validation", validation)]
}

/// The bytes of an event file that began at a time.
pub fn event_file(begin: f64, scalars: &[Scalar]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut version = double(1, begin);
    version.extend(bytes(3, b"brain.Event:2"));
    record(&mut file, &version);
    for scalar in scalars {
        let mut value = bytes(1, scalar.tag.as_bytes());
        value.push(key(2, 5));
        value.extend(scalar.value.to_le_bytes());
        let mut event = double(1, scalar.wall_time);
        event.push(key(2, 0));
        event.extend(varint(scalar.step.cast_unsigned()));
        event.extend(bytes(5, &bytes(1, &value)));
        record(&mut file, &event);
    }
    file
}

/// Length, its checksum, data, their checksum.
fn record(file: &mut Vec<u8>, data: &[u8]) {
    let length = (data.len() as u64).to_le_bytes();
    file.extend(length);
    file.extend(masked(&length).to_le_bytes());
    file.extend(data);
    file.extend(masked(data).to_le_bytes());
}

/// CRC-32C, turned so that the checksum of data with checksums in them is another (tensorflow/core/lib/hash/crc32c.h).
fn masked(data: &[u8]) -> u32 {
    crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// A field's number with the kind of what follows: 0 a number, 1 eight bytes, 2 bytes with their length, 5 four bytes.
fn key(field: u8, kind: u8) -> u8 {
    field << 3 | kind
}

fn double(field: u8, value: f64) -> Vec<u8> {
    let mut out = vec![key(field, 1)];
    out.extend(value.to_le_bytes());
    out
}

fn bytes(field: u8, data: &[u8]) -> Vec<u8> {
    let mut out = vec![key(field, 2)];
    out.extend(varint(data.len() as u64));
    out.extend(data);
    out
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{RunRow, Series};

    #[test]
    fn an_event_file_has_the_bytes_that_tensorboard_writes() {
        // tensorboard.summary.writer.record_writer and event_pb2 2.21 write these for the same events.
        let scalar = Scalar { wall_time: 1.5, step: 300, tag: "loss".to_owned(), value: 0.25 };
        let known = KNOWN.split_whitespace().collect::<String>();
        let hex: String = event_file(1.0, &[scalar]).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, known);
    }

    const KNOWN: &str = "1800000000000000a37f4b2209000000000000f03f1a0d627261696e2e4576656e743a3286bf577a1b000000000000001a0d9e13 \
                         09000000000000f83f10ac022a0d0a0b0a046c6f7373150000803e9908deed";

    #[test]
    fn numbers_of_many_digits_are_written_in_sevens() {
        assert_eq!(varint(0), [0]);
        assert_eq!(varint(300), [0xac, 0x02]);
        assert_eq!(varint(u64::MAX).len(), 10);
    }

    #[test]
    fn training_and_validation_have_their_steps_and_a_clock_that_goes_on() {
        let series = |name: &str, values: [f64; 3]| Series {
            name: name.to_owned(),
            points: values.iter().zip(1..).map(|(value, step)| [f64::from(step), *value]).collect(),
        };
        let evaluation = |step, loss| engine::training::EvaluationReport {
            step,
            loss,
            best: false,
            elapsed_secs: 10.0,
            figures: None,
            metric: None,
        };
        let run = RunRecord {
            series: vec![series("loss", [3.0, 2.0, 1.0]), series("elapsed_secs", [1.0; 3]), series("tokens", [8.0; 3])],
            evaluations: vec![evaluation(0, 4.0), evaluation(2, 2.5), evaluation(3, 1.5)],
            ..RunRecord::of(RunRow { started: Some(1000), ..RunRow::example() })
        };
        let [(_, train), (_, validation)] = scalars(&run);
        let of = |all: &[Scalar], tag: &str| -> Vec<(f64, i64, f32)> {
            all.iter().filter(|one| one.tag == tag).map(|one| (one.wall_time, one.step, one.value)).collect()
        };
        assert_eq!(of(&train, "loss"), [(1011.0, 1, 3.0), (1012.0, 2, 2.0), (1023.0, 3, 1.0)]);
        assert_eq!(of(&validation, "loss"), [(1010.0, 0, 4.0), (1022.0, 2, 2.5), (1033.0, 3, 1.5)]);
        assert_eq!(of(&train, "tokens_per_sec")[0].2, 8.0);
        assert_eq!(scalars(&RunRecord::of(RunRow::example())).map(|(_, all)| all.len()), [0, 0]);
    }
}
