//! Where packed matrices enter the kernels for the processor.

use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;
use burn::backend::{Flex, TensorMetadata};

use super::buffer::Buffer;
use super::cross_entropy::{Labels, cross_entropy_at_labels};
use super::matrix::MatrixMut;
use super::narrow;
use super::packed::{FEW, PackedRows, embed, product_with_rows, transposed_product, unpack_all};
use super::packed_operand::PackedOperand;
use super::row_source::InBf16;
use super::{all_f32, dense, matrix_of, numbers, rows_of, tokens};
use crate::nn::cross_entropy::HeadSettings;
use crate::nn::kernels::Kernels;
use crate::nn::packed::{PackedBackend, PackedParts, Side};
use crate::nn::precision::Precision;

impl PackedBackend for Flex {
    fn unpack(matrix: PackedParts<Self>) -> FlexTensor {
        let [rows, columns] = matrix.dims();
        let mut out = Buffer::any(rows * columns);
        unpack_all(&mut out, &blocks_of(&matrix));
        out.into_tensor([rows, columns])
    }

    fn packed_matmul(x: FlexTensor, matrix: PackedParts<Self>, side: Side, precision: Precision) -> FlexTensor {
        if precision == Precision::F16 || !all_f32([&x]) {
            let values = Self::unpack(matrix);
            let values = if side == Side::Transposed { Self::float_transpose(values) } else { values };
            return Self::linear_forward(x, values, None, precision);
        }
        let ([batch, seq, _], [rows, columns]) = (x.shape().dims(), matrix.dims());
        let width = if side == Side::Transposed { rows } else { columns };
        let mut out = Buffer::any(batch * seq * width);
        let (x, weight) = (dense(x), blocks_of(&matrix));
        if precision == Precision::Bf16 && batch * seq > FEW {
            let to = MatrixMut::dense(&mut out, batch * seq, width);
            let operand = PackedOperand::new(&weight, 0..rows).on(side);
            narrow::product(to, narrow::Onto::Fresh, rows_of(&x), operand);
            return out.into_tensor([batch, seq, width]);
        }
        match side {
            Side::Transposed => product_with_rows(&mut out, rows_of(&x), &weight),
            Side::Plain => transposed_product(&mut out, rows_of(&x), &weight),
        }
        out.into_tensor([batch, seq, width])
    }

    fn rows_at(matrix: PackedParts<Self>, ids: FlexTensor) -> FlexTensor {
        let Some(tokens) = tokens(&ids) else {
            return Self::float_select(Self::unpack(matrix), 0, ids);
        };
        let [_, columns] = matrix.dims();
        let mut out = Buffer::any(tokens.len() * columns);
        embed(&mut out, &blocks_of(&matrix), &tokens);
        out.into_tensor([tokens.len(), columns])
    }

    fn label_nll(
        hidden: FlexTensor,
        (head, bias): (PackedParts<Self>, Option<FlexTensor>),
        targets: FlexTensor,
        settings: HeadSettings,
        with_grad: bool,
    ) -> (FlexTensor, Option<FlexTensor>) {
        let ours = settings.precision != Precision::F16 && all_f32([&hidden].into_iter().chain(&bias));
        let Some(tokens) = tokens(&targets).filter(|_| ours) else {
            return Self::cross_entropy_at_labels(hidden, (Self::unpack(head), bias), targets, settings, with_grad);
        };
        let [n, d_model] = hidden.shape().dims();
        let (hidden, head, bias) = (dense(hidden), blocks_of(&head), bias.map(dense));
        let labels = Labels { targets: &tokens, bias: bias.as_ref().map(numbers), softcap: settings.softcap };
        let (rows, head) = (matrix_of(&hidden), head.as_slice());
        let (loss, grad) = match settings.precision {
            Precision::Bf16 => cross_entropy_at_labels(rows, InBf16(head), labels, with_grad),
            Precision::F32 | Precision::F16 => cross_entropy_at_labels(rows, head, labels, with_grad),
        };
        (loss.into_tensor([n]), grad.map(|grad| grad.into_tensor([n, d_model])))
    }
}

/// The blocks of each part.
fn blocks_of(matrix: &PackedParts<Flex>) -> Vec<PackedRows<'_>> {
    matrix
        .iter()
        .map(|part| {
            let bytes: &[u8] = bytemuck::cast_slice(part.words.storage::<u32>());
            PackedRows::new(part.shape, &bytes[..part.shape.bytes()])
        })
        .collect()
}
