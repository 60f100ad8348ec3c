//! The window, driven by its accessible labels, with hand-written events behind it and once with the whole program; and what it looks like.

mod explorer;
mod lab;
mod methods;
mod models;
mod pictures;
mod sent;
mod several;
mod walk;
mod whole;
mod world;
