//! The header of a GGUF file, checked against the file before anything is believed: metadata, and where each tensor lies.
//! ggml-org/ggml: docs/gguf.md.

use std::collections::BTreeMap;
use std::ops::Range;

use super::super::entry::Form;
use super::cursor::Cursor;
use super::encoding::{form_of, row_bytes};
use super::metadata::{Metadata, Value};
use crate::{Sentence, sentence};

/// Every file begins so.
const MAGIC: &[u8] = b"GGUF";
/// Longest header. A vocabulary of 262,144 tokens with its merges takes 16 MB.
const MAX_HEADER: usize = 128 << 20;
/// Tensors are laid out to multiples of this, where the metadata does not say.
const ALIGNMENT: u64 = 32;
/// Largest distance that tensors are laid out to.
const MAX_ALIGNMENT: u64 = 1 << 16;
/// Axes of a tensor, as ggml has them.
const MAX_AXES: u32 = 4;

/// What a file holds, nothing of the tensors read yet.
#[derive(Clone, Debug)]
pub(in crate::weights) struct Header {
    /// What it says of itself.
    pub(in crate::weights) metadata: Metadata,
    /// The tensors by their names in the file.
    pub(in crate::weights) tensors: BTreeMap<String, TensorAt>,
}

/// Where a tensor lies, checked to be inside of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::weights) struct TensorAt {
    /// The form of its numbers.
    pub(in crate::weights) form: Form,
    /// The sizes as Hugging Face writes them: rows first. The file has the row's length first.
    pub(in crate::weights) shape: Vec<usize>,
    /// From its first byte to its last.
    pub(in crate::weights) bytes: Range<usize>,
}

impl Header {
    /// Reads the header of a whole file.
    ///
    /// # Errors
    /// A sentence on what is wrong with it: it is cut short, of a version or with numbers that are not read, says a thing
    /// twice, or has tensors that are not where they must be.
    pub(in crate::weights) fn read(file: &[u8]) -> Result<Self, Sentence> {
        let header = &file[..file.len().min(MAX_HEADER)];
        let told = |reason: Sentence| match file.len() {
            0..=MAX_HEADER => reason,
            _ => sentence!("{reason} (its first {n} bytes were looked at)", reason, n = MAX_HEADER),
        };
        let (metadata, tensors, end) = parse(header).map_err(told)?;
        let placed = place(tensors, alignment(&metadata)?, end, file.len())?;
        Ok(Self { metadata, tensors: placed })
    }
}

/// A tensor as the header describes it.
struct Described {
    name: String,
    form: Form,
    shape: Vec<usize>,
    /// Bytes of all its numbers.
    length: usize,
    /// From where the tensors begin.
    offset: u64,
}

/// Metadata, tensors, and the bytes before the end of the header.
fn parse(bytes: &[u8]) -> Result<(Metadata, Vec<Described>, usize), Sentence> {
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| sentence!("it does not begin as a GGUF file does"))?;
    let mut cursor = Cursor::new(rest);
    match cursor.u32()? {
        2 | 3 => {}
        version @ (0..=1 | 4..=0xffff) => {
            return Err(sentence!(
                "it is of version {version} of GGUF; 2 and 3 are read: convert it with a newer llama.cpp",
                version
            ));
        }
        _ => return Err(sentence!("its numbers begin with their largest byte, which is not read here")),
    }
    // A tensor takes a name of a length, the number of its axes, one axis, a type and an offset at least.
    let n_tensors = cursor.count(8 + 4 + 8 + 4 + 8)?;
    // An entry takes the length of its name, a type and a byte at least.
    let n_entries = cursor.count(8 + 4 + 1)?;
    let mut metadata = Metadata::new();
    for _ in 0..n_entries {
        let key = cursor.text()?;
        let value = cursor.value().map_err(|reason| sentence!("{key}: {reason}", key, reason))?;
        if metadata.contains_key(&key) {
            return Err(sentence!("it says {key} twice", key));
        }
        metadata.insert(key, value);
    }
    let tensors = (0..n_tensors).map(|_| describe(&mut cursor)).collect::<Result<_, _>>()?;
    Ok((metadata, tensors, MAGIC.len() + cursor.at()))
}

fn describe(cursor: &mut Cursor<'_>) -> Result<Described, Sentence> {
    let name = cursor.text()?;
    let named = |reason: Sentence| sentence!("{name}: {reason}", name, reason);
    let n_axes = cursor.u32()?;
    if !(1..=MAX_AXES).contains(&n_axes) {
        return Err(named(sentence!("it has {n_axes} axes, not 1 to {max}", n_axes, max = MAX_AXES)));
    }
    let mut shape = Vec::with_capacity(n_axes as usize);
    for _ in 0..n_axes {
        let size = cursor.u64()?;
        let size = usize::try_from(size).ok();
        shape.push(size.ok_or_else(|| named(sentence!("a size of it is beyond counting")))?);
    }
    shape.reverse();
    if shape.contains(&0) {
        return Err(sentence!("{name} has shape {shape}, in which there are no numbers", name, shape));
    }
    let form = form_of(cursor.u32()?).map_err(named)?;
    let (columns, rows) = shape.split_last().map_or((0, &[][..]), |(columns, rows)| (*columns, rows));
    let row = row_bytes(form, columns).map_err(named)?;
    let length = rows.iter().try_fold(row, |length, &size| length.checked_mul(size));
    let length = length.ok_or_else(|| named(sentence!("a size of it is beyond counting")))?;
    Ok(Described { form, shape, length, offset: cursor.u64()?, name })
}

fn alignment(metadata: &Metadata) -> Result<u64, Sentence> {
    match metadata.get("general.alignment") {
        None => Ok(ALIGNMENT),
        Some(Value::Unsigned(alignment)) if alignment.is_power_of_two() && *alignment <= MAX_ALIGNMENT => {
            Ok(*alignment)
        }
        Some(_) => Err(sentence!("its general.alignment is no power of two up to {max}", max = MAX_ALIGNMENT)),
    }
}

/// The tensors in a file of so many bytes, none beyond its end, none in another.
fn place(
    tensors: Vec<Described>,
    alignment: u64,
    header: usize,
    file: usize,
) -> Result<BTreeMap<String, TensorAt>, Sentence> {
    let first = (header as u64).next_multiple_of(alignment);
    let mut placed = BTreeMap::new();
    let mut ranges = Vec::with_capacity(tensors.len());
    for Described { name, form, shape, length, offset } in tensors {
        if !offset.is_multiple_of(alignment) {
            return Err(sentence!("{name} does not begin at a multiple of {alignment} bytes", name, alignment));
        }
        let start = first.checked_add(offset).and_then(|start| usize::try_from(start).ok());
        let bytes = start.and_then(|start| Some(start..start.checked_add(length)?));
        let Some(bytes) = bytes.filter(|bytes| bytes.end <= file) else {
            return Err(sentence!("{name} reaches beyond the end of the file; it may be cut short", name));
        };
        ranges.push((bytes.start, bytes.end, name.clone()));
        if placed.contains_key(&name) {
            return Err(sentence!("it has the tensor {name} twice", name));
        }
        placed.insert(name, TensorAt { form, shape, bytes });
    }
    ranges.sort_unstable();
    for pair in ranges.windows(2) {
        let [(_, end, one), (start, _, other)] = pair else { continue };
        if end > start {
            return Err(sentence!("the tensors {one} and {other} lie in each other", one, other));
        }
    }
    Ok(placed)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use safetensors::Dtype;

    use super::super::written::{Written, tensor};
    use super::*;
    use crate::nn::BlockType;

    fn sample() -> Written {
        Written::new()
            .with("general.architecture", Value::Text("llama".into()))
            .with("llama.block_count", Value::Unsigned(1))
            .with("tokenizer.ggml.tokens", Value::Texts(vec!["a".into(), "b".into()]))
            .with("tokenizer.ggml.scores", Value::Floats(vec![-1.5, 0.0]))
            .with("tokenizer.ggml.add_bos_token", Value::Bool(true))
            .with("llama.rope.freq_base", Value::Float(10_000.0))
            .with("llama.signed", Value::Signed(-3))
            .tensor(tensor("output_norm.weight", 0, &[4], vec![0; 16]))
            .tensor(tensor("blk.0.attn_q.weight", 2, &[64, 2], vec![7; 72]))
    }

    fn refusal(file: Written) -> String {
        Header::read(&file.bytes()).expect_err("it is hostile").to_string()
    }

    #[test]
    fn metadata_and_tensors_are_found_with_rows_first() {
        let bytes = sample().bytes();
        let header = Header::read(&bytes).unwrap();
        assert_eq!(header.metadata["general.architecture"], Value::Text("llama".into()));
        assert_eq!(header.metadata["tokenizer.ggml.tokens"], Value::Texts(vec!["a".into(), "b".into()]));
        assert_eq!(header.metadata["llama.signed"], Value::Signed(-3));
        assert_eq!(header.metadata.len(), 7);
        let queries = &header.tensors["blk.0.attn_q.weight"];
        assert_eq!((queries.form, queries.shape.as_slice()), (Form::Blocks(BlockType::Q4_0), &[2, 64][..]));
        assert!(bytes[queries.bytes.clone()].iter().all(|&byte| byte == 7) && queries.bytes.len() == 72);
        assert_eq!(header.tensors["output_norm.weight"].form, Form::Plain(Dtype::F32));
        assert_eq!(Header::read(&sample().version(2).bytes()).unwrap().tensors, header.tensors);
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error_and_no_panic() {
        let whole = sample().bytes();
        for end in 0..whole.len() {
            assert!(Header::read(&whole[..end]).is_err(), "cut at {end} of {}", whole.len());
        }
    }

    #[test]
    fn versions_and_byte_orders_that_are_not_read_are_named() {
        assert!(refusal(sample().version(1)).contains("version 1"));
        assert!(refusal(sample().version(4)).contains("version 4"));
        assert!(refusal(sample().version(3_u32.swap_bytes())).contains("largest byte"));
    }

    #[test]
    fn what_a_file_says_of_its_tensors_is_not_believed() {
        let one =
            |name: &str, kind: u32, axes: &[u64], n: usize| Written::new().tensor(tensor(name, kind, axes, vec![0; n]));
        for (file, said) in [
            (one("a", 0, &[1 << 40], 4), "beyond the end"),
            (one("a", 0, &[1 << 40, 1 << 40], 4), "beyond counting"),
            (one("a", 0, &[u64::MAX, 2], 4), "beyond counting"),
            (one("a", 0, &[4, 0], 4), "no numbers"),
            (one("a", 0, &[], 4), "0 axes"),
            (one("a", 0, &[1, 1, 1, 1, 1], 4), "5 axes"),
            (one("a", 12, &[128, 2], 144), "no whole number of blocks of 256"),
            (one("blk.0.ffn_up.weight", 23, &[256], 136), "blk.0.ffn_up.weight: it is kept as IQ4_XS (type 23)"),
            (one("a", 0, &[1], 4).tensor(tensor("a", 0, &[1], vec![0; 4])), "tensor a twice"),
            (one("a", 0, &[1], 4).tensor(tensor("b", 0, &[1], vec![0; 4]).at(0)), "lie in each other"),
            (one("a", 0, &[1], 4).tensor(tensor("b", 0, &[1], vec![0; 4]).at(8)), "multiple of 32"),
            (one("a", 0, &[1], 4).tensor(tensor("b", 0, &[1], vec![0; 4]).at(u64::MAX - 31)), "beyond the end"),
            (sample().with("general.alignment", Value::Unsigned(0)), "general.alignment"),
            (sample().with("general.alignment", Value::Unsigned(48)), "general.alignment"),
            (sample().with("general.alignment", Value::Text("8".into())), "general.alignment"),
            (sample().with("llama.block_count", Value::Unsigned(2)), "llama.block_count twice"),
        ] {
            let found = refusal(file);
            assert!(found.contains(said), "{said}: {found}");
        }
    }

    #[test]
    fn a_count_beyond_the_file_takes_no_memory() {
        // Tensors, entries, the length of a name, of a list and of a text, each as large as can be said.
        let of = |parts: &[&[u8]]| [b"GGUF".as_slice(), &3_u32.to_le_bytes(), &parts.concat()].concat();
        let (most, none, one) = (u64::MAX.to_le_bytes(), 0_u64.to_le_bytes(), 1_u64.to_le_bytes());
        let array = |kind: u32| [&1_u64.to_le_bytes()[..], b"k", &9_u32.to_le_bytes(), &kind.to_le_bytes()].concat();
        for file in [
            of(&[&most, &none]),
            of(&[&none, &most]),
            of(&[&none, &one, &most, b"k", &[0; 64]]),
            of(&[&none, &one, &array(4), &most, &[0; 64]]),
            of(&[&none, &one, &array(8), &(1_u64 << 40).to_le_bytes(), &[0; 64]]),
            of(&[&none, &one, &array(8), &one, &most, &[0; 64]]),
            of(&[&none, &one, &array(9), &one, &[0; 64]]),
            of(&[&none, &one, &array(13), &one, &[0; 64]]),
        ] {
            let said = Header::read(&file).unwrap_err().to_string();
            assert!(
                ["bytes are left", "array", "type 13", "cut short"].iter().any(|part| said.contains(part)),
                "{said}"
            );
        }
    }

    #[test]
    fn bytes_that_were_changed_make_no_panic_and_nothing_beyond_the_file() {
        let whole = sample().bytes();
        let mut random = ChaCha8Rng::seed_from_u64(7);
        for _ in 0..20_000 {
            let mut bytes = whole.clone();
            for _ in 0..random.random_range(1..6) {
                let at = random.random_range(0..bytes.len());
                bytes[at] = random.random();
            }
            bytes.truncate(bytes.len() - random.random_range(0..40));
            if let Ok(header) = Header::read(&bytes) {
                assert!(header.tensors.values().all(|tensor| tensor.bytes.end <= bytes.len()));
            }
        }
    }
}
