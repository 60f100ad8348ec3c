//! Where packed matrices enter the kernels for the processor.

use burn::backend::Flex;
use burn::backend::TensorMetadata;
use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;

use super::buffer::Buffer;
use super::cross_entropy::cross_entropy_at_labels;
use super::packed::{PackedRows, embed, product_with_rows, transposed_product};
use super::{all_f32, dense, matrix_of, rows_of, tokens};
use crate::nn::kernels::Kernels;
use crate::nn::packed::{PackedBackend, PackedShape, Side};
use crate::nn::precision::Precision;

impl PackedBackend for Flex {
    fn unpack(words: FlexTensor, matrix: PackedShape) -> FlexTensor {
        let mut out = Buffer::any(matrix.rows * matrix.columns);
        rows_in(&words, matrix).unpack(&mut out);
        out.into_tensor([matrix.rows, matrix.columns])
    }

    fn packed_matmul(
        x: FlexTensor,
        words: FlexTensor,
        matrix: PackedShape,
        side: Side,
        precision: Precision,
    ) -> FlexTensor {
        if precision != Precision::F32 || !all_f32([&x]) {
            let values = Self::unpack(words, matrix);
            let values = if side == Side::Transposed { Self::float_transpose(values) } else { values };
            return Self::linear_forward(x, values, None, precision);
        }
        let [batch, seq, _] = x.shape().dims();
        let x = dense(x);
        let (x, weight) = (rows_of(&x), rows_in(&words, matrix));
        let width = if side == Side::Transposed { matrix.rows } else { matrix.columns };
        let mut out = Buffer::any(batch * seq * width);
        match side {
            Side::Transposed => product_with_rows(&mut out, x, weight, None),
            Side::Plain => transposed_product(&mut out, x, weight),
        }
        out.into_tensor([batch, seq, width])
    }

    fn rows_at(words: FlexTensor, ids: FlexTensor, matrix: PackedShape) -> FlexTensor {
        let Some(tokens) = tokens(&ids) else {
            return Self::float_select(Self::unpack(words, matrix), 0, ids);
        };
        let mut out = Buffer::any(tokens.len() * matrix.columns);
        embed(&mut out, rows_in(&words, matrix), &tokens);
        out.into_tensor([tokens.len(), matrix.columns])
    }

    fn label_nll(
        hidden: FlexTensor,
        words: FlexTensor,
        targets: FlexTensor,
        (matrix, precision): (PackedShape, Precision),
        with_grad: bool,
    ) -> (FlexTensor, Option<FlexTensor>) {
        let ours = precision == Precision::F32 && all_f32([&hidden]);
        let Some(tokens) = tokens(&targets).filter(|_| ours) else {
            let head = Self::unpack(words, matrix);
            return Self::cross_entropy_at_labels(hidden, head, targets, precision, with_grad);
        };
        let [n, d_model] = hidden.shape().dims();
        let hidden = dense(hidden);
        let head = rows_in(&words, matrix);
        let (loss, grad) = cross_entropy_at_labels(matrix_of(&hidden), head, &tokens, with_grad);
        (loss.into_tensor([n]), grad.map(|grad| grad.into_tensor([n, d_model])))
    }
}

/// The blocks.
fn rows_in(words: &FlexTensor, matrix: PackedShape) -> PackedRows<'_> {
    PackedRows::new(matrix, &bytemuck::cast_slice(words.storage::<u32>())[..matrix.bytes()])
}
