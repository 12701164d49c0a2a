//! The level of a feature that the whole cluster agreed on.

use std::borrow::Cow;

use engine_codec::Codec;

/// Finalizes a feature. The first record of every log and snapshot is the one of `metadata.version`,
/// and it stays at version 0 so that any reader can tell whether it may go on.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct FeatureLevel<'a> {
    /// The feature.
    pub name: Cow<'a, str>,
    /// Its level; 0 means not in use.
    pub feature_level: i16,
}
