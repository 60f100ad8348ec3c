//! Placement of a prefix in its model: `positions.json` beside PEFT's files, which have no place for it. Without the
//! file the text's positions are shifted and every layer has a prefix, as in PEFT.

use std::path::Path;

use crate::adapters::state::PrefixPlacement;
use crate::error::{EngineError, IoAction, Result};
use crate::files::{self, Kind, write_json};
use crate::models::takes_past;
use crate::nn::positions::PositionConvention;
use crate::{Sentence, sentence};

const FILE: &str = "positions.json";

/// Why PEFT cannot use the files of a prefix of an architecture at all; `None` if it can.
pub(crate) fn unusable_in_peft(architecture: &str) -> Option<Sentence> {
    (!takes_past(architecture)).then(|| {
        sentence!(
            "PEFT cannot load this folder: the code of {architecture} in transformers takes no keys and values, and PEFT has \
             no other way to give it a prefix; it is for this program",
            architecture
        )
    })
}

/// Reads the placement of the prefix from a folder.
///
/// # Errors
/// The file is damaged.
pub(crate) fn read(folder: &Path) -> Result<PrefixPlacement> {
    let path = folder.join(FILE);
    if !path.is_file() {
        return Ok(PrefixPlacement::default());
    }
    files::read_json(&path, Kind::Settings, sentence!("the adapter's convention of positions"))
}

/// Says what differs from PEFT; the word of an adapter that lay in the folder before does not stay.
///
/// # Errors
/// The folder cannot be written to.
pub(crate) fn write(placement: &PrefixPlacement, folder: &Path) -> Result<()> {
    let path = folder.join(FILE);
    if *placement != PrefixPlacement::default() {
        return write_json(&path, placement);
    }
    if path.exists() { std::fs::remove_file(&path).map_err(EngineError::io(IoAction::Remove, path)) } else { Ok(()) }
}

/// Says what is computed where PEFT loads the files, in a sentence; `None` if it is the same.
pub(crate) fn elsewhere(placement: &PrefixPlacement, n_virtual: usize) -> Option<Sentence> {
    let positions = match placement.positions {
        PositionConvention::Shifted => None,
        PositionConvention::Unshifted => Some(sentence!(
            "it was trained with a text's positions from 0 on, and PEFT begins them at {n_virtual}: a model that has \
             positions computes something else there",
            n_virtual
        )),
        PositionConvention::Infix => Some(sentence!(
            "it stands between prompt and target, and PEFT has no such place: it puts the same virtual tokens before the text"
        )),
    };
    let layers = placement.layers.as_ref().map(|_| {
        sentence!(
            "some layers have no prefix, and PEFT gives them one of zeros, which takes attention: something else is \
             computed there"
        )
    });
    Sentence::clauses(positions.into_iter().chain(layers))
}
