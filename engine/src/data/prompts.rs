//! Prompts and targets of rows before they are tokens: rendered by the run's templates, written as a turn of a
//! conversation if the run asks for that, begun as the tokenizer begins every text and closed as it closes prompts.

use std::collections::BTreeMap;

use super::seq2seq::within;
use super::soft;
use super::template::{Fields, RenderError, Templates};
use super::tokenizer::{ChatTemplate, Encoded, Message, Tokenizer, Turn};
use crate::config::{BeginToken, DEFAULT_PROMPT_TEMPLATE, DataConfig, Task};
use crate::error::{EngineError, Result};
use crate::sentence;

/// The default prompt where the begin token stands before it, or something else sets it apart from the target: a chat
/// template, or that the target is a text of its own.
const PLAIN_PROMPT: &str = "{{ source }}";

/// Templates and frame of one model's prompts for one run.
#[derive(Debug)]
pub struct Prompts {
    pub(super) templates: Templates,
    begin: Vec<u32>,
    close: Vec<u32>,
    chat: Option<(ChatTemplate, Turn)>,
    append_end_token: bool,
    /// A prompt is a source, framed as the tokenizer frames a text.
    is_source: bool,
}

/// A row in words.
pub(super) struct Texts {
    pub(super) prompt: String,
    /// The text to be learned, without what ends it.
    pub(super) reference: String,
    /// The text that the labels are the tokens of.
    pub(super) target: String,
    /// The end token follows the target.
    pub(super) is_ended: bool,
}

impl Prompts {
    /// The templates of a configuration, checked for their form, and what this tokenizer adds to them.
    ///
    /// # Errors
    /// [`EngineError::Template`] for a template that is not well formed, or a chat without a template of the model.
    pub fn new(config: &DataConfig, task: Task, tokenizer: &Tokenizer) -> Result<Self> {
        let is_source = task == Task::Seq2Seq;
        let chat = match (config.chat, tokenizer.chat_template()) {
            (false, _) => None,
            (true, _) if is_source => {
                return Err(EngineError::Template(
                    sentence!(
                        "the model writes from a source and holds no conversation; data.chat must be false for it"
                    )
                    .to_owned(),
                ));
            }
            (true, Some(template)) => Some((template.clone(), template.turn()?)),
            (true, None) => {
                return Err(EngineError::Template(sentence!(
                    "the model has no chat template; data.chat must be false for it"
                )));
            }
        };
        let is_apart = is_source || task == Task::MultipleChoice;
        let follows = config.begin_token == BeginToken::Tokenizer && !is_apart;
        // A chat template writes the begin token itself where the model wants one.
        let begin = if follows && chat.is_none() { tokenizer.begins_texts().to_vec() } else { Vec::new() };
        let close = if follows { tokenizer.closes_prompts().to_vec() } else { Vec::new() };
        let mut config = config.clone();
        if (!begin.is_empty() || !close.is_empty() || chat.is_some() || is_apart)
            && config.prompt_template == DEFAULT_PROMPT_TEMPLATE
        {
            config.prompt_template = PLAIN_PROMPT.to_owned();
        }
        let append_end_token = config.append_end_token;
        Ok(Self { templates: Templates::new(&config)?, begin, close, chat, append_end_token, is_source })
    }

    /// Whether a prompt is a source that is read by itself.
    pub(super) fn is_source(&self) -> bool {
        self.is_source
    }

    /// Whether prompts are turns of the model's chat template.
    pub(super) fn has_chat(&self) -> bool {
        self.chat.is_some()
    }

    /// The tokens of the prompt for a source that somebody typed, with the columns that were given beside it; at least one.
    ///
    /// # Errors
    /// As [`Templates::prompt_for_source`].
    pub fn for_source(
        &self,
        source: &str,
        columns: &BTreeMap<String, String>,
        tokenizer: &Tokenizer,
    ) -> Result<Vec<u32>> {
        let text = self.templates.prompt_for_source(source, columns, tokenizer)?;
        if self.is_source {
            return Ok(within(self.framed(&text, tokenizer)?, tokenizer, usize::MAX).0);
        }
        let text = self.as_turn(text, Vec::new())?;
        Ok(beginning(self.tokens(&text, tokenizer)?, tokenizer))
    }

    /// A row in words, behind the turns that were said before it.
    pub(super) fn texts(&self, fields: &Fields, earlier: Vec<Message>) -> Result<Texts, RenderError> {
        let (prompt, target) = (self.templates.prompt(fields)?, self.templates.target(fields)?);
        let prompt = self.as_turn(prompt, earlier).map_err(|error| RenderError::Row(error.sentence()))?;
        Ok(match &self.chat {
            None => Texts { prompt, target: target.clone(), reference: target, is_ended: self.append_end_token },
            Some((_, turn)) => {
                let said = target.trim();
                let after = if self.append_end_token { turn.after.as_str() } else { "" };
                Texts {
                    prompt,
                    target: format!("{}{said}{after}", turn.before),
                    reference: said.to_owned(),
                    is_ended: self.append_end_token && after.is_empty(),
                }
            }
        })
    }

    /// The prompt's tokens; none for an empty prompt that nothing begins. The begin token stands before soft tokens that
    /// the template puts at the beginning.
    pub(super) fn tokens(&self, prompt: &str, tokenizer: &Tokenizer) -> Result<Vec<u32>> {
        let tokens = if self.templates.has_soft() { soft::encode(prompt, tokenizer) } else { tokenizer.encode(prompt) };
        Ok(closed(begun(tokens?, &self.begin), &self.close))
    }

    /// A prompt with the special tokens that the model expects around a text.
    pub(super) fn framed(&self, prompt: &str, tokenizer: &Tokenizer) -> Result<Encoded> {
        match self.templates.has_soft() {
            true => soft::encode_framed(prompt, tokenizer),
            false => tokenizer.encode_with_special(prompt),
        }
    }

    fn as_turn(&self, prompt: String, mut turns: Vec<Message>) -> Result<String> {
        match &self.chat {
            Some((template, _)) => {
                turns.push(Message::user(prompt));
                template.render(&turns, true)
            }
            None => Ok(prompt),
        }
    }
}

/// The tokens of a text that is the whole prompt, begun and closed as the tokenizer does it, at least one. Soft tokens may be
/// written out in it as `<|soft|>`.
///
/// # Errors
/// [`EngineError::Tokenizer`] when the vocabulary cannot express the text.
pub fn plain_prompt(text: &str, tokenizer: &Tokenizer) -> Result<Vec<u32>> {
    let tokens = begun(soft::encode(text, tokenizer)?, tokenizer.begins_texts());
    Ok(beginning(closed(tokens, tokenizer.closes_prompts()), tokenizer))
}

/// The tokens of a conversation as the model's chat template writes it, with the beginning of the model's next turn.
///
/// # Errors
/// - [`EngineError::NoChatTemplate`]
/// - [`EngineError::Template`] for a chat template that refuses the conversation
/// - [`EngineError::Setting`] for a conversation in which the model has spoken last
pub fn chat_prompt(turns: &[Message], tokenizer: &Tokenizer) -> Result<Vec<u32>> {
    let Some(template) = tokenizer.chat_template() else {
        return Err(EngineError::NoChatTemplate);
    };
    if turns.last().is_none_or(|turn| turn.role == "assistant") {
        let reason = sentence!("must end with a turn that the model can answer, of user or system");
        return Err(EngineError::Setting { field: "prompt", reason });
    }
    let text = template.render(turns, true)?;
    Ok(beginning(closed(tokenizer.encode(&text)?, tokenizer.closes_prompts()), tokenizer))
}

/// A prompt with a token of the vocabulary: the begin token, behind soft ones, where it had none.
pub(super) fn beginning(mut tokens: Vec<u32>, tokenizer: &Tokenizer) -> Vec<u32> {
    if !tokens.iter().any(soft::is_hard) {
        tokens.push(tokenizer.bos());
    }
    tokens
}

/// Puts the tokens that begin texts before one, unless it has them already.
fn begun(mut tokens: Vec<u32>, begin: &[u32]) -> Vec<u32> {
    if !tokens.starts_with(begin) {
        tokens.splice(0..0, begin.iter().copied());
    }
    tokens
}

/// Puts the tokens that close prompts behind one, unless it has them already.
fn closed(mut tokens: Vec<u32>, close: &[u32]) -> Vec<u32> {
    if !tokens.ends_with(close) {
        tokens.extend_from_slice(close);
    }
    tokens
}
