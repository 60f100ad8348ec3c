//! Weights stored in 16 bits against the same weights widened first.

use burn::tensor::{DType, Int, Tensor, TensorData};

use super::{Numbers, assert_same, device};
use crate::nn::{FrozenLinear, cross_entropy_at_labels, embed};

const FORMATS: [DType; 2] = [DType::F16, DType::BF16];

#[test]
fn a_linear_layer_of_sixteen_bits_is_the_widened_one() {
    for format in FORMATS {
        // One row and few take ways of their own; wide weights are widened block by block.
        for (rows, d_in, d_out) in [(1, 40, 70), (1, 33, 1100), (5, 40, 70), (90, 40, 2100), (90, 1030, 17)] {
            for transposed in [false, true] {
                let mut numbers = Numbers::new(51);
                let x = numbers.tracked([1, rows, d_in]);
                let bias = Some(numbers.plain([d_out]));
                let weight: Tensor<2> = numbers.plain(if transposed { [d_out, d_in] } else { [d_in, d_out] });
                let stored = weight.cast(format);
                let turned = |weight: Tensor<2>| if transposed { weight.transpose() } else { weight };
                let ours = FrozenLinear::new(turned(stored.clone()), bias.clone());
                let theirs = FrozenLinear::new(turned(stored.cast(DType::F32)), bias);
                assert_same(&x, 2e-5, |x| ours.forward(x), |x| theirs.forward(x));
            }
        }
    }
}

#[test]
fn a_head_of_sixteen_bits_has_the_loss_of_the_widened_one() {
    for format in FORMATS {
        let mut numbers = Numbers::new(52);
        let hidden = numbers.tracked([30, 24]);
        let head = numbers.plain::<2>([3000, 24]).cast(format);
        let targets: Vec<i32> = (0..30).map(|i| i * 97 % 3000).collect();
        let targets = Tensor::<1, Int>::from_data(TensorData::new(targets, [30]), &device());
        let wide = head.clone().cast(DType::F32);
        assert_same(
            &hidden,
            2e-5,
            |hidden| cross_entropy_at_labels(hidden, &head, targets.clone()),
            |hidden| cross_entropy_at_labels(hidden, &wide, targets.clone()),
        );
    }
}

#[test]
fn embeddings_of_sixteen_bits_come_out_in_thirty_two() {
    let mut numbers = Numbers::new(53);
    let table = numbers.plain::<2>([9, 4]).cast(DType::F16);
    let ids = Tensor::<2, Int>::from_data([[8, 0, 3]], &device());
    let rows = embed(&table, ids);
    assert_eq!(rows.dtype(), DType::F32);
    let wide = super::values(table.cast(DType::F32));
    assert_eq!(super::values(rows), [&wide[32..36], &wide[..4], &wide[12..16]].concat());
}
