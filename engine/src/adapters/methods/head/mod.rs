//! The head of a task with classes: it names the class of a text or a token, from what the frozen model makes of it.

mod init;
mod spec;
mod state;
mod trained;

pub use self::spec::HeadSpec;
pub use self::state::HeadState;
pub use self::trained::Head;
