//! Streams of `generate`: each prompt behind what each column has, once or for several samples.

use clap::Args;
use engine::generation::Sampling;
use engine::protocol::{Prompt, Stream};

use crate::cli::support::target::Target;

/// What stands before each prompt, and how often it is asked.
#[derive(Debug, Args)]
pub(super) struct AskedArgs {
    /// 1 is the adapter as trained, 0 is the base model; with commas of each layer, as in 1,1,0.5,0
    #[arg(long, value_name = "X", default_value = "1", value_delimiter = ',')]
    pub(super) strength: Vec<f64>,
    /// Of a prompt for several tasks, the name of one
    #[arg(long, value_name = "NAME")]
    pub(super) task: Option<String>,
    /// Words before each prompt: what a text prompt does in place of an adapter, or beside it
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(super) words: String,
    /// So many texts of each prompt, drawn with seeds from --seed on
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) samples: usize,
    /// Score this text behind each prompt in place of writing one: probability of each token, loss and perplexity
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["samples", "beams"])]
    pub(super) target: Option<String>,
}

/// A stream for each prompt, column and sample, with the name of its column and its prompt.
pub(super) fn streams(
    asked: &AskedArgs,
    prompts: &[Prompt],
    (target, sampling): (&Target, &Sampling),
) -> (Vec<(String, String)>, Vec<Stream>) {
    let (mut titles, mut streams) = (Vec::new(), Vec::new());
    let (strength, layer_strengths) = match asked.strength.as_slice() {
        [whole] => (*whole, Vec::new()),
        layers => (1.0, layers.to_vec()),
    };
    for prompt in prompts {
        for column in &target.columns {
            for sample in 0..asked.samples.max(1) {
                let name = match asked.samples {
                    0 | 1 => column.name.clone(),
                    _ => format!("{} {}", column.name, sample + 1),
                };
                titles.push((name, prompt.typed().to_owned()));
                let own = Sampling { seed: sampling.seed.wrapping_add(sample as u64), ..sampling.clone() };
                streams.push(Stream {
                    adapter: column.adapter.clone(),
                    strength,
                    layer_strengths: layer_strengths.clone(),
                    task: asked.task.clone(),
                    words: asked.words.clone(),
                    sampling: (sample > 0).then_some(own),
                    ..Stream::of_base(prompt.clone())
                });
            }
        }
    }
    (titles, streams)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::support::target::Column;

    #[test]
    fn samples_of_a_prompt_have_seeds_of_their_own_and_the_first_is_the_shared_one() {
        let column = |name: &str| Column { name: name.to_owned(), adapter: None, initial: None, run: None };
        let target = Target { model: "/m".into(), columns: vec![column("base"), column("run")], config: None };
        let asked =
            AskedArgs { strength: vec![1.0, 0.5], task: None, words: "Say it. ".to_owned(), samples: 2, target: None };
        let prompts = [Prompt::Text("a".to_owned())];
        let sampling = Sampling { seed: 7, greedy: false, ..Sampling::default() };
        let (titles, streams) = streams(&asked, &prompts, (&target, &sampling));
        let names: Vec<&str> = titles.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["base 1", "base 2", "run 1", "run 2"]);
        let seeds: Vec<Option<u64>> = streams.iter().map(|s| s.sampling.as_ref().map(|own| own.seed)).collect();
        assert_eq!(seeds, [None, Some(8), None, Some(8)]);
        assert!(streams.iter().all(|stream| stream.words == "Say it. " && stream.layer_strengths == [1.0, 0.5]));
    }
}
