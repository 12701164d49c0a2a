//! Forgetting eligible leaders.

use std::borrow::Cow;

use engine_codec::Codec;

/// Empties the eligible leaders of one topic or of all: written when `min.insync.replicas` changes.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct ClearElr<'a> {
    /// The topic; empty for all.
    pub topic_name: Cow<'a, str>,
}
