//! LeaveGroup (key 13): members leave a classic group.
//!
//! KIP-345 (several members, v3), KIP-482 (flexible, v4), KIP-800 (reason, v5).

use std::borrow::Cow;

use engine_codec::Codec;

use crate::message::{Request, Response};
use crate::{ApiKey, ErrorCode};

/// Who leaves; versions 0-2 one member, later ones a list.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-5", flexible = "4+")]
pub struct LeaveGroupRequest<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The member's id; empty from one that has none.
    #[codec(versions = "0-2")]
    pub member_id: Cow<'a, str>,
    /// The members.
    #[codec(versions = "3+")]
    pub members: Vec<MemberIdentity<'a>>,
}

/// One member that leaves.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct MemberIdentity<'a> {
    /// The member's id; empty from one that has none.
    pub member_id: Cow<'a, str>,
    /// The static member's name; null for a dynamic one.
    #[codec(nullable = "0+", default = null)]
    pub group_instance_id: Option<Cow<'a, str>>,
    /// Why, for the log.
    #[codec(versions = "5+", nullable = "0+", default = null, ignorable)]
    pub reason: Option<Cow<'a, str>>,
}

/// Whether they left.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-5", flexible = "4+")]
pub struct LeaveGroupResponse<'a> {
    /// How long the client should wait, in milliseconds, because a quota was exceeded; 0 for none.
    #[codec(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// The error, or `NONE`.
    pub error_code: ErrorCode,
    /// The members.
    #[codec(versions = "3+")]
    pub members: Vec<MemberResponse<'a>>,
}

/// One member's result.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct MemberResponse<'a> {
    /// The member's id; empty from one that has none.
    pub member_id: Cow<'a, str>,
    /// The static member's name; null for a dynamic one.
    #[codec(nullable = "0+")]
    pub group_instance_id: Option<Cow<'a, str>>,
    /// The error, or `NONE`.
    pub error_code: ErrorCode,
}

impl Request for LeaveGroupRequest<'_> {
    const KEY: ApiKey = ApiKey::LeaveGroup;
    type Response<'b> = LeaveGroupResponse<'b>;
}

impl Response for LeaveGroupResponse<'_> {
    const KEY: ApiKey = ApiKey::LeaveGroup;
}
