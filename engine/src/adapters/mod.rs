//! What is trained: each method turns its parameters into a conditioning of the frozen model.

pub mod folded;
pub mod parameters;
pub mod peft;
pub mod prefix;

mod adapter;
mod fit;
mod init;

pub use self::adapter::{Adapter, Leaves};
pub use self::folded::{AdapterTask, FoldedAdapter};
pub use self::init::{Place, PrefixTarget, TargetRow};
pub use self::parameters::{Parameter, Trainables};
pub use self::prefix::{Prefix, PrefixShape, count_parameters};
