//! OffsetCommit (key 8): keep a group's position.
//!
//! KIP-211 (retention left the request, v5), KIP-320 (leader epoch, v6), KIP-345 (static members,
//! v7), KIP-482 (flexible, v8), KIP-848 (member epochs, v9; topic ids, v10).

use std::borrow::Cow;

use engine_base::Uuid;
use engine_codec::Codec;

use crate::message::{Request, Response};
use crate::{ApiKey, ErrorCode};

/// Positions to keep for a group.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "2-10", flexible = "8+")]
pub struct OffsetCommitRequest<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The member's generation (classic) or epoch (KIP-848); -1 from outside of the group.
    #[codec(default = -1)]
    pub generation_id_or_member_epoch: i32,
    /// The member's id; empty from one that has none.
    pub member_id: Cow<'a, str>,
    /// The static member's name; null for a dynamic one.
    #[codec(versions = "7+", nullable = "0+", default = null)]
    pub group_instance_id: Option<Cow<'a, str>>,
    /// How long to keep the positions, in milliseconds; -1 for the broker's choice.
    #[codec(versions = "2-4", default = -1, ignorable)]
    pub retention_time_ms: i64,
    /// The topics.
    pub topics: Vec<OffsetCommitRequestTopic<'a>>,
}

/// One topic's positions.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct OffsetCommitRequestTopic<'a> {
    /// The topic's name.
    #[codec(versions = "0-9", ignorable)]
    pub name: Cow<'a, str>,
    /// The topic's id.
    #[codec(versions = "10+", ignorable)]
    pub topic_id: Uuid,
    /// The partitions.
    pub partitions: Vec<OffsetCommitRequestPartition<'a>>,
}

/// One partition's position.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct OffsetCommitRequestPartition<'a> {
    /// The partition's index.
    pub partition_index: i32,
    /// The position: the offset of the next record to read; -1 for none.
    pub committed_offset: i64,
    /// The epoch of the last record read; -1 if unknown.
    #[codec(versions = "6+", default = -1, ignorable)]
    pub committed_leader_epoch: i32,
    /// The client's own note.
    #[codec(nullable = "0+")]
    pub committed_metadata: Option<Cow<'a, str>>,
}

/// Whether each position was kept.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "2-10", flexible = "8+")]
pub struct OffsetCommitResponse<'a> {
    /// How long the client should wait, in milliseconds, because a quota was exceeded; 0 for none.
    #[codec(versions = "3+", ignorable)]
    pub throttle_time_ms: i32,
    /// The topics.
    pub topics: Vec<OffsetCommitResponseTopic<'a>>,
}

/// One topic's results.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct OffsetCommitResponseTopic<'a> {
    /// The topic's name.
    #[codec(versions = "0-9", ignorable)]
    pub name: Cow<'a, str>,
    /// The topic's id.
    #[codec(versions = "10+", ignorable)]
    pub topic_id: Uuid,
    /// The partitions.
    pub partitions: Vec<OffsetCommitResponsePartition>,
}

/// One partition's result.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct OffsetCommitResponsePartition {
    /// The partition's index.
    pub partition_index: i32,
    /// The error, or `NONE`.
    pub error_code: ErrorCode,
}

impl Request for OffsetCommitRequest<'_> {
    const KEY: ApiKey = ApiKey::OffsetCommit;
    type Response<'b> = OffsetCommitResponse<'b>;
}

impl Response for OffsetCommitResponse<'_> {
    const KEY: ApiKey = ApiKey::OffsetCommit;
}
