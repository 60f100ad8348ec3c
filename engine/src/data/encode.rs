//! One row becomes tokens: rendered, tokenized, cut to the limit, with the place where its labels begin.

use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use super::candidates::Candidates;
use super::columns::Roles;
use super::prompts::Prompts;
use super::ranking::Ranking;
use super::soft;
use super::table::{Problem, Row, Table};
use super::tokenizer::Tokenizer;
use crate::config::{DataConfig, Task, Truncate};
use crate::error::{EngineError, Result};
use crate::tokens::{SOFT, TargetStart};
use crate::{Sentence, sentence};

/// A row as it trains: the prompt's tokens, then the target's.
///
/// Prompt and target are tokenized apart, so that no token crosses the place where the labels begin, and generating from
/// `tokens[..n_prompt]` starts where training does. A causal model predicts each token from the one before it, so the
/// prompt is never empty: without one it is the begin token.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Example {
    /// From 1, as people count.
    pub row: usize,
    /// For a model that reads a source and writes a target: the prompt. `tokens` is then the start token and the target.
    pub source: Vec<u32>,
    /// Prompt, target and end token, cut to the limit, which soft tokens do not count for.
    pub tokens: Vec<u32>,
    /// First labeled position, at least 1; every token from here on is a label.
    pub n_prompt: usize,
    /// Cut to the limit by the run's rule; a target that is cut has no end token.
    pub truncated: bool,
    /// Tokens that the cut took from the prompt.
    pub cut_prompt: usize,
    /// The cut left nothing of the row's own text in the prompt.
    pub bare_prompt: bool,
    /// The rendered prompt, uncut.
    pub prompt: String,
    /// The rendered target, uncut.
    pub reference: String,
    /// All texts that are right, rendered and uncut, where there are several; of the rows of a source the first has them.
    pub references: Vec<String>,
    /// The text of a pair that each token belongs to, 0 or 1; empty when there is one text.
    pub types: Vec<u32>,
    /// For every task that writes nothing: positions, and the class or the token that is to be told there. The class of a
    /// whole text stands at position 0.
    pub labels: Vec<(usize, i32)>,
    /// In a regression the number that is to be told where the one label stands.
    pub target: f32,
    /// Where an answer is a place in the text: the bytes of `prompt` that each token stands for; `(0, 0)` for those that no
    /// answer has.
    pub spans: Vec<(u32, u32)>,
    /// The question that it answers with other rows, as MultiRC has them; else empty.
    pub question: String,
    /// Index of the row's task among those that share a prompt.
    pub task: usize,
    /// Index of the row's dataset among those of the run.
    pub dataset: usize,
    /// Among what its answer is looked for, where the run asks for that.
    pub candidates: Option<Arc<Candidates>>,
    /// The right ones of them, by number; the first is learned. Of a whole vocabulary it is the token.
    pub right: Vec<usize>,
}

/// Puts tokens before a text. Soft ones stand before everything, words behind what begins every text.
pub fn put_before(text: &mut Vec<u32>, before: &[u32], begin: &[u32]) {
    let is_soft = before.first().is_some_and(|&token| token >= SOFT);
    let at = if !is_soft && text.starts_with(begin) { begin.len() } else { 0 };
    text.splice(at..at, before.iter().copied());
}

/// Encoder of the rows of one table into examples.
pub(super) struct Encoder<'a> {
    pub(super) table: &'a Table,
    pub(super) roles: Roles,
    pub(super) prompts: &'a Prompts,
    pub(super) tokenizer: &'a Tokenizer,
    pub(super) task: Task,
    /// Tokens that stand before a target written from a source.
    pub(super) start: TargetStart,
    /// Names of the classes, where the task has some.
    pub(super) classes: &'a [String],
    /// The column of the second text of a pair.
    pub(super) second: Option<usize>,
    /// Tokens by which the windows of a long text overlap, where that is said.
    pub(super) stride: Option<usize>,
    /// Where the candidates of a row come from, if it has some.
    pub(super) ranking: Option<&'a Ranking>,
    pub(super) max_tokens: usize,
    pub(super) truncate: Truncate,
}

impl Example {
    /// Puts tokens before the row, before its source where it has one; words behind a token that begins every text.
    pub(super) fn begin_with(&mut self, before: &[u32], begin: &[u32], task: Task) {
        let n = before.len();
        if n == 0 {
            return;
        }
        self.each_choice(|choice| choice.begin_with(before, begin, task));
        if !self.source.is_empty() {
            put_before(&mut self.source, before, begin);
            return;
        }
        put_before(&mut self.tokens, before, begin);
        self.n_prompt += n;
        if !self.types.is_empty() {
            self.types.splice(0..0, vec![0; n]);
        }
        if task == Task::QuestionAnswering {
            self.shift_spans(n);
            return;
        }
        // The class of a whole text stays at position 0.
        if !(task.is_of_texts() || task == Task::MultipleChoice) {
            self.labels.iter_mut().for_each(|(at, _)| *at += n);
        }
    }

    /// Soft tokens in the row.
    pub(super) fn n_soft(&self) -> usize {
        soft::count(&self.source) + soft::count(&self.tokens)
    }

    /// Turns the soft tokens into those of the row's task.
    pub(super) fn take_task(&mut self, n_soft: usize) {
        let (of, first) = (self.task, (self.task * n_soft) as u32);
        self.each_choice(|choice| {
            choice.task = of;
            choice.take_task(n_soft);
        });
        let soft = self.source.iter_mut().chain(&mut self.tokens).filter(|token| !soft::is_hard(token));
        soft.for_each(|token| *token += first);
    }

    /// Number of times that a token stands in the row, its source included.
    pub(super) fn n_of(&self, token: u32) -> usize {
        self.source.iter().chain(&self.tokens).filter(|&&other| other == token).count()
    }

    /// Tokens that a model goes over.
    pub fn length(&self) -> usize {
        self.source.len() + self.tokens.len()
    }
}

/// The rows of a table after encoding.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    pub(super) examples: Vec<Example>,
    /// Tokens of each example before it was cut.
    pub(super) lengths: Vec<u32>,
    /// The first rows that were left out, in the file's order.
    pub(super) skipped: Vec<Problem>,
    pub(super) n_skipped: usize,
    /// Why the template fits no row.
    pub(super) misfit: Option<Sentence>,
}

impl Encoded {
    /// Refuses rows of which nothing is left.
    fn checked(self, path: &Path) -> Result<Self> {
        if let Some(reason) = self.misfit {
            return Err(EngineError::Template(reason));
        }
        if self.examples.is_empty() {
            return Err(nothing_left(&self.skipped, path));
        }
        Ok(self)
    }
}

/// The refusal of a file of which no row is left.
pub(super) fn nothing_left(skipped: &[Problem], path: &Path) -> EngineError {
    EngineError::NoTrainableRow { path: path.to_owned(), reason: most_frequent(skipped) }
}

/// A row as an example, or why there is none.
pub(super) type Outcome = Result<EncodedRow, Skip>;

/// A row as an example.
#[derive(Debug)]
pub(super) struct EncodedRow {
    pub(super) example: Example,
    /// Tokens before the cut.
    pub(super) length: u32,
    /// Tokens that the cut took, each with the number of tokens that stay before it, a source's among them.
    pub(super) lost: Vec<(usize, u32)>,
}

/// The same of a row that may be several examples.
pub(super) type Outcomes = Result<Vec<EncodedRow>, Skip>;

pub(super) struct Skip {
    pub(super) reason: Sentence,
    /// The template does not fit the row.
    pub(super) is_template: bool,
}

impl Encoder<'_> {
    /// Encodes every readable row, on all cores.
    ///
    /// # Errors
    /// [`EngineError::Template`] when the template fits no row or asks for too much, [`EngineError::NoTrainableRow`]
    /// when nothing is left.
    pub(super) fn encode(&self) -> Result<Encoded> {
        self.check_names()?;
        self.encode_table()?.checked(&self.table.path)
    }

    /// Refuses a template that reads columns which are not there.
    ///
    /// # Errors
    /// [`EngineError::Template`].
    pub(super) fn check_names(&self) -> Result<()> {
        if self.task.has_template() { self.prompts.templates.check_names(&self.table.columns) } else { Ok(()) }
    }

    /// Encodes every readable row of what may be a part of a file.
    ///
    /// # Errors
    /// [`EngineError::Template`] when the template asks for too much.
    pub(super) fn encode_table(&self) -> Result<Encoded> {
        let outcomes: Vec<Outcomes> =
            self.table.rows.par_iter().map(|row| self.encode_rows(row)).collect::<Result<_>>()?;
        let mut encoded = Encoded {
            examples: Vec::with_capacity(outcomes.len()),
            lengths: Vec::with_capacity(outcomes.len()),
            skipped: self.table.problems.clone(),
            n_skipped: self.table.n_problems,
            misfit: None,
        };
        if outcomes.iter().all(|o| o.as_ref().is_err_and(|skip| skip.is_template))
            && let Some(Err(first)) = outcomes.first()
        {
            encoded.misfit = Some(first.reason.clone());
        }
        for (row, outcome) in self.table.rows.iter().zip(outcomes) {
            match outcome {
                Ok(rows) => {
                    for EncodedRow { mut example, length, .. } in rows {
                        if let Some(column) = self.table.question {
                            example.question = row.text(column).into_owned();
                        }
                        encoded.examples.push(example);
                        encoded.lengths.push(length);
                    }
                }
                Err(skip) => {
                    encoded.n_skipped += 1;
                    encoded.skipped.push(Problem { row: row.number, reason: skip.reason });
                }
            }
        }
        encoded.skipped.sort_by_key(|problem| problem.row);
        Ok(encoded)
    }

    /// The examples of a row: one, or a window of its text each.
    pub(super) fn encode_rows(&self, row: &Row) -> Result<Outcomes> {
        match self.task {
            Task::QuestionAnswering => Ok(self.span_row(row).map(|windows| {
                windows.into_iter().map(|(example, length)| EncodedRow { example, length, lost: Vec::new() }).collect()
            })),
            _ => self.encode_row(row).map(|outcome| outcome.map(|one| vec![one])),
        }
    }

    /// The outer error ends the encoding of the table.
    pub(super) fn encode_row(&self, row: &Row) -> Result<Outcome> {
        if let Some(ranking) = self.ranking {
            return self.ranked_row(row, ranking);
        }
        match self.task {
            Task::Causal | Task::Seq2Seq | Task::MultipleChoice => self.written_row(row),
            Task::SequenceClassification | Task::Regression => Ok(self.text_row(row)),
            Task::TokenClassification => Ok(self.word_row(row)),
            Task::MaskedFill => self.masked_row(row),
            Task::QuestionAnswering => Ok(Err(skip(sentence!("its answer is a place in a text")))),
        }
    }
}

pub(super) fn skip(reason: Sentence) -> Skip {
    Skip { reason, is_template: false }
}

fn most_frequent(problems: &[Problem]) -> Sentence {
    let mut reasons: Vec<&Sentence> = problems.iter().map(|p| &p.reason).collect();
    reasons.sort_unstable();
    let groups = reasons.chunk_by(|a, b| a == b);
    groups.max_by_key(|group| group.len()).map_or(sentence!("it has no rows"), |group| group[0].clone())
}

/// The limit in force: the configured one, and never more than the model has.
pub(super) fn token_limit(config: &DataConfig, max_tokens: usize) -> usize {
    config.max_tokens.unwrap_or(max_tokens).min(max_tokens)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::table::ObjectRows;
    use super::super::tokenizer::byte_tokenizer;
    use super::*;

    fn encode(config: &DataConfig, max_tokens: usize, rows: &[(&str, &str)]) -> Result<Encoded> {
        let mut objects = ObjectRows::new(Path::new("x.jsonl"));
        for (index, (source, target)) in rows.iter().enumerate() {
            objects.push(index + 1, json!({"source": source, "target": target}))?;
        }
        let table = objects.table;
        let encoder = Encoder {
            table: &table,
            roles: Roles::resolve(&table, None, None)?,
            prompts: &Prompts::new(config, Task::Causal, &byte_tokenizer())?,
            tokenizer: &byte_tokenizer(),
            task: Task::Causal,
            start: TargetStart::default(),
            classes: &[],
            second: None,
            stride: None,
            ranking: None,
            max_tokens,
            truncate: config.truncate,
        };
        encoder.encode()
    }

    fn bytes(text: &str) -> Vec<u32> {
        byte_tokenizer().encode(text).unwrap()
    }

    #[test]
    fn labels_are_the_target_and_the_end_token() {
        let encoded = encode(&DataConfig::new("x"), 100, &[("ab", "cd")]).unwrap();
        let example = &encoded.examples[0];
        assert_eq!(example.tokens[..example.n_prompt], bytes("ab<|endoftext|>"));
        assert_eq!(example.tokens[example.n_prompt..], bytes(" cd<|endoftext|>"));
        assert_eq!((encoded.lengths[0], example.truncated), (7, false));
    }

    #[test]
    fn an_empty_prompt_becomes_the_begin_token() {
        let config = DataConfig { prompt_template: String::new(), append_end_token: false, ..DataConfig::new("x") };
        let encoded = encode(&config, 100, &[("ab", "cd")]).unwrap();
        assert_eq!(encoded.examples[0].tokens, bytes("<|endoftext|> cd"));
        assert_eq!(encoded.examples[0].n_prompt, 1);
    }

    #[test]
    fn prompts_lose_their_beginning_then_targets_their_end() {
        let cut = |max_tokens| {
            let config = DataConfig { truncate: Truncate::PromptStart, ..DataConfig::new("x") };
            let encoded = encode(&config, max_tokens, &[("abcd", "ef")]).unwrap();
            let example = encoded.examples.into_iter().next().unwrap();
            assert!(example.truncated && example.tokens.len() == max_tokens);
            assert_eq!(example.cut_prompt, 5 - example.n_prompt);
            (example.tokens, example.n_prompt)
        };
        assert_eq!(cut(8), (bytes("bcd<|endoftext|> ef<|endoftext|>"), 4));
        assert_eq!(cut(5), (bytes("<|endoftext|> ef<|endoftext|>"), 1));
        assert_eq!(cut(3), (bytes("<|endoftext|> e"), 1));
        let error = encode(&DataConfig::new("x"), 1, &[("a", "b")]).unwrap_err();
        assert!(error.to_string().contains("no room"), "{error}");
    }

    #[test]
    fn soft_tokens_stand_in_the_prompt_and_are_never_cut() {
        let prompt_template = "{{ soft(2) }}{{ source }}{{ soft(1) }}".to_owned();
        let truncate = Truncate::PromptStart;
        let config = DataConfig { prompt_template, append_end_token: false, truncate, ..DataConfig::new("x") };
        let [a, b, c] = [0, 1, 2].map(|slot| SOFT + slot);
        let cut = |max_tokens, source| {
            let encoded = encode(&config, max_tokens, &[(source, "de")]).unwrap();
            let example = &encoded.examples[0];
            (example.tokens.clone(), example.n_prompt, example.truncated, encoded.lengths[0])
        };
        assert_eq!(cut(100, "xyz"), (vec![a, b, 120, 121, 122, c, 32, 100, 101], 6, false, 6));
        assert_eq!(cut(4, "xyz"), (vec![a, b, 122, c, 32, 100, 101], 4, true, 6));
        assert_eq!(cut(2, "xyz"), (vec![a, b, 122, c, 32], 4, true, 6));
        assert_eq!(cut(9, ""), (vec![a, b, c, 256, 32, 100, 101], 4, false, 4), "the begin token stands behind them");
        let mut example = encode(&config, 100, &[("xyz", "de")]).unwrap().examples.remove(0);
        assert_eq!(example.n_soft(), 3);
        example.drop_soft();
        assert_eq!((example.tokens, example.n_prompt), (bytes("xyz de"), 3));
    }

    #[test]
    fn a_long_answer_leaves_the_question_as_it_is() {
        let prompt_template = "Q: {{ source }} A:".to_owned();
        let config =
            |truncate| DataConfig { prompt_template: prompt_template.clone(), truncate, ..DataConfig::new("x") };
        let cut = |truncate, max_tokens, source, target| {
            let encoded = encode(&config(truncate), max_tokens, &[(source, target)])?;
            let Example { tokens, n_prompt, truncated, cut_prompt, bare_prompt, .. } = &encoded.examples[0];
            let text = byte_tokenizer().decode_with_special(tokens)?;
            Ok::<_, EngineError>((text, *n_prompt, *truncated, *cut_prompt, *bare_prompt))
        };
        let whole = |text: &str, n_prompt, cut_prompt, is_bare| (text.to_owned(), n_prompt, true, cut_prompt, is_bare);
        let longest = |max_tokens, source, target| cut(Truncate::LongestFirst, max_tokens, source, target).unwrap();
        assert_eq!(longest(14, "why", "because of it"), whole("Q: why A: beca", 9, 0, false));
        assert_eq!(longest(14, "why on earth", "no"), whole("Q: why  A: no<|endoftext|>", 10, 8, false));
        let start = cut(Truncate::PromptStart, 14, "why", "because of it").unwrap();
        assert_eq!(start, whole(": because of i", 1, 8, true));
        let end = cut(Truncate::PromptEnd, 17, "why on", "because").unwrap();
        assert_eq!(end, whole("Q: wh A: because<|endoftext|>", 8, 4, false));
        assert_eq!(cut(Truncate::End, 14, "why", "because of it").unwrap(), whole("Q: why A: beca", 9, 0, false));
        let reason = cut(Truncate::End, 9, "why", "because").unwrap_err().to_string();
        assert!(reason.contains("its prompt alone fills the 9 tokens"), "{reason}");
        let reason = cut(Truncate::Skip, 14, "why", "because of it").unwrap_err().to_string();
        assert!(reason.contains("it has 24 tokens, more than the 14 of a row"), "{reason}");
    }

    #[test]
    fn rows_without_a_label_are_named() {
        let encoded = encode(&DataConfig::new("x"), 100, &[("a", " "), ("a", "b"), ("a", "")]).unwrap();
        assert_eq!(encoded.skipped.iter().map(|p| p.row).collect::<Vec<_>>(), [1, 3]);
        assert_eq!((encoded.n_skipped, encoded.skipped[0].reason.to_string().as_str()), (2, "the target is empty"));
        let error = encode(&DataConfig::new("x"), 100, &[("a", "")]).unwrap_err();
        assert!(matches!(error, EngineError::NoTrainableRow { .. }), "{error}");
    }

    #[test]
    fn a_template_that_fits_no_row_is_the_templates_fault() {
        let config = DataConfig { target_template: "{{ target.name.first }}".to_owned(), ..DataConfig::new("x") };
        let error = encode(&config, 100, &[("a", "b"), ("c", "d")]).unwrap_err();
        assert!(matches!(error, EngineError::Template(_)), "{error}");
    }
}
