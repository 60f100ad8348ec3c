//! `import` and `export`: adapters in PEFT's format, in and out.

use std::path::{Path, PathBuf};

use clap::Args;
use engine::config::{DataConfig, MethodConfig, PrefixConfig, RunConfig};
use engine::message::{Command, Event};
use serde_json::{Value, json};

use super::download::found_model;
use super::error::CliError;
use super::json::named;
use super::session::{JOB, Session, open_store};
use super::target::TargetArgs;
use super::{Global, out};
use crate::store::Request;
use crate::workspace::{last_name, new_config};

/// Make a run of an adapter in PEFT's format.
#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// Folder with adapter_config.json and adapter_model.safetensors
    adapter: PathBuf,
    /// Folder of the base model it was made for, or the id of one that was downloaded; without it the starter model
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// What people call the run; without it the folder's name
    #[arg(long)]
    name: Option<String>,
}

/// Write a run's adapter in PEFT's format, or the model with the adapter in its weights.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Take the adapter (LoRA, trained weights) into the model's weights: a plain checkpoint
    #[arg(long)]
    merge: bool,
    #[command(flatten)]
    target: TargetArgs,
    /// Folder to write
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

pub(super) fn import(args: ImportArgs, global: &Global) -> Result<(), CliError> {
    global.refuse_set()?;
    let absolute = |path: &Path| std::path::absolute(path).map_err(|error| CliError::io("find", path, &error));
    let adapter = absolute(&args.adapter)?;
    let model = match &args.model {
        Some(model) => found_model(model)?,
        None => global.assets().model()?,
    };
    let config = imported_config(&adapter, model.clone(), args.name)?;
    let workspace = global.workspace()?;
    let (store, _answers) = open_store(&workspace)?;
    let session = Session::start(&workspace, None)?;
    let run = workspace.new_run()?;
    let to = workspace.run_folder(&run);
    let command = Command::Import { job: JOB, adapter, model, to: to.clone() };
    let written = session.ask(command, |event| matches!(event, Event::Written { .. }).then_some(()));
    if let Err(error) = written {
        // What is left of it is of no use to anybody, and the first error says more.
        std::fs::remove_dir_all(&to).ok();
        return Err(error);
    }
    store.send(Request::Register { run: run.clone(), config: Box::new(config), experiment: None });
    store.send(Request::Imported(run.clone()));
    store.close();
    if global.json {
        out::result(named("imported", &json!({"run": run, "folder": to})));
    } else {
        out::result(to.display());
        out::note(format_args!("Imported. Go on with: prefix-workbench generate --run {run} --prompt TEXT"));
    }
    Ok(())
}

/// What is known of a run that was trained elsewhere: its model, its name, its prefix length.
fn imported_config(adapter: &Path, model: PathBuf, name: Option<String>) -> Result<RunConfig, CliError> {
    let file = adapter.join("adapter_config.json");
    let text = std::fs::read_to_string(&file).map_err(|error| CliError::io("read", &file, &error))?;
    let peft: Value = serde_json::from_str(&text).map_err(|error| {
        CliError::failed(format!("adapter_config.json cannot be understood: {error}"), "Fetch the adapter again")
    })?;
    let n_virtual = peft["num_virtual_tokens"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let mut config = new_config(model, DataConfig::new(""));
    config.name = name.unwrap_or_else(|| last_name(adapter));
    config.method = MethodConfig::Prefix(PrefixConfig { n_virtual, ..PrefixConfig::default() });
    Ok(config)
}

pub(super) fn export(args: ExportArgs, global: &Global) -> Result<(), CliError> {
    global.refuse_set()?;
    let workspace = global.workspace()?;
    let (model, column, _) = args.target.resolve(&workspace, global)?.only()?;
    let Some(adapter) = column.adapter else {
        return Err(CliError::usage("the base model has no adapter to export", "Name a run: --run RUN"));
    };
    let to = std::path::absolute(&args.to).map_err(|error| CliError::io("find", &args.to, &error))?;
    let session = Session::start(&workspace, None)?;
    let command = match args.merge {
        true => Command::Merge { job: JOB, adapter, model, to },
        false => Command::Export { job: JOB, adapter, to },
    };
    let folder = session.ask(command, |event| match event {
        Event::Written { folder, .. } => Some(folder),
        Event::Notice { text, .. } => {
            out::note(format_args!("Note: {text}"));
            None
        }
        _ => None,
    })?;
    if global.json {
        out::result(named("written", &json!({"folder": folder})));
    } else {
        out::result(folder.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_imported_run_knows_its_prefix_length() {
        let folder = tempfile::tempdir().unwrap();
        let adapter = folder.path().join("shared-prefix");
        std::fs::create_dir(&adapter).unwrap();
        std::fs::write(adapter.join("adapter_config.json"), r#"{"peft_type":"PREFIX_TUNING","num_virtual_tokens":12}"#)
            .unwrap();
        let config = imported_config(&adapter, PathBuf::from("/m"), None).unwrap();
        assert_eq!(config.name, "shared-prefix");
        assert_eq!(crate::workspace::method_summary(&config.method), "prefix 12");
        assert!(imported_config(folder.path(), PathBuf::from("/m"), None).is_err());
    }
}
