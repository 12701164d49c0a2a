//! DescribeCluster (key 60): brokers and controller.
//!
//! KIP-700 (v0), KIP-919 (controller endpoints, v1), KIP-1073 (fenced brokers, v2).

use std::borrow::Cow;

use engine_codec::Codec;

use crate::message::{Request, Response};
use crate::{ApiKey, ErrorCode};

/// What to tell of the cluster.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-2", flexible = "0+")]
pub struct DescribeClusterRequest {
    /// Whether to tell what the caller may do with the cluster.
    pub include_cluster_authorized_operations: bool,
    /// 1 brokers, 2 controllers.
    #[codec(versions = "1+", default = 1)]
    pub endpoint_type: i8,
    /// Whether to list brokers that are registered but fenced.
    #[codec(versions = "2+")]
    pub include_fenced_brokers: bool,
}

/// The cluster.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-2", flexible = "0+")]
pub struct DescribeClusterResponse<'a> {
    /// How long the client should wait, in milliseconds, because a quota was exceeded; 0 for none.
    pub throttle_time_ms: i32,
    /// The error, or `NONE`.
    pub error_code: ErrorCode,
    /// What went wrong, for people; null where the code says it all.
    #[codec(nullable = "0+", default = null)]
    pub error_message: Option<Cow<'a, str>>,
    /// 1 brokers, 2 controllers.
    #[codec(versions = "1+", default = 1)]
    pub endpoint_type: i8,
    /// The cluster's id.
    pub cluster_id: Cow<'a, str>,
    /// The broker to send administration to; -1 if there is none.
    #[codec(default = -1)]
    pub controller_id: i32,
    /// The brokers.
    pub brokers: Vec<DescribeClusterBroker<'a>>,
    /// What the caller may do, a bit for each operation; `i32::MIN` if not asked.
    #[codec(default = i32::MIN)]
    pub cluster_authorized_operations: i32,
}

/// One broker.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct DescribeClusterBroker<'a> {
    /// The broker's id.
    pub broker_id: i32,
    /// The broker's host.
    pub host: Cow<'a, str>,
    /// The broker's port.
    pub port: i32,
    /// The broker's rack; null if it has none.
    #[codec(nullable = "0+", default = null)]
    pub rack: Option<Cow<'a, str>>,
    /// Whether it is registered but takes no part.
    #[codec(versions = "2+")]
    pub is_fenced: bool,
}

impl Request for DescribeClusterRequest {
    const KEY: ApiKey = ApiKey::DescribeCluster;
    type Response<'b> = DescribeClusterResponse<'b>;
}

impl Response for DescribeClusterResponse<'_> {
    const KEY: ApiKey = ApiKey::DescribeCluster;
}
