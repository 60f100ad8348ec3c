//! `compare-inits`: holds initial values of a run against each other on its first steps, over some seeds. Nothing is written.

use clap::Args;
use engine::config::PrefixInit;
use engine::protocol::{Ask, Report};
use engine::training::{InitComparisonPlan, InitRow, InitScore, Spread};

use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::json;
use crate::cli::support::out;
use crate::cli::support::run_args::RunArgs;
use crate::cli::support::session::Session;
use crate::home::typed;

/// Init lab of a run; --steps are those of each trial.
#[derive(Debug, Args)]
pub(in crate::cli) struct CompareInitsArgs {
    #[command(flatten)]
    run: RunArgs,
    /// Initial values: random, `scaled_random`, zero, vocabulary, frequent, classes, demonstrations, words:TEXT,
    /// prefill:TEXT, adapter:PATH; with commas between them, and what has a colon last. May be repeated
    #[arg(long, value_name = "STARTS")]
    init: Vec<String>,
    /// Number of seeds, from the run's own on
    #[arg(long, default_value_t = 3, value_name = "N")]
    seeds: u64,
    /// Score at most so many validation rows
    #[arg(long, default_value_t = InitComparisonPlan::default().validation_rows, value_name = "N")]
    rows: usize,
}

pub(in crate::cli) fn run(mut args: CompareInitsArgs, global: &Global) -> Result<(), CliError> {
    let usual = InitComparisonPlan::default();
    let steps = args.run.take_steps().unwrap_or(usual.steps);
    let config = args.run.config(None, global)?;
    let mut starts = Vec::new();
    args.init.iter().try_for_each(|text| read(text, &mut starts))?;
    let starts = if starts.is_empty() { usual.starts } else { starts };
    let seeds = (0..args.seeds).map(|index| config.seed.wrapping_add(index)).collect();
    let plan = InitComparisonPlan { starts, seeds, steps, validation_rows: args.rows };
    let session = Session::start(&global.workspace()?, None)?;
    let ask = Ask::CompareInits { config: Box::new(config), plan: plan.clone() };
    let rows = session.ask(ask, |report| {
        if global.json && matches!(report, Report::InitScore(_) | Report::InitComparison { .. }) {
            out::result(json::line(&report));
        }
        match report {
            Report::InitScore(score) if !global.json => {
                out::note(sentence(&plan, &score));
                None
            }
            Report::InitComparison { rows } => Some(rows),
            _ => None,
        }
    })?;
    if !global.json {
        table(&rows, steps).iter().for_each(out::result);
    }
    Ok(())
}

/// Initial values as they are named here, with commas between them.
fn read(text: &str, starts: &mut Vec<PrefixInit>) -> Result<(), CliError> {
    // White space at the end of a text is the text's.
    let text = text.trim_start();
    let own = || text.split_once(':').filter(|(kind, _)| !kind.contains(','));
    let start = match own() {
        Some(("words", words)) => PrefixInit::Words { text: words.to_owned() },
        Some(("prefill", words)) => PrefixInit::Prefill { text: words.to_owned() },
        Some(("adapter", path)) => {
            let path = typed(path);
            PrefixInit::Adapter { path: std::path::absolute(&path).unwrap_or(path) }
        }
        _ => {
            let (first, others) = text.split_once(',').map_or((text, None), |(first, others)| (first, Some(others)));
            let named = serde_json::from_value(serde_json::json!({ "type": first.trim() }));
            starts.push(named.map_err(|error| {
                CliError::usage(
                    format!("{first:?} is no initial value: {error}"),
                    "Write --init scaled_random,zero,vocabulary or --init words:TEXT",
                )
            })?);
            return others.map_or(Ok(()), |others| read(others, starts));
        }
    };
    starts.push(start);
    Ok(())
}

/// Initial values as they are written for [`read`].
fn name(init: &PrefixInit) -> String {
    match init {
        PrefixInit::Words { text } => format!("words:{text}"),
        PrefixInit::Prefill { text } => format!("prefill:{text}"),
        PrefixInit::Adapter { path } => format!("adapter:{}", path.display()),
        plain => serde_json::to_value(plain)
            .ok()
            .and_then(|tree| Some(tree["type"].as_str()?.to_owned()))
            .unwrap_or_default(),
    }
}

fn sentence(plan: &InitComparisonPlan, score: &InitScore) -> String {
    let name = plan.starts.get(score.start).map(name).unwrap_or_default();
    let InitScore { seed, step, .. } = score;
    match (&score.loss, &score.failure) {
        (Some(loss), _) => format!("{name}, seed {seed}: loss {loss:.4} at step {step}"),
        (None, Some(failure)) => format!("{name}, seed {seed}: {}", failure.what),
        (None, None) => format!("{name}, seed {seed}: diverged after step {step}"),
    }
}

/// A line for each start, the best first.
fn table(rows: &[InitRow], steps: usize) -> Vec<String> {
    let spread = |spread: Option<Spread>| match spread {
        Some(Spread { mean, deviation: Some(deviation) }) => format!("{mean:.4} ± {deviation:.4}"),
        Some(Spread { mean, deviation: None }) => format!("{mean:.4}"),
        None => "-".to_owned(),
    };
    let width = rows.iter().map(|row| name(&row.init).chars().count()).max().unwrap_or(0).clamp(5, 40);
    let mut lines = vec![format!("{:width$}  {:20}  loss at {steps}", "start", "loss at 0")];
    for row in rows {
        let note = match (&row.failure, row.diverged) {
            (Some(failure), _) => format!("  {}", failure.what),
            (None, 0) => String::new(),
            (None, n) => format!("  diverged with {n} of the seeds"),
        };
        let short: String = name(&row.init).chars().take(width).collect();
        lines.push(format!("{short:width$}  {:20}  {}{note}", spread(row.before), spread(row.after)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(texts: &[&str]) -> Result<Vec<PrefixInit>, CliError> {
        let mut starts = Vec::new();
        texts.iter().try_for_each(|text| read(text, &mut starts))?;
        Ok(starts)
    }

    #[test]
    fn starts_have_commas_between_them_and_a_text_may_have_its_own() {
        let found = starts(&["scaled_random, zero,words:one, two: three", "adapter:/runs/a,b", "classes"]).unwrap();
        let words = PrefixInit::Words { text: "one, two: three".to_owned() };
        let adapter = PrefixInit::Adapter { path: "/runs/a,b".into() };
        let wanted = [PrefixInit::ScaledRandom, PrefixInit::Zero, words, adapter, PrefixInit::Classes];
        assert_eq!(found, wanted);
        for init in &wanted {
            assert_eq!(starts(&[&name(init)]).unwrap(), std::slice::from_ref(init));
        }
        let spaced = PrefixInit::Words { text: " one ".to_owned() };
        assert_eq!(starts(&["words: one "]).unwrap(), [spaced], "white space of a text is kept");
        assert_eq!(starts(&["adapter:~/a"]).unwrap(), [PrefixInit::Adapter { path: typed("~/a") }]);
        let said = starts(&["zero,magic"]).unwrap_err().to_string();
        assert!(said.contains("magic") && said.contains("scaled_random"), "{said}");
        assert!(starts(&["words"]).is_err(), "a text is needed");
    }

    #[test]
    fn a_table_says_what_diverged_and_what_never_began() {
        let spread = |mean, deviation| Some(Spread { mean, deviation });
        let row = InitRow {
            start: 0,
            init: PrefixInit::Zero,
            before: spread(4.0, None),
            after: spread(1.0, Some(0.25)),
            diverged: 0,
            failure: None,
        };
        let diverged = InitRow { init: PrefixInit::ScaledRandom, after: None, diverged: 2, ..row.clone() };
        let failure = crate::i18n::failure("the text is empty", "");
        let failed = InitRow { init: PrefixInit::Random, failure: Some(failure), after: None, ..row.clone() };
        assert_eq!(
            table(&[row, diverged, failed], 50),
            [
                "start          loss at 0             loss at 50",
                "zero           4.0000                1.0000 ± 0.2500",
                "scaled_random  4.0000                -  diverged with 2 of the seeds",
                "random         4.0000                -  the text is empty",
            ]
        );
    }
}
