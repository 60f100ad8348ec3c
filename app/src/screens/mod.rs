//! The screens: each reads `&State` and returns actions; it keeps only what is being typed.

pub mod compare;
pub mod evaluate;
pub mod experiment;
pub mod explorer;
pub mod frame;
pub mod incoming;
pub mod library;
pub mod new_run;
pub mod runs;
mod saving;
pub mod settings;
pub mod training;

use std::path::Path;

use egui::Ui;

use crate::action::{Action, Pick, Screen};
use crate::desk::Desk;
use crate::state::State;
use crate::state::outbox::Fill;

/// All screens.
#[derive(Debug, Default)]
pub struct Screens {
    runs: runs::Runs,
    new_run: new_run::NewRun,
    training: training::Training,
    compare: compare::Compare,
    evaluate: evaluate::Evaluate,
    explorer: explorer::Explorer,
    library: library::Library,
    hub_settings: settings::HubSettings,
    machines_settings: settings::MachinesSettings,
    incoming: incoming::Incoming,
    palette: frame::Palette,
}

impl Screens {
    /// Draws the screen that is shown.
    pub fn ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        match state.screen {
            Screen::Runs => self.runs.ui(ui, state, out),
            Screen::NewRun => self.new_run.ui(ui, state, out),
            Screen::Training => self.training.ui(ui, state, out),
            Screen::Compare => self.compare.ui(ui, state, out),
            Screen::Evaluate => self.evaluate.ui(ui, state, out),
            Screen::Explorer => self.explorer.ui(ui, state, out),
            Screen::Library => self.library.ui(ui, state, out),
            Screen::Settings => {
                settings::settings_ui(ui, (&mut self.hub_settings, &mut self.machines_settings), state, out);
            }
        }
        self.incoming.ui(ui, state, out);
    }

    /// Draws what stands over every screen: what is held over the window, the palette, the list of keys.
    pub fn over_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let recipes = if self.palette.is_open() { self.new_run.recipes(state) } else { Vec::new() };
        self.palette.ui(ui, state, &recipes, out);
        if let Some((run, form)) = self.palette.take_sent() {
            self.runs.send(run, form);
            out.push(Action::Show(Screen::Runs));
        }
        if let Some(as_tiles) = self.palette.take_arranged() {
            self.training.arrange(as_tiles);
        }
        incoming::overlay_ui(ui, state);
    }

    /// The desk as it stands: screen, runs and all that is typed.
    pub fn desk(&self, state: &State) -> Desk {
        Desk {
            screen: state.screen,
            run: state.runs.view.as_ref().map(|view| view.id.clone()),
            compared: Vec::new(),
            columns: state.comparison.columns.iter().map(|column| column.setup.clone()).collect(),
            compare: self.compare.clone(),
            evaluate: self.evaluate.clone(),
            runs: self.runs.kept().clone(),
            tiles: self.training.arrangement(),
            form: self.new_run.form().cloned().map(Box::new),
        }
    }

    /// Puts back what was typed.
    pub fn restore(&mut self, desk: &Desk) {
        self.compare = desk.compare.clone();
        self.evaluate = desk.evaluate.clone();
        self.runs.restore(desk.runs.clone());
        self.training.restore(desk.tiles.clone());
        if let Some(form) = &desk.form {
            self.new_run.restore(form.as_ref().clone());
        }
    }

    /// Takes in a path that was chosen in a dialog.
    pub fn picked(&mut self, pick: Pick, path: &Path, state: &State) {
        match pick {
            Pick::Model | Pick::ModelFile | Pick::Train | Pick::Validation => self.new_run.picked(pick, path, state),
            Pick::LibraryModel | Pick::LibraryDataset | Pick::Adapter => self.library.picked(pick, path),
            Pick::IncomingModel => self.incoming.picked(path),
            Pick::EvaluateRows => self.evaluate.picked(path),
            Pick::Picture if state.screen == Screen::Explorer => self.explorer.picked(path),
            Pick::CompareRows | Pick::ComparisonFile => self.compare.picked(pick, path),
            Pick::Picture | Pick::RunsCsv => self.runs.picked_view(path),
            Pick::ExplorerCsv => self.explorer.picked(path),
            Pick::ExportFolder | Pick::ShareFile | Pick::ProgramFile | Pick::ReportFile => self.runs.picked(path),
            // The window opens it as if it had been dropped.
            Pick::Anything => {}
        }
    }

    /// Fills the form of a new run.
    pub fn fill(&mut self, fill: Fill, state: &State) {
        match fill {
            Fill::Run(config) => self.new_run.refill(&config),
            Fill::Recipe(name) => self.new_run.take_recipe(name, state),
            Fill::Model(folder) => self.new_run.picked(Pick::Model, &folder, state),
            Fill::Dataset(train, validation) => self.new_run.use_dataset(&train, validation.as_deref(), state),
        }
    }
}
