//! How a kernel reads packed numbers: four neighbors of a block at once, which share a scale in every kind of block.
//!
//! The numbers are bit for bit those that the host reads. A scale of 16 bits times a code of few bits has at most 24
//! bits, so that products are exact and `scale · code + offset` is rounded once, whether or not a driver fuses it.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

use crate::nn::packed::BlockType;
use crate::nn::packed::nf4::QUANTILES;

/// Four neighboring numbers.
pub(super) type Quad = Vector<f32, Const<4>>;

/// The bytes of a row, for a kernel.
#[cube]
pub(super) fn row_bytes(columns: usize, #[comptime] block: BlockType) -> usize {
    columns / comptime!(block.numbers()) * comptime!(block.bytes())
}

/// The numbers from `4 * quad` on of the row that begins at the byte `row`.
#[cube]
pub(super) fn quad_at(words: &[u32], row: usize, quad: usize, #[comptime] block: BlockType) -> Quad {
    let quads = comptime!(block.numbers() / 4);
    let at = row + quad / quads * comptime!(block.bytes());
    let quad = quad % quads;
    match block {
        BlockType::Q8_0 => q8_0(words, at, quad),
        BlockType::Q4_0 => q4_0(words, at, quad),
        BlockType::Q4_1 => q4_1(words, at, quad),
        BlockType::Q5_0 => q5_0(words, at, quad),
        BlockType::Q5_1 => q5_1(words, at, quad),
        BlockType::Q4K => q4_k(words, at, quad),
        BlockType::Q5K => q5_k(words, at, quad),
        BlockType::Q6K => q6_k(words, at, quad),
        BlockType::Nf4 => nf4(words, at, quad),
    }
}

/// Scale; codes of 8 bits with a sign, which are read as 128 more.
#[cube]
fn q8_0(words: &[u32], at: usize, quad: usize) -> Quad {
    let scale = half_at(words, at);
    let codes = word_at(words, at + 2 + 4 * quad) ^ 0x8080_8080;
    scaled(codes, scale, scale * f32::new(-128.0))
}

/// Scale; codes of 4 bits around 8.
#[cube]
fn q4_0(words: &[u32], at: usize, quad: usize) -> Quad {
    let scale = half_at(words, at);
    let codes = nibbles(word_at(words, at + 2 + 4 * (quad % 4)), quad / 4);
    scaled(codes, scale, scale * f32::new(-8.0))
}

/// Scale, least; codes of 4 bits.
#[cube]
fn q4_1(words: &[u32], at: usize, quad: usize) -> Quad {
    let codes = nibbles(words[at / 4 + 1 + quad % 4], quad / 4);
    scaled(codes, half_at(words, at), half_at(words, at + 2))
}

/// Scale, the fifth bits; codes of 4 bits, with the fifth around 16.
#[cube]
fn q5_0(words: &[u32], at: usize, quad: usize) -> Quad {
    let scale = half_at(words, at);
    let fifth = fifth_bits(word_at(words, at + 2), quad);
    let codes = nibbles(word_at(words, at + 6 + 4 * (quad % 4)), quad / 4) | fifth;
    scaled(codes, scale, scale * f32::new(-16.0))
}

/// Scale, least, the fifth bits; codes of 4 bits.
#[cube]
fn q5_1(words: &[u32], at: usize, quad: usize) -> Quad {
    let fifth = fifth_bits(words[at / 4 + 1], quad);
    let codes = nibbles(words[at / 4 + 2 + quad % 4], quad / 4) | fifth;
    scaled(codes, half_at(words, at), half_at(words, at + 2))
}

/// Scale and least of the block, those of its eight groups; codes of 4 bits, two groups in the halves of 32 bytes.
#[cube]
fn q4_k(words: &[u32], at: usize, quad: usize) -> Quad {
    let group = quad / 8;
    let codes = nibbles(words[at / 4 + 4 + 8 * (group / 2) + quad % 8], group % 2);
    of_group(words, at, group, codes)
}

/// As [`q4_k`], with the fifth bits of number `i` of every group in byte `i` before the codes.
#[cube]
fn q5_k(words: &[u32], at: usize, quad: usize) -> Quad {
    let group = quad / 8;
    let fifth = (words[at / 4 + 4 + quad % 8] >> group as u32) & 0x0101_0101;
    let codes = nibbles(words[at / 4 + 12 + 8 * (group / 2) + quad % 8], group % 2) | (fifth << 4);
    of_group(words, at, group, codes)
}

/// For each half of the block: lower 4 bits of two times 32 numbers in 32 bytes, twice; then the upper 2 bits of four
/// times 32 numbers in 32 bytes. Scales of 16 numbers each and the block's scale come last.
#[cube]
fn q6_k(words: &[u32], at: usize, quad: usize) -> Quad {
    let half = quad / 32;
    let run = quad % 32 / 8; // of 32 numbers
    let place = quad % 8;
    let lower = nibbles(word_at(words, at + 64 * half + 32 * (run % 2) + 4 * place), run / 2);
    let upper = (word_at(words, at + 128 + 32 * half + 4 * place) >> (2 * run as u32)) & 0x0303_0303;
    let scale = byte_at(words, at + 192 + 8 * half + 2 * run + place / 4);
    let scale = half_at(words, at + 208) * (f32::cast_from(scale ^ 128) - f32::new(128.0));
    scaled(lower | (upper << 4), scale, scale * f32::new(-32.0))
}

/// The largest in f32; codes of 4 bits, the upper half of a byte first.
#[cube]
fn nf4(words: &[u32], at: usize, quad: usize) -> Quad {
    let codes = words[at / 4 + 1 + quad / 2] >> (16 * (quad % 2) as u32);
    let mut numbers = Quad::empty();
    numbers.insert(0usize, quantile((codes >> 4) & 15));
    numbers.insert(1usize, quantile(codes & 15));
    numbers.insert(2usize, quantile((codes >> 12) & 15));
    numbers.insert(3usize, quantile((codes >> 8) & 15));
    numbers * Quad::new(f32::from_bits(words[at / 4]))
}

#[cube]
fn quantile(code: u32) -> f32 {
    let mut quantile = f32::new(comptime!(nth_quantile(0)));
    #[unroll]
    for i in 1..16 {
        quantile = select(code == comptime!(i as u32), f32::new(comptime!(nth_quantile(i))), quantile);
    }
    quantile
}

const fn nth_quantile(code: usize) -> f32 {
    QUANTILES[code]
}

/// Codes of a group of 32 of a block of 256, with the scale and the least that the group has: 6 bits each times those of
/// the block. The upper 2 bits of the last four groups lie above the 6 of the first four.
#[cube]
fn of_group(words: &[u32], at: usize, group: usize, codes: u32) -> Quad {
    let shares = at + 4;
    let mut scale = byte_at(words, shares + group) & 63;
    let mut least = byte_at(words, shares + group + 4) & 63;
    if group >= 4 {
        let lower = byte_at(words, shares + group + 4);
        scale = (lower & 15) | ((byte_at(words, shares + group - 4) >> 6) << 4);
        least = (lower >> 4) | ((byte_at(words, shares + group) >> 6) << 4);
    }
    let scale = half_at(words, at) * f32::cast_from(scale);
    let least = half_at(words, at + 2) * f32::cast_from(least);
    scaled(codes, scale, -least)
}

/// `scale · code + offset` of the four bytes of a word.
#[cube]
fn scaled(codes: u32, scale: f32, offset: f32) -> Quad {
    let mut numbers = Quad::empty();
    numbers.insert(0usize, f32::cast_from(codes & 255));
    numbers.insert(1usize, f32::cast_from((codes >> 8) & 255));
    numbers.insert(2usize, f32::cast_from((codes >> 16) & 255));
    numbers.insert(3usize, f32::cast_from(codes >> 24));
    numbers * Quad::new(scale) + Quad::new(offset)
}

/// The lower or the upper halves of four bytes.
#[cube]
fn nibbles(word: u32, half: usize) -> u32 {
    (word >> (4 * half as u32)) & 0x0f0f_0f0f
}

/// Bits `4 * quad` and on of a word, each above the 4 bits of a byte of its own.
#[cube]
fn fifth_bits(word: u32, quad: usize) -> u32 {
    let bits = word >> (4 * quad as u32);
    ((bits & 1) << 4) | ((bits & 2) << 11) | ((bits & 4) << 18) | ((bits & 8) << 25)
}

#[cube]
fn byte_at(words: &[u32], at: usize) -> u32 {
    (words[at / 4] >> (8 * (at % 4) as u32)) & 255
}

/// Four bytes that begin at an even one: blocks of 18, 22, 34 and 210 bytes begin in the middle of a word.
#[cube]
fn word_at(words: &[u32], at: usize) -> u32 {
    let word = words[at / 4];
    if at % 4 == 2 { (word >> 16) | (words[at / 4 + 1] << 16) } else { word }
}

/// A number of 16 bits at an even byte, by its bits: not every device has such numbers. It must be finite.
#[cube]
fn half_at(words: &[u32], at: usize) -> f32 {
    let bits = words[at / 4] >> (8 * (at % 4) as u32);
    let sign = (bits & 0x8000) << 16;
    let exponent = (bits >> 10) & 31;
    let fraction = bits & 1023;
    // A device may take a subnormal number of f32 for 0, but those of 16 bits are none of f32.
    let subnormal = f32::cast_from(fraction) * f32::new(SMALLEST_HALF);
    let magnitude = select(exponent == 0, subnormal.to_bits(), ((exponent + 112) << 23) | (fraction << 13));
    f32::from_bits(sign | magnitude)
}

/// 2^-24, the smallest number above 0 in 16 bits.
const SMALLEST_HALF: f32 = 1.0 / 16_777_216.0;
