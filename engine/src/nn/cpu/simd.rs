//! Work in the widest vectors that the processor at hand has.
//!
//! Where plain loops become good vectors, [`super::lanes::vectorized`] is enough. Bits that choose among numbers do not:
//! the compiler has no instruction for them unless it is named.

#[cfg(target_arch = "x86_64")]
use super::x86::{Avx2, Avx512};
use crate::nn::packed::{Portable, Simd};

/// Work that is written once for all vectors.
pub(super) trait SimdWork {
    /// Does it. To be inlined (`#[inline(always)]`) into a function that is compiled for the vectors.
    fn run<S: Simd>(self, simd: S);
}

/// Does the work in the widest vectors there are.
pub(super) fn run(work: impl SimdWork) {
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(simd) = Avx512::detected() {
            return simd.run(work);
        }
        if let Some(simd) = Avx2::detected() {
            return simd.run(work);
        }
    }
    work.run(Portable);
}
