//! What can be asked of several runs at once: any setting and any figure by its name, what differs between runs, means
//! over seeds, which runs are not beaten. Plain computation over rows of the store; the table, the pictures, the command
//! line and the report read it.

mod cell;
mod column;
mod differences;
mod direction;
pub mod filter;
mod key;
mod names;
mod pareto;
mod seeds;
mod setting;
mod sheet;
#[cfg(test)]
mod tests_support;

pub use self::cell::{Cell, cell, in_order};
pub use self::differences::differences;
pub use self::direction::less_is_better;
pub use self::key::Key;
pub use self::names::{Name, NameKind, names, unknown};
pub use self::pareto::{best_so_far, pareto};
pub use self::seeds::{Group, but_for_seeds, over_seeds};
pub use self::sheet::csv;
