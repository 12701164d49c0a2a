//! What can go wrong for a client.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use engine_codec::{DecodeError, EncodeError};
use engine_record::BatchError;
use net_wire::{ApiKey, ErrorCode};

use crate::address::HostPort;

/// Why a client's operation failed.
#[derive(Debug)]
pub enum ClientError {
    /// No broker of the list could be connected to; the last one's error.
    NoBroker {
        /// The last broker tried.
        address: HostPort,
        /// What it answered.
        source: io::Error,
    },
    /// The host has no address.
    Unresolved(HostPort),
    /// The connection broke while a request was under way: what became of it is not known.
    Disconnected(io::Error),
    /// Nothing of a list of addresses answers as a broker: for each, why.
    NoneOf(Vec<Self>),
    /// The broker did not answer in time.
    TimedOut {
        /// What it was asked.
        key: ApiKey,
        /// Where it is.
        address: SocketAddr,
    },
    /// The broker's answer is not what its version says.
    Malformed(DecodeError),
    /// The request does not fit its version.
    Unencodable(EncodeError),
    /// The broker has no version of the API in common with us.
    Unsupported(ApiKey),
    /// The broker answered with an error.
    Broker {
        /// Which.
        code: ErrorCode,
        /// About what: a topic, a partition, a group.
        subject: String,
        /// The broker's own words, if it has any.
        message: Option<String>,
    },
    /// A fetched batch cannot be read.
    BadBatch {
        /// Where it is.
        topic: String,
        /// The partition.
        partition: i32,
        /// What is wrong with it.
        source: BatchError,
    },
    /// The answer does not hold what was asked for.
    Incomplete(ApiKey),
    /// The topic has no such partition.
    NoPartition {
        /// The topic.
        topic: String,
        /// The partition asked for.
        partition: i32,
        /// How many there are.
        count: usize,
    },
}

impl ClientError {
    /// An error code with what it is about; `Ok` for success.
    pub(crate) fn check(
        code: ErrorCode,
        subject: impl FnOnce() -> String,
        message: Option<&str>,
    ) -> Result<(), Self> {
        if code.is_none() {
            return Ok(());
        }
        Err(Self::Broker {
            code,
            subject: subject(),
            message: message.map(str::to_owned),
        })
    }

    /// The broker's code, if it is the broker that refused.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Broker { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether trying again may help: the connection broke, or the code says so.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::NoBroker { .. } | Self::Disconnected(_) | Self::TimedOut { .. } => true,
            Self::NoneOf(errors) => errors.iter().any(Self::is_retriable),
            Self::Broker { code, .. } => code.is_retriable(),
            _ => false,
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBroker { address, source } => write!(f, "no broker at {address}: {source}"),
            Self::Unresolved(address) => write!(f, "the host of {address} has no address"),
            Self::Disconnected(source) => write!(f, "the connection broke: {source}"),
            Self::NoneOf(errors) => {
                f.write_str("none of the addresses answers")?;
                errors.iter().try_for_each(|error| write!(f, "\n  {error}"))
            }
            Self::TimedOut { key, address } => {
                write!(f, "{address} did not answer {key:?} in time")
            }
            Self::Malformed(source) => write!(f, "an answer cannot be read: {source}"),
            Self::Unencodable(source) => write!(f, "a request cannot be written: {source}"),
            Self::Unsupported(key) => {
                write!(f, "the broker has no version of {key:?} that we have")
            }
            Self::Broker {
                code,
                subject,
                message,
            } => {
                write!(f, "{subject}: {code}: ")?;
                f.write_str(message.as_deref().unwrap_or_else(|| code.message()))
            }
            Self::BadBatch {
                topic,
                partition,
                source,
            } => {
                write!(f, "{topic}-{partition}: a batch cannot be read: {source}")
            }
            Self::Incomplete(key) => write!(f, "an answer to {key:?} lacks what was asked for"),
            Self::NoPartition {
                topic,
                partition,
                count,
            } => {
                write!(
                    f,
                    "{topic} has {count} partitions and no partition {partition}"
                )
            }
        }
    }
}

impl std::error::Error for ClientError {}

impl From<DecodeError> for ClientError {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

impl From<EncodeError> for ClientError {
    fn from(error: EncodeError) -> Self {
        Self::Unencodable(error)
    }
}
