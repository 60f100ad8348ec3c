//! From the tensors of a file to the weights of Hugging Face's names, with the order in which their rows are read.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::facts::Facts;
use super::families::{Family, Name, Order};
use super::rope;
use crate::error::Result;
use crate::sentence;
use crate::weights::gguf::{Change, View};

/// The weights of a model, and the tensor of each. A tensor that no family names keeps its own name, so that it is told. The
/// factors of rotary positions are none: where positions turn, they are in the configuration.
///
/// # Errors
/// Heads and rows contradict each other.
pub(super) fn views(facts: &Facts<'_>, family: &Family, config: &Value) -> Result<BTreeMap<String, View>> {
    let orders = Orders::of(config);
    let mut views = BTreeMap::new();
    let is_told = |tensor: &str| rope::is_table(tensor) && config.get("rope_theta").is_some();
    for (tensor, shape) in facts.file.shapes().filter(|(tensor, _)| !is_told(tensor)) {
        let mut found = Vec::new();
        for (weight, order) in named(tensor, family) {
            let change = orders.change(order, shape).ok_or_else(|| {
                facts.file.malformed(sentence!("{tensor} of shape {shape} does not fit its heads", tensor, shape))
            })?;
            found.push((weight, change));
        }
        if found.is_empty() {
            found.push((tensor.to_owned(), Change::Nothing));
        }
        for (weight, change) in found {
            let view = View { tensor: tensor.to_owned(), change };
            if let Some(other) = views.insert(weight, view) {
                return Err(facts.file.malformed(sentence!(
                    "{other} and {tensor} are the same weight",
                    other = other.tensor,
                    tensor
                )));
            }
        }
    }
    Ok(views)
}

/// The weights that a tensor becomes; none for one that nothing is said of.
pub(super) fn named(tensor: &str, family: &Family) -> Vec<(String, Order)> {
    let Some((module, end)) = tensor.rsplit_once('.').filter(|(_, end)| ["weight", "bias"].contains(end)) else {
        return Vec::new();
    };
    let in_block = module.strip_prefix("blk.").and_then(|rest| rest.split_once('.'));
    let (names, before, module) = match in_block {
        // As a number is written: 7, not 07.
        Some((layer, module)) if layer.parse::<u32>().is_ok_and(|number| number.to_string() == layer) => {
            (family.block, format!("{}.{layer}.", family.layers), module)
        }
        Some(_) => return Vec::new(),
        None => (family.outer, String::new(), module),
    };
    let same = names.iter().filter(|Name(stored, ..)| *stored == module);
    same.map(|Name(_, known, order)| (format!("{before}{known}.{end}"), *order)).collect()
}

/// The sizes that decide on orders, as the configuration has them.
pub(super) struct Orders {
    pub(super) n_heads: usize,
    pub(super) n_kv_heads: usize,
}

impl Orders {
    fn of(config: &Value) -> Self {
        let size = |names: &[&str]| {
            let found = names.iter().find_map(|name| config.get(name)?.as_u64());
            found.and_then(|size| usize::try_from(size).ok()).unwrap_or_default()
        };
        let n_heads = size(&["num_attention_heads", "n_head"]);
        // Without a word on key heads there are as many.
        let n_kv_heads = size(&["num_key_value_heads"]);
        Self { n_heads, n_kv_heads: if n_kv_heads == 0 { n_heads } else { n_kv_heads } }
    }

    /// What makes the weight of a tensor; `None` where the rows are no whole number of heads.
    pub(super) fn change(&self, order: Order, shape: &[usize]) -> Option<Change> {
        let n_rows = *shape.first()?;
        let rows = |rows: Option<Vec<u32>>| rows.map(|rows| Change::Rows(Arc::from(rows)));
        match order {
            Order::Same => Some(Change::Nothing),
            Order::Queries => rows(halves(n_rows, self.n_heads)),
            Order::Keys => rows(halves(n_rows, self.n_kv_heads)),
            Order::ByHead => rows(by_head(n_rows, self.n_heads)),
            Order::Part(part) => rows(self.part(part, n_rows)),
            Order::Transposed => Some(if shape.len() == 2 { Change::Transposed } else { Change::Nothing }),
            Order::LessOne => Some(Change::LessOne),
        }
    }

    /// Queries, keys or values of a matrix that has them one after the other.
    fn part(&self, part: usize, n_rows: usize) -> Option<Vec<u32>> {
        let heads = [self.n_heads, self.n_kv_heads, self.n_kv_heads];
        let d_head = divided(n_rows, heads.iter().sum())?;
        let first = heads.iter().take(part).sum::<usize>() * d_head;
        (first..first + heads.get(part)? * d_head).map(|row| u32::try_from(row).ok()).collect()
    }
}

/// The rows of heads in which the numbers that turn together stand side by side, in the order of which the one half of a
/// head follows the other.
fn halves(n_rows: usize, n_heads: usize) -> Option<Vec<u32>> {
    let half = divided(divided(n_rows, n_heads)?, 2)?;
    let source = |row: usize| {
        let (head, within) = (row / (2 * half), row % (2 * half));
        head * 2 * half + 2 * (within % half) + within / half
    };
    (0..n_rows).map(|row| u32::try_from(source(row)).ok()).collect()
}

/// The rows of all queries, all keys and all values, in the order of which those of one head stand together.
fn by_head(n_rows: usize, n_heads: usize) -> Option<Vec<u32>> {
    let d_head = divided(divided(n_rows, 3)?, n_heads)?;
    let source = |row: usize| {
        let (head, part, within) = (row / (3 * d_head), row / d_head % 3, row % d_head);
        (part * n_heads + head) * d_head + within
    };
    (0..n_rows).map(|row| u32::try_from(source(row)).ok()).collect()
}

/// The quotient, where it is whole and not 0.
fn divided(n: usize, by: usize) -> Option<usize> {
    (by > 0 && n > 0 && n.is_multiple_of(by)).then(|| n / by)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_a_head_follow_each_other_again() {
        // Two heads of four: 0 and 2 turn together, which the file has as 0 and 1.
        assert_eq!(halves(8, 2), Some(vec![0, 2, 1, 3, 4, 6, 5, 7]));
        assert_eq!((halves(6, 2), halves(8, 0), halves(0, 1)), (None, None, None));
    }

    #[test]
    fn queries_keys_and_values_of_a_head_stand_together_again() {
        assert_eq!(by_head(6, 2), Some(vec![0, 2, 4, 1, 3, 5]));
        assert_eq!(by_head(12, 2), Some(vec![0, 1, 4, 5, 8, 9, 2, 3, 6, 7, 10, 11]));
        assert_eq!(by_head(8, 2), None);
    }

    #[test]
    fn a_fused_matrix_is_taken_apart() {
        let orders = Orders { n_heads: 4, n_kv_heads: 2 };
        assert_eq!(orders.part(1, 16), Some(vec![8, 9, 10, 11]));
        assert_eq!(orders.part(2, 16), Some(vec![12, 13, 14, 15]));
        assert_eq!(orders.part(0, 15), None);
    }
}
