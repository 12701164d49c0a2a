//! IncrementalAlterConfigs (key 44): set, delete, append to or subtract from single keys.
//!
//! KIP-339 (v0), KIP-482 (flexible, v1).

use std::borrow::Cow;

use engine_codec::Codec;

use crate::message::{Request, Response};
use crate::{ApiKey, ErrorCode};

/// Changes of configuration.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-1", flexible = "1+")]
pub struct IncrementalAlterConfigsRequest<'a> {
    /// The resources.
    pub resources: Vec<AlterConfigsResource<'a>>,
    /// Whether to check only and change nothing.
    pub validate_only: bool,
}

/// One resource's changes.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct AlterConfigsResource<'a> {
    /// 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
    pub resource_type: i8,
    /// The resource's name; a broker's id in digits, empty for the default of all brokers.
    pub resource_name: Cow<'a, str>,
    /// The configuration.
    pub configs: Vec<AlterableConfig<'a>>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct AlterableConfig<'a> {
    /// The key.
    pub name: Cow<'a, str>,
    /// 0 set, 1 delete, 2 append, 3 subtract.
    pub config_operation: i8,
    /// The value; null with delete.
    #[codec(nullable = "0+")]
    pub value: Option<Cow<'a, str>>,
}

/// What became of them.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-1", flexible = "1+")]
pub struct IncrementalAlterConfigsResponse<'a> {
    /// How long the client should wait, in milliseconds, because a quota was exceeded; 0 for none.
    pub throttle_time_ms: i32,
    /// The results, resource by resource.
    pub responses: Vec<AlterConfigsResourceResponse<'a>>,
}

/// One resource's result.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct AlterConfigsResourceResponse<'a> {
    /// The error, or `NONE`.
    pub error_code: ErrorCode,
    /// What went wrong, for people; null where the code says it all.
    #[codec(nullable = "0+")]
    pub error_message: Option<Cow<'a, str>>,
    /// 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
    pub resource_type: i8,
    /// The resource's name; a broker's id in digits, empty for the default of all brokers.
    pub resource_name: Cow<'a, str>,
}

impl Request for IncrementalAlterConfigsRequest<'_> {
    const KEY: ApiKey = ApiKey::IncrementalAlterConfigs;
    type Response<'b> = IncrementalAlterConfigsResponse<'b>;
}

impl Response for IncrementalAlterConfigsResponse<'_> {
    const KEY: ApiKey = ApiKey::IncrementalAlterConfigs;
}
