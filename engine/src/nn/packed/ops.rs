//! Where operations with packed matrices enter burn: routed to the backend, and given their backward under autodiff.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, AutodiffBackend, Backend, Cube, Flex, backend_extension};

use super::backend::{PackedBackend, Side};
use super::parts::{PackedPart, PackedParts};
use crate::nn::cross_entropy::HeadSettings;
use crate::nn::ops::{LabelNllBackward, Optional, constant};
use crate::nn::precision::Precision;

/// The operations as a model calls them. The matrix is a constant: nothing trains blocks.
#[backend_extension(Flex, Cube, Autodiff)]
pub(super) trait PackedOps: Backend {
    fn packed_product(
        x: FloatTensor<Self>,
        #[extension_type] matrix: PackedParts<Self>,
        side: Side,
        precision: Precision,
    ) -> FloatTensor<Self>;

    fn packed_select(#[extension_type] matrix: PackedParts<Self>, ids: IntTensor<Self>) -> FloatTensor<Self>;

    fn unpacked(#[extension_type] matrix: PackedParts<Self>) -> FloatTensor<Self>;

    fn packed_cross_entropy(
        hidden: FloatTensor<Self>,
        #[extension_type] head: PackedParts<Self>,
        #[extension_type] bias: Optional<Self>,
        targets: IntTensor<Self>,
        settings: HeadSettings,
    ) -> FloatTensor<Self>;
}

/// Without autodiff an operation is its forward kernel.
macro_rules! forward_only {
    ($backend:ty) => {
        impl PackedOps for $backend {
            fn packed_product(
                x: FloatTensor<Self>,
                matrix: PackedParts<Self>,
                side: Side,
                precision: Precision,
            ) -> FloatTensor<Self> {
                <Self as PackedBackend>::packed_matmul(x, matrix, side, precision)
            }

            fn packed_select(matrix: PackedParts<Self>, ids: IntTensor<Self>) -> FloatTensor<Self> {
                <Self as PackedBackend>::rows_at(matrix, ids)
            }

            fn unpacked(matrix: PackedParts<Self>) -> FloatTensor<Self> {
                <Self as PackedBackend>::unpack(matrix)
            }

            fn packed_cross_entropy(
                hidden: FloatTensor<Self>,
                head: PackedParts<Self>,
                bias: Optional<Self>,
                targets: IntTensor<Self>,
                settings: HeadSettings,
            ) -> FloatTensor<Self> {
                <Self as PackedBackend>::label_nll(hidden, (head, bias.into_option()), targets, settings, false).0
            }
        }
    };
}
forward_only!(Flex);
forward_only!(Cube);

#[derive(Debug)]
struct ProductBackward;

impl<B: PackedBackend> Backward<B, 1> for ProductBackward {
    type State = (PackedParts<B>, Side, Precision);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (matrix, side, precision) = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| B::packed_matmul(grad, matrix, side.other(), precision));
    }
}

impl<B: Backend, C: CheckpointStrategy> PackedParts<Autodiff<B, C>> {
    /// The same: what has no gradient is not wrapped.
    fn inner(self) -> PackedParts<B> {
        PackedParts::new(self.iter().map(|PackedPart { words, shape, .. }| (words.clone(), *shape)))
    }
}

impl<B: PackedBackend, C: CheckpointStrategy> PackedOps for Autodiff<B, C> {
    fn packed_product(
        x: FloatTensor<Self>,
        matrix: PackedParts<Self>,
        side: Side,
        precision: Precision,
    ) -> FloatTensor<Self> {
        let ((x, node), matrix) = (x.into_parts(), matrix.inner());
        let out = B::packed_matmul(x, matrix.clone(), side, precision);
        match ProductBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((matrix, side, precision), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }

    fn packed_select(matrix: PackedParts<Self>, ids: IntTensor<Self>) -> FloatTensor<Self> {
        Self::from_inner(B::rows_at(matrix.inner(), ids))
    }

    fn unpacked(matrix: PackedParts<Self>) -> FloatTensor<Self> {
        Self::from_inner(B::unpack(matrix.inner()))
    }

    fn packed_cross_entropy(
        hidden: FloatTensor<Self>,
        head: PackedParts<Self>,
        bias: Optional<Self>,
        targets: IntTensor<Self>,
        settings: HeadSettings,
    ) -> FloatTensor<Self> {
        let bias = bias.into_option().map(|bias| constant::<B>(bias));
        let ((hidden, node), head) = (hidden.into_parts(), head.inner());
        let nll = |with_grad| B::label_nll(hidden, (head, bias), targets, settings, with_grad);
        match LabelNllBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let (nll, grad) = nll(true);
                prep.finish(grad.expect("the gradient was asked for"), nll)
            }
            OpsKind::UnTracked(prep) => prep.finish(nll(false).0),
        }
    }
}
