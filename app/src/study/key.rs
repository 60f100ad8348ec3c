//! From a name to what it stands for. A name means the same in every run: where it is ambiguous, the setting that is first
//! in the schema, what stands beside another method (`lora.`, `weights.`) last.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use engine::config::schema::{Kind, Reading, SETTINGS, Setting, at, current};

use super::cell::Cell;
use super::column::Column;
use super::setting::{Said, said};
use crate::store::RunRow;

/// A name that was understood: made once, read from many runs.
#[derive(Clone, Debug)]
pub struct Key(What);

#[derive(Clone, Debug)]
enum What {
    Column(&'static Column),
    /// The first that a run has.
    Settings(Vec<&'static Setting>),
    /// A figure, or a place within a setting.
    Other(String),
}

/// Words that people say for settings and that no library has.
const NICKNAMES: [(&str, &str); 4] = [
    ("lr", "training.learning_rate"),
    ("wd", "training.optimizer.weight_decay"),
    ("mlp", "method.reparameterization"),
    ("init", "method.init.type"),
];

/// Ends of paths, each with its setting.
static ENDS: LazyLock<BTreeMap<&'static str, &'static Setting>> = LazyLock::new(|| {
    let mut ends = BTreeMap::new();
    for setting in ranked() {
        for end in ends_of(setting.key) {
            ends.entry(end).or_insert(setting);
        }
    }
    ends
});

/// Names of other libraries and of earlier versions, each with its settings.
static OTHERS: LazyLock<BTreeMap<&'static str, Vec<&'static Setting>>> = LazyLock::new(|| {
    let mut others: BTreeMap<&'static str, Vec<&'static Setting>> = BTreeMap::new();
    for (nickname, key) in NICKNAMES {
        others.entry(nickname).or_default().extend(Setting::find(key));
    }
    for setting in ranked() {
        // A name that asks for one value is none of the setting.
        let is_of_one = |reading: Reading| matches!(reading, Reading::IfTrue(_) | Reading::OnlyTrue(_));
        let theirs = setting.aliases.iter().filter(|alias| !is_of_one(alias.reading)).map(|alias| alias.name);
        theirs.chain(setting.formerly).for_each(|name| others.entry(name).or_default().push(setting));
    }
    others
});

/// Settings, the ones that a short name means first.
fn ranked() -> Vec<&'static Setting> {
    let is_beside =
        |setting: &Setting| ["lora", "weights"].contains(&setting.key.split('.').next().unwrap_or_default());
    let depth = |setting: &Setting| setting.key.matches('.').count();
    let mut all: Vec<&'static Setting> = SETTINGS.iter().collect();
    all.sort_by_key(|setting| (is_beside(setting), depth(setting)));
    all
}

/// `c`, `b.c`, `a.b.c` of `a.b.c`.
fn ends_of(key: &'static str) -> impl Iterator<Item = &'static str> {
    let dots = key.rmatch_indices('.').map(|(dot, _)| dot + 1);
    dots.chain([0]).map(|from| &key[from..])
}

/// The shortest name that means a setting.
pub(super) fn shortest(setting: &'static Setting) -> &'static str {
    let is_it = |end: &&str| matches!(Key::of(end).0, What::Settings(found) if found[0].key == setting.key);
    ends_of(setting.key).find(is_it).unwrap_or(setting.key)
}

impl Key {
    /// Understands a name: a column, a setting, else a figure.
    pub fn of(name: &str) -> Self {
        let plain = name.trim().to_lowercase();
        let setting = || ENDS.get(plain.as_str()).map(|setting| vec![*setting]);
        let other = || OTHERS.get(plain.as_str()).cloned();
        let old = || Setting::find(&current(&plain)).map(|setting| vec![setting]);
        if let Some(column) = Column::find(&plain) {
            return Self(What::Column(column));
        }
        match setting().or_else(other).or_else(old) {
            Some(settings) => Self(What::Settings(settings)),
            None => Self(What::Other(name.trim().to_owned())),
        }
    }

    /// The value of a run; `None` where it has none.
    pub fn cell(&self, row: &RunRow) -> Option<Cell> {
        match &self.0 {
            What::Column(column) => (column.read)(row),
            What::Settings(settings) => settings.iter().find_map(|setting| of_setting(row, setting)),
            What::Other(name) => {
                figure(row, name).map(Cell::Number).or_else(|| at(&row.settings, name).and_then(Cell::of))
            }
        }
    }

    /// The whole name.
    pub fn full(&self) -> &str {
        match &self.0 {
            What::Column(column) => column.name,
            What::Settings(settings) => settings[0].key,
            What::Other(name) => name,
        }
    }

    /// Neither a column nor a setting: some run may have a figure of that name.
    pub fn is_other(&self) -> bool {
        matches!(self.0, What::Other(_))
    }

    /// Whether it is the column of the tags, of which a run may have several.
    pub(super) fn is_tags(&self) -> bool {
        matches!(self.0, What::Column(column) if column.name == "tag")
    }

    /// Whether it is a time, in seconds since 1970.
    pub fn is_time(&self) -> bool {
        matches!(self.0, What::Column(column) if column.is_time())
    }
}

fn of_setting(row: &RunRow, setting: &Setting) -> Option<Cell> {
    match said(row, setting) {
        Said::Not => None,
        Said::Nothing if setting.kind == Kind::Table => Some(Cell::Flag(false)),
        Said::Nothing => None,
        Said::On => Some(Cell::Flag(true)),
        Said::Value(value) => Cell::of(value),
    }
}

/// A figure by its name, with or without the Trainer's `eval_`, whatever the case.
fn figure(row: &RunRow, name: &str) -> Option<f64> {
    let known = |name: &str| {
        let exact = row.figures.get(name);
        exact.or_else(|| {
            row.figures.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, figure)| figure)
        })
    };
    known(name).or_else(|| known(name.strip_prefix("eval_")?)).copied()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use serde_json::json;

    use super::super::cell;
    use super::super::tests_support::run;
    use super::*;

    fn shown(row: &RunRow, name: &str) -> Option<String> {
        cell(row, name).map(|cell| cell.to_string())
    }

    #[test]
    fn a_setting_has_its_value_under_every_name_that_it_has() {
        let row = run("a", &[("method.n_virtual", json!(5)), ("training.gradient_accumulation", json!(3))]);
        for name in ["method.n_virtual", "n_virtual", "N_VIRTUAL", "num_virtual_tokens", "prefix", "p"] {
            assert_eq!(shown(&row, name).as_deref(), Some("5"), "{name}");
        }
        for name in ["gradient_accumulation", "accumulation", "training.accumulation", "gradient_accumulation_steps"] {
            assert_eq!(shown(&row, name).as_deref(), Some("3"), "{name}");
        }
        let rate = shown(&row, "training.learning_rate");
        assert!(rate.is_some() && shown(&row, "lr") == rate && shown(&row, "learning_rate") == rate);
        assert_eq!(shown(&row, "type").as_deref(), Some("prefix"));
        assert_eq!(shown(&row, "mlp").as_deref(), Some("false"));
        assert_eq!(shown(&row, "nothing of the kind"), None);
        assert_eq!(shown(&row, ""), None);
    }

    #[test]
    fn lora_is_found_alone_and_beside_another_method() {
        let alone = run("a", &[("method", json!({"type": "lora", "rank": 4}))]);
        let beside = run("b", &[("lora", json!({"rank": 2}))]);
        assert_eq!((shown(&alone, "r").as_deref(), shown(&beside, "r").as_deref()), (Some("4"), Some("2")));
        assert_eq!((shown(&alone, "rank").as_deref(), shown(&beside, "rank")), (Some("4"), None), "a path means one");
        assert_eq!(shown(&beside, "lora.rank").as_deref(), Some("2"));
    }

    #[test]
    fn columns_come_before_settings_and_figures_are_found_by_their_names() {
        let mut row = run("a", &[("seed", json!(7)), ("method.n_virtual", json!(5))]);
        row.figures = Arc::new(BTreeMap::from([("accuracy".to_owned(), 0.5), ("Test/bleu".to_owned(), 31.0)]));
        for (name, value) in [
            ("loss", "2.25"),
            ("val", "2.25"),
            ("eval_loss", "2.25"),
            ("seed", "7"),
            ("steps", "200"),
            ("state", "finished"),
            ("tag", "paper"),
            ("data", "records"),
            ("accuracy", "0.5"),
            ("eval_accuracy", "0.5"),
            ("test/bleu", "31"),
        ] {
            assert_eq!(shown(&row, name).as_deref(), Some(value), "{name}");
        }
        assert_eq!(shown(&row, "bleu"), None, "of a file, not of the run's own rows");
        assert_eq!(shown(&row, "training.steps"), shown(&row, "max_steps"));
    }

    #[test]
    fn no_figure_is_hidden_by_a_setting_or_a_column() {
        for metric in engine::metrics::Metric::all() {
            assert!(Key::of(metric.name).is_other(), "{}", metric.name);
        }
    }

    #[test]
    fn the_shortest_name_means_the_setting_and_nothing_else() {
        let mut seen = std::collections::BTreeSet::new();
        for setting in SETTINGS.iter().filter(|setting| Column::find(setting.key).is_none()) {
            let short = shortest(setting);
            assert_eq!(Key::of(short).full(), setting.key);
            assert!(seen.insert(short), "{short} is of two settings");
        }
        let of = |key: &str| shortest(Setting::find(key).unwrap());
        assert_eq!(of("method.n_virtual"), "n_virtual");
        assert_eq!(of("training.learning_rate"), "learning_rate");
        assert_eq!(of("lora.learning_rate"), "lora.learning_rate");
        assert_eq!(of("training.loss"), "training.loss");
        assert_eq!(of("training.schedule.type"), "schedule.type");
    }
}
