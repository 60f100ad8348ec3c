//! Settings under whatever names people say them: those of this version, of versions before, of transformers and PEFT.

use std::collections::BTreeMap;

use serde_json::Value;

use super::alias::{Alias, Given, UNMATCHED, plain};
use super::{Kind, SETTINGS, Setting, at, default_value, put};
use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

/// Reads names, and knows what was said under which.
#[derive(Debug)]
pub struct Names {
    /// Type of the method that they are about.
    method: String,
    /// Name and value that one source has for a setting, by its path.
    said: BTreeMap<String, (String, Value)>,
    /// Checks that need the whole run.
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
enum Waiting {
    /// A value for a table that may not be there.
    Value { name: &'static str, setting: &'static Setting, value: Value },
    /// A setting that has to be one of these words.
    Types { name: &'static str, key: &'static str, types: &'static [&'static str] },
    /// A setting that has to be said.
    Needs { name: &'static str, key: &'static str },
}

impl Default for Names {
    fn default() -> Self {
        Self::of_method("prefix")
    }
}

impl Names {
    /// For a run of this type of method.
    pub fn of_method(method: &str) -> Self {
        Self { method: method.to_owned(), said: BTreeMap::new(), waiting: Vec::new() }
    }

    /// Another source begins, which may say again what the last one said.
    pub fn next_source(&mut self) {
        self.said.clear();
    }

    /// The form of a value under this name; `None` where it is no name.
    ///
    /// # Errors
    /// It is a name of another method.
    pub fn kind(&self, name: &str) -> Result<Option<Kind>> {
        let key = current(name);
        if let Some(setting) = Setting::find(&key) {
            return Ok(Some(setting.kind));
        }
        if unmatched(&key).is_some() {
            return Ok(Some(Kind::Entries("")));
        }
        let found = self.alias(&key)?;
        Ok(found.map(|(setting, alias)| match alias.reading {
            super::Reading::Same => setting.kind,
            // Numbers, words and lists, as they are written.
            _ => Kind::Entries(""),
        }))
    }

    /// Paths of settings and their values, as a value under this name says them; `None` where it is no name.
    ///
    /// # Errors
    /// The value means something that is not computed here, or the same source said another under another name.
    pub fn read(&mut self, name: &str, value: Value) -> Result<Option<Vec<(&'static str, Value)>>> {
        let key = current(name);
        if let Some(setting) = Setting::find(&key) {
            let value = current_word(setting, value);
            self.note(name, setting.key, &value)?;
            return Ok(Some(vec![(setting.key, value)]));
        }
        if let Some(unmatched) = unmatched(&key) {
            return unmatched.read(&value).map(|()| Some(Vec::new()));
        }
        let Some((setting, alias)) = self.alias(&key)? else { return Ok(None) };
        let (mut said, needs) = alias.read(setting, value)?;
        for (key, value) in &said {
            self.note(name, key, value)?;
        }
        let name = alias.name;
        self.waiting.extend(needs.map(|key| Waiting::Needs { name, key }));
        match alias.given {
            Given::Always => {}
            Given::Types(key, types) => self.waiting.push(Waiting::Types { name, key, types }),
            Given::Table => {
                self.waiting.extend(said.drain(..).map(|(_, value)| Waiting::Value { name, setting, value }));
            }
        }
        Ok(Some(said))
    }

    /// Paths of settings and their values, as one value of several under this name says them: nothing is remembered, and
    /// what is beside it is not asked but for the method. `None` where it is no name.
    ///
    /// # Errors
    /// The value means something that is not computed here, or the name is of another method.
    pub fn says(&self, name: &str, value: Value) -> Result<Option<Vec<(&'static str, Value)>>> {
        let key = current(name);
        if let Some(setting) = Setting::find(&key) {
            return Ok(Some(vec![(setting.key, current_word(setting, value))]));
        }
        if let Some(unmatched) = unmatched(&key) {
            return unmatched.read(&value).map(|()| Some(Vec::new()));
        }
        let Some((setting, alias)) = self.alias(&key)? else { return Ok(None) };
        if let Given::Types("method.type", types) = alias.given
            && !types.contains(&self.method.as_str())
        {
            let (types, found) = (types.join(", "), &self.method);
            return wrong(
                alias.name,
                sentence!("is for {types}, and {key} is {found}", types, key = "method.type", found),
            );
        }
        alias.read(setting, value).map(|(said, _)| Some(said))
    }

    /// A tree of settings under names of ours; what is no name stays as it is.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_tree(&mut self, tree: Value) -> Result<Value> {
        let mut leaves = Vec::new();
        self.leaves("", tree, &mut leaves);
        let mut read = Value::Object(serde_json::Map::new());
        for (name, value) in leaves {
            match self.read(&name, value.clone())? {
                Some(said) => said.into_iter().for_each(|(key, value)| say(&mut read, key, value)),
                None => put(&mut read, &name, value),
            }
        }
        Ok(read)
    }

    /// Judges what had to wait, and says it.
    ///
    /// # Errors
    /// A name means nothing beside what the run is.
    pub fn finish(&self, tree: &mut Value) -> Result<()> {
        for waiting in &self.waiting {
            match waiting {
                Waiting::Value { name, setting, value } => {
                    if !at(tree, setting.table()).is_some_and(|table| table.is_object() || table == true) {
                        let missing = Setting::find(setting.table()).and_then(|table| table.aliases.first());
                        let key = missing.map_or(setting.table(), |alias| alias.name);
                        return wrong(name, sentence!("says nothing without {key}", key));
                    }
                    put(tree, setting.key, value.clone());
                }
                Waiting::Types { name, key, types } => {
                    let usual = || Setting::find(key).and_then(default_value);
                    let found = at(tree, key).cloned().or_else(usual).unwrap_or_default();
                    if !types.iter().any(|word| found == *word) {
                        let found = plain(&found);
                        let types = types.join(", ");
                        return wrong(name, sentence!("is for {types}, and {key} is {found}", types, key, found));
                    }
                }
                Waiting::Needs { name, key } => {
                    if at(tree, key).is_none_or(Value::is_null) {
                        return wrong(name, sentence!("says nothing without {key}", key));
                    }
                }
            }
        }
        Ok(())
    }

    fn leaves(&self, above: &str, tree: Value, found: &mut Vec<(String, Value)>) {
        let Value::Object(table) = tree else { return };
        for (name, value) in table {
            let path = if above.is_empty() { name } else { format!("{above}.{name}") };
            let is_table = Setting::find(&current(&path)).is_some_and(|setting| setting.kind == Kind::Table);
            if is_table && value.as_object().is_some_and(|table| !table.is_empty()) {
                self.leaves(&path, value, found);
            } else {
                found.push((path, value));
            }
        }
    }

    /// The setting that another program calls so: by its name alone, or in the setting's table.
    fn alias(&self, key: &str) -> Result<Option<(&'static Setting, &'static Alias)>> {
        let (table, name) = key.rsplit_once('.').unwrap_or(("", key));
        let is_there = |setting: &Setting| match table {
            // LoRA beside another method has a table of its own.
            "" => !["lora.", "weights."].iter().any(|table| setting.key.starts_with(table)),
            table => setting.table() == table || setting.key.split('.').next() == Some(table),
        };
        let named = |setting: &'static Setting| {
            let alias = setting.aliases.iter().find(|alias| alias.name == name);
            alias.filter(|_| is_there(setting)).map(|alias| (setting, alias))
        };
        let mut all = SETTINGS.iter().filter_map(named).peekable();
        let Some((first, alias)) = all.peek().copied() else { return Ok(None) };
        let is_mine = |setting: &Setting| setting.methods.is_empty() || setting.methods.contains(&self.method.as_str());
        match all.find(|(setting, _)| is_mine(setting)) {
            Some(found) => Ok(Some(found)),
            None => {
                let (methods, method) = (first.methods.join(", "), &self.method);
                wrong(
                    alias.name,
                    sentence!(
                        "is for {types}, and {key} is {found}",
                        types = methods,
                        key = "method.type",
                        found = method
                    ),
                )
            }
        }
    }

    /// Refuses what contradicts another name of the same source.
    fn note(&mut self, name: &str, key: &str, value: &Value) -> Result<()> {
        let is_off = |value: &Value| value.is_null() || *value == false || *value == "none";
        let clash = self.said.iter().find(|(other, (as_what, before))| {
            as_what != name
                && match (other.as_str(), key) {
                    (other, key) if other == key => !same(before, value),
                    (other, key) if is_below(key, other) => is_off(before),
                    (other, key) if is_below(other, key) => is_off(value),
                    _ => false,
                }
        });
        if let Some((_, (other, before))) = clash {
            let field = Setting::find(key).map_or("", |setting| setting.key);
            let (value, before) = (plain(value), plain(before));
            let reason =
                sentence!("is said twice: by {other} ({before}) and by {name} ({value})", other, before, name, value);
            return Err(EngineError::Setting { field, reason });
        }
        self.said.insert(key.to_owned(), (name.to_owned(), value.clone()));
        Ok(())
    }
}

fn wrong<T>(field: &'static str, reason: Sentence) -> Result<T> {
    Err(EngineError::Setting { field, reason })
}

fn is_below(key: &str, table: &str) -> bool {
    key.strip_prefix(table).is_some_and(|rest| rest.starts_with('.'))
}

fn same(a: &Value, b: &Value) -> bool {
    a == b || (a.is_number() && a.as_f64() == b.as_f64())
}

fn unmatched(key: &str) -> Option<&'static super::Unmatched> {
    let name = key.rsplit('.').next().unwrap_or(key);
    UNMATCHED.iter().find(|unmatched| unmatched.name == name)
}

/// Puts a value at a path; a table that is switched on keeps what it has.
pub fn say(tree: &mut Value, key: &str, value: Value) {
    if value == true && at(tree, key).is_some_and(Value::is_object) {
        return;
    }
    put(tree, key, value);
}

/// The path under its names of today.
pub fn current(path: &str) -> String {
    path.split('.').fold(String::new(), |above, part| {
        let key = if above.is_empty() { part.to_owned() } else { format!("{above}.{part}") };
        let is_old = |setting: &&Setting| setting.table() == above && setting.formerly == Some(part);
        match SETTINGS.iter().find(is_old) {
            Some(setting) if Setting::find(&key).is_none() => setting.key.to_owned(),
            _ => key,
        }
    })
}

/// A word under its name of today; a method may be named without its table.
fn current_word(setting: &'static Setting, value: Value) -> Value {
    let words = if setting.key == "method" { Setting::find("method.type") } else { Some(setting) };
    let old = words.and_then(|setting| setting.words_formerly.iter().find(|(old, _)| value == *old));
    old.map_or(value, |(_, new)| (*new).into())
}

/// The type of method that a tree asks for under any name, if it does.
pub fn method_of(tree: &Value) -> Option<String> {
    let theirs = |tree: &Value| match tree.get("peft_type").and_then(Value::as_str)? {
        "PREFIX_TUNING" => Some("prefix"),
        "PROMPT_TUNING" | "P_TUNING" => Some("prompt"),
        "LORA" => Some("lora"),
        _ => None,
    };
    let method = tree.get("method");
    let ours = at(tree, "method.type").or(method).and_then(Value::as_str);
    let found = ours.or_else(|| theirs(tree)).or_else(|| method.and_then(theirs))?;
    Some(plain(&current_word(Setting::find("method.type")?, found.into())))
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
