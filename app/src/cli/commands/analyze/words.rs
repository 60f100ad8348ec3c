//! `analyze --what words`: what an adapter says, and its texts as prompts with what they are worth.

use clap::Args;
use engine::analysis::{Candidate, CandidateSource, InWords, PatchedWhat, Question, Said};

use crate::cli::support::out;

/// Texts shown as prompts, the best first.
const SHOWN: usize = 12;
/// Pairs of layers shown.
const SHOWN_PAIRS: usize = 8;
/// Letters of a text on a line.
const WIDTH: usize = 96;

/// The size of what is put into words.
#[derive(Debug, Args)]
pub(super) struct WordsArgs {
    /// For words: sampled continuations of each opening, beside the greedy one
    #[arg(long, value_name = "N", default_value_t = 3)]
    samples: usize,
    /// For words: forward passes that the search for a text may take
    #[arg(long, value_name = "N", default_value_t = 200)]
    passes: usize,
    /// For words: words of that text, at most
    #[arg(long, value_name = "N", default_value_t = 8)]
    longest: usize,
}

impl WordsArgs {
    pub(super) fn question(self) -> Question {
        Question::Words { samples: self.samples, passes: self.passes, longest: self.longest }
    }
}

pub(super) fn print(report: &InWords) {
    report.said.iter().for_each(said);
    let what = match report.patched_what {
        Some(PatchedWhat::HiddenStates) => "hidden states of the soft tokens (InSPEcT)",
        Some(PatchedWhat::Bias) => "what the prefix adds to the stream (of this program)",
        None => "",
    };
    if !report.patched.is_empty() {
        out::result(format_args!("In another prompt, {what}, the first of {} pairs of layers:", report.patched.len()));
    }
    for patched in report.patched.iter().take(SHOWN_PAIRS) {
        let layer = |place: Option<usize>| place.map_or_else(|| "emb".to_owned(), |layer| (layer + 1).to_string());
        out::result(format_args!(
            "  {:>3} → {:>3}  {}",
            layer(patched.from),
            layer(patched.into),
            short(&patched.text)
        ));
    }
    if let Some(last) = report.search.last() {
        out::result(format_args!(
            "Searched for: {:?}, {} passes; KL from the adapter {:.4} on {} rows",
            last.text, report.passes, last.kl, report.search_rows
        ));
    }
    let share =
        |share: Option<f64>| share.map_or_else(|| "   –".to_owned(), |share| format!("{:4.0} %", 100.0 * share));
    out::result(format_args!(
        "As prompts: loss {:.4} with the adapter, {:.4} without (KL {:.4})",
        report.loss_with, report.loss_without, report.kl_without
    ));
    for Candidate { text, source, loss, share: recovered, kl } in report.candidates.iter().take(SHOWN) {
        let source = match source {
            CandidateSource::Searched => "searched",
            CandidateSource::Said => "said",
            CandidateSource::Sampled => "sampled",
            CandidateSource::Patched => "patched",
            CandidateSource::BaseSaid => "base said",
        };
        out::result(format_args!("  {}  loss {loss:.4}  KL {kl:.4}  {source:<9}  {}", share(*recovered), short(text)));
    }
    let random = &report.random;
    out::note(format_args!(
        "{} random texts of as many tokens: loss {:.4} ± {:.4},{} of the gain",
        random.n,
        random.loss,
        random.loss_sd,
        share(random.share)
    ));
    let seen = if report.held_out { "which the search did not see" } else { "which the search saw" };
    out::note(format_args!("{} rows, {seen}, {} labeled tokens; nats per token", report.rows, report.tokens));
}

/// An opening with what follows, beside the base model's.
fn said(said: &Said) {
    let opening = if said.opening.is_empty() { "(nothing)" } else { &said.opening };
    out::result(format_args!("{opening}"));
    out::result(format_args!("  with     {}", short(&said.with)));
    for sample in &said.samples_with {
        out::result(format_args!("           {}", short(sample)));
    }
    out::result(format_args!("  without  {}", short(&said.without)));
    for sample in &said.samples_without {
        out::result(format_args!("           {}", short(sample)));
    }
}

/// A text on a line.
fn short(text: &str) -> String {
    let text = text.trim();
    let cut: String = text.chars().take(WIDTH).collect();
    format!("{:?}{}", cut, if cut.len() < text.len() { " …" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stands_on_one_line_and_is_cut_between_letters() {
        assert_eq!(short(" a\nb "), "\"a\\nb\"");
        let long = "山".repeat(WIDTH + 1);
        assert!(short(&long).ends_with("山\" …") && short(&long).chars().count() == WIDTH + 4);
    }
}
