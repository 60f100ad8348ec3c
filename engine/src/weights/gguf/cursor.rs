//! Bytes read one after the other, none beyond the end: lengths and counts of a stranger's file are held against what is
//! left of it before any memory is taken.

use super::metadata::Value;
use crate::{Sentence, sentence};

/// A place in the header.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The types of values, as the file numbers them.
mod kind {
    pub(super) const TEXT: u32 = 8;
    pub(super) const ARRAY: u32 = 9;
}

impl<'a> Cursor<'a> {
    /// At the first byte.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes before it.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// A count of things that take so many bytes at least.
    pub(super) fn count(&mut self, least: usize) -> Result<usize, Sentence> {
        let count = self.u64()?;
        let left = self.bytes.len() - self.at;
        match usize::try_from(count).ok().filter(|count| count.checked_mul(least).is_some_and(|bytes| bytes <= left)) {
            Some(count) => Ok(count),
            None => Err(sentence!("it says {count} where {left} bytes are left; it may be cut short", count, left)),
        }
    }

    pub(super) fn u32(&mut self) -> Result<u32, Sentence> {
        self.number().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Sentence> {
        self.number().map(u64::from_le_bytes)
    }

    /// A text with its length before it.
    pub(super) fn text(&mut self) -> Result<String, Sentence> {
        let length = self.count(1)?;
        let bytes = self.take(length)?;
        let text = std::str::from_utf8(bytes);
        text.map(str::to_owned).map_err(|error| sentence!("a text in it is no UTF-8: {error}", error))
    }

    /// A value of the metadata, its type before it.
    pub(super) fn value(&mut self) -> Result<Value, Sentence> {
        match self.u32()? {
            kind::ARRAY => self.array(),
            kind::TEXT => self.text().map(Value::Text),
            other => Ok(match self.numbers(other, 1)? {
                Value::Unsigneds(values) => Value::Unsigned(values[0]),
                Value::Signeds(values) => Value::Signed(values[0]),
                Value::Bools(values) => Value::Bool(values[0]),
                Value::Floats(values) => Value::Float(values[0].into()),
                single => single,
            }),
        }
    }

    fn array(&mut self) -> Result<Value, Sentence> {
        match self.u32()? {
            kind::ARRAY => Err(sentence!("it has arrays in an array, which are not read here")),
            kind::TEXT => {
                let count = self.count(8)?;
                (0..count).map(|_| self.text()).collect::<Result<_, _>>().map(Value::Texts)
            }
            other => {
                let count = self.count(1)?;
                self.numbers(other, count)
            }
        }
    }

    /// Numbers or flags of one type, by its number. A single f64 keeps what it has beyond f32.
    fn numbers(&mut self, kind: u32, count: usize) -> Result<Value, Sentence> {
        Ok(match kind {
            0 => Value::Unsigneds(self.all(count, |[byte]: [u8; 1]| byte.into())?),
            2 => Value::Unsigneds(self.all(count, |bytes| u16::from_le_bytes(bytes).into())?),
            4 => Value::Unsigneds(self.all(count, |bytes| u32::from_le_bytes(bytes).into())?),
            10 => Value::Unsigneds(self.all(count, u64::from_le_bytes)?),
            1 => Value::Signeds(self.all(count, |bytes| i8::from_le_bytes(bytes).into())?),
            3 => Value::Signeds(self.all(count, |bytes| i16::from_le_bytes(bytes).into())?),
            5 => Value::Signeds(self.all(count, |bytes| i32::from_le_bytes(bytes).into())?),
            11 => Value::Signeds(self.all(count, i64::from_le_bytes)?),
            6 => Value::Floats(self.all(count, f32::from_le_bytes)?),
            12 if count == 1 => Value::Float(self.number().map(f64::from_le_bytes)?),
            12 => Value::Floats(self.all(count, |bytes| f64::from_le_bytes(bytes) as f32)?),
            7 => {
                let flags = self.all(count, |[byte]: [u8; 1]| byte)?;
                if let Some(flag) = flags.iter().find(|flag| **flag > 1) {
                    return Err(sentence!("it has a flag that is {flag}", flag));
                }
                Value::Bools(flags.into_iter().map(|flag| flag == 1).collect())
            }
            other => return Err(sentence!("its metadata has a value of type {other}, which is not known", other)),
        })
    }

    /// So many numbers of `N` bytes, which are there before memory is taken for them.
    fn all<const N: usize, T>(&mut self, count: usize, number: impl Fn([u8; N]) -> T) -> Result<Vec<T>, Sentence> {
        let length = count.checked_mul(N).ok_or_else(cut_short)?;
        let (numbers, _) = self.take(length)?.as_chunks::<N>();
        Ok(numbers.iter().map(|&bytes| number(bytes)).collect())
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], Sentence> {
        let (bytes, _) = self.bytes[self.at..].split_first_chunk().ok_or_else(cut_short)?;
        self.at += N;
        Ok(*bytes)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Sentence> {
        let (bytes, _) = self.bytes[self.at..].split_at_checked(length).ok_or_else(cut_short)?;
        self.at += length;
        Ok(bytes)
    }
}

fn cut_short() -> Sentence {
    sentence!("it is cut short")
}
