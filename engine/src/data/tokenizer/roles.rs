//! The tokens that begin, end and pad a text, and the others with a role; what stands in for one that a model lacks.

use std::collections::BTreeSet;

use super::Tokenizer;
use super::guarded::guarded;
use super::special::{Named, ROLES};
use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

/// Ends a text in GPT-2's vocabulary.
pub(super) const END_OF_TEXT: &str = "<|endoftext|>";
/// Tokens that usually end a text, when no file says what does.
pub(super) const USUAL_ENDS: [&str; 5] = [END_OF_TEXT, "</s>", "<eos>", "<|end_of_text|>", "[SEP]"];
/// Tokens that usually pad a text.
pub(super) const USUAL_PADS: [&str; 2] = ["<pad>", "[PAD]"];
/// Tokens that usually begin a text.
pub(super) const USUAL_BEGINS: [&str; 4] = ["<s>", "<bos>", "<|begin_of_text|>", "[CLS]"];
/// Tokens that usually hide one of a text's tokens.
pub(super) const USUAL_MASKS: [&str; 2] = ["[MASK]", "<mask>"];

impl Tokenizer {
    /// Begins a text, and stands between prompt and target; the end token where the model has no other.
    pub fn bos(&self) -> u32 {
        self.0.bos
    }

    /// Ends a text.
    pub fn eos(&self) -> u32 {
        self.0.eos
    }

    /// Fills up a batch; the end token where the model has no other.
    pub fn pad(&self) -> u32 {
        self.0.pad
    }

    /// Text that encodes to [`Tokenizer::bos`].
    pub fn bos_text(&self) -> &str {
        &self.0.bos_text
    }

    /// Text that encodes to [`Tokenizer::eos`].
    pub fn eos_text(&self) -> &str {
        &self.0.eos_text
    }

    /// The tokens that stand before every text: the begin token (LLaMA, OPT), several (GLM), or none (GPT-2).
    pub fn begins_texts(&self) -> &[u32] {
        &self.0.begins
    }

    /// The tokens that stand behind every prompt, before what is written: `[gMASK]` and `<sop>` of the first ChatGLM, none
    /// elsewhere.
    pub fn closes_prompts(&self) -> &[u32] {
        &self.0.closes
    }

    /// The tokenizer as a model can use it that writes behind this token alone.
    ///
    /// # Errors
    /// [`EngineError::Tokenizer`] when it does not close a prompt with it: the model would read what it is to write.
    pub fn closing_with(self, start: Option<u32>) -> Result<Self> {
        match start.filter(|start| self.closes_prompts().last() != Some(start)) {
            None => Ok(self),
            Some(id) => Err(EngineError::Tokenizer(sentence!(
                "it does not end a prompt in token {id} ({text:?}), behind which alone the model writes",
                id,
                text = self.token_text(id)
            ))),
        }
    }

    /// The token that a whole text is classified by (`[CLS]`).
    pub fn cls(&self) -> Option<u32> {
        self.role("cls")
    }

    /// The token that ends each of two texts (`[SEP]`).
    pub fn sep(&self) -> Option<u32> {
        self.role("sep")
    }

    /// The token that stands for one that is to be guessed.
    pub fn mask(&self) -> Option<u32> {
        self.role("mask")
    }

    /// Text that encodes to [`Tokenizer::mask`]; empty without one.
    pub fn mask_text(&self) -> String {
        self.mask().and_then(|mask| self.0.token(mask)).unwrap_or_default()
    }

    /// The token for what the vocabulary cannot express.
    pub fn unk(&self) -> Option<u32> {
        self.role("unk")
    }

    /// The padding token, where the model has one of its own.
    pub fn own_pad(&self) -> Option<u32> {
        self.role("pad")
    }

    fn role(&self, role: &str) -> Option<u32> {
        ROLES.iter().zip(self.0.roles).find(|(name, _)| **name == role).and_then(|(_, id)| id)
    }
}

/// The first of the names that the vocabulary has. A token named by its text is made special if the file forgot to, so
/// that its text is read as the token.
pub(super) fn resolve(tokenizer: &mut tokenizers::Tokenizer, names: &[Named]) -> Option<u32> {
    names.iter().find_map(|name| match name {
        Named::Id(id) => tokenizer.id_to_token(*id).map(|_| *id),
        Named::Text(token) => {
            let id = tokenizer.token_to_id(&token.content)?;
            if !special_ids(tokenizer).contains(&id) {
                guarded(|| tokenizer.add_special_tokens([token.clone()])).ok()?;
            }
            Some(id)
        }
    })
}

/// The first of the names that is a special token.
pub(super) fn usual(tokenizer: &tokenizers::Tokenizer, names: &[&str]) -> Option<u32> {
    let special = special_ids(tokenizer);
    names.iter().filter_map(|name| tokenizer.token_to_id(name)).find(|id| special.contains(id))
}

pub(super) fn special_ids(tokenizer: &tokenizers::Tokenizer) -> BTreeSet<u32> {
    tokenizer.get_added_tokens_decoder().iter().filter(|(_, token)| token.special).map(|(&id, _)| id).collect()
}

pub(super) fn notes(bos: Option<u32>, pad: Option<u32>, end: &str) -> Vec<Sentence> {
    let begins =
        bos.is_none().then(|| sentence!("The tokenizer has no begin token; its end token {end:?} begins texts", end));
    let pads =
        pad.is_none().then(|| sentence!("The tokenizer has no padding token; its end token {end:?} pads, masked", end));
    begins.into_iter().chain(pads).collect()
}
