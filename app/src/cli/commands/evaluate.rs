//! `evaluate`: loss, perplexity and accuracy of the base model and of adapters on a dataset, or figures of what they write.

use std::path::{Path, PathBuf};

use clap::Args;
use engine::config::schema::Names;
use engine::config::{DataConfig, RunConfig, Task};
use engine::protocol::{Ask, Report};
use serde_json::{Value, json};

use super::evaluate_texts::{self, TextArgs};
use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::json::{named, plain};
use crate::cli::support::models::{require_rows, rows_path};
use crate::cli::support::out;
use crate::cli::support::paths::{absolute, path};
use crate::cli::support::progress::{figures_line, figures_line_with};
use crate::cli::support::run_file;
use crate::cli::support::session::Session;
use crate::cli::support::settings;
use crate::cli::support::target::{Target, TargetArgs};

/// Loss, perplexity and, where labels are predicted, accuracy and F1 on a dataset; with --generate, figures of the texts
/// that are written for its rows.
#[derive(Debug, Args)]
pub(in crate::cli) struct EvaluateArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    rows: RowsArgs,
    #[command(flatten)]
    texts: TextArgs,
}

/// Rows to evaluate on.
#[derive(Debug, Args)]
pub(in crate::cli) struct RowsArgs {
    /// Rows to read; without it the run's validation rows, or the starter's
    #[arg(long, value_name = "FILE", value_parser = path())]
    data: Option<PathBuf>,
    /// Of an adapter for several tasks or datasets, the name of one
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
}

impl RowsArgs {
    /// The same, with a file where none is named.
    pub(in crate::cli) fn or_file(self, file: impl FnOnce() -> Result<PathBuf, CliError>) -> Result<Self, CliError> {
        let data = Some(self.data.map_or_else(file, Ok)?);
        Ok(Self { data, ..self })
    }
}

pub(in crate::cli) fn run(args: EvaluateArgs, global: &Global) -> Result<(), CliError> {
    if let Some(predictions) = args.texts.kept()? {
        return evaluate_texts::score_again(predictions, &args.texts, global);
    }
    let workspace = global.workspace()?;
    let target = args.target.resolve(&workspace, global)?;
    if args.texts.generate {
        let config = asked_config(&target, args.rows, global)?;
        return evaluate_texts::run(target, config, &args.texts, (&workspace, global));
    }
    let (data, task) = asked_rows(&target, args.rows, global)?;
    let session = Session::start(&workspace, None)?;
    let numbers = target.numbers(global);
    for column in target.columns {
        let ask = Ask::Evaluate {
            model: target.model.clone(),
            device: global.device.unwrap_or_default(),
            numbers,
            adapter: column.adapter,
            data: data.clone(),
            task,
        };
        let name = column.name;
        session.ask(ask, |report| match report {
            Report::Score { loss, perplexity, tokens, rows, figures, intervals } => {
                if global.json {
                    let mut score = json!({
                        "name": name, "loss": loss, "perplexity": perplexity, "tokens": tokens, "rows": rows
                    });
                    if let Some(figures) = figures {
                        score["figures"] = plain(&figures);
                        score["intervals"] = plain(&intervals);
                    }
                    out::result(named("score", &score));
                } else {
                    let quality = match &figures {
                        Some(figures) => figures_line_with(figures, &intervals),
                        None => format!("perplexity {perplexity:.2}"),
                    };
                    out::result(format_args!(
                        "{name}: loss {loss:.4} · {quality} · {rows} rows, {tokens} labeled tokens"
                    ));
                    for part in figures.iter().flat_map(|figures| &figures.datasets) {
                        out::result(format_args!("  {}: {}", part.name, figures_line(&part.figures)));
                    }
                }
                Some(())
            }
            _ => None,
        })?;
    }
    Ok(())
}

/// The rows asked for, as the first run reads its own: those of a dataset beside its first one by the name of it.
pub(in crate::cli) fn asked_rows(
    target: &Target,
    rows: RowsArgs,
    global: &Global,
) -> Result<(DataConfig, Option<Task>), CliError> {
    asked_config(target, rows, global).map(|config| (config.data, config.task))
}

/// The same, and how its texts are written.
fn asked_config(
    target: &Target,
    RowsArgs { data: file, task: name }: RowsArgs,
    global: &Global,
) -> Result<RunConfig, CliError> {
    let mut config = match &target.config {
        Some(config) => config.clone(),
        None => RunConfig::new("", DataConfig::new("")),
    };
    let data = &mut config.data;
    if let Some(name) = name {
        if let Some(more) = data.more.iter().find(|more| more.name_of_rows() == name) {
            *data = more.over(data);
        }
        data.name = Some(name);
    }
    chosen(config, file, global)
}

/// The templates and columns of the run, over the rows asked for.
fn chosen(config: RunConfig, file: Option<PathBuf>, global: &Global) -> Result<RunConfig, CliError> {
    let RunConfig { mut data, task, generation, .. } = config;
    data.train = match (file, data.validation.take()) {
        (Some(file), _) => {
            let rows = rows_path(&file, Path::new(""));
            require_rows(&rows)?;
            absolute(&rows)?
        }
        (None, Some(validation)) => validation,
        (None, None) if data.train.as_os_str().is_empty() => global.assets().dataset("records")?.1,
        (None, None) => data.train,
    };
    let mut tree: Value = json!({"model": "", "task": task, "data": data, "generation": generation});
    let mut names = settings::method_of(&global.set).map_or_else(Names::default, |method| Names::of_method(&method));
    settings::assign(&mut tree, &global.set, &mut names)?;
    run_file::make_absolute(&mut tree, &std::env::current_dir().unwrap_or_default());
    settings::normalize(&mut tree)?;
    names.finish(&mut tree)?;
    settings::to_config(&tree)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::support::tests_support::global;

    #[test]
    fn the_rows_asked_for_keep_the_runs_templates() {
        let mut data = DataConfig::new("/sets/train.jsonl");
        data.validation = Some(PathBuf::from("/sets/validation.jsonl"));
        data.prompt_template = "{{ source }}: ".to_owned();
        let chosen = |file: Option<&str>, set: &[&str]| {
            chosen(RunConfig::new("", data.clone()), file.map(PathBuf::from), &global(set)).unwrap().data
        };
        assert_eq!(chosen(None, &[]).train, PathBuf::from("/sets/validation.jsonl"));
        let other = chosen(Some("/other.csv"), &["data.max_tokens=64"]);
        assert_eq!((other.train.to_str(), other.max_tokens), (Some("/other.csv"), Some(64)));
        assert_eq!((other.validation, other.prompt_template.as_str()), (None, "{{ source }}: "));
    }

    #[test]
    fn a_dataset_beside_the_first_is_asked_for_by_its_name() {
        let mut data = DataConfig::new("/sets/train.jsonl");
        data.source_column = Some("text".to_owned());
        data.more = vec![serde_json::from_value(json!({"train": "/sets/kinds.csv", "target_column": "kind"})).unwrap()];
        let config = Some(RunConfig::new("/model", data));
        let target = Target { model: PathBuf::from("/model"), columns: Vec::new(), config };
        let asked = |file: Option<&str>, name: &str| {
            asked_rows(&target, RowsArgs { data: file.map(PathBuf::from), task: Some(name.to_owned()) }, &global(&[]))
                .unwrap()
                .0
        };
        let kinds = asked(None, "kinds");
        assert_eq!((kinds.train.to_str(), kinds.name.as_deref()), (Some("/sets/kinds.csv"), Some("kinds")));
        assert_eq!((kinds.source_column, kinds.target_column.as_deref()), (None, Some("kind")));
        let other = asked(Some("/other.csv"), "kinds");
        assert_eq!((other.train.to_str(), other.target_column.as_deref()), (Some("/other.csv"), Some("kind")));
        let first = asked(None, "train");
        assert_eq!((first.train.to_str(), first.source_column.as_deref()), (Some("/sets/train.jsonl"), Some("text")));
    }
}
