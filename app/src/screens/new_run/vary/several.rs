//! Choices of which several can be held against each other: a small press beside the choice opens the list.

use std::path::Path;

use egui::{Popup, PopupCloseBehavior, RichText, Ui};

use super::super::form::{InitKind, RunForm};
use super::super::method;
use super::super::tuning::MethodKind;
use super::OtherRows;
use crate::state::State;
use crate::t;
use crate::theme::tokens;
use crate::widgets::button::small_ui;
use crate::workspace::{dataset_name, model_name};

/// Several methods.
pub(in crate::screens::new_run) fn methods_ui(ui: &mut Ui, form: &mut RunForm, state: &State) {
    let task = form.shown_task(state.model_asked(&form.text.model));
    let usable = MethodKind::ALL.into_iter().filter(|kind| kind.why_not(task).is_none());
    let choices: Vec<_> = usable.map(|kind| (kind, method::words(kind).0.to_owned())).collect();
    several_ui(ui, t!("vary.methods"), &form.tuning.kind, &mut form.vary.methods, &choices);
}

/// Several initial values, of a prefix or a soft prompt.
pub(in crate::screens::new_run) fn inits_ui(
    ui: &mut Ui,
    inits: &mut Vec<InitKind>,
    present: InitKind,
    (method, has_names): (MethodKind, bool),
) {
    let usable = InitKind::offered(method, has_names).filter(|kind| *kind == present || !kind.needs_text());
    let choices: Vec<_> = usable.map(|kind| (kind, kind.name().to_owned())).collect();
    several_ui(ui, t!("vary.inits"), &present, inits, &choices);
}

/// Several models of those that were used.
pub(in crate::screens::new_run) fn models_ui(ui: &mut Ui, form: &mut RunForm, state: &State) {
    let starter = state.env.starter.as_ref().map(|config| &config.model);
    let used = state.library.models.iter().map(|row| &row.folder);
    let named = |path: String| {
        let name = model_name(Path::new(&path));
        (path, name)
    };
    let mut choices = vec![named(form.text.model.clone())];
    for path in
        starter.into_iter().chain(used).map(|folder| folder.display().to_string()).chain(form.vary.models.clone())
    {
        if !choices.iter().any(|(known, _)| *known == path) {
            choices.push(named(path));
        }
    }
    let present = form.text.model.clone();
    several_ui(ui, t!("vary.models"), &present, &mut form.vary.models, &choices);
}

/// Several datasets of those that were used.
pub(in crate::screens::new_run) fn datasets_ui(ui: &mut Ui, form: &mut RunForm, state: &State) {
    let text = |path: &Path| path.display().to_string();
    let starter =
        state.env.starter.as_ref().map(|config| (config.data.train.as_path(), config.data.validation.as_deref()));
    let used = state.library.datasets.iter().map(|row| (row.train.as_path(), row.validation.as_deref()));
    let present = OtherRows { train: form.text.train.clone(), validation: None };
    let mut choices = vec![(present.clone(), dataset_name(Path::new(&present.train)))];
    let known = starter.into_iter().chain(used);
    let known = known.map(|(train, validation)| OtherRows { train: text(train), validation: validation.map(text) });
    for rows in known.chain(form.vary.datasets.clone()) {
        if !choices.iter().any(|(other, _)| other.train == rows.train) {
            let name = dataset_name(Path::new(&rows.train));
            choices.push((rows, name));
        }
    }
    several_ui(ui, t!("vary.datasets"), &present, &mut form.vary.datasets, &choices);
}

/// A press that opens a list of boxes; the choice that holds is always among them. Nothing where there is nothing to choose.
fn several_ui<T: PartialEq + Clone>(
    ui: &mut Ui,
    label: &str,
    present: &T,
    others: &mut Vec<T>,
    choices: &[(T, String)],
) {
    if choices.len() < 2 && others.is_empty() {
        return;
    }
    let is_chosen = |others: &[T], choice: &T| choice == present || others.contains(choice);
    ui.horizontal_wrapped(|ui| {
        let button = small_ui(ui, label).on_hover_text(t!("vary.help"));
        Popup::menu(&button).width(280.0).close_behavior(PopupCloseBehavior::CloseOnClickOutside).show(|ui| {
            for (choice, name) in choices {
                let mut chosen = is_chosen(others, choice);
                // A name alone is that of the choice behind the list.
                let word = t!("vary.with", name = name);
                if ui.add_enabled(choice != present, egui::Checkbox::new(&mut chosen, word)).changed() {
                    others.retain(|other| other != choice);
                    others.extend(chosen.then(|| choice.clone()));
                }
            }
        });
        let names: Vec<&str> =
            choices.iter().filter(|(choice, _)| is_chosen(others, choice)).map(|(_, name)| name.as_str()).collect();
        if names.len() > 1 {
            let line = t!("vary.chosen", n = names.len(), names = names.join(", "));
            ui.add(egui::Label::new(RichText::new(line).small().color(tokens(ui).accent)).wrap());
        }
    });
}
