//! What the form has asked the engine: a range test, an init lab.

pub mod lab;
pub mod range;
