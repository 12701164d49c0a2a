//! What a failed command says: what happened, and what to do next.

use std::fmt;
use std::io;

use net_client::ClientError;

use crate::advice::advice;

/// A failed command.
#[derive(Debug)]
pub enum Failure {
    /// The broker or the way to it.
    Client(ClientError),
    /// The broker's refusal, with what to do about it in this command.
    Advised {
        /// What it said.
        error: ClientError,
        /// The next step.
        advice: String,
    },
    /// A local file or pipe.
    Io {
        /// What was being done with it.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// Nobody reads our output any more.
    Unread,
    /// What was asked for makes no sense; the text says what to write instead.
    Usage(String),
}

impl Failure {
    /// A local file's or pipe's error.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(error) => {
                write!(f, "{error}")?;
                match advice(error) {
                    Some(advice) => write!(f, "\n{advice}"),
                    None => Ok(()),
                }
            }
            Self::Advised { error, advice } => write!(f, "{error}\n{advice}"),
            Self::Io { doing, source } => write!(f, "{doing}: {source}"),
            Self::Unread => f.write_str("nobody reads the output"),
            Self::Usage(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Failure {}
