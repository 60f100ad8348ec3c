//! How much of an adapter acts: the same in every layer, or in each layer its own.

use crate::error::{EngineError, Result};
use crate::sentence;

/// 0 is the base model, 1 the adapter as it was trained.
#[derive(Clone, Debug, PartialEq)]
pub enum Strength {
    /// The same in every layer.
    Whole(f64),
    /// Of each layer, the first one first; not all are equal.
    ByLayer(Vec<f64>),
}

impl From<f64> for Strength {
    fn from(strength: f64) -> Self {
        Self::Whole(strength)
    }
}

impl Strength {
    /// Strengths of layers, or one of all where there are none. Equal ones are one, so that they compute the same.
    pub fn new(whole: f64, by_layer: &[f64]) -> Self {
        match by_layer {
            [] => Self::Whole(whole),
            [first, others @ ..] if others.iter().all(|other| other == first) => Self::Whole(*first),
            layers => Self::ByLayer(layers.to_vec()),
        }
    }

    /// Whether nothing of the adapter is there.
    pub fn is_none(&self) -> bool {
        *self == Self::Whole(0.0)
    }

    /// Whether the adapter is whole or not there, in each layer.
    pub fn is_there_or_not(&self) -> bool {
        self.each().iter().all(|strength| *strength == 0.0 || *strength == 1.0)
    }

    /// Whether each can be computed.
    ///
    /// # Errors
    /// [`EngineError::Setting`] for one that is not between 0 and 2.
    pub fn check(&self) -> Result<()> {
        if self.each().iter().all(|strength| (0.0..=2.0).contains(strength)) {
            return Ok(());
        }
        let reason = sentence!("must be between 0 and 2");
        Err(EngineError::Setting { field: "strength", reason })
    }

    /// Whether it is of a model with so many layers.
    ///
    /// # Errors
    /// [`EngineError::Setting`] with both numbers.
    pub fn check_layers(&self, n_layers: usize) -> Result<()> {
        match self {
            Self::ByLayer(layers) if layers.len() != n_layers => {
                let reason =
                    sentence!("there are {n} of them, the model has {n_layers} layers", n = layers.len(), n_layers);
                Err(EngineError::Setting { field: "strength", reason })
            }
            _ => Ok(()),
        }
    }

    /// In a layer, counted from 0; what lies behind the last of them has its strength.
    pub fn at(&self, layer: usize) -> f64 {
        match self {
            Self::Whole(strength) => *strength,
            Self::ByLayer(layers) => layers.get(layer).or(layers.last()).copied().unwrap_or(1.0),
        }
    }

    /// Of a module, by the number of a layer in its name; what stands outside of the layers, as embeddings and heads, has that of
    /// the strongest.
    pub fn of_module(&self, name: &str) -> f64 {
        match name.split('.').find_map(|part| part.parse().ok()) {
            Some(layer) => self.at(layer),
            None => self.each().iter().copied().fold(0.0, f64::max),
        }
    }

    /// The layers that see an adapter's slots, of those that can: where it has no strength they are left out.
    pub(crate) fn acting(&self, n_layers: usize, able: Option<Vec<usize>>) -> Option<Vec<usize>> {
        match self {
            Self::ByLayer(layers) if layers.contains(&0.0) => {
                let able = able.unwrap_or_else(|| (0..n_layers).collect());
                Some(able.into_iter().filter(|&layer| self.at(layer) != 0.0).collect())
            }
            _ => able,
        }
    }

    fn each(&self) -> &[f64] {
        match self {
            Self::Whole(strength) => std::slice::from_ref(strength),
            Self::ByLayer(layers) => layers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_strengths_are_one_and_none_leaves_the_whole_one() {
        assert_eq!(Strength::new(0.5, &[]), Strength::Whole(0.5));
        assert_eq!(Strength::new(1.0, &[0.3; 4]), Strength::Whole(0.3));
        assert!(Strength::new(1.0, &[0.0; 4]).is_none());
        assert!(!Strength::new(0.0, &[0.0, 0.1]).is_none());
    }

    #[test]
    fn a_module_has_the_strength_of_its_layer_and_one_outside_that_of_the_strongest() {
        let strength = Strength::new(1.0, &[0.5, 0.0, 1.5]);
        assert_eq!(strength.of_module("transformer.h.1.attn.c_attn"), 0.0);
        assert_eq!(strength.of_module("encoder.block.0.layer.2.DenseReluDense.wi"), 0.5);
        assert_eq!(strength.of_module("model.layers.2.mlp.experts.1.up_proj"), 1.5);
        assert_eq!(strength.of_module("lm_head"), 1.5);
        assert_eq!(Strength::Whole(0.7).of_module("lm_head"), 0.7);
    }

    #[test]
    fn slots_are_seen_where_there_is_strength_and_where_they_were_before() {
        let strength = Strength::new(1.0, &[0.5, 0.0, 1.0]);
        assert_eq!(strength.acting(3, None), Some(vec![0, 2]));
        assert_eq!(strength.acting(3, Some(vec![1, 2])), Some(vec![2]));
        assert_eq!(Strength::new(1.0, &[0.5, 1.0]).acting(2, None), None);
    }

    #[test]
    fn what_is_out_of_range_or_of_another_model_is_refused_with_the_numbers() {
        assert!(Strength::new(1.0, &[0.0, 2.1]).check().is_err() && Strength::Whole(f64::NAN).check().is_err());
        assert!(Strength::new(1.0, &[0.0, 2.0]).check().is_ok());
        let refused = Strength::new(1.0, &[0.0, 2.0]).check_layers(12).unwrap_err().to_string();
        assert!(refused.contains('2') && refused.contains("12"), "{refused}");
        assert!(Strength::Whole(0.5).check_layers(12).is_ok());
    }
}
