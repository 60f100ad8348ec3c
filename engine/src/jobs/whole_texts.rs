//! Texts that are looked at as a whole: one that somebody types, or those of a file.

use crate::adapters::AdapterState;
use crate::config::DataConfig;
use crate::data::{Example, put_before, read_table};
use crate::error::{EngineError, Result};
use crate::loaded_model::LoadedModel;
use crate::{Sentence, sentence};

/// Texts behind what an adapter puts before them, and the same texts as the base model reads them. Every token of a text is
/// a label, but for the first one where nothing stands before it in the base model.
pub(super) struct WholeTexts {
    pub(super) placed: Vec<Example>,
    pub(super) bare: Vec<Example>,
    /// A sentence on texts that were cut or left out, if there are some.
    pub(super) notice: Option<Sentence>,
}

impl WholeTexts {
    /// Of texts, cut where the model has no room behind the adapter; those that are shorter than two tokens are left out.
    ///
    /// # Errors
    /// The model does not go on with texts, or none is long enough.
    pub(super) fn of(texts: &[String], adapter: &AdapterState, model: &LoadedModel) -> Result<Self> {
        if !adapter.task.task.writes() || model.model.causal().is_err() {
            let reason = sentence!("a text of one's own is looked at with a model that goes on with it; name rows");
            return Err(EngineError::Setting { field: "text", reason });
        }
        let (before, begin) = (adapter.before(&model.tokenizer)?, model.tokenizer.begins_texts());
        let taken = adapter.n_before().max(before.len());
        let room = model.model.shape().n_positions.saturating_sub(taken);
        let (mut placed, mut bare, mut n_cut) = (Vec::new(), Vec::new(), 0);
        for (row, text) in (1..).zip(texts) {
            let mut tokens = model.tokenizer.encode(text)?;
            if !tokens.starts_with(begin) {
                tokens.splice(0..0, begin.iter().copied());
            }
            n_cut += usize::from(tokens.len() > room);
            tokens.truncate(room);
            let n_prompt = begin.len().max(1);
            if tokens.len() <= n_prompt {
                continue;
            }
            let example =
                |tokens, n_prompt| Example { row, tokens, n_prompt, prompt: text.clone(), ..Example::default() };
            let mut behind = tokens.clone();
            put_before(&mut behind, &before, begin);
            placed.push(example(behind, n_prompt + before.len()));
            bare.push(example(tokens, n_prompt));
        }
        if bare.is_empty() {
            let reason = sentence!("it is shorter than two tokens");
            return Err(EngineError::Setting { field: "text", reason });
        }
        let n_short = texts.len() - bare.len();
        let notice = (n_cut + n_short > 0).then(|| {
            sentence!(
                "Texts cut to the model's {room} positions: {n_cut}; texts of fewer than two tokens, left out: {n_short}",
                room,
                n_cut,
                n_short
            )
        });
        Ok(Self { placed, bare, notice })
    }
}

/// The first texts of a file: its lines, or of a table the target's column, the one named `text`, or the only one.
///
/// # Errors
/// The file has no rows, or nothing says which column has the texts.
pub(super) fn texts_of_file(data: &DataConfig, most: usize) -> Result<Vec<String>> {
    let table = read_table(&data.train)?;
    let named = data.target_column.as_deref().and_then(|name| table.column(name));
    let only = (table.columns.len() == 1).then_some(0);
    let Some(column) = named.or_else(|| table.column("text")).or(only) else {
        let columns = table.columns.join(", ");
        let reason = sentence!("none of the columns {columns} is named text; name the one with the texts", columns);
        return Err(EngineError::Setting { field: "data.target_column", reason });
    };
    Ok(table.rows.iter().take(most.max(1)).map(|row| row.text(column).into_owned()).collect())
}
