//! The axes of an experiment: of lists that are in force, and of choices of which there are several.

use engine::config::schema::{Setting, at, put};
use engine::config::{RunConfig, Task};
use engine::experiment::{Axis, typed};
use serde_json::{Map, Value, json};

use super::super::check::{Field, Issue};
use super::super::form::{InitKind, LengthUnit, RunForm, WarmUp};
use super::super::tuning::{Beside, MethodKind};
use super::plan::Known;
use crate::home;
use crate::i18n::tell;
use crate::t;
use crate::widgets::field::list_of;

/// Settings of the method and of what is trained beside it begin so.
const OF_METHOD: [&str; 3] = ["method.", "lora.", "weights."];

impl RunForm {
    /// The axes of the form, with the run that it is without them. None of them has a single point.
    pub(super) fn axes(&self, config: &RunConfig, known: &Known<'_>) -> Result<Vec<Axis>, Issue> {
        let tree = tree_of(config);
        let mut axes = Vec::new();
        axes.extend(self.list_axis("seed", &tree)?);
        if !known.others.is_empty() {
            let others = known.others.iter().map(|(folder, _)| vec![json!(folder)]);
            let points = std::iter::once(vec![json!(config.model)]).chain(others).collect();
            axes.push(Axis { keys: vec!["model".to_owned()], points });
        }
        axes.extend(self.rows_axis(config));
        axes.extend(self.method_axes(&tree, known)?);
        let is_of_method = |key: &str| key == "seed" || OF_METHOD.iter().any(|start| key.starts_with(start));
        for key in self.vary.lists.keys().filter(|key| !is_of_method(key)) {
            axes.extend(self.list_axis(key, &tree)?);
        }
        if let Some(list) = list_of(&self.text.learning_rate) {
            axes.extend(axis_of("training.learning_rate", &list)?);
        }
        axes.retain(|axis| axis.points.len() > 1);
        Ok(axes)
    }

    /// Several methods are held against each other.
    fn varies_method(&self) -> bool {
        self.vary.methods.iter().any(|kind| *kind != self.tuning.kind)
    }

    /// The methods that are held against each other, in the order of the form: those that are of use for the task.
    fn methods(&self, task: Task) -> impl Iterator<Item = MethodKind> {
        let is_chosen = move |kind: &MethodKind| *kind == self.tuning.kind || self.vary.methods.contains(kind);
        MethodKind::ALL.into_iter().filter(move |kind| is_chosen(kind) && kind.why_not(task).is_none())
    }

    /// The first of the rates, or the one; `None` where it is no rate.
    pub fn first_rate(&self) -> Option<f64> {
        let text = match list_of(&self.text.learning_rate) {
            Some(list) => {
                let axis = typed("training.learning_rate", &list).ok()?;
                let first = axis.and_then(|axis| axis.points.first()?.first()?.as_f64());
                return first.or_else(|| list.trim_matches([',', ' ']).parse().ok());
            }
            None => &self.text.learning_rate,
        };
        text.trim().parse().ok()
    }

    /// What is wrong with a list of rates.
    pub fn trouble_of_rates(&self) -> Option<String> {
        let list = list_of(&self.text.learning_rate)?;
        axis_of("training.learning_rate", &list).err().map(|issue| issue.sentence)
    }

    /// Several methods are one axis of whole methods, since each has settings of its own: its lists are written out in it.
    /// A single one has an axis for each of its lists.
    fn method_axes(&self, tree: &Value, known: &Known<'_>) -> Result<Vec<Axis>, Issue> {
        if !self.varies_method() {
            return self.lists_of_method(tree);
        }
        let mut trees = Vec::new();
        for kind in self.methods(self.shown_task(known.model)) {
            let mut form = self.clone();
            form.tuning.kind = kind;
            let mut whole = Value::Object(Map::new());
            let parts = [
                ("method", json!(form.method(known.encoder_layers))),
                ("lora", json!(form.tuning.beside())),
                ("weights", json!(form.tuning.weights_beside())),
            ];
            parts.into_iter().for_each(|(key, value)| put(&mut whole, key, value));
            let mut of_kind = vec![whole.clone()];
            let mut with_all = tree.clone();
            ["method", "lora", "weights"].iter().for_each(|key| put(&mut with_all, key, whole[*key].clone()));
            for axis in form.lists_of_method(&with_all)? {
                of_kind =
                    of_kind.iter().flat_map(|tree| axis.points.iter().map(|point| with(tree, &axis, point))).collect();
            }
            trees.extend(of_kind);
        }
        let has = |key: &&str| trees.iter().any(|tree| !tree[*key].is_null());
        let keys: Vec<&str> = ["method", "lora", "weights"].into_iter().filter(has).collect();
        let points = trees.iter().map(|tree| keys.iter().map(|key| tree[*key].clone()).collect()).collect();
        Ok(vec![Axis { keys: keys.into_iter().map(str::to_owned).collect(), points }])
    }

    /// The lists of the method that holds, and its initial values.
    fn lists_of_method(&self, tree: &Value) -> Result<Vec<Axis>, Issue> {
        let mut axes = Vec::new();
        for key in self.vary.lists.keys().filter(|key| OF_METHOD.iter().any(|start| key.starts_with(start))) {
            axes.extend(self.list_axis(key, tree)?);
        }
        axes.extend(self.init_axis(tree));
        Ok(axes)
    }

    fn init_axis(&self, tree: &Value) -> Option<Axis> {
        if !matches!(self.tuning.kind, MethodKind::Prefix | MethodKind::Prompt) {
            return None;
        }
        let present = at(tree, "method.init")?;
        let offered: Vec<InitKind> = InitKind::offered(self.tuning.kind, true).collect();
        let is_other = |kind: &&InitKind| !kind.needs_text() && offered.contains(kind);
        let others = self.vary.inits.iter().filter(is_other).map(|kind| json!(kind.with("")));
        let others = others.filter(|init| init["type"] != present["type"]);
        let points = std::iter::once(present.clone()).chain(others).map(|init| vec![init]).collect();
        Some(Axis { keys: vec!["method.init".to_owned()], points })
    }

    fn rows_axis(&self, config: &RunConfig) -> Option<Axis> {
        let others: Vec<_> = self.vary.datasets.iter().filter(|rows| rows.train != self.text.train).collect();
        if others.is_empty() {
            return None;
        }
        let path = |text: &String| json!(home::typed(text));
        let first = vec![json!(config.data.train), json!(config.data.validation)];
        let others =
            others.into_iter().map(|rows| vec![path(&rows.train), rows.validation.as_ref().map_or(Value::Null, path)]);
        let keys = ["data.train", "data.validation"].map(str::to_owned).to_vec();
        Some(Axis { keys, points: std::iter::once(first).chain(others).collect() })
    }

    /// The axis of a list that is in force, by the tree of the run.
    fn list_axis(&self, key: &str, tree: &Value) -> Result<Option<Axis>, Issue> {
        let (Some(text), Some(setting)) = (self.vary.lists.get(key), Setting::find(key)) else { return Ok(None) };
        let Some(list) = list_of(text).filter(|_| self.shows(key)) else { return Ok(None) };
        let has_table = setting.table().is_empty() || at(tree, setting.table()).is_some_and(Value::is_object);
        if !has_table {
            return Ok(None);
        }
        let Some(mut axis) = axis_of(setting.key, &list)? else { return Ok(None) };
        let mut seen: Vec<Vec<Value>> = Vec::new();
        axis.points.retain(|point| {
            !seen.contains(point) && {
                seen.push(point.clone());
                true
            }
        });
        if axis.points.len() < 2 {
            return Err(Issue { field: Field::List(setting.key), sentence: t!("vary.alike").to_owned() });
        }
        // Another optimizer, another schedule: it has no such setting.
        let fits = axis
            .points
            .first()
            .is_some_and(|point| serde_json::from_value::<RunConfig>(with(tree, &axis, point)).is_ok());
        Ok(fits.then_some(axis))
    }

    /// Whether the field of a setting is there: some are switched off, or say another thing in another unit.
    fn shows(&self, key: &str) -> bool {
        let (memory, tuning) = (&self.memory, &self.tuning);
        match key {
            "training.steps" => memory.length_unit == LengthUnit::Steps,
            "training.epochs" => memory.length_unit == LengthUnit::Epochs,
            "training.warmup_steps" => memory.warm_up == WarmUp::Steps,
            "training.warmup_ratio" => memory.warm_up == WarmUp::Share,
            "training.patience" => memory.patience.on,
            "training.max_grad_norm" => memory.max_grad_norm.on,
            "data.max_tokens" => memory.max_tokens.on,
            "method.n_frozen" => !tuning.prefix.network.on,
            "method.top_layers" => tuning.kind == MethodKind::TopLayers,
            "weights.top_layers" => tuning.beside == Beside::TopLayers,
            _ => true,
        }
    }
}

/// The axis of a list; a refusal stands under its field.
fn axis_of(key: &'static str, list: &str) -> Result<Option<Axis>, Issue> {
    typed(key, list).map_err(|error| Issue { field: Field::List(key), sentence: tell(&error.sentence()) })
}

pub(super) fn tree_of(config: &RunConfig) -> Value {
    serde_json::to_value(config).unwrap_or_default()
}

fn with(tree: &Value, axis: &Axis, point: &[Value]) -> Value {
    let mut tree = tree.clone();
    axis.keys.iter().zip(point).for_each(|(key, value)| put(&mut tree, key, value.clone()));
    tree
}

/// Number of combinations; as many as can be counted where there are more.
pub(super) fn combinations(axes: &[Axis]) -> usize {
    axes.iter().fold(1_usize, |all, axis| all.saturating_mul(axis.points.len()))
}

/// The sentence where there are too many combinations.
pub(super) fn too_many(runs: usize, most: usize) -> Issue {
    Issue { field: Field::Epochs, sentence: t!("vary.too_many", n = crate::format::count(runs), most = most) }
}
