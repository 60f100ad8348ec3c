//! A prefix as ChatGLM's P-tuning loads it: the flat `prefix_encoder` in a checkpoint of PyTorch's.
//! THUDM/ChatGLM-6B: ptuning/main.py (`--ptuning_checkpoint`, with `--pre_seq_len` and without `--prefix_projection`).

use std::ffi::OsStr;
use std::path::Path;

use crate::adapters::methods::PartState;
use crate::adapters::state::AdapterState;
use crate::error::{EngineError, IoAction, Result};
use crate::models::Site;
use crate::nn::positions::PositionConvention;
use crate::weights::{Floats, write_torch};
use crate::{Sentence, sentence};

/// Ends the names of such files.
const ENDING: &str = "bin";
/// The prefix: `[n_virtual, n_layers * 2 * n_kv_heads * d_head]`.
pub(super) const EMBEDDING: &str = "transformer.prefix_encoder.embedding.weight";
/// The architecture whose code counts positions from the tokens alone, so that no prefix is trained otherwise.
const COUNTS_TOKENS: &str = "chatglm-6b";

/// Whether an adapter goes there in this form, by the name.
pub(super) fn is_for(path: &Path) -> bool {
    path.extension() == Some(OsStr::new(ENDING))
}

/// Writes the file. What does not come out exactly is said in a sentence.
///
/// # Errors
/// [`EngineError::AdapterMismatch`] for anything but a prefix of every layer; the folder cannot be written to.
pub(super) fn write(adapter: &AdapterState, path: &Path, architecture: Option<&str>) -> Result<Option<Sentence>> {
    let refused = |reason: Sentence| Err(EngineError::AdapterMismatch { reason });
    let [PartState::Prefix(prefix)] = adapter.parts.as_slice() else {
        return refused(sentence!("ChatGLM's form is for a prefix alone"));
    };
    if prefix.site != Site::Decoder || adapter.placement.layers.is_some() {
        return refused(sentence!("ChatGLM's form is for a prefix of every layer of a model that goes on with a text"));
    }
    if adapter.placement.positions == PositionConvention::Infix {
        return refused(sentence!("ChatGLM's form has no place for an infix"));
    }
    let shape = vec![prefix.shape.n_virtual, prefix.shape.row()];
    let tensors = Floats::from([(EMBEDDING.to_owned(), (shape, prefix.flat.clone()))]);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(EngineError::io(IoAction::Create, folder))?;
    }
    write_torch(path, &tensors)?;
    let is_shifted = adapter.placement.positions == PositionConvention::Shifted && architecture != Some(COUNTS_TOKENS);
    Ok(is_shifted.then(|| {
        sentence!(
            "it was trained with a text's positions from {n_virtual} on, and ChatGLM begins them at 0: it computes something \
             else there",
            n_virtual = prefix.shape.n_virtual
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::formats::{export, open};
    use crate::adapters::{PrefixPlacement, PrefixShape, PrefixState};
    use crate::config::TaskRecord;
    use crate::models::ModelShape;

    const SHAPE: PrefixShape = PrefixShape { n_virtual: 3, n_layers: 2, n_kv_heads: 2, d_head: 4 };

    fn adapter(placement: PrefixPlacement) -> AdapterState {
        let flat = (0..SHAPE.stored()).map(|i| i as f32 / 8.0).collect();
        AdapterState {
            placement,
            ..AdapterState::new(TaskRecord::default(), [PrefixState::new(Site::Decoder, SHAPE, flat)])
        }
    }

    #[test]
    fn a_prefix_comes_back_from_chatglms_form() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint/pytorch_model.bin");
        let out = adapter(PrefixPlacement::default());
        assert_eq!(export(&out, &path, Some("chatglm-6b")).unwrap(), None);
        let model = ModelShape {
            architecture: "chatglm-6b",
            n_layers: 2,
            d_model: 8,
            n_heads: 2,
            n_kv_heads: 2,
            d_head: 4,
            d_ff: 16,
            vocab_size: 9,
            n_positions: 64,
        };
        let (back, said) = open(&path, Some(&[(Site::Decoder, model)])).unwrap();
        assert_eq!(back.parts, out.parts);
        assert_eq!(back.placement.positions, PositionConvention::Unshifted);
        assert!(said.to_string().contains("THUDM/ChatGLM"), "{said}");
        let said = export(&out, &path, Some("chatglm")).unwrap().unwrap();
        assert!(said.to_string().contains("positions from 3 on"), "{said}");
        assert_eq!(export(&back, &path, Some("chatglm")).unwrap(), None);
    }

    #[test]
    fn what_chatglm_has_no_place_for_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pytorch_model.bin");
        let refused = |adapter: &AdapterState| export(adapter, &path, None).unwrap_err().to_string();
        let layers = PrefixPlacement { layers: Some(vec![0]), ..PrefixPlacement::default() };
        assert!(refused(&adapter(layers)).contains("every layer"));
        let infix = PrefixPlacement { positions: PositionConvention::Infix, ..PrefixPlacement::default() };
        assert!(refused(&adapter(infix)).contains("infix"));
        assert!(refused(&AdapterState { parts: Vec::new(), ..adapter(PrefixPlacement::default()) }).contains("alone"));
        assert!(!path.exists());
    }
}
