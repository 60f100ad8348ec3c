//! Settings for the choice of tokens and the length of a text, named as in transformers' `GenerationConfig`.

use serde::{Deserialize, Deserializer, Serialize};

use super::rules::{MAX_TOKENS, refuse};
use crate::error::Result;
use crate::sentence;

/// Settings for the choice of tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sampling {
    /// Always the most probable token; temperature, `top_k` and `top_p` are then unused.
    pub greedy: bool,
    /// Logits are divided by it.
    pub temperature: f64,
    /// Only the k most probable tokens; 0 is all.
    pub top_k: usize,
    /// Only the most probable tokens that together reach this probability; 1 is all.
    pub top_p: f64,
    /// Divides the logits of tokens that are already there, as in CTRL; 1 changes nothing.
    pub repetition_penalty: f64,
    /// No n tokens in a row twice, the prompt's included; 0 allows everything.
    pub no_repeat_ngram_size: usize,
    /// Most new tokens.
    pub max_new_tokens: usize,
    /// Most tokens in all, with the prompt's (for a model that reads a source, with the one that begins the target), in
    /// place of `max_new_tokens`; 0 leaves it to that.
    pub max_length: usize,
    /// No end before so many new tokens.
    pub min_new_tokens: usize,
    /// No end before so many tokens in all, counted as for `max_length`.
    pub min_length: usize,
    /// Same seed, same text.
    pub seed: u64,
    /// End at the model's end token.
    pub stop_at_end: bool,
    /// Texts that end a text: the token that completes one is its last.
    pub stop_strings: Vec<String>,
    /// Tokens that are never chosen, beside those that the model's makers name.
    pub suppress_tokens: Vec<u32>,
    /// Tokens in a row of which the last is never chosen after the others.
    pub bad_words_ids: Vec<Vec<u32>>,
    /// The same as words, which the tokenizer cuts: as they stand, and behind a space.
    pub bad_words: Vec<String>,
    /// The first token of a target that is written from a source, whatever the logits say; without it the one that the
    /// model's makers name.
    pub forced_bos_token_id: Option<u32>,
    /// The last token of a text that is cut off.
    pub forced_eos_token_id: Option<u32>,
    /// Search with several beams instead.
    pub beams: Beams,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            greedy: true,
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            repetition_penalty: 1.0,
            no_repeat_ngram_size: 0,
            max_new_tokens: 60,
            max_length: 0,
            min_new_tokens: 0,
            min_length: 0,
            seed: 42,
            stop_at_end: true,
            stop_strings: Vec::new(),
            suppress_tokens: Vec::new(),
            bad_words_ids: Vec::new(),
            bad_words: Vec::new(),
            forced_bos_token_id: None,
            forced_eos_token_id: None,
            beams: Beams::default(),
        }
    }
}

/// Texts and words that are looked for after each token.
const MOST_TEXTS: usize = 1000;
/// Bytes of one of them.
const MOST_BYTES: usize = 1000;

impl Sampling {
    /// Whether nothing is drawn.
    pub fn is_greedy(&self) -> bool {
        self.greedy || self.temperature == 0.0
    }

    /// Most new tokens behind so many.
    pub fn room_behind(&self, tokens: usize) -> usize {
        if self.max_length > 0 { self.max_length.saturating_sub(tokens) } else { self.max_new_tokens }
    }

    /// Refuses settings outside of what makes sense, by name.
    ///
    /// # Errors
    /// [`EngineError::Setting`](crate::error::EngineError::Setting) for the first one that is wrong.
    pub fn check(&self) -> Result<()> {
        let beams = &self.beams;
        let texts = || self.stop_strings.iter().chain(&self.bad_words);
        let within = |tokens: usize| tokens <= MAX_TOKENS;
        let at_most = sentence!("must be at most 1048576");
        refuse(&[
            (self.temperature.is_finite() && self.temperature >= 0.0, "temperature", sentence!("must be 0 or more")),
            ((0.0..=1.0).contains(&self.top_p), "top_p", sentence!("must be between 0 and 1")),
            (
                self.repetition_penalty.is_finite() && self.repetition_penalty > 0.0,
                "repetition_penalty",
                sentence!("must be a positive number"),
            ),
            (within(self.max_new_tokens), "max_new_tokens", at_most.clone()),
            (within(self.max_length), "max_length", at_most.clone()),
            (within(self.min_new_tokens), "min_new_tokens", at_most.clone()),
            (within(self.min_length), "min_length", at_most.clone()),
            (within(self.no_repeat_ngram_size), "no_repeat_ngram_size", at_most),
            (texts().all(|text| !text.is_empty()), "stop_strings", sentence!("an empty text is in every text")),
            (self.bad_words_ids.iter().all(|ids| !ids.is_empty()), "bad_words_ids", sentence!("a word has a token")),
            (
                texts().count() <= MOST_TEXTS && texts().all(|text| text.len() <= MOST_BYTES),
                "stop_strings",
                sentence!("at most 1000 texts of at most 1000 bytes"),
            ),
            ((1..=Beams::MOST).contains(&beams.n_beams), "n_beams", sentence!("must be between 1 and 256")),
            (
                (1..=beams.n_beams).contains(&beams.n_returned),
                "n_returned",
                sentence!("must be at least 1 and at most the number of beams"),
            ),
            (beams.length_penalty.is_finite(), "length_penalty", sentence!("must be a finite number")),
            (
                beams.n_beams == 1 || self.is_greedy(),
                "n_beams",
                sentence!("must be 1 with sampling: beams are searched, not drawn"),
            ),
        ])
    }
}

/// Settings of the search for the most probable text, as in transformers' `generate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Beams {
    /// Texts that are kept at each step (transformers: `num_beams`); 1 searches nothing.
    pub n_beams: usize,
    /// A finished text is worth its log-probability divided by its length to this power: more than 0 prefers long texts,
    /// less short ones.
    pub length_penalty: f64,
    /// When enough texts are finished; transformers' truth values are read too.
    #[serde(deserialize_with = "flag_or_word")]
    pub early_stopping: EarlyStopping,
    /// Number of best texts that are returned (transformers: `num_return_sequences`).
    pub n_returned: usize,
}

impl Beams {
    /// Every beam is a row of the cache.
    pub const MOST: usize = 256;
}

impl Default for Beams {
    fn default() -> Self {
        Self { n_beams: 1, length_penalty: 1.0, early_stopping: EarlyStopping::False, n_returned: 1 }
    }
}

/// When beam search ends after as many texts are finished as there are beams; the names are transformers' values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EarlyStopping {
    /// When the best beam, if it ended now, would not be among them.
    #[default]
    False,
    /// At once.
    True,
    /// When the best beam could not get among them at any length; with a length penalty of 0 or less as `False`.
    Never,
}

fn flag_or_word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EarlyStopping, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        Flag(bool),
        Word(EarlyStopping),
    }
    Ok(match Given::deserialize(deserializer)? {
        Given::Flag(true) => EarlyStopping::True,
        Given::Flag(false) => EarlyStopping::False,
        Given::Word(word) => word,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_from_before_there_were_more_still_read() {
        let old = r#"{"greedy": false, "top_k": 5, "max_new_tokens": 7, "beams": {"n_beams": 1}}"#;
        let read: Sampling = serde_json::from_str(old).unwrap();
        assert_eq!(read, Sampling { greedy: false, top_k: 5, max_new_tokens: 7, ..Sampling::default() });
    }

    #[test]
    fn the_whole_length_is_counted_in_place_of_the_new_tokens() {
        let sampling = Sampling { max_new_tokens: 7, ..Sampling::default() };
        assert_eq!(sampling.room_behind(100), 7);
        let whole = Sampling { max_length: 10, ..sampling };
        assert_eq!((whole.room_behind(4), whole.room_behind(10), whole.room_behind(11)), (6, 0, 0));
    }

    #[test]
    fn early_stopping_is_a_word_or_a_truth_value() {
        let read = |value: &str| {
            let beams: Beams = serde_json::from_str(&format!("{{\"early_stopping\": {value}}}")).unwrap();
            beams.early_stopping
        };
        assert_eq!(
            ["true", "\"true\"", "false"].map(read),
            [EarlyStopping::True, EarlyStopping::True, EarlyStopping::False]
        );
        assert_eq!(read("\"never\""), EarlyStopping::Never);
    }

    #[test]
    fn an_empty_text_or_word_is_refused_by_name() {
        let refused = |sampling: Sampling| sampling.check().unwrap_err().to_string();
        let empty = || vec![String::new()];
        assert!(refused(Sampling { stop_strings: empty(), ..Sampling::default() }).contains("stop_strings"));
        assert!(refused(Sampling { bad_words: empty(), ..Sampling::default() }).contains("stop_strings"));
        let none = vec![Vec::new()];
        assert!(refused(Sampling { bad_words_ids: none, ..Sampling::default() }).contains("bad_words_ids"));
        let long = vec!["a".repeat(MOST_BYTES + 1)];
        assert!(refused(Sampling { stop_strings: long, ..Sampling::default() }).contains("stop_strings"));
    }
}
