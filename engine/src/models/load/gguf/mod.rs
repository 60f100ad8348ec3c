//! A model in GGUF as one of Hugging Face's: what its metadata says as `config.json` would, and its tensors as weights of
//! Hugging Face's names and orders.
//!
//! ggml-org/llama.cpp: conversion/*.py and gguf-py/gguf/tensor_mapping.py, read backwards.

mod config;
mod facts;
mod families;
mod layout;
mod metadata;
mod names;
mod rope;

use std::collections::BTreeMap;

use serde_json::Value;

use self::facts::Facts;
use self::families::Family;
pub(crate) use self::layout::{GgufLayout, TensorPlan};
pub(crate) use self::metadata::metadata as gguf_metadata;
use crate::error::Result;
use crate::weights::gguf::{GgufFile, View};

/// The equivalent of `config.json`, and of each weight which tensor of the file it is.
///
/// # Errors
/// The architecture is one that is not known, the metadata lacks a size, or something in it is not computed.
pub(crate) fn translate(file: &GgufFile) -> Result<(Value, BTreeMap<String, View>)> {
    let facts = Facts::of(file)?;
    let family = Family::of(&facts)?;
    let mut config = (family.config)(&facts)?;
    let views = names::views(&facts, family, &config)?;
    // What nobody asked for is told as an option that nobody looks at.
    if let Value::Object(config) = &mut config {
        config.extend(facts.unread());
    }
    Ok((config, views))
}

#[cfg(test)]
mod tests;
