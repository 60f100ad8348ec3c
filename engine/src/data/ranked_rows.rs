//! Rows with candidates become tokens: the prompt once, each candidate behind it, at its mask, or as a text of its own with it.
//! A prompt is cut for the longest candidate, so that its length tells nothing of which one is right.

use std::sync::Arc;

use super::candidates::{Answer, CandidateReading, Candidates};
use super::cut;
use super::encode::{EncodedRow, Encoder, Example, Outcome, Skip, skip};
use super::prompts::{Texts, beginning};
use super::ranking::Ranking;
use super::seq2seq::{target_tokens, within};
use super::soft;
use super::table::Row;
use super::template::{Fields, RenderError};
use super::verbalizer;
use crate::config::{CandidateScore, CandidateSource, Task, Truncate};
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

impl From<Skip> for Stop {
    fn from(skip: Skip) -> Self {
        Self::Row(skip)
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

/// A prompt that fits beside its candidates.
#[derive(Default)]
struct Fitted {
    cut_prompt: usize,
    is_bare: bool,
    /// Tokens of the row before the cut.
    length: usize,
    lost: Vec<(usize, u32)>,
}

impl Ranked<'_> {
    /// A choice of the row alone, as it is written in it.
    fn own_text(&self, option: &str) -> String {
        if self.ranking.source == CandidateSource::Choices { option.to_owned() } else { String::new() }
    }
}

impl Encoder<'_> {
    /// A row with its candidates. The outer error ends the encoding of the table.
    pub(super) fn ranked_row(&self, row: &Row, ranking: &Ranking) -> Result<Outcome> {
        let fields = Fields::of_row(self.table, &self.roles, row, self.tokenizer);
        let made = ranking.of_row(row, &self.roles).map_err(Stop::from).and_then(|(options, right)| {
            let ranked = Ranked { row, fields: &fields, ranking, options: &options, right };
            let made = match self.task {
                Task::MultipleChoice => self.choice_row(ranked),
                Task::MaskedFill => self.ranked_mask(ranked),
                _ => self.ranked_text(ranked),
            };
            // Answers that are a list in words, as ReCoRD's, are what the choice is held against.
            let texts = row.cell(self.roles.target).as_array();
            let texts = || texts.into_iter().flatten().filter_map(|text| Some(text.as_str()?.to_owned())).collect();
            made.map(|row| EncodedRow { example: Example { references: texts(), ..row.example }, ..row })
        });
        match made {
            Ok(made) => Ok(Ok(made)),
            Err(Stop::Row(skip)) => Ok(Err(skip)),
            Err(Stop::Table(error)) => Err(error),
        }
    }

    /// Candidates that go on with a prompt, or are written from a source.
    fn ranked_text(&self, ranked: Ranked<'_>) -> Encoding<EncodedRow> {
        let learned = ranked.options[ranked.right[0]].as_str();
        let texts = self.texts_of(&ranked, learned)?;
        if texts.reference.trim().is_empty() {
            return Err(sentence!("the target is empty").into());
        }
        let mut before = self.before(&texts).map_err(of_text)?;
        let is_begun = before.is_begun;
        let candidates = self.candidates(&ranked, usize::from(is_begun), |option| {
            let texts = self.texts_of(&ranked, option)?;
            let (n_bytes, text) = (texts.reference.trim().len(), ranked.own_text(option));
            Ok(Answer { tokens: self.answer_of(&texts, is_begun)?, n_bytes, text })
        })?;
        let longest = candidates.answers().iter().map(|answer| answer.tokens.len()).max().unwrap_or(1);
        if longest >= self.max_tokens {
            return Err(sentence!("its longest candidate leaves no room for a prompt").into());
        }
        let (mut answer, mut right) = (self.answer_of(&texts, is_begun)?, ranked.right);
        if *candidates == Candidates::Vocabulary {
            (answer, right) = single(learned, answer, texts.is_ended)?;
        }
        let fitted = self.fit(&mut before, (&texts.prompt, ranked.row), longest)?;
        let Before { source, mut prompt, .. } = before;
        let n_prompt = prompt.len();
        prompt.extend(answer);
        let example = Example {
            row: ranked.row.number,
            source,
            tokens: prompt,
            n_prompt,
            truncated: fitted.cut_prompt > 0,
            cut_prompt: fitted.cut_prompt,
            bare_prompt: fitted.is_bare,
            prompt: texts.prompt,
            reference: texts.reference,
            candidates: Some(candidates),
            right,
            ..Example::default()
        };
        Ok(EncodedRow { example, length: u32::try_from(fitted.length).unwrap_or(u32::MAX), lost: fitted.lost })
    }

    /// Makes room for the longest candidate: a prompt loses what the run's rule takes, a source has lost its end.
    fn fit(&self, before: &mut Before, (prompt, row): (&str, &Row), longest: usize) -> Encoding<Fitted> {
        if !before.source.is_empty() {
            let kept = before.source.len() - soft::count(&before.source);
            let cut_prompt = before.n_source.saturating_sub(kept);
            if cut_prompt > 0 && self.truncate == Truncate::Skip {
                return Err(cut::too_long(before.n_source, self.max_tokens).into());
            }
            return Ok(Fitted { cut_prompt, length: before.n_source.max(longest + 1), ..Fitted::default() });
        }
        let length = before.prompt.len() - soft::count(&before.prompt) + longest;
        if length <= self.max_tokens {
            return Ok(Fitted { length, ..Fitted::default() });
        }
        let parts = self.parts_of_prompt(prompt, &before.prompt, &|| self.own_texts(row)).map_err(of_text)?;
        // A candidate is scored whole.
        let rule = match self.truncate {
            Truncate::PromptStart | Truncate::Skip => self.truncate,
            Truncate::PromptEnd | Truncate::End | Truncate::LongestFirst => Truncate::PromptEnd,
        };
        let kept = match cut::within(rule, &parts, longest, self.max_tokens) {
            Ok(kept) if kept.target == longest => kept,
            Err(skip) if rule == Truncate::Skip => return Err(skip.into()),
            _ => cut::within(Truncate::PromptStart, &parts, longest, self.max_tokens)?,
        };
        let lost = cut::lost(&before.prompt, &kept.prompt, 0);
        cut::keep(&mut before.prompt, &kept.prompt);
        Ok(Fitted { cut_prompt: lost.len(), is_bare: cut::is_bare(&parts, &kept.prompt), length, lost })
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
    fn ranked_mask(&self, ranked: Ranked<'_>) -> Encoding<EncodedRow> {
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
        let answer = |option: &str| {
            Ok(Answer { tokens: self.masked_tokens(option)?, n_bytes: option.len(), text: ranked.own_text(option) })
        };
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
        Ok(EncodedRow { example: Example { candidates: Some(candidates), right, ..example }, length, lost: Vec::new() })
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
    fn choice_row(&self, ranked: Ranked<'_>) -> Encoding<EncodedRow> {
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
            let stays = framed.stays(self.truncate, self.max_tokens)?;
            framed.keep(&stays);
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
        let example = Example { candidates, right, ..learned };
        Ok(EncodedRow { example, length: u32::try_from(longest).unwrap_or(u32::MAX), lost: Vec::new() })
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
