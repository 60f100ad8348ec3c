//! WordNet's files where somebody has them: in a folder that is named, or where its packages put them. They are read, never
//! fetched.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{EngineError, Result};
use crate::files::{self, Kind, if_there};
use crate::metrics::Resources;
use crate::metrics::text::{PARTS, PartTexts, WordNet};
use crate::{Sentence, sentence};

/// Folders of packages: Debian's `wordnet-base`, a build from source, Homebrew.
const PLACES: [&str; 6] = [
    "/usr/share/wordnet",
    "/usr/local/share/wordnet",
    "/usr/local/WordNet-3.0/dict",
    "/usr/local/WordNet-3.1/dict",
    "/opt/homebrew/opt/wordnet/dict",
    "/usr/local/opt/wordnet/dict",
];
/// Folders of nltk's data, which has it as `corpora/wordnet`.
const NLTK_PLACES: [&str; 3] = ["/usr/share/nltk_data", "/usr/local/share/nltk_data", "/usr/lib/nltk_data"];

/// What these metrics read beside texts, from a folder that is named or from the usual ones. What is not found is left out.
///
/// # Errors
/// The folder that is named has no WordNet, or its files are something else.
pub fn resources(metrics: &[String], wordnet: Option<&Path>) -> Result<Resources> {
    if !metrics.iter().any(|name| reads_synonyms(name)) {
        return Ok(Resources::default());
    }
    let folder = match wordnet {
        Some(folder) => Some(folder.to_owned()),
        None => usual_places().into_iter().find(|folder| folder.join("index.noun").is_file()),
    };
    Ok(Resources { wordnet: folder.map(|folder| read(&folder)).transpose()?.map(Arc::new) })
}

/// The sentence to say where a metric has to do without synonyms.
pub fn no_synonyms(metrics: &[String], resources: &Resources) -> Option<Sentence> {
    let is_without = resources.wordnet.is_none() && metrics.iter().any(|name| reads_synonyms(name));
    is_without.then(|| {
        sentence!(
            "METEOR is computed without synonyms: WordNet's files were not found. --wordnet names their folder; Debian's \
             package wordnet-base puts them into /usr/share/wordnet"
        )
    })
}

fn reads_synonyms(metric: &str) -> bool {
    let plain = metric.trim().to_lowercase();
    plain == "meteor" || plain.starts_with("meteor:")
}

/// Where the variables of WordNet and nltk point, then where packages put it.
fn usual_places() -> Vec<PathBuf> {
    let named = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let of_nltk = |folder: PathBuf| folder.join("corpora").join("wordnet");
    let own = [named("WNSEARCHDIR"), named("WNHOME").map(|home| home.join("dict"))];
    let nltk = [named("NLTK_DATA"), named("HOME").map(|home| home.join("nltk_data"))];
    let own = own.into_iter().flatten().chain(nltk.into_iter().flatten().map(of_nltk));
    own.chain(PLACES.map(PathBuf::from)).chain(NLTK_PLACES.map(PathBuf::from).map(of_nltk)).collect()
}

fn read(folder: &Path) -> Result<WordNet> {
    let file = |name: String| files::read_to_string(&folder.join(name), Kind::Vocabulary);
    let part = |name: &str| {
        let (index, data) = (file(format!("index.{name}"))?, file(format!("data.{name}"))?);
        let exceptions = if_there(file(format!("{name}.exc")))?.unwrap_or_default();
        Ok::<_, EngineError>(PartTexts { index, data, exceptions })
    };
    let [noun, verb, adjective, adverb] = PARTS;
    let texts = [part(noun)?, part(verb)?, part(adjective)?, part(adverb)?];
    let malformed = |reason| EngineError::Malformed { what: sentence!("WordNet"), path: folder.to_owned(), reason };
    WordNet::of(texts).map_err(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_named_is_read_and_one_without_wordnet_is_refused() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/metrics/wordnet");
        let meteor = ["meteor:char".to_owned()];
        let found = resources(&meteor, Some(&folder)).unwrap();
        assert!(found.wordnet.is_some() && no_synonyms(&meteor, &found).is_none());
        let other = ["bleu".to_owned()];
        let none = resources(&other, Some(Path::new("/nowhere"))).unwrap();
        assert!(none.wordnet.is_none() && no_synonyms(&other, &none).is_none(), "nobody asks for it");
        assert!(no_synonyms(&meteor, &none).is_some());
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(resources(&meteor, Some(empty.path())), Err(EngineError::Io { .. })));
        for part in PARTS {
            std::fs::write(empty.path().join(format!("index.{part}")), "cat n 2\n").unwrap();
            std::fs::write(empty.path().join(format!("data.{part}")), "").unwrap();
        }
        let error = resources(&meteor, Some(empty.path())).unwrap_err().to_string();
        assert!(error.contains("line 1 of index.noun"), "{error}");
    }
}
