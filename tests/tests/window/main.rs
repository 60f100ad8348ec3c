//! The window, driven by its accessible labels, with hand-written events behind it and once with the whole program; and what it looks like.

mod choices;
mod commands;
mod evaluate;
mod experiments;
mod explorer;
mod fixtures;
mod init_comparison;
mod insight;
mod insight_parts;
mod keys;
mod methods;
mod models;
mod narrow;
mod opening;
mod pictures;
mod report;
mod rows;
mod scenes;
mod selection;
mod sent;
mod several;
mod suggested;
mod table;
mod walk;
mod whole;
mod world;
