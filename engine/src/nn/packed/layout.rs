//! A kind of blocks as code: what the numbers of a block share, and how some of them are read.
//!
//! Everything is inlined into the loop that reads, so that it is compiled for the vectors of that loop.

use super::BlockType;
use super::simd::{LANES, Portable, Simd};

/// Numbers that are read together.
pub(in crate::nn) const GROUP: usize = 2 * LANES;

/// How the numbers of one kind of blocks are read.
pub(in crate::nn) trait Layout: Copy + Send + Sync {
    /// The kind.
    const TYPE: BlockType;

    /// What the numbers of a block share.
    type Scales<S: Simd>: Copy;

    /// What the numbers of this block share.
    fn scales<S: Simd>(simd: S, block: &[u8]) -> Self::Scales<S>;

    /// The numbers of a block from `32 * group` on.
    fn numbers<S: Simd>(simd: S, block: &[u8], scales: &Self::Scales<S>, group: usize) -> [S::Floats; 2];
}

/// Calls a function that is generic over the layout with the layout of a type of blocks.
macro_rules! with_layout {
    ($type:expr, $function:ident($($argument:expr),* $(,)?)) => {{
        use $crate::nn::packed::layouts;
        match $type {
            $crate::nn::BlockType::Q8_0 => $function::<layouts::Q8_0>($($argument),*),
            $crate::nn::BlockType::Q4_0 => $function::<layouts::Q4_0>($($argument),*),
            $crate::nn::BlockType::Q4_1 => $function::<layouts::Q4_1>($($argument),*),
            $crate::nn::BlockType::Q5_0 => $function::<layouts::Q5_0>($($argument),*),
            $crate::nn::BlockType::Q5_1 => $function::<layouts::Q5_1>($($argument),*),
            $crate::nn::BlockType::Q4K => $function::<layouts::Q4K>($($argument),*),
            $crate::nn::BlockType::Q5K => $function::<layouts::Q5K>($($argument),*),
            $crate::nn::BlockType::Q6K => $function::<layouts::Q6K>($($argument),*),
            $crate::nn::BlockType::Nf4 => $function::<layouts::Nf4>($($argument),*),
        }
    }};
}
pub(in crate::nn) use with_layout;

impl BlockType {
    /// The numbers of whole blocks, one block after the other, exactly as ggml and bitsandbytes compute them.
    ///
    /// # Panics
    /// If `blocks` and `out` are not the same number of whole blocks.
    pub fn unpack(self, blocks: &[u8], out: &mut [f32]) {
        let (bytes, numbers) = (self.bytes(), self.numbers());
        assert!(
            blocks.len().is_multiple_of(bytes) && blocks.len() / bytes * numbers == out.len(),
            "as many numbers as the blocks hold"
        );
        with_layout!(self, unpack_plainly(blocks, out));
    }
}

fn unpack_plainly<L: Layout>(blocks: &[u8], out: &mut [f32]) {
    unpack::<L, Portable>(Portable, blocks, out);
}

/// The numbers of whole blocks.
#[inline(always)]
pub(in crate::nn) fn unpack<L: Layout, S: Simd>(simd: S, blocks: &[u8], out: &mut [f32]) {
    for (block, out) in blocks.chunks_exact(L::TYPE.bytes()).zip(out.chunks_exact_mut(L::TYPE.numbers())) {
        let scales = L::scales(simd, block);
        for (group, out) in out.as_chunks_mut::<LANES>().0.as_chunks_mut::<2>().0.iter_mut().enumerate() {
            let [first, second] = L::numbers(simd, block, &scales, group);
            simd.store(first, &mut out[0]);
            simd.store(second, &mut out[1]);
        }
    }
}
