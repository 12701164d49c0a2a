//! JoinGroup (key 11): enter a classic group's next generation.
//!
//! KIP-62 (rebalance timeout, v1), KIP-394 (member id first, v4), KIP-345 (static members, v5),
//! KIP-482 (flexible, v6), KIP-559 (protocol type in the answer, v7), KIP-800 (reason, v8),
//! KIP-814 (the leader may keep its assignment, v9).

use std::borrow::Cow;

use engine_codec::Codec;

use crate::message::{Request, Response};
use crate::{ApiKey, ErrorCode};

/// Who joins which group and what it can speak.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-9", flexible = "6+")]
pub struct JoinGroupRequest<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// A member silent for so long is out, in milliseconds.
    pub session_timeout_ms: i32,
    /// How long the group may wait for this member to rejoin, in milliseconds; -1 for the session
    /// timeout.
    #[codec(versions = "1+", default = -1, ignorable)]
    pub rebalance_timeout_ms: i32,
    /// The member's id; empty from one that has none.
    pub member_id: Cow<'a, str>,
    /// The static member's name; null for a dynamic one.
    #[codec(versions = "5+", nullable = "0+", default = null)]
    pub group_instance_id: Option<Cow<'a, str>>,
    /// The kind of group; `consumer` for consumers.
    pub protocol_type: Cow<'a, str>,
    /// The protocols that the member speaks, the preferred first.
    pub protocols: Vec<JoinGroupRequestProtocol<'a>>,
    /// Why, for the log.
    #[codec(versions = "8+", nullable = "0+", default = null, ignorable)]
    pub reason: Option<Cow<'a, str>>,
}

/// One protocol (assignor) with what the member says in it.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct JoinGroupRequestProtocol<'a> {
    /// The protocol's name.
    pub name: Cow<'a, str>,
    /// The member's subscription, opaque to the broker.
    pub metadata: Cow<'a, [u8]>,
}

/// The generation; for its leader, also the members.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-9", flexible = "6+")]
pub struct JoinGroupResponse<'a> {
    /// How long the client should wait, in milliseconds, because a quota was exceeded; 0 for none.
    #[codec(versions = "2+", ignorable)]
    pub throttle_time_ms: i32,
    /// The error, or `NONE`.
    pub error_code: ErrorCode,
    /// The generation.
    #[codec(default = -1)]
    pub generation_id: i32,
    /// The kind of group; `consumer` for consumers.
    #[codec(versions = "7+", nullable = "0+", default = null, ignorable)]
    pub protocol_type: Option<Cow<'a, str>>,
    /// The protocol (assignor) of the generation.
    #[codec(nullable = "7+")]
    pub protocol_name: Option<Cow<'a, str>>,
    /// The leader's member id.
    pub leader: Cow<'a, str>,
    /// Whether the leader should keep the assignment there is.
    #[codec(versions = "9+")]
    pub skip_assignment: bool,
    /// The member's id; empty from one that has none.
    pub member_id: Cow<'a, str>,
    /// The members; empty for all but the leader.
    pub members: Vec<JoinGroupResponseMember<'a>>,
}

/// One member, as the leader sees it.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct JoinGroupResponseMember<'a> {
    /// The member's id; empty from one that has none.
    pub member_id: Cow<'a, str>,
    /// The static member's name; null for a dynamic one.
    #[codec(versions = "5+", nullable = "0+", default = null, ignorable)]
    pub group_instance_id: Option<Cow<'a, str>>,
    /// The member's subscription, opaque to the broker.
    pub metadata: Cow<'a, [u8]>,
}

impl Request for JoinGroupRequest<'_> {
    const KEY: ApiKey = ApiKey::JoinGroup;
    type Response<'b> = JoinGroupResponse<'b>;
}

impl Response for JoinGroupResponse<'_> {
    const KEY: ApiKey = ApiKey::JoinGroup;
}
