//! Why the broker did not start, or stopped by itself; the binary makes exit codes of it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use engine_log::StoreError;

/// See the module.
#[derive(Debug)]
pub enum StartError {
    /// Something in the configuration cannot be done. Exit code 1.
    Config(String),
    /// Another process has the directory open. Exit code 2.
    Locked {
        /// The data directory.
        path: PathBuf,
    },
    /// The directory is another node's, another cluster's, or no data directory. Exit code 2.
    Foreign {
        /// The data directory.
        path: PathBuf,
        /// What was found, and what to do.
        why: String,
    },
    /// What the directory holds cannot be trusted. Exit code 3.
    Damaged(String),
    /// The host denies io_uring. Exit code 4.
    Denied(String),
    /// The operating system refused something. Exit code 1.
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// The refusal.
        error: io::Error,
    },
}

impl StartError {
    pub(crate) fn io(doing: &'static str, path: impl AsRef<Path>, error: io::Error) -> Self {
        Self::Io {
            doing,
            path: path.as_ref().to_path_buf(),
            error,
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(why) | Self::Damaged(why) | Self::Denied(why) => f.write_str(why),
            Self::Locked { path } => write!(
                f,
                "{} is in use by another process (its id stands in {}/.lock): stop it, or set \
                 log.dirs to another directory",
                path.display(),
                path.display()
            ),
            Self::Foreign { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Io { doing, path, error } => {
                write!(f, "{doing} {} failed: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for StartError {}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Io { doing, path, error } => Self::Io { doing, path, error },
            limit @ StoreError::TooManyLogs { .. } => Self::Config(limit.to_string()),
            StoreError::DiskFull => Self::Config(
                "the disk of the data directory is full: free some space, and start again"
                    .to_owned(),
            ),
            other => Self::Damaged(other.to_string()),
        }
    }
}
