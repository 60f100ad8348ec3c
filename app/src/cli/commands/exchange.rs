//! `import` and `open`: adapters of any form.

use std::path::PathBuf;

use clap::Args;
use engine::device::DeviceChoice;
use engine::nn::positions::PositionConvention;
use engine::protocol::{AdapterFacts, Ask, ProbeReport, ProbeVerdict, Report};
use serde_json::json;

use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::json::{self, named};
use crate::cli::support::models::found_model;
use crate::cli::support::out;
use crate::cli::support::paths::{absolute, path};
use crate::cli::support::session::{Session, open_store};
use crate::store::Request;
use crate::workspace::imported_config;

/// Make a run of an adapter: a .prefix file, a folder of PEFT, or what another program kept.
#[derive(Debug, Args)]
pub(in crate::cli) struct ImportArgs {
    /// File or folder: a .prefix file, PEFT's or the adapters library's folder, a checkpoint of the paper's code, of
    /// P-tuning v2 or of ChatGLM
    #[arg(value_parser = path())]
    adapter: PathBuf,
    /// Folder of the base model it was made for, or the id of one that was downloaded; without it the starter model
    #[arg(long, value_name = "DIR", value_parser = path())]
    model: Option<PathBuf>,
    /// Name of the run; without it the folder's name
    #[arg(long)]
    name: Option<String>,
    /// Accept a base model of other weights than the sender's, if the shapes fit
    #[arg(long)]
    other_base: bool,
    /// Compute nothing with it
    #[arg(long)]
    no_probe: bool,
}

/// Say what an adapter is, and try it on a model.
#[derive(Debug, Args)]
pub(in crate::cli) struct OpenArgs {
    /// File or folder, as import takes it
    #[arg(value_parser = path())]
    adapter: PathBuf,
    /// Folder of a base model to hold it against and to compute a few logits with, or the id of one that was downloaded
    #[arg(long, value_name = "DIR", value_parser = path())]
    model: Option<PathBuf>,
}

pub(in crate::cli) fn import(args: ImportArgs, global: &Global) -> Result<(), CliError> {
    global.refuse_set()?;
    let adapter = absolute(&args.adapter)?;
    let model = match &args.model {
        Some(model) => found_model(model)?,
        None => global.assets().model()?,
    };
    let workspace = global.workspace()?;
    let session = Session::start(&workspace, None)?;
    let found = inspect(&session, adapter.clone(), Some(model.clone()))?;
    let config = imported_config(&found, model.clone(), args.name);
    let (store, _answers) = open_store(&workspace)?;
    let run = workspace.new_run()?;
    let to = workspace.run_folder(&run);
    let other_base = args.other_base;
    let ask = Ask::Import { adapter: adapter.clone(), model: model.clone(), other_base, to: to.clone() };
    let written = session.ask(ask, |report| match report {
        Report::Written { .. } => Some(()),
        _ => None,
    });
    if let Err(error) = written {
        // The folder is empty, and the first error says more.
        std::fs::remove_dir(&to).ok();
        return Err(error);
    }
    store.send(Request::Register { run: run.clone(), config: Box::new(config), experiment: None });
    store.send(Request::Imported(run.clone()));
    store.close();
    if global.json {
        out::result(named("imported", &json!({"run": run, "folder": to})));
    } else {
        out::result(to.display());
        let next = global.next_command(&format!("generate --run {run} --prompt TEXT"));
        out::note(format_args!("Imported. Go on with: {next}"));
    }
    if args.no_probe { Ok(()) } else { probe(&session, adapter, model, global) }
}

pub(in crate::cli) fn open(args: &OpenArgs, global: &Global) -> Result<(), CliError> {
    global.refuse_set()?;
    let adapter = absolute(&args.adapter)?;
    let model = args.model.as_deref().map(found_model).transpose()?;
    let session = Session::start(&global.workspace()?, None)?;
    let found = inspect(&session, adapter.clone(), model.clone())?;
    if global.json {
        out::result(named("inspected", &found));
    } else {
        describe(&found);
    }
    match model {
        Some(model) => probe(&session, adapter, model, global),
        None => Ok(()),
    }
}

fn inspect(session: &Session, adapter: PathBuf, model: Option<PathBuf>) -> Result<AdapterFacts, CliError> {
    session.ask(Ask::Inspect { adapter, model }, |report| match report {
        Report::Inspected(found) => Some(*found),
        _ => None,
    })
}

fn describe(found: &AdapterFacts) {
    out::result(&found.sentence);
    match found.positions {
        PositionConvention::Shifted => {}
        PositionConvention::Unshifted => {
            out::note("Note: PEFT would begin the text's positions behind it, and compute something else");
        }
        PositionConvention::Infix => out::note("Note: PEFT would put it before the text, and compute something else"),
    }
    let Some(about) = &found.about else { return };
    let base = &about.base;
    let fingerprint: String = base.fingerprint.chars().take(12).collect();
    let (name, architecture) = (out::one_line(&base.name), out::one_line(&base.architecture));
    out::result(format_args!("base model: {name} ({architecture}, fingerprint {})", out::one_line(&fingerprint)));
    if let Some(reason) = &found.other_base {
        out::note(format_args!("Note: this is another base model: {reason}"));
    }
    if let Some(template) = &about.template {
        out::result(format_args!("prompt template: {:?}", template.prompt_template));
    }
    if let Some(figures) = &about.figures {
        out::result(format_args!("validation loss: {:.4} at step {}", figures.loss, figures.step));
    }
    for sample in &about.samples {
        out::result(format_args!("says of {:?}: {:?}", sample.prompt.trim(), sample.text.trim()));
    }
    if !about.card.is_empty() {
        out::result(format_args!("\n{}", about.card.trim_end()));
    }
}

fn probe(session: &Session, adapter: PathBuf, model: PathBuf, global: &Global) -> Result<(), CliError> {
    let device = global.device.unwrap_or(DeviceChoice::Auto);
    let report = session.ask(Ask::Probe { adapter, model, device }, |report| match report {
        Report::Probed(probe) => Some(probe),
        _ => None,
    })?;
    if global.json {
        out::result(json::line(&Report::Probed(report)));
    } else {
        out::note(sentence(&report));
    }
    Ok(())
}

/// A probe's report for people.
fn sentence(probe: &ProbeReport) -> String {
    let ProbeReport { rows, largest, from_base, from_sender, .. } = probe;
    let base = format!("up to {from_base:.3} from the base model's");
    let sender =
        from_sender.map_or_else(String::new, |from_sender| format!("up to {from_sender:.2e} from the sender's"));
    let verdict = match probe.verdict() {
        ProbeVerdict::AsTheSender => format!("{sender}: it computes what its sender computed"),
        ProbeVerdict::NotAsTheSender => {
            format!("{sender}: it does not compute what its sender computed; another base model, or a damaged file")
        }
        ProbeVerdict::DoesSomething => "it changes what the model says".to_owned(),
        ProbeVerdict::DoesNothing => "it changes nothing".to_owned(),
    };
    format!("Probe: logits of {rows} rows, of size {largest:.2}, are {base}; {verdict}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_says_in_a_sentence_what_it_found() {
        let mut probe = ProbeReport { rows: 3, largest: 8.5, from_base: 2.25, from_sender: None, tolerance: 0.0085 };
        assert_eq!(
            sentence(&probe),
            "Probe: logits of 3 rows, of size 8.50, are up to 2.250 from the base model's; it changes what the model says"
        );
        probe.from_sender = Some(1e-6);
        assert!(sentence(&probe).ends_with("up to 1.00e-6 from the sender's: it computes what its sender computed"));
        probe.from_sender = Some(0.5);
        assert!(sentence(&probe).contains("does not compute what its sender computed"));
        probe = ProbeReport { from_base: 0.0, from_sender: None, ..probe };
        assert!(sentence(&probe).ends_with("it changes nothing"));
    }
}
