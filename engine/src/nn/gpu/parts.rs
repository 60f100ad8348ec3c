//! A packed matrix on a device in parts of whole rows: what a kernel binds at once has a limit, 128 MiB on some devices,
//! and a vocabulary may be larger.

use burn::backend::tensor::IntTensor;
use burn::backend::{
    Backend, BackendTensor, BackendTypes, Dispatch, DispatchAutodiffContext, DispatchTensor, DispatchTensorKind,
    ExtensionType,
};

use crate::nn::packed::PackedShape;

/// The words of a matrix, part by part.
#[derive(Clone, Debug)]
pub(in crate::nn) struct PackedParts<B: BackendTypes> {
    words: Vec<IntTensor<B>>,
    shape: PackedShape,
    /// Of every part but the last, which has what is left.
    rows: usize,
}

/// Whole rows of a matrix that lie in one tensor.
#[derive(Clone, Debug)]
pub(super) struct Part<B: BackendTypes> {
    pub(super) words: IntTensor<B>,
    /// Of this part.
    pub(super) shape: PackedShape,
    /// Its first row in the matrix.
    pub(super) first: usize,
}

impl<B: BackendTypes> PackedParts<B> {
    /// A matrix whose parts have so many `rows` each, but for the last. Each begins with a word of its own.
    pub(in crate::nn) fn new(words: Vec<IntTensor<B>>, shape: PackedShape, rows: usize) -> Self {
        assert_eq!(words.len(), shape.rows.div_ceil(rows), "as many parts as the rows need");
        Self { words, shape, rows }
    }

    /// Rows and columns of the whole.
    pub(in crate::nn) fn shape(&self) -> PackedShape {
        self.shape
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Part<B>> {
        self.words.iter().enumerate().map(|(index, words)| {
            let first = index * self.rows;
            let rows = self.rows.min(self.shape.rows - first);
            Part { words: words.clone(), shape: PackedShape { rows, ..self.shape }, first }
        })
    }
}

/// As the derived one, which knows no lists.
impl<B: Backend> ExtensionType<B> for PackedParts<B> {
    type Target = PackedParts<Dispatch>;

    fn map_to_dispatch<F>(self, map_kind: F, autodiff: DispatchAutodiffContext) -> Self::Target
    where
        F: Fn(BackendTensor<B>) -> DispatchTensorKind,
    {
        let wrapped = |words| DispatchTensor { kind: map_kind(BackendTensor::Int(words)), autodiff };
        PackedParts { words: self.words.into_iter().map(wrapped).collect(), shape: self.shape, rows: self.rows }
    }

    fn map_from_dispatch<F>(target: Self::Target, unwrap_kind: F) -> Self
    where
        F: Fn(DispatchTensor) -> BackendTensor<B>,
    {
        let words = target.words.into_iter().map(|words| unwrap_kind(words).int()).collect();
        Self { words, shape: target.shape, rows: target.rows }
    }

    fn routing_tensor(target: &Self::Target) -> Option<&DispatchTensor> {
        target.words.first()
    }

    fn routing_float_tensor(_: &Self::Target) -> Option<&DispatchTensor> {
        None
    }

    fn autodiff_context(target: &Self::Target) -> DispatchAutodiffContext {
        let contexts = target.words.iter().map(|words| words.autodiff);
        contexts.fold(DispatchAutodiffContext::Disabled, DispatchAutodiffContext::merge)
    }
}
