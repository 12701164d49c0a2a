//! DescribeGroups (key 15): state and members of groups.
//!
//! KIP-430 (authorized operations, v3), KIP-345 (static members, v4), KIP-482 (flexible, v5),
//! KIP-1043 (an error for a group that does not exist, v6).

use std::borrow::Cow;

use engine_codec::Codec;

use crate::message::{Request, Response};
use crate::{ApiKey, ErrorCode};

/// Which groups to describe.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-6", flexible = "5+")]
pub struct DescribeGroupsRequest<'a> {
    /// The ids of the groups.
    pub groups: Vec<Cow<'a, str>>,
    /// Whether to tell what the caller may do with each group.
    #[codec(versions = "3+")]
    pub include_authorized_operations: bool,
}

/// The groups.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-6", flexible = "5+")]
pub struct DescribeGroupsResponse<'a> {
    /// How long the client should wait, in milliseconds, because a quota was exceeded; 0 for none.
    #[codec(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// The groups.
    pub groups: Vec<DescribedGroup<'a>>,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct DescribedGroup<'a> {
    /// The error, or `NONE`.
    pub error_code: ErrorCode,
    /// What went wrong, for people; null where the code says it all.
    #[codec(versions = "6+", nullable = "0+", default = null)]
    pub error_message: Option<Cow<'a, str>>,
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The group's state, in Kafka's words.
    pub group_state: Cow<'a, str>,
    /// The kind of group; `consumer` for consumers.
    pub protocol_type: Cow<'a, str>,
    /// The protocol (assignor) of the generation; empty if there is none.
    pub protocol_data: Cow<'a, str>,
    /// The members.
    pub members: Vec<DescribedGroupMember<'a>>,
    /// What the caller may do, a bit for each operation; `i32::MIN` if not asked.
    #[codec(versions = "3+", default = i32::MIN)]
    pub authorized_operations: i32,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct DescribedGroupMember<'a> {
    /// The member's id; empty from one that has none.
    pub member_id: Cow<'a, str>,
    /// The static member's name; null for a dynamic one.
    #[codec(versions = "4+", nullable = "0+", default = null, ignorable)]
    pub group_instance_id: Option<Cow<'a, str>>,
    /// The member's client id.
    pub client_id: Cow<'a, str>,
    /// The address the member came from.
    pub client_host: Cow<'a, str>,
    /// The member's subscription.
    pub member_metadata: Cow<'a, [u8]>,
    /// The member's assignment.
    pub member_assignment: Cow<'a, [u8]>,
}

impl Request for DescribeGroupsRequest<'_> {
    const KEY: ApiKey = ApiKey::DescribeGroups;
    type Response<'b> = DescribeGroupsResponse<'b>;
}

impl Response for DescribeGroupsResponse<'_> {
    const KEY: ApiKey = ApiKey::DescribeGroups;
}
