//! An adapter in words: what it says when nothing is asked, what its hidden states say in another prompt, and the text prompt
//! that comes nearest to it. Each text is then put before held-out rows in the adapter's place, so that how true it is stands
//! beside it as a number. Ramati et al. 2025, "Eliciting Textual Descriptions from Representations of Continuous Prompts".

mod patching;
mod pool;
mod report;
mod said;
mod scoring;
mod search;
mod text_prompt;

use self::patching::Patching;
use self::pool::{Pool, near_soft_prompt};
pub use self::report::{Candidate, CandidateSource, InWords, Patched, PatchedWhat, RandomTexts, Said, SearchStep};
use self::said::Saying;
use self::scoring::Scoring;
use self::search::Search;
use super::question::Analysis;
use super::subject::{Investigation, Subject};
use crate::error::{EngineError, Result};
use crate::sentence;

/// Rows that the search looks at, at most; they are not among those that texts are scored on, if there are others.
const SEARCH_ROWS: usize = 4;
/// Texts that are scored, at most, beside random ones.
const MOST_CANDIDATES: usize = 64;
/// Tokens of a text prompt that a row leaves room for.
pub(in crate::analysis) const ROOM: usize = 64;

/// The size of the work.
#[derive(Clone, Copy, Debug)]
pub(in crate::analysis) struct Sizes {
    /// Sampled continuations of each opening, beside the greedy one.
    pub(in crate::analysis) samples: usize,
    /// Forward passes that the search may take.
    pub(in crate::analysis) passes: usize,
    /// Words of the text that is searched for, at most.
    pub(in crate::analysis) longest: usize,
}

enum Stage {
    Begin,
    Saying(Box<Saying>),
    Patching(Box<Patching>),
    Searching(Box<Search>),
    Scoring(Box<Scoring>),
}

/// The work, stage by stage.
pub(in crate::analysis) struct PuttingIntoWords {
    sizes: Sizes,
    stage: Stage,
    report: InWords,
    /// Words near the adapter's own vectors.
    near: Vec<String>,
}

impl PuttingIntoWords {
    pub(in crate::analysis) fn new(sizes: Sizes) -> Self {
        Self { sizes, stage: Stage::Begin, report: InWords::default(), near: Vec::new() }
    }
}

impl Investigation for PuttingIntoWords {
    fn step(&mut self, subject: &Subject) -> Result<Option<Analysis>> {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Begin) {
            Stage::Begin => {
                if !subject.task.writes() {
                    let reason = sentence!("it writes nothing, so that no text can stand in its place");
                    return Err(EngineError::AdapterMismatch { reason });
                }
                Stage::Saying(Box::new(Saying::new(subject, self.sizes.samples)?))
            }
            Stage::Saying(mut saying) => {
                if saying.step(subject)? {
                    self.report.said = saying.said();
                    Stage::Patching(Box::new(Patching::new(subject)?))
                } else {
                    Stage::Saying(saying)
                }
            }
            Stage::Patching(mut patching) => {
                if patching.step(subject)? {
                    self.near = near_soft_prompt(subject)?;
                    self.near.extend(patching.near(subject)?);
                    (self.report.patched, self.report.patched_what) = patching.texts();
                    self.search(subject)?
                } else {
                    Stage::Patching(patching)
                }
            }
            Stage::Searching(mut search) => {
                if search.step(subject)? {
                    self.report.passes = search.passes();
                    self.report.search = search.steps();
                    Stage::Scoring(Box::new(self.scoring(subject)?))
                } else {
                    Stage::Searching(search)
                }
            }
            Stage::Scoring(mut scoring) => {
                if scoring.step(subject)? {
                    scoring.finish(&mut self.report);
                    return Ok(Some(Analysis::Words(Box::new(std::mem::take(&mut self.report)))));
                }
                Stage::Scoring(scoring)
            }
        };
        Ok(None)
    }

    fn share(&self) -> f32 {
        let (stage, within) = match &self.stage {
            Stage::Begin => (0.0, 0.0),
            Stage::Saying(saying) => (0.0, saying.share()),
            Stage::Patching(patching) => (1.0, patching.share()),
            Stage::Searching(search) => (2.0, search.share()),
            Stage::Scoring(scoring) => (3.0, scoring.share()),
        };
        (stage + within) / 4.0
    }
}

impl PuttingIntoWords {
    fn search(&mut self, subject: &Subject) -> Result<Stage> {
        let mut pool = Pool::new(subject);
        pool.add(&self.near)?;
        pool.add_rows()?;
        for said in &self.report.said {
            pool.add_text(&said.with)?;
        }
        for patched in &self.report.patched {
            pool.add_text(&patched.text)?;
        }
        let (search_rows, _) = split(subject.rows.len());
        Ok(Stage::Searching(Box::new(Search::new(pool.words(), &search_rows, self.sizes, subject)?)))
    }

    /// Every text that was found, each once, in the order of how it was found.
    fn scoring(&mut self, subject: &Subject) -> Result<Scoring> {
        let mut texts: Vec<(String, CandidateSource)> = Vec::new();
        let mut add = |text: &str, source| {
            let text = text.trim();
            if !text.is_empty() && texts.len() < MOST_CANDIDATES && texts.iter().all(|(known, _)| known != text) {
                texts.push((text.to_owned(), source));
            }
        };
        if let Some(last) = self.report.search.last() {
            add(&last.text, CandidateSource::Searched);
        }
        let whole = |said: &Said, text: &str| format!("{}{text}", said.opening);
        self.report.said.iter().for_each(|said| add(&whole(said, &said.with), CandidateSource::Said));
        // What the model says without it: a text that knows nothing of the adapter.
        self.report.said.iter().for_each(|said| add(&whole(said, &said.without), CandidateSource::BaseSaid));
        self.report.patched.iter().for_each(|patched| add(&patched.text, CandidateSource::Patched));
        for said in &self.report.said {
            said.samples_with.iter().for_each(|text| add(&whole(said, text), CandidateSource::Sampled));
        }
        let (search_rows, rows) = split(subject.rows.len());
        (self.report.rows, self.report.search_rows) = (rows.len(), search_rows.len());
        self.report.held_out = rows.iter().all(|row| !search_rows.contains(row));
        Scoring::new(texts, &rows, subject)
    }
}

/// The rows that the search looks at, and those that texts are scored on: others, where there are enough.
fn split(n: usize) -> (Vec<usize>, Vec<usize>) {
    let first = SEARCH_ROWS.min(n.div_ceil(2));
    let rest: Vec<usize> = (first..n).collect();
    ((0..first).collect(), if rest.is_empty() { (0..n).collect() } else { rest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_search_are_not_scored_on_if_there_are_others() {
        assert_eq!(split(1), (vec![0], vec![0]));
        assert_eq!(split(3), (vec![0, 1], vec![2]));
        let (search, scored) = split(32);
        assert_eq!((search.len(), scored.len()), (SEARCH_ROWS, 28));
        assert!(scored.iter().all(|row| !search.contains(row)));
    }
}
