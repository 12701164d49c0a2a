//! What ends an experiment early.

use std::fmt;
use std::io;

use net_wire::ErrorCode;

/// Why there is no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The connection, or the host.
    Io(io::Error),
    /// Bytes that are not an answer, or a request that cannot be written.
    Protocol(String),
    /// The broker refused.
    Refused {
        /// What was asked.
        what: &'static str,
        /// The answer.
        code: ErrorCode,
    },
    /// The options contradict each other.
    Options(&'static str),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::Protocol(text) => write!(f, "the protocol: {text}"),
            Self::Refused { what, code } => {
                write!(
                    f,
                    "{what} answered {}",
                    code.name().unwrap_or("an unknown error")
                )
            }
            Self::Options(text) => f.write_str(text),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Refuses any code but `NONE`.
pub(crate) fn check(what: &'static str, code: ErrorCode) -> Result<(), Failure> {
    if code.is_none() {
        Ok(())
    } else {
        Err(Failure::Refused { what, code })
    }
}
