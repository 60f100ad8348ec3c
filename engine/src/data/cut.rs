//! Cutting a row that is longer than the limit: which tokens of its prompt stay, and how many of its target.
//!
//! Pairs are cut as transformers does: `longest_first`, `only_first` and `only_second` of `truncate_encodings` in
//! huggingface/tokenizers: tokenizers/src/utils/truncation.rs.

use super::encode::{Skip, skip};
use super::soft;
use super::tokenizer::{Encoded, Tokenizer};
use crate::config::Truncate;
use crate::sentence;

/// Part of a prompt that a token is of, by what a cut may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The row's own text.
    Source,
    /// The words of the template.
    Frame,
    /// A special token: of the chat template, of the tokenizer, a mask.
    Special,
    /// A soft token, which the limit does not count.
    Soft,
}

/// Tokens that stay of a prompt and its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// Whether each token of the prompt stays.
    pub(super) prompt: Vec<bool>,
    /// Tokens that stay of the target, which loses its end.
    pub(super) target: usize,
}

impl Kept {
    /// Tokens of the vocabulary that are left of the prompt.
    pub(super) fn n_hard(&self, parts: &[Part]) -> usize {
        parts.iter().zip(&self.prompt).filter(|(part, stays)| **part != Part::Soft && **stays).count()
    }
}

/// Whether a prompt that was cut keeps nothing of the row's own text.
pub(super) fn is_bare(parts: &[Part], stays: &[bool]) -> bool {
    let is_own = |(part, stays): (&Part, &bool)| *part == Part::Source && *stays;
    stays.contains(&false) && !parts.iter().zip(stays).any(is_own)
}

/// Cuts a prompt and its target to
/// the limit, so that at least one token of the target is left, and the last of the prompt, which predicts it. A source by
/// itself is a prompt whose target is 0.
///
/// # Errors
/// A sentence where the row is to be left out.
pub(super) fn within(rule: Truncate, parts: &[Part], target: usize, limit: usize) -> Result<Kept, Skip> {
    let n_hard = parts.iter().filter(|part| **part != Part::Soft).count();
    let length = n_hard + target;
    let Some(excess) = length.checked_sub(limit).filter(|excess| *excess > 0) else {
        return Ok(Kept { prompt: vec![true; parts.len()], target });
    };
    let n_cut = match rule {
        Truncate::Skip => return Err(too_long(length, limit)),
        Truncate::PromptStart => excess.min(n_hard.saturating_sub(1)),
        Truncate::End => 0,
        Truncate::PromptEnd => excess.min(takeable(parts).len()),
        Truncate::LongestFirst => n_from_prompt(parts, target, limit).min(takeable(parts).len()),
    };
    let left = (limit + n_cut).saturating_sub(n_hard).min(target);
    if left == 0 && target > 0 {
        let reason =
            sentence!("its prompt alone fills the {limit} tokens of a row, so that nothing would be learned", limit);
        return Err(skip(reason));
    }
    let mut prompt = vec![true; parts.len()];
    match rule {
        Truncate::PromptStart => {
            let hard = (0..parts.len()).filter(|&at| parts[at] != Part::Soft);
            hard.take(n_cut).for_each(|at| prompt[at] = false);
        }
        _ => takeable(parts).into_iter().take(n_cut).for_each(|at| prompt[at] = false),
    }
    Ok(Kept { prompt, target: left })
}

/// The tokens of a prompt that a cut may take, in its order: the row's own text from its end, then the template's words from
/// theirs. The last token of the vocabulary is not among them.
fn takeable(parts: &[Part]) -> Vec<usize> {
    let last = parts.iter().rposition(|part| *part != Part::Soft);
    let of = |wanted: Part| (0..parts.len()).rev().filter(move |&at| parts[at] == wanted && Some(at) != last);
    of(Part::Source).chain(of(Part::Frame)).collect()
}

/// Tokens that the longest of the row's own text and its target, by turns, leave to the limit. What the template writes
/// stays, unless it leaves no room for two tokens.
fn n_from_prompt(parts: &[Part], target: usize, limit: usize) -> usize {
    let source = parts.iter().filter(|part| **part == Part::Source).count();
    let around = parts.iter().filter(|part| matches!(part, Part::Frame | Part::Special)).count();
    match limit.checked_sub(around).filter(|room| *room >= 2) {
        Some(room) => source - longest_first([source, target], room)[0].min(source),
        None => {
            let [prompt, _] = longest_first([source + around, target], limit);
            source + around - prompt
        }
    }
}

/// Tokens that stay of two texts which have `room` together: the longer one is cut, and where both are, to the same
/// length; one more stays of that which was longer, of equal ones of the second.
pub(super) fn longest_first([first, second]: [usize; 2], room: usize) -> [usize; 2] {
    if first + second <= room {
        return [first, second];
    }
    let (short, is_swapped) = if first > second { (second, true) } else { (first, false) };
    let [short, long] = match room.checked_sub(short) {
        Some(rest) if rest >= short => [short, rest],
        _ => [room / 2, room / 2 + room % 2],
    };
    if is_swapped { [long, short] } else { [short, long] }
}

impl Encoded {
    /// Whether each token of one text, or of a pair, stays within the limit, which counts special tokens and no soft ones.
    pub(super) fn stays(&self, rule: Truncate, limit: usize) -> Result<Vec<bool>, Skip> {
        let places = self.places();
        let counts = [places[0].len(), places[1].len()];
        let (length, n_soft) = (self.ids.len(), soft::count(&self.ids));
        if length - n_soft > limit && rule == Truncate::Skip {
            return Err(too_long(length - n_soft, limit));
        }
        let limit = limit.saturating_add(n_soft);
        let room = limit.saturating_sub(length - counts[0] - counts[1]);
        let [first, second] = counts;
        let left = match rule {
            Truncate::Skip => counts,
            Truncate::PromptStart => return Ok(self.longer_first(limit)),
            // What one text does not give, the other one does.
            Truncate::PromptEnd => [first.min(room.saturating_sub(second)), second.min(room)],
            Truncate::End => [first.min(room), second.min(room.saturating_sub(first))],
            Truncate::LongestFirst => longest_first(counts, room),
        };
        let mut stays = vec![true; length];
        for (places, left) in places.iter().zip(left) {
            places.iter().skip(left).for_each(|&at| stays[at] = false);
        }
        Ok(stays)
    }
}

/// Whether each token of a source stays that loses its end: special tokens and soft ones do.
pub(super) fn at_the_end(framed: &Encoded, limit: usize) -> Vec<bool> {
    let mut stays = framed.longer_first(limit.saturating_add(soft::count(&framed.ids)));
    let mut room = limit;
    for (stays, id) in stays.iter_mut().zip(&framed.ids) {
        if *stays && soft::is_hard(id) {
            *stays = room > 0;
            room = room.saturating_sub(1);
        }
    }
    stays
}

/// What each token of a framed text is of, given the bytes of the text that are the row's own.
pub(super) fn parts_of_framed(framed: &Encoded, own: &[std::ops::Range<usize>], tokenizer: &Tokenizer) -> Vec<Part> {
    let special = |at: usize| framed.words[at].is_none() || Some(framed.ids[at]) == tokenizer.mask();
    let places = framed.ids.iter().zip(&framed.offsets).enumerate();
    settled(places.map(|(at, (&id, offset))| part(id, Some(*offset), special(at), own)).collect())
}

/// The same of tokens that are no words of a text, where `offsets` has nothing for those that were put before it.
pub(super) fn parts_of(
    ids: &[u32],
    offsets: &[Option<(usize, usize)>],
    own: &[std::ops::Range<usize>],
    tokenizer: &Tokenizer,
) -> Vec<Part> {
    let places = ids.iter().zip(offsets);
    let of = |(&id, offset): (&u32, &Option<(usize, usize)>)| {
        part(id, *offset, offset.is_none() || tokenizer.is_special(id), own)
    };
    settled(places.map(of).collect())
}

fn part(id: u32, offset: Option<(usize, usize)>, is_special: bool, own: &[std::ops::Range<usize>]) -> Part {
    let is_own = |(begin, end): (usize, usize)| own.iter().any(|own| begin < own.end && end > own.start);
    match offset {
        _ if !soft::is_hard(&id) => Part::Soft,
        _ if is_special => Part::Special,
        Some(offset) if is_own(offset) => Part::Source,
        _ => Part::Frame,
    }
}

/// Where no token is of the row's own text, a template has changed it: all words may be it.
fn settled(mut parts: Vec<Part>) -> Vec<Part> {
    if !parts.contains(&Part::Source) {
        parts.iter_mut().filter(|part| **part == Part::Frame).for_each(|part| *part = Part::Source);
    }
    parts
}

/// The bytes of a prompt that are one of the row's own texts, the longest one looked for first.
pub(super) fn own_bytes(prompt: &str, mut texts: Vec<String>) -> Vec<std::ops::Range<usize>> {
    texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
    let mut own: Vec<std::ops::Range<usize>> = Vec::new();
    for text in &texts {
        let text = text.trim();
        let found = if text.is_empty() { None } else { prompt.find(text) };
        if let Some(begin) = found {
            own.push(begin..begin + text.len());
        }
    }
    own
}

/// The tokens that a cut took, each with the number of tokens that stay before it.
pub(super) fn lost(ids: &[u32], stays: &[bool], before: usize) -> Vec<(usize, u32)> {
    let mut at = before;
    let mut lost = Vec::new();
    for (&id, &stays) in ids.iter().zip(stays) {
        match stays {
            true => at += 1,
            false => lost.push((at, id)),
        }
    }
    lost
}

/// Takes away what does not stay.
pub(super) fn keep<T>(values: &mut Vec<T>, stays: &[bool]) {
    let mut stays = stays.iter();
    values.retain(|_| stays.next().copied().unwrap_or(true));
}

pub(super) fn too_long(n_tokens: usize, limit: usize) -> Skip {
    skip(sentence!("it has {n_tokens} tokens, more than the {limit} of a row", n_tokens, limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `s` of the source, `f` of the template, `#` special, `~` soft.
    fn parts(written: &str) -> Vec<Part> {
        let part = |letter| match letter {
            's' => Part::Source,
            'f' => Part::Frame,
            '#' => Part::Special,
            _ => Part::Soft,
        };
        written.chars().map(part).collect()
    }

    /// What stays of a prompt, and the tokens of the target; nothing for a row that is left out.
    fn cut(rule: Truncate, prompt: &str, target: usize, limit: usize) -> Option<(String, usize)> {
        let kept = within(rule, &parts(prompt), target, limit).ok()?;
        let left = prompt.chars().zip(&kept.prompt).filter(|(_, stays)| **stays).map(|(letter, _)| letter).collect();
        Some((left, kept.target))
    }

    fn stays(prompt: &str, target: usize) -> Option<(String, usize)> {
        Some((prompt.to_owned(), target))
    }

    #[test]
    fn a_row_within_the_limit_is_whole_by_every_rule() {
        for rule in RULES {
            assert_eq!(cut(rule, "~ffssf", 3, 8), stays("~ffssf", 3));
        }
    }

    #[test]
    fn the_beginning_of_the_prompt_goes_then_the_end_of_the_target() {
        let cut = |limit| cut(Truncate::PromptStart, "~#ffssf", 4, limit);
        assert_eq!(cut(8), stays("~fssf", 4));
        assert_eq!(cut(5), stays("~f", 4));
        assert_eq!(cut(2), stays("~f", 1));
    }

    #[test]
    fn the_end_of_the_text_in_the_prompt_goes_before_the_words_of_the_template() {
        let cut = |limit| cut(Truncate::PromptEnd, "~#ffsssf", 4, limit);
        assert_eq!(cut(9), stays("~#ffsf", 4));
        assert_eq!(cut(7), stays("~#ff", 4));
        assert_eq!(cut(6), stays("~#f", 4));
        assert_eq!(cut(4), stays("~#f", 2));
        assert_eq!(cut(2), None, "the special token and the last one fill it");
    }

    #[test]
    fn the_end_of_the_row_is_the_end_of_its_target() {
        let cut = |limit| cut(Truncate::End, "#ffss", 4, limit);
        assert_eq!(cut(8), stays("#ffss", 3));
        assert_eq!(cut(6), stays("#ffss", 1));
        assert_eq!(cut(5), None);
    }

    #[test]
    fn a_long_answer_is_cut_before_a_short_question() {
        let cut = |prompt, target, limit| cut(Truncate::LongestFirst, prompt, target, limit);
        assert_eq!(cut("#ffssf", 600, 16), stays("#ffssf", 10));
        assert_eq!(cut("ffsssssssssf", 2, 8), stays("ffsssf", 2), "a long document, a short summary");
        assert_eq!(cut("ffsssssssf", 9, 10), stays("ffsssf", 4), "one more of what was longer");
        assert_eq!(cut("ffsssssssf", 7, 10), stays("ffsssf", 4), "of equal ones of the target");
        assert_eq!(cut("ffffffssf", 5, 6), stays("fff", 3), "a template that leaves no room");
    }

    #[test]
    fn a_row_that_is_to_be_left_out_says_its_length() {
        let Err(skip) = within(Truncate::Skip, &parts("~ss"), 3, 4) else { panic!("it is kept") };
        assert_eq!(skip.reason.to_string(), "it has 5 tokens, more than the 4 of a row");
    }

    #[test]
    fn what_was_lost_knows_its_place() {
        assert_eq!(lost(&[7, 8, 9, 7], &[true, false, false, true], 3), [(4, 8), (4, 9)]);
        assert_eq!(own_bytes("Say: ab cd.", vec!["ab".to_owned(), " ab cd ".to_owned()]), [5..10, 5..7]);
        let bare = within(Truncate::PromptEnd, &parts("fssf"), 2, 4).ok();
        assert!(bare.is_some_and(|kept| is_bare(&parts("fssf"), &kept.prompt)));
    }

    const RULES: [Truncate; 5] =
        [Truncate::PromptStart, Truncate::PromptEnd, Truncate::End, Truncate::LongestFirst, Truncate::Skip];

    /// Every prompt of up to five tokens that ends in a word.
    fn prompts() -> Vec<Vec<Part>> {
        let letters = ["s", "f", "#", "~"];
        let mut prompts = vec![String::new()];
        for from in [0, 1, 5, 21] {
            let longer = prompts[from..].iter().flat_map(|prompt| letters.map(|letter| format!("{prompt}{letter}")));
            prompts.extend(longer.collect::<Vec<_>>());
        }
        prompts.iter().map(|prompt| parts(&format!("{prompt}f"))).collect()
    }

    fn check(rule: Truncate, parts: &[Part], target: usize, limit: usize) {
        let Ok(kept) = within(rule, parts, target, limit) else { return };
        let left = |wanted: &dyn Fn(Part) -> bool| {
            parts.iter().zip(&kept.prompt).filter(|(part, stays)| wanted(**part) && **stays).count()
        };
        let of = |wanted: Part| parts.iter().filter(|part| **part == wanted).count();
        let hard = left(&|part| part != Part::Soft);
        let case = format!("{rule:?} {parts:?} {target} {limit}");
        assert!((1..=target).contains(&kept.target), "{case}");
        assert!(kept.prompt.last() == Some(&true) && left(&|part| part == Part::Soft) == of(Part::Soft), "{case}");
        assert!(rule == Truncate::PromptStart || left(&|part| part == Part::Special) == of(Part::Special), "{case}");
        // To the limit, and nothing in vain.
        assert_eq!(hard + kept.target, limit.min(parts.len() - of(Part::Soft) + target), "{case}");
    }

    #[test]
    fn no_rule_exceeds_the_limit_or_loses_every_label() {
        let prompts = prompts();
        assert_eq!(prompts.len(), 341);
        for (rule, parts) in RULES.iter().flat_map(|rule| prompts.iter().map(move |parts| (*rule, parts))) {
            (1..8).for_each(|target| (2..14).for_each(|limit| check(rule, parts, target, limit)));
        }
    }

    #[test]
    fn two_texts_fill_their_room() {
        for (first, second, room) in (0..5000).map(|i| (i % 17, i / 17 % 17, i / 289)) {
            let [a, b] = longest_first([first, second], room);
            assert!(a <= first && b <= second, "{first} {second} {room}");
            assert_eq!(a + b, room.min(first + second), "{first} {second} {room}");
        }
    }
}
