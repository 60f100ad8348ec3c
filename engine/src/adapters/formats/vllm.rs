//! A soft prompt as vLLM takes it: one tensor of PyTorch's, `[n_virtual, d_model]` in f32, to be followed by the embeddings of
//! the text (`prompt_embeds` of a completion; `--enable-prompt-embeds`).

use std::path::Path;

use crate::Sentence;
use crate::adapters::methods::PartState;
use crate::adapters::state::AdapterState;
use crate::config::Task;
use crate::error::{EngineError, Result};
use crate::models::ModelFolder;
use crate::sentence;
use crate::weights::write_torch_tensor;

/// Writes the file.
///
/// # Errors
/// [`EngineError::NoPlace`] for anything but a soft prompt of one task; or the file cannot be written.
pub(super) fn write(adapter: &AdapterState, model: &ModelFolder, to: &Path) -> Result<()> {
    let refused = |reason: Sentence| Err(EngineError::NoPlace { program: "vLLM", reason });
    let [PartState::Prompt(prompt)] = adapter.parts.as_slice() else {
        return refused(sentence!(
            "its prompt embeddings are a soft prompt alone; LoRA goes there as PEFT's folder, and it has no place for keys and \
             values of a prefix"
        ));
    };
    if adapter.task.task != Task::Causal || !model.tasks().contains(&Task::Causal) {
        return refused(sentence!("its prompt embeddings are for a model that goes on with a text"));
    }
    if prompt.tasks.is_some() {
        return refused(sentence!("the soft prompt is another one for each of several tasks"));
    }
    if prompt.width != model.embedding_width() {
        let (width, here) = (prompt.width, model.embedding_width());
        return Err(EngineError::AdapterMismatch {
            reason: sentence!("its soft tokens are {width} numbers wide, the model's embeddings {here}", width, here),
        });
    }
    let n = prompt.n_virtual * prompt.width;
    write_torch_tensor(to, &[prompt.n_virtual, prompt.width], prompt.values.get(..n).unwrap_or_default())
}
