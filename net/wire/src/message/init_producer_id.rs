//! InitProducerId (key 22): an identity for an idempotent or transactional producer.
//!
//! KIP-98 (v0), KIP-360 (keep the id, bump the epoch, v3), KIP-588 (fenced, v4), KIP-890 (v5).

use std::borrow::Cow;

use engine_codec::Codec;

use crate::message::{Request, Response};
use crate::{ApiKey, ErrorCode};

/// Who needs an identity; with one it already has, a newer epoch.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-5", flexible = "2+")]
pub struct InitProducerIdRequest<'a> {
    /// The transactional id; null outside of transactions.
    #[codec(nullable = "0+")]
    pub transactional_id: Option<Cow<'a, str>>,
    /// A transaction open for longer is aborted, in milliseconds.
    pub transaction_timeout_ms: i32,
    /// The id it already has; -1 for none.
    #[codec(versions = "3+", default = -1)]
    pub producer_id: i64,
    /// The epoch it already has; -1 for none.
    #[codec(versions = "3+", default = -1)]
    pub producer_epoch: i16,
}

/// The identity.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-5", flexible = "2+")]
pub struct InitProducerIdResponse {
    /// How long the client should wait, in milliseconds, because a quota was exceeded; 0 for none.
    pub throttle_time_ms: i32,
    /// The error, or `NONE`.
    pub error_code: ErrorCode,
    /// The producer id.
    #[codec(default = -1)]
    pub producer_id: i64,
    /// The producer's epoch.
    pub producer_epoch: i16,
}

impl Request for InitProducerIdRequest<'_> {
    const KEY: ApiKey = ApiKey::InitProducerId;
    type Response<'b> = InitProducerIdResponse;
}

impl Response for InitProducerIdResponse {
    const KEY: ApiKey = ApiKey::InitProducerId;
}
