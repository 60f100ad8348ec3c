//! From a file of rows to batches of tokens: readers, columns, templates, tokenizer, split, length bucketing.
//!
//! The token view that the window shows is the batch that trains: [`preview`] and [`Dataset::load`] share every step.
//! Nothing here knows a device or a tensor.

mod batch;
mod candidates;
mod caught;
mod choices;
mod classification;
mod column_values;
mod columns;
mod conll;
mod contest;
mod conversation;
mod cut;
mod dataset;
mod delimited;
mod drawn;
mod encode;
mod examples;
mod file_kind;
mod files;
mod forms;
mod json_forms;
mod known_forms;
mod large;
#[cfg(test)]
mod large_tests;
mod lines;
mod mixture;
mod predictions;
mod prepared;
mod preview;
mod prompts;
mod ranked_rows;
mod ranking;
mod reader;
mod report;
mod row_bytes;
mod row_cache;
mod seq2seq;
mod shuffle;
mod soft;
mod span_template;
mod spans;
mod spread;
mod statistics;
mod store;
mod stream;
mod table;
mod tasks;
mod taught;
mod template;
mod template_budget;
mod template_guard;
mod text_encoding;
mod texts;
mod token_text;
mod tokenizer;
mod verbalizer;
mod written;

pub use batch::{Batches, IGNORE_INDEX, SourceBatch, TokenBatch, evaluation_batches};
pub use candidates::{Answer, CandidateReading, Candidates};
pub use column_values::ColumnValues;
pub use columns::Roles;
pub use contest::Contest;
pub use dataset::Dataset;
pub use drawn::{drawn, rows_of_epoch};
pub use encode::{Example, put_before};
pub use examples::Examples;
pub use files::is_pattern;
pub use forms::recognized;
pub use large::Holding;
pub use predictions::{
    Predictions, each_part_of_predictions, no_answer_of, question_of, read_predictions, read_references, read_text_rows,
};
pub use preview::{DataPreview, LostTokens, TokenRow, preview};
pub use prompts::{Prompts, chat_prompt, plain_prompt};
pub use reader::{check_file, read_table};
pub use report::DataReport;
pub use seq2seq::{continuation_tokens, source_tokens};
pub use span_template::settled;
pub use spread::Spread;
pub use statistics::{ColumnStatistics, DataStatistics, LeftOut, Overlap, StatisticsOf, TokenStatistics};
pub use stream::StreamDecoder;
pub use table::{Problem, Row, Table};
pub use taught::Taught;
pub use template::{Templates, gives_soft};
pub use tokenizer::{ChatTemplate, Encoded, Message, Tokenizer, Turn};
pub use verbalizer::LabelWords;
