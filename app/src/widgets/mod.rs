//! Small things to look at and to press: data in, `Response` out. They know nothing of runs, commands or the store.

pub mod bars;
pub mod button;
pub mod chart_plot;
pub mod containers;
pub mod diff;
pub mod field;
pub mod fuzzy;
pub mod heatmap;
pub mod histogram;
pub mod icon;
pub mod layer_strip;
pub mod log_axis;
pub mod lr_range_plot;
pub mod name_choice;
pub mod option_cards;
pub mod prefix_drawing;
pub mod scored_text;
pub mod shaded_tokens;
pub mod sparkline;
pub mod token_grid;
pub mod token_strip;
