//! Elementwise arithmetic, compiled for the widest vectors the processor at hand has.
//!
//! The loops are plain Rust that the compiler vectorizes; [`vectorized!`] compiles each for AVX-512, for AVX2 and for
//! the target's baseline, and chooses when called. Sums run in [`LANES`] lanes, so their order never depends on the
//! processor's width.

/// Numbers that a vector loop handles at a time: one AVX-512 register.
pub(super) const LANES: usize = 16;

/// Defines functions whose bodies are compiled once for each instruction set.
macro_rules! vectorized {
    ($($(#[$doc:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $out:ty)? $body:block)*) => {$(
        $(#[$doc])*
        #[cfg_attr(
            target_arch = "x86_64",
            expect(unsafe_code, reason = "calling a function compiled for features that were just detected")
        )]
        $vis fn $name($($arg: $ty),*) $(-> $out)? {
            #[inline(always)]
            fn body($($arg: $ty),*) $(-> $out)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
                fn wide($($arg: $ty),*) $(-> $out)? { body($($arg),*) }
                #[target_feature(enable = "avx2,fma")]
                fn half($($arg: $ty),*) $(-> $out)? { body($($arg),*) }

                if crate::nn::cpu::lanes::has_avx512() {
                    // SAFETY: every feature of `wide` was detected.
                    return unsafe { wide($($arg),*) };
                }
                if crate::nn::cpu::lanes::has_avx2() {
                    // SAFETY: every feature of `half` was detected.
                    return unsafe { half($($arg),*) };
                }
            }
            body($($arg),*)
        }
    )*};
}

#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("fma")
}

#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// Asks for the cache line of `data[at]`, which may lie beyond the end: a hint, never an access.
///
/// One stream of reads reaches a third of the memory's bandwidth on the machines we measured; with hints, all of it.
#[inline(always)]
#[cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "the intrinsic takes a raw pointer"))]
pub(super) fn prefetch<T>(data: &[T], at: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing and faults nowhere.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(data.as_ptr().wrapping_add(at).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (data, at);
}

/// `a * b + c`, fused where the target has it, and never the library call that it else becomes.
#[inline(always)]
fn fma(a: f32, b: f32, c: f32) -> f32 {
    // The vectorized bodies are compiled with `fma`, but `cfg!` sees the baseline only: two roundings are accurate
    // enough here, and one instruction more.
    a * b + c
}

/// `e^x` to about 2 ulp; 0 below -87.3, 1.6e38 above 88, NaN for NaN. No branches.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    const LOWEST: f32 = -87.3;
    /// Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;

    let underflow = x < LOWEST;
    let x = if underflow { LOWEST } else { x };
    let x = if x > 88.0 { 88.0 } else { x };
    let rounded = fma(x, LOG2_E, ROUND);
    let n = rounded - ROUND;
    let r = fma(n, -LN_2_LOW, fma(n, -LN_2_HIGH, x));
    let p = fma(1.987_569_1e-4, r, 1.398_199_9e-3);
    let p = fma(p, r, 8.333_452e-3);
    let p = fma(p, r, 4.166_579_6e-2);
    let p = fma(p, r, 0.166_666_65);
    let p = fma(p, r, 0.5);
    let y = fma(p, r * r, r + 1.0);
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(127 << 23));
    if underflow { 0.0 } else { y * power }
}

/// `1 / (1 + e^-x)`
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The error function to about 4 ulp: the rational approximation of Eigen and XLA.
#[inline(always)]
pub(super) fn erf(x: f32) -> f32 {
    let x = if x < -4.0 { -4.0 } else { x };
    let x = if x > 4.0 { 4.0 } else { x };
    let s = x * x;
    let p = fma(-2.726_142_3e-10, s, 2.770_681_4e-8);
    let p = fma(p, s, -2.101_024e-6);
    let p = fma(p, s, -5.692_506_4e-5);
    let p = fma(p, s, -7.349_906_3e-4);
    let p = fma(p, s, -2.954_6e-3);
    let p = fma(p, s, -1.609_603_3e-2);
    let q = fma(-1.456_607_2e-5, s, -2.133_740_6e-4);
    let q = fma(q, s, -1.682_827e-3);
    let q = fma(q, s, -7.373_329e-3);
    let q = fma(q, s, -1.426_473_9e-2);
    x * p / q
}

/// The hyperbolic tangent to about 5 ulp, near 0 too: Cephes' polynomial there. No branches.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    let s = x * x;
    let p = fma(-5.704_988_7e-3, s, 2.063_908_8e-2);
    let p = fma(p, s, -5.373_971_6e-2);
    let p = fma(p, s, 0.133_314_42);
    let p = fma(p, s, -0.333_332_8);
    let near = x + x * s * p;
    let far = 2.0 * sigmoid(2.0 * x) - 1.0;
    if s < 0.39 { near } else { far }
}

/// The sum of `term(i)` for `i` in `0..n`, in lanes.
#[inline(always)]
pub(super) fn sum(n: usize, term: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [[0.0; LANES]; 2];
    let whole = n / (2 * LANES) * (2 * LANES);
    let mut start = 0;
    while start < whole {
        for (half, lanes) in lanes.iter_mut().enumerate() {
            for (lane, sum) in lanes.iter_mut().enumerate() {
                *sum += term(start + half * LANES + lane);
            }
        }
        start += 2 * LANES;
    }
    let mut total = 0.0;
    for i in whole..n {
        total += term(i);
    }
    let [first, second] = lanes;
    for (first, second) in first.iter().zip(second) {
        total += first + second;
    }
    total
}

/// The largest of the numbers, NaN left out; `-inf` for none.
#[inline(always)]
pub(super) fn max(numbers: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = numbers.as_chunks::<LANES>();
    for chunk in chunks {
        for (most, &number) in lanes.iter_mut().zip(chunk) {
            *most = if number > *most { number } else { *most };
        }
    }
    let mut most = f32::NEG_INFINITY;
    for &number in lanes.iter().chain(rest) {
        most = if number > most { number } else { most };
    }
    most
}

pub(super) use vectorized;
