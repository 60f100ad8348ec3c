//! Products with packed matrices against those with the numbers that their blocks stand for.

use burn::tensor::{Int, Tensor, TensorData};
use rand::RngExt;

use super::{Numbers, assert_close, device, values};
use crate::nn::{BlockType, FrozenMatrix, Head, PackedWeight, Precision, cross_entropy_at_labels};

/// Blocks of any codes, with scales around a hundredth.
fn blocks(block: BlockType, [rows, columns]: [usize; 2], seed: u64) -> PackedWeight {
    let mut numbers = Numbers::new(seed);
    let length = block.row_bytes(columns).unwrap() * rows;
    let mut bytes: Vec<u8> = (0..length).map(|_| numbers.0.random()).collect();
    for block_bytes in bytes.chunks_exact_mut(block.bytes()) {
        let scales: &[usize] = match block {
            BlockType::Q8_0 | BlockType::Q4_0 | BlockType::Q5_0 => &[0],
            BlockType::Q4_1 | BlockType::Q5_1 | BlockType::Q4K | BlockType::Q5K => &[0, 2],
            BlockType::Q6K => &[208],
            BlockType::Nf4 => {
                block_bytes[..4].copy_from_slice(&numbers.0.random_range(0.01_f32..0.1).to_le_bytes());
                &[]
            }
        };
        for at in scales {
            block_bytes[at + 1] = block_bytes[at + 1] & 0x83 | 0x20;
        }
    }
    PackedWeight::new(block, columns, bytes).unwrap()
}

/// Of two kinds one below the other, and of one.
fn matrices(columns: usize) -> Vec<(String, FrozenMatrix)> {
    let packed = |parts| FrozenMatrix::packed(parts, Precision::F32, &device());
    let mut all: Vec<(String, FrozenMatrix)> =
        BlockType::ALL.map(|block| (format!("{block:?}"), packed(vec![blocks(block, [37, columns], 5)]))).into();
    let two = vec![blocks(BlockType::Q4K, [20, columns], 6), blocks(BlockType::Q6K, [17, columns], 7)];
    all.push(("two kinds".to_owned(), packed(two)));
    all
}

#[test]
fn a_layer_in_blocks_equals_one_of_their_numbers_and_so_does_its_gradient() {
    for (name, matrix) in matrices(512) {
        let dense = FrozenMatrix::new(matrix.dense(), Precision::F32);
        for rows in [1, 3, 9, 70] {
            let of = |matrix: &FrozenMatrix, d_in: usize, d_out: usize| {
                let x = Numbers::new(61).tracked::<3>([1, rows, d_in]);
                let bias = Numbers::new(62).plain::<1>([d_out]);
                let out = matrix.matmul(x.clone(), Some(&bias));
                let plain = matrix.matmul(x.clone().inner(), Some(&bias));
                assert_eq!(values(out.clone()), values(plain), "{name}: tracked or not");
                let weights = Tensor::from_inner(Numbers::new(63).plain::<3>([1, rows, d_out]));
                let grads = (out.clone() * weights).sum().backward();
                (values(out), values(x.grad(&grads).unwrap()))
            };
            let (ours, theirs) = (of(&matrix.transpose(), 512, 37), of(&dense.transpose(), 512, 37));
            assert_close(&format!("{name}, {rows} rows, output"), &ours.0, &theirs.0, 2e-6);
            assert_close(&format!("{name}, {rows} rows, gradient"), &ours.1, &theirs.1, 2e-6);
            let (ours, theirs) = (of(&matrix, 37, 512), of(&dense, 37, 512));
            assert_close(&format!("{name}, {rows} rows, by rows"), &ours.0, &theirs.0, 2e-6);
            assert_close(&format!("{name}, {rows} rows, gradient by rows"), &ours.1, &theirs.1, 2e-6);
        }
    }
}

#[test]
fn embeddings_in_blocks_are_looked_up_and_serve_as_head() {
    for (name, matrix) in matrices(256) {
        let dense = FrozenMatrix::new(matrix.dense(), Precision::F32);
        let ids = Tensor::<2, Int>::from_data(TensorData::from([[3_i64, 36, 0], [20, 19, 3]]), &device());
        assert_eq!(values(matrix.embed(ids.clone())), values(dense.embed(ids)), "{name}");

        let of = |head: &FrozenMatrix| {
            let hidden = Numbers::new(71).tracked::<2>([4, 256]);
            let targets = Tensor::<1, Int>::from_data(TensorData::from([36_i64, 0, 7, 19]), &device());
            let bias = Some(Numbers::new(72).plain::<1>([37]));
            let head = Head { matrix: head.clone(), bias, softcap: Some(1.5) };
            let loss = cross_entropy_at_labels(hidden.clone(), &head, targets.clone());
            let plain = cross_entropy_at_labels(hidden.clone().inner(), &head, targets);
            assert_eq!(values(loss.clone()), values(plain), "{name}: tracked or not");
            let grads = loss.clone().sum().backward();
            (values(loss), values(hidden.grad(&grads).unwrap()))
        };
        let (ours, theirs) = (of(&matrix), of(&dense));
        assert_close(&format!("{name}, loss"), &ours.0, &theirs.0, 2e-6);
        assert_close(&format!("{name}, gradient"), &ours.1, &theirs.1, 5e-6);
    }
}

#[test]
fn rows_in_another_order_and_parts_of_one_kind_are_the_same_bytes() {
    let whole = blocks(BlockType::Q4_0, [6, 64], 9);
    let turned = whole.in_order(&[5, 0, 3, 3, 1, 2]);
    let (before, after) = (whole.unpacked(), turned.unpacked());
    for (to, from) in [5, 0, 3, 3, 1, 2].into_iter().enumerate() {
        assert_eq!(after[to * 64..(to + 1) * 64], before[from * 64..(from + 1) * 64]);
    }
    let stacked = PackedWeight::stacked(vec![whole.clone(), turned, blocks(BlockType::Q8_0, [1, 64], 10)]);
    assert_eq!(stacked.iter().map(PackedWeight::dims).collect::<Vec<_>>(), [[12, 64], [1, 64]]);
    assert_eq!(stacked[0].unpacked()[..6 * 64], before);
    assert_eq!(PackedWeight::new(BlockType::Q4_0, 48, vec![0; 27]), None, "48 numbers are no whole blocks");
    assert_eq!(PackedWeight::new(BlockType::Q4_0, 64, vec![0; 37]), None);
}
