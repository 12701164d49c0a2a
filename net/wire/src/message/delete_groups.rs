//! DeleteGroups (key 42): remove empty groups.
//!
//! KIP-229 (v0), KIP-482 (flexible, v2), error message per group (v3).

use std::borrow::Cow;

use engine_codec::Codec;

use crate::message::{Request, Response};
use crate::{ApiKey, ErrorCode};

/// Groups to remove.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-3", flexible = "2+")]
pub struct DeleteGroupsRequest<'a> {
    /// The ids of the groups.
    pub groups_names: Vec<Cow<'a, str>>,
}

/// What became of them.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-3", flexible = "2+")]
pub struct DeleteGroupsResponse<'a> {
    /// How long the client should wait, in milliseconds, because a quota was exceeded; 0 for none.
    pub throttle_time_ms: i32,
    /// The results.
    pub results: Vec<DeletableGroupResult<'a>>,
}

/// One group's result.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct DeletableGroupResult<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The error, or `NONE`.
    pub error_code: ErrorCode,
    /// What went wrong, for people; null where the code says it all.
    #[codec(versions = "3+", nullable = "0+", default = null, ignorable)]
    pub error_message: Option<Cow<'a, str>>,
}

impl Request for DeleteGroupsRequest<'_> {
    const KEY: ApiKey = ApiKey::DeleteGroups;
    type Response<'b> = DeleteGroupsResponse<'b>;
}

impl Response for DeleteGroupsResponse<'_> {
    const KEY: ApiKey = ApiKey::DeleteGroups;
}
