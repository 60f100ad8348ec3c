//! A packed matrix on a device in parts of whole rows: what a kernel binds at once has a limit, 128 MiB on some devices,
//! and a vocabulary may be larger.

use burn::backend::tensor::IntTensor;
use burn::backend::{
    Backend, BackendTensor, BackendTypes, Dispatch, DispatchAutodiffContext, DispatchTensor, DispatchTensorKind,
    ExtensionType,
};

use super::shape::PackedShape;

/// Rows in blocks, part by part: each of whole rows and one kind of block, all of one width.
#[derive(Clone, Debug)]
pub(in crate::nn) struct PackedParts<B: BackendTypes>(Vec<PackedPart<B>>);

/// Whole rows of a matrix that lie in one tensor.
#[derive(Clone, Debug)]
pub(in crate::nn) struct PackedPart<B: BackendTypes> {
    /// The bytes as little-endian words, the last one filled up.
    pub(in crate::nn) words: IntTensor<B>,
    /// Of this part.
    pub(in crate::nn) shape: PackedShape,
    /// Its first row in the matrix.
    pub(in crate::nn) first: usize,
}

impl<B: BackendTypes> PackedParts<B> {
    /// Words with their shapes, one below the other; at least one.
    pub(in crate::nn) fn new(parts: impl IntoIterator<Item = (IntTensor<B>, PackedShape)>) -> Self {
        let mut first = 0;
        let part = |(words, shape): (_, PackedShape)| {
            let part = PackedPart { words, shape, first };
            first += shape.rows;
            part
        };
        Self(parts.into_iter().map(part).collect())
    }

    /// Rows and columns of the whole.
    pub(in crate::nn) fn dims(&self) -> [usize; 2] {
        let rows = self.0.iter().map(|part| part.shape.rows).sum();
        [rows, self.0.first().map_or(0, |part| part.shape.columns)]
    }

    pub(in crate::nn) fn iter(&self) -> impl Iterator<Item = &PackedPart<B>> {
        self.0.iter()
    }
}

/// As the derived one, which knows no lists.
impl<B: Backend> ExtensionType<B> for PackedParts<B> {
    type Target = PackedParts<Dispatch>;

    fn map_to_dispatch<F>(self, map_kind: F, autodiff: DispatchAutodiffContext) -> Self::Target
    where
        F: Fn(BackendTensor<B>) -> DispatchTensorKind,
    {
        let wrapped = |PackedPart { words, shape, first }| {
            let words = DispatchTensor { kind: map_kind(BackendTensor::Int(words)), autodiff };
            PackedPart { words, shape, first }
        };
        PackedParts(self.0.into_iter().map(wrapped).collect())
    }

    fn map_from_dispatch<F>(target: Self::Target, unwrap_kind: F) -> Self
    where
        F: Fn(DispatchTensor) -> BackendTensor<B>,
    {
        let unwrapped = |PackedPart { words, shape, first }: PackedPart<Dispatch>| PackedPart {
            words: unwrap_kind(words).int(),
            shape,
            first,
        };
        Self(target.0.into_iter().map(unwrapped).collect())
    }

    fn routing_tensor(target: &Self::Target) -> Option<&DispatchTensor> {
        target.0.first().map(|part| &part.words)
    }

    fn routing_float_tensor(_: &Self::Target) -> Option<&DispatchTensor> {
        None
    }

    fn autodiff_context(target: &Self::Target) -> DispatchAutodiffContext {
        let contexts = target.0.iter().map(|part| part.words.autodiff);
        contexts.fold(DispatchAutodiffContext::Disabled, DispatchAutodiffContext::merge)
    }
}
