//! Prefix tuning: trained keys and values that every layer attends to before the text.
//! Li & Liang 2021, "Prefix-Tuning: Optimizing Continuous Prompts for Generation".
//! Layout as in huggingface/peft: src/peft/tuners/prefix_tuning/model.py.

mod demonstrations;
mod init;
mod spec;
mod state;
mod trained;

pub use self::demonstrations::Demonstrations;
pub use self::init::{Place, PrefixSource, TargetRow};
pub use self::spec::{PrefixShape, PrefixSpec};
pub use self::state::PrefixState;
pub use self::trained::{Prefix, peft_pairs};
