//! `metadata.version`: which records the cluster may write, and in which versions.

use std::fmt;

/// A level of the feature `metadata.version`. Higher levels know more records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetadataVersion(i16);

impl MetadataVersion {
    /// The feature's name.
    pub const FEATURE_NAME: &'static str = "metadata.version";
    /// 3.3-IV3, the oldest that any 4.x release can load.
    pub const MIN: Self = Self(7);
    /// 3.7-IV2: replicas name their log directory (KIP-858).
    const DIRECTORY_ASSIGNMENT: Self = Self(17);
    /// 4.0-IV1: eligible leader replicas can be written (KIP-966).
    const ELIGIBLE_LEADER_REPLICAS: Self = Self(23);
    /// 4.3-IV0: directories can be cordoned (KIP-1066).
    const CORDONED_LOG_DIRS: Self = Self(30);
    /// 4.4-IV2: what Kafka 4.4.0 formats with, and the newest there is.
    pub const MAX: Self = Self(33);

    /// The version of a feature level, if it is one that can be loaded.
    #[must_use]
    pub fn from_level(level: i16) -> Option<Self> {
        (Self::MIN..=Self::MAX)
            .contains(&Self(level))
            .then_some(Self(level))
    }

    /// The feature level.
    #[must_use]
    pub fn level(self) -> i16 {
        self.0
    }

    /// Whether replicas name their log directory.
    #[must_use]
    pub fn has_directory_assignment(self) -> bool {
        self >= Self::DIRECTORY_ASSIGNMENT
    }

    /// Whether eligible leader replicas have a place in partition records.
    #[must_use]
    pub fn has_eligible_leader_replicas(self) -> bool {
        self >= Self::ELIGIBLE_LEADER_REPLICAS
    }

    /// Whether brokers may cordon directories.
    #[must_use]
    pub fn has_cordoned_log_dirs(self) -> bool {
        self >= Self::CORDONED_LOG_DIRS
    }

    /// The version of RegisterBroker records. Version 2 came with 3.4 (level 8).
    pub(crate) fn register_broker_record_version(self) -> i16 {
        if self.has_cordoned_log_dirs() {
            4
        } else if self.has_directory_assignment() {
            3
        } else if self.0 >= 8 {
            2
        } else {
            1
        }
    }

    /// The version of Partition and PartitionChange records.
    pub(crate) fn partition_record_version(self) -> i16 {
        if self.has_eligible_leader_replicas() {
            2
        } else {
            i16::from(self.has_directory_assignment())
        }
    }
}

impl fmt::Display for MetadataVersion {
    /// The feature level: tools print their own name for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
