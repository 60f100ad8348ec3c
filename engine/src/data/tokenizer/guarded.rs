//! The tokenizers library panics on some files and texts of strangers: here that becomes an error, and no report of it is
//! printed.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

thread_local! {
    /// Whether this thread is inside of [`guarded`].
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Work of the tokenizers library, whose panics become errors.
pub(super) fn guarded<T>(work: impl FnOnce() -> tokenizers::Result<T>) -> Result<T> {
    silence_reports();
    let before = IS_GUARDED.replace(true);
    let worked = catch_unwind(AssertUnwindSafe(work));
    IS_GUARDED.set(before);
    match worked {
        Ok(result) => result.map_err(|e| EngineError::Tokenizer(Sentence::verbatim(e))),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let reason = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("for no reason it gives");
            Err(EngineError::Tokenizer(sentence!(
                "its files contradict themselves, or give up on a text: {reason}",
                reason
            )))
        }
    }
}

/// Lets the program's reports of panics be silent for those that are caught here.
fn silence_reports() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = take_hook();
        set_hook(Box::new(move |panic| {
            if !IS_GUARDED.get() {
                report(panic);
            }
        }));
    });
}
