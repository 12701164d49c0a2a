//! Consumer groups: the classic protocol and committed offsets, as Apache Kafka 4.4.
//!
//! One [`GroupCoordinator`] holds all groups whose ids hash to one partition of
//! `__consumer_offsets` ([`partition_for`]). It is the machine of a
//! [`replication_coordinator::CoordinatorShard`], which lives on the core that owns the partition;
//! nothing else calls it. It never reads a clock, draws a random number, or knows a socket.
//!
//! Members, generations and parked requests are soft state, as in Kafka: what survives is the
//! GroupMetadata record written when a generation's assignment is known. Committed offsets are hard
//! state: they change by their records only.

#![forbid(unsafe_code)]

mod admin;
mod answer;
mod classic;
mod config;
mod consumer_protocol;
mod coordinator;
mod door;
mod error;
pub mod limits;
mod notice;
mod offsets;
mod partition;
pub mod record;
mod request;
mod timer;

pub use answer::{
    Answer, DeletedGroup, DescribedGroup, DescribedMember, JoinAnswer, JoinAnswerMember,
    LeaveMemberAnswer, ListedGroup, OffsetFetchPartitionAnswer, OffsetFetchTopicAnswer, SyncAnswer,
    TopicAnswer,
};
pub use config::GroupConfig;
pub use coordinator::{Completion, GroupCoordinator};
pub use door::{refuse, screen};
pub use error::GroupError;
pub use notice::Notice;
pub use partition::partition_for;
pub use request::{
    Assignment, CompleteTransactionRequest, DeletedTopic, HeartbeatRequest, JoinRequest,
    LeaveRequest, LeavingMember, ListGroupsRequest, OffsetCommitPartition, OffsetCommitRequest,
    OffsetCommitTopic, OffsetDeleteRequest, OffsetFetchRequest, OffsetFetchTopic, Protocol,
    Request, SyncRequest, TxnOffsetCommitRequest,
};
pub use timer::{TimerKey, TimerTask};
