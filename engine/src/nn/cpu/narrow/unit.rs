//! The instructions that a processor has for products of bf16.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::amx::Amx;
#[cfg(target_arch = "x86_64")]
use super::dot_pairs::DotPairs;
use super::tiles::{Block, LeftTiles, RightTiles, multiply_portably};

/// What multiplies tiles.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn::cpu) enum Unit {
    /// Tiles at once.
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    Amx(Amx),
    /// Pairs of terms, 16 columns at once.
    #[cfg(target_arch = "x86_64")]
    DotPairs(DotPairs),
    /// Plain f32: as AMX sums, without its speed.
    Portable,
}

impl Unit {
    /// The fastest there is.
    pub(in crate::nn::cpu) fn best() -> Self {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        if let Some(amx) = Amx::detected() {
            return Self::Amx(amx);
        }
        #[cfg(target_arch = "x86_64")]
        if let Some(dots) = DotPairs::detected() {
            return Self::DotPairs(dots);
        }
        Self::Portable
    }

    /// All that this processor has.
    #[cfg(test)]
    pub(in crate::nn::cpu) fn all() -> Vec<Self> {
        let mut units = vec![Self::Portable];
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        units.extend(Amx::detected().map(Self::Amx));
        #[cfg(target_arch = "x86_64")]
        units.extend(DotPairs::detected().map(Self::DotPairs));
        units
    }

    /// `block = left · right`; what a second row of tiles that is not there would have written is undefined.
    #[inline]
    pub(super) fn multiply(self, block: &mut Block, left: LeftTiles<'_>, right: RightTiles<'_>) {
        match self {
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Self::Amx(amx) => amx.multiply(block, left, right),
            #[cfg(target_arch = "x86_64")]
            Self::DotPairs(dots) => dots.multiply(block, left, right),
            Self::Portable => multiply_portably(block, left, right),
        }
    }
}
