//! Constructors of the list's entries: forms of values, and other names.

use std::ops::Bound;

use super::{Alias, Given, Kind, Reading, Setting};

const fn setting(key: &'static str, kind: Kind, help: &'static str) -> Setting {
    Setting { key, kind, optional: false, methods: &[], help, aliases: &[], formerly: None, words_formerly: &[] }
}
pub(super) const fn text(key: &'static str, help: &'static str) -> Setting {
    setting(key, Kind::Text, help)
}
pub(super) const fn words(key: &'static str, help: &'static str) -> Setting {
    setting(key, Kind::Words, help)
}
pub(super) const fn path(key: &'static str, help: &'static str) -> Setting {
    setting(key, Kind::Path, help)
}
pub(super) const fn flag(key: &'static str, help: &'static str) -> Setting {
    setting(key, Kind::Flag, help)
}
pub(super) const fn count(key: &'static str, least: u64, most: u64, help: &'static str) -> Setting {
    setting(key, Kind::Count(least, most), help)
}
pub(super) const fn number(key: &'static str, (low, high): (Bound<f64>, Bound<f64>), help: &'static str) -> Setting {
    setting(key, Kind::Number(low, high), help)
}
pub(super) const fn choice(key: &'static str, words: &'static [&'static str], help: &'static str) -> Setting {
    setting(key, Kind::Choice(words), help)
}
pub(super) const fn entries(key: &'static str, what: &'static str, help: &'static str) -> Setting {
    setting(key, Kind::Entries(what), help)
}
pub(super) const fn table(key: &'static str, help: &'static str) -> Setting {
    setting(key, Kind::Table, help)
}

impl Setting {
    pub(super) const fn or_none(self) -> Self {
        Self { optional: true, ..self }
    }
    /// Of these types of method alone.
    pub(super) const fn of(self, methods: &'static [&'static str]) -> Self {
        Self { methods, ..self }
    }
    /// As transformers and PEFT call it.
    pub(super) const fn also(self, aliases: &'static [Alias]) -> Self {
        Self { aliases, ..self }
    }
    /// Words of earlier versions.
    pub(super) const fn word_was(self, words_formerly: &'static [(&'static str, &'static str)]) -> Self {
        Self { words_formerly, ..self }
    }
    /// As earlier versions called it.
    pub(super) const fn was(self, name: &'static str) -> Self {
        Self { formerly: Some(name), ..self }
    }
}

pub(super) const fn same(name: &'static str) -> Alias {
    read(name, Reading::Same)
}
pub(super) const fn read(name: &'static str, reading: Reading) -> Alias {
    Alias { name, reading, given: Given::Always }
}
pub(super) const fn in_table(name: &'static str) -> Alias {
    Alias { name, reading: Reading::Same, given: Given::Table }
}
/// Of the Trainer's AdamW.
pub(super) const fn of_adam(name: &'static str) -> Alias {
    Alias { name, reading: Reading::Same, given: Given::Types("training.optimizer.type", &["adamw", "adam"]) }
}
/// Of one type of method alone, where the setting is of several.
pub(super) const fn of_method(name: &'static str, reading: Reading, methods: &'static [&'static str]) -> Alias {
    Alias { name, reading, given: Given::Types("method.type", methods) }
}
