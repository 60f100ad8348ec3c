//! Backwards, from the weights of Hugging Face's names to what llama.cpp makes of them: its tensors, the modules that low
//! ranks stand beside, and the order of the keys that it keeps of a text.

use std::collections::{BTreeMap, BTreeSet};

use super::families::{Family, Name, Order};
use super::names::{Orders, named};
use crate::error::{EngineError, Result};
use crate::models::ModelShape;
use crate::sentence;
use crate::weights::gguf::Change;

/// Families whose layers with a window have a cache of their own, beside that of the others.
const IN_TWO_CACHES: [&str; 2] = ["gemma2", "gemma3"];

/// A model as llama.cpp lays it out.
pub(crate) struct GgufLayout {
    family: &'static Family,
    orders: Orders,
    shape: ModelShape,
}

/// A tensor of a file, and the weights that it is made of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TensorPlan {
    /// Its name in the file.
    pub(crate) name: String,
    /// Rows first.
    pub(crate) shape: Vec<usize>,
    /// Weights of Hugging Face's names, and what made each of the tensor.
    pub(crate) parts: Vec<(String, Change)>,
}

/// Where the rows of a linear layer lie in a tensor of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowsOf {
    /// The tensor's name.
    pub(crate) tensor: String,
    /// Rows of the whole tensor.
    pub(crate) n_rows: usize,
    /// Of each row of the layer the row of the tensor.
    pub(crate) order: Vec<u32>,
}

impl GgufLayout {
    /// That of a model of Hugging Face's.
    ///
    /// # Errors
    /// [`EngineError::NoPlace`] where llama.cpp's names for its tensors are not known here.
    pub(crate) fn of(shape: &ModelShape) -> Result<Self> {
        let architecture = shape.architecture;
        let family = Family::of_model(architecture).ok_or_else(|| EngineError::NoPlace {
            program: "llama.cpp",
            reason: sentence!("how it keeps models of {architecture} is not known here", architecture),
        })?;
        let orders = Orders { n_heads: shape.n_heads, n_kv_heads: shape.n_kv_heads };
        Ok(Self { family, orders, shape: shape.clone() })
    }

    /// As `general.architecture` names it.
    pub(crate) fn architecture(&self) -> &'static str {
        self.family.name
    }

    /// The sizes.
    pub(super) fn shape(&self) -> &ModelShape {
        &self.shape
    }

    /// Whether keys and values of all layers are in one cache.
    pub(crate) fn has_one_cache(&self) -> bool {
        !IN_TWO_CACHES.contains(&self.family.name)
    }

    /// Of each number of all key heads the place at which the cache has it; `None` where that is its own.
    pub(crate) fn key_order(&self) -> Option<Vec<u32>> {
        let keys = self.family.block.iter().find(|Name(tensor, ..)| *tensor == "attn_k");
        let Name(.., order) = keys.filter(|Name(.., order)| *order == Order::Keys)?;
        match self.orders.change(*order, &[self.shape.n_kv_heads * self.shape.d_head])? {
            Change::Rows(rows) => Some(rows.to_vec()),
            _ => None,
        }
    }

    /// The tensors that a file has of weights with these names and shapes.
    ///
    /// # Errors
    /// A weight has no place in a file, or rows that are no whole number of heads.
    pub(crate) fn tensors(&self, weights: &BTreeMap<String, Vec<usize>>) -> Result<Vec<TensorPlan>> {
        let (mut plans, mut placed) = (Vec::new(), BTreeSet::new());
        let blocks = (0..self.shape.n_layers)
            .flat_map(|layer| self.family.block.iter().map(move |Name(module, ..)| format!("blk.{layer}.{module}")));
        let outer = self.family.outer.iter().map(|Name(module, ..)| (*module).to_owned());
        for module in outer.chain(blocks) {
            for end in ["weight", "bias"] {
                let name = format!("{module}.{end}");
                let parts = named(&name, self.family);
                let is_there = |(weight, _): &(String, Order)| weights.contains_key(weight) && !placed.contains(weight);
                if parts.iter().all(is_there) && !parts.is_empty() {
                    placed.extend(parts.iter().map(|(weight, _)| weight.clone()));
                    plans.push(self.plan(name, &parts, weights)?);
                }
            }
        }
        match weights.keys().find(|weight| !placed.contains(*weight)) {
            None => Ok(plans),
            Some(weight) => Err(EngineError::NoPlace {
                program: "llama.cpp",
                reason: sentence!("{weight} has no name in its files", weight = weight.clone()),
            }),
        }
    }

    fn plan(
        &self,
        name: String,
        parts: &[(String, Order)],
        weights: &BTreeMap<String, Vec<usize>>,
    ) -> Result<TensorPlan> {
        let shapes: Vec<&[usize]> =
            parts.iter().filter_map(|(weight, _)| weights.get(weight)).map(Vec::as_slice).collect();
        let n_rows: usize = shapes.iter().filter_map(|shape| shape.first()).sum();
        let shape = match (parts, shapes.as_slice()) {
            ([(_, Order::Transposed)], [[rows, columns]]) => vec![*columns, *rows],
            (_, [first, ..]) => [&[n_rows], first.get(1..).unwrap_or_default()].concat(),
            _ => Vec::new(),
        };
        let changes = parts.iter().map(|(weight, order)| Some((weight.clone(), self.orders.change(*order, &shape)?)));
        match changes.collect::<Option<Vec<_>>>() {
            Some(parts) => Ok(TensorPlan { name, shape, parts }),
            None => Err(EngineError::NoPlace {
                program: "llama.cpp",
                reason: sentence!("{name} of shape {shape} does not fit its heads", name, shape),
            }),
        }
    }

    /// The plan of a tensor that a file has already; `None` for one that is no weight.
    pub(crate) fn plan_of(&self, name: &str, shape: &[usize]) -> Option<TensorPlan> {
        let parts = named(name, self.family).into_iter();
        let parts = parts.map(|(weight, order)| Some((weight, self.orders.change(order, shape)?)));
        let parts: Vec<(String, Change)> = parts.collect::<Option<_>>()?;
        (!parts.is_empty()).then(|| TensorPlan { name: name.to_owned(), shape: shape.to_vec(), parts })
    }

    /// Where the rows of a linear layer lie, which makes so many numbers, in a file that has the tensors that are `there`;
    /// `None` where none of them has the rows.
    pub(crate) fn rows_of(&self, module: &str, d_out: usize, there: impl Fn(&str) -> bool) -> Option<RowsOf> {
        let in_block = module.strip_prefix(self.family.layers).and_then(|rest| rest.strip_prefix('.')?.split_once('.'));
        let (names, before, known) = match in_block {
            Some((layer, rest)) => (self.family.block, format!("blk.{layer}."), rest),
            None => (self.family.outer, String::new(), module),
        };
        // Queries, keys and values stand apart in some files and in one tensor in others.
        let mut places = names.iter().filter(|Name(_, own, _)| *own == known);
        let (tensor, order) = places.find_map(|Name(stored, _, order)| {
            Some((format!("{before}{stored}.weight"), order)).filter(|(tensor, _)| there(tensor))
        })?;
        let n_rows = match order {
            Order::Part(_) => (self.shape.n_heads + 2 * self.shape.n_kv_heads) * self.shape.d_head,
            _ => d_out,
        };
        let order = match self.orders.change(*order, &[n_rows])? {
            Change::Rows(order) => order.to_vec(),
            _ => (0..u32::try_from(n_rows).ok()?).collect(),
        };
        (order.len() == d_out).then_some(RowsOf { tensor, n_rows, order })
    }
}

impl TensorPlan {
    /// The tensor's numbers, made of those of its weights.
    ///
    /// # Errors
    /// A weight cannot be had, or has another number of numbers.
    pub(crate) fn values(&self, mut weight: impl FnMut(&str) -> Result<Vec<f32>>) -> Result<Vec<f32>> {
        let columns: usize = self.shape.get(1..).unwrap_or_default().iter().product();
        let mut made = vec![0.0; self.shape.iter().product()];
        let mut n = 0;
        for (name, change) in &self.parts {
            let values = weight(name)?;
            n += values.len();
            match change {
                Change::Nothing | Change::LessOne => {
                    let more = if *change == Change::LessOne { 1.0 } else { 0.0 };
                    made.iter_mut().zip(&values).for_each(|(made, value)| *made = value + more);
                }
                Change::Rows(order) => {
                    for (row, values) in order.iter().zip(values.chunks_exact(columns.max(1))) {
                        let to = made.get_mut(*row as usize * columns..).unwrap_or_default();
                        to.iter_mut().zip(values).for_each(|(made, value)| *made = *value);
                    }
                }
                Change::Transposed => {
                    let rows = self.shape.first().copied().unwrap_or(1).max(1);
                    for (column, values) in values.chunks_exact(rows).enumerate() {
                        for (row, value) in values.iter().enumerate() {
                            made[row * columns + column] = *value;
                        }
                    }
                }
            }
        }
        match n == made.len() {
            true => Ok(made),
            false => {
                let (expected, found) = (self.shape.clone(), vec![n]);
                Err(EngineError::WeightShape { name: self.name.clone(), expected, found })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(architecture: &'static str) -> ModelShape {
        ModelShape {
            architecture,
            n_layers: 2,
            d_model: 16,
            n_heads: 4,
            n_kv_heads: 2,
            d_head: 4,
            d_ff: 24,
            vocab_size: 10,
            n_positions: 64,
        }
    }

    #[test]
    fn every_family_is_of_a_model() {
        for model in ["llama", "mistral", "qwen2", "gemma3_text", "phi", "gpt2", "gpt_neox", "bloom", "chatglm", "glm"]
        {
            assert!(GgufLayout::of(&shape(model)).is_ok(), "{model}");
        }
        let said = GgufLayout::of(&shape("t5")).map(|_| ()).unwrap_err().to_string();
        assert!(said.contains("llama.cpp") && said.contains("t5"), "{said}");
    }

    #[test]
    fn keys_are_turned_about_where_the_converter_does_so() {
        let order = GgufLayout::of(&shape("llama")).unwrap().key_order();
        assert_eq!(order, Some(vec![0, 2, 1, 3, 4, 6, 5, 7]));
        for model in ["qwen2", "gpt2", "gpt_neox", "phi"] {
            assert_eq!(GgufLayout::of(&shape(model)).unwrap().key_order(), None, "{model}");
        }
        assert!(!GgufLayout::of(&shape("gemma2")).unwrap().has_one_cache());
    }

    #[test]
    fn queries_keys_and_values_stand_apart_or_in_the_one_tensor_of_a_file() {
        let layout = GgufLayout::of(&shape("phi")).unwrap();
        let weights = |name: &str| format!("model.layers.1.self_attn.{name}_proj.weight");
        let sizes =
            BTreeMap::from([(weights("q"), vec![16, 1]), (weights("k"), vec![8, 1]), (weights("v"), vec![8, 1])]);
        let apart = layout.tensors(&sizes).unwrap();
        assert_eq!(
            apart.iter().map(|plan| plan.name.as_str()).collect::<Vec<_>>(),
            ["blk.1.attn_q.weight", "blk.1.attn_k.weight", "blk.1.attn_v.weight"]
        );
        let one = layout.plan_of("blk.1.attn_qkv.weight", &[32, 1]).unwrap();
        let numbers = |name: &str| {
            let first = [("q", 0), ("k", 16), ("v", 24)].into_iter().find(|(part, _)| name == weights(part)).unwrap().1;
            Ok((first..first + sizes[name][0]).map(|x| x as f32).collect())
        };
        assert_eq!(one.values(numbers).unwrap(), (0..32).map(|x| x as f32).collect::<Vec<f32>>());
        assert!(one.values(|_| Ok(vec![0.0])).is_err());
        let keys = "model.layers.1.self_attn.k_proj";
        let rows = layout.rows_of(keys, 8, |name| name == one.name).unwrap();
        assert_eq!((rows.tensor.as_str(), rows.n_rows), ("blk.1.attn_qkv.weight", 32));
        assert_eq!(rows.order, (16..24).collect::<Vec<u32>>());
        let rows = layout.rows_of(keys, 8, |_| true).unwrap();
        assert_eq!((rows.tensor.as_str(), rows.order.len()), ("blk.1.attn_k.weight", 8));
        assert_eq!(layout.rows_of(keys, 8, |_| false), None);
        assert_eq!(layout.rows_of("model.layers.1.self_attn.k_norm", 8, |_| true), None);
    }

    #[test]
    fn rows_columns_and_norms_are_changed_and_changed_back() {
        let one = |model: &'static str, weight: &str, shape_of: Vec<usize>, values: &[f32]| {
            let layout = GgufLayout::of(&shape(model)).unwrap();
            let plans = layout.tensors(&BTreeMap::from([(weight.to_owned(), shape_of)])).unwrap();
            plans[0].values(|_| Ok(values.to_vec())).unwrap()
        };
        let eight: Vec<f32> = (0..8).map(|x| x as f32).collect();
        let keys = one("llama", "model.layers.0.self_attn.k_proj.weight", vec![8, 1], &eight);
        assert_eq!(keys, [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]);
        let fused = one("gpt2", "transformer.h.0.mlp.c_fc.weight", vec![2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(fused, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        assert_eq!(one("gemma", "model.norm.weight", vec![2], &[0.5, -1.0]), [1.5, 0.0]);
        let layout = GgufLayout::of(&shape("llama")).unwrap();
        let strange = layout.tensors(&BTreeMap::from([("model.layers.0.adapter.weight".to_owned(), vec![1])]));
        assert!(strange.unwrap_err().to_string().contains("model.layers.0.adapter.weight"));
    }
}
