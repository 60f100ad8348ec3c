//! An adapter as a folder holds it: a folded prefix for each site, and the head of a task with classes.
//!
//! Two forms of folder: PEFT's (`peft.rs`), which has room for one site, and one of ours for several (`by_site.rs`).

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use sha2::{Digest, Sha256};

use crate::adapters::convention::{self, Convention};
use crate::adapters::prefix::PrefixShape;
use crate::adapters::prompt::of_tasks;
use crate::adapters::residual::Residual;
use crate::adapters::{by_site, combined, no_adapter, peft, text, weights};
use crate::config::{
    FewShotConfig, FullConfig, LoraConfig, MethodConfig, PrefixConfig, PromptConfig, PromptTasks, Task, TaskRecord,
};
use crate::data::Tokenizer;
use crate::error::{EngineError, Result};
use crate::file_kind::refuse_other;
use crate::files::{self, Kind};
use crate::models::{ClassHead, Conditioning, Model, ModelShape, SOFT, Site};
use crate::nn::LayerKv;
use crate::nn::positions::Positions;
use crate::{Sentence, sentence};

/// A folded prefix for each site that has one, and what was trained beside them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FoldedAdapter {
    /// In the order of [`Site::ALL`]; each layer has the pair of its own number.
    pub prefixes: Vec<(Site, FoldedPrefix)>,
    /// How many of a prefix's first slots were not trained, which make it a cartridge.
    pub n_frozen: usize,
    /// Embeddings in the text.
    pub prompt: Option<FoldedPrompt>,
    /// Matrices beside linear layers.
    pub lora: Option<FoldedLora>,
    /// Weights in place of the model's own.
    pub weights: Vec<NamedTensor>,
    /// Words before every prompt.
    pub text: Option<String>,
    /// The trained head of a task with classes.
    pub head: Vec<NamedTensor>,
    /// What it was trained for.
    pub task: TaskRecord,
    /// The base model, as whoever saved it named it.
    pub base_model: Option<String>,
    /// Where the text's positions begin behind it.
    pub positions: Positions,
    /// The layers that see its prefixes, which have zeros for the others; `None`: all.
    pub layers: Option<Vec<usize>>,
    /// What its files say that nothing here reads, a sentence each.
    pub notices: Vec<Sentence>,
}

/// The folded prefix of one site.
#[derive(Clone, Debug, PartialEq)]
pub struct FoldedPrefix {
    /// Its sizes.
    pub shape: PrefixShape,
    /// `[n_virtual, n_layers * 2 * n_kv_heads * d_head]`, row by row.
    pub flat: Vec<f32>,
}

/// A soft prompt without the network behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct FoldedPrompt {
    /// Soft tokens.
    pub n_virtual: usize,
    /// Rows of the matrix; PEFT keeps twice as many for a model that reads a source and writes a target.
    pub n_rows: usize,
    /// Width of an embedding.
    pub width: usize,
    /// `[n_rows, width]`, row by row.
    pub values: Vec<f32>,
    /// Layers and heads of the model, which PEFT writes down beside it.
    pub of_model: Option<[usize; 2]>,
    /// The tasks that share it.
    pub tasks: Option<FoldedTasks>,
}

/// What makes the prompts of tasks of a shared one.
#[derive(Clone, Debug, PartialEq)]
pub struct FoldedTasks {
    /// Tasks.
    pub n_tasks: usize,
    /// Rank of a task's matrix.
    pub ranks: usize,
    /// `[n_tasks, n_rows, ranks]`
    pub cols: Vec<f32>,
    /// `[n_tasks, ranks, width]`
    pub rows: Vec<f32>,
}

/// Matrices of low rank.
#[derive(Clone, Debug, PartialEq)]
pub struct FoldedLora {
    /// Their settings.
    pub config: LoraConfig,
    /// Whether the layers keep their weights as `[d_in, d_out]`, which PEFT wants to know.
    pub fan_in_fan_out: bool,
    /// Layer by layer.
    pub layers: Vec<LoraMatrices>,
    /// Rows of tables of embeddings for single tokens.
    pub rows: Vec<TokenRows>,
    /// The part of the base model's weights that the matrices began as: it is taken out of these where they are used.
    pub residual: Option<Residual>,
    /// What its file holds of the base model, by the names of its weights: most often a copy.
    pub base_copies: Vec<NamedTensor>,
}

/// Rows of a table of embeddings that stand in place of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenRows {
    /// The module.
    pub table: String,
    /// The tokens, each once.
    pub tokens: Vec<u32>,
    /// Width of an embedding.
    pub width: usize,
    /// `[tokens, width]`, row by row.
    pub values: Vec<f32>,
}

impl TokenRows {
    /// Puts them in place of the rows of a table, row by row; a token that it does not have is left out.
    pub(crate) fn put_in(&self, table: &mut [f32]) {
        for (token, row) in self.tokens.iter().zip(self.values.chunks_exact(self.width.max(1))) {
            let at = *token as usize * self.width;
            if let Some(own) = table.get_mut(at..at + self.width) {
                own.copy_from_slice(row);
            }
        }
    }
}

/// The matrices of one layer: of a table of embeddings as if it made the tokens of what is looked up.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraMatrices {
    /// The module.
    pub name: String,
    /// Rank.
    pub rank: usize,
    /// Width of what the layer reads.
    pub d_in: usize,
    /// Width of what it makes.
    pub d_out: usize,
    /// `[rank, d_in]`
    pub a: Vec<f32>,
    /// `[d_out, rank]`
    pub b: Vec<f32>,
    /// What is added is scaled by this.
    pub scale: f64,
    /// Whether they are of a table of embeddings, for which PEFT has names of its own.
    pub is_embeddings: bool,
}

/// Its name below the model, its shape, its numbers.
pub type NamedTensor = (String, Vec<usize>, Vec<f32>);

impl FoldedAdapter {
    /// Reads an adapter folder of either form. `like` are the sites of the model it is for; they say what the files do not:
    /// sizes, and whether PEFT's prefix stands in an encoder. Where nobody says, it stands in a decoder.
    ///
    /// # Errors
    /// A file is missing or damaged, or the adapter is not a prefix.
    pub fn read(folder: &Path, like: Option<&[(Site, ModelShape)]>) -> Result<Self> {
        let path = folder.join("adapter_config.json");
        if !path.is_file() {
            return Err(no_adapter(folder));
        }
        let text = files::read_to_string(&path, Kind::Settings)?;
        refuse_other(sentence!("the adapter's configuration"), &path, text.as_bytes())?;
        let json: serde_json::Value =
            serde_json::from_str(&text).map_err(|e| malformed(&path, Sentence::verbatim(e)))?;
        let read = match json.get("peft_type").and_then(serde_json::Value::as_str) {
            Some(by_site::KIND) => by_site::read(folder, json),
            Some(combined::KIND) => combined::read(folder, &json, like),
            Some(text::KIND) => text::read(folder, json),
            Some(weights::KIND) => weights::read(folder, json),
            Some(kind) if peft::KINDS.contains(&kind) => peft::read(folder, json, like),
            other => Err(EngineError::AdapterType(other.unwrap_or("without a peft_type").to_owned())),
        }?;
        read.task.check().map_err(|reason| malformed(&path, reason))?;
        let Convention { positions, layers } = Convention::read(folder)?;
        Ok(Self { positions, layers, ..read })
    }

    /// Refuses a model of another kind or shape, with the numbers.
    ///
    /// # Errors
    /// [`EngineError::AdapterMismatch`].
    pub fn check_fits(&self, sites: &[(Site, ModelShape)]) -> Result<()> {
        let seq2seq = sites.len() > 1;
        if seq2seq != (self.task.task == Task::Seq2Seq) {
            let reason = match seq2seq {
                true => sentence!("it is for a model of one stack, this is an encoder with a decoder"),
                false => sentence!("it is for an encoder with a decoder, this is a model of one stack"),
            };
            return Err(EngineError::AdapterMismatch { reason });
        }
        for (site, prefix) in &self.prefixes {
            let Some((_, shape)) = sites.iter().find(|(other, _)| other == site) else {
                let reason = sentence!("it has a prefix for the {site}, which this model does not have", site);
                return Err(EngineError::AdapterMismatch { reason });
            };
            prefix.check_fits(shape)?;
            if let Some(layer) = self.layers.iter().flatten().find(|&&layer| layer >= shape.n_layers) {
                let number = layer + 1;
                let reason = sentence!(
                    "it has a prefix for layer {number}, and the model {n_layers} layers",
                    number,
                    n_layers = shape.n_layers
                );
                return Err(EngineError::AdapterMismatch { reason });
            }
        }
        Ok(())
    }

    /// The most virtual tokens of a site.
    pub fn n_virtual(&self) -> usize {
        let soft = self.prompt.as_ref().map(|prompt| prompt.n_virtual);
        self.prefixes.iter().map(|(_, prefix)| prefix.shape.n_virtual).chain(soft).max().unwrap_or(0)
    }

    /// The method that makes such an adapter; what was folded away is not known any more.
    pub fn method(&self) -> MethodConfig {
        let n_virtual = self.n_virtual();
        match (&self.prompt, &self.lora, &self.text) {
            _ if !self.prefixes.is_empty() => {
                let (n_frozen, layers) = (self.n_frozen, self.layers.clone());
                let infix = self.positions == Positions::Infix;
                MethodConfig::Prefix(PrefixConfig { n_virtual, n_frozen, layers, infix, ..PrefixConfig::default() })
            }
            (Some(prompt), ..) => {
                let of = |tasks: &FoldedTasks| PromptTasks { ranks: tasks.ranks, ..PromptTasks::default() };
                let tasks = prompt.tasks.as_ref().map(of);
                MethodConfig::Prompt(PromptConfig { n_virtual, tasks, ..PromptConfig::default() })
            }
            (_, Some(lora), _) => MethodConfig::Lora(lora.config.clone()),
            (.., Some(text)) => MethodConfig::FewShot(FewShotConfig { instruction: text.clone(), shots: 0 }),
            _ => MethodConfig::Full(FullConfig { top_layers: self.weights.is_empty().then_some(0) }),
        }
    }

    /// Soft tokens that stand in the text.
    pub fn n_soft(&self) -> usize {
        self.prompt.as_ref().map_or(0, |prompt| prompt.n_virtual)
    }

    /// Whether its soft tokens are others for each of several tasks.
    pub fn has_tasks(&self) -> bool {
        self.prompt.as_ref().is_some_and(|prompt| prompt.tasks.is_some())
    }

    /// The first soft token of a task, which has to be named where there are several.
    ///
    /// # Errors
    /// [`EngineError::Setting`] with the names that there are.
    pub fn first_soft(&self, task: Option<&str>) -> Result<usize> {
        let Some(tasks) = self.prompt.as_ref().and_then(|prompt| prompt.tasks.as_ref()) else { return Ok(0) };
        let names = &self.task.tasks;
        let index = match task {
            None => Some(0).filter(|_| tasks.n_tasks == 1),
            Some(task) => names.iter().position(|name| name == task).filter(|&index| index < tasks.n_tasks),
        };
        let reason = || sentence!("the adapter's tasks are {names}: name one of them", names = names.join(", "));
        let index = index.ok_or_else(|| EngineError::Setting { field: "task", reason: reason() })?;
        Ok(index * self.n_soft())
    }

    /// What stands before every text: soft tokens, or words.
    ///
    /// # Errors
    /// The vocabulary cannot express the words.
    pub fn before(&self, tokenizer: &Tokenizer) -> Result<Vec<u32>> {
        let mut before: Vec<u32> = (0..self.n_soft() as u32).map(|slot| SOFT + slot).collect();
        if let Some(text) = &self.text {
            before.extend(tokenizer.encode(text)?);
        }
        Ok(before)
    }

    /// Positions that it takes before the text, at most.
    pub fn n_before(&self) -> usize {
        match self.positions {
            Positions::Shifted | Positions::Infix => self.n_virtual(),
            Positions::Unshifted => 0,
        }
    }

    /// What this model is given.
    ///
    /// # Errors
    /// Its head does not fit the model.
    pub fn conditioning(&self, model: &Model, device: &Device) -> Result<Conditioning> {
        let mut conditioning = Conditioning {
            head: self.class_head(model, device)?,
            positions: self.positions,
            layers: self.layers.clone(),
            ..Conditioning::default()
        };
        if self.positions == Positions::Infix {
            model.check_infix()?;
        }
        for (site, prefix) in &self.prefixes {
            *conditioning.place(*site) = Some(prefix.layers(device));
        }
        let tensor = |values: &[f32]| Tensor::<1>::from_data(TensorData::new(values.to_vec(), [values.len()]), device);
        if let Some(FoldedPrompt { n_virtual, n_rows, width, values, tasks, .. }) = &self.prompt {
            let shared = tensor(values).reshape([*n_rows, *width]);
            conditioning.soft_prompt = Some(match tasks {
                None => shared,
                Some(FoldedTasks { n_tasks, ranks, cols, rows }) => {
                    let cols = tensor(cols).reshape([*n_tasks, *n_rows, *ranks]);
                    of_tasks(shared, cols, tensor(rows).reshape([*n_tasks, *ranks, *width]), *n_virtual)
                }
            });
        }
        if let Some(lora) = &self.lora {
            lora.condition(&mut conditioning.tuned, device);
        }
        for (name, shape, values) in &self.weights {
            conditioning.tuned.replaced.insert(name.clone(), (shape.clone(), tensor(values)));
        }
        Ok(conditioning)
    }

    /// The head as this model has it; `None` for a task without classes.
    ///
    /// # Errors
    /// [`EngineError::AdapterMismatch`] when the adapter has no head, or one of other layers or sizes.
    pub fn class_head(&self, model: &Model, device: &Device) -> Result<Option<ClassHead>> {
        if !self.task.task.has_classes() {
            return Ok(None);
        }
        let kind = model.head_kind(self.task.task)?;
        let n_classes = self.task.classes.len();
        let mismatch = |reason: Sentence| EngineError::AdapterMismatch { reason };
        let mut weights = Vec::new();
        for (name, shape) in kind.parameter_shapes(model.head_width(), n_classes) {
            let found = self.head.iter().find(|(found, ..)| found == name);
            let (_, found, values) = found.ok_or_else(|| mismatch(sentence!("its head has no {name:?}", name)))?;
            if *found != shape {
                return Err(mismatch(sentence!(
                    "{name:?} of its head has shape {found}, the model needs {shape}",
                    name,
                    found,
                    shape
                )));
            }
            let n = values.len();
            weights.push(Tensor::from_data(TensorData::new(values.clone(), [n]), device));
        }
        Ok(Some(ClassHead { kind, n_classes, weights, blocks: self.task.blocks() }))
    }

    /// Where it stands, in order.
    pub fn sites(&self) -> Vec<Site> {
        self.prefixes.iter().map(|(site, _)| *site).collect()
    }

    /// Of all layers of all sites, site after site, those that have a prefix; `None`: all.
    pub fn prefixed_layers(&self) -> Option<Vec<usize>> {
        let layers = self.layers.as_ref()?;
        let mut first = 0;
        let mut all = Vec::new();
        for (_, prefix) in &self.prefixes {
            all.extend(layers.iter().map(|layer| first + layer));
            first += prefix.shape.n_layers;
        }
        Some(all)
    }

    /// Keys and values of all layers of all sites, site after site.
    pub fn layers(&self, device: &Device) -> Vec<LayerKv> {
        self.prefixes.iter().flat_map(|(_, prefix)| prefix.layers(device)).collect()
    }

    /// Names the adapter: the first 12 hexadecimal digits of the SHA-256 of its numbers, where there are several sites of
    /// such names of each.
    pub fn hash(&self) -> String {
        let mut digest = Sha256::new();
        match self.prefixes.as_slice() {
            [] => {}
            [(_, alone)] => digest.update(bytes(&alone.flat)),
            several => {
                several.iter().for_each(|(_, prefix)| digest.update(short(&Sha256::digest(bytes(&prefix.flat)))))
            }
        }
        self.text.iter().for_each(|text| digest.update(text));
        self.prompt.iter().for_each(|prompt| digest.update(bytes(&prompt.values)));
        for tasks in self.prompt.iter().filter_map(|prompt| prompt.tasks.as_ref()) {
            digest.update(bytes(&tasks.cols));
            digest.update(bytes(&tasks.rows));
        }
        for layer in self.lora.iter().flat_map(|lora| &lora.layers) {
            digest.update(bytes(&layer.a));
            digest.update(bytes(&layer.b));
        }
        if let Some(lora) = &self.lora {
            lora.residual.iter().for_each(|residual| digest.update(residual.name()));
            for rows in &lora.rows {
                rows.tokens.iter().for_each(|token| digest.update(token.to_le_bytes()));
                digest.update(bytes(&rows.values));
            }
            lora.base_copies.iter().for_each(|(.., values)| digest.update(bytes(values)));
        }
        self.weights.iter().chain(&self.head).for_each(|(.., values)| digest.update(bytes(values)));
        // The same numbers compute something else.
        match self.positions {
            Positions::Shifted => {}
            Positions::Unshifted => digest.update(b"unshifted"),
            Positions::Infix => digest.update(b"infix"),
        }
        for layer in self.layers.iter().flatten() {
            digest.update(layer.to_le_bytes());
        }
        short(&digest.finalize())
    }

    /// Writes the folder exactly: in PEFT's form, for an encoder with a decoder in ours.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn write(&self, folder: &Path, config: Option<&MethodConfig>) -> Result<()> {
        self.write_form(folder, config)?;
        Convention::of(self).write(folder)
    }

    fn write_form(&self, folder: &Path, config: Option<&MethodConfig>) -> Result<()> {
        // PEFT keeps biases, and modules that are trained whole, with the matrices.
        let weights = !self.weights.is_empty() && self.lora.is_none();
        let parts = [!self.prefixes.is_empty(), self.prompt.is_some(), self.lora.is_some(), weights];
        if parts.iter().filter(|&&part| part).count() > 1 {
            return combined::write(self, folder, config);
        }
        if let Some(text) = &self.text {
            return text::write(self, text, folder);
        }
        match (&self.prompt, &self.lora, self.prefixes.as_slice()) {
            (Some(prompt), ..) => peft::prompt::write(self, prompt, folder, config),
            (_, Some(lora), _) => peft::lora::write(self, lora, folder),
            (.., []) => weights::write(self, folder),
            (.., [(_, prefix)]) if self.task.task != Task::Seq2Seq => {
                peft::write(self, prefix, folder, config.and_then(MethodConfig::prefix))
            }
            _ => by_site::write(self, folder, config.and_then(MethodConfig::prefix)),
        }
    }

    /// Writes the folder for PEFT, if PEFT has a place for every site; otherwise as [`FoldedAdapter::write`]. What does
    /// not come out exactly, or for a model of this architecture not at all, is said in a sentence.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn export(&self, folder: &Path, architecture: Option<&str>) -> Result<Option<Sentence>> {
        let inexact = self.export_for_peft(folder)?;
        let prefix = architecture.filter(|_| !self.prefixes.is_empty());
        let unusable = prefix.and_then(convention::unusable_in_peft);
        let elsewhere = Convention::of(self).elsewhere(self.n_virtual());
        Ok(Sentence::clauses(unusable.into_iter().chain(inexact).chain(elsewhere)))
    }

    fn export_for_peft(&self, folder: &Path) -> Result<Option<Sentence>> {
        let is_prefix = !self.prefixes.is_empty() && self.prompt.is_none() && self.lora.is_none();
        if self.task.task != Task::Seq2Seq || !is_prefix || !self.weights.is_empty() {
            self.write(folder, None)?;
            return Ok(None);
        }
        let [(Site::Decoder, prefix)] = self.prefixes.as_slice() else {
            self.write(folder, None)?;
            return Ok(Some(sentence!(
                "PEFT has no place for a prefix of the encoder or of cross-attention: the folder is in the workbench's own form"
            )));
        };
        let (stored, exact) = peft::gather(prefix);
        peft::write(self, &stored, folder, None)?;
        Convention::of(self).write(folder)?;
        let n_layers = prefix.shape.n_layers;
        let sentence = || {
            sentence!(
                "PEFT gives layers i and i + {half} of this model one pair between them: each holds the mean of two that \
                 differ, and computes something else than here",
                half = n_layers / 2
            )
        };
        Ok((!exact).then(sentence))
    }
}

impl FoldedPrefix {
    /// Refuses a model of another shape, with the numbers.
    ///
    /// # Errors
    /// [`EngineError::AdapterMismatch`].
    pub fn check_fits(&self, model: &ModelShape) -> Result<()> {
        let wants = PrefixShape::new(self.shape.n_virtual, model);
        // A config without sizes says only how wide a row is.
        if wants.row() != self.shape.row() {
            return Err(EngineError::AdapterMismatch {
                reason: sentence!(
                    "it has {row} numbers for each virtual token, the model needs {wanted} ({n_layers} layers × 2 × {d_kv})",
                    row = self.shape.row(),
                    wanted = wants.row(),
                    n_layers = wants.n_layers,
                    d_kv = wants.d_kv()
                ),
            });
        }
        if wants != self.shape {
            return Err(EngineError::AdapterMismatch {
                reason: sentence!(
                    "it has {n_layers} layers of {n_kv_heads} heads, the model {layers} layers of {heads}",
                    n_layers = self.shape.n_layers,
                    n_kv_heads = self.shape.n_kv_heads,
                    layers = wants.n_layers,
                    heads = wants.n_kv_heads
                ),
            });
        }
        Ok(())
    }

    /// Keys and values of each layer, `[1, n_kv_heads, n_virtual, d_head]`.
    pub fn layers(&self, device: &Device) -> Vec<LayerKv> {
        let dims = [self.shape.n_virtual, self.shape.row()];
        self.shape.layers(Tensor::from_data(TensorData::new(self.flat.clone(), dims), device))
    }
}

pub(super) fn malformed(path: &Path, reason: Sentence) -> EngineError {
    EngineError::Malformed { what: sentence!("the adapter"), path: path.to_owned(), reason }
}

fn bytes(numbers: &[f32]) -> &[u8] {
    bytemuck::cast_slice(numbers)
}

fn short(digest: &[u8]) -> String {
    digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A decoder's prefix whose numbers all differ.
    fn decoder_only(n_layers: usize) -> FoldedAdapter {
        let shape = PrefixShape { n_virtual: 2, n_layers, n_kv_heads: 1, d_head: 2 };
        let flat = (0..shape.stored()).map(|i| i as f32).collect();
        let prefixes = vec![(Site::Decoder, FoldedPrefix { shape, flat })];
        FoldedAdapter { prefixes, task: TaskRecord::of(Task::Seq2Seq), ..FoldedAdapter::default() }
    }

    #[test]
    fn an_odd_number_of_layers_goes_through_peft_unchanged_and_an_even_one_is_said() {
        for (n_layers, exact) in [(1, true), (3, true), (4, false), (5, true)] {
            let folder = tempfile::tempdir().unwrap();
            let adapter = decoder_only(n_layers);
            let said = adapter.export(folder.path(), None).unwrap();
            assert_eq!(said.is_none(), exact, "{n_layers} layers: {said:?}");
            let back = FoldedAdapter::read(folder.path(), None).unwrap();
            assert_eq!(back.prefixes[0].1.flat == adapter.prefixes[0].1.flat, exact, "{n_layers} layers");
            // What came from PEFT fits into PEFT, however many layers there are.
            assert_eq!(back.export(folder.path(), None).unwrap(), None, "{n_layers} layers");
            let text = std::fs::read_to_string(folder.path().join("adapter_config.json")).unwrap();
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!((&json["num_transformer_submodules"], &json["task_type"]), (&2.into(), &"SEQ_2_SEQ_LM".into()));
        }
    }

    #[test]
    fn how_a_prefix_stands_in_its_model_comes_back_and_what_peft_would_do_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let plain = FoldedAdapter { task: TaskRecord::default(), ..decoder_only(2) };
        for (layers, positions, words) in [
            (Some(vec![1]), Positions::Shifted, "some layers have no prefix"),
            (None, Positions::Infix, "between prompt and target"),
            (Some(vec![0]), Positions::Infix, "between prompt and target"),
        ] {
            let adapter = FoldedAdapter { layers, positions, ..plain.clone() };
            let said = adapter.export(folder.path(), None).unwrap().unwrap();
            assert!(said.to_string().contains(words), "{said}");
            let back = FoldedAdapter::read(folder.path(), None).unwrap();
            assert_eq!((&back.layers, back.positions, back.hash()), (&adapter.layers, positions, adapter.hash()));
            assert_ne!(adapter.hash(), plain.hash());
            let MethodConfig::Prefix(method) = back.method() else { panic!("{:?}", back.method()) };
            assert_eq!((method.layers, method.infix), (adapter.layers, positions == Positions::Infix));
        }
        assert_eq!(plain.export(folder.path(), None).unwrap(), None, "the word of the one before does not stay");
        assert_eq!(FoldedAdapter::read(folder.path(), None).unwrap().layers, None);
    }

    #[test]
    fn a_prefix_at_every_site_comes_back_as_it_went() {
        let folder = tempfile::tempdir().unwrap();
        let mut adapter = decoder_only(2);
        let encoder = decoder_only(3).prefixes.remove(0).1;
        let cross = adapter.prefixes[0].1.clone();
        adapter.prefixes.insert(0, (Site::Encoder, encoder));
        adapter.prefixes.push((Site::Cross, cross));
        let said = adapter.export(folder.path(), None).unwrap().unwrap();
        assert!(said.to_string().contains("PEFT has no place"), "{said}");
        let back = FoldedAdapter::read(folder.path(), None).unwrap();
        assert_eq!(back.prefixes.len(), 3);
        for ((site, went), (back_site, came)) in adapter.prefixes.iter().zip(&back.prefixes) {
            assert_eq!((site, went.shape, &went.flat), (back_site, came.shape, &came.flat));
        }
        assert_eq!(adapter.hash(), back.hash());
    }
}
