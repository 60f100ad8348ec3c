//! `compare-methods`: every method on the same rows under the same budget, in one table: an experiment, of which only the best of
//! each method is shown.

use clap::Args;
use engine::config::schema::at;
use engine::config::{
    FewShotConfig, FullConfig, MethodConfig, PrefixConfig, PromptConfig, PromptEncoder, PromptEncoderKind,
    Reparameterization, RunConfig,
};
use engine::experiment::{Axis, Experiment, Member, Strategy};
use serde::Serialize;
use serde_json::Value;

use crate::cli::Global;
use crate::cli::commands::experiment::sit;
use crate::cli::support::error::CliError;
use crate::cli::support::json::named;
use crate::cli::support::out;
use crate::cli::support::run_args::RunArgs;
use crate::cli::support::scheduler::{Ended, Pace, Sitting};
use crate::cli::support::scheduler_progress::Progress;
use crate::experiments::Plan;
use crate::store::RunState;
use crate::workspace::{default_name, method_summary};

/// Train every method on the same rows with the same budget, and put what comes of it into one table.
#[derive(Debug, Args)]
pub(in crate::cli) struct MethodsArgs {
    #[command(flatten)]
    run: RunArgs,
    /// Only the middle one of the learning rates that are tried for each method
    #[arg(long)]
    quick: bool,
    /// The group that the runs are put into
    #[arg(long, default_value = "every method")]
    experiment: String,
}

/// Result of a method, with the best of the learning rates that were tried.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Line {
    method: String,
    learning_rate: Option<f64>,
    trained: u64,
    stored: u64,
    first_loss: f64,
    loss: f64,
    secs: f64,
}

/// A method, whether matrices of low rank stand beside it, and the rates that are tried.
type Candidate = (MethodConfig, bool, [f64; 3]);

/// All of them. Rates span what suits models of a few million to a few hundred million weights.
fn candidates() -> Vec<Candidate> {
    let prefix =
        |reparameterization| MethodConfig::Prefix(PrefixConfig { reparameterization, ..PrefixConfig::default() });
    let network = |kind| Some(PromptEncoder { kind, width: Some(128), ..PromptEncoder::default() });
    let prompt = |encoder| MethodConfig::Prompt(PromptConfig { encoder, ..PromptConfig::default() });
    let full = |top_layers| MethodConfig::Full(FullConfig { top_layers, ..FullConfig::default() });
    vec![
        (MethodConfig::FewShot(FewShotConfig { shots: 2, ..FewShotConfig::default() }), false, [1.0; 3]),
        (prefix(None), false, [5e-3, 2e-2, 8e-2]),
        (prefix(Some(Reparameterization::default())), false, [5e-4, 2e-3, 8e-3]),
        (
            prefix(Some(Reparameterization { hidden_layers: 2, ..Reparameterization::default() })),
            false,
            [5e-4, 2e-3, 8e-3],
        ),
        (MethodConfig::Prefix(PrefixConfig { n_frozen: 1, ..PrefixConfig::default() }), false, [5e-3, 2e-2, 8e-2]),
        (
            MethodConfig::Prefix(PrefixConfig {
                infix: true,
                reparameterization: Some(Reparameterization::default()),
                ..PrefixConfig::default()
            }),
            false,
            [5e-4, 2e-3, 8e-3],
        ),
        (prompt(None), false, [5e-3, 2e-2, 8e-2]),
        (prompt(network(PromptEncoderKind::Tanh)), false, [5e-4, 2e-3, 8e-3]),
        (prompt(network(PromptEncoderKind::Mlp)), false, [5e-4, 2e-3, 8e-3]),
        (prompt(network(PromptEncoderKind::Lstm)), false, [5e-4, 2e-3, 8e-3]),
        (MethodConfig::lora(), false, [1e-3, 4e-3, 1.6e-2]),
        (prefix(Some(Reparameterization::default())), true, [5e-4, 2e-3, 8e-3]),
        (full(Some(1)), false, [2.5e-4, 1e-3, 4e-3]),
        (full(None), false, [2.5e-4, 1e-3, 4e-3]),
    ]
}

pub(in crate::cli) fn run(args: MethodsArgs, global: &Global) -> Result<(), CliError> {
    args.run.refuse_method()?;
    let base = args.run.config(None, global)?;
    let workspace = global.workspace()?;
    let members = members(&base, args.quick);
    let experiment = Experiment {
        name: Plan::free_name(&workspace, &args.experiment),
        axes: vec![axis(&members)],
        base: tree(&base),
        strategy: Strategy::Grid,
        first: None,
    };
    let plan = Plan::create(&workspace, experiment, members)?;
    let pace = Pace { devices: vec![None], ..Pace::default() };
    let (sitting, _) = sit(&plan, &workspace, pace, Progress::quiet(global.json))?;
    let lines = best_of_each(&plan, &sitting);
    if global.json {
        lines.iter().for_each(|line| out::result(named("method", line)));
    } else {
        out::piece(table(&lines));
    }
    if sitting.stopped {
        let next = global.next_command(&format!("experiment resume {}", plan.id));
        out::note(format_args!("Stopped. Go on with: {next}"));
    }
    Ok(())
}

/// Settings that tell the runs apart.
const KEYS: [&str; 3] = ["method", "lora", "training.learning_rate"];

/// A run for each method and each of its rates.
fn members(base: &RunConfig, quick: bool) -> Vec<(Member, RunConfig)> {
    let mut members = Vec::new();
    for (method, beside, rates) in candidates() {
        let is_trained = !matches!(method, MethodConfig::FewShot(_));
        let tried = if quick || !is_trained { &rates[1..2] } else { &rates[..] };
        for &learning_rate in tried {
            let mut config = RunConfig { method: method.clone(), lora: beside.then(Default::default), ..base.clone() };
            config.training.learning_rate = learning_rate;
            config.training.sample_rows = 0;
            config.name = default_name(&config);
            let settings = tree(&config);
            let value = |key: &str| (key.to_owned(), at(&settings, key).cloned().unwrap_or_default());
            let rate = if is_trained { format!(" at {learning_rate}") } else { String::new() };
            let name = format!("{}{rate}", method_summary(&config));
            members.push((Member { name, values: KEYS.map(value).to_vec(), settings }, config));
        }
    }
    members
}

/// All of them as points of one axis: nothing is crossed.
fn axis(members: &[(Member, RunConfig)]) -> Axis {
    let point = |(member, _): &(Member, RunConfig)| member.values.iter().map(|(_, value)| value.clone()).collect();
    Axis { keys: KEYS.map(str::to_owned).to_vec(), points: members.iter().map(point).collect() }
}

fn tree(config: &RunConfig) -> Value {
    serde_json::to_value(config).unwrap_or_default()
}

/// The run of each method that reached the least loss; another rate may do where one failed.
fn best_of_each(plan: &Plan, sitting: &Sitting) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut ended: Vec<&Ended> = sitting.ended.iter().filter(|ended| ended.state == RunState::Finished).collect();
    ended.sort_by_key(|ended| ended.index);
    for ended in ended {
        let config = &plan.runs[ended.index].config;
        let is_trained = !matches!(config.method, MethodConfig::FewShot(_));
        let numbers = ended.facts.as_ref().map_or((0, 0), |facts| (facts.trained_parameters, facts.stored_parameters));
        let line = Line {
            method: method_summary(config),
            learning_rate: is_trained.then_some(config.training.learning_rate),
            trained: numbers.0 as u64,
            stored: numbers.1 as u64,
            first_loss: ended.first_loss.unwrap_or(f64::NAN),
            loss: ended.loss.unwrap_or(f64::INFINITY),
            secs: ended.secs,
        };
        match lines.iter_mut().find(|other| other.method == line.method) {
            Some(best) if line.loss < best.loss => *best = line,
            Some(_) => {}
            None => lines.push(line),
        }
    }
    lines
}

/// For people.
fn table(lines: &[Line]) -> String {
    let widest = lines.iter().map(|line| line.method.chars().count()).max().unwrap_or(0).max(6);
    let mut text = format!(
        "{:widest$}  {:>10}  {:>10}  {:>8}  {:>7}  {:>7}  {:>6}\n",
        "method", "trained", "stored", "rate", "first", "loss", "time"
    );
    for line in lines {
        let rate = line.learning_rate.map_or_else(|| "–".to_owned(), |rate| format!("{rate:.0e}"));
        text += &format!(
            "{:widest$}  {:>10}  {:>10}  {:>8}  {:>7.3}  {:>7.3}  {:>4.0} s\n",
            line.method, line.trained, line.stored, rate, line.first_loss, line.loss, line.secs
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_candidate_can_be_trained_and_has_a_name_of_its_own() {
        let data = engine::config::DataConfig::new("/sets/records.jsonl");
        let plain = RunConfig::new("/m", data);
        let named = |(method, lora, _): Candidate| {
            let config = RunConfig { method, lora: lora.then(Default::default), ..plain.clone() };
            config.check().unwrap();
            default_name(&config)
        };
        let mut names: Vec<String> = candidates().into_iter().map(named).collect();
        let n = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), n, "{names:?}");
    }

    #[test]
    fn each_method_has_a_run_for_each_of_its_rates() {
        let base = RunConfig::new("/m", engine::config::DataConfig::new("/sets/records.jsonl"));
        let (all, quick) = (members(&base, false), members(&base, true));
        assert_eq!((all.len(), quick.len()), (3 * (candidates().len() - 1) + 1, candidates().len()));
        assert_eq!(quick[1].0.name, "prefix 20 at 0.02");
        assert_eq!(axis(&quick).points[1][2], serde_json::json!(2e-2));
        let back: RunConfig = serde_json::from_value(all[5].0.settings.clone()).unwrap();
        assert_eq!(back, all[5].1);
    }

    #[test]
    fn the_table_lines_up() {
        let line = Line {
            method: "LoRA 8".to_owned(),
            learning_rate: Some(4e-3),
            trained: 36_864,
            stored: 36_864,
            first_loss: 3.4,
            loss: 1.93,
            secs: 25.6,
        };
        let text =
            table(&[line.clone(), Line { method: "prefix 20 + MLP 512".to_owned(), learning_rate: None, ..line }]);
        let widths: Vec<usize> = text.lines().map(|line| line.chars().count()).collect();
        assert!(widths.windows(2).all(|pair| pair[0] == pair[1]), "{text}");
        assert!(text.contains("4e-3") && text.contains("–"), "{text}");
    }
}
