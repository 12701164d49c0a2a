//! FindCoordinator (key 10): the broker that coordinates a group or a transactional id.
//!
//! KIP-98 (key types, v1), KIP-482 (flexible, v3), KIP-699 (many keys, v4), KIP-890 (v5), KIP-932
//! (share groups, v6).

use std::borrow::Cow;

use engine_codec::Codec;

use crate::message::{Request, Response};
use crate::{ApiKey, ErrorCode};

/// Whose coordinator; versions 0-3 one key, later ones a list.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-6", flexible = "3+")]
pub struct FindCoordinatorRequest<'a> {
    /// The group or transactional id.
    #[codec(versions = "0-3")]
    pub key: Cow<'a, str>,
    /// 0 group, 1 transaction, 2 share group.
    #[codec(versions = "1+")]
    pub key_type: i8,
    /// The group or transactional ids.
    #[codec(versions = "4+")]
    pub coordinator_keys: Vec<Cow<'a, str>>,
}

/// The coordinators; versions 0-3 one, later ones a list.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-6", flexible = "3+")]
pub struct FindCoordinatorResponse<'a> {
    /// How long the client should wait, in milliseconds, because a quota was exceeded; 0 for none.
    #[codec(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// The error, or `NONE`.
    #[codec(versions = "0-3")]
    pub error_code: ErrorCode,
    /// What went wrong, for people; null where the code says it all.
    #[codec(versions = "1-3", nullable = "0+", ignorable)]
    pub error_message: Option<Cow<'a, str>>,
    /// The coordinator's broker id; -1 on an error.
    #[codec(versions = "0-3")]
    pub node_id: i32,
    /// The coordinator's host.
    #[codec(versions = "0-3")]
    pub host: Cow<'a, str>,
    /// The coordinator's port.
    #[codec(versions = "0-3")]
    pub port: i32,
    /// The coordinators.
    #[codec(versions = "4+")]
    pub coordinators: Vec<Coordinator<'a>>,
}

/// One key's coordinator, or why there is none.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct Coordinator<'a> {
    /// The group or transactional id.
    pub key: Cow<'a, str>,
    /// The coordinator's broker id; -1 on an error.
    pub node_id: i32,
    /// The coordinator's host.
    pub host: Cow<'a, str>,
    /// The coordinator's port.
    pub port: i32,
    /// The error, or `NONE`.
    pub error_code: ErrorCode,
    /// What went wrong, for people; null where the code says it all.
    #[codec(nullable = "0+")]
    pub error_message: Option<Cow<'a, str>>,
}

impl Request for FindCoordinatorRequest<'_> {
    const KEY: ApiKey = ApiKey::FindCoordinator;
    type Response<'b> = FindCoordinatorResponse<'b>;
}

impl Response for FindCoordinatorResponse<'_> {
    const KEY: ApiKey = ApiKey::FindCoordinator;
}
