//! Matrices as bitsandbytes keeps them: 4 bits that choose among sixteen numbers, or 8 bits with a scale for each row.
//!
//! bitsandbytes-foundation/bitsandbytes: `QuantState` of bitsandbytes/functional.py, bitsandbytes/backends/default/ops.py,
//! `Linear8bitLt` of bitsandbytes/nn/modules.py.
//!
//! Of NF4 whole blocks stay as they are: the quantiles, the order of the halves of a byte and the blocks are the same here.
//! Other 4 bits become the format that their `quant_state` names, as bitsandbytes makes of them; 8 bits become f16.

use rayon::prelude::*;
use safetensors::Dtype;
use serde::Deserialize;

use super::super::entry::{Entry, Form};
use super::super::files::WeightFiles;
use super::super::numbers::is_float;
use super::{Composed, Kind};
use crate::error::{EngineError, Result, json_reason};
use crate::nn::{BlockType, NF4_QUANTILES, PackedWeight};
use crate::{Sentence, sentence};

/// Behind the name of a matrix, where its tensor of JSON is; the kinds of four bits.
const STATE: &str = ".quant_state.bitsandbytes__";
const KINDS: [&str; 2] = ["nf4", "fp4"];

/// Bytes of that JSON at most. A real one has 170.
const MAX_STATE: usize = 4096;

/// Numbers that four bits choose, and those that a byte chooses for their largest.
const CODES: usize = 16;
const NESTED_CODES: usize = 256;

/// Of a row of whole numbers from −127 to 127 the scale is that of 127.
const ONE_127TH: f32 = 1.0 / 127.0;

/// A matrix of four bits.
#[derive(Clone, Debug)]
pub(super) struct FourBits {
    numbers: Entry,
    /// Rows and columns.
    dims: [usize; 2],
    /// The numbers that four bits choose among, as shares of the largest.
    codes: [f32; CODES],
    /// The largest of each block, or what chooses it.
    largest: Entry,
    nested: Option<Nested>,
    /// Numbers that share a largest.
    block_size: usize,
    dtype: Dtype,
    is_nf4: bool,
    /// What was read already: the sixteen numbers, and the description.
    read: [Entry; 2],
}

/// The largest of blocks in 8 bits.
#[derive(Clone, Debug)]
struct Nested {
    codes: Entry,
    scales: Entry,
    block_size: usize,
    offset: f32,
}

/// A matrix of eight bits.
#[derive(Clone, Debug)]
pub(super) struct EightBits {
    numbers: Entry,
    scales: Entry,
    format: Option<Entry>,
}

/// What the JSON beside a matrix says.
#[derive(Deserialize)]
struct State {
    quant_type: String,
    blocksize: usize,
    dtype: String,
    shape: Vec<usize>,
    nested_blocksize: Option<usize>,
    nested_offset: Option<f64>,
}

impl FourBits {
    pub(super) fn parts(&self) -> Vec<&Entry> {
        let nested = self.nested.iter().flat_map(|nested| [&nested.codes, &nested.scales]);
        [&self.largest].into_iter().chain(&self.read).chain(nested).collect()
    }

    /// Blocks that lie in one row, and are parts of those that share a largest.
    pub(super) fn block(&self) -> Option<BlockType> {
        let [_, columns] = self.dims;
        let n = BlockType::Nf4.numbers();
        let are_whole = columns.is_multiple_of(n) && self.block_size.is_multiple_of(n);
        (self.codes == NF4_QUANTILES && are_whole).then_some(BlockType::Nf4)
    }

    pub(super) fn dtype(&self) -> Dtype {
        self.dtype
    }

    pub(super) fn name(&self) -> &'static str {
        if self.is_nf4 { "NF4" } else { "FP4" }
    }
}

impl EightBits {
    pub(super) fn parts(&self) -> Vec<&Entry> {
        [&self.scales].into_iter().chain(&self.format).collect()
    }
}

/// The tensors of a matrix before it is known that they fit.
struct Found<'a> {
    files: &'a WeightFiles,
    name: &'a str,
}

impl Found<'_> {
    fn named(&self, part: &str) -> Option<&Entry> {
        self.files.entries.get(&format!("{}.{part}", self.name))
    }

    fn part(&self, part: &str) -> Result<&Entry, Sentence> {
        self.named(part).ok_or_else(|| sentence!("{part} is missing", part))
    }

    /// One with so many numbers, fractions or bytes.
    fn of_length(&self, part: &str, is_right: fn(Dtype) -> bool, length: usize) -> Result<&Entry, Sentence> {
        let entry = self.part(part)?;
        let found = entry.shape.iter().product::<usize>();
        match entry.form {
            Form::Plain(dtype) if is_right(dtype) && found == length => Ok(entry),
            form => Err(sentence!(
                "{part} has {found} numbers in {dtype}, and {length} are needed",
                part,
                found,
                dtype = form.name(),
                length
            )),
        }
    }

    fn state(&self, kind: &str) -> Result<(&Entry, State), Sentence> {
        let entry = self.part(&format!("quant_state.bitsandbytes__{kind}"))?;
        if entry.form != Form::Plain(Dtype::U8) || entry.bytes.len() > MAX_STATE {
            return Err(sentence!("its quant_state is no short text"));
        }
        let state: State = serde_json::from_slice(&self.files.bytes(entry))
            .map_err(|error| sentence!("its quant_state cannot be read: {reason}", reason = json_reason(&error)))?;
        if state.quant_type != kind {
            return Err(sentence!("its quant_state says {found}, not {kind}", found = state.quant_type, kind));
        }
        Ok((entry, state))
    }

    /// Everything, checked before anything is unpacked: nothing that the text says makes more of a matrix than its bytes.
    fn four_bits(&self, weight: &Entry, kind: &str) -> Result<FourBits, Sentence> {
        let (described, state) = self.state(kind)?;
        let dims = match state.shape.as_slice() {
            &[rows, columns] if rows > 0 && columns > 0 => [rows, columns],
            shape => return Err(sentence!("its quant_state says the shape {shape}, which is no matrix", shape)),
        };
        let n = dims[0].checked_mul(dims[1]).ok_or(sentence!("its rows are longer than any memory"))?;
        let halves = weight.shape.iter().product::<usize>();
        if weight.form != Form::Plain(Dtype::U8) || halves != n.div_ceil(2) {
            return Err(sentence!(
                "it has {halves} bytes in {dtype}, and its quant_state says the shape {shape}",
                halves,
                dtype = weight.form.name(),
                shape = dims
            ));
        }
        let sizes = [Some(state.blocksize), state.nested_blocksize];
        if sizes.contains(&Some(0)) {
            return Err(sentence!("its quant_state says blocks of no numbers"));
        }
        let dtype = match state.dtype.as_str() {
            "float32" => Dtype::F32,
            "float16" => Dtype::F16,
            "bfloat16" => Dtype::BF16,
            found => return Err(sentence!("its quant_state says the dtype {found}", found)),
        };
        let quantiles = self.of_length("quant_map", is_float, CODES)?;
        let blocks = n.div_ceil(state.blocksize);
        let (largest, nested) = match (state.nested_blocksize, state.nested_offset) {
            (None, _) => (self.of_length("absmax", is_float, blocks)?, None),
            (Some(block_size), offset) => {
                let offset = offset.map_or(0.0, |offset| offset as f32);
                let codes = self.of_length("nested_quant_map", is_float, NESTED_CODES)?.clone();
                let scales = self.of_length("nested_absmax", is_float, blocks.div_ceil(block_size))?.clone();
                let nested = Nested { codes, scales, block_size, offset };
                (self.of_length("absmax", |dtype| dtype == Dtype::U8, blocks)?, Some(nested))
            }
        };
        let codes = self.files.numbers(self.name, quantiles).ok().and_then(|codes| codes.try_into().ok());
        let codes = codes.ok_or(sentence!("{part} is not finite", part = "quant_map"))?;
        Ok(FourBits {
            numbers: weight.clone(),
            dims,
            codes,
            largest: largest.clone(),
            nested,
            block_size: state.blocksize,
            dtype,
            is_nf4: kind == KINDS[0],
            read: [quantiles.clone(), described.clone()],
        })
    }

    fn eight_bits(&self, weight: &Entry, module: &str) -> Result<([usize; 2], EightBits), Sentence> {
        let found = Found { files: self.files, name: module };
        let dims = match (weight.form, weight.shape.as_slice()) {
            (Form::Plain(Dtype::I8), &[rows, columns]) if rows > 0 && columns > 0 => [rows, columns],
            (form, shape) => {
                return Err(sentence!("it is {shape} in {dtype}, no matrix of 8 bits", shape, dtype = form.name()));
            }
        };
        let scales = found.of_length("SCB", is_float, dims[0])?.clone();
        let format = found.named("weight_format").cloned();
        if format.as_ref().is_some_and(|format| self.files.bytes(format).iter().any(|byte| *byte != 0)) {
            return Err(sentence!("its weight_format is another than by rows, which is not computed here"));
        }
        Ok((dims, EightBits { numbers: weight.clone(), scales, format }))
    }
}

impl WeightFiles {
    pub(super) fn find_four_bits(&mut self, is_transposed: bool) -> Result<()> {
        for kind in KINDS {
            for name in self.names_before(&format!("{STATE}{kind}")) {
                let weight =
                    self.entries.get(&name).ok_or_else(|| EngineError::WeightMissing { name: name.clone() })?;
                let found = Found { files: self, name: &name };
                let four = found.four_bits(weight, kind).map_err(|reason| self.misfit(&name, weight, reason))?;
                for part in ["absmax", "quant_map", "nested_absmax", "nested_quant_map"] {
                    self.entries.remove(&format!("{name}.{part}"));
                }
                self.entries.remove(&format!("{name}{STATE}{kind}"));
                let (numbers, dims) = (four.numbers.clone(), four.dims);
                self.compose(name, &numbers, dims, Composed { kind: Kind::FourBits(Box::new(four)), is_transposed });
            }
        }
        Ok(())
    }

    pub(super) fn find_eight_bits(&mut self, is_transposed: bool) -> Result<()> {
        for module in self.names_before(".SCB") {
            let name = format!("{module}.weight");
            let weight = self.entries.get(&name).ok_or_else(|| EngineError::WeightMissing { name: name.clone() })?;
            let found = Found { files: self, name: &name };
            let eight = found.eight_bits(weight, &module).map_err(|reason| self.misfit(&name, weight, reason));
            let (dims, eight) = eight?;
            for part in ["SCB", "weight_format"] {
                self.entries.remove(&format!("{module}.{part}"));
            }
            let numbers = eight.numbers.clone();
            self.compose(name, &numbers, dims, Composed { kind: Kind::EightBits(eight), is_transposed });
        }
        Ok(())
    }

    /// The largest of every block.
    fn largest(&self, name: &str, four: &FourBits) -> Result<Vec<f32>> {
        let Some(Nested { codes, scales, block_size, offset }) = &four.nested else {
            return self.numbers(name, &four.largest);
        };
        let (codes, scales) = (self.numbers(name, codes)?, self.numbers(name, scales)?);
        let bytes = self.bytes(&four.largest);
        let blocks = bytes.chunks(*block_size).zip(scales);
        let largest = blocks.flat_map(|(block, scale)| {
            let codes = &codes;
            block.iter().map(move |&byte| codes[usize::from(byte)] * scale + offset)
        });
        Ok(largest.collect())
    }

    pub(super) fn of_four_bits(&self, name: &str, four: &FourBits) -> Result<Vec<f32>> {
        let (largest, bytes) = (self.largest(name, four)?, self.bytes(&four.numbers));
        let [rows, columns] = four.dims;
        let mut values = vec![0.0; rows * columns];
        let blocks = values.par_chunks_mut(four.block_size).zip(largest).enumerate();
        blocks.for_each(|(block, (values, largest))| {
            for (at, value) in (block * four.block_size..).zip(values) {
                let byte = bytes[at / 2];
                let code = if at.is_multiple_of(2) { byte >> 4 } else { byte & 15 };
                *value = four.codes[usize::from(code)] * largest;
            }
        });
        Ok(values)
    }

    pub(super) fn blocks_of_four_bits(&self, name: &str, four: &FourBits) -> Result<Option<PackedWeight>> {
        let Some(block) = four.block() else { return Ok(None) };
        let (largest, bytes) = (self.largest(name, four)?, self.bytes(&four.numbers));
        let (n, [_, columns]) = (block.numbers(), four.dims);
        let mut packed = Vec::with_capacity(bytes.len() * 2 / n * block.bytes());
        for (at, halves) in bytes.chunks_exact(n / 2).enumerate() {
            packed.extend(largest[at * n / four.block_size].to_le_bytes());
            packed.extend(halves);
        }
        Ok(PackedWeight::new(block, columns, packed))
    }

    pub(super) fn of_eight_bits(&self, name: &str, eight: &EightBits) -> Result<Vec<f32>> {
        let (scales, bytes) = (self.numbers(name, &eight.scales)?, self.bytes(&eight.numbers));
        let Some(columns) = bytes.len().checked_div(scales.len()).filter(|columns| *columns > 0) else {
            return Ok(Vec::new());
        };
        let rows = bytes.par_chunks_exact(columns).zip(scales);
        let value = |scale: f32| move |byte: &u8| f32::from(byte.cast_signed()) * scale * ONE_127TH;
        Ok(rows.flat_map_iter(|(row, scale)| row.iter().map(value(scale))).collect())
    }
}
