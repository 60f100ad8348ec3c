//! The palette: everything that can be done, by a few letters of its name. And the list of keys.

use egui::{Key, KeyboardShortcut, Modifiers, RichText, ScrollArea, Ui};

use super::rail;
use crate::action::{Action, Screen};
use crate::i18n::Language;
use crate::screens::runs::action::RunAction;
use crate::screens::runs::can_resume;
use crate::screens::settings::action::SettingsAction;
use crate::settings::Settings;
use crate::state::State;
use crate::t;
use crate::theme::{self, ThemeChoice, tokens};
use crate::widgets::button::quiet_ui;
use crate::widgets::containers::modal_frame;
use crate::widgets::field;

const OPEN: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND, Key::K);
const KEYS: KeyboardShortcut = KeyboardShortcut::new(Modifiers::NONE, Key::F1);
/// Runs that are offered by name.
const RUNS_OFFERED: usize = 200;

/// The palette: typed query, chosen line, list of keys.
#[derive(Debug, Default)]
pub struct Palette {
    open: bool,
    fresh: bool,
    query: String,
    /// The line that *Enter* does.
    at: usize,
    keys: bool,
}

/// Something that can be done.
struct Entry {
    name: String,
    /// Text shown behind the name.
    note: String,
    deed: Deed,
}

enum Deed {
    Act(Action),
    ShowKeys,
}

impl Palette {
    /// Listens to its keys and draws itself, if it is open.
    pub fn ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        if ui.input_mut(|input| input.consume_shortcut(&OPEN)) {
            *self = Self { open: !self.open, fresh: true, ..Self::default() };
        }
        if ui.input_mut(|input| input.consume_shortcut(&KEYS)) {
            (self.keys, self.open) = (!self.keys, false);
        }
        if self.open {
            self.palette_ui(ui, state, out);
        }
        if self.keys {
            self.keys_ui(ui);
        }
    }

    fn palette_ui(&mut self, ui: &Ui, state: &State, out: &mut Vec<Action>) {
        let found: Vec<Entry> = entries(ui, state).into_iter().filter(|entry| self.matches(entry)).collect();
        let last = found.len().saturating_sub(1);
        let arrow = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
        let moved = match (arrow(Key::ArrowDown), arrow(Key::ArrowUp)) {
            (true, _) => Some((self.at + 1).min(last)),
            (_, true) => Some(self.at.saturating_sub(1)),
            _ => None,
        };
        self.at = moved.unwrap_or(self.at).min(last);
        let mut chosen = None;
        let modal = egui::Modal::new(egui::Id::unique("palette")).frame(modal_frame(ui)).show(ui.ctx(), |ui| {
            ui.set_width(520.0);
            let before = self.query.clone();
            let entered = ui.name_inputs(t!("palette.field"), |ui| {
                field::entry_ui(ui, &mut self.query, std::mem::take(&mut self.fresh))
            });
            if before != self.query {
                self.at = 0;
            }
            if entered {
                chosen = Some(self.at);
            }
            ui.add_space(theme::SMALL_GAP);
            if found.is_empty() {
                ui.label(RichText::new(t!("palette.nothing")).color(tokens(ui).muted));
            }
            ScrollArea::vertical().max_height(360.0).show(ui, |ui| {
                ui.set_width(ui.available_width());
                ui.spacing_mut().item_spacing.y = 2.0;
                for (index, entry) in found.iter().enumerate() {
                    let line = entry_ui(ui, entry, index == self.at);
                    if index == self.at && moved.is_some() {
                        line.scroll_to_me(None);
                    }
                    if line.clicked() {
                        chosen = Some(index);
                    }
                }
            });
        });
        if let Some(entry) = chosen.and_then(|index| found.into_iter().nth(index)) {
            self.open = false;
            match entry.deed {
                Deed::Act(action) => out.push(action),
                Deed::ShowKeys => self.keys = true,
            }
        } else if modal.should_close() {
            self.open = false;
        }
    }

    /// All words of the query are in the name or behind it.
    fn matches(&self, entry: &Entry) -> bool {
        let text = format!("{} {}", entry.name, entry.note).to_lowercase();
        self.query.to_lowercase().split_whitespace().all(|word| text.contains(word))
    }

    fn keys_ui(&mut self, ui: &Ui) {
        let modal = egui::Modal::new(egui::Id::unique("keys")).frame(modal_frame(ui)).show(ui.ctx(), |ui| {
            ui.set_width(460.0);
            ui.label(RichText::new(t!("keys.title")).text_style(theme::title()));
            ui.add_space(theme::SMALL_GAP);
            egui::Grid::new("keys").num_columns(2).spacing([24.0, 6.0]).show(ui, |ui| {
                for (keys, what) in key_list(ui) {
                    ui.label(RichText::new(keys).text_style(theme::small_number()).color(tokens(ui).accent));
                    ui.label(what);
                    ui.end_row();
                }
            });
            ui.add_space(theme::SMALL_GAP);
            quiet_ui(ui, true, t!("keys.close")).clicked()
        });
        if modal.inner || modal.should_close() {
            self.keys = false;
        }
    }
}

fn entry_ui(ui: &mut Ui, entry: &Entry, chosen: bool) -> egui::Response {
    let t = tokens(ui);
    let size = egui::vec2(ui.available_width(), 28.0);
    let (rect, response) = ui.allocate_exact_size(size, egui::Sense::click());
    // A name alone may be that of a button behind the palette.
    let label = format!("{} · {}", entry.name, entry.note);
    response.widget_info(|| egui::WidgetInfo::selected(egui::accesskit::Role::MenuItem, true, chosen, &label));
    let fill = match (chosen, response.hovered()) {
        (true, _) => t.accent_soft,
        (false, true) => t.raised,
        (false, false) => egui::Color32::TRANSPARENT,
    };
    ui.painter().rect_filled(rect, 6.0, fill);
    let note = egui::FontId::proportional(12.5);
    let note = ui.painter().layout_no_wrap(entry.note.clone(), note, t.muted);
    let mut job =
        egui::text::LayoutJob::simple_singleline(entry.name.clone(), egui::FontId::proportional(14.5), t.text);
    job.wrap = egui::text::TextWrapping::truncate_at_width(rect.width() - note.size().x - 36.0);
    let name = ui.painter().layout_job(job);
    let middle = |galley: &egui::Galley| rect.center().y - galley.size().y / 2.0;
    ui.painter().galley(egui::pos2(rect.left() + 10.0, middle(&name)), name, t.text);
    ui.painter().galley(egui::pos2(rect.right() - 10.0 - note.size().x, middle(&note)), note, t.muted);
    response
}

/// Everything, in the order in which it is offered.
fn entries(ui: &Ui, state: &State) -> Vec<Entry> {
    let act = |name: String, note: String, action| Entry { name, note, deed: Deed::Act(action) };
    let mut entries: Vec<Entry> = Screen::ALL
        .into_iter()
        .map(|screen| act(rail::name(screen).to_owned(), rail::keys(ui, screen), Action::Show(screen)))
        .collect();
    for live in state.live.running.values() {
        let name = state.row(&live.run).map(|row| row.name.clone()).unwrap_or_default();
        let pause = if live.paused { t!("training.continue") } else { t!("training.pause") };
        entries.push(act(
            pause.to_owned(),
            name.clone(),
            Action::Run(RunAction::Pause(live.run.clone(), !live.paused)),
        ));
        entries.push(act(t!("training.stop").to_owned(), name, Action::Run(RunAction::Stop(live.run.clone()))));
    }
    let viewed = state.runs.view.as_ref().and_then(|view| state.row(&view.id));
    if let Some(row) = viewed {
        let (id, name) = (|| row.id.clone(), || row.name.clone());
        entries.push(act(t!("training.compare").to_owned(), name(), Action::Open(id(), Screen::Compare)));
        entries.push(act(t!("training.evaluate").to_owned(), name(), Action::Open(id(), Screen::Evaluate)));
        entries.push(act(t!("training.explore").to_owned(), name(), Action::Open(id(), Screen::Explorer)));
        entries.push(act(t!("training.duplicate").to_owned(), name(), Action::Run(RunAction::Duplicate(id()))));
        if can_resume(row) {
            entries.push(act(t!("training.resume").to_owned(), name(), Action::Run(RunAction::Resume(id()))));
        }
    }
    let settings = |change: fn(&mut Settings)| {
        let mut settings = state.settings.clone();
        change(&mut settings);
        Action::Settings(SettingsAction::Keep(Box::new(settings)))
    };
    for (name, note, action) in [
        (t!("settings.dark"), t!("settings.theme"), settings(|s| s.theme = ThemeChoice::Dark)),
        (t!("settings.light"), t!("settings.theme"), settings(|s| s.theme = ThemeChoice::Light)),
        ("English", t!("settings.language"), settings(|s| s.language = Language::English)),
        ("中文", t!("settings.language"), settings(|s| s.language = Language::Chinese)),
    ] {
        entries.push(act(name.to_owned(), note.to_owned(), action));
    }
    let keys = ui.ctx().format_shortcut(&KEYS);
    entries.push(Entry { name: t!("keys.title").to_owned(), note: keys, deed: Deed::ShowKeys });
    for row in state.runs.rows().take(RUNS_OFFERED) {
        let name = t!("palette.run", name = row.name);
        entries.push(act(name, row.method.clone(), Action::Open(row.id.clone(), Screen::Training)));
    }
    entries
}

/// Keys and what they do.
fn key_list(ui: &Ui) -> Vec<(String, &'static str)> {
    let shown = |shortcut: &KeyboardShortcut| ui.ctx().format_shortcut(shortcut);
    vec![
        (rail::key_range(ui), t!("keys.screens")),
        (shown(&OPEN), t!("keys.palette")),
        (shown(&KEYS), t!("keys.this")),
        ("↑ ↓".to_owned(), t!("keys.rows")),
        ("Enter".to_owned(), t!("keys.open")),
        ("F2".to_owned(), t!("keys.rename")),
        ("Delete".to_owned(), t!("keys.delete")),
        ("Shift / Ctrl".to_owned(), t!("keys.several")),
        ("Ctrl + −".to_owned(), t!("keys.zoom")),
        ("Esc".to_owned(), t!("keys.close_modal")),
    ]
}
