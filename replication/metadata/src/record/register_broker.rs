//! A broker joined, or came back in a new incarnation.

use std::borrow::Cow;

use engine_base::Uuid;
use engine_codec::Codec;

use super::{NodeEndpoint, NodeFeature};

/// The whole registration of one broker; replaces what was known of it. Versions 3 and 4 (KIP-858,
/// KIP-1066) carry its log directories.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-4", flexible = "0+")]
pub struct RegisterBroker<'a> {
    /// `node.id`.
    pub broker_id: i32,
    /// Always false: there are no such brokers since 4.0.
    #[codec(versions = "2+")]
    pub is_migrating_zk_broker: bool,
    /// Drawn anew at every process start: tells a restart from a repeated request.
    pub incarnation_id: Uuid,
    /// The log offset the registration was given: unique, and rising with each incarnation.
    pub broker_epoch: i64,
    /// Where clients and brokers reach it.
    pub end_points: Vec<NodeEndpoint<'a>>,
    /// What it supports, by feature.
    pub features: Vec<NodeFeature<'a>>,
    /// `broker.rack`.
    #[codec(nullable = "0+")]
    pub rack: Option<Cow<'a, str>>,
    /// True until it has caught up with the metadata log: it leads nothing until then.
    #[codec(default = true)]
    pub fenced: bool,
    /// It is handing over its leaderships.
    #[codec(versions = "1+")]
    pub in_controlled_shutdown: bool,
    /// Ids of its usable log directories.
    #[codec(versions = "3+", tag = 0)]
    pub log_dirs: Vec<Uuid>,
    /// Directories that take no new partitions; null before the broker has said.
    #[codec(versions = "4+", nullable = "4+", default = null, tag = 1)]
    pub cordoned_log_dirs: Option<Vec<Uuid>>,
}
