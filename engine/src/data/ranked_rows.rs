//! Rows with candidates become tokens: the prompt once, each candidate behind it, at its mask, or as a text of its own with it.
//! A prompt is cut for the longest candidate, so that its length tells nothing of which one is right.

use std::sync::Arc;

use super::candidates::{Answer, CandidateReading, Candidates};
use super::encode::{Encoder, Example, Outcome, Skip, skip};
use super::prompts::{Texts, beginning};
use super::ranking::Ranking;
use super::seq2seq::{target_tokens, within};
use super::soft;
use super::table::Row;
use super::template::{Fields, RenderError};
use super::verbalizer;
use crate::config::{CandidateScore, CandidateSource, Task};
use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

/// The end of a row's encoding: of the row alone, or of the whole table.
enum Stop {
    Row(Skip),
    Table(EngineError),
}

impl From<Sentence> for Stop {
    fn from(reason: Sentence) -> Self {
        Self::Row(skip(reason))
    }
}

impl From<RenderError> for Stop {
    fn from(error: RenderError) -> Self {
        match error {
            RenderError::Limit(reason) => Self::Table(EngineError::Template(reason)),
            RenderError::Row(reason) => Self::Row(Skip { reason, is_template: true }),
        }
    }
}

/// A tokenizer that cannot express a text leaves out the row.
fn of_text(error: EngineError) -> Stop {
    error.sentence().into()
}

type Encoding<T> = std::result::Result<T, Stop>;

/// A row whose candidates are to be written down.
struct Ranked<'a> {
    row: &'a Row,
    fields: &'a Fields,
    ranking: &'a Ranking,
    /// In words.
    options: &'a [String],
    right: Vec<usize>,
}

/// What stands before the candidates of a row: the prompt, or a source and the token that starts a target.
struct Before {
    source: Vec<u32>,
    /// Tokens of the source before it was cut.
    n_source: usize,
    prompt: Vec<u32>,
    /// There is text before the candidates.
    is_begun: bool,
}

impl Before {
    /// Makes room for the longest candidate: how many tokens that took, and the row's length before.
    fn fit(&mut self, longest: usize, max_tokens: usize) -> (usize, usize) {
        if self.source.is_empty() {
            return cut_beginning(&mut self.prompt, longest, max_tokens);
        }
        let kept = self.source.len() - soft::count(&self.source);
        (self.n_source.saturating_sub(kept), self.n_source.max(longest + 1))
    }
}

impl Encoder<'_> {
    /// A row with its candidates. The outer error ends the encoding of the table.
    pub(super) fn ranked_row(&self, row: &Row, ranking: &Ranking) -> Result<Outcome> {
        let fields = Fields::of_row(self.table, &self.roles, row, self.tokenizer);
        let made = ranking.of_row(row, &self.roles).map_err(Stop::from).and_then(|(options, right)| {
            let ranked = Ranked { row, fields: &fields, ranking, options: &options, right };
            match self.task {
                Task::MultipleChoice => self.choice_row(ranked),
                Task::MaskedFill => self.ranked_mask(ranked),
                _ => self.ranked_text(ranked),
            }
        });
        match made {
            Ok(made) => Ok(Ok(made)),
            Err(Stop::Row(skip)) => Ok(Err(skip)),
            Err(Stop::Table(error)) => Err(error),
        }
    }

    /// Candidates that go on with a prompt, or are written from a source.
    fn ranked_text(&self, ranked: Ranked<'_>) -> Encoding<(Example, u32)> {
        let learned = ranked.options[ranked.right[0]].as_str();
        let texts = self.texts_of(&ranked, learned)?;
        if texts.reference.trim().is_empty() {
            return Err(sentence!("the target is empty").into());
        }
        let mut before = self.before(&texts).map_err(of_text)?;
        let is_begun = before.is_begun;
        let candidates = self.candidates(&ranked, usize::from(is_begun), |option| {
            let texts = self.texts_of(&ranked, option)?;
            Ok(Answer { tokens: self.answer_of(&texts, is_begun)?, n_bytes: texts.reference.trim().len() })
        })?;
        let longest = candidates.answers().iter().map(|answer| answer.tokens.len()).max().unwrap_or(1);
        if longest >= self.max_tokens {
            return Err(sentence!("its longest candidate leaves no room for a prompt").into());
        }
        let (mut answer, mut right) = (self.answer_of(&texts, is_begun)?, ranked.right);
        if *candidates == Candidates::Vocabulary {
            (answer, right) = single(learned, answer, texts.is_ended)?;
        }
        let (cut_prompt, length) = before.fit(longest, self.max_tokens);
        let Before { source, mut prompt, .. } = before;
        let n_prompt = prompt.len();
        prompt.extend(answer);
        let example = Example {
            row: ranked.row.number,
            source,
            tokens: prompt,
            n_prompt,
            truncated: cut_prompt > 0,
            cut_prompt,
            prompt: texts.prompt,
            reference: texts.reference,
            candidates: Some(candidates),
            right,
            ..Example::default()
        };
        Ok((example, u32::try_from(length).unwrap_or(u32::MAX)))
    }

    /// The tokens before the candidates.
    fn before(&self, texts: &Texts) -> Result<Before> {
        if self.task != Task::Seq2Seq {
            let prompt = self.prompts.tokens(&texts.prompt, self.tokenizer)?;
            let is_begun = prompt.iter().any(soft::is_hard);
            let prompt = beginning(prompt, self.tokenizer);
            return Ok(Before { source: Vec::new(), n_source: 0, prompt, is_begun });
        }
        let framed = self.prompts.framed(&texts.prompt, self.tokenizer)?;
        let (source, n_source) = within(framed, self.tokenizer, self.max_tokens);
        let (prompt, _) = target_tokens(&texts.target, self.tokenizer, self.start, texts.is_ended, 1)?;
        Ok(Before { source, n_source, prompt, is_begun: true })
    }

    /// A row in words with this text as what is learned.
    fn texts_of(&self, ranked: &Ranked<'_>, option: &str) -> Encoding<Texts> {
        let earlier = self.table.earlier.of(ranked.row)?;
        Ok(self.prompts.texts(&ranked.fields.with_target(option), earlier)?)
    }

    /// The tokens of a target behind its prompt, or behind the token that starts it.
    fn answer_of(&self, texts: &Texts, is_begun: bool) -> Encoding<Vec<u32>> {
        let tokens = match self.task {
            Task::Seq2Seq => {
                let found = target_tokens(&texts.target, self.tokenizer, self.start, texts.is_ended, usize::MAX);
                return found.map(|(tokens, _)| tokens.get(1..).unwrap_or_default().to_vec()).map_err(of_text);
            }
            _ if is_begun => self.tokenizer.encode_continuation(&texts.target),
            _ => self.tokenizer.encode(&texts.target),
        };
        let mut tokens = tokens.map_err(of_text)?;
        if texts.is_ended && !tokens.is_empty() {
            tokens.push(self.tokenizer.eos());
        }
        Ok(tokens)
    }

    /// Candidates in place of the mask of a text.
    fn ranked_mask(&self, ranked: Ranked<'_>) -> Encoding<(Example, u32)> {
        let learned = ranked.options[ranked.right[0]].as_str();
        let prompt = self.prompts.templates.prompt(&ranked.fields.with_target(learned))?;
        let framed = self.prompts.framed(&prompt, self.tokenizer).map_err(of_text)?;
        let mask = self.tokenizer.mask();
        let masks: Vec<usize> = (0..framed.ids.len()).filter(|&at| Some(framed.ids[at]) == mask).collect();
        let &[place] = masks.as_slice() else {
            return Err(
                sentence!("its text has {n_masks} masks, not one: write {{ mask }}", n_masks = masks.len()).into()
            );
        };
        let answer = |option: &str| Ok(Answer { tokens: self.masked_tokens(option)?, n_bytes: option.len() });
        let candidates = self.candidates(&ranked, 0, answer)?;
        let (mut tokens, mut right) = (self.masked_tokens(learned)?, ranked.right);
        if *candidates == Candidates::Vocabulary {
            (tokens, right) = single(learned, tokens, false)?;
        }
        let longest = candidates.answers().iter().map(|answer| answer.tokens.len()).max().unwrap_or(1);
        let length = framed.ids.len() - soft::count(&framed.ids) - 1 + longest;
        if length > self.max_tokens {
            return Err(sentence!("it is longer than {max_tokens} tokens", max_tokens = self.max_tokens).into());
        }
        let types = if framed.type_ids.iter().any(|&kind| kind != 0) { framed.type_ids } else { Vec::new() };
        let masked = Example {
            row: ranked.row.number,
            n_prompt: framed.ids.len(),
            tokens: framed.ids,
            prompt,
            reference: learned.to_owned(),
            types,
            labels: vec![(place, 0)],
            ..Example::default()
        };
        let (task, pad, mask) = (self.task, self.tokenizer.pad(), mask.unwrap_or_default());
        let example = masked.with_answer(&tokens, &CandidateReading { task, pad, mask, score: CandidateScore::Sum });
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        Ok((Example { candidates: Some(candidates), right, ..example }, length))
    }

    /// The tokens of a word under a mask: as it stands after a space where that is one, else as it is where that is one.
    fn masked_tokens(&self, word: &str) -> Encoding<Vec<u32>> {
        let word = word.trim();
        let (spaced, plain) = (self.tokenizer.encode(&format!(" {word}")), self.tokenizer.encode(word));
        let (spaced, plain) = (spaced.map_err(of_text)?, plain.map_err(of_text)?);
        Ok(if spaced.len() != 1 && plain.len() == 1 { plain } else { spaced })
    }

    /// The candidates of a row, made once where they are the same for all.
    fn candidates(
        &self,
        ranked: &Ranked<'_>,
        slot: usize,
        answer: impl Fn(&str) -> Encoding<Answer>,
    ) -> Encoding<Arc<Candidates>> {
        let Ranked { ranking, options, .. } = *ranked;
        if ranking.source == CandidateSource::Vocabulary {
            return Ok(Arc::new(Candidates::Vocabulary));
        }
        let slot = ranking.is_shared(self.prompts, self.task).then(|| &ranking.shared[slot]);
        if let Some(made) = slot.and_then(|slot| slot.get()) {
            return Ok(Arc::clone(made));
        }
        let mut answers: Vec<Answer> = Vec::with_capacity(options.len());
        for option in options {
            let next = answer(option)?;
            if next.tokens.is_empty() {
                return Err(sentence!("the candidate {option:?} has no token in this vocabulary", option).into());
            }
            let same = answers.iter().position(|known| known.tokens == next.tokens);
            if let Some(same) = same.filter(|_| ranking.source == CandidateSource::Classes) {
                let (first, second) = (&options[same], option);
                return Err(Stop::Table(verbalizer::wrong(sentence!(
                    "{first:?} and {second:?} are the same tokens of this vocabulary",
                    first,
                    second
                ))));
            }
            answers.push(next);
        }
        let made = Arc::new(Candidates::Answers(answers));
        // Another row may have been faster, with the same.
        Ok(slot.map_or_else(|| Arc::clone(&made), |slot| Arc::clone(slot.get_or_init(|| Arc::clone(&made)))))
    }

    /// Choices for a head: each a text of its own, a pair with the prompt where there is one.
    fn choice_row(&self, ranked: Ranked<'_>) -> Encoding<(Example, u32)> {
        let mut rows = Vec::with_capacity(ranked.options.len());
        let mut longest = 0;
        for option in ranked.options {
            let fields = ranked.fields.with_target(option);
            let (prompt, choice) = (self.prompts.templates.prompt(&fields)?, self.prompts.templates.target(&fields)?);
            let (prompt, choice) = (prompt.trim(), choice.trim());
            let framed = match prompt.is_empty() {
                true => self.tokenizer.encode_with_special(choice),
                false => self.tokenizer.encode_pair(prompt, choice),
            };
            let mut framed = framed.map_err(of_text)?;
            let length = framed.ids.len();
            longest = longest.max(length);
            framed.cut(self.max_tokens);
            if framed.ids.len() > self.max_tokens || framed.words.iter().all(Option::is_none) {
                return Err(sentence!("no token of the text is left within the length limit").into());
            }
            let types = if framed.type_ids.iter().any(|&kind| kind != 0) { framed.type_ids } else { Vec::new() };
            rows.push(Example {
                row: ranked.row.number,
                n_prompt: framed.ids.len(),
                truncated: framed.ids.len() < length,
                tokens: framed.ids,
                prompt: prompt.to_owned(),
                reference: choice.to_owned(),
                types,
                labels: vec![(0, 0)],
                ..Example::default()
            });
        }
        let right = ranked.right;
        let truncated = rows.iter().any(|row| row.truncated);
        let learned = Example { truncated, labels: vec![(0, right[0] as i32)], ..rows[right[0]].clone() };
        let candidates = Some(Arc::new(Candidates::Rows(rows)));
        Ok((Example { candidates, right, ..learned }, u32::try_from(longest).unwrap_or(u32::MAX)))
    }
}

/// The one token of an answer among all of the vocabulary, which has no end token, and its number.
fn single(answer: &str, mut tokens: Vec<u32>, is_ended: bool) -> Encoding<(Vec<u32>, Vec<usize>)> {
    if is_ended {
        tokens.pop();
    }
    match *tokens.as_slice() {
        [token] => Ok((tokens, vec![token as usize])),
        _ => Err(sentence!("the answer {answer:?} is {n} tokens, not one", answer, n = tokens.len()).into()),
    }
}

/// Takes tokens from the beginning of a prompt until it fits beside the longest candidate; the last one stays. How many were
/// taken, and the length before.
fn cut_beginning(prompt: &mut Vec<u32>, longest: usize, max_tokens: usize) -> (usize, usize) {
    let n_hard = prompt.len() - soft::count(prompt);
    let length = n_hard + longest;
    let cut = length.saturating_sub(max_tokens).min(n_hard.saturating_sub(1));
    let mut excess = cut;
    prompt.retain(|token| {
        let stays = !soft::is_hard(token) || excess == 0;
        excess -= usize::from(!stays);
        stays
    });
    (cut, length)
}
