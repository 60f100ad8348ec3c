//! Matrices as GPTQ and AWQ keep them: whole numbers of 4 or 8 bits, with a scale and a zero point for each group of inputs.
//!
//! `qweight`, `qzeros` and `scales` stand below a linear layer's name, of GPTQ also `g_idx`, the group of every input. Words of
//! 32 bits hold numbers from their lowest bits on: GPTQ's qweight `[inputs / 8, outputs]` those of eight inputs, AWQ's
//! `[inputs, outputs / 8]` those of eight outputs, the even ones first. A number is (code − zero point) · scale.
//! AutoGPTQ/AutoGPTQ: `pack` of auto_gptq/nn_modules/qlinear; ModelCloud/GPTQModel: `convert_gptq_v1_to_v2_format_module`;
//! casper-hansen/AutoAWQ: awq/utils/packing_utils.py, awq/modules/linear/gemm.py.
//!
//! Around one zero point in the middle, in groups that follow each other, they are Q4_0 or Q8_0 and stay so. Others become the
//! format of their scales, as the kernels of both make of them.

use rayon::prelude::*;
use safetensors::Dtype;

use super::super::entry::{Entry, Form};
use super::super::files::WeightFiles;
use super::super::numbers::numbers_of;
use super::{Composed, Kind};
use crate::error::Result;
use crate::nn::{BlockType, PackedWeight};
use crate::{Sentence, sentence};

const QUANTS: &str = ".qweight";

/// Where in its word AWQ has each of eight outputs.
const AWQ_PLACES: [usize; 8] = [0, 4, 1, 5, 2, 6, 3, 7];

const WORD: usize = 32;

/// A matrix in groups of inputs.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    quants: Entry,
    zeros: Entry,
    scales: Entry,
    /// The group of every input, where a tensor says it.
    order: Option<Entry>,
    /// Outputs and inputs.
    dims: [usize; 2],
    n_groups: usize,
    layout: Layout,
    block: Option<BlockType>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) bits: usize,
    pub(super) is_awq: bool,
    /// Whether a zero point is kept as one less than it is.
    pub(super) has_zeros_less_one: bool,
}

impl Layout {
    /// Numbers of a word.
    fn per_word(self) -> usize {
        WORD / self.bits
    }

    /// The number of a word at a place among eight, or four.
    fn code(self, word: u32, at: usize) -> u32 {
        word >> (at * self.bits) & ((1 << self.bits) - 1)
    }

    /// Where in its word an output has its number.
    fn place(self, output: usize) -> usize {
        let at = output % self.per_word();
        if self.is_awq { AWQ_PLACES[at] } else { at }
    }

    /// The middle of the codes.
    fn middle(self) -> u32 {
        1 << (self.bits - 1)
    }

    /// What is one less than it is gets one more, as a whole word: a zero point of 0 had borrowed from the next.
    fn zeros(self, word: u32) -> u32 {
        let ones = if self.bits == 4 { 0x1111_1111 } else { 0x0101_0101 };
        if self.has_zeros_less_one { word.wrapping_add(ones) } else { word }
    }
}

impl Groups {
    pub(super) fn parts(&self) -> Vec<&Entry> {
        [&self.zeros, &self.scales].into_iter().chain(&self.order).collect()
    }

    pub(super) fn block(&self) -> Option<BlockType> {
        self.block
    }

    pub(super) fn bits(&self) -> usize {
        self.layout.bits
    }

    pub(super) fn dtype(&self) -> Dtype {
        match self.scales.form {
            Form::Plain(dtype @ (Dtype::F16 | Dtype::BF16)) => dtype,
            _ => Dtype::F32,
        }
    }
}

impl WeightFiles {
    pub(super) fn find_groups(&mut self, layout: Layout, is_transposed: bool) -> Result<()> {
        for module in self.names_before(QUANTS) {
            let Some(quants) = self.entries.get(&format!("{module}{QUANTS}")) else { continue };
            let groups = self.groups(&module, quants, layout);
            let groups = groups.map_err(|reason| self.misfit(&format!("{module}{QUANTS}"), quants, reason))?;
            for part in ["qweight", "qzeros", "scales", "g_idx"] {
                self.entries.remove(&format!("{module}.{part}"));
            }
            let (quants, dims) = (groups.quants.clone(), groups.dims);
            let composed = Composed { kind: Kind::Groups(Box::new(groups)), is_transposed };
            self.compose(format!("{module}.weight"), &quants, dims, composed);
        }
        Ok(())
    }

    /// Everything that a matrix has, checked before anything is unpacked.
    fn groups(&self, module: &str, quants: &Entry, layout: Layout) -> Result<Groups, Sentence> {
        let part = |part: &str| {
            self.entries.get(&format!("{module}.{part}")).ok_or_else(|| sentence!("{part} is missing", part))
        };
        let is_words = |entry: &Entry| matches!(entry.form, Form::Plain(Dtype::I32 | Dtype::U32));
        let (zeros, scales) = (part("qzeros")?, part("scales")?);
        let [[high, wide], zero_dims, [n_groups, outputs]] = [quants, zeros, scales].map(|entry| match *entry.shape {
            [rows, columns] => [rows, columns],
            _ => [0, 0],
        });
        let n = layout.per_word();
        let inputs = high.checked_mul(if layout.is_awq { 1 } else { n });
        let inputs = inputs.ok_or(sentence!("its rows are longer than any memory"))?;
        let expected = outputs / if layout.is_awq { n } else { 1 };
        let is_right = is_words(quants) && is_words(zeros) && scales.form.is_float() && outputs.is_multiple_of(n);
        let has_numbers = inputs > 0 && outputs > 0 && n_groups > 0 && n_groups <= inputs;
        if !is_right || !has_numbers || wide != expected || zero_dims != [n_groups, outputs / n] {
            return Err(sentence!(
                "its tensors of {bits} bits do not fit each other: qweight {quants}, qzeros {zeros}, scales {scales}",
                bits = layout.bits,
                quants = described(quants),
                zeros = described(zeros),
                scales = described(scales)
            ));
        }
        let order = self.entries.get(&format!("{module}.g_idx")).filter(|_| !layout.is_awq);
        if order.is_none() && !inputs.is_multiple_of(n_groups) {
            return Err(sentence!("its {inputs} inputs are no whole number of {n_groups} groups", inputs, n_groups));
        }
        let mut groups = Groups {
            quants: quants.clone(),
            zeros: zeros.clone(),
            scales: scales.clone(),
            order: order.cloned(),
            dims: [outputs, inputs],
            n_groups,
            layout,
            block: None,
        };
        if order.is_some_and(|order| !is_words(order) || order.shape != [inputs]) {
            return Err(sentence!("g_idx is no list of {inputs} groups", inputs));
        }
        let of_inputs = self.groups_of_inputs(&groups);
        if of_inputs.iter().any(|&group| group >= n_groups) {
            return Err(sentence!("g_idx names a group beyond its {n_groups}", n_groups));
        }
        groups.block = self.block_of_groups(&groups, &of_inputs);
        Ok(groups)
    }

    fn words(&self, entry: &Entry) -> Vec<u32> {
        numbers_of(&self.bytes(entry), u32::from_le_bytes)
    }

    /// The group of every input.
    fn groups_of_inputs(&self, groups: &Groups) -> Vec<usize> {
        let [_, inputs] = groups.dims;
        match &groups.order {
            Some(order) => self.words(order).into_iter().map(|group| group as usize).collect(),
            None => (0..inputs).map(|input| input / (inputs / groups.n_groups)).collect(),
        }
    }

    /// The blocks that hold the very same numbers.
    fn block_of_groups(&self, groups: &Groups, of_inputs: &[usize]) -> Option<BlockType> {
        let Groups { layout, scales, zeros, .. } = groups;
        let block = if layout.bits == 4 { BlockType::Q4_0 } else { BlockType::Q8_0 };
        let (blocks, rest) = of_inputs.as_chunks::<32>();
        let are_whole = rest.is_empty() && blocks.iter().all(|block| block.iter().all(|group| *group == block[0]));
        let middle = layout.middle();
        let is_middle = |word: u32| (0..layout.per_word()).all(|at| layout.code(word, at) == middle);
        let is_exact = are_whole && scales.form == Form::Plain(Dtype::F16);
        (is_exact && self.words(zeros).into_iter().all(|word| is_middle(layout.zeros(word)))).then_some(block)
    }

    pub(super) fn of_groups(&self, name: &str, groups: &Groups) -> Result<Vec<f32>> {
        let Groups { layout, dims: [outputs, inputs], .. } = *groups;
        let (quants, zeros) = (self.words(&groups.quants), self.words(&groups.zeros));
        let (scales, of_inputs) = (self.numbers(name, &groups.scales)?, self.groups_of_inputs(groups));
        let mut values = vec![0.0; outputs * inputs];
        values.par_chunks_exact_mut(inputs).enumerate().for_each(|(output, row)| {
            let code = codes(layout, &quants, output, outputs);
            let zero = |group: usize| {
                let word = zeros[group * (outputs / layout.per_word()) + output / layout.per_word()];
                layout.code(layout.zeros(word), layout.place(output))
            };
            for ((input, value), &group) in row.iter_mut().enumerate().zip(&of_inputs) {
                let steps = code(input).cast_signed() - zero(group).cast_signed();
                *value = steps as f32 * scales[group * outputs + output];
            }
        });
        Ok(values)
    }

    pub(super) fn blocks_of_groups(&self, groups: &Groups) -> Option<PackedWeight> {
        let (block, [outputs, inputs]) = (groups.block?, groups.dims);
        let (quants, scales) = (self.words(&groups.quants), self.bytes(&groups.scales));
        let (scales, _) = scales.as_chunks::<2>();
        let of_inputs = self.groups_of_inputs(groups);
        let rows = (0..outputs).into_par_iter().flat_map_iter(|output| {
            let code = codes(groups.layout, &quants, output, outputs);
            let byte = move |input: usize| code(input) as u8;
            let mut row = Vec::with_capacity(block.row_bytes(inputs).unwrap_or_default());
            for start in (0..inputs).step_by(block.numbers()) {
                row.extend(scales[of_inputs[start] * outputs + output]);
                match block {
                    BlockType::Q4_0 => row.extend((start..start + 16).map(|at| byte(at) | byte(at + 16) << 4)),
                    // Around 0, where they were around 128.
                    _ => row.extend((start..start + 32).map(|at| byte(at) ^ 128)),
                }
            }
            row
        });
        PackedWeight::new(block, inputs, rows.collect())
    }
}

/// The numbers of an output by its inputs.
fn codes(layout: Layout, quants: &[u32], output: usize, outputs: usize) -> impl Fn(usize) -> u32 + Copy {
    let n = layout.per_word();
    move |input| match layout.is_awq {
        true => layout.code(quants[input * (outputs / n) + output / n], layout.place(output)),
        false => layout.code(quants[input / n * outputs + output], input % n),
    }
}

fn described(entry: &Entry) -> String {
    format!("{:?} {}", entry.shape, entry.form.name())
}
