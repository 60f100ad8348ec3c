//! Analyses of a learned prefix, one question per file.
//!
//! Nearest tokens are a projection, not the meaning: Khashabi et al. 2022, "Prompt Waywardness", show prompts that
//! solve a task while they project to unrelated text. So every list comes with what chance alone would make of it.

mod ablation;
mod assignment;
mod at_labels;
mod attention;
mod chance;
mod changes;
mod cka;
mod continuation;
mod decomposition;
mod decomposition_passes;
mod discovery;
mod drift;
mod export;
mod forgetting;
mod gates;
mod geometry;
mod importance;
mod label_words;
mod left_out;
mod lens;
mod map;
mod neighbors;
pub mod norms;
mod pca;
mod query;
mod question;
mod report;
mod scan;
mod shorter;
mod similarity;
mod sites;
mod slot_columns;
mod slots;
mod spread;
mod subject;
mod table;
mod through_head;
#[cfg(test)]
mod tiny_subject;
mod variant;
mod vocabulary;
mod vocabulary_index;
mod words;

pub use ablation::AblationReport;
pub use attention::{AttentionReport, LayerAttention};
pub use changes::weight_changes;
pub use decomposition::{Decomposition, HeadDecomposition, LayerDecomposition};
pub use discovery::{Discoveries, SharedNeighbor};
pub use drift::{Apart, CheckpointDrift, DriftReport, LayerDrift, SlotDrift};
pub use export::{Asked, export_neighbors, neighbors_table};
pub use forgetting::{AtStrength, Forgetting};
pub use geometry::Geometry;
pub use importance::{Agreement, ImportanceReport, LayerImportance, Pruned, SlotImportance};
pub use label_words::{LabelWord, LabelWordsReport, WordPlace};
pub use left_out::LeftOut;
pub use lens::{LensCell, LensLayer, LensReport, MovedToken};
pub use map::{MapReport, MapStep, MapToken};
pub use neighbors::{Cell, NeighborSearch, nearest_in_embeddings, nearest_tokens};
pub use query::{Metric, Side, Space};
pub use question::{Analysis, Question};
pub use report::{Neighbor, NeighborList, PrefixGrid, Tail, VocabularyScores, WeightChange};
pub(crate) use shorter::Shortening;
pub use shorter::{Shortened, ShorterReport};
pub use similarity::{LayerMatch, LayerSimilarity, MatchedPair, SimilarityReport};
pub use sites::{SiteStack, index_name};
pub use slots::Spread;
pub use subject::{Investigation, Subject};
pub use table::Table;
pub use through_head::LensToken;
pub use vocabulary::{VocabularyBuilder, VocabularyStep};
pub use vocabulary_index::VocabularyIndex;
pub use words::{Candidate, CandidateSource, InWords, Patched, PatchedWhat, RandomTexts, Said, SearchStep};

use burn::tensor::Tensor;

use crate::Sentence;
use crate::error::{EngineError, Result};

/// Keys or values as rows on the host: `[1 or batch, n_kv_heads, n, d_head]` to `[batch * n, n_kv_heads * d_head]`,
/// heads outside.
fn rows(slots: &Tensor<4>) -> Result<Vec<f32>> {
    to_host(slots.clone().swap_dims(1, 2))
}

fn to_host<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    tensor.try_into_vec_as().map_err(|error| EngineError::Computation(Sentence::verbatim(error)))
}
