//! The command line: the same engine, the same commands and the same store as the window.
//!
//! Results go to standard output, everything else to standard error. Exit codes: 0, 1 (failed), 2 (bad usage), 75 (a job was
//! asked to end and goes on from its checkpoint).

mod commands;
mod help;
mod support;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use engine::device::DeviceChoice;
use engine::nn::{MatrixNumbers, Precision, Quantization};

pub(crate) use self::commands::experiment::require_files;
pub use self::commands::gui::WindowOptions;
use self::commands::{
    analyze, batch_size, bench, combine, compare_inits, compare_methods, data, devices, download, evaluate, exchange,
    experiment, export, generate, gui, lr_find, neighbors, presets, prune, report, resume, runs, score, self_study,
    train, verify, vote,
};
pub use self::support::error::CliError;
use self::support::paths::path;
pub use self::support::run_file;
use crate::workspace::{Assets, Workspace};

/// Prefix tuning of language models: train, compare, look inside
#[derive(Debug, Parser)]
#[command(name = "prefix-workbench", version)]
struct Line {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Flags of every command.
#[derive(Debug, Args)]
struct Global {
    /// Folder of the runs and their database
    #[arg(long, global = true, value_name = "DIR", value_parser = path())]
    workspace: Option<PathBuf>,
    /// auto, cpu, wgpu or wgpu:1
    #[arg(long, global = true)]
    device: Option<DeviceChoice>,
    /// Number type in which matrices are multiplied: f32, or f16 or bf16 where the device computes in it
    #[arg(long, global = true)]
    precision: Option<Precision>,
    /// How the matrices of the base model are kept: stored, q8_0, q4_0 or nf4
    #[arg(long, global = true)]
    quantization: Option<Quantization>,
    /// One JSON object a line on standard output
    #[arg(long, global = true)]
    json: bool,
    /// Any setting of a run by its path, as in training.steps=300; may be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Open the window (the default)
    Gui(gui::GuiArgs),
    /// Train a run
    Train(train::TrainArgs),
    /// Learning-rate range test of a run: nothing is written
    #[command(alias = "range")]
    LrFind(lr_find::LrFindArgs),
    /// Hold initial values of a run against each other on its first steps: nothing is written
    #[command(alias = "lab")]
    CompareInits(compare_inits::CompareInitsArgs),
    /// Train many runs that answer one question, from a file or ready-made
    #[command(alias = "sweep")]
    Experiment(Box<experiment::ExperimentArgs>),
    /// List how papers train, for train --preset
    Presets,
    /// Go on with a run from its last checkpoint
    Resume(resume::ResumeArgs),
    /// Let a model write rows about a document, to distill it into a prefix
    SelfStudy(self_study::SelfStudyArgs),
    /// Count what is in a dataset, and what a model's context cuts
    Data(data::DataArgs),
    /// Continue texts with the base model and any runs
    Generate(Box<generate::GenerateArgs>),
    /// Loss and perplexity on a dataset
    Evaluate(evaluate::EvaluateArgs),
    /// Score predictions of any program against references
    Score(score::ScoreArgs),
    /// Let several adapters answer the rows of a dataset, and count the majority
    Vote(vote::VoteArgs),
    /// Nearest tokens of a prefix, with their null
    Neighbors(neighbors::NeighborsArgs),
    /// What an adapter does: attention on its slots and more
    Analyze(Box<analyze::AnalyzeArgs>),
    /// List, show, export, rename or delete runs
    Runs(runs::RunsArgs),
    /// Write a page on runs or experiments to hand on, or its tables
    Report(report::ReportArgs),
    /// Make a run of an adapter: a .prefix file, PEFT's folder, another program's files
    Import(exchange::ImportArgs),
    /// Say what an adapter of any form is, and try it on a model
    Open(exchange::OpenArgs),
    /// Write a run's adapter in PEFT's format, or as one .prefix file
    Export(export::ExportArgs),
    /// Put several prefixes or soft prompts side by side, or mix them
    Combine(combine::CombineArgs),
    /// Keep the most important slots of a prefix or a soft prompt
    Prune(prune::PruneArgs),
    /// Train every method on the same rows, in one table
    #[command(alias = "methods")]
    CompareMethods(compare_methods::MethodsArgs),
    /// Fetch a model from the hub: names files and sizes first, and asks
    Download(download::DownloadArgs),
    /// List the devices
    Devices,
    /// Compute a little on a device, and hold it against the CPU
    #[command(name = engine::device::TRY_DEVICE, hide = true)]
    TryDevice(devices::TryDeviceArgs),
    /// Try batch sizes of the run on the standard input
    #[command(name = engine::TRY_BATCH_SIZE, hide = true)]
    TryBatchSize,
    /// Hold the program against a reference case
    Verify(verify::VerifyArgs),
    /// Measure training and decoding
    Bench(bench::BenchArgs),
}

/// The program: reads the command line, does it, and answers with the exit code. `window` opens the window.
pub fn main(window: impl FnOnce(Workspace, WindowOptions) -> anyhow::Result<()>) -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::builder()
                .with_default_directive(tracing_subscriber::filter::LevelFilter::ERROR.into())
                .from_env_lossy(),
        )
        .init();
    match run(std::env::args_os(), window) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.print();
            error.exit_code()
        }
    }
}

/// Does what a command line says; the first word is the program's name.
///
/// # Errors
/// [`CliError`] has the sentence and the exit code.
pub fn run(
    line: impl IntoIterator<Item = OsString>,
    window: impl FnOnce(Workspace, WindowOptions) -> anyhow::Result<()>,
) -> Result<(), CliError> {
    let matches = help::grouped(Line::command()).try_get_matches_from(with_window(line.into_iter().collect()))?;
    let Line { global, command } = Line::from_arg_matches(&matches)?;
    match command.unwrap_or(Command::Gui(gui::GuiArgs::default())) {
        Command::Gui(args) => gui::run(args, &global, window),
        Command::Train(args) => train::run(args, &global),
        Command::LrFind(args) => lr_find::run(&args, &global),
        Command::CompareInits(args) => compare_inits::run(args, &global),
        Command::Experiment(args) => experiment::run(*args, &global),
        Command::Presets => presets::run(&global),
        Command::Resume(args) => resume::run(&args, &global),
        Command::SelfStudy(args) => self_study::run(args, &global),
        Command::Data(args) => data::run(args, &global),
        Command::Generate(args) => generate::run(*args, &global),
        Command::Evaluate(args) => evaluate::run(args, &global),
        Command::Score(args) => score::run(&args, &global),
        Command::Vote(args) => vote::run(args, &global),
        Command::Neighbors(args) => neighbors::run(&args, &global),
        Command::Analyze(args) => analyze::run(*args, &global),
        Command::Runs(args) => runs::run(args, &global),
        Command::Report(args) => report::run(&args, &global),
        Command::Import(args) => exchange::import(args, &global),
        Command::Open(args) => exchange::open(&args, &global),
        Command::Export(args) => export::export(&args, &global),
        Command::Combine(args) => combine::run(args, &global),
        Command::Prune(args) => prune::run(args, &global),
        Command::CompareMethods(args) => compare_methods::run(args, &global),
        Command::Download(args) => download::run(&args, &global),
        Command::Devices => devices::run(&global),
        Command::TryDevice(args) => devices::try_device(&args),
        Command::TryBatchSize => batch_size::try_batch_sizes(),
        Command::Verify(args) => verify::run(&args, &global),
        Command::Bench(args) => bench::run(&args, &global),
    }
}

/// A path alone is what a double click names: the window opens it.
fn with_window(mut line: Vec<OsString>) -> Vec<OsString> {
    if let [_, word] = line.as_slice()
        && Line::command().find_subcommand(word).is_none()
        && std::path::Path::new(word).exists()
    {
        line.splice(1..1, ["gui".into(), "--open".into()]);
    }
    line
}

impl Global {
    fn workspace(&self) -> Result<Workspace, CliError> {
        Ok(Workspace::locate(self.workspace.as_deref())?)
    }

    /// A command to go on with, whole enough to be pasted: it names the workspace where this one was named one.
    fn next_command(&self, words: &str) -> String {
        match &self.workspace {
            Some(folder) => {
                let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
                format!("prefix-workbench --workspace {} {words}", run_file::shell_word(&folder.to_string_lossy()))
            }
            None => format!("prefix-workbench {words}"),
        }
    }

    fn assets(&self) -> Assets {
        Assets::locate()
    }

    /// In what a model's matrices are kept and multiplied.
    fn numbers(&self) -> MatrixNumbers {
        MatrixNumbers {
            precision: self.precision.unwrap_or_default(),
            quantization: self.quantization.unwrap_or_default(),
        }
    }

    /// For commands that have no run to set anything of.
    fn refuse_set(&self) -> Result<(), CliError> {
        match self.set.first() {
            None => Ok(()),
            Some(set) => Err(CliError::usage(
                format!("--set {set} means nothing here"),
                "It belongs to train, experiment, lr-find, compare-inits, resume, evaluate and vote",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_to_go_on_with_names_the_workspace_that_was_named() {
        assert_eq!(support::tests_support::global(&[]).next_command("resume x"), "prefix-workbench resume x");
        let global = Global { workspace: Some("/my runs".into()), ..support::tests_support::global(&[]) };
        assert_eq!(global.next_command("resume x"), "prefix-workbench --workspace '/my runs' resume x");
    }

    fn parse(line: &str) -> Line {
        Line::try_parse_from(line.split_whitespace()).unwrap()
    }

    #[test]
    fn the_definition_holds_together() {
        Line::command().debug_assert();
    }

    /// A parser of paths that knows nothing of the user's folder.
    const PLAIN_PATHS: &str = "ValueParser::path_buf";

    #[test]
    fn every_path_may_begin_with_a_tilde() {
        let plain = clap::Arg::new("x").value_parser(clap::value_parser!(PathBuf));
        assert_eq!(format!("{:?}", plain.get_value_parser()), PLAIN_PATHS, "or this test says nothing");
        let line = Line::command();
        for command in std::iter::once(&line).chain(line.get_subcommands()) {
            for arg in command.get_arguments() {
                let parser = format!("{:?}", arg.get_value_parser());
                assert_ne!(parser, PLAIN_PATHS, "{} {}", command.get_name(), arg.get_id());
            }
        }
        let global = parse("prefix-workbench runs --workspace=~/w").global;
        assert_eq!(global.workspace, Some(crate::home::typed("~/w")));
    }

    #[test]
    fn common_settings_are_flags_of_train() {
        let line = "prefix-workbench train --method lora --rate 2e-3 --batch-size 4 --steps 9 --print-config";
        let Some(Command::Train(args)) = parse(line).command else { panic!("{line}") };
        let config = args.config(&parse("prefix-workbench").global).unwrap();
        assert_eq!((config.method.name(), config.training.learning_rate), ("lora", 2e-3));
        assert_eq!((config.training.batch_size, config.training.steps), (4, 9));
        assert!(Line::try_parse_from(["prefix-workbench", "train", "--learning-rate", "1e-3"]).is_ok());
    }

    #[test]
    fn commands_of_earlier_versions_are_those_of_today() {
        let pairs =
            [("range", "lr-find"), ("lab", "compare-inits"), ("methods", "compare-methods"), ("sweep", "experiment")];
        for (then, now) in pairs {
            let command = |word: &str| format!("{:?}", parse(&format!("prefix-workbench {word}")).command);
            assert_eq!(command(then), command(now));
            assert!(Line::command().find_subcommand(now).is_some_and(|found| found.get_name() == now));
        }
    }

    #[test]
    fn flags_of_transformers_and_peft_are_those_of_train() {
        let line = "prefix-workbench train --max_steps 9 --per_device_train_batch_size 4 --learning_rate 2e-3 \
                    --num-virtual-tokens 7 --print-config";
        let Some(Command::Train(args)) = parse(line).command else { panic!("{line}") };
        let config = args.config(&parse("prefix-workbench").global).unwrap();
        assert_eq!((config.training.steps, config.training.batch_size, config.method.n_virtual()), (9, 4, 7));
    }

    #[test]
    fn without_a_command_the_window_opens() {
        assert!(parse("prefix-workbench").command.is_none());
        let mut opened = None;
        let folder = tempfile::tempdir().unwrap();
        let line = ["prefix-workbench", "--device", "cpu", "--workspace"].map(OsString::from);
        run(line.into_iter().chain([folder.path().into()]), |workspace, options| {
            opened = Some((workspace.root().to_owned(), options.device));
            Ok(())
        })
        .unwrap();
        assert_eq!(opened, Some((folder.path().to_owned(), Some(DeviceChoice::Cpu))));
    }

    #[test]
    fn a_file_alone_opens_in_the_window() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shared.prefix");
        std::fs::write(&file, "").unwrap();
        let line = |word: &std::path::Path| with_window(vec!["prefix-workbench".into(), word.into()]);
        let opened = line(&file);
        assert_eq!(opened[1..], ["gui".into(), OsString::from("--open"), file.into()]);
        assert!(Line::try_parse_from(opened).is_ok());
        for word in ["fly", "runs", "--help", "/not/there.prefix"] {
            assert_eq!(line(std::path::Path::new(word)).len(), 2, "{word}");
        }
    }

    #[test]
    fn global_flags_stand_anywhere() {
        for line in [
            "prefix-workbench --json --device wgpu:1 --workspace /w train --set seed=1 --set name=a",
            "prefix-workbench train --set seed=1 --workspace /w --json --set name=a --device wgpu:1",
        ] {
            let global = parse(line).global;
            assert!(global.json && global.workspace == Some(PathBuf::from("/w")));
            assert_eq!(global.device, Some(DeviceChoice::Wgpu(Some(1))));
            assert_eq!(global.set, ["seed=1", "name=a"]);
        }
    }

    #[test]
    fn every_line_of_the_readme_and_of_the_pages_can_be_typed() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let pages = ["docs", "docs/decisions"].iter().flat_map(|folder| std::fs::read_dir(root.join(folder)).unwrap());
        let pages = pages.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
        let pages = pages.chain(["README.md", "CONTRIBUTING.md"].map(|name| root.join(name)));
        let pages = pages.map(|path| std::fs::read_to_string(path).unwrap());
        let lines = pages.flat_map(|page| page.lines().map(|line| line.trim_start().to_owned()).collect::<Vec<_>>());
        let lines: Vec<String> = lines.filter(|line| line.starts_with("prefix-workbench ")).collect();
        assert!(lines.len() > 20, "{lines:?}");
        for line in lines {
            // What stands between quotation marks is one word; a comment is none.
            let command = line.split(" #").next().unwrap_or_default();
            let words: String =
                command.split('"').enumerate().map(|(i, part)| if i % 2 == 0 { part } else { "text" }).collect();
            if let Err(error) = Line::try_parse_from(words.split_whitespace()) {
                panic!("{line}: {error}");
            }
        }
    }

    #[test]
    fn bad_usage_is_exit_code_two() {
        for line in ["prefix-workbench fly", "prefix-workbench train --device tpu", "prefix-workbench verify"] {
            assert_eq!(Line::try_parse_from(line.split_whitespace()).unwrap_err().exit_code(), 2);
        }
        let workspace = tempfile::tempdir().unwrap();
        let line =
            ["prefix-workbench", "--workspace", &workspace.path().to_string_lossy(), "train", "--set", "rates=1"]
                .map(OsString::from);
        let error = run(line, |_, _| Ok(())).unwrap_err();
        assert!(matches!(error, CliError::Usage(_)), "{error}");
    }
}
