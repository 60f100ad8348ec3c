//! What is trained: each method turns its parameters into a conditioning of the frozen model.

pub mod folded;
pub mod foreign;
pub mod parameters;
pub mod peft;
pub mod prefix;

mod adapter;
mod by_site;
mod convention;
mod fit;
mod head;
mod init;

pub use self::adapter::{Adapter, Leaves};
pub use self::folded::{FoldedAdapter, FoldedPrefix, HeadTensor};
pub use self::head::{Head, HeadShape};
pub use self::init::{Place, PrefixTarget, TargetRow};
pub use self::parameters::{Parameter, Trainables};
pub use self::prefix::{Prefix, PrefixShape, count_parameters};
