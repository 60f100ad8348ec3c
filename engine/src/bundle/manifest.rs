//! The manifest of a file: all that it says beside its numbers.

use serde::{Deserialize, Serialize};

use super::parts::OtherParts;
use super::{FORMAT, METHOD};
use crate::adapters::methods::prefix::{PrefixShape, PrefixState};
use crate::adapters::state::{AdapterState, PrefixPlacement};
use crate::config::{BeginToken, TaskRecord};
use crate::models::ModelSummary;
use crate::models::Site;
use crate::nn::Quantization;
use crate::nn::positions::PositionConvention;
use crate::training::{EvaluationReport, SampleReport};
use crate::{Sentence, sentence};

/// Longest card; what is shown is laid out whole.
const MAX_CARD: usize = 64 * 1024;
/// Most samples, and most bytes of all their texts.
const MAX_SAMPLES: usize = 100;
const MAX_SAMPLE_TEXT: usize = 1024 * 1024;
/// Longest name of a base model, of an architecture, of a fingerprint.
const MAX_NAME: usize = 1024;

/// All that a file says beside its numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of the file.
    pub format: u32,
    /// Name of the training method.
    pub method: String,
    /// Sizes of a prefix at each site.
    #[serde(default)]
    pub sites: Vec<SiteSizes>,
    /// Number of a prefix's first slots that were not trained.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub n_frozen: usize,
    /// The layers that see a prefix; `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers: Option<Vec<usize>>,
    /// Sizes of what is no prefix.
    #[serde(flatten)]
    pub others: OtherParts,
    /// The task it was trained for, with the names of its classes.
    pub task: TaskRecord,
    /// Where the text's positions begin.
    #[serde(default)]
    pub positions: PositionConvention,
    /// The model it belongs to.
    pub base: BaseModel,
    /// Templates that made a prompt and a target of a row.
    #[serde(default)]
    pub template: Option<SharedTemplate>,
    /// Figures of its best evaluation.
    #[serde(default)]
    pub figures: Option<EvaluationReport>,
    /// Continuations that the adapter made of a few rows.
    #[serde(default)]
    pub samples: Vec<SampleReport>,
    /// The sender's description of the adapter.
    #[serde(default)]
    pub card: String,
    /// Token ids of the rows whose logits are in the file.
    #[serde(default)]
    pub reference_rows: Vec<Vec<u32>>,
    /// The columns of those logits that are in the file.
    #[serde(default)]
    pub reference_columns: Vec<u32>,
    /// How the base's matrices were kept in training, and while those logits were computed.
    #[serde(default, skip_serializing_if = "Quantization::is_stored")]
    pub quantization: Quantization,
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

/// Templates and settings that made tokens of a row, as in [`DataConfig`](crate::config::DataConfig).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of DataConfig")]
pub struct SharedTemplate {
    pub prompt_template: String,
    pub target_template: String,
    pub begin_token: BeginToken,
    pub chat: bool,
}

/// Identity of a base model: name, sizes and fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseModel {
    /// The sender's name for it: the last part of its folder.
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

    /// Differences of another model from this one, with both values; `None` if it is this one.
    pub fn difference(&self, other: &Self) -> Option<Sentence> {
        if self.fingerprint == other.fingerprint {
            return None;
        }
        let short = |fingerprint: &str| fingerprint.chars().take(12).collect::<String>();
        let differ = |what: Sentence, own: String, others: String| {
            (own != others).then(|| sentence!("{what} {own} there and {others} here", what, own, others))
        };
        let size = |what, own: usize, others: usize| differ(what, own.to_string(), others.to_string());
        let all = [
            differ(sentence!("architecture"), self.architecture.clone(), other.architecture.clone()),
            size(sentence!("layers"), self.n_layers, other.n_layers),
            size(sentence!("width"), self.d_model, other.d_model),
            size(sentence!("key and value heads"), self.n_kv_heads, other.n_kv_heads),
            size(sentence!("width of a head"), self.d_head, other.d_head),
            size(sentence!("tokens in the vocabulary"), self.vocab_size, other.vocab_size),
            differ(sentence!("weights with the fingerprint"), short(&self.fingerprint), short(&other.fingerprint)),
        ];
        let differences = Sentence::list(all.into_iter().flatten()).unwrap_or_default();
        Some(sentence!("it belongs to {name}: {differences}", name = self.name, differences))
    }
}

impl Manifest {
    /// Of an adapter and its base; what its run knows can be added.
    pub fn new(adapter: &AdapterState, base: BaseModel) -> Self {
        let sizes = |prefix: &PrefixState| {
            let PrefixShape { n_virtual, n_layers, n_kv_heads, d_head } = prefix.shape;
            SiteSizes { site: prefix.site, n_virtual, n_layers, n_kv_heads, d_head }
        };
        let others = OtherParts::of(adapter);
        let PrefixPlacement { positions, layers } = adapter.placement.clone();
        let is_plain = others == OtherParts::default() && adapter.weights().is_empty() && !adapter.sites().is_empty();
        let as_first = is_plain && adapter.n_frozen() == 0 && layers.is_none();
        Self {
            // An older program reads what it knows.
            format: if as_first && positions != PositionConvention::Infix { 1 } else { FORMAT },
            method: if is_plain { METHOD.to_owned() } else { adapter.method().name().to_owned() },
            sites: adapter.prefixes().map(sizes).collect(),
            n_frozen: adapter.n_frozen(),
            layers,
            others,
            task: adapter.task.clone(),
            positions,
            base,
            template: None,
            figures: None,
            samples: Vec::new(),
            card: String::new(),
            reference_rows: Vec::new(),
            reference_columns: Vec::new(),
            quantization: Quantization::Stored,
        }
    }

    /// Refuses texts that are longer than anybody reads.
    pub(super) fn check_texts(&self) -> Result<(), Sentence> {
        let base = &self.base;
        if let Some(name) =
            [&base.name, &base.architecture, &base.fingerprint].into_iter().find(|name| name.len() > MAX_NAME)
        {
            return Err(sentence!(
                "a name of its base model has {n_bytes} bytes, more than {max_name}",
                n_bytes = name.len(),
                max_name = MAX_NAME
            ));
        }
        if self.card.len() > MAX_CARD {
            return Err(sentence!(
                "its card has {n_bytes} bytes, more than {max_card}",
                n_bytes = self.card.len(),
                max_card = MAX_CARD
            ));
        }
        let of_sample = |sample: &SampleReport| sample.prompt.len() + sample.text.len() + sample.reference.len();
        let n_bytes: usize = self.samples.iter().map(of_sample).sum();
        if self.samples.len() > MAX_SAMPLES || n_bytes > MAX_SAMPLE_TEXT {
            let n = self.samples.len();
            return Err(sentence!(
                "its {n} samples have {n_bytes} bytes, more than {max_samples} or {max_sample_text}",
                n,
                n_bytes,
                max_samples = MAX_SAMPLES,
                max_sample_text = MAX_SAMPLE_TEXT
            ));
        }
        Ok(())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}
