//! From what an experiment says to the runs that are trained: what it leaves out is filled in for each run as `train` does it.

use engine::adapters::plan;
use engine::config::schema::Names;
use engine::config::{RunConfig, TaskRecord};
use engine::error::Failure;
use engine::experiment::{Experiment, Member, Strategy};
use engine::models::ModelFolder;
use engine::recipes::Recipe;
use engine::sentence;
use serde_json::Value;

use crate::cli::{CliError, run_file};
use crate::workspace::Assets;

/// Runs that one experiment has at most: its file stays one that is read at once.
const MOST_RUNS: usize = 2000;

/// The run of a member's settings: what is not said follows its method, model and rows, as in `train`.
///
/// # Errors
/// A setting that is unknown, or cannot be with the others.
pub fn complete(settings: Value, assets: &Assets) -> Result<RunConfig, Failure> {
    run_file::complete(settings, None, &Names::default(), assets).map_err(CliError::into_failure)
}

/// The runs of an experiment, each whole and named after what differs; a recipe comes before the defaults.
///
/// # Errors
/// As [`complete`] and [`check`]; which run it is of is said where there are several.
pub fn members(
    experiment: &Experiment,
    (recipe, names): (Option<&Recipe>, &Names),
    assets: &Assets,
) -> Result<Vec<(Member, RunConfig)>, CliError> {
    let members = experiment.members()?;
    let several = members.len() > 1;
    let whole = |member: Member| {
        let completed = run_file::complete(member.settings.clone(), recipe, names, assets);
        let mut config = completed.map_err(|error| if several { error.of_run(&member.name) } else { error })?;
        config.name.clone_from(&member.name);
        Ok((member, config))
    };
    let runs: Vec<(Member, RunConfig)> = members.into_iter().map(whole).collect::<Result<_, CliError>>()?;
    let configs: Vec<&RunConfig> = runs.iter().map(|(_, config)| config).collect();
    check(experiment, &configs).map_err(CliError::Usage)?;
    Ok(runs)
}

/// Refuses an experiment that cannot be trained as it is asked for.
///
/// # Errors
/// What is wrong, and what to do.
pub fn check(experiment: &Experiment, configs: &[&RunConfig]) -> Result<(), Failure> {
    let Some(first) = configs.first() else {
        return Err(Failure {
            what: sentence!("the experiment has no runs"),
            advice: sentence!("Give some setting several values"),
        });
    };
    if configs.len() > MOST_RUNS {
        return Err(Failure {
            what: sentence!("the experiment has {n} runs, more than {most}", n = configs.len(), most = MOST_RUNS),
            advice: sentence!("Vary less, or draw some of the runs with the strategy \"random\""),
        });
    }
    if !matches!(experiment.strategy, Strategy::Halving { .. }) {
        return Ok(());
    }
    if experiment.first.is_some() {
        return Err(Failure {
            what: sentence!("runs that are held against each other have no first run before them"),
            advice: sentence!("Train all combinations, or leave the part first out"),
        });
    }
    let pace = |config: &RunConfig| {
        let training = &config.training;
        (training.steps, training.eval_every, training.best_metric.clone())
    };
    if first.training.steps == 0 {
        return Err(Failure {
            what: sentence!("runs that are held against each other need training.steps"),
            advice: sentence!("Say training.steps in place of epochs"),
        });
    }
    match configs.iter().all(|config| pace(config) == pace(first)) {
        true => Ok(()),
        false => Err(Failure {
            what: sentence!("runs that are held against each other have the same steps, evaluations and figure"),
            advice: sentence!("Do not vary training.steps, training.eval_every and training.best_metric"),
        }),
    }
}

/// Numbers that a run trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrainedParameters {
    /// But for the head of a task whose classes only the rows tell.
    pub count: usize,
    /// There is such a head.
    pub and_head: bool,
}

/// Counts what a run trains by the sizes in its model's folder; no weights are read.
///
/// # Errors
/// There is no such model, or it has not what the method asks for.
pub fn trained_parameters(config: &RunConfig) -> engine::error::Result<TrainedParameters> {
    let model = ModelFolder::open(&config.model)?.summary();
    let task = config.task.or_else(|| model.tasks.first().copied()).unwrap_or_default();
    let spec = plan(&config.methods(), &TaskRecord::of(task), &model)?;
    Ok(TrainedParameters { count: spec.trained(), and_head: task.has_classes() || task.is_of_texts() })
}

#[cfg(test)]
mod tests {
    use engine::config::DataConfig;
    use serde_json::json;

    use super::*;

    fn assets() -> Assets {
        Assets::at(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets"))
    }

    #[test]
    fn what_a_run_does_not_say_follows_its_method() {
        let prefix = complete(json!({}), &assets()).unwrap();
        let lora = complete(json!({ "method": { "type": "lora" } }), &assets()).unwrap();
        assert_eq!(prefix, RunConfig { name: String::new(), ..assets().starter_run().unwrap() });
        assert_eq!((lora.method.name(), lora.training.learning_rate), ("lora", 4e-3));
        assert_eq!(lora.training.epochs, prefix.training.epochs);
        let refused = complete(json!({ "method": { "n_virtul": 3 } }), &assets()).unwrap_err();
        assert!(refused.what.to_string().contains("method.n_virtul"), "{refused:?}");
        assert_eq!(trained_parameters(&lora).unwrap(), TrainedParameters { count: 36_864, and_head: false });
    }

    #[test]
    fn halving_needs_runs_that_can_be_held_against_each_other() {
        let mut config = RunConfig::new("/m", DataConfig::new("/d.jsonl"));
        let halving = Strategy::Halving { factor: 3, first_steps: 10, runs: None, seed: 0 };
        let experiment =
            |strategy| Experiment { name: "e".to_owned(), base: json!({}), axes: Vec::new(), strategy, first: None };
        let said = |strategy, configs: &[&RunConfig]| match check(&experiment(strategy), configs) {
            Ok(()) => String::new(),
            Err(failure) => failure.what.to_string(),
        };
        assert_eq!(said(Strategy::Grid, &[&config]), "");
        assert!(said(Strategy::Grid, &[]).contains("no runs"));
        assert!(said(Strategy::Grid, &vec![&config; 2001]).contains("2001 runs"));
        assert!(said(halving.clone(), &[&config]).contains("need training.steps"));
        config.training.steps = 90;
        let mut longer = config.clone();
        longer.training.steps = 100;
        assert_eq!(said(halving.clone(), &[&config, &config]), "");
        assert!(said(halving, &[&config, &longer]).contains("the same steps"));
    }
}
