//! OffsetFetch (key 9): a group's positions.
//!
//! KIP-88 (all topics, v2), KIP-320 (leader epoch, v5), KIP-447 (stable offsets, v7), KIP-709
//! (many groups, v8), KIP-848 (member epochs, v9; topic ids, v10).

use std::borrow::Cow;

use engine_base::Uuid;
use engine_codec::Codec;

use crate::message::{Request, Response};
use crate::{ApiKey, ErrorCode};

/// Whose positions; versions 0-7 name one group, later ones a list.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "1-10", flexible = "6+")]
pub struct OffsetFetchRequest<'a> {
    /// The group's id.
    #[codec(versions = "0-7")]
    pub group_id: Cow<'a, str>,
    /// The topics; null for all (versions 2-7).
    #[codec(versions = "0-7", nullable = "2+")]
    pub topics: Option<Vec<OffsetFetchRequestTopic<'a>>>,
    /// The groups.
    #[codec(versions = "8+")]
    pub groups: Vec<OffsetFetchRequestGroup<'a>>,
    /// Whether positions of open transactions must be waited for (KIP-447).
    #[codec(versions = "7+")]
    pub require_stable: bool,
}

/// One topic asked about (versions 0-7).
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct OffsetFetchRequestTopic<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// The indexes of the partitions.
    pub partition_indexes: Vec<i32>,
}

/// One group asked about (versions 8 and later).
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct OffsetFetchRequestGroup<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The member's id; null from outside of the group.
    #[codec(versions = "9+", nullable = "0+", default = null, ignorable)]
    pub member_id: Option<Cow<'a, str>>,
    /// The member's epoch; -1 from outside of the group.
    #[codec(versions = "9+", default = -1, ignorable)]
    pub member_epoch: i32,
    /// The topics; null for all.
    #[codec(nullable = "0+")]
    pub topics: Option<Vec<OffsetFetchRequestTopics<'a>>>,
}

/// One topic of a group's request (versions 8 and later).
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct OffsetFetchRequestTopics<'a> {
    /// The topic's name.
    #[codec(versions = "8-9", ignorable)]
    pub name: Cow<'a, str>,
    /// The topic's id.
    #[codec(versions = "10+", ignorable)]
    pub topic_id: Uuid,
    /// The indexes of the partitions.
    pub partition_indexes: Vec<i32>,
}

/// The positions; versions 0-7 of one group, later ones of a list.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "1-10", flexible = "6+")]
pub struct OffsetFetchResponse<'a> {
    /// How long the client should wait, in milliseconds, because a quota was exceeded; 0 for none.
    #[codec(versions = "3+", ignorable)]
    pub throttle_time_ms: i32,
    /// The topics.
    #[codec(versions = "0-7")]
    pub topics: Vec<OffsetFetchResponseTopic<'a>>,
    /// The group's error, or `NONE` (versions 2-7).
    #[codec(versions = "2-7", ignorable)]
    pub error_code: ErrorCode,
    /// The groups.
    #[codec(versions = "8+")]
    pub groups: Vec<OffsetFetchResponseGroup<'a>>,
}

/// One topic's positions (versions 0-7).
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct OffsetFetchResponseTopic<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// The partitions.
    pub partitions: Vec<OffsetFetchResponsePartition<'a>>,
}

/// One partition's position (versions 0-7).
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct OffsetFetchResponsePartition<'a> {
    /// The partition's index.
    pub partition_index: i32,
    /// The position: the offset of the next record to read; -1 for none.
    pub committed_offset: i64,
    /// The epoch of the last record read; -1 if unknown.
    #[codec(versions = "5+", default = -1, ignorable)]
    pub committed_leader_epoch: i32,
    /// The client's own note.
    #[codec(nullable = "0+")]
    pub metadata: Option<Cow<'a, str>>,
    /// The error, or `NONE`.
    pub error_code: ErrorCode,
}

/// One group's positions (versions 8 and later).
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct OffsetFetchResponseGroup<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The topics.
    pub topics: Vec<OffsetFetchResponseTopics<'a>>,
    /// The error, or `NONE`.
    pub error_code: ErrorCode,
}

/// One topic's positions (versions 8 and later).
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct OffsetFetchResponseTopics<'a> {
    /// The topic's name.
    #[codec(versions = "8-9", ignorable)]
    pub name: Cow<'a, str>,
    /// The topic's id.
    #[codec(versions = "10+", ignorable)]
    pub topic_id: Uuid,
    /// The partitions.
    pub partitions: Vec<OffsetFetchResponsePartitions<'a>>,
}

/// One partition's position (versions 8 and later).
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct OffsetFetchResponsePartitions<'a> {
    /// The partition's index.
    pub partition_index: i32,
    /// The position: the offset of the next record to read; -1 for none.
    pub committed_offset: i64,
    /// The epoch of the last record read; -1 if unknown.
    #[codec(default = -1)]
    pub committed_leader_epoch: i32,
    /// The client's own note.
    #[codec(nullable = "0+")]
    pub metadata: Option<Cow<'a, str>>,
    /// The error, or `NONE`.
    pub error_code: ErrorCode,
}

impl Request for OffsetFetchRequest<'_> {
    const KEY: ApiKey = ApiKey::OffsetFetch;
    type Response<'b> = OffsetFetchResponse<'b>;
}

impl Response for OffsetFetchResponse<'_> {
    const KEY: ApiKey = ApiKey::OffsetFetch;
}
