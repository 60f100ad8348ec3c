//! A model's chat template: how it wants the turns of a conversation written.
//!
//! Written for jinja2 in Python and sent by strangers: `chat_guard.rs` keeps what they ask for within bounds.
//! As in huggingface/transformers: src/transformers/utils/chat_template_utils.py.

use std::collections::BTreeMap;
use std::path::Path;

use minijinja::value::Kwargs;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value};
use serde::{Deserialize, Serialize};

use super::chat_guard::{self, MAX_SOURCE};
use super::special::{ROLES, Settings};
use crate::data::template_budget::said;
use crate::data::{template_budget, template_guard};
use crate::error::{EngineError, Result};
use crate::file_kind::refuse_other;
use crate::files::{self, Kind};
use crate::{Sentence, sentence};

/// Stands for what an assistant says, to find what follows it.
const SAID: &str = "\u{E000}said\u{E000}";

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// Text of the turn.
    pub content: String,
}

impl Message {
    /// A turn of the user.
    pub fn user(content: impl Into<String>) -> Self {
        Self { role: "user".to_owned(), content: content.into() }
    }

    /// A turn of the model.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self { role: "assistant".to_owned(), content: content.into() }
    }
}

/// Text around the model's words in its turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Between the end of the prompt and the first word, mostly nothing or a space.
    pub before: String,
    /// The token that ends the turn, without white space after it.
    pub after: String,
}

/// The form in which a model wants a conversation written.
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    source: String,
    /// Texts of the special tokens by their name, such as `bos_token`.
    tokens: Vec<(String, String)>,
}

impl ChatTemplate {
    /// As the model has it.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// The template of a folder: `chat_template.jinja`, or the one in `tokenizer_config.json`, of several the default.
    ///
    /// # Errors
    /// [`EngineError::Io`] for a file that cannot be read.
    pub(super) fn from_folder(folder: &Path, settings: &Settings) -> Result<Option<Self>> {
        let path = folder.join("chat_template.jinja");
        let source = match files::if_there(files::read_to_string(&path, Kind::Template))? {
            Some(text) => {
                refuse_other(sentence!("the chat template"), &path, text.as_bytes())?;
                Some(text)
            }
            None => named_in(settings),
        };
        Ok(source.map(|source| Self::new(source, settings)))
    }

    /// The template that settings hold, of several the default.
    pub(super) fn of(settings: &Settings) -> Option<Self> {
        named_in(settings).map(|source| Self::new(source, settings))
    }

    fn new(source: String, settings: &Settings) -> Self {
        let tokens = ROLES.iter().filter_map(|role| Some((format!("{role}_token"), settings.text(role)?))).collect();
        Self { source, tokens }
    }

    /// The conversation as the model wants it, and with `add_generation_prompt` the beginning of the model's next turn.
    /// Special tokens are written out: encode the text without adding any.
    ///
    /// # Errors
    /// [`EngineError::Template`] when the template refuses the conversation, is broken, or asks for too much.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String> {
        let failed = |reason: Sentence| EngineError::Template(sentence!("the model's chat template: {reason}", reason));
        template_guard::check(&self.source, MAX_SOURCE).map_err(failed)?;
        let source = template_guard::without_marks(&self.source);
        let mut context: BTreeMap<&str, Value> =
            self.tokens.iter().map(|(name, text)| (name.as_str(), Value::from(text.as_str()))).collect();
        context.insert("messages", Value::from_serialize(messages));
        context.insert("add_generation_prompt", Value::from(add_generation_prompt));
        template_budget::render(&environment(), &source, Value::from_serialize(context))
            .map_err(|error| failed(said(&error)))
    }

    /// The text that the template writes around what the model says.
    ///
    /// # Errors
    /// As [`ChatTemplate::render`].
    pub fn turn(&self) -> Result<Turn> {
        let asked = [Message::user("a"), Message::assistant(SAID)];
        let (text, prompt) = (self.render(&asked, false)?, self.render(&asked[..1], true)?);
        let Some(at) = text.rfind(SAID) else {
            return Err(EngineError::Template(sentence!("the model's chat template leaves out what the model says")));
        };
        // A template may write more in a turn that is over than in one that begins; then nothing stands between.
        let before = text[..at].strip_prefix(&prompt).unwrap_or_default().to_owned();
        Ok(Turn { before, after: text[at + SAID.len()..].trim_end().to_owned() })
    }
}

fn named_in(settings: &Settings) -> Option<String> {
    match settings.setting("chat_template")? {
        serde_json::Value::String(source) => Some(source.clone()),
        serde_json::Value::Array(templates) => {
            let source = |template: &serde_json::Value| Some(template.get("template")?.as_str()?.to_owned());
            let default = templates.iter().find(|template| template.get("name").is_some_and(|name| name == "default"));
            default.or(templates.first()).and_then(source)
        }
        _ => None,
    }
}

fn environment() -> Environment<'static> {
    let mut environment = chat_guard::environment();
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.add_function("raise_exception", |reason: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, reason))
    });
    environment.add_function("strftime_now", strftime_now);
    environment.add_filter("tojson", to_json);
    environment
}

/// Today, were a template to write it. A run that trains on today's date could not be repeated tomorrow, so the day is
/// always the same one.
fn strftime_now(format: &str) -> String {
    [
        ("%d", "01"),
        ("%b", "Jan"),
        ("%B", "January"),
        ("%m", "01"),
        ("%Y", "2025"),
        ("%y", "25"),
        ("%H", "00"),
        ("%M", "00"),
    ]
    .into_iter()
    .fold(format.to_owned(), |text, (mark, value)| text.replace(mark, value))
}

/// As Python's `json.dumps`: a space after commas and colons.
fn to_json(value: &Value, options: Kwargs) -> Result<String, Error> {
    let failed = |error: serde_json::Error| Error::new(ErrorKind::BadSerialization, error.to_string());
    let indent: Option<usize> = options.get("indent")?;
    let mut bytes = Vec::new();
    match indent {
        Some(width) => {
            let spaces = vec![b' '; width.min(16)];
            let formatter = serde_json::ser::PrettyFormatter::with_indent(&spaces);
            value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter)).map_err(failed)?;
        }
        None => value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, Spaced)).map_err(failed)?,
    }
    String::from_utf8(bytes).map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))
}

struct Spaced;

impl serde_json::ser::Formatter for Spaced {
    fn begin_array_value<W: ?Sized + std::io::Write>(&mut self, out: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(&mut self, out: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, out: &mut W) -> std::io::Result<()> {
        out.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(source: &str) -> ChatTemplate {
        let tokens = vec![("bos_token".to_owned(), "<s>".to_owned()), ("eos_token".to_owned(), "</s>".to_owned())];
        ChatTemplate { source: source.to_owned(), tokens }
    }

    const CHAT_ML: &str = "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
    /// Of LLaMA 2, with a namespace, an exception and Python's methods.
    const TURNS: &str = "{%- set ns = namespace(n=0) -%}
        {%- for message in messages -%}
            {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
                {{ raise_exception('roles must alternate') }}
            {%- endif -%}
            {%- set ns.n = ns.n + 1 -%}
            {%- if message.role == 'user' -%}
                {{ bos_token + '[INST] ' + message.content.strip() + ' [/INST]' }}
            {%- else -%}
                {{ ' ' + message.content.strip() + ' ' + eos_token }}
            {%- endif -%}
        {%- endfor -%}";

    #[test]
    fn conversations_are_written_as_the_template_says() {
        let messages = [Message::user(" hi "), Message::assistant("yes"), Message::user("then?")];
        let chat = template(CHAT_ML).render(&messages[..1], true).unwrap();
        assert_eq!(chat, "<|im_start|>user\n hi <|im_end|>\n<|im_start|>assistant\n");
        let turns = template(TURNS).render(&messages, true).unwrap();
        assert_eq!(turns, "<s>[INST] hi [/INST] yes </s><s>[INST] then? [/INST]");
        let turn = |source: &str| template(source).turn().map(|turn| (turn.before, turn.after)).unwrap();
        assert_eq!(turn(CHAT_ML), (String::new(), "<|im_end|>".to_owned()));
        assert_eq!(turn(TURNS), (" ".to_owned(), " </s>".to_owned()));
        let refused = template(TURNS).render(&messages[1..], true).unwrap_err().to_string();
        assert!(refused.contains("roles must alternate"), "{refused}");
    }

    #[test]
    fn python_is_understood_where_templates_use_it() {
        let render = |source: &str| template(source).render(&[Message::user("a, b")], false).unwrap();
        assert_eq!(
            render("{{ messages[0].content.split(', ')|join('|') }}{{ messages[-1]['role'].upper() }}"),
            "a|bUSER"
        );
        assert_eq!(render("{{ messages[0]|tojson }}"), r#"{"role": "user", "content": "a, b"}"#);
        assert_eq!(render("{% if tools is defined %}x{% elif not system %}y{% endif %}"), "y");
        assert_eq!(render("{{ strftime_now('%d %b %Y') }}"), "01 Jan 2025");
        assert_eq!(render("{% for i in range(1, 4) %}{{ i }}{% if i == 2 %}{% break %}{% endif %}{% endfor %}"), "12");
        assert_eq!(render("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m('a') }}{{ 'ab'[::-1] }}"), "<a>ba");
    }

    #[test]
    fn a_template_that_would_never_end_ends() {
        for source in [
            "{% for a in range(99999) %}{% endfor %}",
            "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
            "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
            "{% set ns = namespace(t='aaaaaaaaaaaaaaaa') %}{% for i in range(60) %}{% set ns.t = ns.t + ns.t %}{% endfor %}{{ ns.t }}",
            "{{ 'a' * 100000000000 }}",
            "{{ [1] * 100000000000 }}",
            "{% set ns = namespace(t='aaaaaaaaaaaaaaaa') %}{% for i in range(60) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}{{ ns.t }}",
            "{% set ns = namespace() %}{% set ns.l = [] %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l == ns.l }}",
            "{% set ns = namespace() %}{% set ns.me = ns %}{{ ns.me }}",
            "{% macro m(t) %}{{ m(t + t) }}{% endmacro %}{{ m('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa') }}",
            "{% set big = 'a'|replace('a', 'aaaaaaaaaaaaaaaa') %}{% set x %}{% for a in range(9999) %}{% for b in range(9999) %}{{ big }}{% endfor %}{% endfor %}{% endset %}",
            "{% set ns = namespace(t='aaaaaaaaaaaaaaaa') %}{% for i in range(60) %}{% set ns.t = ns.t.replace('a', ns.t) %}{% endfor %}{{ ns.t }}",
            "{% set ns = namespace(t='aaaaaaaaaaaaaaaa') %}{% for i in range(60) %}{% set ns.t = ns.t|replace('a', ns.t) %}{% endfor %}{{ ns.t }}",
            "{% set ns = namespace() %}{% set ns.l = [] %}{% for i in range(9999) %}{% set ns.l = [ns.l] %}{% endfor %}",
            "{% set ns = namespace() %}{% for i in range(9999) %}{% set ns.n = namespace(n=ns.n) %}{% endfor %}",
            "{% for i in range(9999) recursive %}{{ loop([1]) }}{% endfor %}",
            "{% macro m() %}{% for a in range(9999) %}{% endfor %}{% endmacro %}{% for b in range(9999) %}{{ m() }}{% endfor %}",
        ] {
            assert!(template(source).render(&[], false).is_err(), "{source}");
        }
    }

    /// A text of a megabyte, in a name and in ten thousand rounds; what is made of it is never written.
    #[test]
    fn what_a_template_computes_and_does_not_write_is_paid_for() {
        let long = "{% set a = 'abcdefgh' %}".to_owned() + &"{% set a = a ~ a %}".repeat(17);
        for unwritten in [
            "(a ~ a ~ a ~ a)|length == 1",
            "(a + a)|length == 1",
            "a|upper|lower|length == 1",
            "a.upper().lower() == 'b'",
            "a.split('h')|length == 1",
            "a.replace('a', 'b') == 'b'",
            "a|tojson|length == 1",
            "'x' in a",
            "a != a ~ 'b'",
            "a[1:] == 'b'",
            "a[::-1] == 'b'",
            "[a, a]|sort == 'b'",
            "[a, a]|map('upper') == 'b'",
            "[a, a]|select('in', a) == 'b'",
            "a is eq(a ~ 'b')",
            "a.count('bc') == 1",
            "a.startswith(a)",
            "(range(9999)|sort|sort)|length == 1",
            "(range(9999)|list + [1])|length == 1",
            "range(9999)|join(a) == 'b'",
        ] {
            let source =
                format!("{long}{{% for i in range(9999) %}}{{% if {unwritten} %}}x{{% endif %}}{{% endfor %}}");
            let refused = template(&source).render(&[], false).unwrap_err().to_string();
            assert!(refused.contains("far more text than"), "{unwritten}: {refused}");
        }
        let listed = format!("{long}{{% if [{}] %}}x{{% endif %}}", "a|replace('a', 'b'), ".repeat(5000));
        let refused = template(&listed).render(&[], false).unwrap_err().to_string();
        assert!(refused.contains("far more text than"), "{refused}");
    }

    #[test]
    fn a_long_conversation_is_no_attack() {
        let text = "A sentence of a long answer, as they are. ".repeat(250);
        let messages: Vec<Message> = (0..200)
            .map(|turn| if turn % 2 == 0 { Message::user(&*text) } else { Message::assistant(&*text) })
            .collect();
        for source in [CHAT_ML, TURNS] {
            assert!(template(source).render(&messages, true).unwrap().len() > 200 * text.len());
        }
        let thinking = "{% set ns = namespace(last=none) %}{% for m in messages[::-1] %}{% set i = messages|length - 1 - loop.index0 %}{% if ns.last is none and m.role == 'user' and m.content is string and not (m.content.startswith('<tool>') and m.content.endswith('</tool>')) %}{% set ns.last = i %}{% endif %}{% endfor %}{% for m in messages %}{% set c = m.content.split('</think>')[-1].lstrip('\\n') %}{{ '<' + m.role + '>' + c|trim }}{% endfor %}";
        assert!(template(thinking).render(&messages, true).unwrap().len() > 200 * text.len() - 1000);
    }
}
