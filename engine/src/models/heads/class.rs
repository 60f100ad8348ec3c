//! Heads that name a class: the layers each architecture puts between its hidden states and the classes.
//! Names as in huggingface/transformers: src/transformers/models/*/modeling_*.py, `*ForSequenceClassification`.

use std::ops::Range;

use burn::tensor::{Bool, Device, Tensor, TensorData, activation};

/// The layers of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadKind {
    /// One linear layer: BERT, ALBERT, and every classifier of tokens.
    Linear,
    /// Linear, tanh, linear: RoBERTa.
    DenseTanh,
    /// Linear, gelu, linear: ELECTRA.
    DenseGelu,
    /// Linear, ReLU, linear: DistilBERT.
    DenseRelu,
    /// One linear layer without a bias: causal models.
    Score,
    /// Linear, tanh, linear under other names: BART and T5.
    ClassificationHead,
    /// One linear layer that scores each token as the first and as the last of an answer: `*ForQuestionAnswering`.
    Span,
}

impl HeadKind {
    /// Names and shapes of what is trained; linear weights are `[d_out, d_in]`.
    pub fn parameter_shapes(self, d_model: usize, n_classes: usize) -> Vec<(&'static str, Vec<usize>)> {
        let names: &[&'static str] = match self {
            Self::Linear => &["classifier.weight", "classifier.bias"],
            Self::Score => &["score.weight"],
            Self::Span => &["qa_outputs.weight", "qa_outputs.bias"],
            Self::ClassificationHead => &[
                "classification_head.dense.weight",
                "classification_head.dense.bias",
                "classification_head.out_proj.weight",
                "classification_head.out_proj.bias",
            ],
            Self::DenseTanh | Self::DenseGelu => &[
                "classifier.dense.weight",
                "classifier.dense.bias",
                "classifier.out_proj.weight",
                "classifier.out_proj.bias",
            ],
            Self::DenseRelu => {
                &["pre_classifier.weight", "pre_classifier.bias", "classifier.weight", "classifier.bias"]
            }
        };
        let shape = |at: usize| match (names.len() - at, at % 2) {
            (1, 0) | (2, 0) => vec![n_classes, d_model],
            (1, _) => vec![n_classes],
            (_, 0) => vec![d_model, d_model],
            _ => vec![d_model],
        };
        names.iter().enumerate().map(|(at, name)| (*name, shape(at))).collect()
    }
}

/// A head with its weights, as it is used for one batch.
#[derive(Clone, Debug)]
pub struct ClassHead {
    /// Layers of the head.
    pub kind: HeadKind,
    /// Classes.
    pub n_classes: usize,
    /// Flat, in the order of [`HeadKind::parameter_shapes`]; tracked or not.
    pub weights: Vec<Tensor<1>>,
    /// Where the classes of each of several datasets begin and end; empty where all rows have all classes.
    pub blocks: Vec<Range<usize>>,
}

/// The score of a class that a row cannot have: as a probability it is 0, and no gradient comes out of it.
const IMPOSSIBLE: f32 = -1e30;

impl ClassHead {
    /// The score of each class.
    ///
    /// # Shapes
    /// - `vectors`: `[n, d_model]`
    /// - returns `[n, n_classes]`
    pub fn logits(&self, vectors: Tensor<2>) -> Tensor<2> {
        let [_, d_model] = vectors.dims();
        let linear = |x: Tensor<2>, at: usize, d_out: usize| {
            let made = x.matmul(self.weights[at].clone().reshape([d_out, d_model]).transpose()); // [n, d_out]
            match self.weights.get(at + 1) {
                Some(bias) => made + bias.clone().reshape([1, d_out]),
                None => made,
            }
        };
        let n_classes = self.n_classes;
        match self.kind {
            HeadKind::Linear | HeadKind::Score | HeadKind::Span => linear(vectors, 0, n_classes),
            HeadKind::DenseTanh | HeadKind::ClassificationHead => {
                linear(activation::tanh(linear(vectors, 0, d_model)), 2, n_classes)
            }
            HeadKind::DenseGelu => linear(activation::gelu(linear(vectors, 0, d_model)), 2, n_classes),
            HeadKind::DenseRelu => linear(activation::relu(linear(vectors, 0, d_model)), 2, n_classes),
        }
    }

    /// The scores with those of other datasets' classes taken away: a label says which dataset a row is of.
    ///
    /// # Shapes
    /// - `logits`: `[n, n_classes]`, of n labels
    /// - returns the same
    pub fn own(&self, logits: Tensor<2>, labels: &[(usize, i32)], device: &Device) -> Tensor<2> {
        if self.blocks.is_empty() {
            return logits;
        }
        let of = |label: usize| self.blocks.iter().find(|block| block.contains(&label)).cloned().unwrap_or_default();
        let others = labels.iter().flat_map(|(_, label)| {
            let own = of(usize::try_from(*label).unwrap_or(usize::MAX));
            (0..self.n_classes).map(move |class| !own.contains(&class))
        });
        let others = TensorData::new(others.collect::<Vec<bool>>(), [labels.len(), self.n_classes]);
        logits.mask_fill(Tensor::<2, Bool>::from_data(others, device), IMPOSSIBLE)
    }
}
