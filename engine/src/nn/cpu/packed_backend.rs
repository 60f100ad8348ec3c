//! Where packed matrices enter the kernels for the processor.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;

use super::buffer::Buffer;
use crate::nn::kernels::Kernels;
use crate::nn::packed::{PackedBackend, PackedShape, Side};
use crate::nn::precision::Precision;

impl PackedBackend for Flex {
    fn unpack(words: FlexTensor, matrix: PackedShape) -> FlexTensor {
        let mut out = Buffer::any(matrix.rows * matrix.columns);
        matrix.block.unpack(bytes_of(&words, matrix), &mut out);
        out.into_tensor([matrix.rows, matrix.columns])
    }

    fn packed_matmul(
        x: FlexTensor,
        words: FlexTensor,
        matrix: PackedShape,
        side: Side,
        precision: Precision,
    ) -> FlexTensor {
        let values = Self::unpack(words, matrix);
        let values = if side == Side::Transposed { Self::float_transpose(values) } else { values };
        Self::linear_forward(x, values, None, precision)
    }

    fn rows_at(words: FlexTensor, ids: FlexTensor, matrix: PackedShape) -> FlexTensor {
        Self::float_select(Self::unpack(words, matrix), 0, ids)
    }

    fn label_nll(
        hidden: FlexTensor,
        words: FlexTensor,
        targets: FlexTensor,
        (matrix, precision): (PackedShape, Precision),
        with_grad: bool,
    ) -> (FlexTensor, Option<FlexTensor>) {
        Self::cross_entropy_at_labels(hidden, Self::unpack(words, matrix), targets, precision, with_grad)
    }
}

/// The blocks.
fn bytes_of(words: &FlexTensor, matrix: PackedShape) -> &[u8] {
    &bytemuck::cast_slice(words.storage::<u32>())[..matrix.bytes()]
}
