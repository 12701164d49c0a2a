//! The feature levels the cluster agreed on.

use std::collections::BTreeMap;

use crate::MetadataVersion;
use crate::error::ApplyError;
use crate::features::KRAFT_VERSION;
use crate::record;

/// Finalized features.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeaturesImage {
    metadata_version: Option<MetadataVersion>,
    levels: BTreeMap<String, i16>,
}

impl FeaturesImage {
    /// `metadata.version`; absent in a log that has not been bootstrapped.
    #[must_use]
    pub fn metadata_version(&self) -> Option<MetadataVersion> {
        self.metadata_version
    }

    /// The level of a feature other than `metadata.version`; 0 is "not in use".
    #[must_use]
    pub fn level(&self, feature: &str) -> i16 {
        self.levels.get(feature).copied().unwrap_or(0)
    }

    /// Every feature in use other than `metadata.version`, by name.
    pub fn levels(&self) -> impl Iterator<Item = (&str, i16)> {
        self.levels
            .iter()
            .map(|(name, &level)| (name.as_str(), level))
    }

    /// Applies a record. `kraft.version` is passed over: it lives in the quorum's own control
    /// records, and logs exist that say it here too, wrongly.
    pub(crate) fn apply(&mut self, record: &record::FeatureLevel<'_>) -> Result<(), ApplyError> {
        let level = record.feature_level;
        if record.name == MetadataVersion::FEATURE_NAME {
            let version = MetadataVersion::from_level(level)
                .ok_or(ApplyError::UnsupportedMetadataVersion(level))?;
            self.metadata_version = Some(version);
        } else if record.name == KRAFT_VERSION {
        } else if level == 0 {
            self.levels.remove(&*record.name);
        } else {
            self.levels.insert(record.name.to_string(), level);
        }
        Ok(())
    }
}
