//! The file, out.

use std::collections::HashMap;
use std::path::Path;

use super::{KEY, Manifest, REFERENCE, ReferenceLogits, malformed, parts, tensor_name};
use crate::Sentence;
use crate::adapters::AdapterState;
use crate::error::{EngineError, Result};
use crate::weights::write_floats;

/// Writes the file, whole or not at all.
///
/// # Errors
/// The folder cannot be written to, or the card is longer than a reader takes.
pub fn write(
    path: &Path,
    adapter: &AdapterState,
    mut about: Manifest,
    reference: Option<&ReferenceLogits>,
) -> Result<()> {
    about.check_texts().map_err(malformed(path))?;
    let mut tensors = parts::tensors(adapter);
    for prefix in adapter.prefixes() {
        let dims = vec![prefix.shape.n_virtual, prefix.shape.row()];
        tensors.insert(tensor_name(prefix.site), (dims, prefix.flat.clone()));
    }
    for (name, shape, values) in adapter.head() {
        tensors.insert(format!("head.{name}"), (shape.clone(), values.clone()));
    }
    if let Some(ReferenceLogits { rows, columns, logits }) = reference {
        tensors.insert(REFERENCE.to_owned(), (vec![rows.len(), columns.len()], logits.clone()));
        about.reference_rows.clone_from(rows);
        about.reference_columns.clone_from(columns);
    }
    let json = serde_json::to_string(&about).map_err(|error| EngineError::Computation(Sentence::verbatim(error)))?;
    write_floats(path, &tensors, Some(HashMap::from([(KEY.to_owned(), json)])))
}
