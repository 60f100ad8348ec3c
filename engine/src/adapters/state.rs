//! A saved adapter: a list of parts, each of which its method reads, and what they were trained for. It knows no file.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::adapters::methods::PartState;
use crate::config::{FullConfig, MethodConfig, TaskRecord};
use crate::data::Tokenizer;
use crate::error::Result;
use crate::models::{Conditioning, LinearName, Model, WeightName};
use crate::nn::positions::PositionConvention;
use crate::tokens::SOFT;
use crate::{Sentence, sentence};

/// A trained adapter, as a run keeps it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AdapterState {
    /// In the order of the variants of [`PartState`]; of a prefix one for each site.
    pub parts: Vec<PartState>,
    /// The task it was trained for.
    pub task: TaskRecord,
    /// The base model, as whoever saved it named it.
    pub base_model: Option<String>,
    /// Placement of its prefixes in the model.
    pub placement: PrefixPlacement,
    /// Statements of its files that nothing here reads, a sentence each.
    pub notices: Vec<Sentence>,
}

/// Placement of a prefix in its model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixPlacement {
    /// Where the text's positions begin behind it.
    pub positions: PositionConvention,
    /// The layers that see it, whose pairs are zeros for the others; `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers: Option<Vec<usize>>,
}

/// Names and widths of a model, which an adapter's tensors are held against.
pub(crate) struct ModelNames {
    pub(crate) linears: Vec<LinearName>,
    pub(crate) weights: Vec<WeightName>,
    /// A head that is the table of embeddings too.
    pub(crate) tied: Option<WeightName>,
    pub(crate) embedding_width: usize,
}

impl AdapterState {
    /// Of some parts.
    pub fn new<P: Into<PartState>>(task: TaskRecord, parts: impl IntoIterator<Item = P>) -> Self {
        let mut adapter = Self { task, ..Self::default() };
        parts.into_iter().for_each(|part| adapter.push(part));
        adapter
    }

    /// Puts a part in its place. Weights join weights and a head a head; what has no numbers is left out.
    pub fn push(&mut self, part: impl Into<PartState>) {
        let mut part = part.into();
        if part.saved().is_empty() {
            return;
        }
        for known in &mut self.parts {
            match known.join(part) {
                None => return,
                Some(other) => part = other,
            }
        }
        let at = self.parts.partition_point(|known| known.rank() <= part.rank());
        self.parts.insert(at, part);
    }

    /// The most virtual tokens of a part.
    pub fn n_virtual(&self) -> usize {
        self.parts.iter().map(|part| part.saved().n_virtual()).max().unwrap_or(0)
    }

    /// The method that makes such an adapter; what was folded away is not known any more.
    pub fn method(&self) -> MethodConfig {
        let method = self.parts.iter().find_map(|part| part.saved().method(self));
        method.unwrap_or(MethodConfig::Full(FullConfig::top(0)))
    }

    /// Tokens before every text: soft ones, or those of words.
    ///
    /// # Errors
    /// The vocabulary cannot express the words.
    pub fn before(&self, tokenizer: &Tokenizer) -> Result<Vec<u32>> {
        let mut before: Vec<u32> = (0..self.n_soft() as u32).map(|slot| SOFT + slot).collect();
        if let Some(text) = self.text() {
            before.extend(tokenizer.encode(text)?);
        }
        Ok(before)
    }

    /// Positions that it takes before the text, at most.
    pub fn n_before(&self) -> usize {
        match self.placement.positions {
            PositionConvention::Shifted | PositionConvention::Infix => self.n_virtual(),
            PositionConvention::Unshifted => 0,
        }
    }

    /// The conditioning that the adapter gives to a model.
    ///
    /// # Errors
    /// The adapter's head does not fit the model.
    pub fn conditioning(&self, model: &Model, device: &Device) -> Result<Conditioning> {
        let PrefixPlacement { positions, layers } = self.placement.clone();
        let mut conditioning =
            Conditioning { head: self.class_head(model, device)?, positions, layers, ..Conditioning::default() };
        if positions == PositionConvention::Infix {
            model.check_infix()?;
        }
        for part in &self.parts {
            part.saved().condition(device, &mut conditioning);
        }
        Ok(conditioning)
    }

    /// Names the adapter: the first 12 hexadecimal digits of the SHA-256 of its numbers, where there are several sites of
    /// such names of each.
    pub fn hash(&self) -> String {
        let mut digest = Sha256::new();
        for part in &self.parts {
            let is_alone = self.parts.iter().filter(|other| other.rank() == part.rank()).count() == 1;
            part.saved().hash(is_alone, &mut digest);
        }
        // The same numbers compute something else.
        match self.placement.positions {
            PositionConvention::Shifted => {}
            PositionConvention::Unshifted => digest.update(b"unshifted"),
            PositionConvention::Infix => digest.update(b"infix"),
        }
        for layer in self.placement.layers.iter().flatten() {
            digest.update(layer.to_le_bytes());
        }
        short(&digest.finalize())
    }

    /// Describes the adapter in a sentence; `kept_by` is whoever wrote it.
    pub fn describe(&self, kept_by: &Sentence) -> Sentence {
        let parts = self.parts.iter().flat_map(|part| part.saved().describe(self, kept_by));
        let sentence = parts.reduce(|before, next| sentence!("{before}, with {next}", before, next));
        let sentence = sentence.unwrap_or_else(|| sentence!("an adapter of {kept_by}", kept_by));
        if self.sites().is_empty() {
            return sentence;
        }
        let positions = match self.placement.positions {
            PositionConvention::Shifted => sentence!("the text's positions begin behind it"),
            PositionConvention::Unshifted => sentence!("the text's positions begin at 0"),
            PositionConvention::Infix => sentence!("it stands between prompt and target"),
        };
        sentence!("{sentence}; {positions}", sentence, positions)
    }
}

pub(crate) fn bytes(numbers: &[f32]) -> &[u8] {
    bytemuck::cast_slice(numbers)
}

pub(crate) fn short(digest: &[u8]) -> String {
    digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::{FewShotState, HeadState, PrefixShape, PrefixState, WeightsState};
    use crate::models::Site;

    #[test]
    fn every_kind_of_adapter_is_told_in_a_sentence() {
        let shape = PrefixShape { n_virtual: 2, n_layers: 1, n_kv_heads: 1, d_head: 2 };
        let prefix = PrefixState::new(Site::Decoder, shape, vec![0.0; shape.stored()]);
        let adapter = |parts: &[PartState]| AdapterState::new(TaskRecord::default(), parts.iter().cloned());
        assert_eq!(
            adapter(&[prefix.into()]).describe(&sentence!("PEFT's form")),
            "a prefix of PEFT's form: 2 virtual tokens at the decoder; the text's positions begin behind it"
        );
        let tensor = |name: &str| vec![(name.to_owned(), vec![1], vec![0.0])];
        let (head, weights) = (HeadState(tensor("score.weight")), WeightsState(tensor("ln.bias")));
        let workbench = sentence!("the workbench");
        assert_eq!(
            adapter(&[head.into(), weights.into()]).describe(&workbench),
            "1 trained weight of the workbench, with a head"
        );
        let text = FewShotState("Say it.".to_owned());
        assert_eq!(adapter(&[text.into()]).describe(&workbench), "words of the workbench before every prompt");
    }

    #[test]
    fn weights_join_weights_and_what_has_no_numbers_is_left_out() {
        let weights = |name: &str| WeightsState(vec![(name.to_owned(), vec![1], vec![0.0])]);
        let mut adapter = AdapterState::new(TaskRecord::default(), [weights("a"), weights("b"), WeightsState(vec![])]);
        adapter.push(HeadState(Vec::new()));
        assert_eq!((adapter.parts.len(), adapter.weights().len()), (1, 2));
    }
}
