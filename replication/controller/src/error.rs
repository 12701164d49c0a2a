//! Why a command, or one part of it, was refused.

use std::borrow::Cow;
use std::fmt;

/// The kind of a refusal, in the names of Kafka's error codes. The face maps each to its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names are the protocol's
pub enum ErrorKind {
    BrokerIdNotRegistered,
    ControllerIdNotRegistered,
    DuplicateBrokerRegistration,
    ElectionNotNeeded,
    EligibleLeadersNotAvailable,
    FencedLeaderEpoch,
    InconsistentClusterId,
    IneligibleReplica,
    InvalidConfig,
    InvalidPartitions,
    InvalidRegistration,
    InvalidReplicaAssignment,
    InvalidReplicationFactor,
    InvalidRequest,
    InvalidTopicException,
    InvalidUpdateVersion,
    NewLeaderElected,
    NotController,
    NotLeaderOrFollower,
    PolicyViolation,
    PreferredLeaderNotAvailable,
    StaleBrokerEpoch,
    TopicAlreadyExists,
    TopicDeletionDisabled,
    UnknownServerError,
    UnknownTopicId,
    UnknownTopicOrPartition,
    UnsupportedVersion,
}

/// A refusal: the kind that clients act upon, and a sentence for people. Where Kafka sends no
/// sentence of its own, none is set and the face uses the code's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// What clients act upon.
    pub kind: ErrorKind,
    /// What people read.
    pub message: Option<Cow<'static, str>>,
}

impl ApiError {
    /// A refusal with a sentence.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: Some(message.into()),
        }
    }

    /// A refusal that the code alone explains.
    #[must_use]
    pub fn bare(kind: ErrorKind) -> Self {
        Self {
            kind,
            message: None,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Some(message) => write!(f, "{:?}: {message}", self.kind),
            None => write!(f, "{:?}", self.kind),
        }
    }
}

impl std::error::Error for ApiError {}
