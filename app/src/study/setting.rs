//! Settings of runs by their paths: what a run's configuration says, and what it leaves out because it is the default.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use engine::config::MethodConfig;
use engine::config::schema::{Kind, SETTINGS, Setting, at, default_if_left_out};
use serde_json::{Value, json};

use crate::store::RunRow;

/// Defaults of the settings that a configuration has only where they are another.
static LEFT_OUT: LazyLock<BTreeMap<&'static str, Value>> = LazyLock::new(|| {
    SETTINGS.iter().filter_map(|setting| Some((setting.key, default_if_left_out(setting)?))).collect()
});

/// A configuration with the defaults of each method.
static METHODS: LazyLock<BTreeMap<&'static str, Value>> = LazyLock::new(|| {
    let types = match Setting::find("method.type").map(|setting| setting.kind) {
        Some(Kind::Choice(types)) => types,
        _ => &[],
    };
    let tree = |method: &&str| {
        let config: MethodConfig = serde_json::from_value(json!({ "type": method })).ok()?;
        Some(json!({ "method": serde_json::to_value(config).ok()? }))
    };
    types.iter().filter_map(|method| Some((*method, tree(method)?))).collect()
});

/// The word of a run on a setting.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said<'a> {
    /// It has no meaning in this run: another method, a table that is off.
    Not,
    /// None is asked for.
    Nothing,
    /// It is on, with settings of its own.
    On,
    /// The value, or the default.
    Value(&'a Value),
}

impl Said<'_> {
    /// Whether two runs say the same; 1 and 1.0 are one number.
    pub(super) fn is(&self, other: &Said<'_>) -> bool {
        match (self, other) {
            (Said::Value(a), Said::Value(b)) => a == b || (a.is_number() && a.as_f64() == b.as_f64()),
            (a, b) => a == b,
        }
    }
}

/// Looks up what a run says of a setting.
pub(super) fn said<'a>(row: &'a RunRow, setting: &Setting) -> Said<'a> {
    let is_table = setting.kind == Kind::Table;
    match at(&row.settings, setting.key) {
        Some(Value::Null) => Said::Nothing,
        Some(Value::Object(_)) if is_table => Said::On,
        Some(value) => Said::Value(value),
        None if !applies(row, setting) => Said::Not,
        None => match LEFT_OUT.get(setting.key) {
            Some(value) => Said::Value(value),
            None if setting.optional => Said::Nothing,
            None => Said::Not,
        },
    }
}

/// Whether a run has of a setting of its method what every run of that method has that does not say it: it follows from the
/// method.
pub(super) fn follows_from_method(row: &RunRow, setting: &Setting, said: &Said<'_>) -> bool {
    let method = at(&row.settings, "method.type").and_then(Value::as_str).unwrap_or_default();
    let usual = METHODS.get(method).and_then(|tree| at(tree, setting.key));
    match said {
        Said::Not => true,
        Said::Value(value) => usual.is_some_and(|usual| Said::Value(usual).is(&Said::Value(value))),
        Said::On | Said::Nothing => usual.is_some_and(Value::is_object) == (*said == Said::On),
    }
}

/// Whether a run could say a setting that it does not say.
fn applies(row: &RunRow, setting: &Setting) -> bool {
    let table = setting.table();
    let is_there = if table.is_empty() {
        row.settings.is_object()
    } else {
        at(&row.settings, table).is_some_and(Value::is_object)
    };
    // What a table has beside its type follows from that.
    let is_typed = table != "method" && Setting::find(&format!("{table}.type")).is_some();
    let method = at(&row.settings, "method.type").and_then(Value::as_str).unwrap_or_default();
    is_there && !is_typed && (setting.methods.is_empty() || setting.methods.contains(&method))
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::run;
    use super::*;

    fn of(row: &RunRow, key: &str) -> String {
        match said(row, Setting::find(key).unwrap()) {
            Said::Not => "not".to_owned(),
            Said::Nothing => "nothing".to_owned(),
            Said::On => "on".to_owned(),
            Said::Value(value) => value.to_string(),
        }
    }

    #[test]
    fn what_is_left_out_is_the_default_and_what_has_no_meaning_is_not_said() {
        let prefix = run("a", &[("method.n_virtual", 5.into())]);
        assert_eq!(of(&prefix, "method.n_virtual"), "5");
        assert_eq!(of(&prefix, "precision"), "\"f32\"");
        assert_eq!(of(&prefix, "method.infix"), "false");
        assert_eq!(of(&prefix, "method.reparameterization"), "nothing");
        assert_eq!(of(&prefix, "method.reparameterization.width"), "not");
        assert_eq!(of(&prefix, "data.train_rows"), "nothing");
        assert_eq!(of(&prefix, "lora"), "nothing");
        assert_eq!(of(&prefix, "method.rank"), "not");
        assert_eq!(of(&prefix, "training.schedule.power"), "not");
        let network = run("b", &[("method.reparameterization.width", 64.into())]);
        assert_eq!(of(&network, "method.reparameterization"), "on");
        assert_eq!(of(&network, "method.reparameterization.hidden_layers"), "1");
        assert_eq!(of(&RunRow::example(), "precision"), "not", "settings that are not known");
    }
}
