//! The immutable picture of the cluster that the metadata log paints up to an offset.
//!
//! Cheap to clone (a few reference counts) and never changed once published: shard 0 makes the
//! next one by a [`MetadataDelta`](crate::MetadataDelta) and hands a clone to every shard. Owns
//! no files and decides nothing.

mod cluster;
mod configs;
mod features;
mod security;
mod spread_map;
mod topics;

use std::sync::Arc;

use engine_base::Timestamp;

pub use cluster::{BrokerImage, ClusterImage, ControllerImage, Endpoint, FeatureRange};
pub use configs::{ConfigMap, ConfigResource, ConfigsImage, ResourceType};
pub use features::FeaturesImage;
pub use security::{QuotaEntityKey, SecurityImage};
pub use topics::{
    DIRECTORY_LOST, DIRECTORY_MIGRATING, DIRECTORY_UNASSIGNED, LeaderRecoveryState, NO_LEADER,
    NO_LEADER_CHANGE, PartitionImage, TopicImage, TopicsImage,
};

/// The last record an image contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// Its offset; -1 in the empty image.
    pub offset: i64,
    /// The epoch of its batch; -1 in the empty image.
    pub epoch: i32,
    /// The append time of its batch.
    pub timestamp: Timestamp,
}

impl Provenance {
    /// Before the first record.
    pub const EMPTY: Self = Self {
        offset: -1,
        epoch: -1,
        timestamp: -1,
    };
}

impl Default for Provenance {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetadataImage {
    pub(crate) provenance: Provenance,
    pub(crate) features: Arc<FeaturesImage>,
    pub(crate) cluster: Arc<ClusterImage>,
    pub(crate) topics: TopicsImage,
    pub(crate) configs: ConfigsImage,
    pub(crate) security: Arc<SecurityImage>,
    pub(crate) next_producer_id: Option<i64>,
}

impl MetadataImage {
    /// The last record contained.
    #[must_use]
    pub fn provenance(&self) -> Provenance {
        self.provenance
    }

    /// Finalized features.
    #[must_use]
    pub fn features(&self) -> &FeaturesImage {
        &self.features
    }

    /// Brokers and controllers.
    #[must_use]
    pub fn cluster(&self) -> &ClusterImage {
        &self.cluster
    }

    /// Topics and partitions.
    #[must_use]
    pub fn topics(&self) -> &TopicsImage {
        &self.topics
    }

    /// Configuration that was set.
    #[must_use]
    pub fn configs(&self) -> &ConfigsImage {
        &self.configs
    }

    /// Quotas, access control, credentials, tokens.
    #[must_use]
    pub fn security(&self) -> &SecurityImage {
        &self.security
    }

    /// The first producer id that no block has taken, once a block was handed out.
    #[must_use]
    pub fn next_producer_id(&self) -> Option<i64> {
        self.next_producer_id
    }
}
