//! Sizes of heads that fit each other, as every architecture needs them.

use super::config_file::ConfigFile;
use crate::error::Result;
use crate::sentence;

impl ConfigFile {
    /// Refuses a width that is not shared out among heads without a rest.
    ///
    /// # Errors
    /// As [`ConfigFile::malformed`].
    pub(crate) fn check_heads(&self, hidden_size: usize, heads: usize) -> Result<()> {
        if hidden_size.is_multiple_of(heads) {
            return Ok(());
        }
        Err(self.malformed(sentence!(
            "hidden_size {hidden_size} is not a multiple of {heads} heads",
            hidden_size,
            heads
        )))
    }

    /// Refuses query heads that do not share their key heads evenly.
    ///
    /// # Errors
    /// As [`ConfigFile::malformed`].
    pub(crate) fn check_key_heads(&self, heads: usize, kv_heads: usize) -> Result<()> {
        if heads.is_multiple_of(kv_heads) {
            return Ok(());
        }
        Err(self.malformed(sentence!("{heads} heads cannot share {kv_heads} key and value heads", heads, kv_heads)))
    }

    /// Refuses a part of a head that rotary positions cannot turn: it is turned pair by pair.
    ///
    /// # Errors
    /// As [`ConfigFile::malformed`].
    pub(crate) fn check_turned(&self, d_rotary: usize, d_head: usize) -> Result<()> {
        if d_rotary <= d_head && d_rotary.is_multiple_of(2) {
            return Ok(());
        }
        Err(self.malformed(sentence!("{d_rotary} of {d_head} numbers of a head cannot be turned", d_rotary, d_head)))
    }
}
