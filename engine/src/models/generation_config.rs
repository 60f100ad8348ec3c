//! `generation_config.json`: what a model's makers say about decoding.

use std::path::Path;

use serde::Deserialize;

use crate::error::{EngineError, Result};

/// What decoding takes from the file; the rest is the user's choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GenerationConfig {
    /// Tokens that end a text.
    pub end_tokens: Vec<u32>,
    /// Tokens that are never generated.
    pub suppress_tokens: Vec<u32>,
}

#[derive(Deserialize)]
struct File {
    eos_token_id: Option<OneOrMore>,
    suppress_tokens: Option<Vec<u32>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(u32),
    More(Vec<u32>),
}

impl GenerationConfig {
    /// Reads the file of a model folder; without one nothing is said.
    ///
    /// # Errors
    /// The file cannot be read or understood.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("generation_config.json");
        if !path.is_file() {
            return Ok(Self::default());
        }
        let text = std::fs::read_to_string(&path).map_err(EngineError::io("read", &path))?;
        let file: File = serde_json::from_str(&text).map_err(|error| EngineError::Malformed {
            what: "generation_config.json",
            path,
            reason: error.to_string(),
        })?;
        let end_tokens = match file.eos_token_id {
            None => Vec::new(),
            Some(OneOrMore::One(token)) => vec![token],
            Some(OneOrMore::More(tokens)) => tokens,
        };
        Ok(Self { end_tokens, suppress_tokens: file.suppress_tokens.unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<GenerationConfig> {
        let folder = tempfile::tempdir().map_err(EngineError::io("create", "a folder"))?;
        let path = folder.path().join("generation_config.json");
        std::fs::write(&path, text).map_err(EngineError::io("write", &path))?;
        GenerationConfig::read(folder.path())
    }

    #[test]
    fn one_end_or_several_and_what_is_never_said() {
        let one = read(r#"{"eos_token_id": 2, "suppress_tokens": [0], "temperature": 0.6}"#).expect("it is one");
        assert_eq!(one, GenerationConfig { end_tokens: vec![2], suppress_tokens: vec![0] });
        let two = read(r#"{"eos_token_id": [7, 9], "suppress_tokens": null}"#).expect("there are two");
        assert_eq!(two, GenerationConfig { end_tokens: vec![7, 9], suppress_tokens: vec![] });
        assert_eq!(read("{}").expect("nothing is said"), GenerationConfig::default());
        assert!(read(r#"{"eos_token_id": "end"}"#).is_err());
    }
}
