//! Kernels that read packed blocks on a GPU, against what the host reads of them, on software drivers: Vulkan on lavapipe,
//! OpenGL on llvmpipe.
//!
//! A driver is used in a process of its own, so that one that crashes costs a sentence. Where it is not installed its test
//! says so and passes, unless `WORKBENCH_REQUIRE_WGPU` is set, as in CI.

use std::process::Command;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Cube, Dispatch, DispatchTensor, backend_extension};
use burn::tensor::wgpu::{WgpuBackend, wgpu};
use burn::tensor::{DType, Device, DeviceKind, Int, Tensor, TensorData};
use half::f16;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Numbers, assert_close, values};
use crate::nn::cross_entropy::HeadSettings;
use crate::nn::gpu::{self, PackedKernels};
use crate::nn::packed::PackedParts;
use crate::nn::{BlockType, PackedShape, Precision, cross_entropy_at_labels};

/// Names the graphics API to the process that uses it.
const API: &str = "WORKBENCH_TEST_API";

/// What that process says where there is no driver.
const ABSENT: &str = "there is no software driver";

/// Products of any size, routed as the operations of a model are.
#[backend_extension(Cube)]
trait PackedProducts: Backend {
    fn product(
        x: FloatTensor<Self>,
        #[extension_type] matrix: PackedParts<Self>,
        precision: Precision,
    ) -> FloatTensor<Self>;

    fn transposed_product(
        grad: FloatTensor<Self>,
        #[extension_type] matrix: PackedParts<Self>,
        precision: Precision,
    ) -> FloatTensor<Self>;

    fn rows_at(#[extension_type] matrix: PackedParts<Self>, ids: IntTensor<Self>) -> FloatTensor<Self>;

    /// Loss and gradient.
    fn label_nll(
        hidden: FloatTensor<Self>,
        #[extension_type] head: PackedParts<Self>,
        targets: IntTensor<Self>,
        precision: Precision,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

fn settings(precision: Precision) -> HeadSettings {
    HeadSettings { precision, softcap: None }
}

impl PackedProducts for Cube {
    fn product(x: FloatTensor<Self>, matrix: PackedParts<Self>, precision: Precision) -> FloatTensor<Self> {
        gpu::product::<Self>(x, &matrix, precision)
    }

    fn transposed_product(
        grad: FloatTensor<Self>,
        matrix: PackedParts<Self>,
        precision: Precision,
    ) -> FloatTensor<Self> {
        gpu::transposed_product::<Self>(grad, &matrix, precision)
    }

    fn rows_at(matrix: PackedParts<Self>, ids: IntTensor<Self>) -> FloatTensor<Self> {
        gpu::rows_at::<Self>(&matrix, ids)
    }

    fn label_nll(
        hidden: FloatTensor<Self>,
        head: PackedParts<Self>,
        targets: IntTensor<Self>,
        precision: Precision,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (loss, grad) =
            gpu::cross_entropy_at_labels::<Self>(hidden, (head, None), targets, settings(precision), true);
        (loss, grad.unwrap())
    }
}

#[test]
fn packed_blocks_are_read_and_multiplied_on_vulkan() {
    run_on("Vulkan", &[], "mesa-vulkan-drivers");
}

#[test]
fn packed_blocks_are_read_and_multiplied_on_opengl() {
    let hidden = "/nonexistent";
    let environment = [("VK_DRIVER_FILES", hidden), ("VK_ICD_FILENAMES", hidden), ("LIBGL_ALWAYS_SOFTWARE", "1")];
    run_on("OpenGL", &environment, "libgl1-mesa-dri");
}

/// Runs [`in_a_process_of_its_own`] in one.
fn run_on(api: &str, environment: &[(&str, &str)], package: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "nn::tests::packed_gpu::in_a_process_of_its_own", "--nocapture"])
        .env(API, api)
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "on {api}:\n{out}\n{err}");
    if out.contains(ABSENT) {
        let said = format!("{ABSENT} of {api} ({package})");
        assert!(std::env::var_os("WORKBENCH_REQUIRE_WGPU").is_none(), "WORKBENCH_REQUIRE_WGPU is set and {said}");
        eprintln!("skipped: {said}");
    }
}

/// Nothing, unless [`run_on`] started it.
#[test]
fn in_a_process_of_its_own() {
    let (backends, api) = match std::env::var(API).as_deref() {
        Ok("Vulkan") => (wgpu::Backends::VULKAN, WgpuBackend::Vulkan),
        Ok("OpenGL") => (wgpu::Backends::GL, WgpuBackend::Gl),
        _ => return,
    };
    let descriptor = wgpu::InstanceDescriptor { backends, ..wgpu::InstanceDescriptor::new_without_display_handle() };
    let adapters = pollster::block_on(wgpu::Instance::new(descriptor).enumerate_adapters(backends));
    if adapters.iter().all(|adapter| adapter.get_info().device_type != wgpu::DeviceType::Cpu) {
        println!("{ABSENT}");
        return;
    }
    let device = Device::wgpu_options().device_kind(DeviceKind::Cpu).graphics_api(api).init().unwrap();
    // llvmpipe takes minutes for what lavapipe takes seconds for, and sees the same kernels.
    let blocks = if backends == wgpu::Backends::GL { &[BlockType::Q4_0, BlockType::Q6K][..] } else { &BlockType::ALL };
    for &block in blocks {
        // The second in parts of 40 rows and 30.
        for (rows, blocks, in_a_part) in [(5, 1, 5), (70, 3, 40)] {
            let matrix = Packed::random(block, rows, blocks, in_a_part, &device);
            matrix.is_read_as_on_the_host();
            matrix.is_multiplied_with(&[1, 3, 8, 9, 70]);
        }
    }
    if backends == wgpu::Backends::VULKAN {
        let matrix = Packed::random(BlockType::Q4_0, 70, 3, 40, &device);
        matrix.is_multiplied_with(&[130]);
        matrix.is_multiplied_in_sixteen_bits();
        matrix.has_the_loss_of_its_numbers();
    }
}

/// A matrix in blocks on a device, and its numbers as the host reads them.
struct Packed {
    shape: PackedShape,
    numbers: Vec<f32>,
    bytes: Vec<u8>,
    rows_of_a_part: usize,
    device: Device,
}

impl Packed {
    /// Blocks of any bits, with scales of any sign, some below the normal numbers of 16 bits.
    fn random(block: BlockType, rows: usize, blocks: usize, rows_of_a_part: usize, device: &Device) -> Self {
        let shape = PackedShape { block, rows, columns: blocks * block.numbers() };
        let mut random = ChaCha8Rng::seed_from_u64(71);
        let mut bytes = vec![0; rows * blocks * block.bytes()];
        random.fill_bytes(&mut bytes);
        for (at, block) in bytes.chunks_exact_mut(block.bytes()).enumerate() {
            let magnitude = if at % 4 == 3 { 2e-6 } else { 0.1 };
            let mut scale = || random.random_range(-magnitude..magnitude);
            let halves: &[usize] = match shape.block {
                BlockType::Q8_0 | BlockType::Q4_0 | BlockType::Q5_0 => &[0],
                BlockType::Q4_1 | BlockType::Q5_1 | BlockType::Q4K | BlockType::Q5K => &[0, 2],
                BlockType::Q6K => &[208],
                BlockType::Nf4 => {
                    block[..4].copy_from_slice(&f32::to_le_bytes(scale()));
                    &[]
                }
            };
            for &place in halves {
                block[place..place + 2].copy_from_slice(&f16::from_f32(scale()).to_le_bytes());
            }
        }
        let mut numbers = vec![0.0; rows * shape.columns];
        block.unpack(&bytes, &mut numbers);
        Self { shape, numbers, bytes, rows_of_a_part, device: device.clone() }
    }

    fn parts(&self) -> PackedParts<Dispatch> {
        let row = self.bytes.len() / self.shape.rows;
        PackedParts::new(self.bytes.chunks(row * self.rows_of_a_part).map(|part| {
            let shape = PackedShape { rows: part.len() / row, ..self.shape };
            (words(part, &self.device).into_dispatch(), shape)
        }))
    }

    fn is_read_as_on_the_host(&self) {
        let PackedShape { block, rows, columns } = self.shape;
        for range in [0..rows, 2..rows - 1] {
            let whole = words(&self.bytes, &self.device).into_dispatch();
            let found = Dispatch::unpacked_rows(whole, self.shape, range.clone(), Precision::F32);
            let found = values(Tensor::<2>::from_dispatch(found));
            assert_eq!(found, self.numbers[range.start * columns..range.end * columns], "{block:?}, rows {range:?}");
        }
        let ids = [rows - 1, 0, 3, 3];
        let at = Tensor::<1, Int>::from_data(ids.map(|id| id as i32), &self.device);
        let found = Dispatch::rows_at(self.parts(), at.into_dispatch());
        let expected: Vec<f32> = ids.iter().flat_map(|&id| self.numbers[id * columns..][..columns].to_vec()).collect();
        assert_eq!(values(Tensor::<2>::from_dispatch(found)), expected, "{block:?}, rows by id");
    }

    fn is_multiplied_with(&self, counts: &[usize]) {
        let PackedShape { block, rows, columns } = self.shape;
        for &n in counts {
            let x = values(Numbers::new(72).plain::<2>([n, columns]));
            let (expected, size) = self.product(&x, n);
            let found = Dispatch::product(self.on_device(&x, n), self.parts(), Precision::F32);
            assert_within(&format!("{block:?}, {n} rows"), &values_of(found), &expected, &size, 1e-5);

            let grad = values(Numbers::new(73).plain::<2>([n, rows]));
            let (expected, size) = self.transposed_product(&grad, n);
            let found = Dispatch::transposed_product(self.on_device(&grad, n), self.parts(), Precision::F32);
            assert_within(&format!("{block:?}, {n} gradients"), &values_of(found), &expected, &size, 1e-5);
        }
    }

    fn is_multiplied_in_sixteen_bits(&self) {
        let (n, PackedShape { rows, columns, .. }) = (9, self.shape);
        if !self.device.supports_dtype(DType::F16) {
            return;
        }
        // Both operands are off by at most one unit in their last place.
        let tolerance = 2.1 * f16::EPSILON.to_f32();
        let x = values(Numbers::new(74).plain::<2>([n, columns]));
        let found = Dispatch::product(self.on_device(&x, n), self.parts(), Precision::F16);
        let (expected, size) = self.product(&x, n);
        assert_within("product in f16", &values_of(found), &expected, &size, tolerance);
        let grad = values(Numbers::new(75).plain::<2>([n, rows]));
        let found = Dispatch::transposed_product(self.on_device(&grad, n), self.parts(), Precision::F16);
        let (expected, size) = self.transposed_product(&grad, n);
        assert_within("transposed product in f16", &values_of(found), &expected, &size, tolerance);
    }

    fn has_the_loss_of_its_numbers(&self) {
        let (n, PackedShape { rows, columns, .. }) = (5, self.shape);
        let hidden = Numbers::new(76).data([n, columns]);
        let ids: Vec<i32> = (0..n).map(|i| (i * 31 % rows) as i32).collect();

        let host = Device::flex();
        let head = Tensor::<2>::from_data(TensorData::new(self.numbers.clone(), [rows, columns]), &host);
        let leaf = Tensor::<2>::from_data(hidden.clone(), &host.clone().autodiff()).require_grad();
        let targets = |device: &Device| Tensor::<1, Int>::from_data(TensorData::new(ids.clone(), [n]), device);
        let expected = cross_entropy_at_labels(leaf.clone(), &head, targets(&host));
        let grad = leaf.grad(&expected.clone().sum().backward()).unwrap();

        let hidden = Tensor::<2>::from_data(hidden, &self.device).into_dispatch();
        let targets = targets(&self.device).into_dispatch();
        let (found, found_grad) = Dispatch::label_nll(hidden, self.parts(), targets, Precision::F32);
        assert_close("loss", &values(Tensor::<1>::from_dispatch(found)), &values(expected), 1e-4);
        assert_close("gradient", &values_of(found_grad), &values(grad), 1e-4);
    }

    fn on_device(&self, numbers: &[f32], n: usize) -> DispatchTensor {
        let data = TensorData::new(numbers.to_vec(), [n, numbers.len() / n]);
        Tensor::<2>::from_data(data, &self.device).into_dispatch()
    }

    /// `x · matrixᵀ`, and the same of magnitudes.
    fn product(&self, x: &[f32], n: usize) -> (Vec<f64>, Vec<f64>) {
        let PackedShape { rows, columns, .. } = self.shape;
        let terms = |i: usize, row: usize| {
            (0..columns).map(move |k| f64::from(x[i * columns + k]) * f64::from(self.numbers[row * columns + k]))
        };
        sums((0..n).flat_map(|i| (0..rows).map(move |row| (i, row))), terms)
    }

    /// `grad · matrix`, and the same of magnitudes.
    fn transposed_product(&self, grad: &[f32], n: usize) -> (Vec<f64>, Vec<f64>) {
        let PackedShape { rows, columns, .. } = self.shape;
        let terms = |i: usize, column: usize| {
            (0..rows).map(move |k| f64::from(grad[i * rows + k]) * f64::from(self.numbers[k * columns + column]))
        };
        sums((0..n).flat_map(|i| (0..columns).map(move |column| (i, column))), terms)
    }
}

/// Bytes as a device keeps them.
fn words(bytes: &[u8], device: &Device) -> Tensor<1, Int> {
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len().next_multiple_of(4), 0);
    let words: Vec<u32> = padded.as_chunks::<4>().0.iter().map(|&word| u32::from_le_bytes(word)).collect();
    let count = words.len();
    Tensor::from_data(TensorData::new(words, [count]), (device, DType::U32))
}

fn values_of(tensor: DispatchTensor) -> Vec<f32> {
    values(Tensor::<2>::from_dispatch(tensor))
}

/// The sum of the terms at each place, and of their magnitudes.
fn sums<T: Iterator<Item = f64>>(
    places: impl Iterator<Item = (usize, usize)>,
    terms: impl Fn(usize, usize) -> T,
) -> (Vec<f64>, Vec<f64>) {
    places.map(|(i, j)| (terms(i, j).sum::<f64>(), terms(i, j).map(f64::abs).sum::<f64>())).unzip()
}

#[track_caller]
fn assert_within(what: &str, found: &[f32], expected: &[f64], size: &[f64], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what}: lengths");
    for (i, ((&found, expected), size)) in found.iter().zip(expected).zip(size).enumerate() {
        let bound = f64::from(tolerance) * size + 1e-12;
        assert!((f64::from(found) - expected).abs() <= bound, "{what}[{i}]: {found} is not {expected} ± {bound}");
    }
}

#[test]
fn words_keep_their_bits() {
    let bytes: Vec<u8> = (0..18).map(|i| 255 - i).collect();
    let kept = words(&bytes, &Device::flex());
    assert_eq!(kept.dtype(), DType::U32);
    let back: Vec<u32> = kept.into_data().try_to_vec().unwrap();
    let back: Vec<u8> = back.into_iter().flat_map(u32::to_le_bytes).collect();
    assert_eq!((&back[..18], &back[18..]), (&bytes[..], &[0, 0][..]));
}
