//! The origin of a run beside its weights: a continuation on other rows, another split or another tokenizer is neither
//! the run it began as nor the one it would be.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::RunConfig;
use crate::data::{Dataset, Example, Examples};
use crate::error::Result;
use crate::loaded_model::LoadedModel;
use crate::models::load::model_options;
use crate::training::teacher;
use crate::weights::hex;
use crate::{Sentence, sentence};

/// Keys of `config.json` that say who wrote it, not what is computed.
const OF_NO_EFFECT: [&str; 2] = ["transformers_version", "_name_or_path"];

/// Digests of what a run learns from and by, kept in every checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The rows to learn.
    pub train: Rows,
    /// The rows to measure by.
    pub validation: Rows,
    /// SHA-256 of the tokenizer with its special tokens.
    pub tokenizer: String,
    /// SHA-256 of the model's `config.json`.
    pub model_config: String,
    /// Decides order, split and what is drawn.
    pub seed: u64,
    /// Decides the split in place of the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_seed: Option<u64>,
    /// The part of the training rows that is used, with the seed that decides which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_rows: Option<(String, u64)>,
    /// SHA-256 of the document that a teacher reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// Rows in a micro-batch.
    pub batch_size: usize,
    /// Micro-batches in a step.
    #[serde(alias = "accumulation")]
    pub gradient_accumulation: usize,
    /// Whether rows of similar length stand in a batch together; where nothing is said, they do.
    #[serde(default = "grouped", skip_serializing_if = "is_grouped")]
    pub group_by_length: bool,
}

fn grouped() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_grouped(group_by_length: &bool) -> bool {
    *group_by_length
}

/// Rows in their order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// Number of rows.
    pub count: usize,
    /// SHA-256 of prompts and targets, as the templates write them.
    pub texts: String,
    /// SHA-256 of what is fed and what is a label.
    pub tokens: String,
}

impl Rows {
    fn of(rows: &[Example]) -> Self {
        let mut digests = Digests::default();
        rows.iter().for_each(|row| digests.add(row));
        digests.finished(rows.len())
    }

    fn of_all(rows: &Examples) -> Result<Self> {
        if let Some(held) = rows.held() {
            return Ok(Self::of(held));
        }
        let mut digests = Digests::default();
        for row in rows.iter() {
            digests.add(&row?);
        }
        Ok(digests.finished(rows.len()))
    }
}

/// Digests of rows on their way.
#[derive(Default)]
struct Digests {
    texts: Sha256,
    tokens: Sha256,
    /// The numbers of a row.
    bytes: Vec<u8>,
}

impl Digests {
    fn add(&mut self, row: &Example) {
        for text in [&row.prompt, &row.reference] {
            self.texts.update((text.len() as u64).to_le_bytes());
            self.texts.update(text);
        }
        self.bytes.clear();
        for ids in [&row.source, &row.tokens, &row.types] {
            self.bytes.extend((ids.len() as u64).to_le_bytes());
            ids.iter().for_each(|id| self.bytes.extend(id.to_le_bytes()));
        }
        for number in [row.n_prompt, row.task, row.dataset, row.labels.len()] {
            self.bytes.extend((number as u64).to_le_bytes());
        }
        for &(position, label) in &row.labels {
            self.bytes.extend((position as u64).to_le_bytes());
            self.bytes.extend(label.to_le_bytes());
        }
        // Rows without one have the digest that they had before there were any.
        if row.target.to_bits() != 0 {
            self.bytes.extend(row.target.to_le_bytes());
        }
        self.tokens.update(&self.bytes);
    }

    fn finished(self, count: usize) -> Rows {
        Rows { count, texts: hex(&self.texts.finalize()), tokens: hex(&self.tokens.finalize()) }
    }
}

impl Origin {
    /// Of a run that is about to begin or to go on.
    ///
    /// # Errors
    /// The model's `config.json` cannot be read any more, or the tokenizer cannot be written down.
    pub(super) fn of(config: &RunConfig, model: &LoadedModel, data: &Dataset) -> Result<Self> {
        let mut said = model_options(&config.model)?;
        said.retain(|key, _| !OF_NO_EFFECT.contains(&key.as_str()));
        let said = serde_json::to_vec(&said).unwrap_or_default();
        Ok(Self {
            train: Rows::of_all(&data.train)?,
            validation: Rows::of(&data.validation),
            tokenizer: model.tokenizer.digest()?,
            model_config: hex(&Sha256::digest(said)),
            seed: config.seed,
            split_seed: config.data.split_seed,
            train_rows: config.data.train_rows.map(|rows| (rows.to_string(), config.data.train_rows_seed)),
            document: config.training.distillation.as_ref().map(teacher::digest).transpose()?,
            batch_size: config.training.batch_size,
            gradient_accumulation: config.training.gradient_accumulation,
            group_by_length: config.training.group_by_length,
        })
    }

    /// The differences, each in words; one that follows from a difference named before is not named again.
    pub fn differences(&self, now: &Self) -> Vec<Sentence> {
        let mut found = Vec::new();
        for (which, then, now) in [
            (sentence!("the training rows"), &self.train, &now.train),
            (sentence!("the validation rows"), &self.validation, &now.validation),
        ] {
            if then.count != now.count {
                let (then, now) = (then.count, now.count);
                found.push(sentence!("{which} ({then} then, {now} now)", which, then, now));
            } else if then.texts != now.texts {
                found.push(sentence!("{which} (as many, with other words or in another order)", which));
            }
        }
        let same_rows = found.is_empty();
        if self.tokenizer != now.tokenizer {
            found.push(sentence!("the tokenizer"));
        } else if same_rows && (&self.train, &self.validation) != (&now.train, &now.validation) {
            found.push(sentence!("how rows become tokens (template, limit of length)"));
        }
        if self.model_config != now.model_config {
            found.push(sentence!("config.json of the model"));
        }
        if self.document != now.document {
            found.push(sentence!("the document that the teacher reads"));
        }
        let numbers = [
            (sentence!("the seed"), self.seed, now.seed),
            (sentence!("the rows in a batch"), self.batch_size as u64, now.batch_size as u64),
            (sentence!("the batches in a step"), self.gradient_accumulation as u64, now.gradient_accumulation as u64),
        ];
        if self.split_seed != now.split_seed {
            let said = |seed: Option<u64>| seed.map_or(sentence!("the run's"), Sentence::verbatim);
            let (then, now) = (said(self.split_seed), said(now.split_seed));
            found.push(sentence!("the seed of the split ({then} then, {now} now)", then, now));
        }
        if self.train_rows != now.train_rows {
            let said = |rows: &Option<(String, u64)>| match rows {
                None => sentence!("all"),
                Some((rows, seed)) => sentence!("{rows} by seed {seed}", rows, seed),
            };
            let (then, now) = (said(&self.train_rows), said(&now.train_rows));
            found.push(sentence!("the part of the training rows ({then} then, {now} now)", then, now));
        }
        if self.group_by_length != now.group_by_length {
            found.push(sentence!("whether rows are grouped by length"));
        }
        let differ = numbers.iter().filter(|(_, then, now)| then != now);
        found.extend(differ.map(|(which, then, now)| sentence!("{which} ({then} then, {now} now)", which, then, now)));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(texts: &[&str]) -> Rows {
        let example = |text: &&str| Example { prompt: (*text).to_owned(), tokens: vec![1, 2], ..Example::default() };
        Rows::of(&texts.iter().map(example).collect::<Vec<_>>())
    }

    fn origin() -> Origin {
        Origin {
            train: rows(&["a", "b"]),
            validation: rows(&["c"]),
            tokenizer: "t".to_owned(),
            model_config: "m".to_owned(),
            seed: 7,
            split_seed: None,
            train_rows: None,
            document: None,
            batch_size: 4,
            gradient_accumulation: 1,
            group_by_length: true,
        }
    }

    #[test]
    fn what_differs_is_named_with_both_values() {
        let then = origin();
        assert!(then.differences(&origin()).is_empty());
        let old = serde_json::to_value(origin()).unwrap();
        assert!(old.get("group_by_length").is_none() && serde_json::from_value::<Origin>(old).unwrap() == origin());
        let ungrouped = Origin { group_by_length: false, ..origin() };
        assert_eq!(then.differences(&ungrouped), ["whether rows are grouped by length"]);
        let now = Origin { train: rows(&["a", "b", "d"]), seed: 8, batch_size: 2, ..origin() };
        assert_eq!(
            then.differences(&now),
            ["the training rows (2 then, 3 now)", "the seed (7 then, 8 now)", "the rows in a batch (4 then, 2 now)"]
        );
    }

    #[test]
    fn another_split_and_another_part_of_the_rows_are_named() {
        let now = Origin { split_seed: Some(0), train_rows: Some(("50".to_owned(), 3)), ..origin() };
        assert_eq!(
            origin().differences(&now),
            [
                "the seed of the split (the run's then, 0 now)",
                "the part of the training rows (all then, 50 by seed 3 now)"
            ]
        );
        let old = serde_json::to_value(origin()).unwrap();
        assert!(old.get("split_seed").is_none() && serde_json::from_value::<Origin>(old).unwrap() == origin());
    }

    #[test]
    fn another_document_is_named() {
        let now = Origin { document: Some("d".to_owned()), ..origin() };
        assert_eq!(origin().differences(&now), ["the document that the teacher reads"]);
    }

    #[test]
    fn the_order_of_rows_and_where_one_ends_count() {
        for other in [["b", "a"], ["ab", ""]] {
            let now = Origin { train: rows(&other), ..origin() };
            assert_eq!(
                origin().differences(&now),
                ["the training rows (as many, with other words or in another order)"]
            );
        }
    }

    #[test]
    fn other_tokens_of_the_same_words_are_the_tokenizer_or_the_template() {
        let mut now = origin();
        now.train.tokens = "other".to_owned();
        assert_eq!(origin().differences(&now), ["how rows become tokens (template, limit of length)"]);
        now.tokenizer = "other".to_owned();
        assert_eq!(origin().differences(&now), ["the tokenizer"]);
    }
}
