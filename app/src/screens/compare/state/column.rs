//! A column of *Compare*: what stands in it, what it was asked, and what it said.

use std::path::PathBuf;

use engine::adapters::Combination;
use engine::config::Strength;
use engine::generation::Sampling;
use engine::protocol::{GeneratedStream, Mixture, Prompt, Stream};
use serde::{Deserialize, Serialize};

use crate::workspace::RunId;

/// Names a column as long as it is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ColumnId(pub u64);

/// What stands in a column: a run or one of its checkpoints, a mixture of two, words, or nothing, which is the base model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ColumnSetup {
    /// The run; `None` is the base model.
    pub run: Option<RunId>,
    /// Folder of the checkpoint that is used; `None` takes the best.
    pub checkpoint: Option<PathBuf>,
    /// Of a prompt for several tasks, the name of one; `None` takes the first.
    pub task: Option<String>,
    /// Words before the prompt.
    pub words: Option<String>,
    /// Another run that the run is mixed with.
    pub mix: Option<Mix>,
    /// 1 as trained, 0 without its virtual tokens.
    pub strength: f64,
    /// In place of it, of each layer of the model; empty: it is that of all.
    pub layer_strengths: Vec<f64>,
    /// Decoding of its own; `None` is that of all.
    pub sampling: Option<Sampling>,
}

/// Another run's adapter, mixed with that of a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mix {
    /// The other run.
    pub run: RunId,
    /// The share of the other one, 0 to 1; `None` puts the slots of both side by side.
    pub share: Option<f64>,
}

impl Default for ColumnSetup {
    fn default() -> Self {
        Self {
            run: None,
            checkpoint: None,
            task: None,
            words: None,
            mix: None,
            strength: 1.0,
            layer_strengths: Vec::new(),
            sampling: None,
        }
    }
}

impl ColumnSetup {
    /// A run as it was trained.
    pub fn of_run(run: RunId) -> Self {
        Self { run: Some(run), ..Self::default() }
    }

    /// Whether it is the untouched model.
    pub fn is_base(&self) -> bool {
        self.run.is_none() && self.words.is_none()
    }

    /// The runs that have a part in it.
    pub fn runs(&self) -> impl Iterator<Item = &RunId> {
        self.run.iter().chain(self.mix.as_ref().map(|mix| &mix.run))
    }
}

impl Mix {
    /// The way in which the adapters become one.
    pub fn how(&self) -> Combination {
        match self.share {
            Some(share) => Combination::Interpolated { weights: vec![1.0 - share, share] },
            None => Combination::Concatenated,
        }
    }
}

/// One column.
#[derive(Clone, Debug)]
pub struct Column {
    /// The column's name among the others.
    pub id: ColumnId,
    /// What stands in it.
    pub setup: ColumnSetup,
    /// The question that its texts answer; `None` while there is none.
    pub asked: Option<Asked>,
    /// The texts, one of each sample.
    pub samples: Vec<Sample>,
}

/// A text of a column.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// The text so far.
    pub text: String,
    /// The end of the generation.
    pub done: Option<GeneratedStream>,
}

/// All that decides what a column says.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The text to continue.
    pub prompt: Prompt,
    /// Decoding.
    pub sampling: Sampling,
    /// Decoding is the column's own.
    pub is_own: bool,
    /// 1 as trained, 0 without its virtual tokens, of all layers or of each.
    pub strength: Strength,
    /// Folder of its adapter; `None` is the base.
    pub adapter: Option<PathBuf>,
    /// The adapter that it is mixed with.
    pub mixed: Option<Mixture>,
    /// Of a prompt for several tasks, the name of one.
    pub task: Option<String>,
    /// Words before the prompt.
    pub words: String,
    /// Texts, drawn with seeds from that of the decoding on.
    pub samples: usize,
}

impl Asked {
    /// Whether texts that were drawn with other seeds would differ.
    pub fn draws(&self) -> bool {
        !self.sampling.is_greedy() && self.sampling.beams.n_beams == 1
    }

    /// The same, however its tokens are chosen: what scores and serving times depend on.
    pub fn without_decoding(&self) -> Self {
        Self { sampling: Sampling::default(), is_own: false, samples: 1, ..self.clone() }
    }

    /// The stream of one of its samples.
    pub fn stream(&self, sample: usize) -> Stream {
        let drawn = Sampling { seed: self.sampling.seed.wrapping_add(sample as u64), ..self.sampling.clone() };
        let (strength, layer_strengths) = match &self.strength {
            Strength::Whole(strength) => (*strength, Vec::new()),
            Strength::ByLayer(strengths) => (1.0, strengths.clone()),
        };
        Stream {
            adapter: self.adapter.clone(),
            strength,
            layer_strengths,
            task: self.task.clone(),
            words: self.words.clone(),
            mixed: self.mixed.clone(),
            sampling: (self.is_own || sample > 0).then_some(drawn),
            ..Stream::of_base(self.prompt.clone())
        }
    }

    /// The samples that are asked for: one where all would be the same.
    pub fn n_samples(&self) -> usize {
        if self.draws() { self.samples.max(1) } else { 1 }
    }
}

impl Column {
    /// An empty column.
    pub fn new(id: ColumnId, setup: ColumnSetup) -> Self {
        Self { id, setup, asked: None, samples: vec![Sample::default()] }
    }

    /// The strength that its texts were made with.
    pub fn strength(&self) -> Strength {
        self.asked.as_ref().map_or(Strength::Whole(1.0), |asked| asked.strength.clone())
    }

    /// The first text so far.
    pub fn text(&self) -> &str {
        self.samples.first().map_or("", |sample| sample.text.as_str())
    }

    /// The end of the first text.
    pub fn done(&self) -> Option<&GeneratedStream> {
        self.samples.first()?.done.as_ref()
    }

    /// Takes its texts away.
    pub(super) fn empty(&mut self) {
        self.asked = None;
        self.samples = vec![Sample::default()];
    }
}

impl Sample {
    pub(super) fn end(&mut self, stream: &GeneratedStream) {
        self.text.clone_from(&stream.text);
        self.done = Some(stream.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(sampling: Sampling, is_own: bool) -> Asked {
        Asked {
            prompt: Prompt::Text("a".to_owned()),
            sampling,
            is_own,
            strength: Strength::Whole(0.5),
            adapter: Some("/a".into()),
            mixed: None,
            task: None,
            words: "w".to_owned(),
            samples: 3,
        }
    }

    #[test]
    fn samples_have_seeds_of_their_own_and_texts_that_would_be_the_same_are_one() {
        let drawn = Sampling { greedy: false, seed: 7, ..Sampling::default() };
        let question = asked(drawn.clone(), false);
        let seeds: Vec<_> = (0..3).map(|n| question.stream(n).sampling.map(|sampling| sampling.seed)).collect();
        assert_eq!((question.n_samples(), seeds), (3, vec![None, Some(8), Some(9)]));
        assert_eq!(asked(drawn, true).stream(0).sampling.map(|sampling| sampling.seed), Some(7), "its own is sent");
        assert_eq!(asked(Sampling::default(), false).n_samples(), 1);
        let stream = question.stream(0);
        assert_eq!((stream.strength, stream.words.as_str()), (0.5, "w"));
        let by_layer = Asked { strength: Strength::new(0.5, &[0.0, 1.0]), ..question };
        assert_eq!(by_layer.stream(0).strength(), by_layer.strength);
    }

    #[test]
    fn a_mixture_has_the_weights_of_both_or_their_slots() {
        let mix = |share| Mix { run: RunId("b".into()), share };
        assert_eq!(mix(Some(0.25)).how(), Combination::Interpolated { weights: vec![0.75, 0.25] });
        assert_eq!(mix(None).how(), Combination::Concatenated);
        let setup = ColumnSetup { mix: Some(mix(None)), ..ColumnSetup::of_run(RunId("a".into())) };
        let runs: Vec<&str> = setup.runs().map(|run| run.0.as_str()).collect();
        assert_eq!(runs, ["a", "b"]);
        assert!(ColumnSetup::default().is_base() && !setup.is_base());
    }
}
