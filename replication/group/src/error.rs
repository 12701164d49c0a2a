//! What a group request may be refused for, in Kafka's words.

use std::fmt;

use replication_coordinator::{AppendError, Failure};

/// Kafka's errors of the group APIs; the number in each line is its code on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupError {
    /// -1: the records could not be kept for a reason clients cannot act on.
    UnknownServerError,
    /// 12: the committed metadata string exceeds `offset.metadata.max.bytes`.
    OffsetMetadataTooLarge,
    /// 14: the partition is being replayed; retry here.
    CoordinatorLoadInProgress,
    /// 15: retry, after asking for the coordinator again.
    CoordinatorNotAvailable,
    /// 16: another broker coordinates this group.
    NotCoordinator,
    /// 22: the generation is not the group's current one.
    IllegalGeneration,
    /// 23: no protocol in common with the group's members, or another protocol type.
    InconsistentGroupProtocol,
    /// 24: the group id is empty.
    InvalidGroupId,
    /// 25: no such member; it must join anew.
    UnknownMemberId,
    /// 26: the session timeout is outside the broker's bounds.
    InvalidSessionTimeout,
    /// 27: the member must rejoin.
    RebalanceInProgress,
    /// 47: a newer incarnation of the producer exists.
    InvalidProducerEpoch,
    /// 48: the transaction does not accept this write.
    InvalidTxnState,
    /// 52: the transaction coordinator has been deposed.
    TransactionCoordinatorFenced,
    /// 68: the group has members.
    NonEmptyGroup,
    /// 69: no such group.
    GroupIdNotFound,
    /// 79: join again with the member id in this answer (KIP-394).
    MemberIdRequired,
    /// 81: the group is full.
    GroupMaxSizeReached,
    /// 82: another member has taken over this instance id (KIP-345).
    FencedInstanceId,
    /// 86: a member is subscribed to the topic.
    GroupSubscribedToTopic,
    /// 88: an open transaction holds an offset of this partition (KIP-447).
    UnstableOffsetCommit,
}

impl GroupError {
    /// What Kafka answers when a request's records were not kept, or when it was not handled.
    #[must_use]
    pub const fn of_failure(failure: Failure) -> Self {
        match failure {
            Failure::LoadInProgress => Self::CoordinatorLoadInProgress,
            Failure::NotCoordinator
            | Failure::Append(AppendError::NotLeaderOrFollower | AppendError::KafkaStorageError) => {
                Self::NotCoordinator
            }
            Failure::Append(
                AppendError::UnknownTopicOrPartition
                | AppendError::NotEnoughReplicas
                | AppendError::RequestTimedOut,
            )
            // Kafka has no such bound; every client retries every request after 15.
            | Failure::Overloaded => Self::CoordinatorNotAvailable,
            Failure::Append(AppendError::MessageTooLarge | AppendError::UnknownServerError) => {
                Self::UnknownServerError
            }
            Failure::Append(AppendError::InvalidProducerEpoch) => Self::InvalidProducerEpoch,
            Failure::Append(AppendError::InvalidTxnState) => Self::InvalidTxnState,
            Failure::Append(AppendError::TransactionCoordinatorFenced) => {
                Self::TransactionCoordinatorFenced
            }
        }
    }

    /// The same for OffsetFetch: consumers before 3.9 do not know 15 there.
    #[must_use]
    pub const fn of_fetch_failure(failure: Failure) -> Self {
        match Self::of_failure(failure) {
            Self::CoordinatorNotAvailable => Self::NotCoordinator,
            other => other,
        }
    }
}

impl fmt::Display for GroupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for GroupError {}
