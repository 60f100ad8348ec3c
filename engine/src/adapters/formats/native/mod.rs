//! Folders of the workbench's own, for what PEFT has no form for.

pub(crate) mod by_site;
pub(crate) mod few_shot;
pub(crate) mod full_weights;
pub(crate) mod multi_part;
pub(crate) mod placement;
pub(crate) mod unread;
