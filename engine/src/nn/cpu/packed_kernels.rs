//! Where the backend of the processor takes packed matrices.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;

use super::buffer::Buffer;
use crate::nn::packed::{PackedForm, PackedKernels};

impl PackedKernels for Flex {
    fn unpack(words: FlexTensor, form: PackedForm) -> FlexTensor {
        let mut out = Buffer::any(form.rows * form.columns);
        form.block.unpack(bytes_of(&words, form), &mut out);
        out.into_tensor([form.rows, form.columns])
    }
}

/// The blocks.
fn bytes_of(words: &FlexTensor, form: PackedForm) -> &[u8] {
    &bytemuck::cast_slice(words.storage::<u32>())[..form.bytes()]
}
