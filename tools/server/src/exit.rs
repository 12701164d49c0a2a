//! How the process ends: the codes that scripts and supervisors may rely on.

use std::process::ExitCode;

use net_broker::StartError;

/// Why `ottla` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything asked was done; a server drained and stopped clean.
    Clean,
    /// The command line or the configuration is wrong, or what was asked failed.
    Configuration,
    /// The data directory is in use, belongs to another node, or is put together from two.
    Directory,
    /// The data is damaged where no crash can explain it.
    Damaged,
    /// The host does not allow `io_uring`, or its kernel is too old.
    Host,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Clean => 0,
            Exit::Configuration => 1,
            Exit::Directory => 2,
            Exit::Damaged => 3,
            Exit::Host => 4,
        })
    }
}

impl From<&StartError> for Exit {
    fn from(error: &StartError) -> Self {
        match error {
            StartError::Config(_) | StartError::Io { .. } => Self::Configuration,
            StartError::Locked { .. } | StartError::Foreign { .. } => Self::Directory,
            StartError::Damaged(_) => Self::Damaged,
            StartError::Denied(_) => Self::Host,
        }
    }
}
