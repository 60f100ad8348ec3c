//! Learning rates of what is trained beside a method: the shape of one schedule, under peaks of their own, as the groups of
//! a torch optimizer under one `LambdaLR`.

use crate::adapters::{AdapterSpec, PartSpec, Spec};
use crate::config::{MethodConfig, RunConfig};

/// The factor of the rate of each trained parameter, in the parameters' order; empty where all learn at one rate.
pub(crate) fn rate_factors(config: &RunConfig, spec: &AdapterSpec) -> Vec<f64> {
    let factor = |part: &PartSpec| peak(config, part).map_or(1.0, |peak| peak / config.training.learning_rate);
    if spec.parts.iter().all(|part| factor(part) == 1.0) {
        return Vec::new();
    }
    let of = |part: &PartSpec| std::iter::repeat_n(factor(part), part.parameter_shapes().len());
    spec.parts.iter().flat_map(of).collect()
}

/// The peak rate of a part, where it has one of its own.
fn peak(config: &RunConfig, part: &PartSpec) -> Option<f64> {
    let is_beside = matches!(config.method, MethodConfig::Prefix(_) | MethodConfig::Prompt(_));
    let lora = config.lora.as_ref().and_then(|lora| lora.learning_rate);
    match part {
        PartSpec::Head(_) => config.training.head_learning_rate,
        PartSpec::Lora(_) if is_beside => lora,
        PartSpec::Weights(_) if is_beside => match &config.weights {
            Some(weights) => weights.learning_rate,
            // Biases and modules that are trained with the matrices.
            None => lora,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::methods::full::WeightsSpec;
    use crate::adapters::{PrefixShape, PrefixSpec};
    use crate::config::{DataConfig, PrefixConfig, Site, TaskRecord, TrainingConfig, WeightsConfig};
    use crate::models::WeightName;

    #[test]
    fn weights_beside_a_prefix_learn_at_their_own_peak() {
        let shape = PrefixShape { n_virtual: 2, n_layers: 1, n_kv_heads: 1, d_head: 2 };
        let prefix = PrefixSpec { site: Site::Decoder, shape, config: PrefixConfig::default() };
        let weight = |name: &str| WeightName { name: name.to_owned(), stored: name.to_owned(), shape: vec![2] };
        let weights = WeightsSpec::from(vec![weight("a"), weight("b")]);
        let parts = vec![PartSpec::Prefix(prefix), PartSpec::Weights(weights)];
        let spec = AdapterSpec { parts, task: TaskRecord::default() };
        let mut config = RunConfig::new("m", DataConfig::new("t"));
        config.training = TrainingConfig { learning_rate: 1e-2, ..TrainingConfig::default() };
        assert!(rate_factors(&config, &spec).is_empty(), "one rate for all");
        config.weights = Some(WeightsConfig { learning_rate: Some(1e-4), ..WeightsConfig::default() });
        assert_eq!(rate_factors(&config, &spec), [1.0, 1e-2, 1e-2]);
    }
}
