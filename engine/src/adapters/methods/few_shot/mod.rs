//! Words before every prompt, an instruction and examples: what a prompt can do without training.

mod state;

pub use self::state::FewShotState;
