//! Every operation against burn's own composition under autodiff, and once against central differences.
//!
//! `WORKBENCH_TEST_DEVICE=wgpu` runs the same tests on the default GPU.

mod attention;
mod blocks;
mod composed;
mod losses;
mod narrow;
mod packed;
mod packed_gpu;
mod rows;
mod stored;

use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Where the tests run.
fn device() -> Device {
    match std::env::var("WORKBENCH_TEST_DEVICE").as_deref() {
        Ok("wgpu") => Device::wgpu(Default::default()),
        _ => Device::flex(),
    }
}

/// Numbers that are the same in every run and on every device.
struct Numbers(ChaCha8Rng);

impl Numbers {
    fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// In `-1.0..1.0`.
    fn data<const D: usize>(&mut self, shape: [usize; D]) -> TensorData {
        let count = shape.iter().product();
        let numbers: Vec<f32> = (0..count).map(|_| self.0.random_range(-1.0..1.0)).collect();
        TensorData::new(numbers, shape)
    }

    /// A constant.
    fn plain<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<D> {
        Tensor::from_data(self.data(shape), &device())
    }

    /// A leaf that gets a gradient.
    fn tracked<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<D> {
        Tensor::from_data(self.data(shape), &device().autodiff()).require_grad()
    }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().expect("the tests use f32")
}

/// Equal within `tolerance`, relative to the largest number.
#[track_caller]
fn assert_close(what: &str, ours: &[f32], theirs: &[f32], tolerance: f32) {
    assert_eq!(ours.len(), theirs.len(), "{what}: lengths");
    let size = theirs.iter().fold(1e-3_f32, |most, x| most.max(x.abs()));
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!((a - b).abs() <= tolerance * size, "{what}[{i}]: {a} is not {b} (size {size})");
    }
}

/// A weighted sum, so that every output has a gradient of its own.
fn probe<const D: usize>(output: Tensor<D>, seed: u64) -> Tensor<1> {
    let weights = Numbers::new(seed).plain(output.dims());
    (output * Tensor::from_inner(weights)).sum()
}

/// The output and the gradient by `leaf` of two ways to compute the same.
#[track_caller]
fn assert_same<const D: usize, const E: usize>(
    leaf: &Tensor<D>,
    tolerance: f32,
    ours: impl Fn(Tensor<D>) -> Tensor<E>,
    theirs: impl Fn(Tensor<D>) -> Tensor<E>,
) {
    let (a, b) = (ours(leaf.clone()), theirs(leaf.clone()));
    assert_close("output", &values(a.clone()), &values(b.clone()), tolerance);
    let grad = |output| {
        let grads = probe(output, 99).backward();
        values(leaf.grad(&grads).expect("the leaf is tracked"))
    };
    assert_close("gradient", &grad(a), &grad(b), tolerance);
    let plain = ours(leaf.clone().inner());
    assert_close("untracked output", &values(plain), &values(theirs(leaf.clone())), tolerance);
}

/// The gradient of a scalar function by central differences, at some of the leaf's elements.
#[track_caller]
fn assert_slope<const D: usize>(leaf: &Tensor<D>, f: impl Fn(Tensor<D>) -> Tensor<1>) {
    let grads = f(leaf.clone()).backward();
    let grad = values(leaf.grad(&grads).expect("the leaf is tracked"));
    let start = values(leaf.clone().inner());
    let shape = leaf.dims();
    let step = 1e-2_f32;
    let at = |i: usize, delta: f32| {
        let mut moved = start.clone();
        moved[i] += delta;
        let moved = Tensor::<D>::from_data(TensorData::new(moved, shape), &device());
        f64::from(values(f(moved))[0])
    };
    let size = grad.iter().fold(0.1_f32, |most, x| most.max(x.abs()));
    for i in (0..start.len()).step_by(start.len() / 7 + 1) {
        let slope = ((at(i, step) - at(i, -step)) / f64::from(2.0 * step)) as f32;
        assert!((slope - grad[i]).abs() < 5e-3 * size, "element {i}: slope {slope}, gradient {}", grad[i]);
    }
}
