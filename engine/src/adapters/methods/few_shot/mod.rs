//! Words before every prompt, an instruction and examples: what a prompt can do without training.

mod spec;
mod state;
mod trained;

pub use self::spec::FewShotSpec;
pub use self::state::FewShotState;
pub use self::trained::FewShot;
