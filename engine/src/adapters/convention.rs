//! Where the text's positions begin behind an adapter: `positions.json` beside PEFT's files, which have no place for it.
//! Without the file they are shifted, as in PEFT.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{EngineError, Result};
use crate::nn::positions::Positions;
use crate::weights::write_json;

const FILE: &str = "positions.json";

#[derive(Serialize, Deserialize)]
struct Convention {
    positions: Positions,
}

pub(super) fn read(folder: &Path) -> Result<Positions> {
    let path = folder.join(FILE);
    if !path.is_file() {
        return Ok(Positions::Shifted);
    }
    let text = std::fs::read_to_string(&path).map_err(EngineError::io("read", &path))?;
    match serde_json::from_str(&text) {
        Ok(Convention { positions }) => Ok(positions),
        Err(error) => {
            let reason = error.to_string();
            Err(EngineError::Malformed { what: "the adapter's convention of positions", path, reason })
        }
    }
}

/// Says what differs from PEFT; the word of an adapter that lay in the folder before does not stay.
pub(super) fn write(folder: &Path, positions: Positions) -> Result<()> {
    let path = folder.join(FILE);
    match positions {
        Positions::Unshifted => write_json(&path, &Convention { positions }),
        Positions::Shifted if path.exists() => std::fs::remove_file(&path).map_err(EngineError::io("remove", path)),
        Positions::Shifted => Ok(()),
    }
}
