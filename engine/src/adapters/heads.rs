//! One head of several: an adapter that was trained on datasets with classes of their own, for the rows of one of them.

use crate::adapters::folded::{FoldedAdapter, NamedTensor};
use crate::config::TaskRecord;
use crate::error::{EngineError, Result};

/// The layer of a head that names the classes, in every kind of head.
const LAST_LAYER: [&str; 5] =
    ["score.weight", "classifier.weight", "classifier.bias", "classifier.out_proj.weight", "classifier.out_proj.bias"];

impl FoldedAdapter {
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
        let reason = || format!("the adapter has a head for each of {}: name one of them", names());
        let at = at.ok_or_else(|| EngineError::Setting { field: "data.name", reason: reason() })?;
        let block = self.task.blocks()[at].clone();
        let own = |(name, shape, values): &NamedTensor| {
            if !LAST_LAYER.contains(&name.as_str()) {
                return Ok((name.clone(), shape.clone(), values.clone()));
            }
            let width: usize = shape.iter().skip(1).product();
            if shape.first() != Some(&classes.len()) || values.len() != classes.len() * width {
                let reason = format!("{name:?} of its head has shape {shape:?}, for {} classes", classes.len());
                return Err(EngineError::AdapterMismatch { reason });
            }
            let shape = [&[block.len()], &shape[1..]].concat();
            Ok((name.clone(), shape, values[block.start * width..block.end * width].to_vec()))
        };
        let head = self.head.iter().map(own).collect::<Result<_>>()?;
        let task = TaskRecord { classes: classes[block.clone()].to_vec(), heads: Vec::new(), ..self.task.clone() };
        Ok(Self { head, task, ..self })
    }
}
