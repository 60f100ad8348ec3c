//! Matrices as the files have them, or in the blocks that a run asks for.

use burn::tensor::{DType, Tensor};

use super::loader::{Loader, Weights};
use crate::error::{EngineError, Result};
use crate::nn::{FrozenMatrix, PackedWeight, Place};
use crate::sentence;
use crate::weights::BlockMatrix;

/// Numbers that are in f32 at a time on their way into blocks: 64 MiB of them.
const STRIP: usize = 1 << 24;

/// A matrix on its way to a device.
#[expect(clippy::large_enum_variant, reason = "it lives for a line, and is most often the large one")]
pub(super) enum Read {
    Dense(Tensor<2>),
    Packed(PackedWeight),
}

/// Which lines of a matrix meet what goes through it, and are so what blocks are made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    /// `[d_out, d_in]`
    Rows(Place),
    /// `[d_in, d_out]`, of a layer.
    Columns,
}

impl Lines {
    fn place(self) -> Place {
        match self {
            Self::Rows(place) => place,
            Self::Columns => Place::Layer,
        }
    }
}

impl Loader<'_> {
    pub(super) fn read_matrix(&self, stored: &str, shape: [usize; 2], lines: Lines) -> Result<FrozenMatrix> {
        let Weights { precision, device, .. } = self.from;
        if let (Lines::Columns, Some(matrix)) = (lines, self.blocks(stored, shape, lines)?) {
            let lines = FrozenMatrix::packed(vec![matrix.lines], precision, device);
            return Ok(if matrix.is_transposed { lines.transpose() } else { lines });
        }
        Ok(match self.read(stored, shape, lines)? {
            Read::Dense(values) => self.multiplied(values),
            Read::Packed(rows) => FrozenMatrix::packed(vec![rows], precision, device),
        })
    }

    /// A matrix whose rows are wanted, in blocks where the files have it so, or where it is asked for.
    fn read(&self, stored: &str, shape: [usize; 2], lines: Lines) -> Result<Read> {
        if let Some(BlockMatrix { lines, is_transposed: false }) = self.blocks(stored, shape, lines)? {
            return Ok(Read::Packed(lines));
        }
        let Weights { files, device, precision, .. } = self.from;
        files.matrix(stored, shape, precision, device).map(Read::Dense)
    }

    /// The blocks of a matrix; `None` where its numbers stay one by one.
    fn blocks(&self, stored: &str, shape: [usize; 2], lines: Lines) -> Result<Option<BlockMatrix>> {
        let Weights { files, quantization, .. } = self.from;
        if let Some(matrix) = files.blocks(stored, shape)? {
            return Ok(Some(matrix));
        }
        let (place, [rows, columns]) = (lines.place(), shape);
        let Some(block) = quantization.block(place) else { return Ok(None) };
        let is_transposed = lines == Lines::Columns;
        let width = if is_transposed { rows } else { columns };
        if block.row_bytes(width).is_none() {
            return Ok(None);
        }
        let mut strips = Vec::new();
        if is_transposed {
            let values = files.values(stored, &shape)?;
            let turned: Vec<f32> = (0..rows * columns).map(|at| values[at % rows * columns + at / rows]).collect();
            strips.extend(PackedWeight::pack(block, &turned, width));
        } else {
            let pack = |values: &[f32]| strips.extend(PackedWeight::pack(block, values, width));
            files.each_strip(stored, shape, (STRIP / columns).max(1), pack)?;
        }
        if !strips.iter().all(PackedWeight::is_finite) {
            let reason = sentence!(
                "{name} has a number that is too large for a scale of 16 bits: keep the weights as stored",
                name = stored
            );
            return Err(EngineError::Setting { field: "quantization", reason });
        }
        Ok(PackedWeight::stacked(strips).pop().map(|lines| BlockMatrix { lines, is_transposed }))
    }

    /// Matrices one below the other: in blocks if all are, otherwise in numbers of one type.
    pub(super) fn stacked(&self, read: Vec<Read>) -> FrozenMatrix {
        let Weights { device, precision, .. } = self.from;
        if read.iter().all(|part| matches!(part, Read::Packed(_))) {
            let packed = read.into_iter().filter_map(|part| match part {
                Read::Packed(rows) => Some(rows),
                Read::Dense(_) => None,
            });
            return FrozenMatrix::packed(packed.collect(), precision, device);
        }
        let dense = |part| match part {
            Read::Dense(values) => values,
            Read::Packed(rows) => FrozenMatrix::packed(vec![rows], precision, device).dense(),
        };
        self.multiplied(Tensor::cat(of_one_type(read.into_iter().map(dense).collect()), 0))
    }

    pub(super) fn whole_matrix(&self, name: &str, shape: [usize; 2], lines: Lines) -> Result<FrozenMatrix> {
        self.whole_matrix_at(name, &format!("{}{name}", self.root), shape, lines)
    }

    pub(super) fn whole_matrix_at(
        &self,
        name: &str,
        stored: &str,
        shape: [usize; 2],
        lines: Lines,
    ) -> Result<FrozenMatrix> {
        match self.replacement(name, stored, shape)? {
            Some(tensor) => Ok(self.multiplied(tensor)),
            None => self.from.shared.once(&self.module_name(name), || self.read_matrix(stored, shape, lines)),
        }
    }

    /// A matrix that only something made of it keeps.
    pub(super) fn part(&self, name: &str, shape: [usize; 2]) -> Result<Read> {
        let stored = format!("{}{name}", self.root);
        match self.replacement(name, &stored, shape)? {
            Some(tensor) => Ok(Read::Dense(tensor)),
            None => self.read(&stored, shape, Lines::Rows(Place::Layer)),
        }
    }
}

/// Matrices that are stored in different types become f32.
pub(crate) fn of_one_type(matrices: Vec<Tensor<2>>) -> Vec<Tensor<2>> {
    if matrices.windows(2).all(|pair| pair[0].dtype() == pair[1].dtype()) {
        return matrices;
    }
    matrices.into_iter().map(|matrix| matrix.cast(DType::F32)).collect()
}
