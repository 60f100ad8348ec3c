//! What is told of an adapter in words.

use serde::{Deserialize, Serialize};

/// An adapter in words.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InWords {
    /// Continuations of nothing and of short openings, beside the base model's.
    pub said: Vec<Said>,
    /// Its hidden states in another prompt.
    pub patched: Vec<Patched>,
    /// What was put there; `None` for an adapter that has neither soft tokens nor slots before a text.
    pub patched_what: Option<PatchedWhat>,
    /// The text prompt that imitates it, word after word.
    pub search: Vec<SearchStep>,
    /// Forward passes that the search took.
    pub passes: usize,
    /// Rows that the search looked at.
    pub search_rows: usize,
    /// The texts as prompts, the best first.
    pub candidates: Vec<Candidate>,
    /// Random texts in their place: what a prompt gains that says nothing.
    pub random: RandomTexts,
    /// Loss with the adapter, in nats per token.
    pub loss_with: f64,
    /// Loss of the untouched model.
    pub loss_without: f64,
    /// Mean KL(with the adapter ‖ without anything), in nats: what a text begins from.
    pub kl_without: f64,
    /// Rows that texts are scored on.
    pub rows: usize,
    /// Whether the search saw none of them.
    pub held_out: bool,
    /// Their labeled tokens.
    pub tokens: usize,
}

/// What follows an opening.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// Empty where nothing is asked.
    pub opening: String,
    /// Greedy, with the adapter.
    pub with: String,
    /// Greedy, without it.
    pub without: String,
    /// Sampled with it.
    pub samples_with: Vec<String>,
    /// Sampled without it, from the same seeds.
    pub samples_without: Vec<String>,
}

/// What is put into another prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatchedWhat {
    /// The hidden states of soft tokens, in the place of as many tokens (InSPEcT).
    HiddenStates,
    /// The mean of what a prefix adds to the residual stream, at the length of what stood there. A prefix has no hidden
    /// states; this stands in for them and is of this program.
    Bias,
}

/// A continuation of a prompt in which something else stands at some places.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Patched {
    /// The layer that it is taken from, counted from 0; `None` is the embeddings.
    pub from: Option<usize>,
    /// The layer behind which it is put; `None` is the embeddings.
    pub into: Option<usize>,
    /// The continuation, greedy.
    pub text: String,
}

/// The best text prompt of so many words.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SearchStep {
    /// The text.
    pub text: String,
    /// Mean KL(with the adapter ‖ with the text) at the labels of the search's rows, in nats.
    pub kl: f64,
}

/// The way a text was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CandidateSource {
    /// By the search.
    Searched,
    /// Said with the adapter, greedy.
    Said,
    /// Said with the adapter, sampled.
    Sampled,
    /// Said by its hidden states in another prompt.
    Patched,
    /// Said without the adapter.
    BaseSaid,
}

/// A text in the adapter's place, before every row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The text; a line break separates it from the row.
    pub text: String,
    /// How it was found.
    pub source: CandidateSource,
    /// Loss with it, in nats per token.
    pub loss: f64,
    /// Share of the adapter's gain that it recovers: 0 as the untouched model, 1 as the adapter. `None` where the adapter
    /// gains nothing.
    pub share: Option<f64>,
    /// Mean KL(with the adapter ‖ with the text), in nats.
    pub kl: f64,
}

/// Texts of random tokens, as long as the one that was searched for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RandomTexts {
    /// Their number.
    pub n: usize,
    /// Mean of their losses.
    pub loss: f64,
    /// Standard deviation of their losses.
    pub loss_sd: f64,
    /// Mean share of the adapter's gain.
    pub share: Option<f64>,
}

impl InWords {
    /// Share of the adapter's gain that a loss recovers; `None` where the adapter gains nothing.
    pub(super) fn share_of(&self, loss: f64) -> Option<f64> {
        let gain = self.loss_without - self.loss_with;
        (gain > 0.0).then(|| (self.loss_without - loss) / gain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_0_for_the_untouched_model_and_1_for_the_adapter() {
        let report = InWords { loss_with: 1.0, loss_without: 3.0, ..InWords::default() };
        assert_eq!(
            (report.share_of(3.0), report.share_of(1.0), report.share_of(2.5)),
            (Some(0.0), Some(1.0), Some(0.25))
        );
        assert_eq!(report.share_of(4.0), Some(-0.5), "a text can do harm");
        let worse = InWords { loss_with: 3.0, loss_without: 3.0, ..InWords::default() };
        assert_eq!(worse.share_of(2.0), None, "nothing was gained that could be recovered");
    }
}
