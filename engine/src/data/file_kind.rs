//! Recognition of a file or a folder that was given as rows and is none, by its first bytes or by what the folder
//! holds: said before a reader says what it is not.

use std::io::Read;
use std::path::Path;

use super::files::{Packing, is_columnar, unpacked};
use crate::error::{EngineError, IoAction, Result};
use crate::file_kind::FileKind;
use crate::files::{self, Kind};
use crate::{Sentence, sentence};

/// A thing that is no file of rows, and the way from there to rows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    what: Sentence,
    advice: Sentence,
}

/// Bytes at the beginning of a file that are looked at: more than any answer of a server that is told as one.
const BEGINNING: u64 = 4097;
/// Files of rows in a folder that are named.
const FILES_NAMED: usize = 3;

const UNPACK: Sentence = sentence!("Unpack it, and choose the file of rows in it");
const SPREADSHEET: Sentence =
    sentence!("Save the sheet as .csv in UTF-8, or: pandas.read_excel(\"FILE\").to_csv(\"rows.csv\", index=False)");
const PACKED: Sentence = sentence!("Unpack it first, and choose the file in it");

/// Begins what may be the release of WebNLG.
const XML: &[u8] = b"<?xml";

/// Beginnings of files from which rows can be had, with the way; [`FileKind`] knows what stands in any file's place.
static BEGINNINGS: [(&[u8], Sentence, Sentence); 12] = [
    (
        b"FEA1",
        sentence!("a Feather file of the first version"),
        sentence!("Write it anew with Python: pandas.read_feather(\"FILE\").to_parquet(\"rows.parquet\")"),
    ),
    (b"Obj\x01", sentence!("an Avro file"), sentence!("Write its rows out as .jsonl")),
    (b"ORC", sentence!("an ORC file"), sentence!("Write its rows out as .jsonl")),
    (
        b"SQLite format 3\0",
        sentence!("an SQLite database"),
        sentence!("Export the table as .csv: sqlite3 -header -csv FILE \"SELECT * FROM NAME\" > rows.csv"),
    ),
    (b"\xD0\xCF\x11\xE0", sentence!("a document or spreadsheet of an older Office"), SPREADSHEET),
    (b"%PDF-", sentence!("a PDF document"), sentence!("Copy the texts into rows of a .csv or .jsonl file")),
    (b"{\\rtf", sentence!("a document in RTF"), sentence!("Save it as plain text")),
    (b"\x93NUMPY", sentence!("an array of NumPy"), sentence!("Write the texts out as .jsonl")),
    (b"\x89HDF", sentence!("an HDF5 file"), sentence!("Write its rows out as .jsonl")),
    (b"GGUF", sentence!("the weights of a model in GGUF"), sentence!("Choose a file of rows here")),
    (XML, sentence!("an XML file"), sentence!("Write a row for each text, as .csv or .jsonl")),
    (
        b"\x80\x02",
        sentence!("a Python pickle, which is never opened here"),
        sentence!("Write its rows out with Python, as .jsonl"),
    ),
];

/// The error for a file that no rows are read from; `None` for text, whatever it says.
///
/// # Errors
/// [`EngineError::Io`] when it cannot be read.
pub(super) fn not_rows(path: &Path) -> Result<Option<EngineError>> {
    let file = files::open(path, Kind::Rows)?;
    let length = file.metadata().map_err(EngineError::io(IoAction::Read, path))?.len();
    let mut beginning = Vec::new();
    file.take(BEGINNING).read_to_end(&mut beginning).map_err(EngineError::io(IoAction::Read, path))?;
    let found = match Packing::of(&beginning) {
        Some(packing) => of_packed(path, &unpacked(path, packing, Some(BEGINNING))?),
        None => of_beginning(path, &beginning, length),
    };
    Ok(found.map(|found| found.at(path)))
}

/// The same of a folder.
pub(super) fn folder_is_not_rows(path: &Path) -> EngineError {
    of_folder(path).at(path)
}

impl Found {
    fn new(what: Sentence, advice: Sentence) -> Self {
        Self { what, advice }
    }

    fn at(self, path: &Path) -> EngineError {
        EngineError::NotRows { path: path.to_owned(), found: self.what, advice: self.advice }
    }
}

/// The same of what is in a packed file.
fn of_packed(path: &Path, beginning: &[u8]) -> Option<Found> {
    if is_columnar(beginning) {
        return Some(Found::new(sentence!("a packed file of columns, which are packed by themselves"), PACKED));
    }
    of_beginning(path, beginning, u64::MAX)
}

fn of_beginning(path: &Path, beginning: &[u8], length: u64) -> Option<Found> {
    let is_xml = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("xml"));
    let known = |(mark, ..): &&(&[u8], Sentence, Sentence)| beginning.starts_with(mark) && !(is_xml && *mark == XML);
    if let Some((_, what, advice)) = BEGINNINGS.iter().find(known) {
        return Some(Found::new(what.clone(), advice.clone()));
    }
    if beginning.starts_with(b"\x80") && beginning.get(1).is_some_and(|&version| (3..=5).contains(&version)) {
        let (_, what, advice) = &BEGINNINGS[BEGINNINGS.len() - 1];
        return Some(Found::new(what.clone(), advice.clone()));
    }
    if beginning.starts_with(b"PK\x03\x04") {
        return Some(of_zip(path, beginning));
    }
    if is_safetensors(beginning, length) {
        let advice = sentence!(
            "Choose a file of rows here; an adapter is opened in the library, or with: prefix-workbench import FILE"
        );
        return Some(Found::new(sentence!("a file of tensors: weights or an adapter"), advice));
    }
    if is_columnar(beginning) {
        return None;
    }
    // A server's answer is short, so that its beginning is all of it.
    let kind = FileKind::of(beginning)?;
    Some(Found::new(kind.sentence(), kind.advice()))
}

/// The kind of a zip archive, by the names in its beginning and by its own name.
fn of_zip(path: &Path, beginning: &[u8]) -> Found {
    let has = |name: &str| beginning.windows(name.len()).any(|window| window == name.as_bytes());
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
    if has("xl/") || has("opendocument.spreadsheet") || ["xlsx", "xlsm", "ods"].contains(&ending.as_str()) {
        return Found::new(sentence!("a spreadsheet"), SPREADSHEET);
    }
    if has("word/") || has("opendocument.text") || ["docx", "odt"].contains(&ending.as_str()) {
        return Found::new(
            sentence!("a text document"),
            sentence!("Copy the texts into rows of a .csv or .jsonl file, or save it as plain text"),
        );
    }
    if has("data.pkl") || has(".npy") {
        return Found::new(sentence!("a file of tensors"), sentence!("Choose a file of rows here"));
    }
    Found::new(sentence!("a zip archive"), UNPACK)
}

/// A length of 8 bytes within the file, then the header, a JSON object.
fn is_safetensors(beginning: &[u8], length: u64) -> bool {
    let Some((header, rest)) = beginning.split_first_chunk::<8>() else { return false };
    rest.starts_with(b"{") && (2..=length.saturating_sub(8)).contains(&u64::from_le_bytes(*header))
}

fn of_folder(path: &Path) -> Found {
    let has = |name: &str| path.join(name).is_file();
    if has("adapter_config.json") {
        let advice = sentence!(
            "Choose a file of rows here; an adapter is opened in the library, or with: prefix-workbench import FOLDER"
        );
        return Found::new(sentence!("the folder of an adapter"), advice);
    }
    if has("run.json") || has("metrics.jsonl") {
        return Found::new(sentence!("the folder of a run"), sentence!("Choose a file of rows here"));
    }
    if has("config.json") {
        return Found::new(
            sentence!("the folder of a model"),
            sentence!("Choose a file of rows here, and this folder as the model"),
        );
    }
    holding(path)
}

/// A folder by the files in it that could be meant.
fn holding(path: &Path) -> Found {
    let entries = std::fs::read_dir(path).into_iter().flatten().filter_map(|entry| entry.ok());
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let rows: Vec<&str> = names.iter().map(String::as_str).filter(|name| super::reader::has_ending(name)).collect();
    match rows.len() {
        0 => Found::new(
            sentence!("a folder"),
            sentence!(
                "Choose a file of rows, .jsonl, .json, .csv, .tsv, .conll, .txt or .parquet, or a folder of them"
            ),
        ),
        n => {
            let mut named = rows[..n.min(FILES_NAMED)].join(", ");
            if n > FILES_NAMED {
                named.push_str(", …");
            }
            Found::new(
                sentence!("a folder, with {named} in it", named),
                sentence!("Choose one of the files in it, or those that are one table by a pattern such as *.jsonl"),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(name: &str, bytes: &[u8]) -> Option<(String, String)> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        not_rows(&path).unwrap().map(|error| (error.to_string(), error.advice().to_string()))
    }

    #[test]
    fn a_file_is_named_by_its_first_bytes_with_the_way_to_rows() {
        for (name, bytes, what, way) in [
            ("rows.feather", &b"FEA1\0\0\0\0"[..], "Feather file of the first", "to_parquet"),
            ("rows.jsonl", b"BZh91AY", "bzip2", "bunzip2"),
            ("rows.csv", b"SQLite format 3\0", "SQLite", ".csv"),
            ("rows.xlsx", b"PK\x03\x04\x14\0....[Content_Types].xml", "a spreadsheet", ".csv"),
            ("rows.csv", b"PK\x03\x04\x14\0....train.jsonl", "a zip archive", "Unpack"),
            ("rows.json", b"  <!DOCTYPE html><html>", "a web page", "itself"),
            ("rows.jsonl", b"version https://git-lfs.github.com/spec/v1\n", "Git LFS", "git lfs pull"),
            ("rows.pkl", b"\x80\x04\x95", "pickle", ".jsonl"),
            ("x.prefix", b"\x02\0\0\0\0\0\0\0{}", "tensors", "import"),
        ] {
            let (sentence, advice) = said(name, bytes).unwrap();
            assert!(sentence.contains(what) && advice.contains(way), "{name}: {sentence}. {advice}");
        }
        for text in [
            &b"source,target\na,b\n"[..],
            b"{\"source\": 1}",
            b"",
            b"\xEF\xBB\xBFa",
            b"\xFF\xFEa\0",
            b"PAR1",
            b"ARROW1\0\0",
            b"\xFF\xFF\xFF\xFF\x10\x01\0\0",
        ] {
            assert_eq!(said("rows.csv", text), None);
        }
    }

    #[test]
    fn a_folder_is_named_by_what_is_in_it() {
        let home = tempfile::tempdir().unwrap();
        let folder = |name: &str, files: &[&str]| {
            let path = home.path().join(name);
            std::fs::create_dir(&path).unwrap();
            files.iter().for_each(|file| std::fs::write(path.join(file), "{}").unwrap());
            let error = folder_is_not_rows(&path);
            format!("{error}. {}", error.advice())
        };
        assert!(folder("model", &["config.json"]).contains("as the model"));
        assert!(folder("adapter", &["adapter_config.json", "config.json"]).contains("of an adapter"));
        let plain = folder("plain", &["b.csv", "a.jsonl", "notes.md"]);
        assert!(plain.contains("with a.jsonl, b.csv in it"), "{plain}");
        assert!(folder("empty", &[]).contains("Choose a file of rows, .jsonl"));
    }
}
