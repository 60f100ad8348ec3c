//! Settings of a run that have no control of their own in the form: each is a row that is added, and its value stands in the
//! form as if there were one.

mod controls;
#[cfg(test)]
mod tests;
mod ui;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use engine::config::schema::{Kind, SETTINGS, Setting, at, default_value, put, write_out};
use engine::config::{LoraConfig, MethodConfig, PromptConfig, RunConfig};
use engine::sentence;
use serde_json::{Value, json};

pub use self::controls::{CONTROLS, has_control, without_control};
pub(super) use self::ui::further_ui;
use super::check::{Field, Issue};
use super::form::RunForm;
use crate::home;
use crate::i18n::tell;
use crate::typed_value::{read_value, written};
use crate::widgets::field::list_of;

/// Texts of rows that were added or typed in, by the paths of their settings. A row of a choice has none.
pub type Typed = BTreeMap<String, String>;

/// Values of a new run; what has none there is not said.
static DEFAULTS: LazyLock<BTreeMap<&'static str, Value>> = LazyLock::new(|| {
    let known = SETTINGS.iter().filter_map(|setting| Some((setting.key, default_value(setting)?)));
    // Where matrices begin; the others begin as a prefix does.
    known.chain([("method.init.type", json!("fresh"))]).collect()
});

/// The value of a setting without a control in a new run.
fn default_of(setting: &Setting) -> Value {
    DEFAULTS.get(setting.key).cloned().unwrap_or(Value::Null)
}

/// Types of initial values that one more setting belongs to, by its last part, and the type that is without it.
const COMPANIONS: [(&str, &str, &str); 2] = [("adapter", "path", "fresh"), ("exact", "task", "shared")];

/// Puts a value at its place. Initial values of a type that needs one more setting get it along with that.
fn put_setting(tree: &mut Value, key: &str, value: Value) {
    let Some((table, name)) = key.rsplit_once('.').filter(|(table, _)| table.ends_with(".init")) else {
        put(tree, key, value);
        return;
    };
    let mut init = json!({ name: value });
    for (word, companion, without) in COMPANIONS {
        if name == "type" && init["type"] == word {
            init[companion] = "".into();
        } else if name == companion {
            init["type"] = if init[name].is_null() { without } else { word }.into();
        }
    }
    if let Some(init) = init.as_object_mut() {
        init.retain(|_, value| !value.is_null());
    }
    put(tree, table, init);
}

impl RunForm {
    /// The form's settings as a run has them, but for the text fields.
    fn settings(&self) -> RunConfig {
        RunConfig {
            method: self.method(0),
            lora: self.tuning.beside(),
            weights: self.tuning.weights_beside(),
            ..self.config.clone()
        }
    }

    /// The same as a tree.
    pub(super) fn settings_tree(&self) -> Value {
        serde_json::to_value(self.settings()).unwrap_or_default()
    }

    /// The settings without a control that are shown: those that were added, and those that are not as in a new run.
    pub fn shown_further(&self, tree: &Value) -> Vec<&'static Setting> {
        let differs = |setting: &Setting| {
            let value = at(tree, setting.key).filter(|value| !value.is_null());
            value.is_some_and(|value| *value != default_of(setting))
        };
        let is_shown = |setting: &&Setting| {
            let key = setting.key;
            self.further.contains_key(key) || self.vary.lists.contains_key(key) || differs(setting)
        };
        without_control(tree).filter(is_shown).collect()
    }

    /// The row of a setting as it is typed, or would be.
    pub fn further_text(&self, setting: &Setting, tree: &Value) -> String {
        let typed = self.further.get(setting.key).or_else(|| self.vary.lists.get(setting.key));
        typed.cloned().unwrap_or_else(|| written(&value_of(setting, tree)))
    }

    /// A row for a setting.
    pub fn add_further(&mut self, setting: &Setting) {
        let text = self.further_text(setting, &self.settings_tree());
        self.further.insert(setting.key.to_owned(), text);
        if setting.kind == Kind::Table {
            // A table that is added is there.
            self.set_further(setting, true.into()).unwrap_or_default();
        }
    }

    /// What is typed into the row of a setting; its value changes where that is one.
    pub fn type_further(&mut self, setting: &Setting, text: String) {
        self.vary.lists.remove(setting.key);
        match list(setting, &text) {
            Some(list) => {
                self.vary.lists.insert(setting.key.to_owned(), list);
            }
            // What it cannot be is said by the check of the form.
            None => self.set_further(setting, typed_value(setting, &text)).unwrap_or_default(),
        }
        self.further.insert(setting.key.to_owned(), text);
    }

    /// Takes a row away: its setting is as in a new run.
    pub fn remove_further(&mut self, setting: &Setting) {
        self.vary.lists.remove(setting.key);
        self.further.remove(setting.key);
        self.set_further(setting, default_of(setting)).unwrap_or_default();
    }

    /// Lists in rows of settings become the values that were there before.
    pub(super) fn further_without_lists(&mut self) {
        let tree = self.settings_tree();
        for setting in SETTINGS {
            if let Some(text) = self.further.get_mut(setting.key)
                && list(setting, text).is_some()
            {
                *text = written(&value_of(setting, &tree));
            }
        }
    }

    /// Gives a setting another value.
    ///
    /// # Errors
    /// The sentence where it cannot be that.
    pub fn set_further(&mut self, setting: &Setting, value: Value) -> Result<(), String> {
        let mut tree = self.settings_tree();
        put_setting(&mut tree, setting.key, value.clone());
        write_out(&mut tree);
        let config = serde_json::from_value::<RunConfig>(tree).map_err(|error| {
            let value = written(&value);
            tell(&sentence!("{setting} = {value} cannot be: {error}", setting = setting.key, value, error))
        })?;
        self.take_settings(config);
        Ok(())
    }

    /// Takes over what has no control of its own; the rest is as it was.
    fn take_settings(&mut self, config: RunConfig) {
        let RunConfig { model, method, lora, weights, .. } = &mut self.config;
        let kept = (std::mem::take(model), method.clone(), lora.take(), weights.take());
        let rate = self.tuning.lora.config.learning_rate;
        match &config.method {
            MethodConfig::Prompt(prompt) => {
                self.tuning.prompt = PromptConfig { encoder: None, ..prompt.clone() };
            }
            MethodConfig::Lora(lora) => {
                self.tuning.lora.config = LoraConfig { learning_rate: rate, ..lora.clone() };
            }
            MethodConfig::Full(full) => self.tuning.modules.clone_from(&full.modules),
            MethodConfig::Prefix(prefix) => {
                let own = &mut self.tuning.prefix.config;
                (own.slot_dropout, own.leave_one_out) = (prefix.slot_dropout, prefix.leave_one_out);
            }
            MethodConfig::FewShot(_) => {}
        }
        if let Some(lora) = &config.lora {
            self.tuning.lora.config = lora.clone();
        }
        if let Some(weights) = &config.weights {
            self.tuning.weights = weights.clone();
        }
        let (model, method, lora, weights) = kept;
        self.config = RunConfig { model, method, lora, weights, ..config };
    }

    /// What the rows have that is no value of their settings.
    pub(super) fn check_further(&self) -> Vec<Issue> {
        if self.further.is_empty() {
            return Vec::new();
        }
        let tree = self.settings_tree();
        let typed = without_control(&tree).filter_map(|setting| Some((setting, self.further.get(setting.key)?)));
        let plain = typed.filter(|(setting, text)| is_typed(setting) && list(setting, text).is_none());
        plain
            .filter_map(|(setting, text)| {
                let refused = self.clone().set_further(setting, typed_value(setting, text));
                Some(Issue { field: Field::Setting(setting.key), sentence: refused.err()? })
            })
            .collect()
    }
}

/// Whether a setting is typed rather than chosen.
fn is_typed(setting: &Setting) -> bool {
    !matches!(setting.kind, Kind::Choice(_) | Kind::Flag | Kind::Table)
}

/// The words of a choice. Matrices alone begin as those beside a prefix do.
fn words_of(setting: &Setting) -> &'static [&'static str] {
    let of = if setting.key == "method.init.type" { "lora.init.type" } else { setting.key };
    match Setting::find(of).map(|setting| setting.kind) {
        Some(Kind::Choice(words)) => words,
        _ => &[],
    }
}

/// The value of a setting in a tree, or in a new run; a choice is a word, also of `true` and `false`.
fn value_of(setting: &Setting, tree: &Value) -> Value {
    let value = at(tree, setting.key).cloned().unwrap_or_else(|| default_of(setting));
    match (&value, setting.kind) {
        (Value::Bool(is_on), Kind::Choice(_)) => is_on.to_string().into(),
        _ => value,
    }
}

/// The value that a text says; nothing is as in a new run.
fn typed_value(setting: &Setting, text: &str) -> Value {
    match setting.kind {
        _ if text.trim().is_empty() => default_of(setting),
        Kind::Path if text.trim() != "none" => json!(home::typed(text)),
        kind => read_value(kind, text),
    }
}

/// The list that is typed in place of a number.
fn list(setting: &Setting, text: &str) -> Option<String> {
    matches!(setting.kind, Kind::Count(..) | Kind::Number(..)).then(|| list_of(text)).flatten()
}
