//! Columns of Arrow as rows of JSON: one conversion for Parquet files and for both forms of Arrow's own files.
//!
//! Times are ISO 8601 text, in UTC where they know a zone; decimals are text, since a float would round them; a number that
//! is none is an empty cell. Bytes, as of pictures and sounds, are no text: their columns are left out and named.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, RecordBatch, temporal_conversions as time};
use arrow_schema::{DataType, Field, Fields, IntervalUnit, Schema, TimeUnit};
use serde_json::{Map, Number, Value};

use super::features::Classes;
use super::meter::Meter;
use crate::{Sentence, sentence};

/// Types deeper than this are no rows that anybody wrote.
const MAX_DEPTH: usize = 32;
/// Bytes that a value counts for beside its text.
const CELL: u64 = 8;

/// The columns of a file: those that are read, and names for numbers in them.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    /// Indices of the columns that are read, in the file's order.
    pub(super) read: Vec<usize>,
    names: Vec<String>,
    classes: Vec<Classes>,
    left_out: Vec<String>,
}

impl Columns {
    /// Those of a schema. Names of classes that a description beside the file gives stand in for those that it does not
    /// have itself.
    ///
    /// # Errors
    /// A sentence where no column can be read, or types are nested without end.
    pub(super) fn new(schema: &Schema, beside: &Classes) -> std::result::Result<Self, Sentence> {
        let own = schema.metadata.get("huggingface").map(|text| Classes::of_metadata(text)).unwrap_or_default();
        let classes = if own.is_none() { beside } else { &own };
        let (mut read, mut left_out) = (Vec::new(), Vec::new());
        for (index, field) in schema.fields().iter().enumerate() {
            if depth(field.data_type(), 0) > MAX_DEPTH {
                let name = field.name();
                return Err(sentence!("the column {name:?} holds lists in lists without end", name));
            }
            if is_bytes(field.data_type()) {
                left_out.push(field.name().clone());
            } else {
                name_bytes(field.data_type(), field.name(), &mut left_out);
                read.push(index);
            }
        }
        if read.is_empty() {
            return Err(match left_out.is_empty() {
                true => sentence!("it has no columns"),
                false => sentence!(
                    "it has no column of text or numbers, only of bytes: {names}",
                    names = left_out.join(", ")
                ),
            });
        }
        let names = only_one_each(read.iter().map(|&index| schema.field(index).name().clone()));
        let classes = read.iter().map(|&index| classes.of(schema.field(index).name()).clone()).collect();
        Ok(Self { read, names, classes, left_out })
    }

    /// A note on what is not read.
    pub(super) fn note(&self) -> Option<Sentence> {
        let names = self.left_out.join(", ");
        (!names.is_empty()).then(|| sentence!("Not read are columns that hold bytes and no text: {names}", names))
    }

    /// A row of a batch that has the columns that are read, and no others.
    pub(super) fn row(&self, batch: &RecordBatch, row: usize, meter: &Meter) -> Map<String, Value> {
        let cells = self.names.iter().zip(&self.classes).zip(batch.columns());
        cells.map(|((name, classes), array)| (name.clone(), cell(array.as_ref(), row, classes, meter))).collect()
    }
}

/// A name that comes again gets a number.
fn only_one_each(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut only: Vec<String> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for name in names {
        let mut unique = name.clone();
        let mut n = 1;
        while !seen.insert(unique.clone()) {
            n += 1;
            unique = format!("{name} again {n}");
        }
        only.push(unique);
    }
    only
}

fn inner(of: &DataType) -> Vec<&Arc<Field>> {
    match of {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => vec![field],
        DataType::Struct(fields) => fields.iter().collect(),
        _ => Vec::new(),
    }
}

fn depth(of: &DataType, above: usize) -> usize {
    if above > MAX_DEPTH {
        return above;
    }
    let values = match of {
        DataType::Dictionary(_, values) => depth(values, above + 1),
        _ => above,
    };
    inner(of).into_iter().map(|field| depth(field.data_type(), above + 1)).max().unwrap_or(values)
}

/// Whether a value is bytes and no text, as a picture is, or of a kind that no dataset of texts has.
fn is_bytes(of: &DataType) -> bool {
    match of {
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_)
        | DataType::Union(..)
        | DataType::RunEndEncoded(..) => true,
        DataType::Dictionary(_, values) => is_bytes(values),
        DataType::Struct(fields) => {
            is_media(fields) || (!fields.is_empty() && fields.iter().all(|f| is_bytes(f.data_type())))
        }
        DataType::Map(..) => false,
        _ => inner(of).first().is_some_and(|field| is_bytes(field.data_type())),
    }
}

/// A picture or a sound as the datasets library keeps it: `bytes` and the `path` they came from.
fn is_media(fields: &Fields) -> bool {
    fields.len() == 2
        && fields.find("bytes").is_some_and(|(_, f)| is_bytes(f.data_type()))
        && fields.find("path").is_some()
}

/// The places of bytes within a column that is read.
fn name_bytes(of: &DataType, place: &str, found: &mut Vec<String>) {
    for field in inner(of) {
        let place =
            if matches!(of, DataType::Struct(_)) { format!("{place}.{}", field.name()) } else { place.to_owned() };
        if is_bytes(field.data_type()) {
            found.push(place);
        } else {
            name_bytes(field.data_type(), &place, found);
        }
    }
}

/// A value as JSON.
fn cell(array: &dyn Array, row: usize, classes: &Classes, meter: &Meter) -> Value {
    if !meter.spend(CELL) || array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Utf8 => text(array.as_string::<i32>().value(row), meter),
        DataType::LargeUtf8 => text(array.as_string::<i64>().value(row), meter),
        DataType::Utf8View => text(array.as_string_view().value(row), meter),
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        DataType::List(_) => list(array.as_list::<i32>().value(row).as_ref(), classes, meter),
        DataType::LargeList(_) => list(array.as_list::<i64>().value(row).as_ref(), classes, meter),
        DataType::FixedSizeList(..) => list(array.as_fixed_size_list().value(row).as_ref(), classes, meter),
        DataType::ListView(_) => list(array.as_list_view::<i32>().value(row).as_ref(), classes, meter),
        DataType::LargeListView(_) => list(array.as_list_view::<i64>().value(row).as_ref(), classes, meter),
        DataType::Struct(fields) => {
            let columns =
                fields.iter().zip(array.as_struct().columns()).filter(|(field, _)| !is_bytes(field.data_type()));
            let cells =
                columns.map(|(field, array)| (field.name().clone(), cell(array, row, classes.of(field.name()), meter)));
            Value::Object(cells.collect())
        }
        DataType::Map(..) => map(array.as_map().value(row).columns(), meter),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let at = number(dictionary.keys(), row).as_u64().and_then(|at| usize::try_from(at).ok());
            let values = dictionary.values();
            at.filter(|&at| at < values.len())
                .map_or(Value::Null, |at| cell(values.as_ref(), at, &Classes::None, meter))
        }
        of if of.is_temporal() => moment(array, row),
        of if of.is_decimal() => Value::String(decimal(array, row)),
        of if of.is_numeric() => classes.named(number(array, row)),
        // Nothing, and bytes, which are named.
        _ => Value::Null,
    }
}

/// A text, where the file may still unpack to it.
fn text(text: &str, meter: &Meter) -> Value {
    if meter.spend(text.len() as u64) { Value::String(text.to_owned()) } else { Value::Null }
}

fn list(values: &dyn Array, classes: &Classes, meter: &Meter) -> Value {
    let entries = (0..values.len()).take_while(|_| !meter.is_spent());
    Value::Array(entries.map(|at| cell(values, at, classes.each(), meter)).collect())
}

/// Keys of text make an object, others a list of pairs.
fn map(entries: &[Arc<dyn Array>], meter: &Meter) -> Value {
    let [keys, values] = entries else { return Value::Null };
    let pairs = || {
        let pair =
            |at| (cell(keys.as_ref(), at, &Classes::None, meter), cell(values.as_ref(), at, &Classes::None, meter));
        (0..keys.len().min(values.len())).take_while(|_| !meter.is_spent()).map(pair)
    };
    match keys.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let named = |(key, value): (Value, Value)| (key.as_str().unwrap_or_default().to_owned(), value);
            Value::Object(pairs().map(named).collect())
        }
        _ => Value::Array(pairs().map(|(key, value)| Value::Array(vec![key, value])).collect()),
    }
}

fn number(array: &dyn Array, row: usize) -> Value {
    match array.data_type() {
        DataType::Int8 => array.as_primitive::<Int8Type>().value(row).into(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).into(),
        DataType::UInt16 => array.as_primitive::<UInt16Type>().value(row).into(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).into(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).into(),
        DataType::Float16 => short(f32::from(array.as_primitive::<Float16Type>().value(row))),
        DataType::Float32 => short(array.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => Number::from_f64(array.as_primitive::<Float64Type>().value(row)).into(),
        _ => Value::Null,
    }
}

/// The shortest decimal that is this float: 0.1, not 0.10000000149011612.
fn short(value: f32) -> Value {
    value.to_string().parse().ok().and_then(Number::from_f64).into()
}

fn decimal(array: &dyn Array, row: usize) -> String {
    match array.data_type() {
        DataType::Decimal32(..) => array.as_primitive::<Decimal32Type>().value_as_string(row),
        DataType::Decimal64(..) => array.as_primitive::<Decimal64Type>().value_as_string(row),
        DataType::Decimal128(..) => array.as_primitive::<Decimal128Type>().value_as_string(row),
        _ => array.as_primitive::<Decimal256Type>().value_as_string(row),
    }
}

const DATE: &str = "%Y-%m-%d";
const MOMENT: &str = "%Y-%m-%dT%H:%M:%S%.f";
const TIME: &str = "%H:%M:%S%.f";

/// A date, a time, both, or a stretch of time; a number beyond the calendar stays one.
fn moment(array: &dyn Array, row: usize) -> Value {
    let (count, text) = match array.data_type() {
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>().value(row);
            (days.into(), time::date32_to_datetime(days).map(|date| date.format(DATE).to_string()))
        }
        DataType::Date64 => {
            let millis = array.as_primitive::<Date64Type>().value(row);
            (millis, time::date64_to_datetime(millis).map(|date| date.format(DATE).to_string()))
        }
        DataType::Timestamp(unit, zone) => {
            let (count, moment) = match unit {
                TimeUnit::Second => {
                    of(array.as_primitive::<TimestampSecondType>().value(row), time::timestamp_s_to_datetime)
                }
                TimeUnit::Millisecond => {
                    of(array.as_primitive::<TimestampMillisecondType>().value(row), time::timestamp_ms_to_datetime)
                }
                TimeUnit::Microsecond => {
                    of(array.as_primitive::<TimestampMicrosecondType>().value(row), time::timestamp_us_to_datetime)
                }
                TimeUnit::Nanosecond => {
                    of(array.as_primitive::<TimestampNanosecondType>().value(row), time::timestamp_ns_to_datetime)
                }
            };
            let zone = if zone.is_some() { "+00:00" } else { "" };
            (count, moment.map(|moment| format!("{}{zone}", moment.format(MOMENT))))
        }
        DataType::Time32(_) | DataType::Time64(_) => time_of_day(array, row),
        DataType::Duration(unit) => duration(array, row, *unit),
        DataType::Interval(unit) => return interval(array, row, *unit),
        _ => return Value::Null,
    };
    text.map_or(Value::from(count), Value::String)
}

fn of<T>(count: i64, moment: impl Fn(i64) -> Option<T>) -> (i64, Option<T>) {
    (count, moment(count))
}

fn time_of_day(array: &dyn Array, row: usize) -> (i64, Option<String>) {
    let (count, time) = match array.data_type() {
        DataType::Time32(TimeUnit::Second) => {
            let count = array.as_primitive::<Time32SecondType>().value(row);
            (count.into(), time::time32s_to_time(count))
        }
        DataType::Time32(_) => {
            let count = array.as_primitive::<Time32MillisecondType>().value(row);
            (count.into(), time::time32ms_to_time(count))
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            of(array.as_primitive::<Time64MicrosecondType>().value(row), time::time64us_to_time)
        }
        _ => of(array.as_primitive::<Time64NanosecondType>().value(row), time::time64ns_to_time),
    };
    (count, time.map(|time| time.format(TIME).to_string()))
}

/// As ISO 8601 writes it: `PT3600.5S`.
fn duration(array: &dyn Array, row: usize, unit: TimeUnit) -> (i64, Option<String>) {
    let (count, per_sec) = match unit {
        TimeUnit::Second => (array.as_primitive::<DurationSecondType>().value(row), 1),
        TimeUnit::Millisecond => (array.as_primitive::<DurationMillisecondType>().value(row), 1_000),
        TimeUnit::Microsecond => (array.as_primitive::<DurationMicrosecondType>().value(row), 1_000_000),
        TimeUnit::Nanosecond => (array.as_primitive::<DurationNanosecondType>().value(row), 1_000_000_000),
    };
    (count, Some(seconds(count, per_sec)))
}

fn seconds(count: i64, per_sec: i64) -> String {
    let sign = if count < 0 { "-" } else { "" };
    let (count, per_sec) = (count.unsigned_abs(), per_sec.unsigned_abs());
    let digits = per_sec.ilog10() as usize;
    let fraction = if digits == 0 { String::new() } else { format!(".{:0digits$}", count % per_sec) };
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    format!("{sign}PT{}{fraction}S", count / per_sec)
}

fn interval(array: &dyn Array, row: usize, unit: IntervalUnit) -> Value {
    Value::String(match unit {
        IntervalUnit::YearMonth => format!("P{}M", array.as_primitive::<IntervalYearMonthType>().value(row)),
        IntervalUnit::DayTime => {
            let value = array.as_primitive::<IntervalDayTimeType>().value(row);
            format!("P{}D{}", value.days, &seconds(value.milliseconds.into(), 1_000).trim_start_matches('P'))
        }
        IntervalUnit::MonthDayNano => {
            let value = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            format!(
                "P{}M{}D{}",
                value.months,
                value.days,
                seconds(value.nanoseconds, 1_000_000_000).trim_start_matches('P')
            )
        }
    })
}
