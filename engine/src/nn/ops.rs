//! Where our operations enter burn: routed to the backend a tensor lives on, and given their backward under autodiff.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, binary, unary};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{
    Autodiff, AutodiffBackend, Backend, BackendTypes, Cube, ExtensionType, Flex, TensorMetadata, backend_extension,
};
use burn::tensor::Shape;

use super::activation::Activation;
use super::adamw::AdamWStep;
use super::attention::AttentionShape;
use super::composed;
use super::cross_entropy::HeadSettings;
use super::kernels::{AttentionInputs, Kernels};
use super::precision::Precision;
use super::rotary::RotaryShape;

/// A tensor that may be absent: `Option` does not cross burn's dispatch, an enum does.
#[derive(ExtensionType)]
pub(super) enum Optional<B: Backend> {
    None,
    Some(FloatTensor<B>),
}

/// Keys and values before the text, or none.
#[derive(ExtensionType)]
pub(super) enum Past<B: Backend> {
    None,
    Some { key: FloatTensor<B>, value: FloatTensor<B> },
}

/// The operations as a model calls them. Weights are constants for autodiff unless they are tracked.
#[backend_extension(Flex, Cube, Autodiff)]
pub(super) trait FrozenOps: Backend {
    fn frozen_linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Optional<Self>,
        precision: Precision,
    ) -> FloatTensor<Self>;

    /// Of two matrices, any of them tracked, in 16 bits.
    fn matmul_16bit(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>, precision: Precision) -> FloatTensor<Self>;

    fn frozen_layer_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self>;

    fn frozen_rms_norm(x: FloatTensor<Self>, gamma: FloatTensor<Self>, epsilon: f64) -> FloatTensor<Self>;

    fn rotary(
        x: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
        shape: RotaryShape,
    ) -> FloatTensor<Self>;

    fn frozen_activation(x: FloatTensor<Self>, kind: Activation) -> FloatTensor<Self>;

    fn frozen_attention(
        qkv: FloatTensor<Self>,
        #[extension_type] past: Past<Self>,
        #[extension_type] key_mask: Optional<Self>,
        #[extension_type] bias: Optional<Self>,
        shape: AttentionShape,
    ) -> FloatTensor<Self>;

    fn frozen_cross_entropy(
        hidden: FloatTensor<Self>,
        head: FloatTensor<Self>,
        #[extension_type] bias: Optional<Self>,
        targets: IntTensor<Self>,
        settings: HeadSettings,
    ) -> FloatTensor<Self>;

    fn adamw(
        param: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        step: AdamWStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

/// Without autodiff an operation is its forward kernel.
macro_rules! forward_only {
    ($backend:ty) => {
        impl FrozenOps for $backend {
            fn frozen_linear(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: Optional<Self>,
                precision: Precision,
            ) -> FloatTensor<Self> {
                Self::linear_forward(x, weight, bias.into_option(), precision)
            }

            fn matmul_16bit(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>, precision: Precision) -> FloatTensor<Self> {
                Self::product_in_16bit(lhs, rhs, precision)
            }

            fn frozen_layer_norm(
                x: FloatTensor<Self>,
                gamma: FloatTensor<Self>,
                beta: FloatTensor<Self>,
                epsilon: f64,
            ) -> FloatTensor<Self> {
                Self::layer_norm_forward(x, gamma, beta, epsilon)
            }

            fn frozen_rms_norm(x: FloatTensor<Self>, gamma: FloatTensor<Self>, epsilon: f64) -> FloatTensor<Self> {
                Self::rms_norm_forward(x, gamma, epsilon)
            }

            fn rotary(
                x: FloatTensor<Self>,
                cos: FloatTensor<Self>,
                sin: FloatTensor<Self>,
                shape: RotaryShape,
            ) -> FloatTensor<Self> {
                Self::rotate(x, cos, sin, shape)
            }

            fn frozen_activation(x: FloatTensor<Self>, kind: Activation) -> FloatTensor<Self> {
                Self::activation_forward(x, kind)
            }

            fn frozen_attention(
                qkv: FloatTensor<Self>,
                past: Past<Self>,
                key_mask: Optional<Self>,
                bias: Optional<Self>,
                shape: AttentionShape,
            ) -> FloatTensor<Self> {
                Self::attention_forward(&AttentionInputs {
                    qkv,
                    past: past.into_option(),
                    key_mask: key_mask.into_option(),
                    bias: bias.into_option(),
                    shape,
                })
                .0
            }

            fn frozen_cross_entropy(
                hidden: FloatTensor<Self>,
                head: FloatTensor<Self>,
                bias: Optional<Self>,
                targets: IntTensor<Self>,
                settings: HeadSettings,
            ) -> FloatTensor<Self> {
                Self::cross_entropy_at_labels(hidden, (head, bias.into_option()), targets, settings, false).0
            }

            fn adamw(
                param: FloatTensor<Self>,
                grad: FloatTensor<Self>,
                first: FloatTensor<Self>,
                second: FloatTensor<Self>,
                step: AdamWStep,
            ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
                Self::adamw_step(param, grad, first, second, step)
            }
        }
    };
}
forward_only!(Flex);
forward_only!(Cube);

impl<B: Backend> Optional<B> {
    pub(super) fn into_option(self) -> Option<FloatTensor<B>> {
        match self {
            Self::None => None,
            Self::Some(tensor) => Some(tensor),
        }
    }
}

impl<B: Backend> Past<B> {
    fn into_option(self) -> Option<(FloatTensor<B>, FloatTensor<B>)> {
        match self {
            Self::None => None,
            Self::Some { key, value } => Some((key, value)),
        }
    }
}

/// The plain tensor of what is not trained. A tracked one would silently get no gradient, so it is refused.
pub(super) fn constant<B: Backend>(weight: FloatTensor<Autodiff<B>>) -> FloatTensor<B> {
    assert!(!weight.is_tracked(), "a frozen weight is tracked: it would get no gradient");
    weight.into_primitive()
}

#[derive(Debug)]
struct LinearBackward;

impl<B: Kernels> Backward<B, 1> for LinearBackward {
    type State = (FloatTensor<B>, Precision); // weight

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (weight, precision) = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| B::linear_backward(grad, weight, precision));
    }
}

#[derive(Debug)]
struct ProductBackward;

impl<B: Kernels> Backward<B, 2> for ProductBackward {
    type State = (FloatTensor<B>, FloatTensor<B>, Precision); // lhs, rhs

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (lhs, rhs, precision) = ops.state;
        let product = |lhs, rhs| B::product_in_16bit(lhs, rhs, precision);
        binary::<B, _, _>(
            ops.parents,
            ops.node,
            grads,
            |grad| product(grad, B::float_transpose(rhs)),
            |grad| product(B::float_transpose(lhs), grad),
        );
    }
}

#[derive(Debug)]
struct LayerNormBackward;

impl<B: Kernels> Backward<B, 1> for LayerNormBackward {
    type State = (FloatTensor<B>, FloatTensor<B>, f64); // x, gamma, epsilon

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (x, gamma, epsilon) = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| B::layer_norm_backward(grad, x, gamma, epsilon));
    }
}

#[derive(Debug)]
struct RmsNormBackward;

impl<B: Kernels> Backward<B, 1> for RmsNormBackward {
    type State = (FloatTensor<B>, FloatTensor<B>, f64); // x, gamma, epsilon

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (x, gamma, epsilon) = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| B::rms_norm_backward(grad, x, gamma, epsilon));
    }
}

#[derive(Debug)]
struct RotaryBackward;

impl<B: Kernels> Backward<B, 1> for RotaryBackward {
    type State = (FloatTensor<B>, FloatTensor<B>, RotaryShape); // cos, sin

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (cos, sin, shape) = ops.state;
        // A gradient is turned the other way.
        unary::<B, _>(ops.parents, ops.node, grads, |grad| B::rotate(grad, cos, B::float_neg(sin), shape));
    }
}

#[derive(Debug)]
struct ActivationBackward;

impl<B: Kernels> Backward<B, 1> for ActivationBackward {
    type State = (FloatTensor<B>, Activation); // x

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (x, kind) = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| B::activation_backward(grad, x, kind));
    }
}

/// Tensors for the backward of attention: the inputs, the output and the log-sum-exp of each query.
#[derive(Clone, Debug)]
struct AttentionState<B: BackendTypes> {
    inputs: AttentionInputs<B>,
    output: FloatTensor<B>,
    log_sum_exp: FloatTensor<B>,
}

/// With `N == 3` the parents are qkv, past key and past value; with `N == 1` there is no past.
#[derive(Debug)]
struct AttentionBackward;

impl<B: Kernels, const N: usize> Backward<B, N> for AttentionBackward {
    type State = AttentionState<B>;

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let tracked = |parent: usize| ops.parents.get(parent).is_some_and(Option::is_some);
        let wanted = [tracked(0), tracked(1), tracked(2)];
        let AttentionState { inputs, output, log_sum_exp } = ops.state;
        let found = B::attention_backward(grad, &inputs, output, log_sum_exp, wanted);
        for (parent, grad) in ops.parents.into_iter().zip(found) {
            if let (Some(parent), Some(grad)) = (parent, grad) {
                grads.register::<B>(parent.id, grad);
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct LabelNllBackward;

impl<B: Kernels> Backward<B, 1> for LabelNllBackward {
    type State = FloatTensor<B>; // d nll / d hidden, [n, d_model]

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            let [n] = grad.shape().dims();
            B::float_mul(ops.state, B::float_reshape(grad, Shape::new([n, 1])))
        });
    }
}

impl<B: Kernels, C: CheckpointStrategy> FrozenOps for Autodiff<B, C> {
    fn frozen_linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Optional<Self>,
        precision: Precision,
    ) -> FloatTensor<Self> {
        let bias_is_tracked = matches!(&bias, Optional::Some(bias) if bias.is_tracked());
        if weight.is_tracked() || bias_is_tracked {
            return composed::linear::<Self>(x, weight, bias.into_option(), precision);
        }
        let weight = constant::<B>(weight);
        let bias = bias.into_option().map(constant::<B>);
        let (x, node) = x.into_parts();
        match LinearBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                prep.finish((weight.clone(), precision), B::linear_forward(x, weight, bias, precision))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::linear_forward(x, weight, bias, precision)),
        }
    }

    fn matmul_16bit(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>, precision: Precision) -> FloatTensor<Self> {
        let ((lhs, lhs_node), (rhs, rhs_node)) = (lhs.into_parts(), rhs.into_parts());
        match ProductBackward.prepare::<C>([lhs_node, rhs_node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                prep.finish((lhs.clone(), rhs.clone(), precision), B::product_in_16bit(lhs, rhs, precision))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::product_in_16bit(lhs, rhs, precision)),
        }
    }

    fn frozen_layer_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        if gamma.is_tracked() || beta.is_tracked() {
            return composed::layer_norm::<Self>(x, gamma, beta, epsilon);
        }
        let (gamma, beta) = (constant::<B>(gamma), constant::<B>(beta));
        let (x, node) = x.into_parts();
        match LayerNormBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                prep.finish((x.clone(), gamma.clone(), epsilon), B::layer_norm_forward(x, gamma, beta, epsilon))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::layer_norm_forward(x, gamma, beta, epsilon)),
        }
    }

    fn frozen_rms_norm(x: FloatTensor<Self>, gamma: FloatTensor<Self>, epsilon: f64) -> FloatTensor<Self> {
        if gamma.is_tracked() {
            return composed::rms_norm::<Self>(x, gamma, epsilon);
        }
        let gamma = constant::<B>(gamma);
        let (x, node) = x.into_parts();
        match RmsNormBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                prep.finish((x.clone(), gamma.clone(), epsilon), B::rms_norm_forward(x, gamma, epsilon))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::rms_norm_forward(x, gamma, epsilon)),
        }
    }

    fn rotary(
        x: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
        shape: RotaryShape,
    ) -> FloatTensor<Self> {
        let (cos, sin) = (constant::<B>(cos), constant::<B>(sin));
        let (x, node) = x.into_parts();
        match RotaryBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                prep.finish((cos.clone(), sin.clone(), shape.clone()), B::rotate(x, cos, sin, shape))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::rotate(x, cos, sin, shape)),
        }
    }

    fn frozen_activation(x: FloatTensor<Self>, kind: Activation) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        match ActivationBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((x.clone(), kind), B::activation_forward(x, kind)),
            OpsKind::UnTracked(prep) => prep.finish(B::activation_forward(x, kind)),
        }
    }

    fn frozen_attention(
        qkv: FloatTensor<Self>,
        past: Past<Self>,
        key_mask: Optional<Self>,
        bias: Optional<Self>,
        shape: AttentionShape,
    ) -> FloatTensor<Self> {
        if matches!(&bias, Optional::Some(bias) if bias.is_tracked()) {
            let (past, key_mask, bias) = (past.into_option(), key_mask.into_option(), bias.into_option());
            return composed::attention::<Self>(&AttentionInputs { qkv, past, key_mask, bias, shape }).0;
        }
        let key_mask = key_mask.into_option().map(constant::<B>);
        let bias = bias.into_option().map(constant::<B>);
        let (qkv, qkv_node) = qkv.into_parts();
        match past.into_option() {
            None => {
                let inputs = AttentionInputs { qkv, past: None, key_mask, bias, shape };
                attend::<B, C, 1>(inputs, [qkv_node])
            }
            Some((key, value)) => {
                let ((key, key_node), (value, value_node)) = (key.into_parts(), value.into_parts());
                let inputs = AttentionInputs { qkv, past: Some((key, value)), key_mask, bias, shape };
                attend::<B, C, 3>(inputs, [qkv_node, key_node, value_node])
            }
        }
    }

    fn frozen_cross_entropy(
        hidden: FloatTensor<Self>,
        head: FloatTensor<Self>,
        bias: Optional<Self>,
        targets: IntTensor<Self>,
        settings: HeadSettings,
    ) -> FloatTensor<Self> {
        let bias = bias.into_option();
        if head.is_tracked() || bias.as_ref().is_some_and(|bias| bias.is_tracked()) {
            return composed::cross_entropy_at_labels::<Self>(hidden, (head, bias), targets, settings, false).0;
        }
        let head = (constant::<B>(head), bias.map(constant::<B>));
        let (hidden, node) = hidden.into_parts();
        match LabelNllBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let (nll, grad) = B::cross_entropy_at_labels(hidden, head, targets, settings, true);
                prep.finish(grad.expect("the gradient was asked for"), nll)
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(B::cross_entropy_at_labels(hidden, head, targets, settings, false).0)
            }
        }
    }

    fn adamw(
        param: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        step: AdamWStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (param, first, second) = B::adamw_step(
            param.into_primitive(),
            grad.into_primitive(),
            first.into_primitive(),
            second.into_primitive(),
            step,
        );
        (Self::from_inner(param), Self::from_inner(first), Self::from_inner(second))
    }
}

/// Attention with its backward registered for `N` parents.
fn attend<B: Kernels, C: CheckpointStrategy, const N: usize>(
    inputs: AttentionInputs<B>,
    nodes: [burn::backend::autodiff::ops::NodeGuard; N],
) -> FloatTensor<Autodiff<B, C>> {
    let (output, log_sum_exp) = B::attention_forward(&inputs);
    match Backward::<B, N>::prepare::<C>(AttentionBackward, nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let state = AttentionState { inputs, output: output.clone(), log_sum_exp };
            prep.finish(state, output)
        }
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}
