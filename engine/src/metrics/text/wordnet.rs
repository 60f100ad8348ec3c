//! Synonyms of WordNet (Princeton; `index.*`, `data.*` and `*.exc`, described in wndb(5WN)), as nltk 3.10 finds them:
//! nltk/corpus/reader/wordnet.py, `synsets` and `_morphy`. Who reads the files hands their texts in.

use std::collections::{BTreeSet, HashMap};

use crate::{Sentence, sentence};

/// Parts of speech, as the files are called: `index.noun`, `data.noun`, `noun.exc`.
pub const PARTS: [&str; 4] = ["noun", "verb", "adj", "adv"];

/// Endings of inflected forms, and what stands in their place in the lemma, by part of speech.
const ENDINGS: [&[(&str, &str)]; 4] = [
    &[
        ("s", ""),
        ("ses", "s"),
        ("ves", "f"),
        ("xes", "x"),
        ("zes", "z"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("men", "man"),
        ("ies", "y"),
    ],
    &[("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")],
    &[("er", ""), ("est", ""), ("er", "e"), ("est", "e")],
    &[],
];

/// Texts of the files of a part of speech.
#[derive(Clone, Debug, Default)]
pub struct PartTexts {
    /// `index.noun`: lemmas with the places of their synsets.
    pub index: String,
    /// `data.noun`: synsets, by the byte at which their line begins.
    pub data: String,
    /// `noun.exc`: inflected forms with their lemmas.
    pub exceptions: String,
}

/// A dictionary of synonyms.
#[derive(Clone, Debug)]
pub struct WordNet {
    version: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
struct Part {
    /// The byte in `data` at which each synset of a lemma begins.
    synsets: HashMap<String, Vec<u32>>,
    data: String,
    exceptions: HashMap<String, Vec<String>>,
    endings: &'static [(&'static str, &'static str)],
}

impl WordNet {
    /// Of the files of all parts of speech, in the order of [`PARTS`].
    ///
    /// # Errors
    /// A sentence with the file and the line that is something else.
    pub fn of(texts: [PartTexts; 4]) -> Result<Self, Sentence> {
        let version = version(&texts[0].data).unwrap_or("unknown").to_owned();
        let parts = texts.into_iter().zip(PARTS.into_iter().zip(ENDINGS));
        let parts = parts.map(|(texts, (name, endings))| Part::of(texts, name, endings)).collect::<Result<_, _>>()?;
        Ok(Self { version, parts })
    }

    /// Version that its license names, as 3.0.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The words of every synset of a word in small letters, whatever its part of speech and its inflection, and the word.
    pub fn synonyms<'a>(&'a self, word: &'a str) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::from([word]);
        for part in &self.parts {
            for lemma in part.lemmas(word) {
                let synsets = part.synsets.get(&lemma).into_iter().flatten();
                found.extend(synsets.flat_map(|&at| words(&part.data, at)).filter(|word| !word.contains('_')));
            }
        }
        found
    }
}

impl Part {
    fn of(texts: PartTexts, name: &str, endings: &'static [(&'static str, &'static str)]) -> Result<Self, Sentence> {
        let PartTexts { index, data, exceptions } = texts;
        let mut synsets = HashMap::new();
        for (line, text) in index.lines().enumerate().filter(|(_, text)| !text.starts_with(' ') && !text.is_empty()) {
            let wrong =
                || sentence!("line {line} of {file} is no entry", line = line + 1, file = format!("index.{name}"));
            let (lemma, places) = entry(text).ok_or_else(wrong)?;
            if let Some(at) = places.iter().find(|&&at| !begins(&data, at)) {
                let file = format!("data.{name}");
                return Err(sentence!("{file} has no synset at byte {at}, where {lemma} has one", file, at, lemma));
            }
            synsets.insert(lemma.to_owned(), places);
        }
        if synsets.is_empty() {
            return Err(sentence!("{file} has no entries", file = format!("index.{name}")));
        }
        let exception = |line: &str| {
            let mut forms = line.split_whitespace().map(str::to_owned);
            Some((forms.next()?, forms.collect()))
        };
        let exceptions = exceptions.lines().filter_map(exception).collect();
        Ok(Self { synsets, data, exceptions, endings })
    }

    /// The lemmas of a form: itself, and those that its ending or the list of exceptions names, if they are there.
    fn lemmas(&self, form: &str) -> Vec<String> {
        let others = match self.exceptions.get(form) {
            Some(lemmas) => lemmas.clone(),
            None => {
                let other = |(ending, of_lemma): &(&str, &str)| Some(form.strip_suffix(ending)?.to_owned() + of_lemma);
                self.endings.iter().filter_map(other).collect()
            }
        };
        let all = std::iter::once(form.to_owned()).chain(others);
        all.filter(|lemma| self.synsets.contains_key(lemma)).collect()
    }
}

/// Lemma and places of a line of an index: `lemma pos synset_cnt p_cnt [symbols] sense_cnt tagsense_cnt offsets`.
fn entry(line: &str) -> Option<(&str, Vec<u32>)> {
    let mut fields = line.split_whitespace();
    let lemma = fields.next()?;
    let n_synsets: usize = fields.nth(1)?.parse().ok()?;
    let n_symbols: usize = fields.next()?.parse().ok()?;
    let places: Vec<u32> = fields.skip(n_symbols.checked_add(2)?).map(str::parse).collect::<Result<_, _>>().ok()?;
    (places.len() == n_synsets && n_synsets > 0).then_some((lemma, places))
}

/// Whether a synset begins at a byte: it says so itself.
fn begins(data: &str, at: u32) -> bool {
    let from = data.get(at as usize..).unwrap_or_default();
    from.starts_with(&format!("{at:08} "))
}

/// The words of a synset: `offset file type w_cnt word lex_id …`, the count in hexadecimal digits, behind a word of an
/// adjective maybe the place where it stands, `(p)`.
fn words(data: &str, at: u32) -> impl Iterator<Item = &str> {
    let line = data.get(at as usize..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let mut fields = line.split_whitespace().skip(3);
    let n = fields.next().and_then(|n| usize::from_str_radix(n, 16).ok()).unwrap_or_default();
    fields.step_by(2).take(n).map(|word| match word.strip_suffix(')').and_then(|word| word.rsplit_once('(')) {
        Some((plain, marker)) if !marker.contains(')') => plain,
        _ => word,
    })
}

/// `WordNet 3.0 Copyright …` in the license that begins a file.
fn version(data: &str) -> Option<&str> {
    let license = data.lines().take_while(|line| line.starts_with(' '));
    license
        .filter_map(|line| line.split_once("WordNet ")?.1.split_once(" Copyright"))
        .map(|(version, _)| version)
        .next()
}
