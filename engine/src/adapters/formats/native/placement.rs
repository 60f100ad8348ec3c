//! How a prefix stands in its model: `positions.json` beside PEFT's files, which have no place for it. Without the file the
//! text's positions are shifted and every layer has a prefix, as in PEFT.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::adapters::FoldedAdapter;
use crate::error::{EngineError, IoAction, Result};
use crate::files::{self, Kind, write_json};
use crate::nn::positions::Positions;
use crate::{Sentence, sentence};

const FILE: &str = "positions.json";

/// Architectures whose code in transformers takes no keys and values, so that PEFT cannot put a prefix before them.
const WITHOUT_CACHE: [&str; 2] = ["albert", "distilbert"];

/// Why PEFT cannot use the files of a prefix of an architecture at all; `None` if it can.
pub(crate) fn unusable_in_peft(architecture: &str) -> Option<Sentence> {
    WITHOUT_CACHE.contains(&architecture).then(|| {
        sentence!(
            "PEFT cannot load this folder: the code of {architecture} in transformers takes no keys and values, and PEFT has \
             no other way to give it a prefix; it is for this program",
            architecture
        )
    })
}

/// What PEFT's files do not say of a prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Convention {
    /// Where the text's positions begin.
    pub(crate) positions: Positions,
    /// The layers that have one; `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) layers: Option<Vec<usize>>,
}

impl Convention {
    /// That of an adapter.
    pub(crate) fn of(adapter: &FoldedAdapter) -> Self {
        Self { positions: adapter.positions, layers: adapter.layers.clone() }
    }

    /// What a folder says.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        if !path.is_file() {
            return Ok(Self::default());
        }
        files::read_json(&path, Kind::Settings, sentence!("the adapter's convention of positions"))
    }

    /// Says what differs from PEFT; the word of an adapter that lay in the folder before does not stay.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(FILE);
        if *self != Self::default() {
            return write_json(&path, self);
        }
        if path.exists() {
            std::fs::remove_file(&path).map_err(EngineError::io(IoAction::Remove, path))
        } else {
            Ok(())
        }
    }

    /// What it computes where PEFT loads its files, in a sentence; `None` if it is the same.
    pub(crate) fn elsewhere(&self, n_virtual: usize) -> Option<Sentence> {
        let positions = match self.positions {
            Positions::Shifted => None,
            Positions::Unshifted => Some(sentence!(
                "it was trained with a text's positions from 0 on, and PEFT begins them at {n_virtual}: a model that has \
                 positions computes something else there",
                n_virtual
            )),
            Positions::Infix => Some(sentence!(
                "it stands between prompt and target, and PEFT has no such place: it puts the same slots before the text"
            )),
        };
        let layers = self.layers.as_ref().map(|_| {
            sentence!(
                "some layers have no prefix, and PEFT gives them one of zeros, which takes attention: something else is \
                 computed there"
            )
        });
        Sentence::clauses(positions.into_iter().chain(layers))
    }
}
