//! A model folder on a device: the model as it is, and with what an adapter changes of its weights.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;

use burn::tensor::Device;

use crate::error::Result;
use crate::models::{
    GraphCut, LinearName, Loading, Model, ModelFolder, WeightCache, WeightName, WeightOverrides, Weights,
};
use crate::nn::{MatrixNumbers, Precision, floats};

/// A loaded model that others can be built of. They share every tensor that an adapter leaves as it is.
pub struct BaseModel {
    model: Model,
    folder: Arc<ModelFolder>,
    shared: WeightCache,
    device: Device,
    numbers: MatrixNumbers,
}

impl BaseModel {
    /// Brings the weights of a folder onto the device; `progress` hears the share done. Whether the device has the
    /// precision is asked before ([`crate::device::check_precision`]).
    ///
    /// # Errors
    /// A weight that is missing, has another shape, is not finite, or is beyond the precision's range.
    pub fn load(
        folder: Arc<ModelFolder>,
        (device, numbers): (&Device, impl Into<MatrixNumbers>),
        progress: &mut Loading<'_>,
    ) -> Result<Self> {
        let shared = WeightCache::default();
        let tuned = WeightOverrides::default();
        let files = folder.files();
        let numbers = numbers.into();
        let MatrixNumbers { precision, quantization } = numbers;
        let weights = Weights { files, device, precision, quantization, shared: &shared, tuned: &tuned, seams: None };
        let model = folder.build(weights, progress)?;
        Ok(Self { model, shared, device: device.clone(), numbers, folder })
    }

    /// The model with changed weights; `None` where nothing is changed.
    ///
    /// # Errors
    /// A changed weight does not fit.
    pub fn with_overrides(&self, tuned: &WeightOverrides) -> Result<Option<Model>> {
        self.build(tuned, None)
    }

    /// The same model with its changed weights cut out of the graph they belong to.
    ///
    /// # Errors
    /// A changed weight does not fit.
    pub fn with_detached_overrides(&self, tuned: &WeightOverrides, seams: &GraphCut) -> Result<Option<Model>> {
        self.build(tuned, Some(seams))
    }

    fn build(&self, tuned: &WeightOverrides, seams: Option<&GraphCut>) -> Result<Option<Model>> {
        if tuned.is_empty() {
            return Ok(None);
        }
        let (files, device) = (self.folder.files(), &self.device);
        let MatrixNumbers { precision, quantization } = self.numbers;
        let weights = Weights { files, device, precision, quantization, shared: &self.shared, tuned, seams };
        self.folder.build(weights, &mut |_| Ok(())).map(Some)
    }

    /// Whether weights are nearly all that there are, so that others in their place leave nothing to compute with them.
    pub fn is_nearly(&self, weights: &BTreeSet<String>) -> bool {
        let numbers = |weight: &WeightName| weight.shape.iter().product::<usize>();
        let every = self.weights();
        let all: usize = every.iter().map(numbers).sum();
        let named: usize = every.iter().filter(|weight| weights.contains(&weight.name)).map(numbers).sum();
        self.numbers == MatrixNumbers::from(Precision::F32) && !weights.is_empty() && named >= all - all / 10
    }

    /// Gives up the numbers of weights in whose place others are trained, where those [are nearly all](Self::is_nearly): from
    /// then on a model is only what [`with_overrides`](Self::with_overrides) builds.
    ///
    /// # Errors
    /// A weight that nothing stands in place of cannot be read again.
    pub fn release(&mut self, trained: BTreeSet<String>) -> Result<()> {
        if !self.is_nearly(&trained) {
            return Ok(());
        }
        self.shared.forget();
        if let Some(shapes) = self.with_overrides(&WeightOverrides { absent: trained, ..WeightOverrides::default() })? {
            self.model = shapes;
        }
        Ok(())
    }

    /// Every weight.
    pub fn weights(&self) -> Vec<WeightName> {
        self.shared.weights()
    }

    /// Every linear layer.
    pub fn linears(&self) -> Vec<LinearName> {
        self.shared.linears()
    }

    /// The numbers of a weight, as the files have them, or as they were drawn where the files lack them.
    ///
    /// # Errors
    /// Neither is so, or the device failed.
    pub fn values(&self, weight: &WeightName) -> Result<Vec<f32>> {
        if !self.folder.files().contains(&weight.stored) {
            if let Some(matrix) = self.shared.kept_matrix(weight).or_else(|| self.shared.kept::<2>(weight)) {
                return floats(matrix);
            }
            if let Some(vector) = self.shared.kept::<1>(weight) {
                return floats(vector);
            }
        }
        self.folder.files().values(&weight.stored, &weight.shape)
    }

    /// A matrix as it lies on the device.
    #[cfg(test)]
    pub(crate) fn kept_matrix(&self, name: &str) -> Option<burn::tensor::Tensor<2>> {
        self.shared
            .weights()
            .iter()
            .find(|weight| weight.name == name)
            .and_then(|weight| self.shared.kept_matrix(weight).or_else(|| self.shared.kept(weight)))
    }

    /// Tokens, and the width of their embeddings.
    pub fn embedding_dims(&self) -> [usize; 2] {
        self.embeddings().dims()
    }

    /// The folder it was read from.
    pub fn folder(&self) -> &ModelFolder {
        &self.folder
    }
}

impl Deref for BaseModel {
    type Target = Model;

    fn deref(&self) -> &Model {
        &self.model
    }
}
