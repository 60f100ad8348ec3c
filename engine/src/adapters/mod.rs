//! What is trained: each method turns its parameters into a conditioning of the frozen model.

pub mod folded;
pub mod foreign;
pub mod parameters;
pub mod peft;
pub mod prefix;
pub mod single_file;

mod adapter;
mod by_site;
mod convention;
mod fit;
mod head;
mod incoming;
mod init;

pub use self::adapter::{Adapter, Leaves};
use self::folded::describe;
pub use self::folded::{FoldedAdapter, FoldedPrefix, HeadTensor};
pub use self::head::{Head, HeadShape};
pub use self::incoming::Incoming;
pub use self::init::{Place, PrefixTarget, TargetRow};
pub use self::parameters::{Parameter, Trainables};
pub use self::prefix::{Prefix, PrefixShape, count_parameters};
