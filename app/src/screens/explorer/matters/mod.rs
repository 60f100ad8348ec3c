//! Which parts of an adapter matter.

pub(super) mod slots;
