//! A row that is written: prompt and target become tokens, and what is too long is cut.

use super::conversation;
use super::cut::{self, Part};
use super::encode::{EncodedRow, Encoder, Example, Outcome, Skip, skip};
use super::prompts::{Texts, beginning};
use super::seq2seq::{target_tokens, within};
use super::soft;
use super::table::Row;
use super::template::{Fields, ROW, RenderError};
use super::tokenizer::Message;
use crate::config::{Task, Truncate};
use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

/// The tokens of a row, cut to the limit.
#[derive(Default)]
struct Cut {
    source: Vec<u32>,
    tokens: Vec<u32>,
    n_prompt: usize,
    cut_prompt: usize,
    is_bare: bool,
    /// Before the cut.
    length: usize,
    lost: Vec<(usize, u32)>,
}

impl Encoder<'_> {
    pub(super) fn written_row(&self, row: &Row) -> Result<Outcome> {
        if let Some(reason) = self.roles.row_without_text(row, self.table, &self.prompts.templates, self.task) {
            return Ok(Err(skip(reason)));
        }
        let mut fields = Fields::of_row(self.table, &self.roles, row, self.tokenizer);
        let earlier = match self.table.earlier.of(row) {
            Ok(turns) => turns,
            Err(reason) => return Ok(Err(skip(reason))),
        };
        if self.reads_turns() {
            fields.set_turns(&earlier);
        }
        let texts = match self.prompts.texts(&fields, earlier.clone()) {
            Ok(texts) => texts,
            Err(RenderError::Limit(reason)) => return Err(EngineError::Template(reason)),
            Err(RenderError::Row(reason)) => return Ok(Err(Skip { reason, is_template: true })),
        };
        if texts.reference.trim().is_empty() {
            return Ok(Err(skip(self.why_no_target(row))));
        }
        let own = || self.own_texts(row);
        let cut = match self.task {
            Task::Seq2Seq => self.two_texts(&texts, &own),
            _ => self.with_fewer_turns(self.one_text(self.truncate, &texts, &own), (&fields, &texts), earlier, &own),
        };
        Ok(cut.map(|cut| EncodedRow {
            example: Example {
                row: row.number,
                source: cut.source,
                tokens: cut.tokens,
                n_prompt: cut.n_prompt,
                truncated: !cut.lost.is_empty(),
                cut_prompt: cut.cut_prompt,
                bare_prompt: cut.is_bare,
                prompt: texts.prompt,
                reference: texts.reference,
                references: self.references(row, &fields),
                ..Example::default()
            },
            length: u32::try_from(cut.length).unwrap_or(u32::MAX),
            lost: cut.lost,
        }))
    }

    /// Whether the prompt writes the turns of a conversation. A column of that name that is none, or that a template reads
    /// beside the source, is the row's own.
    fn reads_turns(&self) -> bool {
        let templates = &self.prompts.templates;
        let is_own = |column: usize| !self.table.earlier.is_in(column) || templates.prompt_reads("source");
        templates.prompt_reads(conversation::ROLE) && !self.table.column(conversation::ROLE).is_some_and(is_own)
    }

    /// The row's own texts that the prompt is made of.
    pub(super) fn own_texts(&self, row: &Row) -> Vec<String> {
        let templates = &self.prompts.templates;
        let mut texts = Vec::new();
        if templates.prompt_reads("source") {
            texts.push(self.roles.source_text(row));
        }
        for (column, name) in self.table.columns.iter().enumerate() {
            let is_read = templates.prompt_reads(name) || (templates.prompt_reads(ROW) && column != self.roles.target);
            if let serde_json::Value::String(text) = row.cell(column)
                && is_read
            {
                texts.push(text.clone());
            }
        }
        texts
    }

    /// A conversation that is too long, without its oldest turns, as long as there are some: a question goes with its
    /// answer. What is then still too long is cut.
    fn with_fewer_turns(
        &self,
        whole: Result<Cut, Skip>,
        (fields, texts): (&Fields, &Texts),
        mut earlier: Vec<Message>,
        own: &dyn Fn() -> Vec<String>,
    ) -> Result<Cut, Skip> {
        let is_asked = matches!(self.truncate, Truncate::PromptEnd | Truncate::LongestFirst);
        let fits = whole.as_ref().is_ok_and(|cut| cut.lost.is_empty());
        if fits || !is_asked || !self.prompts.has_chat() || earlier.iter().all(|turn| turn.role == "system") {
            return whole;
        }
        let mut shorter = None;
        while let Some(first) = earlier.iter().position(|turn| turn.role != "system") {
            let next = earlier[first + 1..].iter().position(|turn| turn.role == "user");
            earlier.drain(first..next.map_or(earlier.len(), |next| first + 1 + next));
            // A chat template may want turns in an order that these no longer have.
            let Ok(texts) = self.prompts.texts(fields, earlier.clone()) else { continue };
            let Ok(cut) = self.one_text(self.truncate, &texts, own) else { continue };
            let is_whole = cut.lost.is_empty();
            shorter = Some(cut);
            if is_whole {
                break;
            }
        }
        let Some(shorter) = shorter else { return whole };
        // Its turns alone may be too much for the rule, but not for one that cuts anything.
        let whole = whole.or_else(|_| self.one_text(Truncate::PromptStart, texts, own))?;
        let dropped = whole.length.saturating_sub(shorter.length);
        let mut lost = whole.dropped(&shorter, dropped);
        lost.extend(shorter.lost);
        Ok(Cut { cut_prompt: shorter.cut_prompt + dropped, length: whole.length, lost, ..shorter })
    }

    /// The reason why a row has no target.
    fn why_no_target(&self, row: &Row) -> Sentence {
        let column = self.roles.target;
        let name = &self.table.columns[column];
        match row.cell(column) {
            _ if !row.has(column) => sentence!("it has no {name:?}", name),
            serde_json::Value::Null => sentence!("its {name:?} is null", name),
            _ => sentence!("the target is empty"),
        }
    }

    /// Source and target, each within the limit. The length is that of the longer one, which the limit is about.
    fn two_texts(
        &self,
        Texts { prompt, target, is_ended, .. }: &Texts,
        own: &dyn Fn() -> Vec<String>,
    ) -> Result<Cut, Skip> {
        let failed = |e: EngineError| skip(e.sentence());
        let limit = self.max_tokens;
        if limit < 2 {
            return Err(skip(sentence!("the length limit leaves no room for a target")));
        }
        let framed = self.prompts.framed(prompt, self.tokenizer).map_err(failed)?;
        let n_hard = framed.ids.len() - soft::count(&framed.ids);
        let uncut = framed.ids.clone();
        let (source, n_source, stays, is_bare) = if n_hard > limit {
            let parts = cut::parts_of_framed(&framed, &cut::own_bytes(prompt, own()), self.tokenizer);
            let stays = match self.truncate {
                Truncate::PromptStart | Truncate::End => cut::at_the_end(&framed, limit),
                rule => {
                    let kept = cut::within(rule, &parts, 0, limit)?;
                    if kept.n_hard(&parts) > limit { cut::at_the_end(&framed, limit) } else { kept.prompt }
                }
            };
            let is_bare = cut::is_bare(&parts, &stays);
            let mut source = uncut.clone();
            cut::keep(&mut source, &stays);
            (source, n_hard, stays, is_bare)
        } else {
            let (source, n_source) = within(framed, self.tokenizer, limit);
            (source, n_source, vec![true; uncut.len()], false)
        };
        let (mut tokens, n_target) =
            target_tokens(target, self.tokenizer, self.start, *is_ended, usize::MAX).map_err(failed)?;
        if n_target > limit && self.truncate == Truncate::Skip {
            return Err(cut::too_long(n_target, limit));
        }
        let mut lost = cut::lost(&uncut, &stays, 0);
        lost.extend(tokens.iter().skip(limit).map(|&token| (source.len() + limit, token)));
        tokens.truncate(limit);
        if tokens.len() < 2 {
            return Err(skip(sentence!("the target has no token in this vocabulary")));
        }
        let cut_prompt = stays.iter().filter(|stays| !**stays).count();
        Ok(Cut { source, tokens, n_prompt: 1, cut_prompt, is_bare, length: n_source.max(n_target), lost })
    }

    /// Prompt and target one behind the other, within the limit.
    fn one_text(
        &self,
        rule: Truncate,
        Texts { prompt, target, is_ended, .. }: &Texts,
        own: &dyn Fn() -> Vec<String>,
    ) -> Result<Cut, Skip> {
        let failed = |e: EngineError| skip(e.sentence());
        let mut tokens = self.prompts.tokens(prompt, self.tokenizer).map_err(failed)?;
        let is_begun = tokens.iter().any(soft::is_hard);
        tokens = beginning(tokens, self.tokenizer);
        let mut labels = match is_begun {
            true => self.tokenizer.encode_continuation(target),
            false => self.tokenizer.encode(target),
        }
        .map_err(failed)?;
        if labels.is_empty() {
            return Err(skip(sentence!("the target has no token in this vocabulary")));
        }
        if *is_ended {
            labels.push(self.tokenizer.eos());
        }
        let length = tokens.len() - soft::count(&tokens) + labels.len();
        let limit = self.max_tokens;
        if limit < 2 {
            return Err(skip(sentence!("the length limit leaves no room for a target")));
        }
        if length <= limit {
            let n_prompt = tokens.len();
            tokens.extend(labels);
            return Ok(Cut { tokens, n_prompt, length, ..Cut::default() });
        }
        let parts = self.parts_of_prompt(prompt, &tokens, own).map_err(failed)?;
        let kept = cut::within(rule, &parts, labels.len(), limit)?;
        let is_bare = match rule {
            // The one token that is left of a prompt is none of the row's own.
            Truncate::PromptStart => kept.n_hard(&parts) <= 1 && kept.prompt.contains(&false),
            _ => cut::is_bare(&parts, &kept.prompt),
        };
        let mut lost = cut::lost(&tokens, &kept.prompt, 0);
        let cut_prompt = lost.len();
        cut::keep(&mut tokens, &kept.prompt);
        let n_prompt = tokens.len();
        lost.extend(labels[kept.target..].iter().map(|&token| (n_prompt + kept.target, token)));
        tokens.extend_from_slice(&labels[..kept.target]);
        Ok(Cut { source: Vec::new(), tokens, n_prompt, cut_prompt, is_bare, length, lost })
    }

    /// The part of the prompt that each of its tokens is of.
    pub(super) fn parts_of_prompt(
        &self,
        prompt: &str,
        tokens: &[u32],
        own: &dyn Fn() -> Vec<String>,
    ) -> Result<Vec<Part>> {
        let (ids, offsets) = soft::encode_with_offsets(prompt, self.tokenizer)?;
        // Before and behind them stands what begins every text.
        let begin = tokens.windows(ids.len().max(1)).position(|window| window == ids).unwrap_or(tokens.len());
        let place = |at: usize| at.checked_sub(begin).and_then(|at| offsets.get(at).copied());
        let offsets: Vec<_> = (0..tokens.len()).map(place).collect();
        Ok(cut::parts_of(tokens, &offsets, &cut::own_bytes(prompt, own()), self.tokenizer))
    }
}

impl Cut {
    /// The `n` tokens that another cut of the same row, with fewer turns, has no more: those behind the tokens with which both
    /// begin, with their place in the other.
    fn dropped(&self, other: &Self, n: usize) -> Vec<(usize, u32)> {
        let of = |cut: &Self| {
            let (mut whole, mut lost) = (Vec::new(), cut.lost.iter().peekable());
            for at in 0..=cut.tokens.len() {
                whole.extend(std::iter::from_fn(|| lost.next_if(|(place, _)| *place == at)).map(|&(_, token)| token));
                whole.extend(cut.tokens.get(at));
            }
            whole
        };
        let (whole, other) = (of(self), of(other));
        let begin = whole.iter().zip(&other).take_while(|(a, b)| a == b).count().min(other.len());
        whole.iter().skip(begin).take(n).map(|&token| (begin, token)).collect()
    }
}
