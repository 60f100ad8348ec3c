//! Numbers into blocks, rounded to the nearest as ggml and bitsandbytes round.
//!
//! ggml-org/ggml: `quantize_row_*_ref` of src/ggml-quants.c; bitsandbytes-foundation/bitsandbytes: `quantize_4bit` of
//! bitsandbytes/backends/default/ops.py.

use half::f16;

use super::BlockType;
use super::nf4::MIDPOINTS;
use super::scale::is_finite_at;

impl BlockType {
    /// The blocks of a row; `None` for kinds that are read alone, and for a row that is no whole number of blocks.
    ///
    /// A number too large for a scale of 16 bits makes a block that [`BlockType::is_finite`] refuses.
    pub fn pack(self, row: &[f32]) -> Option<Vec<u8>> {
        let pack = match self {
            Self::Q8_0 => q8_0,
            Self::Q4_0 => q4_0,
            Self::Q4_1 => q4_1,
            Self::Nf4 => nf4,
            Self::Q5_0 | Self::Q5_1 | Self::Q4K | Self::Q5K | Self::Q6K => return None,
        };
        let mut blocks = vec![0; self.row_bytes(row.len())?];
        for (block, numbers) in blocks.chunks_exact_mut(self.bytes()).zip(row.chunks_exact(self.numbers())) {
            pack(block, numbers);
        }
        Some(blocks)
    }

    /// Whether every number of whole blocks is finite: it is if the scales are.
    pub fn is_finite(self, blocks: &[u8]) -> bool {
        blocks.chunks_exact(self.bytes()).all(|block| match self {
            Self::Q8_0 | Self::Q4_0 | Self::Q5_0 => is_finite_at(block, 0),
            Self::Q4_1 | Self::Q5_1 | Self::Q4K | Self::Q5K => is_finite_at(block, 0) && is_finite_at(block, 2),
            Self::Q6K => is_finite_at(block, 208),
            Self::Nf4 => block.first_chunk().is_some_and(|&largest| f32::from_le_bytes(largest).is_finite()),
        })
    }
}

fn q8_0(block: &mut [u8], numbers: &[f32]) {
    let scale = largest(numbers) / 127.0;
    let inverse = inverse(scale);
    put_half(block, 0, scale);
    for (quant, number) in block[2..].iter_mut().zip(numbers) {
        *quant = (rounded(number * inverse) as i8).cast_unsigned();
    }
}

fn q4_0(block: &mut [u8], numbers: &[f32]) {
    // With its sign, so that it is one of the sixteen.
    let farthest = numbers.iter().fold(0.0_f32, |most, &x| if x.abs() > most.abs() { x } else { most });
    let scale = farthest / -8.0;
    let inverse = inverse(scale);
    put_half(block, 0, scale);
    put_halves(&mut block[2..], numbers, |x| x * inverse + 8.5);
}

fn q4_1(block: &mut [u8], numbers: &[f32]) {
    let least = numbers.iter().fold(f32::MAX, |least, &x| if x < least { x } else { least });
    let most = numbers.iter().fold(f32::MIN, |most, &x| if x > most { x } else { most });
    let scale = (most - least) / 15.0;
    let inverse = inverse(scale);
    put_half(block, 0, scale);
    put_half(block, 2, least);
    put_halves(&mut block[4..], numbers, |x| (x - least) * inverse + 0.5);
}

fn nf4(block: &mut [u8], numbers: &[f32]) {
    let largest = largest(numbers);
    let inverse = 1.0 / largest.max(1e-38);
    block[..4].copy_from_slice(&largest.to_le_bytes());
    let quant = |x: f32| {
        let share = (x * inverse).clamp(-1.0, 1.0);
        MIDPOINTS.iter().map(|&midpoint| u8::from(share > midpoint)).sum::<u8>()
    };
    for (byte, &[first, second]) in block[4..].iter_mut().zip(numbers.as_chunks::<2>().0) {
        *byte = quant(first) << 4 | quant(second);
    }
}

/// The largest magnitude.
fn largest(numbers: &[f32]) -> f32 {
    numbers.iter().fold(0.0, |most, x| most.max(x.abs()))
}

fn inverse(scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { 1.0 / scale }
}

/// To the nearest whole number, halves away from zero, for what lies within 2^23.
fn rounded(x: f32) -> f32 {
    const BELOW_HALF: f32 = 0.5_f32.next_down();
    (x + BELOW_HALF.copysign(x)).trunc()
}

fn put_half(block: &mut [u8], at: usize, number: f32) {
    block[at..at + 2].copy_from_slice(&f16::from_f32(number).to_le_bytes());
}

/// Numbers in 4 bits, the first half of them in the lower halves of the bytes; what lies beyond is cut off.
fn put_halves(bytes: &mut [u8], numbers: &[f32], quant: impl Fn(f32) -> f32) {
    let quant = |x: f32| (quant(x) as u8).min(15);
    let (lower, upper) = numbers.split_at(16);
    for ((byte, &lower), &upper) in bytes.iter_mut().zip(lower).zip(upper) {
        *byte = quant(lower) | quant(upper) << 4;
    }
}
