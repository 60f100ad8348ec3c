//! The window, driven by its accessible labels, with hand-written events behind it; and what it looks like.

mod pictures;
mod walk;
mod world;
