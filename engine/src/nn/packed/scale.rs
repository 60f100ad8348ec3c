//! What a block keeps at a place: scales, bytes.

/// The number of 16 bits, IEEE half precision. Right for every finite one, subnormal or not, and without branches, so
/// that loops over it become vectors; infinities become large numbers, which readers of files refuse.
#[inline(always)]
pub(in crate::nn) fn f16_to_f32(bits: u16) -> f32 {
    /// 2^112, by which the exponents' zeros differ.
    const SHIFT: f32 = f32::from_bits(0x7780_0000);
    let bits = u32::from(bits);
    let magnitude = f32::from_bits((bits & 0x7fff) << 13) * SHIFT;
    f32::from_bits(magnitude.to_bits() | (bits & 0x8000) << 16)
}

/// The bits of the number of 16 bits at a place of a block.
#[inline(always)]
pub(super) fn half_at(block: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(*bytes_at(block, at))
}

/// Some bytes of a block, from a place on.
#[inline(always)]
pub(super) fn bytes_at<const N: usize>(block: &[u8], at: usize) -> &[u8; N] {
    block[at..].first_chunk().expect("the block is whole")
}

/// Whether the number of 16 bits at a place of a block is finite.
pub(super) fn is_finite_at(block: &[u8], at: usize) -> bool {
    half_at(block, at) & 0x7c00 != 0x7c00
}
