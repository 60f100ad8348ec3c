//! `download`: a model or a dataset of the hub into the shared cache or a folder. It names the files and their sizes, asks, and
//! shows how far it is; Ctrl-C keeps what has arrived and says how to go on.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};

use clap::Args;
use engine::hub::{Destination, Hub, HubCommand, HubConfig, HubEvent, HubProgress, Listing, ModelId, RowsOf, Timeouts};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::json::named;
use crate::cli::support::out;
use crate::cli::support::paths::{absolute, path};
use crate::cli::support::progress::duration;
use crate::cli::support::session::{Again, JOB, listen_for_interrupts};
use crate::format::bytes;
use crate::settings::Settings;
use crate::workspace::kept_token;

/// Fetch a model or a dataset from the hub. Names the files and their sizes first, and asks.
#[derive(Debug, Args)]
pub(in crate::cli) struct DownloadArgs {
    /// As its page is called, with a revision if need be: gpt2, Langboat/bloom-1b4-zh, t5-base@v1
    #[arg(value_name = "ID[@REVISION]", required_unless_present = "dataset")]
    id: Option<String>,
    /// A dataset in place of a model, as its page is called: nyu-mll/glue. Its Parquet files are fetched
    #[arg(long, value_name = "OWNER/NAME[@REVISION]", conflicts_with = "id")]
    dataset: Option<String>,
    /// One of several datasets in a repository: sst2
    #[arg(long, value_name = "NAME", requires = "dataset")]
    config: Option<String>,
    /// train, validation, test, …; without it all of them
    #[arg(long, value_name = "NAME", requires = "dataset")]
    split: Option<String>,
    /// "cache", which all programs share, or a folder of its own
    #[arg(long, value_name = "DIR", default_value = "cache", value_parser = path())]
    to: PathBuf,
    /// Address of a mirror; without it what Settings or HF_ENDPOINT say, or the hub
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// A file with an access token; without it HF_TOKEN, Settings, or what `hf auth login` has kept
    #[arg(long, value_name = "FILE", value_parser = path())]
    token_file: Option<PathBuf>,
    /// Without the question
    #[arg(long)]
    yes: bool,
}

/// Reasons to wake.
enum Wake {
    Hub(HubEvent),
    Interrupt,
}

pub(in crate::cli) fn run(args: &DownloadArgs, global: &Global) -> Result<(), CliError> {
    global.refuse_set()?;
    let id = asked(args)?;
    let to = match args.to.as_os_str() == "cache" {
        true => Destination::Cache,
        false => Destination::Folder(absolute(&args.to)?),
    };
    let set = Settings::load(&global.workspace()?.settings()).hub_endpoint;
    let config = HubConfig {
        endpoint: args.endpoint.clone().or(Some(set)),
        token_file: args.token_file.clone(),
        kept_token: kept_token(),
        cache: None,
    };
    let (tell, inbox) = channel();
    let interrupts = tell.clone();
    listen_for_interrupts(Again::End, move || interrupts.send(Wake::Interrupt).is_ok());
    let hub = Hub::spawn(config, Timeouts::default(), move |event| {
        // Nobody listens any more: the program is ending.
        tell.send(Wake::Hub(event)).ok();
    })?;
    hub.send(HubCommand::LookUp { job: JOB, id, to });
    let listing = listed(&inbox)?;
    if global.json {
        out::result(named("listing", &listing));
    } else {
        describe(&listing);
    }
    if listing.missing_bytes() > 0 && !args.yes && !confirmed(&listing)? {
        out::note("Nothing was fetched");
        return Ok(());
    }
    let again = again(args, &listing.id);
    hub.send(HubCommand::Download { job: JOB, listing: Box::new(listing.clone()) });
    let folder = fetched(&hub, &inbox, &listing, &again, global.json)?;
    if global.json {
        out::result(named("fetched", &json!({ "id": listing.id, "folder": folder })));
    } else {
        out::result(folder.display());
    }
    Ok(())
}

fn parse(asked: &str) -> Result<ModelId, CliError> {
    ModelId::parse(asked).map_err(|error| CliError::usage(error.to_string(), error.advice()))
}

/// The model or dataset that the arguments name.
fn asked(args: &DownloadArgs) -> Result<ModelId, CliError> {
    let Some(dataset) = &args.dataset else { return parse(args.id.as_deref().unwrap_or_default()) };
    let id = parse(dataset)?;
    let known = id.rows().cloned().unwrap_or_default();
    let rows = RowsOf { config: args.config.clone().or(known.config), split: args.split.clone().or(known.split) };
    id.with_rows(rows).ok_or_else(|| {
        CliError::usage(
            "--config and --split name one thing each",
            "Name them as the dataset's page does, without a slash",
        )
    })
}

fn listed(inbox: &Receiver<Wake>) -> Result<Listing, CliError> {
    loop {
        match inbox.recv() {
            Ok(Wake::Hub(HubEvent::Listed { listing, .. })) => return Ok(*listing),
            Ok(Wake::Hub(HubEvent::Failed { failure, .. })) => return Err(failure.into()),
            Ok(Wake::Hub(_)) => {}
            Ok(Wake::Interrupt) => return Err(CliError::failed("interrupted", "Start the command again")),
            Err(_) => return Err(gone()),
        }
    }
}

/// The files that would be fetched, for people.
fn describe(listing: &Listing) {
    let kind = listing.model_type.as_deref().map(|kind| format!(" ({})", out::one_line(kind))).unwrap_or_default();
    let commit: String = listing.commit.chars().take(10).collect();
    out::note(format_args!("{}{kind} at {}, commit {commit}", listing.id, listing.endpoint));
    let width = listing.files.iter().map(|file| file.name.len()).max().unwrap_or(0);
    for file in &listing.files {
        let here = match file.here_bytes {
            0 => String::new(),
            all if all == file.bytes => "  already here".to_owned(),
            part => format!("  {} already here", bytes(part)),
        };
        out::note(format_args!("  {:width$}  {:>8}{here}", file.name, bytes(file.bytes)));
    }
    let free = listing.free_bytes.map(|free| format!("; {} free there", bytes(free))).unwrap_or_default();
    out::note(format_args!(
        "  {} files, {}, into {}{free}",
        listing.files.len(),
        bytes(listing.total_bytes()),
        listing.folder.display()
    ));
    if listing.gated {
        out::note("  Its owner asks you to accept terms first: that needs a token");
    }
}

fn confirmed(listing: &Listing) -> Result<bool, CliError> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(CliError::usage("downloading needs a yes", "Add --yes"));
    }
    out::ask(format_args!("Download {}? [y/N] ", bytes(listing.missing_bytes())));
    let mut answer = String::new();
    input.lock().read_line(&mut answer).map_err(|error| CliError::failed(error.to_string(), "Add --yes"))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// The command that goes on where this one ends.
fn again(args: &DownloadArgs, id: &ModelId) -> String {
    let to = if args.to == Path::new("cache") { String::new() } else { format!(" --to {}", args.to.display()) };
    let id = if id.rows().is_some() { format!("\"{id}\"") } else { id.to_string() };
    format!("prefix-workbench download {id}{to}")
}

/// Shows the download to its end.
fn fetched(hub: &Hub, inbox: &Receiver<Wake>, listing: &Listing, again: &str, json: bool) -> Result<PathBuf, CliError> {
    let mut view = View::new(listing, json);
    let mut missing = listing.missing_bytes();
    let ended = loop {
        match inbox.recv() {
            Ok(Wake::Hub(HubEvent::Progress { progress, .. })) => view.show(&progress),
            Ok(Wake::Hub(HubEvent::Kept { listing, .. })) => missing = listing.missing_bytes(),
            Ok(Wake::Hub(HubEvent::Fetched { folder, .. })) => break Ok(folder),
            Ok(Wake::Hub(HubEvent::Failed { failure, .. })) => break Err(failure.into()),
            Ok(Wake::Hub(HubEvent::Cancelled { .. })) => {
                let total = listing.total_bytes();
                let kept = format!("stopped; {} of {} are kept", bytes(total - missing), bytes(total));
                break Err(CliError::failed(kept, format!("Go on with: {again}")));
            }
            Ok(Wake::Hub(_)) => {}
            Ok(Wake::Interrupt) => {
                hub.send(HubCommand::Cancel { job: JOB });
            }
            Err(_) => break Err(gone()),
        }
    };
    view.end();
    ended
}

/// Display of a download's progress.
enum View {
    /// On a terminal.
    Bar(ProgressBar),
    /// Into a file or a pipe: a line each tenth.
    Lines { tenth: u64 },
    /// For machines, on standard output.
    Json,
}

impl View {
    fn new(listing: &Listing, json: bool) -> Self {
        if json {
            Self::Json
        } else if std::io::stderr().is_terminal() {
            let style = ProgressStyle::with_template("{bar:30} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
            Self::Bar(ProgressBar::new(listing.total_bytes()).with_style(style))
        } else {
            Self::Lines { tenth: 0 }
        }
    }

    fn show(&mut self, progress: &HubProgress) {
        match self {
            Self::Bar(bar) => {
                bar.set_position(progress.bytes);
                bar.set_message(figures(progress));
            }
            Self::Lines { tenth } => {
                let now = progress.bytes * 10 / progress.total_bytes.max(1);
                if now > *tenth {
                    *tenth = now;
                    out::note(figures(progress));
                }
            }
            Self::Json => out::result(named("progress", progress)),
        }
    }

    fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// `120 MB of 548 MB · 12.3 MB/s · 35 s left · model.safetensors`.
fn figures(progress: &HubProgress) -> String {
    let mut text = format!("{} of {}", bytes(progress.bytes), bytes(progress.total_bytes));
    if progress.bytes_per_sec > 0.0 {
        let left = progress.total_bytes.saturating_sub(progress.bytes) as f64 / progress.bytes_per_sec;
        text += &format!(" · {}/s · {} left", bytes(progress.bytes_per_sec as u64), duration(left));
    }
    if !progress.file.is_empty() {
        text += &format!(" · {}", progress.file);
    }
    text
}

fn gone() -> CliError {
    CliError::failed("the download ended unexpectedly", "Start again with RUST_LOG=debug for details")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_say_how_long_it_will_take() {
        let mut progress = HubProgress { bytes: 120_000_000, total_bytes: 548_000_000, ..HubProgress::default() };
        assert_eq!(figures(&progress), "120 MB of 548 MB");
        progress.bytes_per_sec = 10_700_000.0;
        progress.file = "model.safetensors".to_owned();
        assert_eq!(figures(&progress), "120 MB of 548 MB · 10.7 MB/s · 40 s left · model.safetensors");
    }
}
