//! Where slots lie, for `analyze`: what its questions need, and their answers for people.

use std::path::PathBuf;

use clap::Args;
use engine::analysis::{
    Apart, DriftReport, LabelWordsReport, LayerDrift, MapReport, Question, Side, SimilarityReport, SlotDrift, WordPlace,
};

use crate::cli::commands::neighbors::SideArg;
use crate::cli::support::error::CliError;
use crate::cli::support::out;
use crate::cli::support::session::{find_run, open_store};
use crate::store::adapter_folder;
use crate::workspace::Workspace;

/// What questions about places need.
#[derive(Debug, Args)]
pub(super) struct GeometryArgs {
    /// Keys or values, for similarity and map
    #[arg(long, value_enum, default_value_t = SideArg::Key)]
    side: SideArg,
    /// Layer of the map, counted from 1 (JSON counts from 0)
    #[arg(long, value_name = "N", default_value = "1")]
    layer: std::num::NonZeroUsize,
    /// Tokens on the map
    #[arg(long, value_name = "N", default_value_t = 500)]
    vocabulary: usize,
    /// For similarity, vectors as they are and not from the vocabulary's mean
    #[arg(long)]
    raw: bool,
    /// Another run of the same model, or a folder with adapter_config.json, to hold the first one against
    #[arg(long, value_name = "RUN")]
    other: Option<String>,
}

impl GeometryArgs {
    pub(super) fn similarity(&self) -> Question {
        Question::Similarity { side: self.side.into(), centered: !self.raw }
    }

    pub(super) fn map(&self) -> Question {
        Question::Map { layer: self.layer.get() - 1, side: self.side.into(), vocabulary: self.vocabulary }
    }

    /// The adapter that the first one is held against.
    pub(super) fn other(&self, workspace: &Workspace) -> Result<Option<PathBuf>, CliError> {
        let Some(asked) = &self.other else { return Ok(None) };
        let path = PathBuf::from(asked);
        let folder = if path.join("adapter_config.json").is_file() || path.join("run.json").is_file() {
            path
        } else {
            let store = open_store(workspace)?;
            let row = find_run(&store, asked);
            store.0.close();
            row?.folder
        };
        let no_adapter = || {
            CliError::failed(
                format!("there is no adapter in {}", folder.display()),
                "A run has one after its first checkpoint",
            )
        };
        adapter_folder(&folder).ok_or_else(no_adapter).map(Some)
    }
}

fn side_name(side: Side) -> &'static str {
    match side {
        Side::Key => "keys",
        Side::Value => "values",
    }
}

/// A layer a line; what any two tokens have stands beside it. Then the slots of the other adapter.
pub(super) fn similarity(report: &SimilarityReport) {
    for layer in &report.layers {
        out::result(format_args!(
            "{:<16} two slots {:+.3} ± {:.3}   two tokens {:+.3} ± {:.3}",
            layer.name, layer.pairs.mean, layer.pairs.sd, layer.by_chance.mean, layer.by_chance.sd
        ));
    }
    let mut neighbors = report.across.iter().enumerate().skip(1).map(|(index, row)| row[index - 1]).peekable();
    if neighbors.peek().is_some() {
        let cosines: Vec<String> = neighbors.map(|cosine| format!("{cosine:+.2}")).collect();
        out::result(format_args!("a slot and itself one layer on: {}", cosines.join(" ")));
        let chance = report.across_by_chance;
        out::note(format_args!("A token and itself in another layer: {:+.3} ± {:.3}", chance.mean, chance.sd));
    }
    for layer in &report.other {
        let chance = layer.matched_by_chance;
        let pairs: Vec<String> =
            layer.pairs.iter().take(8).map(|pair| format!("{}→{}", pair.slot + 1, pair.other + 1)).collect();
        let cka = |cka: Option<f64>| cka.map_or("–".to_owned(), |cka| format!("{cka:.3}"));
        out::result(format_args!(
            "{:<16} matched {:+.3} (tokens {:+.3} ± {:.3})  by position {:+.3}  CKA {}, matched {} (tokens {})  {}",
            layer.name,
            layer.matched,
            chance.mean,
            chance.sd,
            layer.by_position,
            cka(layer.cka),
            cka(layer.cka_matched),
            layer.cka_by_chance.map_or("–".to_owned(), |chance| format!("{:.3} ± {:.3}", chance.mean, chance.sd)),
            pairs.join(" ")
        ));
    }
    let from = if report.is_centered { "measured from the vocabulary's mean" } else { "as they are" };
    let what = if report.is_prompt { "embeddings" } else { side_name(report.side) };
    out::note(format_args!("Cosines of {what}, {from}; other tables with --json"));
}

/// What the map shows, then a slot a line: where it began, where it is.
pub(super) fn map(report: &MapReport) {
    let place = |place: &[f64]| place.iter().take(2).map(|x| format!("{x:+.2}")).collect::<Vec<_>>().join(" ");
    for (position, slot) in report.slots.iter().enumerate() {
        let start = report.start.as_ref().and_then(|start| start.get(position));
        let began = start.map_or(String::new(), |start| format!("{} → ", place(start)));
        out::result(format_args!("slot {:<4} {began}{}", position + 1, place(slot)));
    }
    let sum = |shares: &[f64]| 100.0 * shares.iter().take(2).sum::<f64>();
    let what = if report.is_prompt { "embeddings".to_owned() } else { side_name(report.side).to_owned() };
    out::note(format_args!(
        "{}, {what}: two directions show {:.1} % of the slots and {:.1} % of {} tokens; of as many tokens in the slots' \
         place {:.1} ± {:.1} %",
        report.name,
        sum(&report.explained_of_slots),
        sum(&report.explained_of_tokens),
        report.cloud.len(),
        100.0 * report.explained_by_chance.mean,
        100.0 * report.explained_by_chance.sd
    ));
    out::note(format_args!("{} checkpoints on the way; places of all with --json", report.trajectory.len()));
}

/// A checkpoint and side a line, over all layers; then a layer a line, now.
pub(super) fn drift(report: &DriftReport) {
    for checkpoint in &report.checkpoints {
        for side in [None, Some(Side::Key), Some(Side::Value)] {
            let layers: Vec<&LayerDrift> = checkpoint.layers.iter().filter(|layer| layer.side == side).collect();
            if !layers.is_empty() {
                let step = checkpoint.step.map_or("now".to_owned(), |step| format!("step {step}"));
                out::result(format_args!(
                    "{step:<12} {:<10} {}",
                    side.map_or("embeddings", side_name),
                    distances(&layers)
                ));
            }
        }
    }
    for layer in report.checkpoints.last().map_or(&[][..], |last| &last.layers) {
        let side = layer.side.map_or("", side_name);
        out::result(format_args!("{:<16} {side:<6} {}", layer.name, distances(&[layer])));
    }
    let chance = report.by_chance;
    out::note(format_args!(
        "Mean over slots; vectors that have nothing to do with each other have cosine 0 ± {chance:.3}"
    ));
}

/// Mean distances and cosines of the slots of some layers.
fn distances(layers: &[&LayerDrift]) -> String {
    let slots: Vec<&SlotDrift> = layers.iter().flat_map(|layer| &layer.slots).collect();
    let mean = |of: &dyn Fn(&SlotDrift) -> Option<Apart>| {
        let apart: Vec<Apart> = slots.iter().filter_map(|slot| of(slot)).collect();
        let n = apart.len() as f64;
        let sums = apart.iter().fold((0.0, 0.0), |sum, apart| (sum.0 + apart.distance, sum.1 + apart.cosine));
        (!apart.is_empty()).then_some((sums.0 / n, sums.1 / n))
    };
    let told = |name: &str, found: Option<(f64, f64)>| {
        found.map_or(String::new(), |(distance, cosine)| format!("  {name} {distance:.3} (cos {cosine:+.3})"))
    };
    let norm = slots.iter().map(|slot| slot.norm).sum::<f64>() / slots.len().max(1) as f64;
    format!(
        "norm {norm:.3}{}{}{}",
        told("from the start", mean(&|slot| slot.start)),
        told("from before", mean(&|slot| slot.before)),
        told("to now", mean(&|slot| Some(slot.last)))
    )
}

/// A class a line: its word, before and after.
pub(super) fn label_words(report: &LabelWordsReport) {
    let place = |place: &Option<WordPlace>, slots: usize| match place {
        None => "no".to_owned(),
        Some(place) => {
            let side = place.side.map_or(String::new(), |side| format!(" {}", side_name(side)));
            format!(
                "{:?} is number {} of slot {} in {}{side}, z {:.1}; {slots} slots",
                place.text,
                place.rank,
                place.position + 1,
                place.name,
                place.z
            )
        }
    };
    for class in &report.classes {
        let piece = if class.is_whole { "" } else { " (first piece)" };
        let before = match report.has_start {
            true => format!("before: {} · ", place(&class.before, class.slots_before)),
            false => String::new(),
        };
        out::result(format_args!(
            "{} = {:?}{piece}: {before}after: {} · by chance {:.1} %",
            class.class,
            class.word,
            place(&class.after, class.slots_after),
            100.0 * class.by_chance
        ));
    }
    let found = report.classes.iter().filter(|class| class.after.is_some()).count();
    out::result(format_args!(
        "{found} of {} words are among the first {} tokens of some slot",
        report.classes.len(),
        report.top
    ));
    out::note(format_args!("{} slots over all layers, {} tokens", report.cells, report.vocabulary));
}
