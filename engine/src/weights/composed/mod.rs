//! Matrices that a checkpoint keeps in several tensors: whole numbers of few bits, and beside them what these stand for.
//!
//! Among the tensors of its files such a matrix is one, of the name and shape that it has in the model that it was made of.

mod bitsandbytes;
mod groups;
mod rows;

use half::{bf16, f16};
use rayon::prelude::*;
use safetensors::Dtype;

use self::bitsandbytes::{EightBits, FourBits};
use self::groups::{Groups, Layout};
use self::rows::RowScales;
use super::entry::{Entry, Form};
use super::files::{BlockMatrix, WeightFiles};
use super::numbers::SHARE;
use crate::error::{EngineError, Result};
use crate::nn::BlockType;
use crate::{Sentence, sentence};

/// What packed the linear layers of a folder, as its configuration says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PackedBy {
    /// bitsandbytes; in how many bits, the tensors say.
    Bitsandbytes,
    /// GPTQ in so many bits.
    Gptq {
        /// 4 or 8.
        bits: usize,
        /// Whether a zero point is kept as one less than it is, which the first form of these files does.
        has_zeros_less_one: bool,
    },
    /// AWQ in 4 bits.
    Awq,
}

/// A matrix of several tensors.
#[derive(Clone, Debug)]
pub(super) struct Composed {
    kind: Kind,
    /// Whether its rows are columns of the weight.
    is_transposed: bool,
}

#[derive(Clone, Debug)]
enum Kind {
    Rows(RowScales),
    FourBits(Box<FourBits>),
    EightBits(EightBits),
    Groups(Box<Groups>),
}

impl Composed {
    /// The tensors beside the numbers.
    pub(super) fn parts(&self) -> Vec<&Entry> {
        match &self.kind {
            Kind::Rows(RowScales { entry, .. }) => vec![entry],
            Kind::FourBits(four) => four.parts(),
            Kind::EightBits(eight) => eight.parts(),
            Kind::Groups(groups) => groups.parts(),
        }
    }

    /// The blocks that it is kept in, which hold the very same numbers; `None` where no blocks do. Of rows with a scale each
    /// the scales decide, which are not looked at here.
    pub(super) fn block(&self) -> Option<BlockType> {
        match &self.kind {
            Kind::Rows(rows) => Some(rows.block()),
            Kind::FourBits(four) => four.block(),
            Kind::EightBits(_) => None,
            Kind::Groups(groups) => groups.block(),
        }
    }

    /// The format that its numbers become out of their tensors; what blocks hold is more than 16 bits do.
    pub(super) fn dtype(&self) -> Dtype {
        match &self.kind {
            _ if self.block().is_some() => Dtype::F32,
            Kind::Rows(_) => Dtype::F32,
            Kind::FourBits(four) => four.dtype(),
            Kind::EightBits(_) => Dtype::F16,
            Kind::Groups(groups) => groups.dtype(),
        }
    }

    /// Such as `NF4`, or `I4` for whole numbers of 4 bits.
    pub(super) fn name(&self) -> String {
        match &self.kind {
            Kind::Rows(RowScales { bits, .. }) => format!("I{bits}"),
            Kind::FourBits(four) => four.name().to_owned(),
            Kind::EightBits(_) => "I8".to_owned(),
            Kind::Groups(groups) => format!("I{}", groups.bits()),
        }
    }
}

impl WeightFiles {
    /// The same with what another program packed as the matrices that it stands for. What it left as it was stays so.
    ///
    /// # Errors
    /// [`EngineError::Malformed`] where the tensors of a matrix do not fit each other, [`EngineError::WeightMissing`] where its
    /// numbers are not there.
    pub(crate) fn with_packed(mut self, by: PackedBy, are_transposed: bool) -> Result<Self> {
        match by {
            PackedBy::Bitsandbytes => {
                self.find_four_bits(are_transposed)?;
                self.find_eight_bits(are_transposed)?;
            }
            PackedBy::Gptq { bits, has_zeros_less_one } => {
                self.find_groups(Layout { bits, is_awq: false, has_zeros_less_one }, are_transposed)?;
            }
            PackedBy::Awq => {
                let layout = Layout { bits: 4, is_awq: true, has_zeros_less_one: false };
                self.find_groups(layout, are_transposed)?;
            }
        }
        Ok(self)
    }

    /// Puts a matrix `[rows, columns]` in the place of its tensors.
    fn compose(&mut self, name: String, numbers: &Entry, [rows, columns]: [usize; 2], composed: Composed) {
        let shape = if composed.is_transposed { vec![columns, rows] } else { vec![rows, columns] };
        self.entries.insert(name.clone(), Entry { shape, strides: None, ..numbers.clone() });
        self.composed.insert(name, composed);
    }

    /// Names of the tensors that end so, without their ends.
    fn names_before(&self, end: &str) -> Vec<String> {
        self.entries.keys().filter_map(|name| name.strip_suffix(end)).map(str::to_owned).collect()
    }

    fn misfit(&self, name: &str, entry: &Entry, reason: Sentence) -> EngineError {
        EngineError::Malformed {
            what: sentence!("the weight file"),
            path: self.path_of(entry),
            reason: sentence!("{name}: {reason}", name, reason),
        }
    }

    /// The numbers of a tensor, or of the matrix that several are.
    pub(super) fn whole(&self, name: &str, entry: &Entry) -> Result<Vec<f32>> {
        let Some(composed) = self.composed.get(name) else { return self.numbers(name, entry) };
        let values = match &composed.kind {
            Kind::Rows(rows) => self.scaled(name, entry, rows)?,
            Kind::FourBits(four) => self.of_four_bits(name, four)?,
            Kind::EightBits(eight) => self.of_eight_bits(name, eight)?,
            Kind::Groups(groups) => self.of_groups(name, groups)?,
        };
        let values = in_bits_of(composed.dtype(), values);
        if !values.par_iter().with_min_len(SHARE).all(|x| x.is_finite()) {
            return Err(EngineError::WeightNotFinite { name: name.to_owned() });
        }
        Ok(match (composed.is_transposed, entry.shape.as_slice()) {
            (true, &[rows, columns]) => {
                (0..rows * columns).map(|at| values[at % columns * rows + at / columns]).collect()
            }
            _ => values,
        })
    }

    /// The matrix that several tensors are in blocks; `None` for others, and where blocks have no such numbers.
    pub(super) fn composed_blocks(&self, name: &str, entry: &Entry) -> Result<Option<BlockMatrix>> {
        let Some(composed) = self.composed.get(name) else { return Ok(None) };
        let lines = match &composed.kind {
            Kind::Rows(rows) => self.scaled_blocks(name, entry, rows)?,
            Kind::FourBits(four) => self.blocks_of_four_bits(name, four)?,
            Kind::EightBits(_) => None,
            Kind::Groups(groups) => self.blocks_of_groups(groups),
        };
        match lines {
            Some(lines) if !lines.block().is_finite(lines.bytes()) => {
                Err(EngineError::WeightNotFinite { name: name.to_owned() })
            }
            lines => Ok(lines.map(|lines| BlockMatrix { lines, is_transposed: composed.is_transposed })),
        }
    }

    /// Storage format of the largest weight, such as `F16`; of matrices that are packed theirs, such as `NF4`.
    pub fn dtype(&self) -> String {
        let largest = |(name, entry): &(&String, &Entry)| (self.composed.contains_key(*name), entry.bytes.len());
        let weights =
            self.entries.iter().filter(|(name, entry)| entry.form.is_float() || self.composed.contains_key(*name));
        weights.max_by_key(largest).map_or_else(String::new, |(name, entry)| match self.composed.get(name) {
            Some(composed) => composed.name(),
            None => entry.form.name(),
        })
    }

    /// Whether most of what is in no blocks stays in 16 bits.
    pub(crate) fn is_rest_narrow(&self) -> bool {
        let rest = self.entries.iter().filter_map(|(name, entry)| {
            match (self.composed.get(name), entry.form) {
                (Some(composed), _) => composed.block().is_none().then(|| composed.dtype()),
                (None, Form::Plain(dtype)) if entry.form.is_float() => Some(dtype),
                (None, _) => None,
            }
            .map(|dtype| (entry.shape.iter().product::<usize>(), dtype))
        });
        let largest = rest.max_by_key(|(numbers, _)| *numbers);
        largest.is_some_and(|(_, dtype)| matches!(dtype, Dtype::F16 | Dtype::BF16))
    }

    /// Bytes of a tensor that is multiplied in blocks; `None` for others.
    pub(crate) fn block_bytes(&self, name: &str) -> Option<u64> {
        let entry = self.entries.get(name)?;
        let block = match (self.composed.get(name), entry.form) {
            (Some(composed), _) => composed.block()?,
            (None, Form::Blocks(_)) => return Some(entry.bytes.len() as u64),
            (None, Form::Plain(_)) => return None,
        };
        let numbers = entry.shape.iter().product::<usize>() as u64;
        Some(numbers * block.bytes() as u64 / block.numbers() as u64)
    }
}

/// Numbers as they are in a format, in f32.
fn in_bits_of(dtype: Dtype, mut values: Vec<f32>) -> Vec<f32> {
    let all = |values: &mut Vec<f32>, round: fn(f32) -> f32| {
        values.par_iter_mut().with_min_len(SHARE).for_each(|value| *value = round(*value));
    };
    match dtype {
        Dtype::F16 => all(&mut values, |value| f16::from_f32(value).to_f32()),
        Dtype::BF16 => all(&mut values, |value| bf16::from_f32(value).to_f32()),
        _ => {}
    }
    values
}
