//! Whether the words of the classes are among the tokens nearest to some slot: Lester et al. 2021, "The Power of Scale for
//! Parameter-Efficient Prompt Tuning", section 7, found them there when a prompt began from them and when it did not.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::geometry::Geometry;
use super::neighbors::{Cell, nearest_tokens};
use super::question::Analysis;
use super::slots::{SlotLayer, Vocabulary, is_prompt, same_layers, slots};
use super::subject::{Investigation, Subject};
use crate::analysis::{Metric, NeighborList, Side, Space};
use crate::data::Tokenizer;
use crate::error::{EngineError, Result};
use crate::sentence;

/// Nearest tokens that are looked at: Lester et al. take five.
const NEAREST: usize = 5;

/// The words of the classes among the nearest tokens of slots.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LabelWordsReport {
    /// Nearest tokens that were looked at.
    pub top: usize,
    /// Slots, of all layers, keys and values.
    pub cells: usize,
    /// Tokens of the vocabulary.
    pub vocabulary: usize,
    /// Whether it is known where the slots began.
    pub has_start: bool,
    /// Class by class.
    pub classes: Vec<LabelWord>,
}

/// A class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LabelWord {
    /// Name of the class.
    pub class: String,
    /// Its word.
    pub word: String,
    /// Tokens that stand for the word: with a space before it and without.
    pub tokens: Vec<u32>,
    /// Whether each of them is the whole word, and not its first piece.
    pub is_whole: bool,
    /// Its best place before training.
    pub before: Option<WordPlace>,
    /// Its best place now.
    pub after: Option<WordPlace>,
    /// Slots that were near to it before training.
    pub slots_before: usize,
    /// Slots that are near to it now.
    pub slots_after: usize,
    /// The probability that some slot is near to it by chance, were each list drawn from the vocabulary.
    pub by_chance: f64,
}

/// A place in a list of nearest tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WordPlace {
    /// Number of the layer, from 0.
    pub layer: usize,
    /// Name of the layer.
    pub name: String,
    /// Keys or values; `None` for a soft prompt.
    pub side: Option<Side>,
    /// Position of the slot, from 0.
    pub position: usize,
    /// Place in its list, from 1.
    pub rank: usize,
    /// Text of the token.
    pub text: String,
    /// Standard deviations above the mean of the vocabulary.
    pub z: f32,
}

/// The work: the vocabulary, then a layer's keys or values a step.
#[derive(Debug, Default)]
pub(super) struct LabelWords {
    vocabulary: Vocabulary,
    /// What is still to be searched.
    waiting: Option<VecDeque<Waiting>>,
    n_waiting: usize,
    report: LabelWordsReport,
}

#[derive(Debug)]
struct Waiting {
    side: Side,
    layer: SlotLayer,
    start: Option<SlotLayer>,
}

impl Investigation for LabelWords {
    fn step(&mut self, subject: &Subject) -> Result<Option<Analysis>> {
        if subject.words.len() < 2 {
            let reason = sentence!("it has no classes whose words could be looked for; name them in data.verbalizer");
            return Err(EngineError::Setting { field: "data.verbalizer", reason });
        }
        let Some(waiting) = &mut self.waiting else {
            if self.report.classes.is_empty() {
                self.begin(subject)?;
            }
            if self.vocabulary.step(subject)? {
                self.waiting = Some(self.cells(subject)?);
            }
            return Ok(None);
        };
        let Some(next) = waiting.pop_front() else {
            let mut report = std::mem::take(&mut self.report);
            for class in &mut report.classes {
                let by_list = (report.top * class.tokens.len()) as f64 / report.vocabulary.max(1) as f64;
                class.by_chance = 1.0 - (1.0 - by_list.min(1.0)).powf(report.cells as f64);
            }
            return Ok(Some(Analysis::LabelWords(report)));
        };
        self.search(&next, subject);
        Ok(None)
    }

    fn share(&self) -> f32 {
        match &self.waiting {
            None => 0.5 * self.vocabulary.share(),
            Some(waiting) => 1.0 - 0.5 * waiting.len() as f32 / self.n_waiting.max(1) as f32,
        }
    }
}

impl LabelWords {
    fn begin(&mut self, subject: &Subject) -> Result<()> {
        self.report.top = NEAREST;
        self.report.has_start = subject.initial.is_some();
        for (class, word) in &subject.words {
            let (tokens, is_whole) = tokens_of(word, &subject.model.tokenizer)?;
            let (class, word) = (class.clone(), word.clone());
            self.report.classes.push(LabelWord { class, word, tokens, is_whole, ..LabelWord::default() });
        }
        Ok(())
    }

    /// Every layer's keys and values, or the embeddings.
    fn cells(&mut self, subject: &Subject) -> Result<VecDeque<Waiting>> {
        let sides: &[Side] = if is_prompt(&subject.adapter) { &[Side::Key] } else { &[Side::Key, Side::Value] };
        let mut waiting = VecDeque::new();
        for &side in sides {
            let own = slots(&subject.adapter, side, subject)?;
            let start = subject.initial.as_ref().map(|start| same_layers(start, &own, side, subject)).transpose()?;
            let start = start.unwrap_or_default();
            for (index, layer) in own.into_iter().enumerate() {
                let start = start.iter().find(|(at, _)| *at == index).map(|(_, layer)| layer.clone());
                self.report.cells += layer.vectors.len();
                waiting.push_back(Waiting { side, layer, start });
            }
        }
        self.n_waiting = waiting.len();
        Ok(waiting)
    }

    fn search(&mut self, Waiting { side, layer, start }: &Waiting, subject: &Subject) {
        let (table, width) = self.vocabulary.table(layer.layer, *side);
        let geometry = Geometry::of(table, width, Space::Whitened);
        self.report.vocabulary = table.n_rows(width);
        let cell = |(position, vector): (usize, &Vec<f32>)| Cell {
            position,
            vector: vector.clone(),
            initial: start.as_ref().and_then(|start| start.vectors.get(position)).cloned(),
        };
        let cells: Vec<Cell> = layer.vectors.iter().enumerate().map(cell).collect();
        let text = |token: u32| subject.model.tokenizer.token_text(token);
        let lists = nearest_tokens(table, &geometry, layer.layer, &cells, Metric::Cosine, NEAREST, &text);
        let side = (!is_prompt(&subject.adapter)).then_some(*side);
        for list in &lists {
            self.report.classes.iter_mut().for_each(|class| class.note(list, &layer.name, side));
        }
    }
}

impl LabelWord {
    /// Looks for the word in a list and in what was there before training.
    fn note(&mut self, list: &NeighborList, name: &str, side: Option<Side>) {
        let found = |nearest: &[crate::analysis::Neighbor]| {
            let rank = nearest.iter().position(|near| self.tokens.contains(&near.token))?;
            let near = &nearest[rank];
            let (layer, position, name) = (list.layer, list.position, name.to_owned());
            Some(WordPlace { layer, name, side, position, rank: rank + 1, text: near.text.clone(), z: near.z })
        };
        let (after, before) = (found(&list.nearest), found(&list.initial));
        self.slots_after += usize::from(after.is_some());
        self.slots_before += usize::from(before.is_some());
        keep_better(&mut self.after, after);
        keep_better(&mut self.before, before);
    }
}

/// The lower rank is better, and of equals what stands out more.
fn keep_better(best: &mut Option<WordPlace>, other: Option<WordPlace>) {
    let Some(other) = other else { return };
    let is_better = best.as_ref().is_none_or(|best| (other.rank, -other.z) < (best.rank, -best.z));
    if is_better {
        *best = Some(other);
    }
}

/// Tokens that stand for a word, and whether each is all of it: where none is, the first pieces.
fn tokens_of(word: &str, tokenizer: &Tokenizer) -> Result<(Vec<u32>, bool)> {
    let word = word.trim();
    let forms = [tokenizer.encode_continuation(&format!(" {word}"))?, tokenizer.encode(word)?];
    let whole = forms.iter().filter(|form| form.len() == 1).map(|form| form[0]);
    let mut tokens: Vec<u32> = whole.collect();
    let is_whole = !tokens.is_empty();
    if !is_whole {
        tokens = forms.iter().filter_map(|form| form.first().copied()).collect();
    }
    tokens.dedup();
    if tokens.is_empty() {
        let reason = sentence!("the word {word:?} has no token in this vocabulary", word);
        return Err(EngineError::Setting { field: "data.verbalizer", reason });
    }
    Ok((tokens, is_whole))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{Neighbor, VocabularyScores};

    fn near(token: u32, z: f32) -> Neighbor {
        Neighbor { token, text: format!("<{token}>"), score: 0.5, z, before: None }
    }

    fn list(position: usize, nearest: Vec<Neighbor>, initial: Vec<Neighbor>) -> NeighborList {
        NeighborList { layer: 2, position, head: None, nearest, initial, vocabulary: VocabularyScores::default() }
    }

    #[test]
    fn the_best_place_of_a_word_is_kept_before_and_after() {
        let mut class = LabelWord { tokens: vec![7, 9], ..LabelWord::default() };
        class.note(&list(0, vec![near(1, 6.0), near(9, 5.0)], vec![near(2, 4.0)]), "blocks.2", Some(Side::Key));
        class.note(&list(1, vec![near(7, 5.0)], vec![near(3, 4.0), near(9, 3.0)]), "blocks.2", Some(Side::Value));
        class.note(&list(2, vec![near(9, 8.0)], Vec::new()), "blocks.2", None);
        class.note(&list(3, vec![near(1, 9.0)], Vec::new()), "blocks.2", None);
        assert_eq!((class.slots_after, class.slots_before), (3, 1));
        let (after, before) = (class.after.unwrap(), class.before.unwrap());
        assert_eq!((after.position, after.rank, after.text.as_str()), (2, 1, "<9>"), "of equals what stands out more");
        assert_eq!((before.position, before.rank, before.side), (1, 2, Some(Side::Value)));
    }
}
