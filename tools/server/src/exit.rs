//! How the process ends: the codes that scripts and supervisors may rely on.

use std::process::ExitCode;

/// Why `ottla` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything asked was done; a server drained and stopped clean.
    Clean,
    /// The command line or the configuration is wrong, or what was asked failed.
    Configuration,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Clean => 0,
            Exit::Configuration => 1,
        })
    }
}
