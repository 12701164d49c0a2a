//! DeleteTopics (key 20): remove topics by name or by id.
//!
//! KIP-322 (deletion may be off, v3), KIP-482 (flexible, v4), KIP-599 (throttling and messages,
//! v5), KIP-516 (topic ids, v6).

use std::borrow::Cow;

use engine_base::Uuid;
use engine_codec::Codec;

use crate::message::{Request, Response};
use crate::{ApiKey, ErrorCode};

/// Topics to remove; versions up to 5 by name, later ones by name or id.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "1-6", flexible = "4+")]
pub struct DeleteTopicsRequest<'a> {
    /// The topics (versions 6 and later).
    #[codec(versions = "6+")]
    pub topics: Vec<DeleteTopicState<'a>>,
    /// The names of the topics (versions up to 5).
    #[codec(versions = "0-5", ignorable)]
    pub topic_names: Vec<Cow<'a, str>>,
    /// How long the broker may work on the request, in milliseconds.
    pub timeout_ms: i32,
}

/// One topic, by name or by id.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct DeleteTopicState<'a> {
    /// The topic's name; null when named by id.
    #[codec(nullable = "0+", default = null)]
    pub name: Option<Cow<'a, str>>,
    /// The topic's id.
    pub topic_id: Uuid,
}

/// What became of them.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "1-6", flexible = "4+")]
pub struct DeleteTopicsResponse<'a> {
    /// How long the client should wait, in milliseconds, because a quota was exceeded; 0 for none.
    pub throttle_time_ms: i32,
    /// The results, topic by topic.
    pub responses: Vec<DeletableTopicResult<'a>>,
}

/// One topic's result.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct DeletableTopicResult<'a> {
    /// The topic's name; null where the caller may not know it.
    #[codec(nullable = "6+")]
    pub name: Option<Cow<'a, str>>,
    /// The topic's id.
    #[codec(versions = "6+", ignorable)]
    pub topic_id: Uuid,
    /// The error, or `NONE`.
    pub error_code: ErrorCode,
    /// What went wrong, for people; null where the code says it all.
    #[codec(versions = "5+", nullable = "0+", default = null, ignorable)]
    pub error_message: Option<Cow<'a, str>>,
}

impl Request for DeleteTopicsRequest<'_> {
    const KEY: ApiKey = ApiKey::DeleteTopics;
    type Response<'b> = DeleteTopicsResponse<'b>;
}

impl Response for DeleteTopicsResponse<'_> {
    const KEY: ApiKey = ApiKey::DeleteTopics;
}
