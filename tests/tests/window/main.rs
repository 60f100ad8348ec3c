//! The window, driven by its accessible labels, with hand-written events behind it and once with the whole program; and what it looks like.

mod choices;
mod commands;
mod evaluate;
mod explorer;
mod fixtures;
mod init_comparison;
mod keys;
mod methods;
mod models;
mod narrow;
mod opening;
mod pictures;
mod rows;
mod scenes;
mod sent;
mod several;
mod suggested;
mod walk;
mod whole;
mod world;
