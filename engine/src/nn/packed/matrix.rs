//! A matrix in blocks on a device: what it is multiplied with meets numbers that are made of the blocks on the way, and no
//! matrix of them stays.

use burn::backend::Dispatch;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use super::backend::Side;
use super::ops::PackedOps;
use super::shape::PackedShape;
use super::weight::PackedWeight;
use crate::nn::ops::FrozenOps;
use crate::nn::precision::Precision;

/// Rows in blocks on a device, `[rows, columns]`; each part in blocks of its own type.
#[derive(Clone, Debug)]
pub(in crate::nn) struct PackedMatrix {
    parts: Vec<Part>,
    columns: usize,
}

#[derive(Clone, Debug)]
struct Part {
    /// The bytes as little-endian words, the last one filled up.
    words: Tensor<1, Int>,
    shape: PackedShape,
}

impl PackedMatrix {
    /// Matrices of the same width one below the other on a device.
    pub(in crate::nn) fn new(parts: Vec<PackedWeight>, device: &Device) -> Self {
        let columns = parts.first().map_or(0, |part| part.dims()[1]);
        let on_device = |part: PackedWeight| {
            let [rows, width] = part.dims();
            assert_eq!(width, columns, "parts of a matrix have one width");
            Part { words: words(part.bytes(), device), shape: PackedShape { block: part.block(), rows, columns } }
        };
        Self { parts: PackedWeight::stacked(parts).into_iter().map(on_device).collect(), columns }
    }

    pub(in crate::nn) fn dims(&self) -> [usize; 2] {
        [self.parts.iter().map(|part| part.shape.rows).sum(), self.columns]
    }

    pub(in crate::nn) fn device(&self) -> Device {
        self.parts[0].words.device()
    }

    /// Bytes of the blocks.
    pub(in crate::nn) fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.shape.bytes()).sum()
    }

    /// `x · mᵀ` or `x · m`, for `x [batch, seq, d]`.
    pub(in crate::nn) fn product(&self, x: &Tensor<3>, side: Side, precision: Precision) -> Tensor<3> {
        let [batch, seq, _] = x.dims();
        let of_part = |part: &Part, x: Tensor<3>| {
            let (x, words) = (x.into_dispatch(), part.words.clone().into_dispatch());
            Tensor::from_dispatch(Dispatch::packed_product(x, words, part.shape, side, precision))
        };
        if let [part] = self.parts.as_slice() {
            return of_part(part, x.clone());
        }
        match side {
            Side::Transposed => Tensor::cat(self.parts.iter().map(|part| of_part(part, x.clone())).collect(), 2),
            Side::Plain => {
                let mut sum = Tensor::zeros([batch, seq, self.columns], &x.device());
                let mut first = 0;
                for part in &self.parts {
                    let end = first + part.shape.rows;
                    sum = sum + of_part(part, x.clone().slice([0..batch, 0..seq, first..end]));
                    first = end;
                }
                sum
            }
        }
    }

    /// Some of its rows in f32, `[batch, seq, columns]`.
    pub(in crate::nn) fn embed(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        let [batch, seq] = ids.dims();
        let rows = match self.parts.as_slice() {
            [part] => {
                let (words, ids) = (part.words.clone().into_dispatch(), ids.flatten::<1>(0, 1).into_dispatch());
                Tensor::<2>::from_dispatch(Dispatch::packed_select(words, ids, part.shape))
            }
            _ => self.unpacked().select(0, ids.flatten::<1>(0, 1)),
        };
        rows.reshape([batch, seq, self.columns])
    }

    /// The loss of each row of `hidden [n, columns]` at its target, with the matrix as head.
    pub(in crate::nn) fn cross_entropy(
        &self,
        hidden: Tensor<2>,
        targets: Tensor<1, Int>,
        precision: Precision,
    ) -> Tensor<1> {
        let (hidden, targets) = (hidden.into_dispatch(), targets.into_dispatch());
        match self.parts.as_slice() {
            [part] => {
                let words = part.words.clone().into_dispatch();
                Tensor::from_dispatch(Dispatch::packed_cross_entropy(hidden, words, targets, part.shape, precision))
            }
            _ => {
                let head = self.unpacked().into_dispatch();
                Tensor::from_dispatch(Dispatch::frozen_cross_entropy(hidden, head, targets, precision))
            }
        }
    }

    /// Every number in f32.
    pub(in crate::nn) fn unpacked(&self) -> Tensor<2> {
        let of_part =
            |part: &Part| Tensor::from_dispatch(Dispatch::unpacked(part.words.clone().into_dispatch(), part.shape));
        match self.parts.as_slice() {
            [part] => of_part(part),
            parts => Tensor::cat(parts.iter().map(of_part).collect(), 0),
        }
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
