//! Controllers and what they support (KIP-919).

use engine_base::Uuid;
use engine_codec::Codec;

use super::{NodeEndpoint, NodeFeature};

/// The whole registration of one controller.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct RegisterController<'a> {
    /// `node.id`.
    pub controller_id: i32,
    /// Drawn anew at every process start.
    pub incarnation_id: Uuid,
    /// Always false since 4.0.
    pub zk_migration_ready: bool,
    /// Where brokers and other controllers reach it.
    pub end_points: Vec<NodeEndpoint<'a>>,
    /// What it supports.
    pub features: Vec<NodeFeature<'a>>,
}

/// Removes one (KIP-1312).
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct UnregisterController {
    /// `node.id`.
    pub controller_id: i32,
}
