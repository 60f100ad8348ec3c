//! How the numbers of a tensor are kept, by the number that GGUF has for it. ggml-org/ggml: include/ggml.h (`ggml_type`).

use safetensors::Dtype;

use super::super::entry::Form;
use crate::nn::BlockType;
use crate::{Sentence, sentence};

/// The names of ggml's types. A gap is a type that never was, or that the name of its time says.
const NAMES: [&str; 42] = [
    "F32",
    "F16",
    "Q4_0",
    "Q4_1",
    "Q4_2",
    "Q4_3",
    "Q5_0",
    "Q5_1",
    "Q8_0",
    "Q8_1",
    "Q2_K",
    "Q3_K",
    "Q4_K",
    "Q5_K",
    "Q6_K",
    "Q8_K",
    "IQ2_XXS",
    "IQ2_XS",
    "IQ3_XXS",
    "IQ1_S",
    "IQ4_NL",
    "IQ3_S",
    "IQ2_S",
    "IQ4_XS",
    "I8",
    "I16",
    "I32",
    "I64",
    "F64",
    "IQ1_M",
    "BF16",
    "Q4_0_4_4",
    "Q4_0_4_8",
    "Q4_0_8_8",
    "TQ1_0",
    "TQ2_0",
    "IQ4_NL_4_4",
    "IQ4_NL_4_8",
    "IQ4_NL_8_8",
    "MXFP4",
    "NVFP4",
    "Q1_0",
];

/// The form with this number.
///
/// # Errors
/// A sentence with its name, where it is one that is not read here.
pub(super) fn form_of(number: u32) -> Result<Form, Sentence> {
    Ok(match number {
        0 => Form::Plain(Dtype::F32),
        1 => Form::Plain(Dtype::F16),
        30 => Form::Plain(Dtype::BF16),
        2 => Form::Blocks(BlockType::Q4_0),
        3 => Form::Blocks(BlockType::Q4_1),
        6 => Form::Blocks(BlockType::Q5_0),
        7 => Form::Blocks(BlockType::Q5_1),
        8 => Form::Blocks(BlockType::Q8_0),
        12 => Form::Blocks(BlockType::Q4K),
        13 => Form::Blocks(BlockType::Q5K),
        14 => Form::Blocks(BlockType::Q6K),
        other => {
            let name = usize::try_from(other).ok().and_then(|at| NAMES.get(at)).copied().unwrap_or("?");
            return Err(sentence!(
                "it is kept as {name} (type {number}), which is not read here; read are F32, F16, BF16, Q8_0, Q4_0, \
                     Q4_1, Q5_0, Q5_1, Q4_K, Q5_K and Q6_K",
                name,
                number
            ));
        }
    })
}

/// The number of a form; `None` for one that GGUF does not have.
pub(super) fn number_of(form: Form) -> Option<u32> {
    let numbers = 0..u32::try_from(NAMES.len()).unwrap_or(0);
    numbers.into_iter().find(|&number| form_of(number).is_ok_and(|known| known == form))
}

/// Bytes of a row of so many numbers.
///
/// # Errors
/// A sentence, where they are no whole number of blocks or beyond counting.
pub(super) fn row_bytes(form: Form, columns: usize) -> Result<usize, Sentence> {
    match form {
        Form::Plain(dtype) => columns.checked_mul(dtype.bitsize() / 8),
        Form::Blocks(blocks) => Some(blocks.row_bytes(columns).ok_or_else(|| {
            sentence!("a row of {columns} numbers is no whole number of blocks of {n}", columns, n = blocks.numbers())
        })?),
    }
    .ok_or_else(|| sentence!("a row of it is beyond counting"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_that_is_not_read_is_named() {
        for (number, name) in [(10, "Q2_K"), (23, "IQ4_XS"), (34, "TQ1_0"), (39, "MXFP4"), (28, "F64"), (26, "I32")] {
            let said = form_of(number).unwrap_err().to_string();
            assert!(said.contains(&format!("{name} (type {number})")), "{said}");
        }
        assert!(form_of(4_000_000).unwrap_err().to_string().contains("? (type 4000000)"));
    }

    #[test]
    fn names_and_numbers_are_in_step() {
        let read = (0..42).filter_map(|number| Some((NAMES[number as usize], form_of(number).ok()?)));
        let same = |name: &str, kind: Form| match kind {
            Form::Plain(dtype) => format!("{dtype:?}") == name,
            Form::Blocks(blocks) => format!("{blocks:?}") == name.replace("_K", "K"),
        };
        let mut n = 0;
        for (name, kind) in read {
            assert!(same(name, kind), "{name} {kind:?}");
            assert_eq!(number_of(kind).map(|number| NAMES[number as usize]), Some(name));
            n += 1;
        }
        assert_eq!(n, 11);
        assert_eq!((number_of(Form::Blocks(BlockType::Nf4)), number_of(Form::Plain(Dtype::F64))), (None, None));
    }

    #[test]
    fn a_row_is_whole_blocks() {
        assert_eq!(row_bytes(Form::Blocks(BlockType::Q4_0), 64).unwrap(), 36);
        assert_eq!(row_bytes(Form::Plain(Dtype::BF16), 3).unwrap(), 6);
        let said = row_bytes(Form::Blocks(BlockType::Q6K), 128).unwrap_err().to_string();
        assert!(said.contains("128") && said.contains("256"), "{said}");
        assert!(row_bytes(Form::Plain(Dtype::F32), usize::MAX).is_err());
    }
}
