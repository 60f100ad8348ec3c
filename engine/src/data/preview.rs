//! The first rows as training would see them, and what would become of all of them.

use serde::{Deserialize, Serialize};

use super::dataset::Dataset;
use super::encode::{EncodedRow, Example};
use super::large::Holding;
use super::prepared::Prepared;
use super::tokenizer::Tokenizer;
use crate::config::{DataConfig, Task, TaskRecord};
use crate::error::Result;
use crate::tokens::{SOFT, TargetStart};
use crate::{Sentence, sentence};

/// Rows as training would see them, and what is odd about the dataset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DataPreview {
    /// Columns of the file, in order.
    pub columns: Vec<String>,
    /// Column that `source` stands for.
    pub source_column: String,
    /// Column that `target` stands for.
    pub target_column: String,
    /// The first rows.
    pub rows: Vec<TokenRow>,
    /// Rows of the training file.
    pub total_rows: usize,
    /// Training rows used after the split.
    pub train_rows: usize,
    /// Validation rows used.
    pub validation_rows: usize,
    /// Rows cut to the length limit.
    pub truncated_rows: usize,
    /// Notes on how the rows were read, a sentence each.
    #[serde(default)]
    pub notices: Vec<Sentence>,
    /// Rows are written as turns of the model's chat template, because the run says so or because they are conversations.
    #[serde(default)]
    pub chat: bool,
    /// A source has several references.
    #[serde(default)]
    pub has_references: bool,
    /// Rows skipped: number from 1 and reason, the first ten.
    pub skipped: Vec<(usize, Sentence)>,
    /// Number of rows skipped in all.
    pub skipped_rows: usize,
    /// Tokens of every usable row, before the limit.
    pub lengths: Vec<u32>,
    /// The limit in force.
    pub max_tokens: usize,
    /// The model says how it wants conversations written, so that rows can be turns of one.
    pub has_chat_template: bool,
    /// Notes on what stands in for tokens that the tokenizer does not name.
    pub tokenizer_notes: Vec<Sentence>,
    /// The task to be learned from a row.
    #[serde(default)]
    pub task: Task,
    /// Names of the classes, where there are some.
    #[serde(default)]
    pub classes: Vec<String>,
}

/// One row as training would see it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TokenRow {
    /// From 1, as people count: a header is no row.
    pub row: usize,
    /// The tokens as text, invisible characters escaped.
    pub tokens: Vec<String>,
    /// Whether each token has a label.
    #[serde(alias = "labelled")]
    pub labeled: Vec<bool>,
    /// The class of each token that has one; empty where there are no classes of tokens.
    #[serde(default)]
    pub classes: Vec<String>,
    /// Cut to the length limit.
    pub truncated: bool,
    /// Tokens that the cut took, where they stood.
    #[serde(default)]
    pub lost: Vec<LostTokens>,
    /// The rendered prompt.
    pub prompt: String,
    /// The rendered target.
    pub target: String,
}

/// Tokens behind one another that a cut took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostTokens {
    /// Number of tokens that stay before them.
    pub at: usize,
    /// The first of them as text, invisible characters escaped.
    pub tokens: Vec<String>,
    /// Number of all.
    pub n: usize,
}

/// Lost tokens of one place that are shown.
const N_LOST: usize = 40;

/// First rows of a large file that are looked at.
const SAMPLE: usize = 20_000;
/// First rows of a large file that can be shown.
const SHOWN: usize = 200;

/// Skipped rows that are named.
const N_SKIPPED: usize = 10;

/// Loads a dataset as [`Dataset::load`] does and describes it, with the first `n_rows` usable rows of the training file
/// token by token. A row's tokens are those of the batch that trains.
///
/// # Errors
/// As [`Dataset::load`].
pub fn preview(
    config: &DataConfig,
    task: &TaskRecord,
    start: TargetStart,
    tokenizer: &Tokenizer,
    n_rows: usize,
    max_tokens: usize,
    seed: u64,
) -> Result<DataPreview> {
    let holding = Holding { sample: Some(SAMPLE), ..Holding::default() };
    let prepared = Prepared::load(config, task, start, tokenizer, max_tokens, &holding)?;
    let sampled = prepared.large.as_ref().map(|large| large.facts.total_rows).filter(|&n| n >= SAMPLE);
    let task = prepared.task.clone();
    let words = prepared.ranking.as_ref().map(|ranking| ranking.words.classes.clone());
    let classes = words.filter(|words| !words.is_empty()).unwrap_or_else(|| task.classes.clone());
    // A conversation is several rows of one number.
    let examples = match &prepared.large {
        Some(large) => large.store.rows(0..large.store.len().min(SHOWN))?,
        None => prepared.encoded.examples.clone(),
    };
    let unknown = unknown_tokens(&examples, tokenizer);
    let mut numbers = examples.iter().map(|example| example.row).collect::<Vec<_>>();
    numbers.dedup();
    let last = numbers.get(n_rows.saturating_sub(1)).copied().unwrap_or(usize::MAX);
    let shown = examples.iter().take_while(|example| n_rows > 0 && example.row <= last);
    let rows = shown.map(|example| token_row(example, &task, tokenizer)).collect::<Vec<_>>();
    let rows = with_lost(rows, &prepared, config, tokenizer)?;
    let validation = match &config.validation {
        Some(path) => Some(prepared.encode_validation(path, config, tokenizer)?),
        None => None,
    };
    let has_references = examples.iter().any(|example| example.references.len() > 1);
    let report = Dataset::split(prepared, validation, config, seed, tokenizer)?.report;
    let of_sample = sampled.map(|n| {
        sentence!("The file is large: what is told of it is told of its first {n} rows; a run reads all of them", n)
    });
    Ok(DataPreview {
        notices: of_sample.into_iter().chain(unknown).chain(report.oddities()).collect(),
        chat: report.chat,
        has_references,
        columns: report.columns,
        source_column: report.source_column,
        target_column: report.target_column,
        rows,
        total_rows: report.total_rows,
        train_rows: report.train_rows,
        validation_rows: report.validation_rows,
        truncated_rows: report.truncated_rows,
        skipped: report.skipped.into_iter().take(N_SKIPPED).map(|p| (p.row, p.reason)).collect(),
        skipped_rows: report.skipped_rows,
        lengths: report.lengths,
        max_tokens: report.max_tokens,
        has_chat_template: tokenizer.chat_template().is_some() && task.task != Task::Seq2Seq,
        tokenizer_notes: tokenizer.notes().to_vec(),
        task: task.task,
        classes,
    })
}

/// A note on tokens that the tokenizer has no word for: one of them is as any other to the model.
fn unknown_tokens(examples: &[Example], tokenizer: &Tokenizer) -> Option<Sentence> {
    // Some tokenizers name a token that ends or fills texts, too.
    let others = [tokenizer.bos(), tokenizer.eos(), tokenizer.pad()];
    let unk = tokenizer.unk().filter(|unk| !others.contains(unk))?;
    let tokens = || examples.iter().flat_map(|example| example.source.iter().chain(&example.tokens));
    let unknown = tokens().filter(|token| **token == unk).count();
    let all = tokens().count();
    (unknown > 0).then(|| {
        let token = tokenizer.token_text(unk);
        sentence!("{unknown} of {all} tokens are unknown to the tokenizer and read as {token}", unknown, all, token)
    })
}

fn token_row(example: &Example, task: &TaskRecord, tokenizer: &Tokenizer) -> TokenRow {
    let n = example.length();
    let mut labeled: Vec<bool> = (0..n).map(|at| at >= example.source.len() + example.n_prompt).collect();
    let mut classes = Vec::new();
    match task.task {
        Task::Causal | Task::Seq2Seq | Task::SequenceClassification | Task::Regression | Task::MultipleChoice => {}
        Task::MaskedFill => example.labels.iter().for_each(|&(at, _)| labeled[at] = true),
        Task::QuestionAnswering => {
            classes = vec![String::new(); n];
            for (&(_, at), name) in example.labels.iter().zip(&task.classes) {
                labeled[at as usize] = true;
                let class = &mut classes[at as usize];
                *class = if class.is_empty() { name.clone() } else { format!("{class} {name}") };
            }
        }
        Task::TokenClassification => {
            classes = vec![String::new(); n];
            for &(at, class) in &example.labels {
                labeled[at] = true;
                classes[at] = task.classes[class as usize].clone();
            }
        }
    }
    TokenRow {
        row: example.row,
        tokens: example.source.iter().chain(&example.tokens).map(|&id| shown(id, tokenizer)).collect(),
        labeled,
        classes,
        truncated: example.truncated,
        lost: Vec::new(),
        prompt: example.prompt.clone(),
        target: example.reference.clone(),
    }
}

/// The rows with what the cut took of them: those that were cut are encoded once more.
fn with_lost(
    mut rows: Vec<TokenRow>,
    prepared: &Prepared,
    config: &DataConfig,
    tokenizer: &Tokenizer,
) -> Result<Vec<TokenRow>> {
    let encoder = prepared.encoder(config, tokenizer)?;
    for row in rows.iter_mut().filter(|row| row.truncated) {
        for of_row in prepared.table.rows.iter().filter(|of_row| of_row.number == row.row) {
            let encoded = encoder.encode_rows(of_row)?.unwrap_or_default();
            let is_same =
                |encoded: &&EncodedRow| encoded.example.prompt == row.prompt && encoded.example.reference == row.target;
            if let Some(encoded) = encoded.iter().find(is_same) {
                row.lost = lost_tokens(&encoded.lost, tokenizer);
            }
        }
    }
    Ok(rows)
}

fn lost_tokens(lost: &[(usize, u32)], tokenizer: &Tokenizer) -> Vec<LostTokens> {
    let group = |group: &[(usize, u32)]| LostTokens {
        at: group[0].0,
        tokens: group.iter().take(N_LOST).map(|&(_, token)| shown(token, tokenizer)).collect(),
        n: group.len(),
    };
    lost.chunk_by(|a, b| a.0 == b.0).map(group).collect()
}

/// A token as people read it, a soft one by its number.
fn shown(token: u32, tokenizer: &Tokenizer) -> String {
    match token.checked_sub(SOFT) {
        Some(slot) => format!("◆{}", slot + 1),
        None => tokenizer.token_text(token),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tokenizer::byte_tokenizer;
    use super::*;

    #[test]
    fn the_token_view_shows_labels_and_what_was_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        std::fs::write(&path, "source,target\na,é\nb,\nc,d\n").unwrap();
        let (task, start) = (TaskRecord::default(), TargetStart::default());
        let preview = preview(&DataConfig::new(path), &task, start, &byte_tokenizer(), 1, 100, 1).unwrap();
        assert_eq!(preview.rows.len(), 1);
        assert_eq!(preview.rows[0].tokens, ["a", "<|endoftext|>", " ", "\\xC3", "\\xA9", "<|endoftext|>"]);
        assert_eq!(preview.rows[0].labeled, [false, false, true, true, true, true]);
        assert_eq!((preview.rows[0].row, preview.rows[0].target.as_str()), (1, " é"));
        assert_eq!(preview.skipped, [(2, crate::sentence!("the target is empty"))]);
        assert_eq!((preview.total_rows, preview.train_rows, preview.validation_rows), (3, 1, 1));
        assert_eq!(preview.lengths, [6, 5]);
    }

    #[test]
    fn the_token_view_shows_what_a_cut_takes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        std::fs::write(&path, "source,target\nabc,d\nabcdef,ghi\n").unwrap();
        let config = DataConfig { append_end_token: false, ..DataConfig::new(path) };
        let (task, start) = (TaskRecord::default(), TargetStart::default());
        let preview = preview(&config, &task, start, &byte_tokenizer(), 9, 6, 1).unwrap();
        assert_eq!((preview.rows[0].lost.len(), preview.truncated_rows), (0, 1));
        let row = &preview.rows[1];
        assert_eq!(row.tokens, ["a", "b", "c", "<|endoftext|>", " ", "g"]);
        let lost = |at, tokens: &[&str]| LostTokens {
            at,
            tokens: tokens.iter().map(|&token| token.to_owned()).collect(),
            n: tokens.len(),
        };
        assert_eq!(row.lost, [lost(3, &["d", "e", "f"]), lost(6, &["h", "i"])]);
    }

    #[test]
    fn tokens_that_the_tokenizer_does_not_know_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write(
            "tokenizer.json",
            r#"{"version":"1.0","added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Whitespace"},
            "post_processor":null,"decoder":null,"truncation":null,"padding":null,"model":{"type":"WordLevel",
            "vocab":{"<unk>":0,"a":1,"b":2,"stop":3},"unk_token":"<unk>"}}"#,
        );
        write("tokenizer_config.json", r#"{"unk_token":"<unk>","eos_token":"stop"}"#);
        write("x.csv", "source,target\na c,b\na,d\n");
        let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
        let config = DataConfig::new(folder.path().join("x.csv"));
        let (task, start) = (TaskRecord::default(), TargetStart::default());
        let told =
            |preview: DataPreview| preview.notices.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let said = told(preview(&config, &task, start, &tokenizer, 9, 64, 1).unwrap());
        assert!(said.contains("2 of ") && said.contains("unknown to the tokenizer and read as <unk>"), "{said}");
        write("y.csv", "source,target\na,b\n");
        let config = DataConfig::new(folder.path().join("y.csv"));
        let said = told(preview(&config, &task, start, &tokenizer, 9, 64, 1).unwrap());
        assert!(!said.contains("unknown"), "{said}");
    }

    #[test]
    fn the_token_view_numbers_soft_tokens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        std::fs::write(&path, "source,target\na,b\n").unwrap();
        let mut config = DataConfig::new(path);
        config.prompt_template = "{{ soft(1) }}{{ source }}{{ soft(1) }}".to_owned();
        let (task, start) = (TaskRecord::default(), TargetStart::default());
        let preview = preview(&config, &task, start, &byte_tokenizer(), 1, 100, 1).unwrap();
        assert_eq!(preview.rows[0].tokens, ["◆1", "a", "◆2", " ", "b", "<|endoftext|>"]);
        assert_eq!(preview.rows[0].prompt, "<|soft|>a<|soft|>");
    }
}
