//! What is trained: each method turns its parameters into a conditioning of the frozen model.

pub mod parameters;
pub mod peft;
pub mod prefix;

mod adapter;
mod fit;
mod head;
mod init;

pub use self::adapter::{Adapter, Leaves};
pub use self::head::{Head, HeadShape};
pub use self::init::PrefixTarget;
pub use self::parameters::{Parameter, Trainables};
pub use self::prefix::{Prefix, PrefixShape, count_parameters};
