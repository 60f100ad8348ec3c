//! Prompt tuning: trained embeddings among those of the text; with an encoder between, P-tuning v1.
//! Lester et al. 2021, "The Power of Scale for Parameter-Efficient Prompt Tuning"; Liu et al. 2021, "GPT Understands, Too".
//! Shared by tasks, times a matrix of low rank for each: Wang et al. 2023, "Multitask Prompt Tuning Enables
//! Parameter-Efficient Transfer Learning".
//! Layout as in huggingface/peft: src/peft/tuners/{prompt_tuning,p_tuning,multitask_prompt_tuning}/model.py.

mod init;
mod spec;
mod state;
mod trained;

pub(crate) use self::init::frequent;
pub use self::init::{PromptSource, PromptStart};
pub use self::spec::{PromptEncoderShape, PromptSpec, PromptTasksShape};
pub use self::state::{PromptState, PromptTasksState};
pub use self::trained::SoftPrompt;
pub(crate) use self::trained::of_tasks;
