//! A matrix in blocks on a device: what it is multiplied with meets numbers that are made of the blocks on the way, and no
//! matrix of them stays.

use burn::backend::Dispatch;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use super::backend::Side;
use super::ops::PackedOps;
use super::parts::PackedParts;
use super::shape::PackedShape;
use super::weight::PackedWeight;
use crate::nn::cross_entropy::HeadSettings;
use crate::nn::ops::Optional;
use crate::nn::precision::Precision;

/// Rows in blocks on a device, `[rows, columns]`, in parts of whole rows, each in blocks of its own kind.
#[derive(Clone, Debug)]
pub(in crate::nn) struct PackedMatrix {
    /// The bytes as little-endian words, the last one filled up; at least one.
    parts: Vec<(Tensor<1, Int>, PackedShape)>,
}

impl PackedMatrix {
    /// Matrices of the same width one below the other on a device.
    ///
    /// # Panics
    /// Without a matrix, or with matrices of different widths.
    pub(in crate::nn) fn new(matrices: Vec<PackedWeight>, device: &Device) -> Self {
        let mut parts = Vec::new();
        for matrix in PackedWeight::stacked(matrices) {
            let ([rows, columns], block) = (matrix.dims(), matrix.block());
            let rows = PackedShape { block, rows, columns }.rows_within(PackedShape::MOST_BYTES);
            let row = matrix.bytes().len() / matrix.dims()[0].max(1);
            for part in matrix.bytes().chunks((rows * row).max(1)) {
                parts.push((words(part, device), PackedShape { block, rows: part.len() / row, columns }));
            }
        }
        let widths: Vec<usize> = parts.iter().map(|(_, shape)| shape.columns).collect();
        assert!(!widths.is_empty() && widths.windows(2).all(|pair| pair[0] == pair[1]), "matrices of one width");
        Self { parts }
    }

    pub(in crate::nn) fn dims(&self) -> [usize; 2] {
        [self.parts.iter().map(|(_, shape)| shape.rows).sum(), self.parts[0].1.columns]
    }

    pub(in crate::nn) fn device(&self) -> Device {
        self.parts[0].0.device()
    }

    /// Bytes of the blocks.
    pub(in crate::nn) fn bytes(&self) -> usize {
        self.parts.iter().map(|(_, shape)| shape.bytes()).sum()
    }

    /// `x · mᵀ` or `x · m`, for `x [batch, seq, d]`.
    pub(in crate::nn) fn product(&self, x: Tensor<3>, side: Side, precision: Precision) -> Tensor<3> {
        Tensor::from_dispatch(Dispatch::packed_product(x.into_dispatch(), self.on_dispatch(), side, precision))
    }

    /// Some of its rows in f32, `[batch, seq, columns]`.
    pub(in crate::nn) fn embed(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        let ([batch, seq], [_, columns]) = (ids.dims(), self.dims());
        let ids = ids.flatten::<1>(0, 1).into_dispatch();
        let rows = Tensor::<2>::from_dispatch(Dispatch::packed_select(self.on_dispatch(), ids));
        rows.reshape([batch, seq, columns])
    }

    /// The loss of each row of `hidden [n, columns]` at its target, `[n]`, with the matrix as head.
    pub(in crate::nn) fn cross_entropy(
        &self,
        hidden: Tensor<2>,
        bias: Optional<Dispatch>,
        targets: Tensor<1, Int>,
        settings: HeadSettings,
    ) -> Tensor<1> {
        let (hidden, targets) = (hidden.into_dispatch(), targets.into_dispatch());
        Tensor::from_dispatch(Dispatch::packed_cross_entropy(hidden, self.on_dispatch(), bias, targets, settings))
    }

    /// Every number in f32.
    pub(in crate::nn) fn unpacked(&self) -> Tensor<2> {
        Tensor::from_dispatch(Dispatch::unpacked(self.on_dispatch()))
    }

    fn on_dispatch(&self) -> PackedParts<Dispatch> {
        PackedParts::new(self.parts.iter().map(|(words, shape)| (words.clone().into_dispatch(), *shape)))
    }
}

fn words(bytes: &[u8], device: &Device) -> Tensor<1, Int> {
    let (whole, rest) = bytes.as_chunks::<4>();
    let mut words: Vec<u32> = whole.iter().map(|word| u32::from_le_bytes(*word)).collect();
    if !rest.is_empty() {
        let mut last = [0; 4];
        last[..rest.len()].copy_from_slice(rest);
        words.push(u32::from_le_bytes(last));
    }
    let len = words.len();
    Tensor::from_data(TensorData::new(words, [len]), (device, DType::U32))
}
