//! Vectors of sixteen numbers in AVX-512, and in AVX2 as two halves.
//!
//! A value of [`Avx512`] or [`Avx2`] is only made where the processor has the instructions, so its methods may use them.
#![expect(unsafe_code, reason = "instructions that were detected, named one by one")]

use std::arch::x86_64::*;

use super::lanes::{has_avx2, has_avx512};
use super::simd::SimdWork;
use crate::nn::packed::{LANES, Simd};

/// One register of 512 bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx512(());

impl Avx512 {
    pub(super) fn detected() -> Option<Self> {
        (has_avx512() && is_x86_feature_detected!("f16c")).then_some(Self(()))
    }

    pub(super) fn run<W: SimdWork>(self, work: W) {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma,f16c")]
        fn run<W: SimdWork>(simd: Avx512, work: W) {
            work.run(simd);
        }
        // SAFETY: there is a value only where every feature was detected.
        unsafe { run(self, work) }
    }
}

/// Two registers of 256 bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx2(());

impl Avx2 {
    pub(super) fn detected() -> Option<Self> {
        (has_avx2() && is_x86_feature_detected!("f16c")).then_some(Self(()))
    }

    pub(super) fn run<W: SimdWork>(self, work: W) {
        #[target_feature(enable = "avx2,fma,f16c")]
        fn run<W: SimdWork>(simd: Avx2, work: W) {
            work.run(simd);
        }
        // SAFETY: there is a value only where every feature was detected.
        unsafe { run(self, work) }
    }
}

/// Methods whose instructions a value of the type proves.
macro_rules! instructions {
    ($(fn $name:ident($($arg:ident: $ty:ty),*) -> $out:ty { $($body:tt)* })*) => {$(
        #[inline(always)]
        fn $name(self, $($arg: $ty),*) -> $out {
            // SAFETY: there is a value only where every feature was detected, and memory is read and written through
            // references to as many bytes as the instruction takes.
            unsafe { $($body)* }
        }
    )*};
}

impl Simd for Avx512 {
    type Floats = __m512;
    type Ints = __m512i;

    instructions! {
        fn load(numbers: &[f32; LANES]) -> __m512 { _mm512_loadu_ps(numbers.as_ptr()) }
        fn store(numbers: __m512, to: &mut [f32; LANES]) -> () { _mm512_storeu_ps(to.as_mut_ptr(), numbers) }
        fn splat(number: f32) -> __m512 { _mm512_set1_ps(number) }
        fn splat_half(bits: u16) -> __m512 { _mm512_cvtph_ps(_mm256_set1_epi16(bits.cast_signed())) }
        fn add(a: __m512, b: __m512) -> __m512 { _mm512_add_ps(a, b) }
        fn mul(a: __m512, b: __m512) -> __m512 { _mm512_mul_ps(a, b) }
        fn mul_add(a: __m512, b: __m512, c: __m512) -> __m512 { _mm512_fmadd_ps(a, b, c) }
        fn pick(table: __m512, indices: __m512i) -> __m512 { _mm512_permutexvar_ps(indices, table) }
        fn unsigned(bytes: &[u8; LANES]) -> __m512i { _mm512_cvtepu8_epi32(_mm_loadu_si128(bytes.as_ptr().cast())) }
        fn signed(bytes: &[u8; LANES]) -> __m512i { _mm512_cvtepi8_epi32(_mm_loadu_si128(bytes.as_ptr().cast())) }
        fn and(a: __m512i, bits: i32) -> __m512i { _mm512_and_si512(a, _mm512_set1_epi32(bits)) }
        fn or(a: __m512i, b: __m512i) -> __m512i { _mm512_or_si512(a, b) }
        fn shift_left(a: __m512i, bits: u32) -> __m512i { _mm512_sll_epi32(a, _mm_cvtsi32_si128(bits.cast_signed())) }
        fn shift_right(a: __m512i, bits: u32) -> __m512i { _mm512_srl_epi32(a, _mm_cvtsi32_si128(bits.cast_signed())) }
        fn sixteens(bits: u16) -> __m512i { _mm512_maskz_set1_epi32(bits, 16) }
        fn float(a: __m512i) -> __m512 { _mm512_cvtepi32_ps(a) }
    }

    #[inline(always)]
    fn pairs(self, bytes: &[u8; LANES / 2]) -> __m512i {
        // SAFETY: as above.
        unsafe {
            // Each byte twice, in 32 bits each; the first of the two moves down.
            let bytes = _mm512_cvtepu8_epi64(_mm_loadl_epi64(bytes.as_ptr().cast()));
            _mm512_srlv_epi32(_mm512_shuffle_epi32::<0b10_10_00_00>(bytes), _mm512_set1_epi64(4))
        }
    }
}

/// An operation on each half.
macro_rules! halves {
    ($function:ident($($pair:expr),* $(; $both:expr)?)) => {
        [$function($($pair[0],)* $($both)?), $function($($pair[1],)* $($both)?)]
    };
}

impl Simd for Avx2 {
    type Floats = [__m256; 2];
    type Ints = [__m256i; 2];

    instructions! {
        fn load(numbers: &[f32; LANES]) -> [__m256; 2] {
            [_mm256_loadu_ps(numbers.as_ptr()), _mm256_loadu_ps(numbers.as_ptr().add(8))]
        }
        fn splat(number: f32) -> [__m256; 2] { [_mm256_set1_ps(number); 2] }
        fn splat_half(bits: u16) -> [__m256; 2] { [_mm256_cvtph_ps(_mm_set1_epi16(bits.cast_signed())); 2] }
        fn add(a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] { halves!(_mm256_add_ps(a, b)) }
        fn mul(a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] { halves!(_mm256_mul_ps(a, b)) }
        fn mul_add(a: [__m256; 2], b: [__m256; 2], c: [__m256; 2]) -> [__m256; 2] { halves!(_mm256_fmadd_ps(a, b, c)) }
        fn unsigned(bytes: &[u8; LANES]) -> [__m256i; 2] {
            let bytes = _mm_loadu_si128(bytes.as_ptr().cast());
            [_mm256_cvtepu8_epi32(bytes), _mm256_cvtepu8_epi32(_mm_srli_si128::<8>(bytes))]
        }
        fn signed(bytes: &[u8; LANES]) -> [__m256i; 2] {
            let bytes = _mm_loadu_si128(bytes.as_ptr().cast());
            [_mm256_cvtepi8_epi32(bytes), _mm256_cvtepi8_epi32(_mm_srli_si128::<8>(bytes))]
        }
        fn and(a: [__m256i; 2], bits: i32) -> [__m256i; 2] { halves!(_mm256_and_si256(a; _mm256_set1_epi32(bits))) }
        fn or(a: [__m256i; 2], b: [__m256i; 2]) -> [__m256i; 2] { halves!(_mm256_or_si256(a, b)) }
        fn shift_left(a: [__m256i; 2], bits: u32) -> [__m256i; 2] {
            halves!(_mm256_sll_epi32(a; _mm_cvtsi32_si128(bits.cast_signed())))
        }
        fn shift_right(a: [__m256i; 2], bits: u32) -> [__m256i; 2] {
            halves!(_mm256_srl_epi32(a; _mm_cvtsi32_si128(bits.cast_signed())))
        }
        fn float(a: [__m256i; 2]) -> [__m256; 2] { halves!(_mm256_cvtepi32_ps(a)) }
    }

    #[inline(always)]
    fn store(self, numbers: [__m256; 2], to: &mut [f32; LANES]) {
        // SAFETY: as above.
        unsafe {
            _mm256_storeu_ps(to.as_mut_ptr(), numbers[0]);
            _mm256_storeu_ps(to.as_mut_ptr().add(8), numbers[1]);
        }
    }

    /// From both halves of the table, of which the fourth bit, moved to the sign, chooses one.
    #[inline(always)]
    fn pick(self, table: [__m256; 2], indices: [__m256i; 2]) -> [__m256; 2] {
        // SAFETY: as above.
        unsafe {
            let half = |indices: __m256i| {
                let (low, high) =
                    (_mm256_permutevar8x32_ps(table[0], indices), _mm256_permutevar8x32_ps(table[1], indices));
                _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32::<28>(indices)))
            };
            [half(indices[0]), half(indices[1])]
        }
    }

    #[inline(always)]
    fn pairs(self, bytes: &[u8; LANES / 2]) -> [__m256i; 2] {
        // SAFETY: as above.
        unsafe {
            let bytes = _mm_loadl_epi64(bytes.as_ptr().cast());
            let half = |bytes: __m128i| {
                let bytes = _mm256_shuffle_epi32::<0b10_10_00_00>(_mm256_cvtepu8_epi64(bytes));
                _mm256_srlv_epi32(bytes, _mm256_set1_epi64x(4))
            };
            [half(bytes), half(_mm_srli_si128::<4>(bytes))]
        }
    }

    #[inline(always)]
    fn sixteens(self, bits: u16) -> [__m256i; 2] {
        // SAFETY: as above.
        unsafe {
            let (bits, ones) = (_mm256_set1_epi32(i32::from(bits)), _mm256_set1_epi32(16));
            // Each bit moves to the place of 16, and is alone there.
            let low = _mm256_sllv_epi32(bits, _mm256_setr_epi32(4, 3, 2, 1, 0, 0, 0, 0));
            let low = _mm256_srlv_epi32(low, _mm256_setr_epi32(0, 0, 0, 0, 0, 1, 2, 3));
            let high = _mm256_srlv_epi32(bits, _mm256_setr_epi32(4, 5, 6, 7, 8, 9, 10, 11));
            [_mm256_and_si256(low, ones), _mm256_and_si256(high, ones)]
        }
    }
}
