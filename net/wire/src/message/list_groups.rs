//! ListGroups (key 16): the groups that this broker coordinates.
//!
//! KIP-482 (flexible, v3), KIP-518 (states, v4), KIP-848 (types, v5).

use std::borrow::Cow;

use engine_codec::Codec;

use crate::message::{Request, Response};
use crate::{ApiKey, ErrorCode};

/// Which groups to list.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-5", flexible = "3+")]
pub struct ListGroupsRequest<'a> {
    /// The states wanted; empty for all.
    #[codec(versions = "4+")]
    pub states_filter: Vec<Cow<'a, str>>,
    /// The types wanted; empty for all.
    #[codec(versions = "5+")]
    pub types_filter: Vec<Cow<'a, str>>,
}

/// The groups.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-5", flexible = "3+")]
pub struct ListGroupsResponse<'a> {
    /// How long the client should wait, in milliseconds, because a quota was exceeded; 0 for none.
    #[codec(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// The error, or `NONE`.
    pub error_code: ErrorCode,
    /// The groups.
    pub groups: Vec<ListedGroup<'a>>,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct ListedGroup<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The kind of group; `consumer` for consumers.
    pub protocol_type: Cow<'a, str>,
    /// The group's state, in Kafka's words.
    #[codec(versions = "4+", ignorable)]
    pub group_state: Cow<'a, str>,
    /// `classic`, `consumer`, `share` or `streams`.
    #[codec(versions = "5+", ignorable)]
    pub group_type: Cow<'a, str>,
}

impl Request for ListGroupsRequest<'_> {
    const KEY: ApiKey = ApiKey::ListGroups;
    type Response<'b> = ListGroupsResponse<'b>;
}

impl Response for ListGroupsResponse<'_> {
    const KEY: ApiKey = ApiKey::ListGroups;
}
