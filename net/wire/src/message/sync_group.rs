//! SyncGroup (key 14): the leader hands in the assignment, each member takes its own.
//!
//! KIP-345 (static members, v3), KIP-482 (flexible, v4), KIP-559 (protocol checked, v5).

use std::borrow::Cow;

use engine_codec::Codec;

use crate::message::{Request, Response};
use crate::{ApiKey, ErrorCode};

/// A member waits for its assignment; the leader's request holds all of them.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-5", flexible = "4+")]
pub struct SyncGroupRequest<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The generation.
    pub generation_id: i32,
    /// The member's id; empty from one that has none.
    pub member_id: Cow<'a, str>,
    /// The static member's name; null for a dynamic one.
    #[codec(versions = "3+", nullable = "0+", default = null)]
    pub group_instance_id: Option<Cow<'a, str>>,
    /// The kind of group; `consumer` for consumers.
    #[codec(versions = "5+", nullable = "0+", default = null, ignorable)]
    pub protocol_type: Option<Cow<'a, str>>,
    /// The protocol (assignor) of the generation.
    #[codec(versions = "5+", nullable = "0+", default = null, ignorable)]
    pub protocol_name: Option<Cow<'a, str>>,
    /// All assignments; empty from all but the leader.
    pub assignments: Vec<SyncGroupRequestAssignment<'a>>,
}

/// One member's assignment.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct SyncGroupRequestAssignment<'a> {
    /// The member's id; empty from one that has none.
    pub member_id: Cow<'a, str>,
    /// The member's assignment, opaque to the broker.
    pub assignment: Cow<'a, [u8]>,
}

/// The member's assignment.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-5", flexible = "4+")]
pub struct SyncGroupResponse<'a> {
    /// How long the client should wait, in milliseconds, because a quota was exceeded; 0 for none.
    #[codec(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// The error, or `NONE`.
    pub error_code: ErrorCode,
    /// The kind of group; `consumer` for consumers.
    #[codec(versions = "5+", nullable = "0+", default = null, ignorable)]
    pub protocol_type: Option<Cow<'a, str>>,
    /// The protocol (assignor) of the generation.
    #[codec(versions = "5+", nullable = "0+", default = null, ignorable)]
    pub protocol_name: Option<Cow<'a, str>>,
    /// The member's assignment, opaque to the broker.
    pub assignment: Cow<'a, [u8]>,
}

impl Request for SyncGroupRequest<'_> {
    const KEY: ApiKey = ApiKey::SyncGroup;
    type Response<'b> = SyncGroupResponse<'b>;
}

impl Response for SyncGroupResponse<'_> {
    const KEY: ApiKey = ApiKey::SyncGroup;
}
