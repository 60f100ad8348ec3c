//! The section *Further settings*: a choice of all that has no control of its own, and a row for each that was added.

use egui::{CollapsingHeader, ComboBox, PopupCloseBehavior, RichText, ScrollArea, Ui};
use engine::config::schema::{Kind, Setting};
use serde_json::Value;

use super::super::check::{Field, Issue};
use super::super::error_of;
use super::super::form::RunForm;
use super::super::vary::field::said_ui;
use super::{is_typed, value_of, without_control, words_of};
use crate::i18n::{as_sentence, help_of};
use crate::t;
use crate::theme::tokens;
use crate::widgets::button::small_ui;
use crate::widgets::containers::card_ui;
use crate::widgets::field;

/// Room for the press that takes a row away.
const REMOVE_WIDTH: f32 = 84.0;

/// Draws the card.
pub(in crate::screens::new_run) fn further_ui(ui: &mut Ui, form: &mut RunForm, issues: &[Issue]) {
    let tree = form.settings_tree();
    let shown = form.shown_further(&tree);
    let has_trouble = shown.iter().any(|setting| error(issues, setting).is_some());
    let title = match shown.len() {
        0 => t!("further.title").to_owned(),
        n => t!("further.title_of", n = n),
    };
    card_ui(ui, "", |ui| {
        let section = CollapsingHeader::new(title).id_salt("further").open(has_trouble.then_some(true));
        section.show(ui, |ui| {
            ui.add(egui::Label::new(RichText::new(t!("further.note")).small().color(tokens(ui).muted)).wrap());
            for setting in &shown {
                row_ui(ui, form, &tree, setting, error(issues, setting));
            }
            let others: Vec<_> = without_control(&tree).filter(|setting| !is_among(&shown, setting)).collect();
            add_ui(ui, form, &others);
        });
    });
}

fn is_among(settings: &[&Setting], setting: &Setting) -> bool {
    settings.iter().any(|other| other.key == setting.key)
}

fn error<'a>(issues: &'a [Issue], setting: &Setting) -> Option<&'a str> {
    // What is said of a table stands under each of its rows.
    let is_about = |of: &str| setting.key.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let found = issues.iter().find(|issue| matches!(issue.field, Field::Setting(of) if is_about(of)));
    found.map(|issue| issue.sentence.as_str()).or_else(|| error_of(issues, Field::List(setting.key)))
}

/// One setting: its path, its value, and a press that takes it away.
fn row_ui(ui: &mut Ui, form: &mut RunForm, tree: &Value, setting: &'static Setting, error: Option<&str>) {
    let help = format!("{} ({})", help_of(setting.key), setting.kind);
    let remove = field::field_ui(ui, setting.key, &help, error, |ui| {
        ui.push_id(setting.key, |ui| {
            let size = egui::vec2(ui.available_width(), crate::theme::CONTROL_HEIGHT);
            let order = egui::Layout::left_to_right(egui::Align::Center);
            ui.allocate_ui_with_layout(size, order, |ui| {
                let width = ui.available_width() - REMOVE_WIDTH;
                ui.allocate_ui(egui::vec2(width, size.y), |ui| {
                    ui.set_width(width);
                    value_ui(ui, form, tree, setting);
                });
                small_ui(ui, t!("further.remove")).on_hover_text(t!("further.remove_hint")).clicked()
            })
            .inner
        })
        .inner
    });
    if let Some(list) = form.vary.lists.get(setting.key) {
        said_ui(ui, setting.key, list, error.is_none());
    }
    if remove {
        form.remove_further(setting);
    }
}

/// The editor of a value by its form.
fn value_ui(ui: &mut Ui, form: &mut RunForm, tree: &Value, setting: &'static Setting) {
    if is_typed(setting) {
        let mut text = form.further_text(setting, tree);
        if field::text_ui(ui, &mut text, &setting.kind.to_string()) {
            form.type_further(setting, text);
        }
        return;
    }
    let value = value_of(setting, tree);
    let chosen = match setting.kind {
        Kind::Choice(_) => {
            let words = words_of(setting);
            let none = setting.optional.then(|| (Value::Null, t!("further.none").to_owned()));
            let words = words.iter().map(|&word| (Value::from(word), word.to_owned()));
            let mut chosen = value.clone();
            field::choice_ui(ui, setting.key, &mut chosen, &none.into_iter().chain(words).collect::<Vec<_>>());
            chosen
        }
        _ => {
            let mut is_on = value == true || value.is_object();
            let was_on = is_on;
            ui.checkbox(&mut is_on, if was_on { t!("further.on") } else { t!("further.off") });
            if is_on == was_on { value.clone() } else { is_on.into() }
        }
    };
    if chosen != value {
        form.further.entry(setting.key.to_owned()).or_default();
        // A choice among what there is fits; what does not fit together is said by the check of the form.
        form.set_further(setting, chosen).unwrap_or_default();
    }
}

/// The choice of a setting to add, with a line that finds some of them by name, by their name elsewhere, or by what they do.
fn add_ui(ui: &mut Ui, form: &mut RunForm, others: &[&'static Setting]) {
    if others.is_empty() {
        return;
    }
    let mut taken = None;
    let list = ComboBox::from_id_salt("add_setting")
        .width(ui.available_width().min(420.0))
        .height(420.0)
        .selected_text(t!("further.add"))
        .close_behavior(PopupCloseBehavior::CloseOnClickOutside);
    ui.name_inputs(t!("further.add"), |ui| list.show_ui(ui, |ui| taken = list_ui(ui, others)));
    if let Some(setting) = taken {
        form.add_further(setting);
    }
}

fn list_ui(ui: &mut Ui, others: &[&'static Setting]) -> Option<&'static Setting> {
    let place = ui.unique_id().with("find");
    let mut wanted = ui.data(|data| data.get_temp::<String>(place)).unwrap_or_default();
    ui.set_min_width(400.0);
    ui.name_inputs(t!("further.find"), |ui| field::line_ui(ui, &mut wanted, t!("further.find"), 380.0));
    ui.data_mut(|data| data.insert_temp(place, wanted.clone()));
    let mut taken = None;
    ScrollArea::vertical().max_height(320.0).show(ui, |ui| {
        for setting in others.iter().copied().filter(|setting| is_found(setting, &wanted)) {
            let help = help_of(setting.key);
            if ui.selectable_label(false, setting.key).on_hover_text(&help).clicked() {
                taken = Some(setting);
                ui.data_mut(|data| data.remove::<String>(place));
                ui.close();
            }
            let help = RichText::new(as_sentence(&help)).small().color(tokens(ui).muted);
            ui.add(egui::Label::new(help).wrap().selectable(false));
        }
    });
    taken
}

/// Whether all words are in what is known of a setting, wherever.
pub(super) fn is_found(setting: &Setting, wanted: &str) -> bool {
    let aliases: Vec<&str> = setting.aliases.iter().map(|alias| alias.name).collect();
    let known = format!("{} {} {}", setting.key, aliases.join(" "), help_of(setting.key)).to_lowercase();
    wanted.to_lowercase().split_whitespace().all(|word| known.contains(word))
}
