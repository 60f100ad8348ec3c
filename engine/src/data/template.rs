//! A row becomes text: minijinja templates over the row's columns and the roles `source`, `target`, `bos` and `eos`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use minijinja::value::Kwargs;
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior, Value, filters, tests as checks};

use super::columns::Roles;
use super::conversation;
use super::soft::MARK;
use super::table::{Row, Table};
use super::template_budget::{self, MAX_TEXT, is_too_much, said, too_much};
use super::template_guard;
use super::tokenizer::{Message, Tokenizer};
use crate::config::DataConfig;
use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

/// Longest template, in bytes.
const MAX_SOURCE: usize = 16 * 1024;
/// All columns by name, for those whose names are no identifiers.
pub(super) const ROW: &str = "row";
/// Names that every row has beside its columns.
const ROLES: [&str; 7] = ["source", "target", "bos", "eos", "mask", conversation::ROLE, ROW];
/// Gives so many soft tokens.
const SOFT_TOKENS: &str = "soft";
/// Most soft tokens that one call gives.
const MAX_SOFT: usize = 4096;

/// The prompt's and the target's template.
///
/// Each sees every column by its name, `source` and `target` as the roles say, `bos`, `eos` and `mask` as the tokenizer
/// writes them, `turns` as what was said before an answer, and `row` with all columns, for names such as `row["odd name"]`. Roles come before columns of the same name.
/// A cell that is missing or null is an empty text. Nothing is escaped; an unknown name is an error. In the prompt `soft(3)`
/// stands for three soft tokens, unless a column has that name.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    prompt: String,
    target: String,
    /// Names that each of the two reads.
    names: [BTreeSet<String>; 2],
    has_soft: bool,
}

/// Why a row could not be rendered.
#[derive(Debug)]
pub(super) enum RenderError {
    /// This row does not fit the template; others may.
    Row(Sentence),
    /// The template asks for too much; it is not tried on other rows.
    Limit(Sentence),
}

/// The values a template sees, and whether the row's own text has what stands for a soft token.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    values: BTreeMap<String, Value>,
    has_mark: bool,
}

impl Fields {
    pub(super) fn of_row(table: &Table, roles: &Roles, row: &Row, tokenizer: &Tokenizer) -> Self {
        let mut columns = BTreeMap::new();
        for (index, name) in table.columns.iter().enumerate() {
            let value = match row.cell(index) {
                serde_json::Value::Null => Value::from(""),
                serde_json::Value::String(text) => Value::from(text.as_str()),
                value => Value::from_serialize(value),
            };
            columns.insert(name.clone(), value);
        }
        let has_mark = (0..table.columns.len()).any(|column| has_mark(row.cell(column)));
        let mut fields = Self { values: columns.clone(), has_mark };
        fields.set(ROW, Value::from_serialize(columns));
        fields.set("source", Value::from(roles.source_text(row)));
        fields.set("target", Value::from(roles.target_text(row)));
        fields.set_tokens(tokenizer);
        if table.column(conversation::ROLE).is_none() {
            fields.set_turns(&[]);
        }
        fields
    }

    /// Turns before an answer: those that are given, and the source as the user's.
    pub(super) fn set_turns(&mut self, earlier: &[Message]) {
        let turn = |role: &str, content: Value| -> Value {
            [("role", Value::from(role)), ("content", content)].into_iter().collect()
        };
        let asked = self.values.get("source").cloned().unwrap_or_default();
        let earlier = earlier.iter().map(|said| turn(&said.role, Value::from(said.content.as_str())));
        let turns: Vec<Value> = earlier.chain([turn("user", asked)]).collect();
        self.set(conversation::ROLE, Value::from(turns));
    }

    fn of_source(source: &str, columns: &BTreeMap<String, String>, tokenizer: &Tokenizer) -> Self {
        let has_mark = source.contains(MARK) || columns.values().any(|text| text.contains(MARK));
        let values = columns.iter().map(|(name, text)| (name.clone(), Value::from(text.as_str()))).collect();
        let mut fields = Self { values, has_mark };
        fields.set(ROW, Value::from_serialize(columns));
        fields.set("source", Value::from(source));
        fields.set_tokens(tokenizer);
        if !columns.contains_key(conversation::ROLE) {
            fields.set_turns(&[]);
        }
        fields
    }

    fn set_tokens(&mut self, tokenizer: &Tokenizer) {
        self.set("bos", Value::from(tokenizer.bos_text()));
        self.set("eos", Value::from(tokenizer.eos_text()));
        self.set("mask", Value::from(tokenizer.mask_text()));
    }

    /// The same of another text to be learned.
    pub(super) fn with_target(&self, target: &str) -> Self {
        let mut fields = self.clone();
        fields.set("target", Value::from(target));
        fields
    }

    fn set(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), value);
    }
}

impl Templates {
    /// The templates of a configuration, checked for their form.
    ///
    /// # Errors
    /// [`EngineError::Template`] with the line for a template that is not well formed or not available here.
    pub fn new(config: &DataConfig) -> Result<Self> {
        let mut templates = Self {
            environment: environment(),
            prompt: config.prompt_template.clone(),
            target: config.target_template.clone(),
            names: Default::default(),
            has_soft: gives_soft(&config.prompt_template),
        };
        for (what, source) in templates.sources() {
            template_guard::check(source, MAX_SOURCE)
                .map_err(|reason| EngineError::Template(sentence!("{what}: {reason}", what, reason)))?;
        }
        if gives_soft(&config.target_template) {
            let reason = sentence!("the target's: a model writes no soft tokens; put them at the end of the prompt's");
            return Err(EngineError::Template(reason));
        }
        let mut names: [BTreeSet<String>; 2] = Default::default();
        for ((what, source), names) in templates.sources().into_iter().zip(&mut names) {
            let template = templates.environment.template_from_str(source);
            let template =
                template.map_err(|e| EngineError::Template(sentence!("{what}: {reason}", what, reason = said(&e))))?;
            names.extend(template.undeclared_variables(false));
        }
        templates.names = names;
        Ok(templates)
    }

    /// Whether the prompt is made of a name.
    pub(super) fn prompt_reads(&self, name: &str) -> bool {
        self.names[0].contains(name)
    }

    /// Whether the target is made of a name.
    pub(super) fn target_reads(&self, name: &str) -> bool {
        self.names[1].contains(name)
    }

    /// Whether the target is made of nothing that differs from row to row but itself.
    pub(super) fn target_stands_alone(&self) -> bool {
        self.names[1].iter().all(|name| ["target", "bos", "eos", "mask"].contains(&name.as_str()))
    }

    /// Whether either is made of a column, by its name or by way of the whole row.
    pub(super) fn reads(&self, column: &str) -> bool {
        self.names.iter().any(|names| names.contains(column) || names.contains(ROW))
    }

    /// Whether the prompt says where soft tokens stand.
    pub(super) fn has_soft(&self) -> bool {
        self.has_soft
    }

    fn sources(&self) -> [(Sentence, &str); 2] {
        [(sentence!("the prompt's"), &self.prompt), (sentence!("the target's"), &self.target)]
    }

    /// Refuses a name that no row can have.
    ///
    /// # Errors
    /// [`EngineError::Template`] with the name and those there are.
    pub fn check_names(&self, columns: &[String]) -> Result<()> {
        let is_known = |name: &String| ROLES.contains(&name.as_str()) || name == SOFT_TOKENS || columns.contains(name);
        for ((what, _), names) in self.sources().into_iter().zip(&self.names) {
            if let Some(name) = names.iter().find(|name| !is_known(name)) {
                let known = ROLES.iter().copied().chain(columns.iter().map(String::as_str)).collect::<Vec<_>>();
                return Err(EngineError::Template(sentence!(
                    "{what}: there is no {name:?}; there are {known}",
                    what,
                    name,
                    known = known.join(", ")
                )));
            }
        }
        Ok(())
    }

    /// The prompt for a source that somebody typed; of the columns of a dataset it knows those that were given.
    ///
    /// # Errors
    /// [`EngineError::SourceColumns`] when the template needs others, [`EngineError::Template`] when it asks for too much.
    pub fn prompt_for_source(
        &self,
        source: &str,
        columns: &BTreeMap<String, String>,
        tokenizer: &Tokenizer,
    ) -> Result<String> {
        let fields = Fields::of_source(source, columns, tokenizer);
        let missing: Vec<&str> = self.names[0]
            .iter()
            .map(String::as_str)
            .filter(|name| !ROLES.contains(name) && *name != SOFT_TOKENS && !columns.contains_key(*name))
            .collect();
        self.prompt(&fields).map_err(|error| match error {
            RenderError::Row(_) if !missing.is_empty() => EngineError::SourceColumns { columns: missing.join(", ") },
            RenderError::Row(reason) | RenderError::Limit(reason) => EngineError::Template(reason),
        })
    }

    pub(super) fn prompt(&self, fields: &Fields) -> Result<String, RenderError> {
        if self.has_soft && fields.has_mark {
            return Err(RenderError::Row(sentence!("its text has {mark}, which stands for a soft token", mark = MARK)));
        }
        self.render(&self.prompt, fields).map_err(|e| e.of(sentence!("the prompt's")))
    }

    pub(super) fn target(&self, fields: &Fields) -> Result<String, RenderError> {
        self.render(&self.target, fields).map_err(|e| e.of(sentence!("the target's")))
    }

    fn render(&self, source: &str, fields: &Fields) -> Result<String, RenderError> {
        let values = fields.values.clone().into_iter().collect();
        template_budget::render(&self.environment, source, values).map_err(|e| match is_too_much(&e) {
            true => RenderError::Limit(said(&e)),
            false => RenderError::Row(said(&e)),
        })
    }
}

impl RenderError {
    fn of(self, what: Sentence) -> Self {
        match self {
            Self::Row(reason) => Self::Row(sentence!("{what}: {reason}", what, reason)),
            Self::Limit(reason) => Self::Limit(sentence!("{what}: {reason}", what, reason)),
        }
    }
}

/// Whether a template says where soft tokens stand.
pub fn gives_soft(template: &str) -> bool {
    template_guard::calls(template, SOFT_TOKENS) || template.contains(MARK)
}

/// Whether a text in a cell has what stands for a soft token.
fn has_mark(cell: &serde_json::Value) -> bool {
    match cell {
        serde_json::Value::String(text) => text.contains(MARK),
        serde_json::Value::Array(cells) => cells.iter().any(has_mark),
        serde_json::Value::Object(cells) => cells.iter().any(|(name, cell)| name.contains(MARK) || has_mark(cell)),
        _ => false,
    }
}

/// Filters and tests that make no text much longer than what they are given.
fn environment() -> Environment<'static> {
    let mut env = Environment::empty();
    template_budget::prepare(&mut env);
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_keep_trailing_newline(true);
    env.set_formatter(|out, state, value| match value.is_none() {
        true => Ok(()), // a null inside a list or an object
        false => minijinja::escape_formatter(out, state, value),
    });
    env.add_function(SOFT_TOKENS, soft_tokens);
    env.add_filter("lower", filters::lower);
    env.add_filter("upper", filters::upper);
    env.add_filter("title", filters::title);
    env.add_filter("capitalize", filters::capitalize);
    env.add_filter("trim", filters::trim);
    env.add_filter("length", filters::length);
    env.add_filter("default", filters::default);
    env.add_filter("first", filters::first);
    env.add_filter("last", filters::last);
    env.add_filter("int", filters::int);
    env.add_filter("float", filters::float);
    env.add_filter("round", filters::round);
    env.add_filter("string", filters::string);
    env.add_filter("items", filters::items);
    env.add_filter("reverse", filters::reverse);
    env.add_filter("sort", |state: &State, value: Value, kwargs: Kwargs| filters::sort(state, value, kwargs));
    env.add_filter("split", filters::split);
    env.add_filter("lines", filters::lines);
    env.add_filter("join", join);
    env.add_filter("replace", replace);
    env.add_filter("tojson", to_json);
    env.add_test("defined", checks::is_defined);
    env.add_test("undefined", checks::is_undefined);
    env.add_test("none", checks::is_none);
    env.add_test("string", checks::is_string);
    env.add_test("number", checks::is_number);
    env.add_test("sequence", checks::is_sequence);
    env.add_test("mapping", checks::is_mapping);
    env
}

fn soft_tokens(n: usize) -> Result<String, Error> {
    if n > MAX_SOFT {
        return Err(too_much(sentence!(
            "{soft_tokens} gives at most {max_soft} tokens",
            soft_tokens = SOFT_TOKENS,
            max_soft = MAX_SOFT
        )));
    }
    Ok(MARK.repeat(n))
}

pub(super) fn join(value: &Value, joiner: Option<&str>) -> Result<String, Error> {
    let mut text = LimitedText::default();
    for (index, item) in value.try_iter()?.enumerate() {
        let joiner = if index > 0 { joiner.unwrap_or("") } else { "" };
        let written = match item.as_str() {
            Some(item) => write!(text, "{joiner}{item}"),
            None => write!(text, "{joiner}{item}"),
        };
        written.map_err(|_full| too_much(sentence!("join gives more than {max_text} bytes", max_text = MAX_TEXT)))?;
    }
    Ok(text.0)
}

pub(super) fn replace(value: &str, from: &str, to: &str) -> Result<String, Error> {
    let longest = value.len() + (value.matches(from).count()).saturating_mul(to.len());
    if longest > MAX_TEXT {
        return Err(too_much(sentence!("replace gives more than {max_text} bytes", max_text = MAX_TEXT)));
    }
    Ok(value.replace(from, to))
}

fn to_json(value: &Value) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|e| Error::new(ErrorKind::BadSerialization, e.to_string()))
}

/// Takes text up to [`MAX_TEXT`].
#[derive(Debug, Default)]
struct LimitedText(String);

impl std::fmt::Write for LimitedText {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        if self.0.len() + text.len() > MAX_TEXT {
            return Err(std::fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::table::ObjectRows;
    use super::super::tokenizer::byte_tokenizer;
    use super::*;

    fn templates(prompt: &str) -> Result<Templates> {
        Templates::new(&DataConfig { prompt_template: prompt.to_owned(), ..DataConfig::new("x.jsonl") })
    }

    fn render(prompt: &str, row: serde_json::Value) -> Result<String, String> {
        let mut rows = ObjectRows::new(std::path::Path::new("x.jsonl"));
        rows.push(1, row).unwrap();
        let table = rows.table;
        let roles = Roles::resolve(&table, None, None).unwrap();
        let templates = templates(prompt).map_err(|e| e.to_string())?;
        templates.check_names(&table.columns).map_err(|e| e.to_string())?;
        let fields = Fields::of_row(&table, &roles, &table.rows[0], &byte_tokenizer());
        templates.prompt(&fields).map_err(|e| format!("{e:?}"))
    }

    #[test]
    fn roles_and_columns_render_as_they_are() {
        let row = || json!({"source": "<a> & 'b'\n", "target": "t", "odd name": 2.0, "n": null, "list": [["x", 1], ["y", null]]});
        let same = |template: &str, text: &str| assert_eq!(render(template, row()).unwrap(), text, "{template}");
        same("{{ source }}{{ bos }}", "<a> & 'b'\n<|endoftext|>");
        same("{{ row[\"odd name\"] }}|{{ n }}|\n", "2.0||\n");
        same("{% for name, value in list %}{{ name|upper }}={{ value }};{% endfor %}", "X=1;Y=;");
        same("{% if n %}a{% else %}b{% endif %}", "b");
        same("{{ list|tojson }} {{ list[0]|join(' : ') }}", "[[\"x\",1],[\"y\",null]] x : 1");
        same("{{ source|replace('a', 'bb')|trim }}", "<bb> & 'b'");
    }

    #[test]
    fn unknown_names_and_broken_forms_are_said() {
        let row = || json!({"source": "a", "target": "b"});
        let error = render("{{ source }} {{ sorce }}", row()).unwrap_err();
        assert!(error.contains("\"sorce\"") && error.contains("source, target"), "{error}");
        assert!(render("{{ source", row()).unwrap_err().contains("line 1"));
        assert!(render("{{ source|shout }}", row()).unwrap_err().contains("shout"));
        assert!(render("{{ row['x'] }}", row()).unwrap_err().contains("undefined"));
    }

    #[test]
    fn a_template_that_would_never_end_ends() {
        let row = || json!({"source": "a".repeat(3000), "target": "b"});
        let loops = "{% for a in source %}{% for b in source %}{% if false %}x{% endif %}{% endfor %}{% endfor %}";
        assert!(render(loops, row()).unwrap_err().starts_with("Limit"));
        let growth = "{{ source|replace('a', source)|replace('a', source)|replace('a', source) }}";
        assert!(render(growth, row()).unwrap_err().starts_with("Limit"));
        let output = "{% for a in source %}{{ source }}{{ source }}{% endfor %}";
        assert!(render(output, row()).unwrap_err().starts_with("Limit"));
        let long = || json!({"source": "ab ".repeat(70_000), "target": "b"});
        for unwritten in [
            format!("({})|length == 1", ["source"; 60].join("~")),
            "source|upper|lower|upper|lower|length == 1".to_owned(),
            "source|split('')|sort|length == 1".to_owned(),
            "source[1:]|length == 1".to_owned(),
            "'x' in source".to_owned(),
            "source == source ~ ''".to_owned(),
            "source|tojson|length == 1".to_owned(),
            "[source, [source]] == [source, [source ~ 'a']]".to_owned(),
        ] {
            let template = format!("{{% for i in source %}}{{% if {unwritten} %}}x{{% endif %}}{{% endfor %}}");
            let refused = render(&template, long()).unwrap_err();
            assert!(refused.starts_with("Limit"), "{unwritten}: {refused}");
        }
        assert!(render(&"{{ (".repeat(4000), row()).is_err());
        assert!(render(&format!("{{{{ {}1{} }}}}", "(".repeat(4000), ")".repeat(4000)), row()).is_err());
    }

    #[test]
    fn soft_tokens_stand_where_the_template_says() {
        let row = || json!({"source": "a", "target": "b", "n": 2});
        assert_eq!(render("{{ soft(1) }}{{ source }}{{ soft(n) }}", row()).unwrap(), format!("{MARK}a{MARK}{MARK}"));
        assert!(render("{{ soft(5000) }}", row()).unwrap_err().starts_with("Limit"));
        let marked = render("{{ soft(1) }}{{ source }}", json!({"source": MARK, "target": "b"})).unwrap_err();
        assert!(marked.contains("its text has"), "{marked}");
        assert_eq!(render("{{ source }}", json!({"source": MARK, "target": "b"})).unwrap(), MARK);
        let column = json!({"source": "a", "target": "b", "soft": "c"});
        assert_eq!(render("{{ soft }}", column).unwrap(), "c", "a column may have the name");
        assert!(!templates("soft (drinks): {{ source }}").unwrap().has_soft());
        let target = DataConfig { target_template: "{{ soft(1) }}".to_owned(), ..DataConfig::new("x") };
        assert!(Templates::new(&target).unwrap_err().to_string().contains("end of the prompt's"));
    }

    #[test]
    fn a_typed_source_has_the_columns_that_are_given_and_the_others_are_named() {
        let prompt = |template: &str, columns: &[(&str, &str)]| {
            let columns = columns.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect();
            templates(template).unwrap().prompt_for_source("x", &columns, &byte_tokenizer())
        };
        assert_eq!(prompt("{{ source }}:", &[]).unwrap(), "x:");
        let category = "{{ category }} {{ source }} {{ row['odd name'] }}";
        let given = [("category", "Food"), ("odd name", "y")];
        assert_eq!(prompt(category, &given).unwrap(), "Food x y");
        let error = prompt("{{ tone }} {{ category }}", &given).unwrap_err();
        assert!(error.to_string().contains("tone") && !error.to_string().contains("category"), "{error}");
        assert!(error.advice().to_string().contains("--column"));
        assert_eq!(prompt("{% if tone is defined %}{{ tone }}{% endif %}", &[]).unwrap(), "");
    }
}
