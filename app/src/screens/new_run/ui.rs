//! The screen *New run*: one page, Model · Data · Method · Schedule, with a card at the right that says what the run
//! will cost and whether it can begin.

use std::path::{Path, PathBuf};

use egui::{Panel, ScrollArea, Ui};
use engine::config::{DataConfig, RunConfig};
use engine::recipes::Scale;

use super::action::NewRunAction;
use super::check::{Facts, Field, Issue};
use super::datasets::Shown;
use super::form::RunForm;
use super::hub_rows::wanted_rows;
use super::state::preview::{PreviewOf, PreviewQuestion};
use super::vary::{Known, Variation};
use super::{data, further, init_comparison, method, model, rows, schedule};
use crate::action::{Action, Pick};
use crate::i18n::{Language, tell};
use crate::screens::library::action::LibraryAction;
use crate::state::State;
use crate::state::notices::Level;
use crate::t;
use crate::theme;
use crate::widgets::button::quiet_ui;
use crate::widgets::containers::{banner_ui, heading_ui};

/// The form *New run* as it is typed, and the last questions about it.
#[derive(Debug, Default)]
pub struct NewRun {
    form: Option<RunForm>,
    shown: Shown,
    /// Question of the last preview.
    asked: Option<PreviewQuestion>,
    /// The same of another dataset than the first one.
    asked_beside: Option<PreviewQuestion>,
    /// When the form last changed, in the window's time: a preview waits until typing pauses.
    changed_at: f64,
    pub(super) lengths: LengthCache,
    pub(super) checked: Checked,
    init_comparison: init_comparison::InitComparisonForm,
    left_rows: rows::LeftRows,
    /// Question of the last look at the chosen validation file.
    asked_validation: Option<PreviewQuestion>,
    /// Somebody changed something in the form.
    touched: bool,
    /// The form as it was typed before it was filled from a run.
    replaced: Option<Box<RunForm>>,
    /// What varies is to be taken back.
    pub(super) clears: bool,
    /// It is asked whether so many runs are meant.
    pub(super) asks: bool,
}

/// Lengths of the rows, summed up once for each preview.
#[derive(Debug, Default)]
pub(super) struct LengthCache {
    pub(super) key: (usize, usize, usize),
    /// Nineteen of twenty rows are at most as long.
    pub(super) usual: usize,
    pub(super) longest: usize,
}

/// The form, the language, whether models and rows are known, what is wrong with them and with the precision, and how many
/// experiments there are.
type Judged = (RunForm, Language, Vec<bool>, [Option<String>; 2], usize);

/// The last answer of [`RunForm::check`]: kept because the form is drawn far more often than it is typed in.
#[derive(Debug, Default)]
pub(super) struct Checked {
    key: Option<Judged>,
    pub(super) answer: Option<Result<Box<RunConfig>, Vec<Issue>>>,
    /// The experiment that the form is, where something varies.
    pub(super) varied: Option<Box<Variation>>,
}

/// A preview is asked for once typing has paused this long.
const TYPING_PAUSE_SECS: f64 = 0.4;

impl NewRun {
    /// Fills the form from a run's settings, as a new run. What was typed can be brought back.
    pub fn refill(&mut self, config: &RunConfig) {
        let mut form = RunForm::from(config);
        form.config.name.clear();
        let typed = self.form.take().filter(|typed| self.touched && *typed != form);
        (self.replaced, self.touched) = (typed.map(Box::new), false);
        self.form = Some(form);
    }

    /// The form as it is typed, to be kept from one start to the next.
    pub fn form(&self) -> Option<&RunForm> {
        self.form.as_ref()
    }

    /// Puts back what was typed before the last end.
    pub fn restore(&mut self, form: RunForm) {
        (self.form, self.touched) = (Some(form), true);
    }

    /// Takes in a path that was chosen in a dialog.
    pub fn picked(&mut self, pick: Pick, path: &Path, state: &State) {
        let form = self.form.get_or_insert_with(|| first_form(state));
        let text = path.display().to_string();
        match pick {
            Pick::Model | Pick::ModelFile => form.text.model = text,
            Pick::Train => {
                let before = std::mem::replace(&mut form.text.train, text);
                self.left_rows.follow(&before, form, state);
            }
            Pick::Validation => (form.text.validation, form.validation_chosen) = (text, true),
            _ => {}
        }
    }

    /// Takes in rows that somebody chose elsewhere, with their validation rows if those were chosen too.
    pub fn use_dataset(&mut self, train: &Path, validation: Option<&Path>, state: &State) {
        let form = self.form.get_or_insert_with(|| first_form(state));
        form.validation_chosen = false;
        let before = std::mem::replace(&mut form.text.train, train.display().to_string());
        self.left_rows.follow(&before, form, state);
        if let Some(validation) = validation {
            form.text.validation = validation.display().to_string();
        }
    }

    /// Draws the screen.
    pub fn ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let mut form = self.form.take().unwrap_or_else(|| first_form(state));
        if let Some(model) = state.model_asked(&form.text.model) {
            form.know_scale(Scale::of(model.parameters));
        }
        let before = form.clone();
        self.check(&form, state);
        let issues = match &self.checked.answer {
            Some(Err(issues)) => issues.clone(),
            _ => Vec::new(),
        };
        let ready = match &self.checked.answer {
            Some(Ok(config)) => Some(config.clone()),
            _ => None,
        };
        let narrow = ui.available_width() < theme::NARROW_SCREEN;
        if !narrow {
            Panel::right("new_run_side")
                .exact_size(336.0)
                .resizable(false)
                .show_separator_line(false)
                .frame(egui::Frame::new().inner_margin(egui::Margin { left: 16, ..egui::Margin::ZERO }))
                .show(ui, |ui| {
                    ScrollArea::vertical().id_salt("preview_card").auto_shrink(false).show(ui, |ui| {
                        self.preview_card_ui(ui, &form, state, out);
                    });
                });
        } else {
            self.start_line_ui(ui, &form, state, out);
        }
        let mut rows_before = String::new();
        ScrollArea::vertical().id_salt("form").auto_shrink(false).show(ui, |ui| {
            if !narrow {
                heading_ui(ui, t!("screen.new_run"), t!("new_run.note"), |_| {});
            }
            self.replaced_ui(ui, &mut form);
            rows_before.clone_from(&form.text.train);
            ui.spacing_mut().item_spacing.y = 10.0;
            model::model_ui(ui, &mut form, state, &issues, out);
            ui.add_space(4.0);
            data::data_ui(ui, &mut form, &mut self.shown, state, &issues, out);
            ui.add_space(4.0);
            method::method_ui(ui, &mut form, state, &issues, &mut self.init_comparison);
            ui.add_space(4.0);
            let named = self.checked.varied.as_ref().map(|varied| varied.experiment.name.as_str());
            schedule::schedule_ui(ui, &mut form, state, (&issues, ready.as_deref(), named), out);
            ui.add_space(4.0);
            further::further_ui(ui, &mut form, &issues);
            if narrow {
                ui.add_space(4.0);
                self.costs_card_ui(ui, &form, state, out);
            }
            ui.add_space(theme::GAP);
        });
        self.init_comparison.ui(ui, &mut form, ready.as_deref(), state, out);
        self.many_ui(ui, state, out);
        if std::mem::take(&mut self.clears) {
            form.vary_nothing();
        }
        if rows_before != form.text.train {
            self.left_rows.follow(&rows_before, &mut form, state);
        }
        self.ask(ui, &before, &form, state, out);
        self.form = Some(form);
    }

    /// Offers what was typed before the form was filled from a run.
    fn replaced_ui(&mut self, ui: &mut Ui, form: &mut RunForm) {
        if self.replaced.is_none() {
            return;
        }
        banner_ui(ui, Level::Info, t!("new_run.replaced"), "", "", |ui| {
            if quiet_ui(ui, true, t!("new_run.bring_back")).clicked()
                && let Some(typed) = self.replaced.take()
            {
                (*form, self.touched) = (*typed, true);
            }
            if quiet_ui(ui, true, t!("new_run.keep_filled")).clicked() {
                self.replaced = None;
            }
        });
        ui.add_space(theme::SMALL_GAP);
    }

    fn check(&mut self, form: &RunForm, state: &State) {
        let folder = state.model_folder(&form.text.model);
        let model_failure = state.model_failure(&folder).map(|failure| match model::wanted_id(form, state) {
            Some(_) => t!("issue.not_fetched").to_owned(),
            None => tell(&failure.what),
        });
        let data_failure = state.new_run.preview.failure().map(|failure| match wanted_rows(form) {
            Some(_) => t!("issue.rows_not_fetched").to_owned(),
            None => tell(&failure.what),
        });
        let no_precision = state.refusal(form.config.device, form.config.precision).map(tell);
        let facts = Facts {
            folder: Some(&folder),
            model: state.model(&folder),
            model_failure: model_failure.as_deref(),
            preview: state.new_run.preview.known(),
            data_failure: data_failure.as_deref(),
            no_precision: no_precision.as_deref(),
        };
        let others = form.vary.models.iter().filter(|other| **other != form.text.model);
        let others = others.map(|other| state.model_folder(other)).map(|folder| {
            let model = state.model(&folder);
            (folder, model)
        });
        let known = Known {
            model: facts.model,
            others: others.collect(),
            encoder_layers: facts.model.map_or(0, |model| model.encoder_layers),
            n_classes: facts.preview.map_or(0, |preview| preview.classes.len()),
            taken: state.experiments.names().collect(),
        };
        let mut are_known = vec![
            facts.model.is_some() || model_failure.is_some(),
            facts.preview.is_some_and(|preview| preview.train_rows > 0),
        ];
        are_known.extend(known.others.iter().map(|(_, model)| model.is_some()));
        let key = (
            form.clone(),
            crate::i18n::language(),
            are_known,
            [facts.data_failure.or(facts.model_failure), facts.no_precision].map(|reason| reason.map(str::to_owned)),
            known.taken.len(),
        );
        if self.checked.key.as_ref() != Some(&key) {
            let checked = form.check(facts).and_then(|config| {
                let varied = form.variation(&config, &known)?;
                Ok((Box::new(config), varied.map(Box::new)))
            });
            let (answer, varied) = match checked {
                Ok((config, varied)) => (Ok(config), varied),
                Err(issues) => (Err(issues), None),
            };
            self.checked = Checked { key: Some(key), answer: Some(answer), varied };
        }
    }

    /// A validation file that somebody chose may have other columns than the training rows: it is read as they are.
    fn ask_validation(&mut self, model: &Path, form: &RunForm, out: &mut Vec<Action>) {
        let file = PathBuf::from(form.text.validation.trim());
        let wanted = (form.validation_chosen && !file.as_os_str().is_empty()).then(|| {
            let data = DataConfig { train: file, validation: None, validation_share: 0.0, ..form.data_config() };
            question(model, data, form)
        });
        if self.asked_validation != wanted {
            self.asked_validation.clone_from(&wanted);
            out.extend(wanted.map(|question| preview(PreviewOf::Validation, question)));
        }
    }

    /// Asks for what is not known about the model and the rows that the form names, once typing has paused.
    fn ask(&mut self, ui: &Ui, before: &RunForm, form: &RunForm, state: &State, out: &mut Vec<Action>) {
        let now = ui.input(|input| input.time);
        if before != form {
            self.touched = true;
            self.changed_at = now;
        }
        let waited = now - self.changed_at;
        if waited < TYPING_PAUSE_SECS && self.asked.is_some() {
            ui.ctx().request_repaint_after(std::time::Duration::from_secs_f64(TYPING_PAUSE_SECS - waited));
            return;
        }
        let model = state.model_folder(&form.text.model);
        if model.as_os_str().is_empty() {
            return;
        }
        let others = form.vary.models.iter().map(|other| state.model_folder(other));
        for folder in std::iter::once(model.clone()).chain(others) {
            if !state.library.lookups.contains_key(&folder) {
                out.push(Action::Library(LibraryAction::Describe(folder)));
            }
        }
        let data = form.data_config();
        if let Some(beside) = self.shown.beside(&data) {
            let wanted = question(&model, beside, form);
            if self.asked_beside.as_ref() != Some(&wanted) {
                self.asked_beside = Some(wanted.clone());
                out.push(preview(PreviewOf::Beside, wanted));
            }
        }
        self.ask_validation(&model, form, out);
        let wanted = question(&model, data, form);
        if self.asked.as_ref() == Some(&wanted) || wanted.data.train.as_os_str().is_empty() {
            return;
        }
        self.asked = Some(wanted.clone());
        out.push(preview(PreviewOf::Rows, wanted));
    }
}

fn question(model: &Path, data: DataConfig, form: &RunForm) -> PreviewQuestion {
    PreviewQuestion {
        model: model.to_owned(),
        data: Box::new(data),
        task: form.config.task,
        n_virtual: form.n_before(),
    }
}

fn preview(of: PreviewOf, question: PreviewQuestion) -> Action {
    Action::NewRun(NewRunAction::Preview(of, question))
}

/// Nobody typed anything in it yet.
pub(super) fn first_form(state: &State) -> RunForm {
    let mut form = match &state.env.starter {
        // Its rate suits a small model.
        Some(config) => RunForm { rate_edited: false, scale: Some(Scale::Small), ..RunForm::from(config.as_ref()) },
        None => RunForm::default(),
    };
    form.config.name.clear();
    form.config.device = state.settings.device;
    form
}

pub(super) fn error_of(issues: &[Issue], field: Field) -> Option<&str> {
    issues.iter().find(|issue| issue.field == field).map(|issue| issue.sentence.as_str())
}
