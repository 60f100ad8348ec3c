//! The tensors of a file as weights of the names and orders that a model asks for.

use std::collections::BTreeMap;

use super::super::entry::{Entry, Form, RowOrder};
use super::super::files::WeightFiles;
use super::file::{GgufFile, Placed};
use super::reader::TensorAt;
use super::view::{Change, View};
use crate::error::Result;
use crate::sentence;

impl WeightFiles {
    /// The weights of a file in GGUF, each a view of one of its tensors.
    ///
    /// # Errors
    /// A view names a tensor that is not there, or cannot be made of it.
    pub(crate) fn of_gguf(file: GgufFile, views: BTreeMap<String, View>) -> Result<Self> {
        let mut entries = BTreeMap::new();
        for (weight, View { tensor, change }) in views {
            let entry = file.tensors.get(&tensor).and_then(|placed| entry(placed, change));
            let entry = entry
                .ok_or_else(|| file.malformed(sentence!("{weight} cannot be made of {tensor}", weight, tensor)))?;
            entries.insert(weight, entry);
        }
        Ok(Self::of(file.files, entries))
    }
}

/// A tensor as the weight that a change makes of it; `None` where that cannot be, as nothing takes a block apart.
fn entry(Placed { file, tensor }: &Placed, change: Change) -> Option<Entry> {
    let TensorAt { form, shape, bytes } = tensor;
    let plain = Entry { file: *file, ..Entry::new(*form, shape.clone(), bytes.clone()) };
    Some(match (change, shape.as_slice()) {
        (Change::Nothing, _) => plain,
        (Change::LessOne, _) => Entry { less_one: true, ..plain },
        (Change::Rows(order), &[n_rows, ..]) => {
            let is_apart = shape.len() == 1 && matches!(form, Form::Blocks(_));
            let is_there = order.iter().all(|&row| (row as usize) < n_rows);
            let (width, n) = (bytes.len() / n_rows, order.len());
            let shape = [&[n], &shape[1..]].concat();
            (is_there && !is_apart).then_some(Entry { shape, rows: Some(RowOrder { order, width }), ..plain })?
        }
        (Change::Transposed, &[rows, columns]) => {
            Entry { shape: vec![columns, rows], strides: Some(vec![1, columns]), ..plain }
        }
        (Change::Rows(_) | Change::Transposed, _) => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::written::{Written, floats, tensor};
    use super::*;

    fn made(file: Written, change: Change) -> Result<WeightFiles> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("model.gguf");
        std::fs::write(&path, file.bytes()).expect("a file");
        let view = View { tensor: "t".to_owned(), change };
        WeightFiles::of_gguf(GgufFile::open(&path)?, BTreeMap::from([("w".to_owned(), view)]))
    }

    fn rows(order: &[u32]) -> Change {
        Change::Rows(Arc::from(order))
    }

    #[test]
    fn a_weight_is_read_in_its_own_order() {
        let matrix = || Written::new().tensor(floats("t", &[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
        let values = |change: Change| made(matrix(), change).unwrap().floats("w").unwrap().unwrap();
        assert_eq!(values(Change::Nothing), (vec![3, 2], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
        assert_eq!(values(rows(&[2, 0])), (vec![2, 2], vec![5.0, 6.0, 1.0, 2.0]));
        assert_eq!(values(Change::Transposed), (vec![2, 3], vec![1.0, 3.0, 5.0, 2.0, 4.0, 6.0]));
        let vector = || Written::new().tensor(floats("t", &[3], &[1.0, 2.0, 3.0]));
        let norm = made(vector(), Change::LessOne).unwrap();
        assert_eq!(norm.values("w", &[3]).unwrap(), [0.0, 1.0, 2.0]);
        let stored: Vec<Vec<u8>> = norm.stored().map(|(.., bytes)| bytes.into_owned()).collect();
        assert_eq!(stored, [[0.0_f32, 1.0, 2.0].iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()]);
        assert_eq!(made(vector(), rows(&[1, 1])).unwrap().values("w", &[2]).unwrap(), [2.0, 2.0]);
    }

    #[test]
    fn rows_of_blocks_are_gathered_and_columns_of_blocks_stay_on_their_side() {
        // A scale of 1 and the numbers 0 to 31, then of 2 and again.
        let block = |scale: u16| [scale.to_le_bytes().to_vec(), (0..32).collect()].concat();
        let file = || Written::new().tensor(tensor("t", 8, &[32, 2], [block(0x3c00), block(0x4000)].concat()));
        let turned = made(file(), rows(&[1, 0])).unwrap();
        let packed = turned.blocks("w", [2, 32]).unwrap().unwrap();
        assert!(!packed.is_transposed && packed.lines.bytes()[..2] == [0, 0x40]);
        assert_eq!(turned.values("w", &[2, 32]).unwrap()[..3], [0.0, 2.0, 4.0]);
        let transposed = made(file(), Change::Transposed).unwrap();
        assert!(transposed.blocks("w", [32, 2]).unwrap().unwrap().is_transposed);
        assert_eq!(transposed.values("w", &[32, 2]).unwrap()[..4], [0.0, 0.0, 1.0, 2.0]);
    }

    #[test]
    fn what_cannot_be_made_of_a_tensor_is_refused() {
        let vector = || Written::new().tensor(tensor("t", 8, &[32], vec![0; 34]));
        for (file, change) in [
            (vector(), rows(&[0])),
            (vector(), Change::Transposed),
            (Written::new().tensor(floats("t", &[2, 1], &[1.0, 2.0])), rows(&[2])),
            (Written::new().tensor(floats("other", &[1], &[1.0])), Change::Nothing),
        ] {
            let said = made(file, change).map(|_| ()).unwrap_err().to_string();
            assert!(said.contains("w cannot be made of t"), "{said}");
        }
    }
}
