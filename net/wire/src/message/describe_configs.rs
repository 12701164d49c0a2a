//! DescribeConfigs (key 32): configuration of topics, brokers, groups.
//!
//! KIP-226 (sources and synonyms, v1), KIP-569 (types and documentation, v3), KIP-482 (flexible,
//! v4).

use std::borrow::Cow;

use engine_codec::Codec;

use crate::message::{Request, Response};
use crate::{ApiKey, ErrorCode};

/// Whose configuration.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "1-4", flexible = "4+")]
pub struct DescribeConfigsRequest<'a> {
    /// The resources.
    pub resources: Vec<DescribeConfigsResource<'a>>,
    /// Whether to tell every place that sets a key.
    pub include_synonyms: bool,
    /// Whether to tell what a key is for.
    #[codec(versions = "3+")]
    pub include_documentation: bool,
}

/// One resource asked about.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct DescribeConfigsResource<'a> {
    /// 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
    pub resource_type: i8,
    /// The resource's name; a broker's id in digits, empty for the default of all brokers.
    pub resource_name: Cow<'a, str>,
    /// The keys; null for all.
    #[codec(nullable = "0+")]
    pub configuration_keys: Option<Vec<Cow<'a, str>>>,
}

/// The configurations.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "1-4", flexible = "4+")]
pub struct DescribeConfigsResponse<'a> {
    /// How long the client should wait, in milliseconds, because a quota was exceeded; 0 for none.
    pub throttle_time_ms: i32,
    /// The results.
    pub results: Vec<DescribeConfigsResult<'a>>,
}

/// One resource's configuration.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct DescribeConfigsResult<'a> {
    /// The error, or `NONE`.
    pub error_code: ErrorCode,
    /// What went wrong, for people; null where the code says it all.
    #[codec(nullable = "0+")]
    pub error_message: Option<Cow<'a, str>>,
    /// 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
    pub resource_type: i8,
    /// The resource's name; a broker's id in digits, empty for the default of all brokers.
    pub resource_name: Cow<'a, str>,
    /// The configuration.
    pub configs: Vec<DescribeConfigsResourceResult<'a>>,
}

/// One configuration key.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct DescribeConfigsResourceResult<'a> {
    /// The key.
    pub name: Cow<'a, str>,
    /// The value; null if it is secret.
    #[codec(nullable = "0+")]
    pub value: Option<Cow<'a, str>>,
    /// Whether it cannot be changed while the broker runs.
    pub read_only: bool,
    /// Where the value comes from (1 topic, 2 dynamic broker, 3 dynamic default, 4 static, 5 built-
    /// in default, 6 logger, 7 metrics, 8 group); -1 if unknown.
    #[codec(default = -1)]
    pub config_source: i8,
    /// Whether the value is secret and therefore null here.
    pub is_sensitive: bool,
    /// The places that set the key, the winning one first.
    pub synonyms: Vec<DescribeConfigsSynonym<'a>>,
    /// 1 boolean, 2 string, 3 int, 4 short, 5 long, 6 double, 7 list, 8 class, 9 password; 0 if
    /// unknown.
    #[codec(versions = "3+", ignorable)]
    pub config_type: i8,
    /// What the key is for; null if not asked.
    #[codec(versions = "3+", nullable = "0+", ignorable)]
    pub documentation: Option<Cow<'a, str>>,
}

/// One place that sets the key, in the order in which places win.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct DescribeConfigsSynonym<'a> {
    /// The key.
    pub name: Cow<'a, str>,
    /// The value; null if it is secret.
    #[codec(nullable = "0+")]
    pub value: Option<Cow<'a, str>>,
    /// Where the value comes from, as in `config_source`.
    pub source: i8,
}

impl Request for DescribeConfigsRequest<'_> {
    const KEY: ApiKey = ApiKey::DescribeConfigs;
    type Response<'b> = DescribeConfigsResponse<'b>;
}

impl Response for DescribeConfigsResponse<'_> {
    const KEY: ApiKey = ApiKey::DescribeConfigs;
}
