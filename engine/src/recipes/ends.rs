//! What a recipe says beside its training: how its paper decodes and scores the test rows, and how its rows are written.

use serde::Serialize;
use serde_json::{Value, json};

use crate::config::{Beams, Truncate};

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
    /// Texts that are never written; papers name the tokens that their model has for them.
    pub bad_words: &'static [&'static str],
    /// Texts that end a text, as the model's own end does.
    pub stop_strings: &'static [&'static str],
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
        let listed = |texts: &[&str]| (!texts.is_empty()).then(|| format!("{texts:?}"));
        say("bad_words", listed(self.bad_words));
        say("stop_strings", listed(self.stop_strings));
        said.join(", ")
    }

    /// The settings that it decides, as run files write them below `generation`.
    pub(super) fn settings(&self) -> Value {
        let mut settings = json!({ "greedy": !self.do_sample });
        let mut say = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                settings[name] = value;
            }
        };
        say("temperature", self.temperature.map(Value::from));
        say("top_p", self.top_p.map(Value::from));
        say("min_length", self.min_length.map(Value::from));
        say("max_length", self.max_length.map(Value::from));
        say("max_new_tokens", self.max_new_tokens.map(Value::from));
        say("no_repeat_ngram_size", self.no_repeat_ngram_size.map(Value::from));
        let listed = |texts: &[&str]| (!texts.is_empty()).then(|| json!(texts));
        say("bad_words", listed(self.bad_words));
        say("stop_strings", listed(self.stop_strings));
        let penalty = self.length_penalty.unwrap_or(Beams::default().length_penalty);
        say("beams", Some(json!({ "n_beams": self.num_beams.max(1), "length_penalty": penalty })));
        settings
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Sampling;
    use crate::recipes::{RECIPES, Recipe};

    #[test]
    fn what_a_paper_decodes_with_are_settings_of_a_run() {
        for recipe in RECIPES.iter().filter(|recipe| recipe.decoding.is_some()) {
            let sampling: Sampling = serde_json::from_value(recipe.settings()["generation"].clone()).unwrap();
            sampling.check().unwrap();
            let decoding = recipe.decoding.unwrap();
            assert_eq!((sampling.beams.n_beams, sampling.greedy), (decoding.num_beams, !decoding.do_sample));
            assert_eq!(recipe.sampling(&Sampling::default()), sampling, "{}", recipe.name);
        }
        let e2e = Recipe::named("prefix-gpt2-e2e").unwrap().sampling(&Sampling { seed: 7, ..Sampling::default() });
        assert_eq!((e2e.bad_words, e2e.seed), (vec!["\n".to_owned(), "\n\n".to_owned()], 7));
    }

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
