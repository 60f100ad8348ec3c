//! The list's entries for how texts are written, under transformers' names.

use std::ops::Bound::{Excluded, Included, Unbounded};

use super::Setting;
use super::describe::{choice, count, entries, flag, number, same, table};

const TOKENS: u64 = 1 << 20;

pub(super) const GENERATION: &[Setting] = &[
    table("generation", "How texts are written where they are scored"),
    flag("generation.greedy", "Always the most probable token; false draws one"),
    number("generation.temperature", (Included(0.0), Unbounded), "Logits are divided by it before one is drawn"),
    count("generation.top_k", 0, u64::MAX, "Draw from the k most probable tokens; 0 is all"),
    number(
        "generation.top_p",
        (Included(0.0), Included(1.0)),
        "Draw from the most probable tokens that together reach this probability; 1 is all",
    ),
    number(
        "generation.repetition_penalty",
        (Excluded(0.0), Unbounded),
        "Divides the logits of tokens that are already there; 1 changes nothing",
    ),
    count(
        "generation.no_repeat_ngram_size",
        0,
        TOKENS,
        "No n tokens in a row twice, the prompt's included; 0 allows everything",
    ),
    count("generation.max_new_tokens", 0, TOKENS, "Most new tokens").also(&[same("generation_max_length")]),
    count(
        "generation.max_length",
        0,
        TOKENS,
        "Most tokens in all, with the prompt's, in place of max_new_tokens; 0 leaves it to that",
    ),
    count("generation.min_new_tokens", 0, TOKENS, "No end before so many new tokens"),
    count("generation.min_length", 0, TOKENS, "No end before so many tokens in all, with the prompt's"),
    count("generation.seed", 0, u64::MAX, "Where tokens are drawn: same seed, same text"),
    flag("generation.stop_at_end", "End at the model's end token"),
    entries(
        "generation.stop_strings",
        "texts",
        "Texts that end a text, as [\"\\n\"]; what is scored ends before the first of them",
    ),
    entries("generation.suppress_tokens", "tokens", "Tokens that are never chosen, beside those that the model names"),
    entries(
        "generation.bad_words_ids",
        "lists of tokens",
        "Tokens in a row of which the last is never chosen after the others, as [[5, 6], [7]]",
    ),
    entries("generation.bad_words", "texts", "Words that are never written, as they stand and behind a space"),
    count(
        "generation.forced_bos_token_id",
        0,
        u32::MAX as u64,
        "The first token of a target that is written from a source; none is the model's own",
    )
    .or_none(),
    count(
        "generation.forced_eos_token_id",
        0,
        u32::MAX as u64,
        "The last token of a text that is cut off; none is the model's own",
    )
    .or_none(),
    table("generation.beams", "Search for the most probable text"),
    count("generation.beams.n_beams", 1, 256, "Texts that are kept at each step; 1 searches nothing").also(&[
        same("num_beams"),
        same("generation_num_beams"),
        same("n_beams"),
    ]),
    number(
        "generation.beams.length_penalty",
        (Unbounded, Unbounded),
        "A text is worth its log-probability divided by its length to this power: above 0 prefers long texts",
    )
    .also(&[same("length_penalty")]),
    choice(
        "generation.beams.early_stopping",
        &["false", "true", "never"],
        "When as many texts ended as there are beams, go on while the best beam, if it ended now, would be among them \
         (false), end (true), or go on while it could get among them at any length (never)",
    )
    .also(&[same("early_stopping")]),
    count("generation.beams.n_returned", 1, 256, "Number of best texts that are returned; the first is scored")
        .also(&[same("num_return_sequences")]),
];
