//! The commit record of a shard: opaque entries made durable together.
//!
//! One journal for each shard and log directory. A group commit is one [`Journal::append`]: one
//! padded direct write, durable or not, whatever the number of partitions in it. The files are
//! few, pre-written and used again; [`Journal::release`] says which entries nobody needs any
//! more. After a crash [`find_files`] and [`find_run`] give back the entries in order, and tell a
//! torn end from damage.
//!
//! Called by `engine/log` on the shard's core. It knows neither segments nor partitions, and
//! never decides what a missing entry means for a log.

#![forbid(unsafe_code)]

mod entry;
mod files;
pub mod limits;
mod replay;
mod writer;

pub use entry::{ENTRY_HEADER_SIZE_BYTES, EntryHeader, FileHeader};
pub use files::{
    FoundFile, JOURNAL_FILE_PREFIX, JournalOptions, PreparedFile, VOID_MARKER_PREFIX, find_files,
    prepare_file, void_files,
};
pub use replay::{FileScan, JournalDamage, Run, ScannedEntry, find_run};
pub use writer::{Journal, JournalError};
