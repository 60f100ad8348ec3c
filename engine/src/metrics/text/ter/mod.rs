//! Translation edit rate (Snover et al., 2006) of sacreBLEU 2.6.0 (mjpost/sacrebleu, sacrebleu/metrics/ter.py and
//! lib_ter.py): insertions, deletions, substitutions and shifts for each word of the references' mean length, of 0 on;
//! less is better.

mod distance;
mod shifts;

use rayon::prelude::*;

use super::bleu::SACREBLEU_VERSION;
use super::mean::at;
use super::ngrams::Vocabulary;
use super::references::{ReferenceCount, references};
use super::tokenize::{western, words};
use super::{TextMetric, TextRow};

/// TER in per cent.
#[derive(Debug, Default)]
pub struct Ter {
    asian: bool,
    case_sensitive: bool,
    count: ReferenceCount,
}

impl Ter {
    /// sacreBLEU's default, which splits at spaces alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// sacreBLEU's `normalized` with `asian_support`: punctuation apart, each Chinese character a word.
    pub fn asian() -> Self {
        Self { asian: true, ..Self::default() }
    }

    /// sacreBLEU's `case_sensitive`.
    pub fn case_sensitive(self, case_sensitive: bool) -> Self {
        Self { case_sensitive, ..self }
    }

    fn words(&self, text: &str) -> Vec<String> {
        let text = if self.case_sensitive { text.to_owned() } else { text.to_lowercase() };
        let text = if self.asian && !text.is_empty() { normalized(&text) } else { text };
        words(&text).map(str::to_owned).collect()
    }

    fn row(&self, row: &TextRow) -> Vec<f64> {
        let mut vocabulary = Vocabulary::default();
        let mut ids = |text: &str| vocabulary.ids(&self.words(text));
        let predicted = ids(&row.prediction);
        let references: Vec<Vec<u32>> = references(row).into_iter().map(&mut ids).collect();
        let edits = references.iter().map(|reference| shifts::edits(&predicted, reference)).min().unwrap_or_default();
        let mean_length = references.iter().map(Vec::len).sum::<usize>() as f64 / references.len() as f64;
        vec![edits as f64, mean_length]
    }
}

/// Tercom's normalization with its Asian part; what that does to words of kana alone never holds, as the text then
/// begins with a space.
fn normalized(text: &str) -> String {
    let text = text.trim_end_matches(super::tokenize::is_space).replace("\n-", "").replace('\n', " ");
    let text = text.replace("&quot;", "\"").replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">");
    let mut spaced = String::with_capacity(text.len() * 2);
    for character in western(&possessives_apart(&format!(" {text} "))).chars() {
        if is_asian(character) {
            spaced.extend([' ', character, ' ']);
        } else {
            spaced.push(character);
        }
    }
    spaced
}

/// `'s` before a space or a sign that gets spaces about it.
fn possessives_apart(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut apart = String::with_capacity(text.len() + 8);
    for (place, character) in characters.iter().enumerate() {
        let ends = |next: &char| matches!(next, '{'..='~' | '['..='`' | ' '..='&' | '('..='+' | ':'..='@' | '/');
        if *character == '\'' && characters.get(place + 1) == Some(&'s') && characters.get(place + 2).is_some_and(ends)
        {
            apart.push(' ');
        }
        apart.push(*character);
    }
    apart
}

fn is_asian(character: char) -> bool {
    matches!(character,
        '\u{4e00}'..='\u{9fff}' | '\u{31c0}'..='\u{31ef}' | '\u{2e80}'..='\u{2eff}' | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe4f}' | '\u{3200}'..='\u{4dbf}' | '\u{3001}' | '\u{3002}' | '\u{3008}'..='\u{3011}'
        | '\u{3014}'..='\u{301f}' | '\u{ff61}'..='\u{ff65}' | '\u{30fb}' | '\u{ff0e}' | '\u{ff0c}' | '\u{ff1f}'
        | '\u{ff1a}' | '\u{ff1b}' | '\u{ff01}' | '\u{ff02}' | '\u{ff08}' | '\u{ff09}')
}

impl TextMetric for Ter {
    fn statistics(&self, rows: &[TextRow]) -> Vec<Vec<f64>> {
        self.count.note(rows);
        rows.par_iter().map(|row| self.row(row)).collect()
    }

    fn figure(&self, sum: &[f64]) -> f64 {
        match (at(sum, 0), at(sum, 1)) {
            (0.0, _) => 0.0,
            (edits, length) if length > 0.0 => 100.0 * (edits / length),
            _ => 100.0,
        }
    }

    fn signature(&self) -> Option<String> {
        let (count, case) = (self.count.field(), if self.case_sensitive { "mixed" } else { "lc" });
        let asian = if self.asian { "yes" } else { "no" };
        Some(format!("{count}case:{case}|tok:tercom|norm:{asian}|punct:yes|asian:{asian}|version:{SACREBLEU_VERSION}"))
    }
}
