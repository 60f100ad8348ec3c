//! From a file of rows to batches of tokens: readers, columns, templates, tokenizer, split, length bucketing.
//!
//! The token view that the window shows is the batch that trains: [`preview`] and [`Dataset::load`] share every step.
//! Nothing here knows a device or a tensor.

mod batch;
mod columns;
mod dataset;
mod delimited;
mod encode;
mod order;
mod preview;
mod reader;
mod source_target;
mod special_tokens;
mod stream;
mod table;
mod template;
mod template_guard;
mod token_text;
mod tokenizer;

pub use batch::{Batches, NO_LABEL, SourceBatch, TokenBatch, evaluation_batches};
pub use columns::Roles;
pub use dataset::{DataReport, Dataset};
pub use encode::Example;
pub use preview::{preview, preview_as};
pub use reader::read_table;
pub use source_target::{RowForm, source_tokens};
pub use stream::StreamDecoder;
pub use table::{Problem, Row, Table};
pub use template::Templates;
pub use tokenizer::Tokenizer;
