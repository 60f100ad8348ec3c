//! A run's adapter on its way out: PEFT's folder, a model that has it in its weights, one file to hand on, a file that another
//! program serves.

use egui::{RichText, Ui};
use engine::adapters::{CacheForm, CacheNumbers, GgufNumbers, Program};

use super::action::{Export, RunAction};
use super::ui::Runs;
use crate::action::{Action, Pick};
use crate::home::typed;
use crate::state::State;
use crate::store::RunRow;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::{primary_ui, quiet_ui, segmented_ui};
use crate::widgets::containers::modal_frame;
use crate::widgets::field;
use crate::workspace::RunId;

/// Form in which a run is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// PEFT's folder.
    Peft,
    /// The base model with changed weights.
    Merged,
    /// One file.
    File,
    /// What llama.cpp serves on the base model.
    LlamaCpp,
    /// The base model with changed weights, for llama.cpp.
    Gguf,
    /// What vLLM serves on the base model.
    Vllm,
}

/// The question that is open: where to send a run.
#[derive(Debug)]
pub(super) struct Sending {
    run: RunId,
    form: Form,
    /// Rows of the data go along in a file.
    with_samples: bool,
    /// The cache that a state of llama.cpp goes into.
    cache: CacheForm,
    /// Numbers of a merged model in GGUF.
    numbers: GgufNumbers,
    /// As it is typed.
    pub(super) to: String,
}

impl Sending {
    fn new(run: RunId, form: Form) -> Self {
        let (cache, numbers) = (CacheForm::default(), GgufNumbers::default());
        Self { run, form, with_samples: true, cache, numbers, to: String::new() }
    }

    fn action(&self, row: &RunRow) -> Action {
        let (adapter, model, to) = (row.folder.clone(), row.model_folder.clone(), typed(&self.to));
        Action::Run(RunAction::Export(match self.form {
            Form::Peft => Export::Peft { adapter, to },
            Form::Merged => Export::Merged { adapter, model, to },
            Form::File => Export::OneFile { adapter, model, with_samples: self.with_samples, to },
            Form::LlamaCpp => Export::For { adapter, model, program: Program::LlamaCpp(self.cache), to },
            Form::Gguf => Export::Gguf { adapter, model, numbers: self.numbers, to },
            Form::Vllm => Export::For { adapter, model, program: Program::Vllm, to },
        }))
    }
}

impl Form {
    /// As they are offered.
    pub const ALL: [Self; 6] = [Self::Peft, Self::Merged, Self::File, Self::LlamaCpp, Self::Gguf, Self::Vllm];

    /// Why a run has no such form; `None` if it has.
    fn why_not(self, row: &RunRow) -> Option<&'static str> {
        let begins = |names: &[&str]| names.iter().any(|name| row.method.starts_with(name));
        let is_prefix = begins(&["prefix"]) && !row.method.contains("LoRA");
        let is_of_cache = begins(&["prefix", "cartridge"]) && !row.method.contains(", layers");
        match self {
            Self::Peft => None,
            Self::Merged | Self::Gguf => {
                (row.n_virtual > 0 || row.method.starts_with("text")).then(|| t!("send.no_weights"))
            }
            Self::File => (!is_prefix).then(|| t!("send.no_prefix")),
            Self::LlamaCpp if row.method.contains(" + LoRA") => Some(t!("send.no_llama_cpp")),
            Self::LlamaCpp => (!is_of_cache && !begins(&["LoRA"])).then(|| t!("send.no_llama_cpp")),
            Self::Vllm => (!begins(&["prompt", "P-tuning", "Embeddings"])).then(|| t!("send.no_vllm")),
        }
    }

    /// Its name in menus.
    pub fn name(self) -> &'static str {
        self.words().0
    }

    /// Whether a run has it.
    pub fn is_of(self, row: &RunRow) -> bool {
        !row.files_missing && (row.step > 0 || row.best_loss.is_some()) && self.why_not(row).is_none()
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Peft => (t!("send.peft"), t!("send.peft_note")),
            Self::Merged => (t!("send.merged"), t!("send.merged_note")),
            Self::File => (t!("send.file"), t!("send.file_note")),
            Self::LlamaCpp => (t!("send.llama_cpp"), t!("send.llama_cpp_note")),
            Self::Gguf => (t!("send.gguf"), t!("send.gguf_note")),
            Self::Vllm => (t!("send.vllm"), t!("send.vllm_note")),
        }
    }
}

impl Runs {
    /// Asks where to send a run.
    pub fn send(&mut self, run: RunId, form: Form) {
        self.sending = Some(Sending::new(run, form));
    }
}

/// The forms that a run has, behind one button.
pub(super) fn menu_ui(ui: &mut Ui, one: Option<&RunRow>, sending: &mut Option<Sending>) {
    let row = one.filter(|row| !row.files_missing && (row.step > 0 || row.best_loss.is_some()));
    ui.add_enabled_ui(row.is_some(), |ui| {
        ui.menu_button(t!("send.menu"), |ui| {
            let Some(row) = row else { return };
            for form in Form::ALL {
                let why_not = form.why_not(row);
                let button = ui.add_enabled(why_not.is_none(), egui::Button::new(form.words().0));
                if button.on_disabled_hover_text(why_not.unwrap_or_default()).clicked() {
                    *sending = Some(Sending::new(row.id.clone(), form));
                    ui.close();
                }
            }
        });
    });
}

/// The question where to.
pub(super) fn send_ui(ui: &mut Ui, sending: &mut Option<Sending>, state: &State, out: &mut Vec<Action>) {
    let Some(asked) = sending else { return };
    let Some(row) = state.row(&asked.run) else { return *sending = None };
    let (title, note) = asked.form.words();
    let mut done = false;
    let modal = egui::Modal::new(egui::Id::unique("send")).frame(modal_frame(ui)).show(ui.ctx(), |ui| {
        ui.set_width(500.0);
        ui.label(RichText::new(title).text_style(theme::title()));
        ui.add(egui::Label::new(&row.name).truncate());
        ui.add(egui::Label::new(RichText::new(note).color(tokens(ui).muted)).wrap());
        ui.add_space(theme::SMALL_GAP);
        let is_lora = row.method.starts_with("LoRA");
        let (name, hint, pick) = match asked.form {
            Form::File => (t!("send.to_file"), t!("send.file_hint"), Pick::ShareFile),
            Form::Peft | Form::Merged => (t!("send.to_folder"), t!("send.folder_hint"), Pick::ExportFolder),
            Form::LlamaCpp if !is_lora => (t!("send.to_file"), t!("send.state_hint"), Pick::ProgramFile),
            Form::LlamaCpp | Form::Gguf => (t!("send.to_file"), t!("send.gguf_hint"), Pick::ProgramFile),
            Form::Vllm => (t!("send.to_file"), t!("send.vllm_hint"), Pick::ProgramFile),
        };
        let edit = field::field_ui(ui, name, "", None, |ui| field::path_ui(ui, &mut asked.to, hint, t!("send.browse")));
        if edit.browse {
            out.push(Action::Browse(pick));
        }
        match asked.form {
            Form::File => {
                ui.checkbox(&mut asked.with_samples, t!("send.with_samples"))
                    .on_hover_text(t!("send.with_samples_help"));
            }
            Form::LlamaCpp if !is_lora => cache_ui(ui, &mut asked.cache),
            Form::Gguf => numbers_ui(ui, &mut asked.numbers),
            Form::Peft | Form::Merged | Form::LlamaCpp | Form::Vllm => {}
        }
        ui.horizontal(|ui| {
            if primary_ui(ui, !asked.to.trim().is_empty(), t!("send.write")).clicked() {
                out.push(asked.action(row));
                done = true;
            }
            done |= quiet_ui(ui, true, t!("frame.cancel")).clicked();
        });
    });
    if done || modal.should_close() {
        *sending = None;
    }
}

/// The cache that a state is put back into: llama.cpp takes it into no other.
fn cache_ui(ui: &mut Ui, cache: &mut CacheForm) {
    field::field_ui(ui, t!("send.cache"), t!("send.cache_help"), None, |ui| {
        ui.horizontal(|ui| {
            segmented_ui(ui, &mut cache.numbers, &[(CacheNumbers::F16, "f16"), (CacheNumbers::F32, "f32")]);
            ui.checkbox(&mut cache.flash_attention, t!("send.flash_attention"));
        });
    });
}

fn numbers_ui(ui: &mut Ui, numbers: &mut GgufNumbers) {
    field::field_ui(ui, t!("send.numbers"), t!("send.numbers_help"), None, |ui| {
        segmented_ui(ui, numbers, &GgufNumbers::ALL.map(|numbers| (numbers, numbers.name())));
    });
}
