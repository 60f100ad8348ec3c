//! The list of keys: those of the screen that is shown, then those that work everywhere.

use egui::{RichText, ScrollArea, Ui};

use super::commands::UiCommand;
use super::rail;
use crate::action::Screen;
use crate::state::State;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::quiet_ui;
use crate::widgets::containers::modal_frame;

/// Draws it; `false` once it was closed.
pub(super) fn key_list_ui(ui: &Ui, state: &State) -> bool {
    let modal = egui::Modal::new(egui::Id::unique("keys")).frame(modal_frame(ui)).show(ui.ctx(), |ui| {
        ui.set_width(520.0);
        ui.label(RichText::new(t!("keys.title")).text_style(theme::title()));
        ui.add_space(theme::SMALL_GAP);
        ScrollArea::vertical().auto_shrink([false, true]).max_height(440.0).show(ui, |ui| {
            let own = of_screen(state.screen);
            if !own.is_empty() {
                ui.label(RichText::new(rail::name(state.screen)).small().color(tokens(ui).muted));
                lines_ui(ui, "own", own.into_iter().map(|(keys, what)| (keys.to_owned(), what.to_owned())));
                ui.add_space(theme::SMALL_GAP);
            }
            ui.label(RichText::new(t!("keys.everywhere")).small().color(tokens(ui).muted));
            let ctx = ui.ctx().clone();
            lines_ui(ui, "all", everywhere(&ctx, state).into_iter());
        });
        ui.add_space(theme::SMALL_GAP);
        quiet_ui(ui, true, t!("keys.close")).clicked()
    });
    !(modal.inner || modal.should_close())
}

fn lines_ui(ui: &mut Ui, name: &str, lines: impl Iterator<Item = (String, String)>) {
    // Lines of words, not of controls.
    ui.spacing_mut().interact_size.y = 20.0;
    egui::Grid::new(("keys", name)).num_columns(2).min_col_width(150.0).spacing([24.0, 6.0]).show(ui, |ui| {
        for (keys, what) in lines {
            ui.label(RichText::new(keys).text_style(theme::small_number()).color(tokens(ui).accent));
            ui.label(what);
            ui.end_row();
        }
    });
}

/// Keys that the parts of a screen listen to themselves.
fn of_screen(screen: Screen) -> Vec<(&'static str, &'static str)> {
    match screen {
        Screen::Runs => vec![
            ("↑ ↓", t!("keys.rows")),
            ("Enter", t!("keys.open")),
            ("Space", t!("keys.choose")),
            ("Shift / Ctrl", t!("keys.several")),
            ("F2", t!("keys.rename")),
            ("Delete", t!("keys.delete")),
        ],
        Screen::Training => vec![(t!("keys.drag"), t!("keys.zoom_plot"))],
        Screen::Compare => vec![("↑ ↓", t!("keys.rows_of_set")), ("1 … 9, 0", t!("keys.judge"))],
        Screen::Explorer => vec![("Tab", t!("keys.cells"))],
        _ => Vec::new(),
    }
}

/// Every command that has keys; the screens, of which there are many alike, in one line.
fn everywhere(ctx: &egui::Context, state: &State) -> Vec<(String, String)> {
    let keys = |screen| UiCommand::Show(screen).keys(ctx);
    let screens = format!("{} … {}", keys(Screen::Runs), keys(Screen::Settings));
    let mut lines = vec![(screens, t!("keys.screens").to_owned())];
    let others = UiCommand::ALL.into_iter().filter(|command| !matches!(command, UiCommand::Show(_)));
    lines.extend(
        others.map(|command| (command.all_keys(ctx), command.name(state))).filter(|(keys, _)| !keys.is_empty()),
    );
    lines.push(("Tab".to_owned(), t!("keys.tab").to_owned()));
    lines.push(("Esc".to_owned(), t!("keys.close_modal").to_owned()));
    lines
}
