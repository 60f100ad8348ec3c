//! The palette: everything that can be done, by a few letters of its name. It also listens to the keys of all of it.

use egui::text::{LayoutJob, TextFormat, TextWrapping};
use egui::{FontId, Key, Modifiers, RichText, ScrollArea, Ui};
use engine::recipes::Recipe;

use super::commands::{Deed, UiCommand};
use super::key_list::key_list_ui;
use crate::action::{Action, Screen};
use crate::i18n::tell;
use crate::screens::new_run::action::NewRunAction;
use crate::screens::runs::send::Form;
use crate::state::State;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button;
use crate::widgets::containers::modal_frame;
use crate::widgets::field;
use crate::widgets::fuzzy::{self, Found};
use crate::workspace::{RunId, dataset_name};

/// Runs that are offered by name.
const RUNS_OFFERED: usize = 200;
/// Height of a line.
const LINE: f32 = 28.0;

/// The palette: typed query, chosen line, list of keys.
#[derive(Debug, Default)]
pub struct Palette {
    open: bool,
    fresh: bool,
    query: String,
    /// The line that *Enter* does.
    at: usize,
    keys: bool,
    /// A run that somebody wants to hand on.
    sent: Option<(RunId, Form)>,
    /// Somebody wants *Training* as tiles, or as a page.
    arranged: Option<bool>,
}

/// Something that can be done.
struct Entry {
    name: String,
    /// Text shown behind the name.
    note: String,
    /// Keys that do it too.
    keys: String,
    deed: Deed,
    /// Where the query is in the name.
    found: Found,
}

impl Entry {
    fn new(name: String, note: String, action: Action) -> Self {
        Self { name, note, keys: String::new(), deed: Deed::Act(vec![action]), found: Found::default() }
    }
}

impl Palette {
    /// Whether it is open: then it wants to know what can be done.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// The run that somebody wants to hand on, once.
    pub fn take_sent(&mut self) -> Option<(RunId, Form)> {
        self.sent.take()
    }

    /// Whether somebody wants *Training* as tiles, or as a page, once.
    pub fn take_arranged(&mut self) -> Option<bool> {
        self.arranged.take()
    }

    /// Listens to all keys and draws itself, if it is open. `recipes` are those of the form of a new run.
    pub fn ui(&mut self, ui: &mut Ui, state: &State, recipes: &[&'static Recipe], out: &mut Vec<Action>) {
        for command in UiCommand::ALL {
            if command.is_pressed(ui.ctx())
                && let Some(deed) = command.deed(state)
            {
                self.perform(ui, deed, out);
            }
        }
        if self.open {
            self.palette_ui(ui, state, recipes, out);
        }
        if self.keys {
            self.keys = key_list_ui(ui, state);
        }
    }

    fn perform(&mut self, ui: &Ui, deed: Deed, out: &mut Vec<Action>) {
        let was_open = std::mem::take(&mut self.open);
        match deed {
            Deed::Act(actions) => out.extend(actions),
            Deed::Copy(text) => ui.ctx().copy_text(text),
            Deed::Palette => *self = Self { open: !was_open, fresh: true, ..Self::default() },
            Deed::KeyList => self.keys = !self.keys,
            Deed::MainButton => button::press_main(ui.ctx()),
            Deed::Send(run, form) => self.sent = Some((run, form)),
            Deed::Arrange(as_tiles) => {
                out.push(Action::Show(Screen::Training));
                self.arranged = Some(as_tiles);
            }
        }
    }

    fn palette_ui(&mut self, ui: &Ui, state: &State, recipes: &[&'static Recipe], out: &mut Vec<Action>) {
        let found = matching(&self.query, entries(ui, state, recipes));
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
            ui.set_width(600.0);
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
            ScrollArea::vertical().max_height(380.0).show(ui, |ui| {
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
            self.perform(ui, entry.deed, out);
        } else if modal.should_close() {
            self.open = false;
        }
    }
}

/// Those that have all words of a query, the best first; what is in the note alone comes last.
fn matching(query: &str, entries: Vec<Entry>) -> Vec<Entry> {
    let of_name = |entry: &Entry| fuzzy::find(query, &entry.name);
    let anywhere = |entry: &Entry| {
        let name = entry.name.chars().count();
        let mut found = fuzzy::find(query, &format!("{} {}", entry.name, entry.note))?;
        found.letters.retain(|letter| *letter < name);
        Some(Found { score: found.score / 2, ..found })
    };
    let mut found: Vec<Entry> = entries
        .into_iter()
        .filter_map(|entry| Some(Entry { found: of_name(&entry).or_else(|| anywhere(&entry))?, ..entry }))
        .collect();
    found.sort_by_key(|entry| std::cmp::Reverse(entry.found.score));
    found
}

fn entry_ui(ui: &mut Ui, entry: &Entry, chosen: bool) -> egui::Response {
    let t = tokens(ui);
    let size = egui::vec2(ui.available_width(), LINE);
    let (rect, response) = ui.allocate_exact_size(size, egui::Sense::click());
    // A name alone may be that of a button behind the palette.
    let label = format!("{} · {}", entry.name, entry.note);
    response.widget_info(|| egui::WidgetInfo::selected(egui::accesskit::Role::MenuItem, true, chosen, &label));
    let fill = match (chosen, response.hovered()) {
        (true, _) => t.accent_soft,
        (false, true) => t.raised,
        (false, false) => egui::Color32::TRANSPARENT,
    };
    let painter = ui.painter();
    painter.rect_filled(rect, 6.0, fill);
    let middle = |galley: &egui::Galley| rect.center().y - galley.size().y / 2.0;
    let keys = painter.layout_no_wrap(entry.keys.clone(), FontId::monospace(12.0), t.accent);
    painter.galley(egui::pos2(rect.right() - 10.0 - keys.size().x, middle(&keys)), keys.clone(), t.accent);
    let room = rect.width() - 20.0 - if entry.keys.is_empty() { 0.0 } else { keys.size().x + 14.0 };
    let mut name = name_job(entry, t.text, t.accent);
    name.wrap = TextWrapping::truncate_at_width(room);
    let name = painter.layout_job(name);
    let left = rect.left() + 10.0;
    let room = room - name.size().x - 14.0;
    painter.galley(egui::pos2(left, middle(&name)), name.clone(), t.text);
    if room > 40.0 {
        let mut note = LayoutJob::simple_singleline(entry.note.clone(), FontId::proportional(12.5), t.muted);
        note.wrap = TextWrapping::truncate_at_width(room);
        let note = painter.layout_job(note);
        painter.galley(egui::pos2(left + name.size().x + 14.0, middle(&note)), note, t.muted);
    }
    response
}

/// The name, with the letters that were typed in the accent's color.
fn name_job(entry: &Entry, text: egui::Color32, accent: egui::Color32) -> LayoutJob {
    let mut job = LayoutJob::default();
    let format = |color| TextFormat { font_id: FontId::proportional(14.5), color, ..TextFormat::default() };
    let (mut piece, mut was_found) = (String::new(), false);
    for (at, letter) in entry.name.chars().enumerate() {
        let is_found = entry.found.letters.binary_search(&at).is_ok();
        if is_found != was_found {
            job.append(&std::mem::take(&mut piece), 0.0, format(if was_found { accent } else { text }));
            was_found = is_found;
        }
        piece.push(letter);
    }
    job.append(&piece, 0.0, format(if was_found { accent } else { text }));
    job
}

/// Everything, in the order in which it is offered.
fn entries(ui: &Ui, state: &State, recipes: &[&'static Recipe]) -> Vec<Entry> {
    let ctx = ui.ctx();
    let of_command = |command: UiCommand| {
        let (name, deed) = (command.label(ctx, state)?, command.deed(state)?);
        let (note, keys) = (command.hint(state), command.keys(ctx));
        Some(Entry { name, note, keys, deed, found: Found::default() })
    };
    // Who has opened the palette does not look for it.
    let commands = UiCommand::ALL.into_iter().filter(|command| *command != UiCommand::Palette);
    let mut entries: Vec<Entry> = commands.filter_map(of_command).collect();
    for row in state.runs.rows().take(RUNS_OFFERED) {
        let name = t!("palette.run", name = row.title());
        entries.push(Entry::new(name, row.method.clone(), Action::Open(row.id.clone(), Screen::Training)));
    }
    for config in state.env.starter.iter().map(Box::as_ref).chain(&state.env.other_starters) {
        let name = t!("palette.starter", name = config.name);
        let action = Action::NewRun(NewRunAction::Start(Box::new(config.clone())));
        entries.push(Entry::new(name, t!("palette.starter_note").to_owned(), action));
    }
    for ready in &state.env.ready_experiments {
        let name = t!("palette.experiment", name = ready.name);
        entries.push(Entry::new(name, ready.about.clone(), Action::OpenPaths(vec![ready.file.clone()])));
    }
    for row in &state.library.models {
        let name = t!("library.use_model", name = row.name);
        let action = Action::NewRun(NewRunAction::UseModel(row.folder.clone()));
        entries.push(Entry::new(name, t!("library.models").to_owned(), action));
    }
    let starter = state.env.starter.iter().map(|config| &config.data);
    let starters = starter.chain(state.env.other_starters.iter().map(|config| &config.data));
    let ours = starters.map(|data| (dataset_name(&data.train), data.train.clone(), data.validation.clone()));
    let used = state.library.datasets.iter().map(|row| (row.name.clone(), row.train.clone(), row.validation.clone()));
    let mut known = Vec::new();
    for (name, train, validation) in ours.chain(used) {
        if !known.contains(&train) {
            let action = Action::NewRun(NewRunAction::UseDataset(train.clone(), validation));
            let name = t!("library.use_dataset", name = name);
            entries.push(Entry::new(name, t!("library.datasets").to_owned(), action));
            known.push(train);
        }
    }
    for recipe in recipes {
        let name = t!("palette.preset", name = tell(&recipe.title_sentence()));
        entries.push(Entry::new(name, recipe.source.to_owned(), Action::NewRun(NewRunAction::TakePreset(recipe.name))));
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, note: &str) -> Entry {
        Entry::new(name.to_owned(), note.to_owned(), Action::Show(Screen::Runs))
    }

    fn found(query: &str) -> Vec<(String, usize)> {
        let all = vec![entry("New run", "Set up a training"), entry("Runs", "All"), entry("Open Prune", "prefix 20")];
        matching(query, all).into_iter().map(|entry| (entry.name, entry.found.letters.len())).collect()
    }

    #[test]
    fn the_best_name_is_first_and_its_letters_are_marked() {
        assert_eq!(found("run"), [("New run".into(), 3), ("Runs".into(), 3), ("Open Prune".into(), 3)]);
        assert_eq!(found("prefix"), [("Open Prune".into(), 0)], "nothing of the name was typed");
        assert_eq!(found("new train"), [("New run".into(), 3)]);
        assert_eq!(found("").len(), 3);
    }
}
