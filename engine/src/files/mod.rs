//! The one door to the file system for what this process did not make, and for writing where a stranger may have been.
//!
//! A stranger's file can do nothing but be read. What is opened here is a regular file: never a pipe to wait at, a device
//! or a socket, and no larger than its [`Kind`] may be. Links are followed where a user chose the file, as snapshots of the
//! hub's cache are links; in the folder of a run, which may have come in an archive, they are refused, and nothing is
//! ever written through one.

pub(crate) mod gguf;
mod read;
mod tree;
mod write;

pub use self::read::{Lines, if_there, open, read, read_json, read_to_string};
pub use self::tree::refuse_links;
pub use self::write::{append, lock_file, sweep, write_folder, write_json, write_whole, write_with};

use std::fs::OpenOptions;

const MIB: u64 = 1 << 20;

/// Purpose of a file: how large it may be, and whether it may be reached by a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Description of a model, a tokenizer or an adapter in words: `config.json`, `adapter_config.json`.
    Settings,
    /// A template of rows or of a conversation.
    Template,
    /// A vocabulary: `tokenizer.json`, `vocab.txt`, `merges.txt`, `spiece.model`.
    Vocabulary,
    /// Index of the file that each tensor is in.
    Index,
    /// A text that is read whole into a model's context.
    Document,
    /// Tensors: as large as the disk allows.
    Weights,
    /// Rows of a dataset: as large as the disk allows.
    Rows,
    /// A file of a run that is read whole: `config.json`, `checkpoints.json`, `state.json`.
    RunRecord,
    /// A file of a run that is read line by line: `metrics.jsonl`, `log.jsonl`.
    RunLines,
    /// Tensors of a run.
    RunTensors,
}

impl Kind {
    /// Most bytes.
    pub fn limit(self) -> u64 {
        match self {
            Self::Template => MIB,
            Self::Settings | Self::Document | Self::RunRecord => 16 * MIB,
            Self::Index => 64 * MIB,
            Self::Vocabulary => 256 * MIB,
            Self::Weights | Self::Rows | Self::RunLines | Self::RunTensors => u64::MAX,
        }
    }

    /// Whether a link may stand in place of the file.
    pub fn follows_links(self) -> bool {
        !matches!(self, Self::RunRecord | Self::RunLines | Self::RunTensors)
    }
}

/// Opening never waits, and goes through a link only where that is allowed.
fn careful(options: &mut OpenOptions, follows_links: bool) -> &mut OpenOptions {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let links = if follows_links { 0 } else { libc::O_NOFOLLOW };
        options.custom_flags(libc::O_NONBLOCK | links)
    }
    #[cfg(windows)]
    {
        use std::os::windows::fs::OpenOptionsExt;
        // FILE_FLAG_OPEN_REPARSE_POINT: the link itself is opened, and is then seen not to be a file.
        options.custom_flags(if follows_links { 0 } else { 0x0020_0000 })
    }
    #[cfg(not(any(unix, windows)))]
    {
        let _ = follows_links;
        options
    }
}
