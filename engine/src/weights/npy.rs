//! An array as numpy keeps it, `.npy`: a header that is a Python dictionary, of which three entries are read, and numbers.
//! Layout as in numpy/numpy: numpy/lib/format.py.

use std::path::Path;

use half::f16;

use super::numbers::numbers_of;
use crate::error::{EngineError, Result};
use crate::file_kind::refuse_other;
use crate::files::{self, Kind};
use crate::{Sentence, sentence};

const MAGIC: &[u8] = b"\x93NUMPY";
/// Longest header that is looked at; numpy itself reads no longer one.
const MAX_HEADER: usize = 10_000;
/// Axes at most.
const MAX_RANK: usize = 8;

/// Whether a file begins as one of numpy's.
pub(crate) fn is_npy(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Shape and numbers of a file, row by row.
///
/// # Errors
/// The file is missing, cut short, or holds something else than fractions of 16, 32 or 64 bits with their smallest byte
/// first, all finite.
pub(crate) fn read_npy(path: &Path) -> Result<(Vec<usize>, Vec<f32>)> {
    let bytes = files::read(path, Kind::Weights)?;
    refuse_other(sentence!("the array"), path, &bytes)?;
    parse(&bytes).map_err(|reason| EngineError::Malformed {
        what: sentence!("the array"),
        path: path.to_owned(),
        reason,
    })
}

fn parse(bytes: &[u8]) -> Result<(Vec<usize>, Vec<f32>), Sentence> {
    let cut = || sentence!("it is cut short");
    if !is_npy(bytes) {
        return Err(sentence!("it does not begin as numpy's files do"));
    }
    let version = *bytes.get(MAGIC.len()).ok_or_else(cut)?;
    let rest = bytes.get(MAGIC.len() + 2..).ok_or_else(cut)?;
    let (length, rest) = match version {
        1 => rest.split_first_chunk().map(|(length, rest)| (usize::from(u16::from_le_bytes(*length)), rest)),
        2 | 3 => rest
            .split_first_chunk()
            .map(|(length, rest)| (usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX), rest)),
        other => return Err(sentence!("its version {other} is not known here", other)),
    }
    .ok_or_else(cut)?;
    if length > MAX_HEADER {
        return Err(sentence!(
            "its header has {length} bytes, more than {max_header}",
            length,
            max_header = MAX_HEADER
        ));
    }
    let (header, numbers) = rest.split_at_checked(length).ok_or_else(cut)?;
    let header = std::str::from_utf8(header).map_err(|error| sentence!("its header is no text: {error}", error))?;
    let Header { width, by_columns, shape } = Header::parse(header)?;
    let n = shape.iter().try_fold(1_usize, |n, &size| n.checked_mul(size));
    if n.and_then(|n| n.checked_mul(width)) != Some(numbers.len()) {
        return Err(sentence!("an array {shape} has not {n_numbers} bytes", shape, n_numbers = numbers.len()));
    }
    let values = match width {
        2 => numbers_of(numbers, |bytes| f16::from_le_bytes(bytes).to_f32()),
        4 => numbers_of(numbers, f32::from_le_bytes),
        _ => numbers_of(numbers, |bytes| f64::from_le_bytes(bytes) as f32),
    };
    if let Some(index) = values.iter().position(|x| !x.is_finite()) {
        return Err(sentence!("number {index} is not finite", index));
    }
    Ok((shape.clone(), if by_columns { turned(&values, &shape) } else { values }))
}

struct Header {
    /// Bytes of a number.
    width: usize,
    by_columns: bool,
    shape: Vec<usize>,
}

impl Header {
    fn parse(text: &str) -> Result<Self, Sentence> {
        let entry = |name: &str| {
            let after = text.split_once(&format!("'{name}':")).map(|(_, after)| after.trim_start());
            after.ok_or_else(|| sentence!("its header has no {name:?}", name))
        };
        let kind = entry("descr")?.strip_prefix('\'').and_then(|kind| kind.split_once('\'')).map(|(kind, _)| kind);
        let width = match kind {
            Some("<f2") => 2,
            Some("<f4") => 4,
            Some("<f8") => 8,
            Some(dtype) => return Err(sentence!("numbers of type {dtype:?} are not read here", dtype)),
            None => return Err(sentence!("numbers that have parts are not read here")),
        };
        let by_columns = match entry("fortran_order")? {
            order if order.starts_with("True") => true,
            order if order.starts_with("False") => false,
            _ => return Err(sentence!("its header does not say in which order the numbers are")),
        };
        let sizes = entry("shape")?.strip_prefix('(').and_then(|sizes| sizes.split_once(')'));
        let (sizes, _) = sizes.ok_or_else(|| sentence!("its header has no shape"))?;
        let sizes = sizes.split(',').map(str::trim).filter(|size| !size.is_empty());
        let shape: Vec<usize> = sizes
            .map(|size| size.parse().map_err(|error| sentence!("{size:?} is no size: {error}", size, error)))
            .collect::<Result<_, _>>()?;
        if shape.len() > MAX_RANK {
            return Err(sentence!("it has {n} axes", n = shape.len()));
        }
        Ok(Self { width, by_columns, shape })
    }
}

/// Numbers that lie column by column, row by row.
fn turned(values: &[f32], shape: &[usize]) -> Vec<f32> {
    let mut strides = vec![1; shape.len()];
    for axis in 1..shape.len() {
        strides[axis] = strides[axis - 1] * shape[axis - 1];
    }
    let at = |mut index: usize| {
        let mut at = 0;
        for (size, stride) in shape.iter().zip(&strides).rev() {
            at += index % size * stride;
            index /= size;
        }
        values[at]
    };
    (0..values.len()).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, numbers: &[f32]) -> Vec<u8> {
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        [MAGIC, &[1, 0], &length, header.as_bytes(), bytemuck::cast_slice(numbers)].concat()
    }

    #[test]
    fn rows_and_columns_are_read_row_by_row() {
        let numbers = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let of = |order: &str| {
            parse(&file(&format!("{{'descr': '<f4', 'fortran_order': {order}, 'shape': (2, 3), }}\n"), &numbers))
                .unwrap()
        };
        assert_eq!(of("False"), (vec![2, 3], numbers.to_vec()));
        assert_eq!(of("True"), (vec![2, 3], vec![1.0, 3.0, 5.0, 2.0, 4.0, 6.0]));
    }

    #[test]
    fn what_is_no_array_of_fractions_is_a_sentence() {
        let whole = file("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }\n", &[1.0, 2.0]);
        assert!(parse(&whole).is_ok());
        for end in 0..whole.len() {
            assert!(parse(&whole[..end]).is_err(), "cut at {end}");
        }
        for (header, numbers, why) in [
            ("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", &[1.0][..], "\"|O\""),
            ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", &[1.0], "have parts"),
            ("{'descr': '<f4', 'fortran_order': 0, 'shape': (1,), }", &[1.0], "order"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", &[1.0], "no size"),
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
                &[1.0],
                "has not 4 bytes",
            ),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", &[1.0], "9 axes"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", &[f32::NAN], "not finite"),
            ("{}", &[], "descr"),
        ] {
            let reason = parse(&file(header, numbers)).unwrap_err();
            assert!(reason.to_string().contains(why), "{reason}");
        }
    }
}
