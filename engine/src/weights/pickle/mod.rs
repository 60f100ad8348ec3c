//! A pickle as a description: the tensors that `torch.save` wrote down, read without running anything.
//!
//! A pickle is a program for a small machine that may call any function by its name. The machine here has a list of
//! what a state dictionary needs, builds a description where the original would call, and refuses every other name. The
//! settings and callbacks that pytorch-lightning keeps beside a state dictionary become empty dictionaries.
//! The content is kept flat and by index, so that a file cannot nest or multiply what it says.
//! Opcodes as in python/cpython: Lib/pickle.py; what tensors are made of as in pytorch/pytorch: torch/_utils.py.

mod machine;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;

use safetensors::Dtype;

use self::machine::Machine;
use self::value::{Node, Value};
use crate::{Sentence, sentence};

/// Why a pickle is not read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PickleError {
    /// It is cut short or contradicts itself.
    Damaged(Sentence),
    /// It calls what no tensor needs, by its full name.
    Forbidden(String),
}

type Result<T> = std::result::Result<T, PickleError>;

pub(super) fn damaged<T>(reason: Sentence) -> Result<T> {
    Err(PickleError::Damaged(reason))
}

/// Tensors, storages and texts that a pickle describes.
#[derive(Debug, Default)]
pub(super) struct Description<'a> {
    /// Tensors of the outermost dictionary by name, or of the `state_dict` in it; the last of a name counts. Other entries
    /// are left out.
    pub(super) tensors: BTreeMap<&'a str, TensorAt<'a>>,
    /// Every storage that is mentioned, by its key.
    pub(super) storages: BTreeMap<&'a str, Storage<'a>>,
    /// The outermost dictionary says that numbers begin with their largest byte: the older format.
    pub(super) is_big_endian: bool,
    /// Texts of the outermost list, if it is a list: the keys of the older format.
    pub(super) texts: Vec<&'a str>,
    /// Bytes of the pickle, the stop included.
    pub(super) length: usize,
}

/// Where a tensor lies in its storage; nothing about it is checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TensorAt<'a> {
    pub(super) storage: Storage<'a>,
    /// In numbers, as the strides.
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// Numbers in a row that tensors look into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Storage<'a> {
    pub(super) key: &'a str,
    pub(super) dtype: Dtype,
    pub(super) len: usize,
}

/// Reads one pickle from the beginning of the bytes.
///
/// # Errors
/// It is damaged, or asks for anything but tensors.
pub(super) fn describe(bytes: &[u8]) -> Result<Description<'_>> {
    let mut machine = Machine::new(bytes);
    while !machine.step()? {}
    let root = machine.pop()?;
    let mut found = Description { length: machine.at, ..Description::default() };
    match root {
        Value::Node(id) => match &machine.nodes[id] {
            Node::Dict(pairs) => machine.state_of(pairs).iter().for_each(|pair| match *pair {
                (Value::Text(name), Value::Tensor(id)) => {
                    found.tensors.insert(name, machine.tensors[id].clone());
                }
                (Value::Text("little_endian"), Value::Truth(false)) => found.is_big_endian = true,
                _ => {}
            }),
            Node::List(items) | Node::Tuple(items) => found.texts.extend(items.iter().filter_map(|item| match item {
                Value::Text(text) => Some(*text),
                _ => None,
            })),
        },
        // The older format begins with a few plain numbers.
        Value::Other | Value::Int(_) => {}
        _ => return damaged(sentence!("it does not hold a dictionary of tensors")),
    }
    found.storages = machine.storages;
    Ok(found)
}
