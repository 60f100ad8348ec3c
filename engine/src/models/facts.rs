//! Facts of a model for methods: names and sizes, which a summary has before a weight is read and a loaded model after.

use std::borrow::Cow;

use crate::config::{Site, Task};
use crate::error::Result;
use crate::models::load::catalog::{head_kind, head_width};
use crate::models::{BaseModel, HeadKind, LinearName, Model, ModelSummary, WeightName, cannot};

/// Names and sizes of a model.
pub trait ModelFacts {
    /// As `config.json` names it.
    fn architecture(&self) -> &str;
    /// Layers; the decoder's, where there is an encoder too.
    fn n_layers(&self) -> usize;
    /// Whether it reads a source and writes a target.
    fn is_seq2seq(&self) -> bool;
    /// Whether it reads in both directions and writes nothing.
    fn is_encoder(&self) -> bool;
    /// Where a prefix can stand, in the order of the model's work.
    fn prefix_sites(&self) -> Vec<(Site, SiteShape)>;
    /// Width of the embeddings.
    fn embedding_width(&self) -> usize;
    /// Layers and heads as PEFT counts them; `None` where only a loaded model knows.
    fn layers_and_heads(&self) -> Option<[usize; 2]>;
    /// Every weight, by the names that adapters use.
    fn weight_names(&self) -> Cow<'_, [WeightName]>;
    /// Every linear layer.
    fn linear_names(&self) -> Cow<'_, [LinearName]>;
    /// The layers of a head for a task with classes.
    ///
    /// # Errors
    /// The model cannot learn the task.
    fn class_head_kind(&self, task: Task) -> Result<HeadKind>;
    /// Width of what a head reads.
    fn class_head_width(&self) -> usize;
}

/// The sizes of a place where a prefix can stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteShape {
    /// Layers.
    pub n_layers: usize,
    /// Key and value heads.
    pub n_kv_heads: usize,
    /// Width of a head.
    pub d_head: usize,
}

impl ModelFacts for BaseModel {
    fn architecture(&self) -> &str {
        self.shape().architecture
    }

    fn n_layers(&self) -> usize {
        self.shape().n_layers
    }

    fn is_seq2seq(&self) -> bool {
        matches!(**self, Model::Seq2Seq(_))
    }

    fn is_encoder(&self) -> bool {
        matches!(**self, Model::Encoder(_))
    }

    fn prefix_sites(&self) -> Vec<(Site, SiteShape)> {
        let sizes = |(site, shape): (Site, super::ModelShape)| {
            (site, SiteShape { n_layers: shape.n_layers, n_kv_heads: shape.n_kv_heads, d_head: shape.d_head })
        };
        self.sites().into_iter().map(sizes).collect()
    }

    fn embedding_width(&self) -> usize {
        self.embedding_dims()[1]
    }

    fn layers_and_heads(&self) -> Option<[usize; 2]> {
        let shape = match &**self {
            Model::Seq2Seq(model) => model.encoder_shape(),
            Model::Causal(_) | Model::Encoder(_) => self.shape(),
        };
        Some([shape.n_layers, shape.n_heads])
    }

    fn weight_names(&self) -> Cow<'_, [WeightName]> {
        self.weights().into()
    }

    fn linear_names(&self) -> Cow<'_, [LinearName]> {
        self.linears().into()
    }

    fn class_head_kind(&self, task: Task) -> Result<HeadKind> {
        self.head_kind(task)
    }

    fn class_head_width(&self) -> usize {
        self.head_width()
    }
}

impl ModelFacts for ModelSummary {
    fn architecture(&self) -> &str {
        &self.architecture
    }

    fn n_layers(&self) -> usize {
        self.n_layers
    }

    fn is_seq2seq(&self) -> bool {
        self.encoder_layers > 0
    }

    fn is_encoder(&self) -> bool {
        self.tasks.contains(&Task::TokenClassification)
    }

    fn prefix_sites(&self) -> Vec<(Site, SiteShape)> {
        let sites: &[Site] = match (self.is_seq2seq(), self.is_encoder()) {
            (true, _) => &Site::ALL,
            (false, true) => &[Site::Encoder],
            (false, false) => &[Site::Decoder],
        };
        let sizes = |&site: &Site| {
            let n_layers = if self.is_seq2seq() && site == Site::Encoder { self.encoder_layers } else { self.n_layers };
            (site, SiteShape { n_layers, n_kv_heads: self.n_kv_heads, d_head: self.d_head })
        };
        sites.iter().map(sizes).collect()
    }

    fn embedding_width(&self) -> usize {
        self.embedding_width
    }

    fn layers_and_heads(&self) -> Option<[usize; 2]> {
        None
    }

    fn weight_names(&self) -> Cow<'_, [WeightName]> {
        self.weights.as_slice().into()
    }

    fn linear_names(&self) -> Cow<'_, [LinearName]> {
        self.linears.as_slice().into()
    }

    fn class_head_kind(&self, task: Task) -> Result<HeadKind> {
        head_kind(&self.architecture, task).ok_or_else(|| cannot(&self.architecture, task))
    }

    fn class_head_width(&self) -> usize {
        head_width(&self.tasks, self.embedding_width, self.d_model)
    }
}
