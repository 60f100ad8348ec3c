//! The kinds of blocks.

/// How a row of numbers is kept in blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BlockType {
    /// 32 numbers: a scale in f16, 8 bits each.
    Q8_0,
    /// 32 numbers: a scale in f16, 4 bits each around 8.
    Q4_0,
    /// 32 numbers: scale and least in f16, 4 bits each.
    Q4_1,
    /// 32 numbers: a scale in f16, 5 bits each around 16.
    Q5_0,
    /// 32 numbers: scale and least in f16, 5 bits each.
    Q5_1,
    /// 256 numbers in eight groups: scales and leasts of 6 bits times two f16, 4 bits each.
    Q4K,
    /// 256 numbers in eight groups: scales and leasts of 6 bits times two f16, 5 bits each.
    Q5K,
    /// 256 numbers in sixteen groups: scales of 8 bits times an f16, 6 bits each around 32.
    Q6K,
    /// 64 numbers: their largest in f32, then 4 bits each that choose among the quantiles of a normal distribution, the
    /// upper half of a byte first. Dettmers et al. 2023, "QLoRA".
    Nf4,
}

impl BlockType {
    #[cfg(test)]
    pub(in crate::nn) const ALL: [Self; 9] =
        [Self::Q8_0, Self::Q4_0, Self::Q4_1, Self::Q5_0, Self::Q5_1, Self::Q4K, Self::Q5K, Self::Q6K, Self::Nf4];

    /// As ggml and bitsandbytes name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Q8_0 => "Q8_0",
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q5_0 => "Q5_0",
            Self::Q5_1 => "Q5_1",
            Self::Q4K => "Q4_K",
            Self::Q5K => "Q5_K",
            Self::Q6K => "Q6_K",
            Self::Nf4 => "NF4",
        }
    }

    /// Numbers of a block.
    pub const fn numbers(self) -> usize {
        match self {
            Self::Q8_0 | Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 => 32,
            Self::Q4K | Self::Q5K | Self::Q6K => 256,
            Self::Nf4 => 64,
        }
    }

    /// Bytes of a block.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Q8_0 => 2 + 32,
            Self::Q4_0 => 2 + 16,
            Self::Q4_1 => 2 + 2 + 16,
            Self::Q5_0 => 2 + 4 + 16,
            Self::Q5_1 => 2 + 2 + 4 + 16,
            Self::Q4K => 2 + 2 + 12 + 128,
            Self::Q5K => 2 + 2 + 12 + 32 + 128,
            Self::Q6K => 128 + 64 + 16 + 2,
            Self::Nf4 => 4 + 32,
        }
    }

    /// Bytes of a row of so many numbers; `None` if it is no whole number of blocks.
    pub const fn row_bytes(self, columns: usize) -> Option<usize> {
        if columns.is_multiple_of(self.numbers()) { Some(columns / self.numbers() * self.bytes()) } else { None }
    }
}
