//! Names of models and datasets on the hub: `gpt2`, `Langboat/bloom-1b4-zh`, `t5-base@refs/pr/2`,
//! `bartowski/SmolLM2-135M-Instruct-GGUF/SmolLM2-135M-Instruct-Q4_K_M.gguf`, `hf://datasets/nyu-mll/glue/sst2`.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::HubError;
use crate::files::gguf::is_gguf;
use crate::{Sentence, sentence};

/// The branch that is meant when none is named.
const MAIN: &str = "main";
/// Longest part of an id, as the hub has it.
const LONGEST: usize = 96;
/// Longest name of a file.
const LONGEST_FILE: usize = 255;

/// Begins the id of a dataset.
const DATASETS: &str = "hf://datasets/";

/// A model, or one file of a repository that has several models, or a dataset where its rows are named; and one of its
/// revisions. Its parts are safe to be put into paths and addresses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModelId {
    name: String,
    revision: String,
    file: Option<String>,
    rows: Option<RowsOf>,
}

/// The rows of a dataset that are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowsOf {
    /// One of several datasets in a repository; none is the only one, or the one called `default`.
    pub config: Option<String>,
    /// `train`, `validation`, …; none is all of them.
    pub split: Option<String>,
}

impl ModelId {
    /// `gpt2`, `t5-base@v1`: the id with the revision where it is not the main branch; the prefix `hub:` and the
    /// address of a model's page are understood too.
    ///
    /// # Errors
    /// [`HubError::BadId`]: the hub could not have a model of that name.
    pub fn parse(asked: &str) -> Result<Self, HubError> {
        let bad = |reason: Sentence| HubError::BadId { asked: asked.trim().to_owned(), reason };
        let text = asked.trim();
        if let Some(dataset) =
            [DATASETS, "https://huggingface.co/datasets/"].iter().find_map(|start| text.strip_prefix(start))
        {
            return Self::parse_dataset(dataset).ok_or_else(|| {
                bad(sentence!(
                    "a dataset is written hf://datasets/OWNER/NAME, with /CONFIG, @REVISION and #SPLIT behind it"
                ))
            });
        }
        let text = text.strip_prefix("hub:").unwrap_or(text);
        let text = text.strip_prefix("https://huggingface.co/").unwrap_or(text);
        let (name, revision) = text.split_once('@').or_else(|| text.split_once("/tree/")).unwrap_or((text, MAIN));
        let (name, file, of_site) = file_of(name).unwrap_or((name.to_owned(), None, None));
        let revision = of_site.unwrap_or(revision);
        let name = name.as_str();
        if let Some(file) = file.filter(|file| !is_file_name(file)) {
            return Err(bad(sentence!("{file:?} is no name of a file", file)));
        }
        let parts: Vec<&str> = name.split('/').collect();
        if parts.len() > 2 || parts.iter().any(|part| part.is_empty()) {
            return Err(bad(sentence!(
                "it is written name or organization/name, with /FILE.gguf behind it for one file of several"
            )));
        }
        if let Some(letter) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || "._-/".contains(*c))) {
            return Err(bad(sentence!("{letter:?} is in no id", letter)));
        }
        // Two dashes stand for the slash in the cache's folder names.
        if name.contains("--") || name.contains("..") || parts.iter().any(|part| part.starts_with(['.', '-'])) {
            return Err(bad(sentence!("it has \"--\" or \"..\", or a part that begins with \".\" or \"-\"")));
        }
        if parts.iter().any(|part| part.len() > LONGEST) {
            return Err(bad(sentence!("it is too long")));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/+".contains(c);
        let whole = revision.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.contains(".."));
        if !whole || !revision.chars().all(allowed) {
            return Err(bad(sentence!("{revision:?} is no revision", revision)));
        }
        let file = file.map(str::to_owned);
        Ok(Self { name: name.to_owned(), revision: revision.to_owned(), file, rows: None })
    }

    /// `OWNER/NAME[/CONFIG][@REVISION][#SPLIT]`, each part as a model's may be.
    fn parse_dataset(text: &str) -> Option<Self> {
        let (text, split) = text.split_once('#').map_or((text, None), |(text, split)| (text, Some(split)));
        let (name, revision) = text.split_once('@').unwrap_or((text, MAIN));
        let mut parts = name.splitn(3, '/');
        let repository = [parts.next(), parts.next()].into_iter().flatten().collect::<Vec<&str>>().join("/");
        let rows = RowsOf { config: parts.next().map(str::to_owned), split: split.map(str::to_owned) };
        Self::parse(&format!("{repository}@{revision}")).ok()?.with_rows(rows)
    }

    /// The dataset of that name; `None` where a part of its rows is no name.
    pub fn with_rows(self, rows: RowsOf) -> Option<Self> {
        let allowed = |c: char| c.is_alphanumeric() || "._-+ ".contains(c);
        let is_name = |text: &&str| {
            !text.is_empty() && text.len() <= LONGEST && !text.starts_with('.') && text.chars().all(allowed)
        };
        let named = [&rows.config, &rows.split].into_iter().flatten().all(|text| is_name(&text.as_str()));
        named.then_some(Self { rows: Some(rows), ..self })
    }

    /// The rows that are meant, of a dataset.
    pub fn rows(&self) -> Option<&RowsOf> {
        self.rows.as_ref()
    }

    /// One model in a file among several in a repository, by its name there.
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// The model in a file of this repository.
    pub(super) fn with_file(self, file: &str) -> Self {
        Self { file: Some(file.to_owned()), ..self }
    }

    /// Whether somebody who names this may mean the other: a repository without a file is any of its files.
    pub fn may_mean(&self, other: &Self) -> bool {
        self == other || (self.file.is_none() && *self == Self { file: None, ..other.clone() })
    }

    /// The same at another revision.
    pub(super) fn at(&self, revision: &str) -> Self {
        Self { revision: revision.to_owned(), ..self.clone() }
    }

    /// Whether no revision was named.
    pub(super) fn is_at_main(&self) -> bool {
        self.revision == MAIN
    }

    /// Where its page and its files are below the endpoint: `gpt2`, `datasets/nyu-mll/glue`.
    pub(super) fn place(&self) -> String {
        if self.rows.is_some() { format!("datasets/{}", self.name) } else { self.name.clone() }
    }

    /// The part of the hub's programming interface that knows it.
    pub(super) fn interface(&self) -> &'static str {
        if self.rows.is_some() { "datasets" } else { "models" }
    }

    /// `gpt2`, `Langboat/bloom-1b4-zh`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A branch, a tag or a commit.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// The folder in the shared cache: `models--Langboat--bloom-1b4-zh`, `datasets--nyu-mll--glue`.
    pub(super) fn folder(&self) -> String {
        format!("{}--{}", self.interface(), self.name.replace('/', "--"))
    }

    /// The model whose folder in the shared cache is called so, at its main branch.
    pub(super) fn of_folder(folder: &str) -> Option<Self> {
        Self::parse(&folder.strip_prefix("models--")?.replacen("--", "/", 1)).ok()
    }
}

/// Repository, file and revision of what names a file: `org/name/FILE.gguf`, or behind the address of the site
/// `org/name/blob/main/FILE.gguf`.
fn file_of(text: &str) -> Option<(String, Option<&str>, Option<&str>)> {
    let (owner, rest) = text.split_once('/')?;
    let (name, within) = rest.split_once('/').filter(|_| is_gguf(text))?;
    let of_site = ["blob/", "resolve/"].iter().find_map(|page| within.strip_prefix(page)?.split_once('/'));
    let (revision, file) = of_site.map_or((None, within), |(revision, file)| (Some(revision), file));
    Some((format!("{owner}/{name}"), Some(file), revision))
}

/// Whether it is a name in folders that stay below the repository's.
fn is_file_name(file: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && !part.starts_with('.') && part.len() <= LONGEST_FILE;
    let allowed = |c: char| c.is_alphanumeric() || "._-+ ()/".contains(c);
    file.split('/').all(is_part) && file.chars().all(allowed)
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.rows.as_ref();
        if rows.is_some() {
            f.write_str(DATASETS)?;
        }
        f.write_str(&self.name)?;
        if let Some(within) = rows.and_then(|rows| rows.config.as_ref()).or(self.file.as_ref()) {
            write!(f, "/{within}")?;
        }
        if !self.is_at_main() {
            write!(f, "@{}", self.revision)?;
        }
        match rows.and_then(|rows| rows.split.as_ref()) {
            Some(split) => write!(f, "#{split}"),
            None => Ok(()),
        }
    }
}

impl FromStr for ModelId {
    type Err = HubError;

    fn from_str(text: &str) -> Result<Self, HubError> {
        Self::parse(text)
    }
}

impl Serialize for ModelId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_people_write_it() {
        for (text, name, revision) in [
            ("gpt2", "gpt2", "main"),
            (" hub:gpt2 ", "gpt2", "main"),
            ("Langboat/bloom-1b4-zh", "Langboat/bloom-1b4-zh", "main"),
            ("t5-base@refs/pr/2", "t5-base", "refs/pr/2"),
            ("https://huggingface.co/org/m.1/tree/v1.0", "org/m.1", "v1.0"),
        ] {
            let id = ModelId::parse(text).unwrap();
            assert_eq!((id.name(), id.revision()), (name, revision), "{text}");
            assert_eq!(ModelId::parse(&id.to_string()).unwrap(), id);
        }
        let id = ModelId::parse("a/b-c").unwrap();
        assert_eq!((id.folder().as_str(), ModelId::of_folder("models--a--b-c")), ("models--a--b-c", Some(id)));
    }

    #[test]
    fn a_dataset_is_named_with_its_configuration_revision_and_split() {
        let rows = |config: Option<&str>, split: Option<&str>| RowsOf {
            config: config.map(str::to_owned),
            split: split.map(str::to_owned),
        };
        for (text, name, revision, of) in [
            ("hf://datasets/nyu-mll/glue/sst2", "nyu-mll/glue", "main", rows(Some("sst2"), None)),
            ("hf://datasets/squad", "squad", "main", rows(None, None)),
            ("https://huggingface.co/datasets/a/b", "a/b", "main", rows(None, None)),
            ("hf://datasets/a/b/c d@v1#train", "a/b", "v1", rows(Some("c d"), Some("train"))),
        ] {
            let id = ModelId::parse(text).unwrap();
            assert_eq!((id.name(), id.revision(), id.rows()), (name, revision, Some(&of)), "{text}");
            assert_eq!(ModelId::parse(&id.to_string()).unwrap(), id);
        }
        let id = ModelId::parse("hf://datasets/a/b").unwrap();
        assert_eq!((id.folder().as_str(), id.place().as_str()), ("datasets--a--b", "datasets/a/b"));
        for text in ["a/b/../x", "a/b/c/d", "a/..", "", "a/b#", "a/b#x/y", "a/b@../x", "a/b/.c"] {
            assert!(ModelId::parse(&format!("hf://datasets/{text}")).is_err(), "{text}");
        }
    }

    #[test]
    fn a_file_of_a_repository_is_named_behind_it() {
        for (text, name, revision, file) in [
            ("org/m-GGUF/m-Q4_K_M.gguf", "org/m-GGUF", "main", "m-Q4_K_M.gguf"),
            ("hub:org/m/q4/m.GGUF@v1", "org/m", "v1", "q4/m.GGUF"),
            ("https://huggingface.co/org/m/blob/v2/m.gguf", "org/m", "v2", "m.gguf"),
            ("https://huggingface.co/org/m/resolve/main/a/m.gguf", "org/m", "main", "a/m.gguf"),
        ] {
            let id = ModelId::parse(text).unwrap();
            assert_eq!((id.name(), id.revision(), id.file()), (name, revision, Some(file)), "{text}");
            assert_eq!(ModelId::parse(&id.to_string()).unwrap(), id);
            let repository = ModelId::parse(&format!("{name}@{revision}")).unwrap();
            assert!(repository.may_mean(&id) && !id.may_mean(&repository));
        }
        for text in
            ["a/b/../x.gguf", "a/b/.x.gguf", "a/b//x.gguf", "a/b/x\\y.gguf", "a/../b.gguf", "/a/b.gguf", "a/b/x.bin"]
        {
            assert!(matches!(ModelId::parse(text), Err(HubError::BadId { .. })), "{text}");
        }
    }

    #[test]
    fn what_could_lead_out_of_the_cache_is_no_id() {
        for text in ["", "a/b/c", "../etc", "a--b", "a/..", "/abs", "a b", "C:\\m", "a@../../x", "a@", "a@/x", "a/-b"] {
            assert!(matches!(ModelId::parse(text), Err(HubError::BadId { .. })), "{text}");
        }
    }
}
