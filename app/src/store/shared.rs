//! Settings and figures of a run, which are understood once and then shared with everybody who is told of the run.

use std::sync::Arc;

use engine::config::RunConfig;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::figures::Figures;

/// Settings and figures as they were understood last.
#[derive(Debug, Default)]
pub(super) struct Shared {
    settings: Understood<Value>,
    figures: Understood<Figures>,
}

/// A text, and what it says.
#[derive(Debug, Default)]
struct Understood<T> {
    text: Box<str>,
    value: Arc<T>,
}

impl<T: Default> Understood<T> {
    fn of(&mut self, text: &str, read: impl FnOnce(&str) -> T) -> Arc<T> {
        if *self.text != *text {
            *self = Self { text: text.into(), value: Arc::new(read(text)) };
        }
        self.value.clone()
    }
}

impl Shared {
    /// The settings by today's names; as they were written where they cannot be understood.
    pub(super) fn settings(&mut self, text: &str) -> Arc<Value> {
        self.settings.of(text, |text| {
            let today = read::<RunConfig>(text).and_then(|config| serde_json::to_value(config).ok());
            today.or_else(|| read(text)).unwrap_or_default()
        })
    }

    /// Figures by their names.
    pub(super) fn figures(&mut self, text: &str) -> Arc<Figures> {
        self.figures.of(text, |text| read(text).unwrap_or_default())
    }
}

fn read<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_is_understood_once_and_names_are_those_of_today() {
        let mut shared = Shared::default();
        let old = r#"{"model": "m", "data": {"train": "d"}, "training": {"accumulation": 3}}"#;
        let first = shared.settings(old);
        assert_eq!(first["training"]["gradient_accumulation"], 3);
        assert!(Arc::ptr_eq(&first, &shared.settings(old)));
        let other = shared.settings(r#"{"of": "another program"}"#);
        assert_eq!(*other, serde_json::json!({"of": "another program"}));
        assert!(shared.settings("no JSON").is_null());
        assert_eq!(shared.figures(r#"{"bleu": 3.5}"#)["bleu"], 3.5);
    }
}
