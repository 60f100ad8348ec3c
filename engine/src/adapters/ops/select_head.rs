//! One head of several: an adapter that was trained on datasets with classes of their own, for the rows of one of them.

use crate::adapters::methods::PartState;
use crate::adapters::methods::head::HeadState;
use crate::adapters::state::AdapterState;
use crate::config::TaskRecord;
use crate::error::{EngineError, Result};
use crate::sentence;
use crate::weights::NamedTensor;

/// The layer of a head that names the classes, in every kind of head.
const LAST_LAYER: [&str; 7] = [
    "score.weight",
    "classifier.weight",
    "classifier.bias",
    "classifier.out_proj.weight",
    "classifier.out_proj.bias",
    "classification_head.out_proj.weight",
    "classification_head.out_proj.bias",
];

impl AdapterState {
    /// The adapter with the head of one dataset alone, of the first one where none is named; as it is where one head is for
    /// all rows.
    ///
    /// # Errors
    /// [`EngineError::Setting`] with the names that there are; [`EngineError::AdapterMismatch`] for a head of other sizes.
    pub fn with_head(self, name: Option<&str>) -> Result<Self> {
        let TaskRecord { heads, classes, .. } = &self.task;
        if heads.is_empty() {
            return Ok(self);
        }
        let at = name.map_or(Some(0), |name| heads.iter().position(|head| head.name == name));
        let names = || heads.iter().map(|head| head.name.as_str()).collect::<Vec<_>>().join(", ");
        let reason = || sentence!("the adapter has a head for each of {names}: name one of them", names = names());
        let at = at.ok_or_else(|| EngineError::Setting { field: "data.name", reason: reason() })?;
        let block = self.task.blocks()[at].clone();
        let own = |(name, shape, values): &NamedTensor| {
            if !LAST_LAYER.contains(&name.as_str()) {
                return Ok((name.clone(), shape.clone(), values.clone()));
            }
            let width: usize = shape.iter().skip(1).product();
            if shape.first() != Some(&classes.len()) || values.len() != classes.len() * width {
                let reason = sentence!(
                    "{name:?} of its head has shape {shape}, for {n_classes} classes",
                    name,
                    shape,
                    n_classes = classes.len()
                );
                return Err(EngineError::AdapterMismatch { reason });
            }
            let shape = [&[block.len()], &shape[1..]].concat();
            Ok((name.clone(), shape, values[block.start * width..block.end * width].to_vec()))
        };
        let head = self.head().iter().map(own).collect::<Result<_>>()?;
        let task = TaskRecord { classes: classes[block.clone()].to_vec(), heads: Vec::new(), ..self.task.clone() };
        let others = self.parts.into_iter().filter(|part| !matches!(part, PartState::Head(_)));
        let parts = others.chain([HeadState(head).into()]).collect();
        Ok(Self { parts, task, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{HeadRecord, Task};

    /// Heads of two and one classes in one matrix whose numbers all differ, of a model of width 3.
    fn two_heads() -> AdapterState {
        let head = |name: &str, n_classes| HeadRecord { name: name.to_owned(), n_classes };
        let tensor = |name: &str, shape: &[usize]| {
            let values = (0..shape.iter().product()).map(|i: usize| i as f32).collect();
            (name.to_owned(), shape.to_vec(), values)
        };
        let task = TaskRecord {
            classes: ["no", "yes", "x"].map(str::to_owned).to_vec(),
            heads: vec![head("texts", 2), head("kinds", 1)],
            ..TaskRecord::of(Task::SequenceClassification)
        };
        let shapes: [(&str, &[usize]); 4] = [
            ("classifier.dense.weight", &[3, 3]),
            ("classifier.dense.bias", &[3]),
            ("classifier.out_proj.weight", &[3, 3]),
            ("classifier.out_proj.bias", &[3]),
        ];
        let head = shapes.into_iter().map(|(name, shape)| tensor(name, shape)).collect();
        AdapterState::new(task, [HeadState(head)])
    }

    #[test]
    fn a_head_is_cut_out_of_the_last_layer_alone() {
        let whole = two_heads();
        let kinds = whole.clone().with_head(Some("kinds")).unwrap();
        assert_eq!((kinds.task.classes.as_slice(), kinds.task.heads.len()), (&["x".to_owned()][..], 0));
        assert_eq!(kinds.head()[..2], whole.head()[..2], "the layer below is shared");
        assert_eq!((&kinds.head()[2].1, &kinds.head()[2].2), (&vec![1, 3], &vec![6.0, 7.0, 8.0]));
        assert_eq!((&kinds.head()[3].1, &kinds.head()[3].2), (&vec![1], &vec![2.0]));
        let first = whole.with_head(None).unwrap();
        assert_eq!((first.head()[3].2.as_slice(), first.task.classes.len()), (&[0.0, 1.0][..], 2));
        assert_eq!(first.clone().with_head(Some("any")).unwrap().head(), first.head(), "there is one for all rows");
    }

    #[test]
    fn heads_that_do_not_share_out_the_classes_are_refused() {
        let mut other = two_heads();
        let PartState::Head(HeadState(head)) = &mut other.parts[0] else { panic!("{other:?}") };
        head[2].1[0] = 4;
        let error = other.with_head(None).unwrap_err().to_string();
        assert!(error.contains("for 3 classes"), "{error}");
        for sizes in [[2, 2], [3, 0], [1000, 4]] {
            let mut task = two_heads().task;
            task.heads.iter_mut().zip(sizes).for_each(|(head, size)| head.n_classes = size);
            assert!(
                task.check().unwrap_err().to_string().contains("2 heads do not share out its 3 classes"),
                "{sizes:?}"
            );
        }
        two_heads().task.check().unwrap();
    }
}
