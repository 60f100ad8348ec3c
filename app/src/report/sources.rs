//! What runs were trained on: models by the hash of their weights, files of rows by theirs, rows as they were learned.

use std::path::Path;

use engine::config::DataConfig;
use serde::Serialize;

use super::Report;
use super::table::{Cell, Head, Table};
use crate::cli::run_file;
use crate::home;
use crate::t;
use crate::workspace::{Assets, dataset_name};
use crate::{format, store::RunRow};

/// A name and what stands behind it; a digest is shown in full, small.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Fact {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) is_digest: bool,
}

/// Facts under a title.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Facts {
    pub(super) title: String,
    pub(super) kind: String,
    pub(super) facts: Vec<Fact>,
}

/// How a run is repeated.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Again {
    pub(super) name: String,
    pub(super) command: String,
    pub(super) file: String,
}

/// Kinds of rows that have a card each; more of them are a table.
const MOST_CARDS: usize = 2;
/// Runs whose whole files are written out.
const MOST_FILES: usize = 24;

fn fact(name: &str, value: impl Into<String>) -> Fact {
    Fact { name: name.to_owned(), value: value.into(), is_digest: false }
}

fn digest(name: &str, value: impl Into<String>) -> Fact {
    Fact { is_digest: true, ..fact(name, value) }
}

impl Fact {
    /// For a cell of a table: as much of a digest as tells it from all others.
    fn short(&self) -> String {
        match self.is_digest {
            true => format!("{}…", self.value.chars().take(16).collect::<String>()),
            false => self.value.clone(),
        }
    }
}

fn is_in_all(kinds: &[(Vec<Fact>, Vec<&str>)], fact: &Fact) -> bool {
    kinds.iter().all(|(facts, _)| facts.contains(fact))
}

impl Report {
    /// Models and files of rows, each once.
    pub(super) fn sources(&self) -> Vec<Facts> {
        let mut all = self.models();
        all.extend(self.files.iter().map(|file| {
            let mut facts = vec![fact(t!("report.path"), at_home(&file.path.to_string_lossy()))];
            match &file.digest {
                Some((size, sha)) => {
                    facts.push(fact(t!("report.size"), format::bytes(*size)));
                    facts.push(digest("SHA-256", sha.clone()));
                }
                None => facts.push(fact("SHA-256", t!("report.not_read"))),
            }
            let name = file.path.file_name().map(|name| name.to_string_lossy().into_owned());
            Facts { title: name.unwrap_or_default(), kind: t!("report.file").to_owned(), facts }
        }));
        all.extend(self.learned());
        all
    }

    fn models(&self) -> Vec<Facts> {
        let mut all: Vec<(&Path, Facts)> = Vec::new();
        for run in &self.runs {
            let (row, folder) = (&run.row, run.row.model_folder.as_path());
            if all.iter().any(|(known, _)| *known == folder) {
                continue;
            }
            let mut facts = Vec::new();
            if let Some(known) = &run.facts {
                facts.push(fact(t!("report.architecture"), known.architecture.clone()));
                facts.push(fact(t!("report.layers"), known.n_layers.to_string()));
                facts.push(fact(t!("report.parameters"), format::count(known.base_parameters)));
            }
            facts.push(fact(t!("report.path"), at_home(&folder.to_string_lossy())));
            if let Some(known) = &run.facts {
                facts.push(digest(t!("report.weights_digest"), known.model_hash.clone()));
            }
            all.push((folder, Facts { title: row.model.clone(), kind: t!("report.model").to_owned(), facts }));
        }
        all.into_iter().map(|(_, facts)| facts).collect()
    }

    /// Rows as the runs have learned them: a card where they are the same in all or of two kinds. Of more kinds it has what is
    /// the same in all; the rest is in the table.
    fn learned(&self) -> Vec<Facts> {
        let kinds = self.kinds_of_rows();
        let kind = || t!("report.rows_learned").to_owned();
        let dataset = || self.runs.first().map(|run| run.row.dataset.clone()).unwrap_or_default();
        match kinds.as_slice() {
            // Where all have learned the same, no run's name stands for it.
            [(facts, _)] => vec![Facts { title: dataset(), kind: kind(), facts: facts.clone() }],
            kinds if kinds.len() <= MOST_CARDS => {
                let card = |(facts, runs): &(Vec<Fact>, Vec<&str>)| Facts {
                    title: runs[0].to_owned(),
                    kind: kind(),
                    facts: facts.clone(),
                };
                kinds.iter().map(card).collect()
            }
            kinds => {
                let facts: Vec<Fact> = kinds[0].0.iter().filter(|fact| is_in_all(kinds, fact)).cloned().collect();
                if facts.is_empty() { Vec::new() } else { vec![Facts { title: dataset(), kind: kind(), facts }] }
            }
        }
    }

    /// A line for each kind of rows that was learned, with what differs between them.
    pub(super) fn learned_table(&self) -> Option<Table> {
        let kinds = self.kinds_of_rows();
        if kinds.len() <= MOST_CARDS {
            return None;
        }
        let mut names: Vec<(&str, bool)> = Vec::new();
        for fact in kinds.iter().flat_map(|(facts, _)| facts).filter(|fact| !is_in_all(&kinds, fact)) {
            if !names.iter().any(|(name, _)| *name == fact.name) {
                names.push((&fact.name, fact.is_digest));
            }
        }
        let numbers = |(name, is_digest): &(&str, bool)| match is_digest {
            true => Head::words(*name),
            false => Head::numbers(*name),
        };
        let head = std::iter::once(Head::words(t!("report.run"))).chain(names.iter().map(numbers)).collect();
        let row = |(facts, runs): &(Vec<Fact>, Vec<&str>)| {
            let more = runs.len() - 1;
            let run = if more > 0 { t!("report.and_more", run = runs[0], n = more) } else { runs[0].to_owned() };
            let value = |(name, _): &(&str, bool)| {
                let fact = facts.iter().find(|fact| fact.name == *name);
                Cell::from(fact.map_or_else(|| "–".to_owned(), Fact::short))
            };
            std::iter::once(Cell::from(run)).chain(names.iter().map(value)).collect()
        };
        let rows = kinds.iter().map(row).collect();
        Some(Table { caption: t!("report.rows_learned").to_owned(), head, rows })
    }

    /// What is known of the rows that were learned, with the runs of which it holds.
    fn kinds_of_rows(&self) -> Vec<(Vec<Fact>, Vec<&str>)> {
        let mut kinds: Vec<(Vec<Fact>, Vec<&str>)> = Vec::new();
        for run in &self.runs {
            let mut facts = Vec::new();
            if let Some(known) = &run.facts {
                facts.push(fact(t!("report.train_rows"), format::count(known.train_rows)));
                facts.push(fact(t!("report.validation_rows"), format::count(known.validation_rows)));
                if known.truncated_rows > 0 {
                    facts.push(fact(t!("report.truncated_rows"), format::count(known.truncated_rows)));
                }
                if known.skipped_rows > 0 {
                    facts.push(fact(t!("report.skipped_rows"), format::count(known.skipped_rows)));
                }
            }
            if let Some(origin) = &run.origin {
                facts.push(digest(t!("report.train_digest"), origin.train.texts.clone()));
                facts.push(digest(t!("report.validation_digest"), origin.validation.texts.clone()));
                facts.push(digest(t!("report.tokenizer_digest"), origin.tokenizer.clone()));
            }
            match kinds.iter_mut().find(|(known, _)| *known == facts) {
                Some((_, runs)) => runs.push(&run.row.name),
                None if facts.is_empty() => {}
                None => kinds.push((facts, vec![&run.row.name])),
            }
        }
        kinds
    }

    /// Method and course of a run that is alone.
    pub(super) fn settings(&self) -> Vec<Fact> {
        let [run] = self.runs.as_slice() else { return Vec::new() };
        let mut facts = vec![fact(t!("report.method"), run.row.method.clone())];
        if let Some(config) = &run.config {
            let training = &config.training;
            facts.push(fact(t!("report.rate"), format::scientific(training.learning_rate)));
            facts.push(fact(t!("report.batch"), (training.batch_size * training.gradient_accumulation).to_string()));
            facts.push(fact(t!("report.optimizer"), training.optimizer.name()));
            facts.push(fact(t!("report.seed"), config.seed.to_string()));
        }
        facts.push(fact(t!("report.steps"), format!("{} / {}", run.row.step, run.row.total_steps)));
        facts.push(fact(t!("report.time"), format::duration(run.row.duration_secs)));
        facts
    }

    /// Commands and run files that do it again.
    pub(super) fn again(&self, assets: &Assets) -> Vec<Again> {
        let of = |run: &super::RunRecord| {
            let config = run.config.as_ref()?;
            Some(Again {
                name: run.row.name.clone(),
                command: at_home(&run_file::command(config, assets)),
                file: at_home(&run_file::write(config)),
            })
        };
        self.runs.iter().filter_map(of).take(MOST_FILES).collect()
    }

    /// Devices that the runs were computed on.
    pub(super) fn devices(&self) -> String {
        let mut all: Vec<&str> = Vec::new();
        for device in self.runs.iter().filter_map(|run| run.facts.as_ref()).map(|facts| facts.device.as_str()) {
            if !all.contains(&device) {
                all.push(device);
            }
        }
        all.join(", ")
    }

    /// Model and dataset in a line; several are counted.
    pub(super) fn about(&self) -> Vec<String> {
        let one = |pick: fn(&RunRow) -> &str, several: &dyn Fn(usize) -> String| {
            let mut all: Vec<&str> = self.runs.iter().map(|run| pick(&run.row)).collect();
            all.sort_unstable();
            all.dedup();
            if let [only] = all.as_slice() { (*only).to_owned() } else { several(all.len()) }
        };
        let mut about = vec![
            one(|row| &row.model, &|n| t!("report.models", n = n)),
            one(|row| &row.dataset, &|n| t!("report.datasets", n = n)),
        ];
        match self.runs.as_slice() {
            [run] => about.push(run.row.method.clone()),
            runs => about.push(t!("report.runs", n = runs.len())),
        }
        about.retain(|text| !text.is_empty());
        about
    }
}

/// A text without the folder of the user, which is nobody's business and which `~` says as well.
pub(super) fn at_home(text: &str) -> String {
    let folder = home::typed("~");
    match folder.to_str() {
        Some(folder) if folder.len() > 1 && folder != "~" => text.replace(&format!("{folder}/"), "~/"),
        _ => text.to_owned(),
    }
}

/// The file of rows of an evaluation, in few words.
pub(super) fn file_name_of_rows(data: &DataConfig) -> String {
    let file = data.train.file_name().map(|name| name.to_string_lossy().into_owned());
    match data.train.parent().and_then(Path::file_name) {
        Some(folder) => format!("{}/{}", folder.to_string_lossy(), file.unwrap_or_default()),
        None => file.unwrap_or_else(|| dataset_name(&data.train)),
    }
}
