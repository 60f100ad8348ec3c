//! One file that is a prefix with all that belongs to it, `.prefix`: safetensors, whose metadata holds our JSON.
//!
//! The tensors are `<site>.prompt_embeddings`, laid out as PEFT's, `head.<name>`, and `reference.logits` of a few rows as
//! its sender computed them. The JSON says the rest: sizes, task, where positions begin, the base model with the SHA-256
//! of its weights, templates, figures, samples, a card.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::adapters::folded::{FoldedAdapter, FoldedPrefix, NamedTensor};
use crate::adapters::peft::embeddings;
use crate::adapters::prefix::PrefixShape;
use crate::config::{BeginToken, TaskRecord};
use crate::error::{EngineError, Result};
use crate::message::{EvaluationReport, ModelSummary, SampleReport};
use crate::models::Site;
use crate::nn::positions::Positions;
use crate::weights::{Floats, read_floats, read_metadata, write_floats};

/// The ending of such a file.
pub const ENDING: &str = "prefix";
/// The metadata under which the JSON is kept.
const KEY: &str = "prefix_workbench";
/// The form that this program writes, and the newest it reads.
const FORMAT: u32 = 1;
const METHOD: &str = "prefix_tuning";
const REFERENCE: &str = "reference.logits";
/// Rows of a probe, and tokens of each, at most.
const MAX_ROWS: usize = 64;
const MAX_TOKENS: usize = 4096;

/// What a file says beside its numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The form of the file.
    pub format: u32,
    /// What was trained.
    pub method: String,
    /// Sizes at each site.
    pub sites: Vec<SiteSizes>,
    /// What it was trained for, with the names of its classes.
    pub task: TaskRecord,
    /// Where the text's positions begin.
    #[serde(default)]
    pub positions: Positions,
    /// The model it belongs to.
    pub base: BaseModel,
    /// How a row became a prompt and a target.
    #[serde(default)]
    pub template: Option<SharedTemplate>,
    /// Its best evaluation.
    #[serde(default)]
    pub figures: Option<EvaluationReport>,
    /// What it says about a few rows.
    #[serde(default)]
    pub samples: Vec<SampleReport>,
    /// What its sender says of it.
    #[serde(default)]
    pub card: String,
    /// Token ids of the rows whose logits are in the file.
    #[serde(default)]
    pub reference_rows: Vec<Vec<u32>>,
    /// The columns of those logits that are in the file.
    #[serde(default)]
    pub reference_columns: Vec<u32>,
}

/// The prefix of one site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of PrefixShape")]
pub struct SiteSizes {
    pub site: Site,
    pub n_virtual: usize,
    pub n_layers: usize,
    pub n_kv_heads: usize,
    pub d_head: usize,
}

/// How a row became tokens, as in [`DataConfig`](crate::config::DataConfig).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of DataConfig")]
pub struct SharedTemplate {
    pub prompt_template: String,
    pub target_template: String,
    pub begin_token: BeginToken,
    pub chat: bool,
}

/// What tells one base model from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseModel {
    /// What its sender calls it: the last part of its folder.
    pub name: String,
    /// As `config.json` names it.
    pub architecture: String,
    /// SHA-256 over names, shapes and bytes of its weights, in hexadecimal.
    pub fingerprint: String,
    /// Layers.
    pub n_layers: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Key and value heads.
    pub n_kv_heads: usize,
    /// Width of a head.
    pub d_head: usize,
    /// Tokens.
    pub vocab_size: usize,
}

/// Logits after the last token of a few rows, as a sender computed them.
#[derive(Clone, Debug, PartialEq)]
pub struct ReferenceLogits {
    /// Token ids of each row; of a model that reads a source, the source's.
    pub rows: Vec<Vec<u32>>,
    /// The columns that are kept.
    pub columns: Vec<u32>,
    /// `[rows, columns]`, row by row.
    pub logits: Vec<f32>,
}

/// A file, read.
#[derive(Clone, Debug)]
pub struct PrefixFile {
    /// Its prefixes and its head.
    pub adapter: FoldedAdapter,
    /// What it says beside.
    pub about: About,
    /// What its sender computed.
    pub reference: Option<ReferenceLogits>,
}

impl BaseModel {
    /// The one that a folder holds.
    pub fn of(summary: &ModelSummary, fingerprint: &str) -> Self {
        let name = summary.folder.file_name().map(|name| name.to_string_lossy().into_owned());
        Self {
            name: name.unwrap_or_default(),
            architecture: summary.architecture.clone(),
            fingerprint: fingerprint.to_owned(),
            n_layers: summary.n_layers,
            d_model: summary.d_model,
            n_kv_heads: summary.n_kv_heads,
            d_head: summary.d_head,
            vocab_size: summary.vocab_size,
        }
    }

    /// What tells another model from this one, with both values; `None` if it is this one.
    pub fn difference(&self, other: &Self) -> Option<String> {
        if self.fingerprint == other.fingerprint {
            return None;
        }
        let sizes = [
            ("layers", self.n_layers, other.n_layers),
            ("width", self.d_model, other.d_model),
            ("key and value heads", self.n_kv_heads, other.n_kv_heads),
            ("width of a head", self.d_head, other.d_head),
            ("tokens in the vocabulary", self.vocab_size, other.vocab_size),
        ];
        let mut differ: Vec<String> = sizes
            .into_iter()
            .filter(|(_, own, others)| own != others)
            .map(|(what, own, others)| format!("{what} {own} there and {others} here"))
            .collect();
        if self.architecture != other.architecture {
            differ.insert(0, format!("architecture {} there and {} here", self.architecture, other.architecture));
        }
        let short = |fingerprint: &str| fingerprint.chars().take(12).collect::<String>();
        differ.push(format!(
            "weights with the fingerprint {} there and {} here",
            short(&self.fingerprint),
            short(&other.fingerprint)
        ));
        Some(format!("it belongs to {}: {}", self.name, differ.join(", ")))
    }
}

impl About {
    /// Of an adapter and its base; what its run knows can be added.
    pub fn new(adapter: &FoldedAdapter, base: BaseModel) -> Self {
        let sizes = |(site, prefix): &(Site, FoldedPrefix)| {
            let PrefixShape { n_virtual, n_layers, n_kv_heads, d_head } = prefix.shape;
            SiteSizes { site: *site, n_virtual, n_layers, n_kv_heads, d_head }
        };
        Self {
            format: FORMAT,
            method: METHOD.to_owned(),
            sites: adapter.prefixes.iter().map(sizes).collect(),
            task: adapter.task.clone(),
            positions: adapter.positions,
            base,
            template: None,
            figures: None,
            samples: Vec::new(),
            card: String::new(),
            reference_rows: Vec::new(),
            reference_columns: Vec::new(),
        }
    }
}

/// Whether a file is one of ours; `false` for what is no safetensors file.
pub fn is_one(path: &Path) -> bool {
    path.is_file() && read_metadata(path).is_ok_and(|metadata| metadata.contains_key(KEY))
}

/// Writes the file, whole or not at all.
///
/// # Errors
/// The folder cannot be written to.
pub fn write(
    path: &Path,
    adapter: &FoldedAdapter,
    mut about: About,
    reference: Option<&ReferenceLogits>,
) -> Result<()> {
    if adapter.prefixes.is_empty() || adapter.prompt.is_some() || adapter.lora.is_some() || !adapter.weights.is_empty()
    {
        let what = "what is no prefix alone; export it as a folder, which PEFT reads".to_owned();
        return Err(EngineError::AdapterType(what));
    }
    let mut tensors = Floats::new();
    for (site, prefix) in &adapter.prefixes {
        let dims = vec![prefix.shape.n_virtual, prefix.shape.row()];
        tensors.insert(tensor_name(*site), (dims, prefix.flat.clone()));
    }
    for (name, shape, values) in &adapter.head {
        tensors.insert(format!("head.{name}"), (shape.clone(), values.clone()));
    }
    if let Some(ReferenceLogits { rows, columns, logits }) = reference {
        tensors.insert(REFERENCE.to_owned(), (vec![rows.len(), columns.len()], logits.clone()));
        about.reference_rows.clone_from(rows);
        about.reference_columns.clone_from(columns);
    }
    let json = serde_json::to_string(&about).map_err(|error| EngineError::Computation(error.to_string()))?;
    write_floats(path, &tensors, Some(HashMap::from([(KEY.to_owned(), json)])))
}

/// Reads a file; every size in it is held against every other.
///
/// # Errors
/// It is damaged, contradicts itself, or is of a newer form.
pub fn read(path: &Path) -> Result<PrefixFile> {
    let malformed = |reason: String| EngineError::Malformed { what: "the prefix file", path: path.to_owned(), reason };
    let json = read_metadata(path)?.remove(KEY).ok_or_else(|| EngineError::UnknownAdapter { path: path.to_owned() })?;
    #[derive(Deserialize)]
    struct Form {
        format: u32,
        method: String,
    }
    let Form { format, method } = serde_json::from_str(&json).map_err(|error| malformed(error.to_string()))?;
    if format > FORMAT {
        return Err(malformed(format!(
            "it is of form {format}, and this program reads up to {FORMAT}: take a newer one"
        )));
    }
    if method != METHOD {
        return Err(EngineError::AdapterType(method));
    }
    let about: About = serde_json::from_str(&json).map_err(|error| malformed(error.to_string()))?;
    about.task.check().map_err(malformed)?;
    let mut tensors = read_floats(path)?;
    let mut prefixes: Vec<(Site, FoldedPrefix)> = Vec::new();
    for &SiteSizes { site, n_virtual, n_layers, n_kv_heads, d_head } in &about.sites {
        // A site that is named twice finds its tensor gone.
        let (rows, row, flat) = embeddings(&mut tensors, &tensor_name(site), path)?;
        let wide = [2, n_layers, n_kv_heads, d_head].into_iter().try_fold(1_usize, usize::checked_mul);
        if rows != n_virtual || wide != Some(row) {
            let at = site.name();
            let says = format!("{n_virtual} tokens, {n_layers} layers, {n_kv_heads} heads of {d_head}");
            return Err(malformed(format!("the prefix at the {at} is [{rows}, {row}], and it says {says}")));
        }
        prefixes.push((site, FoldedPrefix { shape: PrefixShape { n_virtual, n_layers, n_kv_heads, d_head }, flat }));
    }
    if prefixes.is_empty() {
        return Err(malformed("it names no site".to_owned()));
    }
    prefixes.sort_by_key(|(site, _)| *site);
    let reference = reference(&about, &mut tensors).map_err(malformed)?;
    let head = head(tensors).map_err(malformed)?;
    let (task, base_model, positions) = (about.task.clone(), Some(about.base.name.clone()), about.positions);
    Ok(PrefixFile {
        adapter: FoldedAdapter { prefixes, head, task, base_model, positions, ..FoldedAdapter::default() },
        about,
        reference,
    })
}

fn reference(about: &About, tensors: &mut Floats) -> Result<Option<ReferenceLogits>, String> {
    let (rows, columns) = (about.reference_rows.clone(), about.reference_columns.clone());
    let Some((shape, logits)) = tensors.remove(REFERENCE) else {
        return if rows.is_empty() { Ok(None) } else { Err(format!("it has rows for a probe, and no {REFERENCE}")) };
    };
    if shape != [rows.len(), columns.len()] || rows.is_empty() || columns.is_empty() {
        return Err(format!("{REFERENCE} is {shape:?}, for {} rows and {} columns", rows.len(), columns.len()));
    }
    if rows.len() > MAX_ROWS || rows.iter().any(|row| row.is_empty() || row.len() > MAX_TOKENS) {
        return Err(format!("a probe has 1 to {MAX_ROWS} rows of 1 to {MAX_TOKENS} tokens"));
    }
    if logits.iter().any(|x| !x.is_finite()) {
        return Err(format!("{REFERENCE} holds a number that is not finite"));
    }
    Ok(Some(ReferenceLogits { rows, columns, logits }))
}

fn head(tensors: Floats) -> Result<Vec<NamedTensor>, String> {
    let mut head = Vec::new();
    for (name, (shape, values)) in tensors {
        let Some(name) = name.strip_prefix("head.") else { continue };
        if values.iter().any(|x| !x.is_finite()) {
            return Err(format!("{name:?} of its head holds a number that is not finite"));
        }
        head.push((name.to_owned(), shape, values));
    }
    Ok(head)
}

fn tensor_name(site: Site) -> String {
    format!("{}.prompt_embeddings", site.name())
}
