//! Heartbeat (key 12): a member of a classic group is alive.
//!
//! KIP-219 (throttling, v2), KIP-345 (static members, v3), KIP-482 (flexible, v4).

use std::borrow::Cow;

use engine_codec::Codec;

use crate::message::{Request, Response};
use crate::{ApiKey, ErrorCode};

/// Which member of which generation is alive.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-4", flexible = "4+")]
pub struct HeartbeatRequest<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The generation.
    pub generation_id: i32,
    /// The member's id; empty from one that has none.
    pub member_id: Cow<'a, str>,
    /// The static member's name; null for a dynamic one.
    #[codec(versions = "3+", nullable = "0+", default = null)]
    pub group_instance_id: Option<Cow<'a, str>>,
}

/// Whether the member may go on.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-4", flexible = "4+")]
pub struct HeartbeatResponse {
    /// How long the client should wait, in milliseconds, because a quota was exceeded; 0 for none.
    #[codec(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// The error, or `NONE`.
    pub error_code: ErrorCode,
}

impl Request for HeartbeatRequest<'_> {
    const KEY: ApiKey = ApiKey::Heartbeat;
    type Response<'b> = HeartbeatResponse;
}

impl Response for HeartbeatResponse {
    const KEY: ApiKey = ApiKey::Heartbeat;
}
