//! A column: the base model, or what is put before it, ready for any number of prompts.

use std::path::PathBuf;
use std::rc::Rc;

use crate::adapters::{AdapterState, combine};
use crate::config::{DataConfig, Strength, Task};
use crate::data::{Prompts, chat_prompt, plain_prompt, put_before, source_tokens};
use crate::error::{EngineError, Result};
use crate::generation::{DecoderStream, TokenProbability, cache_bytes};
use crate::jobs::Outbox;
use crate::loaded_model::LoadedModel;
use crate::models::{Conditioning, Model};
use crate::protocol::{LikelyToken, Prompt, ScoredToken, Stream};
use crate::sentence;
use crate::tokens::SOFT;

/// What stands before the prompts of a column.
pub(super) struct Column {
    /// As it acts: `None` for the base, and at strength 0.
    acting: Option<AdapterState>,
    conditioning: Conditioning,
    /// The model with the weights that the adapter changes.
    tuned: Option<Rc<Model>>,
    words: Vec<u32>,
    strength: Strength,
    task: Option<String>,
    /// Short hash of the adapter; empty for the base.
    pub(super) hash: String,
}

/// Columns that were made ready: those that are asked several times, as for several samples, are one.
#[derive(Default)]
pub(super) struct Columns {
    known: Vec<(Stream, Rc<Column>)>,
    /// Adapters whose notices were told.
    said: Vec<PathBuf>,
}

impl Columns {
    /// The column of a stream.
    ///
    /// # Errors
    /// Its adapter is damaged, or does not fit the model or the one that it is mixed with.
    pub(super) fn of(&mut self, stream: &Stream, model: &LoadedModel, out: &Outbox) -> Result<Rc<Column>> {
        let same = |known: &Stream| {
            let mixed = known.mixed == stream.mixed && known.words == stream.words;
            mixed
                && known.adapter == stream.adapter
                && known.task == stream.task
                && known.strength() == stream.strength()
        };
        if let Some((_, column)) = self.known.iter().find(|(known, _)| same(known)) {
            return Ok(Rc::clone(column));
        }
        let column = Rc::new(self.load(stream, model, out)?);
        self.known.push((stream.clone(), Rc::clone(&column)));
        Ok(column)
    }

    fn load(&mut self, of: &Stream, model: &LoadedModel, out: &Outbox) -> Result<Column> {
        let mut read = |folder: &PathBuf| {
            let adapter = model.adapter(folder)?;
            if !self.said.contains(folder) {
                out.unread(&adapter);
                self.said.push(folder.clone());
            }
            Ok::<_, EngineError>(adapter)
        };
        let adapter = match (&of.adapter, &of.mixed) {
            (Some(folder), None) => Some(read(folder)?),
            (Some(folder), Some(mixed)) => Some(combine(&[read(folder)?, read(&mixed.adapter)?], &mixed.how)?),
            (None, None) => None,
            (None, Some(_)) => {
                let reason = sentence!("there is no adapter to mix another with");
                return Err(EngineError::Setting { field: "mixed", reason });
            }
        };
        let conditioning = match &adapter {
            Some(adapter) => model.conditioning(adapter)?,
            None => Conditioning::default(),
        };
        let strength = of.strength();
        strength.check_layers(model.summary.n_layers.max(model.summary.encoder_layers))?;
        let tuned = conditioning.tuned_at_strength(&strength)?;
        let has_words = !strength.is_none() && !of.words.is_empty();
        let words = if has_words { model.tokenizer.encode(&of.words)? } else { Vec::new() };
        Ok(Column {
            hash: adapter.as_ref().map_or_else(String::new, AdapterState::hash),
            tuned: model.model.with_overrides(&tuned)?.map(Rc::new),
            acting: adapter.filter(|_| !strength.is_none()),
            conditioning,
            words,
            strength,
            task: of.task.clone(),
        })
    }
}

impl Column {
    /// A prompt's tokens behind what the column has.
    ///
    /// # Errors
    /// The prompt has other soft tokens than the adapter, or the task is unknown.
    pub(super) fn stream(&self, mut prompt: Vec<u32>, model: &LoadedModel) -> Result<DecoderStream> {
        put_before(&mut prompt, &self.words, model.tokenizer.begins_texts());
        let prompt = of_adapter(self.acting.as_ref(), self.task.as_deref(), prompt, model)?;
        Ok(DecoderStream {
            model: self.tuned.clone(),
            strength: self.strength.clone(),
            ..DecoderStream::new(prompt, self.conditioning.clone())
        })
    }

    /// Tokens that stand before every prompt.
    ///
    /// # Errors
    /// The vocabulary cannot express an adapter's words.
    pub(super) fn n_tokens(&self, model: &LoadedModel) -> Result<usize> {
        let before = self.acting.as_ref().map_or(Ok(Vec::new()), |adapter| adapter.before(&model.tokenizer))?;
        Ok(self.words.len() + before.len())
    }

    /// Positions that are taken before every prompt, at most.
    ///
    /// # Errors
    /// The vocabulary cannot express an adapter's words.
    pub(super) fn n_before(&self, model: &LoadedModel) -> Result<usize> {
        let slots = self.acting.as_ref().map_or(0, AdapterState::n_before);
        Ok(slots.max(self.n_tokens(model)? - self.words.len()) + self.words.len())
    }

    /// Bytes that it takes in the cache of each text.
    ///
    /// # Errors
    /// The vocabulary cannot express an adapter's words.
    pub(super) fn cache_bytes(&self, model: &LoadedModel) -> Result<u64> {
        let none = Conditioning::default();
        let slots = if self.acting.is_some() { &self.conditioning } else { &none };
        Ok(cache_bytes(slots, self.n_tokens(model)?, model.model.shape()))
    }
}

/// A prompt with what stands before every text of an adapter: soft tokens, of one of its tasks, which the prompt may have
/// in other places, or words.
fn of_adapter(
    adapter: Option<&AdapterState>,
    task: Option<&str>,
    mut prompt: Vec<u32>,
    model: &LoadedModel,
) -> Result<Vec<u32>> {
    let n_soft = adapter.map_or(0, AdapterState::n_soft);
    let placed = prompt.iter().filter(|&&token| token >= SOFT).count();
    if n_soft == 0 {
        prompt.retain(|&token| token < SOFT);
    } else if placed > 0 && placed != n_soft {
        let reason = sentence!("it has {n_soft} soft tokens, the prompt {placed}", n_soft, placed);
        return Err(EngineError::AdapterMismatch { reason });
    }
    let Some(adapter) = adapter else { return Ok(prompt) };
    if n_soft == 0 || placed == 0 {
        put_before(&mut prompt, &adapter.before(&model.tokenizer)?, model.tokenizer.begins_texts());
    }
    let first = adapter.first_soft(task)? as u32;
    prompt.iter_mut().filter(|token| **token >= SOFT).for_each(|token| *token += first);
    Ok(prompt)
}

/// Tokens that the model gets. An empty prompt still needs a token to predict from.
pub(super) fn tokens_of(prompt: &Prompt, model: &LoadedModel) -> Result<Vec<u32>> {
    let (task, tokenizer) = (model.task(None)?, &model.tokenizer);
    match prompt {
        Prompt::Text(text) if task == Task::Seq2Seq => Ok(source_tokens(text, tokenizer, usize::MAX)?.0),
        Prompt::Text(text) => plain_prompt(text, tokenizer),
        Prompt::Chat { .. } if task == Task::Seq2Seq => {
            Err(EngineError::Template(sentence!("the model writes from a source and holds no conversation")))
        }
        Prompt::Chat { turns } => chat_prompt(turns, tokenizer),
        Prompt::Source { text, columns, template, begin_token, chat } => {
            let (prompt_template, begin_token, chat) = (template.clone(), *begin_token, *chat);
            let config = DataConfig { prompt_template, begin_token, chat, ..DataConfig::new("") };
            Prompts::new(&config, task, tokenizer)?.for_source(text, columns, tokenizer)
        }
    }
}

/// A token's probability with the words that people read.
pub(super) fn in_words(found: &TokenProbability, model: &LoadedModel) -> ScoredToken {
    let text = |token: u32| model.tokenizer.token_text(token);
    let likely = |&(token, log_probability): &(u32, f64)| LikelyToken { text: text(token), log_probability };
    ScoredToken {
        text: text(found.token),
        log_probability: found.log_probability,
        rank: found.rank,
        top: found.top.iter().map(likely).collect(),
    }
}
