//! Recognition of well-known files: a pointer, a page or an archive in the place of the file that was wanted.
//!
//! Every reader of models, tokenizers, rows and adapters asks here before it looks for its own form.

use std::path::Path;

use crate::Sentence;
use crate::error::{EngineError, Result};
use crate::sentence;
use crate::sentence::ToSentence;

/// Bytes at the beginning of a file that are looked at.
const HEAD: usize = 1024;

/// A well-known form that stands where another file should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// Git keeps large files elsewhere and this in their place.
    LfsPointer,
    /// A page for a browser: of a login, an error, or the repository's web site.
    Page,
    /// A server's words on why it sent nothing.
    ServerError,
    /// gzip, bzip2, xz, Zstandard, 7z, RAR or tar.
    Archive(&'static str),
    /// Zip, which PyTorch's files and spreadsheets are too.
    Zip,
    /// llama.cpp's form of a model.
    Gguf,
    /// Another program's table or array.
    Binary(&'static str),
}

/// Beginnings of files, as bytes.
const BEGINNINGS: [(&[u8], FileKind); 17] = [
    (b"version https://git-lfs.github.com/spec/", FileKind::LfsPointer),
    (b"version https://hawser.github.com/spec/", FileKind::LfsPointer),
    (b"PK\x03\x04", FileKind::Zip),
    (b"GGUF", FileKind::Gguf),
    (b"\x1f\x8b", FileKind::Archive("gzip")),
    (b"BZh", FileKind::Archive("bzip2")),
    (b"\xfd7zXZ\0", FileKind::Archive("xz")),
    (b"\x28\xb5\x2f\xfd", FileKind::Archive("Zstandard")),
    (b"7z\xbc\xaf\x27\x1c", FileKind::Archive("7z")),
    (b"Rar!\x1a\x07", FileKind::Archive("RAR")),
    (b"PAR1", FileKind::Binary("Parquet")),
    (b"ARROW1", FileKind::Binary("Arrow")),
    (b"\x89HDF\r\n\x1a\n", FileKind::Binary("HDF5")),
    (b"%PDF-", FileKind::Binary("PDF")),
    (b"SQLite format 3\0", FileKind::Binary("SQLite")),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", FileKind::Binary("old Office")),
    (b"\x89PNG\r\n\x1a\n", FileKind::Binary("PNG")),
];

/// Beginnings of texts that servers send in place of a file, in small letters.
const PAGES: [&str; 3] = ["<!doctype html", "<html", "<head"];

/// Words with which servers refuse, in small letters.
const REFUSALS: [&str; 6] = [
    "entry not found",
    "repository not found",
    "invalid username or password",
    "access to model",
    "404: not found",
    "<error>",
];

/// All that an object has by which a server refuses.
const REFUSAL_KEYS: [&str; 8] = ["error", "message", "detail", "status", "statusCode", "code", "type", "title"];

/// Longest refusal of a server.
const MAX_REFUSAL: usize = 4096;

impl FileKind {
    /// The form of a file by how it begins, if it is one of these.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let head = &bytes[..bytes.len().min(HEAD)];
        if let Some((_, kind)) = BEGINNINGS.iter().find(|(beginning, _)| head.starts_with(beginning)) {
            return Some(*kind);
        }
        if head.get(257..262) == Some(b"ustar") {
            return Some(Self::Archive("tar"));
        }
        let text = String::from_utf8_lossy(head).to_ascii_lowercase();
        let text = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
        let text = match text.strip_prefix("<?xml") {
            Some(rest) => rest.split_once("?>").map_or("", |(_, rest)| rest.trim_start()),
            None => text,
        };
        if PAGES.iter().any(|page| text.starts_with(page)) {
            return Some(Self::Page);
        }
        let says_so = bytes.len() <= MAX_REFUSAL && REFUSALS.iter().any(|refusal| text.starts_with(refusal));
        (says_so || is_refusal(bytes)).then_some(Self::ServerError)
    }

    /// One sentence on how to come by the file that was wanted.
    pub fn advice(self) -> Sentence {
        match self {
            Self::LfsPointer => sentence!("Run git lfs pull in its folder, or download the file itself"),
            Self::Page => {
                sentence!(
                    "Download the file itself: on the site that is the link for downloading, not the page that shows it"
                )
            }
            Self::ServerError => {
                sentence!("Open the file in an editor, it says what the server wanted; then download it again")
            }
            Self::Archive("gzip") => sentence!("Unpack it first: gunzip FILE"),
            Self::Archive("bzip2") => sentence!("Unpack it first: bunzip2 FILE"),
            Self::Archive("xz") => sentence!("Unpack it first: unxz FILE"),
            Self::Archive("Zstandard") => sentence!("Unpack it first: unzstd FILE"),
            Self::Archive(_) | Self::Zip => sentence!("Unpack it, and choose what was in it"),
            Self::Gguf => {
                sentence!("Name this file itself as the model: it is all of it")
            }
            Self::Binary(_) => sentence!("Convert it to the form that is read here"),
        }
    }
}

impl FileKind {
    /// A description of the kind, with its article.
    pub fn sentence(self) -> Sentence {
        match self {
            Self::LfsPointer => sentence!("a Git LFS pointer, which stands for a file that was not fetched"),
            Self::Page => sentence!("a web page"),
            Self::ServerError => sentence!("a server's answer that there is no such file or no access to it"),
            Self::Archive(name) => sentence!("an archive ({name})", name),
            Self::Zip => sentence!("a zip archive"),
            Self::Gguf => sentence!("a model in llama.cpp's form (GGUF)"),
            Self::Binary(name) => sentence!("a file of {name}", name),
        }
    }
}

impl ToSentence for FileKind {
    fn to_sentence(&self) -> Sentence {
        self.sentence()
    }
}

/// Whether it is one object that says nothing but what went wrong.
fn is_refusal(bytes: &[u8]) -> bool {
    if bytes.len() > MAX_REFUSAL {
        return false;
    }
    match serde_json::from_slice(bytes) {
        Ok(serde_json::Value::Object(said)) => {
            ["error", "message", "detail"].iter().any(|key| said.contains_key(*key))
                && said.keys().all(|key| REFUSAL_KEYS.contains(&key.as_str()))
        }
        _ => false,
    }
}

/// Refuses a file that is something else by how it begins; `what` says what it should be, with its article.
///
/// # Errors
/// [`EngineError::OtherFile`].
pub(crate) fn refuse_other(what: Sentence, path: &Path, bytes: &[u8]) -> Result<()> {
    match FileKind::of(bytes) {
        Some(kind) => Err(EngineError::OtherFile { what, kind, path: path.to_owned() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\noid sha256:00ff\nsize 1048576\n";

    #[test]
    fn a_pointer_a_page_an_answer_and_an_archive_are_said_as_what_they_are() {
        let cases: [(&[u8], FileKind); 10] = [
            (POINTER, FileKind::LfsPointer),
            (b"\n <!DOCTYPE html>\n<html lang=\"en\">", FileKind::Page),
            (b"<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code></Error>", FileKind::ServerError),
            (b"{\"error\":\"Repository not found\"}", FileKind::ServerError),
            (b"{\n  \"error\": \"Access to it is restricted\"\n}", FileKind::ServerError),
            (b"Entry not found", FileKind::ServerError),
            (b"\x1f\x8b\x08\0", FileKind::Archive("gzip")),
            (b"PK\x03\x04....", FileKind::Zip),
            (b"GGUF\x03\0\0\0", FileKind::Gguf),
            (b"PAR1....PAR1", FileKind::Binary("Parquet")),
        ];
        for (bytes, kind) in cases {
            assert_eq!(FileKind::of(bytes), Some(kind), "{}", String::from_utf8_lossy(bytes));
        }
        let error = refuse_other(sentence!("the weight file"), Path::new("model.safetensors"), POINTER).unwrap_err();
        assert!(error.to_string().contains("Git LFS pointer"), "{error}");
        assert!(error.advice().to_string().contains("git lfs pull"));
    }

    #[test]
    fn rows_and_configurations_that_begin_alike_are_left_alone() {
        let cases: [&[u8]; 6] = [
            b"{\"error\": \"typo\", \"fix\": \"a\"}\n{\"error\": \"other\", \"fix\": \"b\"}\n",
            b"{\"model_type\": \"gpt2\"}",
            b"{\"message\": \"Hello\", \"reply\": \"Hi\"}\n",
            b"version,text\n1,https://git-lfs.github.com\n",
            b"Entry\nthe first\n",
            b"",
        ];
        for bytes in cases {
            assert_eq!(FileKind::of(bytes), None, "{}", String::from_utf8_lossy(bytes));
        }
    }
}
