//! Where operations with packed matrices enter burn: routed to the backend, and given their backward under autodiff.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, AutodiffBackend, Backend, Cube, Flex, backend_extension};

use super::backend::{PackedBackend, Side};
use super::shape::PackedShape;
use crate::nn::ops::LabelNllBackward;
use crate::nn::precision::Precision;

/// The operations as a model calls them. The matrix is a constant: nothing trains blocks.
#[backend_extension(Flex, Cube, Autodiff)]
pub(super) trait PackedOps: Backend {
    fn packed_product(
        x: FloatTensor<Self>,
        words: IntTensor<Self>,
        matrix: PackedShape,
        side: Side,
        precision: Precision,
    ) -> FloatTensor<Self>;

    fn packed_select(words: IntTensor<Self>, ids: IntTensor<Self>, matrix: PackedShape) -> FloatTensor<Self>;

    fn unpacked(words: IntTensor<Self>, matrix: PackedShape) -> FloatTensor<Self>;

    fn packed_cross_entropy(
        hidden: FloatTensor<Self>,
        words: IntTensor<Self>,
        targets: IntTensor<Self>,
        matrix: PackedShape,
        precision: Precision,
    ) -> FloatTensor<Self>;
}

/// Without autodiff an operation is its forward kernel.
macro_rules! forward_only {
    ($backend:ty) => {
        impl PackedOps for $backend {
            fn packed_product(
                x: FloatTensor<Self>,
                words: IntTensor<Self>,
                matrix: PackedShape,
                side: Side,
                precision: Precision,
            ) -> FloatTensor<Self> {
                <Self as PackedBackend>::packed_matmul(x, words, matrix, side, precision)
            }

            fn packed_select(words: IntTensor<Self>, ids: IntTensor<Self>, matrix: PackedShape) -> FloatTensor<Self> {
                <Self as PackedBackend>::rows_at(words, ids, matrix)
            }

            fn unpacked(words: IntTensor<Self>, matrix: PackedShape) -> FloatTensor<Self> {
                <Self as PackedBackend>::unpack(words, matrix)
            }

            fn packed_cross_entropy(
                hidden: FloatTensor<Self>,
                words: IntTensor<Self>,
                targets: IntTensor<Self>,
                matrix: PackedShape,
                precision: Precision,
            ) -> FloatTensor<Self> {
                <Self as PackedBackend>::label_nll(hidden, words, targets, (matrix, precision), false).0
            }
        }
    };
}
forward_only!(Flex);
forward_only!(Cube);

#[derive(Debug)]
struct ProductBackward;

impl<B: PackedBackend> Backward<B, 1> for ProductBackward {
    type State = (IntTensor<B>, PackedShape, Side, Precision); // words

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (words, matrix, side, precision) = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            B::packed_matmul(grad, words, matrix, side.other(), precision)
        });
    }
}

impl<B: PackedBackend, C: CheckpointStrategy> PackedOps for Autodiff<B, C> {
    fn packed_product(
        x: FloatTensor<Self>,
        words: IntTensor<Self>,
        matrix: PackedShape,
        side: Side,
        precision: Precision,
    ) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        let out = B::packed_matmul(x, words.clone(), matrix, side, precision);
        match ProductBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((words, matrix, side, precision), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }

    fn packed_select(words: IntTensor<Self>, ids: IntTensor<Self>, matrix: PackedShape) -> FloatTensor<Self> {
        Self::from_inner(B::rows_at(words, ids, matrix))
    }

    fn unpacked(words: IntTensor<Self>, matrix: PackedShape) -> FloatTensor<Self> {
        Self::from_inner(B::unpack(words, matrix))
    }

    fn packed_cross_entropy(
        hidden: FloatTensor<Self>,
        words: IntTensor<Self>,
        targets: IntTensor<Self>,
        matrix: PackedShape,
        precision: Precision,
    ) -> FloatTensor<Self> {
        let (hidden, node) = hidden.into_parts();
        let nll = |with_grad| B::label_nll(hidden, words, targets, (matrix, precision), with_grad);
        match LabelNllBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let (nll, grad) = nll(true);
                prep.finish(grad.expect("the gradient was asked for"), nll)
            }
            OpsKind::UnTracked(prep) => prep.finish(nll(false).0),
        }
    }
}
