//! The runs that a form stands for where something varies.

use std::path::{Path, PathBuf};

use engine::config::RunConfig;
use engine::config::schema::{at, put};
use engine::experiment::{Axis, Experiment, Member, Strategy};
use engine::models::ModelSummary;
use engine::recipes::{Form, Scale, recommended_learning_rate};
use serde_json::Value;

use super::super::check::{Field, Issue};
use super::super::form::RunForm;
use super::axes::{combinations, too_many, tree_of};
use super::cost::Costs;
use super::{StrategyKind, Vary, names};
use crate::i18n::tell;
use crate::t;
use crate::widgets::field::list_of;

/// At most so many combinations make an experiment.
pub const MOST_RUNS: usize = 1000;

/// An experiment that can be started.
#[derive(Clone, Debug, PartialEq)]
pub struct Variation {
    /// What is asked.
    pub experiment: Experiment,
    /// Its runs in the order in which they are trained.
    pub runs: Vec<(Member, RunConfig)>,
    /// What they cost, where that is not the same.
    pub costs: Costs,
}

/// Known facts about the models and the rows of a form.
#[derive(Clone, Debug, Default)]
pub struct Known<'a> {
    /// The model that is named.
    pub model: Option<&'a ModelSummary>,
    /// Those beside it, each with its folder.
    pub others: Vec<(PathBuf, Option<&'a ModelSummary>)>,
    /// Layers in the encoder of the model that is named.
    pub encoder_layers: usize,
    /// Classes of the rows.
    pub n_classes: usize,
    /// Names that experiments have.
    pub taken: Vec<&'a str>,
}

impl<'a> Known<'a> {
    /// The model in a folder.
    pub(super) fn model_in(&self, folder: &Path) -> Option<&'a ModelSummary> {
        self.others.iter().find(|(other, _)| other == folder).map_or(self.model, |(_, model)| *model)
    }
}

impl RunForm {
    /// The experiment that the form stands for, with the run that it is where nothing varies; `None` where nothing does.
    ///
    /// # Errors
    /// The sentences for the fields.
    pub fn variation(&self, config: &RunConfig, known: &Known<'_>) -> Result<Option<Variation>, Vec<Issue>> {
        let axes = self.axes(config, known).map_err(|issue| vec![issue])?;
        if axes.is_empty() {
            return Ok(None);
        }
        let all = combinations(&axes);
        if all > MOST_RUNS {
            return Err(vec![too_many(all, MOST_RUNS)]);
        }
        let typed = self.config.name.trim();
        let name = match typed.is_empty() {
            true => names::of_experiment(&axes, config, &known.taken),
            false => typed.to_owned(),
        };
        let mut base = tree_of(config);
        put(&mut base, "name", "".into());
        // Each method, each model has a rate that suits it.
        let follows =
            !self.rate_edited && axes.iter().any(|axis| axis.keys.iter().any(|key| key == "method" || key == "model"));
        if follows && let Some(training) = base["training"].as_object_mut() {
            training.remove("learning_rate");
        }
        let experiment = Experiment { name, base, axes, strategy: self.strategy(all), first: None };
        let refused = |sentence| vec![Issue { field: Field::Epochs, sentence }];
        let members = experiment.members().map_err(|error| refused(tell(&error.sentence())))?;
        if members.len() < 2 {
            return Err(refused(t!("vary.alike").to_owned()));
        }
        let mut runs = Vec::new();
        for member in members {
            let config = complete(&member, known).map_err(refused)?;
            runs.push((member, config));
        }
        names::give(&mut runs);
        too_long(&runs, known)?;
        comparable(&experiment.strategy, &runs)?;
        let costs = Costs::of(&runs, known);
        Ok(Some(Variation { experiment, runs, costs }))
    }

    /// A single run again: of a list of rates the first stays, of other lists the number that was there before.
    pub fn vary_nothing(&mut self) {
        if let Some(rate) = self.first_rate().filter(|_| list_of(&self.text.learning_rate).is_some()) {
            self.text.learning_rate = crate::format::scientific(rate);
        }
        self.further_without_lists();
        self.vary = Vary::default();
    }

    fn strategy(&self, all: usize) -> Strategy {
        let form = &self.vary.strategy;
        // More than there are is all of them.
        let drawn = Some(form.runs).filter(|runs| (1..all).contains(runs));
        let seed = self.config.seed;
        match form.kind {
            StrategyKind::All => Strategy::Grid,
            StrategyKind::Random => drawn.map_or(Strategy::Grid, |runs| Strategy::Random { runs, seed }),
            StrategyKind::Halving => {
                let (factor, first_steps) = (form.factor.max(2), form.first_steps.max(1));
                Strategy::Halving { factor, first_steps, runs: drawn, seed }
            }
        }
    }
}

/// The run of a member: what nobody has said follows from what it is.
fn complete(member: &Member, known: &Known<'_>) -> Result<RunConfig, String> {
    let follows = at(&member.settings, "training.learning_rate").is_none_or(Value::is_null);
    let mut tree = member.settings.clone();
    if follows {
        put(&mut tree, "training.learning_rate", 1e-3.into());
    }
    let refused = |reason: &str| t!("vary.refused", run = member.name, reason = reason);
    let mut config: RunConfig = serde_json::from_value(tree).map_err(|error| refused(&error.to_string()))?;
    if follows {
        let scale = known.model_in(&config.model).map_or_else(Scale::default, |model| Scale::of(model.parameters));
        let form = Form::of(&config.method, config.task);
        config.training.learning_rate = recommended_learning_rate(form, &config.training.optimizer, scale);
    }
    config.check().map_err(|error| refused(&tell(&error.sentence())))?;
    Ok(config)
}

/// A prefix that leaves no room for the rows.
fn too_long(runs: &[(Member, RunConfig)], known: &Known<'_>) -> Result<(), Vec<Issue>> {
    for (_, config) in runs {
        let prefix = config.method.n_virtual();
        if let Some(model) = known.model_in(&config.model).filter(|model| prefix >= model.n_positions) {
            let sentence = t!("issue.prefix_too_long", prefix = prefix, positions = model.n_positions);
            return Err(vec![Issue { field: Field::Prefix, sentence }]);
        }
    }
    Ok(())
}

/// Runs of which some are left behind have to be as long, and evaluated at the same steps.
fn comparable(strategy: &Strategy, runs: &[(Member, RunConfig)]) -> Result<(), Vec<Issue>> {
    let pace = |config: &RunConfig| (config.training.steps, config.training.eval_every);
    let mut paces = runs.iter().map(|(_, config)| pace(config));
    let first = paces.next().unwrap_or_default();
    let sentence = match strategy {
        Strategy::Halving { .. } if first.0 == 0 => t!("vary.halving_steps"),
        Strategy::Halving { .. } if paces.any(|pace| pace != first) => t!("vary.halving_alike"),
        _ => return Ok(()),
    };
    Err(vec![Issue { field: Field::Epochs, sentence: sentence.to_owned() }])
}

/// What of an experiment varies, by the last part of each path.
pub(super) fn varied(axes: &[Axis]) -> impl Iterator<Item = &str> {
    axes.iter().filter_map(|axis| axis.keys.first()).map(String::as_str)
}
