//! Rules for the next token's logits, as the processors of huggingface/transformers,
//! `src/transformers/generation/logits_process.py`, in the order of `_get_logits_processor` there: penalty, n-grams, bad
//! words, least lengths, suppressed tokens. With beams they act on log-probabilities.

use super::decoder::DecoderOptions;

/// The rules of all streams.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    repetition_penalty: f32,
    no_repeat_ngram_size: usize,
    bad_words: Vec<Vec<u32>>,
    suppressed: Vec<u32>,
    /// Tokens that end a text; empty if none does.
    end_tokens: Vec<u32>,
    min_length: usize,
    min_new_tokens: usize,
}

impl Rules {
    pub(super) fn new(options: &DecoderOptions) -> Self {
        let sampling = &options.sampling;
        let end_tokens = options.ends();
        // As in the reference, a word that is an end token and nothing else stays allowed.
        let is_end = |word: &Vec<u32>| matches!(word.as_slice(), [token] if end_tokens.contains(token));
        let bad_words = sampling.bad_words_ids.iter().chain(&options.bad_words);
        let bad_words = bad_words.filter(|word| !word.is_empty() && !is_end(word)).cloned().collect();
        Self {
            repetition_penalty: sampling.repetition_penalty as f32,
            no_repeat_ngram_size: sampling.no_repeat_ngram_size,
            bad_words,
            suppressed: [&options.suppress_tokens[..], &sampling.suppress_tokens].concat(),
            end_tokens,
            min_length: sampling.min_length,
            min_new_tokens: sampling.min_new_tokens,
        }
    }

    /// Changes the logits that follow `seen`, of which the last `n_new` tokens are new.
    pub(super) fn apply(&self, logits: &mut [f32], seen: &[u32], n_new: usize) {
        penalize(logits, seen, self.repetition_penalty);
        forbid_ngrams(logits, seen, self.no_repeat_ngram_size);
        for word in &self.bad_words {
            if let Some((last, before)) = word.split_last()
                && seen.ends_with(before)
            {
                suppress(logits, &[*last]);
            }
        }
        if seen.len() < self.min_length || n_new < self.min_new_tokens {
            suppress(logits, &self.end_tokens);
        }
        suppress(logits, &self.suppressed);
    }
}

/// Keskar et al. 2019, "CTRL", section 4.1, in the form that also works for negative logits: each token that is
/// already there counts once.
fn penalize(logits: &mut [f32], seen: &[u32], penalty: f32) {
    if penalty == 1.0 {
        return;
    }
    let mut tokens = seen.to_vec();
    tokens.sort_unstable();
    tokens.dedup();
    for token in tokens {
        if let Some(logit) = logits.get_mut(token as usize) {
            *logit = if *logit < 0.0 { *logit * penalty } else { *logit / penalty };
        }
    }
}

/// Forbids every token that already followed the last `n - 1` tokens.
fn forbid_ngrams(logits: &mut [f32], seen: &[u32], n: usize) {
    if n == 0 || seen.len() + 1 < n {
        return;
    }
    let last = &seen[seen.len() + 1 - n..];
    for ngram in seen.windows(n).filter(|ngram| ngram[..n - 1] == *last) {
        suppress(logits, &ngram[n - 1..]);
    }
}

/// Forbids these tokens.
fn suppress(logits: &mut [f32], tokens: &[u32]) {
    for &token in tokens {
        if let Some(logit) = logits.get_mut(token as usize) {
            *logit = f32::NEG_INFINITY;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generation::Sampling;

    const NO: f32 = f32::NEG_INFINITY;

    fn after(sampling: Sampling, seen: &[u32], n_new: usize) -> [f32; 4] {
        let rules = Rules::new(&DecoderOptions { sampling, end_tokens: vec![3, 2], ..DecoderOptions::default() });
        let mut logits = [0.0; 4];
        rules.apply(&mut logits, seen, n_new);
        logits
    }

    #[test]
    fn penalty_divides_positive_and_multiplies_negative_logits_once() {
        let mut logits = [2.0, -2.0, 2.0, -2.0];
        penalize(&mut logits, &[0, 1, 0, 1, 0], 2.0);
        assert_eq!(logits, [1.0, -4.0, 2.0, -2.0]);
    }

    #[test]
    fn a_bigram_never_comes_twice() {
        let mut logits = [0.0; 4];
        forbid_ngrams(&mut logits, &[1, 2, 1, 3, 1], 2);
        assert_eq!(logits, [0.0, 0.0, NO, NO]);
        let mut logits = [0.0; 4];
        forbid_ngrams(&mut logits, &[1, 2], 1);
        assert_eq!(logits, [0.0, NO, NO, 0.0]);
        let mut logits = [0.0; 4];
        forbid_ngrams(&mut logits, &[1], 3);
        assert_eq!(logits, [0.0; 4]);
    }

    #[test]
    fn a_bad_word_is_forbidden_where_it_would_be_completed() {
        let of = |words: &[&[u32]]| Sampling {
            bad_words_ids: words.iter().map(|word| word.to_vec()).collect(),
            ..Sampling::default()
        };
        assert_eq!(after(of(&[&[0], &[1, 2, 1]]), &[9, 1, 2], 1), [NO, NO, 0.0, 0.0]);
        assert_eq!(after(of(&[&[1, 2, 1]]), &[2], 1), [0.0; 4], "longer than the text");
        assert_eq!(after(of(&[&[3]]), &[1], 1), [0.0; 4], "the end of a text is no word");
        let open = Sampling { stop_at_end: false, ..of(&[&[3]]) };
        assert_eq!(after(open, &[1], 1), [0.0, 0.0, 0.0, NO], "where nothing ends a text it is one");
    }

    #[test]
    fn no_text_ends_before_its_least_length() {
        let new = |n| Sampling { min_new_tokens: n, ..Sampling::default() };
        assert_eq!(after(new(3), &[0, 0, 0, 0], 2), [0.0, 0.0, NO, NO]);
        assert_eq!(after(new(3), &[0, 0, 0, 0], 3), [0.0; 4]);
        let whole = Sampling { min_length: 5, ..Sampling::default() };
        assert_eq!(after(whole.clone(), &[0, 0, 0, 0], 1), [0.0, 0.0, NO, NO]);
        assert_eq!(after(whole, &[0, 0, 0, 0, 0], 1), [0.0; 4]);
    }

    #[test]
    fn suppressed_tokens_of_the_model_and_of_the_settings_count_together() {
        let sampling = Sampling { suppress_tokens: vec![1, 400], ..Sampling::default() };
        let options = DecoderOptions { sampling, suppress_tokens: vec![0], ..DecoderOptions::default() };
        let mut logits = [0.0; 3];
        Rules::new(&options).apply(&mut logits, &[], 0);
        assert_eq!(logits, [NO, NO, 0.0]);
    }
}
