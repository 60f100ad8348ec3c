//! An adapter as a folder holds it: a causal model's prefix in PEFT's form, or one prefix for each site of a
//! sequence-to-sequence model in a form of ours, because PEFT has room for one site and shares its pairs among layers.
//!
//! Ours has `peft_type` `PREFIX_BY_SITE`, which PEFT refuses, the sizes of each site under `sites`, and a tensor
//! `<site>.prompt_embeddings` for each, laid out as PEFT's, each layer with the pair of its own number.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::adapters::peft::{FoldedPrefix, embeddings, read_config};
use crate::adapters::prefix::{PrefixShape, peft_pairs};
use crate::config::PrefixConfig;
use crate::error::{EngineError, Result};
use crate::models::{Conditioning, Model, ModelShape, Site};
use crate::nn::LayerKv;
use crate::weights::{read_floats, write_floats, write_json};

const BY_SITE: &str = "PREFIX_BY_SITE";

/// What kind of model an adapter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdapterTask {
    /// One text.
    Causal,
    /// A source and a target.
    Seq2Seq,
}

impl AdapterTask {
    /// Of the adapters of this model.
    pub fn of(model: &Model) -> Self {
        match model {
            Model::Causal(_) => Self::Causal,
            Model::Seq2Seq(_) => Self::Seq2Seq,
        }
    }
}

/// A folded prefix for each site that has one.
#[derive(Clone, Debug)]
pub struct FoldedAdapter {
    /// For which kind of model.
    pub task: AdapterTask,
    /// At least one, in the order of [`Site::ALL`]; each layer has the pair of its own number.
    pub prefixes: Vec<(Site, FoldedPrefix)>,
}

/// `adapter_config.json` of our own form.
#[derive(Serialize, Deserialize)]
struct BySiteConfig {
    base_model_name_or_path: Option<String>,
    num_virtual_tokens: usize,
    peft_type: String,
    prefix_projection: bool,
    sites: BTreeMap<Site, SiteConfig>,
    task_type: String,
}

#[derive(Serialize, Deserialize)]
struct SiteConfig {
    head_dim: usize,
    num_attention_heads: usize,
    num_layers: usize,
}

impl FoldedAdapter {
    /// A causal model's.
    pub fn causal(prefix: FoldedPrefix) -> Self {
        Self { task: AdapterTask::Causal, prefixes: vec![(Site::Decoder, prefix)] }
    }

    /// Reads an adapter folder of PEFT's form or of ours. `like` is the decoder of the model it is for; it says what the
    /// files do not.
    ///
    /// # Errors
    /// A file is missing or damaged, or the adapter is not a prefix.
    pub fn read(folder: &Path, like: Option<&ModelShape>) -> Result<Self> {
        let path = folder.join("adapter_config.json");
        let json = read_config(&path)?;
        if json.get("peft_type").and_then(serde_json::Value::as_str) == Some(BY_SITE) {
            let malformed = |reason: String| EngineError::Malformed { what: "the adapter", path: path.clone(), reason };
            return read_by_site(folder, serde_json::from_value(json).map_err(|e| malformed(e.to_string()))?);
        }
        let (stored, n_submodules) = FoldedPrefix::read_stored(folder, like)?;
        match n_submodules {
            1 => Ok(Self::causal(stored)),
            2 => {
                let n_layers = like.map_or(stored.shape.n_layers, |model| model.n_layers);
                if n_layers > stored.shape.n_layers {
                    let reason = format!("it has {} layers, the decoder {n_layers}", stored.shape.n_layers);
                    return Err(EngineError::AdapterMismatch { reason });
                }
                Ok(Self { task: AdapterTask::Seq2Seq, prefixes: vec![(Site::Decoder, spread(&stored, n_layers))] })
            }
            n => Err(EngineError::AdapterType(format!("PREFIX_TUNING of {n} submodules"))),
        }
    }

    /// Refuses a model of another kind or shape, with the numbers.
    ///
    /// # Errors
    /// [`EngineError::AdapterMismatch`].
    pub fn check_fits(&self, sites: &[(Site, ModelShape)]) -> Result<()> {
        let seq2seq = sites.len() > 1;
        if seq2seq != (self.task == AdapterTask::Seq2Seq) {
            let kind = |seq2seq| if seq2seq { "an encoder with a decoder" } else { "a causal model" };
            let reason = format!("it is for {}, this is {}", kind(!seq2seq), kind(seq2seq));
            return Err(EngineError::AdapterMismatch { reason });
        }
        for (site, prefix) in &self.prefixes {
            if let Some((_, shape)) = sites.iter().find(|(other, _)| other == site) {
                prefix.check_fits(shape)?;
            }
        }
        Ok(())
    }

    /// The most virtual tokens of a site.
    pub fn n_virtual(&self) -> usize {
        self.prefixes.iter().map(|(_, prefix)| prefix.shape.n_virtual).max().unwrap_or(0)
    }

    /// What the model is given.
    pub fn conditioning(&self, device: &Device) -> Conditioning {
        let mut conditioning = Conditioning::default();
        for (site, prefix) in &self.prefixes {
            *conditioning.place(*site) = Some(prefix.layers(device));
        }
        conditioning
    }

    /// Where it stands, in order.
    pub fn sites(&self) -> Vec<Site> {
        self.prefixes.iter().map(|(site, _)| *site).collect()
    }

    /// Keys and values of all layers of all sites, site after site.
    pub fn layers(&self, device: &Device) -> Vec<LayerKv> {
        self.prefixes.iter().flat_map(|(_, prefix)| prefix.layers(device)).collect()
    }

    /// The prefix of a site.
    pub fn at(&self, site: Site) -> Option<&FoldedPrefix> {
        self.prefixes.iter().find(|(other, _)| *other == site).map(|(_, prefix)| prefix)
    }

    /// Names the adapter: the first 12 hexadecimal digits of the SHA-256 of its numbers, and where there are several
    /// sites, of those of each.
    pub fn hash(&self) -> String {
        let hashes: Vec<String> = self.prefixes.iter().map(|(_, prefix)| prefix.hash()).collect();
        if let [alone] = hashes.as_slice() {
            return alone.clone();
        }
        let digest = Sha256::digest(hashes.concat().as_bytes());
        digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Keeps the base model's name.
    pub fn name_base(&mut self, name: &str) {
        for (_, prefix) in &mut self.prefixes {
            prefix.base_model = Some(name.to_owned());
        }
    }

    /// Writes the folder exactly: a causal model's in PEFT's form, any other in ours.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn write(&self, folder: &Path, config: Option<&PrefixConfig>) -> Result<()> {
        match (self.task, self.prefixes.as_slice()) {
            (AdapterTask::Causal, [(_, prefix)]) => prefix.write(folder, config),
            _ => self.write_by_site(folder, config),
        }
    }

    /// Writes the folder for PEFT, if PEFT has a place for every site; otherwise as [`FoldedAdapter::write`]. What does
    /// not come out exactly is said in a sentence.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn export(&self, folder: &Path) -> Result<Option<String>> {
        let (AdapterTask::Seq2Seq, [(Site::Decoder, prefix)]) = (self.task, self.prefixes.as_slice()) else {
            self.write(folder, None)?;
            let sentence = "PEFT has no place for a prefix of the encoder or of cross-attention: \
                            the folder is in the workbench's own form";
            return Ok((self.task == AdapterTask::Seq2Seq).then(|| sentence.to_owned()));
        };
        let (stored, exact) = gather(prefix);
        stored.write_for(folder, None, 2)?;
        let n_layers = prefix.shape.n_layers;
        let sentence = || {
            format!(
                "PEFT gives layers i and i + {} of this model one pair between them: each holds the mean of two that \
                 differ, and computes something else than here",
                n_layers / 2
            )
        };
        Ok((!exact).then(sentence))
    }

    fn write_by_site(&self, folder: &Path, config: Option<&PrefixConfig>) -> Result<()> {
        std::fs::create_dir_all(folder).map_err(EngineError::io("create", folder))?;
        let (mut sites, mut tensors) = (BTreeMap::new(), BTreeMap::new());
        for (site, prefix) in &self.prefixes {
            let PrefixShape { n_virtual, n_layers, n_kv_heads, d_head } = prefix.shape;
            sites.insert(*site, SiteConfig { head_dim: d_head, num_attention_heads: n_kv_heads, num_layers: n_layers });
            tensors.insert(tensor_name(*site), (vec![n_virtual, prefix.shape.row()], prefix.flat.clone()));
        }
        let config = BySiteConfig {
            base_model_name_or_path: self.prefixes.first().and_then(|(_, prefix)| prefix.base_model.clone()),
            num_virtual_tokens: self.n_virtual(),
            peft_type: BY_SITE.to_owned(),
            prefix_projection: config.is_some_and(|config| config.reparameterisation.is_some()),
            sites,
            task_type: "SEQ_2_SEQ_LM".to_owned(),
        };
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        write_floats(&folder.join("adapter_model.safetensors"), &tensors, Some(metadata))?;
        write_json(&folder.join("adapter_config.json"), &config)
    }
}

fn tensor_name(site: Site) -> String {
    format!("{}.prompt_embeddings", site.name())
}

fn read_by_site(folder: &Path, config: BySiteConfig) -> Result<FoldedAdapter> {
    let path = folder.join("adapter_model.safetensors");
    let malformed = |reason: String| EngineError::Malformed { what: "the adapter", path: path.clone(), reason };
    let mut tensors = read_floats(&path)?;
    let mut prefixes = Vec::new();
    for (site, SiteConfig { head_dim, num_attention_heads, num_layers }) in config.sites {
        let (n_virtual, row, flat) = embeddings(&mut tensors, &tensor_name(site), &path)?;
        let sizes = [2, num_layers, num_attention_heads, head_dim];
        if sizes.into_iter().try_fold(1_usize, usize::checked_mul) != Some(row) {
            let at = site.name();
            return Err(malformed(format!("rows of {row} numbers do not fit the layers and heads of the {at}")));
        }
        if n_virtual != config.num_virtual_tokens {
            let reason = format!("{n_virtual} rows, but num_virtual_tokens is {}", config.num_virtual_tokens);
            return Err(malformed(reason));
        }
        let shape = PrefixShape { n_virtual, n_layers: num_layers, n_kv_heads: num_attention_heads, d_head: head_dim };
        prefixes.push((site, FoldedPrefix { shape, flat, base_model: config.base_model_name_or_path.clone() }));
    }
    if prefixes.is_empty() {
        return Err(malformed("it names no site".to_owned()));
    }
    Ok(FoldedAdapter { task: AdapterTask::Seq2Seq, prefixes })
}

/// Gives each of `n_layers` layers the pair that PEFT gives it.
fn spread(stored: &FoldedPrefix, n_layers: usize) -> FoldedPrefix {
    let width = 2 * stored.shape.d_kv();
    let pairs = peft_pairs(n_layers, stored.shape.n_layers);
    let of_row = |row: &[f32]| pairs.iter().flat_map(|&pair| row[pair * width..(pair + 1) * width].to_vec()).collect();
    let flat: Vec<Vec<f32>> = stored.flat.chunks_exact(stored.shape.row()).map(of_row).collect();
    FoldedPrefix {
        shape: PrefixShape { n_layers, ..stored.shape },
        flat: flat.concat(),
        base_model: stored.base_model.clone(),
    }
}

/// The pairs that PEFT would have to hold, and whether that is exact. A pair that no layer takes is zero.
fn gather(prefix: &FoldedPrefix) -> (FoldedPrefix, bool) {
    let n_layers = prefix.shape.n_layers;
    let width = 2 * prefix.shape.d_kv();
    let pairs = peft_pairs(n_layers, n_layers);
    let mut flat = Vec::with_capacity(prefix.flat.len());
    for row in prefix.flat.chunks_exact(prefix.shape.row()) {
        for stored in 0..n_layers {
            let takers: Vec<usize> = (0..n_layers).filter(|&layer| pairs[layer] == stored).collect();
            let mean = |at: usize| {
                let sum: f32 = takers.iter().map(|layer| row[layer * width + at]).sum();
                sum / takers.len().max(1) as f32
            };
            flat.extend((0..width).map(mean));
        }
    }
    let stored = FoldedPrefix { flat, ..prefix.clone() };
    let exact = spread(&stored, n_layers).flat == prefix.flat;
    (stored, exact)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A decoder's prefix whose numbers all differ.
    fn decoder_only(n_layers: usize) -> FoldedAdapter {
        let shape = PrefixShape { n_virtual: 2, n_layers, n_kv_heads: 1, d_head: 2 };
        let flat = (0..shape.stored()).map(|i| i as f32).collect();
        let prefix = FoldedPrefix { shape, flat, base_model: None };
        FoldedAdapter { task: AdapterTask::Seq2Seq, prefixes: vec![(Site::Decoder, prefix)] }
    }

    #[test]
    fn peft_seq2seq_layers_read_pair_2i_mod_l() {
        assert_eq!(peft_pairs(2, 2), [0, 0]);
        assert_eq!(peft_pairs(3, 3), [0, 2, 1]);
        assert_eq!(peft_pairs(12, 12)[..8], [0, 2, 4, 6, 8, 10, 0, 2]);
        let stored = &decoder_only(3).prefixes[0].1;
        let first_key = |prefix: &FoldedPrefix, layer: usize| prefix.flat[layer * 4];
        let taken = spread(stored, 3);
        assert_eq!([0, 1, 2].map(|layer| first_key(&taken, layer)), [0, 2, 1].map(|pair| first_key(stored, pair)));
        assert_eq!(spread(stored, 2).flat.len(), 2 * 2 * 4, "a shorter decoder takes what it needs");
    }

    #[test]
    fn an_odd_number_of_layers_goes_through_peft_unchanged_and_an_even_one_is_said() {
        for (n_layers, exact) in [(1, true), (3, true), (4, false), (5, true)] {
            let folder = tempfile::tempdir().unwrap();
            let adapter = decoder_only(n_layers);
            let said = adapter.export(folder.path()).unwrap();
            assert_eq!(said.is_none(), exact, "{n_layers} layers: {said:?}");
            let back = FoldedAdapter::read(folder.path(), None).unwrap();
            assert_eq!(back.prefixes[0].1.flat == adapter.prefixes[0].1.flat, exact, "{n_layers} layers");
            // What came from PEFT fits into PEFT, however many layers there are.
            assert_eq!(back.export(folder.path()).unwrap(), None, "{n_layers} layers");
            let text = std::fs::read_to_string(folder.path().join("adapter_config.json")).unwrap();
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!((&json["num_transformer_submodules"], &json["task_type"]), (&2.into(), &"SEQ_2_SEQ_LM".into()));
        }
    }

    #[test]
    fn a_prefix_at_every_site_comes_back_as_it_went() {
        let folder = tempfile::tempdir().unwrap();
        let mut adapter = decoder_only(2);
        let encoder = decoder_only(3).prefixes.remove(0).1;
        let cross = adapter.prefixes[0].1.clone();
        adapter.prefixes.insert(0, (Site::Encoder, encoder));
        adapter.prefixes.push((Site::Cross, cross));
        let said = adapter.export(folder.path()).unwrap().unwrap();
        assert!(said.contains("PEFT has no place"), "{said}");
        let back = FoldedAdapter::read(folder.path(), None).unwrap();
        assert_eq!(back.prefixes.len(), 3);
        for ((site, went), (back_site, came)) in adapter.prefixes.iter().zip(&back.prefixes) {
            assert_eq!((site, went.shape, &went.flat), (back_site, came.shape, &came.flat));
        }
        assert_eq!(adapter.hash(), back.hash());
        let error = FoldedPrefix::read(folder.path(), None).unwrap_err().to_string();
        assert!(error.contains(BY_SITE), "{error}");
    }
}
