//! `compare-methods`: every method on the same rows under the same budget, in one table.

use std::time::Instant;

use clap::Args;
use engine::config::{
    FewShotConfig, FullConfig, MethodConfig, PrefixConfig, PromptConfig, PromptEncoder, PromptEncoderKind,
    Reparameterization, RunConfig,
};
use engine::protocol::{Ask, Report};
use serde::Serialize;

use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::json::named;
use crate::cli::support::out;
use crate::cli::support::run_args::RunArgs;
use crate::cli::support::session::{JOB, Session, Wake, open_store};
use crate::store::{Request, Store};
use crate::workspace::{Workspace, default_name};

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
    let (store, _answers) = open_store(&workspace)?;
    let session = Session::start(&workspace, Some(&store))?;
    let mut lines = Vec::new();
    for (method, beside, rates) in candidates() {
        let is_trained = !matches!(method, MethodConfig::FewShot(_));
        let tried = if args.quick || !is_trained { &rates[1..2] } else { &rates[..] };
        let mut best: Option<Line> = None;
        for &learning_rate in tried {
            let mut config = RunConfig { method: method.clone(), lora: beside.then(Default::default), ..base.clone() };
            config.training.learning_rate = learning_rate;
            config.training.sample_rows = 0;
            config.name = default_name(&config);
            let line = trained(&session, &store, &workspace, config, &args.experiment, is_trained)?;
            let Some(line) = line else { continue };
            if !global.json {
                let rate = line.learning_rate.map(|rate| format!(" at {rate}")).unwrap_or_default();
                out::note(format_args!("{}{rate}: {:.4} after {:.0} s", line.method, line.loss, line.secs));
            }
            if best.as_ref().is_none_or(|best| line.loss < best.loss) {
                best = Some(line);
            }
        }
        lines.extend(best);
    }
    store.close();
    if global.json {
        lines.iter().for_each(|line| out::result(named("method", line)));
    } else {
        out::piece(table(&lines));
    }
    Ok(())
}

/// One run to its end; `None` for one whose loss was no number any more.
fn trained(
    session: &Session,
    store: &Store,
    workspace: &Workspace,
    config: RunConfig,
    experiment: &str,
    is_trained: bool,
) -> Result<Option<Line>, CliError> {
    let run = workspace.new_run()?;
    let (boxed, experiment) = (Box::new(config.clone()), Some(experiment.to_owned()));
    store.send(Request::Register { run: run.clone(), config: boxed, experiment });
    store.send(Request::Begin { job: JOB, run: run.clone() });
    store.flush();
    let folder = workspace.run_folder(&run);
    let begun = Instant::now();
    let mut line = Line {
        method: config.name.split(" · ").next().unwrap_or_default().to_owned(),
        learning_rate: is_trained.then_some(config.training.learning_rate),
        trained: 0,
        stored: 0,
        first_loss: f64::NAN,
        loss: f64::INFINITY,
        secs: 0.0,
    };
    session.send(Ask::Train { folder, config: Box::new(config), resume: false, until: None })?;
    loop {
        match session.next()? {
            Wake::Interrupt => return Err(CliError::failed("interrupted", "Start the command again")),
            Wake::Engine(Report::RunStarted(facts)) => {
                (line.trained, line.stored) = (facts.trained_parameters as u64, facts.stored_parameters as u64);
            }
            Wake::Engine(Report::Evaluated(evaluation)) => {
                if line.first_loss.is_nan() {
                    line.first_loss = evaluation.loss;
                }
                line.loss = line.loss.min(evaluation.loss);
            }
            Wake::Engine(Report::Finished { .. }) => break,
            // Another rate may do.
            Wake::Engine(Report::Failed(failure)) => {
                out::note(format_args!("{}: {}", line.method, failure.what));
                return Ok(None);
            }
            Wake::Engine(_) => {}
        }
    }
    line.secs = begun.elapsed().as_secs_f64();
    Ok(Some(line))
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
