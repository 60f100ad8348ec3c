//! Panics of libraries that read strangers' files: here they become errors, and no report of them is printed.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Whether this thread is inside of [`caught`].
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Work of a library that may panic on bad bytes; what it holds is not used again after that.
///
/// # Errors
/// The words of the panic.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> std::result::Result<T, String> {
    silence_reports();
    let before = IS_CAUGHT.replace(true);
    let worked = catch_unwind(AssertUnwindSafe(work));
    IS_CAUGHT.set(before);
    worked.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("for no reason it gives").to_owned()
    })
}

/// Lets the program's reports of panics be silent for those that are caught here.
fn silence_reports() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = take_hook();
        set_hook(Box::new(move |panic| {
            if !IS_CAUGHT.get() {
                report(panic);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_words_and_work_goes_through() {
        assert_eq!(caught(|| 3), Ok(3));
        assert_eq!(caught(|| -> u8 { panic!("bad {}", 1) }), Err("bad 1".to_owned()));
    }
}
