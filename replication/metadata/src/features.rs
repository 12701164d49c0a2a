//! Which features there are, what a directory is formatted with, and what clients are told.
//!
//! Three different levels, kept apart on purpose:
//!
//! - **Finalized**: what the metadata log says. A fresh directory gets the levels that Kafka's own
//!   storage tool gives it, so that Kafka starts on the directory and finds nothing to upgrade;
//!   an adopted directory keeps the levels it came with.
//! - **Registered**: the ranges a node names when it registers. Kafka's controller refuses a node
//!   whose range misses a finalized level. These are Kafka 4.4's own ranges: every record those
//!   levels allow is understood and kept, which is what the log needs from a node.
//! - **Served**: what ApiVersions tells clients, the finalized level cut down to what works here.
//!   A producer that is told `transaction.version` 2 lets the broker bump epochs; one that is told
//!   nothing uses the older exchange. So a level is raised here when, and not before, the broker
//!   does what it promises. Cutting it is safe: a level below the finalized one is what a client
//!   sees anyway while its cluster upgrades.

use crate::MetadataVersion;
use crate::image::FeaturesImage;

/// The quorum's own feature: dynamic voters (KIP-853). It lives in control records, not in
/// feature records.
pub const KRAFT_VERSION: &str = "kraft.version";
/// Level 1: flexible records of transactions; level 2: the epoch rises with every transaction
/// (KIP-890).
pub const TRANSACTION_VERSION: &str = "transaction.version";
/// Level 1: consumer groups without a synchronisation barrier (KIP-848).
pub const GROUP_VERSION: &str = "group.version";
/// Level 1: leaders may be elected from outside the in-sync set, from a set known to be complete
/// (KIP-966).
pub const ELIGIBLE_LEADER_REPLICAS_VERSION: &str = "eligible.leader.replicas.version";
/// Level 1: share groups (KIP-932); level 2: with dead-letter queues (KIP-1191).
pub const SHARE_VERSION: &str = "share.version";
/// Level 1: groups of stream processors (KIP-1071).
pub const STREAMS_VERSION: &str = "streams.version";

/// A feature other than `metadata.version`.
#[derive(Clone, Copy, Debug)]
pub struct Feature {
    /// Its name.
    pub name: &'static str,
    /// The highest level of Kafka 4.4; the lowest is 0 for all of them.
    pub max: i16,
    /// The highest level whose promises to clients this broker keeps.
    pub served_max: i16,
    /// From which `metadata.version` on a new cluster gets which level, ascending.
    defaults: &'static [(i16, i16)],
}

/// Every feature other than `metadata.version`, by name.
pub const FEATURES: [Feature; 6] = [
    Feature {
        name: ELIGIBLE_LEADER_REPLICAS_VERSION,
        max: 1,
        served_max: 1,
        defaults: &[(26, 1)],
    },
    Feature {
        name: GROUP_VERSION,
        max: 1,
        served_max: 0,
        defaults: &[(22, 1)],
    },
    Feature {
        name: KRAFT_VERSION,
        max: 1,
        served_max: 1,
        defaults: &[(21, 1)],
    },
    Feature {
        name: SHARE_VERSION,
        max: 2,
        served_max: 0,
        defaults: &[(28, 1), (31, 2)],
    },
    Feature {
        name: STREAMS_VERSION,
        max: 1,
        served_max: 0,
        defaults: &[(29, 1)],
    },
    Feature {
        name: TRANSACTION_VERSION,
        max: 2,
        served_max: 0,
        defaults: &[(24, 2)],
    },
];

impl Feature {
    /// The level a new cluster at `metadata_version` starts with.
    #[must_use]
    pub fn default_level(&self, metadata_version: MetadataVersion) -> i16 {
        self.defaults
            .iter()
            .rev()
            .find(|(since, _)| metadata_version.level() >= *since)
            .map_or(0, |&(_, level)| level)
    }
}

/// A feature and a range of its levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SupportedFeature {
    /// The feature.
    pub name: &'static str,
    /// Its lowest level.
    pub min: i16,
    /// Its highest level.
    pub max: i16,
}

/// The ranges to register with, by name.
#[must_use]
pub fn registered() -> Vec<SupportedFeature> {
    ranges(|feature| feature.max)
}

/// The ranges that ApiVersions names as supported, by name.
#[must_use]
pub fn supported() -> Vec<SupportedFeature> {
    ranges(|feature| feature.served_max)
}

fn ranges(max: impl Fn(&Feature) -> i16) -> Vec<SupportedFeature> {
    let mut ranges: Vec<SupportedFeature> = FEATURES
        .iter()
        .map(|feature| SupportedFeature {
            name: feature.name,
            min: 0,
            max: max(feature),
        })
        .collect();
    ranges.push(SupportedFeature {
        name: MetadataVersion::FEATURE_NAME,
        min: MetadataVersion::MIN.level(),
        max: MetadataVersion::MAX.level(),
    });
    ranges.sort_by_key(|range| range.name);
    ranges
}

/// The finalized levels that ApiVersions tells clients, by name. `kraft_version` is the level in
/// the quorum's control records.
#[must_use]
pub fn served(finalized: &FeaturesImage, kraft_version: i16) -> Vec<(&'static str, i16)> {
    let mut levels: Vec<(&'static str, i16)> = FEATURES
        .iter()
        .map(|feature| {
            let level = match feature.name {
                KRAFT_VERSION => kraft_version,
                name => finalized.level(name),
            };
            (feature.name, level.min(feature.served_max))
        })
        .filter(|(_, level)| *level > 0)
        .collect();
    if let Some(version) = finalized.metadata_version() {
        levels.push((MetadataVersion::FEATURE_NAME, version.level()));
    }
    levels.sort_unstable();
    levels
}

/// The feature records of a new cluster: `metadata.version` first, then by name. Without
/// `kraft.version`, which is not said in records.
#[must_use]
pub fn bootstrap_levels(metadata_version: MetadataVersion) -> Vec<(&'static str, i16)> {
    let mut levels = vec![(MetadataVersion::FEATURE_NAME, metadata_version.level())];
    levels.extend(
        FEATURES
            .iter()
            .filter(|feature| feature.name != KRAFT_VERSION)
            .map(|feature| (feature.name, feature.default_level(metadata_version)))
            .filter(|(_, level)| *level > 0),
    );
    levels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::FeatureLevel;

    #[test]
    fn a_new_cluster_gets_the_levels_of_kafka_4_4() {
        let expected = [
            ("metadata.version", 33),
            ("eligible.leader.replicas.version", 1),
            ("group.version", 1),
            ("share.version", 2),
            ("streams.version", 1),
            ("transaction.version", 2),
        ];
        assert_eq!(bootstrap_levels(MetadataVersion::MAX), expected);
        let v4_0 = MetadataVersion::from_level(25).unwrap();
        let expected = [
            ("metadata.version", 25),
            ("group.version", 1),
            ("transaction.version", 2),
        ];
        assert_eq!(bootstrap_levels(v4_0), expected);
    }

    #[test]
    fn clients_are_told_no_level_that_does_not_work() {
        let mut finalized = FeaturesImage::default();
        for (name, level) in bootstrap_levels(MetadataVersion::MAX) {
            let record = FeatureLevel {
                name: name.into(),
                feature_level: level,
            };
            finalized.apply(&record).unwrap();
        }
        for (name, level) in served(&finalized, 1) {
            let range = supported()
                .into_iter()
                .find(|range| range.name == name)
                .unwrap();
            assert!(level <= range.max && level > 0, "{name}");
        }
        let names: Vec<_> = served(&finalized, 1)
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert!(names.contains(&"metadata.version") && names.contains(&KRAFT_VERSION));
        for feature in FEATURES {
            assert!(feature.served_max <= feature.max, "{}", feature.name);
            assert!(
                feature.default_level(MetadataVersion::MAX) <= feature.max,
                "{}",
                feature.name
            );
        }
    }
}
