//! An experiment as the window sees it: what can be asked for about it, and its part of the queue.

pub mod action;
mod queue;

pub use self::queue::queue_ui;
