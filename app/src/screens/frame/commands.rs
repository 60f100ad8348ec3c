//! Everything that can be done by its name or by its keys. The palette, the list of keys and the keys themselves read
//! this list and no other.

use egui::{Context, Key, KeyboardShortcut, Modifiers};

use super::action::FrameAction;
use super::diagnostics;
use super::of_queue::OfQueue;
use super::rail;
use crate::action::{Action, Pick, Screen};
use crate::i18n::Language;
use crate::screens::runs::action::RunAction;
use crate::screens::runs::can_resume;
use crate::screens::runs::send::Form;
use crate::screens::settings::action::SettingsAction;
use crate::settings::{Settings, ZOOMS};
use crate::state::State;
use crate::state::history::Way;
use crate::store::RunRow;
use crate::t;
use crate::theme::ThemeChoice;
use crate::widgets::button;
use crate::workspace::RunId;

/// Something that can be done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum UiCommand {
    /// Show a screen.
    Show(Screen),
    /// Go to where one was.
    Go(Way),
    /// Find something to do.
    Palette,
    /// Show the list of keys.
    KeyList,
    /// Press the main button of what is shown.
    MainButton,
    /// Do something with the run that is viewed.
    Run(OfRun),
    /// Do something with what waits.
    Queue(OfQueue),
    /// Hand on the run that is viewed.
    Send(Form),
    /// Choose a path in a dialog.
    Browse(Pick),
    /// Write and read in a language.
    Language(Language),
    /// Use a theme.
    Theme(ThemeChoice),
    /// Draw everything larger or smaller by so many sizes; 0 is the system's own.
    Zoom(isize),
    /// Show or hide the times of frames.
    FrameTimes,
    /// Look for devices again.
    FindDevices,
    /// Copy what somebody needs to know who helps.
    CopyDiagnostics,
    /// Copy where the workspace is.
    CopyWorkspace,
    /// Make tiles of *Training*, or put them back to where they were.
    Arrange(bool),
    /// Empty the list behind the bell.
    ForgetNotices,
}

/// Something that can be done with the run that is viewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OfRun {
    Pause,
    Stop,
    Checkpoint,
    Withdraw,
    Resume,
    Duplicate,
    Star,
    Show(Screen),
}

/// The effect of a command.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    /// What a screen may ask for, one after the other.
    Act(Vec<Action>),
    /// A text goes to the clipboard.
    Copy(String),
    /// The palette opens, or closes.
    Palette,
    /// The list of keys opens, or closes.
    KeyList,
    /// The main button is pressed.
    MainButton,
    /// It is asked where to send a run.
    Send(RunId, Form),
    /// *Training* becomes tiles, or the page that it was.
    Arrange(bool),
}

const fn control(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND, key)
}

const fn plain(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::NONE, key)
}

const fn alt(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::ALT, key)
}

impl UiCommand {
    /// In the order in which they are offered.
    pub(super) const ALL: [Self; 58] = [
        Self::Show(Screen::Runs),
        Self::Show(Screen::NewRun),
        Self::Show(Screen::Training),
        Self::Show(Screen::Compare),
        Self::Show(Screen::Evaluate),
        Self::Show(Screen::Explorer),
        Self::Show(Screen::Library),
        Self::Show(Screen::Settings),
        Self::MainButton,
        Self::Run(OfRun::Show(Screen::Training)),
        Self::Run(OfRun::Pause),
        Self::Run(OfRun::Stop),
        Self::Run(OfRun::Checkpoint),
        Self::Run(OfRun::Withdraw),
        Self::Run(OfRun::Resume),
        Self::Run(OfRun::Show(Screen::Compare)),
        Self::Run(OfRun::Show(Screen::Evaluate)),
        Self::Run(OfRun::Show(Screen::Explorer)),
        Self::Run(OfRun::Duplicate),
        Self::Run(OfRun::Star),
        Self::Queue(OfQueue::Hold),
        Self::Queue(OfQueue::StopAfter),
        Self::Queue(OfQueue::Again),
        Self::Send(Form::Peft),
        Self::Send(Form::Merged),
        Self::Send(Form::File),
        Self::Send(Form::LlamaCpp),
        Self::Send(Form::Gguf),
        Self::Send(Form::Vllm),
        Self::Go(Way::Back),
        Self::Go(Way::Forward),
        Self::Palette,
        Self::KeyList,
        Self::Browse(Pick::Anything),
        Self::Browse(Pick::Model),
        Self::Browse(Pick::ModelFile),
        Self::Browse(Pick::Train),
        Self::Browse(Pick::Validation),
        Self::Browse(Pick::LibraryModel),
        Self::Browse(Pick::LibraryDataset),
        Self::Browse(Pick::Adapter),
        Self::Browse(Pick::EvaluateRows),
        Self::Language(Language::System),
        Self::Language(Language::English),
        Self::Language(Language::Chinese),
        Self::Theme(ThemeChoice::System),
        Self::Theme(ThemeChoice::Dark),
        Self::Theme(ThemeChoice::Light),
        Self::Zoom(1),
        Self::Zoom(-1),
        Self::Zoom(0),
        Self::FrameTimes,
        Self::FindDevices,
        Self::CopyDiagnostics,
        Self::CopyWorkspace,
        Self::Arrange(true),
        Self::Arrange(false),
        Self::ForgetNotices,
    ];

    /// Its keys; the first are those that are told.
    pub(super) fn shortcuts(self) -> &'static [KeyboardShortcut] {
        match self {
            Self::Show(screen) => match screen {
                Screen::Runs => const { &[control(Key::Num1)] },
                Screen::NewRun => const { &[control(Key::Num2), control(Key::N)] },
                Screen::Training => const { &[control(Key::Num3)] },
                Screen::Compare => const { &[control(Key::Num4)] },
                Screen::Evaluate => const { &[control(Key::Num5)] },
                Screen::Explorer => const { &[control(Key::Num6)] },
                Screen::Library => const { &[control(Key::Num7)] },
                Screen::Settings => const { &[control(Key::Num8)] },
            },
            Self::Go(Way::Back) => const { &[alt(Key::ArrowLeft), control(Key::OpenBracket)] },
            Self::Go(Way::Forward) => const { &[alt(Key::ArrowRight), control(Key::CloseBracket)] },
            Self::Palette => const { &[control(Key::K), control(Key::P)] },
            Self::KeyList => const { &[plain(Key::F1), plain(Key::Questionmark)] },
            Self::MainButton => const { &[control(Key::Enter)] },
            Self::Browse(Pick::Anything) => const { &[control(Key::O)] },
            Self::Queue(OfQueue::Hold) => const { &[control(Key::Period)] },
            // Before these come here, egui has taken them and has done the same.
            Self::Zoom(1) => const { &[control(Key::Plus)] },
            Self::Zoom(-1) => const { &[control(Key::Minus)] },
            Self::Zoom(0) => const { &[control(Key::Num0)] },
            Self::FrameTimes => const { &[plain(Key::F12)] },
            _ => &[],
        }
    }

    /// Its first keys, as people write them; empty where it has none.
    pub(super) fn keys(self, ctx: &Context) -> String {
        self.shortcuts().first().map(|shortcut| written(ctx, shortcut)).unwrap_or_default()
    }

    /// All its keys, as people write them.
    pub(super) fn all_keys(self, ctx: &Context) -> String {
        self.shortcuts().iter().map(|shortcut| written(ctx, shortcut)).collect::<Vec<_>>().join("  ")
    }

    /// Whether keys were pressed that stand for it. Keys without Ctrl or Alt belong to a field while one is typed in, and
    /// so do arrows with Alt.
    pub(super) fn is_pressed(self, ctx: &Context) -> bool {
        let types = ctx.text_edit_focused();
        self.shortcuts().iter().any(|shortcut| {
            let is_free = shortcut.modifiers.command || !types || matches!(shortcut.logical_key, Key::F1 | Key::F12);
            is_free && ctx.input_mut(|input| input.consume_shortcut(shortcut))
        })
    }

    /// Its name; nothing where it cannot be done at present.
    pub(super) fn label(self, ctx: &Context, state: &State) -> Option<String> {
        if let Self::MainButton = self {
            return button::main_button(ctx);
        }
        self.deed(state).map(|_| self.name(state))
    }

    /// Its name, whether or not it can be done.
    pub(super) fn name(self, state: &State) -> String {
        let name = match self {
            Self::Show(screen) => rail::name(screen),
            Self::Go(Way::Back) => t!("command.back"),
            Self::Go(Way::Forward) => t!("command.forward"),
            Self::Palette => t!("command.palette"),
            Self::KeyList => t!("keys.title"),
            Self::MainButton => t!("command.main_button"),
            Self::Run(of_run) => of_run.name(state),
            Self::Queue(of_queue) => of_queue.name(state),
            Self::Send(form) => return t!("command.send", form = form.name()),
            Self::Browse(pick) => match pick {
                Pick::Anything => t!("command.open"),
                Pick::Model => t!("command.choose_model"),
                Pick::ModelFile => t!("command.choose_model_file"),
                Pick::Train => t!("command.choose_rows"),
                Pick::Validation => t!("command.choose_validation"),
                Pick::LibraryModel => t!("command.add_model"),
                Pick::LibraryDataset => t!("command.add_dataset"),
                Pick::Adapter => t!("command.open_adapter"),
                _ => t!("command.choose_evaluated"),
            },
            Self::Language(Language::System) => t!("settings.system_language"),
            Self::Language(Language::English) => "English",
            Self::Language(Language::Chinese) => "中文",
            Self::Theme(ThemeChoice::System) => t!("settings.system_theme"),
            Self::Theme(ThemeChoice::Dark) => t!("settings.dark"),
            Self::Theme(ThemeChoice::Light) => t!("settings.light"),
            Self::Zoom(0) => t!("command.zoom_reset"),
            Self::Zoom(by) if by > 0 => t!("command.zoom_in"),
            Self::Zoom(_) => t!("command.zoom_out"),
            Self::FrameTimes => t!("settings.frame_times"),
            Self::FindDevices => t!("command.find_devices"),
            Self::CopyDiagnostics => t!("settings.copy_diagnostics"),
            Self::CopyWorkspace => t!("command.copy_workspace"),
            Self::Arrange(true) => t!("command.arrange"),
            Self::Arrange(false) => t!("command.put_back"),
            Self::ForgetNotices => t!("frame.clear_notices"),
        };
        name.to_owned()
    }

    /// What it is about, behind its name.
    pub(super) fn hint(self, state: &State) -> String {
        let hint = match self {
            Self::Show(screen) => match screen {
                Screen::Runs => t!("command.runs_hint"),
                Screen::NewRun => t!("command.new_run_hint"),
                Screen::Training => t!("command.training_hint"),
                Screen::Compare => t!("command.compare_hint"),
                Screen::Evaluate => t!("command.evaluate_hint"),
                Screen::Explorer => t!("command.explorer_hint"),
                Screen::Library => t!("command.library_hint"),
                Screen::Settings => t!("command.settings_hint"),
            },
            Self::Go(_) => t!("command.place_hint"),
            Self::Palette => t!("keys.palette"),
            Self::KeyList => t!("keys.this"),
            Self::MainButton => t!("command.main_button_hint"),
            Self::Run(_) | Self::Send(_) => return viewed(state).map(|row| row.name.clone()).unwrap_or_default(),
            Self::Queue(of_queue) => return of_queue.hint(state),
            Self::Browse(Pick::Anything) => t!("command.open_hint"),
            Self::Browse(Pick::Model | Pick::ModelFile | Pick::Train | Pick::Validation) => t!("screen.new_run"),
            Self::Browse(Pick::EvaluateRows) => t!("screen.evaluate"),
            Self::Browse(_) => t!("screen.library"),
            Self::Language(_) => t!("settings.language"),
            Self::Theme(_) => t!("settings.theme"),
            Self::Zoom(_) => t!("settings.zoom"),
            Self::FrameTimes => t!("settings.frame_times_help"),
            Self::FindDevices => t!("settings.devices"),
            Self::CopyDiagnostics => t!("settings.about"),
            Self::CopyWorkspace => t!("settings.workspace"),
            Self::Arrange(_) => t!("screen.training"),
            Self::ForgetNotices => t!("frame.notices"),
        };
        hint.to_owned()
    }

    /// What it does; nothing where it cannot be done at present.
    pub(super) fn deed(self, state: &State) -> Option<Deed> {
        let settings = |change: &dyn Fn(&mut Settings)| {
            let mut settings = state.settings.clone();
            change(&mut settings);
            Action::Settings(SettingsAction::Keep(Box::new(settings)))
        };
        let action = match self {
            Self::Palette => return Some(Deed::Palette),
            Self::KeyList => return Some(Deed::KeyList),
            Self::MainButton => return Some(Deed::MainButton),
            Self::Arrange(as_tiles) => return Some(Deed::Arrange(as_tiles)),
            Self::CopyDiagnostics => return Some(Deed::Copy(diagnostics::text(state))),
            Self::CopyWorkspace => return Some(Deed::Copy(state.env.workspace.display().to_string())),
            Self::Show(screen) => Action::Show(screen),
            Self::Go(way) => state.history.leads(way).then_some(Action::Frame(FrameAction::Go(way)))?,
            Self::Run(of_run) => of_run.action(state)?,
            Self::Queue(of_queue) => of_queue.action(state)?,
            Self::Send(form) => {
                let row = viewed(state).filter(|row| state.live_of(&row.id).is_none() && form.is_of(row))?;
                return Some(Deed::Send(row.id.clone(), form));
            }
            Self::Browse(pick) => {
                // The field is seen that the path goes into.
                let screen = match pick {
                    Pick::Anything => None,
                    Pick::Model | Pick::ModelFile | Pick::Train | Pick::Validation => Some(Screen::NewRun),
                    Pick::EvaluateRows => Some(Screen::Evaluate),
                    _ => Some(Screen::Library),
                };
                let shown = screen.map(Action::Show);
                return Some(Deed::Act(shown.into_iter().chain([Action::Browse(pick)]).collect()));
            }
            Self::Language(language) => settings(&|settings| settings.language = language),
            Self::Theme(theme) => settings(&|settings| settings.theme = theme),
            Self::Zoom(by) => settings(&|settings| settings.zoom = zoomed(settings.zoom, by)),
            Self::FrameTimes => settings(&|settings| settings.frame_times = !settings.frame_times),
            Self::FindDevices => Action::Settings(SettingsAction::ListDevices),
            Self::ForgetNotices => (!state.notices.is_empty()).then_some(Action::Frame(FrameAction::ClearNotices))?,
        };
        Some(Deed::Act(vec![action]))
    }
}

/// Keys as they stand on a keyboard: egui writes some of them as words.
fn written(ctx: &Context, shortcut: &KeyboardShortcut) -> String {
    let sign = match shortcut.logical_key {
        Key::ArrowLeft => "←",
        Key::ArrowRight => "→",
        Key::OpenBracket => "[",
        Key::CloseBracket => "]",
        Key::Questionmark => "?",
        Key::Period => ".",
        Key::Plus => "+",
        Key::Minus => "−",
        _ => return ctx.format_shortcut(shortcut),
    };
    let text = ctx.format_shortcut(shortcut);
    let modifiers = text.strip_suffix(shortcut.logical_key.name()).unwrap_or_default();
    format!("{modifiers}{sign}")
}

/// The next of the sizes that are offered.
fn zoomed(zoom: f32, by: isize) -> f32 {
    let near = |a: f32, b: f32| (a - b).abs() < 1e-3;
    match by {
        0 => 1.0,
        by if by > 0 => ZOOMS.into_iter().find(|size| *size > zoom && !near(*size, zoom)).unwrap_or(zoom),
        _ => ZOOMS.into_iter().rev().find(|size| *size < zoom && !near(*size, zoom)).unwrap_or(zoom),
    }
}

/// The run that is viewed; where none is, the one that is computed.
fn viewed(state: &State) -> Option<&RunRow> {
    let view = state.runs.view.as_ref().map(|view| &view.id);
    let live = || state.live.running.values().next().map(|live| &live.run);
    view.or_else(live).and_then(|run| state.row(run))
}

impl OfRun {
    fn name(self, state: &State) -> &'static str {
        let row = viewed(state);
        let is_paused = row.and_then(|row| state.live_of(&row.id)).is_some_and(|(_, live)| live.paused);
        match self {
            Self::Pause if is_paused => t!("training.continue"),
            Self::Pause => t!("training.pause"),
            Self::Stop => t!("training.stop"),
            Self::Checkpoint => t!("training.checkpoint"),
            Self::Withdraw => t!("frame.take_out"),
            Self::Resume => t!("training.resume"),
            Self::Duplicate => t!("training.duplicate"),
            Self::Star if row.is_some_and(|row| row.starred) => t!("command.unstar"),
            Self::Star => t!("command.star"),
            Self::Show(Screen::Compare) => t!("training.compare"),
            Self::Show(Screen::Evaluate) => t!("training.evaluate"),
            Self::Show(Screen::Explorer) => t!("training.explore"),
            Self::Show(_) => t!("command.show_run"),
        }
    }

    /// As the buttons of a run: nothing where they cannot be pressed.
    fn action(self, state: &State) -> Option<Action> {
        let row = viewed(state)?;
        let run = || row.id.clone();
        let live = state.live_of(&row.id).map(|(_, live)| live);
        let waits = state.live.queue.iter().any(|waiting| waiting.run == row.id);
        let moves = live.filter(|live| !live.stopping);
        let rests = live.is_none() && !waits;
        let has_adapter = rests && !row.files_missing && (row.step > 0 || row.best_loss.is_some());
        let action = match self {
            Self::Pause => moves.map(|live| RunAction::Pause(run(), !live.paused))?,
            Self::Stop => moves.map(|_| RunAction::Stop(run()))?,
            Self::Checkpoint => moves.filter(|live| live.step > 0).map(|_| RunAction::Checkpoint(run()))?,
            Self::Withdraw => waits.then(|| RunAction::Withdraw(run()))?,
            Self::Resume => (rests && can_resume(row)).then(|| RunAction::Resume(run()))?,
            Self::Duplicate => RunAction::Duplicate(run()),
            Self::Star => RunAction::Star(run(), !row.starred),
            Self::Show(Screen::Training) => return Some(Action::Open(run(), Screen::Training)),
            Self::Show(screen) => return has_adapter.then(|| Action::Open(run(), screen)),
        };
        Some(Action::Run(action))
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::store::Access;

    fn state() -> State {
        State::new(PathBuf::from("/workspace"), Settings::default(), Access::ReadWrite, None)
    }

    #[test]
    fn each_is_there_once_and_no_two_have_the_same_keys() {
        let mut keys = Vec::new();
        for (i, command) in UiCommand::ALL.into_iter().enumerate() {
            assert!(!UiCommand::ALL[..i].contains(&command), "{command:?} is there twice");
            for shortcut in command.shortcuts() {
                assert!(!keys.contains(shortcut), "{shortcut:?} of {command:?}");
                keys.push(*shortcut);
            }
        }
        for screen in Screen::ALL {
            assert!(UiCommand::ALL.contains(&UiCommand::Show(screen)), "{screen:?}");
        }
    }

    #[test]
    fn each_has_a_name_and_a_hint_in_both_languages_and_none_is_told_by_another() {
        let state = state();
        for language in [Language::English, Language::Chinese] {
            crate::i18n::set_language(language);
            let mut told = Vec::new();
            for command in UiCommand::ALL {
                let line = (command.name(&state), command.hint(&state));
                let is_key = line.0.contains('.') && !line.0.contains(' ');
                assert!(!line.0.is_empty() && !is_key, "{command:?}: {line:?}");
                assert!(!told.contains(&line), "{command:?}: {line:?}");
                told.push(line);
            }
        }
        crate::i18n::set_language(Language::English);
    }

    #[test]
    fn what_cannot_be_done_is_not_offered() {
        let mut state = state();
        let ctx = Context::default();
        let offered = |state: &State, command: UiCommand| command.label(&ctx, state).is_some();
        assert!(!offered(&state, UiCommand::Go(Way::Back)));
        assert!(!offered(&state, UiCommand::Run(OfRun::Duplicate)));
        assert!(!offered(&state, UiCommand::MainButton));
        assert!(offered(&state, UiCommand::Theme(ThemeChoice::Dark)));
        state.perform(Action::Show(Screen::Library));
        assert!(offered(&state, UiCommand::Go(Way::Back)) && !offered(&state, UiCommand::Go(Way::Forward)));
    }

    #[test]
    fn sizes_go_up_and_down_by_those_that_are_offered() {
        assert_eq!(zoomed(1.0, 1), 1.1);
        assert_eq!(zoomed(1.1, -1), 1.0);
        assert_eq!(zoomed(1.3, 1), 1.5);
        assert_eq!(zoomed(2.0, 1), 2.0);
        assert_eq!(zoomed(1.5, 0), 1.0);
    }
}
