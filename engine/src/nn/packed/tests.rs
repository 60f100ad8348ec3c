//! Blocks against what `gguf` and bitsandbytes compute: `tests/golden/blocks.safetensors`, which `blocks.py` beside it wrote.

use std::path::Path;

use safetensors::SafeTensors;

use super::BlockType;

const ALL: [(BlockType, &str); 9] = [
    (BlockType::Q8_0, "Q8_0"),
    (BlockType::Q4_0, "Q4_0"),
    (BlockType::Q4_1, "Q4_1"),
    (BlockType::Q5_0, "Q5_0"),
    (BlockType::Q5_1, "Q5_1"),
    (BlockType::Q4K, "Q4_K"),
    (BlockType::Q5K, "Q5_K"),
    (BlockType::Q6K, "Q6_K"),
    (BlockType::Nf4, "NF4"),
];

fn golden() -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/blocks.safetensors")).unwrap()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

#[test]
fn blocks_hold_the_numbers_that_the_reference_reads() {
    let file = golden();
    let file = SafeTensors::deserialize(&file).unwrap();
    for (kind, name) in ALL {
        let blocks = file.tensor(&format!("unpack.{name}.blocks")).unwrap();
        let values = floats(file.tensor(&format!("unpack.{name}.values")).unwrap().data());
        assert_eq!(kind.row_bytes(values.len()), Some(blocks.data().len()), "{name}");
        assert!(kind.is_finite(blocks.data()), "{name}");
        let mut ours = vec![f32::NAN; values.len()];
        kind.unpack(blocks.data(), &mut ours);
        for (i, (ours, theirs)) in ours.iter().zip(&values).enumerate() {
            assert_eq!(ours.to_bits(), theirs.to_bits(), "{name}[{i}]: {ours} is not {theirs}");
        }
    }
}

#[test]
fn rows_become_the_blocks_that_the_reference_makes() {
    let file = golden();
    let file = SafeTensors::deserialize(&file).unwrap();
    let rows = floats(file.tensor("pack.rows").unwrap().data());
    for (kind, name) in ALL {
        let ours = kind.pack(&rows);
        let Ok(theirs) = file.tensor(&format!("pack.{name}")) else {
            assert_eq!(ours, None, "{name} is only read");
            continue;
        };
        let ours = ours.unwrap();
        assert_eq!(ours.len(), theirs.data().len(), "{name}");
        let blocks = ours.chunks(kind.bytes()).zip(theirs.data().chunks(kind.bytes()));
        for (i, (ours, theirs)) in blocks.enumerate() {
            assert_eq!(ours, theirs, "{name}, block {i}");
        }
    }
}

#[test]
fn a_row_that_is_no_whole_number_of_blocks_has_none() {
    assert_eq!(BlockType::Q8_0.pack(&[1.0; 33]), None);
    assert_eq!(BlockType::Nf4.pack(&[1.0; 96]), None);
    assert_eq!(BlockType::Q4_0.pack(&[]), Some(Vec::new()));
}

#[test]
fn scales_that_are_not_finite_are_seen() {
    for (kind, name) in ALL {
        let places: &[usize] = match kind {
            BlockType::Q8_0 | BlockType::Q4_0 | BlockType::Q5_0 => &[0],
            BlockType::Q4_1 | BlockType::Q5_1 | BlockType::Q4K | BlockType::Q5K => &[0, 2],
            BlockType::Q6K => &[208],
            BlockType::Nf4 => &[2],
        };
        // Two blocks, so that the second is looked at too.
        let finite = vec![0x3b; 2 * kind.bytes()];
        assert!(kind.is_finite(&finite), "{name}");
        for place in places {
            // The upper bits of infinity in f16, and in f32 below two zeros.
            let bits = if kind == BlockType::Nf4 { [0x80, 0x7f] } else { [0x00, 0x7c] };
            let mut infinite = finite.clone();
            infinite[kind.bytes() + place..][..2].copy_from_slice(&bits);
            assert!(!kind.is_finite(&infinite), "{name} at {place}");
        }
    }
    let too_large = BlockType::Q8_0.pack(&[1e7; 32]).unwrap();
    assert!(!BlockType::Q8_0.is_finite(&too_large));
}
