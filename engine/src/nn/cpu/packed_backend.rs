//! Where packed matrices enter the kernels for the processor.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;

use super::buffer::Buffer;
use crate::nn::kernels::Kernels;
use crate::nn::packed::{PackedBackend, PackedPart, PackedParts, Side};
use crate::nn::precision::Precision;

impl PackedBackend for Flex {
    fn unpack(matrix: PackedParts<Self>) -> FlexTensor {
        let [rows, columns] = matrix.dims();
        let mut out = Buffer::any(rows * columns);
        for part in matrix.iter() {
            let numbers = &mut out[part.first * columns..][..part.shape.rows * columns];
            part.shape.block.unpack(bytes_of(part), numbers);
        }
        out.into_tensor([rows, columns])
    }

    fn packed_matmul(x: FlexTensor, matrix: PackedParts<Self>, side: Side, precision: Precision) -> FlexTensor {
        let values = Self::unpack(matrix);
        let values = if side == Side::Transposed { Self::float_transpose(values) } else { values };
        Self::linear_forward(x, values, None, precision)
    }

    fn rows_at(matrix: PackedParts<Self>, ids: FlexTensor) -> FlexTensor {
        Self::float_select(Self::unpack(matrix), 0, ids)
    }

    fn label_nll(
        hidden: FlexTensor,
        head: PackedParts<Self>,
        targets: FlexTensor,
        precision: Precision,
        with_grad: bool,
    ) -> (FlexTensor, Option<FlexTensor>) {
        Self::cross_entropy_at_labels(hidden, Self::unpack(head), targets, precision, with_grad)
    }
}

/// The blocks.
fn bytes_of(part: &PackedPart<Flex>) -> &[u8] {
    &bytemuck::cast_slice(part.words.storage::<u32>())[..part.shape.bytes()]
}
