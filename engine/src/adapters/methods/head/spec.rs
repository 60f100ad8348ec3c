//! The sizes of a head.

use std::borrow::Cow;
use std::ops::Range;

use crate::adapters::methods::head::Head;
use crate::adapters::methods::init::InitContext;
use crate::adapters::methods::{AdapterPart, NamedShape, PartSpec, Spec};
use crate::adapters::parameters::Parameter;
use crate::config::TaskRecord;
use crate::error::Result;
use crate::models::{HeadKind, ModelFacts};

/// The sizes of a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadSpec {
    /// The layers of the head.
    pub kind: HeadKind,
    /// Width of what it reads.
    pub d_model: usize,
    /// Classes.
    pub n_classes: usize,
    /// Where those of each of several datasets begin and end: a linear classifier for each, as in P-tuning v2 (Liu et al.
    /// 2022), in one matrix. The layer below it, where the kind has one, is shared. Empty: all rows have all classes.
    pub blocks: Vec<Range<usize>>,
}

impl HeadSpec {
    /// The head of a task that has one; `None` for other tasks.
    ///
    /// # Errors
    /// The model cannot learn the task.
    pub(crate) fn of(model: &dyn ModelFacts, task: &TaskRecord) -> Result<Option<PartSpec>> {
        if !task.task.has_head() {
            return Ok(None);
        }
        let (kind, d_model) = (model.class_head_kind(task.task)?, model.class_head_width());
        Ok(Some(PartSpec::Head(Self { kind, d_model, n_classes: task.n_scores(), blocks: task.blocks() })))
    }
}

impl Spec for HeadSpec {
    fn parameter_shapes(&self) -> Vec<NamedShape> {
        let shapes = self.kind.parameter_shapes(self.d_model, self.n_classes);
        shapes.into_iter().map(|(name, shape)| (Cow::Borrowed(name), shape)).collect()
    }

    fn with_parameters(&self, parameters: Vec<Parameter>) -> AdapterPart {
        AdapterPart::Head(Head { spec: self.clone(), parameters })
    }

    fn initial(&self, from: &InitContext<'_>) -> Result<AdapterPart> {
        Head::initial(self, from).map(AdapterPart::Head)
    }
}
