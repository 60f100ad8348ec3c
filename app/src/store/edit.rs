//! Changes that people make to runs, models and datasets.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use engine::error::io_reason;
use engine::models::ModelSummary;
use engine::{Sentence, sentence};
use rusqlite::params;

use super::Answer;
use super::folder::{self, Marks, RunFile};
use super::heartbeat;
use super::index::Right;
use super::record::unknown;
use super::tables::{self, Key};
use super::thread::{StoreFailure, StoreThread};
use super::trash;
use crate::workspace::{RunId, now};

impl StoreThread {
    fn writable(&self) -> Result<(), StoreFailure> {
        match &self.index.right {
            Right::Ours { .. } | Right::Alone => Ok(()),
            Right::Elsewhere => Err(StoreFailure::No(
                sentence!("another Prefix Workbench has this workspace open, so nothing can be changed here"),
                sentence!("Make the change there, or close it first"),
            )),
            Right::Unwritable(reason) => Err(StoreFailure::No(
                sentence!("the workspace cannot be written, so nothing can be changed in it ({reason})", reason),
                sentence!("Give yourself the right to write there, or copy it to another place"),
            )),
        }
    }

    /// For what the run folders do not keep.
    fn lasting(&self) -> Result<(), StoreFailure> {
        self.writable()?;
        match self.index.in_memory {
            false => Ok(()),
            true => Err(StoreFailure::No(
                sentence!("the database cannot be used now, and this is kept nowhere else"),
                sentence!("Make room on the disk, then start the program again"),
            )),
        }
    }

    fn key(&self, run: &RunId) -> Result<Key, StoreFailure> {
        self.writable()?;
        tables::key_of(&self.index.db, run)?.ok_or_else(|| unknown(run))
    }

    pub(super) fn rename(&mut self, run: &RunId, name: &str) -> Result<(), StoreFailure> {
        let name = name.trim().to_owned();
        if name.is_empty() {
            return Err(StoreFailure::No(sentence!("a run needs a name"), sentence!("Type at least one letter")));
        }
        self.change_file(run, |file| file.name = name)
    }

    pub(super) fn experiment(&mut self, run: &RunId, name: Option<String>) -> Result<(), StoreFailure> {
        let name = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        self.change_file(run, |file| file.experiment = name)
    }

    /// In `run.json` and in the row, so that it outlives the database.
    fn change_file(&mut self, run: &RunId, change: impl FnOnce(&mut RunFile)) -> Result<(), StoreFailure> {
        let key = self.key(run)?;
        let folder = self.workspace.run_folder(run);
        if self.live.contains_key(run) {
            self.change_live(run, change)?;
            return Ok(());
        }
        let Some(mut file) = RunFile::read(&folder) else {
            return Err(StoreFailure::No(
                sentence!("the run's files are not there, so it cannot be changed"),
                sentence!("Put the folder back, or delete the run"),
            ));
        };
        change(&mut file);
        file.write(&folder)?;
        self.begin_transaction()?;
        tables::put_state(&self.index.db, key, &file)?;
        tables::put_synced(&self.index.db, key, Some(&folder::fingerprint(&folder)))?;
        self.changed.insert(run.clone());
        Ok(())
    }

    /// Changes what people say of a run: in `run.json` too, where there is a folder.
    fn change_marks(&mut self, run: &RunId, change: impl FnOnce(&mut Marks)) -> Result<(), StoreFailure> {
        let key = self.key(run)?;
        let mut marks = tables::marks_of(&self.index.db, key)?;
        if self.live.contains_key(run) || RunFile::read(&self.workspace.run_folder(run)).is_some() {
            return self.change_file(run, |file| change(file.marks.get_or_insert(marks)));
        }
        self.lasting()?;
        change(&mut marks);
        self.begin_transaction()?;
        tables::put_marks(&self.index.db, key, &marks)?;
        self.changed.insert(run.clone());
        Ok(())
    }

    pub(super) fn star(&mut self, run: &RunId, starred: bool) -> Result<(), StoreFailure> {
        self.change_marks(run, |marks| marks.starred = starred)
    }

    pub(super) fn archive(&mut self, run: &RunId, archived: bool) -> Result<(), StoreFailure> {
        self.change_marks(run, |marks| marks.archived = archived)
    }

    pub(super) fn tags(&mut self, run: &RunId, tags: &[String]) -> Result<(), StoreFailure> {
        // In alphabetical order, each once.
        let tags: BTreeSet<&str> = tags.iter().map(|tag| tag.trim()).filter(|tag| !tag.is_empty()).collect();
        self.change_marks(run, |marks| marks.tags = tags.into_iter().map(str::to_owned).collect())
    }

    pub(super) fn notes(&mut self, run: &RunId, text: &str) -> Result<(), StoreFailure> {
        self.change_marks(run, |marks| text.clone_into(&mut marks.notes))
    }

    /// `run.json` has all that its row knows of a run and its other files do not.
    pub(super) fn keep_in_folder(&self, run: &RunId, key: Key) -> Result<(), StoreFailure> {
        let folder = self.workspace.run_folder(run);
        let before = RunFile::read(&folder);
        let marks = tables::marks_of(&self.index.db, key)?;
        let has_all = |file: &RunFile| file.marks.clone().unwrap_or_default() == marks;
        // A full disk need not keep anybody from deleting.
        if before.as_ref().is_some_and(has_all) {
            return Ok(());
        }
        let file = before.map_or_else(|| tables::file_of(&self.index.db, key), Ok)?;
        Ok(RunFile { marks: Some(marks), ..file }.write(&folder)?)
    }

    pub(super) fn delete(&mut self, run: &RunId) -> Result<(), StoreFailure> {
        let key = self.key(run)?;
        let folder = self.workspace.run_folder(run);
        if self.live.contains_key(run) || heartbeat::is_computed(&folder) {
            return Err(StoreFailure::No(
                sentence!("the run is being computed"),
                sentence!("Stop it first, then delete it"),
            ));
        }
        let left = if folder.exists() {
            self.keep_in_folder(run, key)?;
            trash::put(&self.workspace, run)?;
            None
        } else {
            Some(sentence!("Its files were not there, so that this deletion cannot be taken back"))
        };
        self.index.db.execute("DELETE FROM runs WHERE key = ?1", [key])?;
        // There may be room for the database now, which still has the row.
        if self.index.in_memory && self.return_to_disk() {
            self.index.db.execute("DELETE FROM runs WHERE id = ?1", [&run.0])?;
        }
        self.followed.remove(run);
        self.answer(Answer::Deleted { run: run.clone(), left });
        self.changed.insert(run.clone());
        Ok(())
    }

    pub(super) fn undelete(&mut self, run: &RunId) -> Result<(), StoreFailure> {
        self.writable()?;
        if run.is_a_name() && self.workspace.run_folder(run).exists() {
            return Err(StoreFailure::No(
                sentence!("the run {run} is there, so it need not be brought back", run = run.0),
                sentence!("Look at the list of runs for its id"),
            ));
        }
        if !trash::take_out(&self.workspace, run)? {
            return Err(StoreFailure::No(
                sentence!("no run {run} that was deleted is kept", run = run.0),
                sentence!("Deleted runs are kept for seven days; prefix-workbench runs undelete lists them"),
            ));
        }
        self.adopt_if_changed(run)?;
        self.changed.insert(run.clone());
        Ok(())
    }

    pub(super) fn empty_trash(&mut self) -> Result<(), StoreFailure> {
        self.writable()?;
        let (runs, hindered) = trash::empty(&self.workspace, Duration::ZERO);
        let left = hindered.map(|(path, error)| {
            sentence!("Some files could not be removed ({reason}): {path}", reason = io_reason(&error), path)
        });
        self.answer(Answer::TrashEmptied { runs, left });
        Ok(())
    }

    pub(super) fn remember_model(&mut self, model: &ModelSummary) -> Result<(), StoreFailure> {
        self.lasting()?;
        let key = tables::put_model(&self.index.db, &model.folder, now())?;
        self.index.db.execute(
            "UPDATE models SET architecture = ?2, parameters = ?3 WHERE key = ?1",
            params![key, model.architecture, tables::signed(model.parameters)],
        )?;
        Ok(())
    }

    pub(super) fn remember_dataset(&mut self, train: &Path, validation: Option<&Path>) -> Result<(), StoreFailure> {
        self.lasting()?;
        engine::data::check_file(train).map_err(|error| StoreFailure::No(error.sentence(), error.advice()))?;
        tables::put_dataset(&self.index.db, train, validation, now())?;
        Ok(())
    }

    pub(super) fn forget_model(&mut self, folder: &Path) -> Result<(), StoreFailure> {
        self.forget("DELETE FROM models WHERE folder = ?1", folder, sentence!("there are runs of this model"))
    }

    pub(super) fn forget_dataset(&mut self, train: &Path) -> Result<(), StoreFailure> {
        self.forget("DELETE FROM datasets WHERE train = ?1", train, sentence!("there are runs of this dataset"))
    }

    fn forget(&mut self, sql: &str, path: &Path, used: Sentence) -> Result<(), StoreFailure> {
        self.lasting()?;
        match self.index.db.execute(sql, [path.to_string_lossy()]) {
            Ok(_) => Ok(()),
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) => {
                Err(StoreFailure::No(used, sentence!("Delete its runs first")))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Removes what was to be deleted when that was interrupted.
pub(super) fn forget_grave(grave: &Path) -> io::Result<()> {
    match fs::remove_dir_all(grave) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
