//! Choices beside the form's training rows: the validation file that belongs to them, and the columns that were
//! chosen for them. Other rows bring their own; whoever comes back finds both as they were.

use std::collections::BTreeMap;
use std::path::Path;

use super::form::RunForm;
use crate::state::State;

/// Choices for rows that the form has left, by the path of their file.
#[derive(Debug, Default)]
pub(super) struct LeftRows(BTreeMap<String, Choices>);

#[derive(Clone, Debug, Default, PartialEq)]
struct Choices {
    validation: String,
    columns: [Option<String>; 3],
}

impl LeftRows {
    /// The form names other rows than `before`.
    pub(super) fn follow(&mut self, before: &str, form: &mut RunForm, state: &State) {
        let data = &mut form.config.data;
        let columns = [&mut data.source_column, &mut data.second_column, &mut data.target_column].map(std::mem::take);
        let validation = if form.validation_chosen { String::new() } else { form.text.validation.clone() };
        let left = Choices { validation, columns };
        if left != Choices::default() {
            self.0.insert(before.to_owned(), left);
        }
        let found = self.0.get(&form.text.train).cloned();
        let companion = found.as_ref().map(|choices| choices.validation.clone()).filter(|path| !path.is_empty());
        form.follow_rows(companion.or_else(|| companion_of(Path::new(form.text.train.trim()), state)));
        [form.config.data.source_column, form.config.data.second_column, form.config.data.target_column] =
            found.unwrap_or_default().columns;
    }
}

/// The validation file that rows of the starter or of the library have.
fn companion_of(train: &Path, state: &State) -> Option<String> {
    let starter = state.env.starter.iter().map(|config| (&config.data.train, &config.data.validation));
    let known = state.library.datasets.iter().map(|row| (&row.train, &row.validation));
    let (_, validation) = starter.chain(known).find(|(rows, _)| *rows == train)?;
    validation.as_deref().map(|path| path.display().to_string())
}
