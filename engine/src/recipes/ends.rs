//! What a recipe says beside its training: how its paper decodes and scores the test rows, and how its rows are written.

use serde::Serialize;

use crate::config::Truncate;

/// The decoding of a recipe, by the names of transformers' `generate`; what is `None` is left as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "each is the field of that name")]
pub struct RecipeDecoding {
    pub num_beams: usize,
    pub length_penalty: Option<f64>,
    pub do_sample: bool,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub min_length: Option<usize>,
    pub max_length: Option<usize>,
    pub max_new_tokens: Option<usize>,
    pub no_repeat_ngram_size: Option<usize>,
    /// Tokens that are never written.
    pub bad_tokens: &'static [u32],
    /// Tokens that end a text beside the model's own.
    pub end_tokens: &'static [u32],
    /// Where the numbers are from, if not where the recipe is.
    pub source: &'static str,
}

/// How a recipe writes its rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "each is the field of that name")]
pub struct RecipeData {
    pub source_column: &'static str,
    pub target_column: &'static str,
    pub prompt_template: &'static str,
    pub target_template: &'static str,
    pub append_end_token: bool,
    pub max_tokens: usize,
    pub truncate: Truncate,
}

impl RecipeDecoding {
    /// What differs from greedy decoding, by the names of transformers: `num_beams 5, min_length 5`.
    pub fn in_short(&self) -> String {
        let mut said = Vec::new();
        if self.num_beams > 1 {
            said.push(format!("num_beams {}", self.num_beams));
        }
        if self.do_sample {
            said.push("do_sample".to_owned());
        }
        let mut say = |name: &str, value: Option<String>| said.extend(value.map(|value| format!("{name} {value}")));
        say("length_penalty", self.length_penalty.map(|x| x.to_string()));
        say("temperature", self.temperature.map(|x| x.to_string()));
        say("top_p", self.top_p.map(|x| x.to_string()));
        say("min_length", self.min_length.map(|n| n.to_string()));
        say("max_length", self.max_length.map(|n| n.to_string()));
        say("max_new_tokens", self.max_new_tokens.map(|n| n.to_string()));
        say("no_repeat_ngram_size", self.no_repeat_ngram_size.map(|n| n.to_string()));
        let listed = |tokens: &[u32]| (!tokens.is_empty()).then(|| format!("{tokens:?}"));
        say("bad_tokens", listed(self.bad_tokens));
        say("end_tokens", listed(self.end_tokens));
        said.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use crate::recipes::Recipe;

    #[test]
    fn presets_know_how_their_paper_decodes_and_scores() {
        let of = |name: &str| {
            let recipe = Recipe::named(name).unwrap();
            (recipe.decoding.unwrap().in_short(), recipe.metrics)
        };
        let (e2e, figures) = of("lora-gpt2-e2e");
        assert!(e2e.starts_with("num_beams 10, length_penalty 0.8"), "{e2e}");
        assert_eq!(figures, ["bleu_e2e", "nist", "meteor", "rouge_l_e2e", "cider"]);
        assert!(of("prefix-bart-xsum").0.starts_with("num_beams 6, length_penalty 0.8"));
        assert_eq!(of("hf-walkthrough").0, "do_sample, max_length 128");
    }
}
