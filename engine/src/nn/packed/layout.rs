//! A kind of blocks as code: what the numbers of a block share, and how some of them are read.
//!
//! Everything is inlined into the loop that reads, so that a loop compiled for the processor's vectors
//! (`cpu/lanes.rs`) has the reading compiled for them too.

use super::BlockType;

/// Numbers that are read together.
pub(in crate::nn) const GROUP: usize = 32;

/// How the numbers of one kind of blocks are read.
pub(in crate::nn) trait Layout {
    /// The kind.
    const TYPE: BlockType;

    /// What the numbers of a block share.
    type Scales: Copy;

    /// What the numbers of this block share.
    fn scales(block: &[u8]) -> Self::Scales;

    /// The numbers of a block from `32 * group` on.
    fn numbers(block: &[u8], scales: &Self::Scales, group: usize) -> [f32; GROUP];
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

impl BlockType {
    /// The numbers of whole blocks, one block after the other, exactly as ggml and bitsandbytes compute them.
    ///
    /// # Panics
    /// If `blocks` and `out` are not the same number of whole blocks.
    pub fn unpack(self, blocks: &[u8], out: &mut [f32]) {
        with_layout!(self, unpack(blocks, out));
    }
}

/// As [`BlockType::unpack`].
#[inline(always)]
pub(in crate::nn) fn unpack<L: Layout>(blocks: &[u8], out: &mut [f32]) {
    let (bytes, numbers) = (L::TYPE.bytes(), L::TYPE.numbers());
    assert!(
        blocks.len().is_multiple_of(bytes) && blocks.len() / bytes * numbers == out.len(),
        "as many numbers as the blocks hold"
    );
    for (block, out) in blocks.chunks_exact(bytes).zip(out.chunks_exact_mut(numbers)) {
        let scales = L::scales(block);
        for (group, out) in out.as_chunks_mut::<GROUP>().0.iter_mut().enumerate() {
            *out = L::numbers(block, &scales, group);
        }
    }
}
