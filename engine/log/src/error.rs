//! What can go wrong, for callers that must tell it apart. Kafka's error codes are chosen in
//! `net/broker`.

use std::fmt;
use std::io;
use std::path::PathBuf;

use engine_journal::JournalDamage;

use crate::limits::open_files_needed;

/// The store's disk failed or holds what it must not.
#[derive(Debug)]
pub enum StoreError {
    /// A file operation failed. After a failed write or flush nothing more is written: the
    /// process stops and the next start recovers.
    Io {
        /// What was being done, in words for the operator.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the kernel said.
        error: io::Error,
    },
    /// Bytes that were durable cannot be read. Never repaired by cutting.
    Damaged(Vec<Damage>),
    /// `.kafka_cleanshutdown` stands beside journal entries: another broker ran here after a crash
    /// of ours without `ottla recover`.
    ForeignAfterCrash {
        /// The log directory.
        directory: PathBuf,
    },
    /// A write or flush failed before; the store does nothing more.
    Failed,
    /// The disk is full.
    DiskFull,
    /// The process may not open as many files as the logs need.
    TooManyLogs {
        /// Logs of the store.
        logs: usize,
        /// Files that the store may have open.
        open_files_max: usize,
    },
}

/// Something that was durable cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// In a shard's journal.
    Journal {
        /// The former shard.
        shard: u32,
        /// What is missing.
        damage: JournalDamage,
    },
    /// In a journal entry that passed its checksum: written by another version, or a defect.
    Entry {
        /// The former shard.
        shard: u32,
        /// The entry.
        sequence: u64,
    },
    /// In a segment.
    Segment {
        /// The partition's folder name.
        partition: String,
        /// The segment's base offset.
        segment_base: i64,
        /// Where in the segment.
        position: u64,
        /// The first offset concerned.
        offset: i64,
    },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Journal { shard, damage } => write!(f, "journal of shard {shard}: {damage}"),
            Self::Entry { shard, sequence } => {
                write!(
                    f,
                    "journal of shard {shard}: entry {sequence} makes no sense"
                )
            }
            Self::Segment {
                partition,
                segment_base,
                position,
                offset,
            } => write!(
                f,
                "{partition}: segment {segment_base:020}.log is damaged at byte {position} \
                 (offset {offset}), which was durable"
            ),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { doing, path, error } => {
                write!(f, "{doing} {} failed: {error}", path.display())?;
                match error.raw_os_error() {
                    Some(EMFILE | ENFILE) => write!(f, "; raise {THE_LIMIT}"),
                    _ => Ok(()),
                }
            }
            Self::Damaged(damages) => {
                f.write_str("data that was durable cannot be read; nothing was cut: ")?;
                for (index, damage) in damages.iter().enumerate() {
                    write!(f, "{}{damage}", if index > 0 { "; " } else { "" })?;
                }
                Ok(())
            }
            Self::ForeignAfterCrash { directory } => write!(
                f,
                "{0} was used by another broker after a crash of this one, without recovery \
                 ('.kafka_cleanshutdown' stands beside journals that hold entries). To keep what \
                 is in the logs now, remove {0}/ottla-journal-* and start again; records that \
                 only the journal holds are then lost",
                directory.display()
            ),
            Self::Failed => f.write_str("an earlier write or flush failed; restart to recover"),
            Self::DiskFull => f.write_str("the disk is full"),
            Self::TooManyLogs {
                logs,
                open_files_max,
            } => write!(
                f,
                "the logs of one core ({logs}) need {} open files at least, and its share of \
                 what the process may open is {open_files_max}: raise {THE_LIMIT} to {} times \
                 what it is",
                open_files_needed(*logs),
                open_files_needed(*logs).div_ceil(*open_files_max.max(&1)),
            ),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl StoreError {
    /// Makes an [`StoreError::Io`].
    pub(crate) fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| match error.raw_os_error() {
            Some(ENOSPC | EDQUOT) => Self::DiskFull,
            _ => Self::Io { doing, path, error },
        }
    }

    /// Whether space may come back.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::DiskFull)
    }
}

// The two errors that are a state and not a failure; the crate knows no libc.
const ENOSPC: i32 = 28;
const EDQUOT: i32 = 122;

// Too many open files: of the process, of the machine.
const EMFILE: i32 = 24;
const ENFILE: i32 = 23;

const THE_LIMIT: &str = "the limit of open files (ulimit -n in a shell, LimitNOFILE= in a systemd \
     unit, --ulimit nofile= of a container)";

/// Why a batch was not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendError {
    /// Not now: too much is waiting for the disk, or the log's last block must be read first.
    /// `Log::ready_to_append` waits until an append is worth another try.
    Busy,
    /// The disk is full. Retriable: appends go on when space returns.
    DiskFull,
    /// The store failed; the process is about to stop.
    Failed,
    /// The log was deleted.
    Deleted,
    /// The producer's state forbids the batch.
    Producer(crate::producer_state::ProducerError),
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("the log is waiting for the disk"),
            Self::DiskFull => f.write_str("the disk is full"),
            Self::Failed => f.write_str("the log's disk failed"),
            Self::Deleted => f.write_str("the log was deleted"),
            Self::Producer(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl std::error::Error for AppendError {}

/// Why records cannot be read.
#[derive(Debug)]
pub enum ReadError {
    /// The offset is below the log's start or above its end.
    OutOfRange {
        /// First offset there is.
        log_start_offset: i64,
        /// First offset there is not.
        log_end_offset: i64,
    },
    /// The log was deleted.
    Deleted,
    /// The bytes on disk are not the batches that were written.
    Corrupt {
        /// The segment's base offset.
        segment_base: i64,
        /// Where in the segment.
        position: u64,
    },
    /// The disk refused the read.
    Store(StoreError),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange {
                log_start_offset,
                log_end_offset,
            } => {
                write!(
                    f,
                    "the log holds offsets {log_start_offset} to {log_end_offset}"
                )
            }
            Self::Deleted => f.write_str("the log was deleted"),
            Self::Corrupt {
                segment_base,
                position,
            } => {
                write!(
                    f,
                    "segment {segment_base:020}.log is corrupt at byte {position}"
                )
            }
            Self::Store(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl std::error::Error for ReadError {}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
