//! Token ids beyond those of a vocabulary, on which data and models must agree.

/// Token ids from here on are slots of a soft prompt: `SOFT + slot`. Vocabularies end far below.
pub const SOFT: u32 = 1 << 30;

/// Tokens before a target that is written from a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TargetStart {
    /// Whether the model reads a source apart from what it writes.
    pub has_source: bool,
    /// The token before it; `None` if the target's own last token stands there.
    pub token: Option<u32>,
    /// The first token of every target, where the model forces one.
    pub first: Option<u32>,
}
