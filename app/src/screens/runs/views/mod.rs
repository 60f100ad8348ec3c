//! Several runs at once: curves over each other, what differs, how a figure depends on settings, what is worth its cost.
//! What is drawn is made by files that know no window.

mod chart_tabs;
mod choices;
mod curves;
mod curves_tab;
mod differences;
mod differences_tab;
mod facts;
mod figures;
mod lines;
mod parallel;
mod parallel_tab;
mod scale;
mod scatter;
mod ui;
mod view;

pub(in crate::screens::runs) use self::choices::Views;
pub(in crate::screens::runs) use self::ui::selection_ui;
