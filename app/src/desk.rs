//! Where one was and what was typed, from one start to the next: `desk.json` in the workspace folder.
//!
//! Settings are choices of a person and stand in `settings.toml`; this is the state of the work on the desk, and nothing in
//! it is worth an error.

use std::path::Path;

use engine::Sentence;
use engine::files::{self, Kind};
use serde::{Deserialize, Serialize};

use crate::action::Screen;
use crate::screens::compare::Compare;
use crate::screens::compare::state::ColumnSetup;
use crate::screens::evaluate::Evaluate;
use crate::screens::new_run::form::RunForm;
use crate::screens::runs::Kept;
use crate::screens::training::Arrangement;
use crate::workspace::RunId;

/// The state of the work, as `desk.json` holds it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Desk {
    /// The screen that was shown.
    pub screen: Screen,
    /// The run of *Training* and *Explorer*.
    pub run: Option<RunId>,
    /// The runs of *Compare*, as earlier versions kept them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub compared: Vec<RunId>,
    /// The columns of *Compare*.
    pub columns: Vec<ColumnSetup>,
    /// The texts and choices of *Compare*.
    pub compare: Compare,
    /// The form of *Evaluate*, and the run it is for.
    pub evaluate: Evaluate,
    /// Filter and order of the table of runs.
    pub runs: Kept,
    /// Where the tiles of *Training* stand; without them it is a page.
    #[serde(deserialize_with = "Arrangement::kept", skip_serializing_if = "Option::is_none")]
    pub tiles: Option<Arrangement>,
    /// The form of a new run; nothing if nobody was there.
    pub form: Option<Box<RunForm>>,
}

impl Desk {
    /// Reads the file. One that is not there or of another version is an empty desk.
    pub fn load(path: &Path) -> Self {
        files::read_json(path, Kind::Settings, Sentence::default()).unwrap_or_default()
    }

    /// The columns of *Compare*, also of a desk that knows only its runs.
    pub fn columns(&self) -> Vec<ColumnSetup> {
        if self.columns.is_empty() {
            return self.compared.iter().cloned().map(ColumnSetup::of_run).collect();
        }
        self.columns.clone()
    }

    /// The file's text.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_desk_survives_a_restart_and_a_broken_file_is_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("desk.json");
        let mut form = RunForm::default();
        (form.tuning.prefix.config.n_virtual, form.text.learning_rate) = (7, "3e-3 is hal".into());
        let desk = Desk {
            screen: Screen::Explorer,
            run: Some(RunId("a".into())),
            form: Some(Box::new(form)),
            ..Desk::default()
        };
        std::fs::write(&path, desk.to_json()).unwrap();
        assert_eq!(Desk::load(&path), desk);
        std::fs::write(&path, "{\"screen\": \"cellar\"}").unwrap();
        assert_eq!(Desk::load(&path), Desk::default());
        assert_eq!(Desk::load(&folder.path().join("none")), Desk::default());
    }
}
