//! ApiVersions (key 18): which APIs in which versions, and which features.
//!
//! KIP-35 (v0), KIP-511 (client software, v3), KIP-584 (features, v3), KIP-1022 (features from
//! version 0, v4), KIP-1242 (which cluster and node the client expects, v5). The response header
//! is version 0 always: a client must read the answer before it knows what the broker speaks.

use std::borrow::Cow;

use engine_codec::Codec;

use crate::message::{Request, Response};
use crate::{ApiKey, ErrorCode};

/// Who asks.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-5", flexible = "3+")]
pub struct ApiVersionsRequest<'a> {
    /// The client's name.
    #[codec(versions = "3+", ignorable)]
    pub client_software_name: Cow<'a, str>,
    /// The client's version.
    #[codec(versions = "3+", ignorable)]
    pub client_software_version: Cow<'a, str>,
    /// The cluster that the client expects; null if it does not say.
    #[codec(versions = "5+", nullable = "0+", default = null, ignorable)]
    pub cluster_id: Option<Cow<'a, str>>,
    /// The broker that the client expects; -1 if it does not say.
    #[codec(versions = "5+", default = -1, ignorable)]
    pub node_id: i32,
}

/// What the broker speaks.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-5", flexible = "3+")]
pub struct ApiVersionsResponse<'a> {
    /// The error, or `NONE`.
    pub error_code: ErrorCode,
    /// The APIs.
    pub api_keys: Vec<ApiVersion>,
    /// How long the client should wait, in milliseconds, because a quota was exceeded; 0 for none.
    #[codec(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// What this broker could serve.
    #[codec(versions = "3+", tag = 0, ignorable)]
    pub supported_features: Vec<SupportedFeatureKey<'a>>,
    /// Grows with each change of `finalized_features`; -1 if unknown.
    #[codec(versions = "3+", default = -1, tag = 1, ignorable)]
    pub finalized_features_epoch: i64,
    /// What the cluster has agreed on.
    #[codec(versions = "3+", tag = 2, ignorable)]
    pub finalized_features: Vec<FinalizedFeatureKey<'a>>,
    /// Whether a migration from ZooKeeper could start; never, here.
    #[codec(versions = "3+", tag = 3, ignorable)]
    pub zk_migration_ready: bool,
}

/// One API and its window.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct ApiVersion {
    /// The key.
    pub api_key: i16,
    /// The lowest version.
    pub min_version: i16,
    /// The highest version.
    pub max_version: i16,
}

/// One feature that this broker could serve.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct SupportedFeatureKey<'a> {
    /// The feature's name.
    pub name: Cow<'a, str>,
    /// The lowest version.
    pub min_version: i16,
    /// The highest version.
    pub max_version: i16,
}

/// One feature at the level that the cluster has agreed on.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct FinalizedFeatureKey<'a> {
    /// The feature's name.
    pub name: Cow<'a, str>,
    /// The highest level in force.
    pub max_version_level: i16,
    /// The lowest level in force.
    pub min_version_level: i16,
}

impl Request for ApiVersionsRequest<'_> {
    const KEY: ApiKey = ApiKey::ApiVersions;
    type Response<'b> = ApiVersionsResponse<'b>;
}

impl Response for ApiVersionsResponse<'_> {
    const KEY: ApiKey = ApiKey::ApiVersions;
}
