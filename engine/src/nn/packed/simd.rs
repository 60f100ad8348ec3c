//! Sixteen numbers at a time: the few operations in which blocks are read, in plain Rust for every processor. `cpu/x86.rs`
//! has them in the instructions of two families of processors.
//!
//! Every operation rounds as the plain one does, so what is read does not depend on the processor; only
//! [`Simd::mul_add`], for sums, may round once instead of twice.

use super::scale::f16_to_f32;

/// Numbers of a vector.
pub(in crate::nn) const LANES: usize = 16;

/// Proof that the processor has some instructions, and vectors of sixteen numbers in them.
pub(in crate::nn) trait Simd: Copy {
    /// Sixteen numbers.
    type Floats: Copy;

    /// Sixteen whole numbers of 32 bits.
    type Ints: Copy;

    fn load(self, numbers: &[f32; LANES]) -> Self::Floats;

    fn store(self, numbers: Self::Floats, to: &mut [f32; LANES]);

    /// The same number everywhere.
    fn splat(self, number: f32) -> Self::Floats;

    /// The number of 16 bits everywhere.
    fn splat_half(self, bits: u16) -> Self::Floats;

    fn add(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;

    fn mul(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;

    /// `a · b + c`
    fn mul_add(self, a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats;

    /// The number of `table` that the lower four bits choose.
    fn pick(self, table: Self::Floats, indices: Self::Ints) -> Self::Floats;

    /// From 0 to 255.
    fn unsigned(self, bytes: &[u8; LANES]) -> Self::Ints;

    /// From -128 to 127.
    fn signed(self, bytes: &[u8; LANES]) -> Self::Ints;

    /// The upper four bits of the first byte, its lower four, those of the second byte, and so on; other bits than the
    /// lower four of each are of any value.
    fn pairs(self, bytes: &[u8; LANES / 2]) -> Self::Ints;

    fn and(self, a: Self::Ints, bits: i32) -> Self::Ints;

    fn or(self, a: Self::Ints, b: Self::Ints) -> Self::Ints;

    fn shift_left(self, a: Self::Ints, bits: u32) -> Self::Ints;

    /// Zeros come in.
    fn shift_right(self, a: Self::Ints, bits: u32) -> Self::Ints;

    /// 16 where the bit of `bits` is set, else 0.
    fn sixteens(self, bits: u16) -> Self::Ints;

    fn float(self, a: Self::Ints) -> Self::Floats;

    /// The sum of all sixteen.
    #[inline(always)]
    fn sum(self, numbers: Self::Floats) -> f32 {
        let mut all = [0.0; LANES];
        self.store(numbers, &mut all);
        let mut width = LANES / 2;
        while width > 0 {
            for i in 0..width {
                all[i] += all[i + width];
            }
            width /= 2;
        }
        all[0]
    }
}

/// Any processor.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn) struct Portable;

impl Simd for Portable {
    type Floats = [f32; LANES];
    type Ints = [i32; LANES];

    #[inline(always)]
    fn load(self, numbers: &[f32; LANES]) -> [f32; LANES] {
        *numbers
    }

    #[inline(always)]
    fn store(self, numbers: [f32; LANES], to: &mut [f32; LANES]) {
        *to = numbers;
    }

    #[inline(always)]
    fn splat(self, number: f32) -> [f32; LANES] {
        [number; LANES]
    }

    #[inline(always)]
    fn splat_half(self, bits: u16) -> [f32; LANES] {
        [f16_to_f32(bits); LANES]
    }

    #[inline(always)]
    fn add(self, a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
        each(|i| a[i] + b[i])
    }

    #[inline(always)]
    fn mul(self, a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
        each(|i| a[i] * b[i])
    }

    #[inline(always)]
    fn mul_add(self, a: [f32; LANES], b: [f32; LANES], c: [f32; LANES]) -> [f32; LANES] {
        // Not `f32::mul_add`, which is a call where the target has no such instruction.
        each(|i| a[i] * b[i] + c[i])
    }

    #[inline(always)]
    fn pick(self, table: [f32; LANES], indices: [i32; LANES]) -> [f32; LANES] {
        each(|i| table[(indices[i] & 15) as usize])
    }

    #[inline(always)]
    fn unsigned(self, bytes: &[u8; LANES]) -> [i32; LANES] {
        each(|i| i32::from(bytes[i]))
    }

    #[inline(always)]
    fn signed(self, bytes: &[u8; LANES]) -> [i32; LANES] {
        each(|i| i32::from(bytes[i].cast_signed()))
    }

    #[inline(always)]
    fn pairs(self, bytes: &[u8; LANES / 2]) -> [i32; LANES] {
        each(|i| i32::from(if i % 2 == 0 { bytes[i / 2] >> 4 } else { bytes[i / 2] }))
    }

    #[inline(always)]
    fn and(self, a: [i32; LANES], bits: i32) -> [i32; LANES] {
        each(|i| a[i] & bits)
    }

    #[inline(always)]
    fn or(self, a: [i32; LANES], b: [i32; LANES]) -> [i32; LANES] {
        each(|i| a[i] | b[i])
    }

    #[inline(always)]
    fn shift_left(self, a: [i32; LANES], bits: u32) -> [i32; LANES] {
        each(|i| a[i] << bits)
    }

    #[inline(always)]
    fn shift_right(self, a: [i32; LANES], bits: u32) -> [i32; LANES] {
        each(|i| (a[i].cast_unsigned() >> bits).cast_signed())
    }

    #[inline(always)]
    fn sixteens(self, bits: u16) -> [i32; LANES] {
        each(|i| i32::from(bits >> i & 1) << 4)
    }

    #[inline(always)]
    fn float(self, a: [i32; LANES]) -> [f32; LANES] {
        each(|i| a[i] as f32)
    }
}

/// A vector, number by number.
#[inline(always)]
fn each<T: Copy + Default>(number: impl Fn(usize) -> T) -> [T; LANES] {
    let mut all = [T::default(); LANES];
    for (i, one) in all.iter_mut().enumerate() {
        *one = number(i);
    }
    all
}
